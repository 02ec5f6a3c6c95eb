"""`cost`: every table and index of a region: what it costs now, under Headroom, on demand, and
fixed with reserved capacity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.progress import Progress

from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.mistakes import nearest
from chalicelib.config.rules import Config
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.core.money import Spending
from chalicelib.model import TableState, Target
from chalicelib.month_costs import all_budgets
from chalicelib.run import Run
from headroom.commands.console import (
    WHOLE_LINES,
    app,
    errors,
    print_csv,
    print_json,
    progress_bar,
)
from headroom.commands.cost_report import print_report, print_summary
from headroom.commands.demand_source import FreshOption, cache, settled_now
from headroom.commands.everywhere import LONG_SECONDS, everywhere, print_problems
from headroom.commands.options import (
    ConfigOption,
    CsvOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    rules_of,
)
from headroom.commands.wording import last_days, print_budgets
from headroom.deploy.places import AwsPlace, ask_all
from headroom.simulation import costs, history, live_prices, pricing
from headroom.simulation.summary import Summary, as_data, summarize

#: What --prices takes for AWS's own lists.
LIVE = Path("live")
CostPricesOption = Annotated[
    Path,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Another price file, or 'live' for AWS's own lists.",
        show_default=False,
    ),
]


@dataclass
class _Costs:
    """What was found of one account and Region. targets: of the histories, once replayed. budgets:
    what tables with a budget, and the stage, cost this month."""

    region: str
    prices: pricing.Prices
    histories: list[costs.TableHistory] = field(default_factory=list)
    failures: list[costs.ReadFailure] = field(default_factory=list)
    targets: list[costs.TargetCosts] = field(default_factory=list)
    budgets: list[Spending] = field(default_factory=list)

    def replay(self, rules: Config, on_table: Callable[[], None]) -> None:
        """Replay the histories."""
        self.targets += costs.costs(self.histories, rules, self.prices, on_table)

    def summary(self) -> Summary:
        return summarize(self.targets, self.histories, self.prices)

    def as_data(self) -> Mapping[str, object]:
        data = as_data(self.targets, self.failures, self.prices, self.summary())
        return {**data, "budgets": [asdict(one) for one in self.budgets]}


def _prices(file: Path, aws: Aws) -> pricing.Prices:
    """Return the prices of a file, or those that AWS lists now for the Region."""
    if file != LIVE:
        return pricing.load(file)
    return live_prices.read(aws.client, aws.region, datetime.now(UTC).date(), pricing.load())


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
    rules = rules_of(config_file, stage)

    def read(there: boto3.Session) -> _Costs:
        aws = Aws(DEFAULT_TOPIC, session=there)
        with Progress(disable=True) as silent:
            return _read(silent, aws, rules, _prices(prices, aws), table, days, fresh)

    answers = ask_all(places, read, LONG_SECONDS)
    found = [(answer.place, answer.value) for answer in answers if answer.value]
    with progress_bar() as progress:
        task = progress.add_task("replaying", total=sum(len(one.histories) for _, one in found))
        for _, one in found:
            one.replay(rules, lambda: progress.advance(task))
    for place, one in found:
        _warn(place, one)
        _print_failures(one.failures, f"{place}: ")
    is_incomplete = print_problems(answers)
    rows = [(place, target) for place, one in found for target in one.targets]
    if as_json:
        print_json(
            [{"place": place, **one.as_data()} for place, one in found]
            + [{"place": a.place, "problem": a.problem} for a in answers if a.problem]
        )
    elif as_csv:
        print_csv({"place": place, **target.as_data()} for place, target in rows)
    else:
        _print_places(found, days)
    if is_incomplete or not rows:
        raise typer.Exit(1)


def _print_places(found: Sequence[tuple[str, _Costs]], days: int) -> None:
    title = f"{len(found)} places: USD a month, from {last_days(days)}"
    rows = [(place, target) for place, one in found for target in one.targets]
    for _, first in found[:1]:
        print_report([t for _, t in rows], first.prices, title, [place for place, _ in rows])
    for place, one in found:
        print_summary(one.summary(), days, place)
        print_budgets(one.budgets, datetime.now(UTC))


@app.command(epilog="Example: headroom cost --table 'orders-*' --regions eu-west-1,us-east-1")
@everywhere(_cost_everywhere)
def cost(
    table: TablesOption = "*",
    days: Annotated[
        int, typer.Option(metavar="N", min=1, max=14, help="How many whole days of history.")
    ] = 7,
    fresh: FreshOption = False,
    prices: CostPricesOption = pricing.FILE,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what each table costs a month, and the alternatives."""
    rules, aws = rules_of(config_file, stage), Aws(DEFAULT_TOPIC)
    charged, names = _prices(prices, aws), table_names(aws)
    if table != "*" and not any(fnmatchcase(name, table) for name in names):
        errors.print(f"no table matches {table}{nearest(table, names)}", markup=False)
        raise typer.Exit(1)
    with progress_bar() as progress:
        found = _read(progress, aws, rules, charged, table, days, fresh)
        task = progress.add_task("replaying", total=len(found.histories))
        found.replay(rules, lambda: progress.advance(task))
    _warn("", found)
    _print_failures(found.failures)
    if as_json:
        print_json(found.as_data())
    elif as_csv:
        print_csv(target_costs.as_data() for target_costs in found.targets)
    else:
        title = f"{aws.region}: USD a month, from {last_days(days)}"
        print_report(found.targets, charged, title)
        print_summary(found.summary(), days)
        print_budgets(found.budgets, datetime.now(UTC))
    if found.failures and not found.targets:
        raise typer.Exit(1)


def _warn(place: str, found: _Costs) -> None:
    if found.region != found.prices.region:
        errors.print(
            f"{f'{place}: ' if place else ''}The prices are those of {found.prices.region}, the "
            f"tables are in {found.region}: give --prices live, or --prices FILE.",
            highlight=False,
            markup=False,
        )


def _print_failures(failures: Sequence[costs.ReadFailure], prefix: str = "") -> None:
    for failure in failures:
        errors.print(
            f"{prefix}{failure.subject} is left out: {failure.why}",
            highlight=False,
            markup=False,
            soft_wrap=WHOLE_LINES,
        )


def _read(
    progress: Progress,
    aws: Aws,
    rules: Config,
    prices: pricing.Prices,
    glob: str,
    days: int,
    fresh: bool,
) -> _Costs:
    """Read the tables that a glob matches, and their histories."""
    found = _Costs(aws.region, prices)
    names = sorted(name for name in table_names(aws) if fnmatchcase(name, glob))
    tables = describe_tables(aws, names)
    known = [state for state in tables.values() if isinstance(state, TableState)]
    found.failures += [
        costs.ReadFailure(name, str(state or "the table does not exist any more"))
        for name, state in tables.items()
        if not isinstance(state, TableState)
    ]
    task = progress.add_task(
        "reading CloudWatch", total=days * sum(len(state.targets()) for state in known)
    )
    now, kept = settled_now(), cache(fresh)

    def read_history(target: Target) -> history.TargetHistory:
        try:
            return history.read(aws, target, days, now, kept, lambda: progress.advance(task))
        except history.NoHistoryError:
            return history.idle(days, now)

    for state in known:
        table_history, failures = costs.read(state, read_history, AwsError)
        found.failures += failures
        if table_history:
            found.histories.append(table_history)
    run = Run(aws, rules, datetime.now(UTC), dry_run=True)
    found.budgets += all_budgets(run, known, is_whole=glob == "*" and len(known) == len(names))
    return found
