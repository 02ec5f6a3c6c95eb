"""`explain`: what would be decided now about one table, or about one Auto Scaling group."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated

import typer

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
from headroom.commands.console import app, print_json, print_line
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
    wording.print_decisions(report, verbose)
    for action in report.planned:
        print_line(sentence(action, would=True))
    if not report.planned and not report.failures:
        print_line("Would change nothing.")
    wording.print_rest(report)
