"""From Application Auto Scaling to Headroom and back, in the embedded region: in order, stopped
anywhere, and nothing is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from headroom.migrate import application_autoscaling
from headroom.migrate.handover import HandoverError
from headroom.project import ROOT
from headroom.region.context import Call, Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import named
from tests.support.builders import ACCOUNT, INDEX_READS, READS, WRITES
from tests.support.handover import (
    SCALED,
    SERVICE,
    Scene,
    StopAt,
    Stopped,
    has,
    ours,
    theirs,
    translated,
)
from tests.support.scenes import (
    FaultAt,
    invoke,
    operations,
    pass_minutes,
    requests,
    rules,
    skips,
    units,
    wait,
)

# over


@pytest.mark.slow(traced=True)
def test_a_table_is_headrooms_after_the_handover(region: Region, scene: Scene) -> None:
    assert ours(region) == set()
    assert len(theirs(region)) == 6
    scene.over()
    assert ours(region) == {table_alarms.name_of(target) for target in SCALED}
    assert theirs(region) == set()
    assert all(not part for part in has(region).values())
    assert skips(invoke(region, "sweep")) == []


def test_the_writes_of_a_global_table_stay_with_application_auto_scaling(
    region: Region, scene: Scene
) -> None:
    region.tables["orders"].replicas = ["eu-west-1"]
    config = translated(region)
    assert (
        "orders:write: refused: the table is a global table, with replicas in eu-west-1" in config
    )
    before = theirs(region)
    lines = scene.over(config)
    assert any(line.startswith("orders:write: not handed over: the table is") for line in lines)
    assert ours(region) == {table_alarms.name_of(target) for target in (READS, INDEX_READS)}
    assert {str(key) for key in has(region)["targets"]} == {str(tuple(named(WRITES).values()))}
    assert len(theirs(region)) == len(before) / 3
    assert {application_autoscaling.target_of(s.target) for s in scene.record().of("orders")} == {
        READS,
        INDEX_READS,
    }
    scene.back()
    assert (ours(region), len(theirs(region))) == (set(), len(before))


def test_everything_that_goes_is_saved_first_then_the_alarms_are_made_then_the_targets_go(
    region: Region, scene: Scene
) -> None:
    saved = Watcher(
        lambda made: made.operation == "DeregisterScalableTarget",
        lambda: scene.record().of("orders"),
    )
    region.faults.append(saved)
    scene.over()
    order = [
        name
        for name in operations(region)
        if name in ("PutMetricAlarm", "DeregisterScalableTarget")
    ]
    assert order == ["PutMetricAlarm"] * 3 + ["DeregisterScalableTarget"] * 3
    assert [len(found) for found in saved.found] == [3, 3, 3]
    assert [len(entry.policies) for entry in saved.found[0]] == [1, 1, 1]
    assert sorted(len(entry.scheduled_actions) for entry in saved.found[0]) == [0, 0, 3]
    assert saved.found[0][0].tags == {"team": "shop"}


def test_the_table_gets_the_capacity_that_its_load_calls_for_at_once(
    region: Region, scene: Scene
) -> None:
    pass_minutes(region, 65, {READS: 20.0, WRITES: 49.0, INDEX_READS: 9.0})
    lines = scene.over()
    assert units(region) == {
        "orders:read": 45,
        "orders:write": 100,
        "orders/by-date:read": 20,
        "orders/by-date:write": 20,
    }
    assert any(line.startswith("orders:read 100 → 45 units") for line in lines)
    assert region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] == 45 * 60 * 0.5


def test_its_alarms_fit_the_units_that_hold_and_not_those_that_are_wanted(
    region: Region, scene: Scene
) -> None:
    """Were the alarm made for what the look calls for, a refused increase would leave it too
    lazy."""
    pass_minutes(region, 65, {READS: 90.0})
    region.faults.append(Fault("UpdateTable", "ThrottlingException"))
    with pytest.raises(HandoverError, match="orders: looking at it: orders: SetCapacity failed: "):
        scene.over()
    assert units(region)["orders:read"] == 100
    assert region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] == 100 * 60 * 0.5


def test_alarms_that_a_sweep_removed_meanwhile_are_made_again(region: Region, scene: Scene) -> None:
    """Until the targets are gone the sweep leaves the table to Application Auto Scaling, and takes
    Headroom's alarms away."""
    sweeping = Watcher(
        lambda made: made.operation == "DeregisterScalableTarget",
        lambda: invoke(region, "sweep"),
        times=1,
    )
    region.faults.append(sweeping)
    scene.over()
    assert len(sweeping.found) == 1
    assert ours(region) == {table_alarms.name_of(target) for target in SCALED}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(rules("carts"), "no rule of the configuration names it", id="no rule"),
        pytest.param(rules(dry_run=True), "dry_run = true would leave it to nobody", id="dry run"),
    ],
)
def test_a_table_that_headroom_would_not_take_up_stays(
    region: Region, scene: Scene, text: str, why: str
) -> None:
    before = has(region)
    with pytest.raises(HandoverError, match=f"{why}.* Nothing was changed"):
        scene.over(text)
    assert has(region) == before
    assert not scene.file.exists()


