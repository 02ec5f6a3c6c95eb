"""The embedded region as a tool: schedules, faults, calls, the clock and what is left of it."""

import os
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from headroom.region.context import Call, Fault
from headroom.region.events import rate_minutes
from headroom.region.region import Region
from headroom.simulation.clock import START
from tests.support.scenes import MIDDAY, invoke, operations, record_invocations, rules, wait


def test_an_endpoint_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with Region() as region:
        region.create_table("orders")
        assert region.client("dynamodb").list_tables()["TableNames"] == ["orders"]


@pytest.mark.slow(traced=True)
def test_a_schedule_fires_at_its_rate(region: Region) -> None:
    region.deploy(rules("customers"), environment={"SCALE_DOWN_SCHEDULE": "rate(20 minutes)"})
    invocations = record_invocations(region)
    region.run(41)
    expected = {
        "follow_up": list(range(41)),
        "sweep": list(range(0, 41, 5)),
        "scale_down": [0, 20, 40],
    }
    assert expected == {
        name: [i.at.minute for i in invocations if i.function == name] for name in expected
    }


def test_a_schedule_fires_at_the_times_of_its_cron_expression() -> None:
    with Region(MIDDAY.replace(hour=1, minute=55)) as region:
        schedule = "cron(0,5 2,10,14 * * ? *)"
        region.deploy(rules("customers"), environment={"SCALE_DOWN_SCHEDULE": schedule})
        invocations = record_invocations(region)
        region.run(20)
        fired = [f"{i.at:%H:%M}" for i in invocations if i.function == "scale_down"]
    assert fired == ["02:00", "02:05"]


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
    at = START + timedelta(minutes=7)
    assert region.calls == [Call("dynamodb", "DescribeTable", {"TableName": "orders"}, at)]


def test_the_clock_of_the_region_is_the_clock_of_the_app(region: Region) -> None:
    region.deploy(rules())
    wait(region, hours=5)
    lines = invoke(region, "sweep").logs
    assert {
        line["numbers"]["next_decrease_at"] for line in lines if line["kind"] == "decision"
    } == {"2026-11-02T05:00:00+00:00"}
    assert {line["timestamp"] for line in lines} == {"2026-11-02 05:00:00,000+0000"}


def test_nothing_of_a_region_is_left_when_it_is_over() -> None:
    before, session = dict(os.environ), boto3.DEFAULT_SESSION
    with Region(name="eu-west-1") as region:
        region.deploy(rules())
        names = (os.environ["AWS_DEFAULT_REGION"], region.client("dynamodb").meta.region_name)
        assert names == ("eu-west-1", "eu-west-1")
    assert (dict(os.environ), boto3.DEFAULT_SESSION) == (before, session)
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
