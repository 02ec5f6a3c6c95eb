"""The adapters: the only place that talks to AWS. No choices are made here.

Retries are botocore's own (mode `standard`: exponential backoff with jitter on throttling and
faults).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.http import Send, send
from chalicelib.core import table_alarms
from chalicelib.core.strategies.onsets import summary
from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED, THROTTLED
from chalicelib.model import (
    NO_PAST,
    NO_SERIES,
    Alarm,
    Change,
    CreateAlarm,
    DeleteAlarms,
    Dimension,
    Metrics,
    Past,
    RewriteAlarm,
    Series,
    SetCapacity,
    TableState,
    Target,
    Throughput,
)

T = TypeVar("T")
AwsError = (ClientError, BotoCoreError)

MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
"""GetMetricData: metrics and datapoints a call. Source: API_GetMetricData, read 2026-10."""
MAX_ALARM_NAMES = 100
"""DescribeAlarms and DeleteAlarms: names a call. Source: API_DescribeAlarms, API_DeleteAlarms, read
2026-10."""
ALARM_WRITES_PER_SECOND = 3
"""PutMetricAlarm: calls a second and Region, by default. Source: CloudWatch service quotas,
L-0720E68F, read 2026-11."""
PARALLEL = 8
"""DescribeTable calls under way at once."""
NEEDED = frozenset({"dynamodb", "cloudwatch", "application-autoscaling", "sts"})
"""The services that nothing can be decided without. The others are not waited for as long, nor
tried as often."""
LONGEST_QUESTION = 30.0
"""Seconds: no call of another service takes longer: three times two to connect and six to be
answered, and the pauses between, of one and two at the most. Source: AWS SDKs and Tools Reference
Guide, "Retry behavior", standard mode, read 2026-11."""

RECENT = timedelta(hours=3)
HISTORY = timedelta(days=14)
"""CloudWatch keeps one-minute points for 15 days. Source: CloudWatch User Guide, "Metrics
retention", read 2026-10."""
SETTLED = timedelta(minutes=10)
"""Metrics come "up to a few minutes" late (Developer Guide, DynamoDB metrics, read 2026-10); after
this the past is whole."""
TARGETS_A_CALL = MAX_DATAPOINTS // (2 * int(HISTORY.total_seconds()) // 300)
"""Days of five-minute points, consumed and throttled, that fit into one call."""


class Refused(Exception):
    """AWS said no in an expected way: a decrease over the quota, a table that is updating, or
    changed since it was read."""


class IncompleteError(Exception):
    """CloudWatch answered in part only: what is missing is unknown, not zero."""


class ChangedMeanwhile(Refused):
    """The table no longer is as the decision saw it; the old numbers must not be written."""


