"""From Application Auto Scaling to Headroom with an understudy: the targets stay, suspended."""

import pytest

from chalicelib.core import table_alarms
from headroom.migrate.handover import HandoverError
from headroom.project import ROOT
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import named
from tests.support.builders import READS, TOPIC, WRITES
from tests.support.handover import SCALED, SERVICE, Scene, has, ours, theirs, translated
from tests.support.scenes import actions, invoke, operations, requests, skips
from tests.support.understudy import SECTION, suspended


@pytest.fixture
def config(region: Region) -> str:
    """Deploy the translated configuration with an understudy."""
    text = translated(region) + SECTION
    region.deploy(text)
    region.calls.clear()
    return text


def test_the_targets_are_kept_and_suspended_after_the_alarms_are_made(
    region: Region, scene: Scene, config: str
) -> None:
    lines = scene.over(config)
    assert "orders: kept orders:read, suspended" in lines
    assert "DeregisterScalableTarget" not in operations(region)
    assert set(suspended(region).values()) == {True}
    assert ours(region) == {table_alarms.name_of(target) for target in SCALED}
    assert len(theirs(region)) == 6
    assert len(region.autoscaling.actions) == 3
    order = [name for name in operations(region) if name in ("PutMetricAlarm", "TagResource")]
    assert order == ["PutMetricAlarm"] * 3 + ["TagResource"] * 3
    tags = list(region.autoscaling.tags.values())
    assert tags == [{"team": "shop", "headroom-topic": TOPIC}] * 3
    assert skips(invoke(region, "sweep")) == []


@pytest.mark.slow(traced=True)
def test_the_bounds_follow_the_rule_and_the_policies_stay(
    region: Region, scene: Scene, config: str
) -> None:
    scene.over(config)
    before = dict(region.autoscaling.policies)
    deployed = config.replace("max_units = 200", "max_units = 500")
    region.deploy(deployed)
    invoke(region, "sweep")
    target = region.autoscaling.targets[tuple(named(READS).values())]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (5, 500)
    assert region.autoscaling.policies == before


@pytest.mark.slow(traced=True)
def test_going_back_resumes_them_as_they_were_and_no_sweep_suspends_them_again(
    region: Region, scene: Scene, config: str
) -> None:
    before = has(region)
    scene.over(config)
    scene.back()
    assert has(region) == before
    assert all("Tags" not in given for given in requests(region, "RegisterScalableTarget"))
    sweep = invoke(region, "sweep")
    assert skips(sweep) == [("orders", "ManagedByApplicationAutoScaling")]
    assert "StandBy" not in actions(sweep)
    assert has(region) == before


@pytest.mark.slow(traced=True)
def test_a_second_handover_saves_nothing_of_what_stands_by(
    region: Region, scene: Scene, config: str
) -> None:
    before = has(region)
    region.faults.append(Fault("TagResource", "InternalServiceException", after=1))
    with pytest.raises(HandoverError, match="suspending its scalable targets"):
        scene.over(config)
    scene.over(config)
    scene.over(config)
    assert set(suspended(region).values()) == {True}
    scene.back()
    assert has(region) == before


def test_a_target_from_before_2023_gets_an_arn_and_a_tag(
    region: Region, scene: Scene, config: str
) -> None:
    arn = region.autoscaling.targets[tuple(named(WRITES).values())]["ScalableTargetARN"]

    def without_arn(params: dict[str, object]) -> dict[str, object]:
        entries = [dict(entry) for entry in region.autoscaling.targets.values()]
        for entry in entries:
            if entry["ScalableTargetARN"] == arn and "headroom-topic" not in str(
                region.autoscaling.tags[arn]
            ):
                del entry["ScalableTargetARN"]
        return {"ScalableTargets": entries}

    region.answers[SERVICE, "DescribeScalableTargets"] = without_arn  # type: ignore[assignment]
    scene.over(config)
    assert region.autoscaling.tags[arn]["headroom-topic"] == TOPIC
    assert set(suspended(region).values()) == {True}


@pytest.mark.parametrize(
    ("regions", "kept"),
    [pytest.param([], 2, id="not named"), pytest.param(["eu-west-1"], 3, id="named")],
)
def test_the_writes_of_a_global_table_are_handed_over_if_its_regions_are_named(
    region: Region, scene: Scene, config: str, regions: list[str], kept: int
) -> None:
    region.tables["orders"].replicas = ["eu-west-1"]
    lines = scene.over(config + f"regions = {regions}\n")
    assert list(suspended(region).values()).count(True) == kept
    printed = [line for line in lines if line.startswith("orders:write: not handed over")]
    assert bool(printed) is (kept == 2)
    assert all("which understudy.regions does not name" in line for line in printed)


def test_the_page_names_every_permission_that_it_needs(
    region: Region, scene: Scene, config: str
) -> None:
    page = (ROOT / "docs" / "from-autoscaling.md").read_text()
    scene.over(config)
    scene.back()
    made = {f"{SERVICE}:{c.operation}" for c in region.calls if c.service == SERVICE}
    assert {permission for permission in made if f"`{permission}`" not in page} == set()
