"""The adapters, against the embedded region."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.session import Session

from chalicelib.aws import client
from chalicelib.aws.alarms import (
    alarms_named,
    alarms_on_topic,
)
from chalicelib.aws.autoscaling import scalable_targets
from chalicelib.aws.client import ATTEMPTS, Aws, in_utc
from chalicelib.aws.metrics import MAX_DATAPOINTS, MAX_QUERIES, read_histories, read_metrics
from chalicelib.aws.tables import (
    ChangedMeanwhile,
    Refused,
    describe_tables,
    set_capacity,
    table_names,
)
from chalicelib.config.rules import Config, Scope
from chalicelib.core.understudy import managed
from chalicelib.metrics import history_end
from chalicelib.model import (
    Change,
    Dimension,
    SetCapacity,
    TableState,
    Target,
)
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.clock import START
from tests.support.builders import INDEX_READS, READS, TOPIC, WRITES
from tests.support.scenes import (
    MIDDAY,
    autoscale,
    operations,
    pass_minutes,
    requests,
    set_units,
    use_free_decreases,
    wait,
)

READ, WRITE = Dimension.READ, Dimension.WRITE


@pytest.fixture
def region() -> Iterator[Region]:
    """A region with a table and an index, and no app."""
    with Region() as region:
        region.create_table("orders", 100, 90, {"by-date": (20, 10)})
        region.calls.clear()
        yield region


@pytest.fixture
def aws(region: Region) -> Aws:
    return Aws("headroom-alarms")


def put(region: Region, name: str, **fields: Any) -> None:
    plain = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedReadCapacityUnits",
        "Dimensions": [{"Name": "TableName", "Value": "orders"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 4800.0,
        "AlarmActions": [TOPIC],
    }
    region.client("cloudwatch").put_metric_alarm(AlarmName=name, **plain | fields)


def state_of(aws: Aws, name: str = "orders") -> TableState:
    found = describe_tables(aws, [name])[name]
    assert isinstance(found, TableState)
    return found


# where we are


def test_the_topic_may_be_named(region: Region, aws: Aws) -> None:
    assert (aws.region, aws.account, aws.topic_arn, operations(region)) == (
        "us-east-1",
        "123456789012",
        TOPIC,
        ["GetCallerIdentity"],  # one call
    )


def test_the_topic_may_be_an_arn_which_costs_no_call(region: Region) -> None:
    arn = "arn:aws-cn:sns:cn-north-1:999999999999:alarms"
    assert (Aws(arn).topic_arn, region.calls) == (arn, [])


def test_retries_are_left_to_botocore(aws: Aws) -> None:
    retries = aws.client("dynamodb").meta.config.retries
    assert (retries["mode"], retries["total_max_attempts"]) == (
        "standard",
        ATTEMPTS,
    )  # one try and five more
    assert aws.client("dynamodb") is aws.client("dynamodb")


# tables


@pytest.mark.slow
def test_all_tables_are_listed_page_by_page(region: Region, aws: Aws) -> None:
    for number in range(110):
        region.create_table(f"table-{number:03}")
    region.calls.clear()
    assert (len(table_names(aws)), operations(region)) == (111, ["ListTables", "ListTables"])


def test_a_table_is_described_with_its_indexes_apart(aws: Aws) -> None:
    found = state_of(aws)
    assert (
        found.name,
        found.active,
        found.on_demand,
        found.arn,
        dict(found.throughputs[""].units),
        dict(found.throughputs["by-date"].units),
    ) == (
        "orders",
        True,
        False,
        "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        {READ: 100, WRITE: 90},
        {READ: 20, WRITE: 10},
    )


def test_a_fresh_table_has_no_history(aws: Aws) -> None:
    seen = state_of(aws).throughputs[""]
    assert (seen.decreases_today, seen.last_increase_at, seen.last_decrease_at) == (0, None, None)


def test_the_history_of_changes_comes_with_the_table(region: Region, aws: Aws) -> None:
    set_units(region, "orders", 110, 90)
    wait(region, minutes=3)
    set_units(region, "orders", 80, 80)
    seen = state_of(aws).throughputs[""]
    assert (seen.decreases_today, seen.last_increase_at, seen.last_decrease_at) == (
        1,
        START,
        START + timedelta(minutes=3),
    )


def test_while_a_table_updates_nothing_of_it_can_be_changed(region: Region, aws: Aws) -> None:
    throughput = {"ReadCapacityUnits": 120, "WriteCapacityUnits": 90}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=throughput)
    found = state_of(aws)
    assert (found.active, found.throughputs[""].active, found.throughputs["by-date"].active) == (
        False,
        False,
        False,
    )


def test_a_table_on_demand_is_known_by_its_billing(region: Region, aws: Aws) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    assert state_of(aws).on_demand


def test_each_table_is_described_whatever_becomes_of_the_others(region: Region, aws: Aws) -> None:
    region.create_table("broken")
    region.faults.append(
        Fault(
            "DescribeTable",
            "AccessDeniedException",
            matches=lambda request: request["TableName"] == "broken",
        )
    )
    found = describe_tables(aws, ["orders", "gone", "broken"])
    assert (isinstance(found["orders"], TableState), found["gone"]) == (True, None)
    assert "AccessDeniedException" in str(found["broken"])
    assert list(found) == ["orders", "gone", "broken"]


def test_without_a_name_no_table_is_described(region: Region, aws: Aws) -> None:
    assert (describe_tables(aws, []), region.calls) == ({}, [])


# capacity


def test_both_dimensions_go_with_each_part_that_changes(region: Region, aws: Aws) -> None:
    set_capacity(aws, SetCapacity("orders", (Change(READS, 100, 150), Change(INDEX_READS, 20, 30))))
    assert operations(region) == ["DescribeTable", "UpdateTable"]
    assert requests(region, "UpdateTable") == [
        {
            "TableName": "orders",
            "ProvisionedThroughput": {"ReadCapacityUnits": 150, "WriteCapacityUnits": 90},
            "GlobalSecondaryIndexUpdates": [
                {
                    "Update": {
                        "IndexName": "by-date",
                        "ProvisionedThroughput": {
                            "ReadCapacityUnits": 30,
                            "WriteCapacityUnits": 10,
                        },
                    }
                }
            ],
        }
    ]


def test_an_index_alone_does_not_name_the_throughput_of_its_table(region: Region, aws: Aws) -> None:
    set_capacity(aws, SetCapacity("orders", (Change(INDEX_READS, 20, 30),)))
    assert requests(region, "UpdateTable")[0].keys() == {"TableName", "GlobalSecondaryIndexUpdates"}


def test_a_table_that_is_not_as_the_decision_saw_it_is_not_written(
    region: Region, aws: Aws
) -> None:
    with pytest.raises(ChangedMeanwhile, match=r"^orders:read has 100 units now, not 99$"):
        set_capacity(aws, SetCapacity("orders", (Change(READS, 99, 150),)))
    assert "UpdateTable" not in operations(region)


def test_an_index_that_is_gone_is_not_written(region: Region, aws: Aws) -> None:
    gone = Target("orders", "by-city", READ)
    with pytest.raises(ChangedMeanwhile, match=r"^orders/by-city:read has None units now, not 10$"):
        set_capacity(aws, SetCapacity("orders", (Change(gone, 10, 15),)))
    assert "UpdateTable" not in operations(region)


def test_a_table_that_is_updating_is_not_written(region: Region, aws: Aws) -> None:
    throughput = {"ReadCapacityUnits": 120, "WriteCapacityUnits": 90}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=throughput)
    region.calls.clear()
    with pytest.raises(ChangedMeanwhile, match=r"^orders is updating$"):
        set_capacity(aws, SetCapacity("orders", (Change(READS, 100, 150),)))
    assert operations(region) == ["DescribeTable"]


def test_an_index_that_is_updating_is_not_written(region: Region, aws: Aws) -> None:
    def update_the_index(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = "UPDATING"

    events = aws.client("dynamodb").meta.events
    events.register_last("after-call.dynamodb.DescribeTable", update_the_index)
    try:
        with pytest.raises(ChangedMeanwhile, match=r"^index orders/by-date is updating$"):
            set_capacity(aws, SetCapacity("orders", (Change(INDEX_READS, 20, 30),)))
    finally:
        events.unregister("after-call.dynamodb.DescribeTable", update_the_index)
    assert "UpdateTable" not in operations(region)


def test_a_loser_of_a_race_is_reported_so(region: Region, aws: Aws) -> None:
    region.faults.append(Fault("UpdateTable", "ResourceInUseException"))
    with pytest.raises(ChangedMeanwhile, match="ResourceInUseException"):
        set_capacity(aws, SetCapacity("orders", (Change(READS, 100, 150),)))


def test_a_refused_decrease_brings_dynamodbs_own_words(region: Region, aws: Aws) -> None:
    use_free_decreases(region)
    with pytest.raises(
        Refused,
        match=(
            r"Number of decreases today: 4. Last decrease at Monday, November 2, 2026 at "
            r"12:00:00 AM"
        ),
    ):
        set_capacity(aws, SetCapacity("orders", (Change(READS, 100, 50),)))


def test_what_application_auto_scaling_manages_is_named_by_table(region: Region, aws: Aws) -> None:
    autoscale(region)
    autoscale(region, "table/orders/index/by-date", "index")
    assert managed(Config(Scope({}, {})), scalable_targets(aws)) == {"orders": {Dimension.READ}}


@pytest.mark.slow
def test_all_pages_of_application_auto_scaling_are_read(region: Region, aws: Aws) -> None:
    for number in range(60):
        region.create_table(f"table-{number}")
        autoscale(region, f"table/table-{number}")
    assert (len(scalable_targets(aws)), operations(region).count("DescribeScalableTargets")) == (
        60,
        2,
    )


# metrics


def test_a_sum_becomes_a_rate_in_units_per_second(region: Region, aws: Aws) -> None:
    pass_minutes(
        region,
        5,
        {READS: [1.0, 2.0, 3.0, 4.0, 5.0], WRITES: 0.25},
        {WRITES: [0.0, 0.0, 7.0, 0.0, 0.0]},
    )
    found = read_metrics(aws, [READS, WRITES], region.now)
    assert found[READS].consumed.last(4).values == (
        1.0,
        2.0,
        3.0,
        4.0,
    )  # the newest minute is not readable yet
    assert (
        found[READS].consumed.end,
        found[WRITES].consumed.last(4).values,
        found[WRITES].throttled.known(),
    ) == (region.now - timedelta(minutes=1), (0.25,) * 4, [0.0, 0.0, 7.0, 0.0])


def test_a_gap_is_unknown_and_not_zero(region: Region, aws: Aws) -> None:
    pass_minutes(region, 5, {READS: [1.0, None, 0.0, 4.0, 5.0]})
    assert read_metrics(aws, [READS], region.now)[READS].consumed.last(4).values == (
        1.0,
        None,
        0.0,
        4.0,
    )


def test_a_metric_without_any_datapoint_is_empty(region: Region, aws: Aws) -> None:
    pass_minutes(region, 5, {READS: [None] * 5})
    assert read_metrics(aws, [READS], region.now)[READS].consumed.known() == []


def test_an_index_has_metrics_of_its_own(region: Region, aws: Aws) -> None:
    pass_minutes(region, 5, {READS: 1.0, INDEX_READS: 9.0})
    found = read_metrics(aws, [READS, INDEX_READS], region.now)
    assert (found[READS].consumed.known()[-1], found[INDEX_READS].consumed.known()[-1]) == (
        1.0,
        9.0,
    )


def test_three_hours_are_looked_back_at_and_no_less(region: Region, aws: Aws) -> None:
    pass_minutes(region, 240, {READS: 5.0})
    series = read_metrics(aws, [READS], region.now)[READS].consumed
    assert (
        region.now - timedelta(hours=3, minutes=5) < series.start <= region.now - timedelta(hours=3)
    )
    assert set(series.values) == {5.0}


@pytest.mark.slow
def test_metrics_are_read_in_bulk_within_the_limits_of_a_call(region: Region, aws: Aws) -> None:
    targets = [
        Target(f"table-{number:03}", "", dimension)
        for number in range(150)
        for dimension in Dimension
    ]
    pass_minutes(region, 5)
    region.calls.clear()
    read_metrics(aws, targets, region.now)
    read_histories(aws, targets[:20], region.now, also_new=True)
    made = requests(region, "GetMetricData")
    request = sum(len(call["MetricDataQueries"]) for call in made)
    assert request >= 2 * len(targets) + 20
    assert len(made) <= request / MAX_QUERIES + 5
    for call in made:
        (period, *_) = {query["MetricStat"]["Period"] for query in call["MetricDataQueries"]}
        points = (call["EndTime"] - call["StartTime"]).total_seconds() / period
        assert len(call["MetricDataQueries"]) <= MAX_QUERIES
        assert len(call["MetricDataQueries"]) * points <= MAX_DATAPOINTS


def test_the_days_are_read_once_an_hour_and_container(region: Region, aws: Aws) -> None:
    calls = []
    for minutes in (0, 5, 60):
        wait(region, minutes=minutes)
        region.calls.clear()
        found = read_histories(aws, [READS], region.now + timedelta(minutes=30), also_new=True)
        assert found[READS].end == history_end(region.now + timedelta(minutes=30))
        spans = [call["EndTime"] - call["StartTime"] for call in requests(region, "GetMetricData")]
        calls.append([int(span.total_seconds() / 3600) for span in spans])
    assert calls == [[14 * 24], [], [1]]


@pytest.mark.parametrize("is_seen", [True, False])
def test_an_hour_whose_minutes_are_kept_is_not_read_again(
    region: Region, aws: Aws, is_seen: bool
) -> None:
    """CloudWatch's sums of five minutes are those of their minutes."""
    kept = Aws(aws.topic_arn)
    load = [float(minute % 7) for minute in range(60)]
    read_histories(kept, [READS], region.now + timedelta(minutes=30), also_new=True)
    pass_minutes(region, 90, {READS: [*load[:20], *[None] * 3, *load[23:], *[5.0] * 30]})
    if is_seen:
        read_metrics(kept, [READS], region.now, unthrottled=[READS])
        kept.unthrottled[READS] = region.now
    else:
        read_metrics(kept, [READS], region.now)
    region.calls.clear()
    found = read_histories(kept, [READS], region.now, also_new=False)[READS]
    assert operations(region) == []
    assert found == read_histories(aws, [READS], region.now, also_new=True)[READS]


