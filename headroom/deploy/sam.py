"""A stage as a SAM template: what Chalice's own template lacks, for Chalice to merge into it."""

from collections.abc import Mapping
from typing import Any

from chalice.utils import to_cfn_resource_name

from chalicelib.config.rules import Config
from chalicelib.core.table_alarms import TOPIC_TAG
from headroom.deploy import blueprint, dashboard, permissions, understudy
from headroom.deploy.account import Location
from headroom.deploy.blueprint import Document
from headroom.deploy.resources import ALARM_PRINCIPAL, DeployedVersion
from headroom.deploy.stage import LAMBDA_SOURCE, QUEUE_SOURCE, UNDERSTUDY, Stage
from headroom.deploy.stage_policy import stage_policy
from headroom.project import version

LOCATION = Location("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
DEAD_LETTERS, BUFFER = "${HeadroomDeadLetters.Arn}", "${HeadroomBuffer.Arn}"
GROUPS = "${HeadroomGroups.Arn}"
#: As own_alarms orders them. The last one exists only with workers.
OWN_ALARMS = ("Errors", "DeadLetters", "Silence", "Waiting")


def template(stage: Stage, rules: Config, with_dashboard: bool = False) -> Document:
    """Return what Chalice merges into its template: more resources, and more properties of the
    functions."""
    topic = "${HeadroomTopic}" if stage.makes_topic else stage.topic
    resources = {**_stores(stage, topic), **_listeners(stage, topic)}
    for name in stage.functions:
        logical = to_cfn_resource_name(name)
        resources[logical] = {"Properties": _function(stage, name, topic)}
        resources[f"{logical}Role"] = {
            "Properties": {"RoleName": stage.role(name, LOCATION.region)}
        }
        resources[f"{logical}ConfiguredPolicy"] = _resource(
            "IAM::Policy",
            PolicyName=permissions.NAME,
            PolicyDocument=stage_policy(stage, LOCATION, rules, name),
            Roles=[{"Ref": f"{logical}Role"}],
        )
    functions = {name: stage.function(name) for name in stage.functions}
    actions = stage.operator_actions(LOCATION)
    own = blueprint.own_alarms(stage, functions, stage.dead_letters, actions)
    own = blueprint.calling(stage, LOCATION, rules, own)
    if rules.understudy:
        resources |= _understudy(stage, rules, topic)
    for name, fields in zip(OWN_ALARMS, own, strict=False):
        resources[f"Headroom{name}Alarm"] = _resource("CloudWatch::Alarm", **fields)
    if with_dashboard:
        name, body = dashboard.packaged(stage, rules, LOCATION)
        resources["HeadroomDashboard"] = _resource(
            "CloudWatch::Dashboard", DashboardName=name, DashboardBody=body
        )
    return {"Resources": substituted(resources)}


def _resource(kind: str, **properties: Any) -> Document:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _stores(stage: Stage, topic: str) -> Document:
    stores = _queue(
        "HeadroomDeadLetters",
        blueprint.queue_policy(DEAD_LETTERS, topic, LOCATION, stage.role_pattern),
        QueueName=stage.dead_letters,
        MessageRetentionPeriod=blueprint.DEAD_LETTER_SECONDS,
        Tags=[
            {"Key": DeployedVersion.KEY, "Value": version()},
            {"Key": TOPIC_TAG, "Value": topic},
        ],
    )
    if blueprint.GROUP_READER in stage.functions:
        redrive = {"deadLetterTargetArn": DEAD_LETTERS}
        stores |= _queue(
            "HeadroomGroups",
            blueprint.groups_policy(GROUPS),
            QueueName=stage.groups,
            VisibilityTimeout=blueprint.GROUP_SECONDS,
            MessageRetentionPeriod=blueprint.GROUP_KEPT_SECONDS,
            RedrivePolicy={**redrive, "maxReceiveCount": blueprint.GROUP_RECEIVES},
        )
    if stage.makes_topic:
        stores["HeadroomTopic"] = _resource("SNS::Topic", TopicName=stage.topic)
        stores["HeadroomTopicPolicy"] = _resource(
            "SNS::TopicPolicy",
            Topics=[{"Ref": "HeadroomTopic"}],
            PolicyDocument=blueprint.topic_policy(topic, LOCATION),
        )
    return stores


def _queue(logical: str, policy: Document, **properties: Any) -> Document:
    return {
        logical: _resource("SQS::Queue", **properties, SqsManagedSseEnabled=True),
        f"{logical}Policy": _resource(
            "SQS::QueuePolicy", Queues=[{"Ref": logical}], PolicyDocument=policy
        ),
    }


def _listeners(stage: Stage, topic: str) -> Document:
    resources: Document = {}
    if QUEUE_SOURCE in stage.sources:
        redrive = {"deadLetterTargetArn": DEAD_LETTERS}
        resources = _queue(
            "HeadroomBuffer",
            blueprint.buffer_policy(BUFFER, topic),
            QueueName=stage.buffer,
            VisibilityTimeout=blueprint.BUFFER_SECONDS,
            RedrivePolicy={**redrive, "maxReceiveCount": blueprint.BUFFER_RECEIVES},
        )
        resources["HeadroomBufferSubscription"] = _resource(
            "SNS::Subscription",
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=BUFFER,
            RedrivePolicy=redrive,
        )
    if LAMBDA_SOURCE in stage.sources:
        resources["HeadroomActionPermission"] = _resource(
            "Lambda::Permission",
            FunctionName={"Ref": "OnAction"},
            Action="lambda:InvokeFunction",
            Principal=ALARM_PRINCIPAL,
            SourceAccount=LOCATION.account,
        )
    return resources


def _function(stage: Stage, name: str, topic: str) -> Document:
    """Return a function's properties besides Chalice's.

    The name is fixed, so that the operator's commands find the function.
    """
    properties: Document = {"FunctionName": stage.function(name)}
    if name in blueprint.QUEUE_FUNCTIONS:
        source: Document = {
            "Queue": GROUPS if name == blueprint.GROUP_READER else BUFFER,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        }
        event = f"{to_cfn_resource_name(name)}SqsEventSource"
        return {**properties, "Events": {event: {"Properties": source}}}
    failed = {"DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": DEAD_LETTERS}}}
    properties["EventInvokeConfig"] = blueprint.invoke_settings(name) | failed
    if name == "on_alarm":
        source = {"Topic": topic, "RedrivePolicy": {"deadLetterTargetArn": DEAD_LETTERS}}
        properties["Events"] = {"OnAlarmSnsSubscription": {"Properties": source}}
    return properties


