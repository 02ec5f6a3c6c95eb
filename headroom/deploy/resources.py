"""The steps of a deployment that Chalice does not take: each knows what is right, and can look, put
right, and remove.

A step is plain data. `differences` says in words what is not as it should be (nothing: it is
right), `put` makes it right, `remove` takes it away and tells whether there was anything. All three
may be repeated, and stopped, at any time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from headroom.deploy import permissions
from headroom.deploy.account import Cloud, code_of, found
from headroom.deploy.blueprint import Document

ALARM_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
"""Source: API_PutMetricAlarm, "AlarmActions", Lambda functions, read 2026-10."""
ROLE_SETTLES_SECONDS = 3
ROLE_ATTEMPTS = 10


class Step(Protocol):
    """What setup puts, doctor looks at and teardown removes."""

    @property
    def subject(self) -> str: ...

    def differences(self, cloud: Cloud) -> list[str]: ...

    def put(self, cloud: Cloud) -> None: ...

    def remove(self, cloud: Cloud) -> bool: ...


@dataclass(frozen=True)
class Queue:
    """An SQS queue. attributes: by SQS's own names; Policy and RedrivePolicy as documents."""

    name: str
    attributes: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return f"queue {self.name}"

    def differences(self, cloud: Cloud) -> list[str]:
        url = queue_url(cloud, self.name)
        if url is None:
            return ["it does not exist"]
        said = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return _different(self.attributes, said)

    def put(self, cloud: Cloud) -> None:
        url = (
            queue_url(cloud, self.name)
            or cloud.client("sqs").create_queue(QueueName=self.name)["QueueUrl"]
        )
        cloud.client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={k: _text(v) for k, v in self.attributes.items()}
        )

    def remove(self, cloud: Cloud) -> bool:
        url = queue_url(cloud, self.name)
        return url is not None and found(cloud.client("sqs").delete_queue, QueueUrl=url) is not None


@dataclass(frozen=True)
class Topic:
    """The SNS topic that alarms notify."""

    name: str
    arn: str
    policy: Document

    @property
    def subject(self) -> str:
        return f"topic {self.name}"

    def differences(self, cloud: Cloud) -> list[str]:
        said = found(cloud.client("sns").get_topic_attributes, TopicArn=self.arn)
        return (
            _different({"Policy": self.policy}, said["Attributes"])
            if said
            else ["it does not exist"]
        )

    def put(self, cloud: Cloud) -> None:
        sns = cloud.client("sns")
        sns.create_topic(Name=self.name)
        sns.set_topic_attributes(
            TopicArn=self.arn, AttributeName="Policy", AttributeValue=_text(self.policy)
        )

    def remove(self, cloud: Cloud) -> bool:
        there = found(cloud.client("sns").get_topic_attributes, TopicArn=self.arn) is not None
        if there:
            cloud.client("sns").delete_topic(TopicArn=self.arn)
        return there


@dataclass(frozen=True)
class Subscription:
    """What the topic delivers to, and where messages go that cannot be delivered."""

    topic_arn: str
    protocol: str
    endpoint: str
    redrive: Document

    @property
    def subject(self) -> str:
        return f"subscription of {self.endpoint.rsplit(':', 1)[-1]}"

    def differences(self, cloud: Cloud) -> list[str]:
        arn = self._arn(cloud)
        if arn is None:
            return [f"it is not subscribed to {self.topic_arn}"]
        said = cloud.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        return _different({"RedrivePolicy": self.redrive}, said)

    def put(self, cloud: Cloud) -> None:
        sns = cloud.client("sns")
        asked = {"TopicArn": self.topic_arn, "Protocol": self.protocol, "Endpoint": self.endpoint}
        arn = (
            self._arn(cloud)
            or sns.subscribe(**asked, ReturnSubscriptionArn=True)["SubscriptionArn"]
        )
        sns.set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue=_text(self.redrive)
        )

    def remove(self, cloud: Cloud) -> bool:
        arn = self._arn(cloud)
        if arn is not None:
            cloud.client("sns").unsubscribe(SubscriptionArn=arn)
        return arn is not None

    def _arn(self, cloud: Cloud) -> str | None:
        try:
            subscriptions = list(
                cloud.pages(
                    "sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=self.topic_arn
                )
            )
        except ClientError as error:
            if code_of(error) != "NotFound":
                raise
            return None
        return next(
            (s["SubscriptionArn"] for s in subscriptions if s["Endpoint"] == self.endpoint), None
        )


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
    def _right(self) -> Document:
        return {
            **self.settings,
            "DestinationConfig": {"OnFailure": {"Destination": self.destination}},
        }

    def differences(self, cloud: Cloud) -> list[str]:
        said = found(
            cloud.client("lambda").get_function_event_invoke_config, FunctionName=self.function
        )
        if said is None:
            return ["Lambda's defaults hold, and a message that fails is lost"]
        failure = {"OnFailure": said.get("DestinationConfig", {}).get("OnFailure", {})}
        return _different(self._right, {**said, "DestinationConfig": failure})

    def put(self, cloud: Cloud) -> None:
        """Put the settings; Lambda asks whether the role may write to the queue, and a new role
        takes seconds to be known."""
        for attempt in range(ROLE_ATTEMPTS):
            try:
                cloud.client("lambda").put_function_event_invoke_config(
                    FunctionName=self.function, **self._right
                )
            except ClientError as error:
                if (
                    code_of(error) != "InvalidParameterValueException"
                    or attempt == ROLE_ATTEMPTS - 1
                ):
                    raise
                cloud.sleep(ROLE_SETTLES_SECONDS)
            else:
                return

    def remove(self, cloud: Cloud) -> bool:
        call = cloud.client("lambda").delete_function_event_invoke_config
        return found(call, FunctionName=self.function) is not None


