"""What a policy pays that sees the next minutes exactly: so much could a better forecast bring.

It obeys the same rules of DynamoDB: an update takes its time, and decreases have their quota. It
throttles nothing that capacity could have served in time. It is a rule of thumb, so that the best
policy with the same sight pays as much or less.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.model import Dimension
from headroom.simulation import competitors
from headroom.simulation.clock import HOUR, MINUTE, START
from headroom.simulation.dynamodb_rules import Conditions, Meter, Provision
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import THROTTLED_UNIT_PRICE

#: A smaller part of the units is not worth a decrease.
LEAST_SAVING = 0.1
#: A raise is held for about so many minutes, until a decrease undoes it.
HELD_MINUTES = 30
#: A decrease waits for a later minute that would save more: in steps of so many minutes.
WAIT_STEP = 5


def run(
    demand: Sequence[float], units: int, minutes: int, conditions: Conditions | None = None
) -> Outcome:
    """Return the outcome of perfect sight of so many minutes: the cheaper of what the rule does
    with all of it and with half of it."""
    sights = (minutes, minutes // 2)
    outcomes = [_run(demand, units, sight, conditions or Conditions()) for sight in sights]
    return min(outcomes, key=lambda o: o.unit_hours + THROTTLED_UNIT_PRICE * o.throttled_unit_hours)


def _run(demand: Sequence[float], units: int, minutes: int, conditions: Conditions) -> Outcome:
    meter = Meter(units, conditions.burst_seconds)
    provision = Provision({Dimension.READ: meter})
    rule = _Foresight(demand, minutes, meter, provision, conditions.update_minutes)
    at_once = replace(conditions, metric_delay_minutes=0)
    return competitors.play(demand, meter, provision, rule, at_once)


@dataclass(frozen=True)
class _Foresight:
    """The rule. It knows the demand from the present minute on, and the content of the bucket."""

    demand: Sequence[float]
    minutes: int
    meter: Meter
    provision: Provision
    update_minutes: int

    def __call__(self, minute: int, units: int, _consumed: Sequence[float]) -> int | None:
        ahead = self.demand[minute : minute + self.minutes]
        short = _first_short(ahead, units, self.meter.burst_balance, self.meter.burst_seconds)
        if short is not None:
            return self._raised(ahead, units, short)
        now = START + timedelta(minutes=minute)
        # a decrease that the quota forbids would be refused; not to look for it saves the time
        if len(ahead) < self.minutes or not self.provision.is_allowed({Dimension.READ: 0}, now):
            return None
        return self._lowered(ahead, units)

    def _raised(self, ahead: Sequence[float], units: int, short: int) -> int | None:
        """Return the units for a minute ahead that is short of them; None if a raise can wait.

        The least level that serves all that is seen grows with each minute of waiting, since the
        bucket is filled for a shorter time. Waiting saves that level for a minute.
        """
        needed = max(units, self._needed(ahead))
        if short <= self.update_minutes:
            return needed
        later = max(units, self._needed(ahead, wait=1))
        return needed if (later - needed) * HELD_MINUTES > needed - units else None

    def _lowered(self, ahead: Sequence[float], units: int) -> int | None:
        """Return lower units; None if it does not pay, or if a later decrease would save more.

        A decrease bars the next one for an hour, as after the day's free ones.
        """
        needed = self._needed(ahead)
        if needed > units * (1 - LEAST_SAVING):
            return None
        end = math.ceil(sum(ahead[-WAIT_STEP:]) / WAIT_STEP)
        for wait in range(WAIT_STEP, self.minutes - WAIT_STEP, WAIT_STEP):
            # what is seen of a later hour is shorter, and would look too cheap
            later = max(end, self._needed(ahead, wait))
            if (units - later) * HOUR / (HOUR + wait) > units - needed:
                return None
        return needed

    def _needed(self, ahead: Sequence[float], wait: int = 0) -> int:
        """Return the least units that serve what is ahead, if they are set after a wait."""
        start = self.update_minutes + wait
        meter = replace(self.meter)
        for rate in ahead[:start]:
            meter.serve(rate)
        rest = ahead[start:]
        low, high = 1, max(1, math.ceil(max(rest, default=1.0)))
        while low < high:
            middle = (low + high) // 2
            left = min(meter.burst_balance, middle * meter.burst_seconds)
            if _first_short(rest, middle, left, meter.burst_seconds) is None:
                high = middle
            else:
                low = middle + 1
        return low


def _first_short(ahead: Sequence[float], units: int, left: float, burst_seconds: int) -> int | None:
    """Return the first minute that some units and the bucket do not serve; None if there is none.

    left: the content of the bucket, in unit-seconds.
    """
    most = units * burst_seconds
    for minute, rate in enumerate(ahead):
        left += (units - rate) * MINUTE
        if left < 0:
            return minute
        left = min(left, most)
    return None
