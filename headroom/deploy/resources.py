"""The resources of a deployment that Chalice does not create."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from headroom.counted import counted
from headroom.deploy import permissions
from headroom.deploy.account import AwsSession, delete_if_exists, error_code, get_or_none
from headroom.deploy.blueprint import Document

#: Source: API_PutMetricAlarm, "AlarmActions", Lambda functions, read 2026-10.
ALARM_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
ROLE_WAIT_SECONDS = 3
ROLE_ATTEMPTS = 10


class Resource(ABC):
    """What setup applies, doctor compares and teardown deletes: plain data.

    Setting up, comparing and deleting may be repeated, and stopped, at any time.
    """

    SUBJECT = ""
    ABSENT = "it does not exist"

    #: What AWS is to return of the resource, for those that `compare` compares by fields.
    expected: Document

    @property
    def subject(self) -> str:
        return self.SUBJECT.format(self)

    def actual(self, session: AwsSession) -> Any:
        """Return what AWS has of the resource. It is false where the resource does not exist."""
        raise NotImplementedError

    def compare(self, actual: Any) -> list[str]:
        return _differences(self.expected, actual)

    def differences(self, session: AwsSession) -> list[str]:
        """Return a sentence for each difference from the right state."""
        actual = self.actual(session)
        return self.compare(actual) if actual else [self.ABSENT.format(self)]

    @abstractmethod
    def apply(self, session: AwsSession) -> None:
        """Create or correct the resource."""

    @abstractmethod
    def delete(self, session: AwsSession) -> bool:
        """Remove the resource, and tell whether it existed."""


@dataclass(frozen=True)
class Queue(Resource):
    """An SQS queue. expected: by SQS's own names; Policy and RedrivePolicy as documents."""

    SUBJECT = "queue {0.name}"

    name: str
    expected: Document

    def actual(self, session: AwsSession) -> Any:
        url, get = queue_url(session, self.name), session.client("sqs").get_queue_attributes
        return get(QueueUrl=url, AttributeNames=["All"])["Attributes"] if url else None

    def apply(self, session: AwsSession) -> None:
        sqs = session.client("sqs")
        sqs.set_queue_attributes(
            QueueUrl=queue_url(session, self.name)
            or sqs.create_queue(QueueName=self.name)["QueueUrl"],
            Attributes={key: _text(value) for key, value in self.expected.items()},
        )

    def delete(self, session: AwsSession) -> bool:
        url = queue_url(session, self.name)
        delete = session.client("sqs").delete_queue
        return url is not None and delete_if_exists(delete, QueueUrl=url)


@dataclass(frozen=True)
class Topic(Resource):
    """The SNS topic that alarms notify."""

    SUBJECT = "topic {0.name}"

    name: str
    arn: str
    expected: Document

    def actual(self, session: AwsSession) -> Any:
        response = get_or_none(session.client("sns").get_topic_attributes, TopicArn=self.arn)
        return response["Attributes"] if response else None

    def apply(self, session: AwsSession) -> None:
        sns = session.client("sns")
        sns.create_topic(Name=self.name)
        sns.set_topic_attributes(
            TopicArn=self.arn,
            AttributeName="Policy",
            AttributeValue=_text(self.expected["Policy"]),
        )

    def delete(self, session: AwsSession) -> bool:
        delete = session.client("sns").delete_topic
        return bool(self.actual(session)) and delete_if_exists(delete, TopicArn=self.arn)


