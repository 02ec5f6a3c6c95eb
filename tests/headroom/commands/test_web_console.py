"""`headroom console`: the command itself."""

import _thread
import signal
import socket
import threading
import time
import webbrowser
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from headroom.console.server import HOST
from headroom.region.region import Region
from tests.support.command_line import RunCommand

SECONDS = 60


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def visit(port: int, statuses: list[int], ended: threading.Event) -> None:
    """Ask for a page as soon as the server is there; then press Ctrl-C until it has ended.

    An interrupt is lost if it comes while the collector runs a callback.
    """
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            connection = HTTPConnection(HOST, port, timeout=SECONDS)
            connection.request("GET", "/")
            statuses.append(connection.getresponse().status)
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    _thread.interrupt_main()
    while not ended.wait(SECONDS):
        _thread.interrupt_main()


@pytest.fixture
def _ctrl_c_counts() -> Iterator[None]:
    """Let an interrupt have its usual effect: a shell lets jobs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow(traced=True)
@pytest.mark.usefixtures("_ctrl_c_counts")
@pytest.mark.parametrize("words", [("--open",), ("--account",)])
def test_it_prints_its_address_and_serves_until_ctrl_c(
    words: tuple[str, ...], run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    port, statuses, ended = free_port(), list[int](), threading.Event()
    visitor = threading.Thread(target=visit, args=(port, statuses, ended))
    visitor.start()
    with Region():
        result = run("console", *words, "--port", str(port))
    ended.set()
    visitor.join()
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"Headroom's console: http://127.0.0.1:{port}/")
    assert lines[1:] == ["It answers this computer only. Ctrl-C ends it.", "Stopped."]
    assert (result.exit_code, statuses) == (0, [403])
    assert opened == ([lines[0].split()[-1]] if "--open" in words else [])


def test_the_embedded_region_needs_no_permission_to_write(run: RunCommand) -> None:
    result = run("console", "--write")
    assert result.exit_code == 2
    assert "--write is for --account" in result.errors


def test_a_configuration_with_mistakes_is_refused(run: RunCommand, tmp_path: object) -> None:
    file = f"{tmp_path}/wrong.toml"
    with open(file, "w") as wrong:
        wrong.write("[defaults]\nmin_unit = 3\n")
    result = run("console", "--config", file)
    assert result.exit_code == 2
    assert "min_unit" in result.errors
