"""Checks of the healing of instances."""

from collections.abc import Iterator

from chalicelib.aws import groups as aws_groups
from chalicelib.config.healing import Healing, rule_for
from chalicelib.core.healing import REPLACING, InstanceGroup
from headroom.deploy.checks.deployment import Deployment, Finding

CHECK = "healing"


def healing(deployment: Deployment) -> Iterator[Finding]:
    """Check that the groups exist, that their instances' status can be read, and that an instance
    would be replaced."""
    rules = deployment.rules.healing
    groups = aws_groups.groups(deployment.aws) if rules else []
    for rule in rules:
        if not any(rule.concerns(group.name) for group in groups):
            problem = f"no Auto Scaling group is named {rule.group}"
            remedy = "Correct or remove the [[healing]] rule, or check the Region."
            yield Finding(CHECK, problem, remedy)
    for group in groups:
        matching = rule_for(rules, group.name)
        if matching:
            with_status = aws_groups.with_status(deployment.aws, group)
            aws_groups.with_past(deployment.aws, with_status, deployment.now)
            yield from _processes(group, matching)


def _processes(group: InstanceGroup, rule: Healing) -> Iterator[Finding]:
    suspended = ", ".join(sorted(group.suspended & REPLACING))
    if rule.action == "replace" and suspended:
        problem = (
            f"group {group.name} has suspended {suspended}: its sick instances are not replaced"
        )
        command = "aws autoscaling resume-processes --auto-scaling-group-name"
        yield Finding(CHECK, problem, f"{command} {group.name}")
    is_replacing = not group.suspended & {"HealthCheck", "ReplaceUnhealthy"}
    if rule.action in ("reboot", "recover") and is_replacing:
        problem = (
            f"group {group.name} replaces its sick instances itself after some minutes, "
            f"while action = {rule.action} is to keep them"
        )
        remedy = "Suspend its process ReplaceUnhealthy, or choose action = replace."
        yield Finding(CHECK, problem, remedy)
