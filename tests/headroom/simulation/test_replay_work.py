"""How much a replay computes. Times differ between machines; counts do not."""

import cProfile
from collections import Counter
from collections.abc import Callable

from chalicelib.config.policy import make_policy
from chalicelib.core import scaling
from chalicelib.core.strategies import adaptive
from headroom.simulation.carried import CarriedDemand
from headroom.simulation.clock import DAY
from headroom.simulation.replay import initial_units, replay
from headroom.simulation.traces import generated


def calls_of(function: Callable[..., object], seen: cProfile.Profile) -> int:
    """Return how often a function was called."""
    counts = Counter({entry.code: entry.callcount for entry in seen.getstats()})
    return counts[function.__code__]


def test_most_checks_end_without_the_noise_and_without_a_whole_raise() -> None:
    demand = generated(1, seed=1)[: DAY // 8]
    with cProfile.Profile() as seen:
        outcome = replay(demand, make_policy(), initial_units(demand))
    checks = calls_of(scaling.decide, seen)
    assert outcome.changes > 0
    # what a check computes at the most, in shares of the checks
    assert 10 * calls_of(adaptive.scale_up, seen) <= checks
    assert 2 * calls_of(CarriedDemand.noise, seen) <= checks
    assert 2 * calls_of(adaptive.carried_on, seen) <= 5 * checks
