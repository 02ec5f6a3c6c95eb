"""`import autoscaling`: the way over from Application Auto Scaling, and back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables
from chalicelib.config.rules import Config
from chalicelib.run import Run
from headroom.commands.console import DEFAULT_TOPIC, ConfigOption, TopicOption, errors, rules_of
from headroom.migrate import handover
from headroom.migrate.application_autoscaling import Translation, translate
from headroom.migrate.handover import HandoverError, Record

INTERRUPTED = 130
"""The exit status of what Ctrl-C ends."""
STEPS = """
What next, so that no table is without a scaler for a moment:
  1. Where Terraform, CDK or CloudFormation declares this autoscaling, see docs/from-autoscaling.md first: it would come back.
  2. Put the configuration into chalicelib/headroom.toml, and deploy. Headroom passes the tables over for now.
  3. headroom import autoscaling --apply --topic TOPIC
     For one table after the other: our alarms first, then it deregisters the targets. What it removes is saved in
     {file}.
  4. Back again: headroom import autoscaling --revert {file}
"""


class Strategy(StrEnum):
    ADAPTIVE = "adaptive"
    PERCENT = "percent"


def add_to(app: typer.Typer) -> None:
    app.command()(autoscaling)


def autoscaling(
    strategy: Annotated[
        Strategy, typer.Option(help="adaptive follows the demand; percent keeps the TargetValue.")
    ] = Strategy.ADAPTIVE,
    table: Annotated[str, typer.Option(help="Only this table, or those that match a glob.")] = "*",
    apply: Annotated[
        bool, typer.Option("--apply", help="Hand the tables over to Headroom, one at a time.")
    ] = False,
    revert: Annotated[
        Path | None,
        typer.Option(help="Hand them back to Application Auto Scaling, from the saved file."),
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Where --apply saves what it removes.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config_file: ConfigOption = None,
    topic: TopicOption = DEFAULT_TOPIC,
) -> None:
    """Translate what Application Auto Scaling has for DynamoDB, and hand the tables over without a
    gap.

    Without --apply or --revert it changes nothing: the configuration goes to the standard output,
    the steps beside it; the exit status is 1 where something is refused.
    """
    if apply and revert:
        raise typer.BadParameter("give either --apply or --revert")
    aws = Aws(topic)
    file = revert or state or Path(handover.record_name(aws.account, aws.region))
    try:
        if revert:
            _revert(aws, file, table, yes)
            return
        found = handover.read(aws)
        found = found.only(name for name in found.tables() if fnmatchcase(name, table))
        translation = translate(
            found, describe_tables(aws, found.tables()), datetime.now(UTC), strategy.value
        )
        if apply:
            _apply(aws, rules_of(config_file), translation, file, table, yes)
        else:
            _print(translation, aws, file)
    except HandoverError as error:
        _complain(error)
        raise typer.Exit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        saved = f", and {file} has what was removed" if file.exists() else ""
        errors.print(f"Stopped. What was done stays done{saved}. The same command again goes on.")
        raise typer.Exit(INTERRUPTED) from None


def _print(translation: Translation, aws: Aws, file: Path) -> None:
    if not translation.notes:
        errors.print(
            f"Application Auto Scaling has nothing for DynamoDB in account {aws.account}, {aws.region}."
        )
        return
    typer.echo(translation.text, nl=False)
    refused = [note for note in translation.notes if note.verdict == "refused"]
    for note in refused:
        errors.print(f"[red]{escape(str(note))}[/]", highlight=False)
    errors.print(escape(STEPS.format(file=file)), highlight=False)
    if refused:
        raise typer.Exit(1)


def _apply(
    aws: Aws, config: Config, translation: Translation, file: Path, glob: str, yes: bool
) -> None:
    record = Record(file, aws.account, aws.region)
    begun = [name for name in record.tables("saved") if fnmatchcase(name, glob)]
    for note in translation.notes:
        if note.verdict == "refused" or note.table not in {*translation.tables, *begun}:
            errors.print(escape(str(note)), highlight=False)

    def one(name: str) -> None:
        handover.hand_over(lambda: Run(aws, config, datetime.now(UTC)), record, name, typer.echo)

    _each(sorted({*translation.tables, *begun}), one, "Hand {} over to Headroom?", yes)


def _revert(aws: Aws, file: Path, glob: str, yes: bool) -> None:
    if not file.exists():
        raise HandoverError(f"there is no file {file}")
    record = Record(file, aws.account, aws.region)
    names = [name for name in record.tables("saved", "handed over") if fnmatchcase(name, glob)]

    def one(name: str) -> None:
        handover.take_back(aws, record, name, lambda: datetime.now(UTC), typer.echo)

    _each(names, one, "Hand {} back to Application Auto Scaling?", yes)


def _each(names: Collection[str], one: Callable[[str], None], question: str, yes: bool) -> None:
    """Do one table after the other; one that fails does not stop the others, and ends the command
    with 1."""
    if not names:
        typer.echo("Nothing to do: no table is left for it.")
        return
    failed = done = 0
    for name in names:
        if not yes and not typer.confirm(question.format(name)):
            typer.echo(f"{name} is left as it is.")
            continue
        try:
            one(name)
            done += 1
        except HandoverError as error:
            _complain(error)
            failed += 1
    typer.echo(f"{done} table(s) done, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def _complain(error: Exception) -> None:
    errors.print(f"[bold red]headroom:[/] {escape(str(error))}", highlight=False)
