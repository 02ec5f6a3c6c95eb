"""What `adaptive` derives from the series of the last hours, carried on from minute to minute.

A replay would else go through the same three hours at each check. The result is that of the whole
series, to the last digit.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from msgspec import Struct

from chalicelib.core.strategies import adaptive, shape

#: The metric of provisioned units has a minimum of so many minutes.
BLOCK = 5


@dataclass(slots=True)
class Load:
    """Every minute so far, oldest first.

    known: consumed and throttled units together. lowest: the lowest units of each whole BLOCK.
    """

    consumed: list[float] = field(default_factory=list)
    throttled: list[float | None] = field(default_factory=list)
    known: list[float] = field(default_factory=list)
    lowest: list[float] = field(default_factory=list)


class Window(Struct, frozen=True):
    """The minutes `first` to `end` that a check sees, without `end`.

    units: the provisioned units. since: the minute from which on they surely hold.
    """

    first: int
    end: int
    units: int
    since: int


class _Content(Struct, frozen=True):
    """The content of the bucket before the minute `at`, in unit-seconds, and the units before it.

    A bucket that was full or empty in between has forgotten how it began. So the content is right
    for every series that begins at `valid_from` or earlier, and for one that begins at `first`.
    """

    at: int
    left: float
    held: float
    valid_from: int = -1
    first: int = -1

    def fits(self, window: Window) -> bool:
        """Tell whether it is right for a series that begins where the window does."""
        return window.first >= 0 and (self.valid_from >= window.first or self.first == window.first)


class _Blocks:
    """The contents at the end of each block, computed with the lowest units of each.

    `least` and `most` are what an empty and an endless bucket of the minute `tried_from` would have
    become. Where they meet, every bucket has become the same.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self.contents = [_Content(0, 0.0, 0.0)]
        self._tried_from, self._least, self._most = 0, 0.0, math.inf
        #: The first of the newest blocks that all have the same units.
        self.same_from = 0

    def grow(self) -> None:
        """Add the blocks that are new."""
        for number in range(len(self.contents) - 1, len(self._load.lowest)):
            self._add(number)

    def _add(self, number: int) -> None:
        lowest, last = self._load.lowest[number], self.contents[-1]
        if number and lowest != self._load.lowest[number - 1]:
            self.same_from = number
        minutes = slice(number * BLOCK, (number + 1) * BLOCK)
        consumed, throttled = self._load.consumed[minutes], self._load.throttled[minutes]
        self._least, self._most = (
            adaptive.carried_on(content, last.held, [lowest] * BLOCK, consumed, throttled)
            for content in (self._least, self._most)
        )
        left, valid_from = math.nan, -1
        if self._least == self._most:
            left, valid_from = self._least, self._tried_from
            self._tried_from, self._least, self._most = (number + 1) * BLOCK, 0.0, math.inf
        elif last.valid_from >= 0:
            valid_from = last.valid_from
            left = adaptive.carried_on(last.left, last.held, [lowest] * BLOCK, consumed, throttled)
        self.contents.append(_Content((number + 1) * BLOCK, left, lowest, valid_from))


class SlidingNoise:
    """The noise of values in a window that moves on.

    value: from a number, counted from 0, to the value.
    """

    def __init__(self, value: Callable[[int], float]) -> None:
        self._value = value
        self._first = self._end = 0
        self._newest = 0.0
        #: The differences from each value to the next one: in their order, and sorted.
        self._steps: deque[float] = deque()
        self._sorted: list[float] = []

    def between(self, first: int, end: int) -> float:
        """Return the noise of the values `first` to `end`, without `end`."""
        if first >= end:
            return 0.0
        if not self._first <= first < self._end:
            self._begin(first)
        for number in range(self._end, end):
            before, self._newest = self._newest, self._value(number)
            step = abs(self._newest - before)
            self._steps.append(step)
            insort(self._sorted, step)
        self._end = max(end, self._end)
        for _ in range(self._first, first):
            del self._sorted[bisect_left(self._sorted, self._steps.popleft())]
        self._first = first
        return shape.noise_of_sorted(self._sorted)

    def _begin(self, first: int) -> None:
        self._first, self._end, self._newest = first, first + 1, self._value(first)
        self._steps.clear()
        self._sorted.clear()


