"""The function that lets Application Auto Scaling take over: set up, packaged, and taken down."""

import ast
import json
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.config.loader import load
from headroom.deploy import blueprint, sam, setup, stackset, terraform, understudy
from headroom.deploy.account import AwsSession, Location
from headroom.deploy.checks.deployment import Deployment
from headroom.deploy.checks.understudy import standing_by
from headroom.deploy.resources import OwnAlarm, await_role
from headroom.deploy.stage import UNDERSTUDY, Stage
from headroom.deploy.understudy_resources import LeftTargets, StandingTargets
from headroom.region.region import Region
from tests.support.builders import TOPIC
from tests.support.deployed import FUNCTIONS, account, dev, inventory, set_up, tear_down
from tests.support.harms import configure
from tests.support.iam import AWS
from tests.support.scenes import invoke, rules
from tests.support.understudy import SECTION, suspended, understudied

WITH, WITHOUT = load(rules("orders-*") + SECTION), load(rules("orders-*"))
NAME = "headroom-dev-understudy"


def apply(session: AwsSession, config: Any) -> dict[str, tuple[str, ...]]:
    after = setup.resources_of_functions(dev(), session, FUNCTIONS, config)
    return {o.subject: o.details for o in setup.setup(after, session) if o.result == "applied"}


def silence_actions(session: AwsSession) -> list[str]:
    found = OwnAlarm({"AlarmName": "headroom-dev-silence"}).actual(session)
    return list(found["AlarmActions"])


# setup and teardown


@pytest.mark.slow(traced=True)
def test_the_function_comes_and_goes_with_the_section() -> None:
    with account() as session:
        set_up(dev(), session, rules=WITH)
        function = session.location.arn("lambda", f"function:{NAME}")
        assert silence_actions(session) == [function]
        by_hand = session.location.arn("sns", "pages")
        silence = blueprint.own_alarms(dev(), {}, "", [by_hand, function])[2]
        OwnAlarm(silence).apply(session)
        assert apply(session, WITH) == {}
        assert setup.functions_of(dev(), session) == sorted(FUNCTIONS)
        before = inventory(session.client)
        removed = apply(session, WITHOUT)
        assert removed[f"function {NAME} (removed)"] == ("the configuration has no [understudy]",)
        assert silence_actions(session) == [by_hand]
        gone = before - inventory(session.client)
        assert gone == {NAME, f"role {NAME}-us-east-1"}


@pytest.mark.slow(traced=True)
def test_a_teardown_leaves_nothing_of_it(tmp_path: Path) -> None:
    with account() as session:
        set_up(dev(), session, rules=WITH)
        assert {NAME, f"/aws/lambda/{NAME}"} <= inventory(session.client)
        tear_down(dev(), session, tmp_path)
        assert inventory(session.client) == set()


@pytest.mark.slow(traced=True)
def test_other_code_or_another_policy_is_put_right() -> None:
    with account() as session:
        set_up(dev(), session, rules=WITH)
        client = session.client("lambda")
        variables = understudy.environment(dev(), dev().topic_arn(AWS)) | {"SOURCE": "older"}
        client.update_function_configuration(
            FunctionName=NAME, Environment={"Variables": variables}
        )
        session.client("iam").put_role_policy(
            RoleName=f"{NAME}-us-east-1",
            PolicyName="headroom-configured",
            PolicyDocument=json.dumps(understudy.role_policy(dev(), AWS, WITH, "another topic")),
        )
        assert apply(session, WITH) == {
            "role headroom-dev-understudy-us-east-1": ("its policy is different",),
            f"function {NAME}": ("its Environment is different",),
        }
        assert apply(session, WITH) == {}


def test_a_new_role_is_waited_for() -> None:
    code, left = "InvalidParameterValueException", [1]

    def call() -> None:
        if left.pop():
            left.append(0)
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "CreateFunction")

    waits: list[float] = []
    await_role(AwsSession(sleep=waits.append), call)
    assert (left, len(waits)) == ([], 1)
    code, left = "AccessDeniedException", [1]
    with pytest.raises(ClientError):
        await_role(AwsSession(sleep=waits.append), call)


