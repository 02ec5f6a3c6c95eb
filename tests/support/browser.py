"""Chromium, headless, as a person's browser: its pages, their errors, keys and pictures.

It is steered by the DevTools protocol over a pipe, which needs no library.
"""

import base64
import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
#: Every page is drawn sooner, also on a busy machine.
SECONDS = 60

needs_browser = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}: Debian's package is `chromium`"
)


class Browser:
    """One browser with one page at a time."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number, self._session = b"", 0, ""
        #: What the page logged as an error, threw, or could not load.
        self.errors: list[str] = []
        #: The addresses that the page requested.
        self.requests: list[str] = []

    def open(
        self,
        url: str,
        width: int = 1280,
        height: int = 900,
        *,
        dark: bool = False,
        scale: float = 1,
    ) -> None:
        """Open a page in a new tab, at a width and height in pixels, light or dark."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.errors, self.requests = [], []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        self.until(lambda: bool(self.run(f"Boolean({condition})")), condition)

    def until(self, is_true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        while not is_true():
            assert time.monotonic() < end, f"not within {SECONDS} s: {what}; {self.errors}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key, such as `Tab`, `ArrowDown` or `n`, where the focus is."""
        text = {"text": key} if len(key) == 1 else {"Enter": {"text": "\r"}}.get(key, {})
        codes = {"Tab": 9, "Enter": 13, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38}
        codes |= {"ArrowRight": 39, "ArrowDown": 40}
        code = codes.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text
            )

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """Touch the screen with a finger at each point. kind: `Start`, `Move` or `End`."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
        self._call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=fingers)

    def picture(self, file: Path, height: int | None = None) -> None:
        """Write a picture of the page, as PNG or WebP: all of it, or so many pixels of what is on
        screen."""
        size = self.run("[innerWidth, document.documentElement.scrollHeight, scrollY]")
        top, shown = (size[2], height) if height else (0, size[1])
        clip = {"x": 0, "y": top, "width": size[0], "height": shown, "scale": 1}
        kind = {"format": "webp", "quality": 90} if file.suffix == ".webp" else {"format": "png"}
        shot = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True, **kind)
        file.write_bytes(base64.b64decode(shot["data"]))

    # the protocol

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith("Target."):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._from, 1 << 20)
            assert part, "the browser ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _note(self, event: str, params: dict[str, Any]) -> None:
        """Keep the errors and the requests of the page."""
        match event:
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(str([arg.get("value") for arg in params["args"]]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                entry = params["entry"]
                self.errors.append(f"{entry['text']} {entry.get('url', '')}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])


#: Starts a program with two descriptors as its third and fourth, where the browser looks for them.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser with a fresh profile, and end it."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    # above 4, so that none is overwritten by the other
    given = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        start = [sys.executable, "-c", START, *map(str, given)]
        process = subprocess.Popen(
            [*start, str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (theirs_in, theirs_out, *given):
            os.close(fd)
        try:
            yield Browser(ours_out, ours_in)
        finally:
            process.terminate()
            process.wait(timeout=SECONDS)
            os.close(ours_out)
            os.close(ours_in)
