"""Who may use the console: its own page, and no other in the same browser."""

import http.client
import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from headroom.console.server import HOST, RefusedError, Server
from tests.support.console import Client, serving

JSON = {"Content-Type": "application/json"}


def answer(given: Any) -> object:
    if "refuse" in given:
        raise RefusedError(HTTPStatus.CONFLICT, "not now")
    if "fail" in given:
        raise OSError("no answer")
    if "mistake" in given:
        raise KeyError("mistake")
    return dict(given)


def described(error: Exception) -> str | None:
    return str(error) if isinstance(error, OSError) else None


class WatchedServer(Server):
    """Tells when the thread of a request has printed an error, which is after the answer."""

    printed = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        super().handle_error(request, client_address)
        self.printed.set()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    files = {"": ("text/html", "<p>page</p>")}
    server = WatchedServer(0, files, {"read": answer}, {"act": answer}, described)
    with serving(server) as client:
        yield client


def test_it_listens_on_loopback_alone(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"
    assert (
        client.server.url == f"http://127.0.0.1:{client.server.server_port}/{client.server.token}/"
    )
    assert len(client.server.token) >= 32


def test_the_page_may_load_nothing_from_elsewhere_and_is_kept_nowhere(client: Client) -> None:
    page = client.get("")
    assert (page.status, page.text) == (200, "<p>page</p>")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == (
        "no-referrer",
        "no-store",
    )


def test_what_is_asked_is_answered(client: Client) -> None:
    assert client.get("read", table="orders").data == {"table": "orders"}
    assert client.post("act", minutes=5).data == {"minutes": 5}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("GET", "/{token}/read", {"Host": "evil.example:{port}"}, 403, id="rebinding"),
        pytest.param("GET", "/{token}/read", {"Host": "localhost:{port}"}, 200, id="localhost"),
        pytest.param("GET", "/wrong/read", {}, 403, id="no token"),
        pytest.param("GET", "/", {}, 403, id="the root"),
        pytest.param("GET", "/{token}", {}, 404, id="no slash"),
        pytest.param("GET", "/{token}/act", {}, 404, id="an act by GET"),
        pytest.param("POST", "/{token}/read", JSON, 404, id="a read by POST"),
        pytest.param("POST", "/{token}/act", JSON, 200, id="the page itself"),
        pytest.param(
            "POST", "/{token}/act", {**JSON, "Origin": "http://127.0.0.1:{port}"}, 200, id="own"
        ),
        pytest.param("POST", "/{token}/act", {**JSON, "Origin": "null"}, 403, id="a sandbox"),
        pytest.param(
            "POST", "/{token}/act", {**JSON, "Origin": "https://evil.example"}, 403, id="foreign"
        ),
        pytest.param("POST", "/{token}/act", {"Content-Type": "text/plain"}, 415, id="a form"),
        pytest.param(
            "POST", "/{token}/act", {**JSON, "Content-Length": "1000001"}, 413, id="too long"
        ),
    ],
)
def test_another_page_in_the_browser_gets_nothing(
    client: Client, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    server = client.server
    filled = {k: v.replace("{port}", str(server.server_port)) for k, v in headers.items()}
    body = "{}" if method == "POST" and "Content-Length" not in headers else None
    assert client.send(method, path.replace("{token}", server.token), body, filled).status == status


@pytest.mark.parametrize("body", ["[1]", "{", "nothing"])
def test_a_body_that_is_no_object_is_refused(client: Client, body: str) -> None:
    found = client.send("POST", f"/{client.server.token}/act", body, JSON)
    assert (found.status, found.data["error"]) == (400, "the request is not a JSON object")


def test_an_error_is_answered_in_words(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    assert (client.get("read", refuse=1).status, client.get("read", fail=1).status) == (409, 502)
    assert client.get("read", fail=1).data == {"error": "no answer"}
    assert capfd.readouterr().err == ""
    assert client.get("read", mistake=1).data == {"error": "KeyError('mistake')"}
    assert client.get("read").status == 200  # the server goes on
    assert WatchedServer.printed.wait(60)
    assert "Traceback" in capfd.readouterr().err


def test_a_browser_that_goes_away_is_no_error(
    client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    connection = http.client.HTTPConnection(HOST, client.server.server_port)
    connection.connect()
    connection.close()
    try:
        raise ConnectionResetError("gone")
    except ConnectionError:
        client.server.handle_error(None, (HOST, 1))
    assert client.get("read").status == 200
    assert capfd.readouterr().err == ""


def test_json_is_what_the_page_gets(client: Client) -> None:
    found = client.get("read")
    assert found.headers["Content-Type"] == "application/json"
    assert json.loads(found.text) == {}
