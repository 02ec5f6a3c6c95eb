"""`cost`: every table and index of a region: what it costs now, under Headroom, on demand, and
fixed with reserved capacity."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich import box
from rich.progress import Progress
from rich.table import Table

from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.mistakes import nearest
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.model import TableState, Target
from headroom.commands.console import (
    app,
    console,
    errors,
    print_csv,
    print_json,
    progress_bar,
)
from headroom.commands.demand_source import FreshOption, PricesOption, cache, settled_now
from headroom.commands.everywhere import LONG_SECONDS, everywhere, print_problems
from headroom.commands.options import (
    ConfigOption,
    CsvOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    rules_of,
)
from headroom.deploy.places import AwsPlace, ask_all
from headroom.simulation import costs, history, pricing
from headroom.tables import number_table


@dataclass(frozen=True)
class _Costs:
    """What was found of one account and Region. targets: of the histories, once replayed."""

    region: str
    histories: list[costs.TableHistory]
    failures: list[costs.ReadFailure]
    targets: list[costs.TargetCosts] = field(default_factory=list)


def _cost_everywhere(
    places: Sequence[AwsPlace],
    table: str = "*",
    days: int = 7,
    fresh: bool = False,
    prices: Path = pricing.FILE,
    config_file: Path | None = None,
    stage: str | None = None,
    as_json: bool = False,
    as_csv: bool = False,
) -> None:
    charged, rules = pricing.load(prices), rules_of(config_file, stage)

    def read(there: boto3.Session) -> _Costs:
        aws = Aws(DEFAULT_TOPIC, session=there)
        with Progress(disable=True) as silent:
            histories, failures = _histories(silent, aws, table, days, fresh)
        return _Costs(aws.region, histories, failures)

    answers = ask_all(places, read, LONG_SECONDS)
    found = [(answer.place, answer.value) for answer in answers if answer.value]
    with progress_bar() as progress:
        task = progress.add_task("replaying", total=sum(len(one.histories) for _, one in found))
        for _, one in found:
            replay = costs.costs(one.histories, rules, charged, lambda: progress.advance(task))
            one.targets.extend(replay)
    for place, one in found:
        _warn(place, one.region, charged)
        _print_failures(one.failures, f"{place}: ")
    is_incomplete = print_problems(answers)
    rows = [(place, target) for place, one in found for target in one.targets]
    if as_json:
        print_json(
            [
                {"place": place, **costs.as_data(one.targets, one.failures, charged)}
                for place, one in found
            ]
            + [{"place": a.place, "problem": a.problem} for a in answers if a.problem]
        )
    elif as_csv:
        print_csv({"place": place, **target.as_data()} for place, target in rows)
    else:
        title = f"{len(found)} places: USD a month, from the last {days} days"
        _print_report([t for _, t in rows], charged, title, [place for place, _ in rows])
    if is_incomplete or not rows:
        raise typer.Exit(1)


@app.command(epilog="Example: headroom cost --table 'orders-*' --regions eu-west-1,us-east-1")
@everywhere(_cost_everywhere)
def cost(
    table: TablesOption = "*",
    days: Annotated[int, typer.Option(min=1, max=14, help="How many whole days of history.")] = 7,
    fresh: FreshOption = False,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what each table costs a month, and the alternatives."""
    charged, rules = pricing.load(prices), rules_of(config_file, stage)
    aws = Aws(DEFAULT_TOPIC)
    names = table_names(aws)
    if table != "*" and not any(fnmatchcase(name, table) for name in names):
        errors.print(f"no table matches {table}{nearest(table, names)}", markup=False)
        raise typer.Exit(1)
    _warn("", aws.region, charged)
    with progress_bar() as progress:
        histories, failures = _histories(progress, aws, table, days, fresh)
        task = progress.add_task("replaying", total=len(histories))
        all_costs = costs.costs(histories, rules, charged, lambda: progress.advance(task))
    _print_failures(failures)
    if as_json:
        print_json(costs.as_data(all_costs, failures, charged))
    elif as_csv:
        print_csv(target_costs.as_data() for target_costs in all_costs)
    else:
        _print_report(all_costs, charged, f"{aws.region}: USD a month, from the last {days} days")
    if failures and not all_costs:
        raise typer.Exit(1)


def _warn(place: str, region: str, prices: pricing.Prices) -> None:
    if region != prices.region:
        errors.print(
            f"{f'{place}: ' if place else ''}The prices are those of {prices.region}, the tables "
            f"are in {region}: give --prices FILE.",
            highlight=False,
            markup=False,
        )


