"""`check`: what is in the configuration."""

from pathlib import Path
from typing import Annotated

import typer

from chalicelib.config.loader import ConfigError
from chalicelib.config.policy import SETTINGS, make_policy
from chalicelib.config.rules import Config
from chalicelib.model import Dimension, Target
from headroom.commands import completion
from headroom.commands.console import WHOLE_LINES, app, console, errors, print_json, print_line
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    configuration_file,
    rules_of,
)
from headroom.counted import counted
from headroom.operator_error import OperatorError
from headroom.reference import toml
from headroom.remarks import remarks


@app.command(epilog="Example: headroom check --table orders")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The same as --config.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show the settings of this table.",
            autocompletion=completion.tables,
        ),
    ] = None,
    index: Annotated[str, typer.Option(metavar="NAME", help="… and of this index of it.")] = "",
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration; show the settings of a table.

    Every mistake is reported at once, and the exit status is 2. What is right but probably not
    meant, such as a rule that is never reached, is a remark.
    """
    if file and config_file:
        raise OperatorError("give either FILE or --config FILE")
    if index and not table:
        raise OperatorError("--index NAME is for --table NAME")
    path = configuration_file(file or config_file, stage)
    if as_json:
        _print_json(path)
        return
    config = rules_of(path)
    console.print(f"The configuration is right: {counted(len(config.tables), 'rule')} for tables.")
    for remark in remarks(config):
        errors.print(f"but {remark}", markup=False, highlight=False)
    if not config.tables:
        console.print("It names no table, so Headroom manages none.")
    if table:
        _print_settings(config, table, index)


def _print_json(path: Path) -> None:
    problems: list[str] = []
    found: list[str] = []
    try:
        found = remarks(rules_of(path))
    except ConfigError as error:
        problems = error.problems
    print_json(
        {
            "configuration": str(path),
            "ok": not problems,
            "problems": problems,
            "remarks": found,
        }
    )
    raise typer.Exit(2 if problems else 0)


def _print_settings(config: Config, table: str, index: str) -> None:
    """Print all settings of a table or index. Exit with 1 if no rule names it."""
    for dimension in Dimension:
        target = Target(table, index, dimension)
        policy = config.policy_for(target)
        if policy is None:
            print_line(f"No rule names table {table}: Headroom leaves it alone.")
            raise typer.Exit(1)
        console.print(str(target), style="bold", markup=False, highlight=False)
        defaults = make_policy(strategy=policy.strategy)
        for name in SETTINGS:
            value = getattr(policy, name)
            style = "dim" if value == getattr(defaults, name) else ""
            console.print(
                f"  {name} = {toml(value)}",
                style=style,
                markup=False,
                highlight=False,
                soft_wrap=WHOLE_LINES,
            )
