"""One HTTP request to a URL that the operator chose. No redirect is followed."""

import io
import socket
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
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


class _Parts(io.RawIOBase):
    """What comes from a socket. Each part may take half as long as the one before.

    All parts together then take at most twice the socket's timeout: a server that sends a byte now
    and then keeps no thread.
    """

    def __init__(self, raw: Any, connection: socket.socket) -> None:
        self._raw, self._connection = raw, connection
        self._seconds = connection.gettimeout()

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read the next part. Raises TimeoutError where it does not come in time."""
        self._connection.settimeout(self._seconds)
        if self._seconds is not None:
            self._seconds /= 2
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        """Close the socket's file."""
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = io.BufferedReader(_Parts(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        """Open a connection without encryption."""
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        """Open an encrypted connection. The server's certificate and name are checked."""
        return self.do_open(_SecureConnection, req)


#: Knows only http and https, no file: or ftp:. It takes every status as an answer, since the
#: operator did not choose the target of a redirect.
OPENER = OpenerDirector()
for handler in (ProxyHandler(), _Http(), _Https(), UnknownHandler()):
    OPENER.add_handler(handler)


def send(request: Request, seconds: float) -> int:
    """Send a request and return the status of the answer, whatever it is.

    seconds: how long to wait for the connection, and then for the first part of the answer; for
    all of it twice as long. Raises OSError where no answer comes. Its message contains no part of
    the URL.
    """
    try:
        with OPENER.open(request, timeout=seconds) as answer:
            return int(answer.status)
    except HTTPException as error:  # no HTTP answer; some of these errors repeat the URL
        raise OSError(f"no HTTP answer ({type(error).__name__})") from None