@dataclass(frozen=True)
class LogGroup:
    """A function's log, kept for some days."""

    function: str
    days: int

    @property
    def name(self) -> str:
        return f"/aws/lambda/{self.function}"

    @property
    def subject(self) -> str:
        return f"log group {self.name}"

    def differences(self, cloud: Cloud) -> list[str]:
        said = self._said(cloud)
        if said is None:
            return ["it does not exist"]
        days = said.get("retentionInDays")
        return (
            []
            if days == self.days
            else [f"it keeps logs {f'{days} days' if days else 'for ever'}, not {self.days} days"]
        )

    def put(self, cloud: Cloud) -> None:
        if self._said(cloud) is None:
            cloud.client("logs").create_log_group(logGroupName=self.name)
        cloud.client("logs").put_retention_policy(logGroupName=self.name, retentionInDays=self.days)

    def remove(self, cloud: Cloud) -> bool:
        return found(cloud.client("logs").delete_log_group, logGroupName=self.name) is not None

    def _said(self, cloud: Cloud) -> dict[str, Any] | None:
        groups = cloud.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=self.name
        )
        return next((group for group in groups if group["logGroupName"] == self.name), None)


@dataclass(frozen=True)
class OwnAlarm:
    """An alarm about Headroom itself. Where no actions are configured, those that an operator added
    by hand stay."""

    fields: Document

    @property
    def name(self) -> str:
        return str(self.fields["AlarmName"])

    @property
    def subject(self) -> str:
        return f"alarm {self.name}"

    def differences(self, cloud: Cloud) -> list[str]:
        said = self._said(cloud)
        return _different(self.fields, said) if said else ["it does not exist"]

    def put(self, cloud: Cloud) -> None:
        kept = (self._said(cloud) or {}).get("AlarmActions", [])
        cloud.client("cloudwatch").put_metric_alarm(**{"AlarmActions": kept, **self.fields})

    def remove(self, cloud: Cloud) -> bool:
        there = self._said(cloud) is not None
        if there:
            cloud.client("cloudwatch").delete_alarms(AlarmNames=[self.name])
        return there

    def _said(self, cloud: Cloud) -> dict[str, Any] | None:
        said = cloud.client("cloudwatch").describe_alarms(
            AlarmNames=[self.name], AlarmTypes=["MetricAlarm"]
        )
        return next(iter(said["MetricAlarms"]), None)


