"""Coverage pauses where it doubles a cost and shows nothing new.

pytest-cov has a marker `no_cover`, which stops one measurement. With xdist a worker has two of
them, and the other goes on (pytest-cov 7.1). After a test that is `untraced` as well, one of them
follows every later test. So no test may have it.
"""

import copy
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.parsers import ResponseParser
from botocore.session import Session
from coverage import Coverage
from moto.core.botocore_stubber import BotocoreStubber

#: Functions of others that take most of a call's time, and call nothing of ours. Coverage counts
#: no line of theirs.
OF_OTHERS = (
    (BaseClient, "_convert_to_request_dict"),
    (BaseClient, "_resolve_endpoint_ruleset"),
    (BotocoreStubber, "__call__"),
    (Endpoint, "create_request"),
    (ResponseParser, "parse"),
    (Session, "create_client"),
    (copy, "deepcopy"),
)


@contextmanager
def untraced() -> Iterator[None]:
    """Let coverage not follow what the block runs."""
    stopped = []
    while current := Coverage.current():
        current.stop()
        stopped.append(current)
    try:
        yield
    finally:
        for measurement in reversed(stopped):
            measurement.start()


def pass_over_others() -> None:
    """Let coverage pause in `OF_OTHERS`, for the rest of the process."""
    for owner, name in OF_OTHERS:
        setattr(owner, name, _passed_over(getattr(owner, name)))


def _passed_over(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def pause(*args: Any, **options: Any) -> Any:
        # The tracer of this thread: it goes on in the same frame, which a new one would not know
        tracer: Any = sys.gettrace()
        if not hasattr(tracer, "stop"):
            return function(*args, **options)
        tracer.stop()
        try:
            return function(*args, **options)
        finally:
            tracer.start()

    return pause
