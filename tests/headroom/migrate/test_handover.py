"""From Application Auto Scaling to Headroom and back, in the embedded region: in order, stopped
anywhere, and nothing is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables
from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from chalicelib.model import Target
from chalicelib.run import Run
from headroom.cli import app
from headroom.migrate import application_autoscaling, handover
from headroom.migrate.handover import HandoverError, Record
from headroom.project import ROOT
from headroom.region.context import Call, Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import action, named, tracking
from tests.support.builders import ACCOUNT, INDEX_READS, READS, WRITES
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

SERVICE = "application-autoscaling"
SCALED = (READS, WRITES, INDEX_READS)
BOUNDS = {READS: (5, 200), WRITES: (10, 100), INDEX_READS: (2, 50)}
SINCE = timedelta(days=400)


def setting_up(region: Region) -> None:
    """Let Application Auto Scaling have the reads and writes of `orders`, and the reads of its
    index: policies, actions, tags."""
    client = region.client(SERVICE)
    for target, (low, high) in BOUNDS.items():
        given = {**named(target), "MinCapacity": low, "MaxCapacity": high, "Tags": {"team": "shop"}}
        client.register_scalable_target(
            **given, SuspendedState={"DynamicScalingInSuspended": target is WRITES}
        )
        client.put_scaling_policy(
            **tracking(target, 50.0, f"{target.dimension}-policy", ScaleInCooldown=60)
        )
    for name, schedule, low in (
        ("day", "cron(0 8 * * ? *)", 50),
        ("night", "cron(0 20 * * ? *)", 5),
    ):
        client.put_scheduled_action(**action(schedule, low, name=name, Timezone="Europe/Berlin"))
    soon = region.now + timedelta(days=60)
    client.put_scheduled_action(
        **action("cron(0 9 * * ? *)", 7, name="later", StartTime=soon, EndTime=soon + SINCE)
    )


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders` under Application Auto Scaling, and Headroom deployed with a rule for it."""
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        setting_up(region)
        region.deploy(translated(region))
        invoke(region, "sweep")
        region.calls.clear()
        yield region


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def translated(region: Region) -> str:
    aws = Aws("headroom-alarms")
    found = handover.read(aws)
    return application_autoscaling.translate(
        found, describe_tables(aws, found.tables()), region.now, "percent"
    ).text


def run_of(text: str, now: datetime) -> Run:
    """Return what a handover works with; nobody waits, as time is simulated."""
    return Run(Aws("headroom-alarms", sleep=lambda _: None), loader.load(text), now)


@dataclass
class Scene:
    """The two ways, each with a record that is read anew, as every run of the command does."""

    region: Region
    file: Path

    def over(self, text: str | None = None, table: str = "orders") -> list[str]:
        lines: list[str] = []
        config = text or self.region.functions.config
        handover.hand_over(
            lambda: run_of(config, self.region.now), self.record(), table, lines.append
        )
        return lines

    def back(self, table: str = "orders") -> list[str]:
        lines: list[str] = []
        aws = Aws("headroom-alarms", sleep=lambda _: None)
        handover.take_back(aws, self.record(), table, lambda: self.region.now, lines.append)
        return lines

    def record(self) -> Record:
        return Record(self.file, ACCOUNT, self.region.name)


@pytest.fixture
def scene(region: Region, file: Path) -> Scene:
    return Scene(region, file)


def has(region: Region) -> dict[str, Any]:
    """Return all that Application Auto Scaling has, but for what AWS chooses: ARNs, times of
    creation, names of alarms."""
    chosen = {"CreationTime", "ScalableTargetARN", "PolicyARN", "ScheduledActionARN", "Alarms"}
    kept = region.autoscaling

    def plain(found: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
        return {
            str(key): {k: v for k, v in entry.items() if k not in chosen}
            for key, entry in found.items()
        }

    tags = {
        entry["ResourceId"] + entry["ScalableDimension"]: kept.tags[entry["ScalableTargetARN"]]
        for entry in kept.targets.values()
    }
    return copy.deepcopy(
        {
            "targets": plain(kept.targets),
            "policies": plain(kept.policies),
            "actions": plain(kept.actions),
            "tags": tags,
        }
    )


def ours(region: Region) -> set[str]:
    return {name for name in region.cloudwatch.alarms if name.startswith("headroom-")}


def theirs(region: Region) -> set[str]:
    return {name for name in region.cloudwatch.alarms if name.startswith("TargetTracking-")}


# over


def test_a_table_is_headrooms_after_the_handover(region: Region, scene: Scene) -> None:
    assert ours(region) == set()
    assert len(theirs(region)) == 6
    scene.over()
    assert ours(region) == {table_alarms.name_of(target) for target in SCALED}
    assert theirs(region) == set()
    assert all(not part for part in has(region).values())
    assert skips(invoke(region, "sweep")) == []


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
        match=r"alarm headroom-orders:read does not notify .*Application Auto Scaling manages it as before",
    ):
        scene.over()
    assert len(has(region)["targets"]) == 3


