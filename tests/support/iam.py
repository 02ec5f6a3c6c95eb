"""IAM in small: what an API call asks for, and whether an identity policy allows it.

Only what Headroom's policies use is understood; anything else is an error, never a guess.

Source of the rules: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements", "…:
NotResource". Source of actions, resource types and condition keys: Service Authorization Reference,
and API_PutMetricAlarm for Tags. Read 2026-11.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from moto.backends import get_backend

from headroom.deploy import account
from headroom.region.context import Call
from tests.support.builders import FOREIGN

Statement = Mapping[str, Any]
Policy = Mapping[str, Any]
Context = Mapping[str, Sequence[str]]


class UnsupportedError(Exception):
    """The policy, or the call, says something that is not understood here."""


@dataclass(frozen=True)
class Ask:
    """One permission that a call needs: this action on this resource. `context` holds the condition
    keys that it brings."""

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)


# does a policy allow it?


def allowed(policy: Policy, ask: Ask) -> bool:
    """Tell whether a statement allows it and none denies it."""
    effects = {statement["Effect"] for statement in statements(policy) if _applies(statement, ask)}
    return effects == {"Allow"}


def statements(policy: Policy) -> list[Statement]:
    """Return a policy's statements, all of which are understood."""
    if set(policy) - {"Version", "Id", "Statement"} or policy.get("Version") != "2012-10-17":
        raise UnsupportedError(f"a policy of {sorted(policy)}, version {policy.get('Version')}")
    found = policy["Statement"]
    for statement in found:
        _check(statement)
    return list(found)


def listed(value: str | list[str]) -> list[str]:
    """Return IAM's one-or-many as a list."""
    return [value] if isinstance(value, str) else value


def _check(statement: Statement) -> None:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "NotResource", "Condition"}
    missing = {
        "Effect",
        "Action",
        "NotResource" if "NotResource" in statement else "Resource",
    } - set(statement)
    if unknown or missing:
        raise UnsupportedError(f"a statement with {sorted(unknown)} and without {sorted(missing)}")
    if {"Resource", "NotResource"} <= set(statement):
        raise UnsupportedError("a statement with Resource and NotResource")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise UnsupportedError(f"the effect {statement['Effect']}")
    patterns = listed(statement.get("Resource", statement.get("NotResource")))
    if not patterns:
        raise UnsupportedError("a statement about no resource")
    for pattern in patterns:
        _arn_pattern(pattern)
    for operator, keys in statement.get("Condition", {}).items():
        for values in keys.values():
            _holds(operator, listed(values), ["nothing"])


