"""The policy of a function's role: what the configuration needs, pinned to the stage.

The policies in .chalice are the same in every checkout: they know no account, Region, topic or
stage. These statements deny what belongs to another one.
"""

from chalicelib.config.rules import Config
from chalicelib.core.table_alarms import PREFIX, TOPIC_TAG
from headroom.deploy import permissions
from headroom.deploy.account import Location
from headroom.deploy.blueprint import ABOUT_HEADROOM, Document
from headroom.deploy.stage import LAMBDA_SOURCE, LISTENERS, Stage

ACTIONS = "cloudwatch:AlarmActions"
WRITES = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
TARGET_WRITES = [
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
]
#: The topics whose alarms the files in .chalice allow to rewrite.
SHIPPED_TOPICS = "headroom-"


#: CloudWatch stops, reboots and terminates instances by such actions. Source: API_PutMetricAlarm,
#: AlarmActions, 2026-11.
INSTANCE_ACTIONS = ["arn:*:automate:*", "arn:*:swf:*"]
#: The names of the longest partition, Region and account, to measure the statements.
LONGEST = Location("aws-us-gov", "ap-southeast-16", "123456789012")


def stage_policy(stage: Stage, location: Location, rules: Config, function: str) -> Document:
    """Return the policy `headroom-configured` of a function (its short name).

    location: its fields may be a template's expressions, and the Region `*` for a role that several
    Regions share.
    """
    configured = permissions.configured_policy(rules, function, room(stage, rules))
    statements = configured["Statement"] if configured else []
    return {"Version": "2012-10-17", "Statement": [*statements, *pins(stage, location, rules)]}


def room(stage: Stage, rules: Config) -> int:
    """Return the characters that the pins leave. They are the same in every Region and template."""
    return permissions.ROOM - permissions.characters(pins(stage, LONGEST, rules))


def pins(stage: Stage, location: Location, rules: Config) -> list[Document]:
    """Return the statements that each function of a stage has."""
    topic = stage.topic_arn(location)
    own = [topic]
    if LAMBDA_SOURCE in stage.sources:
        own.append(location.arn("lambda", f"function:{stage.function(LISTENERS[LAMBDA_SOURCE])}"))
    if rules.understudy:
        # Application Auto Scaling makes the alarms of a policy in the name of the sweep
        own.append(location.arn("autoscaling", "scalingPolicy:*:resource/dynamodb/*"))
    return [
        *_own_topic(topic, location),
        _only_here(location),
        _only_calling(own),
        *([] if rules.healing else [_no_action_on_instances()]),
        _not_of_another_topic(topic, TARGET_WRITES if rules.understudy else []),
        _not_about_headroom(),
        *([_only_own_queues(stage, location)] if rules.fan_out else []),
    ]


def _own_topic(topic: str, location: Location) -> list[Document]:
    """Allow to rewrite alarms that notify a topic of the operator's own, of any name."""
    if topic.rpartition(":")[2].startswith(SHIPPED_TOPICS):
        return []
    return [
        {
            "Sid": "RewriteAlarmsThatNotifyTheTopic",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricAlarm",
            "Resource": location.arn("cloudwatch", "alarm:*"),
            "Condition": {"ForAnyValue:ArnLike": {ACTIONS: [topic]}},
        }
    ]


def _only_here(location: Location) -> Document:
    """Deny tables and alarms of another account or Region.

    A table's resource policy may let other accounts in. Source: DynamoDB Developer Guide,
    "Cross-account access with resource-based policies", 2026-11.
    """
    return {
        "Sid": "OnlyThisAccountAndRegion",
        "Effect": "Deny",
        "Action": ["dynamodb:UpdateTable", *WRITES],
        "NotResource": [
            location.arn("cloudwatch", "alarm:*"),
            location.arn("dynamodb", "table/*"),
        ],
    }


def _only_calling(own: list[str]) -> Document:
    """Deny to write an alarm whose actions call others only.

    An operator may add actions to an alarm, which stay. An alarm without any action may be
    rewritten: it calls nobody. Source of the key: CloudWatch User Guide, "Using condition keys to
    limit alarm actions", 2026-11.
    """
    return {
        "Sid": "NoAlarmThatCallsOthersOnly",
        "Effect": "Deny",
        "Action": "cloudwatch:PutMetricAlarm",
        "Resource": "*",
        "Condition": {"ForAllValues:ArnNotLike": {ACTIONS: own}, "Null": {ACTIONS: "false"}},
    }


def _no_action_on_instances() -> Document:
    """Deny alarms that act on instances. Where no `[[healing]]` is configured, none does."""
    return {
        "Sid": "NoAlarmThatStopsInstances",
        "Effect": "Deny",
        "Action": "cloudwatch:PutMetricAlarm",
        "Resource": "*",
        "Condition": {"ForAnyValue:StringLike": {ACTIONS: INSTANCE_ACTIONS}},
    }


def _not_of_another_topic(topic: str, more: list[str]) -> Document:
    """Deny to write what has the tag of another stage's topic: an alarm, or a scalable target.

    IAM cannot see whom an existing alarm calls, only its tags. Source: CloudWatch User Guide,
    "Alarms and tagging" (tag-based authorization), 2026-11.
    """
    key = f"aws:ResourceTag/{TOPIC_TAG}"
    return {
        "Sid": "NoAlarmOfAnotherStage",
        "Effect": "Deny",
        "Action": [*WRITES, *more],
        "Resource": "*",
        "Condition": {"StringNotLike": {key: topic}, "Null": {key: "false"}},
    }


def _not_about_headroom() -> Document:
    """Deny the alarms about Headroom itself, which only `setup` and the packages make."""
    arns = [f"arn:*:cloudwatch:*:*:alarm:{PREFIX}*-{name}" for name in ABOUT_HEADROOM]
    return {
        "Sid": "NoAlarmAboutHeadroom",
        "Effect": "Deny",
        "Action": WRITES,
        "Resource": arns,
    }


def _only_own_queues(stage: Stage, location: Location) -> Document:
    """Deny the queues of other stages: their groups of tables are not this stage's."""
    names = sorted({stage.dead_letters, stage.groups, stage.buffer})
    return {
        "Sid": "OnlyTheQueuesOfTheStage",
        "Effect": "Deny",
        "Action": ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"],
        "NotResource": [location.arn("sqs", name) for name in names],
    }
