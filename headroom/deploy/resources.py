"""The resources of a deployment that Chalice does not create.

A resource is plain data. `differences` lists, in sentences, what differs from the right state; an
empty list means that the resource is right. `apply` creates or corrects the resource. `delete`
removes it and tells whether it existed. All three may be repeated, and stopped, at any time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from headroom.deploy import permissions
from headroom.deploy.account import AwsSession, delete_if_exists, error_code, get_or_none
from headroom.deploy.blueprint import Document

#: Source: API_PutMetricAlarm, "AlarmActions", Lambda functions, read 2026-10.
ALARM_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
ROLE_WAIT_SECONDS = 3
ROLE_ATTEMPTS = 10
DOES_NOT_EXIST = ["it does not exist"]


class Resource(Protocol):
    """What setup applies, doctor compares and teardown deletes."""

    @property
    def subject(self) -> str: ...

    def differences(self, session: AwsSession) -> list[str]: ...

    def apply(self, session: AwsSession) -> None: ...

    def delete(self, session: AwsSession) -> bool: ...


@dataclass(frozen=True)
class Queue:
    """An SQS queue. attributes: by SQS's own names; Policy and RedrivePolicy as documents."""

    name: str
    attributes: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return f"queue {self.name}"

    def differences(self, session: AwsSession) -> list[str]:
        url = queue_url(session, self.name)
        if url is None:
            return DOES_NOT_EXIST
        response = session.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return _differences(self.attributes, response["Attributes"])

    def apply(self, session: AwsSession) -> None:
        sqs = session.client("sqs")
        sqs.set_queue_attributes(
            QueueUrl=queue_url(session, self.name)
            or sqs.create_queue(QueueName=self.name)["QueueUrl"],
            Attributes={key: _text(value) for key, value in self.attributes.items()},
        )

    def delete(self, session: AwsSession) -> bool:
        url = queue_url(session, self.name)
        delete = session.client("sqs").delete_queue
        return url is not None and delete_if_exists(delete, QueueUrl=url)


@dataclass(frozen=True)
class Topic:
    """The SNS topic that alarms notify."""

    name: str
    arn: str
    policy: Document

    @property
    def subject(self) -> str:
        return f"topic {self.name}"

    def differences(self, session: AwsSession) -> list[str]:
        response = self._response(session)
        if response is None:
            return DOES_NOT_EXIST
        return _differences({"Policy": self.policy}, response["Attributes"])

    def apply(self, session: AwsSession) -> None:
        sns = session.client("sns")
        sns.create_topic(Name=self.name)
        sns.set_topic_attributes(
            TopicArn=self.arn, AttributeName="Policy", AttributeValue=_text(self.policy)
        )

    def delete(self, session: AwsSession) -> bool:
        exists = self._response(session) is not None
        if exists:
            session.client("sns").delete_topic(TopicArn=self.arn)
        return exists

    def _response(self, session: AwsSession) -> Any:
        return get_or_none(session.client("sns").get_topic_attributes, TopicArn=self.arn)


@dataclass(frozen=True)
class Subscription:
    """An endpoint of the topic, and the queue for messages that cannot be delivered to it."""

    topic_arn: str
    protocol: str
    endpoint: str
    redrive: Document

    @property
    def subject(self) -> str:
        return f"subscription of {self.endpoint.rsplit(':', 1)[-1]}"

    def differences(self, session: AwsSession) -> list[str]:
        arn = self._arn(session)
        if arn is None:
            return [f"it is not subscribed to {self.topic_arn}"]
        response = session.client("sns").get_subscription_attributes(SubscriptionArn=arn)
        return _differences({"RedrivePolicy": self.redrive}, response["Attributes"])

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
            SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=_text(self.redrive)
        )

    def delete(self, session: AwsSession) -> bool:
        arn = self._arn(session)
        if arn is not None:
            session.client("sns").unsubscribe(SubscriptionArn=arn)
        return arn is not None

    def _arn(self, session: AwsSession) -> str | None:
        subscriptions = session.subscriptions(self.topic_arn)
        own = (one["SubscriptionArn"] for one in subscriptions if one["Endpoint"] == self.endpoint)
        return next(own, None)


