"""on_alarm in the embedded region: real messages, real boto3 calls."""

import pytest

from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import FOREIGN, INDEX_READS, READS, WRITES
from tests.support.on_alarm import (
    FITTING,
    HOT,
    hot,
    put,
)
from tests.support.scenes import (
    MONDAY,
    TARGETS,
    actions,
    alarm_message,
    decisions,
    operations,
    orders,
    pass_minutes,
    reasons,
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

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

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
    message = alarm_message(region, INDEX_READS)
    for named in (message["Trigger"]["Dimensions"], message["Trigger"]["Dimensions"][::-1]):
        send(region, message | {"Trigger": message["Trigger"] | {"Dimensions": named}})
    assert (units(region)["orders/by-date:read"], len(requests(region, "UpdateTable"))) == (30, 1)


def test_a_message_of_2016_without_arns_is_understood(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    for member in (
        "AlarmArn",
        "AlarmConfigurationUpdatedTimestamp",
        "OKActions",
        "AlarmActions",
        "InsufficientDataActions",
    ):
        del message[member]
    send(region, message)
    assert units(region)["orders:read"] == 150


def test_every_decision_is_reported_with_its_numbers(region: Region) -> None:
    hot(region)
    decided = decisions(send(region, alarm_message(region)))
    assert set(decided) == set(TARGETS)
    assert (decided[READS]["current"], decided[READS]["desired"], decided[READS]["reason"]) == (
        100,
        150,
        "UtilizationHigh",
    )
    assert decided[READS]["numbers"] == {
        "alarm_level_units": 80.0,
        "consumed_units": 95.0,
        "decreases_today": 0,
        "decreases_left": 15,
        "next_decrease_at": "2026-11-02T12:05:00+00:00",
        "warm_units": 100,
    }


# when nothing is left to do


def test_an_alarm_that_is_already_right_is_not_put_again(region: Region) -> None:
    pass_minutes(region, 5, {READS: 50.0})
    invocation = send(region, alarm_message(region))
    assert reasons(invocation) == {str(target): "AlreadyAtDesiredCapacity" for target in TARGETS}
    assert (writes(region), thresholds(region)) == ([], FITTING)


def test_the_same_message_five_times_raises_once(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    seen = [reasons(send(region, message))["orders:read"] for _ in range(5)]
    assert seen == ["UtilizationHigh"] + ["TableUpdating"] * 4
    assert writes(region) == ["UpdateTable", "PutMetricAlarm"]


def test_datapoints_older_than_the_last_increase_are_spent(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    send(region, message)
    wait(region, minutes=1)
    set_units(region, "orders", 110, 100)  # the old datapoints, 95 of 110, would be hot again
    region.calls.clear()
    seen = [reasons(send(region, message))["orders:read"] for _ in range(5)]
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
    assert (skips(invocation), invocation.error) == ([("headroom-orders:read", "NotInAlarm")], None)
    assert region.calls == []


def test_an_ok_that_overtakes_its_alarm_does_not_hide_it(region: Region) -> None:
    hot(region)
    send(region, alarm_message(region, NewStateValue="OK"))
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150


def test_a_late_message_about_a_load_that_is_gone_changes_nothing(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    pass_minutes(region, 5, {READS: 10.0})
    assert reasons(send(region, message))["orders:read"] == "AlreadyAtDesiredCapacity"
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
@pytest.mark.scene(orders, start=MONDAY.replace(hour=23, minute=50))
def test_an_increase_does_not_mind_midnight(region: Region, second: int) -> None:
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
    assert (reasons(invocation)["orders:read"], writes(region)) == ("TableUpdating", [])


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
    assert (writes(region), invocation.error, units(region)["orders:read"]) == ([], None, 100)


@pytest.mark.scene(orders, rules(max_units=100))
def test_at_the_maximum_it_says_what_it_would_want(region: Region) -> None:
    hot(region)
    decided = decisions(send(region, alarm_message(region)))[READS]
    assert (decided["desired"], decided["reason"], decided["numbers"]["wanted_units"]) == (
        100,
        "AlreadyAtMaxCapacity",
        150,
    )
    assert writes(region) == []


@pytest.mark.scene(orders, rules(max_units=120))
def test_the_step_ends_at_the_maximum(region: Region) -> None:
    hot(region)
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 120
    assert thresholds(region)["headroom-orders:read"] == 5760.0


@pytest.mark.scene(orders, rules(max_units=50))
def test_a_table_above_its_maximum_is_not_lowered_by_an_alarm(region: Region) -> None:
    hot(region)
    assert reasons(send(region, alarm_message(region)))["orders:read"] == "AlreadyAtMaxCapacity"
    assert writes(region) == []


@pytest.mark.scene(orders, rules(min_units=30), conditions=Conditions(update_minutes=0))
def test_what_is_below_its_minimum_is_raised_to_it_without_any_load(region: Region) -> None:
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
    assert (skips(invocation), invocation.error) == ([("orders", "OnDemand")], None)
    assert operations(region) == ["DescribeTable"]


def test_a_table_that_is_gone_is_passed_over(region: Region) -> None:
    region.client("dynamodb").delete_table(TableName="orders")
    region.calls.clear()
    invocation = send(region, alarm_message(region))
    assert (skips(invocation), invocation.error) == ([("orders", "TableGone")], None)
    assert operations(region) == ["DescribeTable"]


@pytest.mark.scene(orders, rules("customers"))
def test_a_table_that_no_rule_names_costs_no_call(region: Region) -> None:
    put(region, FOREIGN)
    invocation = send(region, alarm_message(region, name=FOREIGN))
    assert (skips(invocation), region.calls) == ([(FOREIGN, "NotManaged")], [])


@pytest.mark.scene(orders, rules(scale_up=False))
def test_scaling_up_can_be_switched_off(region: Region) -> None:
    put(region, FOREIGN)
    hot(region)
    assert reasons(send(region, alarm_message(region, name=FOREIGN)))["orders:read"] == "ScalingOff"
    assert "UpdateTable" not in operations(region)


@pytest.mark.scene(orders, rules(dry_run=True))
def test_a_dry_run_reports_the_step_and_writes_nothing(region: Region) -> None:
    put(region, FOREIGN)
    hot(region)
    decided = decisions(send(region, alarm_message(region, name=FOREIGN)))[READS]
    assert (decided["current"], decided["desired"], decided["dry_run"]) == (100, 150, True)
    assert writes(region) == []
