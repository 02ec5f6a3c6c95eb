"""What a stage needs besides Chalice's resources, as AWS's own documents and settings.

`headroom setup` sends them to the API, and `headroom package` renders them for SAM and Terraform.
Names, ARNs and locations are therefore texts, which may be a template's expression.
"""

from collections.abc import Mapping
from typing import Any

from chalicelib import telemetry
from chalicelib.config.rules import Config
from headroom.deploy.account import Location
from headroom.deploy.stage import SCHEDULED, UNDERSTUDY, Stage

Document = dict[str, Any]

#: SQS keeps a message for at most 14 days. Source: API_SetQueueAttributes, read 2026-10.
DEAD_LETTER_SECONDS = 1_209_600
#: No function that an event wakes may run longer. Those of a schedule may.
FUNCTION_SECONDS = 300
#: Lambda recommends six times the function's timeout. Source: Lambda Developer Guide, "Using Lambda
#: with Amazon SQS", 2026-10.
BUFFER_SECONDS = 6 * FUNCTION_SECONDS
BUFFER_RECEIVES = 5
#: The queue of groups: as above, for the timeout of on_group.
GROUP_SECONDS = 6 * 120
#: A group is tried once more. The next run of its schedule is a further try.
GROUP_RECEIVES = 2
#: What waits so long is dropped: the next sweeps have sent the same tables again. A second failure
#: comes within this time.
GROUP_KEPT_SECONDS = 30 * 60
#: A sweep sends its tables again after this time.
LONGEST_WAIT_SECONDS = 300
#: Their events come only once, so that Lambda retries them. The other functions run by a schedule:
#: their next run is the retry.
EVENT_FUNCTIONS = frozenset({"on_alarm", "on_action", "on_event", "on_fleet"})
ALARM_READER, GROUP_READER = "on_queue", "on_group"
#: The functions that read a queue: it brings a failed message back.
QUEUE_FUNCTIONS = frozenset({ALARM_READER, GROUP_READER})
#: The functions that a rule of EventBridge runs, by a schedule or by a pattern of events.
RULED_FUNCTIONS = frozenset({*SCHEDULED, "on_event", "on_fleet"})
SILENCE_MINUTES = 30
#: What the names of the three alarms about Headroom end with.
ERRORS, DEAD_LETTERS, SILENCE, WAITING = "errors", "dead-letters", "silence", "waiting"
#: The last one only where there are workers.
ABOUT_HEADROOM = (ERRORS, DEAD_LETTERS, SILENCE, WAITING)


def topic_policy(topic_arn: str, location: Location) -> Document:
    """Allow this account's CloudWatch alarms to publish, and deny it to all others and without TLS.

    A principal of the account needs no permission of the topic. Therefore the second statement
    denies: aws:SourceArn is there only where a service publishes for a resource, and a negated
    operator also matches where the key is missing. Source: IAM User Guide, "AWS global condition
    context keys" and "IAM JSON policy elements: Condition operators", 2026-11.
    """
    alarms = location.arn("cloudwatch", "alarm:*")
    return _policy(
        {
            "Sid": "AlarmsOfThisAccountPublish",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": location.account},
                "ArnLike": {"aws:SourceArn": alarms},
            },
        },
        {
            "Sid": "NobodyElsePublishes",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {"ArnNotLike": {"aws:SourceArn": alarms}},
        },
        _tls_only("sns:Publish", topic_arn),
    )


def denies_by_source(policy: Document) -> bool:
    """Tell whether a topic's policy denies publishing by the ARN of the source."""
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] in ("*", {"AWS": "*"})
        and {"sns:publish", "sns:*", "*"} & {action.lower() for action in _listed(statement)}
        and any("aws:SourceArn" in keys for keys in statement.get("Condition", {}).values())
        for statement in policy.get("Statement", [])
    )


def _listed(statement: Document) -> list[str]:
    actions = statement.get("Action", [])
    return [actions] if isinstance(actions, str) else actions


