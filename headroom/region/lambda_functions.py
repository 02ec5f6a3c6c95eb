"""The embedded region's Lambda: the real app, imported as Lambda would, woken by messages and
schedules."""

import contextlib
import importlib.util
import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from chalice.app import (
    Chalice,
    CloudWatchEventConfig,
    ScheduledEventConfig,
    SNSEventConfig,
    SQSEventConfig,
)
from chalice.local import LambdaContext
from moto.events.models import EventPattern

from chalicelib.aws.client import Aws
from chalicelib.aws.threads import Threads
from chalicelib.config.schedules import Schedule
from chalicelib.model import Target
from chalicelib.telemetry import logger
from headroom.project import ROOT, timeout_seconds
from headroom.region import moto_store
from headroom.region.context import ACCOUNT, Context, Invocation, Killed, environment_of
from headroom.region.events import (
    bridge_event,
    rate_minutes,
    scheduled_event,
    sns_event,
    sqs_event,
)
from headroom.region.http import Http
from headroom.region.queues import Queues

#: Nothing takes longer in the region.
LONGEST_SECONDS = 86_400
S = TypeVar("S")
T = TypeVar("T")

RETRY_MINUTES = (1, 2)


class Functions:
    def __init__(
        self, region: Context, http: Http, watchers: list[Callable[[Invocation], None]]
    ) -> None:
        """http: what answers the app's HTTP requests. watchers: what is called after each run."""
        self._region, self._http, self.watchers = region, http, watchers
        self.queues = Queues(region)
        self.dead_letters: list[Invocation] = []
        #: The configuration that is deployed, as TOML.
        self.config = ""
        #: The environment variables of the stage.
        self.environment: Mapping[str, str] = {}
        self._retries: list[tuple[datetime, str, dict[str, Any], int]] = []
        self._schedules: list[tuple[int, str]] = []
        self._crons: list[tuple[Schedule, str]] = []
        self._patterns: list[tuple[EventPattern, str]] = []
        self._app: Chalice | None = None
        self._aws: Aws | None = None
        #: What each function's container has seen of throttled requests (see `answer`).
        self._unthrottled: dict[str, dict[Target, datetime]] = {}
        #: Functions that are deployed beside the app, by their short names.
        self.others: dict[str, Callable[[dict[str, Any], object], Any]] = {}
        #: The short names of the functions that Lambda throttles: no run of them begins.
        self.throttled: set[str] = set()
        #: The lines of the newest run so far.
        self.logs: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def deployed(self, config: str, environment: Mapping[str, str]) -> Iterator[ModuleType]:
        """Import the app with this configuration and environment, and subscribe and schedule its
        functions."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "headroom.toml"
            path.write_text(config, encoding="utf-8")
            self.config, self.environment = config, environment
            settings = {
                "AWS_EXECUTION_ENV": "AWS_Lambda",  # Chalice adds to it
                **environment,
                "HEADROOM_CONFIG": str(path),
            }
            with environment_of(settings), _captured_logs() as self.logs:
                module = self.restart()
                for event in module.app.event_sources:
                    self._wire(event)
                self._schedules.sort()
                yield module

    def restart(self) -> ModuleType:
        """Import the app anew, as a new container does: nothing that was kept is left."""
        module = fresh_app()
        module.aws().sleep = lambda _: None  # time is simulated: nobody waits
        module.aws().http = self._http
        module.aws().threads = SerialThreads(self._region)
        self._app, self._aws, self._unthrottled = module.app, module.aws(), {}
        return module

    def _wire(self, event: Any) -> None:
        match event:
            case SNSEventConfig():
                function = f"arn:aws:lambda:{self._region.name}:{ACCOUNT}:function:{event.name}"
                moto_store.subscribe(self._region.name, event.topic, function)
            case ScheduledEventConfig():
                expression = str(event.schedule_expression)
                if expression.startswith("rate("):
                    self._schedules.append((rate_minutes(expression), event.name))
                else:
                    self._crons.append((Schedule(expression), event.name))
            case CloudWatchEventConfig():
                self._patterns.append((EventPattern(None, event.event_pattern), event.name))
            case SQSEventConfig():
                self.queues.readers[str(event.queue)] = event.name

    def run_due(self) -> None:
        """Run what is due at this minute: failed events again, the schedules, then what waits in
        queues."""
        now = self._region.now
        due = [retry for retry in self._retries if retry[0] <= now]
        self._retries = [retry for retry in self._retries if retry[0] > now]
        for _, function, payload, attempt in due:
            self.invoke(function, payload, attempt)
        rates = [name for rate, name in self._schedules if self._region.minute % rate == 0]
        for function in [*rates, *(name for cron, name in self._crons if cron.is_due(now))]:
            self.invoke(function, scheduled_event(self._region, function))
        self.take_messages()

    def take_messages(self) -> list[Invocation]:
        """Run the functions that read queues, until no message is visible.

        A message that fails is visible again later. In the end it is a dead letter.
        """
        invocations = []
        while message := self.queues.receive():
            function = self.queues.readers[message.queue]
            event = sqs_event(self._region, message.queue, message.number, message.body)
            invocation = self._run(function, event)
            failed = invocation.error or invocation.result["batchItemFailures"]
            if self.queues.done(message, bool(failed)):
                self.dead_letters.append(invocation)
            invocations.append(invocation)
        return invocations

    def put_event(
        self, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
    ) -> list[Invocation]:
        """Put an event on EventBridge: every function whose rule's pattern matches it runs.

        source, kind: such as `aws.ec2` and `EC2 Instance State-change Notification`.
        """
        event = bridge_event(self._region, source, kind, detail, resources)
        return [
            self.invoke(function, event)
            for pattern, function in self._patterns
            if pattern.matches_event(event)  # type: ignore[arg-type]
        ]

    def deliver(self, topic_arn: str, message: str, subject: str = "") -> None:
        """Run the functions that subscribe to a topic with a message. A topic that does not exist
        calls none."""
        for function in moto_store.subscribed_functions(self._region.name, topic_arn):
            self.invoke(function, sns_event(topic_arn, message, subject, self._region.now))

    def answer(self, function: str, payload: dict[str, Any]) -> Any:
        """Run a function, once, and return what it returns; raise what it raises."""
        if function in self.throttled:
            raise RuntimeError("Rate Exceeded: Lambda throttles the function")
        if function in self.others:
            return self.others[function](payload, None)
        if self._app is None or self._aws is None:
            raise RuntimeError("deploy an app first")
        # Here all functions share one import of the app. In Lambda each has containers of its own;
        # what a decision may depend on is therefore kept by function. An alarm's function reads all
        # of it, and so stands for the one that runs in the same minutes.
        container = "follow_up" if function == "on_alarm" else function
        self._aws.unthrottled = self._unthrottled.setdefault(container, {})
        return self._app.handler_map[function](
            payload, LambdaContext(function, 512, timeout_seconds(function) * 1_000)
        )

    def run_for_alarm(self, arn: str, payload: dict[str, Any]) -> None:
        """Run a function that an alarm has as an action, if it is deployed here."""
        function = arn.rpartition("-")[2]
        if function in self.others or (self._app and function in self._app.handler_map):
            self.invoke(function, payload)

    def invoke(self, function: str, payload: dict[str, Any], attempt: int = 0) -> Invocation:
        """Run a function as an asynchronous event: an error is tried twice more, then it is a dead
        letter."""
        invocation = self._run(function, payload)
        if invocation.error is not None:
            if attempt < len(RETRY_MINUTES):
                due = self._region.now + timedelta(minutes=RETRY_MINUTES[attempt])
                self._retries.append((due, function, payload, attempt + 1))
            else:
                self.dead_letters.append(invocation)
        return invocation

    def _run(self, function: str, payload: dict[str, Any]) -> Invocation:
        return self.record(function, payload, lambda: self.answer(function, payload))

    def record(self, function: str, payload: dict[str, Any], work: Callable[[], Any]) -> Invocation:
        """Do some work as a function: what it logs is in the function's log."""
        invocation = Invocation(function, self._region.now, payload)
        self.logs.clear()
        before = len(self._region.calls)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                invocation.result = work()
            # any error of the function is an outcome of the invocation
            except (Exception, Killed) as error:  # noqa: BLE001
                invocation.error = error
        invocation.output = output.getvalue()
        invocation.logs, invocation.calls = list(self.logs), self._region.calls[before:]
        for watcher in self.watchers:
            watcher(invocation)
        return invocation


@dataclass(frozen=True, slots=True)
class SerialThreads(Threads):
    """Makes the calls of the app one after another, so that each run makes them in one order."""

    region: Context

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> list[T]:
        return [call(item) for item in items]

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        """Return what `call` gives. A call for which the clock went on too far is given up."""
        until = self.region.now + timedelta(seconds=min(seconds, LONGEST_SECONDS))
        answer: Future[T] = Future()
        try:
            answer.set_result(call())
        except Exception as error:  # noqa: BLE001  it is raised below, if it came in time
            answer.set_exception(error)
        if self.region.now > until:
            self.region.travel(until)
            raise TimeoutError(f"no answer within {seconds:.3g} s")
        return answer.result()


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
