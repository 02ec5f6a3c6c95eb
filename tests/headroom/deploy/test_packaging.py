"""The SAM template and the Terraform module hold what a deployment needs, and nothing that is known
to break."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chalice.utils import to_cfn_resource_name

from headroom.deploy import packaging, sam, stackset, stage, terraform
from headroom.deploy.stage import Stage, StageError
from headroom.deploy.stage_policy import stage_policy
from headroom.project import ROOT
from tests.support.dashboard_schema import check
from tests.support.foreign import needs_parsers, parsed
from tests.support.packages import (
    EVERY_SECTION,
    EVERYTHING,
    Packages,
)
from tests.support.real_deploy import BIN, CONFIG, configure, copy_project

#: A package takes seconds to make.
pytestmark = pytest.mark.slow(traced=True)

#: What NOTIFIED names, which is in a location of its own.
LOCATIONS = re.compile(
    r"arn:aws:sns:us-east-1:210987654321:capacity|arn:aws:secretsmanager:[\w:-]+|users-123456789012"
)

#: The attributes that the provider gives what is named in an expression. Source: registry of
#: Terraform, provider aws 6, read 2026-11.
ATTRIBUTES = {"account_id", "arn", "function_name", "id", "module", "name", "partition"}


# Chalice and pip make a package. The one with everything has all parts of the plain one.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, marks=pytest.mark.foreign, id="plain"),
        pytest.param(EVERYTHING, id="everything"),
    ],
)
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packages:
    project = copy_project(tmp_path_factory.mktemp("project"), **request.param)
    if request.param:
        configure(project, CONFIG + EVERY_SECTION)
    out = project / "out"
    packaging.package(stage.read("dev", project), project, out, bool(request.param))
    rules = stage.rules(stage.read("dev", project), project)
    return Packages(stage.complete(stage.read("dev", project), rules), rules, out)


def test_a_dashboard_is_in_both_packages_if_it_is_wanted(packages: Packages) -> None:
    found = packages.sam.get("HeadroomDashboard", {}).get("Properties")
    module = packages.terraform("headroom.tf.json")["resource"].get("aws_cloudwatch_dashboard")
    if not packages.rules.fleets:
        assert (found, module) == (None, None)
        return
    assert found["DashboardName"] == {"Fn::Sub": "headroom-dev-${AWS::Region}"}
    assert module["headroom"]["dashboard_name"].startswith("headroom-dev-${data.aws_region.")
    for body in (found["DashboardBody"]["Fn::Sub"], module["headroom"]["dashboard_body"]):
        assert "users-123456789012: reads" in [graph.title for graph in check(body)]
        text = LOCATIONS.sub("", re.sub(r"arn:\$\{[^}]+\}", "", body))
        assert not terraform.FIXED.search(text)


# SAM


@pytest.mark.foreign
@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam.json", "stackset.json"])
def test_cfn_lint_finds_nothing_in_the_templates(packages: Packages, name: str) -> None:
    command = [str(BIN / "cfn-lint"), str(packages.folder / "sam" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@needs_parsers
@pytest.mark.foreign
@pytest.mark.slow
def test_awss_own_translator_makes_every_function_of_the_template(packages: Packages) -> None:
    resources = parsed("sam", packages.folder / "sam" / "sam.json")["Resources"].values()
    made = {
        r["Properties"]["FunctionName"] for r in resources if r["Type"] == "AWS::Lambda::Function"
    }
    names = {*packages.stage.functions, *(["understudy"] if packages.rules.understudy else [])}
    assert made == {packages.stage.function(name) for name in names}
    assert not [r["Type"] for r in resources if r["Type"].startswith("AWS::Serverless")]


@needs_parsers
@pytest.mark.foreign
@pytest.mark.slow
def test_every_expression_of_the_terraform_module_names_something_that_is_there(
    packages: Packages,
) -> None:
    files = sorted((packages.folder / "terraform").glob("*.tf.json"))
    there = {("path", "module")}
    for module in (json.loads(file.read_text()) for file in files):
        there |= {(k, name) for k, found in module.get("resource", {}).items() for name in found}
        there |= {("data", kind) for kind in module.get("data", {})}
    names = parsed("terraform", *files)
    assert len(names) > 50
    assert [name for name in names if tuple(name[:2]) not in there] == []
    assert {name[-1] for name in names} <= ATTRIBUTES


def test_every_function_of_the_template_has_the_name_that_the_operators_commands_look_for(
    packages: Packages,
) -> None:
    functions = [
        r["Properties"] for r in packages.sam.values() if r["Type"] == "AWS::Serverless::Function"
    ]
    assert {f["FunctionName"] for f in functions} == {
        packages.stage.function(name) for name in packages.stage.functions
    }
    assert all(f["Architectures"] == ["arm64"] for f in functions)
    roles = {
        r["Properties"]["RoleName"]["Fn::Sub"]
        for r in packages.sam.values()
        if r["Type"] == "AWS::IAM::Role"
    }
    assert roles == {f"{f['FunctionName']}-${{AWS::Region}}" for f in functions}
    without = {f["FunctionName"] for f in functions if "EventInvokeConfig" not in f}
    assert without <= {packages.stage.function(name) for name in ("on_queue", "on_group")}


def test_the_template_subscribes_the_function_to_its_own_topic_with_a_dead_letter_queue(
    packages: Packages,
) -> None:
    delivery = packages.sam["OnAlarm"]["Properties"]["Events"]["OnAlarmSnsSubscription"][
        "Properties"
    ]
    assert delivery["Topic"] == {
        "Fn::Sub": "${HeadroomTopic}"
    }  # so that CloudFormation makes the topic first
    assert delivery["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::Sub": "${HeadroomDeadLetters.Arn}"}
    }


def test_the_template_has_the_alarms_about_headroom_and_a_log_group_a_function(
    packages: Packages,
) -> None:
    kinds = [r["Type"] for r in packages.sam.values()]
    assert kinds.count("AWS::CloudWatch::Alarm") == 3 + ("on_group" in packages.stage.functions)
    assert kinds.count("AWS::Logs::LogGroup") == len(packages.stage.functions)


def test_every_role_of_the_template_has_what_the_configuration_calls_for(
    packages: Packages,
) -> None:
    found = [r["Properties"] for r in packages.sam.values() if r["Type"] == "AWS::IAM::Policy"]
    roles = [logical for logical, r in packages.sam.items() if r["Type"] == "AWS::IAM::Role"]
    assert sorted(policy["Roles"][0]["Ref"] for policy in found) == sorted(roles)
    assert len(roles) == len(packages.stage.functions)
    right = {
        f"{to_cfn_resource_name(n)}Role": sam.substituted(
            stage_policy(packages.stage, sam.LOCATION, packages.rules, n)
        )
        for n in packages.stage.functions
    }
    for policy in found:
        expected = ("headroom-configured", right[policy["Roles"][0]["Ref"]])
        assert (policy["PolicyName"], policy["PolicyDocument"]) == expected


def test_the_template_fixes_no_partition_region_or_account(packages: Packages) -> None:
    text = LOCATIONS.sub("", json.dumps(packages.sam).replace("arn:${AWS::Partition}", ""))
    assert not terraform.FIXED.search(text)
    assert packaging.ANY_REGION not in text


def test_the_zip_has_compiled_libraries_for_lambdas_processor_and_this_python(
    packages: Packages,
) -> None:
    names = zipfile.ZipFile(packages.folder / "sam" / "deployment.zip").namelist()
    libraries = [name for name in names if name.endswith(".so")]
    assert libraries
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-aarch64"
    assert all(tag in name for name in libraries), libraries


# stack sets


def named(value: Any) -> Iterator[str]:
    """Yield every name that a document refers to."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [name, _]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from (name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", text))
        case dict():
            yield from (name for inner in value.values() for name in named(inner))
        case list():
            yield from (name for inner in value for name in named(inner))


