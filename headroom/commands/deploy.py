"""`setup`, `teardown`, `doctor`, `redrive` and `package`: a stage of Headroom in an account, from its birth to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from headroom import deployment, stage
from headroom.cloud import Cloud
from headroom.commands.shared import console, errors
from headroom.deployment import Outcome

StageOption = Annotated[str, typer.Option("--stage", help="A stage of .chalice/config.json, such as dev or prod.")]


def add_to(app: typer.Typer) -> None:
    app.command()(setup)
    app.command()(teardown)


def setup(name: StageOption) -> None:
    """Make what Chalice does not make: once before `chalice deploy`, once after it. Safe to repeat."""
    with _plain_errors():
        cloud, settings = Cloud(), stage.read(name)
        _tell(deployment.setup(deployment.steps_before(settings, cloud), cloud))
        functions = deployment.functions_of(settings, cloud)
        if not functions:
            console.print(f"No function of stage {name} yet. Next: chalice deploy --stage {name}, then this command again.")
            return
        _tell(deployment.setup(deployment.steps_after(settings, cloud, functions), cloud))


def teardown(
    name: StageOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a stage whole, its alarms too. The tables stay exactly as they are. Safe to stop, and to repeat."""
    project = stage.project_folder()
    with _plain_errors():
        cloud, settings = Cloud(), stage.read(name)
        place = cloud.place
        if not yes:
            asked = f"Remove stage {name} of Headroom, its alarms, logs and dead letters, from {place.account} in {place.region}?"
            typer.confirm(asked, abort=True)
        left = deployment.foreign_alarms(settings.topic_arn(place))
        _tell(deployment.teardown(deployment.removals(settings, cloud, project), cloud))
        if left:
            console.print(f"Alarms that are not Headroom's still name the topic: {', '.join(left)}.", highlight=False)


def _tell(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        why = f" ({'; '.join(outcome.details)})" if outcome.details else ""
        console.print(f"{outcome.subject}: {outcome.result}{why}", highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """End in a sentence that says what is wrong and what to do, instead of a traceback."""
    try:
        yield
    except stage.StageError as error:
        _end(str(error))
    except NoRegionError:
        _end("no Region is set. Set AWS_DEFAULT_REGION, or a region in your AWS profile.")
    except NoCredentialsError:
        _end("no credentials were found. Sign in, or set AWS_PROFILE.")
    except ClientError as error:
        _end(f"{error}. What was done stays done; put this right and run the same command again.")
    except BotoCoreError as error:
        _end(f"AWS could not be reached: {error}")


def _end(sentence: str) -> None:
    errors.print(f"[bold red]headroom:[/] {sentence}", highlight=False, soft_wrap=True)
    raise typer.Exit(2)
