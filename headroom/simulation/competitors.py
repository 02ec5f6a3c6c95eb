"""What else could run the table: Application Auto Scaling, Dynamic DynamoDB and fixed capacity.

All are replayed with the same rules of DynamoDB as Headroom. Units are integers of at least 1. Time
is in minutes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from chalicelib.model import Dimension
from headroom.simulation.clock import DAY, HOUR, START
from headroom.simulation.dynamodb_rules import Conditions, Meter, Provision
from headroom.simulation.outcome import Outcome

#: A competitor's rule: from the minute, the current units and the visible consumption to the new
#: units, or None for no change.
Rule = Callable[[int, int, Sequence[float]], int | None]
#: So many minutes of consumption a rule can read.
VISIBLE_MINUTES = 20
ONE_MINUTE = timedelta(minutes=1)
#: A scheduled action runs so many minutes before its hour.
SCHEDULED_AHEAD = 10


def run(
    demand: Sequence[float],
    initial_units: int,
    rule: Rule,
    conditions: Conditions | None = None,
    start: datetime = START,
) -> Outcome:
    """Let a rule scale one target. The rule itself repeats a decrease that the quota refused."""
    conditions = conditions or Conditions()
    meter = Meter(initial_units, conditions.burst_seconds)
    return play(demand, meter, Provision({Dimension.READ: meter}), rule, conditions, start)


def play(
    demand: Sequence[float],
    meter: Meter,
    provision: Provision,
    rule: Rule,
    conditions: Conditions,
    start: datetime = START,
) -> Outcome:
    """Let a rule scale a meter of a provision, which the rule may know."""
    outcome = Outcome()
    consumed: list[float] = []
    now = start
    for minute, rate in enumerate(demand):
        visible = minute - conditions.delay_at(minute)
        provision.complete_update(now)
        if provision.pending is None and visible > 0:
            units = rule(minute, meter.units, consumed[max(0, visible - VISIBLE_MINUTES) : visible])
            if units is not None and units != meter.units:
                update = {Dimension.READ: units}
                if provision.is_allowed(update, now):
                    minutes = conditions.minutes_of(provision.updates)
                    lowers = provision.start_update(update, now, minutes)
                    outcome.decreases += lowers
                    outcome.changes += 1
        now += ONE_MINUTE
        served, throttled = meter.serve(rate)
        consumed.append(served)
        outcome.record(meter.units, throttled)
    return outcome


@dataclass(frozen=True)
class AutoScaling:
    """Application Auto Scaling's target tracking for DynamoDB.

    It scales out after 2 of 2 minutes above the target. It scales in after 15 of 15 minutes below
    the target minus 20 points. The new units are ceil(consumed / target). Sources: the alarms that
    it makes, and AWS's knowledge centre, "DynamoDB auto scaling", read 2026-10. How it reads the 15
    minutes is not documented: `from_highest` takes the highest of them, else the last.
    """

    target_percent: int = 70
    from_highest: bool = False
    min_units: int = 1
    max_units: int | None = None

    def __call__(self, _minute: int, units: int, consumed: Sequence[float]) -> int | None:
        if len(consumed) < 2:
            return None
        newest, before = consumed[-1], consumed[-2]
        high, low = units * self.target_percent, units * (self.target_percent - 20)
        if newest * 100 > high and before * 100 > high:
            return max(units, self._units_for(newest))
        if newest * 100 >= low or len(consumed) < 15:
            return None
        highest = max(consumed[-15:])
        if highest * 100 < low:
            return min(units, self._units_for(highest if self.from_highest else newest))
        return None

    def _units_for(self, consumed: float) -> int:
        units = max(self.min_units, math.ceil(consumed * 100 / self.target_percent))
        return units if self.max_units is None else min(units, self.max_units)


@dataclass(frozen=True)
class Scheduled:
    """A rule with scheduled actions, which set the minimum for each hour of the day.

    Application Auto Scaling raises at once to a new minimum (User Guide, "Scheduled scaling", read
    2026-11). Each action runs some minutes before its hour.
    """

    rule: AutoScaling
    minimums: Sequence[int]

    def __call__(self, minute: int, units: int, consumed: Sequence[float]) -> int | None:
        hour = (minute + SCHEDULED_AHEAD) // HOUR % len(self.minimums)
        least = self.minimums[hour]
        wanted = self.rule(minute, units, consumed)
        return max(least, units if wanted is None else wanted)


def usual_minimums(demand: Sequence[float], percent: int) -> list[int]:
    """Return a minimum for each hour of the day: the usual highest minute of that hour, at a target
    percent.

    It is the median over all days of the trace. So these actions know the future.
    """
    peaks: list[list[float]] = [[] for _ in range(DAY // HOUR)]
    for hour, start in enumerate(range(0, len(demand), HOUR)):
        peaks[hour % len(peaks)].append(max(demand[start : start + HOUR]))
    return [max(1, math.ceil(median(of or [0.0]) * 100 / percent)) for of in peaks]


def on_demand(demand: Sequence[float], ceiling: float) -> Outcome:
    """Return the outcome of on demand with a maximum of units a second, which throttles the
    rest."""
    served = [min(rate, ceiling) for rate in demand]
    outcome = Outcome(on_demand_hours=sum(served) / HOUR)
    for rate, one in zip(demand, served, strict=True):
        outcome.record(0, rate - one)
    return outcome


def dynamic_dynamodb(minute: int, units: int, consumed: Sequence[float]) -> int | None:
    """Scale as Dynamic DynamoDB does with its defaults.

    Every 5 minutes it reads the 5 minutes that started 15 minutes ago. It scales up by 50 percent
    at 90 percent, and down by 50 percent at 30. Source: the options and defaults in its
    documentation, read 2026-10.
    """
    if minute % 5 or len(consumed) < 15:
        return None
    mean = sum(consumed[-14:-9]) / 5
    if mean >= 0.9 * units:
        base = max(units, math.ceil(mean))
        return base + math.ceil(base * 0.5)
    if 0 < mean <= 0.3 * units:
        return max(1, math.ceil(mean), units - int(units * 0.5))
    return None


def fixed(demand: Sequence[float], units: int, conditions: Conditions | None = None) -> Outcome:
    """Return the outcome of a capacity that never changes."""
    return run(demand, units, lambda *_: None, conditions)


def fixed_at_peak(demand: Sequence[float]) -> Outcome:
    """Return the outcome of a capacity fixed at the highest minute."""
    return fixed(demand, max(1, math.ceil(max(demand, default=1))))
