"""What every scene of the demo prints: the events, the decisions with their reasons, and the
numbers at the end."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from chalicelib.core.explain import numbers
from chalicelib.model import Reason
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.tables import number_table

MARK = "└─"
#: The reasons for unchanged capacity that a scene prints.
REPORTED_HOLDS = frozenset(
    {
        Reason.AT_MAX,
        Reason.BUDGET_USED_UP,
        Reason.CIRCUIT_OPEN,
        Reason.FLEET_UNKNOWN,
        Reason.JOB_RUNNING,
        Reason.PAUSE_UNKNOWN,
        Reason.PAUSED,
        Reason.RAISED_BY_HAND,
        Reason.RESERVED,
        Reason.THROTTLED_RECENTLY,
        Reason.WINDOW,
    }
)
#: Where each kind of line but a decision is cut for the screen. The log has the rest.
CUT = {"verdict": ", lifecycle", "skip": "\n", "failure": "\n"}
#: Of a decision's numbers those that a scene shows: what keeps the capacity, and a fleet.
SHOWN = ("held_by", "fleet", "instances")
#: Below a line's time, where a terminal breaks it.
INDENT = " " * 11


class Narrator:
    """Prints a scene in a region line by line.

    It prints each event that `say` names. It also prints what the functions decide from its
    creation on: each change of capacity, and each reason that prevents one. The same decision is
    printed once after each event, so a scene of hours stays short.
    """

    def __init__(self, console: Console, region: Region) -> None:
        self._console = console
        self._region = region
        self._printed: dict[str, tuple[object, ...]] = {}
        region.functions.watchers.append(self._print_decisions)

    def say(self, text: str, minutes: int = 0) -> None:
        """Print what happens now, and let the region run for some minutes."""
        self._printed.clear()
        self._print_line(f"{self._region.now:%a %H:%M}  {text}", style="bold")
        self._region.run(minutes)

    def print_results(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Print the numbers at the end. The keys of the first row are the headings."""
        cells = [
            [f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()]
            for row in rows
        ]
        self._console.print(number_table("Results", rows[0], cells))

    def _print_decisions(self, invocation: Invocation) -> None:
        for line in invocation.logs:
            subject, facts = _subject_and_facts(line)
            if subject and self._printed.get(subject) != facts:
                self._printed[subject] = facts
                prefix = f"{invocation.at:%a %H:%M}  {MARK} {invocation.function}: "
                self._print_line(f"{prefix}{line_text(line)}")

    def _print_line(self, text: str, style: str | None = None) -> None:
        """Print a line: whole into a pipe, broken between words on a terminal."""
        if self._console.is_terminal:
            text = textwrap.fill(
                text, self._console.width, subsequent_indent=INDENT, break_on_hyphens=False
            )
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def line_text(line: Mapping[str, Any]) -> str:
    """Return a log line as a scene shows it."""
    message = str(line["message"])
    if line["kind"] != "decision":
        text, cut, _ = message.partition(CUT[str(line["kind"])])
        return f"{text}{')' if cut else ''}"
    why = message.partition(f" ({line['reason']}")[0]
    shown = numbers({name: value for name, value in line["numbers"].items() if name in SHOWN})
    return f"{why} ({'; '.join(filter(None, (str(line['reason']), shown)))})"


def _subject_and_facts(line: Mapping[str, object]) -> tuple[str, tuple[object, ...]]:
    """Return the subject of a log line and its facts. Both are empty for a line that a scene does
    not print."""
    match line.get("kind"):
        case "decision" if line["current"] != line["desired"] or line["reason"] in REPORTED_HOLDS:
            subject = f"{line['table']}/{line['index']}:{line['dimension']}"
            return subject, (line["current"], line["desired"], line["reason"])
        case "verdict":
            return str(line["instance"]), (line["reason"],)
        case "skip" | "failure":
            return f"{line['kind']} {line['subject']}", (line["message"],)
        case _:
            return "", ()
