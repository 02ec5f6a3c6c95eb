"""The embedded region's web servers, which answer the app's HTTP requests, and those requests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.request import Request

from headroom.region.context import Context


@dataclass(frozen=True)
class HttpRequest:
    """A request that was made. seconds: its timeout."""

    request: Request
    seconds: float
    at: datetime

    @property
    def url(self) -> str:
        return self.request.full_url

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers by their names in small letters."""
        return {name.lower(): value for name, value in self.request.header_items()}


class Http:
    """Servers by URL: each is a status, or a function that returns one. Other URLs refuse the
    connection.

    A server that raises OSError does not answer. This takes the place of chalicelib.aws.http.send.
    """

    def __init__(self, region: Context) -> None:
        self._region = region
        self.servers: dict[str, int | Callable[[HttpRequest], int]] = {}
        self.requests: list[HttpRequest] = []

    def __call__(self, request: Request, seconds: float) -> int:
        made = HttpRequest(request, seconds, self._region.now)
        self.requests.append(made)
        server = self.servers.get(made.url)
        if server is None:
            raise ConnectionRefusedError("Connection refused")
        return server(made) if callable(server) else server
