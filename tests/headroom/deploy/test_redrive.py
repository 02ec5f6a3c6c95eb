"""Dead letters go back to their functions, and only those that succeed leave the queue."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.awslambda_simple.models import LambdaSimpleBackend
from typer.testing import CliRunner

from headroom.cli import app
from headroom.deploy.account import AwsSession
from headroom.deploy.redrive import DeadLetter, RedriveResult, parse_letter, redrive
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
    letter = parse_letter(json.dumps(NOTIFICATION), dev())
    assert isinstance(letter, DeadLetter)
    assert letter.function == "headroom-dev-on_alarm"
    sns = letter.event["Records"][0]["Sns"]
    assert (sns["Message"], sns["TopicArn"]) == (ALARM, "arn:aws:sns:us-east-1:1:t")
    assert {"Subject", "MessageAttributes"} <= sns.keys()  # Chalice reads them


def test_what_lambda_could_not_run_becomes_the_same_invocation() -> None:
    assert parse_letter(json.dumps(record()), dev()) == DeadLetter(
        "headroom-dev-sweep", {"source": "aws.events"}
    )


GROUP = '{"check":"sweep","tables":["orders"],"directions":["up"]}'


def test_a_group_of_tables_goes_to_the_workers_again() -> None:
    letter = parse_letter(GROUP, dev())
    assert isinstance(letter, DeadLetter)
    assert letter.function == "headroom-dev-on_group"
    assert letter.event["Records"][0]["body"] == GROUP


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("lost", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ("{}", "neither an SNS notification nor a failure record"),
        (
            json.dumps({"Type": "Notification"}),
            "neither an SNS notification nor a failure record",
        ),
        (json.dumps(record(payload="x")), "neither an SNS notification nor a failure record"),
        (
            json.dumps(record(SWEEP.replace("dev", "prod"))),
            "headroom-prod-sweep is not a function of stage dev",
        ),
        (json.dumps(record("nonsense")), "nonsense is not a function of stage dev"),
    ],
)
def test_what_cannot_be_read_is_told_and_never_run(body: str, error: str) -> None:
    assert error in str(parse_letter(body, dev()))


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
def session(functions: Lambda) -> Iterator[AwsSession]:
    with account() as found:
        set_up(dev(), found)
        yield found


def send(session: AwsSession, *letters: Mapping[str, Any] | str) -> None:
    sqs = session.client("sqs")
    url = sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"]
    for body in letters:
        sqs.send_message(
            QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body)
        )


def waiting(session: AwsSession) -> int:
    sqs = session.client("sqs")
    url = sqs.get_queue_url(QueueName=dev().dead_letters)["QueueUrl"]
    response = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(response["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.slow(traced=True)
def test_letters_of_both_kinds_are_handled_and_gone(session: AwsSession, functions: Lambda) -> None:
    send(session, NOTIFICATION, NOTIFICATION, record())
    assert sorted(r.subject for r in redrive(dev(), session)) == ["on_alarm", "on_alarm", "sweep"]
    assert sorted(functions.runs) == [
        "headroom-dev-on_alarm",
        "headroom-dev-on_alarm",
        "headroom-dev-sweep",
    ]
    assert waiting(session) == 0


@pytest.mark.slow(traced=True)
def test_a_letter_that_fails_again_stays_and_the_others_go(
    session: AwsSession, functions: Lambda
) -> None:
    functions.failing = {"headroom-dev-on_alarm"}
    send(session, NOTIFICATION, record(), "lost")
    outcomes = {r.subject: r.error for r in redrive(dev(), session)}
    assert outcomes == {
        "on_alarm": 'it failed again: {"errorMessage": "boom"}',
        "sweep": "",
        "a message": "it is not JSON",
    }
    assert waiting(session) == 2
    functions.failing = set()
    assert RedriveResult("on_alarm") in list(redrive(dev(), session))
    assert waiting(session) == 1


@pytest.mark.slow(traced=True)
def test_a_schedules_letters_are_answered_by_one_run(
    session: AwsSession, functions: Lambda
) -> None:
    send(session, *[record() for _ in range(12)])
    assert len(list(redrive(dev(), session))) == 12
    assert functions.runs == ["headroom-dev-sweep"]
    assert waiting(session) == 0


def test_a_redrive_that_is_stopped_loses_nothing(session: AwsSession, functions: Lambda) -> None:
    functions.failing = {"headroom-dev-on_alarm"}
    send(session, NOTIFICATION, NOTIFICATION)
    steps = redrive(dev(), session)
    next(steps)
    steps.close()
    assert waiting(session) == 2


def test_without_a_queue_the_operator_is_told_what_to_do() -> None:
    with account() as session, pytest.raises(StageError, match="run: headroom setup --stage dev"):
        list(redrive(dev(), session))


@pytest.mark.slow(traced=True)
def test_the_command_tells_each_letter_and_ends_with_1_where_one_stayed(
    session: AwsSession,
) -> None:
    send(session, NOTIFICATION)
    done = CliRunner().invoke(app, ["redrive", "--stage", "dev"])
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        ["on_alarm: handled", "1 handled, 0 stay."],
    )
    send(session, "lost")
    done = CliRunner().invoke(app, ["redrive", "--stage", "dev"])
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        ["a message: stays: it is not JSON", "0 handled, 1 stay."],
    )


@pytest.mark.slow(traced=True)
def test_the_letters_for_scripts(session: AwsSession) -> None:
    send(session, NOTIFICATION)
    send(session, "lost")
    done = CliRunner().invoke(app, ["redrive", "--stage", "dev", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.output) == [
        {"subject": "on_alarm", "error": ""},
        {"subject": "a message", "error": "it is not JSON"},
    ]
