"""A summary of the last 14 days for the coming hour, made once an hour from five-minute means.

An *onset* is a five-minute mean that came suddenly: well above the two before it. A scaler that
reacts within minutes cannot serve onsets. How often they came, and how high they went, determines
the capacity that is kept ready for them.
"""

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib.model import DemandHistory, Series

HOUR_BINS, DAY_BINS, WEEK_BINS = 12, 288, 2_016
#: A summary covers this many five-minute slots: the hour from its end, the minutes until the next
#: summary is read, and the hour after them.
SLOTS = 25

#: An onset is this many times the five-minute mean before it, and the mean of the two before it.
ONSET = 1.4
RECENT_HOURS = 12
PEAKS, FEWEST_PEAKS = 21, 3
#: The peak of an onset is searched in the onset itself and the 15 minutes after it.
PEAK_BINS = 4


class DemandRecord:
    """Five-minute means, oldest first, and which of them are onsets.

    It grows at its end, so that the next summary need not search the old ones again.
    """

    def __init__(self, values: Sequence[float | None] = ()) -> None:
        """Begin with some means. None is an unknown mean."""
        self._values: list[float | None] = []
        self._sudden: list[float] = []
        #: Where the onsets are.
        self._at: list[int] = []
        self._highest, self._highest_at = 0.0, 0
        self.extend(values)

    def __len__(self) -> int:
        """Return how many means it has."""
        return len(self._values)

    def extend(self, values: Sequence[float | None]) -> None:
        """Add newer means."""
        size, before = len(self._values), self._values[-2:]
        self._values += values
        self._sudden += onsets([*before, *values])[len(before) :]
        self._at += [i for i in range(size, len(self._sudden)) if self._sudden[i]]
        highest, at = self._highest, self._highest_at
        self._find_highest(size)
        if self._highest < highest:
            self._highest, self._highest_at = highest, at

    def summary(self, end: datetime, most: int | None = None) -> DemandHistory:
        """Return the summary of the newest means. end: the end of the last one."""
        first = max(0, len(self._values) - most) if most else 0
        if self._highest_at < first:
            self._find_highest(first)
        values, sudden = self._values[first:], self._sudden[first:]
        # an onset needs the two means before it
        sudden[:2] = [0.0] * len(sudden[:2])
        known = _first_known(values)
        # the newest onset first
        at = (i - first for i in reversed(self._at) if i >= first + 2)
        return DemandHistory(
            end=end,
            highest=self._highest,
            typical_burst=_typical_burst(values, sudden, at),
            hourly=_hourly(sudden, known),
            daily=tuple([_same_slot(sudden, slot, known) for slot in range(SLOTS)]),
            weekly=tuple([_weekly(sudden, slot, known) for slot in range(SLOTS)]),
            quiet=_quiet(values),
        )

    def _find_highest(self, first: int) -> None:
        """Find the highest mean from `first` on."""
        means = [value or 0.0 for value in self._values[first:]]
        self._highest = max(means, default=0.0)
        self._highest_at = first + means.index(self._highest) if means else first


def summarize(history: Series) -> DemandHistory:
    """Return the summary of five-minute means, oldest first. None is an unknown mean."""
    return DemandRecord(history.values).summary(history.end)


def onsets(values: Sequence[float | None]) -> list[float]:
    """Return the values that are onsets, with 0 in the place of the others.

    After a gap no value counts as an onset.
    """
    # any comparison with nan is false
    known = [math.nan if value is None else value for value in values]
    sudden = [
        value if value > ONSET * last and value > ONSET * 0.5 * (last + before) else 0.0
        for before, last, value in zip(known, known[1:], known[2:], strict=False)
    ]
    return [0.0] * (len(values) - len(sudden)) + sudden


def _first_known(values: Sequence[float | None]) -> int:
    return next((i for i, value in enumerate(values) if value is not None), len(values))


def _hourly(sudden: Sequence[float], first: int) -> tuple[float, ...]:
    """Return the highest onset of each similar hour that is known, sorted.

    Hours are counted back from the end.
    """
    size = len(sudden)
    sample: list[float] = []
    for back in range(1, (size - first) // HOUR_BINS + 1):
        if back <= RECENT_HOURS or back % 24 in (0, 1, 23):
            start = size - HOUR_BINS * back
            insort(sample, max(sudden[start : start + HOUR_BINS]))
    return tuple(sample)


def _same_slot(sudden: Sequence[float], slot: int, first: int) -> tuple[float, ...]:
    """Return the highest onset in the 15 minutes that begin with a slot, sorted.

    There is one value for each past day that is known.
    """
    starts = range(len(sudden) - DAY_BINS + slot, first - 1, -DAY_BINS)
    return tuple(sorted([max(sudden[i], sudden[i + 1], sudden[i + 2]) for i in starts]))


def _weekly(sudden: Sequence[float], slot: int, first: int) -> float:
    """Return the lower of the highest onsets of a week and of two weeks ago, in the 15 minutes that
    begin with a slot; 0 if one week had none, or is unknown."""
    last, before = (len(sudden) - weeks * WEEK_BINS + slot for weeks in (1, 2))
    if before < first:
        return 0.0
    return min(max(sudden[last : last + 3]), max(sudden[before : before + 3]))


def _quiet(values: Sequence[float | None]) -> tuple[float, ...]:
    """Return the lower mean of each slot a day ago and a week ago; infinite where neither is
    known."""
    return tuple(map(min, _ago(values, DAY_BINS), _ago(values, WEEK_BINS)))


def _ago(values: Sequence[float | None], back: int) -> list[float]:
    """Return the means of the slots so many means ago, infinite where they are unknown."""
    first = len(values) - back
    missing = min(max(-first, 0), SLOTS)
    means = values[max(first, 0) : first + SLOTS] if missing < SLOTS else ()
    return [math.inf] * missing + [math.inf if mean is None else mean for mean in means]


def _typical_burst(
    values: Sequence[float | None], sudden: Sequence[float], at: Iterable[int]
) -> float:
    """Return the median of the peaks of the newest onsets. at: where onsets are, newest first."""
    peaks: list[float] = []
    counted = len(sudden)
    for i in at:
        if len(peaks) == PEAKS:
            break
        if i < counted:
            counted = _onset_start(sudden, i)
            peaks.append(max([value or 0.0 for value in values[counted : counted + PEAK_BINS]]))
    return sorted(peaks)[len(peaks) // 2] if len(peaks) >= FEWEST_PEAKS else 0.0


def _onset_start(sudden: Sequence[float], end: int) -> int:
    start = end
    while start > 2 and end - start < 3 and sudden[start - 1] > 0.0:
        start -= 1
    return start
