"""The embedded region's own rules, above all where moto differs from AWS."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from headroom.region.cloudwatch import key
from headroom.region.context import Fault, Invocation
from headroom.region.events import rate_minutes
from headroom.region.region import Region
from headroom.simulation.clock import START
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_READS, READS, TOPIC, WRITES
from tests.support.scenes import (
    invoke,
    operations,
    record_invocations,
    rules,
    set_index_units,
    set_units,
    use_free_decreases,
    wait,
)

CONSUMED = "ConsumedReadCapacityUnits"
TABLE = [{"Name": "TableName", "Value": "orders"}]
INDEX = [*TABLE, {"Name": "GlobalSecondaryIndexName", "Value": "by-date"}]


@pytest.fixture
def region() -> Iterator[Region]:
    """A region with a table and an index, and no app."""
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.client("sns").create_topic(Name="headroom-alarms")
        yield region


def update(region: Region, read: int, write: int, index: tuple[int, int] | None = None) -> Any:
    """Call UpdateTable for the table, and for the index in the same call."""
    parts: dict[str, Any] = {
        "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    }
    if index:
        throughput = {"ReadCapacityUnits": index[0], "WriteCapacityUnits": index[1]}
        parts["GlobalSecondaryIndexUpdates"] = [
            {"Update": {"IndexName": "by-date", "ProvisionedThroughput": throughput}}
        ]
    return region.client("dynamodb").update_table(TableName="orders", **parts)


def refusal(
    region: Region, read: int, write: int, index: tuple[int, int] | None = None
) -> tuple[str, str]:
    """Return code and message of the error that UpdateTable answers."""
    with pytest.raises(ClientError) as caught:
        update(region, read, write, index)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def described(region: Region) -> dict[str, Any]:
    return dict(region.client("dynamodb").describe_table(TableName="orders")["Table"])


# UpdateTable


def test_an_update_holds_only_when_the_table_is_active_again(region: Region) -> None:
    update(region, 150, 100)
    said = described(region)
    assert (said["TableStatus"], said["ProvisionedThroughput"]["ReadCapacityUnits"]) == (
        "UPDATING",
        100,
    )
    wait(region, minutes=1)
    said = described(region)
    assert (said["TableStatus"], said["ProvisionedThroughput"]["ReadCapacityUnits"]) == (
        "ACTIVE",
        150,
    )


def test_an_index_that_is_updated_makes_its_table_updating(region: Region) -> None:
    update = {
        "Update": {
            "IndexName": "by-date",
            "ProvisionedThroughput": {"ReadCapacityUnits": 30, "WriteCapacityUnits": 20},
        }
    }
    region.client("dynamodb").update_table(TableName="orders", GlobalSecondaryIndexUpdates=[update])
    said = described(region)
    assert (said["TableStatus"], said["GlobalSecondaryIndexes"][0]["IndexStatus"]) == (
        "UPDATING",
        "UPDATING",
    )
    wait(region, minutes=1)
    said = described(region)
    assert (said["TableStatus"], said["GlobalSecondaryIndexes"][0]["IndexStatus"]) == (
        "ACTIVE",
        "ACTIVE",
    )
    assert said["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 30


def test_a_second_update_meanwhile_is_refused(region: Region) -> None:
    update(region, 150, 100)
    code, message = refusal(region, 160, 100)
    assert code == "ResourceInUseException"
    assert (
        message
        == "Attempt to change a resource which is still in use: Table is being updated: orders"
    )


def test_an_update_that_changes_nothing_is_refused(region: Region) -> None:
    code, message = refusal(region, 100, 100)
    assert code == "ValidationException"
    assert message.startswith("The provisioned throughput for the table will not change.")


def test_an_unknown_index_is_an_error_of_aws_and_not_of_python(region: Region) -> None:
    update = {
        "Update": {
            "IndexName": "by-city",
            "ProvisionedThroughput": {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9},
        }
    }
    with pytest.raises(ClientError, match="does not have the specified index: by-city"):
        region.client("dynamodb").update_table(
            TableName="orders", GlobalSecondaryIndexUpdates=[update]
        )


def test_an_unknown_table_is_not_found(region: Region) -> None:
    dynamodb = region.client("dynamodb")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="customers")


def test_a_table_on_demand_shows_no_units_and_takes_none(region: Region) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    said = described(region)
    assert said["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    throughput = said["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (0, 0)
    assert refusal(region, 10, 10)[0] == "ValidationException"


def test_a_table_that_comes_back_from_on_demand_has_the_units_that_were_asked_for(
    region: Region,
) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    units = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 40}
    region.client("dynamodb").update_table(
        TableName="orders",
        BillingMode="PROVISIONED",
        ProvisionedThroughput=units,
        GlobalSecondaryIndexUpdates=[
            {"Update": {"IndexName": "by-date", "ProvisionedThroughput": units}}
        ],
    )
    assert (region.units(READS), region.units(WRITES), region.units(INDEX_READS)) == (50, 40, 50)
    assert described(region)["ProvisionedThroughput"]["ReadCapacityUnits"] == 50


# history and quota


def test_a_fresh_table_has_neither_of_the_two_times(region: Region) -> None:
    assert described(region)["ProvisionedThroughput"] == {
        "NumberOfDecreasesToday": 0,
        "ReadCapacityUnits": 100,
        "WriteCapacityUnits": 100,
    }


def test_an_increase_and_a_decrease_leave_their_times(region: Region) -> None:
    set_units(region, "orders", 110, 100)
    wait(region, minutes=5)
    set_units(region, "orders", 90, 90)
    throughput = described(region)["ProvisionedThroughput"]
    assert throughput["LastIncreaseDateTime"] == START
    assert throughput["LastDecreaseDateTime"] == START + timedelta(minutes=5)
    assert throughput["NumberOfDecreasesToday"] == 1  # reads and writes in one call are one


def test_more_writes_and_fewer_reads_in_one_call_are_a_decrease(region: Region) -> None:
    set_units(region, "orders", 99, 200)
    assert described(region)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    for read in (98, 97, 96):
        set_units(region, "orders", read, 200)
    assert refusal(region, 95, 300)[0] == "LimitExceededException"
    assert (region.units(READS), region.units(WRITES)) == (96, 200)


def test_the_fifth_decrease_is_refused_and_an_increase_never(region: Region) -> None:
    use_free_decreases(region)
    assert refusal(region, 99, 100)[0] == "LimitExceededException"
    set_units(region, "orders", 101, 101)
    assert region.units(READS) == 101


def test_the_refusal_is_worded_as_aws_words_it() -> None:
    with Region(datetime(2022, 10, 10, 13, 30, tzinfo=UTC)) as region:
        region.create_table("orders", 100, 100)
        provision = region.tables["orders"].provisions[""]
        provision.decreases, provision.last_decrease_at = (
            8,
            datetime(2022, 10, 10, 13, 0, 19, tzinfo=UTC),
        )
        assert refusal(region, 99, 100) == (
            "LimitExceededException",
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 "
            "decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. Number of "
            "decreases today: 8. Last decrease at Monday, October 10, 2022 at 1:00:19 PM Coordinated Universal Time. Next "
            "decrease can be made at Monday, October 10, 2022 at 2:00:19 PM Coordinated Universal Time",
        )


def test_the_next_decrease_is_taken_3600_seconds_after_the_last_that_was_and_tries_move_nothing(
    region: Region,
) -> None:
    use_free_decreases(region)
    wait(region, seconds=3599)
    assert refusal(region, 99, 100)[0] == "LimitExceededException"
    wait(region, seconds=1)
    set_units(region, "orders", 99, 100)
    assert described(region)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 5


def test_the_counter_begins_anew_at_midnight_and_the_time_of_the_last_stays() -> None:
    late = START + timedelta(hours=23, minutes=59, seconds=59)
    with Region(late) as region:
        region.create_table("orders", 100, 100)
        use_free_decreases(region)
        assert refusal(region, 99, 100)[0] == "LimitExceededException"
        wait(region, seconds=1)
        throughput = described(region)["ProvisionedThroughput"]
        assert (throughput["NumberOfDecreasesToday"], throughput["LastDecreaseDateTime"]) == (
            0,
            late,
        )
        set_units(region, "orders", 99, 100)
        assert described(region)["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1


def test_table_and_index_are_counted_apart_and_refused_together(region: Region) -> None:
    use_free_decreases(region)
    assert refusal(region, 99, 100, (10, 10))[0] == "LimitExceededException"
    assert region.units(INDEX_READS) == 20
    set_index_units(region, 10, 10)
    said = described(region)
    assert said["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 1
    assert said["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 4


# serving and metrics


def points(
    region: Region, named: Sequence[Mapping[str, str]], period: int = 60, **extra: Any
) -> list[float]:
    """Return the Sums of consumed reads, newest first, as GetMetricData gives them."""
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": CONSUMED, "Dimensions": list(named)}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}
    said = region.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=region.start, EndTime=region.now, **extra
    )
    return list(said["MetricDataResults"][0]["Values"])


def test_an_idle_table_publishes_zeros(region: Region) -> None:
    region.run(4)
    assert points(region, TABLE) == [0.0, 0.0, 0.0]


def test_a_minute_can_be_read_only_after_the_delay() -> None:
    with Region(conditions=Conditions(metric_delay_minutes=3)) as region:
        region.create_table("orders", 100, 100)
        region.serve(READS, [1.0, 2.0, 3.0, 4.0, 5.0])
        region.run(5)
        assert points(region, TABLE) == [120.0, 60.0]


def test_an_index_does_not_leak_into_its_table(region: Region) -> None:
    region.serve(READS, [1.0] * 5)
    region.serve(INDEX_READS, [15.0] * 5)
    region.run(3)
    assert points(region, TABLE) == [60.0, 60.0]
    assert points(region, INDEX) == [900.0, 900.0]


def test_the_order_of_the_dimensions_does_not_matter(region: Region) -> None:
    region.serve(INDEX_READS, [5.0] * 5)
    region.run(3)
    assert points(region, INDEX[::-1]) == points(region, INDEX) == [300.0, 300.0]


def test_longer_periods_are_sums_and_can_be_read_in_either_order(region: Region) -> None:
    region.serve(READS, [1.0] * 5 + [2.0] * 5)
    region.run(11)
    assert points(region, TABLE, 300) == [600.0, 300.0]
    assert points(region, TABLE, 300, ScanBy="TimestampAscending") == [300.0, 600.0]


def test_a_gap_is_no_datapoint_and_not_a_zero(region: Region) -> None:
    region.run(4)
    del region.cloudwatch.sums[key("AWS/DynamoDB", CONSUMED, {"TableName": "orders"})][1]
    assert len(points(region, TABLE)) == 2


def test_more_than_500_metrics_in_one_call_are_refused(region: Region) -> None:
    metric = {
        "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": CONSUMED},
        "Period": 60,
        "Stat": "Sum",
    }
    queries = [{"Id": f"m{number}", "MetricStat": metric} for number in range(501)]
    with pytest.raises(ClientError, match="must not have a size greater than 500"):
        region.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=region.start, EndTime=region.now
        )


def test_the_burst_bucket_carries_five_minutes_of_what_was_unused(region: Region) -> None:
    region.serve(READS, [0.0] * 10 + [200.0] * 10)
    region.run(20)
    throttled = [
        region.cloudwatch.sums[
            ("AWS/DynamoDB", "ReadThrottleEvents", frozenset({("TableName", "orders")}))
        ]
    ]
    assert throttled[0] == dict.fromkeys(
        range(15, 20), 6000.0
    )  # 100 x 300 unit-seconds carried 5 minutes of 100 more
    assert points(region, TABLE)[:2] == [6000.0, 6000.0]


# alarms


def put(region: Region, name: str = "high", **fields: Any) -> None:
    plain = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": CONSUMED,
        "Dimensions": TABLE,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 4800.0,
    }
    region.client("cloudwatch").put_metric_alarm(AlarmName=name, **plain | fields)


def state(region: Region, name: str = "high") -> str:
    said = region.client("cloudwatch").describe_alarms(AlarmNames=[name])
    return str(said["MetricAlarms"][0]["StateValue"])


def names(region: Region, **filters: Any) -> list[str]:
    return [
        alarm["AlarmName"]
        for alarm in region.client("cloudwatch").describe_alarms(**filters)["MetricAlarms"]
    ]


def test_a_new_alarm_knows_nothing_and_is_then_judged(region: Region) -> None:
    put(region)
    assert state(region) == "INSUFFICIENT_DATA"
    region.run(3)
    assert state(region) == "OK"


def test_an_alarm_that_is_put_again_keeps_its_state_and_its_tags_and_nothing_else(
    region: Region,
) -> None:
    put(region, AlarmDescription="first", Tags=[{"Key": "owner", "Value": "ops"}])
    region.serve(READS, [90.0] * 5)
    region.run(3)
    assert state(region) == "ALARM"
    put(region, Threshold=6000.0, Tags=[{"Key": "owner", "Value": "another"}])
    stored = region.cloudwatch.alarms["high"]
    assert state(region) == "ALARM"
    assert stored.tags == [{"Key": "owner", "Value": "ops"}]
    assert "AlarmDescription" not in stored.fields
    region.run(1)
    assert state(region) == "OK"


def test_missing_data_keeps_the_state(region: Region) -> None:
    put(region, TreatMissingData="breaching")
    region.serve(READS, [90.0] * 3)
    region.run(4)
    assert state(region) == "ALARM"
    region.on_minute.append(lambda now: now.cloudwatch.sums.clear())
    region.run(10)
    assert state(region) == "ALARM"


def test_an_alarm_finds_its_metric_whatever_the_order_of_the_dimensions(region: Region) -> None:
    put(region, Dimensions=INDEX[::-1], Threshold=300.0)
    region.serve(INDEX_READS, [5.0] * 5)
    region.run(3)
    assert state(region) == "ALARM"


def test_an_alarm_on_the_table_does_not_see_its_index(region: Region) -> None:
    put(region, Threshold=300.0)
    region.serve(INDEX_READS, [20.0] * 5)
    region.run(3)
    assert state(region) == "OK"


def test_m_of_n_periods_have_to_be_hot(region: Region) -> None:
    put(region, EvaluationPeriods=3, DatapointsToAlarm=2)
    region.serve(READS, [10.0, 90.0, 10.0, 90.0, 10.0, 10.0, 10.0, 10.0])
    seen = []
    region.on_minute.append(lambda now: seen.append(now.cloudwatch.alarms["high"].state.value))
    region.run(8)
    assert seen == ["INSUFFICIENT_DATA"] * 3 + ["OK", "OK", "ALARM", "OK", "OK"]


def test_describe_alarms_combines_its_filters(region: Region) -> None:
    put(region, "a-on-topic", AlarmActions=[TOPIC])
    put(region, "b-on-topic", AlarmActions=[TOPIC], Threshold=1.0)
    put(
        region, "c-elsewhere", AlarmActions=[f"{TOPIC.replace('headroom', 'other')}"], Threshold=1.0
    )
    put(region, "d-by-ok", OKActions=[TOPIC], Threshold=1.0)
    region.serve(READS, [50.0] * 5)
    region.run(3)
    assert names(region, ActionPrefix=TOPIC) == ["a-on-topic", "b-on-topic", "d-by-ok"]
    assert names(region, ActionPrefix=TOPIC, StateValue="ALARM") == ["b-on-topic", "d-by-ok"]
    assert names(region, ActionPrefix=TOPIC, StateValue="ALARM", AlarmNamePrefix="d") == ["d-by-ok"]


def test_describe_alarms_is_paged(region: Region) -> None:
    for number in range(120):
        put(region, f"alarm-{number:03}")
    said = region.client("cloudwatch").describe_alarms()
    assert len(said["MetricAlarms"]) == 50
    pages = region.client("cloudwatch").get_paginator("describe_alarms").paginate(MaxRecords=100)
    assert [len(page["MetricAlarms"]) for page in pages] == [100, 20]


# delivery


def stranger(region: Region, **environment: str) -> list[Invocation]:
    """Deploy the app without any table to manage; return its invocations from now on."""
    region.deploy(rules("customers"), environment=environment)
    return record_invocations(region)


def subjects(seen: Sequence[Invocation]) -> list[str]:
    """Return the subjects of the messages that on_alarm was called with."""
    return [i.payload["Records"][0]["Sns"]["Subject"] for i in seen if i.function == "on_alarm"]


def test_an_action_is_called_at_each_transition_and_not_while_the_state_stays(
    region: Region,
) -> None:
    seen = stranger(region)
    put(region, AlarmActions=[TOPIC], OKActions=[TOPIC])
    region.serve(READS, [1.0] * 3 + [90.0] * 5 + [1.0] * 5)
    region.run(13)
    assert subjects(seen) == ["OK", "ALARM", "OK"]
    assert [(at.minute, name, to) for at, name, to in region.cloudwatch.history] == [
        (2, "high", "OK"),
        (5, "high", "ALARM"),
        (10, "high", "OK"),
    ]


def test_only_the_actions_of_the_new_state_are_called(region: Region) -> None:
    seen = stranger(region)
    put(region, AlarmActions=[TOPIC], InsufficientDataActions=[TOPIC])
    region.serve(READS, [1.0] * 3 + [90.0] * 5)
    region.run(8)
    assert subjects(seen) == ["ALARM"]


def test_an_alarm_whose_actions_are_switched_off_is_silent(region: Region) -> None:
    seen = stranger(region)
    put(region, AlarmActions=[TOPIC], ActionsEnabled=False)
    region.serve(READS, [90.0] * 5)
    region.run(4)
    assert state(region) == "ALARM"
    assert subjects(seen) == []


def test_an_action_on_a_topic_that_does_not_exist_comes_to_nothing(region: Region) -> None:
    seen = stranger(region)
    put(region, AlarmActions=[f"{TOPIC}-gone", TOPIC])
    region.serve(READS, [90.0] * 5)
    region.run(4)
    assert subjects(seen) == ["ALARM"]


def test_a_state_that_is_set_by_hand_calls_the_actions_and_is_judged_again(region: Region) -> None:
    seen = stranger(region)
    put(region, AlarmActions=[TOPIC], OKActions=[TOPIC])
    region.client("cloudwatch").set_alarm_state(
        AlarmName="high", StateValue="ALARM", StateReason="a test"
    )
    assert subjects(seen) == ["ALARM"]
    region.client("cloudwatch").set_alarm_state(
        AlarmName="high", StateValue="ALARM", StateReason="again"
    )
    assert subjects(seen) == ["ALARM"]
    region.run(3)
    assert subjects(seen) == ["ALARM", "OK"]


def test_a_message_is_worded_as_cloudwatch_words_it(region: Region) -> None:
    put(region, Dimensions=INDEX, AlarmActions=[TOPIC], AlarmDescription="too hot")
    said = region.cloudwatch.message(region.cloudwatch.alarms["high"], "OK")
    assert said["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high"
    assert (said["Region"], said["AWSAccountId"], said["OldStateValue"]) == (
        "US East (N. Virginia)",
        "123456789012",
        "OK",
    )
    trigger = said["Trigger"]
    assert (trigger["Statistic"], trigger["Period"], trigger["Threshold"]) == ("SUM", 60, 4800.0)
    assert trigger["Dimensions"] == [
        {"value": "by-date", "name": "GlobalSecondaryIndexName"},
        {"value": "orders", "name": "TableName"},
    ]


def test_a_failed_event_is_tried_again_after_one_and_after_two_minutes_and_is_then_a_dead_letter(
    region: Region,
) -> None:
    region.deploy(rules())
    put(region, AlarmActions=[TOPIC])
    seen = record_invocations(region)
    region.serve(READS, [90.0] * 20)
    region.faults.append(Fault("DescribeTable", "InternalServerError", times=1000))
    region.run(10)
    tries = [i for i in seen if i.function == "on_alarm"]
    assert [i.at.minute for i in tries] == [2, 3, 5]
    assert all(isinstance(i.error, ExceptionGroup) for i in tries)
    assert [i.payload for i in region.functions.dead_letters if i.function == "on_alarm"] == [
        tries[0].payload
    ]


def test_a_failed_event_that_succeeds_at_the_second_try_is_no_dead_letter(region: Region) -> None:
    region.deploy(rules())
    put(region, AlarmActions=[TOPIC])
    region.serve(READS, [90.0] * 20)
    region.faults.append(Fault("UpdateTable", "InternalServerError"))
    region.run(5)
    assert region.units(READS) == 150
    assert region.functions.dead_letters == []


def test_a_schedule_fires_at_its_rate(region: Region) -> None:
    seen = stranger(region, SCALE_DOWN_SCHEDULE="rate(20 minutes)")
    region.run(41)
    fired = {
        name: [i.at.minute for i in seen if i.function == name]
        for name in ("follow_up", "sweep", "scale_down")
    }
    assert fired["follow_up"] == list(range(41))
    assert fired["sweep"] == list(range(0, 41, 5))
    assert fired["scale_down"] == [0, 20, 40]


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("rate(1 minute)", 1),
        ("rate(5 minutes)", 5),
        ("rate(1 hour)", 60),
        ("rate(3 hours)", 180),
        ("rate(1 day)", 1440),
    ],
)
def test_a_rate_is_read_in_minutes(expression: str, minutes: int) -> None:
    assert rate_minutes(expression) == minutes


# the region as a tool


def test_a_fault_strikes_as_often_and_as_late_as_it_says(region: Region) -> None:
    region.faults.append(Fault("ListTables", "ThrottlingException", times=2, after=1))
    outcomes = []
    for _ in range(5):
        try:
            region.client("dynamodb").list_tables()
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes == ["ok", "ThrottlingException", "ThrottlingException", "ok", "ok"]


def test_a_fault_can_be_about_one_table(region: Region) -> None:
    region.create_table("customers")
    dynamodb = region.client("dynamodb")
    region.faults.append(
        Fault(
            "DescribeTable",
            "AccessDeniedException",
            matches=lambda params: params["TableName"] == "orders",
        )
    )
    assert dynamodb.describe_table(TableName="customers")["Table"]["TableStatus"] == "ACTIVE"
    with pytest.raises(ClientError, match="AccessDeniedException"):
        dynamodb.describe_table(TableName="orders")


def test_every_call_is_kept_with_its_time(region: Region) -> None:
    region.calls.clear()
    wait(region, minutes=7)
    region.client("dynamodb").describe_table(TableName="orders")
    (made,) = region.calls
    assert (made.service, made.operation, made.params["TableName"]) == (
        "dynamodb",
        "DescribeTable",
        "orders",
    )
    assert made.at == START + timedelta(minutes=7)


def test_the_clock_of_the_region_is_the_clock_of_the_app(region: Region) -> None:
    region.deploy(rules())
    wait(region, hours=5)
    told = invoke(region, "sweep").logs
    assert {line["numbers"]["next_decrease_at"] for line in told if line["kind"] == "decision"} == {
        "2026-11-02T05:00:00+00:00"
    }
    assert {line["timestamp"] for line in told} == {"2026-11-02 05:00:00,000+0000"}


def test_nothing_of_a_region_is_left_when_it_is_over() -> None:
    before, session = dict(os.environ), boto3.DEFAULT_SESSION
    with Region(name="eu-west-1") as region:
        region.deploy(rules())
        assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
        assert region.client("dynamodb").meta.region_name == "eu-west-1"
    assert dict(os.environ) == before
    assert boto3.DEFAULT_SESSION is session
    assert datetime.now(UTC) > START


def test_two_regions_after_each_other_share_nothing() -> None:
    with Region() as first:
        first.create_table("orders")
        first.deploy(rules())
        invoke(first, "sweep")
    with Region() as second:
        second.deploy(rules())
        assert invoke(second, "sweep").error is None
        assert second.cloudwatch.alarms == {}
        assert "DescribeTable" not in operations(second)
