"""Messages of alarms, in every form in which they come, as one event, or as a `Skip` with a reason.

Forms: the SNS message of a metric alarm (of 2016 without ARNs, and of today), the alarm's direct
Lambda action, and EventBridge's "CloudWatch Alarm State Change". Source: CloudWatch User Guide,
"Alarm events and EventBridge", "Lambda actions", read 2026-11. tests/data has one of each form.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from chalicelib.metrics import EC2, STATUS_CHECKS, Metric, instance_of, target_of
from chalicelib.model import Direction, Reason, Skip, Target

#: The errors of reading a text: it is no JSON, has another shape, is no UTF-8, or is nested too
#: deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)

#: How the expressions of two kinds of alarm begin. Source: PutMetricAlarm, read 2026-11.
BAND = re.compile(r"\s*ANOMALY_DETECTION_BAND\b")
QUERY = re.compile(r"\s*SELECT\b", re.IGNORECASE)


class AlarmEvent(Struct, frozen=True):
    """One alarm went to ALARM: check this target.

    region and account are "" if the message does not have them.
    """

    alarm_name: str
    target: Target
    region: str = ""
    account: str = ""


class InstanceEvent(Struct, frozen=True):
    """An alarm on an instance's status checks went to ALARM: check this instance.

    region and account are "" if the message does not have them.
    """

    alarm_name: str
    instance: str
    region: str = ""
    account: str = ""


#: The functions that hand tables to the workers.
Check = Literal["follow_up", "scale_down", "sweep"]
#: Source: "Supported data types and naming rules in Amazon DynamoDB", read 2026-11.
TableName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{3,255}$")]


class GroupEvent(msgspec.Struct, frozen=True):
    """A scheduled function hands some tables to a worker: check these, in these directions.

    groups: how many such messages it sent; 0 where that is unknown. So many workers at most share
    the rate of alarm writes.
    """

    check: Check
    tables: tuple[TableName, ...]
    directions: frozenset[Direction]
    groups: Annotated[int, msgspec.Meta(ge=0)] = 0


#: The event of a message, or why it is ignored.
Event = AlarmEvent | InstanceEvent | Skip


class _Pair(msgspec.Struct, frozen=True):
    name: str
    value: str


class _SnsMetric(msgspec.Struct, rename="pascal", frozen=True):
    namespace: str = ""
    metric_name: str = ""
    dimensions: tuple[_Pair, ...] = ()

    @property
    def as_metric(self) -> Metric:
        dimensions = {dimension.name: dimension.value for dimension in self.dimensions}
        return Metric(self.namespace, self.metric_name, dimensions)


class _SnsStat(msgspec.Struct, rename="pascal", frozen=True):
    metric: _SnsMetric


class _SnsEntry(msgspec.Struct, rename="pascal", frozen=True):
    metric_stat: _SnsStat | None = None
    expression: str | None = None


class _Trigger(_SnsMetric, rename="pascal", frozen=True):
    metrics: tuple[_SnsEntry, ...] | None = None
    threshold_metric_id: str | None = None

    @property
    def entries(self) -> tuple[_SnsEntry, ...]:
        """Return the metrics of the alarm: a list, or the trigger's own."""
        own = (_SnsEntry(_SnsStat(self)),) if self.metric_name else ()
        return self.metrics or own


class _SnsAlarm(msgspec.Struct, rename="pascal", frozen=True):
    alarm_name: str
    new_state_value: str
    trigger: _Trigger | None = None
    alarm_rule: str | None = None
    alarm_arn: str = ""
    account: str = msgspec.field(default="", name="AWSAccountId")


