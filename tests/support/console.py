"""A console in a test: its server in a thread, and requests to it over HTTP."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from headroom.console.server import HOST, Server
from headroom.console.site import Site, serve


@dataclass(frozen=True)
class Response:
    """What the server answered. data: its JSON; None for a file."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    """What sends requests to a console."""

    server: Server

    def send(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        connection = http.client.HTTPConnection(HOST, self.server.server_port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Response(response.status, dict(response.headers), response.read().decode())
        finally:
            connection.close()

    def get(self, name: str, **given: object) -> Response:
        return self.send("GET", f"/{self.server.token}/{name}?{urlencode(given)}")

    def post(self, name: str, **given: object) -> Response:
        headers = {"Content-Type": "application/json"}
        return self.send("POST", f"/{self.server.token}/{name}", json.dumps(given), headers)


@contextmanager
def served(site: Site) -> Iterator[Client]:
    """Serve a console on a free port."""
    with serving(serve(site)) as client:
        yield client


@contextmanager
def serving(server: Server) -> Iterator[Client]:
    """Let a server run in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Client(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
