"""`tune`: the cheapest settings that keep throttling under a goal, searched on the operator's own
history."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.commands.console import WHOLE_LINES, app, console, print_json, progress_bar
from headroom.commands.demand_source import (
    BurstOption,
    DaysOption,
    DelayOption,
    FreshOption,
    PricesOption,
    Source,
    SumsOption,
    TableOption,
    TraceOption,
    UpdateOption,
    demand_of,
    policy_for,
    source,
)
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    configuration_file,
    in_account,
)
from headroom.simulation import pricing, tuning
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.goals import PRICES_ONLY, goal_ppm
from headroom.tables import number_table

HEADINGS = (
    "",
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


@app.command(epilog="Example: headroom tune --table orders --throttled-ppm 50")
@in_account
def tune(
    trace: TraceOption = None,
    table: TableOption = None,
    index: Annotated[str, typer.Option(metavar="NAME", help="With --table: an index of it.")] = "",
    dimension: Annotated[
        Dimension, typer.Option(metavar="read|write", help="Reads or writes.")
    ] = Dimension.READ,
    days: DaysOption = None,
    sums: SumsOption = False,
    fresh: FreshOption = False,
    throttled_ppm: Annotated[
        float | None,
        typer.Option(
            metavar="PPM",
            min=0,
            help="The most that is throttled; else the goal, or 100.",
            show_default=False,
        ),
    ] = None,
    price_only: Annotated[
        bool, typer.Option("--price-only", help="Search the throttle_price alone.")
    ] = False,
    candidates: Annotated[
        int, typer.Option(metavar="N", min=2, help="How many candidates to try at the most.")
    ] = tuning.MOST_CANDIDATES,
    burst_seconds: BurstOption = 300,
    metric_delay: DelayOption = 1,
    update_minutes: UpdateOption = 1,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the cheapest settings within a throttling goal.

    The settings of `adaptive`, tested on days that the search did not use.
    """
    selected = source(trace, table, index, dimension, days, sums, fresh)
    policy = policy_for(configuration_file(config_file, stage), selected.target)
    unit_hour = pricing.load(prices).of(dimension).unit_hour
    conditions = Conditions(burst_seconds, metric_delay, update_minutes)
    plan = tuning.SearchPlan(most=candidates)
    if price_only:
        plan = replace(plan, coarse=PRICES_ONLY, steps=())
    result = _search(selected, policy, goal_ppm(throttled_ppm, policy), conditions, plan)

    def month(figures: tuning.Figures) -> float:
        return pricing.month(figures.unit_hours, figures.minutes, unit_hour)

    target = None if trace else selected.target
    if as_json:
        print_json(tuning.as_data(result, target, month))
        return
    console.print(_table(result, selected.title, month))
    _print_report(result, target)


def _search(
    selected: Source,
    policy: Policy,
    goal: float,
    conditions: Conditions,
    plan: tuning.SearchPlan,
) -> tuning.Tuning:
    with progress_bar() as progress:
        demand, _ = demand_of(progress, selected)
        task = progress.add_task("replaying (Ctrl-C stops with the best so far)", total=None)

        def on_progress(finished: int, expected: int) -> None:
            progress.update(task, completed=finished, total=expected)

        return tuning.tune(demand, policy, goal, conditions, plan, on_progress)


def _table(tuned: tuning.Tuning, title: str, month: Callable[[tuning.Figures], float]) -> Table:
    heading = (
        f"{title}: {tuned.candidates} candidates, throttling at most {tuned.goal_ppm:,.0f} ppm"
    )
    table = number_table(heading, HEADINGS, box=box.SIMPLE_HEAD)

    def cells_of(figures: tuning.Figures) -> tuple[str, str]:
        return f"{month(figures):,.2f}", f"{figures.throttled_ppm:,.0f}"

    for number, fold in enumerate(tuned.folds, start=1):
        table.add_row(
            f"fold {number}",
            *_settings(fold.best),
            *cells_of(fold.searched),
            *cells_of(fold.held_out),
            *cells_of(fold.current),
        )
    table.add_section()
    table.add_row(
        "all days",
        *_settings(tuned.best),
        *cells_of(tuned.best_figures),
        *cells_of(tuned.held_out),
        *cells_of(tuned.current_held_out),
    )
    strategy = tuned.current.strategy
    settings = _settings(tuned.current) if strategy == "adaptive" else (strategy, "", "", "")
    table.add_row("today", *settings, *cells_of(tuned.current_figures))
    return table


def _settings(policy: Policy) -> tuple[str, ...]:
    return tuple(f"{value:g}" for value in tuning.settings_of(policy).values())


def _print_report(tuned: tuning.Tuning, target: Target | None) -> None:
    if tuned.stopped:
        console.print(f"Stopped after {tuned.candidates} candidates: this is the best so far.")
    console.print(
        "USD a month. Day 0 is replayed, not counted. A fold's search left out its days, and is "
        "judged on them (other days).",
        soft_wrap=WHOLE_LINES,
    )
    console.print(tuning.sentence(tuned), style="bold", highlight=False, soft_wrap=WHOLE_LINES)
    if tuned.verdict is tuning.TuningVerdict.KEEP:
        return
    if removed := tuning.to_remove(tuned):
        console.print(
            f"Remove from the configuration: {', '.join(removed)}.",
            highlight=False,
            soft_wrap=WHOLE_LINES,
        )
    if tuning.relies_more_on_burst(tuned):
        console.print(
            "It relies more on the burst bucket, which AWS does not promise: see what "
            "--burst-seconds 150 finds.",
            soft_wrap=WHOLE_LINES,
        )
    if tuning.changed(tuned):
        console.print("To paste (into the table's own rule, where the configuration has one):")
        console.print(tuning.toml(tuned, target), highlight=False, markup=False, soft_wrap=True)
