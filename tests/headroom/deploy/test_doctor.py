"""The doctor finds a healthy stage well, and names each thing that is wrong with what to do."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from chalicelib.config.loader import load
from chalicelib.model import Change, CreateAlarm, RewriteAlarm, SetCapacity
from chalicelib.run import Report
from headroom.cli import app
from headroom.deploy import doctor, setup
from headroom.deploy.account import AwsSession
from headroom.deploy.checks import configuration, mute_rules
from headroom.deploy.checks.deployment import Deployment, Finding
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from tests.support import moto_state
from tests.support.builders import READS, WRITES, alarm
from tests.support.deployed import (
    BEFORE_CALLS,
    FUNCTIONS,
    account,
    dev,
    make_functions,
    make_table,
    set_up,
)
from tests.support.harm_rows import ROWS
from tests.support.harms import (
    CAPACITY,
    CONFIG,
    FLEET,
    PAUSE,
    TAGS,
    URL,
    Harm,
    configure,
    delete_the_topic,
    deploy_workers,
    keep,
    lose_a_message,
    refuse,
    sweep,
    tell,
    tell_a_webhook_that_is_no_url,
    write_nonsense,
)
from tests.support.untraced import untraced

LOWER_AT = '[[tables]]\nname = "night"\nlower_at = [{ at = "rate(1 day)" }]\n'


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A stage that was deployed well, with a table and its alarms."""
    shutil.copytree(
        ROOT / ".chalice", tmp_path / ".chalice", ignore=shutil.ignore_patterns("deploy*")
    )
    configure(tmp_path, CONFIG)
    with account() as session:
        with untraced():
            moto_state.begin_with("well", lambda: _deploy_well(session))
        yield Deployment(dev(), tmp_path, session, datetime.now(UTC))


def _deploy_well(session: AwsSession) -> None:
    set_up(dev(), session, rules=load(CONFIG))
    make_table(session.client)
    sweep(CONFIG)


@pytest.mark.slow
def test_a_stage_that_was_deployed_well_is_well(deployment: Deployment) -> None:
    assert doctor.diagnose(deployment) == []


@pytest.mark.slow(traced=True)
def test_a_stage_that_was_never_set_up_is_told_what_to_run(deployment: Deployment) -> None:
    deployment.stage = Stage("headroom", "new", {"ALARM_TOPIC": "headroom-alarms-new"})
    remedies = {
        finding.remedy
        for finding in doctor.diagnose(deployment)
        if finding.check in ("functions", "setup")
    }
    assert remedies == {
        "Deploy: make deploy STAGE=new.",
        "Correct it: headroom setup --stage new.",
    }


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(("harm", "check", "problem", "remedy"), ROWS.values(), ids=ROWS)
def test_each_harm_is_found_and_comes_with_what_to_do(
    deployment: Deployment, harm: Harm, check: str, problem: str, remedy: str
) -> None:
    harm(deployment)
    findings = doctor.diagnose(deployment)
    assert any(
        f.check == check and problem in f.problem and remedy in f.remedy for f in findings
    ), findings


@pytest.mark.slow(traced=True)
def test_with_a_broken_configuration_the_rest_is_looked_at_all_the_same(
    deployment: Deployment,
) -> None:
    write_nonsense(deployment)
    delete_the_topic(deployment)
    assert "topic headroom-alarms-dev: it does not exist" in {
        finding.problem for finding in doctor.diagnose(deployment)
    }


@pytest.mark.slow
def test_a_stage_whose_fleet_is_counted_is_well(deployment: Deployment) -> None:
    text = CONFIG + FLEET.format(how=TAGS, table="orders")
    configure(deployment.project, text)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "worker"}]}]
    deployment.session.client("ec2").run_instances(
        ImageId="ami-12c6146b", MinCount=2, MaxCount=2, TagSpecifications=tags
    )
    make_functions(dev(), deployment.session, ("on_fleet",))
    list(
        setup.setup(
            setup.resources_of_functions(
                dev(), deployment.session, (*FUNCTIONS, "on_fleet"), load(text)
            ),
            deployment.session,
        )
    )
    sweep(text)
    assert doctor.diagnose(deployment) == []


@pytest.mark.slow
def test_a_stage_with_workers_is_well(deployment: Deployment) -> None:
    deploy_workers(deployment)
    assert doctor.diagnose(deployment) == []


@pytest.mark.slow(traced=True)
def test_a_stage_that_tells_people_and_asks_for_jobs_is_well(deployment: Deployment) -> None:
    text = tell(deployment, CAPACITY, "secretsmanager:slack") + PAUSE.format(table="orders")
    configure(deployment.project, text)
    keep(deployment, URL)
    sns = deployment.session.client("sns")
    sns.subscribe(
        TopicArn=sns.create_topic(Name="capacity")["TopicArn"],
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:1:q",
    )
    list(
        setup.setup(
            setup.resources_of_functions(dev(), deployment.session, FUNCTIONS, load(text)),
            deployment.session,
        )
    )
    assert doctor.diagnose(deployment) == []


