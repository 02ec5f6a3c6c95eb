"""The members of an alarm that the running botocore cannot send back, in each protocol of
CloudWatch."""

import json
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader
from botocore.session import Session

from chalicelib.aws.alarms import WouldLose, alarms_named, rewrite_alarm
from chalicelib.aws.client import Aws
from chalicelib.model import RewriteAlarm

NEWER = {
    "AlarmName": "pager",
    "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:pager",
    "StateForecast": "a member that nobody sets",
    "OKActions": [],
    "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:headroom-alarms"],
    "Dimensions": [{"Name": "TableName", "Value": "orders", "Scope": "a new part of a member"}],
    "WarmUpConfiguration": {"WarmUpPeriodDurationInMinutes": 5},
    "QuietHours": {"From": "a new member"},
}
KNOWN = {name: NEWER[name] for name in ("AlarmName", "AlarmArn", "AlarmActions")}


class Models(Loader):  # type: ignore[misc]
    """botocore's models, with CloudWatch's of an older release: one protocol, no warm-up."""

    protocol = "json"

    def load_service_model(self, service_name: str, *args: Any, **options: Any) -> Any:
        model = super().load_service_model(service_name, *args, **options)
        if service_name == "cloudwatch" and "metadata" in model:
            model = json.loads(json.dumps(model))
            model["metadata"] |= {"protocol": self.protocol, "protocols": [self.protocol]}
            for shape in ("MetricAlarm", "PutMetricAlarmInput"):
                model["shapes"][shape]["members"].pop("WarmUpConfiguration")
        return model


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self.body]


def xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(part)}</{name}>" for name, part in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{xml(part)}</member>" for part in value)
    return str(value)


def cbor(value: Any) -> bytes:
    """Return the value in CBOR (RFC 8949); every size takes two bytes."""

    def head(major: int, size: int) -> bytes:
        return bytes([major << 5 | 25]) + size.to_bytes(2)

    match value:
        case dict():
            parts = [cbor(name) + cbor(part) for name, part in value.items()]
            return head(5, len(value)) + b"".join(parts)
        case list():
            return head(4, len(value)) + b"".join(map(cbor, value))
        case str():
            return head(3, len(value.encode())) + value.encode()
    return head(0, value)


def answer(protocol: str, alarm: dict[str, Any]) -> bytes:
    page = {"MetricAlarms": [alarm]}
    if protocol == "query":
        space = 'xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"'
        result = xml({"DescribeAlarmsResult": page})
        return f"<DescribeAlarmsResponse {space}>{result}</DescribeAlarmsResponse>".encode()
    return cbor(page) if protocol == "smithy-rpc-v2-cbor" else json.dumps(page).encode()


def account(protocol: str, alarm: dict[str, Any]) -> Aws:
    """An account whose CloudWatch answers every call with one alarm."""
    core, models = Session(), Models()
    models.protocol = protocol
    core.register_component("data_loader", models)
    headers = {"smithy-protocol": "rpc-v2-cbor"} if "cbor" in protocol else {}

    def respond(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, headers, Raw(answer(protocol, alarm)))

    core.register("before-send.cloudwatch.DescribeAlarms", respond)
    session = boto3.Session("id", "secret", region_name="us-east-1", botocore_session=core)
    return Aws("headroom-alarms", session=session)


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("protocol", ["query", "json", "smithy-rpc-v2-cbor"])
def test_a_member_that_botocore_does_not_know_is_seen_in_each_protocol(protocol: str) -> None:
    aws = account(protocol, NEWER)
    [alarm] = alarms_named(aws, ["pager"])
    assert alarm.unsendable == ("Dimensions.Scope", "WarmUpConfiguration", "QuietHours")
    assert "QuietHours" not in alarm.fields  # as botocore parses it
    with pytest.raises(WouldLose, match=r"pager has Dimensions\.Scope, WarmUp.*newer boto3"):
        rewrite_alarm(aws, RewriteAlarm("a target", alarm, {"Threshold": 1.0}))


@pytest.mark.slow(traced=True)
def test_an_alarm_whose_members_are_all_known_can_be_sent_back() -> None:
    [alarm] = alarms_named(account("json", KNOWN), ["pager"])
    assert (alarm.unsendable, alarm.why_not_rewritten) == ((), "")


def test_botocore_does_not_repeat_an_update_that_meets_a_limit() -> None:
    sent = []

    def decline(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        body = b'{"__type": "LimitExceededException", "message": "too many at once"}'
        return AWSResponse(request.url, 400, {}, Raw(body))

    session = boto3.Session("id", "secret", region_name="us-east-1")
    client = Aws("headroom-alarms", session=session).client("dynamodb")
    client.meta.events.register("before-send.dynamodb.UpdateTable", decline)
    with pytest.raises(client.exceptions.ClientError, match="too many at once"):
        client.update_table(TableName="orders")
    assert len(sent) == 1
