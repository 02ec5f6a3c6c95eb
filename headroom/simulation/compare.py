"""Headroom beside everything else that could run the table, on one trace, in one physics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Dimension
from headroom.simulation import competitors
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.optimum import optimum
from headroom.simulation.pricing import Prices, month, on_demand_month
from headroom.simulation.replay import Outcome, replay

THROTTLED_UNIT_PRICE = 34.6
"""What a throttled unit counts for in the effective cost: ten times its on-demand price, in
provisioned units."""
HEADROOM = "Headroom"


@dataclass(frozen=True)
class Row:
    """One way to run the table. Ratios are over the optimum's unit-hours; cost in USD a month."""

    name: str
    cost_month: float
    over_optimum: float
    effective: float
    throttled_ppm: float
    throttled_minutes: int
    decreases: int
    changes: int


@dataclass(frozen=True)
class Comparison:
    """All ways, and the outcomes of those that are a capacity over time."""

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
        }


@dataclass(frozen=True)
class Section:
    """One target's comparison under its name. start: when minute 0 of its demand was."""

    title: str
    comparison: Comparison
    start: datetime


def first_units(demand: Sequence[float]) -> int:
    """Return the capacity that every policy begins with: the first minute's demand at 70 %."""
    return max(1, math.ceil(demand[0] * 100 / 70))


def compare(
    demand: Sequence[float],
    policy: Policy,
    prices: Prices,
    dimension: Dimension = Dimension.READ,
    targets: Sequence[int] = (70,),
    conditions: Conditions | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Replay the demand under every policy. done: called with each one's name when it is
    finished."""
    begin = first_units(demand)
    plain = make_policy(strategy="percent", min_units=policy.min_units, max_units=policy.max_units)
    ways: dict[str, Callable[[], Outcome]] = {
        HEADROOM: lambda: replay(demand, policy, begin, conditions),
        "plain percentage": lambda: replay(demand, plain, begin, conditions),
        **{
            f"Application Auto Scaling {percent} %": lambda percent=percent: competitors.run(  # type: ignore[misc]
                demand, begin, competitors.AutoScaling(percent), conditions
            )
            for percent in targets
        },
        "Dynamic DynamoDB": lambda: competitors.run(
            demand, begin, competitors.dynamic_dynamodb, conditions
        ),
        "fixed at peak": lambda: competitors.fixed_at_peak(demand),
    }
    outcomes = {}
    for name, way in ways.items():
        outcomes[name] = way()
        done(name)
    best = optimum(demand)
    done("optimum")
    return Comparison(demand, dimension, _rows(demand, outcomes, best, prices, dimension), outcomes)


def _rows(
    demand: Sequence[float],
    outcomes: Mapping[str, Outcome],
    best: float,
    prices: Prices,
    dimension: Dimension,
) -> list[Row]:
    unit = prices.of(dimension)
    minutes = len(demand)
    rows = [
        row_of(name, outcome, demand, best, unit.unit_hour) for name, outcome in outcomes.items()
    ]
    asked = on_demand_month(demand, unit)
    optimum_month = month(best, minutes, unit.unit_hour)
    rows.append(Row("on demand", asked, asked / optimum_month, asked / optimum_month, 0.0, 0, 0, 0))
    rows.append(Row("clairvoyant optimum", optimum_month, 1.0, 1.0, 0.0, 0, 0, 0))
    return rows


def row_of(
    name: str, outcome: Outcome, demand: Sequence[float], best: float, unit_hour: float
) -> Row:
    """Return an outcome's row. best: the optimum's unit-hours."""
    return Row(
        name,
        month(outcome.unit_hours, len(demand), unit_hour),
        outcome.unit_hours / best,
        effective(outcome, best),
        outcome.throttled_ppm(demand),
        outcome.throttled_minutes,
        outcome.decreases,
        outcome.changes,
    )


def effective(outcome: Outcome, best: float) -> float:
    """Return the effective cost: unit-hours, and throttled ones at their price, over the optimum's
    unit-hours."""
    return (outcome.unit_hours + THROTTLED_UNIT_PRICE * outcome.throttled_unit_hours) / best
