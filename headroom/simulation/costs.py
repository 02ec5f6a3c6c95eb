"""What every table and index of a region costs, and would cost run otherwise: advice in a word, and
what Headroom itself costs.

A table is billed one way, so on-demand is weighed for a table with its indexes; everything else for
each target by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.core.prices import METRICS_PER_LOOK
from chalicelib.model import Dimension, TableState, Target
from headroom.simulation import competitors
from headroom.simulation import history as account
from headroom.simulation.compare import THROTTLED_UNIT_PRICE, first_units
from headroom.simulation.history import NoHistoryError
from headroom.simulation.parallel import spread
from headroom.simulation.pricing import (
    HOURS_A_MONTH,
    OwnPrices,
    Prices,
    UnitPrices,
    month,
    on_demand_month,
)
from headroom.simulation.replay import HOUR, Outcome, Replay

BLOCK_UNITS = 100
"""Reserved capacity is bought in blocks. Source: "Amazon DynamoDB reserved capacity", read
2026-10."""
WORTH_PERCENT = 5
"""Another way to run something must save so much of what it costs now to be advised."""
PAST_READS_AN_HOUR = 4
"""The summary of past days: consumed and throttled, once an hour, in each of the two functions that
look at every target."""

FIXED_RUNS_AN_HOUR = {"follow_up": 60, "sweep": 12, "scale_down": 1}
RUN_SECONDS = {"follow_up": 0.2, "sweep": 2.0, "scale_down": 5.0, "on_alarm": 0.5}
MEMORY_GB = {"follow_up": 0.5, "sweep": 1.0, "scale_down": 1.0, "on_alarm": 0.5}
"""Assumptions about Lambda: how often each function runs and how long, and .chalice/config.json's
memory."""
ASSUMPTIONS = (
    "Headroom's own cost: one alarm a target; metric reads: the replay's looks x 3 metrics, and 4 an hour for the past days; "
    "Lambda (512 MB, the two that look at all tables 1 GB): follow_up each minute at 0.2 s, sweep every 5 minutes at 2 s, "
    "scale_down hourly at 5 s, on_alarm at 0.5 s a change; DescribeAlarms and SNS within the free tier."
)


class Advice(StrEnum):
    """How a target should be run."""

    ON_DEMAND = "on-demand"
    HEADROOM = "Headroom"
    RESERVED = "fixed+reserved"
    AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Own:
    """What Headroom itself would cost a month for one target, in USD."""

    alarms: float
    metric_reads: float
    lambda_: float

    @property
    def total(self) -> float:
        return self.alarms + self.metric_reads + self.lambda_


@dataclass(frozen=True)
class Line:
    """One target. USD a month; units_now is None for a table on demand; utilisation is mean demand
    over mean units."""

    target: Target
    units_now: int | None
    mean_units: float
    now: float
    headroom: float
    headroom_ppm: float
    own: Own
    on_demand: float
    reserved: float
    utilisation_percent: float | None
    headroom_utilisation_percent: float
    advice: Advice

    def as_data(self) -> dict[str, object]:
        """Return what --json and --csv print."""
        named = {
            "table": self.target.table,
            "index": self.target.index,
            "dimension": str(self.target.dimension),
        }
        own = {f"own_{name.rstrip('_')}": value for name, value in asdict(self.own).items()}
        rest = {
            name: value for name, value in asdict(self).items() if name not in ("target", "own")
        }
        return {**named, **rest, **own, "advice": str(self.advice)}


@dataclass(frozen=True)
class Unread:
    """A table or target that could not be read, and why."""

    subject: str
    why: str


@dataclass(frozen=True)
class History:
    """A table's demand by target, all of the same minutes. is_whole: no target of it is missing."""

    table: TableState
    demand: Mapping[Target, Sequence[float]]
    start: datetime
    is_whole: bool


def align(table: TableState, pasts: Mapping[Target, account.Past]) -> History:
    """Return the part of the targets' histories that all have."""
    start = max(past.start for past in pasts.values())
    late = {
        target: int((start - past.start).total_seconds()) // 60 for target, past in pasts.items()
    }
    demand = {target: past.demand[late[target] :] for target, past in pasts.items()}
    return History(table, demand, start, len(demand) == len(table.targets()))


