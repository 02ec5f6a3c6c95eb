"""Demand over time: read from a CSV file, or generated."""

import csv
import gzip
import math
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

from headroom.operator_error import OperatorError
from headroom.simulation.clock import DAY

#: What reading can raise when the file is not a complete text file with columns.
UNREADABLE = (UnicodeDecodeError, csv.Error, gzip.BadGzipFile, zlib.error, EOFError)


class TraceError(OperatorError):
    """A trace cannot be read. The text names the line and what is expected."""


def read(path: Path) -> list[float]:
    """Return a trace: units per second, one value a minute.

    The file is CSV with the columns `minute,demand`, plain or gzipped. Raises TraceError for
    anything but minutes 0, 1, 2, … with a demand of 0 or more.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", newline="", encoding="utf-8-sig") as lines:
            return _parse(csv.reader(lines), str(path))
    except UNREADABLE as error:
        raise TraceError(
            f"{path}: not a CSV file ({error}); expected the columns minute,demand"
        ) from None


def _parse(rows: Iterator[list[str]], source: str) -> list[float]:
    header = next(rows, None)
    if header is not None and [cell.strip().lower() for cell in header] != ["minute", "demand"]:
        raise TraceError(f"{source}:1: expected the header minute,demand, got {','.join(header)!r}")
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
