"""The clairvoyant optimum: the least unit-hours of a policy that knows the future.

Capacity is never below demand, and there are no more decreases than DynamoDB allows. Increases are
free, so between two decreases the best capacity is the running maximum of demand. The choice is
when to decrease: a shortest path over (minute of the last decrease, decreases used in its UTC day),
solved forwards.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from headroom.simulation.clock import DAY, HOUR

FREE_DECREASES = 4
Floats = npt.NDArray[np.float64]


def optimum(demand: Sequence[float], every_minute: int | None = None) -> float:
    """Return the optimum's unit-hours. Minute 0 is 00:00 UTC.

    every_minute: allow so many decreases a day, at any minute. Without it, DynamoDB's rule holds:
    four, then one in 3600 s.
    """
    needed = np.ceil(np.asarray(demand, dtype=np.float64)).clip(min=1.0)
    spaced = every_minute is None
    return _solve(needed, FREE_DECREASES if every_minute is None else every_minute, spaced) / HOUR


def _solve(needed: Floats, most: int, spaced: bool) -> float:
    """Return the least unit-minutes.

    best[k, m] is the least cost of the minutes before m, with a decrease at m that is the k-th of
    its day (k = most: that many or more). A segment is at most two days long, since each day has an
    unused decrease that lowers nothing.

    What a segment costs after midnight follows from the units that it brings there. So only the
    cheapest one with the same units goes on. Costs are sums of whole units, and therefore exact.
    """
    size = len(needed)
    best = np.full((most + 1, size + 1), math.inf)
    best[0, 0] = 0.0
    falls = np.concatenate(([True], needed[1:] < needed[:-1]))
    for first in range(0, size, DAY):
        midnight = min(first + DAY, size)
        #: The least cost of all minutes before midnight, by the units that are held there.
        nights: dict[float, float] = {}
        for start in range(first, midnight):
            ways = best[:, start]
            least = ways.min()
            if least == math.inf or not (spaced or falls[start] or start == first):
                continue
            held = np.maximum.accumulate(needed[start:midnight])
            costs = held.cumsum()
            _relax(best, ways, costs[:-1], start + 1, spaced)
            units, cost = float(held[-1]), float(least + costs[-1])
            nights[units] = min(cost, nights.get(units, math.inf))
        _go_on(best, needed, nights, midnight)
    return min(nights.values())


def _go_on(best: Floats, needed: Floats, nights: Mapping[float, float], midnight: int) -> None:
    """Try the first decrease of the next day at each of its minutes.

    nights: the least cost of the minutes before midnight, by the units that are held there.
    """
    end = min(len(needed), midnight + DAY)
    needs = np.maximum.accumulate(needed[midnight:end])
    tomorrow = best[1, midnight : end + 1]
    for units, cost in nights.items():
        costs = cost + np.concatenate(([0.0], np.maximum(needs, units).cumsum()))
        np.minimum(tomorrow, costs, out=tomorrow)


def _relax(best: Floats, ways: Floats, costs: Floats, first: int, spaced: bool) -> None:
    """Try the next decrease of the same day at each minute from `first` on."""
    last = len(best) - 1
    used = np.flatnonzero(ways[:last] < math.inf)
    if len(used):
        rows = slice(used[0], used[-1] + 1)
        after = best[rows.start + 1 : rows.stop + 1, first : first + len(costs)]
        np.minimum(after, ways[rows, np.newaxis] + costs, out=after)
    if spaced and ways[last] < math.inf and len(costs) >= HOUR:
        after = best[last, first + HOUR - 1 : first + len(costs)]
        np.minimum(after, ways[last] + costs[HOUR - 1 :], out=after)
