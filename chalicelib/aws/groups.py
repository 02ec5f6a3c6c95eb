"""The adapters of healing: groups, members, status checks and scaling activities are read;
instances are marked or rebooted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.aws.client import Aws, batches
from chalicelib.core.healing import Event, Group, Happened, Member

MAX_MEMBERS = 50
"""DescribeAutoScalingInstances: instances a call. Source: API_DescribeAutoScalingInstances, read
2026-11."""
MAX_STATUSES = 100
"""DescribeInstanceStatus: named instances a call. Source: API_DescribeInstanceStatus, read
2026-11."""
CHECKS = {
    "SystemStatus": "system",
    "InstanceStatus": "instance",
    "AttachedEbsStatus": "attached_ebs",
}
OPTIONAL = frozenset({"not-applicable"})
"""What a check says that an instance does not have; such as that of EBS volumes on other than Nitro
instances."""
ID = re.compile(r"\bi-[0-9a-f]+\b")
REPLACED = re.compile(
    r"taken out of service in response to an? .*(health.?check|status check)", re.IGNORECASE
)
"""What an activity's cause says of an instance that was taken out for its health: `… in response to
a user health-check` after SetInstanceHealth, `… an EC2 instance status checks failure`, `… an EC2
health check indicating …`, `… an ELB system health check failure`; of scale-in it says `… a
difference between desired and actual capacity` or `… a user request`. Source: EC2 Auto Scaling User
Guide, "View the reason for health check failures" and "Troubleshoot unhealthy instances", 2026-11.
"""


def groups_of(aws: Aws, instances: Collection[str]) -> dict[str, str]:
    """Return the Auto Scaling group of each instance that is a member of one."""
    found: dict[str, str] = {}
    client = aws.client("autoscaling")
    for ids in batches(sorted(instances), MAX_MEMBERS):
        for page in client.get_paginator("describe_auto_scaling_instances").paginate(
            InstanceIds=list(ids)
        ):
            found |= {
                said["InstanceId"]: said["AutoScalingGroupName"]
                for said in page["AutoScalingInstances"]
            }
    return found


def groups(aws: Aws, names: Sequence[str] = ()) -> list[Group]:
    """Return the groups of these names, or all; without the status of their members, and without
    their past."""
    asked = {"AutoScalingGroupNames": list(names)} if names else {}
    pages = (
        aws.client("autoscaling").get_paginator("describe_auto_scaling_groups").paginate(**asked)
    )
    return [_group(said) for page in pages for said in page["AutoScalingGroups"]]


def with_status(aws: Aws, group: Group) -> Group:
    """Return the group with what EC2's status checks say of each member now. A member of which EC2
    says nothing is not well."""
    said: dict[str, Mapping[str, Any]] = {}
    client = aws.client("ec2")
    for ids in batches([member.instance for member in group.members], MAX_STATUSES):
        page = client.describe_instance_status(InstanceIds=list(ids), IncludeAllInstances=True)
        said |= {status["InstanceId"]: status for status in page["InstanceStatuses"]}
    return replace(
        group,
        members=tuple(
            _with_status(member, said.get(member.instance, {})) for member in group.members
        ),
    )


def with_past(aws: Aws, group: Group, since: datetime) -> Group:
    """Return the group with what its scaling activities tell: who came, and who was replaced for
    its health, from `since` on.

    Activities come with those in progress first, then the newest; so that the first that has ended
    before `since` ends the reading. Source: API_DescribeScalingActivities, read 2026-11.
    """
    return replace(group, events=tuple(_events(aws, group.name, since)))


def mark_unhealthy(aws: Aws, instance: str) -> None:
    """Let the instance's group replace it.

    The group's grace period is not left to this call, which would pass over the instance in
    silence: the decision knows it.
    """
    client = aws.client("autoscaling")
    client.set_instance_health(
        InstanceId=instance, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
    )


def reboot(aws: Aws, instance: str) -> None:
    """Reboot the instance; it keeps its id, addresses and volumes."""
    aws.client("ec2").reboot_instances(InstanceIds=[instance])


def _group(said: Mapping[str, Any]) -> Group:
    return Group(
        name=said["AutoScalingGroupName"],
        members=tuple(_member(member) for member in said.get("Instances", [])),
        suspended=frozenset(
            process["ProcessName"] for process in said.get("SuspendedProcesses", [])
        ),
        grace=timedelta(seconds=said.get("HealthCheckGracePeriod", 0)),
    )


def _member(said: Mapping[str, Any]) -> Member:
    return Member(
        instance=said["InstanceId"],
        zone=said["AvailabilityZone"],
        lifecycle=said["LifecycleState"],
        healthy=str(said["HealthStatus"]).lower() == "healthy",
        protected=bool(said.get("ProtectedFromScaleIn")),
    )


def _with_status(member: Member, said: Mapping[str, Any]) -> Member:
    checks = {name: said.get(key, {}) for key, name in CHECKS.items()}
    status = {name: check.get("Status", "") for name, check in checks.items()}
    failing = tuple(name for name, text in status.items() if text == "impaired")
    details = [detail for name in failing for detail in checks[name].get("Details", [])]
    since = [detail["ImpairedSince"] for detail in details if detail.get("ImpairedSince")]
    needed = [status["system"], status["instance"], *filter(None, [status["attached_ebs"]])]
    passing = said.get("InstanceState", {}).get("Name") == "running" and all(
        text in {"ok", *OPTIONAL} for text in needed
    )
    return replace(member, failing=failing, failing_since=min(since, default=None), passing=passing)


def _events(aws: Aws, group: str, since: datetime) -> Iterator[Event]:
    pages = (
        aws.client("autoscaling")
        .get_paginator("describe_scaling_activities")
        .paginate(AutoScalingGroupName=group)
    )
    for activity in (activity for page in pages for activity in page["Activities"]):
        if activity["StartTime"] < since and activity.get("EndTime"):
            return
        yield from _event(activity)


def _event(activity: Mapping[str, Any]) -> Iterator[Event]:
    """Yield what an activity says of an instance; scale-in says nothing that healing needs."""
    said = str(activity.get("Description", ""))
    found = ID.search(said)
    if found is None:
        return
    if not said.startswith("Terminating"):
        yield Event(found[0], activity["StartTime"], Happened.JOINED)
    elif REPLACED.search(str(activity.get("Cause", ""))):
        yield Event(found[0], activity["StartTime"], Happened.REPLACED)
