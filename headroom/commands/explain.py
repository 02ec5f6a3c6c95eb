"""`explain`: what would be decided now about one table, or about one Auto Scaling group."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import autoscaled_tables, table_names
from chalicelib.config.healing import rule_for
from chalicelib.config.mistakes import nearest
from chalicelib.core.explain import sentence
from chalicelib.healing import reconcile
from chalicelib.model import Dimension, Reason
from chalicelib.run import Report, Run
from headroom.commands import wording
from headroom.commands.console import app, console, print_json, print_line
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    TopicOption,
    VerboseOption,
    configuration_file,
    in_account,
    rules_of,
    topic_of,
)
from headroom.commands.wording import Place
from headroom.simulation import pricing
from headroom.tables import number_table

#: The reasons for which there is nothing to explain.
NOTHING = frozenset({Reason.GONE, Reason.NOT_MANAGED})


@app.command(epilog="Example: headroom explain orders --stage prod --verbose")
@in_account
def explain(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help="A table, or a group that 'healing' names."),
    ],
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what would be decided now about a table, and why."""
    file = configuration_file(config_file, stage)
    run = Run(Aws(topic_of(topic, stage)), rules_of(file), datetime.now(UTC), dry_run=True)
    is_group = not run.config.manages(table) and rule_for(run.config.healing, table)
    report = (reconcile if is_group else handlers).preview(run, table)
    found_nothing = any(skip.reason in NOTHING for skip in report.skips)
    if as_json:
        print_json(wording.report_data(Place.of(run, file), report, pricing.load()))
    elif found_nothing:
        print_line(f"{sentence(report.skips[0])}{nearest(table, table_names(run.aws))}")
    else:
        if not report.failures:
            _print_conflict(report, table, autoscaled_tables(run.aws).get(table, set()))
        _print(report, verbose)
    raise typer.Exit(1 if report.failures or found_nothing else 0)


def _print_conflict(report: Report, table: str, autoscaled: Collection[Dimension]) -> None:
    """Print what Application Auto Scaling manages of the table."""
    is_global = any(d.reason is Reason.GLOBAL_TABLE for d in report.decisions)
    if is_global and autoscaled == {Dimension.WRITE}:
        print_line(f"Application Auto Scaling manages the writes of the global table {table}.")
    elif autoscaled:
        print_line(
            f"Application Auto Scaling manages {table}, so Headroom leaves it alone. Without that:"
        )


def _print(report: Report, verbose: bool) -> None:
    wording.print_dry_run(report.decisions)
    if report.decisions:
        console.print(_table(report, verbose))
    for healing in report.healing_decisions:
        print_line(sentence(healing))
    for action in report.planned:
        print_line(sentence(action, would=True))
    if not report.planned and not report.failures:
        print_line("Would change nothing.")
    wording.print_rest(report)


def _table(report: Report, verbose: bool) -> Table:
    headings = ("target", "now", "then", "reason")
    table = number_table("", headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    target, *_, reason = table.columns
    target.overflow, reason.justify = "fold", "left"
    for decision in report.decisions:
        style = "bold" if decision.changes else None
        held_by = decision.numbers.get("held_by")
        why = wording.reason_of(decision) + (f": {held_by}" if held_by else "")
        numbers = f"\n{wording.numbers_of(decision)}" if verbose else ""
        cells = (str(decision.target), f"{decision.current:,}", f"{decision.desired:,}")
        table.add_row(*cells, escape(why + numbers), style=style)
    return table
