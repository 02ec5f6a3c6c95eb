"""Return dead letters to the functions that could not handle them.

A letter is deleted only after its function has succeeded. Three kinds come into the queue. All hold
the original message. An old or a second message does no harm: a message only starts a function,
and the function reads the current facts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import events
from headroom.deploy.account import AwsSession
from headroom.deploy.blueprint import FUNCTION_SECONDS, GROUP_READER
from headroom.deploy.resources import queue_url
from headroom.deploy.stage import SCHEDULED, Stage, StageError


@dataclass(frozen=True)
class DeadLetter:
    """The function (its full name) that a dead letter is for, and its event."""

    function: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class RedriveResult:
    """The result for one dead letter. error: why it stays in the queue, or ""."""

    subject: str
    error: str = ""


def parse_letter(body: str, stage: Stage) -> DeadLetter | str:
    """Return a message of the queue as a dead letter, or why it is none.

    The subscription sends what SNS could not deliver: its notification. Lambda sends a record of a
    failed invocation. Source: Lambda Developer Guide, "Capturing records of asynchronous
    invocations", read 2026-10. A message of another queue comes as it is: a group of tables.
    """
    if isinstance(events.from_group(body), events.GroupEvent):
        return DeadLetter(stage.function(GROUP_READER), {"Records": [_record(body)]})
    try:
        document = json.loads(body)
    except ValueError:
        return "it is not JSON"
    if not isinstance(document, dict):
        return "it is not a JSON object"
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": "",
            "Sns": {"Subject": None, "MessageAttributes": {}, **document},
        }
        return DeadLetter(stage.function("on_alarm"), {"Records": [record]})
    context, payload = document.get("requestContext"), document.get("requestPayload")
    if isinstance(context, dict) and isinstance(payload, dict):
        return _of_record(str(context.get("functionArn")), payload, stage)
    return "it is neither an SNS notification nor a failure record of Lambda, nor a group of tables"


def _record(body: str) -> dict[str, Any]:
    return {"messageId": "redriven", "receiptHandle": "", "eventSource": "aws:sqs", "body": body}


def _of_record(arn: str, payload: Mapping[str, Any], stage: Stage) -> DeadLetter | str:
    parts = arn.split(":")
    name = parts[6] if len(parts) > 6 else arn
    if stage.is_function(name):
        return DeadLetter(name, payload)
    return f"{name} is not a function of stage {stage.name}"


def redrive(stage: Stage, session: AwsSession) -> Iterator[RedriveResult]:
    """Try every dead letter once.

    Those that fail again stay in the queue, and can be received again at once.
    """
    url = queue_url(session, stage.dead_letters)
    if url is None:
        raise StageError(
            f"queue {stage.dead_letters} does not exist; run: headroom setup --stage {stage.name}"
        )
    sqs = session.client("sqs")
    remaining: set[str] = set()
    completed: set[str] = set()
    try:
        while messages := _receive(session, url):
            remaining.update(message["ReceiptHandle"] for message in messages)
            for message in messages:
                result = _run(message["Body"], stage, session, completed)
                if not result.error:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    remaining.remove(message["ReceiptHandle"])
                yield result
    finally:
        for receipt in remaining:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)


def _receive(session: AwsSession, url: str) -> list[dict[str, Any]]:
    """Receive letters, and hide them from others for longer than their functions may run."""
    response = session.client("sqs").receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=10 * FUNCTION_SECONDS + 60,
        WaitTimeSeconds=session.receive_wait_seconds,
    )
    return list(response.get("Messages", []))


def _run(body: str, stage: Stage, session: AwsSession, completed: set[str]) -> RedriveResult:
    letter = parse_letter(body, stage)
    if isinstance(letter, str):
        return RedriveResult("a message", letter)
    short = letter.function.removeprefix(stage.function(""))
    if letter.function in completed:
        return RedriveResult(f"{short}, which has just run")
    response = session.runner.invoke(FunctionName=letter.function, Payload=json.dumps(letter.event))
    answer = response["Payload"].read().decode()
    if "FunctionError" in response or '"itemIdentifier"' in answer:
        return RedriveResult(short, f"it failed again: {answer[:500]}")
    if short in SCHEDULED:
        # The events of a schedule are all alike: one run does the work of all of them.
        completed.add(letter.function)
    return RedriveResult(short)
