"""The billing mode through the real functions: it is switched where that pays, with a tag, and
never against somebody who switched it by hand."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.config import loader
from chalicelib.core.modes import KEY
from chalicelib.metrics import CONSUMED, HISTORY, NAMESPACE
from chalicelib.model import Target
from headroom.deploy.permissions import configured_policy
from headroom.region.context import Fault, Invocation
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.iam import TABLE, Ask, allowed
from tests.support.notifications import TOPIC, texts, with_topic
from tests.support.scenes import (
    MIDDAY,
    failures,
    invoke,
    metric_dimensions,
    operations,
    orders,
    pass_minutes,
    requests,
    rules,
    wait,
    woken_after,
)

URL = "https://breaker.example/allow"


def cheapest(**settings: Any) -> str:
    """Return a configuration by which Headroom may choose the mode of `orders`."""
    return rules(strategy="adaptive", mode="cheapest", **settings)


CHEAPEST = cheapest()
#: Five-minute means of an hour: a spike, and a steady load.
SPIKE, STEADY = [2.0] * 11 + [200.0], [50.0] * 12
TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)


def past(region: Region, hour: Sequence[float], targets: Sequence[Target] = TARGETS) -> None:
    """Publish two weeks in which each hour had these five-minute means."""
    for target in targets:
        named, name = metric_dimensions(target), CONSUMED[target.dimension]
        for slot in range(int(HISTORY.total_seconds()) // 300):
            minute, mean = region.minute - 5 * (slot + 1), hour[-1 - slot % 12]
            # the last three hours are read by the minute
            for part in range(5) if slot < 36 else (0,):
                total = 60 * mean * (1 if slot < 36 else 5)
                region.cloudwatch.publish(NAMESPACE, name, named, minute + part, total)


@contextmanager
def after(
    hour: Sequence[float] = tuple(SPIKE), config: str = CHEAPEST, **more: Any
) -> Iterator[Region]:
    """`orders` with its index, after two weeks of these hours."""
    with Region(MIDDAY, **more) as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        past(region, hour)
        region.deploy(config)
        invoke(region, "sweep")
        wait(region, minutes=10)
        region.calls.clear()
        yield region


pytestmark = pytest.mark.scene.with_args(after)


def described(region: Region) -> dict[str, Any]:
    table: dict[str, Any] = region.client("dynamodb").describe_table(TableName="orders")["Table"]
    return table


def mode(region: Region) -> str:
    """Return the table's billing mode, as AWS shows it."""
    summary = described(region).get("BillingModeSummary", {})
    return str(summary.get("BillingMode", "PROVISIONED"))


def tag(region: Region) -> str | None:
    """Return Headroom's note."""
    arn = described(region)["TableArn"]
    tags = region.client("dynamodb").list_tags_of_resource(ResourceArn=arn)["Tags"]
    return next((tag["Value"] for tag in tags if tag["Key"] == KEY), None)


def put_tag(region: Region, value: str) -> None:
    arn = described(region)["TableArn"]
    region.client("dynamodb").tag_resource(ResourceArn=arn, Tags=[{"Key": KEY, "Value": value}])


def why(invocation: Invocation) -> list[str]:
    """Return the reasons of the decisions on the mode."""
    return [line["reason"] for line in invocation.logs if line.get("kind") == "mode"]


def hours_later(region: Region, hours: int, hour: Sequence[float]) -> Invocation:
    """Let hours pass in which all targets had these means, and run the hourly pass."""
    region.travel(region.now + timedelta(hours=hours))
    past(region, hour)
    wait(region)
    region.calls.clear()
    return invoke(region, "scale_down")


def switched(region: Region) -> None:
    """Let the hourly pass switch the table to on demand, and complete that."""
    invoke(region, "scale_down")
    wait(region, minutes=10)
    assert mode(region) == "PAY_PER_REQUEST"
    region.calls.clear()


def forget(region: Region) -> None:
    """Forget the past, in CloudWatch and in the functions."""
    region.cloudwatch.sums.clear()
    region.functions.restart()


def test_a_table_goes_on_demand_where_that_is_cheaper(region: Region) -> None:
    invocation = invoke(region, "scale_down")
    assert (mode(region), why(invocation)) == ("PAY_PER_REQUEST", ["CheaperOnDemand"])
    assert tag(region) == "on-demand 2026-11-02T12:10:00Z"
    written = [name for name in operations(region) if name in ("TagResource", "UpdateTable")]
    assert written == ["TagResource", "UpdateTable"]


def test_its_alarms_go_and_nothing_scales_it(region: Region) -> None:
    switched(region)
    sweep = invoke(region, "sweep")
    assert not region.cloudwatch.alarms
    assert [line["reason"] for line in sweep.logs if line.get("kind") == "skip"] == ["OnDemand"]
    assert "UpdateTable" not in operations(region)