def test_the_template_for_stack_sets_has_no_transform_and_refers_to_what_it_has(
    packages: Packages,
) -> None:
    template = packages.stackset
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert ("Transform" in template, "AWS::Serverless::Function" in kinds) == (False, False)
    names = {name for name in named(template) if not name.startswith("AWS::")}
    assert names - template["Resources"].keys() == set(template["Parameters"])


def test_it_makes_everything_that_the_sam_template_makes(packages: Packages) -> None:
    resources = packages.stackset["Resources"]
    assert packages.sam.keys() <= resources.keys()
    functions = {k: v for k, v in packages.sam.items() if v["Type"].endswith("::Function")}
    permissions = [
        r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Permission"
    ]
    for logical, function in functions.items():
        made, wanted = resources[logical]["Properties"], function["Properties"]
        same = ("FunctionName", "Handler", "Runtime", "Role", "Timeout", "MemorySize")
        assert {key: made[key] for key in same} == {key: wanted[key] for key in same}
        assert (f"{logical}Retries" in resources) == ("EventInvokeConfig" in wanted)
        for name, event in wanted.get("Events", {}).items():
            allowed = any(p["FunctionName"] == {"Ref": logical} for p in permissions)
            assert (name in resources, allowed) == (True, event["Type"] != "SQS")