def _applies(statement: Statement, ask: Ask) -> bool:
    return (
        any(_glob(pattern.lower(), ask.action.lower()) for pattern in listed(statement["Action"]))
        and _is_about(statement, ask.resource)
        and all(
            _holds(operator, listed(values), ask.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _is_about(statement: Statement, resource: str) -> bool:
    """Tell whether a statement's Resource names a resource, or its NotResource does not."""
    if "NotResource" in statement:
        return not any(_names(pattern, resource) for pattern in listed(statement["NotResource"]))
    return any(_names(pattern, resource) for pattern in listed(statement["Resource"]))


def _glob(pattern: str, text: str) -> bool:
    """Match `*` as any run of characters and `?` as any one; everything else, brackets too, is
    itself."""
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _arn_pattern(pattern: str) -> list[str]:
    """Return the six parts of an ARN pattern (only the last may hold colons), or of `*`."""
    if pattern == "*":
        return ["*"] * 6
    parts = pattern.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or set("*?") & set(parts[2]) or "${" in pattern:
        raise UnsupportedError(
            f"the resource {pattern}: no whole ARN, a wildcard as its service, or a variable"
        )
    return parts


def _names(pattern: str, resource: str) -> bool:
    """Tell whether a pattern names a resource, part by part; "*" as a resource means an action that
    has none."""
    if resource == "*" or pattern == "*":
        return pattern == "*"
    return all(
        _glob(part, given)
        for part, given in zip(_arn_pattern(pattern), resource.split(":", 5), strict=True)
    )


def _is_arn(pattern: str, value: str) -> bool:
    parts, given = _arn_pattern(pattern), value.split(":", 5)
    return len(given) == 6 and all(
        _glob(part, text) for part, text in zip(parts, given, strict=True)
    )


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": _glob,
    "ArnLike": _is_arn,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


#: A negated operator holds where no wanted value matches, and where the key is missing. Source: IAM
#: User Guide, "IAM JSON policy elements: Condition operators", 2026-11.
NEGATED = {"ArnNotLike": "ArnLike", "StringNotLike": "StringLike"}


def _holds(operator: str, wanted: Sequence[str], values: Sequence[str] | None) -> bool:
    """Tell whether a condition holds. A key that the call does not bring fulfils ForAllValues, and
    what is negated, alone. `Null` asks whether the key is missing."""
    quantity, _, name = operator.rpartition(":")
    if operator == "Null":
        return wanted == [str(not values).lower()]
    if name in NEGATED and quantity in ("", "ForAllValues"):
        return not _holds(f"ForAnyValue:{NEGATED[name]}", wanted, values)
    if name not in OPERATORS or quantity not in ("", "ForAnyValue", "ForAllValues"):
        raise UnsupportedError(f"the condition operator {operator}")
    found = [any(OPERATORS[name](pattern, value) for pattern in wanted) for value in values or ()]
    if quantity == "" and len(found) > 1:
        raise UnsupportedError(
            f"{operator} on a key of many values, without ForAnyValue or ForAllValues"
        )
    return all(found) if quantity == "ForAllValues" else any(found)


# what does a call ask for?


@dataclass(frozen=True)
class Location(account.Location):
    """Where a call goes, with the defaults of the tests."""

    partition: str = "aws"
    region: str = "us-east-1"
    account: str = "123456789012"


AWS = Location()
TABLE = AWS.arn("dynamodb", "table/orders")
OTHER_TABLE = AWS.arn("dynamodb", "table/users")
OWN_ALARM = AWS.arn("cloudwatch", "alarm:headroom-orders:read")
THEIR_ALARM = AWS.arn("cloudwatch", f"alarm:{FOREIGN}")


def asks(call: Call, location: Location) -> list[Ask]:
    """Return the permissions that a recorded call needs."""
    if (call.service, call.operation) not in NEEDS:
        raise UnsupportedError(
            f"the call {call.service} {call.operation}: say in NEEDS what it asks for"
        )
    return list(NEEDS[call.service, call.operation](call.params, location))


def _no_resource(action: str) -> Callable[[Mapping[str, Any], Location], Iterable[Ask]]:
    return lambda params, location: [Ask(action)]


def _table(action: str) -> Callable[[Mapping[str, Any], Location], Iterable[Ask]]:
    return lambda params, location: [
        Ask(action, location.arn("dynamodb", f"table/{params['TableName']}"))
    ]


def _put_alarm(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    alarm = location.arn("cloudwatch", f"alarm:{params['AlarmName']}")
    context = (
        {"cloudwatch:AlarmActions": params["AlarmActions"]} if "AlarmActions" in params else {}
    )
    yield Ask("cloudwatch:PutMetricAlarm", alarm, context)
    if params.get("Tags"):
        yield Ask("cloudwatch:TagResource", alarm)


def _delete_alarms(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    for name in params["AlarmNames"]:
        yield Ask("cloudwatch:DeleteAlarms", location.arn("cloudwatch", f"alarm:{name}"))


def _scalable(params: Mapping[str, Any], location: Location) -> str:
    """Return the ARN of a scalable target: here its name instead of the number that AWS chooses."""
    name = f"{params['ResourceId']}:{params['ScalableDimension']}"
    return location.arn("application-autoscaling", f"scalable-target/{name}")


def _register(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    """Application Auto Scaling checks that the caller may do what it will do, and makes its role at
    the first target. Source: Application Auto Scaling User Guide, "Identity-based policy examples",
    2026-11."""
    target = _scalable(params, location)
    yield Ask("application-autoscaling:RegisterScalableTarget", target)
    table = location.arn("dynamodb", params["ResourceId"].partition("/index/")[0])
    yield from (Ask(f"dynamodb:{name}", table) for name in ("DescribeTable", "UpdateTable"))
    if params.get("Tags"):
        yield Ask("application-autoscaling:TagResource", target)
        service = "dynamodb.application-autoscaling.amazonaws.com"
        role = f"{service}/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
        arn = f"arn:{location.partition}:iam::{location.account}:role/aws-service-role/{role}"
        yield Ask("iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": [service]})


def _put_policy(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    yield Ask("application-autoscaling:PutScalingPolicy", _scalable(params, location))
    name = f"TargetTracking-{params['ResourceId']}-AlarmHigh-1"
    alarm = location.arn("cloudwatch", f"alarm:{name}")
    policy = f"scalingPolicy:1:resource/dynamodb/{params['ResourceId']}:policyName/x"
    actions = {"cloudwatch:AlarmActions": [location.arn("autoscaling", policy)]}
    yield Ask("cloudwatch:PutMetricAlarm", alarm, actions)
    yield Ask("cloudwatch:DeleteAlarms", alarm)
    yield Ask("cloudwatch:DescribeAlarms", location.arn("cloudwatch", "alarm:*"))


def _mark(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    """The call names the instance; IAM asks for its group."""
    group = _group_of(params["InstanceId"], location)
    yield Ask(
        "autoscaling:SetInstanceHealth",
        location.arn("autoscaling", f"autoScalingGroup:1-2-3:autoScalingGroupName/{group}"),
    )


def _reboot(params: Mapping[str, Any], location: Location) -> Iterator[Ask]:
    for instance in params["InstanceIds"]:
        context = {"aws:ResourceTag/aws:autoscaling:groupName": [_group_of(instance, location)]}
        yield Ask("ec2:RebootInstances", location.arn("ec2", f"instance/{instance}"), context)


def _group_of(instance: str, location: Location) -> str:
    """Return the group of an instance, as moto keeps it."""
    groups = get_backend("autoscaling")[location.account][
        location.region
    ].autoscaling_groups.values()
    return next(
        (g.name for g in groups for state in g.instance_states if state.instance.id == instance), ""
    )


NEEDS: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Location], Iterable[Ask]]] = {
    ("autoscaling", "DescribeAutoScalingGroups"): _no_resource(
        "autoscaling:DescribeAutoScalingGroups"
    ),
    ("autoscaling", "DescribeAutoScalingInstances"): _no_resource(
        "autoscaling:DescribeAutoScalingInstances"
    ),
    ("autoscaling", "DescribeScalingActivities"): _no_resource(
        "autoscaling:DescribeScalingActivities"
    ),
    ("autoscaling", "SetInstanceHealth"): _mark,
    ("ec2", "DescribeInstanceStatus"): _no_resource("ec2:DescribeInstanceStatus"),
    ("ec2", "RebootInstances"): _reboot,
    ("ec2", "DescribeInstances"): _no_resource("ec2:DescribeInstances"),
    ("application-autoscaling", "DescribeScalableTargets"): _no_resource(
        "application-autoscaling:DescribeScalableTargets"
    ),
    ("application-autoscaling", "ListTagsForResource"): lambda params, location: [
        Ask("application-autoscaling:ListTagsForResource", params["ResourceARN"])
    ],
    ("application-autoscaling", "PutScalingPolicy"): _put_policy,
    ("application-autoscaling", "RegisterScalableTarget"): _register,
    ("cloudwatch", "DeleteAlarms"): _delete_alarms,
    # one call lists alarms by action and state: what it asks for is all of them
    ("cloudwatch", "DescribeAlarms"): lambda params, location: [
        Ask("cloudwatch:DescribeAlarms", location.arn("cloudwatch", "alarm:*"))
    ],
    ("cloudwatch", "GetMetricData"): _no_resource("cloudwatch:GetMetricData"),
    ("cloudwatch", "PutMetricAlarm"): _put_alarm,
    ("cloudwatch", "ListTagsForResource"): lambda params, location: [
        Ask("cloudwatch:ListTagsForResource", params["ResourceARN"])
    ],
    ("cloudwatch", "TagResource"): lambda params, location: [
        Ask("cloudwatch:TagResource", params["ResourceARN"])
    ],
    ("secretsmanager", "GetSecretValue"): lambda params, location: [
        Ask(
            "secretsmanager:GetSecretValue",
            location.arn("secretsmanager", f"secret:{params['SecretId']}-AbCdEf"),
        )
    ],
    ("sns", "Publish"): lambda params, location: [Ask("sns:Publish", params["TopicArn"])],
    ("ssm", "GetParameter"): lambda params, location: [
        Ask(
            "ssm:GetParameter", location.arn("ssm", f"parameter/{params['Name'].removeprefix('/')}")
        )
    ],
    ("backup", "ListBackupJobs"): _no_resource("backup:ListBackupJobs"),
    ("dynamodb", "DescribeExport"): lambda params, location: [
        Ask("dynamodb:DescribeExport", params["ExportArn"])
    ],
    ("dynamodb", "ListExports"): _no_resource("dynamodb:ListExports"),
    ("emr", "ListClusters"): _no_resource("elasticmapreduce:ListClusters"),
    ("glue", "GetJobRuns"): lambda params, location: [
        Ask("glue:GetJobRuns", location.arn("glue", f"job/{params['JobName']}"))
    ],
    ("glue", "ListJobs"): _no_resource("glue:ListJobs"),
    ("sqs", "GetQueueUrl"): lambda params, location: [
        Ask("sqs:GetQueueUrl", location.arn("sqs", params["QueueName"]))
    ],
    ("sqs", "SendMessageBatch"): lambda params, location: [
        Ask("sqs:SendMessage", location.arn("sqs", params["QueueUrl"].rpartition("/")[2]))
    ],
    ("stepfunctions", "ListExecutions"): lambda params, location: [
        Ask("states:ListExecutions", params["stateMachineArn"])
    ],
    ("stepfunctions", "ListStateMachines"): _no_resource("states:ListStateMachines"),
    ("dynamodb", "DescribeTable"): _table("dynamodb:DescribeTable"),
    ("dynamodb", "ListTables"): _no_resource("dynamodb:ListTables"),
    ("dynamodb", "UpdateTable"): _table("dynamodb:UpdateTable"),
    ("dynamodb", "TagResource"): lambda params, location: [
        Ask(
            "dynamodb:TagResource",
            params["ResourceArn"],
            {"aws:TagKeys": [tag["Key"] for tag in params["Tags"]]},
        )
    ],
    ("resourcegroupstaggingapi", "GetResources"): _no_resource("tag:GetResources"),
    ("sts", "GetCallerIdentity"): lambda params, location: [],  # anybody may ask who he is
}
