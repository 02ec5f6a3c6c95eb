"""on_alarm, in the embedded region: real messages, real boto3 calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import FOREIGN, INDEX_READS, READS, TOPIC, WRITES
from tests.support.scenes import (
    MONDAY,
    TARGETS,
    actions,
    alarm_message,
    decisions,
    invoke,
    operations,
    orders,
    pass_minutes,
    reasons,
    record_invocations,
    requests,
    rules,
    send,
    set_index_units,
    set_units,
    skips,
    thresholds,
    units,
    wait,
    writes,
)

HOT = {READS: 95.0}
FITTING = {
    "headroom-orders/by-date:read": 960.0,
    "headroom-orders/by-date:write": 960.0,
    "headroom-orders:read": 4800.0,
    "headroom-orders:write": 4800.0,
}
"""The thresholds at 80 percent of 100 and of 20 units over a minute."""


def hot(region: Region) -> None:
    """Let the table's reads be hot for as long as an alarm needs to see it."""
    pass_minutes(region, 5, HOT)


# the step


def test_an_alarm_raises_the_table_by_the_percentage_and_moves_its_threshold(
    region: Region,
) -> None:
    hot(region)
    invocation = send(region, alarm_message(region))
    assert units(region) == {
        "orders:read": 150,
        "orders:write": 100,
        "orders/by-date:read": 20,
        "orders/by-date:write": 20,
    }
    assert thresholds(region) == FITTING | {"headroom-orders:read": 7200.0}
    assert actions(invocation) == ["SetCapacity", "RewriteAlarm"]


def test_the_whole_table_is_raised_in_one_update_table(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0, WRITES: 85.0, INDEX_READS: 18.0})
    send(region, alarm_message(region, WRITES))
    assert requests(region, "UpdateTable") == [
        {
            "TableName": "orders",
            "ProvisionedThroughput": {"ReadCapacityUnits": 150, "WriteCapacityUnits": 150},
            "GlobalSecondaryIndexUpdates": [
                {
                    "Update": {
                        "IndexName": "by-date",
                        "ProvisionedThroughput": {
                            "ReadCapacityUnits": 30,
                            "WriteCapacityUnits": 20,
                        },
                    }
                }
            ],
        }
    ]
    raised = {
        "headroom-orders:read": 7200.0,
        "headroom-orders:write": 7200.0,
        "headroom-orders/by-date:read": 1440.0,
    }
    assert thresholds(region) == FITTING | raised
    assert writes(region) == ["UpdateTable", "PutMetricAlarm", "PutMetricAlarm", "PutMetricAlarm"]


def test_only_the_hot_index_is_named_when_the_table_is_cool(region: Region) -> None:
    pass_minutes(region, 5, {INDEX_READS: 18.0})
    send(region, alarm_message(region, INDEX_READS))
    assert [sorted(call) for call in requests(region, "UpdateTable")] == [
        ["GlobalSecondaryIndexUpdates", "TableName"]
    ]
    assert units(region)["orders/by-date:read"] == 30


def test_the_dimensions_of_an_index_alarm_are_found_by_name_in_any_order(region: Region) -> None:
    pass_minutes(region, 5, {INDEX_READS: 18.0})
    said = alarm_message(region, INDEX_READS)
    for named in (said["Trigger"]["Dimensions"], said["Trigger"]["Dimensions"][::-1]):
        send(region, said | {"Trigger": said["Trigger"] | {"Dimensions": named}})
    assert units(region)["orders/by-date:read"] == 30
    assert len(requests(region, "UpdateTable")) == 1


