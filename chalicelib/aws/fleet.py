"""The adapter of `[[fleet]]`: how many instances a fleet has now."""

from collections.abc import Mapping

from chalicelib.aws.client import Aws
from chalicelib.config.fleet import Fleet
from chalicelib.core.healing import IN_SERVICE

#: DescribeInstances: instances a page, at the most. Source: API_DescribeInstances, MaxResults, read
#: 2026-11.
PAGE = 1_000


def count_instances(aws: Aws, fleet: Fleet) -> int | str:
    """Return the number of a fleet's instances: running ones with its tags, or members in service.

    Returns a sentence where there is no such group: its name is misspelt, or it was deleted. Raises
    AwsError where AWS does not answer.
    """
    return _tagged(aws, fleet.tags) if fleet.tags else _members(aws, fleet.auto_scaling_group)


def _tagged(aws: Aws, tags: Mapping[str, str]) -> int:
    """Count instances: a reservation is one launch, and may hold many.

    Source: API_DescribeInstances, read 2026-11.
    """
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())]
    filters.append({"Name": "instance-state-name", "Values": ["running"]})
    paginator = aws.client("ec2").get_paginator("describe_instances")
    pages = paginator.paginate(Filters=filters, PaginationConfig={"PageSize": PAGE})
    reservations = [reservation for page in pages for reservation in page["Reservations"]]
    return sum(len(reservation["Instances"]) for reservation in reservations)


def _members(aws: Aws, group: str) -> int | str:
    """Count a group's members in service. The group is returned with all its members.

    Source: API_DescribeAutoScalingGroups, read 2026-11.
    """
    client = aws.client("autoscaling")
    response = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    groups = response["AutoScalingGroups"]
    if not groups:
        return f"there is no Auto Scaling group {group}; correct auto_scaling_group, or the Region"
    states = [str(member["LifecycleState"]) for member in groups[0]["Instances"]]
    return states.count(IN_SERVICE)
