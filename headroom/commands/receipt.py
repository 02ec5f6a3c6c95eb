"""`receipt`: what the managed tables really held and throttled, and what others would have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box

from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.metrics import IncompleteError, read_held
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config.mistakes import nearest
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.model import TableState
from headroom.commands.console import app, console, errors, print_json, print_line, progress_bar
from headroom.commands.demand_source import PricesOption, settled_now
from headroom.commands.options import (
    ConfigOption,
    JsonOption,
    OfStageOption,
    TablesOption,
    in_account,
    output_file,
    rules_of,
)
from headroom.counted import counted
from headroom.deploy.account import describe_error
from headroom.operator_error import OperatorError
from headroom.simulation import pricing, receipt, report
from headroom.simulation.clock import DAY
from headroom.simulation.compare import Section, of_outcomes
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.parallel import parallel_map
from headroom.simulation.receipt import Held, Line
from headroom.tables import number_table

#: So many targets a page has: the dearest.
MOST_PICTURES = 10
DRY_RUN = "A table in dry_run held what somebody else set."


@dataclass
class CallCount:
    """The calls of a command, by operation, and the metrics that it read with GetMetricData."""

    calls: dict[str, int] = field(default_factory=dict)
    metrics: int = 0

    def watch(self, aws: Aws) -> None:
        for service in ("dynamodb", "cloudwatch"):
            aws.client(service).meta.events.register("before-parameter-build", self._count)

    def _count(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        self.calls[model.name] = self.calls.get(model.name, 0) + 1
        self.metrics += len(params.get("MetricDataQueries", ()))

    def sentence(self, prices: pricing.Prices) -> str:
        calls = ", ".join(f"{count:,} {name}" for name, count in self.calls.items())
        usd = self.metrics * prices.headroom.metric_read
        return f"This receipt: {calls}; {self.metrics:,} metrics for {usd:.4f} USD."


@dataclass(frozen=True)
class TableReceipt:
    """A table's targets and lines. dry_run: what it held is not Headroom's doing."""

    table: str
    held: Sequence[Held]
    lines: Sequence[Line]
    dry_run: bool

    def as_data(self) -> dict[str, object]:
        return {
            "table": self.table,
            "from": self.held[0].start.isoformat(timespec="seconds"),
            "minutes": len(self.held[0].demand),
            "dry_run": self.dry_run,
            "lines": [asdict(line) for line in self.lines],
        }


@app.command(
    "receipt", epilog="Example: headroom receipt --stage prod --days 7 --html receipt.html"
)
@in_account
def show_receipt(
    table: TablesOption = "*",
    days: Annotated[
        int, typer.Option(metavar="N", min=1, max=14, help="The last N whole UTC days.")
    ] = 7,
    prices: PricesOption = pricing.FILE,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Write a page with the {MOST_PICTURES} dearest targets.",
            callback=output_file,
        ),
    ] = None,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what tables really cost and throttled, and others.

    The others are Application Auto Scaling at 70 %, on demand, capacity fixed at the highest
    minute, and the optimum within DynamoDB's decrease quota, on the very same minutes. The floor is
    the demand itself, all served at 100 % utilisation.
    """
    charged, rules, aws = pricing.load(prices), rules_of(config_file, stage), Aws(DEFAULT_TOPIC)
    count = CallCount()
    count.watch(aws)
    end = settled_now().replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=days)
    found, left_out = _read(aws, rules, _names(aws, rules, table), start, end)
    for name, why in left_out.items():
        errors.print(f"{name} is left out: {why}", markup=False, highlight=False)
    if not found:
        errors.print("no table could be read")
        raise typer.Exit(1)
    receipts = list(_replayed(found, rules, charged))
    if html:
        _write_page(receipts, rules, html, charged)
    if as_json:
        period = {"from": start.isoformat(), "to": end.isoformat()}
        place = {"account": aws.account, "region": aws.region}
        print_json({**place, **period, **_data(receipts, left_out, charged, count)})
    else:
        print_line(
            f"Account {aws.account}, {aws.region}: {counted(len(receipts), 'table')}, "
            f"{start:%Y-%m-%d} to {end:%Y-%m-%d} 00:00 UTC"
        )
        _print(receipts, charged)
        print_line(count.sentence(charged))
    raise typer.Exit(1 if left_out else 0)


def _data(
    receipts: Sequence[TableReceipt],
    left_out: Mapping[str, str],
    prices: pricing.Prices,
    count: CallCount,
) -> dict[str, object]:
    return {
        "tables": [one.as_data() for one in receipts],
        "total": [asdict(line) for line in receipt.total(one.lines for one in receipts)],
        "left_out": dict(left_out),
        "calls": count.calls,
        "metrics": count.metrics,
        "metrics_usd": count.metrics * prices.headroom.metric_read,
        "prices_region": prices.region,
        "prices_read_on": str(prices.read_on),
    }


def _names(aws: Aws, rules: Config, glob: str) -> list[str]:
    """Return the managed tables that a glob matches. Ends with 1 if there is none."""
    managed = sorted(name for name in table_names(aws) if rules.manages(name))
    names = [name for name in managed if fnmatchcase(name, glob)]
    if not names:
        errors.print(f"no managed table matches {glob}{nearest(glob, managed)}", markup=False)
        raise typer.Exit(1)
    return names


