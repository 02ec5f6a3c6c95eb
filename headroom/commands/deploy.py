"""`setup`, `teardown`, `doctor`, `redrive` and `package`: a stage of Headroom in an account, from
its birth to its end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from chalicelib.aws.client import AwsError
from chalicelib.config.loader import ConfigError
from chalicelib.config.rules import Config
from headroom.commands.console import console, errors
from headroom.deploy import doctor as doctors
from headroom.deploy import packaging, stage
from headroom.deploy import redrive as redrives
from headroom.deploy import setup as deployment
from headroom.deploy import teardown as teardowns
from headroom.deploy.account import REFUSED, AwsSession, describe_error, error_code
from headroom.deploy.checks.deployment import Deployment
from headroom.deploy.setup import ResourceResult

StageOption = Annotated[
    str, typer.Option("--stage", help="A stage of .chalice/config.json, such as dev or prod.")
]


def add_to(app: typer.Typer) -> None:
    app.command()(setup)
    app.command()(teardown)
    app.command()(doctor)
    app.command()(redrive)
    app.command()(package)


def setup(name: StageOption) -> None:
    """Make what Chalice does not make: once before `chalice deploy`, once after it. Safe to
    repeat."""
    with _plain_errors():
        cloud, settings = AwsSession(), stage.read(name)
        rules = _rules(
            settings, cloud
        )  # first of all: what is wrong in it must not be met half-way
        _tell(deployment.setup(deployment.resources_before_functions(settings, cloud), cloud))
        functions = deployment.functions_of(settings, cloud)
        if not functions:
            console.print(
                f"No function of stage {name} yet. Next: chalice deploy --stage {name}, then this command again."
            )
            return
        _tell(
            deployment.setup(
                deployment.resources_of_functions(settings, cloud, functions, rules), cloud
            )
        )


def _rules(settings: stage.Stage, cloud: AwsSession) -> Config:
    """Return the stage's configuration; one that is refused is told to the operators as well:
    nobody may watch a pipeline."""
    try:
        return stage.rules(settings, stage.project_folder())
    except ConfigError as error:
        said = f"Headroom's stage {settings.name} keeps its old configuration: the new one is refused.\n\n{error}"
        try:
            deployment.notify_operators(settings, cloud, "Headroom: configuration refused", said)
        except AwsError as failure:
            errors.print(
                f"The operators could not be notified: {escape(describe_error(failure))}",
                highlight=False,
            )
        raise


def teardown(
    name: StageOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a stage whole, its alarms too. The tables stay exactly as they are. Safe to stop, and
    to repeat."""
    project = stage.project_folder()
    with _plain_errors():
        cloud, settings = AwsSession(), stage.read(name)
        place = cloud.location
        if not yes:
            asked = f"Remove stage {name} of Headroom, its alarms, logs and dead letters, from {place.account} in {place.region}?"
            typer.confirm(asked, abort=True)
        left = teardowns.foreign_alarms(settings.topic_arn(place))
        _tell(teardowns.teardown(teardowns.removals(settings, cloud, project), cloud))
        if left:
            console.print(
                f"Alarms that are not Headroom's still name the topic: {', '.join(left)}.",
                highlight=False,
            )


def doctor(
    name: StageOption,
    as_json: Annotated[
        bool, typer.Option("--json", help="For scripts: one JSON document.")
    ] = False,
) -> None:
    """Look at a stage from all sides and say what is wrong and what to do. Changes nothing; ends
    with 1 on any finding."""
    with _plain_errors():
        checked = Deployment(
            stage.read(name), stage.project_folder(), AwsSession(), datetime.now(UTC)
        )
        findings = doctors.diagnose(checked)
    if as_json:
        typer.echo(
            json.dumps(
                {"stage": name, "ok": not findings, "findings": [asdict(f) for f in findings]},
                indent=2,
            )
        )
    else:
        for finding in findings:
            console.print(
                f"[bold red]{finding.check}:[/] {escape(finding.problem)}",
                highlight=False,
                soft_wrap=True,
            )
            console.print(f"  → {escape(finding.remedy)}", highlight=False, soft_wrap=True)
        if not findings:
            console.print(f"Stage {name} is healthy: {len(doctors.CHECKS) + 1} checks.")
    raise typer.Exit(1 if findings else 0)


def redrive(name: StageOption) -> None:
    """Hand the dead letters of a stage to their functions again; what is handled leaves the
    queue."""
    handled = stay = 0
    with _plain_errors():
        for letter in redrives.redrive(stage.read(name), AwsSession()):
            handled, stay = (handled, stay + 1) if letter.error else (handled + 1, stay)
            became = f"stays: {letter.error}" if letter.error else "handled"
            console.print(
                f"{letter.subject}: {became}", highlight=False, markup=False, soft_wrap=True
            )
    console.print(f"{handled} handled, {stay} stay.", highlight=False)
    raise typer.Exit(1 if stay else 0)


def package(
    name: StageOption,
    out: Annotated[Path, typer.Argument(help="The folder to write into.")] = Path("out"),
) -> None:
    """Write a stage as a SAM template and as a Terraform module, with all that `setup` would make.
    Needs no AWS account."""
    with _plain_errors():
        for folder in packaging.package(stage.read(name), stage.project_folder(), out):
            console.print(str(folder), highlight=False, soft_wrap=True)


def _tell(outcomes: Iterable[ResourceResult]) -> None:
    for outcome in outcomes:
        why = f" ({'; '.join(outcome.details)})" if outcome.details else ""
        console.print(f"{outcome.subject}: {outcome.result}{why}", highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """End in a sentence that says what is wrong and what to do, instead of a traceback."""
    try:
        yield
    except (stage.StageError, ConfigError, OSError) as error:
        _end(str(error))
    except ClientError as error:
        again = "What was done stays done; put this right and run the same command again."
        _end(describe_error(error) if error_code(error) in REFUSED else f"{error}. {again}")
    except BotoCoreError as error:
        _end(describe_error(error))


def _end(sentence: str) -> None:
    errors.print(f"[bold red]headroom:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