@dataclass(frozen=True)
class PartialFailures:
    """Lets a function that reads a queue give back the messages that failed, and those alone."""

    function: str

    @property
    def subject(self) -> str:
        return f"partial batch failures of {self.function}"

    def differences(self, cloud: Cloud) -> list[str]:
        mappings = self._mappings(cloud)
        if not mappings:
            return ["the function reads no queue"]
        right = all(
            "ReportBatchItemFailures" in m.get("FunctionResponseTypes", []) for m in mappings
        )
        return [] if right else ["one failed message brings its whole batch back"]

    def put(self, cloud: Cloud) -> None:
        for mapping in self._mappings(cloud):
            cloud.client("lambda").update_event_source_mapping(
                UUID=mapping["UUID"], FunctionResponseTypes=["ReportBatchItemFailures"]
            )

    def remove(self, cloud: Cloud) -> bool:
        mappings = self._mappings(cloud)
        for mapping in mappings:
            found(cloud.client("lambda").delete_event_source_mapping, UUID=mapping["UUID"])
        return bool(mappings)

    def _mappings(self, cloud: Cloud) -> list[dict[str, Any]]:
        arn = cloud.place.arn("lambda", f"function:{self.function}")
        return list(
            cloud.pages(
                "lambda", "list_event_source_mappings", "EventSourceMappings", FunctionName=arn
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

    def differences(self, cloud: Cloud) -> list[str]:
        said = found(cloud.client("lambda").get_policy, FunctionName=self.function)
        statements = json.loads(said["Policy"])["Statement"] if said else []
        return [] if any(s["Sid"] == self.SID for s in statements) else ["no alarm may run it"]

    def put(self, cloud: Cloud) -> None:
        cloud.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId=self.SID,
            Action="lambda:InvokeFunction",
            Principal=ALARM_PRINCIPAL,
            SourceAccount=self.account,
        )

    def remove(self, cloud: Cloud) -> bool:
        call = cloud.client("lambda").remove_permission
        return found(call, FunctionName=self.function, StatementId=self.SID) is not None


@dataclass(frozen=True)
class ConfiguredPolicy:
    """What the configuration says that a role may, and may not; None: nothing. remark: what does
    not fit into it, in words.

    A role of another name is none that the deployment made: it is left alone, and the doctor says
    so where it compares policies.
    """

    role: str
    policy: Document | None
    remark: str = ""

    @property
    def subject(self) -> str:
        return f"policy {permissions.NAME} of role {self.role}{f' ({self.remark})' if self.remark else ''}"

    @property
    def _names(self) -> dict[str, str]:
        return {"RoleName": self.role, "PolicyName": permissions.NAME}

    def differences(self, cloud: Cloud) -> list[str]:
        iam = cloud.client("iam")
        said = found(iam.get_role_policy, **self._names)
        if said is None:
            is_missing = (
                self.policy is not None and found(iam.get_role, RoleName=self.role) is not None
            )
            return ["it does not exist"] if is_missing else []
        if self.policy is None:
            return ["the configuration calls for none"]
        return (
            []
            if said["PolicyDocument"] == self.policy
            else ["it is not what the configuration calls for"]
        )

    def put(self, cloud: Cloud) -> None:
        if self.policy is None:
            self.remove(cloud)
        else:
            cloud.client("iam").put_role_policy(**self._names, PolicyDocument=_text(self.policy))

    def remove(self, cloud: Cloud) -> bool:
        return found(cloud.client("iam").delete_role_policy, **self._names) is not None


@dataclass(frozen=True)
class DeployedVersion:
    """A tag on the dead-letter queue that says which version of Headroom the stage was last set up
    with."""

    queue: str
    version: str

    KEY = "headroom-version"

    @property
    def subject(self) -> str:
        return "deployed version"

    def differences(self, cloud: Cloud) -> list[str]:
        url = queue_url(cloud, self.queue)
        tags = cloud.client("sqs").list_queue_tags(QueueUrl=url).get("Tags", {}) if url else {}
        deployed = tags.get(self.KEY)
        return (
            []
            if deployed == self.version
            else [f"it is {deployed or 'unknown'}, this is {self.version}"]
        )

    def put(self, cloud: Cloud) -> None:
        url = queue_url(cloud, self.queue)
        cloud.client("sqs").tag_queue(QueueUrl=url, Tags={self.KEY: self.version})

    def remove(self, cloud: Cloud) -> bool:  # noqa: ARG002  it goes with its queue
        return False


def queue_url(cloud: Cloud, name: str) -> str | None:
    said = found(cloud.client("sqs").get_queue_url, QueueName=name)
    return str(said["QueueUrl"]) if said else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _different(right: Mapping[str, Any], said: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each field that is not as it should be."""
    wrong = []
    for key, value in right.items():
        there = said.get(key)
        if not _holds(there, value):
            wrong.append(f"its {key} is {'not set' if there in (None, '', []) else 'another'}")
    return wrong


def _holds(there: Any, right: Any) -> bool:
    """Tell whether what is there says what is right. AWS gives documents back as text, and may add
    fields of its own."""
    if isinstance(there, str) and isinstance(right, Mapping):
        return bool(there) and json.loads(there) == right
    if isinstance(there, Mapping) and isinstance(right, Mapping):
        return all(_holds(there.get(key), value) for key, value in right.items())
    if isinstance(there, list) and isinstance(right, list):
        return len(there) == len(right) and all(
            any(_holds(one, value) for one in there) for value in right
        )
    return bool(there == right)
