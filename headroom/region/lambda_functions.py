"""The embedded region's Lambda: the real app, imported as Lambda would, woken by messages and
schedules."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
from chalice.app import Chalice, CloudWatchEventConfig, ScheduledEventConfig, SNSEventConfig
from chalice.local import LambdaContext
from moto.events.models import EventPattern

from chalicelib.telemetry import logger
from headroom.project import ROOT, timeout_seconds
from headroom.region.cloudwatch import ACCOUNT

if TYPE_CHECKING:
    from headroom.region.region import Call, Region

RETRY_MINUTES = (1, 2)
"""Lambda tries a failed asynchronous event twice more, after one and after two minutes. Source:
Lambda Developer Guide, "Asynchronous invocation error handling", read 2026-10."""


@dataclass
class Invocation:
    """One run of a function: what woke it, what it logged, which API calls it made, and how it
    ended."""

    function: str
    at: datetime
    payload: Mapping[str, Any]
    logs: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    calls: Sequence[Call] = ()


OBSERVERS: list[Callable[[Region, Invocation], None]] = []
"""Who hears of every invocation in every region of this process; `Functions.watchers` hear of one
region's."""


class Functions:
    """The functions of one app in one region."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.watchers: list[Callable[[Invocation], None]] = []
        self.dead_letters: list[Invocation] = []
        self.config = ""
        """The configuration that is deployed, as TOML."""
        self._retries: list[tuple[datetime, str, dict[str, Any], int]] = []
        self._schedules: list[tuple[int, str]] = []
        self._patterns: list[tuple[EventPattern, str]] = []
        self._app: Chalice | None = None
        self.logs: list[dict[str, Any]] = []
        """The lines of the newest run so far."""

    @contextlib.contextmanager
    def deployed(self, config: str, environment: Mapping[str, str]) -> Iterator[ModuleType]:
        """Import the app with this configuration and environment, and subscribe and schedule its
        functions."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "headroom.toml"
            path.write_text(config)
            self.config = config
            settings = {
                "AWS_EXECUTION_ENV": "AWS_Lambda",
                **environment,
                "HEADROOM_CONFIG": str(path),
            }  # Chalice adds to it
            with environment_of(settings), _captured_logs() as self.logs:
                module = fresh_app()
                module.aws().sleep = lambda _: None  # time is simulated: nobody waits
                module.aws().http = self._region.web
                self._app = module.app
                for event in module.app.event_sources:
                    self._wire(event)
                self._schedules.sort()
                yield module

    def _wire(self, event: Any) -> None:
        match event:
            case SNSEventConfig():
                sns = boto3.client("sns")
                arn = (
                    event.topic
                    if event.topic.startswith("arn:")
                    else sns.create_topic(Name=event.topic)["TopicArn"]
                )
                function = f"arn:aws:lambda:{self._region.name}:{ACCOUNT}:function:{event.name}"
                sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function)
            case ScheduledEventConfig():
                self._schedules.append((rate_minutes(str(event.schedule_expression)), event.name))
            case CloudWatchEventConfig():
                self._patterns.append((EventPattern(None, event.event_pattern), event.name))

    def run_due(self) -> None:
        """Run what is due at this minute: failed events again, then the schedules."""
        now = self._region.now
        due = [retry for retry in self._retries if retry[0] <= now]
        self._retries = [retry for retry in self._retries if retry[0] > now]
        for _, function, payload, attempt in due:
            self.invoke(function, payload, attempt)
        for rate, function in self._schedules:
            if self._region.minute % rate == 0:
                self.invoke(function, scheduled_event(self._region, function))

    def happen(
        self, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> list[Invocation]:
        """Let EventBridge hear of an event: every function whose rule's pattern it fits runs.

        source, kind: such as `aws.ec2` and `EC2 Instance State-change Notification`.
        """
        event = bridge_event(self._region, source, kind, detail, resources)
        return [
            self.invoke(function, event)
            for pattern, function in self._patterns
            if pattern.matches_event(event)
        ]

    def deliver(self, topic_arn: str, message: str, subject: str = "") -> None:
        """Publish a message as SNS does: moto hands it to queues, the region to the app's
        functions."""
        sns = boto3.client("sns")
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        try:
            subscriptions = [s for page in pages for s in page["Subscriptions"]]
        except (
            sns.exceptions.NotFoundException
        ):  # an alarm's action on a topic that is gone comes to nothing
            return
        for subscription in subscriptions:
            if subscription["Protocol"] == "lambda":
                function = subscription["Endpoint"].rsplit(":", 1)[-1]
                self.invoke(function, sns_event(topic_arn, message, subject, self._region.now))

    def answer(self, function: str, payload: dict[str, Any]) -> Any:
        """Run a function, once, and return what it returns; raise what it raises."""
        if self._app is None:
            raise RuntimeError("deploy an app first")
        return self._app.handler_map[function](
            payload, LambdaContext(function, 512, timeout_seconds(function) * 1_000)
        )

    def invoke(self, function: str, payload: dict[str, Any], attempt: int = 0) -> Invocation:
        """Run a function as an asynchronous event: an error is tried twice more, then it is a dead
        letter."""
        invocation = Invocation(function, self._region.now, payload)
        self.logs.clear()
        before = len(self._region.calls)
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                self.answer(function, payload)
            # any error of the function is an outcome of the invocation
            except Exception as error:  # noqa: BLE001
                invocation.error = error
        invocation.logs = list(self.logs)
        invocation.calls = self._region.calls[before:]
        if invocation.error is not None:
            if attempt < len(RETRY_MINUTES):
                due = self._region.now + timedelta(minutes=RETRY_MINUTES[attempt])
                self._retries.append((due, function, payload, attempt + 1))
            else:
                self.dead_letters.append(invocation)
        for observer in OBSERVERS:
            observer(self._region, invocation)
        for watcher in self.watchers:
            watcher(invocation)
        return invocation


def sns_event(topic_arn: str, message: str, subject: str, at: datetime) -> dict[str, Any]:
    """Return the event that SNS hands to a function."""
    record = {
        "Type": "Notification",
        "MessageId": "00000000-0000-0000-0000-000000000000",
        "TopicArn": topic_arn,
        "Subject": subject,
        "Message": message,
        "Timestamp": at.isoformat(),
        "MessageAttributes": {},
    }
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": topic_arn,
                "Sns": record,
            }
        ]
    }


