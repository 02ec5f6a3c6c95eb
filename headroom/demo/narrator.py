"""What every scene of the demo prints: what happened and when, what was decided and why, and the
numbers at the end."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.table import Table

from chalicelib.model import Reason
from headroom.region.context import Invocation
from headroom.region.region import Region

MARK = "└─"
KEEPS = frozenset(
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
"""Why capacity stays, where that is worth telling."""


CUT = {"decision": ", decreases today", "verdict": ", lifecycle", "skip": "\n", "failure": "\n"}
"""Where a line ends for an onlooker; the log has the rest."""


class Teller:
    """Tells a scene in a region line by line: events by `say`, decisions by themselves while
    `listening`.

    It tells each change of capacity, and what keeps one from coming, once after each event: a scene
    of hours stays short.
    """

    def __init__(self, console: Console, region: Region) -> None:
        self._console = console
        self._region = region
        self._told: dict[str, tuple[object, ...]] = {}

    def say(self, text: str) -> None:
        """Print what happens now."""
        self._told.clear()
        self._line(f"[bold]{self._region.now:%a %H:%M}[/]  [bold]{text}[/]")

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Tell what the functions decide, skip and fail in."""
        self._region.functions.watchers.append(self._hear)
        try:
            yield
        finally:
            self._region.functions.watchers.remove(self._hear)

    def numbers(self, title: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Print the numbers at the end: a row each, with the columns that the first one has."""
        found = list(rows)
        table = Table(title=title, title_justify="left")
        for heading in found[0]:
            table.add_column(
                heading, justify="left" if heading == next(iter(found[0])) else "right"
            )
        for row in found:
            table.add_row(
                *(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values())
            )
        self._console.print(table)

    def _hear(self, invocation: Invocation) -> None:
        for line in invocation.logs:
            subject, facts = _news(line)
            if subject and self._told.get(subject) != facts:
                self._told[subject] = facts
                said = str(line["message"]).partition(CUT[str(line["kind"])])
                text = f"{said[0]})" if said[1] else said[0]
                self._line(
                    f"{invocation.at:%a %H:%M}  {MARK} {invocation.function}: {text}", markup=False
                )

    def _line(self, text: str, markup: bool = True) -> None:
        self._console.print(text, markup=markup, highlight=False, soft_wrap=True)


def _news(line: Mapping[str, object]) -> tuple[str, tuple[object, ...]]:
    """Return what a log line is about, and what it says of it; nothing where it is no news to an
    onlooker."""
    match line.get("kind"):
        case "decision" if line["current"] != line["desired"] or line["reason"] in KEEPS:
            subject = f"{line['table']}/{line['index']}:{line['dimension']}"
            return subject, (line["current"], line["desired"], line["reason"])
        case "verdict":
            return str(line["instance"]), (line["reason"],)
        case "skip" | "failure":
            return f"{line['kind']} {line['subject']}", (line["message"],)
        case _:
            return "", ()
