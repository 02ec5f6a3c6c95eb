"""`backtest`: what a policy would have cost and throttled, beside everything else, on a trace or on the account's own history."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from chalicelib.model import Dimension
from headroom import pricing
from headroom.commands.history import (
    BurstOption,
    CsvOption,
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
from headroom.commands.shared import ConfigOption, console, errors, progress_bar
from headroom.compare import HEADROOM, Comparison, Row, compare
from headroom.physics import World


def add_to(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    trace: TraceOption = None,
    table: TableOption = None,
    index: IndexOption = "",
    dimension: DimensionOption = Dimension.READ,
    days: DaysOption = 14,
    aas: Annotated[
        list[int] | None, typer.Option(min=20, max=90, help="Application Auto Scaling's target; may be repeated.")
    ] = None,
    burst_seconds: BurstOption = 300,
    metric_delay: DelayOption = 1,
    update_minutes: UpdateOption = 1,
    prices: PricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with a picture that zooms.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Replay demand under the current configuration, side by side with everything else that could run the table."""
    asked = source(trace, table, index, dimension, days)
    policy = policy_for(config_file, asked.target)
    with progress_bar() as progress:
        demand, start = demand_of(progress, asked)
        world = World(burst_seconds, metric_delay, update_minutes)
        task = progress.add_task("replaying", total=5 + len(aas or (70,)))
        found = compare(demand, policy, pricing.load(prices), dimension, aas or (70,), world, lambda _: progress.advance(task))
    if html:
        _write_page(found, html, asked.title, start)
    if as_json:
        sys.stdout.write(json.dumps(found.as_data(), indent=2) + "\n")
    elif as_csv:
        _csv(found)
    else:
        console.print(_table(found))


def _write_page(found: Comparison, path: Path, title: str, start: datetime) -> None:
    from headroom import report  # noqa: PLC0415  plotly takes a second to import, and only --html needs it

    report.write(found, path, title, start)
    errors.print(f"Wrote {path}")


def _table(found: Comparison) -> Table:
    table = Table(title=f"{len(found.demand):,} minutes of {found.dimension}s", title_justify="left")
    headings = ("", "USD a month", "× optimum", "effective", "throttled ppm", "minutes", "decreases", "changes")
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


def _csv(found: Comparison) -> None:
    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(Row)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in found.rows)
