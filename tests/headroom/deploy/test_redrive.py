"""Dead letters go back to their functions, and only those that succeed leave the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.awslambda_simple.models import LambdaSimpleBackend
from typer.testing import CliRunner

from headroom.cli import app
from headroom.deploy.account import Cloud
from headroom.deploy.redrive import Call, Redriven, letter, redrive
from headroom.deploy.stage import StageError
from tests.support.deployed import account, dev, set_up

ALARM = json.dumps({"AlarmName": "orders-hot"})
NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "1",
    "TopicArn": "arn:aws:sns:us-east-1:1:t",
    "Message": ALARM,
}
SWEEP = "arn:aws:lambda:us-east-1:123456789012:function:headroom-dev-sweep:$LATEST"


def record(arn: str = SWEEP, payload: Any = None) -> dict[str, Any]:
    """Return what Lambda writes of an invocation that failed for good."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-20T12:00:00.000Z",
        "requestContext": {
            "requestId": "1",
            "functionArn": arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"source": "aws.events"} if payload is None else payload,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": "boom"},
    }


def test_what_sns_could_not_deliver_becomes_the_event_that_it_would_have_delivered() -> None:
    call = letter(json.dumps(NOTIFICATION), dev())
    assert isinstance(call, Call)
    assert call.function == "headroom-dev-on_alarm"
    sns = call.event["Records"][0]["Sns"]
    assert (sns["Message"], sns["TopicArn"]) == (ALARM, "arn:aws:sns:us-east-1:1:t")
    assert {"Subject", "MessageAttributes"} <= sns.keys()  # Chalice reads them


def test_what_lambda_could_not_run_becomes_the_same_invocation() -> None:
    assert letter(json.dumps(record()), dev()) == Call(
        "headroom-dev-sweep", {"source": "aws.events"}
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("lost", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("{}", "neither a notification of SNS nor a failure record"),
        (
            json.dumps({"Type": "Notification"}),
            "neither a notification of SNS nor a failure record",
        ),
        (json.dumps(record(payload="x")), "neither a notification of SNS nor a failure record"),
        (
            json.dumps(record(SWEEP.replace("dev", "prod"))),
            "headroom-prod-sweep is no function of stage dev",
        ),
        (json.dumps(record("nonsense")), "nonsense is no function of stage dev"),
    ],
)
def test_what_cannot_be_read_is_told_and_never_run(body: str, why: str) -> None:
    assert why in str(letter(body, dev()))


class Lambda:
    """The functions, as tests would have them: `failing` names those that fail."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.failing: set[str] = set()

    def invoke(self, function: str, headers: dict[str, Any]) -> bytes:
        self.runs.append(function)
        if function in self.failing:
            headers["x-amz-function-error"] = "Unhandled"
            return b'{"errorMessage": "boom"}'
        return b"{}"


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Lambda:
    """Let moto's Lambda run these."""
    found = Lambda()

    def invoke(
        _: Any,
        function_name: str,
        qualifier: Any,
        body: Any,
        headers: Any,
        response_headers: dict[str, Any],
    ) -> bytes:
        return found.invoke(function_name, response_headers)

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    return found


@pytest.fixture
def cloud(functions: Lambda) -> Iterator[Cloud]:
    with account() as found:
        set_up(dev(), found)
        yield found


def send(cloud: Cloud, *letters: Mapping[str, Any] | str) -> None:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"]
    for body in letters:
        sqs.send_message(
            QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body)
        )


def waiting(cloud: Cloud) -> int:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"]
    said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(said["Attributes"]["ApproximateNumberOfMessages"])


def test_letters_of_both_kinds_are_handled_and_gone(cloud: Cloud, functions: Lambda) -> None:
    send(cloud, NOTIFICATION, NOTIFICATION, record())
    assert sorted(r.subject for r in redrive(dev(), cloud)) == ["on_alarm", "on_alarm", "sweep"]
    assert sorted(functions.runs) == [
        "headroom-dev-on_alarm",
        "headroom-dev-on_alarm",
        "headroom-dev-sweep",
    ]
    assert waiting(cloud) == 0


def test_a_letter_that_fails_again_stays_and_the_others_go(cloud: Cloud, functions: Lambda) -> None:
    functions.failing = {"headroom-dev-on_alarm"}
    send(cloud, NOTIFICATION, record(), "lost")
    outcomes = {r.subject: r.why for r in redrive(dev(), cloud)}
    assert outcomes == {
        "on_alarm": 'it failed again: {"errorMessage": "boom"}',
        "sweep": "",
        "a message": "it is no JSON",
    }
    assert waiting(cloud) == 2
    functions.failing = set()
    assert Redriven("on_alarm") in list(redrive(dev(), cloud))
    assert waiting(cloud) == 1


def test_a_schedules_letters_are_answered_by_one_run(cloud: Cloud, functions: Lambda) -> None:
    send(cloud, *[record() for _ in range(12)])
    assert len(list(redrive(dev(), cloud))) == 12
    assert functions.runs == ["headroom-dev-sweep"]
    assert waiting(cloud) == 0


def test_a_redrive_that_is_stopped_loses_nothing(cloud: Cloud, functions: Lambda) -> None:
    functions.failing = {"headroom-dev-on_alarm"}
    send(cloud, NOTIFICATION, NOTIFICATION)
    steps = redrive(dev(), cloud)
    next(steps)
    steps.close()
    assert waiting(cloud) == 2


def test_without_a_queue_the_operator_is_told_what_to_do() -> None:
    with account() as cloud, pytest.raises(StageError, match="run: headroom setup --stage dev"):
        list(redrive(dev(), cloud))


def test_the_command_tells_each_letter_and_ends_with_1_where_one_stayed(cloud: Cloud) -> None:
    send(cloud, NOTIFICATION)
    done = CliRunner().invoke(app, ["redrive", "--stage", "dev"])
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        ["on_alarm: handled", "1 handled, 0 stay."],
    )
    send(cloud, "lost")
    done = CliRunner().invoke(app, ["redrive", "--stage", "dev"])
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        ["a message: stays: it is no JSON", "0 handled, 1 stay."],
    )