def test_what_differs_between_accounts_and_regions_is_a_parameter(packages: Packages) -> None:
    template = packages.stackset
    resources, parameters = template["Resources"], template["Parameters"]
    for name in (n for n, r in resources.items() if r["Type"] == "AWS::Lambda::Function"):
        assert resources[name]["Properties"]["Code"] == {
            "S3Bucket": {"Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}"},
            "S3Key": {"Ref": "CodeKey"},
        }
        role = resources[f"{name}Role"]["Properties"]["RoleName"]["Fn::Sub"]
        assert role.endswith("-${AWS::Region}")
    rule = resources["ScaleDownEvent"]["Properties"]
    assert rule["ScheduleExpression"] == {"Ref": "ScaleDownSchedule"}
    assert resources["SweepEvent"]["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    assert [name for name in parameters if "Default" not in parameters[name]] == [
        "CodeBucketPrefix"
    ]
    assert parameters["Operators"]["Default"] == packages.stage.operators
    text = LOCATIONS.sub("", json.dumps(template))
    assert re.findall(r"arn:aws[a-z-]*:|(?<!\d)\d{12}(?!\d)|us-east-1", text) == []


def test_another_code_has_another_key(packages: Packages, tmp_path: Path) -> None:
    def key(content: bytes) -> str:
        file = tmp_path / "deployment.zip"
        file.write_bytes(content)
        whole = json.loads((packages.folder / "sam" / "sam.json").read_text())
        found = stackset.template(whole, packages.stage, file)
        return str(found["Parameters"]["CodeKey"]["Default"])

    assert key(b"one") == key(b"one") != key(b"two")


def test_a_topic_in_one_region_has_no_template_for_several(tmp_path: Path) -> None:
    one = Stage("headroom", "dev", {"ALARM_TOPIC": "arn:aws:sns:us-east-1:1:pages"})
    with pytest.raises(StageError, match="ALARM_TOPIC is an ARN, and so fixes one Region"):
        stackset.template({"Resources": {}}, one, tmp_path)


def test_an_event_that_it_does_not_know_is_no_silent_gap(tmp_path: Path) -> None:
    file = tmp_path / "deployment.zip"
    file.write_bytes(b"")
    function = {"Tracing": "PassThrough", "Tags": {}, "Events": {"E": {"Type": "Kinesis"}}}
    resource = {"Type": "AWS::Serverless::Function", "Properties": function}
    with pytest.raises(StageError, match="function F: unknown event Kinesis"):
        stackset.template({"Resources": {"F": resource}}, Stage("headroom", "dev"), file)


# Terraform


def test_nothing_that_is_known_to_break_is_in_the_terraform_module(packages: Packages) -> None:
    assert terraform.problems(packages.folder / "terraform", packages.stage) == []


def test_the_module_names_the_topics_and_secrets_of_the_configuration_as_they_stand(
    packages: Packages,
) -> None:
    policies = packages.terraform("headroom.tf.json")["resource"]["aws_iam_role_policy"]
    assert (
        "210987654321:capacity" in policies["sweep_configured"]["policy"]
    ) is packages.rules.manages("users-123456789012")


def test_event_rules_of_two_stages_do_not_collide(packages: Packages) -> None:
    rules = packages.terraform("chalice.tf.json")["resource"]["aws_cloudwatch_event_rule"]
    override = packages.terraform("chalice_override.tf.json")["resource"][
        "aws_cloudwatch_event_rule"
    ]
    assert rules.keys() == override.keys()
    assert all(rule["name"].startswith("headroom-dev-") for rule in override.values())


