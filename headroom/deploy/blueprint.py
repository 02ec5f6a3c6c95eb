"""What a stage needs besides what Chalice makes, as AWS's own documents and settings.

Written once: `headroom setup` hands it to the API, `headroom package` renders it for SAM and
Terraform. That is why names, ARNs and places come in as text, which may be a template's expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import telemetry
from headroom.deploy.stage import SCHEDULED, Place, Stage

Document = dict[str, Any]

DEAD_LETTER_SECONDS = 1_209_600
"""SQS keeps a message for 14 days at the most. Source: API_SetQueueAttributes, read 2026-10."""
FUNCTION_SECONDS = 300
"""No function of Headroom may run longer: the longest timeout in .chalice/config.json."""
BUFFER_SECONDS = 6 * FUNCTION_SECONDS
"""Lambda asks for six times the function's timeout. Source: Lambda Developer Guide, "Using Lambda
with Amazon SQS", 2026-10."""
BUFFER_RECEIVES = 5
EVENT_FUNCTIONS = frozenset({"on_alarm", "on_action", "on_event", "on_fleet"})
"""An event of these comes once, so that it is tried again. The others run by a schedule, and the
next run is the retry."""
QUEUE_FUNCTION = "on_queue"
RULED_FUNCTIONS = frozenset({*SCHEDULED, "on_event", "on_fleet"})
"""Those that a rule of EventBridge wakes, by a schedule or by a pattern of events."""
SILENCE_MINUTES = 30


def topic_policy(topic_arn: str, place: Place) -> Document:
    """Let this account's CloudWatch alarms publish, and nobody without TLS."""
    return _policy(
        {
            "Sid": "AlarmsOfThisAccountPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": place.account},
                "ArnLike": {"aws:SourceArn": place.arn("cloudwatch", "alarm:*")},
            },
        },
        _tls_only("sns:Publish", topic_arn),
    )


def queue_policy(queue_arn: str, topic_arn: str, place: Place, roles: str) -> Document:
    """Let the topic, and the stage's functions by their roles (`roles` is their names' pattern),
    send; nobody without TLS."""
    iam = f"arn:{place.partition}:iam::{place.account}"
    return _policy(
        _topic_sends(queue_arn, topic_arn),
        {
            "Sid": "FunctionsSend",
            "Effect": "Allow",
            "Principal": {"AWS": f"{iam}:root"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnLike": {"aws:PrincipalArn": f"{iam}:role/{roles}"}},
        },
        _tls_only("sqs:*", queue_arn),
    )


def buffer_policy(queue_arn: str, topic_arn: str) -> Document:
    """Let the topic send into the queue between it and the function; nobody without TLS."""
    return _policy(_topic_sends(queue_arn, topic_arn), _tls_only("sqs:*", queue_arn))


def _topic_sends(queue_arn: str, topic_arn: str) -> Document:
    return {
        "Sid": "TopicSends",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _tls_only(action: str, resource: str) -> Document:
    return {
        "Sid": "NobodyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def invoke_settings(function: str) -> Document:
    """Return how often and how long Lambda tries an asynchronous event of a function (its short
    name) again."""
    if function in EVENT_FUNCTIONS:
        return {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    return {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300}


def own_alarms(
    stage: Stage, functions: Mapping[str, str], dead_letters: str, actions: list[str]
) -> list[Document]:
    """Return the three alarms about Headroom itself, as PutMetricAlarm's parameters.

    functions: short name → the name that Lambda knows it by.
    """
    alarms: list[Document] = [
        _errors(stage, functions),
        _dead_letters(stage, dead_letters),
        _silence(stage),
    ]
    return [{**fields, "AlarmActions": actions} if actions else fields for fields in alarms]


def own_alarm_names(stage: Stage) -> list[str]:
    return [fields["AlarmName"] for fields in own_alarms(stage, {}, "", [])]


def _errors(stage: Stage, functions: Mapping[str, str]) -> Document:
    queries: list[Document] = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Errors",
                    "Dimensions": [{"Name": "FunctionName", "Value": full_name}],
                },
                "Period": 300,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for name, full_name in sorted(functions.items())
    ]
    total = {"Id": "errors", "Expression": "SUM(METRICS())", "Label": "Errors", "ReturnData": True}
    return {
        "AlarmName": f"{stage.prefix}-errors",
        "AlarmDescription": "Headroom's functions fail again and again. What to do: docs/operations.md, Errors.",
        "Metrics": [*queries, total],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }


def _dead_letters(stage: Stage, queue: str) -> Document:
    return {
        "AlarmName": f"{stage.prefix}-dead-letters",
        "AlarmDescription": "A message to Headroom could not be handled. What to do: docs/operations.md, Dead letters.",
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }


def _silence(stage: Stage) -> Document:
    """Return the alarm on what does not happen: every sweep that came to its end counts one
    `Completed`."""
    return {
        "AlarmName": f"{stage.prefix}-silence",
        "AlarmDescription": "No sweep of Headroom has completed for 30 minutes. What to do: docs/operations.md, Silence.",
        "Namespace": telemetry.NAMESPACE,
        "MetricName": "Completed",
        "Dimensions": [
            {"Name": "function", "Value": "sweep"},
            {"Name": "service", "Value": stage.prefix},
        ],
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": SILENCE_MINUTES // 5,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    }
