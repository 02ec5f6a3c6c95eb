"""The policies allow exactly the calls that the handlers make, and .chalice/config.json deploys
exactly the app.

The handlers run in the embedded region, every call is recorded, and tests/iam.py judges: here in
scenes that together need every statement, and by tests/judge.py in all other tests. Logs are
written by Lambda itself and not by boto3, so the statements about them are checked apart. The
slowest test packages one stage: `pytest -k chalice_package`.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from chalice.config import Config

from headroom.project import ROOT
from headroom.region.context import Call, Invocation, environment_of
from headroom.region.lambda_functions import fresh_app
from headroom.region.region import Region
from tests.scenarios.test_listeners import action, change, queued
from tests.support.builders import FOREIGN, READS
from tests.support.iam import (
    NEEDS,
    Ask,
    Location,
    Policy,
    Statement,
    UnsupportedError,
    allowed,
    asks,
    listed,
    statements,
)
from tests.support.judge import denied, policy_of
from tests.support.scenes import MIDDAY, MONDAY, alarm_message, invoke, pass_minutes, rules, send

CHALICE = ROOT / ".chalice"
STAGES = ("dev", "prod", "local")
FUNCTIONS = ("on_alarm", "follow_up", "scale_down", "sweep")
LISTENERS = {
    "on_action": "policy-on_alarm.json",
    "on_event": "policy-on_alarm.json",
    "on_queue": "policy-on_queue.json",
}
"""The functions that a stage has only where its ALARM_SOURCES says so, and their policies: they do
what on_alarm does."""
EVERY_FUNCTION = (*FUNCTIONS, *LISTENERS)
SHIPPED = (*FUNCTIONS, "on_fleet")
"""The functions with a policy of their own. tests/test_fleet_scene.py judges what on_fleet
calls."""
AWS = Location()
LOCATIONS = (AWS, Location("aws-cn", "cn-north-1"), Location("aws-us-gov", "us-gov-west-1"))
HEADROOM_TOPIC = "headroom-alarms-dev"
OTHER_TOPIC = "capacity-pages"
"""A topic of the operator's own naming: Headroom's own alarms work with it, too."""


def policy(function: str) -> Policy:
    """Return a function's policy as it is shipped."""
    found: Policy = json.loads(
        (CHALICE / LISTENERS.get(function, f"policy-{function}.json")).read_text()
    )
    return found


def settings() -> dict[str, Any]:
    """Return .chalice/config.json."""
    found: dict[str, Any] = json.loads((CHALICE / "config.json").read_text())
    return found


def is_about_logs(statement: Statement) -> bool:
    return all(action.startswith("logs:") for action in listed(statement["Action"]))


def is_for_lambda_itself(statement: Statement) -> bool:
    """Tell whether Lambda makes the calls, by the function's role: it writes logs, sends dead
    letters and reads queues."""
    return all(action.startswith(("logs:", "sqs:")) for action in listed(statement["Action"]))


# the scenes: together they make every call


@contextlib.contextmanager
def world(location: Location, topic: str) -> Iterator[Region]:
    """A region with `orders` and its index, `orders-old`, Headroom's alarms, and somebody's alarm
    on a Headroom topic."""
    with Region(MIDDAY, name=location.region) as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.create_table("orders-old")
        region.deploy(
            rules(min_units=5),
            topic=topic,
            environment={"ALARM_SOURCES": "topic,queue,lambda,eventbridge"},
        )
        invoke(region, "sweep")
        if topic == HEADROOM_TOPIC:
            of_somebody = region.cloudwatch.alarms["headroom-orders:read"].fields | {
                "AlarmName": FOREIGN
            }
            region.client("cloudwatch").put_metric_alarm(**of_somebody)
        yield region


def reads_alarms(region: Region) -> list[str]:
    """Return the names of the alarms that watch the reads of `orders`, somebody's first where there
    is one."""
    return [name for name in (FOREIGN, "headroom-orders:read") if name in region.cloudwatch.alarms]


def set_scene(region: Region, minutes: int, reads: float) -> None:
    """Let minutes pass with this load on `orders`, and forget the calls that made the scene."""
    pass_minutes(region, minutes, {READS: reads})
    region.calls.clear()


def hear(region: Region) -> Invocation:
    """on_alarm raises the table, and rewrites its own alarm and the one that called."""
    set_scene(region, 5, 95.0)
    return send(region, alarm_message(region, name=reads_alarms(region)[0]))


def hear_action(region: Region) -> Invocation:
    """on_action does the same, also for somebody's alarm whose action is that function and not the
    topic."""
    set_scene(region, 5, 95.0)
    name = reads_alarms(region)[0]
    if name == FOREIGN:
        function = f"arn:aws:lambda:{region.name}:123456789012:function:headroom-dev-on_action"
        region.cloudwatch.alarms[name].fields["AlarmActions"] = [function]
    return region.functions.invoke("on_action", action(alarm=name, region=region.name))


