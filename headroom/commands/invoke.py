"""`invoke`: pass messages of alarms to the handler by hand."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chalicelib import events, handlers
from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.core.explain import sentence
from chalicelib.run import Report, Run
from headroom.commands import wording
from headroom.commands.console import app, print_json, print_line
from headroom.commands.options import (
    ConfigOption,
    DryRunOption,
    JsonOption,
    OfStageOption,
    TopicOption,
    VerboseOption,
    in_account,
    named_file,
    rules_of,
    text_of,
    topic_of,
)
from headroom.commands.wording import Place
from headroom.demo import staging
from headroom.region.region import Region
from headroom.simulation import pricing


@app.command(epilog="Example: headroom invoke examples/messages/sns-event.json --dry-run")
@in_account
def invoke(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A message in any form; - is standard input.")
    ],
    account: Annotated[
        bool, typer.Option("--account", help="Against your account, not the embedded region.")
    ] = False,
    dry_run: DryRunOption = False,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pass one alarm message to the handler by hand.

    CloudWatch's JSON, an SNS event or notification, a queue's event, EventBridge's event, or an
    alarm's direct action. The embedded region gets the table with its load, or the group with its
    failing instance. Without a named configuration all tables are managed there. Ends with 1 if
    the message starts no check.
    """
    text = sys.stdin.read() if str(file) == "-" else text_of(file)
    name = topic_of(topic, stage)
    if account:
        run = Run(Aws(name), rules_of(config_file, stage), datetime.now(UTC), dry_run)
        for message in staging.messages(text):
            handle(run, events.from_text(message))
        _print(run, named_file(config_file, stage), verbose, as_json)
    named = named_file(config_file, stage)
    config = loader.load(text_of(named), str(named)) if named else loader.load(staging.CONFIG)
    found = [(events.from_text(message), message) for message in staging.messages(text)]
    with Region(name=staging.region_of(found[0][0])) as region:
        aws = Aws(name, sleep=lambda _: None)  # time is simulated: nobody waits
        report = Report()
        for event, message in found:
            own, words = staging.stage(region, aws, config, event, message)
            if words and not as_json:
                print_line(words)
            run = Run(aws, config, region.now, dry_run, report=report)
            handle(run, own)
        _print(run, named, verbose, as_json)


def handle(run: Run, event: events.Event) -> None:
    """Let the handler check what an event is about."""
    handlers.on_alarm(run, event)
    handlers.notify(run)


def _print(run: Run, file: Path | None, verbose: bool, as_json: bool) -> None:
    """Print what was decided and done. Exit with 1 if nothing was, or if something failed."""
    report = run.report
    if as_json:
        place = Place.of(run, file or Path("all tables"))
        print_json(wording.report_data(place, report, pricing.load()))
    else:
        _print_words(report, run.dry_run, verbose)
    is_checked = bool(report.decisions or report.healing_decisions)
    raise typer.Exit(0 if is_checked and not report.failures else 1)


def _print_words(report: Report, dry_run: bool, verbose: bool) -> None:
    wording.print_dry_run(report.decisions)
    wording.print_decisions(report, verbose)
    wording.print_rest(report)
    for action in report.planned if dry_run else report.done:
        print_line(sentence(action, would=dry_run))
    if dry_run and not report.planned:
        print_line("Would change nothing.")
