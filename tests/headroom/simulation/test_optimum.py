"""The clairvoyant optimum, against a search through every way to set the capacity."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.simulation.clock import DAY, HOUR
from headroom.simulation.optimum import optimum

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

#: Units, decreases used in this UTC day, and minutes since the last decrease (an hour or more is an
#: hour).
State = tuple[int, int, int]


def by_search(demand: Sequence[float], free: int, spaced: bool, begin: int = 0) -> float:
    """Return the least unit-hours, found by trying all levels in all minutes. begin: the first
    minute's place in its day."""
    needed = [max(1, math.ceil(rate)) for rate in demand]
    states: dict[State, int] = {(level, 0, HOUR): 0 for level in set(needed)}
    for minute, least in enumerate(needed, begin):
        after: dict[State, int] = {}
        for (units, used, since), cost in states.items():
            spent = 0 if minute % DAY == 0 else used
            for level in set(needed):
                lowers = level < units
                if level < least or (lowers and spent >= free and not (spaced and since >= HOUR)):
                    continue
                state = (level, min(spent + lowers, free), 1 if lowers else min(since + 1, HOUR))
                after[state] = min(after.get(state, cost + level), cost + level)
        states = after
    return min(states.values()) / 60


@pytest.mark.parametrize(
    ("demand", "unit_minutes"),
    [
        pytest.param([10.0] * 6, 60, id="even"),
        pytest.param([9.1] * 6, 60, id="whole units"),
        pytest.param([0.0] * 6, 6, id="at least one unit"),
        pytest.param([1.0, 2.0, 3.0], 6, id="increases are free"),
        pytest.param([5.0, 4.0, 3.0, 2.0, 1.0], 15, id="four decreases are free"),
        pytest.param(
            [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 22, id="the fifth is not: one step comes a minute late"
        ),
        pytest.param(
            [9.0, 1.0] * 5 + [9.0], 6 * 9 + 4 * 1 + 9, id="five valleys: one is not taken"
        ),
    ],
)
def test_the_optimum_by_hand(demand: list[float], unit_minutes: int) -> None:
    assert optimum(demand) * 60 == pytest.approx(unit_minutes)


LEVELS = st.sampled_from([0.0, 1.0, 2.5, 4.0, 7.0])


@pytest.mark.slow
@given(st.lists(LEVELS, min_size=1, max_size=12))
@settings(max_examples=40)
def test_within_an_hour_it_equals_the_search(demand: list[float]) -> None:
    assert optimum(demand) == pytest.approx(by_search(demand, 4, spaced=True))


@pytest.mark.slow
@given(st.lists(LEVELS, min_size=1, max_size=10), st.integers(1, 3))
@settings(max_examples=40)
def test_with_decreases_at_any_minute_it_equals_the_search(demand: list[float], most: int) -> None:
    assert optimum(demand, every_minute=most) == pytest.approx(
        by_search(demand, most, spaced=False)
    )


def blocks(seed: int, minutes: int) -> list[float]:
    """Return a demand of three levels that changes every few minutes: more valleys than
    decreases."""
    rng = random.Random(seed)
    demand: list[float] = []
    while len(demand) < minutes:
        demand += [rng.choice([1.0, 5.0, 20.0])] * rng.randrange(3, 15)
    return demand[:minutes]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 4, 8])
def test_over_hours_the_fifth_decrease_waits_3600_seconds(seed: int) -> None:
    demand = blocks(seed, 200)
    assert optimum(demand) == pytest.approx(by_search(demand, 4, spaced=True))
    assert optimum(demand) < optimum(demand, every_minute=4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spaced", "most"),
    [(True, 4), (False, 3)],
    ids=["DynamoDB's quota", "three a day at any minute"],
)
@pytest.mark.parametrize("seed", range(3))
def test_at_midnight_utc_the_quota_begins_anew(seed: int, spaced: bool, most: int) -> None:
    evening = 90
    demand = blocks(seed, 150)
    before = (DAY - evening) / 60  # one unit, and nothing to decide
    unit_hours = optimum([1.0] * (DAY - evening) + demand, None if spaced else most)
    assert unit_hours == pytest.approx(before + by_search(demand, most, spaced, DAY - evening))


@pytest.mark.slow
def test_a_decrease_at_midnight_is_the_new_days_first() -> None:
    demand = [20.0] * 30 + [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    unit_hours = optimum([1.0] * (DAY - 30) + demand)
    assert unit_hours == pytest.approx(
        (DAY - 30) / 60 + by_search(demand, 4, spaced=True, begin=DAY - 30)
    )


RATES = st.lists(st.floats(0, 1e4), min_size=1, max_size=300)
QUOTAS = st.sampled_from([None, 1, 4, 27])


@pytest.mark.slow
@given(RATES, QUOTAS)
@settings(max_examples=25)
def test_it_lies_between_the_sum_of_the_demand_and_its_peak(
    demand: list[float], most: int | None
) -> None:
    needed = [max(1, math.ceil(rate)) for rate in demand]
    assert sum(needed) / 60 <= optimum(demand, most) + 1e-9
    assert optimum(demand, most) <= max(needed) * len(needed) / 60 + 1e-9


@pytest.mark.slow
@given(RATES, st.floats(0, 1e4), st.integers(0, 299), QUOTAS)
@settings(max_examples=25)
def test_more_demand_never_costs_less(
    demand: list[float], more: float, minute: int, most: int | None
) -> None:
    higher = list(demand)
    higher[minute % len(demand)] += more
    assert optimum(demand, most) <= optimum(higher, most) + 1e-9


@given(RATES)
@settings(max_examples=25)
def test_more_decreases_never_cost_more(demand: list[float]) -> None:
    figures = [optimum(demand, 1), optimum(demand, 4), optimum(demand), optimum(demand, 27)]
    assert figures == sorted(figures, reverse=True)
