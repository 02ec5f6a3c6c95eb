"""The one way to a URL that is not AWS's, against a real server on this machine: an answer's
status, and nothing more."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import ClassVar
from urllib.request import Request

import pytest

from chalicelib.aws.http import send

SECRET = "XXXXXXXX"


class Server(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and points everything elsewhere."""

    heard: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        status = int(self.path.split("/")[1])
        self.heard.append(
            f"{self.command} {self.path} "
            f"{self.rfile.read(int(self.headers['Content-Length'])).decode()}"
        )
        self.send_response(status)
        self.send_header("Location", "/200/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def place() -> Iterator[str]:
    Server.heard = []
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 204, 301, 302, 303, 307, 308, 404, 410, 500])
def test_the_answers_status_comes_back_and_no_redirect_is_followed(place: str, status: int) -> None:
    assert (send(Request(f"{place}/{status}/{SECRET}", b"text"), 5.0), Server.heard) == (
        status,
        [f"POST /{status}/{SECRET} text"],
    )


@contextmanager
def listening(answer: bytes) -> Iterator[str]:
    """A server that reads nothing, and says this and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"this is no HTTP\r\n\r\n"], ids=["nothing", "no HTTP"])
def test_what_is_no_answer_is_an_error_that_does_not_name_the_url(answer: bytes) -> None:
    with listening(answer) as place, pytest.raises(OSError, match=r".") as caught:
        send(Request(f"{place}/{SECRET}", b"text"), 5.0)
    assert SECRET not in str(caught.value)


def test_a_server_that_drips_its_answer_keeps_nobody_waiting() -> None:
    """Each byte comes before the socket's timeout, and the answer never ends."""
    is_over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drops: ")
                while not is_over.wait(0.05):
                    connection.sendall(b".")

        thread = Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"
        waiting = Thread(target=lambda: suppressed(Request(url, b"text")), daemon=True)
        waiting.start()
        waiting.join(timeout=5.0)
        is_late = waiting.is_alive()
        is_over.set()
        thread.join()
    assert not is_late


def suppressed(request: Request) -> None:
    with pytest.raises(OSError, match="timed out"):
        send(request, 0.2)


def test_a_server_that_does_not_encrypt_is_no_answer_where_encryption_is_demanded() -> None:
    with (
        listening(b"HTTP/1.1 200 OK\r\n\r\n") as place,
        pytest.raises(OSError, match="SSL") as caught,
    ):
        send(Request(f"{place.replace('http:', 'https:')}/{SECRET}", b"text"), 5.0)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:1/{SECRET}",
        f"http://127.0.0.1:port/{SECRET}",
        f"http://127.0.0.1/ {SECRET}",
    ],
)
def test_where_nobody_listens_or_nobody_can_is_an_error_that_does_not_name_the_url(
    url: str,
) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        send(Request(url, b"text"), 5.0)
    assert SECRET not in str(caught.value)
