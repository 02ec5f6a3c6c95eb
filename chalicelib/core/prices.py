"""What a unit and a look cost: enough to put the biggest saving first, and not to spend more on
looking than it can save.

us-east-1, Standard class, USD, read 2026-08 from public price lists. Only their ratios matter here:
they order tables, and weigh a look against a unit. Bills are reckoned by the workbench, with a
price file of the operator's choice.
"""

from chalicelib.config.policy import METRIC_KINDS, Policy
from chalicelib.core.observation import Observation
from chalicelib.model import Decision, Dimension, TableState

UNIT_HOUR = {Dimension.READ: 0.00013, Dimension.WRITE: 0.00065}
"""USD for one provisioned unit for an hour."""
METRIC_READ = 0.00001
"""USD for one metric in one GetMetricData call."""
METRICS_PER_LOOK = 3
SWEEPS_PER_HOUR, FOLLOW_UPS_PER_HOUR = 12, 60
WORTH = 10
"""A sweep looks at a target only where an hour of all that could be saved is worth this many times
the hour's looks."""


def worth_sleeping(mean: float, percent: int, dimension: Dimension) -> float:
    """Return the level at which a mean load leaves the alarm at `percent` asleep; 0 where following
    it every minute is cheaper.

    mean: units per second. An alarm that is hot all day makes follow_up read a target's metrics
    every minute.
    """
    level = mean * 100 / percent
    following = METRICS_PER_LOOK * METRIC_READ * FOLLOW_UPS_PER_HOUR
    return level if (level - mean) * UNIT_HOUR[dimension] < following else 0.0


def hourly_cost(table: TableState) -> float:
    """Return the USD that a table and its indexes cost in an hour as they are provisioned now."""
    units = (
        (d, n) for throughput in table.throughputs.values() for d, n in throughput.units.items()
    )
    return sum(n * UNIT_HOUR[d] for d, n in units)


def hourly_saving(decision: Decision) -> float:
    """Return the USD that a decision saves in an hour (0 for an increase)."""
    return max(0, decision.current - decision.desired) * UNIT_HOUR[decision.target.dimension]


def is_worth_a_look(observation: Observation) -> bool:
    """Tell whether looking at a target's metrics at every sweep costs little beside what it could
    save.

    Where the fleet is all that a target follows, it is looked at whenever it is above what the
    fleet calls for; and with `percent`, where the policy is about something that no alarm tells.
    What somebody wants to hear of is always looked for.
    """
    policy = observation.policy
    if METRIC_KINDS & set(policy.notify) and not policy.dry_run:
        return True
    spare = observation.provisioned - max(policy.min_units, observation.fleet_units)
    if policy.strategy == "fleet":
        return spare > 0
    if policy.strategy == "percent" and _only_looks_tell(policy, spare):
        return True
    could_save = spare * UNIT_HOUR[observation.target.dimension]
    return could_save >= WORTH * METRICS_PER_LOOK * METRIC_READ * SWEEPS_PER_HOUR


def _only_looks_tell(policy: Policy, spare: int) -> bool:
    """Tell whether the policy is about throttling, about rows below the alarm's level, or about low
    periods in a row.

    spare: the units above the minimum, without which nothing could be lowered.
    """
    by_throttling = (
        policy.throttled_events
        or policy.throttled_provisioned_steps
        or policy.throttled_consumed_steps
    )
    below_alarm = any(row.at < policy.alarm_percent for row in policy.increase_steps)
    return bool(by_throttling) or below_alarm or (policy.lower_percent > 0 and spare > 0)
