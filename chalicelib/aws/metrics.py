"""The adapter of CloudWatch's metrics: consumption, throttling and provisioned units by target."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from chalicelib.aws.client import Aws, batches
from chalicelib.core import table_alarms, throttling
from chalicelib.core.strategies.onsets import summarize
from chalicelib.metrics import (
    CONSUMED,
    HISTORY,
    NAMESPACE,
    OWN,
    PROVISIONED,
    RECENT,
    SETTLED,
    SPENT,
    THROTTLED,
    Cause,
    history_end,
    throttled_by,
)
from chalicelib.model import NO_SERIES, DemandHistory, Dimension, Metrics, Series, Target

#: GetMetricData: metrics and datapoints in one call. Source: API_GetMetricData, read 2026-10.
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
#: Between two such calls. GetMetricData takes 180,000 datapoints a second (CloudWatch User Guide,
#: service quotas, read 2026-11). A call and its parsing take some half a second more.
PAUSE_SECONDS = 0.3
#: So many targets' five-minute points of HISTORY, consumed and throttled, fit into one call.
TARGETS_A_CALL = MAX_DATAPOINTS // (2 * int(HISTORY.total_seconds()) // 300)
#: So many targets' hourly points of 38 days fit into one call.
MONTHS_A_CALL = MAX_DATAPOINTS // (38 * 24)
DAY_SECONDS = 86_400
#: Three sweeps. What an older one has published is no news.
SPENT_IS_RECENT = timedelta(minutes=16)

#: A series that is known until less than this before the settled time gets its newest part. All
#: such series are read together, from the earliest of these times on.
OVERLAP = timedelta(minutes=30)


#: What each target consumed, and what was throttled.
Loads = Mapping[Target, tuple[Series, Series]]


class IncompleteError(Exception):
    """CloudWatch answered only in part. What is missing is unknown, not zero."""


@dataclass(frozen=True, slots=True)
class Query:
    """One metric of one target. A Sum becomes a rate in units per second; others do not change."""

    target: Target
    metric: str
    step: int
    stat: str = "Sum"

    def request(self, name: str) -> dict[str, Any]:
        """Return the query in the form of GetMetricData."""
        dimensions = table_alarms.dimensions(self.target)
        metric = {"Namespace": NAMESPACE, "MetricName": self.metric, "Dimensions": dimensions}
        stat = {"Metric": metric, "Period": self.step, "Stat": self.stat}
        return {"Id": name, "MetricStat": stat}

    def place(self, values: list[float | None], result: Mapping[str, Any], start: datetime) -> None:
        """Put a result's datapoints, which come in any order, at their positions."""
        unit, first = self.step if self.stat == "Sum" else 1, int(start.timestamp())
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            position = (int(at.timestamp()) - first) // self.step
            if 0 <= position < len(values):
                values[position] = value / unit


def recent_start(now: datetime) -> datetime:
    """Return where the series of the last hours begin."""
    end = now.replace(second=0, microsecond=0)
    return end - RECENT - timedelta(minutes=end.minute % 5)


def read_metrics(
    aws: Aws,
    targets: Collection[Target],
    now: datetime,
    steady: Collection[Target] = (),
    unthrottled: Collection[Target] = (),
) -> dict[Target, Metrics]:
    """Return the last hours of every target, without the history.

    steady: targets whose units have not changed since `recent_start`. DescribeTable tells all about
    them, so the metric of provisioned units is not read. unthrottled: those whose throttled
    requests are left unread.
    """
    loads = {target: _load_queries(target, 60) for target in targets}
    loads |= {target: loads[target][:1] for target in targets if target in unthrottled}
    units = [_provisioned_query(target) for target in targets if target not in steady]
    queries = [query for of_target in loads.values() for query in of_target]
    recent = _read_recent(aws, [*queries, *units], now)
    return {target: _metrics(target, loads[target], recent) for target in targets}