@dataclass(frozen=True)
class InvokeSettings:
    """What Lambda does with an asynchronous event that a function cannot handle."""

    function: str
    settings: Document
    destination: str

    @property
    def subject(self) -> str:
        return f"retries and dead letters of {self.function}"

    @property
    def _expected(self) -> Document:
        return {
            **self.settings,
            "DestinationConfig": {"OnFailure": {"Destination": self.destination}},
        }

    def differences(self, session: AwsSession) -> list[str]:
        response = get_or_none(
            session.client("lambda").get_function_event_invoke_config, FunctionName=self.function
        )
        if response is None:
            return ["Lambda's defaults are in force, and a message that fails is lost"]
        return _differences(self._expected, response)

    def apply(self, session: AwsSession) -> None:
        """Apply the settings.

        Lambda checks that the role may write to the queue. A new role takes seconds to be known.
        """
        put = session.client("lambda").put_function_event_invoke_config
        for attempt in range(1, ROLE_ATTEMPTS + 1):
            try:
                put(FunctionName=self.function, **self._expected)
                break
            except ClientError as error:
                is_role_unknown = error_code(error) == "InvalidParameterValueException"
                if not is_role_unknown or attempt == ROLE_ATTEMPTS:
                    raise
                session.sleep(ROLE_WAIT_SECONDS)

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(
            session.client("lambda").delete_function_event_invoke_config,
            FunctionName=self.function,
        )


@dataclass(frozen=True)
class LogGroup:
    """A function's log group with its retention in days."""

    function: str
    days: int

    @property
    def name(self) -> str:
        return f"/aws/lambda/{self.function}"

    @property
    def subject(self) -> str:
        return f"log group {self.name}"

    def differences(self, session: AwsSession) -> list[str]:
        group = self._group(session)
        if group is None:
            return DOES_NOT_EXIST
        days = group.get("retentionInDays")
        kept = f"{days} days" if days else "for ever"
        return [] if days == self.days else [f"it keeps logs {kept}, not {self.days} days"]

    def apply(self, session: AwsSession) -> None:
        logs = session.client("logs")
        if self._group(session) is None:
            logs.create_log_group(logGroupName=self.name)
        logs.put_retention_policy(logGroupName=self.name, retentionInDays=self.days)

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(session.client("logs").delete_log_group, logGroupName=self.name)

    def _group(self, session: AwsSession) -> dict[str, Any] | None:
        groups = session.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=self.name
        )
        return next((group for group in groups if group["logGroupName"] == self.name), None)


@dataclass(frozen=True)
class OwnAlarm:
    """An alarm about Headroom itself.

    Where no actions are configured, those that an operator added by hand are kept.
    """

    fields: Document

    @property
    def name(self) -> str:
        return str(self.fields["AlarmName"])

    @property
    def subject(self) -> str:
        return f"alarm {self.name}"

    def differences(self, session: AwsSession) -> list[str]:
        alarm = self._alarm(session)
        return _differences(self.fields, alarm) if alarm else DOES_NOT_EXIST

    def apply(self, session: AwsSession) -> None:
        actions = (self._alarm(session) or {}).get("AlarmActions", [])
        session.client("cloudwatch").put_metric_alarm(**{"AlarmActions": actions, **self.fields})

    def delete(self, session: AwsSession) -> bool:
        exists = self._alarm(session) is not None
        if exists:
            session.client("cloudwatch").delete_alarms(AlarmNames=[self.name])
        return exists

    def _alarm(self, session: AwsSession) -> dict[str, Any] | None:
        response = session.client("cloudwatch").describe_alarms(
            AlarmNames=[self.name], AlarmTypes=["MetricAlarm"]
        )
        return next(iter(response["MetricAlarms"]), None)


