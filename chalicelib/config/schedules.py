"""Times at which capacity may be lowered, as EventBridge writes schedules: `cron(…)`, `rate(…)`.

Source: Amazon EventBridge User Guide, "Setting a schedule pattern for scheduled rules", read
2026-11. A cron expression has six fields: minutes, hours, day of month, month, day of week, year.
Of both days one is `?`. `L`, `W` and `#` are not known here.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from chalicelib.config.windows import zone
from chalicelib.model import DOWN, Hold, Reason

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
CRON = re.compile(r"cron\(([^()]+)\)")
RATE = re.compile(r"rate\(([1-9]\d{0,4}) (minute|hour|day)s?\)")
MINUTES = {"minute": 1, "hour": 60, "day": 1_440}
PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>[1-9]\d*))?")
#: So many minutes after its time a decrease may still be made: three sweeps.
OPEN_MINUTES = 15
EXAMPLE = "cron(0 2,10,14 * * ? *) or rate(6 hours)"


class Field(NamedTuple):
    """A field of a cron expression: its bounds, and the words for its numbers."""

    name: str
    low: int
    high: int
    words: Sequence[str] = ()


FIELDS = (
    Field("minutes", 0, 59),
    Field("hours", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 1, 7, DAYS),
    Field("year", 1970, 2199),
)


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times of day. Raises ValueError if the expression or the time zone is none."""

    at: Annotated[
        str,
        Meta(
            description="The times, as EventBridge writes them: `cron(0 2,10,14 * * ? *)`, "
            "or `rate(6 hours)`, counted from midnight UTC of 1970-01-01."
        ),
    ]
    time_zone: Annotated[
        str, Meta(description="An IANA time zone, for `cron`; `rate` does not use it.")
    ] = "UTC"

    def __post_init__(self) -> None:
        """Reject expressions and zones that do not exist."""
        zone(self.time_zone)
        if not RATE.fullmatch(self.at):
            _cron(self.at)

    def is_due(self, at: datetime) -> bool:
        """Tell whether the schedule names the minute of `at` (aware).

        A time that the clock of the zone skips does not occur. One that it shows twice occurs
        twice.
        """
        rate = RATE.fullmatch(self.at)
        if rate:
            return int(at.timestamp()) // 60 % (int(rate[1]) * MINUTES[rate[2]]) == 0
        local = at.astimezone(zone(self.time_zone))
        weekday = local.isoweekday() % 7 + 1  # Sunday is 1
        parts = (local.minute, local.hour, local.day, local.month, weekday, local.year)
        return all(part in known for part, known in zip(parts, _cron(self.at), strict=True))

    def __str__(self) -> str:
        """Return the schedule in words."""
        return self.at if RATE.fullmatch(self.at) else f"{self.at} {self.time_zone}"


def holds(
    schedules: Iterable[Schedule], now: datetime, last_decrease_at: datetime | None
) -> Iterator[Hold]:
    """Yield what forbids decreases at `now`: none of the times has come, or it was used already.

    Each time allows one decrease of a table or index, within OPEN_MINUTES.
    """
    given = tuple(schedules)
    if given:
        began = opened_at(given, now)
        if began is None or (last_decrease_at is not None and last_decrease_at >= began):
            yield Hold(Reason.NOT_SCHEDULED, ", ".join(map(str, given)), DOWN)


def opened_at(schedules: tuple[Schedule, ...], now: datetime) -> datetime | None:
    """Return the newest time of the schedules within OPEN_MINUTES before `now`, or None."""
    if not schedules:
        return None
    return _opened_at(schedules, now.astimezone(UTC).replace(second=0, microsecond=0))


@lru_cache(maxsize=1024)
def _opened_at(schedules: tuple[Schedule, ...], minute: datetime) -> datetime | None:
    before = (minute - timedelta(minutes=passed) for passed in range(OPEN_MINUTES))
    return next((at for at in before if any(one.is_due(at) for one in schedules)), None)


@lru_cache(maxsize=256)
def _cron(text: str) -> tuple[frozenset[int], ...]:
    match = CRON.fullmatch(text)
    parts = match[1].split() if match else []
    if len(parts) != len(FIELDS):
        raise ValueError(f"at: expected six fields or a rate, such as {EXAMPLE}, got {text!r}")
    if (parts[2] == "?") == (parts[4] == "?"):
        raise ValueError(f"at: of day of month and day of week, one must be ?, got {text!r}")
    return tuple(_numbers(part, field) for part, field in zip(parts, FIELDS, strict=True))


def _numbers(text: str, field: Field) -> frozenset[int]:
    every = frozenset(range(field.low, field.high + 1))
    if text == "?" and field.name.startswith("day"):
        return every
    found: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise ValueError(f"at: {field.name}: {part!r} is not understood, as in {EXAMPLE}")
        first = field.low if match["first"] == "*" else _number(match["first"], field)
        last = _number(match["last"], field) if match["last"] else first
        if match["first"] == "*" or (match["step"] and not match["last"]):
            last = field.high
        found |= set(range(first, last + 1, int(match["step"] or 1)))
    if not found or not found <= every:
        raise ValueError(f"at: {field.name}: {text!r} is not within {field.low} and {field.high}")
    return frozenset(found)


def _number(text: str, field: Field) -> int:
    if text.upper() in field.words:
        return field.words.index(text.upper()) + field.low
    if not text.isdecimal():
        raise ValueError(f"at: {field.name}: {text!r} is not understood, as in {EXAMPLE}")
    return int(text)