def test_days_that_are_not_kept_are_read_only_on_demand(region: Region, aws: Aws) -> None:
    assert read_histories(aws, [READS], region.now, also_new=False) == {}
    assert operations(region) == []


# alarms


def test_only_the_alarms_that_notify_the_very_topic_are_ours_to_look_at(
    region: Region, aws: Aws
) -> None:
    put(region, "on-topic")
    put(region, "with-others", AlarmActions=[f"{TOPIC}-2", TOPIC])
    put(region, "longer-name", AlarmActions=[f"{TOPIC}-2"])
    put(region, "by-ok-only", AlarmActions=[], OKActions=[TOPIC])
    assert ([alarm.name for alarm in alarms_on_topic(aws)], alarms_on_topic(aws, "ALARM")) == (
        ["on-topic", "with-others"],
        [],
    )
    region.cloudwatch.alarms["on-topic"].state.value = "ALARM"
    assert [alarm.name for alarm in alarms_on_topic(aws, "ALARM")] == ["on-topic"]


def test_all_pages_of_alarms_are_read(region: Region, aws: Aws) -> None:
    for number in range(120):
        put(region, f"alarm-{number:03}")
    region.calls.clear()
    aws.sleep = (pauses := []).append
    assert (len(alarms_on_topic(aws)), operations(region).count("DescribeAlarms")) == (120, 2)
    assert (len(alarms_on_topic(aws, pause=lambda: 0.5)), pauses) == (120, [0.5])


