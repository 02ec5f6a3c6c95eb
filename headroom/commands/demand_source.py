"""Where the demand comes from: a trace, or a table of the account. The options that `backtest`,
`tune` and `cost` share."""

import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import describe_tables
from chalicelib.config.policy import Policy
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.metrics import SETTLED
from chalicelib.model import Dimension, Target
from headroom.commands import completion
from headroom.commands.console import errors
from headroom.commands.options import rules_of
from headroom.counted import counted
from headroom.simulation import history, traces

#: Where a system keeps its caches, in the home folder.
CACHES = {"darwin": "Library/Caches", "win32": "AppData/Local"}

TraceOption = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="CSV of minute,demand (units per second) or time,value; or CloudWatch's JSON; or .gz.",
    ),
]
SumsOption = Annotated[
    bool,
    typer.Option(
        "--sums", help="With time,value: sums of each period, as CloudWatch's Sum, not rates."
    ),
]
TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="NAME",
        help="A table of the account, instead of a trace.",
        autocompletion=completion.tables,
    ),
]
DaysOption = Annotated[
    int | None,
    typer.Option(
        "--days",
        metavar="N",
        min=1,
        max=366,
        help="The last whole days of a table (14); the first days of a trace (all).",
        show_default=False,
    ),
]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Read CloudWatch anew, also the days that are kept.")
]
BurstOption = Annotated[
    int,
    typer.Option(
        "--burst-seconds", metavar="N", min=0, max=300, help="The burst capacity that AWS keeps."
    ),
]
DelayOption = Annotated[
    int,
    typer.Option(
        "--metric-delay",
        metavar="N",
        min=0,
        max=10,
        help="Minutes until a minute's metrics can be read.",
    ),
]
UpdateOption = Annotated[
    int,
    typer.Option(
        "--update-minutes", metavar="N", min=1, max=30, help="Minutes that an UpdateTable takes."
    ),
]
HotKeyOption = Annotated[
    float,
    typer.Option(
        "--hot-key",
        metavar="RATE",
        min=0,
        help="Requests a second on a hot key.",
        show_default=False,
    ),
]
PricesOption = Annotated[
    Path,
    typer.Option("--prices", metavar="FILE", help="Another price file.", show_default=False),
]


#: CloudWatch keeps minutes for 15 days (CloudWatch User Guide, metrics retention, read 2026-11).
MOST_DAYS = 14


@dataclass(frozen=True)
class Source:
    """What to replay: a trace, or a target of the account and how many of its days.

    days: None for a whole trace. sums, fresh: as the options of this name.
    """

    trace: Path | None
    target: Target
    days: int | None
    sums: bool = False
    fresh: bool = False

    @property
    def title(self) -> str:
        return self.trace.name if self.trace else str(self.target)


def source(
    trace: Path | None,
    table: str | None,
    index: str,
    dimension: Dimension,
    days: int | None,
    sums: bool = False,
    fresh: bool = False,
) -> Source:
    """Return what the options select.

    Raises BadParameter unless it is either a trace or a table.
    """
    if (trace is None) == (table is None):
        raise typer.BadParameter("give either --trace FILE or --table NAME")
    if table and days and days > MOST_DAYS:
        raise typer.BadParameter(f"CloudWatch has no more than {MOST_DAYS} days: --days {days}")
    whole = MOST_DAYS if table else None
    return Source(trace, Target(table or "trace", index, dimension), days or whole, sums, fresh)


def sources(
    trace: Path | None,
    table: str | None,
    index: str | None,
    dimension: Dimension | None,
    days: int | None,
    sums: bool = False,
    fresh: bool = False,
) -> list[Source]:
    """Return a trace, or the targets of a table.

    These are all targets, unless an index or a dimension is named.
    """
    one = source(trace, table, index or "", dimension or Dimension.READ, days, sums, fresh)
    if table is None or (index is not None and dimension is not None):
        return [one]
    state = describe_tables(Aws(DEFAULT_TOPIC), [table])[table]
    if isinstance(state, Exception):
        raise state
    if state is None:
        raise typer.BadParameter(f"table {table} does not exist in this account and Region")
    targets = [
        t for t in state.targets() if index in (None, t.index) and dimension in (None, t.dimension)
    ]
    if not targets:
        indexes = ", ".join(filter(None, state.throughputs)) or "none"
        raise typer.BadParameter(f"table {table} has no index {index}; it has {indexes}")
    if any(state.replicates(target) for target in targets):
        errors.print(
            f"{table} is a global table. What is shown for its writes holds with an understudy in "
            "every Region only; else Headroom leaves them alone (docs/global-tables.md).",
            soft_wrap=True,
        )
    return [replace(one, target=target) for target in targets]


def policy_for(config_file: Path | None, target: Target | None = None) -> Policy:
    """Return the policy of a target, or the default policy if no rule matches it."""
    rules = rules_of(config_file)
    policy = rules.policy_for(target) if target else None
    return policy or rules.default_policy(target.dimension if target else Dimension.READ)


def demand_of(progress: Progress, source: Source) -> tuple[list[float], datetime | None]:
    """Return the demand and its start, which a trace without dates has not.

    A table's demand is read from CloudWatch, or from the disk if it was read before.
    """
    if source.trace:
        trace = traces.load(source.trace, source.sums).cut(source.days)
        if trace.remark:
            errors.print(f"{source.trace.name}: {trace.remark}.", markup=False, highlight=False)
        return trace.demand, trace.start
    days = source.days or MOST_DAYS
    task = progress.add_task("reading CloudWatch", total=days)
    past_days = history.read(
        Aws(DEFAULT_TOPIC),
        source.target,
        days,
        settled_now(),
        cache(source.fresh),
        lambda: progress.advance(task),
    )
    if past_days.filled_minutes:
        errors.print(
            f"{counted(past_days.filled_minutes, 'minute')} without a datapoint, filled with the "
            "one before."
        )
    return past_days.demand, past_days.start


def cache(fresh: bool = False) -> history.Cache:
    """Return the folder that keeps the histories: in the user's folder for caches."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / CACHES.get(sys.platform, ".cache")
    return history.Cache(Path(folder) / "headroom" / "history", fresh)


def settled_now() -> datetime:
    """Return the time until which all metrics are complete."""
    return datetime.now(UTC) - SETTLED