def hear_event(region: Region) -> Invocation:
    """on_event does the same for EventBridge's news."""
    set_scene(region, 5, 95.0)
    return region.functions.invoke(
        "on_event", change(alarm=reads_alarms(region)[0], region=region.name)
    )


def hear_queue(region: Region) -> Invocation:
    """on_queue does the same for a message that waited in a queue."""
    set_scene(region, 5, 95.0)
    return region.functions.invoke(
        "on_queue", queued(json.dumps(alarm_message(region, name=reads_alarms(region)[0])))
    )


def follow(region: Region) -> Invocation:
    """follow_up does the same for the alarms that are in ALARM, without a message."""
    set_scene(region, 5, 95.0)
    for name in reads_alarms(region):
        region.cloudwatch.alarms[name].state.value = "ALARM"
    return invoke(region, "follow_up")


def lower(region: Region) -> Invocation:
    """scale_down lowers an idle table, its alarms first."""
    set_scene(region, 180, 10.0)
    return invoke(region, "scale_down")


def put_right(region: Region) -> Invocation:
    """The sweep makes a new table's alarms and raises it, mends alarms that drifted, removes those
    of a table that is gone."""
    region.create_table("orders-new", 3, 3)
    region.client("dynamodb").delete_table(TableName="orders-old")
    for name in reads_alarms(region):
        region.cloudwatch.alarms[name].fields["Threshold"] = 1.0
    set_scene(region, 180, 60.0)
    return invoke(region, "sweep")


SCENES: Mapping[str, Callable[[Region], Invocation]] = {
    "on_alarm": hear,
    "follow_up": follow,
    "scale_down": lower,
    "sweep": put_right,
    "on_action": hear_action,
    "on_event": hear_event,
    "on_queue": hear_queue,
}


@cache
def calls(function: str, location: Location = AWS) -> list[Call]:
    """Return every call that a function makes in its scene, on a topic of Headroom's and on one of
    another name."""
    found: list[Call] = []
    for topic in (HEADROOM_TOPIC, OTHER_TOPIC):
        with world(location, topic) as region:
            invocation = SCENES[function](region)
            assert (invocation.function, invocation.error) == (function, None)
            found += region.calls
    return found


def needed(function: str, location: Location = AWS) -> list[Ask]:
    """Return the permissions that a function's calls ask for."""
    return [ask for made in calls(function, location) for ask in asks(made, location)]


# each function's policy, against its calls


@pytest.mark.parametrize("function", EVERY_FUNCTION)
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_every_call_of_a_handler_is_allowed_by_its_own_policy_in_every_partition(
    function: str, location: Location
) -> None:
    asked = needed(function, location)
    assert asked
    assert [ask for ask in asked if not allowed(policy(function), ask)] == []


def cuts() -> Iterator[Any]:
    """Yield every policy with one statement, or one action of a statement, taken away."""
    for function in EVERY_FUNCTION:
        for number, statement in enumerate(statements(policy(function))):
            if is_for_lambda_itself(statement):
                continue
            less: Any = deepcopy(policy(function))
            del less["Statement"][number]
            yield pytest.param(function, less, id=f"{function}-{statement['Sid']}")
            for gone in listed(statement["Action"]):
                less = deepcopy(policy(function))
                less["Statement"][number]["Action"] = [
                    a for a in listed(statement["Action"]) if a != gone
                ]
                yield pytest.param(function, less, id=f"{function}-{statement['Sid']}-{gone}")


@pytest.mark.parametrize(("function", "less"), list(cuts()))
def test_without_any_one_statement_or_action_a_call_of_the_handler_is_denied(
    function: str, less: Policy
) -> None:
    assert [ask for ask in needed(function) if not allowed(less, ask)]


@pytest.mark.parametrize(
    "gone", ["arn:*:sns:*:*:headroom-*", "arn:*:lambda:*:*:function:headroom-*"]
)
def test_somebodys_alarm_is_rewritten_for_its_topic_and_for_its_function(gone: str) -> None:
    less: Any = deepcopy(policy("on_alarm"))
    (condition,) = (
        s["Condition"]["ForAnyValue:ArnLike"] for s in less["Statement"] if "Condition" in s
    )
    condition["cloudwatch:AlarmActions"].remove(gone)
    shared = [function for function, file in LISTENERS.items() if file == "policy-on_alarm.json"]
    assert [
        ask
        for function in ("on_alarm", *shared)
        for ask in needed(function)
        if not allowed(less, ask)
    ]


TABLE = AWS.arn("dynamodb", "table/orders")
OTHER_TABLE = AWS.arn("dynamodb", "table/users")
OWN_ALARM = AWS.arn("cloudwatch", "alarm:headroom-orders:read")
THEIR_ALARM = AWS.arn("cloudwatch", f"alarm:{FOREIGN}")
ON_HEADROOM = {"cloudwatch:AlarmActions": [AWS.arn("sns", "pages"), AWS.arn("sns", HEADROOM_TOPIC)]}
ELSEWHERE = {"cloudwatch:AlarmActions": [AWS.arn("sns", "pages")]}


