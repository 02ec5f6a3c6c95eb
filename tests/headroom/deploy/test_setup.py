"""A stage is set up, found right, and taken down: in moto step by step, and by the commands of an
operator on a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from chalicelib import telemetry
from chalicelib.config.loader import load
from chalicelib.config.rules import Config
from chalicelib.core import table_alarms
from headroom.cli import app
from headroom.deploy import blueprint, permissions, setup, stage
from headroom.deploy.account import Cloud, found
from headroom.deploy.resources import ConfiguredPolicy, OwnAlarm, Step
from headroom.deploy.stage import Place, Stage, StageError
from headroom.region.region import Region
from tests.support.builders import READS, policy
from tests.support.deployed import (
    FUNCTIONS,
    account,
    dev,
    inventory,
    make_functions,
    make_table,
    set_up,
    shipped_rules,
    tear_down,
)
from tests.support.real_deploy import BIN, CONFIG, Site, configure, copy_project, site
from tests.support.scenes import MIDDAY, invoke, rules

ALL_SOURCES = {
    "ALARM_SOURCES": "topic,queue,lambda,eventbridge",
    "ALARM_QUEUE": "headroom-buffer-dev",
}
ALL_FUNCTIONS = (*FUNCTIONS, "on_action", "on_event", "on_queue")
PLACES = [
    Place("aws", "eu-west-1", "1"),
    Place("aws-cn", "cn-north-1", "2"),
    Place("aws-us-gov", "us-gov-west-1", "3"),
]


def all_steps(
    settings: Stage, cloud: Cloud, names: tuple[str, ...] = FUNCTIONS, rules: Config | None = None
) -> list[Step]:
    after = setup.steps_after(settings, cloud, names, rules or shipped_rules())
    return [*setup.steps_before(settings, cloud), *after]


# setting up


@pytest.mark.parametrize(
    ("more", "names"), [({}, FUNCTIONS), (ALL_SOURCES, ALL_FUNCTIONS)], ids=["plain", "all sources"]
)
def test_after_setup_everything_is_right_and_a_second_setup_changes_nothing(
    more: dict[str, str], names: tuple[str, ...], tmp_path: Path
) -> None:
    with account() as cloud:
        settings = dev(**more)
        set_up(settings, cloud, names)
        assert [o for o in setup.setup(all_steps(settings, cloud, names), cloud) if o.changed] == []
        tear_down(settings, cloud, tmp_path)
        assert inventory(cloud.client) == set()


def test_a_queues_function_gives_back_only_what_failed() -> None:
    with account() as cloud:
        set_up(dev(**ALL_SOURCES), cloud, ALL_FUNCTIONS)
        (mapping,) = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_topic_and_the_queues_come_before_chalice_and_need_no_function() -> None:
    with account() as cloud:
        outcomes = list(setup.setup(setup.steps_before(dev(**ALL_SOURCES), cloud), cloud))
        assert [o.subject for o in outcomes] == [
            "queue headroom-dev-dead-letters",
            "topic headroom-alarms-dev",
            "queue headroom-buffer-dev",
            "subscription of headroom-buffer-dev",
        ]
        assert setup.functions_of(dev(), cloud) == []


def test_a_topic_that_is_named_by_its_arn_is_somebody_elses_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    with account() as cloud:
        arn = cloud.client("sns").create_topic(Name="pages")["TopicArn"]
        before = cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
        settings = dev(ALARM_TOPIC=arn)
        set_up(settings, cloud)
        assert (
            cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] == before
        )
        tear_down(settings, cloud, tmp_path)
        assert inventory(cloud.client) == {arn}


def test_what_drifts_is_told_and_put_right() -> None:
    with account() as cloud:
        set_up(dev(), cloud)
        cloud.client("lambda").delete_function_event_invoke_config(
            FunctionName="headroom-dev-on_alarm"
        )
        cloud.client("logs").put_retention_policy(
            logGroupName="/aws/lambda/headroom-dev-sweep", retentionInDays=1
        )
        cloud.client("cloudwatch").delete_alarms(AlarmNames=["headroom-dev-silence"])
        topic = dev().topic_arn(cloud.place)
        cloud.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue="{}"
        )
        outcomes = list(setup.setup(all_steps(dev(), cloud), cloud))
        assert {(o.subject, *o.details) for o in outcomes if o.changed} == {
            ("topic headroom-alarms-dev", "its Policy is another"),
            (
                "retries and dead letters of headroom-dev-on_alarm",
                "Lambda's defaults hold, and a message that fails is lost",
            ),
            ("log group /aws/lambda/headroom-dev-sweep", "it keeps logs 1 days, not 14 days"),
            ("alarm headroom-dev-silence", "it does not exist"),
        }


def test_the_operators_topic_hears_the_alarms_about_headroom_and_their_own_actions_are_kept_without_one() -> (
    None
):
    with account() as cloud:
        set_up(dev(), cloud)
        arn = cloud.place.arn("sns", "pages")
        alarm = OwnAlarm(blueprint.own_alarms(dev(), {}, "q", [])[1])
        cloud.client("cloudwatch").put_metric_alarm(**{**alarm.fields, "AlarmActions": [arn]})
        list(setup.setup(all_steps(dev(), cloud), cloud))
        said = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert {a["AlarmName"]: a["AlarmActions"] for a in said}[alarm.name] == [arn]
        list(setup.setup(all_steps(dev(OPERATIONS_TOPIC="ops"), cloud), cloud))
        said = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        assert [a["AlarmActions"] for a in said] == [[cloud.place.arn("sns", "ops")]] * 3


# what the configuration says of the roles


def configured(cloud: Cloud, role: str) -> Any:
    said = found(
        cloud.client("iam").get_role_policy, RoleName=role, PolicyName="headroom-configured"
    )
    return said and said["PolicyDocument"]


@pytest.mark.parametrize(
    ("more", "names"), [({}, FUNCTIONS), (ALL_SOURCES, ALL_FUNCTIONS)], ids=["plain", "all sources"]
)
def test_every_role_gets_what_the_configuration_calls_for_besides_its_own_policy(
    more: dict[str, str], names: tuple[str, ...]
) -> None:
    with account() as cloud:
        set_up(dev(**more), cloud, names, load(rules("orders-*")))
        for name in names:
            role = f"headroom-dev-{name}"
            assert configured(cloud, role) == permissions.configured_policy(
                load(rules("orders-*")), name
            )
            assert len(cloud.client("iam").list_role_policies(RoleName=role)["PolicyNames"]) == 2


def changes(cloud: Cloud, config: str) -> dict[str, tuple[str, ...]]:
    steps = all_steps(dev(), cloud, rules=load(config))
    return {o.subject: o.details for o in setup.setup(steps, cloud) if o.changed}


def test_another_configuration_changes_the_roles_and_one_for_all_tables_takes_the_policy_away() -> (
    None
):
    with account() as cloud:
        set_up(dev(), cloud, rules=load(rules("orders-*")))
        subjects = {f"policy headroom-configured of role headroom-dev-{name}" for name in FUNCTIONS}
        for config, why in (
            (rules("users"), "it is not what the configuration calls for"),
            (rules("*"), "the configuration calls for none"),
            (rules("orders"), "it does not exist"),
        ):
            assert changes(cloud, config) == dict.fromkeys(subjects, (why,))
            assert configured(cloud, "headroom-dev-sweep") == permissions.configured_policy(
                load(config), "sweep"
            )
            assert changes(cloud, config) == {}


def test_a_role_that_the_deployment_did_not_make_is_left_alone() -> None:
    with account() as cloud:
        step = ConfiguredPolicy("somebodys", {"Version": "2012-10-17", "Statement": []})
        assert [o.result for o in setup.setup([step], cloud)] == ["already right"]
        assert step.remove(cloud) is False


def test_setup_says_where_the_names_do_not_fit_into_iams_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path))
    configure(tmp_path, rules(*(f"orders-{number:04}" for number in range(1_000))))
    with account() as cloud:
        set_up(dev(), cloud)
        status, said = operate("setup", "--stage", "dev")
        assert status == 0
        assert (
            "role headroom-dev-sweep (1,000 names of tables do not fit into the 10,240 characters"
            in said
        )
        assert configured(cloud, "headroom-dev-sweep")


@contextmanager
def interrupted_at(number: int) -> Iterator[None]:
    """Press Ctrl-C at the `number`-th call to AWS."""
    assert boto3.DEFAULT_SESSION
    left = [number]

    def press(**_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    events = boto3.DEFAULT_SESSION.events
    events.register("before-call.*.*", press)
    try:
        yield
    finally:
        events.unregister("before-call.*.*", press)


def again_and_again(work: Callable[[], object]) -> int:
    """Do the work, with Ctrl-C at the first call, at the second, … until it comes to its end;
    return how often it began."""
    for number in range(1, 1000):
        try:
            with interrupted_at(number):
                work()
        except KeyboardInterrupt:
            continue
        return number
    raise AssertionError("it never ends")


def test_a_setup_that_is_stopped_at_any_call_is_finished_by_another() -> None:
    with account() as cloud:
        list(setup.setup(setup.steps_before(dev(), cloud), cloud))
        make_functions(dev(), cloud)
        # a new Cloud each time, as each command has one; its clients must be those of the session
        # that is interrupted
        assert again_and_again(lambda: list(setup.setup(all_steps(dev(), Cloud()), Cloud()))) > 10
        assert [o for o in setup.setup(all_steps(dev(), cloud), cloud) if o.changed] == []


def test_a_teardown_that_is_stopped_at_any_call_is_finished_by_another(tmp_path: Path) -> None:
    with account() as cloud:
        before = inventory(cloud.client)
        set_up(dev(), cloud)
        assert again_and_again(lambda: tear_down(dev(), Cloud(), tmp_path)) > 10
        assert inventory(cloud.client) == before


# taking down


def test_teardown_takes_the_stage_and_nothing_of_a_neighbour(tmp_path: Path) -> None:
    """The neighbours' names begin as the stage's do."""
    with account() as cloud:
        for name in ("dev-2", "devel"):
            set_up(Stage("headroom", name, {"ALARM_TOPIC": f"headroom-alarms-{name}"}), cloud)
        make_table(cloud.client)
        before, table = (
            inventory(cloud.client),
            cloud.client("dynamodb").describe_table(TableName="orders")["Table"],
        )
        set_up(dev(), cloud)
        assert inventory(cloud.client) > before
        tear_down(dev(), cloud, tmp_path)
        assert inventory(cloud.client) == before
        assert cloud.client("dynamodb").describe_table(TableName="orders")["Table"] == table


def test_teardown_removes_the_alarms_of_tables_that_call_this_stage_and_names_those_of_others(
    tmp_path: Path,
) -> None:
    with account() as cloud:
        set_up(dev(), cloud)
        here, there = dev().topic_arn(cloud.place), cloud.place.arn("sns", "headroom-alarms-dev-2")
        orders, users = READS, replace(READS, table="users")
        for target, topic, name in [
            (orders, here, ""),
            (users, there, ""),
            (orders, here, "orders-hot"),
        ]:
            fields = table_alarms.new_fields(target, 100, policy(), topic)
            cloud.client("cloudwatch").put_metric_alarm(
                **fields | ({"AlarmName": name} if name else {})
            )
        assert setup.foreign_alarms(here) == ["orders-hot"]
        tear_down(dev(), cloud, tmp_path)
        assert inventory(cloud.client) == {"alarm headroom-users:read", "alarm orders-hot"}


# the documents


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_the_topic_lets_this_accounts_alarms_publish_and_nobody_without_tls(place: Place) -> None:
    allow, deny = blueprint.topic_policy(place.arn("sns", "t"), place)["Statement"]
    assert (allow["Principal"], allow["Action"]) == (
        {"Service": "cloudwatch.amazonaws.com"},
        "sns:Publish",
    )
    assert allow["Condition"] == {
        "StringEquals": {"aws:SourceAccount": place.account},
        "ArnLike": {
            "aws:SourceArn": f"arn:{place.partition}:cloudwatch:{place.region}:{place.account}:alarm:*"
        },
    }
    assert (deny["Effect"], deny["Principal"]) == ("Deny", "*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
def test_only_the_topic_and_the_stages_functions_may_fill_the_dead_letter_queue(
    place: Place,
) -> None:
    topic = place.arn("sns", "t")
    sns, functions, deny = blueprint.queue_policy(
        place.arn("sqs", "q"), topic, place, "headroom-dev-*"
    )["Statement"]
    assert sns["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    role = f"arn:{place.partition}:iam::{place.account}:role/headroom-dev-*"
    assert functions["Condition"] == {"ArnLike": {"aws:PrincipalArn": role}}
    assert (deny["Effect"], deny["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_silence_watches_the_very_metric_that_a_sweep_publishes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Region(MIDDAY) as region:
        region.deploy(rules())
        invoke(region, "sweep")
        telemetry.RunLog("sweep", dev().finish(_report()).prefix)
    emf = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    silence = blueprint.own_alarms(dev(), {}, "q", [])[2]
    assert emf[silence["MetricName"]] == [1.0]
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == silence["Namespace"]
    assert {d["Name"]: d["Value"] for d in silence["Dimensions"]} == {
        name: emf[name] for name in emf["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]
    }
    assert silence["Period"] * silence["EvaluationPeriods"] == 30 * 60
    assert silence["TreatMissingData"] == "breaching"


def _report() -> Any:
    from chalicelib.run import Report

    return Report()


def test_no_own_alarm_can_be_taken_for_the_alarm_of_a_table() -> None:
    assert not [name for name in blueprint.own_alarm_names(dev()) if ":" in name]


# stages


def test_an_unknown_stage_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        StageError, match=r"has no stage 'pord', only dev, local, prod; did you mean prod\?"
    ):
        stage.read("pord")


def test_the_default_topic_is_that_of_the_app() -> None:
    text = (stage.ROOT / "app.py").read_text()
    assert f'os.environ.get("ALARM_TOPIC", "{stage.DEFAULT_TOPIC}")' in text


def test_no_function_may_outlive_what_the_buffer_reckons_with() -> None:
    text = (stage.ROOT / ".chalice" / "config.json").read_text()
    assert max(map(int, re.findall(r'"lambda_timeout": (\d+)', text))) <= blueprint.FUNCTION_SECONDS


# the real thing


def wait_for(what: Callable[[], bool]) -> None:
    """Look until it is so; a message is handled in a thread of the server."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "it did not come to pass"