def _read(
    aws: Aws, rules: Config, names: Sequence[str], start: datetime, end: datetime
) -> tuple[dict[str, list[Held]], dict[str, str]]:
    """Return what each table held, and why others are left out."""
    found: dict[str, list[Held]] = {}
    left_out: dict[str, str] = {}
    with progress_bar() as progress:
        task = progress.add_task("reading CloudWatch", total=len(names))
        for name, state in describe_tables(aws, names).items():
            try:
                found[name] = _held(aws, rules, state, start, end)
            except (*AwsError, IncompleteError, OperatorError) as error:
                left_out[name] = describe_error(error)
            progress.advance(task)
    return found, left_out


def _held(
    aws: Aws,
    rules: Config,
    state: TableState | Exception | None,
    start: datetime,
    end: datetime,
) -> list[Held]:
    """Return what each target of a table held. Raises what there is no receipt for."""
    if isinstance(state, Exception):
        raise state
    if state is None:
        raise OperatorError("the table does not exist any more")
    if state.on_demand:
        raise OperatorError("it is billed on demand, so it holds no units")
    targets = state.targets()
    parts = read_held(aws, targets, start, end)
    bounds = {target: _bounds(rules.policy_for(target)) for target in targets}
    held = [receipt.held(target, *parts[target], *bounds[target]) for target in targets]
    known = [one for one in held if one is not None]
    if not known:
        raise OperatorError("CloudWatch has no datapoint of its units")
    return receipt.same_minutes(known)


def _bounds(policy: Policy | None) -> tuple[int, int | None]:
    return (policy.min_units, policy.max_units) if policy else (1, None)


def _replayed(
    found: Mapping[str, list[Held]], rules: Config, prices: pricing.Prices
) -> Iterator[TableReceipt]:
    with progress_bar() as progress:
        task = progress.add_task("replaying", total=len(found))
        work = partial(receipt.lines, prices=prices)
        for (name, held), lines in zip(
            found.items(), parallel_map(work, list(found.values())), strict=True
        ):
            policies = [rules.policy_for(one.target) for one in held]
            yield TableReceipt(name, held, lines, all(p is None or p.dry_run for p in policies))
            progress.advance(task)


def _write_page(
    receipts: Sequence[TableReceipt], rules: Config, path: Path, prices: pricing.Prices
) -> None:
    """Write the report's page: a section for each of the dearest targets."""
    held = sorted(
        (one for table in receipts for one in table.held),
        key=lambda one: -sum(one.units) * prices.of(one.target.dimension).unit_hour,
    )
    sections = [_section(one, rules, prices) for one in held[:MOST_PICTURES]]
    report.write(sections, path, prices, Conditions())
    errors.print(f"Wrote {path}", markup=False)


def _section(one: Held, rules: Config, prices: pricing.Prices) -> Section:
    policy = rules.policy_for(one.target) or rules.default_policy(one.target.dimension)
    outcomes = {receipt.HEADROOM: one.outcome(), receipt.AUTO_SCALING: one.auto_scaling()}
    comparison = of_outcomes(one.demand, outcomes, prices, one.target.dimension)
    notes = [DRY_RUN] if policy.dry_run else []
    return Section(f"Receipt: {one.target}", comparison, policy, one.start, notes, is_receipt=True)


def _print(receipts: Sequence[TableReceipt], prices: pricing.Prices) -> None:
    total = receipt.total(one.lines for one in receipts)
    console.print(
        number_table(
            "",
            ("", "USD", "× floor", "throttled minutes", "requests"),
            [_cells(line, total) for line in total],
            box=box.SIMPLE_HEAD,
        )
    )
    console.print(
        number_table(
            "By table: USD, and throttled minutes",
            ("table", "days", "Headroom", "min", "Auto Scaling", "min", "on demand", "optimum"),
            map(_row, sorted(receipts, key=lambda one: -one.lines[0].usd)),
            box=box.SIMPLE_HEAD,
        )
    )
    if any(one.dry_run for one in receipts):
        print_line(DRY_RUN)
    print_line(receipt.saving(total))
    print_line(
        f"Prices: {prices.region}, {prices.table_class} class, read {prices.read_on}. "
        "Headroom's own cost is not in it: headroom cost shows it."
    )


def _cells(line: Line, lines: Sequence[Line]) -> tuple[str, ...]:
    ratio = receipt.over_floor(line, lines)
    return (
        line.name,
        f"{line.usd:,.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{line.throttled_minutes:,}",
        f"{line.throttled_requests:,.0f}",
    )


def _row(one: TableReceipt) -> tuple[str, ...]:
    lines = {line.name: line for line in one.lines}
    own, other = lines[receipt.HEADROOM], lines[receipt.AUTO_SCALING]
    return (
        one.table + (" (dry_run)" if one.dry_run else ""),
        f"{len(one.held[0].demand) / DAY:.1f}",
        f"{own.usd:,.2f}",
        f"{own.throttled_minutes:,}",
        f"{other.usd:,.2f}",
        f"{other.throttled_minutes:,}",
        f"{lines[receipt.ON_DEMAND].usd:,.2f}",
        f"{lines[receipt.OPTIMUM].usd:,.2f}",
    )
