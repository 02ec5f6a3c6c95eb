"""Every API call that a function makes in any test is judged by its own policies, as IAM would.

tests/conftest.py lets it hear of every invocation in every embedded region. A function's policies
are the file that .chalice/config.json gives it, and what the configuration that is deployed in that
region calls for.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache, lru_cache
from typing import cast

import pytest

from chalicelib.config import loader as configuration
from chalicelib.config.types import DEFAULT_TOPIC
from headroom.deploy import stage
from headroom.deploy.stage import UNDERSTUDY
from headroom.deploy.stage_policy import stage_policy
from headroom.deploy.understudy import role_policy
from headroom.project import ROOT
from headroom.region.context import Invocation
from headroom.region.region import Region
from tests.support.iam import AWS, Ask, Location, Policy, allowed, asks


@cache
def policy_files() -> dict[str, str]:
    """Return the names of the files in .chalice by the functions' short names."""
    return dict(stage.read("dev", ROOT).policies)


@cache
def shipped(function: str) -> Policy:
    """Return a function's policy as it is shipped."""
    return cast(Policy, json.loads((ROOT / ".chalice" / policy_files()[function]).read_text()))


@lru_cache(maxsize=256)
def policy_of(
    function: str, config: str, location: Location = AWS, topic: str = "", sources: str = "topic"
) -> Policy:
    """Return all that a function's role may do under a configuration, as one policy.

    topic, sources: ALARM_TOPIC and ALARM_SOURCES of the stage `dev`.
    """
    environment = {"ALARM_TOPIC": topic or DEFAULT_TOPIC, "ALARM_SOURCES": sources}
    deployed = stage.Stage("headroom", "dev", environment)
    if function == UNDERSTUDY:
        arn = deployed.topic_arn(location)
        return role_policy(deployed, location, configuration.load(config), arn)
    more = stage_policy(deployed, location, configuration.load(config), function)
    return {
        "Version": "2012-10-17",
        "Statement": [*shipped(function)["Statement"], *more["Statement"]],
    }


def cuts(function: str) -> Iterator[tuple[str, Policy]]:
    """Yield a function's shipped policy with one action taken away, and which one.

    Lambda itself writes logs, sends dead letters and reads queues: these stay.
    """
    for number, statement in enumerate(shipped(function)["Statement"]):
        for gone in statement["Action"]:
            if not gone.startswith(("logs:", "sqs:")):
                less = deepcopy(dict(shipped(function)))
                less["Statement"][number]["Action"] = [a for a in statement["Action"] if a != gone]
                yield f"{statement['Sid']}-{gone}", less


def location_of(region: str) -> Location:
    """Return where a region's calls go."""
    partitions = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    found = (partition for prefix, partition in partitions.items() if region.startswith(prefix))
    return Location(next(found, "aws"), region)


def denied(region: Region, invocation: Invocation) -> Iterator[str]:
    """Yield, for each call that the function may not make, which function may not do what, and to
    which resource."""
    location, config = location_of(region.name), region.functions.config
    environment = region.functions.environment
    settings = (environment.get("ALARM_TOPIC", ""), environment.get("ALARM_SOURCES", "topic"))
    role = (invocation.function, config, location, *settings)
    for call in invocation.calls:
        for ask in asks(call, location):
            brought = {**ask.context, **_tags(region, ask.resource)}
            context = tuple((key, tuple(values)) for key, values in brought.items())
            if not _may(role, ask.action, ask.resource, context):
                details = f", {dict(ask.context)}" if ask.context else ""
                yield f"{invocation.function} may not call {ask.action} on {ask.resource}{details}"


@lru_cache(maxsize=4096)
def _may(
    role: tuple[str, str, Location, str, str],
    action: str,
    resource: str,
    context: tuple[tuple[str, tuple[str, ...]], ...],
) -> bool:
    return allowed(policy_of(*role), Ask(action, resource, dict(context)))


def _tags(region: Region, resource: str) -> dict[str, list[str]]:
    """Return the condition keys that the tags of an alarm, or of a scalable target, bring."""
    alarm = region.cloudwatch.alarms.get(resource.partition(":alarm:")[2])
    tags = {tag["Key"]: tag["Value"] for tag in alarm.tags} if alarm else {}
    resource_id, _, dimension = resource.partition("scalable-target/")[2].partition(":")
    scalable = region.autoscaling.targets.get(("dynamodb", resource_id, dimension))
    tags |= region.autoscaling.tags[scalable["ScalableTargetARN"]] if scalable else {}
    return {f"aws:ResourceTag/{key}": [value] for key, value in tags.items()}


def judge(region: Region, invocation: Invocation) -> None:
    """Fail the test that is running where a call of its function would be denied."""
    sentences = dict.fromkeys(denied(region, invocation))
    if sentences:
        pytest.fail(
            "IAM would deny what a function called:\n"
            + "\n".join(f"  - {sentence}" for sentence in sentences)
        )