@pytest.mark.parametrize(
    ("ask", "functions"),
    [
        pytest.param(Ask("dynamodb:UpdateTable", TABLE), FUNCTIONS, id="capacity of a table"),
        pytest.param(
            Ask("dynamodb:UpdateTable", AWS.arn("dynamodb", "global-table/orders")),
            (),
            id="capacity of all else",
        ),
        pytest.param(Ask("dynamodb:DeleteTable", TABLE), (), id="delete a table"),
        pytest.param(Ask("dynamodb:GetItem", TABLE), (), id="read an item"),
        pytest.param(Ask("dynamodb:ListTables"), ("scale_down", "sweep"), id="list the tables"),
        pytest.param(
            Ask("application-autoscaling:DescribeScalableTargets"),
            ("scale_down", "sweep"),
            id="ask for its rival",
        ),
        pytest.param(Ask("tag:GetResources"), FUNCTIONS, id="read the pauses"),
        pytest.param(Ask("dynamodb:TagResource", TABLE), (), id="pause a table"),
        pytest.param(
            Ask("cloudwatch:PutMetricAlarm", OWN_ALARM, ELSEWHERE),
            FUNCTIONS,
            id="write an own alarm, any topic",
        ),
        pytest.param(
            Ask("cloudwatch:PutMetricAlarm", THEIR_ALARM, ELSEWHERE),
            (),
            id="write an alarm that does not call us",
        ),
        pytest.param(
            Ask("cloudwatch:PutMetricAlarm", THEIR_ALARM), (), id="write an alarm that calls nobody"
        ),
        pytest.param(
            Ask("cloudwatch:PutMetricAlarm", THEIR_ALARM, ON_HEADROOM),
            FUNCTIONS,
            id="write somebody's alarm that calls us",
        ),
        pytest.param(
            Ask("cloudwatch:DeleteAlarms", OWN_ALARM), ("sweep",), id="delete an own alarm"
        ),
        pytest.param(Ask("cloudwatch:DeleteAlarms", THEIR_ALARM), (), id="delete somebody's alarm"),
        pytest.param(Ask("cloudwatch:TagResource", OWN_ALARM), ("sweep",), id="tag an own alarm"),
        pytest.param(Ask("cloudwatch:TagResource", THEIR_ALARM), (), id="tag somebody's alarm"),
        pytest.param(Ask("cloudwatch:SetAlarmState", OWN_ALARM), (), id="set an alarm's state"),
        pytest.param(Ask("sns:Publish", AWS.arn("sns", HEADROOM_TOPIC)), (), id="publish"),
        pytest.param(
            Ask("iam:PassRole", "arn:aws:iam::123456789012:role/any"), (), id="pass a role"
        ),
    ],
)
def test_only_these_functions_may(ask: Ask, functions: tuple[str, ...]) -> None:
    assert tuple(function for function in FUNCTIONS if allowed(policy(function), ask)) == functions


@pytest.mark.parametrize("function", EVERY_FUNCTION)
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_with_what_the_configuration_calls_for_a_function_sets_the_capacity_of_managed_tables_only(
    function: str, location: Location
) -> None:
    def may(table: str, config: str) -> bool:
        return allowed(
            policy_of(function, config),
            Ask("dynamodb:UpdateTable", location.arn("dynamodb", f"table/{table}")),
        )

    assert may("orders-eu", rules("orders-*", "users"))
    assert may("users", rules("orders-*", "users"))
    assert not may("users-2", rules("orders-*", "users"))
    assert not may("orders", rules("orders-*", "users"))
    assert not may("users", "")  # no rule, no table
    assert may("users", rules("*"))


# every call in every test: tests/judge.py


def test_a_call_that_is_not_permitted_fails_the_test_that_made_it_and_says_who_may_not_do_what_to_what() -> (
    None
):
    with Region(MIDDAY) as region:
        region.create_table("orders")
        region.create_table("users")
        region.deploy(rules("orders"))
        overreach(region)
        with pytest.raises(
            pytest.fail.Exception, match=f"sweep may not call dynamodb:UpdateTable on {OTHER_TABLE}"
        ):
            invoke(region, "sweep")


def overreach(region: Region) -> None:
    """Let a function set the capacity of another table whenever it lists the tables."""
    units = {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9}

    def update_users(_: Mapping[str, Any]) -> None:
        del region.answers["dynamodb", "ListTables"]
        region.client("dynamodb").update_table(TableName="users", ProvisionedThroughput=units)

    region.answers["dynamodb", "ListTables"] = update_users


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_is_judged_by_its_own_file(function: str) -> None:
    assert policy_of(function, rules("*")) == policy(function)


