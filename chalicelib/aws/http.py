"""One HTTP request to a URL of the operator's choice, and nothing that the answer asks for: no
redirect is followed."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

Send = Callable[[Request, float], int]
"""Sends a request, waiting so many seconds at the most, and returns the answer's status."""


OPENER = OpenerDirector()
"""Knows http and https alone, no file: or ftp:, and takes every status as an answer: where a
redirect leads was not the operator's choice."""
for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), UnknownHandler()):
    OPENER.add_handler(handler)


def send(request: Request, seconds: float) -> int:
    """Send a request and return the status of the answer, whatever it is.

    seconds: how long to wait for the connection, and then for each part of the answer. Raises
    OSError where no answer comes; its message names neither the URL nor a part of it.
    """
    try:
        with OPENER.open(request, timeout=seconds) as answer:
            return int(answer.status)
    except HTTPException as error:  # what is no HTTP; some of these errors repeat the URL
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
