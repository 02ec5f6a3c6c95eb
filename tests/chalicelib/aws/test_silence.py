"""Servers that accept and never answer, and servers whose answer never ends: no read waits."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import boto3
import pytest

from chalicelib import handlers
from chalicelib.act import Plan, raise_capacity
from chalicelib.aws import fleet, groups, jobs, notifications, pause_tags, queue
from chalicelib.aws.alarms import alarms_named, alarms_on_topic
from chalicelib.aws.autoscaling import scalable_targets
from chalicelib.aws.client import Aws
from chalicelib.aws.metrics import read_metrics
from chalicelib.aws.tables import table_names
from chalicelib.aws.threads import PARALLEL, Answers, Threads
from chalicelib.config.fleet import Fleet
from chalicelib.config.jobs import JobKind, JobPause
from chalicelib.config.loader import load
from chalicelib.model import Change, Dimension, Reason, SetCapacity, Target
from chalicelib.observe import existing_tables
from chalicelib.run import Run
from headroom.simulation.clock import START
from tests.support.builders import READS, decision
from tests.support.scenes import rules

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

T = TypeVar("T")
#: Seconds of the clock for which a test waits for an answer, whatever the run would allow.
PATIENCE = 0.1
#: Until a call that was given up must have come to the server, on a machine however busy.
LATEST = 60.0
FLEET = Fleet(name="workers", tags={"role": "worker"}, tables=())
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


class Server:
    """Accepts connections and sends `answer`, and then a byte now and then if it drips."""

    def __init__(self, drips: bool) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._drips, self._is_over = drips, threading.Event()
        self._kept: list[socket.socket] = []
        self.is_called = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._kept.append(connection)
            self.is_called.set()
            if self._drips:
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        try:
            connection.sendall(HEAD)
            while not self._is_over.wait(0.02):
                connection.sendall(b" ")
        except OSError:
            return

    def close(self) -> None:
        self._is_over.set()
        self._socket.close()
        for connection in self._kept:
            connection.close()


@pytest.fixture(params=[False, True], ids=["silent", "dripping"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    found = Server(request.param)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": found.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield found
    found.close()


class ShortThreads(Threads):
    """Waits a moment in place of the time that a run allows, and counts that time as gone.

    So a busy machine changes nothing: no test compares the clock.
    """

    waited = 0.0

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        try:
            return super().within(PATIENCE, call)
        except TimeoutError:
            self.waited += seconds
            raise TimeoutError(f"no answer within {seconds:.3g} s") from None


def new_run(length: float) -> Run:
    threads = ShortThreads()
    aws = Aws("headroom-alarms", threads=threads)
    return Run(aws, load(rules()), START, seconds_left=lambda: length - threads.waited)


def jobs_of(kind: JobKind) -> Callable[[Aws], object]:
    prefix = "" if kind == "backup" else "nightly"
    pause = JobPause(name="nightly", job=kind, tables=("orders",), prefix=prefix)
    return lambda aws: jobs.jobs(aws, pause, START)


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(table_names, id="ListTables"),
        pytest.param(lambda aws: read_metrics(aws, [READS], START), id="GetMetricData"),
        pytest.param(lambda aws: alarms_named(aws, ["alarm"]), id="DescribeAlarms"),
        pytest.param(alarms_on_topic, id="GetCallerIdentity"),
        pytest.param(scalable_targets, id="DescribeScalableTargets"),
        pytest.param(pause_tags.tags, id="GetResources"),
        pytest.param(lambda aws: notifications.tags(aws, "arn"), id="ListTagsForResource"),
        pytest.param(lambda aws: groups.groups(aws, ["web"]), id="DescribeAutoScalingGroups"),
        pytest.param(lambda aws: fleet.count_instances(aws, FLEET), id="DescribeInstances"),
        pytest.param(lambda aws: queue.send(aws, ["text"], "sweep"), id="GetQueueUrl"),
        *(pytest.param(jobs_of(kind), id=kind) for kind in ("emr_cluster", "glue_job")),
        *(pytest.param(jobs_of(kind), id=kind) for kind in ("step_function", "backup")),
    ],
)
def test_no_read_waits_longer_than_its_share(server: Server, call: Callable[[Aws], object]) -> None:
    run = new_run(60.0)
    assert run.read("it", "asking", call, run.aws) is None
    assert list(map(str, run.report.failures)) == ["it: asking failed: no answer within 10 s"]
    assert run.seconds_left() == 50.0
    assert server.is_called.wait(LATEST)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "seconds"),
    [(handlers.follow_up, 60.0), (handlers.sweep, 300.0), (handlers.scale_down, 900.0)],
)
def test_a_handler_ends_and_says_what_it_could_not_find_out(
    server: Server, handler: Callable[[Run], object], seconds: float
) -> None:
    run = new_run(seconds)
    handler(run)
    assert run.seconds_left() > seconds / 2
    assert "no answer within" in str(run.report.failures[0])
    assert server.is_called.wait(LATEST)


#: More than may be described side by side: the calls of the others are not made.
TABLES = [f"orders-{number:02}" for number in range(3 * PARALLEL)]


@pytest.mark.slow
def test_tables_that_nobody_describes_are_left_after_the_time_of_one_read(server: Server) -> None:
    run = new_run(60.0)
    assert existing_tables(run, TABLES) == {}
    assert list(map(str, run.report.failures)) == [
        "the tables: DescribeTable failed: no answer within 10 s"
    ]
    assert (run.seconds_left(), run.report.unreached) == (50.0, TABLES)


@pytest.mark.slow
def test_increases_that_nobody_answers_are_reported_before_the_end_of_the_run(
    server: Server,
) -> None:
    run = new_run(60.0)
    changes = {name: Change(Target(name, "", Dimension.READ), 100, 150) for name in TABLES}
    plans = [
        Plan(name, [decision(change.target, 100, 150)], [SetCapacity(name, (change,))], {})
        for name, change in changes.items()
    ]
    assert raise_capacity(run, plans) == []
    assert {str(failure.error) for failure in run.report.failures} == {"no answer within 58 s"}
    assert [failure.subject for failure in run.report.failures] == TABLES
    assert {d.reason for d in run.report.decisions} == {Reason.FAILED}
    assert run.seconds_left() == 2.0


def test_answers_that_came_are_kept_and_no_more_calls_are_made() -> None:
    over, threads = threading.Event(), Threads()
    answers = Answers(threads, lambda item: over.wait() if item == 1 else item)
    try:
        answers.fetch([0, 2])
        with pytest.raises(TimeoutError):
            threads.within(PATIENCE / 2, lambda: answers.fetch([1]))
        assert answers.stop() == {0: 0, 2: 2}
        answers.fetch([3, 4])
        assert 3 not in answers.results
    finally:
        over.set()
