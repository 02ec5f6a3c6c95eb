"""Headroom's entry points: a decorator names the event, the body makes one call.

The only module of the engine that reads the clock and the environment. The work is done by
chalicelib/handlers.py.
"""

import gc

# The modules that a cold container loads stay. The collector would look through them several times.
gc.disable()

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, SNSEvent, SQSEvent

from chalicelib import events, handlers, metrics, telemetry
from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.events import Event
from chalicelib.run import Run

ALARM_TOPIC = os.environ.get("ALARM_TOPIC", DEFAULT_TOPIC)
ALARM_QUEUE = os.environ.get("ALARM_QUEUE", DEFAULT_TOPIC)
ALARM_SOURCES = os.environ.get("ALARM_SOURCES", "topic").split(",")
FLEET_CHANGES = {
    "source": ["aws.ec2", "aws.autoscaling"],
    "detail-type": [
        "EC2 Instance State-change Notification",
        "EC2 Instance Launch Successful",
        "EC2 Instance Terminate Successful",
    ],
    # only the first kind has a state; a pending instance changes no count
    "detail": {
        "state": [
            {"exists": False},
            "running",
            "stopping",
            "shutting-down",
            "stopped",
            "terminated",
        ]
    },
}
SCALE_DOWN_SCHEDULE = os.environ.get("SCALE_DOWN_SCHEDULE", "rate(1 hour)")
CONFIG_FILE = Path(__file__).parent / os.environ.get("HEADROOM_CONFIG", "chalicelib/headroom.toml")
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "headroom")
GROUP_QUEUE = f"{SERVICE}-groups"

# the logger "headroom" belongs to Powertools; Chalice would set its level to ERROR
app = Chalice(app_name="headroom", configure_logs=False)
telemetry.logger.append_keys(service=SERVICE)
CONFIG = loader.load(CONFIG_FILE.read_text(), CONFIG_FILE.name)
WORKERS = CONFIG.fan_out.workers if CONFIG.fan_out else 0
NAMESPACES = [metrics.NAMESPACE, *([metrics.EC2] if CONFIG.healing else [])]
ALARM_CHANGES = {
    "source": ["aws.cloudwatch"],
    "detail-type": ["CloudWatch Alarm State Change"],
    "detail": {
        "state": {"value": ["ALARM"]},
        "configuration": {"metrics": {"metricStat": {"metric": {"namespace": NAMESPACES}}}},
    },
}


@cache
def aws() -> Aws:
    """Return the AWS adapters, made once per container."""
    return Aws(ALARM_TOPIC, GROUP_QUEUE if WORKERS else "", service=SERVICE)


def only_if(condition: bool, register: Callable[..., Any]) -> Callable[..., Any]:
    """Register an entry point if the condition holds; else do not deploy it."""
    return register if condition else lambda function: function


@only_if("topic" in ALARM_SOURCES, app.on_sns_message(topic=ALARM_TOPIC))
def on_alarm(event: SNSEvent) -> dict[str, int]:
    """Raise the table of an alarm that fired, and rewrite the alarm."""
    topic_arn = event.to_dict()["Records"][0]["Sns"].get("TopicArn", "")
    return _handle("on_alarm", event.context, events.from_sns(event.message, topic_arn))


@only_if("lambda" in ALARM_SOURCES, app.lambda_function())
def on_action(event: dict[str, Any], context: object) -> dict[str, int]:
    """Do the same for an alarm whose action is this function."""
    return _handle("on_action", context, events.from_event(event))


@only_if("eventbridge" in ALARM_SOURCES, app.on_cw_event(ALARM_CHANGES))
def on_event(event: CloudWatchEvent) -> dict[str, int]:
    """Do the same for EventBridge's events of alarms on DynamoDB, and on instances if healed."""
    return _handle("on_event", event.context, events.from_event(event.to_dict()))


@only_if("queue" in ALARM_SOURCES, app.on_sqs_message(queue=ALARM_QUEUE, batch_size=10))
def on_queue(event: SQSEvent) -> dict[str, list[dict[str, str]]]:
    """Do the same for messages of a queue behind the topic. Only those that fail come back."""
    return _each(event, lambda body: _handle("on_queue", event.context, events.from_queue(body)))


@only_if(bool(CONFIG.fleets), app.on_cw_event(FLEET_CHANGES))
def on_fleet(event: CloudWatchEvent) -> dict[str, int]:
    """Raise what follows a fleet when one of the account's instances starts or stops."""
    return _run("on_fleet", event.context, handlers.on_fleet)


@app.schedule("rate(1 minute)")
def follow_up(event: CloudWatchEvent) -> dict[str, int]:
    """Check every table whose alarm is still in ALARM, and those that follow a fleet."""
    return _run("follow_up", event.context, handlers.follow_up)


@app.schedule(SCALE_DOWN_SCHEDULE)
def scale_down(event: CloudWatchEvent) -> dict[str, int]:
    """Lower capacity within DynamoDB's decrease quota."""
    return _run("scale_down", event.context, handlers.scale_down)


@app.schedule("rate(5 minutes)")
def sweep(event: CloudWatchEvent) -> dict[str, int]:
    """Make, correct and remove alarms; raise to minimums; make decreases that were left."""
    return _run("sweep", event.context, handlers.sweep)


@only_if(
    WORKERS > 0, app.on_sqs_message(queue=GROUP_QUEUE, batch_size=1, maximum_concurrency=WORKERS)
)
def on_group(event: SQSEvent) -> dict[str, list[dict[str, str]]]:
    """Check the tables that a scheduled function hands over in a large account."""
    return _each(event, lambda body: _check_group(event.context, body))


def _each(event: SQSEvent, handle: Callable[[str], object]) -> dict[str, list[dict[str, str]]]:
    """Handle each message of a queue. Those that fail are returned to it."""
    failed = []
    for record in event.to_dict()["Records"]:
        try:
            handle(record["body"])
        except Exception:  # noqa: BLE001  one message must not fail the others
            telemetry.logger.exception(
                "a message of the queue failed", extra={"message_id": record["messageId"]}
            )
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _check_group(context: Any, body: str) -> dict[str, int]:
    group = events.from_group(body)
    return _run("on_group", context, lambda run: handlers.on_group(run, group), WORKERS)


def _handle(name: str, context: Any, event: Event) -> dict[str, int]:
    return _run(name, context, lambda run: handlers.on_alarm(run, event))


def _run(
    name: str, context: Any, handler: Callable[[Run], object], side_by_side: int = 1
) -> dict[str, int]:
    aws().know_identity(getattr(context, "invoked_function_arn", ""))
    telemetry.logger.append_keys(function_request_id=getattr(context, "aws_request_id", None))
    log = telemetry.RunLog(name, SERVICE)
    run = Run(
        aws(),
        CONFIG,
        datetime.now(UTC),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1_000,
        write=log.write,
        side_by_side=side_by_side,
    )
    handler(run)
    run.log()
    handlers.notify(run)
    handlers.stand_by(run)
    counts = log.finish(run.report)
    run.report.raise_failures()
    return counts


gc.enable()