def run_sweep(there: Site) -> None:
    event = dict.fromkeys(
        ("version", "account", "region", "detail-type", "source", "time", "id"), ""
    )
    payload = json.dumps({**event, "detail": {}, "resources": []})
    answer = there.client("lambda").invoke(FunctionName="headroom-dev-sweep", Payload=payload)
    assert "FunctionError" not in answer


def make_busy(there: Site) -> None:
    """Let `orders` have consumed 95 read units a second for the last minutes."""
    now = int(time.time()) // 60 * 60
    there.client("cloudwatch").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": "ConsumedReadCapacityUnits",
                "Dimensions": [{"Name": "TableName", "Value": "orders"}],
                "Timestamp": now - 60 * minutes,
                "Value": 95.0 * 60,
            }
            for minutes in range(1, 6)
        ],
    )


def units(there: Site) -> int:
    said = there.client("dynamodb").describe_table(TableName="orders")["Table"][
        "ProvisionedThroughput"
    ]
    return int(said["ReadCapacityUnits"])


def threshold(there: Site) -> float:
    said = there.client("cloudwatch").describe_alarms(AlarmNames=["headroom-orders:read"])[
        "MetricAlarms"
    ]
    return float(said[0]["Threshold"])


def set_alarm(there: Site, value: str) -> None:
    there.client("cloudwatch").set_alarm_state(
        AlarmName="headroom-orders:read", StateValue=value, StateReason="test"
    )


