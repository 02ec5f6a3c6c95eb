"""The adapter of Application Auto Scaling: which targets of DynamoDB it has, and whether it may
scale them."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.aws.client import Aws
from chalicelib.core.table_alarms import TAG, TOPIC_TAG
from chalicelib.core.understudy import ScalableTarget, State
from chalicelib.model import Dimension, StandBy, Target

SERVICE = "application-autoscaling"
#: The policy of a target that Headroom registers.
POLICY = "headroom-understudy"
DIMENSIONS = {
    "ReadCapacityUnits": Dimension.READ,
    "WriteCapacityUnits": Dimension.WRITE,
}
POLICIES = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
ACTIONS = "ScheduledScalingSuspended"
ACTIVE = dict.fromkeys((*POLICIES, ACTIONS), False)
SUSPENDED = {**dict.fromkeys(POLICIES, True), ACTIONS: True}


def scalable_targets(aws: Aws, region: str = "") -> list[ScalableTarget]:
    """Return what Application Auto Scaling has for DynamoDB, in this Region or in another one."""
    paginator = aws.client(SERVICE, region).get_paginator("describe_scalable_targets")
    pages = paginator.paginate(ServiceNamespace="dynamodb")
    return [_scalable(entry) for page in pages for entry in page["ScalableTargets"]]


def own_targets(aws: Aws, some: Iterable[ScalableTarget]) -> list[Target]:
    """Return those of the scalable targets that have the tag of this stage's topic. One call
    each."""
    client = aws.client(SERVICE)
    return [
        one.target
        for one in some
        if one.arn
        and client.list_tags_for_resource(ResourceARN=one.arn)["Tags"].get(TOPIC_TAG)
        == aws.topic_arn
    ]


def tags(aws: Aws) -> dict[str, str]:
    """Return the tags of a scalable target of this stage."""
    return {TAG["Key"]: TAG["Value"], TOPIC_TAG: aws.topic_arn}


def stand_by(aws: Aws, action: StandBy) -> None:
    """Let a target be suspended, with its bounds; register it and give it a policy first, if it
    has none. Or let it be scaled again, as it is.

    It is suspended whole only with its policy. If a call fails, the next sweep does the rest.
    """
    client, fields = aws.client(SERVICE), named(action.target)
    bounds = {"MinCapacity": action.min_units, "MaxCapacity": action.max_units}
    if action.ends:
        client.register_scalable_target(**fields, SuspendedState=ACTIVE)
        return
    if action.percent:
        client.register_scalable_target(
            **fields,
            **bounds,
            SuspendedState={**SUSPENDED, ACTIONS: False},
            **({"Tags": tags(aws)} if action.is_new else {}),
        )
        client.put_scaling_policy(
            **fields,
            PolicyName=POLICY,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": float(action.percent),
                "PredefinedMetricSpecification": {"PredefinedMetricType": _metric(action.target)},
                "DisableScaleIn": not action.scales_in,
            },
        )
    client.register_scalable_target(**fields, **bounds, SuspendedState=SUSPENDED)


def named(target: Target) -> dict[str, str]:
    """Return what identifies a target to Application Auto Scaling."""
    kind, index = ("index", f"/index/{target.index}") if target.index else ("table", "")
    side = next(name for name, dimension in DIMENSIONS.items() if dimension is target.dimension)
    return {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{target.table}{index}",
        "ScalableDimension": f"dynamodb:{kind}:{side}",
    }


def _metric(target: Target) -> str:
    return f"DynamoDB{target.dimension.title()}CapacityUtilization"


def target_of(entry: Mapping[str, Any]) -> Target:
    """Return the target of a scalable target, or of a policy."""
    _, table, *index = str(entry["ResourceId"]).split("/")
    side = str(entry["ScalableDimension"]).rsplit(":", 1)[-1]
    return Target(table, index[-1] if index else "", DIMENSIONS[side])


def _scalable(entry: Mapping[str, Any]) -> ScalableTarget:
    return ScalableTarget(
        target_of(entry),
        str(entry.get("ScalableTargetARN", "")),
        _state(entry.get("SuspendedState") or {}),
        int(entry["MinCapacity"]),
        int(entry["MaxCapacity"]),
    )


def _state(suspended: Mapping[str, bool]) -> State:
    if not all(suspended.get(name) for name in POLICIES):
        return State.ACTIVE
    return State.SUSPENDED if suspended.get(ACTIONS) else State.BEGUN
