"""A small HTTP server on loopback, for one person's browser.

Another page in the same browser must not use it. So every address begins with a random token, the
Host must be the server's own (a foreign name may resolve to 127.0.0.1), and a request that changes
something must have no foreign Origin and be JSON, which another site cannot send without asking.
"""

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HOST = "127.0.0.1"
#: Longer than any message of an alarm.
MOST_BYTES = 1_000_000
JSON, TEXT = "application/json", "text/plain; charset=utf-8"
#: The page may load nothing but its own files, and may be in no frame.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class RefusedError(Exception):
    """A request that is not done. The text says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


#: What answers a request: from the parameters of its address, or from its JSON.
Answer = Callable[[Mapping[str, object]], object]


class Server(ThreadingHTTPServer):
    """Serves files, and answers by functions, one at a time.

    Several threads take connections, since a browser opens some that it does not use. A lock keeps
    the functions one after another.
    """

    daemon_threads = True

    def __init__(
        self,
        port: int,
        files: Mapping[str, tuple[str, str]],
        reads: Mapping[str, Answer],
        acts: Mapping[str, Answer],
        describe: Callable[[Exception], str | None],
    ) -> None:
        """files: kind and text by name; "" is the page. reads, acts: what answers GET and POST, by
        name. describe: the text of an error that is no mistake of the program, else None.

        port: 0 for any that is free.
        """
        super().__init__((HOST, port), Handler)
        self.files, self.answers = files, {"GET": reads, "POST": acts}
        self.describe, self.lock, self.token = describe, Lock(), secrets.token_urlsafe(24)

    def handle_error(self, *client: Any) -> None:
        """Print a mistake of the program, and nothing for a browser that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*client)

    def stop(self) -> None:
        """Wait for the answer that is being made, make no other, and close."""
        self.lock.acquire()
        self.server_close()

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    server_version, sys_version = "headroom", ""
    #: Seconds. A connection that a browser opens in advance does not stay for ever.
    timeout = 60

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        try:
            kind, text = self._answer()
            self._send(HTTPStatus.OK, kind, text)
        except RefusedError as error:
            self._send(error.status, JSON, json.dumps({"error": str(error)}))
        except Exception as error:
            why = self.server.describe(error)
            self._send(HTTPStatus.BAD_GATEWAY, JSON, json.dumps({"error": why or repr(error)}))
            if why is None:
                raise

    def _answer(self) -> tuple[str, str]:
        """Return the kind and the text of the response."""
        address = urlsplit(self.path)
        name = self._checked(address.path)
        if self.command == "GET" and name in self.server.files:
            return self.server.files[name]
        answer = self.server.answers[self.command].get(name)
        if answer is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        given = self._body() if self.command == "POST" else dict(parse_qsl(address.query))
        with self.server.lock:
            return JSON, json.dumps(answer(given))

    def _checked(self, path: str) -> str:
        """Return the name behind the token. Raises RefusedError for a request of another page."""
        hosts = {f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"}
        _, token, *rest = path.split("/", 2)
        # in bytes: the comparison of texts knows ASCII only
        if self.headers.get("Host") not in hosts or not secrets.compare_digest(
            token.encode(), self.server.token.encode()
        ):
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "open the address that `headroom console` printed"
            )
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            raise RefusedError(HTTPStatus.FORBIDDEN, "a request of another page")
        if not rest:
            raise RefusedError(HTTPStatus.NOT_FOUND, "the address ends with /")
        return rest[0]

    def _body(self) -> Mapping[str, object]:
        if self.headers.get_content_type() != JSON:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only JSON is taken")
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "more than 1 MB")
        try:
            given = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the request is not a JSON object")
        return given

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        headers = {**HEADERS, "Content-Type": kind, "Content-Length": str(len(data))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Print nothing: the terminal is for errors."""
