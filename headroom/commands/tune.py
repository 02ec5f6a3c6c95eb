"""`tune`: the cheapest settings that keep throttling under a goal, searched on the operator's own
history."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.commands.console import ConfigOption, console, progress_bar
from headroom.commands.demand_source import (
    BurstOption,
    DaysOption,
    DelayOption,
    DimensionOption,
    IndexOption,
    JsonOption,
    PricesOption,
    TableOption,
    TraceOption,
    UpdateOption,
    demand_of,
    policy_for,
    source,
)
from headroom.simulation import pricing, tuning
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.tuning import Figures, Plan, Tuning, Verdict


def add_to(app: typer.Typer) -> None:
    app.command()(tune)


def tune(
    trace: TraceOption = None,
    table: TableOption = None,
    index: IndexOption = "",
    dimension: DimensionOption = Dimension.READ,
    days: DaysOption = 14,
    throttled_ppm: Annotated[
        float, typer.Option(min=0, help="The most that may be throttled, in parts per million.")
    ] = 100,
    candidates: Annotated[
        int, typer.Option(min=2, help="How many candidates to try at the most.")
    ] = tuning.MOST_CANDIDATES,
    burst_seconds: BurstOption = 300,
    metric_delay: DelayOption = 1,
    update_minutes: UpdateOption = 1,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for the cheapest adaptive settings that meet a throttling goal, and check them on days
    not searched on."""
    asked = source(trace, table, index, dimension, days)
    policy = policy_for(config_file, asked.target)
    unit_hour = pricing.load(prices).of(dimension).unit_hour
    conditions = Conditions(burst_seconds, metric_delay, update_minutes)
    with progress_bar() as progress:
        demand, _ = demand_of(progress, asked)
        task = progress.add_task("replaying (Ctrl-C stops with the best so far)", total=None)

        def done(finished: int, expected: int) -> None:
            progress.update(task, completed=finished, total=expected)

        found = tuning.tune(demand, policy, throttled_ppm, conditions, Plan(most=candidates), done)

    def month(figures: Figures) -> float:
        return pricing.month(figures.unit_hours, figures.minutes, unit_hour)

    named = None if trace else asked.target
    if as_json:
        sys.stdout.write(json.dumps(tuning.as_data(found, named, month), indent=2) + "\n")
        return
    console.print(_table(found, asked.title, month))
    _tell(found, named)


def _table(found: Tuning, title: str, month: Callable[[Figures], float]) -> Table:
    heading = (
        f"{title}: {found.candidates} candidates, throttling at most {found.goal_ppm:,.0f} ppm"
    )
    table = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD)
    headings = (
        "trust",
        "keep",
        "price",
        "insurance",
        "USD, searched",
        "ppm",
        "USD, other days",
        "ppm",
        "USD, today's",
        "ppm",
    )
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")

    def shown(figures: Figures) -> tuple[str, str]:
        return f"{month(figures):,.2f}", f"{figures.throttled_ppm:,.0f}"

    for number, fold in enumerate(found.folds, start=1):
        cells = (
            *_settings(fold.found),
            *shown(fold.searched),
            *shown(fold.unseen),
            *shown(fold.today),
        )
        table.add_row(f"fold {number}", *cells)
    table.add_section()
    blank = ("", "")
    table.add_row(
        "all days",
        *_settings(found.found),
        *shown(found.found_figures),
        *shown(found.unseen),
        *shown(found.today_unseen),
    )
    today = (
        _settings(found.today)
        if found.today.strategy == "adaptive"
        else (found.today.strategy, "", "", "")
    )
    table.add_row("today", *today, *shown(found.today_figures), *blank, *blank)
    return table


def _settings(policy: Policy) -> tuple[str, ...]:
    return tuple(f"{value:g}" for value in tuning.settings_of(policy).values())


def _tell(found: Tuning, target: Target | None) -> None:
    if found.stopped:
        console.print(f"Stopped after {found.candidates} candidates: this is the best so far.")
    console.print(
        "USD a month. Day 0 is replayed, not counted. A fold's search left out its days, and is judged on them (other days).",
        soft_wrap=True,
    )
    console.print(tuning.sentence(found), style="bold", highlight=False, soft_wrap=True)
    if found.verdict is Verdict.KEEP:
        return
    removed = tuning.to_remove(found)
    if removed:
        console.print(
            f"Remove from the configuration: {', '.join(removed)}.", highlight=False, soft_wrap=True
        )
    if tuning.leans_more_on_burst(found):
        console.print(
            "It leans more on the burst bucket, which AWS does not promise: see what --burst-seconds 150 finds.",
            soft_wrap=True,
        )
    if tuning.changed(found):
        console.print("To paste (into the table's own rule, where the configuration has one):")
        console.print(tuning.toml(found, target), highlight=False, markup=False, soft_wrap=True)
