"""Let Application Auto Scaling scale the tables of a stage, since no sweep of Headroom completes.

CloudWatch runs this function when the alarm about silence goes to ALARM. It is deployed alone: it
needs neither Headroom's code nor its configuration. The tag of a scalable target names its stage.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config

TAG = "headroom-topic"
KEYS = ("ServiceNamespace", "ResourceId", "ScalableDimension")
ACTIVE = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}
#: Calls are tried so often: many targets at once meet the API's own throttling.
ATTEMPTS = 10


def handler(_event: object, _context: object) -> dict[str, int]:
    """Resume the suspended targets of the stage. Lambda runs it again after an error."""
    config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS})
    client = boto3.client("application-autoscaling", config=config)
    return {"resumed": resume(client, os.environ["ALARM_TOPIC_ARN"])}


def suspended(client: Any) -> Iterator[dict[str, Any]]:
    """Yield the scalable targets that are suspended, and may have tags."""
    pages = client.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="dynamodb")
    for target in [target for page in pages for target in page["ScalableTargets"]]:
        if target.get("ScalableTargetARN") and any(target.get("SuspendedState", {}).values()):
            yield target


def is_own(client: Any, target: dict[str, Any], topic_arn: str) -> bool:
    """Tell whether a target has the tag of a stage's topic."""
    tags = client.list_tags_for_resource(ResourceARN=target["ScalableTargetARN"])["Tags"]
    return bool(tags.get(TAG) == topic_arn)


def resume(
    client: Any,
    topic_arn: str,
    concerns: Callable[[str], bool] = lambda _: True,
    say: Callable[[str], object] = print,
) -> int:
    """Resume the suspended targets of a stage; return how many.

    concerns: tells of a ResourceId whether it is meant. Raises RuntimeError, in the end, if some
    could not be resumed.
    """
    resumed, failed = 0, []
    for target in suspended(client):
        named = {key: target[key] for key in KEYS}
        try:
            if concerns(target["ResourceId"]) and is_own(client, target, topic_arn):
                client.register_scalable_target(**named, SuspendedState=ACTIVE)
                say(json.dumps({"message": "Application Auto Scaling scales it now", **named}))
                resumed += 1
        except Exception as error:  # noqa: BLE001  the others are resumed; it is raised at the end
            failed.append(f"{named['ResourceId']} {named['ScalableDimension']}: {error}")
    if failed:
        raise RuntimeError("; ".join(failed))
    return resumed
