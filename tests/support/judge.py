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
from headroom.deploy import permissions, stage
from headroom.project import ROOT
from headroom.region.context import Invocation
from headroom.region.region import Region
from tests.support.iam import Ask, Location, Policy, allowed, asks


@cache
def policy_files() -> dict[str, str]:
    """Return the names of the files in .chalice by the functions' short names."""
    return dict(stage.read("dev", ROOT).policies)


@cache
def shipped(function: str) -> Policy:
    """Return a function's policy as it is shipped."""
    return cast(Policy, json.loads((ROOT / ".chalice" / policy_files()[function]).read_text()))


@lru_cache(maxsize=256)
def policy_of(function: str, config: str) -> Policy:
    """Return all that a function's role may do under a configuration, as one policy."""
    configured = permissions.configured_policy(configuration.load(config), function)
    more = configured["Statement"] if configured else []
    return {"Version": "2012-10-17", "Statement": [*shipped(function)["Statement"], *more]}


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
    for call in invocation.calls:
        for ask in asks(call, location):
            context = tuple((key, tuple(values)) for key, values in ask.context.items())
            if not _may(invocation.function, config, ask.action, ask.resource, context):
                details = f", {dict(ask.context)}" if ask.context else ""
                yield f"{invocation.function} may not call {ask.action} on {ask.resource}{details}"


@lru_cache(maxsize=4096)
def _may(
    function: str,
    config: str,
    action: str,
    resource: str,
    context: tuple[tuple[str, tuple[str, ...]], ...],
) -> bool:
    return allowed(policy_of(function, config), Ask(action, resource, dict(context)))


def judge(region: Region, invocation: Invocation) -> None:
    """Fail the test that is running where a call of its function would be denied."""
    sentences = dict.fromkeys(denied(region, invocation))
    if sentences:
        pytest.fail(
            "IAM would deny what a function called:\n"
            + "\n".join(f"  - {sentence}" for sentence in sentences)
        )
