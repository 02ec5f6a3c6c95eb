"""Time windows: hours of certain days in which capacity is held, or kept above a floor.

A window is half-open: 09:00-17:00 begins at 09:00:00 and no longer holds at 17:00:00. It follows
the wall clock of its time zone, so it moves with daylight saving time. An hour that the clock shows
twice is in the window twice. An hour that the clock skips is not in it.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from chalicelib.model import BOTH, DOWN, UP, Direction, Hold, Reason

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
DAY_MINUTES = 24 * 60
#: What each rule forbids while its window holds.
BARRED: dict[str, frozenset[Direction]] = {
    "never_down": DOWN,
    "only_down": UP,
    "hold": BOTH,
    "floor": frozenset(),
}
#: The beginning of an example week.
A_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
#: Minutes of the day, from and until. If the end is not after the beginning, it is on the next day.
Span = tuple[int, int]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One window of the configuration. Raises ValueError if its settings contradict each other."""

    rule: Annotated[
        Literal["never_down", "only_down", "hold", "floor"],
        Meta(
            description="The rule inside the window: no decreases, no increases, neither, "
            "or at least `min_units`."
        ),
    ]
    between: Annotated[
        str,
        Meta(description="Its hours, `HH:MM-HH:MM`, separated by commas. They may cross midnight."),
    ] = ""
    outside: Annotated[
        str, Meta(description="Instead of `between`: the hours in which the window is closed.")
    ] = ""
    days: Annotated[
        str,
        Meta(
            description="The days on which its hours begin, such as `mon-fri` or `sat,sun`; "
            "in `time_zone`."
        ),
    ] = "mon-sun"
    time_zone: Annotated[str, Meta(description="An IANA time zone, such as `Europe/Berlin`.")] = (
        "UTC"
    )
    min_units: Annotated[
        int, Meta(ge=0, le=1_000_000, description="The floor, where the rule is `floor`.")
    ] = 0

    def __post_init__(self) -> None:
        """Reject hours, days and zones that do not exist, and a floor without units."""
        if bool(self.between) == bool(self.outside):
            raise ValueError("give either between or outside, such as between = '22:00-06:00'")
        _spans(self.between or self.outside)
        _days(self.days)
        zone(self.time_zone)
        if self.rule == "floor" and not self.min_units:
            raise ValueError("rule = 'floor' needs min_units, such as min_units = 500")
        if self.rule != "floor" and self.min_units:
            raise ValueError(f"min_units belongs to rule = 'floor', not to {self.rule!r}")

    def holds(self, now: datetime) -> bool:
        """Tell whether the window holds at `now` (aware)."""
        local = now.astimezone(zone(self.time_zone))
        inside = any(
            _within(local, span, _days(self.days)) for span in _spans(self.between or self.outside)
        )
        return inside == bool(self.between)

    def __str__(self) -> str:
        """Return the window in words."""
        hours = self.between or f"outside {self.outside}"
        days = "" if self.days == "mon-sun" else f" {self.days}"
        return f"{self.rule} {hours}{days} {self.time_zone}"


