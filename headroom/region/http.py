"""The embedded region's web: what answers an HTTP request of the app, and which requests were
made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.request import Request

if TYPE_CHECKING:
    from headroom.region.region import Region


@dataclass(frozen=True)
class Asked:
    """A request that was made. seconds: how long the app would have waited."""

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


class Web:
    """Servers by URL: each answers with a status, or with what it makes of the request. Elsewhere
    nobody listens.

    A server that raises OSError has kept silent. It takes the place of chalicelib.web.send.
    """

    def __init__(self, region: Region) -> None:
        self._region = region
        self.servers: dict[str, int | Callable[[Asked], int]] = {}
        self.asked: list[Asked] = []

    def __call__(self, request: Request, seconds: float) -> int:
        asked = Asked(request, seconds, self._region.now)
        self.asked.append(asked)
        server = self.servers.get(asked.url)
        if server is None:
            raise ConnectionRefusedError("Connection refused")
        return server(asked) if callable(server) else server
