"""The embedded region's CloudWatch: metrics by the minute, and alarms that are evaluated, change
state and call their actions.

Facts: CloudWatch User Guide and API reference, read 2026-10. Where moto differs (it evaluates no
alarm, resets states, loses fields, mixes up dimensions), AWS is followed.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from statistics import mean
from typing import Any

from headroom.region import moto_store
from headroom.region.context import ACCOUNT, Context, Invocation, ServiceError, page
from headroom.simulation.clock import MINUTE
from headroom.simulation.dynamodb_rules import AlarmState

Key = tuple[str, str, frozenset[tuple[str, str]]]

REGION_NAMES = {"us-east-1": "US East (N. Virginia)", "eu-west-1": "EU (Ireland)"}
ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Minimum": min,
    "Maximum": max,
    "Average": mean,
    "SampleCount": sum,
}
#: The statistics that GetMetricData knows.
READABLE = ("Sum", "Minimum", "Maximum", "Average", "SampleCount")
#: Alarms on this namespace ignore missing data. Source: CloudWatch User Guide, "How alarms evaluate
#: missing data", 2026-10.
KEEPS_ITS_STATE = "AWS/DynamoDB"
ONE_MINUTE = timedelta(minutes=1)
MAX_QUERIES = 500
MAX_RECORDS = 100
MAX_TAGS = 50
#: AWS General Reference, "Tag naming limits and requirements", read 2026-11.
TAG_TEXT = re.compile(r"[\w\s.:/=+@-]*")


@dataclass
class StoredAlarm:
    """An alarm: PutMetricAlarm's fields, and its state."""

    fields: dict[str, Any]
    state: AlarmState
    updated_at: datetime
    changed_at: datetime
    tags: list[dict[str, str]] = field(default_factory=list)

    @cached_property
    def key(self) -> Key:
        named = {d["Name"]: d["Value"] for d in self.fields.get("Dimensions", [])}
        return key(self.fields.get("Namespace", ""), self.fields.get("MetricName", ""), named)


def key(namespace: str, metric: str, named: Mapping[str, str]) -> Key:
    """Return what identifies a metric: the order of its dimensions does not."""
    return namespace, metric, frozenset(named.items())


