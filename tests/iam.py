"""IAM in small: what an API call asks for, and whether an identity policy allows it.

Only what Headroom's policies use is understood; anything else is an error, never a guess.

Source of the rules: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements". Source of actions, resource types
and condition keys: Service Authorization Reference, and API_PutMetricAlarm for Tags. Read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headroom.region import Call

Statement = Mapping[str, Any]
Policy = Mapping[str, Any]
Context = Mapping[str, Sequence[str]]


class UnsupportedError(Exception):
    """The policy, or the call, says something that is not understood here."""


@dataclass(frozen=True)
class Ask:
    """One permission that a call needs: this action on this resource. `context` holds the condition keys that it brings."""

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
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    missing = {"Effect", "Action", "Resource"} - set(statement)
    if unknown or missing:
        raise UnsupportedError(f"a statement with {sorted(unknown)} and without {sorted(missing)}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise UnsupportedError(f"the effect {statement['Effect']}")
    for pattern in listed(statement["Resource"]):
        _arn_pattern(pattern)
    for operator, keys in statement.get("Condition", {}).items():
        for values in keys.values():
            _holds(operator, listed(values), ["nothing"])


def _applies(statement: Statement, ask: Ask) -> bool:
    return (
        any(_glob(pattern.lower(), ask.action.lower()) for pattern in listed(statement["Action"]))
        and any(_names(pattern, ask.resource) for pattern in listed(statement["Resource"]))
        and all(
            _holds(operator, listed(values), ask.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _glob(pattern: str, text: str) -> bool:
    """Match `*` as any run of characters and `?` as any one; everything else, brackets too, is itself."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _arn_pattern(pattern: str) -> list[str]:
    """Return the six parts of an ARN pattern (only the last may hold colons), or of `*`."""
    if pattern == "*":
        return ["*"] * 6
    parts = pattern.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or set("*?") & set(parts[2]) or "${" in pattern:
        raise UnsupportedError(f"the resource {pattern}: no whole ARN, a wildcard as its service, or a variable")
    return parts


def _names(pattern: str, resource: str) -> bool:
    """Tell whether a pattern names a resource, part by part; "*" as a resource means an action that has none."""
    if resource == "*" or pattern == "*":
        return pattern == "*"
    return all(_glob(part, given) for part, given in zip(_arn_pattern(pattern), resource.split(":", 5), strict=True))


def _is_arn(pattern: str, value: str) -> bool:
    parts, given = _arn_pattern(pattern), value.split(":", 5)
    return len(given) == 6 and all(_glob(part, text) for part, text in zip(parts, given, strict=True))


OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": _glob,
    "ArnLike": _is_arn,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


def _holds(operator: str, wanted: Sequence[str], values: Sequence[str] | None) -> bool:
    """Tell whether a condition holds. A key that the call does not bring fulfils ForAllValues alone."""
    quantity, _, name = operator.rpartition(":")
    if name not in OPERATORS or quantity not in ("", "ForAnyValue", "ForAllValues"):
        raise UnsupportedError(f"the condition operator {operator}")
    found = [any(OPERATORS[name](pattern, value) for pattern in wanted) for value in values or ()]
    if quantity == "" and len(found) > 1:
        raise UnsupportedError(f"{operator} on a key of many values, without ForAnyValue or ForAllValues")
    return all(found) if quantity == "ForAllValues" else any(found)


# what does a call ask for?


@dataclass(frozen=True)
class Place:
    """Where a call goes."""

    partition: str = "aws"
    region: str = "us-east-1"
    account: str = "123456789012"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def asks(call: Call, place: Place) -> list[Ask]:
    """Return the permissions that a recorded call needs."""
    if (call.service, call.operation) not in NEEDS:
        raise UnsupportedError(f"the call {call.service} {call.operation}: say in NEEDS what it asks for")
    return list(NEEDS[call.service, call.operation](call.params, place))


def _no_resource(action: str) -> Callable[[Mapping[str, Any], Place], Iterable[Ask]]:
    return lambda params, place: [Ask(action)]


def _table(action: str) -> Callable[[Mapping[str, Any], Place], Iterable[Ask]]:
    return lambda params, place: [Ask(action, place.arn("dynamodb", f"table/{params['TableName']}"))]


def _put_alarm(params: Mapping[str, Any], place: Place) -> Iterator[Ask]:
    alarm = place.arn("cloudwatch", f"alarm:{params['AlarmName']}")
    context = {"cloudwatch:AlarmActions": params["AlarmActions"]} if "AlarmActions" in params else {}
    yield Ask("cloudwatch:PutMetricAlarm", alarm, context)
    if params.get("Tags"):
        yield Ask("cloudwatch:TagResource", alarm)


def _delete_alarms(params: Mapping[str, Any], place: Place) -> Iterator[Ask]:
    for name in params["AlarmNames"]:
        yield Ask("cloudwatch:DeleteAlarms", place.arn("cloudwatch", f"alarm:{name}"))


NEEDS: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Place], Iterable[Ask]]] = {
    ("application-autoscaling", "DescribeScalableTargets"): _no_resource("application-autoscaling:DescribeScalableTargets"),
    ("cloudwatch", "DeleteAlarms"): _delete_alarms,
    # one call lists alarms by action and state: what it asks for is all of them
    ("cloudwatch", "DescribeAlarms"): lambda params, place: [
        Ask("cloudwatch:DescribeAlarms", place.arn("cloudwatch", "alarm:*"))
    ],
    ("cloudwatch", "GetMetricData"): _no_resource("cloudwatch:GetMetricData"),
    ("cloudwatch", "PutMetricAlarm"): _put_alarm,
    ("dynamodb", "DescribeTable"): _table("dynamodb:DescribeTable"),
    ("dynamodb", "ListTables"): _no_resource("dynamodb:ListTables"),
    ("dynamodb", "UpdateTable"): _table("dynamodb:UpdateTable"),
    ("sts", "GetCallerIdentity"): lambda params, place: [],  # anybody may ask who he is
}
