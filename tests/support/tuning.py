"""Demand to tune on."""

import random
from collections.abc import Sequence

from chalicelib.config.policy import Policy, make_policy
from headroom.simulation import tuning
from headroom.simulation.clock import DAY
from headroom.simulation.tuning import Figures

PLAIN = make_policy()


def lively(days: int, last: float = 1.0) -> list[float]:
    """Return days of next to nothing, with an uneven hour at 10:00 and short bursts at any time.
    last: times the last day."""
    chance = random.Random(3)
    demand = []
    for minute in range(days * DAY):
        luck = chance.random()
        rate = 20 + 10 * luck if minute % DAY in range(600, 660) else 12.0 if luck < 0.004 else 0.2
        demand.append(rate * (last if minute >= (days - 1) * DAY else 1.0))
    return demand


THREE_DAYS = lively(3)


def on_counted_days(settings: Policy, demand: Sequence[float]) -> Figures:
    """Return what the settings cost and throttle on the days that count."""
    return tuning.total(tuning.measure(demand, None, settings)[1:])
