"""Series that a container has read: only what is new of them is read again.

They may be lost at any time. Then they are read anew.
"""

import math
from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import structs

from chalicelib.model import Series


@dataclass(frozen=True, slots=True)
class _Kept:
    """A series as numbers of eight bytes each; NaN is a gap."""

    start: datetime
    step: timedelta
    values: "array[float]"  # Python 3.11 cannot subscript it

    @property
    def end(self) -> datetime:
        return self.start + self.step * len(self.values)

    def between(self, start: datetime, end: datetime) -> tuple[float | None, ...]:
        first, last = (int((at - self.start) / self.step) for at in (start, end))
        return tuple([None if math.isnan(value) else value for value in self.values[first:last]])


class KeptSeries:
    """The newest part of some series. Where there are too many, the oldest are dropped.

    most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        """Begin empty."""
        self._most = most
        self._kept: dict[Hashable, _Kept] = {}

    def known_until(self, key: Hashable, start: datetime) -> datetime:
        """Return until when a series is known without a break from `start` on; else `start`."""
        kept = self._kept.get(key)
        return kept.end if kept and kept.start <= start <= kept.end else start

    def between(
        self, key: Hashable, start: datetime, end: datetime
    ) -> tuple[float | None, ...] | None:
        """Return the values of some time, None if they are not kept as a whole."""
        kept = self._kept.get(key)
        is_kept = kept is not None and kept.start <= start and kept.end >= end
        return kept.between(start, end) if kept and is_kept else None

    def extend(self, key: Hashable, start: datetime, new: Series, settled: datetime) -> Series:
        """Return the series from `start` to the end of `new`, and keep its part before `settled`.

        new: it begins at `start`, or within the part that `known_until` named. settled: what is
        younger may still change.
        """
        kept = self._kept.pop(key, None)
        if kept and start < new.start:
            new = structs.replace(
                new, start=start, values=kept.between(start, new.start) + new.values
            )
        step = timedelta(seconds=new.step_seconds)
        values = new.values[: max(0, int((settled - start) / step))]
        numbers = array("d", [math.nan if value is None else value for value in values])
        self._kept[key] = _Kept(start, step, numbers)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return new
