"""What the region's services share: the region as they see it, calls, faults and invocations.

The services know no more of each other than the callables that Region hands to them.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from unittest.mock import patch

from headroom.simulation.dynamodb_rules import Conditions

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Call:
    service: str
    operation: str
    params: Mapping[str, Any]
    at: datetime


class Context(Protocol):
    """The region, as its services see it."""

    start: datetime
    now: datetime
    minute: int
    name: str
    conditions: Conditions
    calls: list[Call]

    def travel(self, to: datetime) -> None:
        """Move the clock, and nothing else."""

    def minute_of(self, at: datetime) -> int:
        """Return the whole minutes from the region's start to a time."""

    def client(self, service: str) -> Any:
        """Return a boto3 client whose calls this region answers."""


class ServiceError(Exception):
    """An error as AWS answers it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Killed(BaseException):
    """The function ends at this call, as Lambda ends it when its time is over."""


@dataclass
class Fault:
    """Answer an operation with an error, from the `after`-th call on, `times` times.

    has_effect: the call does what it should, and only its answer is lost.
    """

    operation: str
    code: str
    times: int = 1
    after: int = 0
    matches: Callable[[Mapping[str, Any]], bool] = lambda _: True
    has_effect: bool = False

    def applies_to(self, call: Call) -> bool:
        if call.operation != self.operation or not self.matches(call.params) or self.times <= 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Invocation:
    """One run of a function: its event, its log lines, what it printed, its API calls, and its
    result or error."""

    function: str
    at: datetime
    payload: Mapping[str, Any]
    logs: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""
    result: Any = None
    error: BaseException | None = None
    calls: Sequence[Call] = ()


def page(
    items: Sequence[dict[str, Any]], params: Mapping[str, Any], size: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return copies of a page's items, and the NextToken of the next page, if there is one."""
    first = int(params.get("NextToken", 0))
    more = {"NextToken": str(first + size)} if first + size < len(items) else {}
    return [dict(item) for item in items[first : first + size]], more


@contextlib.contextmanager
def environment_of(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables for a while; None removes a variable."""
    given = {name: value for name, value in values.items() if value is not None}
    with patch.dict(os.environ, given):
        for name in values.keys() - given.keys():
            os.environ.pop(name, None)
        yield
