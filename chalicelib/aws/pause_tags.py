"""The adapter of the tags on tables: operators' pauses, and who switched a billing mode."""

from chalicelib.aws.client import Aws
from chalicelib.core.pause_tag import KEY

#: GetResources: resources a page. Source: API_GetResources, read 2026-11.
PAGE = 100


def tags(aws: Aws, key: str = KEY) -> dict[str, str]:
    """Return a tag's value by table, in one call for each hundred tables that have the tag.

    GetResources filters by key and resource type. It also returns resources that once had a tag.
    Source: API_GetResources, read 2026-11. Raises AwsError.
    """
    pages = (
        aws.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(
            TagFilters=[{"Key": key}],
            ResourceTypeFilters=["dynamodb:table"],
            ResourcesPerPage=PAGE,
        )
    )
    values: dict[str, str] = {}
    for page in pages:
        for resource in page["ResourceTagMappingList"]:
            table = resource["ResourceARN"].partition(":table/")[2]
            for tag in resource["Tags"]:
                if tag["Key"] == key:
                    values[table] = tag["Value"]
    return values