def queue_policy(queue_arn: str, topic_arn: str, location: Location, roles: str) -> Document:
    """Allow the topic and the stage's functions to send, and deny everything without TLS.

    roles: the pattern of the names of the functions' roles.
    """
    iam = f"arn:{location.partition}:iam::{location.account}"
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
    """Allow the topic to send to the queue before the function, and deny everything without TLS."""
    return _policy(_topic_sends(queue_arn, topic_arn), _tls_only("sqs:*", queue_arn))


def groups_policy(queue_arn: str) -> Document:
    """Deny everything without TLS. The roles of the stage's functions allow the rest."""
    return _policy(_tls_only("sqs:*", queue_arn))


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
    """Return how often and how long Lambda retries an asynchronous event of a function (its short
    name)."""
    if function in EVENT_FUNCTIONS:
        return {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    return {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300}


def own_alarms(
    stage: Stage, functions: Mapping[str, str], dead_letters: str, actions: list[str]
) -> list[Document]:
    """Return the alarms about Headroom itself, as parameters of PutMetricAlarm: three, and one more
    with workers.

    functions: short name → its name in Lambda.
    """
    alarms = [_errors(stage, functions), _dead_letters(stage, dead_letters), _silence(stage)]
    if GROUP_READER in stage.functions:
        alarms.append(_waiting(stage))
    return [{**fields, "AlarmActions": actions} if actions else fields for fields in alarms]


def calling(
    stage: Stage, location: Location, rules: Config, alarms: list[Document]
) -> list[Document]:
    """Return the alarms about Headroom; with an understudy, that about silence runs it, too."""
    if rules.understudy is None:
        return alarms
    function = location.arn("lambda", f"function:{stage.function(UNDERSTUDY)}")
    return [
        {**fields, "AlarmActions": [*fields.get("AlarmActions", []), function]}
        if is_silence(stage, fields)
        else fields
        for fields in alarms
    ]


def is_silence(stage: Stage, fields: Document) -> bool:
    """Tell whether an alarm is that about missing sweeps."""
    return bool(fields["AlarmName"] == f"{stage.prefix}-{SILENCE}")


def own_alarm_names(stage: Stage) -> list[str]:
    """Return the names of the alarms that the stage has."""
    return [fields["AlarmName"] for fields in own_alarms(stage, {}, "", [])]


def possible_alarm_names(stage: Stage) -> list[str]:
    """Return the names of the alarms that the stage may have, whatever its configuration is."""
    return [f"{stage.prefix}-{name}" for name in ABOUT_HEADROOM]


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
        "AlarmName": f"{stage.prefix}-{ERRORS}",
        "AlarmDescription": "Headroom's functions fail again and again. "
        "What to do: docs/operations.md, Errors.",
        "Metrics": [*queries, total],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }


def _dead_letters(stage: Stage, queue: str) -> Document:
    return {
        "AlarmName": f"{stage.prefix}-{DEAD_LETTERS}",
        "AlarmDescription": "A message to Headroom could not be handled. "
        "What to do: docs/operations.md, Dead letters.",
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


def _waiting(stage: Stage) -> Document:
    """Return the alarm on groups of tables that no worker takes."""
    return {
        "AlarmName": f"{stage.prefix}-{WAITING}",
        "AlarmDescription": "Groups of tables wait for a worker of Headroom. "
        "What to do: docs/operations.md, Waiting.",
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": stage.groups}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 3,
        "Threshold": float(LONGEST_WAIT_SECONDS),
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def _silence(stage: Stage) -> Document:
    """Return the alarm on missing sweeps: every completed sweep counts one `Completed`."""
    return {
        "AlarmName": f"{stage.prefix}-{SILENCE}",
        "AlarmDescription": "No sweep of Headroom has completed for 30 minutes. "
        "What to do: docs/operations.md, Silence.",
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
