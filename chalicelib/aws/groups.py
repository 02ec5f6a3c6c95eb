"""The adapter of Auto Scaling groups: read status checks, replace and reboot instances."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from chalicelib.aws.client import Aws, batches
from chalicelib.core.healing import EventKind, InstanceGroup, Member, MemberEvent

#: DescribeAutoScalingInstances: instances a call. Source: API_DescribeAutoScalingInstances, read
#: 2026-11.
MAX_MEMBERS = 50
#: DescribeInstanceStatus: named instances a call. Source: API_DescribeInstanceStatus, read 2026-11.
MAX_STATUSES = 100
CHECKS = {
    "SystemStatus": "system",
    "InstanceStatus": "instance",
    "AttachedEbsStatus": "attached_ebs",
}
#: The result of a check that an instance lacks: that of EBS volumes, if it is no Nitro instance.
OPTIONAL = frozenset({"not-applicable"})
ID = re.compile(r"\bi-[0-9a-f]+\b")
#: The cause of an activity that replaced an instance for its health: `… in response to a user
#: health-check` after SetInstanceHealth, `… an EC2 instance status checks failure`, `… an EC2
#: health check indicating …`, `… an ELB system health check failure`. For scale-in it is `… a
#: difference between desired and actual capacity` or `… a user request`. Source: EC2 Auto Scaling
#: User Guide, "View the reason for health check failures" and "Troubleshoot unhealthy instances",
#: 2026-11.
REPLACED = re.compile(
    r"taken out of service in response to an? .*(health.?check|status check)", re.IGNORECASE
)


def groups_of(aws: Aws, instances: Collection[str]) -> dict[str, str]:
    """Return the Auto Scaling group of each instance that is a member of one."""
    groups: dict[str, str] = {}
    paginator = aws.client("autoscaling").get_paginator("describe_auto_scaling_instances")
    for ids in batches(sorted(instances), MAX_MEMBERS):
        for page in paginator.paginate(InstanceIds=list(ids)):
            for member in page["AutoScalingInstances"]:
                groups[member["InstanceId"]] = member["AutoScalingGroupName"]
    return groups


def groups(aws: Aws, names: Sequence[str] = ()) -> list[InstanceGroup]:
    """Return the groups of these names, or all: without their members' status and their history."""
    request = {"AutoScalingGroupNames": list(names)} if names else {}
    paginator = aws.client("autoscaling").get_paginator("describe_auto_scaling_groups")
    pages = paginator.paginate(**request)
    return [_group(group) for page in pages for group in page["AutoScalingGroups"]]


def with_status(aws: Aws, group: InstanceGroup) -> InstanceGroup:
    """Return the group with the status checks of each member now.

    A member without a status is not healthy.
    """
    statuses: dict[str, Mapping[str, Any]] = {}
    client = aws.client("ec2")
    for ids in batches([member.instance for member in group.members], MAX_STATUSES):
        page = client.describe_instance_status(InstanceIds=list(ids), IncludeAllInstances=True)
        statuses |= {status["InstanceId"]: status for status in page["InstanceStatuses"]}
    members = [_with_status(member, statuses.get(member.instance, {})) for member in group.members]
    return structs.replace(group, members=tuple(members))


def with_past(aws: Aws, group: InstanceGroup, since: datetime) -> InstanceGroup:
    """Return the group with its history: the launches, and the replacements for health, since then.

    Activities in progress come first, then the newest. So the first activity that ended before
    `since` ends the reading. Source: API_DescribeScalingActivities, read 2026-11.
    """
    return structs.replace(group, events=tuple(_events(aws, group.name, since)))


def mark_unhealthy(aws: Aws, instance: str) -> None:
    """Mark an instance unhealthy, so that its group replaces it.

    The decision respects the group's grace period. This call must not: it would ignore the instance
    without an error.
    """
    client = aws.client("autoscaling")
    client.set_instance_health(
        InstanceId=instance, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )


def reboot(aws: Aws, instance: str) -> None:
    """Reboot the instance; it keeps its id, addresses and volumes."""
    aws.client("ec2").reboot_instances(InstanceIds=[instance])


def _group(group: Mapping[str, Any]) -> InstanceGroup:
    suspended = [process["ProcessName"] for process in group.get("SuspendedProcesses", [])]
    return InstanceGroup(
        name=group["AutoScalingGroupName"],
        members=tuple(_member(member) for member in group.get("Instances", [])),
        suspended=frozenset(suspended),
        grace=timedelta(seconds=group.get("HealthCheckGracePeriod", 0)),
    )


def _member(member: Mapping[str, Any]) -> Member:
    return Member(
        instance=member["InstanceId"],
        zone=member["AvailabilityZone"],
        lifecycle=member["LifecycleState"],
        healthy=str(member["HealthStatus"]).lower() == "healthy",
        protected=bool(member.get("ProtectedFromScaleIn")),
    )


def _with_status(member: Member, status: Mapping[str, Any]) -> Member:
    checks = {name: status.get(key, {}) for key, name in CHECKS.items()}
    results = {name: check.get("Status", "") for name, check in checks.items()}
    failing = tuple(name for name, result in results.items() if result == "impaired")
    details = [detail for name in failing for detail in checks[name].get("Details", [])]
    since = [detail["ImpairedSince"] for detail in details if detail.get("ImpairedSince")]
    needed = [results["system"], results["instance"], *filter(None, [results["attached_ebs"]])]
    is_running = status.get("InstanceState", {}).get("Name") == "running"
    passing = is_running and all(result in {"ok", *OPTIONAL} for result in needed)
    return structs.replace(
        member, failing=failing, failing_since=min(since, default=None), passing=passing
    )


def _events(aws: Aws, group: str, since: datetime) -> Iterator[MemberEvent]:
    paginator = aws.client("autoscaling").get_paginator("describe_scaling_activities")
    for page in paginator.paginate(AutoScalingGroupName=group):
        for activity in page["Activities"]:
            if activity["StartTime"] < since and activity.get("EndTime"):
                return
            yield from _event(activity)


def _event(activity: Mapping[str, Any]) -> Iterator[MemberEvent]:
    """Yield an activity's launch or replacement of an instance; healing ignores scale-in."""
    description = str(activity.get("Description", ""))
    instance = ID.search(description)
    if instance is None:
        return
    if not description.startswith("Terminating"):
        yield MemberEvent(instance[0], activity["StartTime"], EventKind.JOINED)
    elif REPLACED.search(str(activity.get("Cause", ""))):
        yield MemberEvent(instance[0], activity["StartTime"], EventKind.REPLACED)
