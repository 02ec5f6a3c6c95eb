"""Headroom beside everything else that could run the table, on one trace, by the same rules."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from types import MappingProxyType

from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Dimension
from headroom.simulation import competitors, foresight
from headroom.simulation.clock import HOUR, START
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import (
    THROTTLED_UNIT_PRICE,
    Prices,
    UnitPrices,
    month,
    on_demand_month,
)
from headroom.simulation.replay import initial_units, replay

HEADROOM = "Headroom"
#: Headroom where CloudWatch does not show why requests are throttled; a row where a key is hot.
WITHOUT_CAUSES = "Headroom without causes"
#: Headroom with a budget that is spent from the first minute on; a row where a budget may hold.
SPENT_BUDGET = "Headroom, budget spent"
#: Headroom where it may choose the billing mode; a row where the policy says so.
CHEAPEST = "Headroom, cheapest mode"
ON_DEMAND = "on demand"
OPTIMUM, COST_FLOOR = "clairvoyant optimum", "cost floor"


@dataclass(frozen=True)
class Row:
    """One way to run the table: USD a month, and ratios.

    over_optimum: its unit-hours over the optimum's. effective, over_floor: these with the throttled
    units at their price, over the optimum and over the cost floor; None without demand.
    """

    name: str
    cost_month: float
    over_optimum: float
    effective: float
    over_floor: float | None
    throttled_ppm: float
    throttled_minutes: int
    decreases: int
    changes: int

    def cells(self) -> tuple[str, ...]:
        """Return the row as text for a table."""
        return (
            self.name,
            f"{self.cost_month:,.2f}",
            f"{self.over_optimum:.2f}",
            f"{self.effective:.2f}",
            "" if self.over_floor is None else f"{self.over_floor:.2f}",
            f"{self.throttled_ppm:,.0f}",
            f"{self.throttled_minutes:,}",
            f"{self.decreases:,}",
            f"{self.changes:,}",
        )


@dataclass(frozen=True)
class Comparison:
    """Every way to run the table, and the outcomes of those with a capacity over time."""

    demand: Sequence[float]
    dimension: Dimension
    rows: Sequence[Row]
    outcomes: Mapping[str, Outcome]

    def as_data(self) -> dict[str, object]:
        """Return what --json prints."""
        return {
            "minutes": len(self.demand),
            "mean_units": sum(self.demand) / len(self.demand),
            "peak_units": max(self.demand),
            "dimension": str(self.dimension),
            "rows": [asdict(row) for row in self.rows],
            **({"switches": [*self.switches]} if CHEAPEST in self.outcomes else {}),
        }

    @property
    def switches(self) -> Iterator[dict[str, object]]:
        """Yield each switch of the billing mode: its minute, the mode, the reason, the numbers."""
        made = self.outcomes[CHEAPEST].switches if CHEAPEST in self.outcomes else ()
        for one in made:
            mode = "on demand" if one.on_demand else "provisioned"
            yield {"minute": one.minute, "to": mode, "reason": str(one.reason), **one.numbers}


@dataclass(frozen=True)
class Section:
    """The comparison of one target, with its title and settings.

    start: the time of its demand's minute 0; None for a trace, which has no dates. notes: sentences
    that concern its table. is_receipt: Headroom's row is what it really held.
    """

    title: str
    comparison: Comparison
    policy: Policy
    start: datetime | None = None
    notes: Sequence[str] = ()
    is_receipt: bool = False


def compare(
    demand: Sequence[float],
    policy: Policy,
    prices: Prices,
    dimension: Dimension = Dimension.READ,
    targets: Sequence[int] = (70,),
    conditions: Conditions | None = None,
    on_done: Callable[[str], None] = lambda _: None,
    variants: Mapping[str, Policy] = MappingProxyType({}),
    sights: Sequence[int] = (),
    together: Mapping[str, Callable[[], Outcome]] = MappingProxyType({}),
    start: datetime | None = None,
) -> Comparison:
    """Replay the demand under every policy.

    targets: Application Auto Scaling's target percents. on_done: called with the name of each
    policy when its replay is finished. variants: other policies of Headroom, by the name of their
    row. sights: the minutes that a policy of perfect sight sees. together: replays of Headroom with
    the other targets of the table, by the name of the row whose replay they replace. start:
    the time of minute 0, for windows and schedules; a Monday without it.
    """
    outcomes: dict[str, Outcome] = {}
    unit = prices.of(dimension)
    ours, units = {HEADROOM: policy, **variants}, initial_units(demand)
    runs = {**_runs(demand, ours, targets, conditions, unit, start or START), **together} | {
        f"perfect sight of {minutes} min": partial(
            foresight.run, demand, units, minutes, conditions
        )
        for minutes in sights
    }
    for name, run in runs.items():
        outcomes[name] = run()
        on_done(name)
    comparison = of_outcomes(demand, outcomes, prices, dimension)
    on_done("optimum")
    return comparison


def of_outcomes(
    demand: Sequence[float],
    outcomes: Mapping[str, Outcome],
    prices: Prices,
    dimension: Dimension,
) -> Comparison:
    """Return the comparison of outcomes with each other, with on demand and the optimum."""
    # numpy takes long to import, and only a comparison needs it
    from headroom.simulation.optimum import optimum  # noqa: PLC0415

    rows = _rows(demand, outcomes, optimum(demand), prices, dimension)
    return Comparison(demand, dimension, rows, outcomes)


def _runs(
    demand: Sequence[float],
    ours: Mapping[str, Policy],
    targets: Sequence[int],
    conditions: Conditions | None,
    unit: UnitPrices,
    start: datetime,
) -> dict[str, Callable[[], Outcome]]:
    """Return the replay of each policy, by its name.

    ours: Headroom's policies, by the name of their row. unit: USD, for a budget and for the mode.
    """
    units, policy = initial_units(demand), ours[HEADROOM]
    money = {"unit_hour": unit.unit_hour, "request_hour": unit.request_hour}
    plain = make_policy(strategy="percent", min_units=policy.min_units, max_units=policy.max_units)
    tracking = {
        f"Application Auto Scaling {percent} %": partial(
            competitors.run, demand, units, competitors.AutoScaling(percent), conditions
        )
        for percent in targets
    }
    blind: dict[str, Callable[[], Outcome]] = {}
    if conditions and conditions.hot_key_requests:
        unshown = replace(conditions, shows_causes=False)
        blind = {
            WITHOUT_CAUSES: partial(replay, demand, policy, units, unshown, **money, start=start)
        }
    return {
        **{
            name: partial(replay, demand, one, units, conditions, **money, start=start)
            for name, one in ours.items()
        },
        **blind,
        "plain percentage": partial(replay, demand, plain, units, conditions),
        **tracking,
        "Dynamic DynamoDB": partial(
            competitors.run, demand, units, competitors.dynamic_dynamodb, conditions
        ),
        "fixed at peak": partial(competitors.fixed_at_peak, demand),
    }


def _rows(
    demand: Sequence[float],
    outcomes: Mapping[str, Outcome],
    optimum_hours: float,
    prices: Prices,
    dimension: Dimension,
) -> list[Row]:
    unit = prices.of(dimension)
    optimum_month = month(optimum_hours, len(demand), unit.unit_hour)
    floor_month = month(floor_hours(demand), len(demand), unit.unit_hour)

    def without_throttling(name: str, usd: float) -> Row:
        ratio, over_floor = usd / optimum_month, usd / floor_month if floor_month else None
        return Row(name, usd, ratio, ratio, over_floor, 0.0, 0, 0, 0)

    return [
        *(row_of(name, outcome, demand, optimum_hours, unit) for name, outcome in outcomes.items()),
        without_throttling(ON_DEMAND, on_demand_month(demand, unit)),
        without_throttling(OPTIMUM, optimum_month),
        without_throttling(COST_FLOOR, floor_month),
    ]


def row_of(
    name: str, outcome: Outcome, demand: Sequence[float], optimum_hours: float, unit: UnitPrices
) -> Row:
    """Return an outcome's row. optimum_hours: the optimum's unit-hours."""
    floor = floor_hours(demand)
    on_demand = outcome.on_demand_hours * unit.request_hour / unit.unit_hour
    hours = outcome.unit_hours + on_demand
    return Row(
        name,
        month(hours, len(demand), unit.unit_hour),
        hours / optimum_hours,
        effective_cost(outcome, optimum_hours) + on_demand / optimum_hours,
        effective_cost(outcome, floor) + on_demand / floor if floor else None,
        outcome.throttled_ppm(demand),
        outcome.throttled_minutes,
        outcome.decreases,
        outcome.changes,
    )


def floor_hours(demand: Sequence[float]) -> float:
    """Return the cost floor: the unit-hours of the demand, all served at 100 % utilisation."""
    return sum(demand) / HOUR


def effective_cost(outcome: Outcome, reference_hours: float) -> float:
    """Return the unit-hours, plus the throttled ones at their price, over those of a reference."""
    throttled = THROTTLED_UNIT_PRICE * outcome.throttled_unit_hours
    return (outcome.unit_hours + throttled) / reference_hours
