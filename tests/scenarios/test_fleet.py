"""Tables that follow fleets, from the events of EC2 and Auto Scaling to the capacity, in the
embedded region."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from chalicelib import handlers
from chalicelib.config.loader import load
from chalicelib.model import Dimension, Reason, Target
from chalicelib.reconcile import GROUP
from headroom.demo import scenes
from headroom.deploy import permissions, stage
from headroom.deploy.stage import Stage
from headroom.region.context import Fault, Invocation, environment_of
from headroom.region.ec2 import LAUNCHED, STATE_CHANGE, Ec2, Group
from headroom.region.lambda_functions import fresh_app
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.iam import Ask, allowed, asks
from tests.support.judge import cuts, denied, location_of
from tests.support.scenes import (
    MIDDAY,
    actions,
    autoscale,
    decisions,
    failures,
    invoke,
    new_run,
    operations,
    pass_minutes,
    reasons,
    record_invocations,
    requests,
    skips,
    units,
    use_free_decreases,
    wait,
)

WORKER = {"role": "worker"}
TABLES = '[[tables]]\nname = "orders*"\nstrategy = "percent"\nmin_units = 5\n'
BY_TAG = """
[[fleet]]
name = "workers"
tags = { role = "worker" }
[[fleet.tables]]
table = "orders"
read = { linear = 20 }
write = { linear = 5 }
[[fleet.tables]]
table = "orders"
index = "by-*"
write = { ladder = [[1, 30], [4, 60]] }
"""
BY_GROUP = """
[[fleet]]
name = "web"
auto_scaling_group = "web"
[[fleet.tables]]
table = "orders-*"
read = { ladder = [[2, 50], [4, 200]] }
"""
#: The whole capacity of `orders` follows.
FOLLOWING = TABLES.replace("percent", "fleet") + BY_TAG
EU_READS = Target("orders-eu", "", Dimension.READ)


@contextmanager
def led(config: str = TABLES + BY_TAG, read: int = 10, write: int = 10) -> Iterator[Region]:
    """A region with `orders` and its index `by-date`, `orders-eu` and `users`, the app, and its
    alarms made."""
    with Region(MIDDAY) as region:
        region.create_table("orders", read, write, {"by-date": (10, 10)})
        region.create_table("orders-eu", 10, 10)
        region.create_table("users", 10, 10)
        region.deploy(config)
        invoke(region, "sweep")
        region.calls.clear()
        yield region


pytestmark = pytest.mark.scene.with_args(led)


def woken(seen: Sequence[Invocation]) -> list[Invocation]:
    return [invocation for invocation in seen if invocation.function == "on_fleet"]


# events


def test_instances_that_start_raise_every_table_that_follows_at_once_before_any_traffic(
    region: Region,
) -> None:
    invocations = record_invocations(region)
    Ec2(region).launch(8, WORKER)
    assert units(region) | {
        "orders:read": 160,
        "orders:write": 40,
        "orders/by-date:write": 60,
    } == units(region)
    assert actions(woken(invocations)[0])[0] == "SetCapacity"
    assert requests(region, "GetMetricData") == []


def test_one_update_raises_a_table_and_its_indexes_and_the_alarms_follow(region: Region) -> None:
    Ec2(region).launch(8, WORKER)
    (update,) = requests(region, "UpdateTable")
    assert update["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 160,
        "WriteCapacityUnits": 40,
    }
    wait(region, minutes=2)
    invoke(region, "follow_up")
    assert region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] == 160 * 0.8 * 60


def test_a_burst_of_events_is_one_increase_and_costs_no_metrics(region: Region) -> None:
    invocations = record_invocations(region)
    Ec2(region).launch(12, WORKER)
    assert len(woken(invocations)) == 12
    assert not any(invocation.error for invocation in invocations)
    assert operations(region).count("UpdateTable") == 1
    assert "GetMetricData" not in operations(region)


def test_an_instance_that_starts_while_its_table_is_updating_is_followed_a_minute_later(
    region: Region,
) -> None:
    Ec2(region).launch(4, WORKER)
    Ec2(region).launch(4, WORKER)
    assert units(region)["orders:read"] == 80
    wait(region, minutes=2)
    followed = invoke(region, "follow_up")
    assert (units(region)["orders:read"], reasons(followed)["orders:read"]) == (160, Reason.FLEET)
    assert "GetMetricData" not in [made.operation for made in followed.calls]


@pytest.mark.parametrize(
    ("state", "wakes"),
    [
        ("pending", 0),
        ("running", 1),
        ("stopping", 1),
        ("stopped", 1),
        ("shutting-down", 1),
        ("terminated", 1),
    ],
)
def test_every_state_that_may_change_the_count_wakes_the_function(
    region: Region, state: str, wakes: int
) -> None:
    assert len(Ec2(region).send_state_changes(["i-1"], state)) == wakes


@pytest.mark.parametrize(
    ("source", "kind", "detail", "wakes"),
    [
        ("aws.autoscaling", LAUNCHED, {"AutoScalingGroupName": "web"}, 1),
        ("aws.autoscaling", "EC2 Instance Launch Unsuccessful", {"AutoScalingGroupName": "web"}, 0),
        ("aws.ec2", "EBS Volume Notification", {}, 0),
        ("someone.else", STATE_CHANGE, {"state": "running"}, 0),
    ],
)
def test_no_other_event_does(
    region: Region, source: str, kind: str, detail: dict[str, str], wakes: int
) -> None:
    assert len(region.functions.put_event(source, kind, detail)) == wakes


def test_an_event_only_wakes_a_forged_one_changes_nothing(region: Region) -> None:
    before = units(region)
    (woke,) = Ec2(region).send_state_changes(["i-nobody"], "running")
    assert (woke.error, units(region)) == (None, before)


@pytest.mark.scene(led, TABLES + BY_GROUP)
def test_members_of_a_group_that_come_into_service_raise_what_follows_it(region: Region) -> None:
    group = Group(region, "web", 2)
    assert units(region)["orders-eu:read"] == 50
    wait(region, minutes=2)
    group.resize(5)
    assert (units(region)["orders-eu:read"], units(region)["orders:read"]) == (200, 10)


@pytest.mark.scene(led, TABLES + BY_GROUP)
def test_members_in_standby_and_on_their_way_out_do_not_count(region: Region) -> None:
    group = Group(region, "web", 5)
    two = sorted(group.members())[:2]
    region.client("autoscaling").enter_standby(
        AutoScalingGroupName="web", InstanceIds=two, ShouldDecrementDesiredCapacity=True
    )
    assert sorted(group.members().values()) == ["InService"] * 3 + ["Standby"] * 2
    wait(region, minutes=5)
    assert decisions(invoke(region, "sweep"))[EU_READS]["numbers"]["instances"] == 3


# downs


@pytest.mark.scene(led, FOLLOWING)
def test_terminated_instances_are_lowered_for_by_the_sweep_and_not_by_their_events(
    region: Region,
) -> None:
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20)
    Ec2(region).terminate(workers[:8])
    assert units(region)["orders:read"] == 200
    swept = invoke(region, "sweep")
    assert (units(region)["orders:read"], reasons(swept)["orders:read"]) == (40, Reason.FLEET)


@pytest.mark.scene(led, FOLLOWING)
def test_a_fleet_of_none_goes_to_the_floor(region: Region) -> None:
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20)
    Ec2(region).stop(workers)
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (5, 5)


@pytest.mark.scene(led, FOLLOWING)
def test_what_is_consumed_stays_when_the_fleet_goes(region: Region) -> None:
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20, {READS: 77.0})
    Ec2(region).terminate(workers)
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 77


@pytest.mark.scene(led, FOLLOWING)
def test_decreases_wait_for_dynamodbs_budget(region: Region) -> None:
    workers = Ec2(region).launch(10, WORKER)
    wait(region, minutes=5)
    use_free_decreases(region)
    pass_minutes(region, 20)
    Ec2(region).terminate(workers)
    swept = invoke(region, "sweep")
    assert (units(region)["orders:read"], reasons(swept)["orders:read"]) == (
        200,
        Reason.BUDGET_USED_UP,
    )
    pass_minutes(region, 41)
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 5


def test_a_floor_that_sank_lets_the_strategy_decide(region: Region) -> None:
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 61, {READS: 52.0})
    Ec2(region).terminate(workers)
    swept = invoke(region, "sweep")
    assert (units(region)["orders:read"], reasons(swept)["orders:read"]) == (
        80,
        Reason.UTILIZATION_LOW,
    )


# what cannot be counted


@pytest.mark.scene(led, FOLLOWING)
def test_an_api_that_fails_keeps_what_is_and_is_reported(region: Region) -> None:
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20)
    Ec2(region).terminate(workers)
    region.faults.append(Fault("DescribeInstances", "RequestLimitExceeded", times=9))
    swept = invoke(region, "sweep")
    assert units(region)["orders:read"] == 200
    assert reasons(swept)["orders:read"] == Reason.FLEET_UNKNOWN
    assert decisions(swept)[READS]["numbers"]["held_by"] == "fleet workers cannot be counted"
    (failure,) = failures(swept)
    assert failure.startswith("fleet workers: counting its instances failed: ")
    region.faults.clear()
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 5


def test_an_unknown_fleet_raises_nothing_of_its_own_and_does_not_stop_an_increase_by_traffic(
    region: Region,
) -> None:
    pass_minutes(region, 5, {READS: 9.9})
    region.faults.append(Fault("DescribeInstances", "UnauthorizedOperation", times=99))
    Ec2(region).launch(10, WORKER)
    assert units(region)["orders:read"] == 10
    swept = invoke(region, "scale_down")
    assert (units(region)["orders:read"], reasons(swept)["orders:read"]) == (
        15,
        Reason.UTILIZATION_HIGH,
    )


@pytest.mark.scene(led, FOLLOWING + BY_GROUP)
def test_one_fleet_that_cannot_be_counted_holds_no_table_of_another(region: Region) -> None:
    Group(region, "web", 4)
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20)
    Ec2(region).terminate(workers)
    region.faults.append(Fault("DescribeAutoScalingGroups", "InternalFailure", times=9))
    swept = invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders-eu:read"]) == (5, 200)
    assert len(failures(swept)) == 1


@pytest.mark.scene(led, TABLES + BY_GROUP)
def test_a_group_that_does_not_exist_is_the_operators_mistake_and_holds_decreases(
    region: Region,
) -> None:
    pass_minutes(region, 61, {EU_READS: 1.0})
    swept = invoke(region, "sweep")
    assert swept.error is None
    assert ("fleet web", Reason.FLEET_UNKNOWN) in skips(swept)
    assert units(region)["orders-eu:read"] == 10
    (line,) = [line for line in swept.logs if line.get("subject") == "fleet web"]
    assert (
        "there is no Auto Scaling group web; correct auto_scaling_group, or the Region"
        in line["message"]
    )


# each fleet is counted once an event, and only where one of its tables is looked at


@pytest.mark.parametrize("function", ["sweep", "scale_down", "on_fleet", "follow_up"])
@pytest.mark.scene(led, TABLES + BY_TAG.replace('"orders"', '"orders*"'))
def test_a_fleet_is_counted_once_an_event_however_many_tables_follow(
    region: Region, function: str
) -> None:
    for number in range(GROUP + 5):
        region.create_table(f"orders-{number}")
    region.calls.clear()
    invoke(region, function)
    assert operations(region).count("DescribeInstances") == 1


def test_a_table_that_follows_none_counts_none(region: Region) -> None:
    handlers.preview(new_run(region, TABLES + BY_TAG), "orders-eu")
    assert {"DescribeInstances", "DescribeAutoScalingGroups"} & set(operations(region)) == set()


def test_a_table_that_application_auto_scaling_manages_is_left_to_it(region: Region) -> None:
    autoscale(region)
    Ec2(region).launch(8, WORKER)
    assert units(region)["orders:read"] == 10


def test_where_that_cannot_be_known_the_increase_does_not_wait(region: Region) -> None:
    region.faults.append(Fault("DescribeScalableTargets", "ThrottlingException", times=1))
    invocations = record_invocations(region)
    Ec2(region).launch(1, WORKER)
    assert units(region)["orders:read"] == 20
    assert len(failures(woken(invocations)[0])) == 1


# explain


def test_explain_reports_the_fleet_its_instances_and_its_units(region: Region) -> None:
    Ec2(region).launch(8, WORKER)
    report = handlers.preview(new_run(region, TABLES + BY_TAG, dry_run=True), "orders")
    numbers = {str(d.target): d.numbers for d in report.decisions}
    assert {key: numbers["orders:read"][key] for key in ("fleet", "instances", "fleet_units")} == {
        "fleet": "workers",
        "instances": 8,
        "fleet_units": 160,
    }
    assert "fleet" not in numbers["orders/by-date:read"]


# what is deployed, and what it may


def app_functions(config: str, folder: Path) -> set[str]:
    file = folder / "headroom.toml"
    file.write_text(config)
    with environment_of({"HEADROOM_CONFIG": str(file)}):
        return set(fresh_app().app.handler_map)


@pytest.mark.parametrize(
    ("config", "there"), [(TABLES, False), (TABLES + BY_TAG, True), (TABLES + BY_GROUP, True)]
)
def test_without_a_fleet_there_is_no_function_no_rule_and_no_permission(
    config: str, there: bool, tmp_path: Path
) -> None:
    rules = load(config)
    deployed = stage.complete(Stage("headroom", "dev"), rules).functions
    assert ("on_fleet" in deployed) is there
    assert app_functions(config, tmp_path) == set(deployed)
    for function in deployed:
        policy = json.dumps(permissions.configured_policy(rules, function))
        assert ("ec2:" in policy, "autoscaling:DescribeAutoScalingGroups" in policy) == (
            config.endswith(BY_TAG),
            config.endswith(BY_GROUP),
        )
    with Region(MIDDAY) as region:
        region.deploy(config)
        assert bool(Ec2(region).send_state_changes(["i-1"], "running")) is there


def test_only_the_calls_that_the_configured_fleets_need_are_allowed() -> None:
    both = permissions.configured_policy(load(TABLES + BY_TAG + BY_GROUP), "sweep")
    assert both
    (statement,) = (s for s in both["Statement"] if s["Sid"] == "FollowTheFleets")
    assert statement["Action"] == ["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"]
    assert permissions.configured_policy(
        load(TABLES + BY_TAG), "somebody_elses"
    ) == permissions.configured_policy(load(TABLES), "somebody_elses")


@pytest.fixture(scope="module")
def fleet_requests() -> list[Ask]:
    """Return every request of on_fleet while it raises a table and its alarms."""
    with led() as region:
        invocations = record_invocations(region)
        Ec2(region).launch(8, WORKER)
        assert not [
            sentence for invocation in invocations for sentence in denied(region, invocation)
        ]
        return [
            ask
            for invocation in invocations
            for made in invocation.calls
            for ask in asks(made, location_of(region.name))
        ]


@pytest.mark.parametrize("less", [pytest.param(less, id=gone) for gone, less in cuts("on_fleet")])
def test_without_any_one_action_of_its_policy_a_call_of_on_fleet_is_denied(
    less: Any, fleet_requests: list[Ask]
) -> None:
    counting = {"ec2:DescribeInstances"}
    assert [ask for ask in fleet_requests if ask.action not in counting and not allowed(less, ask)]


# the demo


@pytest.mark.slow(traced=True)
def test_the_demos_scene_is_played_to_its_end_with_reasons_and_numbers() -> None:
    out = io.StringIO()
    scenes.play("fleet", Console(file=out, width=200))
    text = out.getvalue()
    for words in (
        "jobs:read 5 → 300 units: the size of the fleet that it follows calls for it (FleetSize; ",
        "orders:read 60 → 400 units",
        "(FleetUnknown; ",
        "jobs:read 300 → 200 units",
        "jobs:read 160 → 5 units",
        "Results",
        "0 refused by DynamoDB",
    ):
        assert words in text, text