def test_what_the_scene_itself_does_is_nobodys_permission() -> None:
    with world(AWS, HEADROOM_TOPIC) as region:
        region.client("dynamodb").delete_table(TableName="orders-old")
        invocation = invoke(region, "sweep")
        assert "DeleteTable" not in {made.operation for made in invocation.calls}
        assert list(denied(region, invocation)) == []


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_an_alarm_on_the_topic_of_any_stage_may_be_rewritten(
    stage: str, location: Location
) -> None:
    topic = location.arn("sns", settings()["stages"][stage]["environment_variables"]["ALARM_TOPIC"])
    ask = Ask(
        "cloudwatch:PutMetricAlarm",
        location.arn("cloudwatch", f"alarm:{FOREIGN}"),
        {"cloudwatch:AlarmActions": [topic]},
    )
    assert all(allowed(policy(function), ask) for function in FUNCTIONS)


# the policies, read


WITHOUT_RESOURCES = {
    "application-autoscaling:DescribeScalableTargets",
    "cloudwatch:GetMetricData",
    "dynamodb:ListTables",
    "tag:GetResources",
}
"""Actions that IAM cannot narrow. Source: Service Authorization Reference, read 2026-11."""


@pytest.mark.parametrize("function", SHIPPED)
def test_a_policy_names_each_action_whole_and_gives_every_resource_only_to_actions_that_have_none(
    function: str,
) -> None:
    for statement in statements(policy(function)):
        actions = set(listed(statement["Action"]))
        assert not {action for action in actions if "*" in action or "?" in action}
        assert (
            actions <= WITHOUT_RESOURCES
            if statement["Resource"] == "*"
            else not actions & WITHOUT_RESOURCES
        )


@pytest.mark.parametrize("function", SHIPPED)
def test_a_policy_only_allows_knows_no_region_or_account_and_names_each_statement(
    function: str,
) -> None:
    found = statements(policy(function))
    assert {statement["Effect"] for statement in found} == {"Allow"}
    assert len({statement["Sid"] for statement in found}) == len(found)
    assert all(statement["Sid"].isalnum() for statement in found)
    resources = [
        resource
        for statement in found
        for resource in listed(statement["Resource"])
        if resource != "*"
    ]
    assert {
        (partition, *location)
        for _, partition, _, *location, _ in (r.split(":", 5) for r in resources)
    } == {("*", "*", "*")}


@pytest.mark.parametrize("function", SHIPPED)
def test_a_function_writes_its_own_logs_and_does_not_make_groups(function: str) -> None:
    about_logs = [
        statement for statement in statements(policy(function)) if is_about_logs(statement)
    ]
    assert about_logs == [
        {
            "Sid": "WriteLogsIntoTheGroupsThatTheDeploymentMakes",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "arn:*:logs:*:*:log-group:/aws/lambda/headroom-*",
        }
    ]


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_the_logs_of_every_stage_are_covered_and_nobody_elses(location: Location) -> None:
    def may_write(function: str, group: str) -> bool:
        streams = Ask(
            "logs:CreateLogStream", location.arn("logs", f"log-group:/aws/lambda/{group}")
        )
        events = Ask(
            "logs:PutLogEvents",
            location.arn("logs", f"log-group:/aws/lambda/{group}:log-stream:2026/11/20/[1]f00"),
        )
        return allowed(policy(function), streams) and allowed(policy(function), events)

    assert all(
        may_write(function, f"headroom-{stage}-{function}")
        for stage in STAGES
        for function in FUNCTIONS
    )
    assert not any(may_write(function, "billing-prod-headroom-") for function in FUNCTIONS)


# what Lambda itself does by a function's role


@pytest.mark.parametrize("function", SHIPPED)
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
def test_lambda_may_send_what_fails_to_the_dead_letter_queue_of_every_stage_and_nowhere_else(
    function: str, location: Location
) -> None:
    def may(action: str, queue: str) -> bool:
        return allowed(policy(function), Ask(action, location.arn("sqs", queue)))

    assert all(may("sqs:SendMessage", f"headroom-{stage}-dead-letters") for stage in STAGES)
    assert not may("sqs:SendMessage", "billing-dead-letters")
    assert not may("sqs:SendMessage", "headroom-buffer-dev")
    assert not may("sqs:ReceiveMessage", "headroom-dev-dead-letters")


def test_the_functions_that_listen_elsewhere_may_do_what_on_alarm_may_and_one_of_them_reads_a_queue() -> (
    None
):
    of_alarm = [
        s for s in statements(policy("on_alarm")) if "sqs:SendMessage" not in listed(s["Action"])
    ]
    *shared, reads = statements(policy("on_queue"))
    assert shared == of_alarm
    assert set(listed(reads["Action"])) == {
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }
    assert reads["Resource"] == "arn:*:sqs:*:*:headroom-*"
    assert {
        name: one["iam_policy_file"]
        for name, one in settings()["lambda_functions"].items()
        if name in LISTENERS
    } == LISTENERS


