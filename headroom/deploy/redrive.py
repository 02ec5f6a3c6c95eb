"""Dead letters back to the function that could not handle them; a letter is deleted only when its
function has succeeded.

Two kinds come into the queue. Both hold the original message, and neither function minds a message
that is old or doubled: a message only wakes it, and it looks at the facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headroom.deploy.account import Cloud
from headroom.deploy.blueprint import EVENT_FUNCTIONS, FUNCTION_SECONDS
from headroom.deploy.resources import queue_url
from headroom.deploy.stage import Stage, StageError


@dataclass(frozen=True)
class Call:
    """What a dead letter asks for: this function (its full name) with this event."""

    function: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class Redriven:
    """What became of one dead letter. why: what kept it in the queue, or ""."""

    subject: str
    why: str = ""


def letter(body: str, stage: Stage) -> Call | str:
    """Return what a dead letter asks for, or why that cannot be said.

    From the subscription comes what SNS could not deliver: its notification. From Lambda comes a
    record of a failed invocation. Source: Lambda Developer Guide, "Capturing records of
    asynchronous invocations", read 2026-10.
    """
    try:
        said = json.loads(body)
    except ValueError:
        return "it is no JSON"
    if not isinstance(said, dict):
        return "it is no JSON object"
    if said.get("Type") == "Notification" and isinstance(said.get("Message"), str):
        sns = {"Subject": None, "MessageAttributes": {}, **said}
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": "",
            "Sns": sns,
        }
        return Call(stage.function("on_alarm"), {"Records": [record]})
    context = said.get("requestContext")
    if isinstance(context, dict) and isinstance(said.get("requestPayload"), dict):
        return _of_record(str(context.get("functionArn")), said["requestPayload"], stage)
    return "it is neither a notification of SNS nor a failure record of Lambda"


def _of_record(arn: str, payload: Mapping[str, Any], stage: Stage) -> Call | str:
    parts = arn.split(":")
    name = parts[6] if len(parts) > 6 else arn
    return (
        Call(name, payload)
        if stage.is_function(name)
        else f"{name} is no function of stage {stage.name}"
    )


def redrive(stage: Stage, cloud: Cloud) -> Iterator[Redriven]:
    """Try every dead letter once. Those that fail again stay, and can be received again at once."""
    url = queue_url(cloud, stage.dead_letters)
    if url is None:
        raise StageError(
            f"queue {stage.dead_letters} does not exist; run: headroom setup --stage {stage.name}"
        )
    sqs, held, ran = cloud.client("sqs"), dict[str, None](), set[str]()
    try:
        while messages := _received(cloud, url):
            held |= dict.fromkeys(message["ReceiptHandle"] for message in messages)
            for message in messages:
                outcome = _tried(message["Body"], stage, cloud, ran)
                if not outcome.why:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    del held[message["ReceiptHandle"]]
                yield outcome
    finally:
        for receipt in held:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)


def _received(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    """Receive letters, out of everybody's sight for longer than their functions may run."""
    said = cloud.client("sqs").receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=10 * FUNCTION_SECONDS + 60,
        WaitTimeSeconds=1,
    )
    return list(said.get("Messages", []))


def _tried(body: str, stage: Stage, cloud: Cloud, ran: set[str]) -> Redriven:
    call = letter(body, stage)
    if isinstance(call, str):
        return Redriven("a message", call)
    short = call.function.removeprefix(f"{stage.prefix}-")
    if call.function in ran:
        return Redriven(f"{short}, which has just run")
    answer = cloud.runner.invoke(FunctionName=call.function, Payload=json.dumps(call.event))
    if "FunctionError" in answer:
        return Redriven(short, f"it failed again: {answer['Payload'].read().decode()[:500]}")
    if short not in EVENT_FUNCTIONS:
        ran.add(
            call.function
        )  # a schedule's events are all alike: one run does what all of them asked for
    return Redriven(short)
