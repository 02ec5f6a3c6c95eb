"""Healing in the workbench and in its page."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from chalicelib.config.loader import load
from chalicelib.model import Reason
from headroom.cli import app
from headroom.demo.scenes import play
from headroom.deploy import account, doctor, permissions, teardown
from headroom.deploy.checks import configuration
from headroom.deploy.checks.deployment import Deployment
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import TOPIC
from tests.support.healing import (
    alarm_of,
    healing,
    touched,
    web,
)

pytestmark = pytest.mark.scene.with_args(web)


@pytest.mark.slow(traced=True)
def test_the_demo_plays_what_it_says() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    play("healing", console)
    text = console.export_text()
    assert text.count("is replaced") == 2
    for reason in ("HealingBudgetUsedUp", "NotInService", "Outage", "StatusChecksPass"):
        assert reason in text
    assert re.search(r"replaced +│ +2 ", text)
    assert re.search(r"instances lost to the outage +│ +0 ", text)


PAGE = (ROOT / "docs" / "healing.md").read_text()


def test_the_pages_example_loads_and_its_permissions_are_those_that_it_names() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    web, workers = load(text).healing
    assert (web.allowed(10), web.within_minutes, web.action) == (2, 60, "replace")
    assert (workers.action, workers.dry_run) == ("reboot", True)
    for function in ("on_alarm", "follow_up"):
        found = {
            s["Sid"]: s for s in permissions.configured_policy(load(text), function)["Statement"]
        }  # type: ignore[index]
        assert found.keys() - {"OnlyTheTablesOfTheConfiguration"} == {
            "MarkInstances",
            "PublishNotifications",
            "ReadGroups",
            "RememberWhatWasToldOfInstances",
        }
        assert len(found["ReadGroups"]["Action"]) == 4


def test_the_page_names_every_reason_and_every_action() -> None:
    reported = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    ours = {
        str(reason) for reason in list(Reason)[list(Reason).index(Reason.STATUS_CHECK_FAILED) + 1 :]
    }
    assert reported == ours | {"replace", "reboot", "recover", "notify"}


def test_explain_says_of_a_group_what_would_be_done(
    region: Region, ids: list[str], tmp_path: Path
) -> None:
    config = tmp_path / "headroom.toml"
    config.write_text(healing())
    region.groups.fail_checks(ids[0])
    result = CliRunner().invoke(app, ["explain", "web", "--config", str(config)])
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert f"instance {ids[0]} of group web is replaced: its status checks fail" in text
    assert f"Would let group web replace instance {ids[0]}" in text
    assert (text.count("StatusChecksPass"), touched(region)) == (5, [])


def deployment(region: Region) -> Deployment:
    """Return the stage whose configuration is that of the region."""
    found = Deployment(Stage("headroom", "dev"), ROOT, account.AwsSession(), region.now)
    found.__dict__["rules"] = load(region.functions.config)
    return found


@pytest.mark.parametrize(
    ("suspended", "problems"),
    [
        pytest.param([], [], id="all is well"),
        pytest.param(
            [],
            ["no Auto Scaling group is named api"],
            id="no such group",
            marks=pytest.mark.scene(web, healing("api")),
        ),
        pytest.param(
            ["Launch", "AZRebalance"],
            ["group web has suspended Launch: its unhealthy instances are not replaced"],
            id="nothing would be replaced",
        ),
        pytest.param(
            [],
            [
                "group web replaces its unhealthy instances itself after some minutes, "
                "while action = recover is to keep them"
            ],
            id="the group would be first",
            marks=pytest.mark.scene(web, healing(action="recover")),
        ),
        pytest.param(
            ["ReplaceUnhealthy"],
            [],
            id="reboots, and the group lets them",
            marks=pytest.mark.scene(web, healing(action="reboot")),
        ),
    ],
)
def test_the_doctor_says_what_would_keep_instances_from_being_healed(
    region: Region, suspended: list[str], problems: list[str]
) -> None:
    if suspended:
        region.client("autoscaling").suspend_processes(
            AutoScalingGroupName="web", ScalingProcesses=suspended
        )
    assert [finding.problem for finding in configuration.healing(deployment(region))] == problems
    assert doctor.CHECKS["healing"] is configuration.healing


def test_the_doctor_says_what_may_not_be_read(region: Region) -> None:
    region.faults.append(Fault("DescribeInstanceStatus", "UnauthorizedOperation", times=99))
    (finding,) = doctor.run_check("healing", configuration.healing, deployment(region))
    assert finding.problem == "not allowed to call DescribeInstanceStatus"


def test_the_doctor_says_which_instance_has_no_alarm(region: Region, ids: list[str]) -> None:
    region.client("cloudwatch").delete_alarms(AlarmNames=[alarm_of(ids[0])])
    assert [f.problem for f in configuration.alarms(deployment(region))] == [
        f"instance {ids[0]} of web has no alarm"
    ]


def test_teardown_takes_the_alarms_of_instances_for_its_own(ids: list[str]) -> None:
    assert teardown.foreign_alarms(TOPIC) == []
    (*_, ours) = teardown._alarms(Stage("headroom", "dev"), TOPIC)
    assert all(alarm_of(i) in ours.subject for i in ids)
