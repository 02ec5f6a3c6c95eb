"""The command line: `headroom COMMAND`. The commands stand in headroom/commands/."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from chalicelib.aws import AwsError
from chalicelib.config import ConfigError
from headroom.account import NoHistoryError
from headroom.commands import backtest, bench, configuration, cost, deploy, migrate, play, tune
from headroom.commands.shared import errors
from headroom.pricing import PriceError
from headroom.traces import TraceError
from headroom.tuning import TooShortError

app = typer.Typer(
    help="Headroom: an alarm-driven autoscaler for DynamoDB's provisioned capacity.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (play, backtest, tune, cost, bench, configuration, deploy, migrate):
    commands.add_to(app)


def main() -> None:
    """Run the command line; a mistake of the operator's ends in one clear sentence, not in a traceback."""
    try:
        app()
    except (ConfigError, TraceError, PriceError, NoHistoryError, TooShortError, OSError, UnicodeDecodeError, *AwsError) as error:
        errors.print(f"[bold red]headroom:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