def test_a_table_that_is_billed_on_demand_is_not_handed_over(region: Region, scene: Scene) -> None:
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    with pytest.raises(HandoverError, match="is billed on demand"):
        scene.over()


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


class Stopped(KeyboardInterrupt):
    """Ctrl-C, at a call."""


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


class StopAt(FaultAt):
    """Stop the run at a call, as Ctrl-C does."""

    def applies_to(self, made: Call) -> bool:
        if super().applies_to(made):
            raise Stopped
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


# the record


def test_a_second_handover_saves_what_is_there_then(region: Region, scene: Scene) -> None:
    scene.over()
    scene.back()
    key = tuple(named(READS).values())
    region.client(SERVICE).deregister_scalable_target(**named(READS))
    region.client(SERVICE).register_scalable_target(**named(READS), MinCapacity=9, MaxCapacity=90)
    changed = has(region)
    scene.over()
    first = json.loads(scene.file.read_text())["targets"][0]
    assert (first["state"], first["target"]["MinCapacity"]) == ("restored", 5)
    scene.back()
    assert has(region)["targets"][str(key)]["MinCapacity"] == 9
    assert has(region) == changed


def test_what_somebody_else_brought_back_is_all_there_is(region: Region, scene: Scene) -> None:
    """After a handover Terraform registers the reads again; what is handed over then is the reads,
    and comes back alone."""
    scene.over()
    region.client(SERVICE).register_scalable_target(**named(READS), MinCapacity=9, MaxCapacity=90)
    scene.over()
    scene.back()
    assert {
        application_autoscaling.target_of(entry) for entry in region.autoscaling.targets.values()
    } == {READS}


def test_what_is_half_removed_already_keeps_what_was_saved_before(
    region: Region, scene: Scene
) -> None:
    """A target that still shows when its policies and actions are gone: it may, as the API is
    eventually consistent."""
    before = has(region)
    region.faults.append(Fault("DeregisterScalableTarget", "ConcurrentUpdateException"))
    with pytest.raises(
        HandoverError, match="what was removed stands in the record; the same command again goes on"
    ):
        scene.over()
    region.autoscaling.policies.clear()
    region.autoscaling.actions.clear()
    scene.over()
    scene.back()
    assert has(region) == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("{}", "is not a record of a handover", id="another document"),
        pytest.param("no json", "is not a record of a handover", id="no json"),
        pytest.param(
            '{"account":"1","region":"us-east-1","targets":[]}',
            "is of account 1 in us-east-1, and this is",
            id="account",
        ),
    ],
)
def test_a_file_that_is_not_this_accounts_record_is_left_as_it_is(
    region: Region, scene: Scene, text: str, why: str
) -> None:
    scene.file.write_text(text)
    with pytest.raises(HandoverError, match=why):
        scene.over()
    assert scene.file.read_text() == text
    assert len(has(region)["targets"]) == 3


# all pages


def test_all_pages_are_read(region: Region) -> None:
    client = region.client(SERVICE)
    for number in range(60):
        client.put_scheduled_action(**action("rate(1 day)", 5, name=f"more-{number}"))
        client.put_scaling_policy(**tracking(READS, 50.0, f"more-{number}"))
        region.create_table(f"table-{number}")
        target = Target(f"table-{number}", "", READS.dimension)
        client.register_scalable_target(**named(target), MinCapacity=1, MaxCapacity=9)
    found = handover.read(Aws("headroom-alarms"))
    assert (len(found.targets), len(found.policies), len(found.actions)) == (63, 63, 63)


