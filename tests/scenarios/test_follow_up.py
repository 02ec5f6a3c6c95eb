"""follow_up, in the embedded region: an alarm that cannot transition is never stuck, a lost message
costs a minute."""

from itertools import pairwise
from typing import Any

import pytest

from headroom.demo.day import stuck_alarms
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import FOREIGN, INDEX_READS, READS, TOPIC, WRITES
from tests.support.scenes import (
    actions,
    alarm_message,
    invoke,
    operations,
    orders,
    pass_minutes,
    reasons,
    record_invocations,
    requests,
    rules,
    send,
    set_units,
    skips,
    thresholds,
    units,
    wait,
    woken,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


def in_alarm(region: Region, *names: str) -> None:
    """Set alarms to ALARM, as CloudWatch did in some minute before."""
    for name in names:
        region.cloudwatch.alarms[name].state.value = "ALARM"


def lose_messages(region: Region) -> None:
    """Take on_alarm off the topic."""
    sns = region.client("sns")
    for subscription in sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def minutes_until_raised(region: Region, limit: int = 30) -> int:
    """Return how many minutes pass until the table's reads have more units."""
    first = region.units(READS)
    for minute in range(limit):
        if region.units(READS) > first:
            return minute
        region.run(1)
    raise AssertionError(f"not raised within {limit} minutes")


def test_when_nothing_is_hot_it_costs_one_call(region: Region) -> None:
    pass_minutes(region, 5, {READS: 50.0})
    invocation = invoke(region, "follow_up")
    assert operations(region) == ["DescribeAlarms"]
    request = {
        "ActionPrefix": TOPIC,
        "AlarmTypes": ["MetricAlarm"],
        "StateValue": "ALARM",
        "MaxRecords": 100,
    }
    assert (requests(region, "DescribeAlarms"), actions(invocation)) == ([request], [])


def test_every_table_with_an_alarm_in_alarm_is_looked_at_as_if_its_message_had_come(
    region: Region,
) -> None:
    pass_minutes(region, 5, {READS: 95.0, INDEX_READS: 18.0})
    in_alarm(region, "headroom-orders/by-date:read")
    assert reasons(invoke(region, "follow_up")) == {
        "orders:read": "UtilizationHigh",
        "orders:write": "AlreadyAtDesiredCapacity",
        "orders/by-date:read": "UtilizationHigh",
        "orders/by-date:write": "AlreadyAtDesiredCapacity",
    }
    assert (units(region)["orders:read"], units(region)["orders/by-date:read"]) == (150, 30)
    assert writes(region) == ["UpdateTable", "PutMetricAlarm", "PutMetricAlarm"]


def test_two_alarms_of_one_table_are_one_look(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0, WRITES: 95.0})
    in_alarm(region, "headroom-orders:read", "headroom-orders:write")
    invoke(region, "follow_up")
    assert operations(region).count("GetMetricData") == 1
    assert writes(region) == ["UpdateTable", "PutMetricAlarm", "PutMetricAlarm"]


