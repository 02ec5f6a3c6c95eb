"""An AWS below botocore: it answers HTTP requests, so that serialising, signing, retries and
parsing are botocore's own.

Each call takes its latency in virtual time. Above the limits of limits.toml, a call is throttled.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

from chalicelib.aws.metrics import MAX_DATAPOINTS
from chalicelib.metrics import DIMENSION_OF, PROVISIONED, Cause, throttled_by
from chalicelib.model import Dimension, Target
from headroom.scale.account import ACCOUNT, REGION, Account, Table, settle
from headroom.scale.clock import VirtualClock
from headroom.scale.limits import Limits, RateLimiter
from headroom.scale.series import SeriesCache

ALARMS_A_PAGE = 100
#: DescribeAlarms and ListTables: items in one answer. Source: API_DescribeAlarms, API_ListTables,
#: read 2026-11.
TABLES_A_PAGE = 100
DIMENSIONS = {
    **DIMENSION_OF,
    **{metric: dimension for dimension, metric in PROVISIONED.items()},
    **{throttled_by(cause, dimension): dimension for cause in Cause for dimension in Dimension},
}
QUEUES = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/headroom/sweep</Arn>
<UserId>AROA:sweep</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""

Body = Mapping[str, Any]
Answer = bytes | Mapping[str, Any]


class UnknownOperationError(BaseException):
    """The engine made a call that this AWS does not know: a fault of the measure, not of AWS."""


class ServiceError(Exception):
    """An error as the service answers it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Raw:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