def _understudy(stage: Stage, rules: Config, topic: str) -> Document:
    """Return the understudy's resources. It is no function of SAM's: a stack set has it as it
    is."""
    name = stage.function(UNDERSTUDY)
    topic_arn = stage.topic_arn(LOCATION) if stage.makes_topic else topic
    failed = {"DestinationConfig": {"OnFailure": {"Destination": DEAD_LETTERS}}}
    policy = {
        "PolicyName": permissions.NAME,
        "PolicyDocument": understudy.role_policy(stage, LOCATION, rules, topic_arn),
    }
    return {
        "HeadroomUnderstudyRole": _resource(
            "IAM::Role",
            RoleName=stage.role(UNDERSTUDY, LOCATION.region),
            AssumeRolePolicyDocument=understudy.assume_role_policy(),
            Policies=[policy],
        ),
        "HeadroomUnderstudyLog": _resource(
            "Logs::LogGroup", LogGroupName=f"/aws/lambda/{name}", RetentionInDays=stage.log_days
        ),
        "HeadroomUnderstudy": _resource(
            "Lambda::Function",
            FunctionName=name,
            Runtime=understudy.RUNTIME,
            Handler=understudy.HANDLER,
            Architectures=["arm64"],
            Role="${HeadroomUnderstudyRole.Arn}",
            Timeout=understudy.TIMEOUT_SECONDS,
            MemorySize=understudy.MEMORY_MB,
            Code={"ZipFile": understudy.SOURCE.read_text(encoding="utf-8")},
            Environment={"Variables": understudy.environment(stage, topic_arn)},
        ),
        "HeadroomUnderstudyPermission": _resource(
            "Lambda::Permission",
            FunctionName={"Ref": "HeadroomUnderstudy"},
            Action="lambda:InvokeFunction",
            Principal=ALARM_PRINCIPAL,
            SourceAccount=LOCATION.account,
        ),
        "HeadroomUnderstudyRetries": _resource(
            "Lambda::EventInvokeConfig",
            FunctionName={"Ref": "HeadroomUnderstudy"},
            Qualifier="$LATEST",
            **understudy.INVOKE_SETTINGS,
            **failed,
        ),
    }


def substituted(value: Any) -> Any:
    """Return a document in which every text with an expression is wrapped in Fn::Sub."""
    match value:
        case str():
            return {"Fn::Sub": value} if "${" in value else value
        case Mapping():
            return {key: substituted(inner) for key, inner in value.items()}
        case list():
            return [substituted(inner) for inner in value]
        case _:
            return value
