"""`check` and `explain`: what is in the configuration, and what Headroom would decide now."""

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
    app,
    console,
    errors,
    print_and_exit,
)
from headroom.commands.options import (
    ConfigOption,
    OfStageOption,
    TopicOption,
    in_account,
    rules_of,
    topic_of,
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


@app.command(epilog="Example: headroom explain orders --stage prod --verbose")
@in_account
def explain(
    table: Annotated[
        str,
        typer.Argument(
            help="The table to check, or the Auto Scaling group that [[healing]] names."
        ),
    ],
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
) -> None:
    """Show what would be decided now about a table, and why."""
    run = Run(
        Aws(topic_of(topic, stage)),
        rules_of(config_file, stage),
        datetime.now(UTC),
        dry_run=True,
    )
    is_group = not run.config.manages(table) and rule_for(run.config.healing, table)
    report = (reconcile if is_group else handlers).preview(run, table)
    if not report.failures and any(
        owner.partition("/")[0] == table for owner in autoscaled_owners(run.aws)
    ):
        console.print(
            f"Application Auto Scaling manages {table}, so Headroom leaves it alone. Without that:",
            markup=False,
        )
    print_and_exit(report, dry_run=True)
