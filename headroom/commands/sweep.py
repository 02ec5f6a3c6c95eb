"""`sweep`: what the functions do, from any machine and without Lambda."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.run import Report, Run
from headroom.commands import wording
from headroom.commands.console import (
    app,
    console,
    errors,
    print_line,
)
from headroom.commands.options import (
    ConfigOption,
    DryRunOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    TopicOption,
    VerboseOption,
    configuration_file,
    in_account,
    rules_of,
    topic_of,
)
from headroom.commands.wording import Place
from headroom.counted import counted
from headroom.deploy.account import check_credentials, describe_error
from headroom.simulation import pricing


@app.command(epilog="Example: headroom sweep --once --dry-run")
@in_account
def sweep(
    once: Annotated[
        bool, typer.Option("--once", help="One sweep; ends with 1 where something failed.")
    ] = False,
    every: Annotated[
        int, typer.Option(metavar="N", min=1, max=60, help="Minutes from one sweep to the next.")
    ] = 5,
    dry_run: DryRunOption = False,
    no_alarms: Annotated[
        bool, typer.Option("--no-alarms", help="Neither need nor create alarms.")
    ] = False,
    all_decisions: Annotated[
        bool, typer.Option("--all", help="Print also the decisions that change nothing.")
    ] = False,
    table: TablesOption = "*",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check every table from this machine, and scale it.

    Once, or every five minutes until Ctrl-C. --json prints one line for each sweep.
    """
    file = configuration_file(config_file, stage)
    config, aws = rules_of(file), Aws(topic_of(topic, stage))
    check_credentials()  # without them every sweep would fail
    concerns = None if table == "*" else lambda name: fnmatchcase(name, table)

    def sweep_at(now: datetime) -> Report | Exception:
        return sweep_once(Run(aws, config, now, dry_run), not no_alarms, concerns)

    try:
        for now, outcome in sweep_every(every, sweep_at, lambda: datetime.now(UTC), time.sleep):
            if as_json:
                _print_json(Run(aws, config, now), file, outcome)
            else:
                _print_outcome(now, outcome, dry_run, all_decisions, verbose)
            if once:
                raise typer.Exit(1 if isinstance(outcome, Exception) or outcome.failures else 0)
    except KeyboardInterrupt:
        console.print("Stopped. Capacity and alarms stay as they are.")


def sweep_every(
    minutes: int,
    sweep_at: Callable[[datetime], Report | Exception],
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[tuple[datetime, Report | Exception]]:
    """Sweep now and every so many minutes, without end. Yield each sweep's time and outcome.

    After a sweep that takes longer than the interval, the next one follows at once.
    """
    while True:
        now = clock()
        yield now, sweep_at(now)
        sleep(max(0.0, minutes * 60 - (clock() - now).total_seconds()))


def sweep_once(
    run: Run, with_alarms: bool, concerns: Callable[[str], bool] | None = None
) -> Report | Exception:
    """Sweep once. Return the report, or the exception that ended the sweep."""
    try:
        report = handlers.sweep(run, alone=True, with_alarms=with_alarms, concerns=concerns)
        handlers.notify(run)
        return report
    # an exception ends one sweep and is printed; the next sweep must still come
    except Exception as error:  # noqa: BLE001
        return error


def _print_json(run: Run, file: Path, outcome: Report | Exception) -> None:
    """Print a sweep as one line of JSON."""
    if isinstance(outcome, Exception):
        at = run.now.isoformat(timespec="seconds")
        data: dict[str, object] = {"at": at, "error": describe_error(outcome)}
    else:
        data = wording.report_data(Place.of(run, file), outcome, pricing.load())
    print_line(json.dumps(data))


def _print_outcome(
    now: datetime,
    outcome: Report | Exception,
    dry_run: bool,
    all_decisions: bool,
    verbose: bool,
) -> None:
    at = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(outcome, Exception):
        why = escape(describe_error(outcome) or type(outcome).__name__)
        errors.print(f"[bold red]{at}: the sweep failed:[/] {why}", highlight=False)
        return
    decisions = outcome.decisions
    wording.print_dry_run(decisions)
    if all_decisions:
        wording.print_decisions(outcome, verbose)
    else:
        wording.print_changes(decisions, pricing.load(), not dry_run, verbose)
        wording.print_healing(outcome)
    wording.print_actions(outcome, dry_run)
    wording.print_rest(outcome)
    raised = sum(d.desired > d.current for d in decisions)
    lowered = sum(d.desired < d.current for d in decisions)
    would = "to be " if dry_run else ""
    console.print(
        f"{at}: {counted(len(decisions), 'target')} looked at: {raised} {would}raised, "
        f"{lowered} {would}lowered, {len(decisions) - raised - lowered} stay, "
        f"{len(outcome.failures)} failed.",
        highlight=False,
    )
