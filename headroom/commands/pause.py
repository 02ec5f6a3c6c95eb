"""`pause`, `resume` and `pauses`: tables that Headroom leaves alone for some hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from chalicelib.aws import pause_tags
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.core import pause_tag
from chalicelib.core.pause_tag import DECREASES, EVERYTHING, PauseTag
from chalicelib.model import TableState
from headroom import pause_tags as pausing
from headroom.commands.console import DEFAULT_TOPIC, console, errors
from headroom.deploy.account import describe_error

TablesArgument = Annotated[
    list[str], typer.Argument(help="Names of tables, or globs in quotes, such as 'orders-*'.")
]
ZoneOption = Annotated[
    str | None, typer.Option("--time-zone", help="Such as Europe/Berlin; else this machine's.")
]
T = TypeVar("T")
WHAT = {EVERYTHING: "nothing is raised or lowered", DECREASES: "nothing is lowered"}


def add_to(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(resume)
    app.command(name="pauses")(list_pauses)


def pause(
    tables: TablesArgument,
    until: Annotated[
        str | None,
        typer.Option(help="HH:MM, the next such time, or a date and time, 2026-11-21T06:00."),
    ] = None,
    lasting: Annotated[str | None, typer.Option("--for", help="How long: 90m, 2h, 1d.")] = None,
    only_decreases: Annotated[
        bool, typer.Option("--only-decreases", help="Go on raising; lower nothing.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for those who read decisions.")] = "",
    time_zone: ZoneOption = None,
) -> None:
    """Let Headroom leave tables alone for a while; it ends by itself. Alarms are still mended."""
    now, local = datetime.now(UTC), _usable(lambda: pausing.zone(time_zone))
    end = _usable(lambda: _end(until, lasting, now, local))
    paused = PauseTag(end, DECREASES if only_decreases else EVERYTHING, " ".join(reason.split()))
    value = _usable(lambda: pausing.tag(paused))
    aws = Aws(DEFAULT_TOPIC)
    found = _found(aws, tables)
    _do(
        pausing.pause(aws, found, value),
        f"paused until {pausing.shown(end, local)}: {WHAT[paused.what]}",
    )


def resume(tables: TablesArgument) -> None:
    """End the pause of tables now."""
    aws = Aws(DEFAULT_TOPIC)
    _do(pausing.resume(aws, _found(aws, tables)), "not paused any more")


def list_pauses(time_zone: ZoneOption = None) -> None:
    """List the pauses of this account and Region."""
    now, local = datetime.now(UTC), _usable(lambda: pausing.zone(time_zone))
    found = pause_tags.tags(Aws(DEFAULT_TOPIC))
    for table, value in sorted(found.items()):
        console.print(
            f"{table}: {_said(table, value, now, local)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if not found:
        console.print("No table is paused.")


def _end(until: str | None, lasting: str | None, now: datetime, local: ZoneInfo | None) -> datetime:
    if until is not None and lasting is None:
        return pausing.until(until, now, local)
    if lasting is not None and until is None:
        return pausing.after(lasting, now)
    raise pausing.PauseError("say --until 06:00 or --for 2h, and only one of them")


def _said(table: str, value: str, now: datetime, local: ZoneInfo | None) -> str:
    try:
        said = pause_tag.parse(value)
    except ValueError:
        hold = pause_tag.hold(table, value, now)
        return f"nothing is lowered: {hold.detail}" if hold else ""
    if not said.holds(now):
        return f"not paused since {pausing.shown(said.until, local)}"
    why = f" ({said.why})" if said.why else ""
    return f"paused until {pausing.shown(said.until, local)}: {WHAT[said.what]}{why}"


def _found(aws: Aws, patterns: Sequence[str]) -> list[TableState]:
    """Return the tables that exist and are meant."""
    described = describe_tables(aws, _usable(lambda: pausing.matching(patterns, table_names(aws))))
    failed = [(name, state) for name, state in described.items() if isinstance(state, Exception)]
    for name, error in failed:
        errors.print(f"[bold red]{escape(f'{name}: {describe_error(error)}')}[/]", highlight=False)
    if failed:
        raise typer.Exit(1)
    return [state for state in described.values() if isinstance(state, TableState)]


def _do(outcomes: Iterator[tuple[str, Exception | None]], done: str) -> None:
    failed = False
    for name, error in outcomes:
        if error:
            failed = True
            errors.print(
                f"[bold red]{escape(f'{name}: {describe_error(error)}')}[/]", highlight=False
            )
        else:
            console.print(f"{name}: {done}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if failed else 0)


def _usable(call: Callable[[], T]) -> T:
    """Return what a call gives; what the operator cannot mean ends in the words of a wrong
    option."""
    try:
        return call()
    except pausing.PauseError as error:
        raise typer.BadParameter(str(error)) from None
