"""The doctor finds a healthy stage well, and names each thing that is wrong with what to do."""

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
from headroom.deploy.checks.deployment import Deployment, Finding
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from tests.support.deployed import FUNCTIONS, account, dev, make_functions, make_table, set_up

CONFIG = '[[tables]]\nname = "orders"\nmax_units = 5000\n'


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A stage that was deployed well, with a table and its alarms."""
    shutil.copytree(
        ROOT / ".chalice", tmp_path / ".chalice", ignore=shutil.ignore_patterns("deploy*")
    )
    configure(tmp_path, CONFIG)
    with account() as session:
        set_up(dev(), session, rules=load(CONFIG))
        make_table(session.client)
        sweep(CONFIG)
        yield Deployment(dev(), tmp_path, session, datetime.now(UTC))


def configure(project: Path, text: str) -> None:
    (project / "chalicelib").mkdir(exist_ok=True)
    (project / "chalicelib" / "headroom.toml").write_text(text)


def sweep(text: str) -> None:
    handlers.sweep(
        Run(Aws(dev().topic, sleep=lambda _: None), load(text), datetime.now(UTC))
    ).raise_failures()


def test_a_stage_that_was_deployed_well_is_well(deployment: Deployment) -> None:
    assert doctor.diagnose(deployment) == []


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


# what may be wrong


def lose_credentials(deployment: Deployment) -> None:
    del deployment.session.location
    deny(deployment, "sts", "GetCallerIdentity", "InvalidClientTokenId")


def let_the_clock_be_far_off(deployment: Deployment) -> None:
    del deployment.session.location
    deny(deployment, "sts", "GetCallerIdentity", "SignatureDoesNotMatch")


def let_the_clock_be_off(deployment: Deployment) -> None:
    deployment.now += timedelta(minutes=3)


def take_a_permission(deployment: Deployment) -> None:
    deny(deployment, "dynamodb", "DescribeLimits", "AccessDeniedException")


def break_the_network(deployment: Deployment) -> None:
    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://nowhere")

    deployment.session.client("dynamodb").meta.events.register("before-call.*.DescribeLimits", fail)


def lose_a_function(deployment: Deployment) -> None:
    deployment.session.client("lambda").delete_function(FunctionName="headroom-dev-sweep")


def leave_a_function(deployment: Deployment) -> None:
    deployment.stage = dev(ALARM_SOURCES="eventbridge")


def change_a_role(deployment: Deployment) -> None:
    names = {"RoleName": "headroom-dev-sweep", "PolicyName": "headroom-dev-sweep"}
    deployment.session.client("iam").delete_role_policy(**names)


def change_what_is_configured(deployment: Deployment) -> None:
    names = {"RoleName": "headroom-dev-sweep", "PolicyName": "headroom-configured"}
    other = permissions.configured_policy(load('[[tables]]\nname = "users"\n'), "sweep")
    deployment.session.client("iam").put_role_policy(**names, PolicyDocument=json.dumps(other))


def name_more_tables_than_fit(deployment: Deployment) -> None:
    configure(
        deployment.project,
        "".join(f'[[tables]]\nname = "orders-{number:04}"\n' for number in range(1_000)),
    )


def unsubscribe(deployment: Deployment) -> None:
    sns = deployment.session.client("sns")
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])


def delete_the_topic(deployment: Deployment) -> None:
    deployment.session.client("sns").delete_topic(
        TopicArn=dev().topic_arn(deployment.session.location)
    )


def set_up_with_another_version(deployment: Deployment) -> None:
    sqs = deployment.session.client("sqs")
    sqs.tag_queue(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"],
        Tags={"headroom-version": "0.0.1"},
    )


def silence(deployment: Deployment) -> None:
    cloudwatch = deployment.session.client("cloudwatch")
    cloudwatch.set_alarm_state(
        AlarmName="headroom-dev-silence", StateValue="ALARM", StateReason="test"
    )


def lose_a_message(deployment: Deployment) -> None:
    sqs = deployment.session.client("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"], MessageBody="lost"
    )


def misspell_a_table(deployment: Deployment) -> None:
    configure(deployment.project, CONFIG + '[[tables]]\nname = "odrers"\n')


def write_a_rule_for_nothing(deployment: Deployment) -> None:
    configure(deployment.project, CONFIG + '[[tables]]\nname = "users-*"\n')


def write_no_rule(deployment: Deployment) -> None:
    configure(deployment.project, "")


def write_nonsense(deployment: Deployment) -> None:
    configure(deployment.project, '[[tables]]\nname = "orders"\nmax_unit = 3\n')


def delete_an_alarm(deployment: Deployment) -> None:
    deployment.session.client("cloudwatch").delete_alarms(AlarmNames=["headroom-orders:read"])


def change_capacity_by_hand(deployment: Deployment) -> None:
    units = {"ReadCapacityUnits": 200, "WriteCapacityUnits": 100}
    deployment.session.client("dynamodb").update_table(
        TableName="orders", ProvisionedThroughput=units
    )


def delete_the_table_behind_a_rule(deployment: Deployment) -> None:
    deployment.session.client("dynamodb").delete_table(TableName="orders")
    make_table(deployment.session.client, "orders-2")
    configure(deployment.project, '[[tables]]\nname = "orders-2"\nscale_up = false\n')


def register_with_application_auto_scaling(deployment: Deployment) -> None:
    deployment.session.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/orders",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=10,
    )


def come_near_the_quota(deployment: Deployment) -> None:
    make_table(deployment.session.client, "big", units=9_000)
    text = CONFIG + '[[tables]]\nname = "big"\n'
    configure(deployment.project, text)
    sweep(text)
    fields = {f"AccountMax{d}CapacityUnits": 11_000 for d in ("Read", "Write")}
    events = deployment.session.client("dynamodb").meta.events
    events.register("after-call.dynamodb.DescribeLimits", lambda parsed, **_: parsed.update(fields))


def ask_for_more_than_the_quota(deployment: Deployment) -> None:
    configure(deployment.project, '[[tables]]\nname = "orders"\nmax_units = 30000\n')


FLEET = '[[fleet]]\nname = "workers"\n{how}\n[[fleet.tables]]\ntable = "{table}"\nread = {{ linear = 1 }}\n'
TAGS = 'tags = { role = "worker" }'


def follow(deployment: Deployment, how: str = TAGS, table: str = "orders", more: str = "") -> None:
    """Let a fleet be configured."""
    configure(deployment.project, CONFIG + more + FLEET.format(how=how, table=table))


def heal_a_group_that_is_gone(deployment: Deployment) -> None:
    configure(deployment.project, '[[tables]]\nname = "orders"\n[[healing]]\ngroup = "web"\n')


def follow_a_fleet_of_none(deployment: Deployment) -> None:
    follow(deployment)


def follow_a_group_that_is_gone(deployment: Deployment) -> None:
    follow(deployment, 'auto_scaling_group = "web"')


def follow_without_permission(deployment: Deployment) -> None:
    follow(deployment)
    refuse(deployment.aws.client("ec2"), "DescribeInstances", "UnauthorizedOperation")


def let_no_table_follow(deployment: Deployment) -> None:
    follow(deployment, table="odrers-*")


def let_a_table_of_nobody_follow(deployment: Deployment) -> None:
    make_table(deployment.session.client, "users-1")
    follow(deployment, table="users-*")


def let_a_table_follow_no_fleet(deployment: Deployment) -> None:
    make_table(deployment.session.client, "jobs-1")
    follow(deployment, more='[[tables]]\nname = "jobs-*"\nstrategy = "fleet"\n')


PAUSE = (
    '[[pause]]\nname = "nightly"\njob = "emr_cluster"\nprefix = "backup-"\ntables = ["{table}"]\n'
)


def hold(deployment: Deployment, table: str = "orders") -> None:
    """Let jobs hold a table."""
    configure(deployment.project, CONFIG + PAUSE.format(table=table))


def ask_for_jobs_without_permission(deployment: Deployment) -> None:
    hold(deployment)
    refuse(deployment.aws.client("emr"), "ListClusters", "AccessDeniedException")


def hold_a_table_that_is_gone(deployment: Deployment) -> None:
    hold(deployment, "odrers-*")


def hold_a_table_of_nobody(deployment: Deployment) -> None:
    make_table(deployment.session.client, "users-1")
    hold(deployment, "users-*")


CAPACITY = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://hooks.slack.com/services/T0/B0/PASSWORD"


def tell(deployment: Deployment, topic: str = "", slack: str = "") -> str:
    """Let somebody be told, and return the configuration."""
    text = (
        f'[defaults]\nnotify = ["at_max"]\nnotify_topic = "{topic}"\nnotify_slack = "{slack}"\n'
        + CONFIG
    )
    configure(deployment.project, text)
    return text


def keep(deployment: Deployment, text: str) -> None:
    deployment.session.client("secretsmanager").create_secret(Name="slack", SecretString=text)


def tell_a_topic_that_is_gone(deployment: Deployment) -> None:
    tell(deployment, CAPACITY)


def tell_a_topic_that_nobody_hears(deployment: Deployment) -> None:
    deployment.session.client("sns").create_topic(Name="capacity")
    tell(deployment, CAPACITY)


def tell_the_topic_of_the_alarms(deployment: Deployment) -> None:
    tell(deployment, dev().topic_arn(deployment.session.location))


def tell_a_webhook_that_is_not_kept(deployment: Deployment) -> None:
    tell(deployment, slack="ssm:/slack")


def tell_a_webhook_that_is_no_url(deployment: Deployment) -> None:
    keep(deployment, "PASSWORD")
    tell(deployment, slack="secretsmanager:slack")


def configure_a_fleet_and_deploy_nothing(deployment: Deployment) -> None:
    follow(deployment)


ROWS: dict[Callable[[Deployment], None], tuple[str, str, str]] = {
    lose_credentials: ("credentials", "AWS does not accept the credentials", "Sign in again"),
    let_the_clock_be_far_off: (
        "clock",
        "AWS does not accept the credentials",
        "Set this computer's clock",
    ),
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
        "headroom-dev-on_alarm is not a function of the stage",
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
    misspell_a_table: ("tables", "no table is named odrers", "Correct or remove the rule"),
    write_a_rule_for_nothing: (
        "tables",
        "the rule users-* matches no table",
        "Correct or remove the rule",
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
        "fleet workers: no instance with its tags is running",
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
        "correct its [[fleet.tables]]",
    ),
    let_a_table_of_nobody_follow: (
        "fleet",
        "no rule manages a table named users-*",
        "add a rule to chalicelib/headroom.toml",
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
        "correct the pause's tables",
    ),
    hold_a_table_of_nobody: (
        "pause",
        "pause nightly: no rule manages a table named users-*",
        "add a rule to",
    ),
    tell_a_topic_that_is_gone: (
        "notifications",
        f"notify_topic {CAPACITY} does not exist",
        "Create it",
    ),
    tell_a_topic_that_nobody_hears: (
        "notifications",
        f"nobody has subscribed to notify_topic {CAPACITY}",
        "confirm it",
    ),
    tell_the_topic_of_the_alarms: (
        "notifications",
        "Headroom would read its own messages",
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
        "The next sweep corrects it",
    ),
    delete_the_table_behind_a_rule: (
        "alarms",
        "nothing exists for headroom-orders:read",
        "The next sweep corrects it",
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
    deployment: Deployment, harm: Callable[[Deployment], None], expected: tuple[str, str, str]
) -> None:
    harm(deployment)
    findings = doctor.diagnose(deployment)
    check, problem, remedy = expected
    assert any(
        f.check == check and problem in f.problem and remedy in f.remedy for f in findings
    ), findings


def test_with_a_broken_configuration_the_rest_is_looked_at_all_the_same(
    deployment: Deployment,
) -> None:
    write_nonsense(deployment)
    delete_the_topic(deployment)
    assert "topic headroom-alarms-dev: it does not exist" in {
        finding.problem for finding in doctor.diagnose(deployment)
    }


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


def test_the_doctor_does_not_say_what_a_secret_holds(deployment: Deployment) -> None:
    tell_a_webhook_that_is_no_url(deployment)
    assert "PASSWORD" not in str(doctor.diagnose(deployment))


@pytest.mark.parametrize(
    "harm", [write_nonsense, ask_for_jobs_without_permission], ids=lambda harm: harm.__name__
)
def test_what_several_checks_come_upon_is_told_once(
    deployment: Deployment, harm: Callable[[Deployment], None]
) -> None:
    harm(deployment)
    _, told, _ = ROWS[harm]
    assert len([finding for finding in doctor.diagnose(deployment) if told in finding.problem]) == 1


def test_every_check_has_a_row() -> None:
    named = {check for check, _, _ in ROWS.values()}
    assert set(doctor.CHECKS) - named == set()


def deny(deployment: Deployment, service: str, operation: str, code: str) -> None:
    """Let AWS refuse an operation to the operator's commands."""
    refuse(deployment.session.client(service), operation, code)


def refuse(client: Any, operation: str, code: str) -> None:
    """Let AWS refuse an operation to a client."""

    def answer(model: Any, **_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

    client.meta.events.register(f"before-call.*.{operation}", answer)


# the command


@pytest.fixture
def here(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """The deployment's project, as the folder that the operator stands in."""
    monkeypatch.chdir(deployment.project)
    return deployment


def test_the_command_ends_with_0_and_a_sentence_where_all_is_well(here: Deployment) -> None:
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert (done.exit_code, "Stage dev is healthy" in done.output) == (0, True)


def test_the_command_ends_with_1_and_tells_problem_and_remedy(here: Deployment) -> None:
    lose_a_message(here)
    done = CliRunner().invoke(app, ["doctor", "--stage", "dev"])
    assert done.exit_code == 1
    assert "dead letters: 1 message(s) wait in headroom-dev-dead-letters" in done.output
    assert "→ Find the cause in the logs, then run: headroom redrive --stage dev." in done.output


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


def test_an_unknown_stage_is_a_mistake_of_the_operators(here: Deployment) -> None:
    assert CliRunner().invoke(app, ["doctor", "--stage", "nowhere"]).exit_code == 2