def test_a_message_of_2016_without_arns_is_understood(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    for member in (
        "AlarmArn",
        "AlarmConfigurationUpdatedTimestamp",
        "OKActions",
        "AlarmActions",
        "InsufficientDataActions",
    ):
        del said[member]
    send(region, said)
    assert units(region)["orders:read"] == 150


def test_every_decision_is_told_with_its_numbers(region: Region) -> None:
    hot(region)
    told = decisions(send(region, alarm_message(region)))
    assert set(told) == set(TARGETS)
    assert (told[READS]["current"], told[READS]["desired"], told[READS]["reason"]) == (
        100,
        150,
        "UtilizationHigh",
    )
    assert told[READS]["numbers"] == {
        "alarm_level_units": 80.0,
        "consumed_units": 95.0,
        "decreases_today": 0,
        "decreases_left": 15,
        "next_decrease_at": "2026-11-02T12:05:00+00:00",
    }


# when nothing is left to do


def test_an_alarm_that_is_already_right_is_not_put_again(region: Region) -> None:
    pass_minutes(region, 5, {READS: 50.0})
    invocation = send(region, alarm_message(region))
    assert reasons(invocation) == {str(target): "AlreadyAtDesiredCapacity" for target in TARGETS}
    assert writes(region) == []
    assert thresholds(region) == FITTING


def test_the_same_message_five_times_raises_once(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    seen = [reasons(send(region, said))["orders:read"] for _ in range(5)]
    assert seen == ["UtilizationHigh"] + ["TableUpdating"] * 4
    assert writes(region) == ["UpdateTable", "PutMetricAlarm"]


def test_datapoints_older_than_the_last_increase_are_spent(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    send(region, said)
    wait(region, minutes=1)
    set_units(region, "orders", 110, 100)  # the old datapoints, 95 of 110, would be hot again
    region.calls.clear()
    seen = [reasons(send(region, said))["orders:read"] for _ in range(5)]
    assert seen == ["EvidenceSpent"] * 5
    assert writes(region) == ["PutMetricAlarm"]  # the threshold follows the units; the units stay
    assert units(region)["orders:read"] == 110


def test_a_load_that_goes_on_after_an_increase_raises_again(region: Region) -> None:
    hot(region)
    send(region, alarm_message(region))
    wait(region, minutes=1)
    pass_minutes(region, 3, {READS: 140.0})
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 225


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_another_state_than_alarm_asks_for_nothing(region: Region, state: str) -> None:
    hot(region)
    invocation = send(region, alarm_message(region, NewStateValue=state))
    assert skips(invocation) == [("headroom-orders:read", "NotInAlarm")]
    assert invocation.error is None
    assert region.calls == []


def test_an_ok_that_overtakes_its_alarm_does_not_hide_it(region: Region) -> None:
    hot(region)
    send(region, alarm_message(region, NewStateValue="OK"))
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150


def test_a_late_message_about_a_load_that_is_gone_changes_nothing(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    pass_minutes(region, 5, {READS: 10.0})
    assert reasons(send(region, said))["orders:read"] == "AlreadyAtDesiredCapacity"
    assert writes(region) == []


def test_a_forged_message_cannot_raise_an_idle_table(region: Region) -> None:
    pass_minutes(region, 5)
    send(
        region,
        alarm_message(
            region, NewStateReason="1 of 1 datapoints [999999.0] was above the threshold"
        ),
    )
    assert writes(region) == []


def test_metrics_that_stopped_ten_minutes_ago_raise_nothing(region: Region) -> None:
    hot(region)
    wait(region, minutes=11)
    assert reasons(send(region, alarm_message(region)))["orders:read"] == "NoRecentData"
    assert writes(region) == []


@pytest.mark.parametrize("second", [-1, 0], ids=["23:59:59", "00:00:00"])
def test_an_increase_does_not_mind_midnight(second: int) -> None:
    with orders(start=MONDAY.replace(hour=23, minute=50)) as region:
        pass_minutes(region, 9, HOT)
        wait(region, seconds=60 + second)
        send(region, alarm_message(region))
        assert units(region)["orders:read"] == 150


# the state of the table


def test_a_table_that_is_updating_is_left_to_the_next_look(region: Region) -> None:
    hot(region)
    throughput = {"ReadCapacityUnits": 120, "WriteCapacityUnits": 100}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=throughput)
    region.calls.clear()
    invocation = send(region, alarm_message(region))
    assert reasons(invocation)["orders:read"] == "TableUpdating"
    assert writes(region) == []


def test_an_increase_is_not_written_over_a_table_whose_index_is_updating(region: Region) -> None:
    hot(region)
    update = {
        "Update": {
            "IndexName": "by-date",
            "ProvisionedThroughput": {"ReadCapacityUnits": 30, "WriteCapacityUnits": 20},
        }
    }
    region.client("dynamodb").update_table(TableName="orders", GlobalSecondaryIndexUpdates=[update])
    region.calls.clear()
    invocation = send(region, alarm_message(region))
    assert writes(region) == []
    assert invocation.error is None
    assert units(region)["orders:read"] == 100


def test_at_the_maximum_it_says_what_it_would_want() -> None:
    with orders(rules(max_units=100)) as region:
        hot(region)
        told = decisions(send(region, alarm_message(region)))[READS]
        assert (told["desired"], told["reason"], told["numbers"]["wanted_units"]) == (
            100,
            "AlreadyAtMaxCapacity",
            150,
        )
        assert writes(region) == []


def test_the_step_ends_at_the_maximum() -> None:
    with orders(rules(max_units=120)) as region:
        hot(region)
        send(region, alarm_message(region))
        assert units(region)["orders:read"] == 120
        assert thresholds(region)["headroom-orders:read"] == 5760.0


def test_a_table_above_its_maximum_is_not_lowered_by_an_alarm() -> None:
    with orders(rules(max_units=50)) as region:
        hot(region)
        assert reasons(send(region, alarm_message(region)))["orders:read"] == "AlreadyAtMaxCapacity"
        assert writes(region) == []


def test_what_is_below_its_minimum_is_raised_to_it_without_any_load() -> None:
    with orders(rules(min_units=30), conditions=Conditions(update_minutes=0)) as region:
        wait(region, minutes=1)  # the sweep of the scene has raised the index
        set_index_units(region, 20, 20)
        region.calls.clear()
        pass_minutes(region, 5)
        invocation = send(region, alarm_message(region))
        assert (
            reasons(invocation)["orders/by-date:read"]
            == reasons(invocation)["orders/by-date:write"]
            == "BelowMinimum"
        )
        assert (units(region)["orders/by-date:read"], units(region)["orders/by-date:write"]) == (
            30,
            30,
        )
        assert requests(region, "UpdateTable")[0].keys() == {
            "TableName",
            "GlobalSecondaryIndexUpdates",
        }


def test_a_table_on_demand_is_passed_over(region: Region) -> None:
    hot(region)
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    region.calls.clear()
    invocation = send(region, alarm_message(region))
    assert skips(invocation) == [("orders", "OnDemand")]
    assert invocation.error is None
    assert operations(region) == ["DescribeTable"]


def test_a_table_that_is_gone_is_passed_over(region: Region) -> None:
    region.client("dynamodb").delete_table(TableName="orders")
    region.calls.clear()
    invocation = send(region, alarm_message(region))
    assert skips(invocation) == [("orders", "TableGone")]
    assert invocation.error is None
    assert operations(region) == ["DescribeTable"]


def test_a_table_that_no_rule_names_costs_no_call() -> None:
    with orders(rules("customers")) as region:
        put(region, FOREIGN)
        invocation = send(region, alarm_message(region, name=FOREIGN))
        assert skips(invocation) == [(FOREIGN, "NotManaged")]
        assert region.calls == []


def test_scaling_up_can_be_switched_off() -> None:
    with orders(rules(scale_up=False)) as region:
        put(region, FOREIGN)
        hot(region)
        assert (
            reasons(send(region, alarm_message(region, name=FOREIGN)))["orders:read"]
            == "ScalingOff"
        )
        assert "UpdateTable" not in operations(region)


def test_a_dry_run_tells_the_step_and_writes_nothing() -> None:
    with orders(rules(dry_run=True)) as region:
        put(region, FOREIGN)
        hot(region)
        told = decisions(send(region, alarm_message(region, name=FOREIGN)))[READS]
        assert (told["current"], told["desired"], told["dry_run"]) == (100, 150, True)
        assert writes(region) == []


# whose alarm it is


def test_an_alarm_of_another_account_is_refused(region: Region) -> None:
    hot(region)
    arn = "arn:aws:cloudwatch:us-east-1:999999999999:alarm:headroom-orders:read"
    invocation = send(region, alarm_message(region, AlarmArn=arn, AWSAccountId="999999999999"))
    assert skips(invocation) == [("headroom-orders:read", "ForeignAccountOrRegion")]
    assert writes(region) == []


def test_an_alarm_of_another_region_is_refused(region: Region) -> None:
    hot(region)
    arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:headroom-orders:read"
    invocation = send(region, alarm_message(region, AlarmArn=arn))
    assert skips(invocation) == [("headroom-orders:read", "ForeignAccountOrRegion")]
    assert writes(region) == []


def test_an_old_message_is_placed_by_its_topic(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    del said["AlarmArn"]
    invocation = send(region, said, TOPIC.replace("us-east-1", "eu-west-1"))
    assert skips(invocation) == [("headroom-orders:read", "ForeignAccountOrRegion")]


MATH = {
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 80.0,
    "Metrics": [{"Expression": "100*(m1/60)/m2", "Id": "e1", "ReturnData": True}],
}
ANOMALY = MATH | {"ThresholdMetricId": "ad1"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"Trigger": MATH}, "it is a metric math alarm", id="metric math"),
        pytest.param(
            {"Trigger": ANOMALY}, "it is an anomaly detection alarm", id="anomaly detection"
        ),
        pytest.param(
            {"Trigger": None, "AlarmRule": 'ALARM("a") OR ALARM("b")'},
            "it is a composite alarm",
            id="composite",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/Lambda", "MetricName": "Errors"}},
            "its namespace is AWS/Lambda, not AWS/DynamoDB",
            id="another service",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/DynamoDB", "MetricName": "SuccessfulRequestLatency"}},
            "its metric SuccessfulRequestLatency is neither consumption nor throttling",
            id="another metric",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedReadCapacityUnits"}},
            "it has no dimension TableName",
            id="no table",
        ),
    ],
)
def test_an_alarm_that_says_nothing_about_units_is_refused_with_the_reason(
    region: Region, changes: Mapping[str, Any], why: str
) -> None:
    invocation = send(region, alarm_message(region) | changes)
    said = [line["message"] for line in invocation.logs if line.get("kind") == "skip"]
    assert said == [
        f"headroom-orders:read: passed over: cannot scale by this alarm: {why} (UnsupportedAlarm)"
    ]
    assert invocation.error is None
    assert region.calls == []


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "null", "{}", '{"AlarmName": 7}', '{"AlarmName": "a"', "\U0001f680"]
)
def test_what_is_no_alarm_message_is_refused_without_an_error(region: Region, text: str) -> None:
    invocation = send(region, text)
    assert skips(invocation) == [("message", "MalformedMessage")]
    assert invocation.error is None
    assert region.calls == []


