"""One HTTP request to a URL that the operator chose. No redirect is followed."""

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

#: Sends a request, waits at most so many seconds, and returns the answer's status.
Send = Callable[[Request, float], int]
#: Knows only http and https, no file: or ftp:. It takes every status as an answer, since the
#: operator did not choose the target of a redirect.
OPENER = OpenerDirector()
for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), UnknownHandler()):
    OPENER.add_handler(handler)


def send(request: Request, seconds: float) -> int:
    """Send a request and return the status of the answer, whatever it is.

    seconds: how long to wait for the connection, and then for each part of the answer. Raises
    OSError where no answer comes. Its message contains no part of the URL.
    """
    try:
        with OPENER.open(request, timeout=seconds) as answer:
            return int(answer.status)
    except HTTPException as error:  # no HTTP answer; some of these errors repeat the URL
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
