"""Facts that are odd, late or incomplete: nothing is lowered on them, and one odd table never stops
the others."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from chalicelib.aws import tables
from chalicelib.config.policy import make_policy
from chalicelib.core import table_alarms
from chalicelib.model import Alarm, DemandHistory
from headroom.region.region import Region
from tests.support.builders import NOON, READS, WRITES, alarm, policy
from tests.support.scenes import (
    decisions,
    failures,
    invoke,
    pass_minutes,
    rules,
    units,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


def described(**changes: Any) -> Mapping[str, Any]:
    """Return a DescribeTable answer."""
    message = {
        "TableName": "orders",
        "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "TableStatus": "ACTIVE",
    }
    return {
        **message,
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        pytest.param({}, [""], id="plain"),
        pytest.param({"TableStatus": "ARCHIVED", "ProvisionedThroughput": {}}, [], id="archived"),
        pytest.param(
            {"GlobalSecondaryIndexes": [{"IndexName": "new", "IndexStatus": "CREATING"}]},
            [""],
            id="half-made index",
        ),
    ],
)
def test_what_has_no_units_is_no_target(changes: dict[str, Any], parts: list[str]) -> None:
    assert list(tables.table_state(described(**changes)).throughputs) == parts


class PartialRegion(Region):
    """A region whose CloudWatch gives one metric in part only."""

    def partial(self, metric: str) -> None:
        answer = self.cloudwatch.answer

        def in_part(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            text = answer(operation, params)
            for result in text.get("MetricDataResults", []):
                if result["Label"] == metric:
                    result |= {"StatusCode": "InternalError", "Timestamps": [], "Values": []}
            return text

        self.cloudwatch.answer = in_part  # type: ignore[method-assign]


@pytest.mark.parametrize("strategy", ["percent", "adaptive"])
@pytest.mark.parametrize(
    "metric",
    [
        "ConsumedReadCapacityUnits",
        "ReadThrottleEvents",
        "ConsumedWriteCapacityUnits",
        "WriteThrottleEvents",
    ],
)
def test_metrics_that_came_in_part_only_lower_nothing_of_their_target(
    metric: str, strategy: str
) -> None:
    with PartialRegion() as region:
        region.create_table("orders", 100, 100)
        region.deploy(rules(strategy=strategy))
        pass_minutes(region, 65)
        region.partial(metric)
        invoke(region, "scale_down")
        lowered = {name for name, count in units(region).items() if count < 100}
        assert lowered == ({"orders:write"} if "Read" in metric else {"orders:read"})


@pytest.mark.parametrize("strategy", ["percent", "adaptive"])
@pytest.mark.parametrize(("minutes", "is_lowered"), [(4, True), (6, False)])
def test_data_that_stopped_minutes_ago_lower_nothing(
    strategy: str, minutes: int, is_lowered: bool
) -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        region.deploy(rules(strategy=strategy))
        pass_minutes(region, 120)
        pass_minutes(region, minutes, {READS: [None] * minutes, WRITES: [None] * minutes})
        invoke(region, "scale_down")
        assert bool(writes(region)) is is_lowered


def test_what_breaks_one_tables_decision_is_reported_and_the_others_go_on(region: Region) -> None:
    region.create_table("orders2", 100, 100)
    pass_minutes(region, 65, {READS: 95.0, structs.replace(READS, table="orders2"): 95.0})
    region.tables["orders2"].provisions[""].last_increase_at = NOON.replace(tzinfo=None)
    invocation = invoke(region, "sweep")
    assert decisions(invocation)[READS]["desired"] == 150
    assert [text.split(":")[0] for text in failures(invocation)] == ["orders2"]


def test_an_alarm_of_ours_is_mended_whatever_somebody_made_of_it() -> None:
    spoiled = alarm(
        Statistic="Average",
        ComparisonOperator="LessThanThreshold",
        DatapointsToAlarm=3,
        EvaluationPeriods=3,
    )
    changes = table_alarms.differences(spoiled, 100, policy())
    assert table_alarms.rewritable(spoiled) == READS
    assert (changes["Statistic"], changes["ComparisonOperator"]) == (
        "Sum",
        "GreaterThanOrEqualToThreshold",
    )
    assert (
        changes["DatapointsToAlarm"]
        == changes["EvaluationPeriods"]
        == policy().alarm_evaluation_periods
    )


@pytest.mark.parametrize(
    ("action", "is_ours"),
    [
        ("arn:aws:lambda:us-east-1:123456789012:function:headroom-dev-on_action", True),
        ("arn:aws:lambda:us-east-1:123456789012:function:pagerduty", False),
    ],
)
def test_an_alarm_that_calls_somebody_elses_function_is_not_ours_to_rewrite(
    action: str, is_ours: bool
) -> None:
    foreign = Alarm({**alarm().fields, "AlarmName": "pager", "AlarmActions": [action]})
    assert (
        table_alarms.calls_headroom(foreign, "arn:aws:sns:us-east-1:123456789012:headroom-alarms")
        is is_ours
    )


def test_where_throttling_is_cheap_nothing_is_held_against_it() -> None:
    from chalicelib.core.strategies.adaptive import insured_units

    days = DemandHistory(end=NOON, hourly=(100.0,) * 24, daily=((),) * 15)
    assert insured_units(days, make_policy(throttle_price=1.0), 2.0, NOON) == 0
    assert insured_units(days, make_policy(), 2.0, NOON) > 0
