"""`check`: what is in the configuration."""

from pathlib import Path
from typing import Annotated

import typer

from chalicelib.config.policy import SETTINGS, make_policy
from chalicelib.model import Dimension, Target
from headroom.commands.console import (
    app,
    console,
    errors,
)
from headroom.commands.options import (
    rules_of,
)
from headroom.reference import toml


@app.command(epilog="Example: headroom check --table orders")
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration; else chalicelib/headroom.toml.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Show the settings that apply to this table.")
    ] = None,
    index: Annotated[str, typer.Option(help="… and this index of it.")] = "",
) -> None:
    """Check the configuration; show the settings of a table."""
    config = rules_of(file)
    console.print(f"The configuration is right: {len(config.tables)} rule(s) for tables.")
    for warning in config.warnings():
        errors.print(f"but {warning}", markup=False, highlight=False)
    if not config.tables:
        console.print("It names no table, so Headroom manages none.")
    if table is None:
        return
    for dimension in Dimension:
        target = Target(table, index, dimension)
        policy = config.policy_for(target)
        if policy is None:
            console.print(f"No rule names table {table}: Headroom leaves it alone.")
            raise typer.Exit(1)
        console.print(f"[bold]{target}[/]")
        defaults = make_policy(strategy=policy.strategy)
        for name in SETTINGS:
            value = getattr(policy, name)
            style = "dim" if value == getattr(defaults, name) else ""
            console.print(
                f"  {name} = {toml(value)}",
                style=style,
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
