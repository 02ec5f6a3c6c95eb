"""DynamoDB's quota on decreases: how much of it is left, and when the next decrease is allowed.

Source: Amazon DynamoDB Developer Guide, "Service, account, and table quotas", read 2026-10: a UTC
day begins with four decreases; afterwards one is allowed when the preceding hour saw none. Tables
and indexes are counted apart. The refusal says "at most once every 3600 seconds", counted from the
last accepted decrease.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from chalicelib.model import Throughput

FREE_DECREASES_PER_DAY = 4
DECREASE_SPACING = timedelta(seconds=3600)


class Budget(Struct, frozen=True):
    """The decrease quota of one table or index at one moment.

    used: decreases accepted in this UTC day. left: how many more the day can hold at most. next_at:
    the next allowed time.
    """

    used: int
    left: int
    next_at: datetime

    def allows(self, now: datetime) -> bool:
        """Tell whether DynamoDB would accept a decrease at `now`."""
        return self.next_at <= now


def next_midnight(now: datetime) -> datetime:
    """Return the next 00:00 UTC strictly after `now`, when the quota starts anew."""
    return _midnight_after(now.astimezone(UTC).date())


@lru_cache(maxsize=8)
def _midnight_after(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def decreases_today(throughput: Throughput, now: datetime) -> int:
    """Return the decreases of this UTC day.

    A counter that belongs to yesterday counts nothing: DescribeTable may be seconds older than
    `now`, across midnight.
    """
    last = throughput.last_decrease_at
    if last is not None and last.astimezone(UTC).date() < now.astimezone(UTC).date():
        return 0
    return throughput.decreases_today


def keeps(throughput: Throughput, now: datetime, at: datetime, count: int) -> bool:
    """Tell whether `count` decreases are still possible at the time `at` after a decrease at `now`.

    Possible are the free decreases, those of a new UTC day, and one if the hour after the last
    decrease is over by then. A reservation that cannot be met any more blocks nothing. Otherwise a
    day whose free decreases are used up would allow no further decrease.
    """
    if at >= next_midnight(now):
        return True
    free = max(0, FREE_DECREASES_PER_DAY - decreases_today(throughput, now))
    last = throughput.last_decrease_at
    without = max(free, 1 if last is None or at - last >= DECREASE_SPACING else 0)
    after = max(free - 1, 1 if at - now >= DECREASE_SPACING else 0)
    return after >= min(count, without)


def budget(throughput: Throughput, now: datetime) -> Budget:
    """Return what is left of the decrease quota of one table or index at `now` (aware)."""
    used, midnight = decreases_today(throughput, now), next_midnight(now)
    next_at = now
    if used >= FREE_DECREASES_PER_DAY and throughput.last_decrease_at is not None:
        next_at = max(now, min(throughput.last_decrease_at + DECREASE_SPACING, midnight))
    at_once = max(1, FREE_DECREASES_PER_DAY - used)
    # one at next_at and one each hour later on the same day
    hourly = -((next_at - midnight) // DECREASE_SPACING)
    return Budget(used, at_once - 1 + hourly if next_at < midnight else 0, next_at)