def read_throttled(aws: Aws, targets: Collection[Target], now: datetime) -> dict[Target, Series]:
    """Return the throttled requests of the last hours, of the targets that CloudWatch answered
    for."""
    queries = {target: _load_queries(target, 60)[1] for target in targets}
    recent = _read_recent(aws, queries.values(), now)
    return {
        target: recent[query].without_trailing_gaps()
        for target, query in queries.items()
        if query in recent
    }


def _read_recent(aws: Aws, queries: Iterable[Query], now: datetime) -> dict[Query, Series]:
    end = now.replace(second=0, microsecond=0)
    return _read_new(aws, dict.fromkeys(queries, recent_start(now)), end)


def read_causes(
    aws: Aws, metrics: Mapping[Target, Metrics], now: datetime, measured: Collection[Target] = ()
) -> dict[Target, Metrics]:
    """Return the metrics of targets with throttled requests, divided by their causes.

    The causes are read from the first throttled request on. measured: the targets of which the
    units of a request are measured as well, from the same time on.
    """
    first = {t: throttling.causes_start(found.throttled) for t, found in metrics.items()}
    starts = {query: first[query.target] for query in _cause_queries(metrics, 60)}
    starts |= {_requests_query(t): first[t] for t in measured if t in metrics}
    series = _read_new(aws, starts, now.replace(second=0, microsecond=0))
    explained = {target: _by_cause(target, found, series) for target, found in metrics.items()}
    return explained | {
        t: structs.replace(
            explained[t], request_units=throttling.measured_units(m.consumed, series[query])
        )
        for t, m in metrics.items()
        if (query := _requests_query(t)) in series
    }


def read_histories(
    aws: Aws, targets: Collection[Target], now: datetime, also_new: bool
) -> dict[Target, DemandHistory]:
    """Return the summaries of the days before the last full hour.

    A container keeps the days, and reads each hour's new points. also_new: read also the days of
    the targets that it does not keep, which takes long; else these are left out.
    """
    end = history_end(now)
    first = {t: aws.histories.known_until(t, end - HISTORY) for t in targets}
    wanted = [t for t in targets if first[t] < end and (also_new or first[t] > end - HISTORY)]
    for start in sorted({first[t] for t in wanted}):
        _read_history(aws, [t for t in wanted if first[t] == start], start, end)
    summaries = aws.summaries
    return {t: summaries[t] for t in targets if t in summaries and summaries[t].end == end}


def read_weeks(aws: Aws, targets: Sequence[Target], now: datetime) -> dict[Target, Series]:
    """Return the five-minute demand of the last days, to the last full hour.

    A container reads each hour's new points once. What cannot be read is left out.
    """
    read_histories(aws, targets, now, also_new=True)
    end = history_end(now)
    found = {target: aws.histories.between(target, end - HISTORY, end) for target in targets}
    return {t: Series(end - HISTORY, 300, days) for t, days in found.items() if days}


def read_demand(aws: Aws, target: Target, start: datetime, end: datetime) -> Series:
    """Return a target's demand by the minute, consumed and throttled, with its gaps.

    What no number of units would have served is no demand. Raises IncompleteError where CloudWatch
    gave only a part.
    """
    load = _read_whole(aws, target, _load_queries(target, 60), start, end)
    return _sum(load.consumed, load.throttled)


def read_minutes(aws: Aws, target: Target, start: datetime, end: datetime) -> Metrics:
    """Return what a target consumed, what was throttled by cause, and its units, by the minute.

    CloudWatch has the units every five minutes (Developer Guide, "DynamoDB metrics and
    dimensions", read 2026-10), so most of their minutes are gaps. Raises IncompleteError where it
    gave only a part.
    """
    units = Query(target, PROVISIONED[target.dimension], 60, "Minimum")
    return _read_whole(aws, target, [*_load_queries(target, 60), units], start, end)


