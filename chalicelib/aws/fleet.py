"""The adapter of `[[fleet]]`: how many instances a fleet has now. No choices are made here."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.aws.client import Aws
from chalicelib.config.fleet import Fleet

PAGE = 1_000
"""DescribeInstances: instances a page, at the most. Source: API_DescribeInstances, MaxResults, read
2026-11."""
IN_SERVICE = "InService"
"""A member that is launched and counts towards the group's capacity; those of a warm pool, in
standby, on their way in or out are in other states. Source: Amazon EC2 Auto Scaling User Guide,
"Amazon EC2 Auto Scaling instance lifecycle", read 2026-11."""


class NoSuchGroupError(LookupError):
    """There is no Auto Scaling group of that name in the Region: a mistake of the configuration, or
    a group that was deleted."""


def count_instances(aws: Aws, fleet: Fleet) -> int:
    """Return the number of a fleet's instances: running ones that carry its tags, or its group's
    members in service.

    Raises NoSuchGroupError where there is no such group, AwsError (ClientError, BotoCoreError)
    where AWS does not answer.
    """
    return _tagged(aws, fleet.tags) if fleet.tags else _members(aws, fleet.auto_scaling_group)


def _tagged(aws: Aws, tags: Mapping[str, str]) -> int:
    """Count instances; a reservation is one launch, and may hold many. Source:
    API_DescribeInstances, read 2026-11."""
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())]
    filters.append({"Name": "instance-state-name", "Values": ["running"]})
    pages = (
        aws.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=filters, PaginationConfig={"PageSize": PAGE})
    )
    return sum(
        len(reservation["Instances"]) for page in pages for reservation in page["Reservations"]
    )


def _members(aws: Aws, group: str) -> int:
    """Count a group's members, which come whole with it. Source: API_DescribeAutoScalingGroups,
    read 2026-11."""
    groups = aws.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    if not groups:
        raise NoSuchGroupError(
            f"there is no Auto Scaling group {group}; mend auto_scaling_group, and check the Region"
        )
    return sum(member["LifecycleState"] == IN_SERVICE for member in groups[0]["Instances"])