class _EventMetric(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    dimensions: dict[str, str] = {}

    @property
    def as_metric(self) -> Metric:
        return Metric(self.namespace, self.name, self.dimensions)


class _EventStat(msgspec.Struct, rename="camel", frozen=True):
    metric: _EventMetric


class _EventEntry(msgspec.Struct, rename="camel", frozen=True):
    metric_stat: _EventStat | None = None
    expression: str | None = None


class _Configuration(msgspec.Struct, rename="camel", frozen=True):
    metrics: tuple[_EventEntry, ...] = ()
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
    """Return the event of an SNS message's text.

    topic_arn: gives an old message's Region, if the topic is in the message's own account. Alarms
    notify only topics of their own Region.
    """
    try:
        alarm = msgspec.json.decode(text, type=_SnsAlarm)
    except UNREADABLE as error:
        return Skip("message", Reason.MALFORMED, f"not a CloudWatch alarm message: {error}")
    trigger = alarm.trigger
    region, account = _region_and_account(alarm.alarm_arn)
    if not alarm.alarm_arn:
        topic_region, topic_account = _region_and_account(topic_arn)
        account = alarm.account
        region = topic_region if account and topic_account == account else ""
    is_band = trigger is not None and bool(trigger.threshold_metric_id)
    entries = trigger.entries if trigger else ()
    metric = _one_metric(alarm.alarm_rule, entries, is_band)
    return _event(alarm.alarm_name, alarm.new_state_value, metric, region, account)


def from_queue(text: str) -> Event:
    """Return the event of a message in a queue behind the topic.

    The text is SNS's notification, or with raw delivery the message itself.
    """
    try:
        sns = msgspec.json.decode(text, type=_Sns)
    except UNREADABLE:
        return from_sns(text)
    return from_sns(sns.message, sns.topic_arn)


def to_text(event: GroupEvent) -> str:
    """Return the text of a message to a worker."""
    return msgspec.json.encode(event).decode()


def from_group(text: str) -> GroupEvent | Skip:
    """Return the event of a message to a worker."""
    try:
        return msgspec.json.decode(text, type=GroupEvent)
    except UNREADABLE as error:
        return Skip("message", Reason.MALFORMED, f"not a group of tables: {error}")


def from_event(event: object) -> Event:
    """Return the event of an alarm's direct Lambda action, or of EventBridge.

    event: any JSON value, since anybody with the permission may invoke a function.
    """
    try:
        if isinstance(event, Mapping) and "alarmData" in event:
            action = msgspec.convert(event, _LambdaAction)
            return _from_data(action.alarm_data, action.alarm_arn)
        change = msgspec.convert(event, _EventBridge)
        return _from_data(change.detail, change.resources[0] if change.resources else "")
    except (msgspec.ValidationError, UnicodeError) as error:
        return Skip("event", Reason.MALFORMED, f"not a CloudWatch alarm event: {error}")


def from_text(text: str) -> Event:
    """Return the event of a text in any form: SNS message, notification or event, Lambda action,
    EventBridge."""
    try:
        document = msgspec.json.decode(text)
    except UNREADABLE:
        return from_sns(text)
    if not isinstance(document, dict):
        return from_sns(text)
    if "Records" in document:
        return _from_records(document)
    is_event = "alarmData" in document or "detail" in document
    return from_event(document) if is_event else from_queue(text)


def _from_records(event: Mapping[str, object]) -> Event:
    try:
        sns = msgspec.convert(event, _SnsEvent).records[0].sns
    except (msgspec.ValidationError, IndexError) as error:
        return Skip("event", Reason.MALFORMED, f"not an SNS event: {error}")
    return from_sns(sns.message, sns.topic_arn)


def _from_data(alarm: _AlarmData, arn: str) -> Event:
    alarm.alarm_name.encode()  # raises UnicodeError for half a character, which no API takes
    metric = _one_metric(alarm.configuration.alarm_rule, alarm.configuration.metrics)
    return _event(alarm.alarm_name, alarm.state.value, metric, *_region_and_account(arn))


def _one_metric(
    rule: str | None,
    entries: Sequence[_SnsEntry] | Sequence[_EventEntry],
    is_band: bool = False,
) -> Metric | str:
    """Return the only metric of an alarm, or what kind of alarm it is that has none or several.

    is_band: the threshold is a band, which CloudWatch has learnt.
    """
    expressions = [entry.expression for entry in entries if entry.expression]
    if rule is not None:
        return "it is a composite alarm"
    if is_band or any(map(BAND.match, expressions)):
        return "it is an anomaly detection alarm"
    if any(map(QUERY.match, expressions)):
        return "it is a Metrics Insights alarm"
    if expressions or len(entries) > 1:
        return "it is a metric math alarm"
    stat = entries[0].metric_stat if entries else None
    return stat.metric.as_metric if stat else "it names no metric, as a log alarm does not"


def _event(name: str, state: str, metric: Metric | str, region: str, account: str) -> Event:
    if isinstance(metric, str):
        return _unsupported(name, metric)
    if state != "ALARM":
        why = f"the alarm went to {state}; only ALARM starts a check"
        return Skip(name, Reason.NOT_IN_ALARM, why)
    if metric.namespace == EC2:
        instance = instance_of(metric)
        if instance:
            return InstanceEvent(name, instance, region, account)
        return _unsupported(name, _no_status_check(metric))
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


def _region_and_account(arn: str) -> tuple[str, str]:
    """Return Region and account of an ARN, or two empty strings."""
    parts = arn.split(":")
    return (parts[3], parts[4]) if len(parts) > 5 and parts[0] == "arn" else ("", "")