def test_it_comes_back_with_units_for_its_load_and_new_alarms(region: Region) -> None:
    switched(region)
    forget(region)
    invocation = hours_later(region, 24, STEADY)
    assert why(invocation) == ["CheaperProvisioned"]
    assert tag(region) == "provisioned 2026-11-03T12:20:00Z"
    wait(region, minutes=10)
    table = described(region)
    index = table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]
    assert mode(region) == "PROVISIONED"
    both = table["ProvisionedThroughput"], index
    assert [part["ReadCapacityUnits"] for part in both] == [72, 72]
    invoke(region, "sweep")
    assert len(region.cloudwatch.alarms) == 4


@pytest.mark.scene(after, STEADY)
def test_a_table_that_is_cheaper_provisioned_stays(region: Region) -> None:
    assert why(invoke(region, "scale_down")) == ["CheapestMode"]
    assert mode(region) == "PROVISIONED"


@pytest.mark.scene(after, SPIKE, rules(strategy="adaptive"))
def test_without_the_setting_nothing_is_read_and_nothing_decided(region: Region) -> None:
    assert why(invoke(region, "scale_down")) == []
    assert mode(region) == "PROVISIONED"
    named = [r["TagFilters"][0]["Key"] for r in requests(region, "GetResources")]
    assert KEY not in named


@pytest.mark.scene(after, SPIKE, cheapest(dry_run=True))
def test_a_dry_run_only_tells(region: Region) -> None:
    invocation = invoke(region, "scale_down")
    assert (mode(region), why(invocation)) == ("PROVISIONED", ["CheaperOnDemand"])
    assert {"TagResource", "UpdateTable"} & set(operations(region)) == set()


def test_a_table_that_somebody_put_on_demand_stays(region: Region) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    forget(region)
    assert why(hours_later(region, 24, STEADY)) == ["SwitchedByHand"]
    put_tag(region, "cheapest")
    assert why(hours_later(region, 1, STEADY)) == ["CheaperProvisioned"]


def test_a_table_that_somebody_made_provisioned_again_stays(region: Region) -> None:
    switched(region)
    units = {"ReadCapacityUnits": 50, "WriteCapacityUnits": 50}
    update = {"Update": {"IndexName": "by-date", "ProvisionedThroughput": units}}
    region.client("dynamodb").update_table(
        TableName="orders",
        BillingMode="PROVISIONED",
        ProvisionedThroughput=units,
        GlobalSecondaryIndexUpdates=[update],
    )
    assert why(hours_later(region, 24, SPIKE)) == ["SwitchedByHand"]
    assert mode(region) == "PROVISIONED"


def test_a_switch_that_fails_after_its_note_is_tried_again(region: Region) -> None:
    region.faults.append(Fault("UpdateTable", "InternalServerError", times=9))
    invocation = invoke(region, "scale_down")
    assert why(invocation) == ["CallFailed"]
    assert any("orders: SetMode failed" in text for text in failures(invocation))
    assert (mode(region), tag(region)) == ("PROVISIONED", "on-demand 2026-11-02T12:10:00Z")
    region.faults.clear()
    assert why(hours_later(region, 1, SPIKE)) == ["CheaperOnDemand"]


def test_what_dynamodb_refuses_is_told_and_the_table_still_scaled(region: Region) -> None:
    for _ in range(4):
        region.tables["orders"].mode.switches.append(region.now)
    invocation = invoke(region, "scale_down")
    assert why(invocation) == ["RefusedByDynamoDB"]
    assert any(line.get("kind") == "decision" for line in invocation.logs)


@pytest.mark.parametrize("operation", ["GetResources", "DescribeTable"])
def test_what_cannot_be_read_switches_nothing(region: Region, operation: str) -> None:
    region.faults.append(Fault(operation, "InternalServerError", times=99))
    assert why(invoke(region, "scale_down")) == []
    region.faults.clear()
    assert mode(region) == "PROVISIONED"


def test_a_global_table_stays_as_it_is(region: Region) -> None:
    region.tables["orders"].replicas.append("eu-west-1")
    assert why(invoke(region, "scale_down")) == ["GlobalTable"]


@pytest.mark.scene(after, SPIKE, cheapest(circuit_breaker_url=URL))
def test_a_circuit_breaker_is_asked(region: Region) -> None:
    region.http.servers[URL] = 503
    assert why(invoke(region, "scale_down")) == ["CircuitBreakerOpen"]


@pytest.mark.scene(after, SPIKE, cheapest(on_demand_ceiling_percent=300))
def test_the_ceilings_follow_the_peak(region: Region) -> None:
    switched(region)
    assert described(region)["OnDemandThroughput"] == {
        "MaxReadRequestUnits": 600,
        "MaxWriteRequestUnits": 600,
    }
    index = described(region)["GlobalSecondaryIndexes"][0]
    assert index["OnDemandThroughput"]["MaxReadRequestUnits"] == 600
    invocation = hours_later(region, 24, [2.0] * 11 + [300.0])
    assert why(invocation) == ["CheapestMode"]
    assert described(region)["OnDemandThroughput"]["MaxReadRequestUnits"] > 600


NOTIFYING = {"notify": ["mode"], "notify_topic": TOPIC}