def test_without_headrooms_topic_nothing_is_handed_over(region: Region, scene: Scene) -> None:
    region.client("sns").delete_topic(TopicArn=f"arn:aws:sns:us-east-1:{ACCOUNT}:headroom-alarms")
    with pytest.raises(
        HandoverError, match=r"there is no topic .*headroom-alarms; deploy Headroom first"
    ):
        scene.over()
    assert len(has(region)["targets"]) == 3


def test_an_alarm_of_our_name_that_does_not_call_us_stops_the_handover(
    region: Region, scene: Scene
) -> None:
    fields = {**table_alarms.new_fields(READS, 100, Policy(), "arn:aws:sns:us-east-1:1:elsewhere")}
    region.client("cloudwatch").put_metric_alarm(**fields)
    with pytest.raises(
        HandoverError,
        match=r"alarm headroom-orders:read does not notify .*Auto Scaling manages it as before",
    ):
        scene.over()
    assert len(has(region)["targets"]) == 3


def test_a_table_that_is_billed_on_demand_is_not_handed_over(region: Region, scene: Scene) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    with pytest.raises(HandoverError, match="is billed on demand"):
        scene.over()


@pytest.mark.slow(traced=True)
def test_targets_that_still_show_are_told_of_and_the_same_again_goes_on(
    region: Region, scene: Scene
) -> None:
    """Application Auto Scaling is eventually consistent: here it takes longer than anybody
    waits."""
    kept = region.autoscaling.targets.copy()
    shown = {"ScalableTargets": list(kept.values())}
    region.answers[SERVICE, "DescribeScalableTargets"] = lambda _: shown
    with pytest.raises(
        HandoverError, match="still has orders:read, orders:write, orders/by-date:read"
    ):
        scene.over()
    region.answers.clear()
    scene.over()
    assert scene.record().tables("handed over") == ["orders"]


# stopped anywhere


@dataclass
class Watcher(Fault):
    """Look at something right before the calls that are meant; inject nothing."""

    def __init__(
        self, meant: Callable[[Call], bool], look: Callable[[], Any], times: int = 10_000
    ) -> None:
        super().__init__("", "", times=times)
        self.meant, self.look = meant, look
        self.found: list[Any] = []

    def applies_to(self, made: Call) -> bool:
        if self.meant(made) and self.times > 0:
            self.times -= 1
            self.found.append(self.look())
        return False


def somebody_has(region: Region) -> bool:
    """Tell whether each scaled target is Application Auto Scaling's or has Headroom's alarm."""
    registered = {
        application_autoscaling.target_of(entry) for entry in region.autoscaling.targets.values()
    }
    return all(
        target in registered or table_alarms.name_of(target) in region.cloudwatch.alarms
        for target in SCALED
    )


def attempt(region: Region, run: Callable[[], list[str]], fault: Fault) -> bool:
    """Run with a fault and tell whether it was met. Whatever happens, each target has somebody at
    every call."""
    watcher = Watcher(lambda _: True, lambda: somebody_has(region))
    region.faults[:] = [watcher, fault]
    try:
        run()
    except (HandoverError, Stopped):
        met = True
    else:
        met = fault.times == 0
    finally:
        region.faults.clear()
    assert all(watcher.found)
    assert somebody_has(region)
    return met


