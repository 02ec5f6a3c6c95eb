"""The demo's day as a story: what happened to the capacity, in lines of 80 columns.

Small changes are summed up until something larger happens. A large increase is a marked block: the
alarm's message, the decision, the call, the new threshold, and when it was in effect.
"""

import json
import re
import textwrap
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from chalicelib.core.explain import WHY
from chalicelib.core.table_alarms import level, name_of
from chalicelib.model import Dimension, Reason, Target
from headroom.counted import counted
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.simulation.clock import MINUTE

#: An increase of less than a half, and a decrease of less than a tenth, are small.
LARGE_INCREASE, LARGE_DECREASE = 0.5, 0.1
#: So long before an increase is in effect its onset is counted.
ONSET_MINUTES = 15
WIDTH = 80
INDENT = " " * 7
BAR = "┃ "


@dataclass(frozen=True)
class Change:
    """A decision that changes the units of a target, as it was logged."""

    target: Target
    before: int
    after: int
    reason: str
    decreases_left: int | None
    dry_run: bool

    @property
    def part(self) -> float:
        """Return the change as a part of the units before."""
        return (self.after - self.before) / self.before

    @property
    def left(self) -> int | None:
        """Return how many decreases a decrease leaves for the rest of its day."""
        is_decrease = self.after < self.before
        return self.decreases_left - 1 if self.decreases_left and is_decrease else None

    @property
    def is_large_increase(self) -> bool:
        return self.part >= LARGE_INCREASE

    @property
    def is_large(self) -> bool:
        return self.is_large_increase or self.part <= -LARGE_DECREASE


@dataclass
class SmallChanges:
    """Small changes in a row, which are printed as one line."""

    first: datetime
    last: datetime
    calls: int = 0
    spans: dict[Target, Change] = field(default_factory=dict)

    def add(self, at: datetime, changes: Sequence[Change]) -> None:
        self.last, self.calls = at, self.calls + 1
        for change in changes:
            first = self.spans.get(change.target, change)
            self.spans[change.target] = Change(
                change.target, first.before, change.after, "", change.decreases_left, change.dry_run
            )


