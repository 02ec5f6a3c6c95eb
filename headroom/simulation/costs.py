"""What every table and index of a region costs, and what it would cost in other billing modes.

Each target gets an advice. A table has one billing mode, so on-demand is compared for a table with
its indexes, and everything else for each target alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from msgspec import structs

from chalicelib.config.rules import Config
from chalicelib.core.understudy import is_ready
from chalicelib.model import Dimension, TableState, Target
from headroom.simulation import competitors
from headroom.simulation.clock import MINUTE
from headroom.simulation.commitments import BLOCK_UNITS, by_hour
from headroom.simulation.history import NoHistoryError, TargetHistory
from headroom.simulation.outcome import Outcome
from headroom.simulation.own_costs import POLICY_ALARMS, OwnCosts, own_costs
from headroom.simulation.parallel import parallel_map
from headroom.simulation.pricing import (
    HOURS_A_MONTH,
    INFREQUENT_ACCESS,
    THROTTLED_UNIT_PRICE,
    Prices,
    UnitPrices,
    month,
    on_demand_month,
)
from headroom.simulation.replay import Replay, initial_units

#: A change is advised only if it saves this much of the present cost.
WORTH_PERCENT = 5


class Advice(StrEnum):
    """How a target should be run."""

    ON_DEMAND = "on-demand"
    HEADROOM = "Headroom"
    RESERVED = "fixed+reserved"
    AS_IT_IS = "as it is"


@dataclass(frozen=True)
class TargetCosts:
    """What one target costs in USD a month.

    units_now is None for a table on demand. Utilisation is mean demand over mean units. by_hour:
    the means of each hour, of Headroom's units and of the demand. is_reservable: whether reserved
    capacity would count for it.
    """

    target: Target
    units_now: int | None
    mean_units: float
    now: float
    headroom: float
    headroom_ppm: float
    own: OwnCosts
    on_demand: float
    reserved: float
    utilisation_percent: float | None
    headroom_utilisation_percent: float
    advice: Advice
    held_by_hour: tuple[float, ...] = ()
    demand_by_hour: tuple[float, ...] = ()
    is_reservable: bool = True

    def as_data(self) -> dict[str, object]:
        """Return what --json and --csv print."""
        data = asdict(replace(self, held_by_hour=(), demand_by_hour=()))
        del data["held_by_hour"], data["demand_by_hour"]
        del data["target"]
        own = data.pop("own")
        renamed = {f"own_{name.rstrip('_')}": value for name, value in own.items()}
        return {**structs.asdict(self.target), **data, **renamed, "advice": str(self.advice)}


@dataclass(frozen=True)
class ReadFailure:
    """A table or target that could not be read, and why."""

    subject: str
    why: str


@dataclass(frozen=True)
class TableHistory:
    """A table's demand by target, all for the same minutes. is_whole: no target is missing."""

    table: TableState
    demand: Mapping[Target, Sequence[float]]
    start: datetime
    is_whole: bool


def align(table: TableState, histories: Mapping[Target, TargetHistory]) -> TableHistory:
    """Return the minutes that the histories of all targets have."""
    start = max(history.start for history in histories.values())
    demand = {}
    for target, history in histories.items():
        missing = int((start - history.start).total_seconds()) // MINUTE
        demand[target] = history.demand[missing:]
    return TableHistory(table, demand, start, len(demand) == len(table.targets()))


def read(
    table: TableState,
    read_history: Callable[[Target], TargetHistory],
    errors: tuple[type[Exception], ...],
) -> tuple[TableHistory | None, list[ReadFailure]]:
    """Read the history of a table's targets, and return the failures.

    errors: what may be raised, besides NoHistoryError, without stopping the other targets.
    """
    expected: tuple[type[Exception], ...] = (NoHistoryError, *errors)
    histories, failures = {}, []
    for target in table.targets():
        try:
            histories[target] = read_history(target)
        except expected as error:
            failures.append(ReadFailure(str(target), str(error)))
    return (align(table, histories) if histories else None), failures


