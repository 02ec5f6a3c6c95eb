"""A group of instances in the embedded region, and the alarms that heal it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.aws.client import Aws
from headroom.region.context import ACCOUNT, Invocation
from headroom.region.region import Region
from tests.support.scenes import (
    MIDDAY,
    log_lines,
)

OPERATORS = f"arn:aws:sns:us-east-1:{ACCOUNT}:operators"
TOUCHING = {"SetInstanceHealth", "RebootInstances", "TerminateInstances", "StopInstances"}


def healing(group: str = "web", **settings: Any) -> str:
    """Return a rule, with a cooldown that the scene's first minutes are longer than."""
    found = {"group": group, "cooldown_minutes": 3, **settings}
    return "\n".join(
        ["[[healing]]", *(f"{key} = {json.dumps(value)}" for key, value in found.items()), ""]
    )


@contextmanager
def web(config: str | None = None, size: int = 6, **environment: str) -> Iterator[Region]:
    """A region with a group of instances over two zones, the app, and alarms whose first data are
    in."""
    with Region(MIDDAY) as region:
        region.groups.create("web", size)
        region.deploy(healing() if config is None else config, environment=environment)
        region.run(6)
        region.calls.clear()
        yield region


def alarm_of(instance: str, kind: str = "status") -> str:
    return f"headroom-instance/{instance}:{kind}"


def touched(region: Region) -> list[str]:
    """Return the instances that were marked or rebooted, in order."""
    found = [c for c in region.calls if c.operation in TOUCHING]
    return [c.params.get("InstanceId") or c.params["InstanceIds"][0] for c in found]


def verdicts(invocation: Invocation) -> dict[str, str]:
    return {line["instance"]: line["reason"] for line in log_lines(invocation, "verdict")}


def by_function(seen: list[Invocation]) -> dict[str, set[str]]:
    """Return the reasons that each function came to."""
    found: dict[str, set[str]] = {}
    for invocation in seen:
        found.setdefault(invocation.function, set()).update(verdicts(invocation).values())
    return found


def of_zone(region: Region, zone: str, ids: list[str]) -> list[str]:
    return [instance for instance in ids if region.groups.zones[instance] == zone]


def inbox(region: Region) -> Any:
    """Return a function that reads the new messages of the operators' topic."""
    sns, sqs = region.client("sns"), region.client("sqs")
    sns.create_topic(Name="operators")
    url = sqs.create_queue(QueueName="operators")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:operators"
    sns.subscribe(TopicArn=OPERATORS, Protocol="sqs", Endpoint=arn)

    def read() -> list[tuple[str, str]]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                found.append((body["Subject"], body["Message"]))
        return found

    return read


def quick() -> Aws:
    return Aws("headroom-alarms", sleep=lambda _: None)