@dataclass(frozen=True)
class PartialFailures:
    """Lets a function that reads a queue return only the messages that failed."""

    function: str

    @property
    def subject(self) -> str:
        return f"partial batch failures of {self.function}"

    def differences(self, session: AwsSession) -> list[str]:
        mappings = self._mappings(session)
        if not mappings:
            return ["the function reads no queue"]
        types = [mapping.get("FunctionResponseTypes", []) for mapping in mappings]
        is_right = all("ReportBatchItemFailures" in ones for ones in types)
        return [] if is_right else ["one failed message returns its whole batch to the queue"]

    def apply(self, session: AwsSession) -> None:
        for mapping in self._mappings(session):
            session.client("lambda").update_event_source_mapping(
                UUID=mapping["UUID"], FunctionResponseTypes=["ReportBatchItemFailures"]
            )

    def delete(self, session: AwsSession) -> bool:
        mappings = self._mappings(session)
        for mapping in mappings:
            get_or_none(session.client("lambda").delete_event_source_mapping, UUID=mapping["UUID"])
        return bool(mappings)

    def _mappings(self, session: AwsSession) -> list[dict[str, Any]]:
        return list(
            session.pages(
                "lambda",
                "list_event_source_mappings",
                "EventSourceMappings",
                FunctionName=session.location.arn("lambda", f"function:{self.function}"),
            )
        )


@dataclass(frozen=True)
class AlarmPermission:
    """Lets this account's CloudWatch alarms run a function as their action."""

    function: str
    account: str

    SID = "AlarmsOfThisAccount"

    @property
    def subject(self) -> str:
        return f"permission of alarms to run {self.function}"

    def differences(self, session: AwsSession) -> list[str]:
        response = get_or_none(session.client("lambda").get_policy, FunctionName=self.function)
        statements = json.loads(response["Policy"])["Statement"] if response else []
        is_allowed = any(statement["Sid"] == self.SID for statement in statements)
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
class ConfiguredPolicy:
    """The role policy that follows from the configuration; None: no policy.

    remark: what does not fit into the policy, as a sentence. A role of another name is not one that
    the deployment made. It is left alone, and the doctor reports it where it compares policies.
    """

    role: str
    policy: Document | None
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
            if self.policy is None or get_or_none(iam.get_role, RoleName=self.role) is None:
                return []
            return DOES_NOT_EXIST
        if self.policy is None:
            return ["the configuration calls for none"]
        is_right = response["PolicyDocument"] == self.policy
        return [] if is_right else ["it is not what the configuration calls for"]

    def apply(self, session: AwsSession) -> None:
        if self.policy is None:
            self.delete(session)
        else:
            session.client("iam").put_role_policy(**self._names, PolicyDocument=_text(self.policy))

    def delete(self, session: AwsSession) -> bool:
        return delete_if_exists(session.client("iam").delete_role_policy, **self._names)


@dataclass(frozen=True)
class DeployedVersion:
    """A tag on the dead-letter queue: the version of Headroom that last set up the stage."""

    queue: str
    version: str

    KEY = "headroom-version"

    @property
    def subject(self) -> str:
        return "deployed version"

    def differences(self, session: AwsSession) -> list[str]:
        url = queue_url(session, self.queue)
        tags = session.client("sqs").list_queue_tags(QueueUrl=url).get("Tags", {}) if url else {}
        deployed = tags.get(self.KEY, "unknown")
        return [] if deployed == self.version else [f"it is {deployed}, this is {self.version}"]

    def apply(self, session: AwsSession) -> None:
        session.client("sqs").tag_queue(
            QueueUrl=queue_url(session, self.queue), Tags={self.KEY: self.version}
        )

    def delete(self, session: AwsSession) -> bool:  # noqa: ARG002  the queue's deletion removes it
        return False


def queue_url(session: AwsSession, name: str) -> str | None:
    response = get_or_none(session.client("sqs").get_queue_url, QueueName=name)
    return str(response["QueueUrl"]) if response else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each field that differs."""
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
