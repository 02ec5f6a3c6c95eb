"""What CloudWatch tells, by whichever way it comes, as one event; or a `Skip` that says why it is
of no use.

Shapes: the SNS message of a metric alarm (2016's without ARNs and today's), the alarm's direct
Lambda action, and EventBridge's "CloudWatch Alarm State Change". Source: CloudWatch User Guide,
"Alarm events and EventBridge", "Lambda actions", read 2026-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chalicelib.metrics import EC2, STATUS_CHECKS, Metric, instance_of, target_of
from chalicelib.model import Reason, Skip, Target

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What reading a text can raise: not JSON or of another shape, half a character, brackets beyond
all depth."""


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One alarm went to ALARM: look at this target.

    region and account are "" where the message does not tell them.
    """

    alarm_name: str
    target: Target
    region: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class InstanceEvent:
    """An alarm on an instance's status checks went to ALARM: look at this instance.

    region and account are "" where the message does not tell them.
    """

    alarm_name: str
    instance: str
    region: str = ""
    account: str = ""


Event = AlarmEvent | InstanceEvent | Skip
"""What a message comes to."""


class _Pair(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Trigger(msgspec.Struct, rename="pascal", frozen=True):
    namespace: str = ""
    metric_name: str = ""
    dimensions: tuple[_Pair, ...] = ()
    metrics: list[object] | None = None
    threshold_metric_id: str | None = None


class _SnsAlarm(msgspec.Struct, rename="pascal", frozen=True):
    alarm_name: str
    new_state_value: str
    trigger: _Trigger | None = None
    alarm_rule: str | None = None
    alarm_arn: str = ""
    account: str = msgspec.field(default="", name="AWSAccountId")


class _Metric(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    dimensions: dict[str, str] = {}


class _MetricStat(msgspec.Struct, rename="camel", frozen=True):
    metric: _Metric


class _MetricEntry(msgspec.Struct, rename="camel", frozen=True):
    metric_stat: _MetricStat | None = None


class _Configuration(msgspec.Struct, rename="camel", frozen=True):
    metrics: tuple[_MetricEntry, ...] = ()
    alarm_rule: str | None = None


class _State(msgspec.Struct, frozen=True):
    value: str


class _AlarmData(msgspec.Struct, rename="camel", frozen=True):
    alarm_name: str
    state: _State
    configuration: _Configuration = _Configuration()


class _LambdaAction(msgspec.Struct, rename="camel", frozen=True):
    alarm_data: _AlarmData
    alarm_arn: str = ""


class _EventBridge(msgspec.Struct, frozen=True):
    detail: _AlarmData
    resources: tuple[str, ...] = ()


class _Sns(msgspec.Struct, frozen=True, rename="pascal"):
    message: str
    topic_arn: str = ""


class _SnsRecord(msgspec.Struct, frozen=True, rename="pascal"):
    sns: _Sns


class _SnsEvent(msgspec.Struct, frozen=True, rename="pascal"):
    records: tuple[_SnsRecord, ...]


def from_sns(text: str, topic_arn: str = "") -> Event:
    """Return what an SNS message's text says.

    topic_arn: tells an old message's region, where the topic is of the message's own account:
    alarms notify topics of their own Region only.
    """
    try:
        said = msgspec.json.decode(text, type=_SnsAlarm)
    except UNREADABLE as error:
        return Skip("message", Reason.MALFORMED, f"not a CloudWatch alarm message: {error}")
    region, account = _place(said.alarm_arn)
    if not said.alarm_arn:
        topic_region, topic_account = _place(topic_arn)
        account = said.account
        region = topic_region if account and topic_account == account else ""
    if said.alarm_rule is not None or said.trigger is None:
        return _unsupported(said.alarm_name, "it is a composite alarm")
    if said.trigger.threshold_metric_id:
        return _unsupported(said.alarm_name, "it is an anomaly detection alarm")
    if said.trigger.metrics:
        return _unsupported(said.alarm_name, "it is a metric math alarm")
    metric = Metric(
        said.trigger.namespace,
        said.trigger.metric_name,
        {d.name: d.value for d in said.trigger.dimensions},
    )
    return _event(said.alarm_name, said.new_state_value, metric, region, account)


def from_queue(text: str) -> Event:
    """Return what a message of a queue behind the topic says: SNS's notification, or with raw
    delivery the message itself."""
    try:
        sns = msgspec.json.decode(text, type=_Sns)
    except msgspec.DecodeError:
        return from_sns(text)
    return from_sns(sns.message, sns.topic_arn)


def from_event(event: Mapping[str, object]) -> Event:
    """Return what an alarm's direct Lambda action, or an EventBridge alarm state change, says."""
    try:
        if "alarmData" in event:
            action = msgspec.convert(event, _LambdaAction)
            return _from_data(action.alarm_data, action.alarm_arn)
        change = msgspec.convert(event, _EventBridge)
        return _from_data(change.detail, change.resources[0] if change.resources else "")
    except msgspec.ValidationError as error:
        return Skip("event", Reason.MALFORMED, f"not a CloudWatch alarm event: {error}")


def from_text(text: str) -> Event:
    """Return what any of the forms says: an SNS message or the event around it, a Lambda action, an
    EventBridge event."""
    try:
        said = msgspec.json.decode(text)
    except UNREADABLE:
        return from_sns(text)
    if not isinstance(said, dict):
        return from_sns(text)
    if "Records" in said:
        return _from_records(said)
    return from_event(said) if "alarmData" in said or "detail" in said else from_sns(text)


def _from_records(said: Mapping[str, object]) -> Event:
    try:
        sns = msgspec.convert(said, _SnsEvent).records[0].sns
    except (msgspec.ValidationError, IndexError) as error:
        return Skip("event", Reason.MALFORMED, f"not an SNS event: {error}")
    return from_sns(sns.message, sns.topic_arn)


def _from_data(said: _AlarmData, arn: str) -> Event:
    metrics = said.configuration.metrics
    if said.configuration.alarm_rule is not None or not metrics:
        return _unsupported(said.alarm_name, "it is a composite alarm")
    stat = metrics[0].metric_stat
    if len(metrics) != 1 or stat is None:
        return _unsupported(said.alarm_name, "it is a metric math or anomaly detection alarm")
    region, account = _place(arn)
    metric = Metric(stat.metric.namespace, stat.metric.name, stat.metric.dimensions)
    return _event(said.alarm_name, said.state.value, metric, region, account)


def _event(name: str, state: str, metric: Metric, region: str, account: str) -> Event:
    if state != "ALARM":
        return Skip(
            name, Reason.NOT_IN_ALARM, f"the alarm went to {state}; only ALARM asks for a look"
        )
    if metric.namespace == EC2:
        instance = instance_of(metric)
        return (
            InstanceEvent(name, instance, region, account)
            if instance
            else _unsupported(name, _no_status_check(metric))
        )
    target = target_of(metric)
    if isinstance(target, str):
        return _unsupported(name, target)
    return AlarmEvent(name, target, region, account)


def _no_status_check(metric: Metric) -> str:
    if metric.name not in STATUS_CHECKS:
        return f"its metric {metric.name} is no status check of an instance"
    return "it has no dimension InstanceId"


def _unsupported(name: str, why: str) -> Skip:
    return Skip(name, Reason.UNSUPPORTED_ALARM, f"cannot scale by this alarm: {why}")


def _place(arn: str) -> tuple[str, str]:
    """Return region and account of an ARN, or two empty strings."""
    parts = arn.split(":")
    return (parts[3], parts[4]) if len(parts) > 5 and parts[0] == "arn" else ("", "")
