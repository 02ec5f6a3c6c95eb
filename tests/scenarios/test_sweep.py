"""sweep, in the embedded region: what no event tells of is put right, and what is right is left
alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import handlers
from chalicelib.alarm_upkeep import make_alarms
from chalicelib.core.table_alarms import new_fields
from chalicelib.model import CreateAlarm, Dimension, Target
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import FOREIGN, INDEX_READS, READS, TOPIC, WRITES, policy
from tests.support.on_alarm import put
from tests.support.scenes import (
    TARGETS,
    Countdown,
    actions,
    alarm_message,
    autoscale,
    decisions,
    failures,
    invoke,
    log_lines,
    new_run,
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
    use_free_decreases,
    wait,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

OURS = [
    "headroom-orders/by-date:read",
    "headroom-orders/by-date:write",
    "headroom-orders:read",
    "headroom-orders:write",
]
BUSY = {READS: 70.0, WRITES: 70.0, INDEX_READS: 14.0, TARGETS[3]: 14.0}


@pytest.fixture
def bare() -> Iterator[Region]:
    """A table and the app, which has not run yet."""
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.deploy(rules())
        region.calls.clear()
        yield region


def put_foreign(region: Region, name: str = FOREIGN, table: str = "orders", **fields: Any) -> None:
    put(region, name, Dimensions=[{"Name": "TableName", "Value": table}], **fields)


# alarms: made


def test_it_makes_two_alarms_for_the_table_and_two_for_the_index(bare: Region) -> None:
    invocation = invoke(bare, "sweep")
    assert (sorted(bare.cloudwatch.alarms), actions(invocation)) == (OURS, ["CreateAlarm"] * 4)
    assert writes(bare) == ["PutMetricAlarm"] * 4


def test_missing_alarms_are_made_before_the_metrics_are_read_within_their_share_of_the_time(
    bare: Region,
) -> None:
    for number in range(4):
        bare.create_table(f"orders-{number}", 100, 100)
    bare.calls.clear()
    handlers.sweep(new_run(bare, time=Countdown(10.0)))
    calls = [name for name in operations(bare) if name in {"PutMetricAlarm", "GetMetricData"}]
    first = calls.index("GetMetricData")
    # a tenth of ten seconds, at three a second; the others after the metrics
    assert (first, calls.count("PutMetricAlarm"), calls[-1]) == (4, 12, "PutMetricAlarm")


def test_a_run_with_time_for_few_alarms_looks_for_no_others(bare: Region) -> None:
    targets = [Target(f"orders-{n:03}", "", Dimension.READ) for n in range(250)]
    run = new_run(bare, time=Countdown(3.0))
    made = make_alarms(run, [CreateAlarm(t, new_fields(t, 100, policy(), TOPIC)) for t in targets])
    assert (len(made), len(requests(bare, "DescribeAlarms"))) == (10, 1)
    assert [skip.detail for skip in run.report.skips] == [
        "240 more are made by later sweeps, three a second"
    ]


def test_an_adopted_alarm_gets_no_paid_twin_and_scales_the_table(bare: Region) -> None:
    put_foreign(bare, Period=60, Threshold=4800.0)
    invoke(bare, "sweep")
    assert sorted(bare.cloudwatch.alarms) == sorted({*OURS, FOREIGN} - {"headroom-orders:read"})
    pass_minutes(bare, 65, {**BUSY, READS: 95.0})
    send(bare, alarm_message(bare, name=FOREIGN))
    assert (units(bare)["orders:read"], thresholds(bare)[FOREIGN]) == (150, 7200.0)
    bare.client("cloudwatch").delete_alarms(AlarmNames=[FOREIGN])
    invoke(bare, "sweep")
    assert sorted(bare.cloudwatch.alarms) == OURS


def test_a_new_alarm_is_whole_tagged_and_on_the_topic(bare: Region) -> None:
    invoke(bare, "sweep")
    alarm = bare.cloudwatch.alarms["headroom-orders/by-date:read"]
    topic = "arn:aws:sns:us-east-1:123456789012:headroom-alarms"
    assert alarm.tags == [
        {"Key": "managed-by", "Value": "headroom"},
        {"Key": "headroom-topic", "Value": topic},
    ]
    assert alarm.fields == {
        "AlarmName": "headroom-orders/by-date:read",
        "AlarmDescription": "Headroom raises orders/by-date:read when this fires, and then "
        "rewrites the threshold.",
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedReadCapacityUnits",
        "Dimensions": [
            {"Name": "TableName", "Value": "orders"},
            {"Name": "GlobalSecondaryIndexName", "Value": "by-date"},
        ],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 960.0,
        "ActionsEnabled": True,
        "AlarmActions": [TOPIC],
    }


@pytest.mark.scene(
    orders, rules(alarm_percent=70, alarm_period_seconds=300, alarm_evaluation_periods=2)
)
def test_a_new_alarm_follows_the_configuration(region: Region) -> None:
    fields = region.cloudwatch.alarms["headroom-orders:read"].fields
    assert (fields["Threshold"], fields["Period"], fields["EvaluationPeriods"]) == (
        100 * 300 * 0.7,
        300,
        2,
    )


def test_the_alarms_that_it_made_really_fire(bare: Region) -> None:
    bare.serve(READS, [10.0] * 5 + [95.0] * 10)
    bare.run(10)
    assert ("headroom-orders:read", "ALARM") in [
        (name, state) for _, name, state in bare.cloudwatch.history
    ]
    assert units(bare)["orders:read"] == 150


def test_a_second_sweep_writes_nothing(region: Region) -> None:
    pass_minutes(region, 65, BUSY)
    assert actions(invoke(region, "sweep")) == []
    assert writes(region) == []


def test_an_index_that_is_added_later_gets_its_alarms(region: Region) -> None:
    new = {
        "IndexName": "by-city",
        "KeySchema": [{"AttributeName": "key-by-date", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 7},
    }
    definitions = [{"AttributeName": "key-by-date", "AttributeType": "S"}]
    region.client("dynamodb").update_table(
        TableName="orders",
        AttributeDefinitions=definitions,
        GlobalSecondaryIndexUpdates=[{"Create": new}],
    )
    invoke(region, "sweep")
    added = {"headroom-orders/by-city:read": 336.0, "headroom-orders/by-city:write": 336.0}
    assert {name: value for name, value in thresholds(region).items() if "by-city" in name} == added


def test_one_alarm_that_cannot_be_made_does_not_stop_the_others(bare: Region) -> None:
    bare.faults.append(
        Fault(
            "PutMetricAlarm",
            "LimitExceeded",
            matches=lambda p: p["AlarmName"] == "headroom-orders:read",
        )
    )
    invocation = invoke(bare, "sweep")
    assert sorted(bare.cloudwatch.alarms) == [
        name for name in OURS if name != "headroom-orders:read"
    ]
    assert failures(invocation) == [
        "orders:read: PutMetricAlarm failed: An error occurred (LimitExceeded) when calling "
        "the PutMetricAlarm operation: "
        "LimitExceeded (injected)"
    ]
    invoke(bare, "sweep")
    assert sorted(bare.cloudwatch.alarms) == OURS


def test_somebody_elses_alarm_of_our_name_is_kept_and_reported_once(bare: Region) -> None:
    fields = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedReadCapacityUnits",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:pager"],
    }
    bare.client("cloudwatch").put_metric_alarm(AlarmName="headroom-orders:read", **fields)
    invocation = invoke(bare, "sweep")
    assert skips(invocation) == [("headroom-orders:read", "UnsupportedAlarm")]
    assert bare.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] == 1.0


@pytest.mark.scene(orders, rules(scale_up=False))
def test_where_scaling_up_is_off_there_is_no_alarm_to_make(region: Region) -> None:
    assert region.cloudwatch.alarms == {}


# alarms: removed


def test_the_alarms_of_a_deleted_table_are_removed(region: Region) -> None:
    region.client("dynamodb").delete_table(TableName="orders")
    region.calls.clear()
    invocation = invoke(region, "sweep")
    assert region.cloudwatch.alarms == {}
    assert requests(region, "DeleteAlarms") == [{"AlarmNames": OURS}]
    assert actions(invocation) == ["DeleteAlarms"]


def test_the_alarms_of_a_dropped_index_are_removed_and_no_others(region: Region) -> None:
    region.client("dynamodb").update_table(
        TableName="orders", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-date"}}]
    )
    invoke(region, "sweep")
    assert sorted(region.cloudwatch.alarms) == ["headroom-orders:read", "headroom-orders:write"]


def test_the_alarms_of_a_table_that_went_on_demand_are_removed(region: Region) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    invocation = invoke(region, "sweep")
    assert (region.cloudwatch.alarms, skips(invocation)) == ({}, [("orders", "OnDemand")])


@pytest.mark.parametrize(
    "config",
    [rules("customers"), rules(scale_up=False)],
    ids=["no rule", "scaling up switched off"],
)
def test_the_alarms_of_a_table_that_is_no_longer_raised_are_removed(
    region: Region, config: str
) -> None:
    handlers.sweep(new_run(region, config))
    assert region.cloudwatch.alarms == {}


def test_a_foreign_alarm_is_never_deleted(region: Region) -> None:
    put_foreign(region)
    region.client("dynamodb").delete_table(TableName="orders")
    invoke(region, "sweep")
    assert sorted(region.cloudwatch.alarms) == [FOREIGN]


def test_an_alarm_that_is_only_named_like_headrooms_is_never_deleted(region: Region) -> None:
    region.create_table("customers")
    put_foreign(region, "headroom-customers", "customers")
    invoke(region, "sweep")
    assert "headroom-customers" in region.cloudwatch.alarms
    assert "DeleteAlarms" not in operations(region)


def test_an_alarm_of_headrooms_on_another_topic_is_never_deleted(region: Region) -> None:
    region.cloudwatch.alarms["headroom-orders:read"].fields["AlarmActions"] = [f"{TOPIC}-staging"]
    region.client("dynamodb").delete_table(TableName="orders")
    invoke(region, "sweep")
    assert sorted(region.cloudwatch.alarms) == ["headroom-orders:read"]


def test_a_table_that_could_not_be_described_keeps_its_alarms(region: Region) -> None:
    region.faults.append(Fault("DescribeTable", "InternalServerError"))
    invocation = invoke(region, "sweep")
    assert sorted(region.cloudwatch.alarms) == OURS
    assert failures(invocation)[0].startswith(
        "orders: DescribeTable failed: An error occurred (InternalServerError)"
    )


def test_what_was_deleted_comes_back_with_the_table(region: Region) -> None:
    region.client("dynamodb").delete_table(TableName="orders")
    invoke(region, "sweep")
    region.create_table("orders", 10, 10)
    invoke(region, "sweep")
    assert thresholds(region) == {"headroom-orders:read": 480.0, "headroom-orders:write": 480.0}


# alarms: mended


def test_a_threshold_that_drifted_after_a_change_by_hand_is_mended(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: 140.0})
    set_units(region, "orders", 200, 100)
    region.calls.clear()
    invoke(region, "sweep")
    assert thresholds(region)["headroom-orders:read"] == 9600.0
    assert writes(region) == ["PutMetricAlarm"]


def test_a_threshold_that_somebody_put_out_of_reach_is_brought_back(region: Region) -> None:
    region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] = 1e9
    pass_minutes(region, 65, BUSY)
    invoke(region, "sweep")
    assert thresholds(region)["headroom-orders:read"] == 4800.0


def test_an_alarm_of_headrooms_takes_over_a_changed_period_whole(region: Region) -> None:
    pass_minutes(region, 65, BUSY)
    handlers.sweep(new_run(region, rules(alarm_period_seconds=300)))
    fields = region.cloudwatch.alarms["headroom-orders:read"].fields
    assert (fields["Period"], fields["Threshold"]) == (300, 24000.0)


def test_a_foreign_alarm_on_the_topic_is_mended_with_its_own_period(region: Region) -> None:
    put_foreign(region, EvaluateLowSampleCountPercentile="ignore")
    region.cloudwatch.alarms[FOREIGN].fields["Threshold"] = 7.0
    pass_minutes(region, 65, BUSY)
    invoke(region, "sweep")
    fields = region.cloudwatch.alarms[FOREIGN].fields
    assert (fields["Threshold"], fields["Period"]) == (24000.0, 300)
    assert fields["EvaluateLowSampleCountPercentile"] == "ignore"


def test_an_alarm_is_not_mended_by_units_that_are_about_to_change(region: Region) -> None:
    throughput = {"ReadCapacityUnits": 200, "WriteCapacityUnits": 100}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=throughput)
    region.calls.clear()
    invoke(region, "sweep")
    assert writes(region) == []
    wait(region, minutes=1)
    invoke(region, "sweep")
    assert thresholds(region)["headroom-orders:read"] == 9600.0


def test_an_alarm_that_was_raised_with_its_table_is_not_lowered_again_while_the_table_updates(
    region: Region,
) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    send(region, alarm_message(region))
    region.calls.clear()
    invoke(region, "sweep")  # DescribeTable still shows the old units
    assert (thresholds(region)["headroom-orders:read"], writes(region)) == (7200.0, [])


# capacity


def test_what_is_below_its_minimum_is_raised_to_it(region: Region) -> None:
    pass_minutes(region, 65, BUSY)
    report = handlers.sweep(new_run(region, rules(min_units=30)))
    assert units(region) == {
        "orders:read": 100,
        "orders:write": 100,
        "orders/by-date:read": 30,
        "orders/by-date:write": 30,
    }
    assert thresholds(region)["headroom-orders/by-date:read"] == 1440.0
    assert {str(d.target): d.reason for d in report.decisions}[
        "orders/by-date:read"
    ] == "BelowMinimum"


def test_a_table_that_is_hot_without_any_alarm_is_raised_and_given_one(bare: Region) -> None:
    pass_minutes(bare, 5, {READS: 95.0})
    invoke(bare, "sweep")
    assert (units(bare)["orders:read"], thresholds(bare)["headroom-orders:read"]) == (150, 7200.0)


def test_it_finishes_a_decrease_that_the_hourly_run_left(region: Region) -> None:
    pass_minutes(region, 65, {INDEX_READS: 14.0, TARGETS[3]: 14.0})
    use_free_decreases(region)
    assert reasons(invoke(region, "scale_down"))["orders:read"] == "DecreaseBudgetUsedUp"
    pass_minutes(region, 60, {INDEX_READS: 14.0, TARGETS[3]: 14.0})
    region.calls.clear()
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (1, 1)
    assert writes(region) == ["PutMetricAlarm", "PutMetricAlarm", "UpdateTable"]


def test_an_increase_comes_first_and_shares_no_call_with_a_decrease(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: 97.0, WRITES: 1.0})
    decided = decisions(invoke(region, "sweep"))
    assert (decided[READS]["desired"], decided[READS]["reason"]) == (150, "UtilizationHigh")
    assert (decided[WRITES]["desired"], decided[WRITES]["reason"]) == (100, "IncreaseFirst")
    pass_minutes(region, 20, {**BUSY, READS: 97.0, WRITES: 1.0})
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (150, 2)
    assert len(requests(region, "UpdateTable")) == 2


def test_a_table_too_small_to_save_anything_costs_no_metrics() -> None:
    with Region() as region:
        region.create_table("orders", 1, 1)
        region.deploy(rules())
        invoke(region, "sweep")
        assert "GetMetricData" not in operations(region)
        assert sorted(region.cloudwatch.alarms) == ["headroom-orders:read", "headroom-orders:write"]


# modes and neighbours


def test_a_dry_run_decides_and_logs_and_writes_nothing() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.deploy(rules(dry_run=True))
        pass_minutes(region, 65, {READS: 95.0})
        decided = decisions(invoke(region, "sweep"))
        assert {
            str(target): (line["desired"], line["dry_run"]) for target, line in decided.items()
        }["orders:read"] == (150, True)
        assert (len(decided), writes(region)) == (4, [])


def test_a_dry_run_of_the_shell_plans_everything_and_does_nothing(bare: Region) -> None:
    pass_minutes(bare, 65, {READS: 95.0})
    report = handlers.sweep(new_run(bare, dry_run=True))
    assert [type(action).__name__ for action in report.planned] == [
        *["CreateAlarm"] * 4,
        "SetCapacity",
        "RewriteAlarm",
    ]
    assert (report.done, writes(bare)) == ([], [])


def test_a_table_under_application_auto_scaling_gets_no_alarm_and_a_warning(bare: Region) -> None:
    autoscale(bare)
    pass_minutes(bare, 65)
    invocation = invoke(bare, "sweep")
    assert [
        (line["level"], line["subject"], line["reason"]) for line in log_lines(invocation, "skip")
    ] == [("WARNING", "orders", "ManagedByApplicationAutoScaling")]
    assert writes(bare) == []


def test_an_account_without_tables_is_no_trouble() -> None:
    with Region() as region:
        region.deploy(rules())
        outcomes = [invoke(region, function) for function in ("sweep", "scale_down", "follow_up")]
        assert [outcome.error for outcome in outcomes] == [None, None, None]
        assert set(operations(region)) == {
            "GetCallerIdentity",
            "ListTables",
            "DescribeAlarms",
        }


# what costs metric reads


@pytest.mark.scene(orders, rules(strategy="adaptive"))
def test_no_metrics_are_read_where_nothing_may_be_lowered_and_no_alarm_calls(
    region: Region,
) -> None:
    pass_minutes(region, 17, BUSY)
    set_units(region, "orders", 101, 101)
    set_index_units(region, 21, 21)
    for name in OURS:
        region.cloudwatch.alarms[name].state.value = "OK"
    region.calls.clear()
    assert reasons(invoke(region, "sweep"))["orders:write"] == "RaisedRecently"
    assert "GetMetricData" not in operations(region)
    region.cloudwatch.alarms["headroom-orders:read"].state.value = "ALARM"
    invoke(region, "sweep")
    assert "GetMetricData" in operations(region)
