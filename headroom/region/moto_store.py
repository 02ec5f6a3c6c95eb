"""Reads and writes of moto's own stores, without a call.

A call that moto answers costs some 3 ms of CPU: requests and responses are written out as HTTP and
parsed again. What the app asks at every event, and what the region itself does, goes this way.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from moto.backends import get_backend
from moto.utilities.utils import get_partition

from headroom.region.context import ACCOUNT


def store(service: str, region: str) -> Any:
    """Return what moto keeps of a service in a Region."""
    return get_backend(service)[ACCOUNT][region]  # type: ignore[call-overload]


def answer(
    region: str, service: str, operation: str, params: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return moto's response to the operations that are called most; None for all others."""
    match service, operation:
        case "dynamodb", "ListTables":
            return _list_tables(region, params)
        case "ec2", "DescribeInstances" if params.keys() <= {"Filters", "MaxResults"}:
            return _describe_instances(region, params)
        case "resourcegroupstaggingapi", "GetResources":
            return _get_resources(region, params)
        case "sts", "GetCallerIdentity":
            arn = f"arn:{get_partition(region)}:sts::{ACCOUNT}:user/moto"
            return {"UserId": "AKIAIOSFODNN7EXAMPLE", "Account": ACCOUNT, "Arn": arn}
    return None


def forget_tags(region: str, params: Mapping[str, Any]) -> None:
    """Take the tags from a table that TagResource sets anew: moto would keep both. AWS replaces the
    value. Source: API_TagResource (DynamoDB), read 2026-11."""
    keys = [tag["Key"] for tag in params["Tags"]]
    store("dynamodb", region).untag_resource(params["ResourceArn"], keys)


def _list_tables(region: str, params: Mapping[str, Any]) -> dict[str, Any]:
    names, last = store("dynamodb", region).list_tables(
        params.get("Limit", 100), params.get("ExclusiveStartTableName")
    )
    return {"TableNames": names, **({"LastEvaluatedTableName": last} if last else {})}


def _describe_instances(region: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the instances' ids alone. More than a page is left to moto."""
    filters = {condition["Name"]: condition["Values"] for condition in params.get("Filters", [])}
    reservations = store("ec2", region).describe_instances(filters)
    if len(reservations) > params.get("MaxResults", 100):
        return None
    return {"Reservations": [_reservation(found.instances) for found in reservations]}


def _reservation(instances: Iterable[Any]) -> dict[str, Any]:
    return {"Instances": [{"InstanceId": instance.id} for instance in instances]}


def _get_resources(region: str, params: Mapping[str, Any]) -> dict[str, Any]:
    token, resources = store("resourcegroupstaggingapi", region).get_resources(
        pagination_token=params.get("PaginationToken"),
        resources_per_page=params.get("ResourcesPerPage", 50),
        tags_per_page=params.get("TagsPerPage", 100),
        tag_filters=params.get("TagFilters", []),
        resource_type_filters=params.get("ResourceTypeFilters", []),
        resource_arn_list=params.get("ResourceARNList", []),
    )
    mappings = [{"ResourceARN": r.arn, "Tags": tag_list(r.tags)} for r in resources]
    return {"ResourceTagMappingList": mappings, "PaginationToken": token or ""}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def image(region: str) -> str:
    """Return the id of an image to start instances from; register it at the first time.

    moto's own 1,300 images are not loaded (MOTO_EC2_LOAD_DEFAULT_AMIS): they take 150 ms.
    """
    images = store("ec2", region).amis
    if not images:
        store("ec2", region).register_image("headroom")
    return str(next(iter(images)))


def create_table(
    region: str, name: str, units: tuple[int, int], indexes: Mapping[str, tuple[int, int]]
) -> dict[str, Any]:
    """Make a table with a string key, and its indexes as name → (read, write) units. Return what
    CreateTable does."""
    parts = {f"key-{index}": (index, each) for index, each in indexes.items()}
    table = store("dynamodb", region).create_table(
        name,
        schema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        throughput=_throughput(units),
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", *parts)],
        global_indexes=[
            {
                "IndexName": index,
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": _throughput(each),
            }
            for key, (index, each) in parts.items()
        ],
        indexes=[],
        streams=None,
        billing_mode="PROVISIONED",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    description = table.describe()["TableDescription"]
    made = description["CreationDateTime"].replace(tzinfo=UTC)
    return {"TableDescription": {**description, "CreationDateTime": made}}


def _throughput(units: tuple[int, int]) -> dict[str, int]:
    read, write = units
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def subscribe(region: str, topic: str, function_arn: str) -> None:
    """Subscribe a function to a topic, given by name or ARN; make the topic if it has a name."""
    sns = store("sns", region)
    arn = topic if topic.startswith("arn:") else sns.create_topic(topic).arn
    sns.subscribe(arn, function_arn, "lambda")


def subscribed_functions(region: str, topic_arn: str) -> list[str]:
    """Return the names of the functions that a topic calls: none if the topic does not exist."""
    sns = store("sns", region)
    if topic_arn not in sns.topics:
        return []
    return [
        subscription.endpoint.rsplit(":", 1)[-1]
        for subscription in sns.subscriptions.values()
        if subscription.topic.arn == topic_arn and subscription.protocol == "lambda"
    ]