class FakeAws:
    """Answers the calls on one account, and counts them.

    silent: operations that never answer. calls: requests by operation, with those that were
    throttled. metrics, datapoints: those of the GetMetricData requests.
    """

    def __init__(
        self,
        account: Account,
        clock: VirtualClock,
        limits: Limits,
        latency: float,
        silent: Iterable[str] = (),
    ) -> None:
        self.account, self._clock, self._limits = account, clock, limits
        self.latency, self._silent = latency, frozenset(silent)
        self._limiter = RateLimiter(limits)
        self._series = SeriesCache(account)
        self._updating: list[float] = []
        self._read_timeout = 60.0
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.metrics = self.datapoints = 0
        self.first_update: float | None = None
        self._messages: list[tuple[float, str]] = []
        self._operations: dict[str, Callable[[Body], Answer]] = {
            "ListTables": self._list_tables,
            "DescribeTable": self._describe_table,
            "UpdateTable": self._update_table,
            "DescribeAlarms": self._describe_alarms,
            "PutMetricAlarm": self._put_metric_alarm,
            "DeleteAlarms": self._delete_alarms,
            "GetMetricData": self._get_metric_data,
            "ListTagsForResource": lambda _: {"Tags": []},
            "DescribeScalableTargets": lambda _: {"ScalableTargets": []},
            "GetResources": lambda _: {"PaginationToken": "", "ResourceTagMappingList": []},
            "GetQueueUrl": lambda body: {"QueueUrl": f"{QUEUES}/{body['QueueName']}"},
            "SendMessageBatch": self._send_messages,
        }

    def reset_counts(self) -> None:
        """Count anew."""
        self.calls.clear()
        self.throttled.clear()
        self.metrics = self.datapoints = 0
        self.first_update = None

    # botocore's events

    def before_call(self, context: Mapping[str, Any], **_: Any) -> None:
        """Keep how long the client waits for an answer."""
        self._read_timeout = float(context["client_config"].read_timeout)

    def before_send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        """Answer a request. Raises ReadTimeoutError for a silent operation."""
        self._clock.charge_cpu()
        try:
            return self._answer(request, event_name.rpartition(".")[2])
        finally:
            self._clock.skip_cpu()

    def _answer(self, request: AWSPreparedRequest, operation: str) -> AWSResponse:
        self.calls[operation] += 1
        if operation in self._silent:
            self._clock.advance(self._read_timeout)
            raise ReadTimeoutError(endpoint_url=request.url)
        if operation == "GetCallerIdentity":
            self._clock.advance(self.latency)
            return _response(request.url, 200, IDENTITY.encode())
        if operation not in self._operations:
            raise UnknownOperationError(f"bench-scale has no answer to {operation}: add it")
        try:
            answer = self._result(operation, msgspec.json.decode(request.body or b"{}"))
        except ServiceError as error:
            body = msgspec.json.encode({"__type": error.code, "message": str(error)})
            response = _response(request.url, 400, body)
        else:
            body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
            response = _response(request.url, 200, body)
        self._clock.advance(self.latency)
        return response

    def _result(self, operation: str, body: Body) -> Answer:
        datapoints = _datapoints(body) if operation == "GetMetricData" else 0
        if not self._limiter.admits(operation, self._clock.seconds, datapoints):
            self.throttled[operation] += 1
            raise ServiceError("ThrottlingException", "Rate exceeded")
        return self._operations[operation](body)

    # SQS

    def _send_messages(self, body: Body) -> Answer:
        sent = [entry["MessageBody"] for entry in body["Entries"]]
        self._messages += [(self._clock.seconds, text) for text in sent]
        return {"Successful": [{"Id": entry["Id"]} for entry in body["Entries"]], "Failed": []}

    def take_messages(self) -> list[tuple[float, str]]:
        """Return the messages that were sent, with their times in virtual seconds, and delete
        them."""
        messages, self._messages = self._messages, []
        return messages

    # DynamoDB

    def _list_tables(self, body: Body) -> Answer:
        after = body.get("ExclusiveStartTableName", "")
        names = [name for name in self.account.tables if name > after]
        page = names[: body.get("Limit", TABLES_A_PAGE)]
        more = {"LastEvaluatedTableName": page[-1]} if len(page) < len(names) else {}
        return {"TableNames": page, **more}

    def _describe_table(self, body: Body) -> Answer:
        return {"Table": self._description(self._table(body))}

    def _update_table(self, body: Body) -> Answer:
        table, now = self._table(body), self._clock.now
        if table.active_at is not None:
            raise ServiceError("ResourceInUseException", f"{table.name} is being updated")
        while self._updating and self._updating[0] <= self._clock.seconds:
            heapq.heappop(self._updating)
        if len(self._updating) >= self._limits.updates.at_once:
            raise ServiceError(
                "LimitExceededException", "Subscriber limit exceeded: too many table operations"
            )
        updates = {"": body} if "ProvisionedThroughput" in body else {}
        for update in body.get("GlobalSecondaryIndexUpdates", []):
            updates[update["Update"]["IndexName"]] = update["Update"]
        for index, update in updates.items():
            self._change(table, index, _units(update["ProvisionedThroughput"]))
        table.active_at = now + timedelta(seconds=self._limits.updates.seconds)
        heapq.heappush(self._updating, self._clock.seconds + self._limits.updates.seconds)
        if self.first_update is None:
            self.first_update = self._clock.seconds
        return {"TableDescription": self._description(table)}

    def _change(self, table: Table, index: str, units: dict[Dimension, int]) -> None:
        part, now, seconds = table.parts[index], self._clock.now, self._clock.seconds
        if any(units[d] > part.units[d] for d in Dimension):
            table.raised = seconds if table.raised is None else table.raised
            part.increased_at = now
        if any(units[d] < part.units[d] for d in Dimension):
            table.lowered = seconds if table.lowered is None else table.lowered
            part.decreased_at = now
            part.decreases_today += 1
        table.pending[index] = units

    def _table(self, body: Body) -> Table:
        table = self.account.tables.get(body["TableName"])
        if table is None:
            raise ServiceError("ResourceNotFoundException", f"no table {body['TableName']}")
        settle(table, self._clock.now)
        return table

    def _description(self, table: Table) -> dict[str, Any]:
        status = "ACTIVE" if table.active_at is None else "UPDATING"
        throughputs = {
            index: {
                "ReadCapacityUnits": part.units[Dimension.READ],
                "WriteCapacityUnits": part.units[Dimension.WRITE],
                "NumberOfDecreasesToday": part.decreases_today,
                **({"LastIncreaseDateTime": at.timestamp()} if (at := part.increased_at) else {}),
                **({"LastDecreaseDateTime": at.timestamp()} if (at := part.decreased_at) else {}),
            }
            for index, part in table.parts.items()
        }
        indexes = [
            {"IndexName": index, "IndexStatus": status, "ProvisionedThroughput": throughput}
            for index, throughput in throughputs.items()
            if index
        ]
        return {
            "TableName": table.name,
            "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table.name}",
            "TableStatus": status,
            "ProvisionedThroughput": throughputs[""],
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        }

    # CloudWatch

    def _describe_alarms(self, body: Body) -> Answer:
        account = self.account
        if "AlarmNames" in body:
            return _alarm_page(
                [account.encoded[n] for n in body["AlarmNames"] if n in account.encoded], ""
            )
        state = body.get("StateValue")
        names = sorted(account.in_alarm) if state == "ALARM" else sorted(account.alarms)
        if state not in (None, "ALARM"):
            names = [name for name in names if name not in account.in_alarm]
        prefix = body.get("ActionPrefix", "")
        after = body.get("NextToken", "")
        names = [n for n in names if n > after and _has_action(account.alarms[n], prefix)]
        page = names[: body.get("MaxRecords", ALARMS_A_PAGE)]
        return _alarm_page(
            [account.encoded[n] for n in page], page[-1] if len(page) < len(names) else ""
        )

    def _put_metric_alarm(self, body: Body) -> Answer:
        self.account.put_alarm(dict(body), self._clock.seconds)
        return {}

    def _delete_alarms(self, body: Body) -> Answer:
        for name in body["AlarmNames"]:
            self.account.delete_alarm(name)
        return {}

    def _get_metric_data(self, body: Body) -> Answer:
        queries = body["MetricDataQueries"]
        start, end = int(body["StartTime"]), int(body["EndTime"])
        self.metrics += len(queries)
        results: list[bytes] = []
        points, first = 0, int(body.get("NextToken") or 0)
        limit = body.get("MaxDatapoints", MAX_DATAPOINTS)
        next_token = b""
        for position in range(first, len(queries)):
            stat = queries[position]["MetricStat"]
            target = _target(stat["Metric"])
            count, times, values = self._series.points(
                stat["Metric"]["MetricName"], target, stat["Period"], start, end, self._clock.now
            )
            if results and points + count > limit:
                next_token = b',"NextToken":"%d"' % position
                break
            points += count
            results.append(
                b'{"Id":"%s","Label":"%s","StatusCode":"Complete","Timestamps":%s,"Values":%s}'
                % (queries[position]["Id"].encode(), target.table.encode(), times, values)
            )
        self.datapoints += points
        return b'{"MetricDataResults":[%s]%s}' % (b",".join(results), next_token)


