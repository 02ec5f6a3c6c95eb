"""Configurations with notifications, and what reached the topics and Slack."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from chalicelib.config.types import NotificationKind
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, READS, WRITES
from tests.support.scenes import (
    TARGETS,
    orders,
    requests,
    rules,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
LOW = dict.fromkeys(TARGETS, 1.0)
BUSY = {READS: 70.0, WRITES: 70.0, INDEX_READS: 14.0, TARGETS[3]: 14.0}


def notification_rules(*kinds: str, **settings: Any) -> str:
    return rules(**{"notify": kinds, "notify_topic": TOPIC, **settings})


@contextmanager
def scene(config: str | None = None) -> Iterator[Region]:
    """A region with `orders` and the topic, with every kind of notification or with `config`."""
    kinds = (kind for kind in get_args(NotificationKind) if kind != "healing")
    with orders(config or notification_rules(*kinds)) as region:
        with_topic(region)
        yield region


def with_topic(region: Region) -> None:
    region.client("sns").create_topic(Name="capacity")
    region.calls.clear()


def subjects(region: Region) -> list[str]:
    """Return the subjects of the messages on topics so far."""
    return [message["Subject"] for message in requests(region, "Publish")]


def texts(region: Region) -> list[str]:
    return [message["Message"] for message in requests(region, "Publish")]


def tags(region: Region, alarm: str = "headroom-orders:read") -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in region.cloudwatch.alarms[alarm].tags}


def backup(region: Region, state: str) -> None:
    job = {
        "State": state,
        "ResourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "BackupJobId": "1",
    }
    region.answers["backup", "ListBackupJobs"] = lambda _: {"BackupJobs": [job] if state else []}


def with_slack(region: Region, store: str, value: str = URL) -> None:
    if store == "secretsmanager":
        region.client("secretsmanager").create_secret(Name="headroom/slack", SecretString=value)
    else:
        region.client("ssm").put_parameter(Name="/headroom/slack", Value=value, Type="SecureString")
    region.http.servers[URL] = 200
    region.calls.clear()


def posted(region: Region) -> list[str]:
    return [json.loads(request.request.data or b"{}")["text"] for request in region.http.requests]  # type: ignore[arg-type]


def slack(store: str, *kinds: str, **settings: Any) -> str:
    kept = {"secretsmanager": "secretsmanager:headroom/slack", "ssm": "ssm:/headroom/slack"}[store]
    return rules(**{"notify": kinds or ("scaled_up",), "notify_slack": kept, **settings})
