"""The adapter of pauses: which tables have the tag. No choices are made here."""

from __future__ import annotations

from chalicelib.aws.client import Aws
from chalicelib.core.pause_tag import KEY

PAGE = 100
"""GetResources: resources a page. Source: API_GetResources, read 2026-11."""


def tags(aws: Aws) -> dict[str, str]:
    """Return the tag's value by table, of every table of the Region that has it: one call for each
    hundred of them.

    GetResources narrows by key and resource type, and gives resources that once had a tag, too.
    Source: API_GetResources, read 2026-11. Raises AwsError (ClientError, BotoCoreError).
    """
    asked = {
        "TagFilters": [{"Key": KEY}],
        "ResourceTypeFilters": ["dynamodb:table"],
        "ResourcesPerPage": PAGE,
    }
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(**asked)
    return {
        found["ResourceARN"].partition(":table/")[2]: tag["Value"]
        for page in pages
        for found in page["ResourceTagMappingList"]
        for tag in found["Tags"]
        if tag["Key"] == KEY
    }
