"""What the newest minutes of a demand show: its noise, its growth, its fall and its swing.

Amounts are units per second, by the minute, oldest first. The constants were chosen by `headroom
bench` on real traffic.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

#: The noise is that of so many minutes. The swing is that of means of so many minutes.
NOISE_MINUTES, SWING_MINUTES = 60, 5
#: The highest demand is that before so many newest minutes.
NEWEST_MINUTES = 10
#: A fall is seen in means of so many minutes. It goes on if the newest five minutes are lower than
#: the last mean by what the demand loses in the second number of minutes: half of what is expected.
FALL_MINUTES, GOES_ON_MINUTES = 15, 2.5
#: A batch has so many minutes at least. It has ended if the demand is below a share of it, for so
#: many minutes.
BATCH_MINUTES, AFTER_MINUTES, AFTER_SHARE = 10, 4, 0.5


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return sum(values) / len(values)


def steps(demand: Sequence[float]) -> list[float]:
    """Return the differences from minute to minute."""
    return [abs(after - before) for before, after in pairwise(demand)]


def noise_of(differences: Iterable[float]) -> float:
    """Return the usual one of some differences: the median, scaled to a normal distribution's sigma
    of one minute."""
    return noise_of_sorted(sorted(differences))


def noise_of_sorted(ordered: Sequence[float]) -> float:
    """Return the same of sorted differences."""
    return 1.05 * ordered[len(ordered) // 2] if ordered else 0.0


def fall(demand: Sequence[float]) -> float:
    """Return the smaller of the last two falls from one mean to the next, by the minute.

    It is 0 if the newest five minutes are not that much lower again: after a step down the demand
    is steady.
    """
    size = FALL_MINUTES
    if len(demand) < 3 * size:
        return 0.0
    second, last = mean(demand[-2 * size : -size]), mean(demand[-size:])
    if second <= last:
        return 0.0
    lost = min(mean(demand[-3 * size : -2 * size]) - second, second - last) / size
    goes_on = last - mean(demand[-5:]) > GOES_ON_MINUTES * lost
    return max(0.0, lost) if goes_on else 0.0


def after_batch(demand: Sequence[float]) -> float:
    """Return the highest minute since a batch ended; infinite unless one has just ended.

    The newest four minutes are below half of every minute of the ten before the fall. The minute
    between them may be part of the batch. Before the batch, the demand was as low in half of the
    minutes: an outage of the callers is no end of a batch.
    """
    if len(demand) < BATCH_MINUTES + AFTER_MINUTES + 1:
        return math.inf
    after = max(demand[-AFTER_MINUTES:])
    start = len(demand) - BATCH_MINUTES - AFTER_MINUTES - 1
    if after >= AFTER_SHARE * min(demand[start : start + BATCH_MINUTES]):
        return math.inf
    before = sorted(demand[:start])
    is_usual = before and before[len(before) // 2] <= after
    return after if is_usual else math.inf


def swing(demand: Sequence[float]) -> float:
    """Return the usual difference from one five-minute mean to the next."""
    ends = range(len(demand), SWING_MINUTES - 1, -SWING_MINUTES)
    return noise_of(steps([mean_before(end, demand) for end in ends]))


def mean_before(end: int, demand: Sequence[float]) -> float:
    """Return the mean of the five minutes before a minute."""
    return mean(demand[end - SWING_MINUTES : end])


def highest(demand: Sequence[float]) -> float:
    """Return the highest minute without the newest ones (0 if there is no other)."""
    return max(demand[:-NEWEST_MINUTES], default=0.0)


def rise(demand: Sequence[float], noise: float) -> float:
    """Return the smaller of the last two rises from one five-minute mean to the next, by the
    minute; 0 if that is no more than noise."""
    if len(demand) < 15:
        return 0.0
    first, second, last = (mean(demand[-n:][:5]) for n in (15, 10, 5))
    least = min(second - first, last - second)
    return least / 5 if least > noise else 0.0


def growth(newest: Sequence[float]) -> float:
    """Return the smaller of the last two steps where both rose, else 0."""
    if len(newest) < 3 or not newest[0] < newest[1] < newest[2]:
        return 0.0
    return min(newest[2] - newest[1], newest[1] - newest[0])
