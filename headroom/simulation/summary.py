"""What concerns the tables of a Region together: what to commit to, table classes, the free tier,
and idle tables."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from chalicelib.model import Dimension
from headroom.simulation import commitments, table_classes
from headroom.simulation.commitments import Hours, Reservation, SavingsPlan
from headroom.simulation.costs import (
    WORTH_PERCENT,
    Advice,
    ReadFailure,
    TableHistory,
    TargetCosts,
    totals,
)
from headroom.simulation.own_costs import ASSUMPTIONS
from headroom.simulation.pricing import Prices
from headroom.simulation.table_classes import ClassCosts

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class IdleTable:
    """A table that consumed nothing. month: what it costs now, in USD a month."""

    table: str
    month: float


@dataclass(frozen=True)
class Summary:
    """The findings on all tables of a Region. free: USD a month of the free tier."""

    reservations: Sequence[Reservation]
    plan: SavingsPlan | None
    free: float
    classes: Sequence[ClassCosts]
    idle: Sequence[IdleTable]


def summarize(
    all_costs: Sequence[TargetCosts],
    histories: Sequence[TableHistory],
    prices: Prices,
) -> Summary:
    """Return the summary of a Region's tables."""
    held = _held(all_costs)
    found = (table_classes.class_costs(h.table, h.demand, prices) for h in histories)
    return Summary(
        reservations=commitments.all_reservations(held, prices),
        plan=_plan(all_costs, prices),
        free=sum(commitments.free_month(hours, prices.of(d)) for d, hours in held.items()),
        classes=[one for one in found if one],
        idle=list(_idle(all_costs, histories)),
    )


def _held(all_costs: Iterable[TargetCosts]) -> dict[Dimension, Hours]:
    """Return the units by the hour that can be reserved: those of Standard tables that Headroom
    runs, without replicated writes."""
    able = [one for one in all_costs if one.is_reservable and not _is_on_demand(one)]
    return {
        d: commitments.added([one.held_by_hour for one in able if one.target.dimension is d])
        for d in Dimension
    }


def _is_on_demand(costs: TargetCosts) -> bool:
    """Tell whether a target is on demand when the advice is followed."""
    stays = costs.advice is Advice.AS_IT_IS and costs.units_now is None
    return stays or costs.advice is Advice.ON_DEMAND


def _plan(all_costs: Iterable[TargetCosts], prices: Prices) -> SavingsPlan | None:
    covered = [one for one in all_costs if one.is_reservable]
    listed = commitments.added([_by_hour(one, prices, is_plan=False) for one in covered])
    planned = commitments.added([_by_hour(one, prices, is_plan=True) for one in covered])
    return commitments.savings_plan(listed, planned)


def _by_hour(costs: TargetCosts, prices: Prices, is_plan: bool) -> list[float]:
    """Return what a target costs in each hour when the advice is followed."""
    unit = prices.of(costs.target.dimension)
    if _is_on_demand(costs):
        million = unit.plan_million_requests if is_plan else unit.million_requests
        return [units * SECONDS_AN_HOUR / 1e6 * million for units in costs.demand_by_hour]
    price = unit.plan_unit_hour if is_plan else unit.unit_hour
    return [units * price for units in costs.held_by_hour]


def _idle(
    all_costs: Sequence[TargetCosts], histories: Iterable[TableHistory]
) -> Iterable[IdleTable]:
    months: dict[str, float] = {}
    for one in all_costs:
        months[one.target.table] = months.get(one.target.table, 0.0) + one.now
    for history in histories:
        if history.is_whole and not any(any(values) for values in history.demand.values()):
            yield IdleTable(history.table.name, months[history.table.name])


def as_data(
    all_costs: Sequence[TargetCosts],
    failures: Sequence[ReadFailure],
    prices: Prices,
    summary: Summary,
) -> Mapping[str, object]:
    """Return what --json prints."""
    return {
        "region": prices.region,
        "prices_read_on": str(prices.read_on),
        "prices_source": prices.source,
        "break_even_percent": {str(d): prices.of(d).break_even_percent for d in Dimension},
        "targets": [costs.as_data() for costs in all_costs],
        "totals": totals(all_costs),
        "reserve": [asdict(one) for one in summary.reservations],
        "savings_plan": asdict(summary.plan) if summary.plan else None,
        "free_tier": summary.free,
        "classes": [{**asdict(one), "saves": one.saves} for one in summary.classes],
        "idle": [asdict(one) for one in summary.idle],
        "unread": [asdict(failure) for failure in failures],
        "assumptions": ASSUMPTIONS,
    }


def cheaper_classes(summary: Summary) -> list[ClassCosts]:
    """Return the tables that belong into the other class."""
    return table_classes.worth_changing(summary.classes, WORTH_PERCENT)