def costs(
    histories: Sequence[TableHistory],
    config: Config,
    prices: Prices,
    on_table: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> list[TargetCosts]:
    """Return the costs of each target. on_table: called after each table."""
    targets = sum(len(history.demand) for history in histories)
    work = partial(_table_costs, config=config, prices=prices, targets=targets)
    all_costs: list[TargetCosts] = []
    for table_costs in parallel_map(work, histories, workers):
        all_costs += table_costs
        on_table()
    return all_costs


def _table_costs(
    history: TableHistory, config: Config, prices: Prices, targets: int
) -> list[TargetCosts]:
    """Return the costs of one table's targets.

    targets: how many targets share the cost of the scheduled functions.
    """
    policies = {
        target: config.policy_for(target) or config.default_policy(target.dimension)
        for target in history.demand
    }
    units = {target: initial_units(demand) for target, demand in history.demand.items()}
    charged = {dimension: prices.of(dimension).unit_hour for dimension in Dimension}
    replay = Replay(history.demand, policies, units, start=history.start, unit_hours=charged)
    outcomes = replay.run()
    options = {
        t: _options(history, t, outcomes[t], prices, targets, alarms(config, t))
        for t in history.demand
    }
    advice = advise(options, history.table.on_demand, may_switch=history.is_whole)
    return [
        _target_costs(history, target, outcomes[target], options[target], advice[target])
        for target in history.demand
    ]


def alarms(config: Config, target: Target) -> int:
    """Return how many alarms a target has: Headroom's own, and those of its understudy."""
    policy = config.policy_for(target)
    stands_by = config.has_understudy(target.table) and policy is not None and is_ready(policy)
    return 1 + POLICY_ALARMS if stands_by else 1


@dataclass(frozen=True)
class Options:
    """What one target costs a month in each way to run it.

    own: Headroom's own cost, which is part of no other figure. The weights add the worth of
    throttled units.
    """

    now: float
    headroom: float
    on_demand: float
    reserved: float
    own: OwnCosts
    now_weight: float
    headroom_weight: float


def _options(
    history: TableHistory,
    target: Target,
    outcome: Outcome,
    prices: Prices,
    targets: int,
    own_alarms: int,
) -> Options:
    demand, table = history.demand[target], history.table
    unit = prices.in_class(table.table_class, target.dimension)
    minutes = len(demand)

    def throttling(outcome: Outcome) -> float:
        return month(THROTTLED_UNIT_PRICE * outcome.throttled_unit_hours, minutes, unit.unit_hour)

    on_demand = on_demand_month(demand, unit)
    now, throttled_now = on_demand, 0.0
    if not history.table.on_demand:
        units = units_now(history.table, target)
        now = units * unit.unit_hour * HOURS_A_MONTH
        throttled_now = throttling(competitors.fixed(demand, units))
    headroom = month(outcome.unit_hours, minutes, unit.unit_hour)
    own = own_costs(outcome, minutes, prices.headroom, targets, own_alarms)
    return Options(
        now=now,
        headroom=headroom,
        on_demand=on_demand,
        reserved=reserved_month(max(demand, default=1), unit, is_reservable(history.table, target)),
        own=own,
        now_weight=now + throttled_now,
        headroom_weight=headroom + own.total + throttling(outcome),
    )


def units_now(table: TableState, target: Target) -> int:
    """Return the units that a provisioned target has now."""
    return table.throughputs[target.index].units[target.dimension]


def reserved_month(peak: float, unit: UnitPrices, is_reservable: bool = True) -> float:
    """Return USD a month for capacity fixed at the peak.

    Blocks are reserved for a year where that is possible and cheaper; the rest has its normal
    price.
    """
    units = max(1, math.ceil(peak))
    block = BLOCK_UNITS * (unit.reserved_hour_1_year if is_reservable else unit.unit_hour)
    hour = sum(
        min(block, min(BLOCK_UNITS, units - first) * unit.unit_hour)
        for first in range(0, units, BLOCK_UNITS)
    )
    return hour * HOURS_A_MONTH


def advise(
    options: Mapping[Target, Options], is_on_demand: bool, may_switch: bool
) -> dict[Target, Advice]:
    """Return each target's advice. may_switch: whether another billing mode may be advised."""
    provisioned = {
        target: _provisioned_advice(option, may_stay=not is_on_demand)
        for target, option in options.items()
    }
    best = sum(_weight(options[target], advice) for target, advice in provisioned.items())
    on_demand = sum(option.on_demand for option in options.values())
    if is_on_demand:
        stays = not may_switch or not _is_worth_it(best, on_demand)
        return dict.fromkeys(options, Advice.AS_IT_IS) if stays else provisioned
    switches = may_switch and _is_worth_it(on_demand, best)
    return dict.fromkeys(options, Advice.ON_DEMAND) if switches else provisioned


def _provisioned_advice(option: Options, may_stay: bool) -> Advice:
    best = min((Advice.HEADROOM, Advice.RESERVED), key=lambda advice: _weight(option, advice))
    stays = may_stay and not _is_worth_it(_weight(option, best), option.now_weight)
    return Advice.AS_IT_IS if stays else best


def _weight(option: Options, advice: Advice) -> float:
    return {
        Advice.HEADROOM: option.headroom_weight,
        Advice.RESERVED: option.reserved,
        Advice.ON_DEMAND: option.on_demand,
        Advice.AS_IT_IS: option.now_weight,
    }[advice]


def _is_worth_it(other: float, now: float) -> bool:
    return other * 100 <= now * (100 - WORTH_PERCENT)


def _target_costs(
    history: TableHistory, target: Target, outcome: Outcome, option: Options, advice: Advice
) -> TargetCosts:
    demand = history.demand[target]
    mean = sum(demand) / len(demand)
    units = None if history.table.on_demand else units_now(history.table, target)
    return TargetCosts(
        target=target,
        units_now=units,
        mean_units=mean,
        now=option.now,
        headroom=option.headroom,
        headroom_ppm=outcome.throttled_ppm(demand),
        own=option.own,
        on_demand=option.on_demand,
        reserved=option.reserved,
        utilisation_percent=None if units is None else 100 * mean / units,
        headroom_utilisation_percent=100 * mean * len(demand) / sum(outcome.units),
        advice=advice,
        held_by_hour=tuple(by_hour(outcome.units)),
        demand_by_hour=tuple(by_hour(demand)),
        is_reservable=is_reservable(history.table, target),
    )


def is_reservable(table: TableState, target: Target) -> bool:
    """Tell whether reserved capacity counts: for the class Standard, not for replicated writes."""
    return table.table_class != INFREQUENT_ACCESS and not table.replicates(target)


def advised_month(costs: TargetCosts) -> float:
    """Return USD a month when the advice is followed, with Headroom's own cost."""
    return {
        Advice.HEADROOM: costs.headroom + costs.own.total,
        Advice.RESERVED: costs.reserved,
        Advice.ON_DEMAND: costs.on_demand,
        Advice.AS_IT_IS: costs.now,
    }[costs.advice]


def break_even(prices: Prices) -> str:
    """Return a sentence: below which utilisation on-demand is the cheapest."""
    read = f"{prices.read.break_even_percent:.1f} %"
    write = f"{prices.write.break_even_percent:.1f} %"
    percents = read if read == write else f"{read} (reads) and {write} (writes)"
    return (
        f"Below {percents} mean utilisation on-demand is cheaper than anything provisioned at the "
        "normal price."
    )


def totals(all_costs: Sequence[TargetCosts]) -> dict[str, float]:
    """Return the sums over all targets, USD a month."""
    return {
        "now": sum(costs.now for costs in all_costs),
        "headroom": sum(costs.headroom for costs in all_costs),
        "on_demand": sum(costs.on_demand for costs in all_costs),
        "reserved": sum(costs.reserved for costs in all_costs),
        "own_alarms": sum(costs.own.alarms for costs in all_costs),
        "own_metric_reads": sum(costs.own.metric_reads for costs in all_costs),
        "own_lambda": sum(costs.own.lambda_ for costs in all_costs),
        "own_logs": sum(costs.own.logs for costs in all_costs),
        "advised": sum(advised_month(costs) for costs in all_costs),
    }
