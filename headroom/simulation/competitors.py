"""What else could run the table: Application Auto Scaling, Dynamic DynamoDB, fixed capacity, and
perfect foresight.

All stand in the same physics as Headroom's own replay. Units are integers of at least 1; time is
minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.model import Dimension
from headroom.simulation.clock import START
from headroom.simulation.dynamodb_rules import Conditions, Meter, Provision
from headroom.simulation.replay import Outcome

SIDE = Dimension.READ

# What a rival wants at one minute: from the units that hold and the consumption that can be read,
# the units or None.
Rule = Callable[[int, int, Sequence[float]], int | None]


def run(
    demand: Sequence[float],
    first_units: int,
    rule: Rule,
    conditions: Conditions | None = None,
    start: datetime = START,
) -> Outcome:
    """Let a rule scale one target; a decrease over the quota is refused, and the rule asks again by
    itself."""
    conditions = conditions or Conditions()
    meter = Meter(first_units, conditions.burst_seconds)
    provision = Provision({SIDE: meter})
    outcome, consumed = Outcome(), []
    for minute, wanted in enumerate(demand):
        if provision.pending is not None:
            provision.complete_update(start + timedelta(minutes=minute))
        visible = minute - conditions.metric_delay_minutes
        if provision.pending is None and visible > 0:
            units = rule(
                minute,
                meter.units,
                consumed[:visible] if visible < 20 else consumed[visible - 20 : visible],
            )
            if units is not None and units != meter.units:
                _change(provision, units, start + timedelta(minutes=minute), conditions, outcome)
        served, throttled = meter.serve(wanted)
        consumed.append(served)
        outcome.units.append(meter.units)
        outcome.throttled.append(throttled)
    return outcome


def _change(
    provision: Provision, units: int, now: datetime, conditions: Conditions, outcome: Outcome
) -> None:
    if provision.is_allowed({SIDE: units}, now):
        outcome.decreases += provision.start_update({SIDE: units}, now, conditions.update_minutes)
        outcome.changes += 1


@dataclass(frozen=True)
class AutoScaling:
    """Application Auto Scaling's target tracking for DynamoDB.

    Out after 2 of 2 minutes above the target, in after 15 of 15 below target - 20 points, to
    ceil(consumed / target). Sources: the alarms that it makes, and AWS's knowledge centre,
    "DynamoDB auto scaling", read 2026-10. How it reads the 15 minutes is not documented:
    `from_highest` takes the highest of them, else the last.
    """

    target_percent: int = 70
    from_highest: bool = False

    def __call__(self, _minute: int, units: int, consumed: Sequence[float]) -> int | None:
        last = consumed[-15:]
        high, low = units * self.target_percent, units * (self.target_percent - 20)
        if len(last) >= 2 and min(last[-2:]) * 100 > high:
            return max(units, self._fitting(last[-1]))
        if len(last) == 15 and max(last) * 100 < low:
            return min(units, self._fitting(max(last) if self.from_highest else last[-1]))
        return None

    def _fitting(self, consumed: float) -> int:
        return max(1, math.ceil(consumed * 100 / self.target_percent))


def dynamic_dynamodb(minute: int, units: int, consumed: Sequence[float]) -> int | None:
    """Scale as Dynamic DynamoDB does with its defaults.

    Every 5 minutes it reads the 5 minutes that began 15 minutes ago: up by 50 percent at 90, down
    by 50 at 30. Source: its documentation's list of options and their defaults, read 2026-10.
    """
    if minute % 5 or len(consumed) < 15:
        return None
    visible = len(consumed)
    window = consumed[visible - 14 : visible - 9]
    mean = sum(window) / len(window)
    if mean >= 0.9 * units:
        base = max(units, math.ceil(mean))
        return base + math.ceil(base * 0.5)
    if 0 < mean <= 0.3 * units:
        return max(1, math.ceil(mean), units - int(units * 0.5))
    return None


def fixed(demand: Sequence[float], units: int, conditions: Conditions | None = None) -> Outcome:
    """Capacity that never changes."""
    return run(demand, units, lambda *_: None, conditions)


def fixed_at_peak(demand: Sequence[float]) -> Outcome:
    """Capacity fixed at the highest minute."""
    return fixed(demand, max(1, math.ceil(max(demand, default=1))))