FAULTS = [
    pytest.param(lambda number: FaultAt(code="AccessDeniedException", after=number), id="refused"),
    pytest.param(lambda number: StopAt(after=number), id="Ctrl-C"),
]
MOST_CALLS = 60


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_handover_that_stops_at_any_call_goes_on_and_loses_nothing(
    region: Region, scene: Scene, fault: Callable[[int], Fault]
) -> None:
    before = has(region)
    for number in range(MOST_CALLS):
        met = attempt(region, scene.over, fault(number))
        if number % 2:
            invoke(region, "sweep")  # it may come at any time
        scene.over()
        assert ours(region) == {table_alarms.name_of(target) for target in SCALED}
        assert not region.autoscaling.targets
        scene.back()
        assert has(region) == before
        if not met:
            break
    assert 20 < number < MOST_CALLS - 1


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_going_back_may_stop_at_any_call_and_goes_on(
    region: Region, scene: Scene, fault: Callable[[int], Fault]
) -> None:
    before = has(region)
    for number in range(MOST_CALLS):
        scene.over()
        met = attempt(region, scene.back, fault(number))
        scene.back()
        assert has(region) == before
        assert ours(region) == set()
        if not met:
            break
    assert 8 < number < MOST_CALLS - 1


# back


def test_what_was_is_registered_again_before_headrooms_alarms_go(
    region: Region, scene: Scene
) -> None:
    before = has(region)
    scene.over()
    region.calls.clear()
    scene.back()
    assert has(region) == before
    assert ours(region) == set()
    assert len(theirs(region)) == 6
    assert operations(region).index("DeleteAlarms") > max(
        number
        for number, name in enumerate(operations(region))
        if name in ("RegisterScalableTarget", "PutScalingPolicy")
    )
    assert skips(invoke(region, "sweep")) == [("orders", "ManagedByApplicationAutoScaling")]
    assert ours(region) == set()


@pytest.mark.slow(traced=True)
def test_the_service_linked_role_is_awss_to_name(region: Region, scene: Scene) -> None:
    scene.over()
    region.calls.clear()
    scene.back()
    assert all("RoleARN" not in given for given in requests(region, "RegisterScalableTarget"))


def test_a_role_of_the_operators_own_comes_back(region: Region, scene: Scene) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/DynamoDBAutoscaleRole"
    region.client(SERVICE).register_scalable_target(**named(READS), RoleARN=role)
    scene.over()
    scene.back()
    key = tuple(named(READS).values())
    assert region.autoscaling.targets[key]["RoleARN"] == role


def test_an_action_that_has_begun_by_now_comes_back_without_its_beginning(
    region: Region, scene: Scene
) -> None:
    scene.over()
    wait(region, days=70)
    scene.back()
    actions = {key[-1]: found for key, found in region.autoscaling.actions.items()}
    assert sorted(actions) == ["day", "later", "night"]
    assert "StartTime" not in actions["later"]  # a time that is past may be refused


def test_an_action_that_has_ended_is_left_out(region: Region, scene: Scene) -> None:
    scene.over()
    wait(region, days=600)
    assert [line for line in scene.back() if "left out" in line] == [
        "orders: left out: it ended at 2028-02-05 00:00 UTC: orders:read scheduled action later"
    ]


@pytest.mark.slow(traced=True)
def test_an_index_that_is_gone_does_not_keep_the_table_from_coming_back(
    region: Region, scene: Scene
) -> None:
    scene.over()
    region.client("dynamodb").update_table(
        TableName="orders", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-date"}}]
    )
    with pytest.raises(
        HandoverError, match="DynamoDB resource does not exist: table/orders/index/by-date"
    ):
        scene.back()
    assert {
        application_autoscaling.target_of(entry) for entry in region.autoscaling.targets.values()
    } == {READS, WRITES}
    assert scene.record().tables("handed over") == ["orders"]


def test_a_target_that_is_not_known_at_once_is_waited_for(region: Region, scene: Scene) -> None:
    scene.over()
    region.faults.append(Fault("PutScalingPolicy", "ObjectNotFoundException", times=2))
    scene.back()
    assert len(region.autoscaling.policies) == 3


@pytest.mark.slow(traced=True)
def test_the_page_names_every_permission_that_the_two_ways_need(
    region: Region, scene: Scene
) -> None:
    page = (ROOT / "docs" / "from-autoscaling.md").read_text()
    pass_minutes(region, 65, {READS: 20.0})
    region.calls.clear()
    translated(region)
    scene.over()
    scene.back()
    prefixes = {"resourcegroupstaggingapi": "tag"}
    permissions = {
        f"{prefixes.get(made.service, made.service)}:{made.operation}" for made in region.calls
    }
    permissions.remove("sts:GetCallerIdentity")  # it needs no permission
    assert {permission for permission in permissions if f"`{permission}`" not in page} == set()
