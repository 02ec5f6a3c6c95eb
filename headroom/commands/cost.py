"""`cost`: every table and index of a region: what it costs now, under Headroom, on demand, and
fixed with reserved capacity."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich import box
from rich.progress import Progress
from rich.table import Table

from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.tables import describe_tables, table_names
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
from headroom.commands.demand_source import PricesOption, cache, settled_now
from headroom.commands.options import (
    ConfigOption,
    CsvOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    in_account,
    rules_of,
)
from headroom.simulation import costs, history, pricing
from headroom.tables import number_table


@app.command(epilog="Example: headroom cost --table 'orders-*' --days 14")
@in_account
def cost(
    table: TablesOption = "*",
    days: Annotated[int, typer.Option(min=1, max=14, help="How many whole days of history.")] = 7,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what each table costs a month, and the alternatives."""
    charged, rules = pricing.load(prices), rules_of(config_file, stage)
    aws = Aws(DEFAULT_TOPIC)
    if aws.region != charged.region:
        errors.print(
            f"The prices are those of {charged.region}, the tables are in {aws.region}: "
            "give --prices FILE."
        )
    with progress_bar() as progress:
        histories, failures = _histories(progress, aws, table, days)
        task = progress.add_task("replaying", total=len(histories))
        all_costs = costs.costs(histories, rules, charged, lambda: progress.advance(task))
    for failure in failures:
        errors.print(
            f"{failure.subject} is left out: {failure.why}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if as_json:
        print_json(costs.as_data(all_costs, failures, charged))
    elif as_csv:
        print_csv(target_costs.as_data() for target_costs in all_costs)
    else:
        _print_report(all_costs, charged, f"{aws.region}: USD a month, from the last {days} days")
    if failures and not all_costs:
        raise typer.Exit(1)


def _histories(
    progress: Progress, aws: Aws, glob: str, days: int
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
    now, folder = settled_now(), cache()

    def read_history(target: Target) -> history.TargetHistory:
        return history.read(aws, target, days, now, folder, lambda: progress.advance(task))

    histories = []
    for state in known:
        table_history, table_failures = costs.read(state, read_history, AwsError)
        if table_history:
            histories.append(table_history)
        failures += table_failures
    return histories, failures


def _print_report(
    all_costs: Sequence[costs.TargetCosts], prices: pricing.Prices, title: str
) -> None:
    if not all_costs:
        console.print("There is no table to cost.")
        return
    console.print(_table(all_costs, title))
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


def _table(all_costs: Sequence[costs.TargetCosts], title: str) -> Table:
    headings = (
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
    table = number_table(title, headings, rows, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    target, *_, advice = table.columns
    target.overflow, advice.justify, advice.no_wrap = "fold", "left", True
    total = costs.totals(all_costs)
    own = total["own_alarms"] + total["own_metric_reads"] + total["own_lambda"]
    sums = [f"{total[name]:,.2f}" for name in ("now", "headroom", "on_demand", "reserved")]
    table.add_section()
    table.add_row("all", "", "", sums[0], sums[1], "", "", f"{own:,.2f}", sums[2], sums[3])
    return table


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