# the command


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def run(region: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run `headroom import autoscaling`, in an empty folder. Only the reads are scaled: a second
    alarm would be waited for."""
    for target in (WRITES, INDEX_READS):
        region.client(SERVICE).deregister_scalable_target(**named(target))
    written = tmp_path / "headroom.toml"
    written.write_text(translated(region))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADROOM_CONFIG", str(written))
    monkeypatch.delenv("ALARM_TOPIC", raising=False)

    def run(*words: str, answers: str = "") -> Ended:
        region.calls.clear()
        done = CliRunner().invoke(app, ["import", "autoscaling", *words], input=answers)
        return Ended(done.exit_code, " ".join(done.stdout.split()), " ".join(done.stderr.split()))

    return run


RECORD = f"headroom-autoscaling-{ACCOUNT}-us-east-1.json"
WRITING = {
    "DeregisterScalableTarget",
    "RegisterScalableTarget",
    "PutMetricAlarm",
    "DeleteAlarms",
    "UpdateTable",
}


def test_the_command_prints_a_configuration_that_loads_and_the_steps_beside_it(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.calls.clear()
    ended = CliRunner().invoke(app, ["import", "autoscaling", "--strategy", "percent"])
    rules = loader.load(ended.stdout)
    found = rules.policy_for(READS)
    assert found is not None
    assert (found.min_units, found.max_units, found.alarm_percent, len(found.windows)) == (
        5,
        200,
        50,
        1,
    )
    assert RECORD in ended.stderr
    assert "orders:read scheduled action later: refused" in ended.stdout
    assert "orders:read scheduled action later: refused" in ended.stderr
    assert ended.exit_code == 1
    assert not WRITING & set(operations(region))


def test_the_command_says_where_there_is_nothing(run: Callable[..., Ended]) -> None:
    ended = run("--table", "carts-*")
    assert (ended.code, ended.out) == (0, "")
    assert "has nothing for DynamoDB" in ended.err


def test_apply_asks_for_each_table_and_revert_brings_it_back(
    region: Region, run: Callable[..., Ended]
) -> None:
    before = has(region)
    refused = run("--apply", answers="n\n")
    assert "Hand orders over to Headroom? [y/N]" in refused.out
    assert "orders is left as it is." in refused.out
    assert has(region) == before
    assert not Path(RECORD).exists()
    ended = run("--apply", answers="y\n")
    assert (ended.code, ended.out.split()[-5:]) == (0, ["1", "table(s)", "done,", "0", "failed."])
    assert ours(region) == {"headroom-orders:read"}
    assert not region.autoscaling.targets
    back = run("--revert", RECORD, "--yes")
    assert back.code == 0
    assert has(region) == before
    assert run("--revert", RECORD, "--yes").out == "Nothing to do: no table is left for it."


def test_one_table_that_fails_does_not_stop_the_others(
    region: Region, run: Callable[..., Ended], tmp_path: Path
) -> None:
    region.create_table("carts", 10, 10)
    carts = Target("carts", "", READS.dimension)
    region.client(SERVICE).register_scalable_target(**named(carts), MinCapacity=1, MaxCapacity=90)
    ended = run("--apply", "--yes", "--state", "other.json")  # no rule names carts
    assert ended.code == 1
    assert "carts: looking at it: no rule of the configuration names it" in ended.err
    assert "1 table(s) done, 1 failed." in ended.out
    assert (tmp_path / "other.json").exists()
    assert [entry["ResourceId"] for entry in region.autoscaling.targets.values()] == ["table/carts"]


def test_ctrl_c_says_how_to_go_on_and_the_same_command_goes_on(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.faults.append(StopAt(after=12))
    ended = run("--apply", "--yes")
    assert ended.code == 130
    assert "The same command again goes on." in ended.err
    region.faults.clear()
    assert run("--apply", "--yes").code == 0
    assert not region.autoscaling.targets


def test_what_is_begun_is_ended_although_no_target_is_left(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.faults.append(Fault("GetMetricData", "AccessDeniedException", after=2))
    ended = run("--apply", "--yes")
    assert ended.code == 1
    assert "It is Headroom's now" in ended.err
    assert not region.autoscaling.targets
    region.faults.clear()
    again = run("--apply", "--yes")
    assert f"orders: going on; what was deregistered before stands in {RECORD}" in again.out
    assert again.out.endswith("1 table(s) done, 0 failed.")
    assert run("--apply", "--yes").out == "Nothing to do: no table is left for it."


def test_what_is_stopped_before_anything_was_removed_names_no_file(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.faults.append(StopAt(after=1))
    ended = run("--apply", "--yes")
    assert ended.code == 130
    assert ended.err.endswith("Stopped. What was done stays done. The same command again goes on.")
    assert not Path(RECORD).exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(["--revert", "nothing.json"], "there is no file nothing.json", id="no file"),
        pytest.param(
            ["--revert", "x.json", "--apply"], "give either --apply or --revert", id="both"
        ),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(
    run: Callable[..., Ended], words: list[str], why: str
) -> None:
    ended = run(*words)
    assert ended.code == 2
    assert why in ended.err


def test_what_is_not_translated_is_left_as_it_is_and_named(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.create_table("gone", 10, 10)
    gone = Target("gone", "", READS.dimension)
    region.client(SERVICE).register_scalable_target(**named(gone), MinCapacity=1, MaxCapacity=90)
    region.client("dynamodb").delete_table(TableName="gone")
    ended = run("--apply", "--yes")
    assert ended.code == 0
    assert "gone:read: obsolete: the table exists no more" in ended.err
    assert [entry["ResourceId"] for entry in region.autoscaling.targets.values()] == ["table/gone"]