class Reserve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decreases that are reserved for a time of day.

    Raises ValueError if the time or the zone does not exist.
    """

    at: Annotated[str, Meta(description="The time of day, `HH:MM`.")]
    count: Annotated[
        int, Meta(ge=1, le=4, description="How many decreases must be possible then.")
    ] = 1
    time_zone: Annotated[str, Meta(description="An IANA time zone.")] = "UTC"

    def __post_init__(self) -> None:
        """Reject times and zones that do not exist."""
        if not SPAN.fullmatch(f"{self.at}-24:00"):
            raise ValueError(f"at: expected a time such as '02:00', got {self.at!r}")
        zone(self.time_zone)

    def next_at(self, now: datetime) -> datetime:
        """Return the next time (UTC) of the reservation, strictly after `now`."""
        local, at = zone(self.time_zone), time.fromisoformat(self.at)
        today = now.astimezone(local).date()
        tomorrow = today + timedelta(days=1)
        instants = (*_instants(today, at, local), *_instants(tomorrow, at, local))
        return min(instant for instant in instants if instant > now)


def holds(windows: Iterable[Window], now: datetime) -> Iterator[Hold]:
    """Yield what the windows forbid at `now`."""
    return (
        Hold(Reason.WINDOW, str(window), BARRED[window.rule])
        for window in windows
        if BARRED[window.rule] and window.holds(now)
    )


@lru_cache(maxsize=256)
def always_forbid(windows: tuple[Window, ...], direction: Direction) -> bool:
    """Tell whether windows together forbid a direction during the whole week.

    A mistake in `outside` may cause this. One week in winter is checked in steps of five minutes,
    as often as sweeps run. A shorter free time does not count.
    """
    barring = [window for window in windows if direction in BARRED[window.rule]]
    week = (A_MONDAY + timedelta(minutes=passed) for passed in range(0, 7 * DAY_MINUTES, 5))
    return bool(barring) and all(any(window.holds(at) for window in barring) for at in week)


def floor_units(windows: Collection[Window], now: datetime) -> int:
    """Return the highest floor that holds at `now`, 0 for none."""
    if not windows:
        return 0
    return max(
        (window.min_units for window in windows if window.rule == "floor" and window.holds(now)),
        default=0,
    )


def floors_end(windows: Collection[Window], now: datetime) -> list[datetime]:
    """Return when each floor that holds at `now` ends (UTC), within a day.

    A decrease will be needed then.
    """
    if not windows:
        return []
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)
    ends = (_end(window, minute) for window in windows if window.rule == "floor")
    return [end for end in ends if end is not None]


@lru_cache(maxsize=256)
def _end(window: Window, minute: datetime) -> datetime | None:
    """Return the first minute at which a window that holds now no longer holds.

    Every minute is checked, because a change of the clock may end the window at another time of
    day than its own.
    """
    if not window.holds(minute):
        return None
    later = (minute + timedelta(minutes=passed) for passed in range(1, DAY_MINUTES + 1))
    return next((at for at in later if not window.holds(at)), None)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises ValueError if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # which one depends on the form of the name
        raise ValueError(
            f"time_zone: there is no time zone {name!r}; write it as in Europe/Berlin or UTC"
        ) from None


def _instants(day: date, at: time, local: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the two times (UTC) at which the wall clock shows a time of day.

    They differ only if the clock is set back and shows the time twice. If the clock skips the time,
    both are the moment of the change.
    """
    first, second = sorted(
        datetime.combine(day, at, local).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if first.astimezone(local).time() == at:
        return first, second
    while first.astimezone(local).utcoffset() != second.astimezone(local).utcoffset():
        first += timedelta(minutes=1)
    return first, first


def _within(local: datetime, span: Span, days: frozenset[int]) -> bool:
    first, last = span
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if first < last:
        return first <= minute < last and day in days
    return (minute >= first and day in days) or (minute < last and (day - 1) % 7 in days)


@lru_cache(maxsize=256)
def _spans(text: str) -> tuple[Span, ...]:
    found = []
    for part in text.split(","):
        match = SPAN.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                "expected hours such as 08:00-17:30, two digits each, divided by commas, "
                f"got {part.strip()!r}"
            )
        first = int(match[1]) * 60 + int(match[2])
        last = int(match[3]) * 60 + int(match[4]) if match[3] else DAY_MINUTES
        if first == last:
            raise ValueError(f"{part.strip()!r} is empty; the whole day is 00:00-24:00")
        found.append((first, last))
    return tuple(found)


@lru_cache(maxsize=256)
def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        names = part.strip().lower().split("-")
        if len(names) > 2 or not set(names) <= set(DAYS):
            raise ValueError(
                f"days: expected days such as mon-fri or sat,sun, got {part.strip()!r}"
            )
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found |= {(first + i) % 7 for i in range((last - first) % 7 + 1)}
    return frozenset(found)