def hearers(there: Site) -> set[str]:
    """Return the functions that took a decision so far."""
    return set(
        re.findall(
            r'"kind":"decision".*"function":"(\w+)"', (there.folder / "server.log").read_text()
        )
    )


def test_a_stage_lives_from_make_deploy_to_teardown(tmp_path: Path) -> None:
    """With every source of alarms; docs/operations.md is followed with the default one."""
    with site(tmp_path, **ALL_SOURCES) as there:
        make_table(there.client)
        before = inventory(there.client)

        configure(tmp_path, CONFIG.replace("strategy", "stratgey"))
        said = there.make("deploy", "STAGE=dev", status=2)
        assert "tables[0].stratgey: unknown key; did you mean strategy?" in said
        assert "Traceback" not in said
        assert inventory(there.client) == before

        configure(tmp_path, CONFIG)
        there.make("deploy", "STAGE=dev")
        deployed = inventory(there.client)
        assert {f"headroom-dev-{name}" for name in ALL_FUNCTIONS} <= deployed
        assert {
            "alarm headroom-dev-errors",
            "alarm headroom-dev-dead-letters",
            "alarm headroom-dev-silence",
        } <= deployed

        run_sweep(there)
        assert threshold(there) == 100 * 60 * 0.8
        make_busy(there)
        set_alarm(there, "OK")
        set_alarm(there, "ALARM")
        wait_for(lambda: units(there) == 150)
        wait_for(lambda: threshold(there) == 150 * 60 * 0.8)
        wait_for(lambda: hearers(there) == {"sweep", "on_alarm", "on_queue"})
        there.run("headroom", "doctor", "--stage", "dev")

        again = there.make("deploy", "STAGE=dev")
        assert "made right" not in again
        assert "already right" in again
        with_tables = {"alarm headroom-orders:read", "alarm headroom-orders:write"}
        assert inventory(there.client) == deployed | with_tables

        there.run("headroom", "teardown", "--stage", "dev", answer="y\n")
        assert inventory(there.client) == before
        assert units(there) == 150
        assert "removed" not in there.run("headroom", "teardown", "--stage", "dev", "--yes")


