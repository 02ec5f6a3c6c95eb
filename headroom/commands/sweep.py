"""`sweep`: what the functions do, from any machine, for those who want no Lambda."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from chalicelib.aws.client import Aws
from chalicelib.run import Report, Run
from headroom import sweeping
from headroom.commands.console import (
    DEFAULT_TOPIC,
    ConfigOption,
    TopicOption,
    console,
    errors,
    rules_of,
    say,
)
from headroom.deploy.account import describe_error


def add_to(app: typer.Typer) -> None:
    app.command()(sweep)


def sweep(
    once: Annotated[
        bool, typer.Option("--once", help="One sweep; ends with 1 where something failed.")
    ] = False,
    every: Annotated[
        int, typer.Option(min=1, max=60, help="Minutes from one sweep to the next.")
    ] = 5,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan in words; change nothing.")
    ] = False,
    no_alarms: Annotated[
        bool, typer.Option("--no-alarms", help="Neither need nor make alarms.")
    ] = False,
    all_decisions: Annotated[
        bool, typer.Option("--all", help="Say of each target that stays, too, why.")
    ] = False,
    config_file: ConfigOption = None,
    topic: TopicOption = DEFAULT_TOPIC,
) -> None:
    """Look at every managed table, raise and lower, here and now; until Ctrl-C, or once."""
    rules, aws = rules_of(config_file), Aws(topic)
    _ = (
        aws.region
    )  # without one no sweep could succeed: better no first one than one every five minutes

    def new_run(now: datetime) -> Run:
        return Run(aws, rules, now, dry_run)

    try:
        for began, came in sweeping.every(
            every, new_run, not no_alarms, lambda: datetime.now(UTC), time.sleep
        ):
            _tell(began, came, dry_run, all_decisions)
            if once:
                raise typer.Exit(1 if isinstance(came, Exception) or came.failures else 0)
    except KeyboardInterrupt:
        console.print("Stopped. Capacity and alarms stay as they are.")


def _tell(began: datetime, came: Report | Exception, dry_run: bool, all_decisions: bool) -> None:
    at = f"{began:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(came, Exception):
        errors.print(
            f"[bold red]{at}: the sweep failed:[/] {escape(describe_error(came) or type(came).__name__)}",
            highlight=False,
        )
        return
    say(came, dry_run, [d for d in came.decisions if d.changes or all_decisions])
    raised = sum(d.desired > d.current for d in came.decisions)
    lowered = sum(d.desired < d.current for d in came.decisions)
    stay = len(came.decisions) - raised - lowered
    would = "to be " if dry_run else ""
    counted = f"{raised} {would}raised, {lowered} {would}lowered, {stay} stay, {len(came.failures)} failed"
    console.print(f"{at}: {len(came.decisions)} targets looked at: {counted}.", highlight=False)
