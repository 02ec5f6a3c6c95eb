"""`backtest`: what a policy would have cost and throttled, beside everything else, on a trace or on the account's own history."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from chalicelib.aws import Aws
from chalicelib.config import Policy
from chalicelib.model import Dimension, Target
from headroom import account, pricing, traces
from headroom.backtest import START
from headroom.commands.shared import ConfigOption, console, errors, progress_bar, rules_of
from headroom.compare import HEADROOM, Comparison, Row, compare
from headroom.physics import World


def add_to(app: typer.Typer) -> None:
    app.command()(backtest)


def backtest(
    trace: Annotated[Path | None, typer.Option(help="A CSV file, minute,demand (plain or .gz). Minute 0 is 00:00 UTC.")] = None,
    table: Annotated[str | None, typer.Option(help="A table of your account, instead of a trace.")] = None,
    index: Annotated[str, typer.Option(help="With --table: an index of it.")] = "",
    dimension: Annotated[Dimension, typer.Option(help="Reads or writes.")] = Dimension.READ,
    days: Annotated[int, typer.Option(min=1, max=14, help="With --table: how many whole days.")] = 14,
    aas: Annotated[
        list[int] | None, typer.Option(min=20, max=90, help="Application Auto Scaling's target; may be repeated.")
    ] = None,
    burst_seconds: Annotated[int, typer.Option(min=0, max=300, help="How much burst capacity AWS keeps for the table.")] = 300,
    metric_delay: Annotated[int, typer.Option(min=0, max=10, help="Minutes until a minute's metrics can be read.")] = 1,
    update_minutes: Annotated[int, typer.Option(min=1, max=30, help="Minutes that an UpdateTable takes.")] = 1,
    prices: Annotated[Path, typer.Option(help="Another price file.")] = pricing.FILE,
    config_file: ConfigOption = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with a picture that zooms.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Replay demand under the current configuration, side by side with everything else that could run the table."""
    if (trace is None) == (table is None):
        raise typer.BadParameter("give either --trace FILE or --table NAME")
    target = Target(table or "trace", index, dimension)
    policy = policy_for(config_file, target)
    with progress_bar() as progress:
        demand, start = _demand(progress, trace, target, days)
        world = World(burst_seconds, metric_delay, update_minutes)
        task = progress.add_task("replaying", total=5 + len(aas or (70,)))
        found = compare(demand, policy, pricing.load(prices), dimension, aas or (70,), world, lambda _: progress.advance(task))
    if html:
        _write_page(found, html, str(target) if trace is None else trace.name, start)
    if as_json:
        sys.stdout.write(json.dumps(found.as_data(), indent=2) + "\n")
    elif as_csv:
        _csv(found)
    else:
        console.print(_table(found))


def policy_for(config_file: Path | None, target: Target | None = None) -> Policy:
    """Return the policy that the configuration gives a target; for a trace that no rule names, the defaults."""
    rules = rules_of(config_file)
    found = rules.policy_for(target) if target else None
    return found or rules.default_policy(target.dimension if target else Dimension.READ)


def _demand(progress: Progress, trace: Path | None, target: Target, days: int) -> tuple[list[float], datetime]:
    if trace:
        return traces.read(trace), START
    task = progress.add_task("reading CloudWatch", total=days)
    cache = Path(typer.get_app_dir("headroom")) / "history"
    now = datetime.now(UTC) - timedelta(minutes=10)
    past = account.read(Aws("headroom-alarms"), target, days, now, cache, lambda: progress.advance(task))
    if past.unknown:
        errors.print(f"{past.unknown:,} minutes have no datapoint; each was filled with the one before.")
    return past.demand, past.start


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
