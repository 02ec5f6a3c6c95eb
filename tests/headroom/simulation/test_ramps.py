"""Ramps of a table without a past, where AWS is slower or its bucket smaller than is assumed."""

import pytest

from chalicelib.config.policy import make_policy
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.replay import initial_units, replay

LATE_AND_HALF = Conditions(burst_seconds=150, metric_delay_minutes=3)
SLOW = Conditions(metric_delay_minutes=3, update_minutes=3)


@pytest.mark.parametrize("conditions", [LATE_AND_HALF, SLOW], ids=["late, half a bucket", "slow"])
@pytest.mark.parametrize("percent", [1, 2])
def test_an_even_ramp_is_followed_without_throttling(conditions: Conditions, percent: int) -> None:
    ramp = [200.0 * (1 + percent / 100 * minute) for minute in range(60)]
    demand = [*[200.0] * 60, *ramp, *[ramp[-1]] * 30]
    outcome = replay(demand, make_policy(), initial_units(demand), conditions)
    assert outcome.throttled_minutes == 0
    assert sum(outcome.units) < 1.2 * sum(demand)


def test_a_steep_ramp_is_caught_up_with() -> None:
    ramp = [200.0 * (1 + 0.05 * minute) for minute in range(40)]
    demand = [*[200.0] * 60, *ramp, *[ramp[-1]] * 30]
    outcome = replay(demand, make_policy(), initial_units(demand), LATE_AND_HALF)
    assert outcome.throttled_minutes <= 2
