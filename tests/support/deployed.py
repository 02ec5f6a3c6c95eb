"""An account in moto with what `chalice deploy` makes for a stage, and an inventory of all that an
account holds."""

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSResponse
from moto.core.config import default_user_config

from chalicelib.config.rules import Config
from headroom.deploy import setup, teardown
from headroom.deploy import stage as stages
from headroom.deploy.account import AwsSession, get_or_none
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from headroom.region.context import environment_of
from headroom.region.sessions import CONFIGURING, SharedSession, empty_moto
from tests.support import moto_state

FUNCTIONS = ("follow_up", "on_alarm", "scale_down", "sweep")
ALL_SOURCES = {
    "ALARM_SOURCES": "topic,queue,lambda,eventbridge",
    "ALARM_QUEUE": "headroom-buffer-dev",
}
ALL_FUNCTIONS = (*FUNCTIONS, "on_action", "on_event", "on_queue")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
# moto loads 1,300 images of EC2 otherwise, for each account anew
NO_IMAGES = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}


def dev(**environment: str) -> Stage:
    return Stage("headroom", "dev", {"ALARM_TOPIC": "headroom-alarms-dev", **environment}, 14)


#: What is called before each call to AWS, with the operation's `model`; what it raises is raised.
BEFORE_CALLS: list[Callable[..., None]] = []