def test_every_function_of_the_module_has_its_log_group_and_its_dead_letters(
    packages: Packages,
) -> None:
    extras = packages.terraform("headroom.tf.json")["resource"]
    assert set(extras["aws_cloudwatch_log_group"]) == set(packages.stage.functions)
    assert set(extras["aws_lambda_function_event_invoke_config"]) == set(
        packages.stage.functions
    ) - {"on_queue", "on_group"}
    assert {
        group["retention_in_days"] for group in extras["aws_cloudwatch_log_group"].values()
    } == {14}
    about_workers = {"waiting"} if packages.rules.fan_out else set()
    alarms = {"errors", "dead_letters", "silence"} | about_workers
    assert set(extras["aws_cloudwatch_metric_alarm"]) == alarms


def test_in_both_packages_the_events_that_a_function_failed_on_become_dead_letters(
    packages: Packages,
) -> None:
    extras = packages.terraform("headroom.tf.json")["resource"]
    configs = extras["aws_lambda_function_event_invoke_config"].values()
    to_module = [config["destination_config"]["on_failure"] for config in configs]
    assert to_module == [{"destination": terraform.DEAD_LETTERS}] * len(to_module)
    sam_configs = [part["Properties"].get("EventInvokeConfig") for part in packages.sam.values()]
    to_sam = [config["DestinationConfig"]["OnFailure"] for config in sam_configs if config]
    assert [one["Destination"] for one in to_sam] == [{"Fn::Sub": sam.DEAD_LETTERS}] * len(
        to_module
    )


def test_in_the_module_each_queue_and_subscription_has_the_dead_letters(packages: Packages) -> None:
    extras = packages.terraform("headroom.tf.json")["resource"]
    override = packages.terraform("chalice_override.tf.json")["resource"]
    queues = [one for one in extras["aws_sqs_queue"].items() if one[0] != "headroom_dead_letters"]
    sources = [*extras.get("aws_sns_topic_subscription", {}).items(), *queues]
    sources += override.get("aws_sns_topic_subscription", {}).items()
    assert sources
    for name, source in sources:
        redrive = json.loads(source["redrive_policy"])
        assert redrive["deadLetterTargetArn"] == terraform.DEAD_LETTERS, name


def test_both_packages_let_the_workers_read_their_queue_side_by_side(packages: Packages) -> None:
    override = packages.terraform("chalice_override.tf.json")["resource"]
    mappings = override.get("aws_lambda_event_source_mapping", {})
    if not packages.rules.fan_out:
        assert "HeadroomGroups" not in packages.sam
        assert "on_group-sqs-event-source" not in mappings
        return
    source = packages.sam["OnGroup"]["Properties"]["Events"]["OnGroupSqsEventSource"]["Properties"]
    assert source["Queue"] == {"Fn::Sub": "${HeadroomGroups.Arn}"}
    assert source["ScalingConfig"] == {"MaximumConcurrency": 12}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    chalice = packages.terraform("chalice.tf.json")["resource"]["aws_lambda_event_source_mapping"]
    name = "on_group-sqs-event-source"
    merged = chalice[name] | mappings[name]
    assert merged["event_source_arn"] == "${aws_sqs_queue.headroom_groups.arn}"
    assert merged["scaling_config"] == {"maximum_concurrency": 12}
    queue = packages.terraform("headroom.tf.json")["resource"]["aws_sqs_queue"]["headroom_groups"]
    assert queue["name"] == "headroom-dev-groups"
    receives = {"maxReceiveCount": 2}
    of_sam = packages.sam["HeadroomGroups"]["Properties"]["RedrivePolicy"]
    assert of_sam == {"deadLetterTargetArn": {"Fn::Sub": sam.DEAD_LETTERS}, **receives}
    of_module = json.loads(queue["redrive_policy"])
    assert of_module == {"deadLetterTargetArn": terraform.DEAD_LETTERS, **receives}


def test_alarms_are_written_in_the_providers_words(packages: Packages) -> None:
    alarms = packages.terraform("headroom.tf.json")["resource"]["aws_cloudwatch_metric_alarm"]
    assert alarms["silence"]["dimensions"] == {"function": "sweep", "service": "headroom-dev"}
    assert (alarms["silence"]["treat_missing_data"], alarms["errors"]["datapoints_to_alarm"]) == (
        "breaching",
        2,
    )
    sweep = next(query for query in alarms["errors"]["metric_query"] if query["id"] == "sweep")
    assert sweep["metric"]["dimensions"] == {
        "FunctionName": "${aws_lambda_function.sweep.function_name}"
    }