# the rewrite


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


def test_a_foreign_alarm_is_rewritten_with_its_own_period(region: Region) -> None:
    put(region, FOREIGN)
    hot(region)
    send(region, alarm_message(region, name=FOREIGN))
    assert thresholds(region)[FOREIGN] == 150 * 300 * 0.8
    assert thresholds(region)["headroom-orders:read"] == 7200.0
    assert region.cloudwatch.alarms[FOREIGN].fields["Period"] == 300


OTHER_KINDS = {"Metrics", "ThresholdMetricId", "ExtendedStatistic", "EvaluationCriteria"}
"""The members that make an alarm one of metric math, of anomaly detection, of a percentile, or of
PromQL."""


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
    assert kept.keys() == every_member().keys() - {"Tags"}
    assert made["ActionsEnabled"] is False


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
    assert units(region)["orders:read"] == 150
    assert thresholds(region)[FOREIGN] == 12.5
    assert [call["AlarmName"] for call in requests(region, "PutMetricAlarm")] == [
        "headroom-orders:read"
    ]


def test_an_alarm_that_was_deleted_meanwhile_still_raises_the_table(region: Region) -> None:
    hot(region)
    said = alarm_message(region)
    region.client("cloudwatch").delete_alarms(AlarmNames=["headroom-orders:read"])
    invocation = send(region, said)
    assert units(region)["orders:read"] == 150
    assert invocation.error is None
    assert "headroom-orders:read" not in region.cloudwatch.alarms


