"""What tables cost and throttled, and what others would have cost and throttled on the very same
minutes.

All lines are of the same demand and start with the same units. Application Auto Scaling has the
policy's minimum and maximum, as Headroom has.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from chalicelib.model import Series, Target
from headroom.simulation import competitors
from headroom.simulation.clock import HOUR, MINUTE, START
from headroom.simulation.compare import COST_FLOOR, floor_hours
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import HOURS_A_MONTH, THROTTLED_UNIT_PRICE, Prices

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
    units: Sequence[float]
    throttled: Sequence[float]
    start: datetime = START
    min_units: int = 1
    max_units: int | None = None

    def since(self, start: datetime) -> "Held":
        """Return the minutes from a time on."""
        gone = int((start - self.start).total_seconds()) // MINUTE
        return replace(
            self,
            demand=self.demand[gone:],
            units=self.units[gone:],
            throttled=self.throttled[gone:],
            start=start,
        )

    def outcome(self) -> Outcome:
        """Return it in the form of a replay's outcome."""
        moves = [after - before for before, after in pairwise(self.units)]
        return Outcome(
            [round(units) for units in self.units],
            list(self.throttled),
            decreases=sum(move < 0 for move in moves),
            changes=sum(move != 0 for move in moves),
        )

    def auto_scaling(self, conditions: Conditions | None = None) -> Outcome:
        """Return what Application Auto Scaling at 70 % would have done."""
        rule = competitors.AutoScaling(min_units=self.min_units, max_units=self.max_units)
        units = max(1, round(self.units[0]))
        return competitors.run(self.demand, units, rule, conditions, self.start)


@dataclass(frozen=True)
class Line:
    """One way to run the tables: USD for these minutes, and what was throttled in them.

    throttled_minutes: the minutes in which any target of a table was throttled; of several tables,
    their sum. throttled_usd: what the throttled units count as in the effective cost.
    """

    name: str
    usd: float
    throttled_minutes: int = 0
    throttled_requests: float = 0.0
    throttled_usd: float = 0.0


def held(
    target: Target,
    consumed: Series,
    throttled: Series,
    units: Series,
    min_units: int = 1,
    max_units: int | None = None,
) -> Held | None:
    """Return what a target had, from the first datapoint of its units on; None without any.

    units: provisioned units, by five minutes. Where a datapoint of them is missing, the one before
    holds. A minute without a datapoint of the others counts as one without a request.
    """
    first = next((i for i, value in enumerate(units.values) if value is not None), None)
    if first is None:
        return None
    every = units.step_seconds // MINUTE
    known = _filled(units.values[first:])
    lost = [value or 0.0 for value in throttled.values[first * every :]]
    used = [value or 0.0 for value in consumed.values[first * every :]]
    return Held(
        target,
        [a + b for a, b in zip(used, lost, strict=True)],
        [value for value in known for _ in range(every)],
        lost,
        units.start + timedelta(minutes=first * every),
        min_units,
        max_units,
    )


def _filled(values: Sequence[float | None]) -> Iterator[float]:
    """Yield the values, and the one before where one is missing."""
    before = 0.0
    for value in values:
        before = before if value is None else value
        yield before


def same_minutes(held: Sequence[Held]) -> list[Held]:
    """Return the minutes that all targets of a table have: an index may be younger."""
    start = max(one.start for one in held)
    return [one.since(start) for one in held]


def lines(held: Sequence[Held], prices: Prices, conditions: Conditions | None = None) -> list[Line]:
    """Return the lines of one table. Its targets must have the same minutes."""
    replayed = [one.auto_scaling(conditions) for one in held]
    return [
        _line(HEADROOM, held, prices, [(one.units, one.throttled) for one in held]),
        _line(AUTO_SCALING, held, prices, [(r.units, r.throttled) for r in replayed]),
        Line(ON_DEMAND, sum(_on_demand(one, prices) for one in held)),
        Line(FIXED, sum(_fixed_hours(one) * _price(one, prices) for one in held)),
        Line(OPTIMUM, sum(_optimum_hours(one) * _price(one, prices) for one in held)),
        Line(COST_FLOOR, sum(floor_hours(one.demand) * _price(one, prices) for one in held)),
    ]


def total(tables: Iterable[Sequence[Line]]) -> list[Line]:
    """Return the sum of the lines of several tables, name by name."""
    return [
        Line(
            same[0].name,
            sum(line.usd for line in same),
            sum(line.throttled_minutes for line in same),
            sum(line.throttled_requests for line in same),
            sum(line.throttled_usd for line in same),
        )
        for same in zip(*tables, strict=True)
    ]


def over_floor(line: Line, lines: Sequence[Line]) -> float | None:
    """Return a line's cost with its throttled units, over the cost floor; None without demand."""
    floor = next(other.usd for other in lines if other.name == COST_FLOOR)
    return (line.usd + line.throttled_usd) / floor if floor else None


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
    outcomes: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> Line:
    """outcomes: the units and the throttled units of each target, a value a minute."""
    pairs = zip(held, outcomes, strict=True)
    usd = sum(sum(units) / HOUR * _price(one, prices) for one, (units, _) in pairs)
    throttled = [of_target for _, of_target in outcomes]
    minutes = sum(1 for minute in zip(*throttled, strict=True) if any(minute))
    lost = sum(sum(t) * _price(one, prices) for one, t in zip(held, throttled, strict=True))
    requests = sum(map(sum, throttled)) * MINUTE
    return Line(name, usd, minutes, requests, lost / HOUR * THROTTLED_UNIT_PRICE)


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