@pytest.mark.scene.with_args(understudied)
def test_a_teardown_lets_the_targets_scale(region: Region) -> None:
    targets = StandingTargets(TOPIC)
    assert set(suspended(region).values()) == {True}
    assert targets.delete(AwsSession()) is True
    assert set(suspended(region).values()) == {False}
    assert targets.delete(AwsSession()) is False


@pytest.mark.scene.with_args(understudied)
def test_setup_lets_tables_scale_that_no_rule_names_any_more(region: Region) -> None:
    with_rule, without = (
        LeftTargets(TOPIC, load(rules(name) + SECTION)) for name in ("orders", "users")
    )
    assert with_rule.differences(AwsSession()) == []
    assert without.differences(AwsSession()) == [
        "table/orders, table/orders/index/by-date: suspended, so nothing scales it"
    ]
    without.apply(AwsSession())
    assert set(suspended(region).values()) == {False}
    assert (without.differences(AwsSession()), without.delete(AwsSession())) == ([], False)


# the function alone


def test_the_function_needs_nothing_but_python_and_boto3() -> None:
    tree = ast.parse(understudy.SOURCE.read_text())
    names = {
        alias.name.split(".")[0] if isinstance(node, ast.Import) else str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names - set(sys.stdlib_module_names) == {"boto3", "botocore"}


def test_its_zip_has_one_file_and_is_always_the_same() -> None:
    with zipfile.ZipFile(BytesIO(understudy.code())) as archive:
        assert archive.namelist() == ["index.py"]
        assert archive.read("index.py") == understudy.SOURCE.read_bytes()
    assert understudy.code() == understudy.code()


def test_with_very_many_tables_its_policy_names_none() -> None:
    text = rules(*(f"table-{number:04}-{'x' * 30}" for number in range(200)))
    place = Location("aws", "eu-west-1", "1")
    policy = understudy.role_policy(dev(), place, load(text + SECTION), "arn")
    tables = next(s for s in policy["Statement"] if s["Sid"] == "AsTheTablesScaler")
    assert tables["Resource"] == ["arn:aws:dynamodb:eu-west-1:1:table/*"]


# the packages


def test_without_the_section_no_package_mentions_it() -> None:
    for package in (sam.template(dev(), WITHOUT), terraform.extras(dev(), WITHOUT)):
        text = json.dumps(package).lower()
        assert "understudy" not in text
        assert "application-autoscaling" not in text


def test_the_templates_have_the_function_and_the_alarm_that_runs_it(tmp_path: Path) -> None:
    found = sam.template(dev(OPERATIONS_TOPIC="ops"), WITH)["Resources"]
    function = found["HeadroomUnderstudy"]["Properties"]
    assert function["Code"] == {"ZipFile": understudy.SOURCE.read_text()}
    assert function["Environment"]["Variables"]["ALARM_TOPIC_ARN"] == {
        "Fn::Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:headroom-alarms-dev"
    }
    retries = found["HeadroomUnderstudyRetries"]["Properties"]
    failed = retries["DestinationConfig"]["OnFailure"]["Destination"]
    assert failed == {"Fn::Sub": sam.DEAD_LETTERS}
    ops, runs = (action["Fn::Sub"] for action in actions_of(found, "Silence"))
    assert (ops.rsplit(":", 1)[-1], runs.rsplit(":", 1)[-1]) == ("ops", NAME)
    assert len(actions_of(found, "Errors")) == 1
    package = tmp_path / "deployment.zip"
    package.write_bytes(b"")
    alone = {k: v for k, v in found.items() if k.startswith("Headroom")}
    several = stackset.template({"Resources": alone}, dev(OPERATIONS_TOPIC="ops"), package)
    assert several["Resources"]["HeadroomUnderstudy"]["Properties"] == function
    choice, runs = actions_of(several["Resources"], "Silence")
    assert list(choice) == ["Fn::If"]
    assert runs["Fn::Sub"].endswith(f"function:{NAME}")
    assert len(actions_of(several["Resources"], "Errors")) == 1


def actions_of(resources: dict[str, Any], alarm: str) -> list[Any]:
    return list(resources[f"Headroom{alarm}Alarm"]["Properties"]["AlarmActions"])


def test_the_terraform_module_has_the_same() -> None:
    found = terraform.extras(dev(), WITH)["resource"]
    function = found["aws_lambda_function"]["headroom_understudy"]
    assert function["filename"] == "${path.module}/understudy.zip"
    assert function["function_name"] == NAME
    (runs,) = found["aws_cloudwatch_metric_alarm"]["silence"]["alarm_actions"]
    assert runs.endswith(f"function:{NAME}")
    for kind in (
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_cloudwatch_log_group",
        "aws_lambda_permission",
        "aws_lambda_function_event_invoke_config",
    ):
        assert "headroom_understudy" in found[kind]
    retries = found["aws_lambda_function_event_invoke_config"]["headroom_understudy"]
    assert retries["destination_config"]["on_failure"]["destination"] == terraform.DEAD_LETTERS
    policy = json.loads(found["aws_iam_role_policy"]["headroom_understudy"]["policy"])
    assert policy == understudy.role_policy(
        dev(), terraform.LOCATION, WITH, "${aws_sns_topic.headroom.arn}"
    )


# the doctor


CONFIG = rules(min_units=5) + SECTION
GLOBAL = CONFIG + 'regions = ["eu-west-1"]\n'


def findings(region: Region, project: Path, config: str = CONFIG) -> list[str]:
    configure(project, config)
    stage = Stage("headroom", "dev", {"ALARM_TOPIC": "headroom-alarms"})
    deployment = Deployment(stage, project, AwsSession(), region.now)
    return [finding.problem for finding in standing_by(deployment)]


@pytest.mark.slow(traced=True)
@pytest.mark.scene.with_args(understudied)
def test_the_doctor_finds_what_keeps_it_from_taking_over(region: Region, tmp_path: Path) -> None:
    assert findings(region, tmp_path) == []
    assert findings(region, tmp_path, rules(min_units=5)) == []
    invoke(region, UNDERSTUDY)
    assert findings(region, tmp_path)[0] == (
        "orders:read is scaled by Application Auto Scaling now, or its bounds are not those of the "
        "rule"
    )
    invoke(region, "sweep")
    region.create_table("orders-2")
    assert findings(region, tmp_path) == [
        "orders-2:read has no scalable target yet",
        "orders-2:write has no scalable target yet",
    ]
    invoke(region, "sweep")
    left = findings(region, tmp_path, CONFIG + 'tables = ["orders-2"]\n')
    assert left[0] == "orders:read is suspended, and Headroom does not scale it"
    other = findings(region, tmp_path, CONFIG + "utilization_percent = 50\n")
    assert other[0] == "orders:read has a policy with another utilization than 50 %"
    region.autoscaling.policies.clear()
    assert findings(region, tmp_path)[0] == (
        "orders:read has no scaling policy, so Application Auto Scaling would not scale it"
    )


@pytest.mark.slow(traced=True)
@pytest.mark.scene.with_args(understudied, GLOBAL, ("eu-west-1",))
def test_the_doctor_looks_at_the_writes_in_other_regions(region: Region, tmp_path: Path) -> None:
    """The embedded region answers for every Region."""
    assert findings(region, tmp_path, GLOBAL) == []
    invoke(region, UNDERSTUDY)
    found = "Application Auto Scaling scales the writes of orders in eu-west-1"
    assert findings(region, tmp_path, GLOBAL)[-1] == found