def scheduled_event(region: Region, function: str) -> dict[str, Any]:
    rule = f"arn:aws:events:{region.name}:{ACCOUNT}:rule/{function}"
    return bridge_event(region, "aws.events", "Scheduled Event", {}, [rule])


def bridge_event(
    region: Region, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str]
) -> dict[str, Any]:
    """Return the event that EventBridge hands to a function."""
    return {
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": region.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region.name,
        "resources": list(resources),
        "detail": dict(detail),
    }


def rate_minutes(expression: str) -> int:
    """Return the minutes of a schedule such as `rate(5 minutes)`."""
    amount, unit = expression.removeprefix("rate(").removesuffix(")").split()
    return int(amount) * {"minute": 1, "hour": 60, "day": 1440}[unit.rstrip("s")]


def fresh_app() -> ModuleType:
    """Import app.py anew: its topic and configuration are read at import, as in a new container."""
    spec = importlib.util.spec_from_file_location("headroom_app", ROOT / "app.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("app.py is not beside the package headroom; run from a checkout")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def environment_of(values: Mapping[str, str | None]) -> Iterator[None]:
    """Let the environment have these values for a while; None takes a variable away."""
    before = {key: os.environ.get(key) for key in values}
    for key, value in values.items():
        os.environ.pop(key, None) if value is None else os.environ.update({key: value})
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


@contextlib.contextmanager
def _captured_logs() -> Iterator[list[dict[str, Any]]]:
    """Collect the structured lines that the app logs, instead of printing them."""
    lines: list[dict[str, Any]] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    inner = logging.getLogger(logger.name)
    before = list(inner.handlers)
    collector = Collector()
    collector.setFormatter(before[0].formatter)
    inner.handlers[:] = [collector]
    try:
        yield lines
    finally:
        inner.handlers[:] = before