# two at once


def test_two_alarms_of_one_table_at_once_raise_each_dimension_once(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0, WRITES: 85.0})
    outcomes = [send(region, alarm_message(region, target)) for target in (READS, WRITES)]
    assert requests(region, "UpdateTable") == [
        {
            "TableName": "orders",
            "ProvisionedThroughput": {"ReadCapacityUnits": 150, "WriteCapacityUnits": 150},
        }
    ]
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert reasons(outcomes[1])["orders:write"] == "TableUpdating"


def test_the_two_alarms_that_cloudwatch_itself_fires_in_one_minute_raise_each_dimension_once(
    region: Region,
) -> None:
    region.serve(READS, [10] * 3 + [95] * 10)
    region.serve(WRITES, [10] * 3 + [85] * 10)
    seen = record_invocations(region)
    region.run(10)
    assert [i.function for i in seen if i.function == "on_alarm" and reasons(i)] == [
        "on_alarm",
        "on_alarm",
    ]
    assert len(requests(region, "UpdateTable")) == 1
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (150, 150)
    assert [i.error for i in seen if i.error] == []


def test_a_table_that_changed_after_it_was_read_is_decided_anew_and_never_with_old_numbers(
    region: Region,
) -> None:
    hot(region)
    region.faults.append(Fault("UpdateTable", "ResourceInUseException"))
    invocation = send(region, alarm_message(region))
    assert skips(invocation) == [("orders", "ChangedMeanwhile")]
    assert reasons(invocation)["orders:read"] == "ChangedMeanwhile"
    assert invocation.error is None
    assert thresholds(region) == FITTING
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150


def test_units_that_someone_else_set_between_look_and_write_are_not_overwritten(
    region: Region,
) -> None:
    hot(region)
    region.faults.append(Meanwhile(region))
    invocation = send(region, alarm_message(region))
    assert units(region)["orders:read"] == 400
    assert skips(invocation) == [("orders", "ChangedMeanwhile")]
    assert writes(region) == []


class Meanwhile(Fault):
    """No fault: somebody else sets the units to 400 just after the table was described for the
    first time."""

    def __init__(self, region: Region) -> None:
        super().__init__("GetMetricData", "none")
        self.region = region

    def applies_to(self, call: Any) -> bool:
        if call.operation == self.operation and self.times:
            self.times = 0
            meter = self.region.meter(READS)
            meter.set_units(400)
        return False


def test_a_message_really_travels_over_the_topic(region: Region) -> None:
    hot(region)
    region.functions.deliver(TOPIC, json.dumps(alarm_message(region)), "ALARM")
    assert units(region)["orders:read"] == 150
    invoke(region, "follow_up")
    assert len(requests(region, "UpdateTable")) == 1