class AccountSession(SharedSession):
    """A session that makes each client once for all accounts, until a test listens to its events.

    A client costs some 20 ms of CPU, and a deployment has ten.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed: set[tuple[str, ...]] = set()
        self.register("before-call.*.*", _before_call)

    def make_client(self, key: tuple[str, ...], *args: Any, **options: Any) -> Any:
        client = super().make_client(key, *args, **options)
        register = client.meta.events.register

        def note(event: str, handler: Callable[..., Any], unique_id: str | None = None) -> None:
            if unique_id is None:
                self._changed.add(key)
            register(event, handler, unique_id)

        client.meta.events.register = note
        return client

    def forget_changed(self) -> None:
        """Make the clients anew that a test registered something with."""
        for key in self._changed:
            del self._shared[key]
        self._changed.clear()


#: The account's mute rule, as GetAlarmMuteRule answers it; moto has none.
MUTE_RULE: dict[str, Any] = {}


def _before_call(**event: Any) -> tuple[Any, dict[str, Any]] | None:
    """Answer what moto cannot; None leaves a call to moto."""
    for notice in BEFORE_CALLS:
        notice(**event)
    answers: dict[str, dict[str, Any]] = {
        "ListAlarmMuteRules": {"AlarmMuteRuleSummaries": [MUTE_RULE] if MUTE_RULE else []},
        "GetAlarmMuteRule": MUTE_RULE,
    }
    answer = answers.get(event["model"].name)
    return None if answer is None else (AWSResponse("", 200, {}, None), answer)


@cache
def _session_for(environment: frozenset[tuple[str, str]]) -> AccountSession:
    return AccountSession()


@contextlib.contextmanager
def account(region: str = "us-east-1") -> Iterator[AwsSession]:
    """An empty account. Nobody waits in it."""
    location = {"AWS_DEFAULT_REGION": region, "AWS_REGION": region, **CREDENTIALS, **NO_IMAGES}
    no_docker = patch.dict(default_user_config, {"lambda": {"use_docker": False}})
    with environment_of(location), no_docker, empty_moto():
        environment = {k: v for k, v in os.environ.items() if k.startswith(CONFIGURING)}
        session = _session_for(frozenset(environment.items()))
        boto3.setup_default_session(botocore_session=session, region_name=region)
        try:
            yield AwsSession(sleep=lambda _: None, receive_wait_seconds=0)
        finally:
            boto3.DEFAULT_SESSION = None
            BEFORE_CALLS.clear()
            MUTE_RULE.clear()
            session.forget_changed()


RoleOf = Callable[[Stage, str, str], str]


def make_functions(
    stage: Stage,
    session: AwsSession,
    names: tuple[str, ...] = FUNCTIONS,
    role_of: RoleOf = Stage.role,
) -> None:
    """Make functions as `chalice deploy` does: each with its role, and the events that wake it.

    role_of: what names the role of a stage's function in a Region.
    """
    for name in names:
        full, named = stage.function(name), role_of(stage, name, session.location.region)
        events = session.client("events")
        role = make_role(session, name, named)
        arn = session.client("lambda").create_function(
            FunctionName=full,
            Runtime="python3.11",
            Handler=f"app.{name}",
            Role=role,
            Code={"ZipFile": _empty_zip()},
        )["FunctionArn"]
        if name == "on_alarm":
            session.client("sns").subscribe(
                TopicArn=stage.topic_arn(session.location), Protocol="lambda", Endpoint=arn
            )
        elif name in ("on_queue", "on_group"):
            queue = session.location.arn(
                "sqs", stage.buffer if name == "on_queue" else stage.groups
            )
            session.client("lambda").create_event_source_mapping(
                FunctionName=arn, EventSourceArn=queue
            )
        elif name != "on_action":
            events.put_rule(Name=f"{full}-event", ScheduleExpression="rate(5 minutes)")
            events.put_targets(Rule=f"{full}-event", Targets=[{"Id": "1", "Arn": arn}])


def make_role(session: AwsSession, function: str, name: str) -> str:
    """Make the role of a function (its short name), if there is none of that name; return its
    ARN."""
    iam = session.client("iam")
    existing = get_or_none(iam.get_role, RoleName=name)
    role = existing or iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    file = ROOT / ".chalice" / f"policy-{function}.json"
    policy = file if file.exists() else ROOT / ".chalice" / "policy-on_alarm.json"
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy.read_text())
    return str(role["Role"]["Arn"])


def shipped_rules() -> Config:
    """Return the configuration that the checkout has."""
    return stages.rules(dev(), ROOT)


def set_up(
    stage: Stage,
    session: AwsSession,
    names: tuple[str, ...] = FUNCTIONS,
    rules: Config | None = None,
) -> None:
    """Deploy a stage whole, with the checkout's configuration where no other is given.

    In an empty account it is made once. The next ones are copies of it.
    """
    key = repr((stage, names, rules, session.client("sqs").meta.region_name))
    moto_state.begin_with(key, lambda: _deploy(stage, session, names, rules))


def _deploy(
    stage: Stage, session: AwsSession, names: tuple[str, ...], rules: Config | None
) -> None:
    list(setup.setup(setup.resources_before_functions(stage, session), session))
    make_functions(stage, session, names)
    list(
        setup.setup(
            setup.resources_of_functions(stage, session, names, rules or shipped_rules()), session
        )
    )


def make_table(client: Callable[[str], Any], name: str = "orders", units: int = 100) -> None:
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": units},
    )


def inventory(client: Callable[[str], Any]) -> set[str]:
    """Return the names of all that a deployment could have left in an account."""
    iam, sns, logs, awslambda = client("iam"), client("sns"), client("logs"), client("lambda")
    return {
        *(f["FunctionName"] for f in awslambda.list_functions()["Functions"]),
        *(
            m["EventSourceArn"]
            for m in awslambda.list_event_source_mappings()["EventSourceMappings"]
        ),
        *(f"role {r['RoleName']}" for r in iam.list_roles()["Roles"]),
        *(f"rule {r['Name']}" for r in client("events").list_rules()["Rules"]),
        *(t["TopicArn"] for t in sns.list_topics()["Topics"]),
        *(s["Endpoint"] for s in sns.list_subscriptions()["Subscriptions"]),
        *client("sqs").list_queues().get("QueueUrls", []),
        *(g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]),
        *(
            f"alarm {a['AlarmName']}"
            for a in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ),
    }


def configured(session: AwsSession, role: str) -> Any:
    """Return the policy that the configuration gave a role, or None."""
    response = get_or_none(
        session.client("iam").get_role_policy, RoleName=role, PolicyName="headroom-configured"
    )
    return response and response["PolicyDocument"]


def tear_down(stage: Stage, session: AwsSession, project: Path) -> list[setup.ResourceResult]:
    return list(teardown.teardown(teardown.removals(stage, session, project), session))


def _empty_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", "")
    return file.getvalue()
