"""The datapoints of GetMetricData as pieces of JSON, each made once.

An account of 1,000 tables has some 22 million points. Most targets have the same few demands, so
that their points are the same bytes.
"""

from datetime import datetime, timedelta

from chalicelib.metrics import OF_OTHER_LIMITS
from chalicelib.model import Target
from headroom.scale.account import BURST, HOT_FOR, LEVELS, Account, Load

#: The demand of one minute or five, over its level.
NOISE = (1.0, 0.995, 1.003, 0.998, 1.005, 0.997, 1.002)
#: A datapoint is readable so long after its end.
PUBLISHED = timedelta(minutes=1)


class SeriesCache:
    """Timestamps and values, as JSON, for the windows of one moment."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._hot_at = int((account.start - HOT_FOR).timestamp())
        self._window: dict[int, tuple[int, int]] = {}
        self._timestamps: dict[int, bytes] = {}
        self._values: dict[tuple[object, ...], bytes] = {}

    def points(
        self, metric: str, target: Target, period: int, start: int, end: int, now: datetime
    ) -> tuple[int, bytes, bytes]:
        """Return how many datapoints there are, and the arrays of their timestamps and values."""
        end = min(end, int((now - PUBLISHED).timestamp()) // period * period)
        if self._window.get(period) != (start, end):
            self._begin_window(period, start, end)
        demand = self._account.demands[target]
        part = self._account.tables[target.table].parts[target.index]
        changes = tuple(
            (int(at.timestamp()), units[target.dimension]) for at, units in part.changes
        )
        kind = metric.removeprefix("Consumed").removeprefix("Provisioned")
        kind = metric[: len(metric) - len(kind)] or "Throttled"
        if metric in OF_OTHER_LIMITS:
            kind = "Other"
        key = (kind, demand, changes, period)
        if key not in self._values:
            moments = range(end - period, start - period, -period)
            values = [
                self._value(kind, demand.units, demand.load, changes, at, period) for at in moments
            ]
            self._values[key] = ("[" + ",".join(values) + "]").encode()
        return max(0, end - start) // period, self._timestamps[period], self._values[key]

    def _begin_window(self, period: int, start: int, end: int) -> None:
        self._window[period] = (start, end)
        moments = range(end - period, start - period, -period)
        self._timestamps[period] = ("[" + ",".join(map(str, moments)) + "]").encode()
        self._values = {key: value for key, value in self._values.items() if key[-1] != period}

    def _value(
        self,
        kind: str,
        units: int,
        load: Load,
        changes: tuple[tuple[int, int], ...],
        at: int,
        period: int,
    ) -> str:
        capacity = next((after for when, after in reversed(changes) if when <= at), units)
        if kind == "Provisioned":
            return f"{capacity}.0"
        if kind == "Other":
            return "0.0"
        is_hot = load is Load.HOT and at >= self._hot_at
        level = LEVELS[load] if is_hot or load is not Load.HOT else LEVELS[Load.STEADY]
        demand = units * level * NOISE[at // period % len(NOISE)]
        bursts = is_hot and at < self._hot_at + BURST.total_seconds()
        consumed = demand if bursts else min(demand, capacity)
        return f"{(consumed if kind == 'Consumed' else demand - consumed) * period:.1f}"