class Aws:
    """One account and Region. Clients are made when first needed and kept for the container's
    life."""

    def __init__(
        self, topic: str, sleep: Callable[[float], None] = time.sleep, http: Send = send
    ) -> None:
        """Keep the topic's name or ARN. sleep: how to wait between alarm writes, in seconds. http:
        how to ask what is not AWS."""
        self._topic = topic
        self.sleep = sleep
        self.http = http
        self._clients: dict[tuple[str, str], Any] = {}
        self._pasts: dict[Target, Past] = {}
        self._recent: dict[Hashable, tuple[datetime | None, Any]] = {}
        self.told: dict[Hashable, Any] = {}
        """What notify.py remembers of what was told, for the container's life; what must outlive it
        stands in tags."""

    def client(self, service: str, region: str = "") -> Any:
        """Return a service's client, of our own Region where none is named. Other adapters call AWS
        through it, too."""
        if (service, region) not in self._clients:
            is_needed = service in NEEDED
            settings = BotoConfig(
                retries={"mode": "standard", "max_attempts": 5 if is_needed else 2},
                max_pool_connections=PARALLEL * 2,
                connect_timeout=3 if is_needed else 2,
                read_timeout=20 if is_needed else 6,
            )
            self._clients[service, region] = boto3.client(
                service, config=settings, region_name=region or None
            )
        return self._clients[service, region]

    def recent(self, key: Hashable, now: datetime, within: timedelta, read: Callable[[], T]) -> T:
        """Return what `read` gave this container not longer ago than `within`, else read anew.
        Errors are not kept."""
        at, kept = self._recent.get(key, (None, None))
        if at is None or not timedelta() <= now - at < within:
            kept = read()
            self._recent[key] = (now, kept)
        found: T = kept
        return found

    # where we are

    @property
    def region(self) -> str:
        """Return the Region that all calls go to."""
        return str(self.client("dynamodb").meta.region_name)

    @cached_property
    def _caller(self) -> tuple[str, str]:
        """Return partition and account. GetCallerIdentity needs no permission."""
        arn = str(self.client("sts").get_caller_identity()["Arn"]).split(":")
        return arn[1], arn[4]

    @property
    def account(self) -> str:
        """Return the account that the credentials belong to."""
        return self._caller[1]

    @property
    def topic_arn(self) -> str:
        """Return the alarm topic's ARN."""
        if self._topic.startswith("arn:"):
            return self._topic
        partition, account = self._caller
        return f"arn:{partition}:sns:{self.region}:{account}:{self._topic}"

    # tables

    def table_names(self) -> list[str]:
        """Return the names of all tables of the Region."""
        pages = self.client("dynamodb").get_paginator("list_tables").paginate()
        return [name for page in pages for name in page["TableNames"]]

    def describe(self, names: Sequence[str]) -> dict[str, TableState | Exception | None]:
        """Return each table as it is now: None where it does not exist, the error where AWS gave
        one."""
        client = self.client("dynamodb")
        if len(names) == 1:
            return {names[0]: _described(client, names[0])}
        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            return dict(
                zip(names, pool.map(lambda name: _described(client, name), names), strict=True)
            )

    def set_capacity(self, action: SetCapacity) -> None:
        """Make one UpdateTable call, if the table still is as the decision saw it.

        Raises Refused where DynamoDB declines, ChangedMeanwhile where the table is not as it was.
        """
        client = self.client("dynamodb")
        table = _table_state(client.describe_table(TableName=action.table)["Table"])
        _check_unchanged(table, action.changes)
        try:
            client.update_table(TableName=action.table, **_update(table, action.changes))
        except client.exceptions.LimitExceededException as error:
            if any(change.desired > change.current for change in action.changes):
                # no matter of the decrease quota: the account's quota, or too many operations at
                # once
                raise
            raise Refused(error.response["Error"]["Message"]) from error
        except client.exceptions.ResourceInUseException as error:
            raise ChangedMeanwhile(error.response["Error"]["Message"]) from error

    def autoscaled(self) -> set[str]:
        """Return the owners (`table` or `table/index`) that Application Auto Scaling manages."""
        pages = self.client("application-autoscaling").get_paginator("describe_scalable_targets")
        found = [
            target
            for page in pages.paginate(ServiceNamespace="dynamodb")
            for target in page["ScalableTargets"]
        ]
        return {
            str(target["ResourceId"]).removeprefix("table/").replace("/index/", "/")
            for target in found
        }

    # metrics

    def metrics(
        self, targets: Collection[Target], now: datetime, with_past: Collection[Target] = ()
    ) -> dict[Target, Metrics]:
        """Return the last hours of every target, and what the last days say of those in
        `with_past`."""
        end = now.replace(second=0, microsecond=0)
        start = end - RECENT - timedelta(minutes=end.minute % 5)
        queries = [
            Query(t, names[t.dimension], 60) for t in targets for names in (CONSUMED, THROTTLED)
        ]
        queries += [Query(t, PROVISIONED[t.dimension], 300, "Minimum") for t in targets]
        recent = self._read(queries, start, end)
        pasts = self._past(with_past, past_end(now))
        return {t: _metrics(t, recent, pasts.get(t, NO_PAST)) for t in targets}

    def _past(self, targets: Collection[Target], end: datetime) -> dict[Target, Past]:
        """Return the summaries of the days before `end`, reading those that this container has not
        made yet."""
        stale = [t for t in targets if t not in self._pasts or self._pasts[t].end != end]
        for batch in _batches(stale, TARGETS_A_CALL):
            queries = {
                t: [Query(t, names[t.dimension], 300) for names in (CONSUMED, THROTTLED)]
                for t in batch
            }
            read = self._read(
                [query for pair in queries.values() for query in pair], end - HISTORY, end
            )
            for target, (consumed, throttled) in queries.items():
                if consumed in read and throttled in read:
                    self._pasts[target] = summary(_sum(read[consumed], read[throttled]))
        return {t: self._pasts[t] for t in targets if t in self._pasts}

    def demand(self, target: Target, start: datetime, end: datetime) -> Series:
        """Return a target's demand by the minute, consumed and throttled, gaps and all."""
        queries = [Query(target, names[target.dimension], 60) for names in (CONSUMED, THROTTLED)]
        read = self._read(queries, start, end)
        if len(read) < len(queries):
            raise IncompleteError(
                f"CloudWatch gave only a part of the metrics of {target}; ask again"
            )
        return _sum(read[queries[0]], read[queries[1]])

    def _read(
        self, queries: Sequence[Query], start: datetime, end: datetime
    ) -> dict[Query, Series]:
        """Return the series of each query, gaps and all, in the fewest calls; none of one that
        CloudWatch gave in part only."""
        partial: set[Query] = set()
        found: dict[Query, list[float | None]] = {
            q: [None] * (int((end - start).total_seconds()) // q.step) for q in queries
        }
        most = max((len(values) for values in found.values()), default=1)
        paginator = self.client("cloudwatch").get_paginator("get_metric_data")
        for batch in _batches(queries, max(1, min(MAX_QUERIES, MAX_DATAPOINTS // max(1, most)))):
            asked = [query.asked(f"m{i}") for i, query in enumerate(batch)]
            for page in paginator.paginate(MetricDataQueries=asked, StartTime=start, EndTime=end):
                for result in page["MetricDataResults"]:
                    query = batch[int(result["Id"][1:])]
                    query.place(found[query], result, start)
                    (partial.discard if result["StatusCode"] == "Complete" else partial.add)(query)
        return {
            query: Series(start, query.step, tuple(values))
            for query, values in found.items()
            if query not in partial
        }

    # alarms

    def alarms_on_topic(self, state: str | None = None) -> list[Alarm]:
        """Return the alarms that notify our topic, in one state or in all."""
        asked = {"ActionPrefix": self.topic_arn, "AlarmTypes": ["MetricAlarm"]} | (
            {"StateValue": state} if state else {}
        )
        paging = {"PageSize": MAX_ALARM_NAMES}
        pages = (
            self.client("cloudwatch")
            .get_paginator("describe_alarms")
            .paginate(**asked, PaginationConfig=paging)
        )
        found = [Alarm(fields) for page in pages for fields in page["MetricAlarms"]]
        return [
            a
            for a in found
            if self.topic_arn in _actions(a) and state in (None, a.fields["StateValue"])
        ]

    def alarms_named(self, names: Iterable[str]) -> list[Alarm]:
        """Return those of the named metric alarms that exist."""
        client = self.client("cloudwatch")
        found: list[Alarm] = []
        for batch in _batches(sorted(set(names)), MAX_ALARM_NAMES):
            page = client.describe_alarms(
                AlarmNames=list(batch), AlarmTypes=["MetricAlarm"], MaxRecords=MAX_ALARM_NAMES
            )
            found += [Alarm(fields) for fields in page["MetricAlarms"]]
        return found

    def create_alarms(
        self, actions: Iterable[CreateAlarm]
    ) -> Iterator[tuple[CreateAlarm, Exception | None]]:
        """Make alarms under the API's rate, and yield each with its error, if any."""
        for count, action in enumerate(actions):
            if count:
                self.sleep(1 / ALARM_WRITES_PER_SECOND)
            try:
                self.client("cloudwatch").put_metric_alarm(**action.fields)
            # the other alarms are made; it is raised at the end
            except Exception as error:  # noqa: BLE001
                yield action, error
            else:
                yield action, None

    def rewrite_alarm(self, action: RewriteAlarm) -> None:
        """Put the alarm again, whole, with some fields changed.

        PutMetricAlarm overwrites everything, so every member of its own input shape goes back as
        DescribeAlarms gave it. Tags are no part of that: an update leaves them alone. Source:
        API_PutMetricAlarm, read 2026-10.
        """
        client = self.client("cloudwatch")
        settable = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        kept = {
            key: value
            for key, value in action.alarm.fields.items()
            if key in settable and value not in (None, "", [])
        }
        client.put_metric_alarm(**{**kept, **action.changes})

    def delete_alarms(self, action: DeleteAlarms) -> None:
        """Remove alarms; names that do not exist are no error."""
        for batch in _batches(action.names, MAX_ALARM_NAMES):
            self.client("cloudwatch").delete_alarms(AlarmNames=list(batch))


@dataclass(frozen=True, slots=True)
class Query:
    """One metric of one target. A Sum becomes a rate in units per second; anything else stays as it
    is."""

    target: Target
    metric: str
    step: int
    stat: str = "Sum"

    def asked(self, name: str) -> dict[str, Any]:
        """Return the query as GetMetricData wants it."""
        metric = {
            "Namespace": NAMESPACE,
            "MetricName": self.metric,
            "Dimensions": table_alarms.dimensions(self.target),
        }
        return {
            "Id": name,
            "MetricStat": {"Metric": metric, "Period": self.step, "Stat": self.stat},
        }

    def place(self, values: list[float | None], result: Mapping[str, Any], start: datetime) -> None:
        """Put a result's datapoints, which come in any order, where they belong."""
        unit, first = self.step if self.stat == "Sum" else 1, int(start.timestamp())
        for at, value in zip(result["Timestamps"], result["Values"], strict=True):
            position = (int(at.timestamp()) - first) // self.step
            if 0 <= position < len(values):
                values[position] = value / unit


def past_end(now: datetime) -> datetime:
    """Return the last full hour whose metrics are all in by now: what is summarised is read once an
    hour and container."""
    return (now - SETTLED).replace(minute=0, second=0, microsecond=0)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in runs of `size` (itertools.batched came with Python 3.12)."""
    return (items[i : i + size] for i in range(0, len(items), size))


def _described(client: Any, name: str) -> TableState | Exception | None:
    try:
        return _table_state(client.describe_table(TableName=name)["Table"])
    except client.exceptions.ResourceNotFoundException:
        return None
    # whatever one table's answer breaks must not stop the others; it is raised at the end
    except Exception as error:  # noqa: BLE001
        return error


def _table_state(said: Mapping[str, Any]) -> TableState:
    mode = said.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    status = said["TableStatus"]
    parts = {
        "": {**said, "IndexStatus": status},
        **{i["IndexName"]: i for i in said.get("GlobalSecondaryIndexes", [])},
    }
    throughputs = {
        # no index can be changed while its table updates
        name: _throughput(
            part.get("ProvisionedThroughput", {}),
            part["IndexStatus"] if status == "ACTIVE" else status,
        )
        for name, part in parts.items()
        # archived tables and half-made indexes have nothing to set
        if mode == "PAY_PER_REQUEST"
        or part.get("ProvisionedThroughput", {}).get("ReadCapacityUnits")
    }
    return TableState(
        name=said["TableName"],
        arn=said["TableArn"],
        active=status == "ACTIVE",
        on_demand=mode == "PAY_PER_REQUEST",
        throughputs=throughputs,
    )


def _throughput(said: Mapping[str, Any], status: str) -> Throughput:
    return Throughput(
        units={
            Dimension.READ: int(said.get("ReadCapacityUnits", 0)),
            Dimension.WRITE: int(said.get("WriteCapacityUnits", 0)),
        },
        active=status == "ACTIVE",
        decreases_today=int(said.get("NumberOfDecreasesToday", 0)),
        last_increase_at=said.get("LastIncreaseDateTime"),
        last_decrease_at=said.get("LastDecreaseDateTime"),
    )


def _check_unchanged(table: TableState, changes: Iterable[Change]) -> None:
    if not table.active:
        raise ChangedMeanwhile(f"{table.name} is updating")
    for change in changes:
        throughput = table.throughputs.get(change.target.index)
        units = throughput.units[change.target.dimension] if throughput else None
        if units != change.current:
            raise ChangedMeanwhile(f"{change.target} has {units} units now, not {change.current}")


def _update(table: TableState, changes: Iterable[Change]) -> dict[str, Any]:
    """Return UpdateTable's parameters: both dimensions are required of whatever is named."""
    units = {index: dict(throughput.units) for index, throughput in table.throughputs.items()}
    touched = set()
    for change in changes:
        units[change.target.index][change.target.dimension] = change.desired
        touched.add(change.target.index)
    update: dict[str, Any] = {}
    if "" in touched:
        update["ProvisionedThroughput"] = _provisioned(units[""])
    indexes = [
        {"Update": {"IndexName": index, "ProvisionedThroughput": _provisioned(units[index])}}
        for index in sorted(touched - {""})
    ]
    return update | ({"GlobalSecondaryIndexUpdates": indexes} if indexes else {})


def _provisioned(units: Mapping[Dimension, int]) -> dict[str, int]:
    return {
        "ReadCapacityUnits": units[Dimension.READ],
        "WriteCapacityUnits": units[Dimension.WRITE],
    }


def _metrics(target: Target, read: Mapping[Query, Series], past: Past) -> Metrics:
    """Return a target's metrics. Where CloudWatch gave consumption or throttling in part only,
    nothing is known."""
    consumed, throttled = (
        read.get(Query(target, names[target.dimension], 60)) for names in (CONSUMED, THROTTLED)
    )
    if consumed is None or throttled is None:
        return Metrics(past=past)
    provisioned = read.get(Query(target, PROVISIONED[target.dimension], 300, "Minimum"), NO_SERIES)
    return Metrics(_cut(consumed), _cut(throttled), _cut(provisioned), past)


def _cut(series: Series) -> Series:
    """Return a series without the gaps at its end: what CloudWatch does not show yet."""
    values = series.values
    size = next((i + 1 for i in range(len(values) - 1, -1, -1) if values[i] is not None), 0)
    return replace(series, values=values[:size])


def _sum(consumed: Series, throttled: Series) -> Series:
    """Return the demand: unknown where consumption is, since a throttle metric without a datapoint
    means none."""
    pairs = zip(consumed.values, throttled.values, strict=True)
    return replace(consumed, values=tuple(None if c is None else c + (t or 0.0) for c, t in pairs))


def _actions(alarm: Alarm) -> Collection[str]:
    found = alarm.fields.get("AlarmActions", [])
    return found if isinstance(found, list) else []
