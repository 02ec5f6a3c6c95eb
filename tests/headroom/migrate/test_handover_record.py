"""The record of a handover, and the command that hands over and takes back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.model import Target
from headroom.cli import app
from headroom.migrate import application_autoscaling, handover
from headroom.migrate.handover import HandoverError
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import action, named, tracking
from tests.support.builders import ACCOUNT, INDEX_READS, READS, WRITES
from tests.support.handover import (
    SERVICE,
    Scene,
    StopAt,
    has,
    ours,
    translated,
)
from tests.support.scenes import (
    operations,
)

# the record


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow(traced=True)
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


@pytest.mark.slow
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


@pytest.mark.slow(traced=True)
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


@pytest.mark.slow(traced=True)
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
    assert (ended.code, ended.out.split()[-5:]) == (0, ["1", "table", "done,", "0", "failed."])
    assert ours(region) == {"headroom-orders:read"}
    assert not region.autoscaling.targets
    back = run("--revert", RECORD, "--yes")
    assert back.code == 0
    assert has(region) == before
    assert run("--revert", RECORD, "--yes").out == "Nothing to do: no table is left for it."


@pytest.mark.slow(traced=True)
def test_one_table_that_fails_does_not_stop_the_others(
    region: Region, run: Callable[..., Ended], tmp_path: Path
) -> None:
    region.create_table("carts", 10, 10)
    carts = Target("carts", "", READS.dimension)
    region.client(SERVICE).register_scalable_target(**named(carts), MinCapacity=1, MaxCapacity=90)
    ended = run("--apply", "--yes", "--state", "other.json")  # no rule names carts
    assert ended.code == 1
    assert "carts: looking at it: no rule of the configuration names it" in ended.err
    assert "1 table done, 1 failed." in ended.out
    assert (tmp_path / "other.json").exists()
    assert [entry["ResourceId"] for entry in region.autoscaling.targets.values()] == ["table/carts"]


@pytest.mark.slow(traced=True)
def test_ctrl_c_says_how_to_go_on_and_the_same_command_goes_on(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.faults.append(StopAt(after=12))
    ended = run("--apply", "--yes")
    assert ended.code == 130
    assert "Run the same command to go on." in ended.err
    region.faults.clear()
    assert run("--apply", "--yes").code == 0
    assert not region.autoscaling.targets


@pytest.mark.slow
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
    assert again.out.endswith("1 table done, 0 failed.")
    assert run("--apply", "--yes").out == "Nothing to do: no table is left for it."


def test_what_is_stopped_before_anything_was_removed_names_no_file(
    region: Region, run: Callable[..., Ended]
) -> None:
    region.faults.append(StopAt(after=1))
    ended = run("--apply", "--yes")
    stopped = "Stopped. What was done stays done. Run the same command to go on."
    assert (ended.code, ended.err.endswith(stopped), Path(RECORD).exists()) == (130, True, False)


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


@pytest.mark.slow(traced=True)
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
