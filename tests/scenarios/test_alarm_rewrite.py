"""on_alarm rewrites the threshold of alarms that others made, and nothing else."""

from typing import Any

import boto3
import pytest

from headroom.region.region import Region
from tests.support.builders import FOREIGN, TOPIC
from tests.support.on_alarm import (
    hot,
    put,
)
from tests.support.scenes import (
    alarm_message,
    operations,
    requests,
    send,
    thresholds,
    units,
)


def test_a_foreign_alarm_is_rewritten_with_its_own_period(region: Region) -> None:
    put(region, FOREIGN)
    hot(region)
    send(region, alarm_message(region, name=FOREIGN))
    assert thresholds(region)[FOREIGN] == 150 * 300 * 0.8
    assert thresholds(region)["headroom-orders:read"] == 7200.0
    assert region.cloudwatch.alarms[FOREIGN].fields["Period"] == 300


#: The members that make an alarm one of metric math, of anomaly detection, of a percentile, or of
#: PromQL.
OTHER_KINDS = {"Metrics", "ThresholdMetricId", "ExtendedStatistic", "EvaluationCriteria"}


def sample(shape: Any) -> Any:
    """Return some value that is right for a botocore shape."""
    match shape.type_name:
        case "structure":
            chosen = list(shape.members.items())[: 1 if shape.is_tagged_union else None]
            return {name: sample(member) for name, member in chosen}
        case "list":
            return [sample(shape.member)]
        case "string":
            return shape.enum[0] if shape.enum else "a text"
        case "boolean":
            return False
        case "timestamp":
            return "2026-11-02T00:00:00Z"
        case _:
            return shape.metadata.get("min", 1)


def every_member() -> dict[str, Any]:
    """Return a value for every member that PutMetricAlarm takes of a plain alarm, by the installed
    botocore's own model."""
    shape = (
        boto3.client("cloudwatch", region_name="us-east-1")
        .meta.service_model.operation_model("PutMetricAlarm")
        .input_shape
    )
    return {
        name: sample(member) for name, member in shape.members.items() if name not in OTHER_KINDS
    }


def test_the_rewrite_keeps_everything_but_the_threshold(region: Region) -> None:
    plain = {
        "AlarmName",
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "Period",
        "ComparisonOperator",
        "Threshold",
    }
    others = {name: value for name, value in every_member().items() if name not in plain}
    made = put(region, FOREIGN, **others | {"AlarmActions": [TOPIC, f"{TOPIC}-2"]})
    hot(region)
    send(region, alarm_message(region, name=FOREIGN))
    kept = {name: value for name, value in made.items() if name != "Tags"}
    assert region.cloudwatch.alarms[FOREIGN].fields == kept | {"Threshold": 36000.0}
    assert (
        region.cloudwatch.alarms[FOREIGN].tags
        == made["Tags"]
        == [{"Key": "a text", "Value": "a text"}]
    )
    assert (kept.keys(), made["ActionsEnabled"]) == (every_member().keys() - {"Tags"}, False)


def test_the_state_of_a_rewritten_alarm_is_left_alone(region: Region) -> None:
    region.cloudwatch.alarms["headroom-orders:read"].state.value = "ALARM"
    hot(region)
    send(region, alarm_message(region))
    assert region.cloudwatch.alarms["headroom-orders:read"].state.value == "ALARM"
    assert "SetAlarmState" not in operations(region)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Statistic": None, "ExtendedStatistic": "p99"}, id="percentile"),
        pytest.param({"Statistic": "Average"}, id="average"),
        pytest.param({"ComparisonOperator": "LessThanThreshold"}, id="low alarm"),
        pytest.param({"MetricName": "ReadThrottleEvents"}, id="throttling"),
    ],
)
def test_an_alarm_whose_threshold_is_not_in_units_wakes_but_is_not_rewritten(
    region: Region, fields: dict[str, Any]
) -> None:
    put(region, FOREIGN, **fields, Threshold=12.5)
    hot(region)
    send(region, alarm_message(region, name=FOREIGN))
    assert (units(region)["orders:read"], thresholds(region)[FOREIGN]) == (150, 12.5)
    assert [call["AlarmName"] for call in requests(region, "PutMetricAlarm")] == [
        "headroom-orders:read"
    ]


def test_an_alarm_that_was_deleted_meanwhile_still_raises_the_table(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    region.client("cloudwatch").delete_alarms(AlarmNames=["headroom-orders:read"])
    invocation = send(region, message)
    assert (units(region)["orders:read"], invocation.error) == (150, None)
    assert "headroom-orders:read" not in region.cloudwatch.alarms
