"""The events that SNS and EventBridge hand to a function."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from headroom.region.context import ACCOUNT, Context

EVENT_ID = "00000000-0000-0000-0000-000000000000"
MINUTES = {"minute": 1, "hour": 60, "day": 1440}


def sns_event(topic_arn: str, message: str, subject: str, at: datetime) -> dict[str, Any]:
    notification = {
        "Type": "Notification",
        "MessageId": EVENT_ID,
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": at.isoformat(),
        "MessageAttributes": {},
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": topic_arn,
        "Sns": notification,
    }
    return {"Records": [record]}


def sqs_event(region: Context, queue: str, number: int, body: str) -> dict[str, Any]:
    """Return the event of one message of a queue."""
    record = {
        "messageId": str(number),
        "receiptHandle": str(number),
        "body": body,
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{region.name}:{ACCOUNT}:{queue}",
        "awsRegion": region.name,
    }
    return {"Records": [record]}


def scheduled_event(region: Context, function: str) -> dict[str, Any]:
    rule = f"arn:aws:events:{region.name}:{ACCOUNT}:rule/{function}"
    return bridge_event(region, "aws.events", "Scheduled Event", {}, [rule])


def bridge_event(
    region: Context, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str]
) -> dict[str, Any]:
    return {
        "version": "0",
        "id": EVENT_ID,
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": region.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region.name,
        "resources": list(resources),
        "detail": dict(detail),
    }


def rate_minutes(expression: str) -> int:
    """Return the minutes of a schedule such as `rate(5 minutes)`."""
    amount, unit = expression.removeprefix("rate(").removesuffix(")").split()
    return int(amount) * MINUTES[unit.rstrip("s")]
