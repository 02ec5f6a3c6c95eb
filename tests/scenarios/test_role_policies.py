"""The policies allow exactly the calls that the handlers make.

The handlers run in the embedded region, and every call is recorded. tests/support/iam.py evaluates
the calls: here in scenes that together need every statement, and by tests/support/judge.py in all
other tests. Lambda itself writes the logs, so the statements about them are checked apart.
"""

import ast
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, cast

import botocore.session
import pytest
from botocore import xform_name

from headroom.project import ROOT
from headroom.region.context import Call, Fault, Invocation
from headroom.region.region import Region
from tests.scenarios.test_listeners import action, change, queued
from tests.support.builders import FOREIGN, READS
from tests.support.iam import (
    AWS,
    NEEDS,
    OTHER_TABLE,
    OWN_ALARM,
    TABLE,
    THEIR_ALARM,
    Ask,
    Location,
    Policy,
    Statement,
    allowed,
    asks,
    listed,
    statements,
)
from tests.support.judge import denied, location_of, policy_of
from tests.support.scenes import MIDDAY, alarm_message, invoke, pass_minutes, rules, send

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

CHALICE = ROOT / ".chalice"
STAGES = ("dev", "prod", "local")
FUNCTIONS = ("on_alarm", "follow_up", "scale_down", "sweep")
#: The functions that a stage has only where its ALARM_SOURCES says so, and their policies: they do
#: what on_alarm does.
LISTENERS = {
    "on_action": "policy-on_alarm.json",
    "on_event": "policy-on_alarm.json",
    "on_queue": "policy-on_queue.json",
}
EVERY_FUNCTION = (*FUNCTIONS, *LISTENERS)
#: The functions with a policy of their own. tests/scenarios/test_fleet.py judges what on_fleet
#: calls.
SHIPPED = (*FUNCTIONS, "on_fleet")
LOCATIONS = (AWS, Location("aws-cn", "cn-north-1"), Location("aws-us-gov", "us-gov-west-1"))
HEADROOM_TOPIC = "headroom-alarms-dev"
#: A topic of the operator's own naming: Headroom's own alarms work with it, too.
OTHER_TOPIC = "capacity-pages"


def policy(function: str) -> Policy:
    """Return a function's policy as it is shipped."""
    file = CHALICE / LISTENERS.get(function, f"policy-{function}.json")
    return cast(Policy, json.loads(file.read_text()))


def settings() -> dict[str, Any]:
    """Return .chalice/config.json."""
    return cast(dict[str, Any], json.loads((CHALICE / "config.json").read_text()))


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
        function = location_of(region.name).arn("lambda", "function:headroom-dev-on_action")
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
    """follow_up does the same for the alarms that are in ALARM, without a message; and once more
    without knowing which are."""
    set_scene(region, 5, 95.0)
    for name in reads_alarms(region):
        region.cloudwatch.alarms[name].state.value = "ALARM"
    invocation = invoke(region, "follow_up")
    region.faults.append(Fault("DescribeAlarms", "Broken"))
    invoke(region, "follow_up")
    return invocation


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
    permissions = needed(function, location)
    denied = [ask for ask in permissions if not allowed(policy(function), ask)]
    assert (bool(permissions), denied) == (True, [])


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
        pytest.param(
            Ask("dynamodb:ListTables"), ("follow_up", "scale_down", "sweep"), id="list the tables"
        ),
        pytest.param(
            Ask("application-autoscaling:DescribeScalableTargets"),
            ("follow_up", "scale_down", "sweep"),
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
            policy_of(function, config, location),
            Ask("dynamodb:UpdateTable", location.arn("dynamodb", f"table/{table}")),
        )

    config = rules("orders-*", "users")
    names = ("orders-eu", "users", "users-2", "orders")
    assert [name for name in names if may(name, config)] == ["orders-eu", "users"]
    # no rule, no table
    assert (may("users", ""), may("users", rules("*"))) == (False, True)


# every call in every test: tests/support/judge.py


def test_a_call_that_is_not_permitted_fails_its_test_with_function_action_and_resource() -> None:
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
    shipped = policy(function)["Statement"]
    assert policy_of(function, rules("*"))["Statement"][: len(shipped)] == shipped


def test_what_the_scene_itself_does_is_nobodys_permission() -> None:
    with world(AWS, HEADROOM_TOPIC) as region:
        region.client("dynamodb").delete_table(TableName="orders-old")
        invocation = invoke(region, "sweep")
        assert "DeleteTable" not in {made.operation for made in invocation.calls}
        assert list(denied(region, invocation)) == []


def test_somebodys_alarm_on_a_topic_of_any_name_is_rewritten() -> None:
    """The shipped policies know topics named headroom-* only; the stage's own policy allows it."""
    with world(AWS, OTHER_TOPIC) as region:
        of_somebody = region.cloudwatch.alarms["headroom-orders:read"].fields
        region.client("cloudwatch").put_metric_alarm(**of_somebody | {"AlarmName": FOREIGN})
        assert hear(region).error is None
        assert region.cloudwatch.alarms[FOREIGN].fields["Threshold"] > of_somebody["Threshold"]


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
    always = called_in_the_adapters("client", "tables", "metrics", "alarms", "pause_tags")
    assert always | {"describe_scalable_targets"} == recorded | once_a_container
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
    used = {ask.action for function in FUNCTIONS for ask in needed(function)}
    assert granted - used == {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
