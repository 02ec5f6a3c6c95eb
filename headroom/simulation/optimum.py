"""The clairvoyant optimum: the least unit-hours of a policy that knows the future.

Capacity is never below demand, and there are no more decreases than DynamoDB allows. Increases are
free, so between two decreases the best capacity is the running maximum of demand. The choice is
when to decrease: a shortest path over (minute of the last decrease, decreases used in its UTC day),
solved forwards.
"""

import math
from collections.abc import Sequence

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
    """
    size = len(needed)
    best = np.full((most + 1, size + 1), math.inf)
    best[0, 0] = 0.0
    total = math.inf
    falls = np.concatenate(([True], needed[1:] < needed[:-1]))
    for start in range(size):
        ways = best[:, start]
        least = ways.min()
        if least == math.inf or not (spaced or falls[start] or start % DAY == 0):
            continue
        midnight = (start // DAY + 1) * DAY
        end = min(size, midnight + DAY)
        costs = np.cumsum(np.maximum.accumulate(needed[start:end]))
        if end == size:
            total = min(total, least + costs[-1])
        today = min(midnight, size) - start  # costs[i] is the cost up to minute start + i + 1
        _relax(best, ways, costs[: today - 1], start + 1, spaced)
        if end > midnight or midnight < size:
            tomorrow = best[1, midnight : end + 1]
            np.minimum(tomorrow, least + costs[today - 1 :], out=tomorrow)
    return float(total)


def _relax(best: Floats, ways: Floats, costs: Floats, first: int, spaced: bool) -> None:
    """Try the next decrease of the same day at each minute from `first` on."""
    last = len(best) - 1
    for used in range(last):
        if ways[used] < math.inf:
            after = best[used + 1, first : first + len(costs)]
            np.minimum(after, ways[used] + costs, out=after)
    if spaced and ways[last] < math.inf and len(costs) >= HOUR:
        after = best[last, first + HOUR - 1 : first + len(costs)]
        np.minimum(after, ways[last] + costs[HOUR - 1 :], out=after)
