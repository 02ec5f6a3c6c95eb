"""The limits of an account's APIs, from limits.toml, and whether a call is within them."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec

from headroom import data_file

FILE = Path(__file__).parent / "limits.toml"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often some operations may be called together, in each second."""

    operations: tuple[str, ...]
    calls_a_second: int
    source: str
    read_on: date
    datapoints_a_second: int = 0


class Updates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many UpdateTables may be in progress, and how long one takes."""

    at_once: int
    seconds: float
    source: str
    read_on: date


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file."""

    limit: tuple[Limit, ...]
    updates: Updates

    def by_operation(self) -> Mapping[str, Limit]:
        return {operation: limit for limit in self.limit for operation in limit.operations}


def load(path: Path = FILE) -> Limits:
    """Return the limits of a file. Raises DataFileError, which names the wrong field."""
    return data_file.read(path, Limits)


class RateLimiter:
    """Counts calls and datapoints in each second of virtual time.

    The lanes of calls side by side are simulated one after another, so times do not only grow. A
    count for each second does not depend on their order.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits.by_operation()
        self._calls: Counter[tuple[str, int]] = Counter()
        self._datapoints: Counter[int] = Counter()

    def admits(self, operation: str, seconds: float, datapoints: int = 0) -> bool:
        """Tell whether a call is within the limits, and count it if so.

        A single request for more datapoints than a second has is admitted in a second of its own.
        """
        limit = self._limits.get(operation)
        if limit is None:
            return True
        second = int(seconds)
        calls = limit.operations[0], second
        if self._calls[calls] >= limit.calls_a_second:
            return False
        used = self._datapoints[second]
        if limit.datapoints_a_second and used and used + datapoints > limit.datapoints_a_second:
            return False
        self._calls[calls] += 1
        self._datapoints[second] += datapoints
        return True