def _response(url: str, status: int, body: bytes) -> AWSResponse:
    return AWSResponse(url, status, {"Content-Length": str(len(body))}, _Raw(body))


def _alarm_page(alarms: Sequence[bytes], next_token: str) -> bytes:
    token = b',"NextToken":"%s"' % next_token.encode() if next_token else b""
    return b'{"CompositeAlarms":[],"MetricAlarms":[%s]%s}' % (b",".join(alarms), token)


def _has_action(alarm: Mapping[str, Any], prefix: str) -> bool:
    return any(action.startswith(prefix) for action in alarm["AlarmActions"])


def _units(throughput: Mapping[str, int]) -> dict[Dimension, int]:
    return {
        Dimension.READ: throughput["ReadCapacityUnits"],
        Dimension.WRITE: throughput["WriteCapacityUnits"],
    }


def _target(metric: Mapping[str, Any]) -> Target:
    named = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
    index = named.get("GlobalSecondaryIndexName", "")
    return Target(named["TableName"], index, DIMENSIONS[metric["MetricName"]])


def _datapoints(body: Body) -> int:
    """Return the datapoints that a request asks for, whether they exist or not."""
    seconds = int(body["EndTime"]) - int(body["StartTime"])
    return sum(seconds // query["MetricStat"]["Period"] for query in body["MetricDataQueries"])
