"""The commands `setup` and `teardown` as an operator runs them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from chalicelib.config.loader import load
from headroom.cli import app
from headroom.deploy import blueprint, stage
from headroom.deploy.stage_policy import stage_policy
from tests.support.deployed import (
    BEFORE_CALLS,
    account,
    configured,
    dev,
    inventory,
    set_up,
)
from tests.support.real_deploy import BIN, configure, copy_project
from tests.support.scenes import rules


@pytest.mark.slow(traced=True)
@pytest.mark.untraced
def test_setup_says_where_the_names_do_not_fit_into_iams_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path))
    configure(tmp_path, rules(*(f"orders-{number:04}" for number in range(1_000))))
    with account() as session:
        set_up(dev(), session)
        status, response = operate("setup", "--stage", "dev")
        assert status == 0
        assert (
            "role headroom-dev-sweep-us-east-1 (1,000 names of tables do not fit into the 10,240"
            in response
        )
        assert configured(session, "headroom-dev-sweep-us-east-1")


def operate(*arguments: str, answer: str = "") -> tuple[int, str]:
    """Run a command and return its exit status and what it printed, in one line."""
    done = CliRunner().invoke(app, list(arguments), input=answer)
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.slow
def test_setup_before_any_function_says_what_comes_next() -> None:
    with account():
        status, response = operate("setup", "--stage", "dev")
        assert status == 0
        assert (
            "No function of stage dev yet. "
            "Next: headroom deploy --stage dev, then this command again." in response
        )


@pytest.mark.slow
def test_setup_tells_of_each_step_what_was_wrong() -> None:
    with account() as session:
        set_up(stage.read("dev"), session)
        session.client("cloudwatch").delete_alarms(AlarmNames=["headroom-dev-silence"])
        status, response = operate("setup", "--stage", "dev")
        assert (status, response.count("applied")) == (0, 1)
        assert "alarm headroom-dev-silence: applied (it does not exist)" in response


@pytest.mark.slow(traced=True)
def test_teardown_asks_first_and_names_the_alarms_that_nobody_will_hear() -> None:
    with account() as session:
        set_up(dev(), session)
        fields = blueprint.own_alarms(dev(), {}, "q", [dev().topic_arn(session.location)])[1]
        session.client("cloudwatch").put_metric_alarm(**{**fields, "AlarmName": "orders-hot"})
        before = inventory(session.client)
        status, response = operate("teardown", "--stage", "dev", answer="n\n")
        assert (status, inventory(session.client)) == (1, before)
        assert "from 123456789012 in us-east-1?" in response
        status, response = operate("teardown", "--stage", "dev", answer="y\n")
        assert (status, inventory(session.client)) == (0, {"alarm orders-hot"})
        assert "Alarms that are not Headroom's still name the topic: orders-hot." in response


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[tables]]\nname = "orders"\nmax_unit = 3\n',
            "tables[0].max_unit: unknown key; did you mean max_units?",
        ),
        (None, "no such file or directory"),
    ],
    ids=["wrong", "missing"],
)
@pytest.mark.parametrize("command", ["setup", "package"])
def test_a_configuration_that_is_wrong_is_told_before_anything_is_made(
    command: str, text: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path))
    configure(tmp_path, text or "")
    if text is None:
        (tmp_path / "chalicelib" / "headroom.toml").unlink()
    with account() as session:
        status, response = operate(command, "--stage", "dev")
        assert (status, sentence in response) == (2, True)
        assert inventory(session.client) == set()
        assert not (tmp_path / "out").exists()


WRONG = '[[tables]]\nname = "orders"\nmax_unit = 3\n'


@pytest.mark.slow
def test_a_configuration_that_a_deploy_refuses_is_told_to_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, OPERATIONS_TOPIC="oncall"))
    configure(tmp_path, WRONG)
    with account() as session:
        topic = session.client("sns").create_topic(Name="oncall")["TopicArn"]
        queue = session.client("sqs").create_queue(QueueName="pager")["QueueUrl"]
        session.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=session.location.arn("sqs", "pager")
        )
        status, _ = operate("setup", "--stage", "dev")
        (message,) = session.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)[
            "Messages"
        ]
        notice = json.loads(message["Body"])
        assert (status, notice["Subject"]) == (2, "Headroom: configuration refused")
        assert "tables[0].max_unit: unknown key; did you mean max_units?" in notice["Message"]


def test_a_configuration_is_refused_in_the_same_words_where_the_operators_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, OPERATIONS_TOPIC="oncall"))
    configure(tmp_path, WRONG)
    with account():
        status, response = operate("setup", "--stage", "dev")
        assert status == 2
        assert "The operators could not be notified: " in response
        assert "did you mean max_units?" in response


@pytest.mark.slow
def test_a_stages_own_configuration_file_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, HEADROOM_CONFIG="chalicelib/dev.toml"))
    (tmp_path / "chalicelib" / "dev.toml").write_text(rules("users"))
    with account() as session:
        set_up(dev(), session)
        assert operate("setup", "--stage", "dev")[0] == 0
        assert configured(session, "headroom-dev-sweep-us-east-1") == stage_policy(
            dev(), session.location, load(rules("users")), "sweep"
        )


@pytest.mark.parametrize("command", ["setup", "teardown", "doctor", "redrive", "package"])
def test_every_command_refuses_an_unknown_stage_in_one_sentence(command: str) -> None:
    status, response = operate(command, "--stage", "nowhere")
    assert status == 2
    assert "has no stage 'nowhere', only dev, local, prod" in response


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "AccessDenied",
            "What was done stays done; put this right and run the same command again.",
        ),
        ("InvalidClientTokenId", "Sign in again, or set AWS_PROFILE."),
    ],
)
def test_what_aws_refuses_is_told_without_a_traceback(code: str, sentence: str) -> None:
    def refuse(model: Any, **_: Any) -> None:
        if model.name == "GetCallerIdentity":
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    with account():
        BEFORE_CALLS.append(refuse)
        status, response = operate("setup", "--stage", "dev")
        assert (status, sentence in response) == (2, True)


@pytest.mark.slow
def test_without_a_region_the_operator_is_told_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account(), monkeypatch.context() as without:
        without.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        without.delenv("AWS_DEFAULT_REGION")
        without.delenv("AWS_REGION")
        boto3.setup_default_session()
        status, response = operate("setup", "--stage", "dev")
        assert (status, "AWS_DEFAULT_REGION" in response) == (2, True)


def test_make_asks_for_the_stage() -> None:
    done = subprocess.run(
        ["make", "-o", f"{BIN.parent}/.installed", f"VENV={BIN.parent}", "deploy"],
        cwd=stage.ROOT,
        env={"PATH": os.environ["PATH"]},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert "which stage? For example: make deploy STAGE=dev" in done.stdout
