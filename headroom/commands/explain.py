"""`explain`: what would be decided now about one table, or about one Auto Scaling group."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import boto3
import typer

from chalicelib import handlers
from chalicelib.aws.autoscaling import scalable_targets
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import table_names
from chalicelib.config.healing import rule_for
from chalicelib.config.mistakes import nearest
from chalicelib.core.explain import sentence
from chalicelib.core.understudy import managed, watched_by
from chalicelib.healing import reconcile
from chalicelib.model import Dimension, Reason
from chalicelib.run import Report, Run
from headroom.commands import completion, wording
from headroom.commands.console import app, print_json, print_line
from headroom.commands.everywhere import SECONDS, everywhere, print_places
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    TopicOption,
    VerboseOption,
    configuration_file,
    rules_of,
    service_of,
    topic_of,
)
from headroom.commands.wording import Place
from headroom.deploy.account import check_credentials, describe_error
from headroom.deploy.places import Answer, AwsPlace, ask_all
from headroom.simulation import pricing

#: The reasons for which there is nothing to explain.
NOTHING = frozenset({Reason.GONE, Reason.NOT_MANAGED})


def _explain_everywhere(
    places: Sequence[AwsPlace],
    table: str,
    config_file: Path | None = None,
    stage: str | None = None,
    topic: str | None = None,
    as_json: bool = False,
    **_: object,
) -> None:
    file, name, now = configuration_file(config_file, stage), topic_of(topic, stage), _now()
    config = rules_of(file)

    def preview(there: boto3.Session) -> tuple[dict[str, object], Report]:
        run = Run(Aws(name, session=there), config, now, dry_run=True)
        report = _preview(run, table)
        return wording.report_data(Place.of(run, file), report, pricing.load()), report

    answers = ask_all(places, preview, SECONDS)
    if as_json:
        found = [a.value[0] if a.value else {"problem": a.problem} for a in answers]
        print_json([{"place": a.place, **data} for a, data in zip(answers, found, strict=True)])
    else:
        reports = [answer.value[1] for answer in answers if answer.value]
        wording.print_dry_run(d for report in reports for d in report.decisions)
        rows = [row for answer in answers for row in _rows(answer)]
        print_places(("place", "target", "now", "then", "reason"), rows)
    bad = [a for a in answers if a.value is None or a.value[1].failures]
    raise typer.Exit(1 if bad else 0)


def _rows(answer: Answer[tuple[dict[str, object], Report]]) -> Iterator[tuple[str, ...]]:
    if answer.value is None:
        yield answer.place, "", "", "", f"no answer: {answer.problem}"
        return
    report = answer.value[1]
    for decision in report.decisions:
        units = f"{decision.current:,}", f"{decision.desired:,}"
        yield answer.place, str(decision.target), *units, wording.reason_of(decision)
    kinds = report.healing_decisions, report.mode_decisions, report.skips
    for text in [sentence(one) for kind in kinds for one in kind]:
        yield answer.place, "", "", "", text
    for failure in report.failures:
        why = f"{failure.subject}: {failure.doing} failed: {describe_error(failure.error)}"
        yield answer.place, "", "", "", why


def _now() -> datetime:
    return datetime.now(UTC)


def _preview(run: Run, name: str) -> Report:
    """Return what would be decided about a table, or about a group that `healing` names."""
    if not run.config.manages(name) and rule_for(run.config.healing, name):
        return reconcile.preview(run, name)
    return handlers.preview(run, name)


@app.command(epilog="Example: headroom explain orders --stage prod --regions eu-west-1,us-east-1")
@everywhere(_explain_everywhere)
def explain(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A table, or a group that 'healing' names.",
            autocompletion=completion.tables,
        ),
    ],
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what would be decided now about a table, and why."""
    file = configuration_file(config_file, stage)
    config = rules_of(file)
    check_credentials()
    aws = Aws(topic_of(topic, stage), service=service_of(stage))
    run = Run(aws, config, _now(), dry_run=True)
    report = _preview(run, table)
    found_nothing = any(skip.reason in NOTHING for skip in report.skips)
    if as_json:
        print_json(wording.report_data(Place.of(run, file), report, pricing.load()))
    elif found_nothing:
        print_line(f"{sentence(report.skips[0])}{nearest(table, table_names(run.aws))}")
    else:
        if not report.failures:
            known = [one for one in scalable_targets(run.aws) if one.target.table == table]
            _print_conflict(report, table, managed(run.config, known).get(table, set()))
            if any(watched_by(run.config, known)):
                print_line(f"Application Auto Scaling stands by for {table}, suspended.")
        _print(report, verbose, run.now)
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


def _print(report: Report, verbose: bool, now: datetime) -> None:
    wording.print_dry_run(report.decisions)
    wording.print_decisions(report, verbose)
    wording.print_budgets(report.spending, now)
    for action in report.planned:
        print_line(sentence(action, would=True))
    if not report.planned and not report.failures:
        print_line("Would change nothing.")
    wording.print_rest(report)