def test_policies_of_the_module_are_json_with_references_in_it(packages: Packages) -> None:
    extras = packages.terraform("headroom.tf.json")["resource"]
    policies = [
        p["policy"]
        for kind in ("aws_sns_topic_policy", "aws_sqs_queue_policy")
        for p in extras[kind].values()
    ]
    assert all(json.loads(policy)["Statement"] for policy in policies)


def test_every_role_of_the_module_has_what_the_configuration_calls_for(packages: Packages) -> None:
    extras = packages.terraform("headroom.tf.json")["resource"]["aws_iam_role_policy"]
    roles = packages.terraform("chalice.tf.json")["resource"]["aws_iam_role"]
    assert {policy["role"] for policy in extras.values()} == {
        f"${{aws_iam_role.{role}.id}}" for role in roles
    }
    assert len(roles) == len(packages.stage.functions)
    for name, policy in extras.items():
        function, location = name.removesuffix("_configured"), terraform.LOCATION
        right = stage_policy(packages.stage, location, packages.rules, function)
        assert (policy["name"], json.loads(policy["policy"])) == ("headroom-configured", right)


def test_a_table_whose_name_looks_like_an_account_is_no_fixed_place(
    packages: Packages, tmp_path: Path
) -> None:
    for file in (packages.folder / "terraform").glob("*.tf.json"):
        (tmp_path / file.name).write_text(
            file.read_text().replace("table/orders", "table/orders-123456789012")
        )
    assert "123456789012" in (tmp_path / "headroom.tf.json").read_text()
    assert terraform.problems(tmp_path, packages.stage) == []


def spoil(module: dict[str, Any], value: Any, *path: str) -> None:
    *parents, last = path
    for key in parents:
        module = module[key]
    module[last] = value


SUBSCRIPTION = ("resource", "aws_sns_topic_subscription", "on_alarm-sns-subscription", "topic_arn")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            ("terraform", "required_version"),
            ">= 0.12.26, < 1.4.0",
            "required_version >= 0.12.26, < 1.4.0 excludes newer versions of Terraform",
        ),
        (
            ("terraform", "required_providers", "aws", "version"),
            ">= 3.61.0, < 5",
            "the version >= 3.61.0, < 5 excludes newer versions of the AWS provider",
        ),
        (
            ("resource", "aws_cloudwatch_event_rule", "sweep-event", "name"),
            "sweep-event",
            "aws_cloudwatch_event_rule.sweep-event: "
            "the name sweep-event is the same in every stage",
        ),
        (
            SUBSCRIPTION,
            "${aws_sns_topic.gone.arn}",
            "aws_sns_topic.gone is referenced, and does not exist",
        ),
        (
            ("resource", "aws_cloudwatch_event_rule", "weekly-event"),
            {"name": "headroom-dev-weekly-event"},
            "chalice_override.tf.json: aws_cloudwatch_event_rule.weekly-event overrides nothing",
        ),
        (SUBSCRIPTION, "arn:aws:sns:x:1:t", "arn:aws: fixes a partition or an account"),
        (
            ("resource", "aws_cloudwatch_log_group"),
            {"sweep": {"name": "sweep-log-group"}},
            "aws_cloudwatch_log_group.sweep: sweep-log-group is not the log of a function",
        ),
    ],
)
def test_what_is_known_to_break_is_found(
    packages: Packages, tmp_path: Path, path: tuple[str, ...], value: Any, problem: str
) -> None:
    for file in (packages.folder / "terraform").glob("*.tf.json"):
        module = json.loads(file.read_text())
        if file.name == "chalice_override.tf.json":
            spoil(module, value, *path)
        (tmp_path / file.name).write_text(json.dumps(module))
    assert problem in terraform.problems(tmp_path, packages.stage)


def test_the_checkout_is_left_as_it_was(packages: Packages) -> None:
    project = packages.folder.parent
    assert not (project / ".chalice" / "deployments").exists()
    assert "log_retention_in_days" in (project / ".chalice" / "config.json").read_text()
    assert (ROOT / "app.py").read_text() == (project / "app.py").read_text()
