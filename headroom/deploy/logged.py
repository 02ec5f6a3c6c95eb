"""What a stage's functions have done to a table, read from their logs in CloudWatch Logs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.core.explain import MODES
from chalicelib.model import Dimension, Target
from headroom.deploy.account import AwsSession, get_or_none
from headroom.deploy.stage import CONFIGURED, LISTENERS, SCHEDULED, Stage

#: Every function that may change capacity.
FUNCTIONS = (*SCHEDULED, *sorted(LISTENERS.values()), *CONFIGURED)


@dataclass(frozen=True)
class LoggedChange:
    """A decision that changed a target's capacity, or would have in a dry run."""

    at: datetime
    function: str
    target: Target
    current: int
    desired: int
    reason: str
    dry_run: bool
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class LoggedFailure:
    """A failure of a table, in words."""

    at: datetime
    function: str
    message: str


@dataclass(frozen=True)
class LoggedSwitch:
    """A decision that switched the billing mode of a table, or would have in a dry run."""

    at: datetime
    function: str
    on_demand: bool
    reason: str
    dry_run: bool
    numbers: Mapping[str, Any]

    @property
    def mode(self) -> str:
        """Return the mode to which the table was switched."""
        return MODES[self.on_demand]


LoggedEvent = LoggedChange | LoggedFailure | LoggedSwitch


@dataclass(frozen=True)
class _Wanted:
    """Lines of a kind, in which a field has a value, and another field is not 0."""

    kind: str
    field: str
    value: str
    not_zero: str = ""

    @property
    def pattern(self) -> str:
        """Return them as FilterLogEvents selects them."""
        more = f" && $.{self.not_zero} != 0" if self.not_zero else ""
        return f'{{ $.kind = "{self.kind}" && $.{self.field} = {json.dumps(self.value)}{more} }}'

    def has(self, line: object) -> bool:
        """Tell whether a line is one of them."""
        return (
            isinstance(line, dict)
            and (line.get("kind"), line.get(self.field)) == (self.kind, self.value)
            and (not self.not_zero or line.get(self.not_zero, 0) != 0)
        )


def has_logs(session: AwsSession, stage: Stage) -> bool:
    """Tell whether any function of the stage has a log group."""
    return any(
        get_or_none(session.client("logs").filter_log_events, logGroupName=_group(stage, name))
        is not None
        for name in FUNCTIONS
    )


def history(session: AwsSession, stage: Stage, table: str, since: datetime) -> list[LoggedEvent]:
    """Return what was done to a table since a time, and what failed, oldest first.

    Three FilterLogEvents searches in each function's log. They return only what changed, so that a
    week of a busy table is a few pages.
    """
    lines = (
        _Wanted("decision", "table", table, "change"),
        _Wanted("failure", "subject", table),
        _Wanted("mode", "table", table, "switch"),
    )
    events = [
        _event(at, line, function)
        for function in FUNCTIONS
        for wanted in lines
        for at, line in _search(session, _group(stage, function), wanted, since)
    ]
    return sorted(events, key=lambda event: event.at)


def levels(
    session: AwsSession, stage: Stage, alarm: str, since: datetime
) -> list[tuple[datetime, float]]:
    """Return the levels at which an alarm of Headroom's own fired since a time, oldest first.

    alarm: its name. A level is in units per second, and has the time at which it was set.
    """
    wanted = _Wanted("action", "alarm", alarm)
    found = [
        (at, float(line["alarm_level_units"]))
        for function in FUNCTIONS
        for at, line in _search(session, _group(stage, function), wanted, since)
    ]
    return sorted(found)


def without_repeats(events: Iterable[LoggedEvent]) -> list[LoggedEvent]:
    """Return the events without the changes that a dry run repeats at every sweep."""
    last: dict[Target, tuple[int, int, str]] = {}
    switched: tuple[bool, str] | None = None
    kept: list[LoggedEvent] = []
    for event in events:
        if isinstance(event, LoggedSwitch):
            to = event.on_demand, event.reason
            if event.dry_run and switched == to:
                continue
            switched = to
        if isinstance(event, LoggedChange):
            what = (event.current, event.desired, event.reason)
            if event.dry_run and last.get(event.target) == what:
                continue
            last[event.target] = what
        kept.append(event)
    return kept


def _group(stage: Stage, function: str) -> str:
    return f"/aws/lambda/{stage.function(function)}"


def _search(
    session: AwsSession, group: str, wanted: _Wanted, since: datetime
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield the lines that are wanted, with their times; none where there is no such log.

    A local AWS may return other lines too: moto knows no pattern of JSON (5.2, November 2026).
    """
    start = int(since.timestamp() * 1_000)
    pages = session.pages(
        "logs",
        "filter_log_events",
        "events",
        logGroupName=group,
        startTime=start,
        filterPattern=wanted.pattern,
    )
    for event in get_or_none(list, pages) or []:
        line = _parsed(event["message"])
        if wanted.has(line):
            yield datetime.fromtimestamp(event["timestamp"] / 1_000, UTC), line


def _parsed(message: str) -> Any:
    try:
        return json.loads(message)
    except ValueError:  # a line of Lambda itself
        return None


def _event(at: datetime, line: Mapping[str, Any], function: str) -> LoggedEvent:
    if line["kind"] == "failure":
        return LoggedFailure(at, function, line["message"])
    if line["kind"] == "mode":
        what = line["becomes_on_demand"], line["reason"], line["dry_run"], line["numbers"]
        return LoggedSwitch(at, function, *what)
    return LoggedChange(
        at,
        function,
        Target(line["table"], line["index"], Dimension(line["dimension"])),
        line["current"],
        line["desired"],
        line["reason"],
        line["dry_run"],
        line["numbers"],
    )
