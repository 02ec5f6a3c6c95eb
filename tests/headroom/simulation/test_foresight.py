"""Perfect sight of the next minutes: what it serves, what it waits for, and that it is no magic."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headroom.simulation import foresight
from headroom.simulation.compare import floor_hours
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.replay import initial_units

SLOW = Conditions(burst_seconds=0, update_minutes=3)


def test_an_onset_is_raised_for_before_it_comes() -> None:
    """Without a bucket the units are there when the demand is, and an update takes three minutes.

    They are set at the last moment, and lowered once it is over.
    """
    demand = [100.0] * 60 + [700.0] * 20 + [100.0] * 60
    outcome = foresight.run(demand, 100, 15, SLOW)
    assert outcome.throttled_minutes == 0
    assert outcome.units == [100] * 60 + [700] * 20 + [100] * 60
    assert (outcome.changes, outcome.decreases) == (2, 1)


def test_a_raise_is_early_where_the_bucket_then_serves_a_part() -> None:
    """At the last moment the two minutes would need 500 units, and some minutes before it less."""
    demand = [10.0] * 60 + [500.0] * 2 + [10.0] * 28
    outcome = foresight.run(demand, 10, 15)
    assert outcome.throttled_minutes == 0
    assert max(outcome.units) < 250
    assert outcome.units[45] == 10


def test_a_decrease_waits_for_the_lower_level() -> None:
    """At minute 24 the demand falls a second time, and another decrease might wait an hour."""
    demand = [400.0] * 20 + [300.0] * 4 + [40.0] * 90
    outcome = foresight.run(demand, 400, 30, Conditions(burst_seconds=0))
    assert outcome.decreases == 1
    assert outcome.units == [400] * 24 + [40] * 90


@pytest.mark.parametrize("minutes", [10, 60])
def test_the_quota_holds(minutes: int) -> None:
    """Four decreases, and one an hour."""
    demand = [1_000.0, 10.0] * 90
    demand = [rate for rate in demand for _ in range(2)]
    assert foresight.run(demand, 1_000, minutes, Conditions(burst_seconds=0)).decreases <= 4 + 6


DEMANDS = st.lists(st.tuples(st.floats(0, 2_000), st.integers(1, 30)), min_size=1, max_size=8).map(
    lambda parts: [rate for rate, minutes in parts for _ in range(minutes)]
)


@pytest.mark.slow
@given(
    DEMANDS, st.sampled_from([10, 15, 60]), st.sampled_from([0, 150, 300]), st.sampled_from([1, 2])
)
@settings(max_examples=25)
def test_nothing_is_throttled_that_could_be_served_and_nothing_is_served_for_free(
    demand: list[float], minutes: int, burst_seconds: int, update_minutes: int
) -> None:
    """The first decision is that of minute 1. The bucket is full at the start."""
    units = initial_units(demand)
    outcome = foresight.run(demand, units, minutes, Conditions(burst_seconds, 1, update_minutes))
    assert not any(outcome.throttled[1 + update_minutes :])
    served = floor_hours(demand) - outcome.throttled_unit_hours
    assert outcome.unit_hours + units * burst_seconds / 3600 >= served - 1e-6
