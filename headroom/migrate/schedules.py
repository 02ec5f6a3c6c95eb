"""Schedules of Application Auto Scaling → times of the week → floors, as `windows` has them.

A scheduled action sets a minimum that holds until another action sets the next one; a window holds
a minimum from one time of the day to another. So a chain of actions that come every week is read as
a step function over the week, and each step above the lowest becomes a window. Source: Application
Auto Scaling User Guide, "Schedule recurring scaling actions"; EventBridge User Guide, "Cron
expressions reference": six fields, days of the week 1-7 or SUN-SAT. Read 2026-11.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from chalicelib.config.windows import DAY_MINUTES, DAYS, zone

WEEK_MINUTES = 7 * DAY_MINUTES
EVERY = ("*", "?")
SUNDAY_FIRST = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
CALL = re.compile(r"(cron|rate|at)\((.*)\)")
PART = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/(\d+))?")


class InexpressibleError(ValueError):
    """A schedule that no window can say; the message says why, and what to do instead."""


def once_at(schedule: str, zone_name: str) -> datetime | None:
    """Return when a schedule `at(…)` runs, or None for any other. Raises InexpressibleError where
    it cannot be read."""
    match = CALL.fullmatch(schedule.strip())
    if match is None or match[1] != "at":
        return None
    try:
        return datetime.fromisoformat(match[2]).replace(tzinfo=zone(zone_name))
    except ValueError as error:
        raise InexpressibleError(f"{schedule} cannot be read: {error}") from None


def weekly(schedule: str, zone_name: str) -> frozenset[int]:
    """Return the minutes of the week, from Monday 00:00 on, at which a schedule runs every week.

    Raises InexpressibleError for one that does not come every week, or at no time of the clock.
    """
    match = CALL.fullmatch(schedule.strip())
    fields = match[2].lower().split() if match else []
    if match and match[1] == "rate":
        raise InexpressibleError(
            "it goes by an interval, not by the clock; write a window for the hours that you mean"
        )
    if match is None or match[1] != "cron" or len(fields) != 6:
        raise InexpressibleError(
            "its schedule cannot be read; write a window for the hours that you mean"
        )
    minutes, hours, day, month, weekday, year = fields
    if day not in EVERY or month not in EVERY or year not in EVERY:
        why = (
            "it goes by days of the month"
            if day not in EVERY
            else "it holds in some months or years only"
        )
        raise InexpressibleError(
            f"{why}, and windows go by the week; raise min_units by hand for that time, or the "
            "whole time"
        )
    try:
        zone(zone_name)
        days = _values(weekday, 7, SUNDAY_FIRST)
        clock = [
            hour * 60 + minute for hour in _values(hours, 24) for minute in _values(minutes, 60)
        ]
    except ValueError as error:
        raise InexpressibleError(f"{error}; write a window for the hours that you mean") from None
    return frozenset((day - 1) % 7 * DAY_MINUTES + minute for day in days for minute in clock)


def _values(field: str, size: int, names: tuple[str, ...] = ()) -> set[int]:
    """Return the values of a cron field, from 0; weekdays are Sunday first. Raises ValueError for
    what cannot be read."""
    found: set[int] = set()
    for text in ["*"] if field == "?" else field.split(","):
        match = PART.fullmatch(text)
        if match is None:
            raise ValueError(f"{text.upper()} in its schedule has no equal in windows")
        first, last, step = match[1], match[2], match[3]
        start = 0 if first == "*" else _number(first, size, names)
        end = _number(last, size, names) if last else size - 1 if first == "*" or step else start
        found |= {
            (start + i) % size for i in range(0, (end - start) % size + 1, max(1, int(step or 1)))
        }
    return found


def _number(text: str, size: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text)
    number = int(text) - (1 if names else 0) if text.isdecimal() else -1
    if not 0 <= number < size:
        raise ValueError(f"{text.upper()} in its schedule has no equal in windows")
    return number


def floors(levels: Mapping[int, int], zone_name: str) -> list[dict[str, Any]]:
    """Return the windows for a chain of minimums: minute of the week → the units that hold from
    then on."""
    days: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    base = min(levels.values())
    for start, end, units in _segments(levels):
        if units > base:
            for day, first, last in _pieces(start, end):
                days[first, last, units].add(day)
    return [
        _window(*span, held, zone_name)
        for span, held in sorted(days.items(), key=lambda item: (min(item[1]), item[0]))
    ]


def _segments(levels: Mapping[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yield from, until and units of each stretch of the week; `until` may be in the next week."""
    starts = sorted(levels)
    changes = [start for i, start in enumerate(starts) if levels[start] != levels[starts[i - 1]]]
    for i, start in enumerate(changes):
        end = changes[(i + 1) % len(changes)]
        yield start, end if end > start else end + WEEK_MINUTES, levels[start]


def _pieces(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield a stretch as weekday, and minutes of the day from and until: one that is shorter than a
    day is one piece."""
    is_one_piece = end - start < DAY_MINUTES
    while start < end:
        until = end if is_one_piece else min(end, (start // DAY_MINUTES + 1) * DAY_MINUTES)
        yield start // DAY_MINUTES % 7, start % DAY_MINUTES, until % DAY_MINUTES or DAY_MINUTES
        start = until


def _window(first: int, last: int, units: int, days: set[int], zone_name: str) -> dict[str, Any]:
    held = {} if len(days) == 7 else {"days": _days(sorted(days))}
    return {
        "rule": "floor",
        "between": f"{_clock(first)}-{_clock(last)}",
        **held,
        "time_zone": zone_name,
        "min_units": units,
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _days(days: list[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs
    )