def test_while_a_table_is_updating_its_metrics_are_not_read(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    in_alarm(region, "headroom-orders:read")
    assert reasons(invoke(region, "follow_up"))["orders:read"] == "UtilizationHigh"
    region.calls.clear()
    assert reasons(invoke(region, "follow_up"))["orders:read"] == "TableUpdating"
    assert "GetMetricData" not in operations(region)


def test_an_alarm_that_holds_alarm_over_stale_or_spent_data_raises_nothing(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    in_alarm(region, "headroom-orders:read")
    wait(region, minutes=15)
    assert reasons(invoke(region, "follow_up"))["orders:read"] == "NoRecentData"
    assert writes(region) == []


def test_a_foreign_alarm_on_the_topic_is_followed_and_rewritten(region: Region) -> None:
    region.client("cloudwatch").put_metric_alarm(
        AlarmName=FOREIGN,
        Namespace="AWS/DynamoDB",
        MetricName="ConsumedReadCapacityUnits",
        Dimensions=[{"Name": "TableName", "Value": "orders"}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=20000.0,
        AlarmActions=[TOPIC],
    )
    pass_minutes(region, 6, {READS: 95.0})
    in_alarm(region, FOREIGN)
    invoke(region, "follow_up")
    assert thresholds(region)[FOREIGN] == 150 * 300 * 0.8


def test_an_alarm_of_a_table_without_a_rule_is_passed_over_without_a_further_call(
    region: Region,
) -> None:
    region.create_table("customers")
    region.client("cloudwatch").put_metric_alarm(
        AlarmName="customers-high",
        Namespace="AWS/DynamoDB",
        MetricName="ConsumedReadCapacityUnits",
        Dimensions=[{"Name": "TableName", "Value": "customers"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1.0,
        AlarmActions=[TOPIC],
    )
    in_alarm(region, "customers-high")
    region.calls.clear()
    invoke(region, "follow_up")
    assert operations(region) == ["DescribeAlarms"]


def test_a_table_that_is_gone_or_on_demand_does_not_stop_the_others(region: Region) -> None:
    region.create_table("orders-old")
    region.create_table("orders-new")
    invoke(region, "sweep")
    region.client("dynamodb").delete_table(TableName="orders-old")
    region.client("dynamodb").update_table(TableName="orders-new", BillingMode="PAY_PER_REQUEST")
    pass_minutes(region, 5, {READS: 95.0})
    in_alarm(region, "headroom-orders:read", "headroom-orders-old:read", "headroom-orders-new:read")
    invocation = invoke(region, "follow_up")
    assert sorted(skips(invocation)) == [
        ("orders-new", "OnDemand"),
        ("orders-old", "TableGone"),
    ]
    assert (units(region)["orders:read"], invocation.error) == (150, None)


def test_nothing_happens_twice_when_the_message_has_already_been_answered(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    in_alarm(region, "headroom-orders:read")
    send(region, alarm_message(region))
    invoke(region, "follow_up")
    wait(region, minutes=1)
    pass_minutes(region, 1, {READS: 95.0})
    invoke(region, "follow_up")
    assert len(requests(region, "UpdateTable")) == 1


# as time goes by


#: They end within the alarm's 80 percent: each leaves the alarm in ALARM, so that CloudWatch calls
#: only once.
SMALL_STEPS = {"increase_percent": 2}
HOT = [60.0] * 10 + [95.0] * 80


@pytest.mark.scene(orders, rules(**SMALL_STEPS))
def test_a_load_that_small_steps_do_not_meet_is_raised_for_again_and_again_until_it_fits(
    region: Region,
) -> None:
    region.serve(READS, HOT)
    invocations = record_invocations(region)
    region.run(60)
    raised = [i.function for i in invocations if "SetCapacity" in actions(i)]
    assert (raised[0], set(raised[1:]), len(raised)) == ("on_alarm", {"follow_up"}, 7)
    assert units(region)["orders:read"] * 0.8 >= 95
    assert stuck_alarms(region) == []
    assert region.cloudwatch.alarms["headroom-orders:read"].state.value == "OK"


@pytest.mark.scene(orders, rules(**SMALL_STEPS))
def test_between_two_raises_lies_only_what_evidence_needs(region: Region) -> None:
    """The first whole minute after a raise closes a minute later, and can be read one minute after
    that."""
    region.serve(READS, HOT)
    region.run(60)
    at = [call.at.minute for call in region.calls if call.operation == "UpdateTable"]
    assert [later - sooner for sooner, later in pairwise(at)] == [2] * 6


def test_a_jump_twentyfold_is_met_by_one_step_from_the_demand(region: Region) -> None:
    region.serve(READS, [60.0] * 10 + [1200.0] * 80)
    region.run(60)
    assert (len(requests(region, "UpdateTable")), units(region)["orders:read"]) == (1, 1800)
    assert stuck_alarms(region) == []


def test_a_lost_message_costs_a_minute_at_the_most() -> None:
    load = [10.0] * 5 + [95.0] * 30
    with orders() as reported:
        reported.serve(READS, load)
        on_time = minutes_until_raised(reported)
    with orders() as deaf:
        deaf.serve(READS, load)
        lose_messages(deaf)
        invocations = record_invocations(deaf)
        late = minutes_until_raised(deaf)
    assert on_time <= late <= on_time + 1
    assert [i for i in invocations if i.function == "on_alarm"] == []


@pytest.mark.scene(orders, rules(strategy="adaptive"))
def test_units_before_a_change_are_read_until_they_are_known(region: Region) -> None:
    def reads_units() -> bool:
        region.calls.clear()
        woken(region, "on_alarm")
        return "ProvisionedReadCapacityUnits" in str(requests(region, "GetMetricData"))

    region.serve(READS, [60.0] * 90)
    region.run(70)
    set_units(region, "orders", 111, 100)
    assert reads_units()
    region.run(12)
    reads_units()
    assert not reads_units()


@pytest.mark.scene(orders, rules(strategy="adaptive"))
def test_throttled_requests_are_read_again_only_where_some_may_have_come(region: Region) -> None:
    def read() -> set[str]:
        region.calls.clear()
        invoke(region, "follow_up")
        return {
            query["MetricStat"]["Metric"]["MetricName"]
            for request in requests(region, "GetMetricData")
            for query in request["MetricDataQueries"]
        }

    consumed = {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"}
    throttled = {"ReadThrottleEvents", "WriteThrottleEvents"}
    pass_minutes(region, 190, {READS: 90.0})
    in_alarm(region, "headroom-orders:read")
    assert read() == consumed | throttled
    pass_minutes(region, 1, {READS: 90.0})
    assert read() == consumed
    pass_minutes(region, 3, {READS: 1_000.0})
    in_alarm(region, "headroom-orders:read")
    region.faults.append(Fault("GetMetricData", "InternalServiceFault", 9, matches=of_throttling))
    assert read() == consumed | throttled
    assert units(region)["orders:read"] > 100  # the increase is made all the same


def of_throttling(request: dict[str, Any]) -> bool:
    return "ConsumedReadCapacityUnits" not in str(request)


def test_no_state_of_an_alarm_is_ever_set_by_hand(region: Region) -> None:
    region.serve(READS, [60.0] * 10 + [1200.0] * 20 + [5.0] * 100)
    region.run(130)
    assert "UpdateTable" in operations(region)
    assert "SetAlarmState" not in operations(region)


@pytest.mark.scene(orders, rules(max_units=100))
def test_at_the_maximum_it_looks_every_minute_and_changes_nothing(region: Region) -> None:
    region.serve(READS, [200.0] * 20)
    invocations = record_invocations(region)
    region.run(20)
    looked = [
        reasons(i)["orders:read"] for i in invocations if i.function == "follow_up" and reasons(i)
    ]
    assert (set(looked), len(looked)) == ({"AlreadyAtMaxCapacity"}, 18)
    assert "UpdateTable" not in operations(region)