@pytest.mark.scene(after, SPIKE, cheapest(**NOTIFYING))
def test_each_switch_is_notified_once(region: Region) -> None:
    with_topic(region)
    for function in ("scale_down", "sweep", "scale_down"):
        invoke(region, function)
        wait(region, minutes=10)
    (message,) = requests(region, "Publish")
    assert message["Subject"] == "Billing mode: orders"
    assert message["Message"].startswith(
        "orders provisioned → on demand: its past weeks cost less on demand from now on "
        "(CheaperOnDemand; provisioned usd month 124.41, on demand usd month 72.93"
    )
    assert message["MessageAttributes"]["kind"]["StringValue"] == "mode"


@pytest.mark.parametrize("function", ["scale_down", "on_alarm"])
def test_the_functions_may_write_this_tag_and_no_other(function: str) -> None:
    policy = configured_policy(loader.load(CHEAPEST), function)
    assert policy is not None

    def may(key: str) -> bool:
        return allowed(policy, Ask("dynamodb:TagResource", TABLE, {"aws:TagKeys": [key]}))

    assert (may(KEY), may("team")) == (True, False)


def test_explain_and_plan_show_it(region: Region, run: RunCommand, tmp_path: Any) -> None:
    config = write_file(tmp_path, CHEAPEST)
    explained = run("explain", "orders", "--config", config)
    assert "orders provisioned → on demand: its past weeks cost less on demand" in explained.output
    planned = run("plan", "--config", config)
    assert "Would switch orders to on demand" in planned.output
    data = json.loads(run("plan", "--config", config, "--json").stdout)
    assert [(one["table"], one["reason"]) for one in data["modes"]] == [
        ("orders", "CheaperOnDemand")
    ]
    applied = run("apply", "--config", config, "--yes")
    assert (applied.exit_code, mode(region)) == (0, "PAY_PER_REQUEST")
    assert "Switch orders to on demand" in applied.output


# the parachute


@contextmanager
def at_quota(config: str = CHEAPEST) -> Iterator[Region]:
    """`orders` with 100 units and 400 throttled reads a second, where the account's quota takes no
    increase."""
    with orders(config) as region:
        pass_minutes(region, 5, {READS: 100.0}, {READS: 400.0})
        region.faults.append(
            Fault(
                "UpdateTable",
                "LimitExceededException",
                99,
                matches=lambda p: "BillingMode" not in p,
            )
        )
        region.calls.clear()
        yield region


@pytest.mark.scene.with_args(at_quota)
@pytest.mark.parametrize("function", ["on_alarm", "follow_up", "sweep"])
def test_a_quota_that_takes_no_increase_is_left_for_on_demand(
    region: Region, function: str
) -> None:
    invocation = woken_after(region, function, 0)
    assert (mode(region), why(invocation)) == ("PAY_PER_REQUEST", ["Parachute"])
    assert tag(region) == "on-demand 2026-11-02T12:05:00Z parachute"
    wait(region, minutes=5)
    past(region, STEADY)
    region.functions.restart()
    assert why(invoke(region, "scale_down")) == ["Parachute"]
    assert mode(region) == "PAY_PER_REQUEST"


@pytest.mark.scene(at_quota, cheapest(**NOTIFYING))
def test_a_parachute_is_notified(region: Region) -> None:
    with_topic(region)
    woken_after(region, "on_alarm", 0)
    (text,) = texts(region)
    assert text.startswith("orders provisioned → on demand: DynamoDB's quota takes no increase")


@pytest.mark.scene(at_quota, cheapest(throttle_price=1))
def test_what_costs_less_than_on_demand_is_throttled(region: Region) -> None:
    assert why(woken_after(region, "on_alarm", 0)) == []
    assert mode(region) == "PROVISIONED"


@pytest.mark.scene(at_quota, rules(strategy="adaptive"))
def test_without_the_setting_there_is_no_parachute(region: Region) -> None:
    woken_after(region, "on_alarm", 0)
    assert (mode(region), "TagResource" in operations(region)) == ("PROVISIONED", False)


@pytest.mark.scene.with_args(at_quota)
def test_a_second_parachute_waits(region: Region) -> None:
    region.tables["orders"].mode.at = region.now - timedelta(hours=5)
    assert why(woken_after(region, "on_alarm", 0)) == []
    assert mode(region) == "PROVISIONED"


# the history


def test_the_history_of_a_table_has_its_switches(region: Region, run: RunCommand) -> None:
    switched(region)
    shown = run("history", "orders", "--stage", "local", "--json")
    found = [one for one in json.loads(shown.stdout) if one["kind"] == "mode"]
    assert [(one["to"], one["reason"]) for one in found] == [("on demand", "CheaperOnDemand")]
    text = run("history", "orders", "--stage", "local").output
    assert "11-02 12:10 scale_down on demand its past weeks cost less" in text
    assert "1 switched, 0 failed." in text


@pytest.mark.scene(after, SPIKE, cheapest(dry_run=True))
def test_what_a_dry_run_repeats_is_shown_once(region: Region, run: RunCommand) -> None:
    for _ in range(2):
        invoke(region, "scale_down")
    text = run("history", "orders", "--stage", "local").output
    assert text.count("DRY RUN: its past weeks cost less on demand") == 1
