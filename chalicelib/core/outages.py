"""An outage of the callers: the demand of a busy table, or of many tables, falls at once. Pure.

The demand may come back as fast as it went. So nothing is lowered for some minutes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from msgspec import structs

from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Hold, Reason, Target

#: The usual demand is the median of so many minutes before the fall. A batch of half an hour is
#: shorter than half of it, so its end is no outage.
USUAL_MINUTES = 120
#: Fewer known minutes show no usual demand.
FEWEST_MINUTES = 60
FALL_MINUTES = 5
#: So many tables at least, and half of the busy ones, fall at once in an outage that they share.
FEWEST_TABLES = 3
#: A table with less than one unit a second is not busy.
BUSY_UNITS = 1.0


@dataclass(frozen=True, slots=True)
class Fall:
    """What counts as a fall, in shares of the usual demand.

    gone: after the fall, each minute is below it. present: within five minutes before the fall, the
    demand was at or above it: a slope is none.
    """

    gone: float
    present: float


#: The fall of one table alone must be deep, since the end of a batch is a fall too.
ALONE, TOGETHER = Fall(0.1, 0.5), Fall(0.5, 0.75)


def holds(observation: Observation, now: datetime) -> Iterator[Hold]:
    """Yield a hold of decreases for `hold_after_outage_minutes` after the demand fell."""
    minutes = observation.policy.hold_after_outage_minutes
    fell_at = _fell_at(observation, minutes, ALONE) if minutes else None
    if fell_at and not _is_usual(observation, fell_at, now):
        yield from _until(fell_at, minutes, now, "demand fell to almost nothing")


def _is_usual(observation: Observation, fell_at: datetime, now: datetime) -> bool:
    """Tell whether the demand was as low at this time a day or a week ago: then its fall is one of
    the usual ones. Only `adaptive` knows the past days; what is unknown is not usual."""
    consumed, history = observation.metrics.consumed, observation.metrics.history
    if history.end is None or observation.policy.strategy != "adaptive":
        return False
    since = int((consumed.end - fell_at).total_seconds()) // consumed.step_seconds
    usual = _usual(consumed.values[: len(consumed.values) - since][-USUAL_MINUTES:])
    slot = int((now - history.end).total_seconds()) // 300
    return any(mean < ALONE.gone * usual for mean in history.quiet[max(0, slot - 1) : slot + 1])


def with_common_outage(
    observations: Mapping[Target, Observation], now: datetime
) -> dict[Target, Observation]:
    """Return the observations of some tables; those whose demand fell together are held from being
    lowered for `hold_after_common_outage_minutes`."""
    known = dict(observations)
    most = max((o.policy.hold_after_common_outage_minutes for o in known.values()), default=0)
    if not most:
        return known
    busy = {t.table for t, o in known.items() if _usual_now(o) >= BUSY_UNITS}
    falls = {t: at for t, o in known.items() if (at := _fell_at(o, most, TOGETHER))}
    fallen = _together({t: at for t, at in falls.items() if t.table in busy}, len(busy))
    tables = _tables(fallen)
    for target, at in fallen.items():
        seen, what = known[target], f"demand of {tables} of {len(busy)} tables fell by half"
        minutes = seen.policy.hold_after_common_outage_minutes
        known[target] = structs.replace(seen, holds=(*seen.holds, *_until(at, minutes, now, what)))
    return known


def _until(fell_at: datetime, minutes: int, now: datetime, what: str) -> Iterator[Hold]:
    until = fell_at + timedelta(minutes=minutes)
    if now < until:
        detail = f"{what} at {fell_at:%H:%M}, kept until {until:%H:%M} UTC"
        yield Hold(Reason.DEMAND_GONE, detail, DOWN)


def _together(falls: Mapping[Target, datetime], busy: int) -> dict[Target, datetime]:
    """Return the falls of the five minutes in which most tables fell; none if these are few."""
    best: dict[Target, datetime] = {}
    for first in sorted(set(falls.values())):
        last = first + timedelta(minutes=FALL_MINUTES)
        fallen = {t: at for t, at in falls.items() if first <= at < last}
        if _tables(fallen) >= _tables(best):
            best = fallen
    count = _tables(best)
    return best if count >= FEWEST_TABLES and count * 2 >= busy else {}


def _tables(targets: Iterable[Target]) -> int:
    return len({target.table for target in targets})


def _usual_now(observation: Observation) -> float:
    """Return the usual demand of the time before a fall that is at most an hour old."""
    values = observation.metrics.consumed.values
    return _usual(values[: len(values) - FEWEST_MINUTES][-USUAL_MINUTES:])


def _fell_at(observation: Observation, minutes: int, fall: Fall) -> datetime | None:
    """Return when the demand fell at once and stayed there, at most so many minutes ago; None if it
    did not."""
    consumed = observation.metrics.consumed
    values = consumed.values
    for size in range(1, min(minutes, len(values) - 1) + 1):
        before = values[: len(values) - size]
        usual = _usual(before[-USUAL_MINUTES:])
        newest = values[-size]
        if newest is not None and newest >= fall.gone * usual:
            return None
        present = [value for value in before[-FALL_MINUTES:] if value is not None]
        if before[-1] is not None and before[-1] >= fall.gone * usual > 0:
            is_at_once = max(present) >= fall.present * usual
            return consumed.end - timedelta(minutes=size) if is_at_once else None
    return None


def _usual(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return median(known) if len(known) >= FEWEST_MINUTES else 0.0