# the commands


def operate(*arguments: str, answer: str = "") -> tuple[int, str]:
    """Run a command and return its exit status and what it printed, in one line."""
    done = CliRunner().invoke(app, list(arguments), input=answer)
    return done.exit_code, " ".join(done.output.split())


def test_setup_before_any_function_says_what_comes_next() -> None:
    with account():
        status, said = operate("setup", "--stage", "dev")
        assert status == 0
        assert (
            "No function of stage dev yet. Next: chalice deploy --stage dev, then this command again."
            in said
        )


def test_setup_tells_of_each_step_what_was_wrong() -> None:
    with account() as cloud:
        set_up(stage.read("dev"), cloud)
        cloud.client("cloudwatch").delete_alarms(AlarmNames=["headroom-dev-silence"])
        status, said = operate("setup", "--stage", "dev")
        assert (status, said.count("made right")) == (0, 1)
        assert "alarm headroom-dev-silence: made right (it does not exist)" in said


def test_teardown_asks_first_and_names_the_alarms_that_nobody_will_hear() -> None:
    with account() as cloud:
        set_up(dev(), cloud)
        fields = blueprint.own_alarms(dev(), {}, "q", [dev().topic_arn(cloud.place)])[1]
        cloud.client("cloudwatch").put_metric_alarm(**{**fields, "AlarmName": "orders-hot"})
        before = inventory(cloud.client)
        status, said = operate("teardown", "--stage", "dev", answer="n\n")
        assert (status, inventory(cloud.client)) == (1, before)
        assert "from 123456789012 in us-east-1?" in said
        status, said = operate("teardown", "--stage", "dev", answer="y\n")
        assert (status, inventory(cloud.client)) == (0, {"alarm orders-hot"})
        assert "Alarms that are not Headroom's still name the topic: orders-hot." in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[tables]]\nname = "orders"\nmax_unit = 3\n',
            "tables[0].max_unit: unknown key; did you mean max_units?",
        ),
        (None, "No such file or directory"),
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
    with account() as cloud:
        status, said = operate(command, "--stage", "dev")
        assert (status, sentence in said) == (2, True)
        assert inventory(cloud.client) == set()
        assert not (tmp_path / "out").exists()