# the adapters


def called_in_the_adapters(*names: str) -> set[str]:
    """Return every operation that these adapters name, as a method of a client or a paginator."""
    files = [(ROOT / "chalicelib" / "aws" / f"{name}.py").read_text() for name in names]
    nodes = [node for text in files for node in ast.walk(ast.parse(text))]
    texts = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    methods = {
        node.func.attr
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    session = botocore.session.get_session()
    services = texts & set(session.get_available_services())
    known = {
        xform_name(name)
        for service in services
        for name in session.get_service_model(service).operation_names
    }
    return (methods | texts) & known


def test_every_operation_in_the_adapters_is_called_by_a_scene_and_known_to_the_evaluator() -> None:
    recorded = {xform_name(made.operation) for function in FUNCTIONS for made in calls(function)}
    once_a_container = {
        "get_caller_identity"
    }  # so it is made before the scene begins; it needs no permission
    assert (
        called_in_the_adapters("client", "tables", "metrics", "alarms", "pause_tags")
        == recorded | once_a_container
    )
    # the calls of a feature are made by the tests of the feature
    every = [path.stem for path in (ROOT / "chalicelib" / "aws").glob("*.py")]
    assert called_in_the_adapters(*every) == {xform_name(operation) for _, operation in NEEDS}


def test_nothing_is_granted_that_no_operation_in_the_adapters_needs() -> None:
    granted = {
        action
        for function in FUNCTIONS
        for s in statements(policy(function))
        for action in listed(s["Action"])
    }
    asked = {ask.action for function in FUNCTIONS for ask in needed(function)}
    assert granted - asked == {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}


# .chalice/config.json


class Asked(dict[str, Any]):
    """A level of the configuration that remembers which keys Chalice asked it for."""

    def __init__(self, **inner: Any) -> None:
        super().__init__(inner)
        self.keys_asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return super().get(key, default)


@cache
def keys_that_chalice_reads() -> Mapping[str, set[str]]:
    """Return, for each level of config.json, the keys that Chalice ever looks for there: all others
    it passes over in silence."""
    in_stage_function, in_function = Asked(), Asked()
    in_stage = Asked(lambda_functions={"f": in_stage_function})
    top = Asked(stages={"s": in_stage}, lambda_functions={"f": in_function})
    config = Config("s", "f", config_from_disk=top)
    for name in (name for name, value in vars(Config).items() if isinstance(value, property)):
        with contextlib.suppress(TypeError):  # chalice_app: there is none here
            getattr(config, name)
    levels = {
        "top": top,
        "stage": in_stage,
        "function": in_function,
        "stage's function": in_stage_function,
    }
    return {name: level.keys_asked for name, level in levels.items()}


def levels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every level of .chalice/config.json."""
    yield "top", settings()
    yield from (("function", one) for one in settings()["lambda_functions"].values())
    for stage in settings()["stages"].values():
        yield "stage", stage
        yield from (("stage's function", one) for one in stage.get("lambda_functions", {}).values())


def test_config_json_holds_no_key_that_chalice_would_ignore() -> None:
    assert "iam_policy_file" in keys_that_chalice_reads()["function"]
    assert "environment_variables" not in keys_that_chalice_reads()["function"]
    for level, found in levels():
        assert set(found) <= keys_that_chalice_reads()[level], level


LED = """
[[tables]]
name = "orders"
[[fleet]]
name = "workers"
tags = { role = "worker" }
tables = [{ table = "orders", read = { linear = 10 } }]
"""
"""A configuration that calls for every function that only a configuration calls for."""


def test_config_json_and_the_app_name_the_same_functions(tmp_path: Path) -> None:
    in_app = set(fresh_app().app.handler_map)
    assert in_app == set(FUNCTIONS)
    whole = tmp_path / "headroom.toml"
    whole.write_text(LED)
    with environment_of(
        {"ALARM_SOURCES": "topic,lambda,eventbridge,queue", "HEADROOM_CONFIG": str(whole)}
    ):
        in_app = set(fresh_app().app.handler_map)
    assert in_app == {*FUNCTIONS, *LISTENERS, "on_fleet"} == set(settings()["lambda_functions"])
    for stage in settings()["stages"].values():
        assert set(stage.get("lambda_functions", {})) <= in_app


def test_there_are_three_stages_and_a_policy_for_each_function_and_no_other() -> None:
    assert tuple(settings()["stages"]) == STAGES
    policies = {f"policy-{function}.json" for function in SHIPPED} | set(LISTENERS.values())
    assert {path.name for path in CHALICE.glob("policy-*.json")} == policies


MEMORY = {"scale_down": 1024, "sweep": 1024}
"""They read fourteen days of every table once an hour; a function's share of a processor grows with
its memory."""
TIMEOUTS = {"on_alarm": 60, "follow_up": 60, "scale_down": 300, "sweep": 300}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_deployed_with_its_policy_on_arm64_with_its_memory(
    stage: str, function: str
) -> None:
    config = Config(
        stage, function, config_from_disk=settings(), default_params={"autogen_policy": True}
    )
    assert config.autogen_policy is False
    assert config.iam_policy_file == f"policy-{function}.json"
    assert (config.lambda_architecture, config.lambda_memory_size) == (
        "arm64",
        MEMORY.get(function, 512),
    )
    assert config.lambda_timeout == TIMEOUTS[function]


@pytest.mark.parametrize(
    ("stage", "topic", "days", "reserved"),
    [
        ("dev", "headroom-alarms-dev", 14, {}),
        ("prod", "headroom-alarms", 90, {"scale_down": 1, "sweep": 1}),
        ("local", "headroom-alarms", 1, {}),
    ],
)
def test_a_stage_has_its_topic_schedule_service_log_retention_and_reserved_concurrency(
    stage: str, topic: str, days: int, reserved: dict[str, int]
) -> None:
    for function in FUNCTIONS:
        config = Config(stage, function, config_from_disk=settings())
        assert config.environment_variables == {
            "ALARM_TOPIC": topic,
            "SCALE_DOWN_SCHEDULE": "rate(1 hour)",
            "POWERTOOLS_SERVICE_NAME": f"headroom-{stage}",
        }
        assert config.log_retention_in_days == days
        assert config.reserved_concurrency == reserved.get(function)


# the package


def packaged(stage: str, folder: Path) -> tuple[dict[str, Any], set[str]]:
    """Package a copy of the app as the Chalice command does; return the template's resources and
    the zip's file names."""
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "deploy*", "venv"),
        )
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder / name)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "HEADROOM_"))
    }
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from chalice.cli import main; main()",
            "package",
            "--stage",
            stage,
            "out",
        ],
        cwd=folder,
        env=environment | {"AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
    )
    with zipfile.ZipFile(folder / "out" / "deployment.zip") as archive:
        return json.loads((folder / "out" / "sam.json").read_text())["Resources"], set(
            archive.namelist()
        )


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: found["Properties"] for name, found in resources.items() if found["Type"] == kind}


