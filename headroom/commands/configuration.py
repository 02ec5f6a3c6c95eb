"""`check` and `explain`: what the configuration says, and what it would decide now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.tables import autoscaled_owners
from chalicelib.config.healing import rule_for
from chalicelib.config.policy import SETTINGS, make_policy
from chalicelib.healing import reconcile
from chalicelib.model import Dimension, Target
from chalicelib.run import Run
from headroom.commands.console import (
    DEFAULT_TOPIC,
    ConfigOption,
    TopicOption,
    console,
    errors,
    rules_of,
    tell,
)
from headroom.reference import toml


def add_to(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(explain)


def check(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration; else chalicelib/headroom.toml.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Show the settings that hold for this table.")
    ] = None,
    index: Annotated[str, typer.Option(help="… and this index of it.")] = "",
) -> None:
    """Check the configuration: every problem with its path, or the settings that hold, the plain
    defaults dimmed."""
    rules = rules_of(file)
    console.print(f"The configuration is right: {len(rules.tables)} rule(s) for tables.")
    for doubt in rules.doubts():
        errors.print(f"but {doubt}", markup=False, highlight=False)
    if not rules.tables:
        console.print("It names no table, so Headroom manages none.")
    if table is None:
        return
    for dimension in Dimension:
        policy = rules.policy_for(Target(table, index, dimension))
        if policy is None:
            console.print(f"No rule names table {table}: Headroom leaves it alone.")
            raise typer.Exit(1)
        console.print(f"[bold]{Target(table, index, dimension)}[/]")
        for name in SETTINGS:
            value = getattr(policy, name)
            style = "dim" if value == getattr(make_policy(strategy=policy.strategy), name) else ""
            console.print(
                f"  {name} = {toml(value)}",
                style=style,
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def explain(
    table: Annotated[
        str,
        typer.Argument(
            help="The table to look at, or the Auto Scaling group that [[healing]] names."
        ),
    ],
    config_file: ConfigOption = None,
    topic: TopicOption = DEFAULT_TOPIC,
) -> None:
    """Say what Headroom would decide for a table, or a group of instances, of your account now, and
    why. Changes nothing."""
    run = Run(Aws(topic), rules_of(config_file), datetime.now(UTC), dry_run=True)
    is_group = not run.config.manages(table) and rule_for(run.config.healing, table)
    report = (reconcile if is_group else handlers).preview(run, table)
    if not report.failures and table in {
        owner.partition("/")[0] for owner in autoscaled_owners(run.aws)
    }:
        console.print(
            f"Application Auto Scaling manages {table}, so Headroom leaves it alone. Without that:",
            markup=False,
        )
    tell(report, dry_run=True)
