"""Checks of the understudy: whether Application Auto Scaling could take over now."""

from collections.abc import Iterator

from chalicelib.aws.autoscaling import POLICY, SERVICE, scalable_targets, target_of
from chalicelib.core.understudy import State, watched_by
from chalicelib.model import Dimension, StandBy
from headroom.deploy.checks.deployment import Deployment, Finding

CHECK = "understudy"


def standing_by(deployment: Deployment) -> Iterator[Finding]:
    """Find what the next sweep would put right, and what keeps Application Auto Scaling from taking
    over."""
    if deployment.rules.understudy is None:
        return
    log = f"/aws/lambda/{deployment.stage.function('sweep')}"
    for action in deployment.next_sweep.planned:
        if isinstance(action, StandBy):
            yield Finding(
                CHECK,
                f"{action.target} {_what(action)}",
                "The next sweep without a failure corrects it within five minutes. "
                f"If it does not, read the log {log}.",
            )
    yield from _policies(deployment)
    yield from _other_regions(deployment)


def _what(action: StandBy) -> str:
    if action.is_new:
        return "has no scalable target yet"
    if action.ends:
        return "is suspended, and Headroom does not scale it"
    return "is scaled by Application Auto Scaling now, or its bounds are not those of the rule"


def _policies(deployment: Deployment) -> Iterator[Finding]:
    """Find the suspended targets that no policy would scale, or one with another utilization."""
    rules, client = deployment.rules, deployment.aws.client(SERVICE)
    pages = client.get_paginator("describe_scaling_policies").paginate(ServiceNamespace="dynamodb")
    found = [policy for page in pages for policy in page["ScalingPolicies"]]
    with_policy = {target_of(policy) for policy in found}
    percent = rules.understudy.utilization_percent if rules.understudy else 0
    others = {
        target_of(policy)
        for policy in found
        if policy["PolicyName"] == POLICY
        and policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] != percent
    }
    for target in watched_by(rules, scalable_targets(deployment.aws)):
        problem = (
            "has no scaling policy, so Application Auto Scaling would not scale it"
            if target not in with_policy
            else f"has a policy with another utilization than {percent} %"
        )
        if target not in with_policy or target in others:
            yield Finding(
                CHECK,
                f"{target} {problem}",
                "Deregister its scalable target (aws application-autoscaling "
                "deregister-scalable-target). The next sweep registers it anew.",
            )


def _other_regions(deployment: Deployment) -> Iterator[Finding]:
    """Find the global tables whose writes Application Auto Scaling scales in another Region."""
    tables = [table for table in deployment.tables.values() if table.replicas]
    tables = [table for table in tables if deployment.rules.has_understudy(table.name)]
    named = deployment.rules.understudy.regions if deployment.rules.understudy else ()
    for region in sorted({r for table in tables for r in table.replicas if r in named}):
        active = {
            one.target.table
            for one in scalable_targets(deployment.aws, region)
            if one.state is not State.SUSPENDED and one.target.dimension is Dimension.WRITE
        }
        for name in sorted(active & {table.name for table in tables if region in table.replicas}):
            yield Finding(
                CHECK,
                f"Application Auto Scaling scales the writes of {name} in {region}",
                f"Deploy Headroom with [understudy] in {region} too, or take {region} out of "
                "understudy.regions (docs/global-tables.md).",
            )
