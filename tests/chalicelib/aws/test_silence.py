"""Servers that accept and never answer, and servers whose answer never ends: no read waits."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import boto3
import pytest

from chalicelib import handlers
from chalicelib.aws import groups, notifications, pause_tags
from chalicelib.aws.alarms import alarms_named, alarms_on_topic
from chalicelib.aws.autoscaling import scalable_targets
from chalicelib.aws.client import Aws
from chalicelib.aws.metrics import read_metrics
from chalicelib.aws.tables import table_names
from chalicelib.config.loader import load
from chalicelib.run import Run
from headroom.simulation.clock import START
from tests.support.builders import READS
from tests.support.scenes import rules

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

#: A run of so many seconds gives its first read 0.24 of them.
LENGTH = 2.0
#: A run that makes its clients too, on a busy machine.
LONG = 4.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


class Server:
    """Accepts connections and sends `answer`, and then a byte now and then if it drips."""

    def __init__(self, drips: bool) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._drips, self._is_over = drips, threading.Event()
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._kept.append(connection)
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


def new_run(length: float = LENGTH) -> Run:
    end = time.monotonic() + length
    return Run(
        Aws("headroom-alarms"), load(rules()), START, seconds_left=lambda: end - time.monotonic()
    )


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
    ],
)
def test_no_read_waits_longer_than_its_share(server: Server, call: Callable[[Aws], object]) -> None:
    run = new_run()
    assert run.read("it", "asking", call, run.aws) is None
    assert run.seconds_left() > LENGTH / 2
    (failure,) = run.report.failures
    assert str(failure).startswith("it: asking failed: no answer within 0.2")


@pytest.mark.slow
@pytest.mark.parametrize("handler", [handlers.follow_up, handlers.sweep, handlers.scale_down])
def test_a_handler_ends_and_says_what_it_could_not_find_out(
    server: Server, handler: Callable[[Run], object]
) -> None:
    run = new_run(LONG)
    handler(run)
    assert run.seconds_left() > 0
    assert "no answer within" in str(run.report.failures[0])