def _read_whole(
    aws: Aws, target: Target, queries: Sequence[Query], start: datetime, end: datetime
) -> Metrics:
    """Return the series of a target's queries, the throttled requests by their cause."""
    series = _read(aws, queries, start, end)
    if len(series) < len(queries):
        raise IncompleteError(f"CloudWatch gave only a part of the metrics of {target}; ask again")
    consumed, throttled, *units = (series[query] for query in queries)
    metrics = Metrics(consumed, throttled, units[0] if units else NO_SERIES)
    if not any(metrics.throttled.known()):
        return metrics
    causes = _read(aws, list(_cause_queries([target], 60)), start, end)
    return _by_cause(target, metrics, causes)


def read_hours(
    aws: Aws,
    targets: Iterable[Target],
    start: datetime,
    end: datetime,
    names: Mapping[Dimension, str] = PROVISIONED,
) -> dict[Target, Series]:
    """Return the mean units of each hour, between full hours, of every target.

    names: the metric, by dimension: PROVISIONED or CONSUMED. A container keeps them, and reads each
    new hour once. CloudWatch has them for 63 days (CloudWatch User Guide, "Metrics retention", read
    2026-10). What it answered only in part is left out.
    """
    kept, found = aws.months, dict[Target, Series]()
    stat = "Average" if names is PROVISIONED else "Sum"
    key = {target: (target, names[target.dimension]) for target in targets}
    by_first: dict[datetime, list[Target]] = {}
    for target, name in key.items():
        by_first.setdefault(min(kept.known_until(name, start), end), []).append(target)
    for target in by_first.pop(end, []):
        found[target] = kept.extend(key[target], start, Series(end, 3600), end)
    groups = [
        (first, some) for first in by_first for some in batches(by_first[first], MONTHS_A_CALL)
    ]
    for number, (first, some) in enumerate(groups):
        if number:
            aws.sleep(PAUSE_SECONDS)
        queries = [Query(*key[target], 3600, stat) for target in some]
        for query, series in _read(aws, queries, first, end).items():
            found[query.target] = kept.extend(key[query.target], start, series, end)
    return found


def read_spent(aws: Aws, now: datetime) -> float | None:
    """Return the USD that a recent sweep has published for the stage, None without one."""
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    metric = {
        "Namespace": OWN,
        "MetricName": SPENT,
        "Dimensions": [{"Name": "service", "Value": aws.service}],
    }
    stat = {"Metric": metric, "Period": 60, "Stat": "Maximum"}
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "spent", "MetricStat": stat}],
        StartTime=end - SPENT_IS_RECENT,
        EndTime=end,
        ScanBy="TimestampDescending",
    )
    return next(iter(answer["MetricDataResults"][0]["Values"]), None)


def read_held(
    aws: Aws, targets: Sequence[Target], start: datetime, end: datetime
) -> dict[Target, tuple[Series, Series, Series]]:
    """Return what targets consumed, what was throttled of it, and their provisioned units.

    The first two are by the minute, the units by five minutes. Throttling that no number of units
    would have prevented is left out. Raises IncompleteError where CloudWatch gave only a part.
    """
    loads = {target: _load_queries(target, 60) for target in targets}
    units = {target: replace(_provisioned_query(target), stat="Average") for target in targets}
    series = _read(aws, [query for pair in loads.values() for query in pair], start, end)
    series |= _read(aws, list(units.values()), start, end)
    missing = [t for t in targets if not series.keys() >= {*loads[t], units[t]}]
    if missing:
        names = ", ".join(map(str, missing))
        raise IncompleteError(f"CloudWatch gave only a part of the metrics of {names}; ask again")
    pairs = {target: (series[used], series[lost]) for target, (used, lost) in loads.items()}
    explained = _explained(aws, pairs, 60, start, end)
    return {t: (load.consumed, load.throttled, series[units[t]]) for t, load in explained.items()}


