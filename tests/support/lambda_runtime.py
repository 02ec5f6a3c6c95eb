"""One container of AWS Lambda: AWS's own runtime client around an unpacked package.

The client (`awslambdaric`, Apache-2.0) is what Lambda's images for Python run. It asks a Runtime
API for events and posts the answers there. Source: AWS Lambda Developer Guide, "Using the Lambda
runtime API", version 2018-06-01, read 2026-11.
"""

import contextlib
import json
import queue
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any

from headroom.deploy import cold_import
from tests.support.foreign import SECONDS

API = "/2018-06-01/runtime"
#: What Lambda's image has besides boto3: the client and what it requires.
CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:headroom-dev-"
_END = object()


@dataclass(frozen=True)
class Answer:
    """What came of one event: the posted document, whether it is an error, and the log lines.

    seconds: from the event to its answer.
    """

    request_id: str
    document: Any
    is_error: bool
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the log. Every line must be JSON."""
        return [json.loads(line) for line in self.log]

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics that CloudWatch takes from the log (Embedded Metric Format)."""
        found: dict[str, float] = {}
        for line in self.lines:
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                assert all(name in line for names in directive["Dimensions"] for name in names)
                found |= {m["Name"]: line[m["Name"]][0] for m in directive["Metrics"]}
        return found


class _Api(ThreadingHTTPServer):
    """The Runtime API of one container."""

    daemon_threads = True

    def __init__(self, arn: str) -> None:
        super().__init__(("127.0.0.1", 0), _Calls)
        self.arn = arn
        self.events: queue.Queue[Any] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.is_asked = Event()
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Calls(BaseHTTPRequestHandler):
    server: _Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give the next event, and wait until there is one."""
        self.server.is_asked.set()
        event = self.server.events.get()
        if event is _END:
            self.close_connection = True
            return
        request_id, body, deadline = event
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1_000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", self.server.arn)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Take an answer, or an error, of an event or of the start."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        *_, request_id, kind = self.path.removeprefix(API).split("/")
        self.server.answers.put(Answer(request_id, json.loads(body), kind == "error"))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self) -> None:
        """Serve a connection. The client breaks it off where it is ended."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Keep the test's output free of requests."""


@dataclass
class Container:
    """A function's container. It takes one event after another."""

    api: _Api
    process: subprocess.Popen[bytes]
    log: Path
    _start: float = field(default_factory=time.monotonic)
    _read: int = 0

    def seconds_to_start(self) -> float:
        """Wait until the function's module is imported; return how long that took.

        It tells how busy this machine is.
        """
        assert self.api.is_asked.wait(SECONDS)
        return time.monotonic() - self._start

    def invoke(self, event: Mapping[str, Any], seconds: float = SECONDS) -> Answer:
        """Hand the function an event, with so many seconds until its deadline."""
        start = time.time()
        request_id = str(uuid.uuid4())
        self.api.events.put((request_id, json.dumps(event).encode(), start + seconds))
        answer = self._answer()
        assert answer.request_id == request_id, answer
        return Answer(
            request_id, answer.document, answer.is_error, self._new_lines(), time.time() - start
        )

    def start_error(self) -> Any:
        """Return the error with which the function's module could not be imported."""
        answer = self._answer()
        assert (answer.request_id, answer.is_error) == ("init", True)
        return answer.document

    def _answer(self) -> Answer:
        try:
            return self.api.answers.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer; the log:\n{self.log.read_text()}") from None

    def _new_lines(self) -> list[str]:
        text = self.log.read_bytes().decode()
        new, self._read = text[self._read :], len(text)
        # the runtime's own message of an error has carriage returns within its one line
        return new.removesuffix("\n").split("\n")


def runtime(folder: Path) -> Path:
    """Fill a folder with what Lambda's image has: boto3 and the runtime client."""
    cold_import.runtime(folder)
    for name in CLIENT:
        file = Path(str(import_module(name).__file__))
        source = file.parent if file.name == "__init__.py" else file
        (folder / source.name).symlink_to(source)
    return folder


@contextlib.contextmanager
def container(
    package: Path, runtime: Path, function: str, environment: Mapping[str, str], log: Path
) -> Iterator[Container]:
    """Start a function of an unpacked package. It finds the package and Lambda's own libraries,
    and nothing else of this machine."""
    api = _Api(f"{ARN}{function}")
    variables = {
        "PYTHONPATH": f"{package}:{runtime}",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": f"headroom-dev-{function}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "LAMBDA_TASK_ROOT": str(package),
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-S", "-B", "-m", "awslambdaric", f"app.{function}"],
        cwd=package,
        env=variables,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        yield Container(api, process, log)
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
        api.events.put(_END)
        api.shutdown()
        api.server_close()
