"""`headroom import autoscaling`: translate what Application Auto Scaling has for DynamoDB, hand its
tables over, and back."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables
from chalicelib.config.rules import Config
from chalicelib.run import Run
from headroom.commands.console import app, errors, print_error
from headroom.commands.importers import importers
from headroom.commands.options import (
    ConfigOption,
    OfStageOption,
    TablesOption,
    TopicOption,
    YesOption,
    in_account,
    output_file,
    rules_of,
    topic_of,
)
from headroom.counted import counted
from headroom.migrate import handover
from headroom.migrate.application_autoscaling import Translation, translate

#: The exit status of what Ctrl-C ends.
INTERRUPTED = 130
STEPS = """
What next, so that no table is without a scaler for a moment:
  1. Does Terraform, CDK or CloudFormation declare this autoscaling? Then read
     docs/from-autoscaling.md first: it would come back.
  2. Put the configuration into chalicelib/headroom.toml, and deploy.
     Headroom skips these tables for now.
  3. headroom import autoscaling --apply --topic TOPIC
     One table after the other: it creates Headroom's alarms, then it deregisters the targets.
     What it removes is saved in
     {file}.
     With [understudy] in the configuration, the targets stay instead, suspended:
     they take over while Headroom is down (docs/if-headroom-is-down.md).
  4. To go back: headroom import autoscaling --revert {file}
"""


class Strategy(StrEnum):
    ADAPTIVE = "adaptive"
    PERCENT = "percent"


app.add_typer(importers, name="import")


@importers.command(epilog="Example: headroom import autoscaling --table 'orders-*'")
@in_account
def autoscaling(
    strategy: Annotated[
        Strategy,
        typer.Option(
            metavar="NAME", help="adaptive follows the demand; percent keeps the TargetValue."
        ),
    ] = Strategy.ADAPTIVE,
    table: TablesOption = "*",
    apply: Annotated[
        bool, typer.Option("--apply", help="Hand the tables over to Headroom, one at a time.")
    ] = False,
    revert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Hand them back to Application Auto Scaling, from the saved file."
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where --apply saves what it removes.", callback=output_file
        ),
    ] = None,
    yes: YesOption = False,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
) -> None:
    """Translate Application Auto Scaling; hand tables over.

    It reads the part about DynamoDB. No table is without a scaler for a moment.

    Without --apply or --revert it changes nothing. It prints the configuration to standard output,
    and the next steps to standard error. The exit status is 1 if something is refused.
    """
    if apply and revert:
        raise typer.BadParameter("give either --apply or --revert")
    aws = Aws(topic_of(topic, stage))
    file = revert or state or Path(handover.record_name(aws.account, aws.region))
    try:
        if revert:
            _revert(aws, file, table, yes)
        elif apply:
            translation = _translation(aws, table, strategy)
            _apply(aws, rules_of(config_file, stage), translation, file, table, yes)
        else:
            _print(_translation(aws, table, strategy), aws, file)
    except (KeyboardInterrupt, typer.Abort):
        saved = f", and {file} has what was removed" if file.exists() else ""
        errors.print(f"Stopped. What was done stays done{saved}. Run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None


def _translation(aws: Aws, glob: str, strategy: Strategy) -> Translation:
    """Translate what Application Auto Scaling has for the tables that a glob matches."""
    registered = handover.read(aws)
    names = [name for name in registered.tables() if fnmatchcase(name, glob)]
    states = describe_tables(aws, names)
    return translate(registered.only(names), states, datetime.now(UTC), strategy.value)


def _print(translation: Translation, aws: Aws, file: Path) -> None:
    if not translation.notes:
        errors.print(
            "Application Auto Scaling has nothing for DynamoDB "
            f"in account {aws.account}, {aws.region}."
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
    record = handover.Record(file, aws.account, aws.region)
    begun = [name for name in record.tables("saved") if fnmatchcase(name, glob)]
    for note in translation.notes:
        if note.verdict == "refused" or note.table not in {*translation.tables, *begun}:
            errors.print(escape(str(note)), highlight=False)
    action = partial(
        handover.hand_over,
        lambda: Run(aws, config, datetime.now(UTC)),
        record,
        print_line=typer.echo,
    )
    _for_each_table(sorted({*translation.tables, *begun}), action, "Hand {} over to Headroom?", yes)


def _revert(aws: Aws, file: Path, glob: str, yes: bool) -> None:
    if not file.exists():
        raise handover.HandoverError(f"there is no file {file}")
    record = handover.Record(file, aws.account, aws.region)
    names = [name for name in record.tables("saved", "handed over") if fnmatchcase(name, glob)]
    action = partial(
        handover.take_back, aws, record, now=lambda: datetime.now(UTC), print_line=typer.echo
    )
    _for_each_table(names, action, "Hand {} back to Application Auto Scaling?", yes)


def _for_each_table(
    names: Collection[str], action: Callable[[str], None], question: str, yes: bool
) -> None:
    """Do the action for one table after the other.

    A table that fails does not stop the others. The command then ends with 1.
    """
    if not names:
        typer.echo("Nothing to do: no table is left for it.")
        return
    failed = done = 0
    for name in names:
        if not yes and not typer.confirm(question.format(name)):
            typer.echo(f"{name} is left as it is.")
            continue
        try:
            action(name)
            done += 1
        except handover.HandoverError as error:
            print_error(error)
            failed += 1
    typer.echo(f"{counted(done, 'table')} done, {failed} failed.")
    if failed:
        raise typer.Exit(1)
