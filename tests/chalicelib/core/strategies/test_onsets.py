"""What the last days say about the hour to come: onsets, like hours, the same minutes of past days,
how high bursts go."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.strategies import onsets as past
from chalicelib.core.strategies.onsets import onsets, summarize
from chalicelib.model import DemandHistory, Series
from tests.support.builders import NOON, series
from tests.support.laws import COSTLY

#: Five-minute means.
HOUR, DAY = 12, 288
Values = list[float | None]


def of(values: Values) -> DemandHistory:
    return summarize(series(values, step_seconds=300))


def quiet(bins: int) -> Values:
    return [10.0] * bins


def burst(height: float, bins: int = HOUR) -> Values:
    """Return an hour (or so) whose third five minutes come suddenly, and the fourth are higher
    still."""
    return [10.0, 10.0, 20.0, height, *[10.0] * (bins - 4)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([10.0, 10.0, 14.1], [0.0, 0.0, 14.1], id="more than 1.4 times"),
        pytest.param([10.0, 10.0, 14.0], [0.0, 0.0, 0.0], id="just 1.4 times"),
        pytest.param([10.0, 8.0, 13.0], [0.0, 0.0, 13.0], id="more than both"),
        pytest.param([20.0, 8.0, 13.0], [0.0, 0.0, 0.0], id="back to where it was"),
        pytest.param([5.0, 10.0, 13.9], [0.0, 0.0, 0.0], id="not above the one before"),
        pytest.param([0.0, 0.0, 0.1], [0.0, 0.0, 0.1], id="out of nothing"),
        pytest.param([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], id="nothing"),
        pytest.param(
            [10.0, 10.0, 20.0, 40.0, 41.0], [0.0, 0.0, 20.0, 40.0, 0.0], id="two in a row"
        ),
        pytest.param([None, 10.0, 20.0], [0.0, 0.0, 0.0], id="a gap two before"),
        pytest.param([10.0, None, 20.0], [0.0, 0.0, 0.0], id="a gap one before"),
        pytest.param([10.0, 10.0, None], [0.0, 0.0, 0.0], id="a gap is no onset"),
        pytest.param([1.0, 100.0], [0.0, 0.0], id="two values"),
        pytest.param([], [], id="none"),
    ],
)
def test_an_onset_stands_well_above_the_two_before_it(
    values: Values, expected: list[float]
) -> None:
    assert onsets(values) == expected


@pytest.mark.slow
@COSTLY
@given(st.lists(st.none() | st.floats(0, 1e6), max_size=50))
def test_an_onset_is_a_value_in_its_place(values: Values) -> None:
    found = onsets(values)
    assert len(found) == len(values)
    assert all(sudden in (0.0, value) for sudden, value in zip(found, values, strict=True))


@pytest.mark.parametrize(
    ("values", "highest"),
    [
        pytest.param([1.0, 7.0, 3.0], 7.0, id="the highest"),
        pytest.param([None, 7.0, None], 7.0, id="of those that are known"),
        pytest.param([None], 0.0, id="nothing known"),
        pytest.param([], 0.0, id="nothing"),
    ],
)
def test_a_summary_tells_the_highest_five_minutes(values: Values, highest: float) -> None:
    assert of(values).highest == highest


def test_a_summary_speaks_until_its_last_value_closes() -> None:
    assert (of(quiet(3)).end, summarize(Series(NOON, 300)).end) == (NOON, NOON)


# like hours


def at_hours_ago(hours: int, back: int, height: float) -> Values:
    """Return hours of quiet, but for an onset in the hour that began so many hours ago."""
    values = quiet(hours * HOUR)
    values[len(values) - back * HOUR + 3] = height
    return values


@pytest.mark.parametrize("back", [1, 2, 12, 23, 24, 25, 47, 48, 49])
def test_the_last_twelve_hours_and_those_around_the_same_hour_count(back: int) -> None:
    assert of(at_hours_ago(72, back, 90.0)).hourly[-1] == 90.0


@pytest.mark.parametrize("back", [13, 22, 26, 46, 50])
def test_other_hours_do_not(back: int) -> None:
    assert set(of(at_hours_ago(72, back, 90.0)).hourly) == {0.0}


@pytest.mark.parametrize(
    ("values", "count"),
    [
        pytest.param(quiet(HOUR - 1), 0, id="less than an hour"),
        pytest.param(quiet(HOUR), 1, id="an hour"),
        pytest.param(quiet(20 * HOUR), 12, id="twenty hours"),
        pytest.param(quiet(25 * HOUR), 15, id="a day and an hour"),
        pytest.param(quiet(14 * DAY), 53, id="two weeks"),
        pytest.param(
            [None] * 13 * DAY + quiet(DAY), 14, id="a day after thirteen of which nothing is known"
        ),
        pytest.param([None] * (DAY - HOUR - 1) + quiet(HOUR + 1), 1, id="an hour and a bit"),
        pytest.param([None] * DAY, 0, id="nothing"),
    ],
)
def test_hours_count_as_far_back_as_anything_is_known(values: Values, count: int) -> None:
    assert of(values).hourly == (0.0,) * count


def test_each_hour_gives_its_highest_onset_sorted() -> None:
    assert of([*burst(50.0), *burst(30.0), *quiet(HOUR), *burst(40.0)]).hourly == (
        0.0,
        30.0,
        40.0,
        50.0,
    )


# the same minutes of past days


def test_a_slot_is_the_quarter_of_an_hour_that_begins_then_on_each_past_day() -> None:
    days = quiet(3 * DAY)
    days[DAY + 5], days[2 * DAY + 6] = 50.0, 70.0
    daily = of(days).daily
    assert len(daily) == past.SLOTS == 25
    assert daily[2:8] == (
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 50.0),
        (0.0, 50.0, 70.0),
        (0.0, 50.0, 70.0),
        (0.0, 0.0, 70.0),
        (0.0, 0.0, 0.0),
    )


def test_days_that_are_not_known_are_no_days_without_an_onset() -> None:
    assert (
        {len(slot) for slot in of([None] * 5 * DAY + quiet(2 * DAY)).daily},
        {len(slot) for slot in of(quiet(DAY - past.SLOTS)).daily},
        of([None] * DAY).daily,
    ) == ({2}, {0}, ((),) * 25)


def test_a_day_that_began_within_the_hour_counts_from_where_it_is_known() -> None:
    assert [len(slot) for slot in of([None] * 7 + quiet(DAY - 7)).daily] == [0] * 7 + [1] * 18


# the same minutes of past weeks


@pytest.mark.parametrize(
    ("last", "before", "weekly"),
    [
        pytest.param(50.0, 40.0, 40.0, id="the lower of both weeks"),
        pytest.param(50.0, 10.0, 0.0, id="only last week"),
        pytest.param(10.0, 50.0, 0.0, id="only the week before"),
    ],
)
def test_an_onset_of_both_past_weeks_is_weekly(last: float, before: float, weekly: float) -> None:
    days = quiet(14 * DAY)
    days[7], days[7 * DAY + 6] = before, last
    assert of(days).weekly == (*[0.0] * 5, *[weekly] * 2, *[0.0] * 18)


def test_a_week_that_is_not_known_is_no_week() -> None:
    days = quiet(14 * DAY)
    days[0], days[7], days[7 * DAY + 7] = None, 50.0, 50.0
    assert of(days).weekly[4:9] == (0.0, 50.0, 50.0, 50.0, 0.0)
    assert set(of(days[8:]).weekly) == {0.0}


def test_the_lower_mean_of_a_day_and_a_week_ago_is_quiet() -> None:
    days: list[float | None] = [10.0] * (8 * DAY)
    days[-DAY + 3], days[DAY + 4], days[-DAY + 5], days[DAY + 5] = 2.0, 3.0, None, None
    assert of(days).quiet == (*[10.0] * 3, 2.0, 3.0, math.inf, *[10.0] * 19)
    assert set(of(days[-DAY + 6 :]).quiet[5:7]) == {math.inf, 10.0}
    assert all(len(of([1.0] * size).quiet) == 25 for size in (0, 1, DAY - 25, DAY - 24, DAY + 1))


# how high bursts go


@pytest.mark.parametrize(
    ("heights", "typical"),
    [
        pytest.param([50.0, 30.0], 0.0, id="two are too few"),
        pytest.param([50.0, 30.0, 40.0], 40.0, id="the middle of three"),
        pytest.param([50.0, 30.0, 40.0, 45.0], 45.0, id="the upper middle of four"),
        pytest.param([900.0] * 20 + [30.0] * 11 + [40.0] * 10, 30.0, id="the newest 21 alone"),
        pytest.param([], 0.0, id="none"),
    ],
)
def test_a_typical_burst_is_the_middle_one_of_the_newest(
    heights: list[float], typical: float
) -> None:
    assert of([value for height in heights for value in burst(height)]).typical_burst == typical


def test_a_bursts_peak_is_looked_for_within_a_quarter_of_an_hour() -> None:
    assert of([10.0, 10.0, 20.0, 25.0, 27.0, 29.0, 31.0, *quiet(5)] * 3).typical_burst == 29.0


def test_an_onset_in_steps_is_one_burst() -> None:
    stairs = [10.0, 10.0, 20.0, 40.0, 80.0, *quiet(7)]
    assert (of(stairs * 2).typical_burst, of(stairs * 3).typical_burst) == (0.0, 80.0)


def test_a_gap_within_a_burst_is_no_height() -> None:
    assert of([10.0, 10.0, 20.0, None, 30.0, *quiet(7)] * 3).typical_burst == 30.0


@pytest.mark.slow
@COSTLY
@given(st.lists(st.none() | st.floats(0, 1e6), max_size=2 * DAY))
def test_no_history_makes_a_summary_fail(values: Values) -> None:
    found = of(values)
    assert found.typical_burst <= found.highest
    for sample in (found.hourly, *found.daily):
        assert list(sample) == sorted(sample)
        assert all(0.0 <= onset <= found.highest for onset in sample)
