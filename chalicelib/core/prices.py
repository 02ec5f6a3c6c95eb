"""Prices of a unit and of a check: to put the largest saving first, and not to spend more on
checks than they can save.

us-east-1, Standard class, USD, read 2026-08 from public price lists. Only their ratios matter here:
they order tables, and compare a check with a unit. The workbench calculates bills, with a price
file that the operator chooses.
"""

from datetime import datetime
from itertools import chain

from chalicelib.config import schedules
from chalicelib.config.policy import Policy
from chalicelib.config.types import METRIC_KINDS
from chalicelib.core.observation import Observation
from chalicelib.model import Decision, Dimension, TableState

#: USD for one provisioned unit for an hour.
UNIT_HOUR = {Dimension.READ: 0.00013, Dimension.WRITE: 0.00065}
#: USD for one metric in one GetMetricData call.
METRIC_READ = 0.00001
METRICS_PER_CHECK = 3
SWEEPS_PER_HOUR, FOLLOW_UPS_PER_HOUR = 12, 60
#: A sweep checks a target only if what an hour could save is this many times the price of the
#: hour's checks.
WORTH = 10


def alarm_ok_units(mean: float, percent: int, dimension: Dimension) -> float:
    """Return the units at which a mean load keeps the alarm at `percent` in the state OK.

    It is 0 if it is cheaper to read the metrics every minute, as follow_up does for an alarm that
    stays in ALARM. mean: units per second.
    """
    level = mean * 100 / percent
    following = METRICS_PER_CHECK * METRIC_READ * FOLLOW_UPS_PER_HOUR
    return level if (level - mean) * UNIT_HOUR[dimension] < following else 0.0


def hourly_cost(table: TableState) -> float:
    """Return the USD that a table and its indexes cost in an hour as they are provisioned now."""
    provisioned = [throughput.units.items() for throughput in table.throughputs.values()]
    return sum(units * UNIT_HOUR[dimension] for dimension, units in chain(*provisioned))


def hourly_saving(decision: Decision) -> float:
    """Return the USD that a decision saves in an hour (0 for an increase)."""
    return max(0, decision.current - decision.desired) * UNIT_HOUR[decision.target.dimension]


def is_worth_checking(observation: Observation, now: datetime) -> bool:
    """Tell whether the metrics of a target are read at every sweep.

    They are if that costs little compared with what it could save. A target that only follows its
    fleet is checked while it is above the fleet's units. With `percent`, a target is checked if the
    policy has a rule that no alarm announces. Notifications about metrics always need a check. So
    does a target that may be lowered now, and not in the next hour.
    """
    policy = observation.policy
    if METRIC_KINDS & set(policy.notify) and not policy.dry_run:
        return True
    spare = observation.provisioned - max(policy.min_units, observation.fleet_units)
    is_its_time = spare > 0 and schedules.opened_at(policy.lower_at, now) is not None
    if policy.strategy == "fleet":
        return spare > 0
    if is_its_time or (policy.strategy == "percent" and _needs_checks(policy, spare)):
        return True
    could_save = spare * UNIT_HOUR[observation.target.dimension]
    return could_save >= WORTH * METRICS_PER_CHECK * METRIC_READ * SWEEPS_PER_HOUR


def _needs_checks(policy: Policy, spare: int) -> bool:
    """Tell whether the policy has rules about throttling, rows below the alarm's level, or rules
    about low periods in a row.

    spare: the units above the minimum. Without any, nothing could be lowered.
    """
    return bool(
        policy.throttled_events
        or policy.throttled_provisioned_steps
        or policy.throttled_consumed_steps
        or any(row.at < policy.alarm_percent for row in policy.increase_steps)
        or (policy.lower_percent and spare > 0)
    )
