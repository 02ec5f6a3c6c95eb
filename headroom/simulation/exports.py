"""Demand with timestamps: rows of a time and a value, and what CloudWatch exports.

These are the JSON of `aws cloudwatch get-metric-data` and `get-metric-statistics`, and a CSV file
with any heading lines before the rows, as the console's download has them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from headroom.operator_error import OperatorError
from headroom.simulation.clock import MINUTE

#: So many lines may stand before the first row.
MOST_HEADINGS = 20
#: Smaller numbers are no seconds since 1970 of a time in which there was CloudWatch.
FIRST_SECOND = 1_000_000_000
STATISTIC = "Sum"
#: More minutes than this would fill the memory: one wrong year among the times is enough.
MOST_DAYS = 1_830


class ExportError(OperatorError):
    """What cannot be read of an export, and what is expected. line: of a file, from 1 on."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Points:
    """Values by time. is_sum: each is the sum of its period, not units per second."""

    values: Sequence[tuple[datetime, float]]
    is_sum: bool


@dataclass(frozen=True)
class Minutes:
    """Units per second, a value a minute, from 00:00 UTC of the first day on.

    filled: the minutes without a value; each has that of the minute before. period: minutes.
    """

    demand: list[float]
    start: datetime
    filled: int
    period: int


def from_json(text: str) -> Points:
    """Return the points of a CloudWatch answer. Raises ExportError where there is no sum in it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"not JSON: {error}") from None
    if not isinstance(document, dict) or not document.keys() & {"Datapoints", "MetricDataResults"}:
        raise ExportError("expected the answer of get-metric-data or of get-metric-statistics")
    try:
        pairs = _statistics(document) if "Datapoints" in document else _metric_data(document)
        return Points([(_time(at), float(value)) for at, value in pairs], is_sum=True)
    except ExportError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ExportError(f"a datapoint is not as CloudWatch writes it: {error!r}") from None


def _statistics(document: dict[str, Any]) -> list[tuple[Any, Any]]:
    points = document["Datapoints"]
    if points and STATISTIC not in points[0]:
        names = ", ".join(sorted(set(points[0]) - {"Timestamp", "Unit"}))
        raise ExportError(f"its statistic is {names}: export the statistic Sum")
    return [(point["Timestamp"], point[STATISTIC]) for point in points]


def _metric_data(document: dict[str, Any]) -> list[tuple[Any, Any]]:
    results = document["MetricDataResults"]
    if len(results) != 1:
        labels = ", ".join(str(result.get("Label")) for result in results) or "none"
        raise ExportError(f"expected one metric, got {len(results)}: {labels}")
    return list(zip(results[0]["Timestamps"], results[0]["Values"], strict=True))


def from_rows(rows: Iterable[Sequence[str]]) -> Points:
    """Return the points of rows of a time and a value, after any heading lines.

    Raises ExportError, with the number of the line.
    """
    values: list[tuple[datetime, float]] = []
    headings: list[str] = []
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row if cell.strip()]
        try:
            values += [_point(cells)] if cells else []
        except (ValueError, OverflowError, OSError) as error:
            if values or number > MOST_HEADINGS:
                raise ExportError(f"{error}, got {','.join(row)!r}", number) from None
            headings += cells
    if not values:
        raise ExportError(f"expected rows of a time and a value, got {','.join(headings)!r}", 1)
    return Points(values, STATISTIC in headings)


def _point(cells: Sequence[str]) -> tuple[datetime, float]:
    if len(cells) != 2:
        raise ValueError("expected a time and one value")
    try:
        return _time(cells[0]), float(cells[1])
    except ValueError:
        raise ValueError("expected a time and a number") from None


def _time(value: object) -> datetime:
    """Return a time in UTC: ISO 8601, with slashes or dashes, or seconds since 1970."""
    text = str(value)
    if text.replace(".", "", 1).isdigit() and float(text) >= FIRST_SECOND:
        return datetime.fromtimestamp(float(text), UTC)
    at = datetime.fromisoformat(text.replace("/", "-"))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def by_minute(points: Points) -> Minutes:
    """Return the points as units per second by the minute.

    A minute without a value has that of the minute before. Before the first value stands the first.
    Raises ExportError where the values are no demand by the minute.
    """
    ordered = sorted(points.values)
    if not ordered:
        raise ExportError("no value in it")
    days = (ordered[-1][0] - ordered[0][0]).days
    if days > MOST_DAYS:
        raise ExportError(
            f"from {ordered[0][0]:%Y-%m-%d} to {ordered[-1][0]:%Y-%m-%d} are {days:,} days; "
            f"at most {MOST_DAYS:,} are read"
        )
    period = _period([at for at, _ in ordered])
    start = ordered[0][0].replace(hour=0, minute=0, second=0, microsecond=0)
    known: dict[int, float] = {}
    for at, value in ordered:
        if not 0 <= value < float("inf"):
            raise ExportError(f"demand must be 0 or more, got {value} at {at:%Y-%m-%d %H:%M}")
        rate = value / (period * MINUTE) if points.is_sum else value
        first = int((at - start).total_seconds()) // MINUTE
        known.update(dict.fromkeys(range(first, first + period), rate))
    length = max(known) + 1
    demand = list(_filled(known, length))
    return Minutes(demand, start, length - len(known), period)


def _filled(known: dict[int, float], length: int) -> Iterator[float]:
    rate = known[min(known)]
    for minute in range(length):
        rate = known.get(minute, rate)
        yield rate


def _period(times: Sequence[datetime]) -> int:
    """Return the whole minutes from one value to the next: the least distance."""
    gaps = [late - early for early, late in pairwise(times)]
    least = min(gaps, default=timedelta(minutes=1))
    if not least:
        twice = times[gaps.index(least)]
        raise ExportError(f"two values at {twice:%Y-%m-%d %H:%M}")
    if least % timedelta(minutes=1):
        raise ExportError(f"values every {least.total_seconds():.0f} seconds: export each minute")
    return least // timedelta(minutes=1)
