"""Headroom's entry points: a decorator names the event, the body makes one call.

The only module that reads the clock and the environment. What happens next stands in chalicelib/handlers.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, SNSEvent

from chalicelib import config, handlers, messages, telemetry
from chalicelib.aws import Aws
from chalicelib.handlers import Report, Shell

ALARM_TOPIC = os.environ.get("ALARM_TOPIC", "headroom-alarms")
SCALE_DOWN_SCHEDULE = os.environ.get("SCALE_DOWN_SCHEDULE", "rate(1 hour)")
CONFIG_FILE = Path(__file__).parent / os.environ.get("HEADROOM_CONFIG", "chalicelib/headroom.toml")
LAST_MILLISECONDS = 2_000
"""A run begins no new table when less than this is left of Lambda's timeout."""

app = Chalice(app_name="headroom", configure_logs=False)  # the logger "headroom" is powertools'; Chalice would set it to ERROR
CONFIG = config.load(CONFIG_FILE.read_text(), CONFIG_FILE.name)


@cache
def world() -> Aws:
    """Return the AWS adapters, made once per container."""
    return Aws(ALARM_TOPIC)


@app.on_sns_message(topic=ALARM_TOPIC)
def on_alarm(event: SNSEvent) -> dict[str, int]:
    """Raise the table of an alarm that fired, and rewrite the alarm."""
    topic_arn = event.to_dict()["Records"][0]["Sns"].get("TopicArn", "")
    return _run("on_alarm", event, lambda shell, now: handlers.on_alarm(shell, messages.from_sns(event.message, topic_arn), now))


@app.schedule("rate(1 minute)")
def follow_up(event: CloudWatchEvent) -> dict[str, int]:
    """Look again at every table whose alarm is still in ALARM."""
    return _run("follow_up", event, handlers.follow_up)


@app.schedule(SCALE_DOWN_SCHEDULE)
def scale_down(event: CloudWatchEvent) -> dict[str, int]:
    """Lower capacity within DynamoDB's decrease quota."""
    return _run("scale_down", event, handlers.scale_down)


@app.schedule("rate(5 minutes)")
def sweep(event: CloudWatchEvent) -> dict[str, int]:
    """Make, mend and remove alarms; raise to minimums; finish decreases that were left."""
    return _run("sweep", event, handlers.sweep)


def _run(name: str, event: SNSEvent | CloudWatchEvent, handler: Callable[[Shell, datetime], Report]) -> dict[str, int]:
    context: Any = event.context  # Lambda's context object, whatever Chalice's annotation says

    def may_go_on() -> bool:
        return bool(context.get_remaining_time_in_millis() > LAST_MILLISECONDS)

    report = handler(Shell(world(), CONFIG, may_go_on=may_go_on), datetime.now(UTC))
    counts = telemetry.tell(report, name)
    report.raise_failures()
    return counts
