"""`backtest`: what a policy would have cost and throttled, beside everything else, on a trace or on
the account's own history."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs
from rich import box
from rich.progress import Progress
from rich.table import Table

from chalicelib.config.money import Money
from chalicelib.config.policy import Policy
from chalicelib.model import Dimension
from headroom.commands.console import (
    WHOLE_LINES,
    app,
    console,
    errors,
    print_csv,
    print_json,
    progress_bar,
)
from headroom.commands.demand_source import (
    BurstOption,
    DaysOption,
    DelayOption,
    FreshOption,
    HotKeyOption,
    PricesOption,
    Source,
    SumsOption,
    TableOption,
    TraceOption,
    UpdateOption,
    demand_of,
    policy_for,
    sources,
)
from headroom.commands.options import (
    ConfigOption,
    CsvOption,
    JsonOption,
    OfStageOption,
    configuration_file,
    in_account,
    output_file,
    rules_of,
)
from headroom.simulation import budgets, pricing, report, whole_table
from headroom.simulation.compare import (
    CHEAPEST,
    HEADROOM,
    SPENT_BUDGET,
    Comparison,
    Section,
    compare,
)
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.history import NoHistoryError
from headroom.tables import number_table

#: What --foresight takes.
LEAST_SIGHT, MOST_SIGHT = 10, 240
HEADINGS = (
    "",
    "USD a\nmonth",
    "×\noptimum",
    "effective\ncost",
    "×\nfloor",
    "throttled\nppm",
    "in\nminutes",
)


@app.command(epilog="Example: headroom backtest --table orders --html orders.html")
@in_account
def backtest(
    trace: TraceOption = None,
    table: TableOption = None,
    index: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --table: an index ('': the table itself)."),
    ] = None,
    dimension: Annotated[
        Dimension | None,
        typer.Option(
            metavar="read|write", help="Reads or writes; else both of a table, reads of a trace."
        ),
    ] = None,
    days: DaysOption = None,
    sums: SumsOption = False,
    fresh: FreshOption = False,
    aas: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PERCENT",
            min=20,
            max=90,
            help="Application Auto Scaling's target; may be repeated.",
        ),
    ] = None,
    sights: Annotated[
        str,
        typer.Option("--foresight", metavar="MIN,MIN", help="Also perfect sight of these minutes."),
    ] = "",
    burst_seconds: BurstOption = 300,
    metric_delay: DelayOption = 1,
    update_minutes: UpdateOption = 1,
    hot_key: HotKeyOption = 0.0,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a page with a picture that zooms.", callback=output_file
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Replay a history, and compare the alternatives."""
    conditions = Conditions(burst_seconds, metric_delay, update_minutes, hot_key)
    charged = pricing.load(prices)
    requested = sources(trace, table, index, dimension, days, sums, fresh)
    sections = list(
        compared(
            requested,
            configuration_file(config_file, stage),
            charged,
            aas or (70,),
            conditions,
            _minutes(sights),
        )
    )
    if not sections:
        raise NoHistoryError("there is nothing to replay")
    sections = _with_notes(sections, requested, configuration_file(config_file, stage))
    if html:
        _write_page(sections, html, charged, conditions)
    _print(sections, trace, as_json, as_csv)


def _print(sections: Sequence[Section], trace: Path | None, as_json: bool, as_csv: bool) -> None:
    if as_json:
        data = [_named(section, trace) | section.comparison.as_data() for section in sections]
        print_json(data[0] if trace else data)
    elif as_csv:
        print_csv(
            _named(section, trace) | asdict(row)
            for section in sections
            for row in section.comparison.rows
        )
    else:
        for section in sections:
            console.print(_table(section.comparison, "" if trace else f"{section.title}: "))
            for sentence in (
                report.saving(section.comparison),
                *report.switches(section),
                *section.notes,
            ):
                console.print(sentence, soft_wrap=WHOLE_LINES, markup=False)


