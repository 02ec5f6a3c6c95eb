"""The resources of the understudy, which Chalice does not create: a role, a function, and what runs
it."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.config.rules import Config
from headroom.deploy import permissions, understudy
from headroom.deploy.account import AwsSession, Location, delete_if_exists, get_or_none
from headroom.deploy.blueprint import Document
from headroom.deploy.resources import (
    AlarmPermission,
    InvokeSettings,
    LogGroup,
    ReplacedRole,
    Resource,
    await_role,
)
from headroom.deploy.stage import UNDERSTUDY, Stage
from headroom.deploy.understudy_function import is_own, resume, suspended

SERVICE = "application-autoscaling"


@dataclass(frozen=True)
class UnderstudyRole(Resource):
    """The role of the understudy, with its only policy."""

    SUBJECT = "role {0.name}"

    name: str
    policy: Document

    def actual(self, session: AwsSession) -> Any:
        return get_or_none(session.client("iam").get_role_policy, **self._names)

    def compare(self, actual: Any) -> list[str]:
        is_right = actual["PolicyDocument"] == self.policy
        return [] if is_right else ["its policy is different"]

    def apply(self, session: AwsSession) -> None:
        iam = session.client("iam")
        if get_or_none(iam.get_role, RoleName=self.name) is None:
            trust = json.dumps(understudy.assume_role_policy())
            iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(**self._names, PolicyDocument=json.dumps(self.policy))

    @property
    def _names(self) -> dict[str, str]:
        return {"RoleName": self.name, "PolicyName": permissions.NAME}

    def delete(self, session: AwsSession) -> bool:
        return ReplacedRole(self.name, "").delete(session)


@dataclass(frozen=True)
class UnderstudyFunction(Resource):
    """The function that resumes the scalable targets.

    expected: by Lambda's own names. A digest of the code is among the environment variables.
    """

    SUBJECT = "function {0.name}"

    name: str
    expected: Document

    def actual(self, session: AwsSession) -> Any:
        get = session.client("lambda").get_function_configuration
        return get_or_none(get, FunctionName=self.name)

    def apply(self, session: AwsSession) -> None:
        """Make the function, or correct it."""
        client, code = session.client("lambda"), understudy.code()
        if self.actual(session):
            client.update_function_code(FunctionName=self.name, ZipFile=code)
            client.get_waiter("function_updated_v2").wait(FunctionName=self.name)
            client.update_function_configuration(FunctionName=self.name, **self.expected)
            return
        given = {"Code": {"ZipFile": code}, "Architectures": ["arm64"], **self.expected}
        await_role(session, partial(client.create_function, FunctionName=self.name, **given))

    def delete(self, session: AwsSession) -> bool:
        delete = session.client("lambda").delete_function
        return delete_if_exists(delete, FunctionName=self.name)


@dataclass(frozen=True)
class StandingTargets(Resource):
    """The scalable targets of the stage that are suspended. Deleting lets them scale again: the
    tables must have a scaler."""

    SUBJECT = "suspended scalable targets of {0.topic_arn}"

    topic_arn: str

    def apply(self, session: AwsSession) -> None:
        """Do nothing: the sweeps register the targets."""

    def delete(self, session: AwsSession) -> bool:
        return resume(session.client(SERVICE), self.topic_arn, say=lambda _: None) > 0


@dataclass(frozen=True)
class LeftTargets(Resource):
    """The suspended scalable targets of tables that no rule names any more. Applying lets them
    scale again: the role of the sweep may not."""

    SUBJECT = "scalable targets of tables without a rule"

    topic_arn: str
    rules: Config

    def differences(self, session: AwsSession) -> list[str]:
        client = session.client(SERVICE)
        names = {
            str(target["ResourceId"])
            for target in suspended(client)
            if self._is_left(target["ResourceId"]) and is_own(client, target, self.topic_arn)
        }
        return [f"{', '.join(sorted(names))}: suspended, so nothing scales it"] if names else []

    def apply(self, session: AwsSession) -> None:
        resume(session.client(SERVICE), self.topic_arn, self._is_left, say=lambda _: None)

    def delete(self, session: AwsSession) -> bool:  # noqa: ARG002  StandingTargets has them all
        return False

    def _is_left(self, resource: str) -> bool:
        return not self.rules.manages(resource.split("/")[1])


@dataclass(frozen=True)
class Surplus(Resource):
    """A resource of the understudy that the configuration does not call for any more."""

    one: Resource

    @property
    def subject(self) -> str:
        return f"{self.one.subject} (removed)"

    def differences(self, session: AwsSession) -> list[str]:  # noqa: ARG002  the function exists
        return ["the configuration has no [understudy]"]

    def apply(self, session: AwsSession) -> None:
        self.one.delete(session)

    def delete(self, session: AwsSession) -> bool:
        return self.one.delete(session)


def resources(stage: Stage, location: Location, rules: Config) -> list[Resource]:
    """Return the resources of the understudy."""
    name = stage.function(UNDERSTUDY)
    topic_arn = stage.topic_arn(location)
    role = stage.role(UNDERSTUDY, location.region)
    dead_letters = location.arn("sqs", stage.dead_letters)
    settings = {
        "Runtime": understudy.RUNTIME,
        "Handler": understudy.HANDLER,
        "Role": f"arn:{location.partition}:iam::{location.account}:role/{role}",
        "Timeout": understudy.TIMEOUT_SECONDS,
        "MemorySize": understudy.MEMORY_MB,
        "Environment": {"Variables": understudy.environment(stage, topic_arn)},
    }
    on_failure = {"DestinationConfig": {"OnFailure": {"Destination": dead_letters}}}
    return [
        UnderstudyRole(role, understudy.role_policy(stage, location, rules, topic_arn)),
        LogGroup(name, stage.log_days),
        UnderstudyFunction(name, settings),
        AlarmPermission(name, location.account),
        InvokeSettings(name, understudy.INVOKE_SETTINGS | on_failure),
        LeftTargets(topic_arn, rules),
    ]


def removals(stage: Stage, location: Location) -> list[Resource]:
    """Return what is to be deleted of the understudy. The function comes last: without it, nobody
    knows that there was one."""
    name = stage.function(UNDERSTUDY)
    return [
        StandingTargets(stage.topic_arn(location)),
        UnderstudyRole(stage.role(UNDERSTUDY, location.region), {}),
        UnderstudyFunction(name, {}),
    ]