def read_days(
    aws: Aws, targets: Sequence[Target], start: datetime, end: datetime
) -> dict[Target, Metrics]:
    """Return what targets consumed and what was throttled of it, by the UTC day.

    Throttling that no number of units would have prevented is left out, and so is a target of which
    CloudWatch gave only a part.
    """
    loads = {target: _load_queries(target, DAY_SECONDS) for target in targets}
    series = _read(aws, [query for pair in loads.values() for query in pair], start, end)
    pairs = {
        target: (series[used], series[lost])
        for target, (used, lost) in loads.items()
        if used in series and lost in series
    }
    return _explained(aws, pairs, DAY_SECONDS, start, end)


def _load_queries(target: Target, step: int) -> list[Query]:
    """Return the queries of what a target consumed and what was throttled."""
    return [Query(target, names[target.dimension], step) for names in (CONSUMED, THROTTLED)]


def _cause_queries(targets: Iterable[Target], step: int) -> Iterable[Query]:
    for target in targets:
        for cause in Cause:
            yield Query(target, throttled_by(cause, target.dimension), step)


def _requests_query(target: Target) -> Query:
    """Return the query of how many requests consumed units, each minute."""
    return Query(target, CONSUMED[target.dimension], 60, "SampleCount")


def _by_cause(target: Target, metrics: Metrics, series: Mapping[Query, Series]) -> Metrics:
    """Divide a target's throttled requests by cause. All of them are unexplained where CloudWatch
    answered only in part."""
    queries = list(_cause_queries([target], metrics.throttled.step_seconds))
    if not series.keys() >= set(queries):
        return throttling.by_cause(metrics, {})
    found = [series[query].starting_at(metrics.throttled.start) for query in queries]
    return throttling.by_cause(metrics, dict(zip(Cause, found, strict=True)))


def _provisioned_query(target: Target) -> Query:
    return Query(target, PROVISIONED[target.dimension], 300, "Minimum")


def _read_history(aws: Aws, targets: Sequence[Target], start: datetime, end: datetime) -> None:
    """Read the demand from `start`, and summarize it together with the days that are kept.

    Where the container keeps the minutes of that time, they are not read again.
    """
    kept = {target: _kept_load(aws, target, start, end) for target in targets}
    _summarize(aws, {target: pair for target, pair in kept.items() if pair}, start, end)
    unknown = [target for target in targets if not kept[target]]
    for number, batch in enumerate(batches(unknown, TARGETS_A_CALL)):
        if number:
            aws.sleep(PAUSE_SECONDS)
        queries = {target: _load_queries(target, 300) for target in batch}
        series = _read(aws, [query for pair in queries.values() for query in pair], start, end)
        pairs = {
            target: (series[consumed], series[throttled])
            for target, (consumed, throttled) in queries.items()
            if consumed in series and throttled in series
        }
        _summarize(aws, pairs, start, end)


def _summarize(aws: Aws, loads: Loads, start: datetime, end: datetime) -> None:
    for target, new in _demand(aws, loads, 300, start, end).items():
        days = aws.histories.extend(target, end - HISTORY, new, end)
        aws.summaries[target] = summarize(days)


def _kept_load(
    aws: Aws, target: Target, start: datetime, end: datetime
) -> tuple[Series, Series] | None:
    """Return what was consumed and throttled, by five minutes, as the container keeps the minutes.

    A target without throttled requests until then has none.
    """
    pair = [aws.recent_series.between(query, start, end) for query in _load_queries(target, 60)]
    seen = aws.unthrottled.get(target)
    if pair[1] is None and seen and seen >= end:
        pair[1] = (None,) * int((end - start) / timedelta(minutes=1))
    consumed, throttled = (minutes and _by_five(start, minutes) for minutes in pair)
    return (consumed, throttled) if consumed and throttled else None


def _by_five(start: datetime, minutes: Sequence[float | None]) -> Series:
    """Return the means of each five minutes. As in CloudWatch's sums, a gap adds nothing."""
    groups = ([v for v in five if v is not None] for five in batches(minutes, 5))
    return Series(start, 300, tuple(sum(known) / 5 if known else None for known in groups))