def _minutes(text: str) -> list[int]:
    """Return the minutes of --foresight."""
    try:
        minutes = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        minutes = [0]
    if any(not LEAST_SIGHT <= one <= MOST_SIGHT for one in minutes):
        raise typer.BadParameter(
            f"--foresight {text}: give whole minutes from {LEAST_SIGHT} to {MOST_SIGHT}, as 15,60"
        )
    return minutes


def _with_notes(sections: list[Section], requested: Sequence[Source], file: Path) -> list[Section]:
    """Return the sections; the last one says what the budgets would do to all of them."""
    table, policy, last = requested[0].target.table, sections[-1].policy, sections[-1]
    found = budgets.notes(table, policy, rules_of(file).money, [s.comparison for s in sections])
    return [*sections[:-1], replace(last, notes=found)]


def _named(section: Section, trace: Path | None) -> dict[str, object]:
    """Return the target of a section's data. A trace has none."""
    return {} if trace else {"target": section.title}


def compared(
    sources: Sequence[Source],
    config_file: Path,
    prices: pricing.Prices,
    targets: Sequence[int],
    conditions: Conditions,
    sights: Sequence[int],
) -> Iterator[Section]:
    """Yield each source's comparison.

    The budgets are left out, and shown by a row of their own.
    """
    money = rules_of(config_file).money
    with progress_bar() as progress:
        read = list(_read(progress, sources))
        policies = {source.target: policy_for(config_file, source.target) for source, *_ in read}
        rows = {target: _rows(policy, money) for target, policy in policies.items()}
        histories = {source.target: (demand, start) for source, demand, start in read}
        together = whole_table.replays(histories, rows, prices, conditions)
        for source, demand, start in read:
            target, own = source.target, dict(rows[source.target])
            count = 4 + len(own) + len(targets) + len(sights)
            task = progress.add_task(f"replaying {source.title}", total=count)
            comparison = compare(
                demand,
                own.pop(HEADROOM),
                prices,
                target.dimension,
                targets,
                conditions,
                lambda _, task=task: progress.advance(task),  # type: ignore[misc]
                own,
                sights,
                together.get(target, {}),
                start,
            )
            policy = structs.replace(policies[target], mode="provisioned")
            yield Section(source.title, comparison, policy, start)


def _rows(policy: Policy, money: Money | None) -> whole_table.Rows:
    """Return the policies of Headroom's rows, by their names."""
    plain = structs.replace(budgets.unlimited(policy), mode="provisioned")
    rows = {HEADROOM: plain}
    if budgets.holds(policy, money):
        rows[SPENT_BUDGET] = budgets.spent(plain)
    if policy.mode == "cheapest":
        rows[CHEAPEST] = structs.replace(plain, mode="cheapest")
    return rows


Read = tuple[Source, list[float], datetime | None]


def _read(progress: Progress, sources: Sequence[Source]) -> Iterator[Read]:
    """Yield each source with its demand; report a source without a history, and leave it out."""
    for source in sources:
        try:
            yield source, *demand_of(progress, source)
        except NoHistoryError as error:
            errors.print(f"left out: {error}", markup=False)


def _write_page(
    sections: Sequence[Section], path: Path, prices: pricing.Prices, conditions: Conditions
) -> None:
    report.write(sections, path, prices, conditions)
    errors.print(f"Wrote {path}", markup=False)


def _table(comparison: Comparison, name: str) -> Table:
    """Return the columns that fit 80 characters. The page, the JSON and the CSV have all."""
    title = f"{name}{len(comparison.demand):,} minutes of {comparison.dimension}s"
    table = number_table(title, HEADINGS, box=box.SIMPLE_HEAD, padding=0)
    for row in comparison.rows:
        cells = row.cells()[: len(HEADINGS)]
        table.add_row(*cells, style="bold green" if row.name == HEADROOM else None)
    return table
