"""The adapter of CloudWatch's alarms: read, create, rewrite and delete them."""

from collections.abc import Collection, Iterable

from chalicelib.aws.client import Aws, batches
from chalicelib.model import Alarm, CreateAlarm, DeleteAlarms, RewriteAlarm

#: DescribeAlarms and DeleteAlarms: names in one call. Source: API_DescribeAlarms, API_DeleteAlarms,
#: read 2026-10.
MAX_ALARM_NAMES = 100


def alarms_on_topic(aws: Aws, state: str | None = None) -> list[Alarm]:
    """Return the alarms that notify the alarm topic, in one state or in all."""
    topic = aws.topic_arn
    request = {"ActionPrefix": topic, "AlarmTypes": ["MetricAlarm"]}
    request |= {"StateValue": state} if state else {}
    paginator = aws.client("cloudwatch").get_paginator("describe_alarms")
    pages = paginator.paginate(**request, PaginationConfig={"PageSize": MAX_ALARM_NAMES})
    alarms = [Alarm(fields) for page in pages for fields in page["MetricAlarms"]]
    return [a for a in alarms if topic in _actions(a) and state in (None, a.fields["StateValue"])]


def alarms_named(aws: Aws, names: Iterable[str]) -> list[Alarm]:
    """Return those of the named metric alarms that exist."""
    client = aws.client("cloudwatch")
    alarms: list[Alarm] = []
    for batch in batches(sorted(set(names)), MAX_ALARM_NAMES):
        page = client.describe_alarms(
            AlarmNames=list(batch), AlarmTypes=["MetricAlarm"], MaxRecords=MAX_ALARM_NAMES
        )
        alarms += [Alarm(fields) for fields in page["MetricAlarms"]]
    return alarms


def create_alarm(aws: Aws, action: CreateAlarm) -> None:
    """Create an alarm."""
    aws.client("cloudwatch").put_metric_alarm(**action.fields)


def rewrite_alarm(aws: Aws, action: RewriteAlarm) -> None:
    """Put the whole alarm again, with some fields changed.

    PutMetricAlarm overwrites everything, so every member of its own input shape goes back as
    DescribeAlarms gave it. Tags are not among them: an update does not change them. Source:
    API_PutMetricAlarm, read 2026-10.
    """
    client = aws.client("cloudwatch")
    settable = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    kept = {
        key: value
        for key, value in action.alarm.fields.items()
        if key in settable and value not in (None, "", [])
    }
    client.put_metric_alarm(**{**kept, **action.changes})


def delete_alarms(aws: Aws, action: DeleteAlarms) -> None:
    """Delete alarms. A name that does not exist is no error."""
    for batch in batches(action.names, MAX_ALARM_NAMES):
        aws.client("cloudwatch").delete_alarms(AlarmNames=list(batch))


def _actions(alarm: Alarm) -> Collection[str]:
    actions = alarm.fields.get("AlarmActions", [])
    return actions if isinstance(actions, list) else []
