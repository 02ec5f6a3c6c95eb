"""`history`: what was done to a table in the last days, and why."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import table_names
from chalicelib.config.mistakes import nearest
from chalicelib.core.explain import WHY, numbers
from chalicelib.model import Reason
from headroom.commands.console import app, console, print_json, print_line
from headroom.commands.options import (
    JsonOption,
    StageOption,
    TableArgument,
    VerboseOption,
    in_account,
)
from headroom.commands.wording import last_days
from headroom.deploy import logged, stage
from headroom.deploy.account import AwsSession
from headroom.deploy.logged import LoggedChange, LoggedEvent, LoggedFailure, LoggedSwitch
from headroom.operator_error import OperatorError
from headroom.tables import number_table


@app.command(epilog="Example: headroom history orders --stage prod --days 3")
@in_account
def history(
    table: TableArgument,
    name: StageOption,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=90, help="The last N days.")
    ] = 7,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was done to a table in the last days, and why.

    It reads the logs of the stage's functions, as far back as they are kept. What a dry run repeats
    is shown once.
    """
    session, of_stage = AwsSession(), stage.read(name)
    since = datetime.now(UTC) - timedelta(days=days)
    events = logged.without_repeats(logged.history(session, of_stage, table, since))
    if not events and not logged.has_logs(session, of_stage):
        place = session.location
        raise OperatorError(
            f"stage {name} has no logs in {place.account}, {place.region}: is it deployed there?"
        )
    if as_json:
        print_json([as_data(event) for event in events])
    elif events:
        console.print(_table(events, verbose))
        print_line(_sum(events))
    else:
        names = table_names(Aws(of_stage.topic))
        is_known = table in names
        why = (
            " What apply and sweep do from a machine is not in the logs of a stage."
            if is_known
            else f" There is no such table{nearest(table, names)}"
        )
        print_line(f"Nothing was changed or failed for {table} in {last_days(days)}.{why}")
        raise typer.Exit(0 if is_known else 1)


def _table(events: list[LoggedEvent], verbose: bool) -> Table:
    table = number_table(
        "", ("time (UTC)", "by", "target", "units", "reason"), box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in (table.columns[1], table.columns[2], table.columns[4]):
        column.justify = "left"
    for event in events:
        at = f"{event.at:%m-%d %H:%M}"
        if isinstance(event, LoggedChange):
            table.add_row(at, event.function, *_cells(event, verbose))
        elif isinstance(event, LoggedSwitch):
            table.add_row(at, event.function, "", event.mode, _why(event, verbose))
        else:
            table.add_row(at, event.function, "", "failed", escape(event.message), style="red")
    return table


def _cells(event: LoggedChange, verbose: bool) -> tuple[str, str, str]:
    move = f"{event.current:,} → {event.desired:,}"
    return str(event.target), move, _why(event, verbose)


def _why(event: LoggedChange | LoggedSwitch, verbose: bool) -> str:
    mode = "DRY RUN: " if event.dry_run else ""
    why = f"{mode}{why_of(event.reason)} ({event.reason})"
    more = f"\n{numbers(event.numbers)}" if verbose else ""
    return escape(why + more)


def why_of(reason: str) -> str:
    """Return a reason in words; that of another version may be unknown here."""
    return WHY[Reason(reason)] if reason in set(Reason) else "see docs/glossary.md"


def _sum(events: list[LoggedEvent]) -> str:
    changes = [event for event in events if isinstance(event, LoggedChange)]
    live = [event for event in changes if not event.dry_run]
    raised = sum(event.desired > event.current for event in live)
    parts = [f"{raised} raised", f"{len(live) - raised} lowered"]
    if len(changes) > len(live):
        parts.append(f"{len(changes) - len(live)} only logged (dry_run)")
    switched = [event for event in events if isinstance(event, LoggedSwitch)]
    parts += [f"{len(switched)} switched"] if switched else []
    return f"{', '.join(parts)}, {len(events) - len(changes) - len(switched)} failed."


def as_data(event: LoggedEvent) -> dict[str, object]:
    """Return an event of the log for `--json` and the console."""
    data: dict[str, object] = {
        "at": event.at.isoformat(timespec="seconds"),
        "function": event.function,
    }
    if isinstance(event, LoggedFailure):
        return {**data, "kind": "failure", "message": event.message}
    if isinstance(event, LoggedSwitch):
        return {
            **data,
            "kind": "mode",
            "to": event.mode,
            "reason": event.reason,
            "why": why_of(event.reason),
            "dry_run": event.dry_run,
            "numbers": dict(event.numbers),
        }
    return {
        **data,
        "kind": "decision",
        "table": event.target.table,
        "index": event.target.index,
        "dimension": str(event.target.dimension),
        "current": event.current,
        "desired": event.desired,
        "reason": event.reason,
        "why": why_of(event.reason),
        "dry_run": event.dry_run,
        "numbers": dict(event.numbers),
    }
