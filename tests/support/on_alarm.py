"""A table under load, and alarms that others made."""

from typing import Any

from headroom.region.region import Region
from tests.support.builders import READS, TOPIC
from tests.support.scenes import (
    pass_minutes,
)

HOT = {READS: 95.0}
#: The thresholds at 80 percent of 100 and of 20 units over a minute.
FITTING = {
    "headroom-orders/by-date:read": 960.0,
    "headroom-orders/by-date:write": 960.0,
    "headroom-orders:read": 4800.0,
    "headroom-orders:write": 4800.0,
}


def hot(region: Region) -> None:
    """Let the table's reads be hot for as long as an alarm needs to see it."""
    pass_minutes(region, 5, HOT)


def put(region: Region, name: str, **fields: Any) -> dict[str, Any]:
    """Make an alarm on the table's reads, as somebody else would; return what was put."""
    made = {
        "AlarmName": name,
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedReadCapacityUnits",
        "Dimensions": [{"Name": "TableName", "Value": "orders"}],
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 24000.0,
        "AlarmActions": [TOPIC],
    } | fields
    region.client("cloudwatch").put_metric_alarm(
        **{key: value for key, value in made.items() if value is not None}
    )
    region.calls.clear()
    return made
