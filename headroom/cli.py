"""The command line: `headroom COMMAND`. The commands stand in headroom/commands/."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from chalicelib.aws.client import AwsError
from chalicelib.config.loader import ConfigError
from headroom.commands import (
    backtest,
    bench,
    configuration,
    cost,
    deploy,
    migrate,
    pause,
    play,
    sweep,
    tune,
)
from headroom.commands.console import errors
from headroom.deploy.account import describe_error
from headroom.project import version
from headroom.simulation.history import NoHistoryError
from headroom.simulation.pricing import PriceError
from headroom.simulation.traces import TraceError
from headroom.simulation.tuning import TooShortError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (play, backtest, tune, cost, bench, configuration, pause, sweep, deploy, migrate):
    commands.add_to(app)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(version())
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_tell_version,
            is_eager=True,
            help="Print the version of Headroom.",
        ),
    ] = False,
) -> None:
    """Headroom: an alarm-driven autoscaler for DynamoDB's provisioned capacity."""


def main() -> None:
    """Run the command line; a mistake of the operator's ends in one clear sentence, not in a
    traceback."""
    try:
        app()
    except (
        ConfigError,
        TraceError,
        PriceError,
        NoHistoryError,
        TooShortError,
        OSError,
        UnicodeDecodeError,
        *AwsError,
    ) as error:
        errors.print(f"[bold red]headroom:[/] {escape(describe_error(error))}", highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