def test_alarms_are_described_by_name_a_hundred_at_a_time(region: Region, aws: Aws) -> None:
    for number in range(120):
        put(region, f"alarm-{number:03}")
    region.calls.clear()
    wanted = [f"alarm-{number:03}" for number in range(250)]
    assert (
        len(alarms_named(aws, [*wanted, *wanted])),
        [len(call["AlarmNames"]) for call in requests(region, "DescribeAlarms")],
    ) == (120, [100, 100, 50])


@pytest.mark.parametrize("alias", ["", ":live"])
def test_the_functions_of_a_stage_are_known_from_the_arn_of_the_one_that_runs(alias: str) -> None:
    aws = Aws("headroom-alarms")
    aws.know_identity(f"arn:aws-cn:lambda:cn-north-1:1:function:headroom-dev-on_alarm{alias}")
    assert (aws.account, aws.functions) == (
        "1",
        "arn:aws-cn:lambda:cn-north-1:1:function:headroom-dev",
    )
    aws.know_identity("")
    assert aws.functions.endswith(":headroom-dev")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(1793620800, id="seconds"),
        pytest.param(1793620800.0, id="seconds with a fraction"),
        pytest.param("2026-11-02T12:00:00Z", id="UTC"),
        pytest.param("2026-11-02T14:00:00+02:00", id="another zone"),
        pytest.param("2026-11-02T12:00:00", id="no zone"),
        pytest.param("Mon, 02 Nov 2026 12:00:00 GMT", id="HTTP"),
    ],
)
def test_every_form_of_a_timestamp_is_read_as_an_aware_time(sent: object) -> None:
    assert client._parse_utc(sent) == MIDDAY


def test_the_times_of_answers_are_parsed_without_a_look_at_the_local_time_zone() -> None:
    parser = in_utc(Session()).get_component("response_parser_factory").create_parser("json")
    operation = Session().get_service_model("dynamodb").operation_model("DescribeTable")
    body = b'{"Table": {"CreationDateTime": 1700000000.5}}'
    answer = {"body": body, "headers": {}, "status_code": 200}
    parsed = parser.parse(answer, operation.output_shape)
    assert parsed["Table"]["CreationDateTime"].tzinfo is UTC
