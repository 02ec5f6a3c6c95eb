"""The doctor finds a healthy stage well, and names each thing that is wrong with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.run import Run
from headroom.cli import app
from headroom.deploy import doctor, permissions, setup
from headroom.deploy.doctor import Finding, Patient
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from tests.support.deployed import FUNCTIONS, account, dev, make_functions, make_table, set_up

CONFIG = '[[tables]]\nname = "orders"\nmax_units = 5000\n'


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """A stage that was deployed well, with a table and its alarms."""
    shutil.copytree(
        ROOT / ".chalice", tmp_path / ".chalice", ignore=shutil.ignore_patterns("deploy*")
    )
    configure(tmp_path, CONFIG)
    with account() as cloud:
        set_up(dev(), cloud, rules=load(CONFIG))
        make_table(cloud.client)
        sweep(CONFIG)
        yield Patient(dev(), tmp_path, cloud, datetime.now(UTC))


def configure(project: Path, text: str) -> None:
    (project / "chalicelib").mkdir(exist_ok=True)
    (project / "chalicelib" / "headroom.toml").write_text(text)


def sweep(text: str) -> None:
    handlers.sweep(
        Run(Aws(dev().topic, sleep=lambda _: None), load(text), datetime.now(UTC))
    ).raise_failures()


def test_a_stage_that_was_deployed_well_is_well(patient: Patient) -> None:
    assert doctor.examine(patient) == []


def test_a_stage_that_was_never_set_up_is_told_what_to_run(patient: Patient) -> None:
    patient.stage = Stage("headroom", "new", {"ALARM_TOPIC": "headroom-alarms-new"})
    remedies = {
        finding.remedy
        for finding in doctor.examine(patient)
        if finding.check in ("functions", "setup")
    }
    assert remedies == {
        "Deploy: make deploy STAGE=new.",
        "Put it right: headroom setup --stage new.",
    }


# what may be wrong


def lose_credentials(patient: Patient) -> None:
    del patient.cloud.place
    deny(patient, "sts", "GetCallerIdentity", "InvalidClientTokenId")


def let_the_clock_be_far_off(patient: Patient) -> None:
    del patient.cloud.place
    deny(patient, "sts", "GetCallerIdentity", "SignatureDoesNotMatch")


def let_the_clock_be_off(patient: Patient) -> None:
    patient.now += timedelta(minutes=3)


def take_a_permission(patient: Patient) -> None:
    deny(patient, "dynamodb", "DescribeLimits", "AccessDeniedException")


def break_the_network(patient: Patient) -> None:
    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    patient.cloud.client("dynamodb").meta.events.register("before-call.*.DescribeLimits", fail)


def lose_a_function(patient: Patient) -> None:
    patient.cloud.client("lambda").delete_function(FunctionName="headroom-dev-sweep")


def leave_a_function(patient: Patient) -> None:
    patient.stage = dev(ALARM_SOURCES="eventbridge")


def change_a_role(patient: Patient) -> None:
    names = {"RoleName": "headroom-dev-sweep", "PolicyName": "headroom-dev-sweep"}
    patient.cloud.client("iam").delete_role_policy(**names)


def change_what_is_configured(patient: Patient) -> None:
    names = {"RoleName": "headroom-dev-sweep", "PolicyName": "headroom-configured"}
    other = permissions.configured_policy(load('[[tables]]\nname = "users"\n'), "sweep")
    patient.cloud.client("iam").put_role_policy(**names, PolicyDocument=json.dumps(other))


def name_more_tables_than_fit(patient: Patient) -> None:
    configure(
        patient.project,
        "".join(f'[[tables]]\nname = "orders-{number:04}"\n' for number in range(1_000)),
    )


def unsubscribe(patient: Patient) -> None:
    sns = patient.cloud.client("sns")
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def delete_the_topic(patient: Patient) -> None:
    patient.cloud.client("sns").delete_topic(TopicArn=dev().topic_arn(patient.cloud.place))


def set_up_with_another_version(patient: Patient) -> None:
    sqs = patient.cloud.client("sqs")
    sqs.tag_queue(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"],
        Tags={"headroom-version": "0.0.1"},
    )


def silence(patient: Patient) -> None:
    cloudwatch = patient.cloud.client("cloudwatch")
    cloudwatch.set_alarm_state(
        AlarmName="headroom-dev-silence", StateValue="ALARM", StateReason="test"
    )


def lose_a_message(patient: Patient) -> None:
    sqs = patient.cloud.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"], MessageBody="lost"
    )


def misspell_a_table(patient: Patient) -> None:
    configure(patient.project, CONFIG + '[[tables]]\nname = "odrers"\n')


def write_a_rule_for_nothing(patient: Patient) -> None:
    configure(patient.project, CONFIG + '[[tables]]\nname = "users-*"\n')


def write_no_rule(patient: Patient) -> None:
    configure(patient.project, "")


def write_nonsense(patient: Patient) -> None:
    configure(patient.project, '[[tables]]\nname = "orders"\nmax_unit = 3\n')


def delete_an_alarm(patient: Patient) -> None:
    patient.cloud.client("cloudwatch").delete_alarms(AlarmNames=["headroom-orders:read"])


def change_capacity_by_hand(patient: Patient) -> None:
    units = {"ReadCapacityUnits": 200, "WriteCapacityUnits": 100}
    patient.cloud.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=units)


def delete_the_table_behind_a_rule(patient: Patient) -> None:
    patient.cloud.client("dynamodb").delete_table(TableName="orders")
    make_table(patient.cloud.client, "orders-2")
    configure(patient.project, '[[tables]]\nname = "orders-2"\nscale_up = false\n')


def register_with_application_auto_scaling(patient: Patient) -> None:
    patient.cloud.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/orders",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=10,
    )


def come_near_the_quota(patient: Patient) -> None:
    make_table(patient.cloud.client, "big", units=9_000)
    text = CONFIG + '[[tables]]\nname = "big"\n'
    configure(patient.project, text)
    sweep(text)
    fields = {f"AccountMax{d}CapacityUnits": 11_000 for d in ("Read", "Write")}
    events = patient.cloud.client("dynamodb").meta.events
    events.register("after-call.dynamodb.DescribeLimits", lambda parsed, **_: parsed.update(fields))


def ask_for_more_than_the_quota(patient: Patient) -> None:
    configure(patient.project, '[[tables]]\nname = "orders"\nmax_units = 30000\n')


FLEET = '[[fleet]]\nname = "workers"\n{how}\n[[fleet.tables]]\ntable = "{table}"\nread = {{ linear = 1 }}\n'
TAGS = 'tags = { role = "worker" }'


def follow(patient: Patient, how: str = TAGS, table: str = "orders", more: str = "") -> None:
    """Let a fleet be configured."""
    configure(patient.project, CONFIG + more + FLEET.format(how=how, table=table))


def heal_a_group_that_is_gone(patient: Patient) -> None:
    configure(patient.project, '[[tables]]\nname = "orders"\n[[healing]]\ngroup = "web"\n')


def follow_a_fleet_of_none(patient: Patient) -> None:
    follow(patient)


def follow_a_group_that_is_gone(patient: Patient) -> None:
    follow(patient, 'auto_scaling_group = "web"')


def follow_without_permission(patient: Patient) -> None:
    follow(patient)
    refuse(patient.aws.client("ec2"), "DescribeInstances", "UnauthorizedOperation")


def let_no_table_follow(patient: Patient) -> None:
    follow(patient, table="odrers-*")


def let_a_table_of_nobody_follow(patient: Patient) -> None:
    make_table(patient.cloud.client, "users-1")
    follow(patient, table="users-*")


def let_a_table_follow_no_fleet(patient: Patient) -> None:
    make_table(patient.cloud.client, "jobs-1")
    follow(patient, more='[[tables]]\nname = "jobs-*"\nstrategy = "fleet"\n')


PAUSE = (
    '[[pause]]\nname = "nightly"\njob = "emr_cluster"\nprefix = "backup-"\ntables = ["{table}"]\n'
)


def hold(patient: Patient, table: str = "orders") -> None:
    """Let jobs hold a table."""
    configure(patient.project, CONFIG + PAUSE.format(table=table))


def ask_for_jobs_without_permission(patient: Patient) -> None:
    hold(patient)
    refuse(patient.aws.client("emr"), "ListClusters", "AccessDeniedException")


def hold_a_table_that_is_gone(patient: Patient) -> None:
    hold(patient, "odrers-*")


def hold_a_table_of_nobody(patient: Patient) -> None:
    make_table(patient.cloud.client, "users-1")
    hold(patient, "users-*")


CAPACITY = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://hooks.slack.com/services/T0/B0/PASSWORD"


def tell(patient: Patient, topic: str = "", slack: str = "") -> str:
    """Let somebody be told, and return the configuration."""
    text = (
        f'[defaults]\nnotify = ["at_max"]\nnotify_topic = "{topic}"\nnotify_slack = "{slack}"\n'
        + CONFIG
    )
    configure(patient.project, text)
    return text


def keep(patient: Patient, text: str) -> None:
    patient.cloud.client("secretsmanager").create_secret(Name="slack", SecretString=text)


def tell_a_topic_that_is_gone(patient: Patient) -> None:
    tell(patient, CAPACITY)


def tell_a_topic_that_nobody_hears(patient: Patient) -> None:
    patient.cloud.client("sns").create_topic(Name="capacity")
    tell(patient, CAPACITY)


def tell_the_topic_of_the_alarms(patient: Patient) -> None:
    tell(patient, dev().topic_arn(patient.cloud.place))


def tell_a_webhook_that_is_not_kept(patient: Patient) -> None:
    tell(patient, slack="ssm:/slack")


def tell_a_webhook_that_is_no_url(patient: Patient) -> None:
    keep(patient, "PASSWORD")
    tell(patient, slack="secretsmanager:slack")


def configure_a_fleet_and_deploy_nothing(patient: Patient) -> None:
    follow(patient)


ROWS: dict[Callable[[Patient], None], tuple[str, str, str]] = {
    lose_credentials: ("credentials", "AWS does not accept them", "Sign in again"),
    let_the_clock_be_far_off: ("clock", "AWS does not accept them", "Set this computer's clock"),
    let_the_clock_be_off: ("clock", "seconds off AWS's", "Set the clock"),
    take_a_permission: (
        "quota",
        "not allowed to call DescribeLimits",
        "the permission for DescribeLimits",
    ),
    break_the_network: ("quota", "https://nowhere", "Check the network"),
    lose_a_function: ("functions", "headroom-dev-sweep does not exist", "make deploy STAGE=dev"),
    leave_a_function: (
        "functions",
        "headroom-dev-on_alarm is none of the stage's",
        "make deploy STAGE=dev",
    ),
    change_a_role: ("permissions", "not that of policy-sweep.json", "make deploy STAGE=dev"),
    change_what_is_configured: (
        "setup",
        "policy headroom-configured of role headroom-dev-sweep: it is not what the configuration calls for",
        "headroom setup --stage dev",
    ),
    name_more_tables_than_fit: (
        "permissions",
        "1,000 names of tables do not fit",
        "fewer patterns in chalicelib/headroom.toml",
    ),
    unsubscribe: (
        "setup",
        "subscription of headroom-dev-on_alarm: it is not subscribed",
        "headroom setup --stage dev",
    ),
    delete_the_topic: (
        "setup",
        "topic headroom-alarms-dev: it does not exist",
        "headroom setup --stage dev",
    ),
    set_up_with_another_version: ("version", "it is 0.0.1, this is", "make deploy STAGE=dev"),
    silence: ("own alarms", "headroom-dev-silence is in ALARM", "docs/operations.md, Silence"),
    lose_a_message: (
        "dead letters",
        "1 message(s) wait in headroom-dev-dead-letters",
        "headroom redrive --stage dev",
    ),
    misspell_a_table: ("tables", "no table is named odrers", "Mend or remove the rule"),
    write_a_rule_for_nothing: (
        "tables",
        "the rule users-* matches no table",
        "Mend or remove the rule",
    ),
    write_no_rule: ("tables", "names no table", "Write a rule into chalicelib/headroom.toml"),
    write_nonsense: ("configuration", "max_unit", "`headroom check`"),
    heal_a_group_that_is_gone: (
        "healing",
        "no Auto Scaling group is named web",
        "check the Region",
    ),
    follow_a_fleet_of_none: (
        "fleet",
        "fleet workers: no instance carries its tags and runs",
        "check the Region",
    ),
    follow_a_group_that_is_gone: (
        "fleet",
        "fleet workers: there is no Auto Scaling group web",
        "are not lowered",
    ),
    follow_without_permission: (
        "fleet",
        "not allowed to call DescribeInstances",
        "permission for DescribeInstances",
    ),
    let_no_table_follow: (
        "fleet",
        "fleet workers: no table is named odrers-*",
        "Mend its [[fleet.tables]]",
    ),
    let_a_table_of_nobody_follow: (
        "fleet",
        "no rule manages a table named users-*",
        "Add a rule to chalicelib/headroom.toml",
    ),
    let_a_table_follow_no_fleet: (
        "fleet",
        "jobs-1:write has the strategy fleet",
        "choose another strategy",
    ),
    configure_a_fleet_and_deploy_nothing: (
        "functions",
        "headroom-dev-on_fleet does not exist",
        "make deploy STAGE=dev",
    ),
    ask_for_jobs_without_permission: (
        "pause",
        "the jobs of pause nightly: not allowed to call ListClusters",
        "permission for ListClusters",
    ),
    hold_a_table_that_is_gone: (
        "pause",
        "pause nightly: no table is named odrers-*",
        "Mend its tables",
    ),
    hold_a_table_of_nobody: (
        "pause",
        "pause nightly: no rule manages a table named users-*",
        "Add a rule to",
    ),
    tell_a_topic_that_is_gone: (
        "notifications",
        f"notify_topic {CAPACITY} does not exist",
        "Make it",
    ),
    tell_a_topic_that_nobody_hears: (
        "notifications",
        f"nobody has subscribed to notify_topic {CAPACITY}",
        "confirm it",
    ),
    tell_the_topic_of_the_alarms: (
        "notifications",
        "it would read its own messages",
        "Name another topic",
    ),
    tell_a_webhook_that_is_not_kept: (
        "notifications",
        "notify_slack ssm:/slack does not exist",
        "docs/notifications.md",
    ),
    tell_a_webhook_that_is_no_url: (
        "notifications",
        "notify_slack secretsmanager:slack: holds no https:// URL",
        "webhook's URL",
    ),
    delete_an_alarm: ("alarms", "orders:read has no alarm", "/aws/lambda/headroom-dev-sweep"),
    change_capacity_by_hand: (
        "alarms",
        "headroom-orders:read does not match",
        "The next sweep mends it",
    ),
    delete_the_table_behind_a_rule: (
        "alarms",
        "nothing is behind headroom-orders:read",
        "The next sweep mends it",
    ),
    register_with_application_auto_scaling: (
        "Application Auto Scaling",
        "orders is registered",
        "headroom import autoscaling --apply",
    ),
    come_near_the_quota: ("quota", "most of them by big", "Ask AWS for a higher quota"),
    ask_for_more_than_the_quota: ("quota", "max_units = 30000", "Lower max_units"),
}


@pytest.mark.parametrize(("harm", "expected"), ROWS.items(), ids=[harm.__name__ for harm in ROWS])
def test_each_harm_is_found_and_comes_with_what_to_do(
    patient: Patient, harm: Callable[[Patient], None], expected: tuple[str, str, str]
) -> None:
    harm(patient)
    findings = doctor.examine(patient)
    check, problem, remedy = expected
    assert any(
        f.check == check and problem in f.problem and remedy in f.remedy for f in findings
    ), findings


def test_with_a_broken_configuration_the_rest_is_looked_at_all_the_same(patient: Patient) -> None:
    write_nonsense(patient)
    delete_the_topic(patient)
    assert "topic headroom-alarms-dev: it does not exist" in {
        finding.problem for finding in doctor.examine(patient)
    }


def test_a_stage_whose_fleet_is_counted_is_well(patient: Patient) -> None:
    text = CONFIG + FLEET.format(how=TAGS, table="orders")
    configure(patient.project, text)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "worker"}]}]
    patient.cloud.client("ec2").run_instances(
        ImageId="ami-12c6146b", MinCount=2, MaxCount=2, TagSpecifications=tags
    )
    make_functions(dev(), patient.cloud, ("on_fleet",))
    list(
        setup.setup(
            setup.steps_after(dev(), patient.cloud, (*FUNCTIONS, "on_fleet"), load(text)),
            patient.cloud,
        )
    )
    sweep(text)
    assert doctor.examine(patient) == []


def test_a_stage_that_tells_people_and_asks_for_jobs_is_well(patient: Patient) -> None:
    text = tell(patient, CAPACITY, "secretsmanager:slack") + PAUSE.format(table="orders")
    configure(patient.project, text)
    keep(patient, URL)
    sns = patient.cloud.client("sns")
    sns.subscribe(
        TopicArn=sns.create_topic(Name="capacity")["TopicArn"],
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:1:q",
    )
    list(setup.setup(setup.steps_after(dev(), patient.cloud, FUNCTIONS, load(text)), patient.cloud))
    assert doctor.examine(patient) == []


def test_what_the_operator_may_rightly_not_see_is_no_finding(patient: Patient) -> None:
    tell(patient, CAPACITY.replace("123456789012", "210987654321"), "secretsmanager:slack")
    keep(patient, URL)
    refuse(patient.aws.client("secretsmanager"), "GetSecretValue", "AccessDeniedException")
    refuse(patient.aws.client("sns", "us-east-1"), "ListSubscriptionsByTopic", "AuthorizationError")
    assert not [finding for finding in doctor.examine(patient) if finding.check == "notifications"]


def test_the_doctor_does_not_say_what_a_secret_holds(patient: Patient) -> None:
    tell_a_webhook_that_is_no_url(patient)
    assert "PASSWORD" not in str(doctor.examine(patient))


@pytest.mark.parametrize(
    "harm", [write_nonsense, ask_for_jobs_without_permission], ids=lambda harm: harm.__name__
)
def test_what_several_checks_come_upon_is_told_once(
    patient: Patient, harm: Callable[[Patient], None]
) -> None:
    harm(patient)
    _, told, _ = ROWS[harm]
    assert len([finding for finding in doctor.examine(patient) if told in finding.problem]) == 1


def test_every_check_has_a_row() -> None:
    named = {check for check, _, _ in ROWS.values()}
    assert set(doctor.CHECKS) - named == set()


def deny(patient: Patient, service: str, operation: str, code: str) -> None:
    """Let AWS refuse an operation to the operator's commands."""
    refuse(patient.cloud.client(service), operation, code)