WRONG = '[[tables]]\nname = "orders"\nmax_unit = 3\n'


def test_a_configuration_that_a_deploy_refuses_is_told_to_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, OPERATIONS_TOPIC="oncall"))
    configure(tmp_path, WRONG)
    with account() as cloud:
        topic = cloud.client("sns").create_topic(Name="oncall")["TopicArn"]
        queue = cloud.client("sqs").create_queue(QueueName="pager")["QueueUrl"]
        cloud.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=cloud.place.arn("sqs", "pager")
        )
        status, _ = operate("setup", "--stage", "dev")
        heard = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)[
            "Messages"
        ]
        told = json.loads(heard[0]["Body"])
        assert (status, len(heard), told["Subject"]) == (2, 1, "Headroom: configuration refused")
        assert "tables[0].max_unit: unknown key; did you mean max_units?" in told["Message"]


def test_a_configuration_is_refused_in_the_same_words_where_the_operators_cannot_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, OPERATIONS_TOPIC="oncall"))
    configure(tmp_path, WRONG)
    with account():
        status, said = operate("setup", "--stage", "dev")
        assert status == 2
        assert "The operators could not be told of it: " in said
        assert "did you mean max_units?" in said


def test_a_stages_own_configuration_file_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy_project(tmp_path, HEADROOM_CONFIG="chalicelib/dev.toml"))
    (tmp_path / "chalicelib" / "dev.toml").write_text(rules("users"))
    with account() as cloud:
        set_up(dev(), cloud)
        assert operate("setup", "--stage", "dev")[0] == 0
        assert configured(cloud, "headroom-dev-sweep") == permissions.configured_policy(
            load(rules("users")), "sweep"
        )


@pytest.mark.parametrize("command", ["setup", "teardown", "doctor", "redrive", "package"])
def test_every_command_refuses_an_unknown_stage_in_one_sentence(command: str) -> None:
    status, said = operate(command, "--stage", "nowhere")
    assert status == 2
    assert "has no stage 'nowhere', only dev, local, prod" in said


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
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    with account():
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-call.sts.GetCallerIdentity", refuse)
        status, said = operate("setup", "--stage", "dev")
        assert (status, sentence in said) == (2, True)


def test_without_a_region_the_operator_is_told_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with account(), monkeypatch.context() as without:
        without.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        without.delenv("AWS_DEFAULT_REGION")
        without.delenv("AWS_REGION")
        boto3.setup_default_session()
        status, said = operate("setup", "--stage", "dev")
        assert (status, "Set AWS_DEFAULT_REGION" in said) == (2, True)


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