class Story:
    """Prints what the functions of a region do. every_line: each change in a line of its own."""

    def __init__(self, console: Console, every_line: bool = False) -> None:
        self._console, self._every_line = console, every_line
        self._day: date | None = None
        self._small: SmallChanges | None = None
        self._thresholds: dict[Target, float] = {}
        #: Throttled requests of the last minutes.
        self._throttled: deque[float] = deque(maxlen=ONSET_MINUTES)
        #: What a large increase sets, until it is in effect.
        self._awaited: Change | None = None

    def watch(self, region: Region, invocation: Invocation) -> None:
        """Print what one run of a function did."""
        changes = [_change(line) for line in invocation.logs if _is_change(line)]
        if self._every_line:
            self._print_each(region, invocation, changes)
        elif any(change.is_large_increase for change in changes):
            self._print_onset(region, invocation, changes)
        elif any(change.is_large for change in changes):
            self._print_decreases(invocation, changes)
        elif changes:
            self._keep_small(invocation, changes)
        self._print_events(invocation)
        self._thresholds = dict(_thresholds(region))

    def on_minute(self, region: Region) -> None:
        """Count what is throttled, and print when a large increase is in effect."""
        self._throttled.append(sum(lost * MINUTE for _, lost in region.served.values()))
        awaited = self._awaited
        if awaited and region.units(awaited.target) == awaited.after:
            requests = sum(self._throttled)
            words = "The burst bucket served the peak: nothing was throttled."
            if requests:
                words = f"{requests:,.0f} requests were throttled before it."
            self._print_line(region.now, Text(f"{BAR}In effect. {words}"))
            self._awaited = None

    def close(self) -> None:
        """Print what is not printed yet."""
        small, self._small = self._small, None
        if small is None:
            return
        text = "a small change"
        if small.calls > 1:
            text = f"{small.calls} small changes until {small.last:%H:%M}"
        self._print_line(small.first, Text(text, style="dim"))
        for line in _by_owner(list(small.spans.values())):
            self._print_more(Text(line, style="dim"))

    def _print_each(
        self, region: Region, invocation: Invocation, changes: Sequence[Change]
    ) -> None:
        for change in changes:
            left = "" if change.left is None else f", {change.left} left"
            line = (
                f"{invocation.function:<10} {change.target!s:<20} {_arrow(change)} "
                f"{change.before:>5,} → {change.after:>5,} {change.reason}{left}"
            )
            self._print_line(region.now, Text(line, style=_colour(change)))

    def _print_onset(
        self, region: Region, invocation: Invocation, changes: Sequence[Change]
    ) -> None:
        """Print a large increase: message, decision, call, threshold."""
        self.close()
        first = max(changes, key=lambda change: change.after - change.before)
        mode = " It is a dry run: nothing is changed." if first.dry_run else ""
        threshold = dict(_thresholds(region)).get(first.target)
        before = self._thresholds.get(first.target)
        parts = [
            ("message", _message(invocation)),
            (
                "decision",
                f"{first.target} {first.before:,} → {first.after:,}: "
                f"{WHY[Reason(first.reason)]} ({first.reason}).{mode}",
            ),
        ]
        if not first.dry_run:
            parts += [("call", "one UpdateTable"), *(("", line) for line in _by_owner(changes))]
            if threshold and before:
                parts.append(
                    ("alarm", f"{first.target}: threshold {before:,.0f} → {threshold:,.0f}")
                )
            self._awaited = first
        self._print_block(region.now, parts)

    def _print_block(self, at: datetime, parts: Sequence[tuple[str, str]]) -> None:
        for number, (title, text) in enumerate(parts):
            room = WIDTH - len(INDENT) - len(BAR) - 10
            lines = textwrap.wrap(text, room)
            for position, line in enumerate(lines):
                head = title if position == 0 else ""
                styled = Text.assemble(BAR, (f"{head:<10}", "bold"), line)
                styled.stylize("red", 0, len(BAR))
                if number == position == 0:
                    self._print_line(at, styled)
                else:
                    self._print_more(styled)

    def _print_decreases(self, invocation: Invocation, changes: Sequence[Change]) -> None:
        self.close()
        for number, line in enumerate(_by_owner(changes)):
            text = Text(f"{invocation.function if number == 0 else '':<10} {line}")
            text.stylize("green", 11)
            if number == 0:
                self._print_line(invocation.at, text)
            else:
                self._print_more(text)

    def _keep_small(self, invocation: Invocation, changes: Sequence[Change]) -> None:
        if self._small and self._small.first.date() != invocation.at.date():
            self.close()
        if self._small is None:
            self._small = SmallChanges(invocation.at, invocation.at)
        self._small.add(invocation.at, changes)

    def _print_events(self, invocation: Invocation) -> None:
        """Print what is no change: alarms made and deleted, what was passed over, failures."""
        made = sum(line.get("action") == "CreateAlarm" for line in invocation.logs)
        lines = [f"{invocation.function:<10} makes {counted(made, 'alarm')}"] if made else []
        lines += [
            str(line["message"])
            for line in invocation.logs
            if line.get("kind") in ("skip", "failure") or line.get("action") == "DeleteAlarms"
        ]
        if invocation.error is not None:
            lines.append(f"{invocation.function} failed: {invocation.error!r}")
        for line in lines:
            self._print_line(invocation.at, Text(line))

    def _print_line(self, at: datetime, text: Text) -> None:
        """Print a line with its time, after the heading of a new day."""
        if at.date() != self._day:
            self._day = at.date()
            self._console.print(f"[bold]{at:%A}[/]", highlight=False)
        self._console.print(Text(f"{at:%H:%M}  ").append_text(text), soft_wrap=True)

    def _print_more(self, text: Text) -> None:
        self._console.print(Text(INDENT).append_text(text), soft_wrap=True)


def _is_change(line: Mapping[str, Any]) -> bool:
    return line.get("kind") == "decision" and line["current"] != line["desired"]


def _change(line: Mapping[str, Any]) -> Change:
    return Change(
        Target(line["table"], line["index"], Dimension(line["dimension"])),
        line["current"],
        line["desired"],
        line["reason"],
        line["numbers"].get("decreases_left"),
        line["dry_run"],
    )


def _by_owner(changes: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each table and index, with its reads and its writes.

    A decrease shows how many decreases are left, after it, in the day.
    """
    for owner in dict.fromkeys(change.target.owner for change in changes):
        own = [change for change in changes if change.target.owner == owner]
        moves = ", ".join(f"{c.before:,} → {c.after:,} {c.target.dimension}s" for c in own)
        left = next((change.left for change in own if change.left is not None), None)
        budget = "" if left is None else f", {left} left"
        mode = " (dry run)" if own[0].dry_run else ""
        yield f"{_arrow(own[0])} {owner} {moves}{budget}{mode}"


def _arrow(change: Change) -> str:
    return "▲" if change.after >= change.before else "▼"


def _colour(change: Change) -> str:
    return "red" if change.after > change.before else "green"


def _message(invocation: Invocation) -> str:
    """Return what called a function: an alarm's message, or its schedule."""
    records = invocation.payload.get("Records")
    if not records:
        return f"none: {invocation.function} looks again, by its schedule"
    message = json.loads(records[0]["Sns"]["Message"])
    values = re.findall(r"\[([\d.]+)", message["NewStateReason"])
    period = message["Trigger"]["Period"]
    at = f", at {float(values[0]) / period:,.0f} units" if values else ""
    return f"{message['AlarmName']} is in ALARM{at}"


def _thresholds(region: Region) -> Iterator[tuple[Target, float]]:
    """Yield the level of each target's alarm, in units per second."""
    for target in region.targets():
        alarm = region.cloudwatch.alarms.get(name_of(target))
        if alarm:
            yield target, level(alarm.fields)
