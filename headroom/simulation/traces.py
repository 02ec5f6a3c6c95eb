"""Demand over time: read from a CSV file, or generated."""

import csv
import gzip
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from headroom.counted import counted
from headroom.operator_error import OperatorError
from headroom.simulation import exports
from headroom.simulation.clock import DAY

#: What reading can raise when the file is not a complete text file with columns.
UNREADABLE = (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, zlib.error, EOFError)


#: What a trace may be, for an error.
EXPECTED = "the columns minute,demand, rows of a time and a value, or CloudWatch's JSON"


class TraceError(OperatorError):
    """A trace cannot be read. The text names the line and what is expected."""


@dataclass(frozen=True)
class Trace:
    """Demand: units per second, a value a minute. start: None where the file has no dates.

    remark: what was assumed of the file, in a sentence; empty for minutes and demand.
    """

    demand: list[float]
    start: datetime | None = None
    remark: str = ""

    def cut(self, days: int | None) -> "Trace":
        """Return the first days of it."""
        return self if days is None else replace(self, demand=self.demand[: days * DAY])


def read(path: Path) -> list[float]:
    """Return the demand of a trace: units per second, one value a minute."""
    return load(path).demand


def load(path: Path, sums: bool = False) -> Trace:
    """Return a trace.

    The file is CSV with the columns `minute,demand` in units per second, or has a time and a value
    in each row, or is what CloudWatch exports; plain or gzipped. sums: the values with a time are
    sums of their period, as CloudWatch's Sum, and not units per second.

    Raises TraceError for anything else, with the line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", newline="", encoding="utf-8-sig") as lines:
            text = lines.read()
        rows = [] if text.lstrip().startswith("{") else list(csv.reader(text.splitlines()))
    except UNREADABLE as error:
        raise TraceError(f"{path}: no trace ({error}); expected {EXPECTED}") from None
    try:
        if text.lstrip().startswith("{"):
            return _dated(exports.from_json(text))
        if not rows or _is_header(rows[0]):
            return Trace(_parse(iter(rows), str(path)))
        points = exports.from_rows(rows)
        return _dated(replace(points, is_sum=points.is_sum or sums))
    except exports.ExportError as error:
        place = path if error.line is None else f"{path}:{error.line}"
        raise TraceError(f"{place}: {error}") from None


def _is_header(row: Sequence[str]) -> bool:
    return [cell.strip().lower() for cell in row] == ["minute", "demand"]


def _dated(points: exports.Points) -> Trace:
    minutes = exports.by_minute(points)
    unit = f"sums of {counted(minutes.period, 'minute')}" if points.is_sum else "units per second"
    parts = [f"read as {unit}, from {minutes.start:%Y-%m-%d} 00:00 UTC on"]
    if minutes.filled:
        filled = counted(minutes.filled, "minute")
        parts.append(f"{filled} without a value, filled with the one before")
    if minutes.period > 1:
        parts.append("what happens within a period is not seen")
    return Trace(minutes.demand, minutes.start, "; ".join(parts))


def _parse(rows: Iterator[list[str]], source: str) -> list[float]:
    next(rows, None)
    trace = [_demand(row, minute, f"{source}:{minute + 2}") for minute, row in enumerate(rows)]
    if not trace:
        raise TraceError(f"{source}: no minute in it")
    return trace


def _demand(row: list[str], minute: int, place: str) -> float:
    try:
        at, demand = int(row[0]), float(row[1])
    except (ValueError, IndexError):
        raise TraceError(
            f"{place}: expected a minute and a number, got {','.join(row)!r}"
        ) from None
    if at != minute:
        raise TraceError(
            f"{place}: expected minute {minute}, got {at}; minutes count up from 0 without a gap"
        )
    if not 0 <= demand < math.inf:
        raise TraceError(f"{place}: demand must be 0 or more, got {row[1]}")
    return demand


def with_outages(demand: Sequence[float], seed: int = 4) -> list[float]:
    """Return the demand with an outage of the callers at a random time of each day: nothing comes
    for 5 to 60 minutes."""
    rng = random.Random(seed)  # noqa: S311  a repeatable shape, not a secret
    left = list(demand)
    for day in range(0, len(left), DAY):
        start = day + rng.randrange(min(DAY, len(left) - day))
        minutes = rng.randint(5, 60)
        end = min(start + minutes, len(left))
        left[start:end] = [0.0] * max(0, end - start)
    return left


def generated(days: int = 1, seed: int = 7, mean: float = 400.0) -> list[float]:
    """Return a generated trace.

    Demand is low at night, has a peak in the evening, a flash crowd each afternoon, and noise of a
    few percent.
    """
    rng = random.Random(seed)  # noqa: S311  a repeatable shape, not a secret
    trace = []
    for minute in range(days * DAY):
        hour = minute % DAY / 60
        wave = (
            1
            - 0.75 * math.cos((hour - 4.0) / 24 * 2 * math.pi)
            + 0.25 * math.sin((hour - 14.0) / 12 * 2 * math.pi)
        )
        crowd = 2.2 * math.exp(-(((hour - 15.2) / 0.22) ** 2)) if hour > 15.0 else 0.0
        trace.append(round(max(0.0, mean * (wave + crowd) * rng.gauss(1.0, 0.04)), 2))
    return trace
