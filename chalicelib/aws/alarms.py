"""The adapter of CloudWatch's alarms: read, create, rewrite and delete them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from chalicelib.aws import wire
from chalicelib.aws.client import Aws, batches
from chalicelib.model import Alarm, CreateAlarm, DeleteAlarms, RewriteAlarm

#: DescribeAlarms and DeleteAlarms: names in one call. Source: API_DescribeAlarms, API_DeleteAlarms,
#: read 2026-10.
MAX_ALARM_NAMES = 100


class WouldLose(Exception):
    """A rewrite would lose members of the alarm that botocore does not know."""

    def __init__(self, alarm: Alarm) -> None:
        """Keep which members, and what to do."""
        super().__init__(alarm.why_not_rewritten)


def alarms_on_topic(
    aws: Aws, state: str | None = None, pause: Callable[[], float] | None = None
) -> list[Alarm]:
    """Return the alarms that notify the alarm topic, in one state or in all."""
    return [alarm for page in pages_on_topic(aws, state, pause) for alarm in page]


def pages_on_topic(
    aws: Aws, state: str | None = None, pause: Callable[[], float] | None = None
) -> Iterator[list[Alarm]]:
    """Yield the same alarms page by page, each when it is wanted. There is at least one page.

    pause: returns the seconds between two pages, so that others have a part of the API's rate.
    """
    topic = aws.topic_arn
    request = {"ActionPrefix": topic, "AlarmTypes": ["MetricAlarm"]}
    request |= {"StateValue": state} if state else {}
    client = _client(aws)
    paginator = client.get_paginator("describe_alarms")
    for page in paginator.paginate(**request, PaginationConfig={"PageSize": MAX_ALARM_NAMES}):
        found = _alarms(client, page)
        yield [a for a in found if topic in _actions(a) and state in (None, a.fields["StateValue"])]
        seconds = pause() if pause and "NextToken" in page else 0.0
        if seconds:
            aws.sleep(seconds)


def alarms_named(aws: Aws, names: Iterable[str]) -> list[Alarm]:
    """Return those of the named metric alarms that exist."""
    client = _client(aws)
    alarms: list[Alarm] = []
    for batch in batches(sorted(set(names)), MAX_ALARM_NAMES):
        page = client.describe_alarms(
            AlarmNames=list(batch), AlarmTypes=["MetricAlarm"], MaxRecords=MAX_ALARM_NAMES
        )
        alarms += _alarms(client, page)
    return alarms


def create_alarm(aws: Aws, action: CreateAlarm) -> None:
    """Create an alarm."""
    aws.client("cloudwatch").put_metric_alarm(**action.fields)


def rewrite_alarm(aws: Aws, action: RewriteAlarm) -> None:
    """Put the whole alarm again, with some fields changed.

    PutMetricAlarm overwrites everything, so every member of its own input shape goes back as
    DescribeAlarms gave it. Tags are not among them: an update does not change them. Source:
    API_PutMetricAlarm, read 2026-10.

    Raises WouldLose where botocore cannot send everything back.
    """
    if action.alarm.unsendable:
        raise WouldLose(action.alarm)
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


def _client(aws: Aws) -> Any:
    client = aws.client("cloudwatch")
    wire.keep_wire(client)
    return client


def _alarms(client: Any, page: Mapping[str, Any]) -> list[Alarm]:
    """Return the alarms of a page, each with the members that cannot be sent back."""
    found = page["MetricAlarms"]
    as_sent = page.get(wire.WIRE, found)
    return list(map(Alarm, found, wire.unsendable(as_sent, client)))


def _actions(alarm: Alarm) -> Collection[str]:
    actions = alarm.fields.get("AlarmActions", [])
    return actions if isinstance(actions, list) else []