class SlidingHighest:
    """The highest value in a window that moves on."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values, self._end = values, 0
        #: Where the values are that no later one exceeds; the first of them is the highest.
        self._at: deque[int] = deque()

    def between(self, first: int, end: int) -> float:
        """Return the highest of the values `first` to `end`, without `end`; 0 of none."""
        at, values = self._at, self._values
        for number in range(self._end, end):
            while at and values[at[-1]] <= values[number]:
                at.pop()
            at.append(number)
        self._end = max(end, self._end)
        while at and at[0] < first:
            at.popleft()
        return values[at[0]] if at else 0.0


class CarriedRecent:
    """What the series of a window show; each fact is made where a check uses it."""

    def __init__(self, carried: "CarriedDemand", window: Window, known: Sequence[float]) -> None:
        """Take the known minutes of the window."""
        self._carried, self._window, self.known = carried, window, known

    @cached_property
    def noise(self) -> float:
        """Return the usual difference between one minute and the next."""
        return self._carried.noise(self._window)

    @cached_property
    def swing(self) -> float:
        """Return that between one five-minute mean and the next."""
        return self._carried.swing(self._window)

    @cached_property
    def highest(self) -> float:
        """Return the highest minute without the last ten."""
        return self._carried.highest(self._window)

    @cached_property
    def burst_left(self) -> float:
        """Return the share of the burst bucket that is left."""
        return self._carried.burst_left(self._window)


class CarriedDemand:
    """The newest result of each step, from which the next one goes on."""

    def __init__(self, load: Load) -> None:
        """Begin with the minutes of a replay, which grow."""
        self._load = load
        self._noise = SlidingNoise(load.known.__getitem__)
        self._highest = SlidingHighest(load.known)
        #: The swing by the minute of five in which the means end.
        self._swings = [
            SlidingNoise(partial(self._mean, minute)) for minute in range(shape.SWING_MINUTES)
        ]
        self._blocks = _Blocks(load)
        self._newest = _Content(0, 0.0, 0.0)
        #: `since` of the window that the newest content is of.
        self._since = -1

    def recent(self, window: Window) -> CarriedRecent:
        """Return what the series of a window show. It holds until more minutes are recorded."""
        return CarriedRecent(self, window, self._load.known[max(0, window.first) : window.end])

    def noise(self, window: Window) -> float:
        """Return the noise of the newest minutes of a window."""
        first = max(0, window.first, window.end - shape.NOISE_MINUTES)
        return self._noise.between(first, window.end)

    def swing(self, window: Window) -> float:
        """Return the swing of a window. The means are counted from the newest minute."""
        size = shape.SWING_MINUTES
        number, minute = divmod(window.end, size)
        first = -((minute - max(0, window.first)) // size) + 1
        return self._swings[minute].between(first, number + 1)

    def highest(self, window: Window) -> float:
        """Return the highest minute of a window without the newest ones."""
        first, end = max(0, window.first), window.end
        return self._highest.between(first, end - shape.NEWEST_MINUTES)

    def burst_left(self, window: Window) -> float:
        """Return the share of the bucket that is left at the end of a window."""
        return adaptive.share_left(self._bucket(window), window.units)

    def _mean(self, minute: int, number: int) -> float:
        return shape.mean_before(number * shape.SWING_MINUTES + minute, self._load.known)

    def _bucket(self, window: Window) -> float:
        """Return the content of the bucket at the end of a window, in unit-seconds."""
        self._blocks.grow()
        # the metric shows the units before the last change up to here; they are known for good
        settled = window.end // BLOCK * BLOCK
        settled = window.end if settled >= window.since else settled
        self._newest = self._until(settled, self._start(window), window)
        self._since = window.since
        if settled == window.end:
            return self._newest.left
        return self._until(window.end, self._newest, window).left

    def _until(self, end: int, start: _Content, window: Window) -> _Content:
        """Carry a content on until the minute `end`."""
        if start.at >= end:
            return start
        minutes, units = slice(start.at, end), self._units(window, start.at, end)
        consumed, throttled = self._load.consumed[minutes], self._load.throttled[minutes]
        left = adaptive.carried_on(start.left, start.held, units, consumed, throttled)
        return _Content(end, left, units[-1], start.valid_from, start.first)

    def _start(self, window: Window) -> _Content:
        """Return the latest content that is right for the window; else that of its beginning."""
        if self._since == window.since and self._newest.fits(window):
            return self._newest
        contents, published = self._blocks.contents, window.end // BLOCK
        newest, before = contents[published], contents[min(published, window.since // BLOCK)]
        if newest.valid_from >= self._blocks.same_from * BLOCK and newest.held == window.units:
            before = newest  # its blocks since then have the present units, as the series has
        if before.fits(window):
            return before
        half = 0.5 * adaptive.BURST_SECONDS * window.units
        is_short = window.first < 0  # the minutes before the first one are unknown
        first = max(0, window.first)
        return _Content(first, half, float(window.units) if is_short else 0.0, -1, first)

    def _units(self, window: Window, first: int, end: int) -> list[float]:
        """Return the units of some minutes, as `adaptive.units_by_minute` takes them from the
        series."""
        published, lowest, units = window.end // BLOCK, self._load.lowest, float(window.units)
        until = min(window.since, end) if published else 0
        if until <= first:
            return [units] * (end - first)
        begun = first // BLOCK
        before = [held for held in lowest[begun:published] for _ in range(BLOCK)]
        before = before[first - begun * BLOCK :][: until - first]
        before += [lowest[published - 1]] * (until - first - len(before))
        return before + [units] * (end - until)
