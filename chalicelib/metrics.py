"""The CloudWatch metrics that Headroom reads, and what each one shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.model import Dimension, Target

NAMESPACE = "AWS/DynamoDB"
#: The namespace of the metrics that Headroom publishes, and what its stage has cost this month.
OWN, SPENT = "Headroom", "SpentUsd"
EC2 = "AWS/EC2"
#: What a table or an index may be called. A table's ARN is no name, although most operations take
#: one. Source: Developer Guide, "Naming rules", read 2026-11.
NAME = re.compile(r"[A-Za-z0-9_.-]+")
#: Source: EC2 User Guide, "CloudWatch metrics that are available for your instances", Status check
#: metrics, read 2026-11.
STATUS_CHECKS = frozenset(
    {
        "StatusCheckFailed",
        "StatusCheckFailed_Instance",
        "StatusCheckFailed_System",
        "StatusCheckFailed_AttachedEBS",
    }
)
CONSUMED = {
    Dimension.READ: "ConsumedReadCapacityUnits",
    Dimension.WRITE: "ConsumedWriteCapacityUnits",
}
THROTTLED = {Dimension.READ: "ReadThrottleEvents", Dimension.WRITE: "WriteThrottleEvents"}
PROVISIONED = {
    Dimension.READ: "ProvisionedReadCapacityUnits",
    Dimension.WRITE: "ProvisionedWriteCapacityUnits",
}


class Cause(StrEnum):
    """Why DynamoDB throttled a request: the middle of a metric's name.

    PROVISIONED: too few units. KEY_RANGE: one partition's own limit, 3,000 read or 1,000 write
    units a second; more units do not help. The others concern tables on demand. Source: Developer
    Guide, "CloudWatch throttling metrics" and "Diagnosing throttling", read 2026-11.
    """

    PROVISIONED = "ProvisionedThroughput"
    KEY_RANGE = "KeyRangeThroughput"
    ACCOUNT_LIMIT = "AccountLimit"
    MAX_ON_DEMAND = "MaxOnDemandThroughput"


def throttled_by(cause: Cause, dimension: Dimension) -> str:
    """Return the metric of the requests that were throttled for a cause."""
    return f"{dimension.capitalize()}{cause}ThrottleEvents"


DIMENSION_OF = {
    metric: dimension
    for dimension in Dimension
    for metric in (
        CONSUMED[dimension],
        THROTTLED[dimension],
        throttled_by(Cause.PROVISIONED, dimension),
    )
}
#: What more units do not end.
OF_OTHER_LIMITS = frozenset(
    throttled_by(cause, dimension)
    for cause in Cause
    for dimension in Dimension
    if cause is not Cause.PROVISIONED
)
#: So much of the newest metrics is read: what a setting looks back at must fit into it.
RECENT = timedelta(hours=3)
#: CloudWatch keeps one-minute points for 15 days. Source: CloudWatch User Guide, "Metrics
#: retention", read 2026-10.
HISTORY = timedelta(days=14)
#: Metrics come "up to a few minutes" late (Developer Guide, DynamoDB metrics, read 2026-10). After
#: this time they are complete.
SETTLED = timedelta(minutes=10)


def history_end(now: datetime) -> datetime:
    """Return the last full hour with complete metrics: the history is read once an hour."""
    return (now - SETTLED).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as an alarm names it; dimensions by name, since their order means nothing."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]


def instance_of(metric: Metric) -> str:
    """Return the id of the instance whose status checks the metric shows, or ""."""
    is_check = metric.namespace == EC2 and metric.name in STATUS_CHECKS
    return metric.dimensions.get("InstanceId", "") if is_check else ""


def target_of(metric: Metric) -> Target | str:
    """Return the target whose load the metric shows, or the reason why it shows none."""
    if metric.namespace != NAMESPACE:
        return f"its namespace is {metric.namespace or 'missing'}, not {NAMESPACE}"
    if metric.name in OF_OTHER_LIMITS:
        return f"its metric {metric.name} shows a limit that more units do not raise"
    if metric.name not in DIMENSION_OF:
        return f"its metric {metric.name} is neither consumption nor throttling"
    table = metric.dimensions.get("TableName")
    if not table:
        return "it has no dimension TableName"
    unknown = set(metric.dimensions) - {"TableName", "GlobalSecondaryIndexName"}
    if unknown:
        return f"its dimension {min(unknown)} narrows the metric to a part of the load"
    index = metric.dimensions.get("GlobalSecondaryIndexName", "")
    for name in (table, index):
        if name and not NAME.fullmatch(name):
            return f"{name!a} is no name of a table or an index"
    return Target(table, index, DIMENSION_OF[metric.name])