def _read_new(aws: Aws, starts: Mapping[Query, datetime], end: datetime) -> dict[Query, Series]:
    """Return the series of each query, from its start on or earlier.

    What this container has read and is settled, it keeps. Two reads are enough: one for the series
    of which only the newest part is missing, and one for the others.
    """
    kept, settled = aws.recent_series, end - SETTLED
    settled -= timedelta(minutes=settled.minute % 5)
    known = {query: kept.known_until(query, start) for query, start in starts.items()}
    fresh = {query: until >= settled - OVERLAP for query, until in known.items()}
    parts: dict[datetime, list[Query]] = {}
    for is_fresh in (True, False):
        part = [query for query in starts if fresh[query] is is_fresh]
        if part:
            parts.setdefault(min(known[query] for query in part), []).extend(part)
    return {
        query: kept.extend(query, min(starts[query], first), series, settled)
        for first, part in parts.items()
        for query, series in _read(aws, part, first, end).items()
    }


def _read(
    aws: Aws, queries: Sequence[Query], start: datetime, end: datetime
) -> dict[Query, Series]:
    """Return the series of each query with its gaps, in the fewest calls.

    A query that CloudWatch answered only in part is left out.
    """
    incomplete: set[Query] = set()
    seconds = int((end - start).total_seconds())
    values: dict[Query, list[float | None]] = {q: [None] * (seconds // q.step) for q in queries}
    longest = max((len(points) for points in values.values()), default=1)
    paginator = aws.client("cloudwatch").get_paginator("get_metric_data")
    for batch in batches(queries, max(1, min(MAX_QUERIES, MAX_DATAPOINTS // max(1, longest)))):
        requests = [query.request(f"m{i}") for i, query in enumerate(batch)]
        for page in paginator.paginate(MetricDataQueries=requests, StartTime=start, EndTime=end):
            for result in page["MetricDataResults"]:
                query = batch[int(result["Id"][1:])]
                query.place(values[query], result, start)
                is_complete = result["StatusCode"] == "Complete"
                (incomplete.discard if is_complete else incomplete.add)(query)
    return {
        query: Series(start, query.step, tuple(points))
        for query, points in values.items()
        if query not in incomplete
    }


def _metrics(target: Target, loads: Sequence[Query], series: Mapping[Query, Series]) -> Metrics:
    """Return a target's metrics: nothing is known where consumption or throttling is incomplete.

    loads: what was read of these two.
    """
    if not series.keys() >= set(loads):
        return Metrics()
    found = [series[query].without_trailing_gaps() for query in loads]
    provisioned = series.get(_provisioned_query(target), NO_SERIES)
    return Metrics(
        found[0], found[1] if found[1:] else NO_SERIES, provisioned.without_trailing_gaps()
    )


def _demand(
    aws: Aws,
    pairs: Loads,
    step: int,
    start: datetime,
    end: datetime,
) -> dict[Target, Series]:
    """Return the demand of each target from what it consumed and what was throttled."""
    loads = _explained(aws, pairs, step, start, end)
    return {target: _sum(load.consumed, load.throttled) for target, load in loads.items()}


def _explained(
    aws: Aws,
    pairs: Loads,
    step: int,
    start: datetime,
    end: datetime,
) -> dict[Target, Metrics]:
    """Return what each target consumed, and what was throttled of its demand.

    The causes are read of those targets that have throttled requests.
    """
    loads = {target: Metrics(*pair) for target, pair in pairs.items()}
    throttled = {t: load for t, load in loads.items() if any(load.throttled.known())}
    if throttled:
        series = _read(aws, list(_cause_queries(throttled, step)), start, end)
        loads |= {t: _by_cause(t, load, series) for t, load in throttled.items()}
    return loads


def _sum(consumed: Series, throttled: Series) -> Series:
    """Return the demand: unknown where consumption is.

    A throttle metric without a datapoint means that nothing was throttled.
    """
    pairs = zip(consumed.values, throttled.values, strict=True)
    return structs.replace(
        consumed, values=tuple(None if c is None else c + (t or 0.0) for c, t in pairs)
    )
