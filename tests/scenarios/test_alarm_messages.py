"""on_alarm: the messages that it refuses."""

from collections.abc import Mapping
from typing import Any

import pytest

from headroom.region.region import Region
from tests.support.builders import TOPIC
from tests.support.on_alarm import (
    hot,
)
from tests.support.scenes import (
    alarm_message,
    send,
    skips,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


@pytest.mark.parametrize(
    ("place", "account"), [("us-east-1", "999999999999"), ("eu-west-1", "123456789012")]
)
def test_an_alarm_of_another_account_or_region_is_refused(
    region: Region, place: str, account: str
) -> None:
    hot(region)
    arn = f"arn:aws:cloudwatch:{place}:{account}:alarm:headroom-orders:read"
    invocation = send(region, alarm_message(region, AlarmArn=arn, AWSAccountId=account))
    assert skips(invocation) == [("headroom-orders:read", "ForeignAccountOrRegion")]
    assert writes(region) == []


def test_an_old_message_is_placed_by_its_topic(region: Region) -> None:
    hot(region)
    message = alarm_message(region)
    del message["AlarmArn"]
    invocation = send(region, message, TOPIC.replace("us-east-1", "eu-west-1"))
    assert skips(invocation) == [("headroom-orders:read", "ForeignAccountOrRegion")]


MATH = {
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 80.0,
    "Metrics": [{"Expression": "100*(m1/60)/m2", "Id": "e1", "ReturnData": True}],
}


ANOMALY = MATH | {"ThresholdMetricId": "ad1"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"Trigger": MATH}, "it is a metric math alarm", id="metric math"),
        pytest.param(
            {"Trigger": ANOMALY}, "it is an anomaly detection alarm", id="anomaly detection"
        ),
        pytest.param(
            {"Trigger": None, "AlarmRule": 'ALARM("a") OR ALARM("b")'},
            "it is a composite alarm",
            id="composite",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/Lambda", "MetricName": "Errors"}},
            "its namespace is AWS/Lambda, not AWS/DynamoDB",
            id="another service",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/DynamoDB", "MetricName": "SuccessfulRequestLatency"}},
            "its metric SuccessfulRequestLatency is neither consumption nor throttling",
            id="another metric",
        ),
        pytest.param(
            {"Trigger": {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedReadCapacityUnits"}},
            "it has no dimension TableName",
            id="no table",
        ),
    ],
)
def test_an_alarm_that_says_nothing_about_units_is_refused_with_the_reason(
    region: Region, changes: Mapping[str, Any], why: str
) -> None:
    invocation = send(region, alarm_message(region) | changes)
    assert [line["message"] for line in invocation.logs if line.get("kind") == "skip"] == [
        f"headroom-orders:read: passed over: cannot scale by this alarm: {why} (UnsupportedAlarm)"
    ]
    assert (invocation.error, region.calls) == (None, [])


@pytest.mark.parametrize(
    "text", ["", "hello", "[]", "null", "{}", '{"AlarmName": 7}', '{"AlarmName": "a"', "\U0001f680"]
)
def test_what_is_no_alarm_message_is_refused_without_an_error(region: Region, text: str) -> None:
    invocation = send(region, text)
    assert (skips(invocation), invocation.error) == ([("message", "MalformedMessage")], None)
    assert region.calls == []
