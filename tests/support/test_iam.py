"""The small IAM of the tests evaluates policies as IAM does, and refuses what it does not know."""

from typing import Any

import pytest

from headroom.region.context import Call
from tests.support.builders import FOREIGN
from tests.support.iam import (
    AWS,
    OTHER_TABLE,
    OWN_ALARM,
    TABLE,
    THEIR_ALARM,
    Ask,
    Policy,
    UnsupportedError,
    allowed,
    asks,
)
from tests.support.scenes import MONDAY


def says(
    effect: str = "Allow", action: Any = "dynamodb:UpdateTable", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def all_but(*resources: str, effect: str = "Deny") -> dict[str, Any]:
    return {"Effect": effect, "Action": "dynamodb:*", "NotResource": list(resources)}


def of(*found: dict[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(found)}


UPDATE = Ask("dynamodb:UpdateTable", TABLE)
PUT = "cloudwatch:PutMetricAlarm"


def when(operator: str, value: Any, key: str = "cloudwatch:AlarmActions") -> dict[str, Any]:
    return says("Allow", PUT, "*", Condition={operator: {key: value}})


def put(*actions: str, **more: list[str]) -> Ask:
    return Ask(
        PUT, OWN_ALARM, ({"cloudwatch:AlarmActions": list(actions)} if actions else {}) | more
    )


@pytest.mark.parametrize(
    ("policy", "ask", "verdict"),
    [
        pytest.param(of(), UPDATE, False, id="nothing is allowed by nothing"),
        pytest.param(of(says()), UPDATE, True, id="allow"),
        pytest.param(of(says(), says("Deny")), UPDATE, False, id="deny wins"),
        pytest.param(of(says("Deny"), says()), UPDATE, False, id="deny wins in any order"),
        pytest.param(
            of(says(), says("Deny", resource=f"{TABLE}-eu")),
            UPDATE,
            True,
            id="deny of another resource",
        ),
        pytest.param(of(says(), all_but(TABLE)), UPDATE, True, id="deny of all but this one"),
        pytest.param(of(says(), all_but(OTHER_TABLE)), UPDATE, False, id="deny of all but another"),
        pytest.param(
            of(says(), all_but(OTHER_TABLE, TABLE)), UPDATE, True, id="deny of all but two"
        ),
        pytest.param(
            of(says(), all_but(f"{TABLE}*")), UPDATE, True, id="deny of all but a pattern"
        ),
        pytest.param(of(says(), all_but("*")), UPDATE, True, id="deny of all but all"),
        pytest.param(
            of(says(), all_but(TABLE) | {"Action": "dynamodb:GetItem"}),
            UPDATE,
            True,
            id="deny of another action",
        ),
        pytest.param(
            of(all_but(OTHER_TABLE, effect="Allow")), UPDATE, True, id="allow all but another"
        ),
        pytest.param(
            of(all_but(TABLE, effect="Allow")), UPDATE, False, id="allow all but this one"
        ),
        pytest.param(
            of(says(), all_but(TABLE)),
            Ask("dynamodb:UpdateTable"),
            False,
            id="deny of all but one, without resource",
        ),
        pytest.param(of(says(action=["dynamodb:ListTables"])), UPDATE, False, id="another action"),
        pytest.param(
            of(says(action=["dynamodb:ListTables", "dynamodb:UpdateTable"])),
            UPDATE,
            True,
            id="one of two actions",
        ),
        pytest.param(
            of(says(action="DynamoDB:updatetable")), UPDATE, True, id="actions have no case"
        ),
        pytest.param(of(says(action="dynamodb:*")), UPDATE, True, id="star in an action"),
        pytest.param(
            of(says(action="dynamodb:Update?able")), UPDATE, True, id="question mark in an action"
        ),
        pytest.param(
            of(says(action="dynamodb:UpdateTabl")), UPDATE, False, id="an action is matched whole"
        ),
        pytest.param(of(says(resource=TABLE)), UPDATE, True, id="the resource"),
        pytest.param(
            of(says(resource=TABLE.upper().replace("ARN", "arn", 1))),
            UPDATE,
            False,
            id="resources have case",
        ),
        pytest.param(
            of(says(resource=f"{TABLE}?")),
            UPDATE,
            False,
            id="question mark is one character, not none",
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:*:table/*")), UPDATE, True, id="stars in a resource"
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:*:table/o[r]ders")),
            UPDATE,
            False,
            id="brackets are no pattern",
        ),
        pytest.param(
            of(says(resource="arn:aws-cn:dynamodb:*:*:table/*")),
            UPDATE,
            False,
            id="another partition",
        ),
        pytest.param(
            of(says(resource="arn:*:dynamodb:*:1*:table/*")), UPDATE, True, id="star within a part"
        ),
        pytest.param(
            of(says(resource="arn:*:cloudwatch:*:*:table/*")), UPDATE, False, id="another service"
        ),
        pytest.param(
            of(says(resource=["arn:*:sns:*:*:x", TABLE])), UPDATE, True, id="one of two resources"
        ),
        pytest.param(
            of(says(action=PUT, resource="arn:*:cloudwatch:*:*:alarm:headroom-*")),
            put(),
            True,
            id="colons at the end",
        ),
        pytest.param(
            of(says(resource=TABLE)),
            Ask("dynamodb:UpdateTable"),
            False,
            id="an action without resource needs a star",
        ),
        pytest.param(of(says()), Ask("dynamodb:UpdateTable"), True, id="and has it"),
        pytest.param(of(when("StringEquals", "a")), put("a"), True, id="equal"),
        pytest.param(of(when("StringEquals", "a*")), put("ab"), False, id="equal knows no star"),
        pytest.param(of(when("StringEquals", ["a", "b"])), put("b"), True, id="one of two values"),
        pytest.param(of(when("StringEquals", "a")), put(), False, id="a key that is not there"),
        pytest.param(of(when("StringLike", "a*")), put("ab"), True, id="like"),
        pytest.param(of(when("StringLike", "a*")), put("ba"), False, id="not like"),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")),
            put(AWS.arn("sns", "headroom-a")),
            True,
            id="arn like",
        ),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")),
            put(AWS.arn("sqs", "headroom-a")),
            False,
            id="arn unlike",
        ),
        pytest.param(
            of(when("ArnLike", "arn:*:sns:*:*:headroom-*")), put("headroom-a"), False, id="no arn"
        ),
        pytest.param(
            of(when("Bool", "true", "aws:SecureTransport")),
            put(**{"aws:SecureTransport": ["True"]}),
            True,
            id="true",
        ),
        pytest.param(
            of(when("Bool", "true", "aws:SecureTransport")),
            put(**{"aws:SecureTransport": ["false"]}),
            False,
            id="false",
        ),
        pytest.param(
            of(when("ForAnyValue:StringLike", "a*")), put("x", "ab"), True, id="any value"
        ),
        pytest.param(of(when("ForAnyValue:StringLike", "a*")), put("x", "y"), False, id="no value"),
        pytest.param(of(when("ForAnyValue:StringLike", "a*")), put(), False, id="any of none"),
        pytest.param(
            of(when("ForAllValues:StringLike", "a*")), put("ab", "ac"), True, id="all values"
        ),
        pytest.param(
            of(when("ForAllValues:StringLike", "a*")), put("x", "ab"), False, id="not all values"
        ),
        pytest.param(of(when("ForAllValues:StringLike", "a*")), put(), True, id="all of none"),
        pytest.param(of(when("StringNotLike", "a*")), put("b"), True, id="negated"),
        pytest.param(of(when("StringNotLike", "a*")), put("ab"), False, id="negated, and like"),
        pytest.param(of(when("StringNotLike", "a*")), put(), True, id="negated, without a key"),
        pytest.param(
            of(when("ForAllValues:ArnNotLike", "arn:*:sns:*:*:a")),
            put("x", AWS.arn("sns", "a")),
            False,
            id="one of many is like it",
        ),
        pytest.param(of(when("Null", "false")), put("x"), True, id="the key is there"),
        pytest.param(of(when("Null", "false")), put(), False, id="the key is missing"),
        pytest.param(
            of(
                says(
                    "Allow",
                    PUT,
                    "*",
                    Condition={
                        "StringLike": {"cloudwatch:AlarmActions": "a*"},
                        "Bool": {"b": "true"},
                    },
                )
            ),
            put("ab"),
            False,
            id="all conditions must hold",
        ),
        pytest.param(
            of(says(action=PUT), when("StringLike", "a*") | {"Effect": "Deny"}),
            put("ab"),
            False,
            id="deny on condition",
        ),
        pytest.param(
            of(says(action=PUT), when("StringLike", "a*") | {"Effect": "Deny"}),
            put("b"),
            True,
            id="deny not met",
        ),
    ],
)
def test_the_evaluator_judges(policy: Policy, ask: Ask, verdict: bool) -> None:
    assert allowed(policy, ask) is verdict


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        pytest.param({"Statement": []}, "version None", id="no version"),
        pytest.param(
            of({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
            "'NotAction'",
            id="NotAction",
        ),
        pytest.param(of(says(Principal="*")), "'Principal'", id="a resource's policy"),
        pytest.param(
            of({"Effect": "Allow", "Action": "s3:GetObject"}),
            r"without \['Resource'\]",
            id="no resource",
        ),
        pytest.param(
            of(says(NotResource=TABLE)), "with Resource and NotResource", id="both resources"
        ),
        pytest.param(of(says(resource=[])), "about no resource", id="an empty list"),
        pytest.param(of(all_but()), "about no resource", id="all but nothing"),
        pytest.param(
            of(all_but("arn:aws:dynamodb:*")),
            "the resource arn:aws:dynamodb:",
            id="all but half an arn",
        ),
        pytest.param(of(says("Maybe")), "the effect Maybe", id="effect"),
        pytest.param(
            of(when("NumericLessThan", "1")),
            "the condition operator NumericLessThan",
            id="operator",
        ),
        pytest.param(
            of(when("StringLikeIfExists", "a")),
            "the condition operator StringLikeIfExists",
            id="IfExists",
        ),
        pytest.param(
            of(when("ForSomeValues:StringLike", "a")), "ForSomeValues:StringLike", id="quantity"
        ),
        pytest.param(
            of(says(resource="arn:aws:dynamodb:*")),
            "the resource arn:aws:dynamodb:",
            id="half an arn",
        ),
        pytest.param(
            of(says(resource="arn:*:*:*:*:table/x")), "a wildcard as its service", id="any service"
        ),
        pytest.param(
            of(says(resource="arn:*:s3:::${aws:username}")), "or a variable", id="variable"
        ),
    ],
)
def test_the_evaluator_refuses_what_it_does_not_understand(policy: Policy, complaint: str) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        allowed(policy, Ask("nothing:AtAll", TABLE))


def test_the_evaluator_refuses_a_key_of_many_values_without_a_word_on_how_many() -> None:
    with pytest.raises(UnsupportedError, match="without ForAnyValue or ForAllValues"):
        allowed(of(when("StringLike", "a*")), put("ab", "ac"))


@pytest.mark.parametrize(
    ("service", "operation", "params", "wanted"),
    [
        ("sts", "GetCallerIdentity", {}, []),
        ("dynamodb", "ListTables", {}, [Ask("dynamodb:ListTables")]),
        ("dynamodb", "UpdateTable", {"TableName": "orders"}, [UPDATE]),
        (
            "cloudwatch",
            "DescribeAlarms",
            {},
            [Ask("cloudwatch:DescribeAlarms", AWS.arn("cloudwatch", "alarm:*"))],
        ),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": "headroom-orders:read"}, [put()]),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {
                "AlarmName": "headroom-orders:read",
                "AlarmActions": ["a"],
                "Tags": [{"Key": "managed-by", "Value": "headroom"}],
            },
            [put("a"), Ask("cloudwatch:TagResource", OWN_ALARM)],
        ),
        (
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": [FOREIGN, "headroom-orders:read"]},
            [
                Ask("cloudwatch:DeleteAlarms", THEIR_ALARM),
                Ask("cloudwatch:DeleteAlarms", OWN_ALARM),
            ],
        ),
    ],
)
def test_a_call_asks_for(
    service: str, operation: str, params: dict[str, Any], wanted: list[Ask]
) -> None:
    assert asks(Call(service, operation, params, MONDAY), AWS) == wanted


def test_an_unknown_call_is_an_error_and_not_a_free_one() -> None:
    with pytest.raises(UnsupportedError, match="the call dynamodb DeleteTable"):
        asks(Call("dynamodb", "DeleteTable", {"TableName": "orders"}, MONDAY), AWS)