@dataclass(frozen=True)
class Subscription(Resource):
    """An endpoint of the topic, and the queue for messages that cannot be delivered to it."""

    ABSENT = "it is not subscribed to {0.topic_arn}"

    topic_arn: str
    protocol: str
    endpoint: str
    expected: Document

    @property
    def subject(self) -> str:
        return f"subscription of {self.endpoint.rsplit(':', 1)[-1]}"

    def actual(self, session: AwsSession) -> Any:
        arn, get = self._arn(session), session.client("sns").get_subscription_attributes
        return get(SubscriptionArn=arn)["Attributes"] if arn else None

    def apply(self, session: AwsSession) -> None:
        sns = session.client("sns")
        arn = (
            self._arn(session)
            or sns.subscribe(
                TopicArn=self.topic_arn,
                Protocol=self.protocol,
                Endpoint=self.endpoint,
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
        )
        sns.set_subscription_attributes(
            SubscriptionArn=arn,
            AttributeName="RedrivePolicy",
            AttributeValue=_text(self.expected["RedrivePolicy"]),
        )

    def delete(self, session: AwsSession) -> bool:
        arn, unsubscribe = self._arn(session), session.client("sns").unsubscribe
        return arn is not None and delete_if_exists(unsubscribe, SubscriptionArn=arn)

    def _arn(self, session: AwsSession) -> str | None:
        subscriptions = session.subscriptions(self.topic_arn)
        own = (one["SubscriptionArn"] for one in subscriptions if one["Endpoint"] == self.endpoint)
        return next(own, None)


@dataclass(frozen=True)
class InvokeSettings(Resource):
    """What Lambda does with an asynchronous event that a function cannot handle."""

    SUBJECT = "retries and dead letters of {0.function}"
    ABSENT = "Lambda's defaults are in force, and a message that fails is lost"

    function: str
    expected: Document

    def actual(self, session: AwsSession) -> Any:
        return get_or_none(
            session.client("lambda").get_function_event_invoke_config, FunctionName=self.function
        )

    def apply(self, session: AwsSession) -> None:
        """Apply the settings. Lambda checks that the role may write to the queue."""
        put = session.client("lambda").put_function_event_invoke_config
        await_role(session, partial(put, FunctionName=self.function, **self.expected))

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(
            session.client("lambda").delete_function_event_invoke_config,
            FunctionName=self.function,
        )


@dataclass(frozen=True)
class LogGroup(Resource):
    SUBJECT = "log group {0.name}"

    function: str
    days: int

    @property
    def name(self) -> str:
        return f"/aws/lambda/{self.function}"

    def actual(self, session: AwsSession) -> Any:
        groups = session.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=self.name
        )
        return next((group for group in groups if group["logGroupName"] == self.name), None)

    def compare(self, actual: Any) -> list[str]:
        days = actual.get("retentionInDays")
        kept = counted(days, "day") if days else "for ever"
        return [] if days == self.days else [f"it keeps logs {kept}, not {self.days} days"]

    def apply(self, session: AwsSession) -> None:
        logs = session.client("logs")
        if self.actual(session) is None:
            logs.create_log_group(logGroupName=self.name)
        logs.put_retention_policy(logGroupName=self.name, retentionInDays=self.days)

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(session.client("logs").delete_log_group, logGroupName=self.name)


@dataclass(frozen=True)
class OwnAlarm(Resource):
    """An alarm about Headroom itself.

    Where no actions are configured, those that an operator added by hand are kept. function: one
    that the alarm runs besides, if `runs`, and else does not run; "" for none.
    """

    SUBJECT = "alarm {0.expected[AlarmName]}"

    expected: Document
    function: str = ""
    runs: bool = False

    def actual(self, session: AwsSession) -> Any:
        response = session.client("cloudwatch").describe_alarms(
            AlarmNames=[self.expected["AlarmName"]], AlarmTypes=["MetricAlarm"]
        )
        return next(iter(response["MetricAlarms"]), None)

    def apply(self, session: AwsSession) -> None:
        actions = self._actions((self.actual(session) or {}).get("AlarmActions", []))
        session.client("cloudwatch").put_metric_alarm(**{**self.expected, "AlarmActions": actions})

    def compare(self, actual: Any) -> list[str]:
        if not self.function:
            return super().compare(actual)
        actions = self._actions(actual.get("AlarmActions", []))
        return _differences({**self.expected, "AlarmActions": actions}, actual)

    def _actions(self, there: list[str]) -> list[str]:
        """Return the alarm's actions as they should be. there: those that it has."""
        others = [arn for arn in there if arn != self.function]
        own = [self.function] if self.function and self.runs else []
        return [*self.expected.get("AlarmActions", others), *own]

    def delete(self, session: AwsSession) -> bool:
        delete, names = session.client("cloudwatch").delete_alarms, [self.expected["AlarmName"]]
        return bool(self.actual(session)) and delete_if_exists(delete, AlarmNames=names)


