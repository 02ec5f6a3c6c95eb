"""The embedded region's CloudWatch Logs: what the functions have logged, and FilterLogEvents.

moto searches for plain words only. Here a pattern may be a JSON pattern of comparisons that must
all hold. Source: CloudWatch Logs User Guide, "Using filter patterns to match terms in JSON log
events", read 2026-11.
"""

import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from headroom.region.context import Context, Invocation, ServiceError, page

#: The functions of the region are those of this stage.
STAGE_PREFIX = "/aws/lambda/headroom-local-"
#: Lines that a log group keeps, the newest: a simulation of weeks must not fill the memory.
MOST_LINES = 20_000
PAGE_SIZE = 1_000
CONDITION = re.compile(r'\$\.(?P<field>\w+)\s*(?P<sign>!?=)\s*(?P<value>"[^"]*"|-?\d+)')


class Logs:
    """The log groups of the region's functions, by name."""

    def __init__(self, region: Context) -> None:
        self._region = region
        self._groups: dict[str, deque[tuple[datetime, dict[str, Any]]]] = {}

    def keep(self, invocation: Invocation) -> None:
        """Keep the lines of an invocation in the log group of its function."""
        name = STAGE_PREFIX + invocation.function
        group = self._groups.setdefault(name, deque(maxlen=MOST_LINES))
        group.extend((invocation.at, line) for line in invocation.logs)

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer FilterLogEvents. The other operations are moto's."""
        if operation != "FilterLogEvents":
            return None
        group = self._groups.get(params["logGroupName"])
        if group is None:
            raise ServiceError(
                "ResourceNotFoundException", "The specified log group does not exist."
            )
        first = params.get("startTime", 0)
        events = [
            {"timestamp": _milliseconds(at), "message": json.dumps(line)}
            for at, line in group
            if _milliseconds(at) >= first and _matches(params.get("filterPattern", ""), line)
        ]
        given = {"NextToken": params["nextToken"]} if "nextToken" in params else {}
        shown, more = page(events, given, PAGE_SIZE)
        token = {"nextToken": more["NextToken"]} if more else {}
        return {"events": shown, **token}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def _matches(pattern: str, line: Mapping[str, Any]) -> bool:
    """Tell whether a line meets every comparison of a JSON pattern. A missing field meets none."""
    for condition in CONDITION.finditer(pattern):
        field, wanted = condition["field"], json.loads(condition["value"])
        if field not in line or (line[field] == wanted) != (condition["sign"] == "="):
            return False
    return True