class CloudWatch:
    def __init__(
        self,
        region: Context,
        deliver: Callable[[str, str, str], object],
        recover: Callable[[str], object],
        run_function: Callable[[str, dict[str, Any]], object],
    ) -> None:
        """deliver: how to publish a message to a topic, with a subject. recover: how to recover an
        instance. run_function: how to run a function, by its ARN, with an event."""
        self._region, self.deliver, self._recover = region, deliver, recover
        self._run_function = run_function
        self.sums: dict[Key, dict[int, float]] = {}
        self.samples: dict[Key, dict[int, float]] = {}
        self.alarms: dict[str, StoredAlarm] = {}
        self.history: list[tuple[datetime, str, str]] = []

    # metrics

    def publish(
        self,
        namespace: str,
        metric: str,
        named: Mapping[str, str],
        minute: int,
        total: float,
        samples: float | None = None,
    ) -> None:
        """Add to a metric's Sum of one minute, counted from the region's start, and to its
        SampleCount."""
        points = self.sums.setdefault(key(namespace, metric, named), {})
        points[minute] = points.get(minute, 0.0) + total
        if samples is not None:
            self.samples.setdefault(key(namespace, metric, named), {})[minute] = samples

    def embed(self, invocation: Invocation) -> None:
        """Publish the metrics that a function printed in the embedded metric format, at the minute
        of its run. Source: CloudWatch User Guide, "Embedded metric format", read 2026-11."""
        for line in invocation.output.splitlines():
            if not line.startswith('{"_aws"'):
                continue
            fields = json.loads(line)
            for directive in fields["_aws"]["CloudWatchMetrics"]:
                named = {name: fields[name] for name in directive["Dimensions"][0]}
                for metric in directive["Metrics"]:
                    name, minute = metric["Name"], self._region.minute
                    self.publish(directive["Namespace"], name, named, minute, sum(fields[name]))

    def points(self, namespace: str, metric: str, named: Mapping[str, str]) -> dict[int, float]:
        """Return a metric's Sums by the minute."""
        return self.sums.get(key(namespace, metric, named), {})

    def _visible_until(self) -> int:
        """Return the first minute that cannot be read yet."""
        return self._region.minute - self._region.conditions.delay_at(self._region.minute)

    def _statistic(
        self, points: Mapping[int, float], first: int, size: int, stat: str
    ) -> float | None:
        """Return a period's Sum or Maximum of what can be read, or the Minimum of a period that can
        be read whole."""
        end = self._visible_until()
        if stat == "Minimum" and first + size > end:
            return None
        minutes = range(first, min(first + size, end))
        values = [points[minute] for minute in minutes if minute in points]
        return STATISTICS[stat](values) if values else None

    # alarms

    def evaluate(self) -> None:
        """Evaluate every alarm on the data that can be read now; then call the actions of those
        whose state changed.

        In two steps, since CloudWatch evaluates them side by side: what one alarm's function does
        comes after all evaluations.
        """
        before = {name: alarm.state.value for name, alarm in self.alarms.items()}
        for alarm in self.alarms.values():
            self._evaluate(alarm)
        changed = [name for name, value in before.items() if self.alarms[name].state.value != value]
        for name in changed:
            if name in self.alarms:
                self._announce(self.alarms[name], before[name])

    def _evaluate(self, alarm: StoredAlarm) -> None:
        if not {"Threshold", "Period"} <= alarm.fields.keys():
            return
        state, threshold, newest = alarm.state, alarm.fields["Threshold"], self._newest(alarm)
        if alarm.key[0] != KEEPS_ITS_STATE and alarm.fields.get("TreatMissingData") == "breaching":
            newest = _filled(newest, state.evaluation_periods, alarm.fields)
        if alarm.key[0] != KEEPS_ITS_STATE and all(value is None for value in newest):
            state.value = "INSUFFICIENT_DATA"
            state.reason = "Insufficient Data: no datapoints were received"
        elif state.evaluate(newest, threshold, alarm.fields["ComparisonOperator"]):
            state.reason = f"Threshold Crossed: {state.newest} against the threshold {threshold}"

    def _newest(self, alarm: StoredAlarm) -> list[float | None]:
        """Return the sums (or maxima) of the newest whole periods, and two more to stand in for
        gaps, oldest first."""
        size = max(1, alarm.fields["Period"] // MINUTE)
        end = self._visible_until() // size
        points = self.sums.get(alarm.key, {})
        numbers = range(max(0, end - alarm.state.evaluation_periods - 2), end)
        if size == 1:  # the statistic of one datapoint is the datapoint
            return [points.get(minute) for minute in numbers]
        stat = "Maximum" if alarm.fields.get("Statistic") == "Maximum" else "Sum"
        return [self._statistic(points, number * size, size, stat) for number in numbers]

    def _announce(self, alarm: StoredAlarm, before: str) -> None:
        alarm.changed_at = self._region.now
        self.history.append((self._region.now, alarm.fields["AlarmName"], alarm.state.value))
        if not alarm.fields.get("ActionsEnabled", True):
            return
        for arn in alarm.fields.get(ACTIONS[alarm.state.value], []):
            if ":sns:" in arn:
                self.deliver(arn, json.dumps(self.message(alarm, before)), alarm.state.value)
            elif arn.endswith(":ec2:recover"):
                self._recover(dict(alarm.key[2])["InstanceId"])
            elif ":lambda:" in arn:
                self._run_function(arn, self._action(alarm, before))

    def _action(self, alarm: StoredAlarm, before: str) -> dict[str, Any]:
        """Return the event of an alarm's Lambda action, without its configuration."""
        name = alarm.fields["AlarmName"]
        state = {"value": alarm.state.value, "reason": alarm.state.reason}
        data = {"alarmName": name, "state": state, "previousState": {"value": before}}
        return {
            "source": "aws.cloudwatch",
            "alarmArn": self._arn(name),
            "accountId": ACCOUNT,
            "time": self._region.now.isoformat(),
            "region": self._region.name,
            "alarmData": data,
        }

    def message(self, alarm: StoredAlarm, before: str) -> dict[str, Any]:
        """Return the message of a transition as CloudWatch words it today."""
        fields, region = alarm.fields, self._region
        trigger = {
            "MetricName": fields.get("MetricName"),
            "Namespace": fields.get("Namespace"),
            "StatisticType": "Statistic",
            "Statistic": str(fields.get("Statistic", "")).upper(),
            "Unit": fields.get("Unit"),
            "Dimensions": [
                {"value": d["Value"], "name": d["Name"]}
                for d in reversed(fields.get("Dimensions", []))
            ],
            "Period": fields.get("Period"),
            "EvaluationPeriods": fields.get("EvaluationPeriods"),
            "ComparisonOperator": fields.get("ComparisonOperator"),
            "Threshold": fields.get("Threshold"),
            "TreatMissingData": fields.get("TreatMissingData", "missing"),
            "EvaluateLowSampleCountPercentile": "",
        }
        return {
            "AlarmName": fields["AlarmName"],
            "AlarmDescription": fields.get("AlarmDescription"),
            "AWSAccountId": ACCOUNT,
            "AlarmConfigurationUpdatedTimestamp": alarm.updated_at.isoformat(),
            "NewStateValue": alarm.state.value,
            "NewStateReason": alarm.state.reason,
            "StateChangeTime": region.now.isoformat(),
            "Region": REGION_NAMES.get(region.name, region.name),
            "AlarmArn": self._arn(fields["AlarmName"]),
            "OldStateValue": before,
            "OKActions": fields.get("OKActions", []),
            "AlarmActions": fields.get("AlarmActions", []),
            "InsufficientDataActions": fields.get("InsufficientDataActions", []),
            "Trigger": trigger,
        }

    def _arn(self, name: str) -> str:
        return f"arn:aws:cloudwatch:{self._region.name}:{ACCOUNT}:alarm:{name}"

    # the API

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        known = {
            "PutMetricAlarm": self._put,
            "DescribeAlarms": self._describe,
            "DeleteAlarms": lambda params: self.delete(params["AlarmNames"]),
            "SetAlarmState": self._set_state,
            "GetMetricData": self._get_metric_data,
            **dict.fromkeys(("ListTagsForResource", "TagResource", "UntagResource"), self._tags),
        }
        if operation not in known:
            raise NotImplementedError(f"the embedded region does not know cloudwatch {operation}")
        return known[operation](params)

    def _put(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make or overwrite an alarm. An update keeps the state, and ignores Tags
        (API_PutMetricAlarm)."""
        fields = {name: value for name, value in params.items() if name != "Tags"}
        periods = params.get("EvaluationPeriods", 1)
        state = AlarmState(periods, params.get("DatapointsToAlarm", periods))
        now, name = self._region.now, params["AlarmName"]
        alarm = StoredAlarm(fields, state, now, now, list(params.get("Tags", [])))
        old = self.alarms.get(name)
        if old is not None:
            state.value, state.reason = old.state.value, old.state.reason
            alarm.changed_at, alarm.tags = old.changed_at, old.tags
        self.alarms[name] = alarm
        return {}

    def _tags(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return an alarm's tags after some were added, or given new values, and some were removed
        (API_TagResource)."""
        arn, removed = params["ResourceARN"], params.get("TagKeys", ())
        alarm = self.alarms.get(arn.rsplit(":alarm:", maxsplit=1)[-1])
        if alarm is None:
            raise ServiceError("ResourceNotFoundException", f"Unknown: {arn}", 404)
        tags = {
            tag["Key"]: tag["Value"]
            for tag in [*alarm.tags, *params.get("Tags", ())]
            if tag["Key"] not in removed
        }
        if len(tags) > MAX_TAGS or not all(
            TAG_TEXT.fullmatch(text) for pair in tags.items() for text in pair
        ):
            raise ServiceError(
                "InvalidParameterValue",
                "too many tags, or a tag with characters that are not allowed",
            )
        alarm.tags = moto_store.tag_list(tags)
        return {"Tags": [dict(tag) for tag in alarm.tags]}

    def delete(self, names: Sequence[str]) -> dict[str, Any]:
        """Delete alarms; names that do not exist are no error."""
        for name in names:
            self.alarms.pop(name, None)
        return {}

    def _set_state(self, params: Mapping[str, Any]) -> dict[str, Any]:
        alarm = self.alarms[params["AlarmName"]]
        before, alarm.state.value = alarm.state.value, params["StateValue"]
        alarm.state.reason = params["StateReason"]
        if before != alarm.state.value:
            self._announce(alarm, before)
        return {}

    def _describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        alarms = [
            self._description(alarm)
            for _, alarm in sorted(self.alarms.items())
            if _matches(alarm, params)
        ]
        items, more = page(alarms, params, min(params.get("MaxRecords", 50), MAX_RECORDS))
        return {"MetricAlarms": items, "CompositeAlarms": [], **more}

    def _description(self, alarm: StoredAlarm) -> dict[str, Any]:
        return {
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            "ActionsEnabled": True,
            **alarm.fields,
            "AlarmArn": self._arn(alarm.fields["AlarmName"]),
            "AlarmConfigurationUpdatedTimestamp": alarm.updated_at,
            "StateValue": alarm.state.value,
            "StateReason": alarm.state.reason,
            "StateUpdatedTimestamp": alarm.changed_at,
            "StateTransitionedTimestamp": alarm.changed_at,
        }

    def _get_metric_data(self, params: Mapping[str, Any]) -> dict[str, Any]:
        queries = params["MetricDataQueries"]
        if any(query.get("MetricStat", {}).get("Stat") not in READABLE for query in queries):
            raise NotImplementedError(
                f"the embedded region knows the statistics {', '.join(READABLE)}, "
                "and no expressions"
            )
        if len(queries) > MAX_QUERIES:
            raise ServiceError(
                "ValidationError",
                f"The collection MetricDataQueries must not have a size greater than "
                f"{MAX_QUERIES}.",
            )
        return {
            "MetricDataResults": [self._result(query, params) for query in queries],
            "Messages": [],
        }

    def _result(self, query: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        stat = query["MetricStat"]
        named = {d["Name"]: d["Value"] for d in stat["Metric"].get("Dimensions", [])}
        stored = self.samples if stat["Stat"] == "SampleCount" else self.sums
        points = stored.get(
            key(stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], named), {}
        )
        size = stat["Period"] // MINUTE
        first, last = (self._region.minute_of(params[name]) for name in ("StartTime", "EndTime"))
        real = self._datapoints(points, range(first, last, size), stat["Stat"]) if points else []
        if params.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            real.reverse()
        return {
            "Id": query["Id"],
            "Label": stat["Metric"]["MetricName"],
            "Timestamps": [self._region.start + minute * ONE_MINUTE for minute, _ in real],
            "Values": [value for _, value in real],
            "StatusCode": "Complete",
        }

    def _datapoints(
        self, points: Mapping[int, float], periods: range, stat: str
    ) -> list[tuple[int, float]]:
        """Return the periods that have a value, by their first minute."""
        if periods.step == 1 and stat == "Sum":
            end = min(periods.stop, self._visible_until())
            return [
                (minute, points[minute]) for minute in range(periods.start, end) if minute in points
            ]
        values = (
            (minute, self._statistic(points, minute, periods.step, stat)) for minute in periods
        )
        return [(minute, value) for minute, value in values if value is not None]


def _filled(
    newest: Sequence[float | None], periods: int, fields: Mapping[str, Any]
) -> list[float | None]:
    """Return the newest periods, with missing ones as breaching where too few are real.

    Source: CloudWatch User Guide, "How alarms evaluate missing data", 2026-10.
    """
    real = [value for value in newest if value is not None]
    below = fields["ComparisonOperator"].startswith("LessThan")
    worst = fields["Threshold"] + (-1.0 if below else 1.0)
    return [*[worst] * (periods - len(real)), *real]


def _matches(alarm: StoredAlarm, params: Mapping[str, Any]) -> bool:
    fields = alarm.fields
    actions = [arn for name in ACTIONS.values() for arn in fields.get(name, [])]
    return (
        ("AlarmNames" not in params or fields["AlarmName"] in params["AlarmNames"])
        and fields["AlarmName"].startswith(params.get("AlarmNamePrefix", ""))
        and params.get("StateValue", alarm.state.value) == alarm.state.value
        and (
            "ActionPrefix" not in params
            or any(arn.startswith(params["ActionPrefix"]) for arn in actions)
        )
    )
