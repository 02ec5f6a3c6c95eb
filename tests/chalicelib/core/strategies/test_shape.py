"""What the shape of demand is: falls, rises, swing and noise, in tables."""

import pytest

from chalicelib.core.strategies import shape

#: Three quarters of an hour: 300, 200, then 120 in the mean and 60 in the newest five minutes.
FALLING = [300.0] * 15 + [200.0] * 15 + [150.0] * 10 + [60.0] * 5


@pytest.mark.parametrize(
    ("demand", "fall"),
    [
        pytest.param(FALLING, 80 / 15, id="the smaller of two falls"),
        pytest.param([1e6, *FALLING], 80 / 15, id="what is older does not count"),
        pytest.param(FALLING[1:], 0.0, id="a minute too few"),
        pytest.param([230.0] * 15 + FALLING[15:], 30 / 15, id="it becomes steeper"),
        pytest.param([100.0] * 15 + FALLING[15:], 0.0, id="it rose before"),
        pytest.param(FALLING[:30] + [200.0] * 15, 0.0, id="it is flat"),
        # 2.5 minutes of 80 / 15 are 13.3 units
        pytest.param(FALLING[:30] + [126.0] * 10 + [108.0] * 5, 0.0, id="it has ended"),
        pytest.param(FALLING[:30] + [127.0] * 10 + [106.0] * 5, 80 / 15, id="it goes on"),
    ],
)
def test_a_fall_is_that_of_two_quarters_of_an_hour_and_goes_on(
    demand: list[float], fall: float
) -> None:
    assert shape.fall(demand) == pytest.approx(fall)


@pytest.mark.parametrize(
    ("demand", "swing"),
    [
        ([10.0] * 5 + [14.0] * 5 + [20.0] * 5, 1.05 * 6),
        ([99.0, *[10.0] * 5, *[14.0] * 5], 1.05 * 4),
        ([10.0] * 9, 0.0),
        ([], 0.0),
    ],
)
def test_the_swing_is_the_usual_step_of_five_minute_means(
    demand: list[float], swing: float
) -> None:
    assert shape.swing(demand) == pytest.approx(swing)


def test_the_highest_minute_is_looked_for_before_the_newest_ten() -> None:
    assert shape.highest([1.0, 7.0, 9.0, *[3.0] * 9]) == 7.0
    assert shape.highest([9.0] * 10) == 0.0


@pytest.mark.parametrize(
    ("newest", "growth"),
    [
        ([1.0, 3.0, 8.0], 2.0),
        ([1.0, 6.0, 8.0], 2.0),
        ([3.0, 3.0, 8.0], 0.0),
        ([1.0, 3.0, 3.0], 0.0),
        ([1.0, 3.0], 0.0),
    ],
)
def test_growth_is_the_smaller_of_two_rises(newest: list[float], growth: float) -> None:
    assert shape.growth(newest) == growth


@pytest.mark.parametrize(
    ("demand", "rise"),
    [
        ([10.0] * 5 + [20.0] * 5 + [45.0] * 5, 2.0),
        ([10.0] * 5 + [40.0] * 5 + [55.0] * 5, 3.0),
        ([99.0, *[10.0] * 5, *[20.0] * 5, *[45.0] * 5], 2.0),
        ([10.0] * 4 + [20.0] * 5 + [45.0] * 5, 0.0),
        ([10.0] * 5 + [11.0] * 5 + [45.0] * 5, 0.0),
    ],
)
def test_a_rise_is_the_smaller_of_two_beyond_the_noise(demand: list[float], rise: float) -> None:
    assert shape.rise(demand, noise=1.0) == rise
