"""The embedded region's metrics and alarms, and the delivery of alarm messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headroom.region.cloudwatch import key
from headroom.region.context import Fault, Invocation
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_READS, READS, TOPIC
from tests.support.scenes import record_invocations, rules

CONSUMED = "ConsumedReadCapacityUnits"
TABLE = [{"Name": "TableName", "Value": "orders"}]
INDEX = [*TABLE, {"Name": "GlobalSecondaryIndexName", "Value": "by-date"}]


# serving and metrics


def points(
    region: Region, named: Sequence[Mapping[str, str]], period: int = 60, **extra: Any
) -> list[float]:
    """Return the Sums of consumed reads, newest first, as GetMetricData gives them."""
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": CONSUMED, "Dimensions": list(named)}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Sum"}}
    response = region.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=region.start, EndTime=region.now, **extra
    )
    return list(response["MetricDataResults"][0]["Values"])


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
    # 100 x 300 unit-seconds carried 5 minutes of 100 more
    assert region.cloudwatch.sums[
        key("AWS/DynamoDB", "ReadThrottleEvents", {"TableName": "orders"})
    ] == dict.fromkeys(range(15, 20), 6000.0)
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
    response = region.client("cloudwatch").describe_alarms(AlarmNames=[name])
    return str(response["MetricAlarms"][0]["StateValue"])


def names(region: Region, **filters: Any) -> list[str]:
    return [
        alarm["AlarmName"]
        for alarm in region.client("cloudwatch").describe_alarms(**filters)["MetricAlarms"]
    ]


def test_a_new_alarm_has_insufficient_data_until_it_is_evaluated(region: Region) -> None:
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
    alarm = region.cloudwatch.alarms["high"]
    assert (state(region), alarm.tags) == ("ALARM", [{"Key": "owner", "Value": "ops"}])
    assert "AlarmDescription" not in alarm.fields
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


@pytest.mark.parametrize(
    ("dimensions", "rate", "expected"),
    [
        pytest.param(INDEX[::-1], 5.0, "ALARM", id="whatever-the-order-of-the-dimensions"),
        pytest.param(TABLE, 20.0, "OK", id="and-not-the-metric-of-an-index"),
    ],
)
def test_an_alarm_reads_its_own_metric(
    region: Region, dimensions: list[dict[str, str]], rate: float, expected: str
) -> None:
    put(region, Dimensions=dimensions, Threshold=300.0)
    region.serve(INDEX_READS, [rate] * 5)
    region.run(3)
    assert state(region) == expected


def test_m_of_n_periods_have_to_be_hot(region: Region) -> None:
    put(region, EvaluationPeriods=3, DatapointsToAlarm=2)
    region.serve(READS, [10.0, 90.0, 10.0, 90.0, 10.0, 10.0, 10.0, 10.0])
    states = []
    region.on_minute.append(lambda now: states.append(now.cloudwatch.alarms["high"].state.value))
    region.run(8)
    assert states == ["INSUFFICIENT_DATA"] * 3 + ["OK", "OK", "ALARM", "OK", "OK"]


def test_describe_alarms_combines_its_filters(region: Region) -> None:
    put(region, "a-on-topic", AlarmActions=[TOPIC])
    put(region, "b-on-topic", AlarmActions=[TOPIC], Threshold=1.0)
    put(region, "c-elsewhere", AlarmActions=[TOPIC.replace("headroom", "other")], Threshold=1.0)
    put(region, "d-by-ok", OKActions=[TOPIC], Threshold=1.0)
    region.serve(READS, [50.0] * 5)
    region.run(3)
    assert names(region, ActionPrefix=TOPIC) == ["a-on-topic", "b-on-topic", "d-by-ok"]
    assert names(region, ActionPrefix=TOPIC, StateValue="ALARM") == ["b-on-topic", "d-by-ok"]
    assert names(region, ActionPrefix=TOPIC, StateValue="ALARM", AlarmNamePrefix="d") == ["d-by-ok"]


def test_describe_alarms_is_paged(region: Region) -> None:
    for number in range(120):
        put(region, f"alarm-{number:03}")
    assert len(names(region)) == 50
    pages = region.client("cloudwatch").get_paginator("describe_alarms").paginate(MaxRecords=100)
    assert [len(page["MetricAlarms"]) for page in pages] == [100, 20]


# delivery


def deploy_without_tables(region: Region, **environment: str) -> list[Invocation]:
    """Deploy the app without any table to manage; return its invocations from now on."""
    region.deploy(rules("customers"), environment=environment)
    return record_invocations(region)


def subjects(invocations: Sequence[Invocation]) -> list[str]:
    """Return the subjects of the messages that on_alarm was called with."""
    return [
        i.payload["Records"][0]["Sns"]["Subject"] for i in invocations if i.function == "on_alarm"
    ]


def test_an_action_is_called_at_each_transition_and_not_while_the_state_stays(
    region: Region,
) -> None:
    invocations = deploy_without_tables(region)
    put(region, AlarmActions=[TOPIC], OKActions=[TOPIC])
    region.serve(READS, [1.0] * 3 + [90.0] * 5 + [1.0] * 5)
    region.run(13)
    assert subjects(invocations) == ["OK", "ALARM", "OK"]
    assert [(at.minute, name, to) for at, name, to in region.cloudwatch.history] == [
        (2, "high", "OK"),
        (5, "high", "ALARM"),
        (10, "high", "OK"),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"AlarmActions": [TOPIC], "InsufficientDataActions": [TOPIC]},
            ["ALARM"],
            id="only-those-of-the-new-state",
        ),
        pytest.param(
            {"AlarmActions": [TOPIC], "ActionsEnabled": False}, [], id="none-if-switched-off"
        ),
        pytest.param(
            {"AlarmActions": [f"{TOPIC}-gone", TOPIC]},
            ["ALARM"],
            id="those-whose-topic-exists",
        ),
    ],
)
def test_a_transition_calls_these_actions(
    region: Region, fields: dict[str, Any], expected: list[str]
) -> None:
    invocations = deploy_without_tables(region)
    put(region, **fields)
    region.serve(READS, [1.0] * 3 + [90.0] * 5)
    region.run(8)
    assert (state(region), subjects(invocations)) == ("ALARM", expected)


@pytest.mark.slow(traced=True)
def test_a_state_that_is_set_by_hand_calls_the_actions_and_is_evaluated_again(
    region: Region,
) -> None:
    invocations = deploy_without_tables(region)
    put(region, AlarmActions=[TOPIC], OKActions=[TOPIC])
    for reason in ("a test", "again"):
        region.client("cloudwatch").set_alarm_state(
            AlarmName="high", StateValue="ALARM", StateReason=reason
        )
        assert subjects(invocations) == ["ALARM"]
    region.run(3)
    assert subjects(invocations) == ["ALARM", "OK"]


def test_a_message_has_the_fields_of_cloudwatch(region: Region) -> None:
    put(region, Dimensions=INDEX, AlarmActions=[TOPIC], AlarmDescription="too hot")
    message = region.cloudwatch.message(region.cloudwatch.alarms["high"], "OK")
    expected = {
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high",
        "Region": "US East (N. Virginia)",
        "AWSAccountId": "123456789012",
        "OldStateValue": "OK",
    }
    trigger = {
        "Statistic": "SUM",
        "Period": 60,
        "Threshold": 4800.0,
        "Dimensions": [
            {"value": "by-date", "name": "GlobalSecondaryIndexName"},
            {"value": "orders", "name": "TableName"},
        ],
    }
    assert message | expected == message
    assert message["Trigger"] | trigger == message["Trigger"]


def test_a_failed_event_is_tried_again_after_one_and_after_two_minutes_and_is_then_a_dead_letter(
    region: Region,
) -> None:
    region.deploy(rules())
    put(region, AlarmActions=[TOPIC])
    invocations = record_invocations(region)
    region.serve(READS, [90.0] * 20)
    region.faults.append(Fault("DescribeTable", "InternalServerError", times=1000))
    region.run(10)
    tries = [i for i in invocations if i.function == "on_alarm"]
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
