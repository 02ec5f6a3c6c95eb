"""`setup`, `deploy`, `teardown`, `doctor`, `redrive` and `package`: the commands for one stage of
Headroom in an account."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from rich.markup import escape

from chalicelib.aws.client import AwsError
from chalicelib.config.loader import ConfigError
from chalicelib.config.rules import Config
from headroom.commands import wording
from headroom.commands.console import WHOLE_LINES, app, console, errors, print_json, print_line
from headroom.commands.everywhere import SECONDS, everywhere, print_places
from headroom.commands.options import (
    JsonOption,
    StageOption,
    YesOption,
    in_account,
    output_folder,
)
from headroom.deploy import doctor as doctors
from headroom.deploy import packaging, stage
from headroom.deploy import redrive as redrives
from headroom.deploy import setup as deployment
from headroom.deploy import teardown as teardowns
from headroom.deploy.account import REFUSED, AwsSession, describe_error, error_code
from headroom.deploy.checks.deployment import Deployment, Finding
from headroom.deploy.places import Answer, AwsPlace, ask_all
from headroom.operator_error import OperatorError
from headroom.remarks import in_dry_run


@app.command(epilog="Example: headroom setup --stage dev")
@in_account
def setup(name: StageOption) -> None:
    """Make what Chalice does not make. Safe to repeat.

    Before and after `headroom deploy`; `make deploy` runs all three.
    """
    with _advice_after_errors():
        cloud, settings = AwsSession(), stage.read(name)
        # first of all: a mistake in the configuration must not appear half-way
        config = _checked_config(settings, cloud)
        settings = stage.complete(settings, config)
        _print_outcomes(
            deployment.setup(deployment.resources_before_functions(settings, cloud), cloud)
        )
        functions = deployment.functions_of(settings, cloud)
        if not functions:
            console.print(
                f"No function of stage {name} yet. "
                f"Next: headroom deploy --stage {name}, then this command again."
            )
            return
        steps = deployment.resources_of_functions(settings, cloud, functions, config)
        _print_outcomes(deployment.setup(steps, cloud))


@app.command(epilog="Example: headroom deploy --stage dev")
@in_account
def deploy(name: StageOption) -> None:
    """Deploy the functions of a stage with Chalice.

    The package is small, of compiled modules.
    """
    raise typer.Exit(
        packaging.deploy(stage.read(name), stage.project_folder(), AwsSession().location)
    )


def _checked_config(settings: stage.Stage, cloud: AwsSession) -> Config:
    """Return the stage's configuration.

    If it is refused, the operators are notified too: perhaps nobody watches the pipeline.
    """
    try:
        return stage.rules(settings, stage.project_folder())
    except ConfigError as error:
        text = (
            f"Headroom's stage {settings.name} keeps its old configuration: "
            f"the new one is refused.\n\n{error}"
        )
        try:
            deployment.notify_operators(settings, cloud, "Headroom: configuration refused", text)
        except AwsError as failure:
            why = escape(describe_error(failure))
            errors.print(f"The operators could not be notified: {why}", highlight=False)
        raise


@app.command(epilog="Example: headroom teardown --stage dev")
@in_account
def teardown(
    name: StageOption,
    yes: YesOption = False,
) -> None:
    """Remove a stage and its alarms. The tables stay as they are.

    Safe to stop and to repeat.
    """
    project = stage.project_folder()
    with _advice_after_errors():
        cloud, settings = AwsSession(), stage.read(name)
        place = cloud.location
        if not yes:
            question = (
                f"Remove stage {name} of Headroom, its alarms, logs and dead letters, "
                f"from {place.account} in {place.region}?"
            )
            typer.confirm(question, abort=True)
        foreign = teardowns.foreign_alarms(settings.topic_arn(place))
        _print_outcomes(teardowns.teardown(teardowns.removals(settings, cloud, project), cloud))
        if foreign:
            names = ", ".join(foreign)
            console.print(
                f"Alarms that are not Headroom's still name the topic: {names}.", highlight=False
            )


def _doctor_everywhere(places: Sequence[AwsPlace], name: str, as_json: bool = False) -> None:
    settings, project, now = stage.read(name), stage.project_folder(), datetime.now(UTC)
    answers = ask_all(
        places,
        lambda there: doctors.diagnose(
            Deployment(settings, project, AwsSession(session=there), now)
        ),
        SECONDS,
    )
    is_healthy = not any(answer.problem or answer.value for answer in answers)
    if as_json:
        found = [
            {
                "place": answer.place,
                "ok": not answer.problem and not answer.value,
                "problem": answer.problem,
                "findings": [asdict(finding) for finding in answer.value or []],
            }
            for answer in answers
        ]
        print_json({"stage": name, "ok": is_healthy, "places": found})
    else:
        rows = [row for answer in answers for row in _rows(answer)]
        print_places(("place", "check", "problem", "what to do"), rows)
    raise typer.Exit(0 if is_healthy else 1)


def _rows(answer: Answer[list[Finding]]) -> Iterator[tuple[str, ...]]:
    if answer.problem:
        yield answer.place, "no answer", answer.problem, ""
    elif not answer.value:
        yield answer.place, "healthy", "", ""
    for finding in answer.value or []:
        yield answer.place, finding.check, finding.problem, finding.remedy


@app.command(
    epilog="Example: headroom doctor --stage prod --regions eu-west-1,us-east-1 --profiles shop,pay"
)
@everywhere(_doctor_everywhere)
def doctor(
    name: StageOption,
    as_json: JsonOption = False,
) -> None:
    """Check a stage, and print each problem with its remedy.

    Changes nothing. Ends with 1 on any finding.
    """
    with _advice_after_errors():
        checked = Deployment(
            stage.read(name), stage.project_folder(), AwsSession(), datetime.now(UTC)
        )
        findings = doctors.diagnose(checked)
    dry_run = _in_dry_run(checked)
    if as_json:
        data = [asdict(finding) for finding in findings]
        print_json({"stage": name, "ok": not findings, "findings": data, "dry_run": dry_run})
        raise typer.Exit(1 if findings else 0)
    wording.print_dry_run_of(dry_run)
    for finding in findings:
        check = f"[bold red]{finding.check}:[/]"
        console.print(f"{check} {escape(finding.problem)}", highlight=False, soft_wrap=WHOLE_LINES)
        print_line(f"  → {finding.remedy}")
    if findings:
        raise typer.Exit(1)
    print_line(f"Stage {name} is healthy. Checked: {', '.join(['credentials', *doctors.CHECKS])}.")


def _in_dry_run(checked: Deployment) -> list[str]:
    """Return the rules in a dry run; none if the configuration cannot be read, which is a
    finding."""
    with contextlib.suppress(ConfigError, OSError):
        return in_dry_run(checked.rules)
    return []


@app.command(epilog="Example: headroom redrive --stage dev")
@in_account
def redrive(name: StageOption, as_json: JsonOption = False) -> None:
    """Pass the dead letters of a stage to their functions again.

    Handled messages leave the queue. Ends with 1 if one stays.
    """
    letters = []
    with _advice_after_errors():
        for letter in redrives.redrive(stage.read(name), AwsSession()):
            letters.append(letter)
            if as_json:
                continue
            outcome = f"stays: {letter.error}" if letter.error else "handled"
            print_line(f"{letter.subject}: {outcome}")
    kept = sum(1 for letter in letters if letter.error)
    if as_json:
        print_json([asdict(letter) for letter in letters])
    else:
        console.print(f"{len(letters) - kept} handled, {kept} stay.", highlight=False)
    raise typer.Exit(1 if kept else 0)


@app.command(epilog="Example: headroom package --stage dev out")
def package(
    name: StageOption,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="[FOLDER]", help="The folder to write into.", callback=output_folder
        ),
    ] = Path("out"),
    with_dashboard: Annotated[
        bool, typer.Option("--dashboard", help="With a CloudWatch dashboard of the named tables.")
    ] = False,
) -> None:
    """Write a stage as a SAM template and a Terraform module.

    Needs no AWS account.
    """
    for folder in packaging.package(stage.read(name), stage.project_folder(), out, with_dashboard):
        print_line(str(folder))


def _print_outcomes(outcomes: Iterable[deployment.ResourceResult]) -> None:
    for outcome in outcomes:
        why = f" ({'; '.join(outcome.details)})" if outcome.details else ""
        print_line(f"{outcome.subject}: {outcome.result}{why}")


@contextlib.contextmanager
def _advice_after_errors() -> Iterator[None]:
    """Add to an error of AWS what to do next, unless it is about the credentials."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in REFUSED:
            raise
        again = "What was done stays done; put this right and run the same command again."
        raise OperatorError(f"{describe_error(error).removesuffix('.')}. {again}") from None