@dataclass(frozen=True)
class QueueReader(Resource):
    """Lets a function that reads a queue return only the messages that failed.

    side_by_side: how many messages it may handle at the same time; 0: as many as Lambda likes.
    """

    SUBJECT = "partial batch failures of {0.function}"
    ABSENT = "the function reads no queue"

    function: str
    side_by_side: int = 0

    def actual(self, session: AwsSession) -> list[dict[str, Any]]:
        return list(
            session.pages(
                "lambda",
                "list_event_source_mappings",
                "EventSourceMappings",
                FunctionName=session.location.arn("lambda", f"function:{self.function}"),
            )
        )

    def compare(self, actual: Any) -> list[str]:
        is_right = all(
            "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", [])
            for mapping in actual
        )
        most = {
            (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency", 0) for mapping in actual
        }
        return [
            *([] if is_right else ["one failed message returns its whole batch to the queue"]),
            *(
                [f"not {self.side_by_side} messages may be handled side by side"]
                if most != {self.side_by_side}
                else []
            ),
        ]

    def apply(self, session: AwsSession) -> None:
        scaling = {"MaximumConcurrency": self.side_by_side} if self.side_by_side else {}
        for mapping in self.actual(session):
            session.client("lambda").update_event_source_mapping(
                UUID=mapping["UUID"],
                FunctionResponseTypes=["ReportBatchItemFailures"],
                ScalingConfig=scaling,
            )

    def delete(self, session: AwsSession) -> bool:
        mappings = self.actual(session)
        for mapping in mappings:
            get_or_none(session.client("lambda").delete_event_source_mapping, UUID=mapping["UUID"])
        return bool(mappings)


@dataclass(frozen=True)
class AlarmPermission(Resource):
    """Lets this account's CloudWatch alarms run a function as their action."""

    SUBJECT = "permission of alarms to run {0.function}"

    function: str
    account: str

    SID = "AlarmsOfThisAccount"

    def differences(self, session: AwsSession) -> list[str]:
        response = get_or_none(session.client("lambda").get_policy, FunctionName=self.function)
        statements = json.loads(response["Policy"])["Statement"] if response else []
        is_allowed = any(
            statement["Sid"] == self.SID
            # a template's statement has a name of CloudFormation's
            or statement["Principal"] == {"Service": ALARM_PRINCIPAL}
            for statement in statements
        )
        return [] if is_allowed else ["no alarm may run it"]

    def apply(self, session: AwsSession) -> None:
        session.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId=self.SID,
            Action="lambda:InvokeFunction",
            Principal=ALARM_PRINCIPAL,
            SourceAccount=self.account,
        )

    def delete(self, session: AwsSession) -> bool:
        remove = session.client("lambda").remove_permission
        return delete_if_exists(remove, FunctionName=self.function, StatementId=self.SID)


@dataclass(frozen=True)
class ConfiguredPolicy(Resource):
    """The role policy that follows from stage and configuration.

    remark: what does not fit into the policy, as a sentence. A role of another name is not one that
    the deployment made. It is left alone, and the doctor reports it where it compares policies.
    """

    role: str
    policy: Document
    remark: str = ""

    @property
    def subject(self) -> str:
        remark = f" ({self.remark})" if self.remark else ""
        return f"policy {permissions.NAME} of role {self.role}{remark}"

    @property
    def _names(self) -> dict[str, str]:
        return {"RoleName": self.role, "PolicyName": permissions.NAME}

    def differences(self, session: AwsSession) -> list[str]:
        iam = session.client("iam")
        response = get_or_none(iam.get_role_policy, **self._names)
        if response is None:
            return [self.ABSENT] if get_or_none(iam.get_role, RoleName=self.role) else []
        is_right = response["PolicyDocument"] == self.policy
        return [] if is_right else ["it is not what the configuration calls for"]

    def apply(self, session: AwsSession) -> None:
        session.client("iam").put_role_policy(**self._names, PolicyDocument=_text(self.policy))

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(session.client("iam").delete_role_policy, **self._names)


