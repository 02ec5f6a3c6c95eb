"""What the writes of a table send to its indexes. Pure.

An index that is short of writes throttles the writes of its table. So where the table is raised,
its indexes are raised with it, and none is lowered below what the table can send it. Source:
Developer Guide, "Understanding global secondary index (GSI) write throttling and back pressure in
DynamoDB", read 2026-11.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import structs

from chalicelib.core.budget import budget
from chalicelib.core.observation import IndexFloor, Observation
from chalicelib.model import DOWN, Decision, Dimension, Hold, Number, Reason, Series

#: Fewer common minutes show no share.
FEWEST_MINUTES = 5
#: While an index throttles, it keeps its table from being written. A decrease of the table goes by
#: the demand of 15 minutes, and a minute is visible up to five minutes late: after so much time
#: none of these minutes is left.
RECENTLY = timedelta(minutes=20)
#: An increase of the table by less is no jump: the index's own metrics show it in time. Chosen by
#: replays of tables with two indexes (docs/policy.md, "Indexes").
JUMP = 1.2
#: An index waits so long for the decrease of its table.
TOGETHER_WITHIN = timedelta(minutes=10)
#: A share of sums of floats is exact to so many digits.
DIGITS = 6


def follows(observation: Observation) -> bool:
    """Tell whether a target is the writes of an index that follows its table."""
    target = observation.target
    is_written = bool(target.index) and target.dimension is Dimension.WRITE
    return is_written and observation.policy.index_follows_table


def share_of(table: Series, index: Series) -> float | None:
    """Return an index's consumed writes for each of its table's, over the common known minutes.

    It is 0 where the table was not written, and None where too little is known. Throttled writes do
    not count: DynamoDB books them at the index or at the table, and the other one does not see
    them.
    """
    first, end = max(table.start, index.start), min(table.end, index.end)
    pairs = [
        (sent, taken)
        for sent, taken in zip(
            _between(table, first, end), _between(index, first, end), strict=True
        )
        if sent is not None and taken is not None
    ]
    if len(pairs) < FEWEST_MINUTES:
        return None
    sent = sum(pair[0] for pair in pairs)
    return sum(pair[1] for pair in pairs) / sent if sent else 0.0


def _between(series: Series, first: datetime, end: datetime) -> tuple[float | None, ...]:
    count = max(0, int((end - first).total_seconds()) // series.step_seconds)
    return series.since(first).values[:count]


def with_floor(index: Observation, table: Observation, writes: Decision) -> Observation:
    """Return the observation of an index with the floor that its table's writes give it.

    writes: the decision on them. The floor raises the index only where they jump now: an index that
    is small and does not throttle stays small. If the share is unknown, the index is not lowered.
    """
    share = share_of(table.metrics.consumed, index.metrics.consumed)
    if share is None:
        unknown = Hold(Reason.NO_DATA, "too little is known of the writes of its table", DOWN)
        return structs.replace(index, holds=(*index.holds, unknown))
    sent = writes.current if writes.dry_run else writes.desired
    units = math.ceil(round(share * sent, DIGITS))
    units = units if sent >= JUMP * writes.current else min(units, index.provisioned)
    return structs.replace(index, index_floor=IndexFloor(units, sent, share))


def waits(table: Observation, writes: Decision, now: datetime) -> tuple[Hold, ...]:
    """Return the hold of a table's indexes while the table itself will be lowered in some minutes.

    Both together are one call. An index that went first could only go to the table's present level,
    and has then used its decrease of the hour.
    """
    wait = budget(table.throughput, now).next_at - now
    if writes.reason is not Reason.BUDGET_USED_UP or writes.dry_run or wait > TOGETHER_WITHIN:
        return ()
    return (Hold(Reason.FOLLOWS_TABLE, "its table is lowered in some minutes", DOWN),)


def with_throttled_indexes(
    table: Observation, indexes: Iterable[Observation], now: datetime
) -> Observation:
    """Return the observation of a table's writes, held from being lowered while an index keeps its
    callers from writing: its consumption does not show the demand."""
    throttled = [i.target.index for i in indexes if any(_lost(i, now - RECENTLY))]
    if not throttled:
        return table
    detail = f"its index {', '.join(throttled)} was throttled"
    return structs.replace(
        table, holds=(*table.holds, Hold(Reason.THROTTLED_RECENTLY, detail, DOWN))
    )


def _lost(index: Observation, since: datetime) -> list[float]:
    return index.metrics.throttled.since(since).known()


def numbers(observation: Observation) -> Mapping[str, Number]:
    """Return what an index can be sent, where it follows its table."""
    floor = observation.index_floor
    return {"table_units": floor.table_units, "index_share": floor.share} if floor else {}
