"""`pause`, `resume` and `pauses`: tables that Headroom leaves alone for some time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from chalicelib.aws import pause_tags
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.core import pause_tag
from chalicelib.core.pause_tag import DECREASES, EVERYTHING, PauseTag
from chalicelib.model import TableState
from headroom import pause_tags as pausing
from headroom.commands import completion
from headroom.commands.console import app, console, print_failure, print_json, print_line
from headroom.commands.options import JsonOption, in_account
from headroom.deploy.account import describe_error

TablesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="TABLE...",
        help="Names of tables, or globs in quotes, such as 'orders-*'.",
        autocompletion=completion.tables,
    ),
]
ZoneOption = Annotated[
    str | None,
    typer.Option("--time-zone", metavar="NAME", help="Such as Europe/Berlin; else this machine's."),
]


@app.command(epilog="Example: headroom pause 'orders-*' --for 2h --reason backfill")
@in_account
def pause(
    tables: TablesArgument,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="HH:MM, the next such time, or a date and time, 2026-11-21T06:00."
        ),
    ] = None,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long: 90m, 2h, 1d.")
    ] = None,
    only_decreases: Annotated[
        bool, typer.Option("--only-decreases", help="Go on raising; lower nothing.")
    ] = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for those who read decisions.")
    ] = "",
    time_zone: ZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pause the scaling of tables for some time.

    Their alarms are still repaired.
    """
    now, local = datetime.now(UTC), pausing.zone(time_zone)
    end = _end(until, lasting, now, local)
    scope = DECREASES if only_decreases else EVERYTHING
    value = pausing.tag(PauseTag(end, scope, " ".join(reason.split())))
    aws = Aws(DEFAULT_TOPIC)
    outcomes = pausing.pause(aws, _matching_tables(aws, tables), value)
    if as_json:
        _print_data(outcomes, {"paused_until": end.isoformat(timespec="seconds"), "scope": scope})
    _print_outcomes(
        outcomes, f"paused until {pausing.shown(end, local)}: {pause_tag.IN_WORDS[scope]}"
    )


@app.command(epilog="Example: headroom resume 'orders-*'")
@in_account
def resume(tables: TablesArgument, as_json: JsonOption = False) -> None:
    """End the pause of tables now."""
    aws = Aws(DEFAULT_TOPIC)
    outcomes = pausing.resume(aws, _matching_tables(aws, tables))
    if as_json:
        _print_data(outcomes, {"paused_until": None})
    _print_outcomes(outcomes, "not paused any more")


@app.command("pauses", epilog="Example: headroom pauses --time-zone Europe/Berlin")
@in_account
def list_pauses(time_zone: ZoneOption = None, as_json: JsonOption = False) -> None:
    """List the pauses of this account and Region."""
    now, local = datetime.now(UTC), pausing.zone(time_zone)
    tags = pause_tags.tags(Aws(DEFAULT_TOPIC))
    if as_json:
        print_json([_data(table, value, now) for table, value in sorted(tags.items())])
        return
    for table, value in sorted(tags.items()):
        print_line(f"{table}: {_description(table, value, now, local)}")
    if not tags:
        console.print("No table is paused.")


def _end(until: str | None, lasting: str | None, now: datetime, local: ZoneInfo | None) -> datetime:
    if until is not None and lasting is None:
        return pausing.until(until, now, local)
    if lasting is not None and until is None:
        return pausing.after(lasting, now)
    raise pausing.PauseError("give either --until 06:00 or --for 2h")


def _data(table: str, value: str, now: datetime) -> dict[str, object]:
    """Return the tag of a table for `--json`."""
    hold = pause_tag.hold(table, value, now)
    return {
        "table": table,
        "tag": value,
        "holds": sorted(str(direction) for direction in hold.directions) if hold else [],
        "detail": hold.detail if hold else "",
    }


def _description(table: str, value: str, now: datetime, local: ZoneInfo | None) -> str:
    """Return what the tag of a table means now."""
    try:
        paused = pause_tag.parse(value)
    except ValueError:
        hold = pause_tag.hold(table, value, now)
        return f"nothing is lowered: {hold.detail}" if hold else ""
    end = pausing.shown(paused.until, local)
    if not paused.holds(now):
        return f"not paused since {end}"
    why = f" ({paused.why})" if paused.why else ""
    return f"paused until {end}: {pause_tag.IN_WORDS[paused.what]}{why}"


def _matching_tables(aws: Aws, patterns: Sequence[str]) -> list[TableState]:
    """Return the existing tables that the names and globs match. Exit with 1 if AWS cannot describe
    one of them."""
    described = describe_tables(aws, pausing.matching(patterns, table_names(aws)))
    failed = [(name, state) for name, state in described.items() if isinstance(state, Exception)]
    for name, error in failed:
        print_failure(name, error)
    if failed:
        raise typer.Exit(1)
    return [state for state in described.values() if isinstance(state, TableState)]


def _print_data(
    outcomes: Iterator[tuple[str, Exception | None]], state: Mapping[str, object]
) -> NoReturn:
    """Print for `--json` each table with its state, or with why it could not be changed."""
    rows = [
        {"table": name, "error": describe_error(error)} if error else {"table": name, **state}
        for name, error in outcomes
    ]
    print_json(rows)
    raise typer.Exit(1 if any("error" in row for row in rows) else 0)


def _print_outcomes(outcomes: Iterator[tuple[str, Exception | None]], done: str) -> NoReturn:
    failed = False
    for name, error in outcomes:
        if error:
            failed = True
            print_failure(name, error)
        else:
            print_line(f"{name}: {done}")
    raise typer.Exit(1 if failed else 0)