def _print_failures(failures: Sequence[costs.ReadFailure], prefix: str = "") -> None:
    for failure in failures:
        errors.print(
            f"{prefix}{failure.subject} is left out: {failure.why}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _histories(
    progress: Progress, aws: Aws, glob: str, days: int, fresh: bool
) -> tuple[list[costs.TableHistory], list[costs.ReadFailure]]:
    names = sorted(name for name in table_names(aws) if fnmatchcase(name, glob))
    tables = describe_tables(aws, names)
    failures = [
        costs.ReadFailure(name, str(state or "the table does not exist any more"))
        for name, state in tables.items()
        if not isinstance(state, TableState)
    ]
    known = [state for state in tables.values() if isinstance(state, TableState)]
    task = progress.add_task(
        "reading CloudWatch", total=days * sum(len(state.targets()) for state in known)
    )
    now, kept = settled_now(), cache(fresh)

    def read_history(target: Target) -> history.TargetHistory:
        try:
            return history.read(aws, target, days, now, kept, lambda: progress.advance(task))
        except history.NoHistoryError:
            return history.idle(days, now)

    histories = []
    for state in known:
        table_history, table_failures = costs.read(state, read_history, AwsError)
        if table_history:
            histories.append(table_history)
        failures += table_failures
    return histories, failures


def _print_report(
    all_costs: Sequence[costs.TargetCosts],
    prices: pricing.Prices,
    title: str,
    places: Sequence[str] = (),
) -> None:
    """Print the costs as a table and in sentences. places: the place of each, if there are some."""
    if not all_costs:
        console.print("There is no table to cost.")
        return
    console.print(_table(all_costs, title, places))
    total = costs.totals(all_costs)
    own = [total["own_alarms"], total["own_metric_reads"], total["own_lambda"]]
    for sentence in (
        f"As advised, all together: {total['advised']:,.2f} USD a month, "
        f"Headroom's own cost included; now {total['now']:,.2f}.",
        f"Headroom itself, on all of them: {sum(own):,.2f} USD a month "
        f"({own[0]:,.2f} alarms, {own[1]:,.2f} metric reads, {own[2]:,.2f} Lambda).",
        costs.break_even(prices),
        f"Reserved: fixed at the peak of these days, blocks of {costs.BLOCK_UNITS} units for a "
        "year where they pay.",
        f"The advice counts a throttled unit as {pricing.THROTTLED_UNIT_PRICE} units. "
        f"Prices: {prices.region}, {prices.table_class} class, read {prices.read_on}.",
        costs.ASSUMPTIONS,
    ):
        console.print(sentence, highlight=False, soft_wrap=True)


def _table(all_costs: Sequence[costs.TargetCosts], title: str, places: Sequence[str] = ()) -> Table:
    headings: tuple[str, ...] = (
        "target",
        "units",
        "used",
        "now",
        "Headroom",
        "used",
        "ppm",
        "itself",
        "on demand",
        "reserved",
        "advice",
    )
    rows = map(_cells, all_costs)
    if places:
        headings = ("place", *headings)
        rows = map(_with_place, places, rows)
    table = number_table(title, headings, rows, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    target, *_, advice = table.columns
    target.overflow, advice.justify, advice.no_wrap = "fold", "left", True
    if places:
        table.columns[1].overflow, table.columns[1].justify = "fold", "left"
    total = costs.totals(all_costs)
    own = total["own_alarms"] + total["own_metric_reads"] + total["own_lambda"]
    sums = [f"{total[name]:,.2f}" for name in ("now", "headroom", "on_demand", "reserved")]
    table.add_section()
    all_of_them = ("all", "", "", sums[0], sums[1], "", "", f"{own:,.2f}", sums[2], sums[3])
    table.add_row(*(("", *all_of_them) if places else all_of_them))
    return table


def _with_place(place: str, cells: tuple[str, ...]) -> tuple[str, ...]:
    return (place, *cells)


def _cells(target_costs: costs.TargetCosts) -> tuple[str, ...]:
    used = target_costs.utilisation_percent
    return (
        str(target_costs.target),
        "on demand" if target_costs.units_now is None else f"{target_costs.units_now:,}",
        "–" if used is None else f"{used:.1f} %",
        f"{target_costs.now:,.2f}",
        f"{target_costs.headroom:,.2f}",
        f"{target_costs.headroom_utilisation_percent:.1f} %",
        f"{target_costs.headroom_ppm:,.0f}",
        f"{target_costs.own.total:,.2f}",
        f"{target_costs.on_demand:,.2f}",
        f"{target_costs.reserved:,.2f}",
        str(target_costs.advice),
    )