@dataclass(frozen=True)
class ReplacedRole(Resource):
    """A role of an older version, without the Region in its name, that this Region uses no more.

    users: the other Regions that use it, as a text. It is deleted where there are none.
    """

    role: str
    users: str

    @property
    def subject(self) -> str:
        return f"role {self.role}" + (f" (kept for {self.users})" if self.users else "")

    def differences(self, session: AwsSession) -> list[str]:  # noqa: ARG002  it was looked up
        return [] if self.users else ["a role with the Region in its name replaces it"]

    def apply(self, session: AwsSession) -> None:
        self.delete(session)

    def delete(self, session: AwsSession) -> bool:
        iam = session.client("iam")
        policies = get_or_none(iam.list_role_policies, RoleName=self.role)
        for policy in policies["PolicyNames"] if policies else []:
            get_or_none(iam.delete_role_policy, RoleName=self.role, PolicyName=policy)
        return delete_if_exists(iam.delete_role, RoleName=self.role)


@dataclass(frozen=True)
class DeployedVersion(Resource):
    """A tag on the dead-letter queue: the version of Headroom that last set up the stage."""

    SUBJECT = "deployed version"

    queue: str
    version: str

    KEY = "headroom-version"

    def differences(self, session: AwsSession) -> list[str]:
        deployed = queue_tags(session, self.queue).get(self.KEY, "unknown")
        return [] if deployed == self.version else [f"it is {deployed}, this is {self.version}"]

    def apply(self, session: AwsSession) -> None:
        session.client("sqs").tag_queue(
            QueueUrl=queue_url(session, self.queue), Tags={self.KEY: self.version}
        )

    def delete(self, session: AwsSession) -> bool:  # noqa: ARG002  the queue's deletion removes it
        return False


def await_role(session: AwsSession, call: Callable[[], object]) -> None:
    """Make a call to Lambda that needs a role. A new role takes seconds to be known."""
    for attempt in range(1, ROLE_ATTEMPTS + 1):
        try:
            call()
            break
        except ClientError as error:
            is_other = error_code(error) != "InvalidParameterValueException"
            if is_other or attempt == ROLE_ATTEMPTS:
                raise
            session.sleep(ROLE_WAIT_SECONDS)


def queue_url(session: AwsSession, name: str) -> str | None:
    response = get_or_none(session.client("sqs").get_queue_url, QueueName=name)
    return str(response["QueueUrl"]) if response else None


def queue_tags(session: AwsSession, name: str) -> dict[str, str]:
    url = queue_url(session, name)
    response = session.client("sqs").list_queue_tags(QueueUrl=url) if url else {}
    return dict(response.get("Tags", {}))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    return [
        f"its {key} is {'not set' if actual.get(key) in (None, '', []) else 'different'}"
        for key, value in expected.items()
        if not _matches(actual.get(key), value)
    ]


def _matches(actual: Any, expected: Any) -> bool:
    """Tell whether an actual value contains the expected one.

    AWS returns documents as text, and may add fields of its own.
    """
    if isinstance(actual, str) and isinstance(expected, Mapping):
        return bool(actual) and json.loads(actual) == expected
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        return all(_matches(actual.get(key), value) for key, value in expected.items())
    if isinstance(actual, list) and isinstance(expected, list):
        has_all = all(any(_matches(one, value) for one in actual) for value in expected)
        return len(actual) == len(expected) and has_all
    return bool(actual == expected)
