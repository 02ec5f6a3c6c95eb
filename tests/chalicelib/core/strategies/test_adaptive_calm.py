"""The strategy `adaptive` in quiet times: few changes, and one level for both directions."""

import math

import pytest

from chalicelib.core.strategies import adaptive, shape
from chalicelib.model import BOTH, UP, Reason
from tests.chalicelib.core.strategies.test_adaptive import down, up
from tests.chalicelib.core.strategies.test_adaptive_levels import (
    after_calm,
    past,
    policy,
    seen_by,
)
from tests.support.builders import NOON, decide_with, series


@pytest.mark.parametrize(
    ("consumed", "desired", "reason"),
    [
        pytest.param(
            [100.0] * 15, 112, Reason.UTILIZATION_HIGH, id="108: 15,000 in half an hour; 3 % more"
        ),
        pytest.param([99.6] * 15, 100, Reason.AT_DESIRED, id="less than eight percent more waits"),
    ],
)
def test_quiet_times_fill_the_bucket_at_the_next_sweep(
    consumed: list[float | None], desired: int, reason: Reason
) -> None:
    sweep, alarm = up(seen_by(consumed)), up(seen_by(consumed), urgent=True)
    assert (sweep.desired, sweep.reason, alarm.desired, alarm.reason) == (
        desired,
        reason,
        100,
        Reason.AT_DESIRED,
    )


def test_a_look_both_ways_is_a_sweeps_and_one_up_is_an_alarms() -> None:
    seen = seen_by([100.0] * 15)
    assert {ways: decide_with(seen, policy(), NOON, ways).desired for ways in (UP, BOTH)} == {
        UP: 100,
        BOTH: 112,
    }


def test_no_raise_is_small() -> None:
    """A record of 102 units, and 30 units that past days say: half of eight percent at least."""
    short = seen_by([100.0] * 175 + [101.0] * 5, series([None] * 179 + [1.0]))
    small, ahead = (seen_by(80.0, days=past((level,))) for level in (230.0, 240.0))
    assert (up(short, urgent=True).desired, up(small).desired, up(ahead).desired) == (104, 100, 107)
    assert up(short, urgent=True, min_change_percent=0).desired == 103


def test_on_a_fall_both_levels_are_those_of_half_an_hour_later() -> None:
    """6,000 units, and ten more for each minute that is over: 6,020 is the five-minute mean."""
    falling = seen_by([6000.0 + 10 * back for back in range(179, -1, -1)], provisioned=9000)
    base = 6020 + 2.5 * 10.5 / 5**0.5
    assert down(falling, alarm_percent=95).numbers["low_units"] == math.ceil(base + 52.5 - 300)
    assert up(falling).numbers["quiet_units"] == pytest.approx(base - 300)


def test_a_steep_fall_may_use_a_quarter_of_the_bucket() -> None:
    """Ten units each minute: 30 minutes would be more than there is."""
    falling = seen_by([600.0 + 10 * back for back in range(179, -1, -1)], provisioned=3000)
    base, bucket = 620 + 2.5 * 10.5 / 5**0.5, 5 * 670 / 4
    assert up(falling).numbers["quiet_units"] == pytest.approx(base - (2 * 10 * bucket) ** 0.5)


@pytest.mark.parametrize(
    "newest",
    [
        pytest.param([60.0] * 10, id="ten minutes ago"),
        pytest.param([60.0] * 20, id="twenty"),
        pytest.param([60.0] * 40, id="forty"),
        pytest.param([79.0 - n / 2 for n in range(14)], id="a quarter of an hour of a slope"),
    ],
)
def test_a_step_down_is_no_fall(newest: list[float | None]) -> None:
    load = adaptive.load_of(seen_by(after_calm(*newest)), NOON)
    assert load is not None
    assert load.fall == 0.0


@pytest.mark.parametrize(
    ("demand", "noise", "rise"),
    [
        pytest.param([100.0] * 5 + [110.0] * 5 + [130.0] * 5, 9.9, 2.0, id="the smaller rise"),
        pytest.param([100.0] * 5 + [110.0] * 5 + [130.0] * 5, 10.0, 0.0, id="no more than noise"),
        pytest.param([100.0] * 10 + [200.0] * 5, 0.0, 0.0, id="a step up is no rise"),
        pytest.param([100.0] * 5 + [120.0] * 5 + [110.0] * 5, 0.0, 0.0, id="it turned"),
        pytest.param([100.0] * 4 + [110.0] * 5 + [130.0] * 5, 0.0, 0.0, id="too short"),
    ],
)
def test_a_rise_is_seen_in_three_means(demand: list[float], noise: float, rise: float) -> None:
    assert shape.rise(demand, noise) == rise
