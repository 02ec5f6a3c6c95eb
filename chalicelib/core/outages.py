"""An outage of the callers: the demand of a busy table falls to almost nothing at once. Pure.

The demand may come back as fast as it went. So nothing is lowered for some minutes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from statistics import median

from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Hold, Reason

#: The usual demand is the median of so many minutes before the fall. A batch of half an hour is
#: shorter than half of it, so its end is no outage.
USUAL_MINUTES = 120
#: Fewer known minutes show no usual demand.
FEWEST_MINUTES = 60
#: After the fall, each minute is below this share of the usual demand.
GONE_SHARE = 0.1
#: Within so many minutes before the fall, the demand was at or above this share: a slope is none.
FALL_MINUTES, PRESENT_SHARE = 5, 0.5


def holds(observation: Observation, now: datetime) -> Iterator[Hold]:
    """Yield a hold of decreases for `hold_after_outage_minutes` after the demand fell."""
    minutes = observation.policy.hold_after_outage_minutes
    fell_at = _fell_at(observation, minutes) if minutes else None
    until = fell_at + timedelta(minutes=minutes) if fell_at else now
    if fell_at and now < until:
        detail = f"demand fell to almost nothing at {fell_at:%H:%M}, kept until {until:%H:%M} UTC"
        yield Hold(Reason.DEMAND_GONE, detail, DOWN)


def _fell_at(observation: Observation, minutes: int) -> datetime | None:
    """Return when the demand fell to almost nothing at once and stayed there, at most so many
    minutes ago; None if it did not."""
    consumed = observation.metrics.consumed
    values = consumed.values
    for size in range(1, min(minutes, len(values) - 1) + 1):
        before = values[: len(values) - size]
        usual = _usual(before[-USUAL_MINUTES:])
        newest = values[-size]
        if newest is not None and newest >= GONE_SHARE * usual:
            return None
        present = [value for value in before[-FALL_MINUTES:] if value is not None]
        if before[-1] is not None and before[-1] >= GONE_SHARE * usual > 0:
            is_at_once = max(present) >= PRESENT_SHARE * usual
            return consumed.end - timedelta(minutes=size) if is_at_once else None
    return None


def _usual(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return median(known) if len(known) >= FEWEST_MINUTES else 0.0