def read(
    table: TableState,
    past_of: Callable[[Target], account.Past],
    errors: tuple[type[Exception], ...],
) -> tuple[History | None, list[Unread]]:
    """Read a table's targets, as many as can be read."""
    pasts, unread = {}, []
    for target in table.targets():
        try:
            pasts[target] = past_of(target)
        except (NoHistoryError, *errors) as error:
            unread.append(Unread(str(target), str(error)))
    return (align(table, pasts) if pasts else None), unread


def costs(
    histories: Sequence[History],
    config: Config,
    prices: Prices,
    done: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> list[Line]:
    """Return a line for each target. done: called after each table."""
    targets = sum(len(history.demand) for history in histories)
    lines: list[Line] = []
    for found in spread(
        partial(_table_lines, config=config, prices=prices, targets=targets), histories, workers
    ):
        lines += found
        done()
    return lines


def _table_lines(history: History, config: Config, prices: Prices, targets: int) -> list[Line]:
    """Return the lines of one table. targets: among how many targets the schedules' cost is
    shared."""
    policies = {target: _policy(config, target) for target in history.demand}
    begin = {target: first_units(demand) for target, demand in history.demand.items()}
    outcomes = Replay(history.demand, policies, begin, start=history.start).run()
    ways = {t: _ways(history, t, outcomes[t], prices, targets) for t in history.demand}
    advice = advise(ways, history.table.on_demand, may_switch=history.is_whole)
    return [
        _line(history, target, outcomes[target], ways[target], advice[target])
        for target in history.demand
    ]


def _policy(config: Config, target: Target) -> Policy:
    return config.policy_for(target) or config.default_policy(target.dimension)


@dataclass(frozen=True)
class Ways:
    """What one target costs a month, each way; `own` is part of no other figure. The weights add
    what throttling is worth."""

    now: float
    headroom: float
    on_demand: float
    reserved: float
    own: Own
    now_weight: float
    headroom_weight: float


def _ways(history: History, target: Target, outcome: Outcome, prices: Prices, targets: int) -> Ways:
    demand, unit = history.demand[target], prices.of(target.dimension)
    asked = on_demand_month(demand, unit)
    minutes = len(demand)

    def throttling(found: Outcome) -> float:
        return month(THROTTLED_UNIT_PRICE * found.throttled_unit_hours, minutes, unit.unit_hour)

    now, lost = asked, 0.0
    if not history.table.on_demand:
        units = units_now(history.table, target)
        now, lost = (
            units * unit.unit_hour * HOURS_A_MONTH,
            throttling(competitors.fixed(demand, units)),
        )
    ours = month(outcome.unit_hours, minutes, unit.unit_hour)
    own = own_cost(outcome, minutes, prices.headroom, targets)
    return Ways(
        now=now,
        headroom=ours,
        on_demand=asked,
        reserved=reserved_month(max(demand, default=1), unit),
        own=own,
        now_weight=now + lost,
        headroom_weight=ours + own.total + throttling(outcome),
    )


def units_now(table: TableState, target: Target) -> int:
    """Return the units that a provisioned target has now."""
    return table.throughputs[target.index].units[target.dimension]


def reserved_month(peak: float, unit: UnitPrices) -> float:
    """Return USD a month for capacity fixed at the peak: blocks reserved for a year where they pay,
    the rest at its price."""
    units = max(1, math.ceil(peak))
    block = BLOCK_UNITS * unit.reserved_hour_1_year
    hour = sum(
        min(block, min(BLOCK_UNITS, units - first) * unit.unit_hour)
        for first in range(0, units, BLOCK_UNITS)
    )
    return hour * HOURS_A_MONTH


def own_cost(outcome: Outcome, minutes: int, prices: OwnPrices, targets: int) -> Own:
    """Return what Headroom costs a month for one of so many targets."""
    months = minutes / HOUR / HOURS_A_MONTH
    changes = outcome.changes / months
    runs = {name: count * HOURS_A_MONTH / targets for name, count in FIXED_RUNS_AN_HOUR.items()} | {
        "on_alarm": changes
    }
    gb_seconds = sum(runs[name] * RUN_SECONDS[name] * MEMORY_GB[name] for name in runs)
    return Own(
        alarms=prices.alarm_month,
        metric_reads=(
            outcome.looks * METRICS_PER_LOOK / months + PAST_READS_AN_HOUR * HOURS_A_MONTH
        )
        * prices.metric_read,
        lambda_=sum(runs.values()) * prices.invocation + gb_seconds * prices.gb_second,
    )


def advise(
    ways: Mapping[Target, Ways], is_on_demand: bool, may_switch: bool
) -> dict[Target, Advice]:
    """Return each target's advice. may_switch: whether another billing mode may be advised for the
    table."""
    provisioned = {
        target: _provisioned_advice(way, may_stay=not is_on_demand) for target, way in ways.items()
    }
    best = sum(_weight(ways[target], advice) for target, advice in provisioned.items())
    asked = sum(way.on_demand for way in ways.values())
    if is_on_demand:
        stays = not may_switch or not _is_worth_it(best, asked)
        return dict.fromkeys(ways, Advice.AS_IT_IS) if stays else provisioned
    return (
        dict.fromkeys(ways, Advice.ON_DEMAND)
        if may_switch and _is_worth_it(asked, best)
        else provisioned
    )


def _provisioned_advice(way: Ways, may_stay: bool) -> Advice:
    best = min((Advice.HEADROOM, Advice.RESERVED), key=lambda advice: _weight(way, advice))
    return (
        best
        if not may_stay or _is_worth_it(_weight(way, best), way.now_weight)
        else Advice.AS_IT_IS
    )


def _weight(way: Ways, advice: Advice) -> float:
    match advice:
        case Advice.HEADROOM:
            return way.headroom_weight
        case Advice.RESERVED:
            return way.reserved
        case Advice.ON_DEMAND:
            return way.on_demand
        case _:
            return way.now_weight


def _is_worth_it(other: float, now: float) -> bool:
    return other * 100 <= now * (100 - WORTH_PERCENT)


def _line(history: History, target: Target, outcome: Outcome, way: Ways, advice: Advice) -> Line:
    demand = history.demand[target]
    mean = sum(demand) / len(demand)
    units = None if history.table.on_demand else units_now(history.table, target)
    return Line(
        target=target,
        units_now=units,
        mean_units=mean,
        now=way.now,
        headroom=way.headroom,
        headroom_ppm=outcome.throttled_ppm(demand),
        own=way.own,
        on_demand=way.on_demand,
        reserved=way.reserved,
        utilisation_percent=None if units is None else 100 * mean / units,
        headroom_utilisation_percent=100 * mean * len(demand) / sum(outcome.units),
        advice=advice,
    )


def advised_month(line: Line) -> float:
    """Return USD a month when the advice is followed, Headroom's own cost included."""
    match line.advice:
        case Advice.HEADROOM:
            return line.headroom + line.own.total
        case Advice.RESERVED:
            return line.reserved
        case Advice.ON_DEMAND:
            return line.on_demand
        case _:
            return line.now


def break_even(prices: Prices) -> str:
    """Say below which utilisation nothing provisioned can win."""
    found = {
        dimension: f"{prices.of(dimension).break_even_percent:.1f} %" for dimension in Dimension
    }
    read, write = found.values()
    shown = read if read == write else f"{read} (reads) and {write} (writes)"
    return f"Below {shown} mean utilisation on-demand is cheaper than anything provisioned at the normal price."


def totals(lines: Iterable[Line]) -> dict[str, float]:
    """Return the sums over all targets, USD a month."""
    rows = list(lines)
    return {
        "now": sum(line.now for line in rows),
        "headroom": sum(line.headroom for line in rows),
        "on_demand": sum(line.on_demand for line in rows),
        "reserved": sum(line.reserved for line in rows),
        "own_alarms": sum(line.own.alarms for line in rows),
        "own_metric_reads": sum(line.own.metric_reads for line in rows),
        "own_lambda": sum(line.own.lambda_ for line in rows),
        "advised": sum(advised_month(line) for line in rows),
    }


def as_data(lines: Sequence[Line], unread: Sequence[Unread], prices: Prices) -> dict[str, object]:
    """Return what --json prints."""
    return {
        "region": prices.region,
        "prices_read_on": str(prices.read_on),
        "break_even_percent": {str(d): prices.of(d).break_even_percent for d in Dimension},
        "targets": [line.as_data() for line in lines],
        "totals": totals(lines),
        "unread": [asdict(problem) for problem in unread],
        "assumptions": ASSUMPTIONS,
    }
