"""What tables cost and throttled, and what others would have cost and throttled on the very same
minutes.

All lines are of the same demand and start with the same units. Application Auto Scaling has the
policy's minimum and maximum, as Headroom has.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.model import Target
from headroom.simulation import competitors
from headroom.simulation.clock import HOUR, MINUTE, START
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.pricing import HOURS_A_MONTH, Prices

HEADROOM = "Headroom"
AUTO_SCALING = "Application Auto Scaling, 70 %"
ON_DEMAND = "on demand"
FIXED = "fixed at the highest minute"
OPTIMUM = "optimum that knows the future"


@dataclass(frozen=True)
class Held:
    """What one target had, a value a minute: units per second.

    demand: consumed and throttled units. start: the time of the first minute.
    """

    target: Target
    demand: Sequence[float]
    units: Sequence[int]
    throttled: Sequence[float]
    start: datetime = START
    min_units: int = 1
    max_units: int | None = None


@dataclass(frozen=True)
class Line:
    """One way to run the tables: USD for these minutes, and what was throttled in them.

    throttled_minutes: the minutes in which any target of a table was throttled; of several tables,
    their sum.
    """

    name: str
    usd: float
    throttled_minutes: int = 0
    throttled_requests: float = 0.0


def lines(held: Sequence[Held], prices: Prices, conditions: Conditions | None = None) -> list[Line]:
    """Return the lines of one table. Its targets must have the same minutes."""
    replayed = [_auto_scaling(one, conditions) for one in held]
    return [
        _line(HEADROOM, held, prices, [(one.units, one.throttled) for one in held]),
        _line(AUTO_SCALING, held, prices, replayed),
        Line(ON_DEMAND, sum(_on_demand(one, prices) for one in held)),
        Line(FIXED, sum(_fixed_hours(one) * _price(one, prices) for one in held)),
        Line(OPTIMUM, sum(_optimum_hours(one) * _price(one, prices) for one in held)),
    ]


def total(tables: Iterable[Sequence[Line]]) -> list[Line]:
    """Return the sum of the lines of several tables, name by name."""
    return [
        Line(
            same[0].name,
            sum(line.usd for line in same),
            sum(line.throttled_minutes for line in same),
            sum(line.throttled_requests for line in same),
        )
        for same in zip(*tables, strict=True)
    ]


def saving(lines: Sequence[Line]) -> str:
    """Return in a sentence what Headroom saved beside the two that AWS offers."""
    by_name = {line.name: line for line in lines}
    own = by_name[HEADROOM]
    parts = [
        f"{_less(own.usd, by_name[name].usd)} than {words}"
        for name, words in ((AUTO_SCALING, "Application Auto Scaling"), (ON_DEMAND, "on demand"))
        if by_name[name].usd
    ]
    return f"Headroom costs {' and '.join(parts)}." if parts else ""


def a_month(usd: float, minutes: int) -> float:
    """Return USD a month at the rate of these minutes."""
    return usd * HOURS_A_MONTH * HOUR / minutes


def _less(own: float, other: float) -> str:
    percent = round(100 - 100 * own / other)
    return f"{percent} % less" if percent >= 0 else f"{-percent} % more"


def _line(
    name: str,
    held: Sequence[Held],
    prices: Prices,
    outcomes: Sequence[tuple[Sequence[int], Sequence[float]]],
) -> Line:
    """outcomes: the units and the throttled units of each target, a value a minute."""
    pairs = zip(held, outcomes, strict=True)
    usd = sum(sum(units) / HOUR * _price(one, prices) for one, (units, _) in pairs)
    throttled = [of_target for _, of_target in outcomes]
    minutes = sum(1 for minute in zip(*throttled, strict=True) if any(minute))
    return Line(name, usd, minutes, sum(map(sum, throttled)) * MINUTE)


def _auto_scaling(
    held: Held, conditions: Conditions | None
) -> tuple[Sequence[int], Sequence[float]]:
    rule = competitors.AutoScaling(min_units=held.min_units, max_units=held.max_units)
    outcome = competitors.run(held.demand, held.units[0], rule, conditions, held.start)
    return outcome.units, outcome.throttled


def _price(held: Held, prices: Prices) -> float:
    return prices.of(held.target.dimension).unit_hour


def _on_demand(held: Held, prices: Prices) -> float:
    price: float = prices.of(held.target.dimension).million_requests
    return sum(held.demand) * MINUTE / 1e6 * price


def _fixed_hours(held: Held) -> float:
    return max(1, math.ceil(max(held.demand))) * len(held.demand) / HOUR


def _optimum_hours(held: Held) -> float:
    # numpy takes long to import, and only a comparison needs it
    from headroom.simulation.optimum import optimum  # noqa: PLC0415

    return optimum(held.demand)