def refuse(client: Any, operation: str, code: str) -> None:
    """Let AWS refuse an operation to a client."""

    def answer(model: Any, **_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    client.meta.events.register(f"before-call.*.{operation}", answer)


# the command


@pytest.fixture
def here(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """The patient's project, as the folder that the operator stands in."""
    monkeypatch.chdir(patient.project)
    return patient


def test_the_command_ends_with_0_and_a_sentence_where_all_is_well(here: Patient) -> None:
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert (done.exit_code, "Stage dev is well" in done.output) == (0, True)


def test_the_command_ends_with_1_and_tells_problem_and_remedy(here: Patient) -> None:
    lose_a_message(here)
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert done.exit_code == 1
    assert "dead letters: 1 message(s) wait in headroom-dev-dead-letters" in done.output
    assert "→ Find the cause in the logs, then: headroom redrive --stage dev." in done.output


def test_for_scripts_the_findings_are_one_json_document(here: Patient) -> None:
    assert (
        json.loads(CliRunner().invoke(app, ["doctor", "--stage", "dev", "--json"]).output)["ok"]
        is True
    )
    lose_a_message(here)
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev", "--json"])
    said = json.loads(done.output)
    assert (done.exit_code, said["ok"], said["stage"]) == (1, False, "dev")
    assert [Finding(**found).check for found in said["findings"]] == ["dead letters"]


def test_an_unknown_stage_is_a_mistake_of_the_operators(here: Patient) -> None:
    assert CliRunner().invoke(app, ["doctor", "--stage", "nowhere"]).exit_code == 2