def test_a_chalice_package_has_one_role_a_function_and_only_what_lambda_needs(
    tmp_path: Path,
) -> None:
    resources, files = packaged("prod", tmp_path)
    roles, functions = (
        of_type(resources, "AWS::IAM::Role"),
        of_type(resources, "AWS::Serverless::Function"),
    )
    given = {
        one["Handler"]: [
            inner["PolicyDocument"] for inner in roles[one["Role"]["Fn::GetAtt"][0]]["Policies"]
        ]
        for one in functions.values()
    }
    assert given == {f"app.{function}": [policy(function)] for function in FUNCTIONS}
    assert len(roles) == len(functions) == len(of_type(resources, "AWS::Logs::LogGroup"))
    tops = {name.split("/")[0] for name in files}
    assert {"app.py", "chalicelib", "chalice", "msgspec", "aws_lambda_powertools"} <= tops
    assert "chalicelib/headroom.toml" in files
    assert (
        not {
            "boto3",
            "botocore",
            "moto",
            "pytest",
            "hypothesis",
            "headroom",
            "tests",
            "typer",
            "rich",
        }
        & tops
    )


# the evaluator


def says(
    effect: str = "Allow", action: Any = "dynamodb:UpdateTable", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def all_but(*resources: str, effect: str = "Deny") -> dict[str, Any]:
    return {"Effect": effect, "Action": "dynamodb:*", "NotResource": list(resources)}


def of(*found: dict[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(found)}


UPDATE = Ask("dynamodb:UpdateTable", TABLE)
PUT = "cloudwatch:PutMetricAlarm"


def when(operator: str, value: Any, key: str = "cloudwatch:AlarmActions") -> dict[str, Any]:
    return says("Allow", PUT, "*", Condition={operator: {key: value}})


def put(*actions: str, **more: list[str]) -> Ask:
    return Ask(
        PUT, OWN_ALARM, ({"cloudwatch:AlarmActions": list(actions)} if actions else {}) | more
    )


@pytest.mark.parametrize(
    ("policy", "ask", "verdict"),
    [
        pytest.param(of(), UPDATE, False, id="nothing is allowed by nothing"),
        pytest.param(of(says()), UPDATE, True, id="allow"),
        pytest.param(of(says(), says("Deny")), UPDATE, False, id="deny wins"),
        pytest.param(of(says("Deny"), says()), UPDATE, False, id="deny wins in any order"),
        pytest.param(
            of(says(), says("Deny", resource=f"{TABLE}-eu")),
            UPDATE,
            True,
            id="deny of another resource",
        ),
        pytest.param(of(says(), all_but(TABLE)), UPDATE, True, id="deny of all but this one"),
        pytest.param(of(says(), all_but(OTHER_TABLE)), UPDATE, False, id="deny of all but another"),
        pytest.param(
            of(says(), all_but(OTHER_TABLE, TABLE)), UPDATE, True, id="deny of all but two"
        ),
        pytest.param(
            of(says(), all_but(f"{TABLE}*")), UPDATE, True, id="deny of all but a pattern"
        ),
        pytest.param(of(says(), all_but("*")), UPDATE, True, id="deny of all but all"),
        pytest.param(
            of(says(), all_but(TABLE) | {"Action": "dynamodb:GetItem"}),
            UPDATE,
            True,
            id="deny of another action",
        ),
        pytest.param(
            of(all_but(OTHER_TABLE, effect="Allow")), UPDATE, True, id="allow all but another"
        ),
        pytest.param(
            of(all_but(TABLE, effect="Allow")), UPDATE, False, id="allow all but this one"
        ),
        pytest.param(
            of(says(), all_but(TABLE)),
            Ask("dynamodb:UpdateTable"),
            False,
            id="deny of all but one, without resource",
        ),
        pytest.param(of(says(action=["dynamodb:ListTables"])), UPDATE, False, id="another action"),
        pytest.param(
            of(says(action=["dynamodb:ListTables", "dynamodb:UpdateTable"])),
            UPDATE,
            True,
            id="one of two actions",
        ),
        pytest.param(
            of(says(action="DynamoDB:updatetable")), UPDATE, True, id="actions have no case"
        ),
        pytest.param(of(says(action="dynamodb:*")), UPDATE, True, id="star in an action"),
        pytest.param(
            of(says(action="dynamodb:Update?able")), UPDATE, True, id="question mark in an action"
        ),
        pytest.param(
            of(says(action="dynamodb:UpdateTabl")), UPDATE, False, id="an action is matched whole"
        ),
        pytest.param(of(says(resource=TABLE)), UPDATE, True, id="the resource"),
        pytest.param(
            of(says(resource=TABLE.upper().replace("ARN", "arn", 1))),
            UPDATE,
            False,
            id="resources have case",
        ),
        pytest.param(
            of(says(resource=f"{TABLE}?")),
            UPDATE,
            False,
            id="question mark is one character, not none",
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:*:table/*")), UPDATE, True, id="stars in a resource"
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:*:table/o[r]ders")),
            UPDATE,
            False,
            id="brackets are no pattern",
        ),
        pytest.param(
            of(says(resource="arn:aws-cn:dynamodb:*:*:table/*")),
            UPDATE,
            False,
            id="another partition",
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:1*:table/*")), UPDATE, True, id="star within a part"
        ),
        pytest.param(
            of(says(resource="arn:*:cloudwatch:*:*:table/*")), UPDATE, False, id="another service"
        ),
        pytest.param(
            of(says(resource=["arn:*:sns:*:*:x", TABLE])), UPDATE, True, id="one of two resources"
        ),
        pytest.param(
            of(says(action=PUT, resource="arn:*:cloudwatch:*:*:alarm:headroom-*")),
            put(),
            True,
            id="colons at the end",
        ),
        pytest.param(
            of(says(resource=TABLE)),
            Ask("dynamodb:UpdateTable"),
            False,
            id="an action without resource needs a star",
        ),
        pytest.param(of(says()), Ask("dynamodb:UpdateTable"), True, id="and has it"),
        pytest.param(of(when("StringEquals", "a")), put("a"), True, id="equal"),
        pytest.param(of(when("StringEquals", "a*")), put("ab"), False, id="equal knows no star"),
        pytest.param(of(when("StringEquals", ["a", "b"])), put("b"), True, id="one of two values"),
        pytest.param(of(when("StringEquals", "a")), put(), False, id="a key that is not there"),
        pytest.param(of(when("StringLike", "a*")), put("ab"), True, id="like"),
        pytest.param(of(when("StringLike", "a*")), put("ba"), False, id="not like"),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")),
            put(AWS.arn("sns", "headroom-a")),
            True,
            id="arn like",
        ),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")),
            put(AWS.arn("sqs", "headroom-a")),
            False,
            id="arn unlike",
        ),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")), put("headroom-a"), False, id="no arn"
        ),
        pytest.param(
            of(when("Bool", "true", "aws:SecureTransport")),
            put(**{"aws:SecureTransport": ["True"]}),
            True,
            id="true",
        ),
        pytest.param(
            of(when("Bool", "true", "aws:SecureTransport")),
            put(**{"aws:SecureTransport": ["false"]}),
            False,
            id="false",
        ),
        pytest.param(
            of(when("ForAnyValue:StringLike", "a*")), put("x", "ab"), True, id="any value"
        ),
        pytest.param(of(when("ForAnyValue:StringLike", "a*")), put("x", "y"), False, id="no value"),
        pytest.param(of(when("ForAnyValue:StringLike", "a*")), put(), False, id="any of none"),
        pytest.param(
            of(when("ForAllValues:StringLike", "a*")), put("ab", "ac"), True, id="all values"
        ),
        pytest.param(
            of(when("ForAllValues:StringLike", "a*")), put("x", "ab"), False, id="not all values"
        ),
        pytest.param(of(when("ForAllValues:StringLike", "a*")), put(), True, id="all of none"),
        pytest.param(
            of(
                says(
                    "Allow",
                    PUT,
                    "*",
                    Condition={
                        "StringLike": {"cloudwatch:AlarmActions": "a*"},
                        "Bool": {"b": "true"},
                    },
                )
            ),
            put("ab"),
            False,
            id="all conditions must hold",
        ),
        pytest.param(
            of(says(action=PUT), when("StringLike", "a*") | {"Effect": "Deny"}),
            put("ab"),
            False,
            id="deny on condition",
        ),
        pytest.param(
            of(says(action=PUT), when("StringLike", "a*") | {"Effect": "Deny"}),
            put("b"),
            True,
            id="deny not met",
        ),
    ],
)
def test_the_evaluator_judges(policy: Policy, ask: Ask, verdict: bool) -> None:
    assert allowed(policy, ask) is verdict


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        pytest.param({"Statement": []}, "version None", id="no version"),
        pytest.param(
            of({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
            "'NotAction'",
            id="NotAction",
        ),
        pytest.param(of(says(Principal="*")), "'Principal'", id="a resource's policy"),
        pytest.param(
            of({"Effect": "Allow", "Action": "s3:GetObject"}),
            r"without \['Resource'\]",
            id="no resource",
        ),
        pytest.param(
            of(says(NotResource=TABLE)), "with Resource and NotResource", id="both resources"
        ),
        pytest.param(of(says(resource=[])), "about no resource", id="an empty list"),
        pytest.param(of(all_but()), "about no resource", id="all but nothing"),
        pytest.param(
            of(all_but("arn:aws:dynamodb:*")),
            "the resource arn:aws:dynamodb:",
            id="all but half an arn",
        ),
        pytest.param(of(says("Maybe")), "the effect Maybe", id="effect"),
        pytest.param(
            of(when("NumericLessThan", "1")),
            "the condition operator NumericLessThan",
            id="operator",
        ),
        pytest.param(
            of(when("StringLikeIfExists", "a")),
            "the condition operator StringLikeIfExists",
            id="IfExists",
        ),
        pytest.param(
            of(when("ForSomeValues:StringLike", "a")), "ForSomeValues:StringLike", id="quantity"
        ),
        pytest.param(
            of(says(resource="arn:aws:dynamodb:*")),
            "the resource arn:aws:dynamodb:",
            id="half an arn",
        ),
        pytest.param(
            of(says(resource="arn:*:*:*:*:table/x")), "a wildcard as its service", id="any service"
        ),
        pytest.param(
            of(says(resource="arn:*:s3:::${aws:username}")), "or a variable", id="variable"
        ),
    ],
)
def test_the_evaluator_refuses_what_it_does_not_understand(policy: Policy, complaint: str) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        allowed(policy, Ask("nothing:AtAll", TABLE))


def test_the_evaluator_refuses_a_key_of_many_values_without_a_word_on_how_many() -> None:
    with pytest.raises(UnsupportedError, match="without ForAnyValue or ForAllValues"):
        allowed(of(when("StringLike", "a*")), put("ab", "ac"))


@pytest.mark.parametrize(
    ("service", "operation", "params", "wanted"),
    [
        ("sts", "GetCallerIdentity", {}, []),
        ("dynamodb", "ListTables", {}, [Ask("dynamodb:ListTables")]),
        ("dynamodb", "UpdateTable", {"TableName": "orders"}, [UPDATE]),
        (
            "cloudwatch",
            "DescribeAlarms",
            {},
            [Ask("cloudwatch:DescribeAlarms", AWS.arn("cloudwatch", "alarm:*"))],
        ),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "headroom-orders:read"}, [put()]),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {
                "AlarmName": "headroom-orders:read",
                "AlarmActions": ["a"],
                "Tags": [{"Key": "managed-by", "Value": "headroom"}],
            },
            [put("a"), Ask("cloudwatch:TagResource", OWN_ALARM)],
        ),
        (
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": [FOREIGN, "headroom-orders:read"]},
            [
                Ask("cloudwatch:DeleteAlarms", THEIR_ALARM),
                Ask("cloudwatch:DeleteAlarms", OWN_ALARM),
            ],
        ),
    ],
)
def test_a_call_asks_for(
    service: str, operation: str, params: dict[str, Any], wanted: list[Ask]
) -> None:
    assert asks(Call(service, operation, params, MONDAY), AWS) == wanted


def test_an_unknown_call_is_an_error_and_not_a_free_one() -> None:
    with pytest.raises(UnsupportedError, match="the call dynamodb DeleteTable"):
        asks(Call("dynamodb", "DeleteTable", {"TableName": "orders"}, MONDAY), AWS)
