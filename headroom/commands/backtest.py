"""`backtest`: what a policy would have cost and throttled, beside everything else, on a trace or on
the account's own history."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from chalicelib.model import Dimension
from headroom.commands.console import ConfigOption, console, errors, progress_bar
from headroom.commands.demand_source import (
    BurstOption,
    CsvOption,
    DaysOption,
    DelayOption,
    JsonOption,
    PricesOption,
    Source,
    TableOption,
    TraceOption,
    UpdateOption,
    demand_of,
    policy_for,
    sources,
)
from headroom.simulation import pricing
from headroom.simulation.compare import HEADROOM, Comparison, Row, Section, compare
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.history import NoHistoryError
from headroom.simulation.pricing import Prices


def add_to(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    trace: TraceOption = None,
    table: TableOption = None,
    index: Annotated[
        str | None,
        typer.Option(help="With --table: only this index of it ('' is the table itself)."),
    ] = None,
    dimension: Annotated[
        Dimension | None,
        typer.Option(help="Reads or writes; else both of a table, reads of a trace."),
    ] = None,
    days: DaysOption = 14,
    aas: Annotated[
        list[int] | None,
        typer.Option(min=20, max=90, help="Application Auto Scaling's target; may be repeated."),
    ] = None,
    burst_seconds: BurstOption = 300,
    metric_delay: DelayOption = 1,
    update_minutes: UpdateOption = 1,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with a picture that zooms.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Replay demand under the current configuration, side by side with everything else that could
    run the table."""
    conditions, targets = Conditions(burst_seconds, metric_delay, update_minutes), aas or (70,)
    asked = sources(trace, table, index, dimension, days)
    found = list(_replayed(asked, config_file, pricing.load(prices), targets, conditions))
    if not found:
        raise NoHistoryError("there is nothing to replay")
    if html:
        _write_page(found, html)
    if as_json:
        data = [{"target": section.title, **section.comparison.as_data()} for section in found]
        sys.stdout.write(
            json.dumps(found[0].comparison.as_data() if trace else data, indent=2) + "\n"
        )
    elif as_csv:
        _csv(found, with_target=trace is None)
    else:
        for section in found:
            console.print(_table(section.comparison, "" if trace else f"{section.title}: "))


def _replayed(
    sources: Sequence[Source],
    config_file: Path | None,
    prices: Prices,
    targets: Sequence[int],
    conditions: Conditions,
) -> Iterator[Section]:
    """Yield each source's comparison; one that has no history is told, and left out."""
    with progress_bar() as progress:
        for asked in sources:
            try:
                demand, start = demand_of(progress, asked)
            except NoHistoryError as error:
                errors.print(f"left out: {error}", markup=False)
                continue
            task = progress.add_task(f"replaying {asked.title}", total=5 + len(targets))
            done = partial(_advance, progress, task)
            policy = policy_for(config_file, asked.target)
            yield Section(
                asked.title,
                compare(demand, policy, prices, asked.target.dimension, targets, conditions, done),
                start,
            )


def _advance(progress: Progress, task: TaskID, _: str) -> None:
    progress.advance(task)


def _write_page(found: Sequence[Section], path: Path) -> None:
    # plotly takes a second to import, and only --html needs it
    from headroom.simulation import report  # noqa: PLC0415

    report.write(found, path)
    errors.print(f"Wrote {path}", markup=False)


def _table(found: Comparison, name: str) -> Table:
    table = Table(
        title=f"{name}{len(found.demand):,} minutes of {found.dimension}s", title_justify="left"
    )
    headings = (
        "",
        "USD a month",
        "× optimum",
        "effective",
        "throttled ppm",
        "minutes",
        "decreases",
        "changes",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if not heading else "right")
    for row in found.rows:
        table.add_row(*_cells(row), style="bold green" if row.name == HEADROOM else None)
    return table


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.cost_month:,.2f}",
        f"{row.over_optimum:.2f}",
        f"{row.effective:.2f}",
        f"{row.throttled_ppm:,.0f}",
        f"{row.throttled_minutes:,}",
        f"{row.decreases:,}",
        f"{row.changes:,}",
    )


def _csv(found: Sequence[Section], with_target: bool) -> None:
    columns = [field.name for field in fields(Row)]
    writer = csv.DictWriter(sys.stdout, ["target", *columns] if with_target else columns)
    writer.writeheader()
    for section in found:
        named = {"target": section.title} if with_target else {}
        writer.writerows(named | asdict(row) for row in section.comparison.rows)
