"""The strategy `percent`: one step up where the newest periods are all hot, down to what the last hour's peak needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import percent
from chalicelib.demand import Want
from chalicelib.model import Reason, Series
from tests.builders import NOON, observation, policy, series, steady

MINUTE = timedelta(minutes=1)
TWO = {"alarm_evaluation_periods": 2}
FIVE_MINUTES = {"alarm_period_seconds": 300}


def up(consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any) -> Want:
    return percent.raise_to(observation(consumed=consumed, **fields), policy(**(settings or {})), NOON)


def down(consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any) -> Want:
    return percent.lower_to(observation(consumed=consumed, **fields), policy(**(settings or {})), NOON)


@pytest.mark.parametrize(
    ("consumed", "settings", "desired", "reason"),
    [
        pytest.param(80.0, {}, 150, Reason.UTILIZATION_HIGH, id="at the alarm's level"),
        pytest.param(79.9, {}, 100, Reason.AT_DESIRED, id="just below"),
        pytest.param(300.0, {}, 150, Reason.UTILIZATION_HIGH, id="far above is one step all the same"),
        pytest.param(80.0, {"increase_percent": 1}, 101, Reason.UTILIZATION_HIGH, id="a small step"),
        pytest.param(80.0, {"increase_percent": 300}, 400, Reason.UTILIZATION_HIGH, id="a big step"),
        pytest.param(80.0, {"alarm_percent": 81}, 100, Reason.AT_DESIRED, id="a higher level"),
        pytest.param(series([10, 90]), {}, 150, Reason.UTILIZATION_HIGH, id="the newest minute is enough"),
        pytest.param(series([90, 10]), {}, 100, Reason.AT_DESIRED, id="the load fell since"),
        pytest.param(series([90, 90]), TWO, 150, Reason.UTILIZATION_HIGH, id="two of two hot"),
        pytest.param(series([10, 90]), TWO, 100, Reason.AT_DESIRED, id="one of two hot"),
        pytest.param(series([None, 90]), TWO, 100, Reason.NO_DATA, id="one of two unknown"),
        pytest.param(series([40, 100, 80, 80, 100]), FIVE_MINUTES, 150, Reason.UTILIZATION_HIGH, id="the period's mean is hot"),
        pytest.param(series([39, 100, 80, 80, 100]), FIVE_MINUTES, 100, Reason.AT_DESIRED, id="the period's mean is not"),
        pytest.param(None, {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(series([None, None]), {}, 100, Reason.NO_DATA, id="gaps alone"),
        pytest.param(steady(90, end=NOON - 10 * MINUTE), {}, 150, Reason.UTILIZATION_HIGH, id="ten minutes old"),
        pytest.param(steady(90, end=NOON - 11 * MINUTE), {}, 100, Reason.NO_DATA, id="eleven minutes old"),
        pytest.param(series([90, 90]), FIVE_MINUTES, 100, Reason.NO_DATA, id="less than a period is known"),
    ],
)
def test_one_step_up_where_the_newest_periods_are_all_hot(
    consumed: Series | float | None, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    want = up(consumed, settings)
    assert (want.desired, want.reason) == (desired, reason)


@pytest.mark.parametrize(("provisioned", "desired"), [(1, 2), (2, 3), (3, 5), (39_999, 59_999)])
def test_a_step_is_rounded_up_so_that_one_unit_can_grow(provisioned: int, desired: int) -> None:
    assert up(40_000.0, provisioned=provisioned).desired == desired


@pytest.mark.parametrize(
    ("ago", "settings", "reason"),
    [
        pytest.param(0, {}, Reason.EVIDENCE_SPENT, id="raised just now"),
        pytest.param(1, {}, Reason.UTILIZATION_HIGH, id="the newest minute came after"),
        pytest.param(1.5, {}, Reason.UTILIZATION_HIGH, id="and began after"),
        pytest.param(0.9, {}, Reason.EVIDENCE_SPENT, id="the newest minute began before"),
        pytest.param(1, TWO, Reason.EVIDENCE_SPENT, id="one of two periods is answered"),
        pytest.param(2, TWO, Reason.UTILIZATION_HIGH, id="both came after"),
        pytest.param(4, FIVE_MINUTES, Reason.EVIDENCE_SPENT, id="the period began before"),
        pytest.param(5, FIVE_MINUTES, Reason.UTILIZATION_HIGH, id="the period came after"),
    ],
)
def test_datapoints_that_an_increase_has_answered_raise_nothing(ago: float, settings: dict[str, Any], reason: Reason) -> None:
    want = up(90.0, settings, last_increase_at=NOON - ago * MINUTE)
    assert want.reason is reason
    assert (want.desired > 100) == (reason is Reason.UTILIZATION_HIGH)


def test_the_numbers_behind_a_step_are_the_load_and_the_level() -> None:
    assert up(series([30, 90, 90])).numbers == {"alarm_level_units": 80.0, "consumed_units": 90.0}
    assert up(None).numbers == {"alarm_level_units": 80.0}


@pytest.mark.parametrize(
    ("consumed", "settings", "desired", "reason"),
    [
        pytest.param(26.0, {}, 40, Reason.UTILIZATION_LOW, id="the peak is at target_percent of the new units"),
        pytest.param(26.1, {}, 41, Reason.UTILIZATION_LOW, id="rounded up"),
        pytest.param(0.0, {}, 1, Reason.UTILIZATION_LOW, id="idle, as CloudWatch says with zeros"),
        pytest.param(26.0, {"target_percent": 26}, 100, Reason.AT_DESIRED, id="it fits exactly"),
        pytest.param(90.0, {}, 100, Reason.AT_DESIRED, id="it is too small already"),
        pytest.param(52.0, {}, 80, Reason.UTILIZATION_LOW, id="just worth it"),
        pytest.param(52.1, {}, 81, Reason.NOT_WORTH_IT, id="not worth it"),
        pytest.param(64.0, {"min_decrease_percent": 1}, 99, Reason.UTILIZATION_LOW, id="one percent is worth it"),
        pytest.param(series([60.0] + [10.0] * 59), {}, 93, Reason.NOT_WORTH_IT, id="a peak 60 minutes ago counts"),
        pytest.param(series([60.0] + [10.0] * 60), {}, 16, Reason.UTILIZATION_LOW, id="a peak 61 minutes ago does not"),
        pytest.param(None, {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(steady(10.0, minutes=58), {}, 100, Reason.NO_DATA, id="less than an hour is known"),
        pytest.param(steady(10.0, minutes=59), {}, 16, Reason.UTILIZATION_LOW, id="an hour is known, nearly"),
        pytest.param(series([10.0] * 30 + [None] + [10.0] * 30), {}, 100, Reason.NO_DATA, id="a gap is unknown"),
        pytest.param(series([None] + [10.0] * 60), {}, 16, Reason.UTILIZATION_LOW, id="an old gap does not matter"),
        pytest.param(steady(10.0, end=NOON - 5 * MINUTE), {}, 16, Reason.UTILIZATION_LOW, id="five minutes old"),
        pytest.param(steady(10.0, end=NOON - 6 * MINUTE), {}, 100, Reason.NO_DATA, id="six minutes old"),
    ],
)
def test_down_to_what_the_last_hours_peak_needs(
    consumed: Series | float | None, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    want = down(consumed, settings)
    assert (want.desired, want.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("minutes_ago", "desired", "reason"),
    [
        pytest.param(1, 100, Reason.THROTTLED_RECENTLY, id="just now"),
        pytest.param(60, 100, Reason.THROTTLED_RECENTLY, id="an hour ago"),
        pytest.param(61, 16, Reason.UTILIZATION_LOW, id="longer ago"),
    ],
)
def test_throttling_within_the_hour_forbids_a_decrease(minutes_ago: int, desired: int, reason: Reason) -> None:
    throttled = series([None] * (180 - minutes_ago) + [0.5] + [None] * (minutes_ago - 1))
    want = down(10.0, throttled=throttled)
    assert (want.desired, want.reason) == (desired, reason)


def test_the_numbers_behind_a_decrease_are_the_peak_and_the_throttling() -> None:
    assert down(10.0, throttled=0.25).numbers == {"peak_units": 10.0, "throttled_units": 0.25}
    assert down(series([10.0, None, 10.0])).numbers == {"minutes_known": 2}


RATES = st.lists(st.none() | st.floats(0, 1e5), max_size=70)


@given(RATES, st.integers(1, 40_000), st.integers(1, 60), st.integers(1, 5))
def test_no_series_makes_the_strategy_fail(values: list[float | None], provisioned: int, minutes: int, periods: int) -> None:
    seen = observation(provisioned=provisioned, consumed=series(values))
    settings = policy(alarm_period_seconds=minutes * 60, alarm_evaluation_periods=periods)
    assert percent.raise_to(seen, settings, NOON).desired >= provisioned
    assert percent.lower_to(seen, settings, NOON).desired <= provisioned


@given(st.lists(st.floats(0, 1e5), min_size=60, max_size=60), st.floats(0, 1e5), st.integers(1, 40_000))
def test_more_load_never_wants_less(values: list[float], more: float, provisioned: int) -> None:
    little, much = (observation(provisioned=provisioned, consumed=series([v + add for v in values])) for add in (0.0, more))
    for strategy in (percent.raise_to, percent.lower_to):
        assert strategy(little, policy(), NOON).desired <= strategy(much, policy(), NOON).desired