def test_an_alarm_that_follows_new_units_is_no_finding(deployment: Deployment) -> None:
    report = Report()
    report.planned[:] = [
        CreateAlarm(WRITES, {}),
        RewriteAlarm(WRITES, alarm(), {"Threshold": 1.0}),
        SetCapacity("orders", (Change(READS, 100, 50),)),
        RewriteAlarm(READS, alarm(), {"Threshold": 1.0}),
    ]
    vars(deployment)["next_sweep"] = report
    problems = [finding.problem for finding in configuration.alarms(deployment)]
    assert problems == ["orders:write has no alarm"]


@pytest.mark.slow(traced=True)
def test_what_the_operator_may_rightly_not_see_is_no_finding(deployment: Deployment) -> None:
    tell(deployment, CAPACITY.replace("123456789012", "210987654321"), "secretsmanager:slack")
    keep(deployment, URL)
    refuse(deployment.aws.client("secretsmanager"), "GetSecretValue", "AccessDeniedException")
    refuse(
        deployment.aws.client("sns", "us-east-1"), "ListSubscriptionsByTopic", "AuthorizationError"
    )
    assert not [
        finding for finding in doctor.diagnose(deployment) if finding.check == "notifications"
    ]


@pytest.mark.slow(traced=True)
def test_the_doctor_does_not_say_what_a_secret_holds(deployment: Deployment) -> None:
    tell_a_webhook_that_is_no_url(deployment)
    assert "PASSWORD" not in str(doctor.diagnose(deployment))


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("row", ["write nonsense", "ask for jobs without permission"])
def test_what_several_checks_come_upon_is_reported_once(deployment: Deployment, row: str) -> None:
    harm, _, problem, _ = ROWS[row]
    harm(deployment)
    assert [problem in finding.problem for finding in doctor.diagnose(deployment)].count(True) == 1


def test_every_check_has_a_row() -> None:
    assert set(doctor.CHECKS) <= {check for _, check, _, _ in ROWS.values()}


@pytest.mark.parametrize(
    ("code", "message", "problems"),
    [
        ("InvalidAction", "Could not find operation", []),
        ("500", "<!doctype html>", []),
        ("AccessDenied", "no", ["not allowed to call ListAlarmMuteRules"]),
    ],
    ids=["a Region without them", "a local AWS without them", "not permitted"],
)
def test_where_cloudwatch_has_no_mute_rules_nothing_is_muted(
    tmp_path: Path, code: str, message: str, problems: list[str]
) -> None:
    def answer(model: Any, **_: Any) -> None:
        if model.name == "ListAlarmMuteRules":
            raise ClientError({"Error": {"Code": code, "Message": message}}, model.name)

    configure(tmp_path, CONFIG)
    with account() as session:
        BEFORE_CALLS.append(answer)
        deployment = Deployment(dev(), tmp_path, session, datetime.now(UTC))
        found = doctor.run_check("mute rules", mute_rules.muted, deployment)
        assert [finding.problem for finding in found] == problems


# the command


@pytest.fixture
def here(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """The deployment's project, as the folder that the operator stands in."""
    monkeypatch.chdir(deployment.project)
    return deployment


@pytest.mark.slow(traced=True)
def test_the_command_ends_with_0_and_a_sentence_where_all_is_well(here: Deployment) -> None:
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert (done.exit_code, "Stage dev is healthy. Checked: credentials, " in done.output) == (
        0,
        True,
    )


@pytest.mark.slow(traced=True)
def test_rules_in_a_dry_run_are_named_where_nobody_can_overlook_it(here: Deployment) -> None:
    file = here.project / "chalicelib" / "headroom.toml"
    file.write_text(f'{file.read_text()}\n[[tables]]\nname = "users-*"\ndry_run = true\n')
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert done.output.startswith("DRY RUN: the configuration has dry_run = true for users-*.")


@pytest.mark.slow
def test_the_command_ends_with_1_and_tells_problem_and_remedy(here: Deployment) -> None:
    lose_a_message(here)
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert done.exit_code == 1
    assert "dead letters: 1 message in headroom-dev-dead-letters" in done.output
    assert "→ Find the cause in the logs, then run: headroom redrive --stage dev." in done.output


@pytest.mark.slow(traced=True)
def test_for_scripts_the_findings_are_one_json_document(here: Deployment) -> None:
    assert (
        json.loads(CliRunner().invoke(app, ["doctor", "--stage", "dev", "--json"]).output)["ok"]
        is True
    )
    lose_a_message(here)
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev", "--json"])
    response = json.loads(done.output)
    assert (done.exit_code, response["ok"], response["stage"]) == (1, False, "dev")
    assert [Finding(**found).check for found in response["findings"]] == ["dead letters"]


@pytest.mark.slow(traced=True)
def test_an_unknown_stage_is_a_mistake_of_the_operators(here: Deployment) -> None:
    assert CliRunner().invoke(app, ["doctor", "--stage", "nowhere"]).exit_code == 2


@pytest.mark.parametrize(
    ("schedule", "more"),
    [("cron(0 2,10,14 * * ? *)", LOWER_AT), ("rate(1 hour)", "")],
    ids=["restricted by lower_at", "a rate"],
)
def test_a_schedule_that_restricts_or_does_not_mean_to_is_no_finding(
    tmp_path: Path, schedule: str, more: str
) -> None:
    configure(tmp_path, CONFIG + more)
    stage = dev(SCALE_DOWN_SCHEDULE=schedule)
    with account() as session:
        deployment = Deployment(stage, tmp_path, session, datetime.now(UTC))
        assert list(configuration.schedule(deployment)) == []
