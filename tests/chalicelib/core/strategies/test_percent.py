"""The strategy `percent`: steps up where the newest periods are all hot or throttled; down to the
hour's peak, or by steps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.policy import Policy, ScalingStep
from chalicelib.core import scaling
from chalicelib.core.strategies import percent
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import BOTH, UP, Decision, Reason, Series
from tests.support.builders import (
    INDEX_WRITES,
    NOON,
    READS,
    WRITES,
    decide_with,
    observation,
    policy,
    series,
    steady,
    with_policy,
)

MINUTE = timedelta(minutes=1)
TWO = {"alarm_evaluation_periods": 2}
FIVE_MINUTES = {"alarm_period_seconds": 300}


def rows(**steps: Any) -> dict[str, tuple[ScalingStep, ...]]:
    """Return tables of steps: each row is (at, percent) or (at, percent, units)."""
    return {
        f"{name}_steps": tuple(ScalingStep(*row) for row in given) for name, given in steps.items()
    }


def up(
    consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any
) -> Recommendation:
    return percent.scale_up(
        observation(consumed=consumed, settings=policy(**(settings or {})), **fields), NOON
    )


def down(
    consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any
) -> Recommendation:
    return percent.scale_down(
        observation(consumed=consumed, settings=policy(**(settings or {})), **fields), NOON
    )


@pytest.mark.parametrize(
    ("consumed", "settings", "desired", "reason"),
    [
        pytest.param(80.0, {}, 150, Reason.UTILIZATION_HIGH, id="at the alarm's level"),
        pytest.param(79.9, {}, 100, Reason.AT_DESIRED, id="just below"),
        pytest.param(100.0, {}, 150, Reason.UTILIZATION_HIGH, id="all of the units"),
        pytest.param(
            300.0,
            {},
            450,
            Reason.UTILIZATION_HIGH,
            id="the bucket carries more: the step is taken from the demand",
        ),
        pytest.param(100.1, {}, 151, Reason.UTILIZATION_HIGH, id="… and rounded up"),
        pytest.param(
            series([300, 90]),
            TWO,
            150,
            Reason.UTILIZATION_HIGH,
            id="the demand is that of the newest period",
        ),
        pytest.param(
            80.0, {"increase_percent": 1}, 101, Reason.UTILIZATION_HIGH, id="a small step"
        ),
        pytest.param(
            80.0, {"increase_percent": 300}, 400, Reason.UTILIZATION_HIGH, id="a big step"
        ),
        pytest.param(80.0, {"alarm_percent": 81}, 100, Reason.AT_DESIRED, id="a higher level"),
        pytest.param(
            series([10, 90]), {}, 150, Reason.UTILIZATION_HIGH, id="the newest minute is enough"
        ),
        pytest.param(series([90, 10]), {}, 100, Reason.AT_DESIRED, id="the load fell since"),
        pytest.param(series([90, 90]), TWO, 150, Reason.UTILIZATION_HIGH, id="two of two hot"),
        pytest.param(series([10, 90]), TWO, 100, Reason.AT_DESIRED, id="one of two hot"),
        pytest.param(series([None, 90]), TWO, 100, Reason.NO_DATA, id="one of two unknown"),
        pytest.param(
            series([40, 100, 80, 80, 100]),
            FIVE_MINUTES,
            150,
            Reason.UTILIZATION_HIGH,
            id="the period's mean is hot",
        ),
        pytest.param(
            series([39, 100, 80, 80, 100]),
            FIVE_MINUTES,
            100,
            Reason.AT_DESIRED,
            id="the period's mean is not",
        ),
        pytest.param(None, {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(series([None, None]), {}, 100, Reason.NO_DATA, id="gaps alone"),
        pytest.param(
            steady(90, end=NOON - 10 * MINUTE),
            {},
            150,
            Reason.UTILIZATION_HIGH,
            id="ten minutes old",
        ),
        pytest.param(
            steady(90, end=NOON - 11 * MINUTE), {}, 100, Reason.NO_DATA, id="eleven minutes old"
        ),
        pytest.param(
            series([90, 90]), FIVE_MINUTES, 100, Reason.NO_DATA, id="less than a period is known"
        ),
    ],
)
def test_one_step_up_where_the_newest_periods_are_all_hot(
    consumed: Series | float | None, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    advice = up(consumed, settings)
    assert (advice.desired, advice.reason) == (desired, reason)


@pytest.mark.parametrize(("provisioned", "desired"), [(1, 2), (2, 3), (3, 5), (39_999, 59_999)])
def test_a_step_is_rounded_up_so_that_one_unit_can_grow(provisioned: int, desired: int) -> None:
    assert up(float(provisioned), provisioned=provisioned).desired == desired


@pytest.mark.parametrize(
    ("consumed", "settings", "desired"),
    [
        pytest.param(90.0, {"increase_units": 70}, 170, id="more units than the percentage gives"),
        pytest.param(90.0, {"increase_units": 30}, 150, id="fewer"),
        pytest.param(90.0, {"increase_units": 30, "increase_percent": 0}, 130, id="units alone"),
        pytest.param(
            300.0,
            {"increase_units": 30, "increase_percent": 0},
            330,
            id="units on top of the demand",
        ),
        pytest.param(70.0, {"increase_units": 30}, 100, id="not hot"),
    ],
)
def test_the_step_is_the_larger_of_percent_and_units(
    consumed: float, settings: dict[str, Any], desired: int
) -> None:
    assert up(consumed, settings).desired == desired


@pytest.mark.parametrize(
    ("consumed", "desired"),
    [
        pytest.param(69.9, 100, id="below the first row"),
        pytest.param(70.0, 110, id="at the first row, though the alarm's level is not reached"),
        pytest.param(89.9, 110, id="below the second"),
        pytest.param(90.0, 150, id="at the second, whose units are more than its percentage"),
        pytest.param(119.9, 170, id="… of the demand"),
        pytest.param(120.0, 240, id="at the last"),
        pytest.param(500.0, 1_000, id="far above the last"),
        pytest.param(
            series([120.0, 70.0]), 110, id="the newest period alone, as the alarm has one"
        ),
    ],
)
def test_instead_of_one_step_the_highest_row_that_consumption_has_reached(
    consumed: Series | float, desired: int
) -> None:
    # the rows may stand in any order
    advice = up(
        consumed, {"alarm_percent": 80, **rows(increase=[(90, 30, 50), (120, 100), (70, 10)])}
    )
    assert (advice.desired, advice.reason) == (
        desired,
        Reason.AT_DESIRED if desired == 100 else Reason.UTILIZATION_HIGH,
    )


def test_a_row_without_a_step_raises_nothing() -> None:
    advice = up(300.0, rows(increase=[(0, 0), (400, 50)]))
    assert (advice.desired, advice.reason) == (100, Reason.AT_DESIRED)


def test_of_several_periods_the_lowest_names_the_row() -> None:
    steps = rows(increase=[(70, 10), (90, 50)])
    assert (
        up(series([70.0, 95.0]), {**TWO, **steps}).desired,
        up(series([95.0, 91.0]), {**TWO, **steps}).desired,
    ) == (110, 150)


PROVISIONED = rows(throttled_provisioned=[(0, 10), (5, 50)])
CONSUMED = rows(throttled_consumed=[(10, 20), (50, 100)])


@pytest.mark.parametrize(
    ("consumed", "throttled", "settings", "desired"),
    [
        pytest.param(
            30.0,
            1.0,
            PROVISIONED,
            110,
            id="one percent of the provisioned units: a hot partition, far below the alarm",
        ),
        pytest.param(30.0, 5.0, PROVISIONED, 150, id="five percent"),
        pytest.param(30.0, 0.0, PROVISIONED, 100, id="none, and the row at 0 is not reached"),
        pytest.param(30.0, 2.9, CONSUMED, 100, id="less than a tenth of the consumed units"),
        pytest.param(30.0, 3.0, CONSUMED, 120, id="a tenth"),
        pytest.param(30.0, 15.0, CONSUMED, 200, id="half"),
        pytest.param(
            0.0, 0.1, CONSUMED, 200, id="nothing is consumed, so that it is more than any share"
        ),
        pytest.param(
            30.0,
            0.5,
            {"throttled_events": 30},
            100,
            id="30 a minute, and more than 30 are asked for",
        ),
        pytest.param(
            30.0, 31 / 60, {"throttled_events": 30}, 150, id="31 a minute: the plain step"
        ),
        pytest.param(
            30.0,
            1.0,
            {"throttled_events": 30, "increase_units": 70},
            170,
            id="… which may be one of units",
        ),
        pytest.param(
            30.0, 300.0, {}, 100, id="without a setting about it, throttling raises nothing"
        ),
        pytest.param(30.0, 5.0, {**PROVISIONED, **CONSUMED}, 150, id="the larger of two steps"),
        pytest.param(30.0, 15.0, {**PROVISIONED, **CONSUMED}, 200, id="… the other one"),
        pytest.param(79.0, 61.0, PROVISIONED, 210, id="of the demand, where that is more"),
        pytest.param(None, 5.0, PROVISIONED, 150, id="consumption is unknown, throttling is not"),
    ],
)
def test_throttling_raises_by_the_steps_about_it(
    consumed: float | None, throttled: float, settings: dict[str, Any], desired: int
) -> None:
    advice = up(consumed, settings, throttled=throttled)
    assert (advice.desired, advice.reason is Reason.THROTTLED) == (desired, desired > 100)


@pytest.mark.parametrize(
    ("throttled", "settings", "desired", "reason"),
    [
        pytest.param(1.0, {}, 150, Reason.UTILIZATION_HIGH, id="consumption asks for more"),
        pytest.param(
            5.0,
            rows(throttled_provisioned=[(5, 60)]),
            160,
            Reason.THROTTLED,
            id="throttling asks for more",
        ),
        pytest.param(
            5.0,
            {"throttled_events": 30},
            150,
            Reason.UTILIZATION_HIGH,
            id="both for the same, and not for both steps",
        ),
    ],
)
def test_of_all_causes_the_largest_step_is_taken_once(
    throttled: float, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    advice = up(90.0, settings, throttled=throttled)
    assert (advice.desired, advice.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("minutes_ago", "settings", "desired"),
    [
        pytest.param(1, {}, 150, id="in the newest minute"),
        pytest.param(2, {}, 100, id="before it, and the alarm's period is a minute"),
        pytest.param(5, FIVE_MINUTES, 150, id="in the alarm's five minutes"),
        pytest.param(6, FIVE_MINUTES, 100, id="before them"),
        pytest.param(
            12,
            {**FIVE_MINUTES, "alarm_evaluation_periods": 3},
            150,
            id="in the first of three periods",
        ),
    ],
)
def test_what_was_throttled_is_counted_within_the_alarms_periods(
    minutes_ago: int, settings: dict[str, Any], desired: int
) -> None:
    throttled = series([None] * (60 - minutes_ago) + [1.0] + [None] * (minutes_ago - 1))
    assert (
        up(30.0, {**settings, "throttled_events": 59}, throttled=throttled).desired,
        up(30.0, {**settings, "throttled_events": 60}, throttled=throttled).desired,
    ) == (desired, 100)


def test_throttling_may_be_shown_a_minute_before_consumption() -> None:
    throttled = series([None] * 59 + [5.0])
    assert (
        up(steady(30.0, end=NOON - MINUTE), PROVISIONED, throttled=throttled).reason,
        up(steady(30.0, end=NOON - 2 * MINUTE), PROVISIONED, throttled=throttled).reason,
    ) == (Reason.THROTTLED, Reason.THROTTLED)


def test_throttling_that_is_too_old_raises_nothing() -> None:
    old = NOON - 11 * MINUTE
    advice = up(steady(30.0, end=old), PROVISIONED, throttled=steady(5.0, end=old))
    assert (advice.desired, advice.reason) == (100, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("ago", "settings", "reason"),
    [
        pytest.param(0, {}, Reason.EVIDENCE_SPENT, id="raised just now"),
        pytest.param(
            1, {}, Reason.EVIDENCE_SPENT, id="the minute in which the increase was on its way"
        ),
        pytest.param(2, {}, Reason.THROTTLED, id="a minute with the new units"),
        pytest.param(5, FIVE_MINUTES, Reason.EVIDENCE_SPENT, id="the period began too early"),
        pytest.param(6, FIVE_MINUTES, Reason.THROTTLED, id="the period came after"),
    ],
)
def test_throttling_that_an_increase_has_answered_raises_nothing(
    ago: float, settings: dict[str, Any], reason: Reason
) -> None:
    advice = up(
        30.0, {**settings, **PROVISIONED}, throttled=5.0, last_increase_at=NOON - ago * MINUTE
    )
    assert (advice.desired, advice.reason) == (150 if reason is Reason.THROTTLED else 100, reason)


def test_where_one_cause_is_answered_another_may_still_raise() -> None:
    advice = up(
        90.0,
        rows(throttled_provisioned=[(1, 100)]),
        throttled=5.0,
        last_increase_at=NOON - MINUTE,
    )
    assert (advice.desired, advice.reason) == (150, Reason.UTILIZATION_HIGH)


@pytest.mark.parametrize(
    ("consumed", "throttled", "desired", "reason"),
    [
        pytest.param(
            series([30.0] * 5 + [90.0] * 5),
            None,
            100,
            Reason.AT_DESIRED,
            id="the newest five are left out",
        ),
        pytest.param(
            series([90.0] * 5 + [30.0] * 5),
            None,
            150,
            Reason.UTILIZATION_HIGH,
            id="… and those before are hot",
        ),
        pytest.param(
            series([90.0] * 4 + [None] + [30.0] * 5),
            None,
            150,
            Reason.UTILIZATION_HIGH,
            id="a gap, as one at the end",
        ),
        pytest.param(
            steady(90.0, end=NOON - 15 * MINUTE),
            None,
            150,
            Reason.UTILIZATION_HIGH,
            id="ten minutes older is fresh",
        ),
        pytest.param(
            steady(90.0, end=NOON - 16 * MINUTE), None, 100, Reason.NO_DATA, id="eleven are not"
        ),
        pytest.param(
            30.0,
            series([5.0] + [None] * 5),
            150,
            Reason.THROTTLED,
            id="throttled before the newest five",
        ),
        pytest.param(
            30.0, series([None] + [5.0] * 5), 100, Reason.AT_DESIRED, id="throttled in them"
        ),
        pytest.param(series([90.0] * 5), None, 100, Reason.NO_DATA, id="nothing is left"),
    ],
)
def test_the_newest_minutes_are_left_out_where_metrics_come_late(
    consumed: Series | float, throttled: Series | None, desired: int, reason: Reason
) -> None:
    advice = up(consumed, {"delay_minutes": 5, **PROVISIONED}, throttled=throttled)
    assert (advice.desired, advice.reason) == (desired, reason)


def test_with_a_delay_an_increase_is_not_repeated_before_its_own_minutes_count() -> None:
    late = {"delay_minutes": 5}
    assert (
        up(90.0, late, last_increase_at=NOON - 5 * MINUTE).reason,
        up(90.0, late, last_increase_at=NOON - 6 * MINUTE).reason,
    ) == (Reason.EVIDENCE_SPENT, Reason.UTILIZATION_HIGH)


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
def test_datapoints_that_an_increase_has_answered_raise_nothing(
    ago: float, settings: dict[str, Any], reason: Reason
) -> None:
    advice = up(90.0, settings, last_increase_at=NOON - ago * MINUTE)
    assert advice.reason is reason
    assert (advice.desired > 100) == (reason is Reason.UTILIZATION_HIGH)


def test_the_numbers_behind_a_step_are_the_load_and_the_level() -> None:
    assert (up(series([30, 90, 90])).numbers, up(None).numbers) == (
        {"alarm_level_units": 80.0, "consumed_units": 90.0},
        {"alarm_level_units": 80.0},
    )
    assert up(series([30, 90, 120]), throttled=series([0.5])).numbers == {
        "alarm_level_units": 80.0,
        "consumed_units": 120.0,
        "throttled_units": 0.5,
        "throttled_events": 30,
        "base_units": 120.5,
    }


@pytest.mark.parametrize(
    ("consumed", "settings", "desired", "reason"),
    [
        pytest.param(
            26.0,
            {},
            40,
            Reason.UTILIZATION_LOW,
            id="the peak is at target_percent of the new units",
        ),
        pytest.param(26.1, {}, 41, Reason.UTILIZATION_LOW, id="rounded up"),
        pytest.param(0.0, {}, 1, Reason.UTILIZATION_LOW, id="idle, as CloudWatch says with zeros"),
        pytest.param(26.0, {"target_percent": 26}, 100, Reason.AT_DESIRED, id="it fits exactly"),
        pytest.param(90.0, {}, 100, Reason.AT_DESIRED, id="it is too small already"),
        pytest.param(52.0, {}, 80, Reason.UTILIZATION_LOW, id="just worth it"),
        pytest.param(52.1, {}, 81, Reason.NOT_WORTH_IT, id="not worth it"),
        pytest.param(
            64.0,
            {"min_decrease_percent": 1},
            99,
            Reason.UTILIZATION_LOW,
            id="one percent is worth it",
        ),
        pytest.param(
            series([60.0] + [10.0] * 59),
            {},
            93,
            Reason.NOT_WORTH_IT,
            id="a peak 60 minutes ago counts",
        ),
        pytest.param(
            series([60.0] + [10.0] * 60),
            {},
            16,
            Reason.UTILIZATION_LOW,
            id="a peak 61 minutes ago does not",
        ),
        pytest.param(None, {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(
            steady(10.0, minutes=58), {}, 100, Reason.NO_DATA, id="less than an hour is known"
        ),
        pytest.param(
            steady(10.0, minutes=59), {}, 16, Reason.UTILIZATION_LOW, id="an hour is known, nearly"
        ),
        pytest.param(
            series([10.0] * 30 + [None] + [10.0] * 30),
            {},
            100,
            Reason.NO_DATA,
            id="a gap is unknown",
        ),
        pytest.param(
            series([None] + [10.0] * 60),
            {},
            16,
            Reason.UTILIZATION_LOW,
            id="an old gap does not matter",
        ),
        pytest.param(
            steady(10.0, end=NOON - 5 * MINUTE),
            {},
            16,
            Reason.UTILIZATION_LOW,
            id="five minutes old",
        ),
        pytest.param(
            steady(10.0, end=NOON - 6 * MINUTE), {}, 100, Reason.NO_DATA, id="six minutes old"
        ),
    ],
)
def test_down_to_what_the_last_hours_peak_needs(
    consumed: Series | float | None, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    advice = down(consumed, settings)
    assert (advice.desired, advice.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("minutes_ago", "desired", "reason"),
    [
        pytest.param(1, 100, Reason.THROTTLED_RECENTLY, id="just now"),
        pytest.param(60, 100, Reason.THROTTLED_RECENTLY, id="an hour ago"),
        pytest.param(61, 16, Reason.UTILIZATION_LOW, id="longer ago"),
    ],
)
def test_throttling_within_the_hour_forbids_a_decrease(
    minutes_ago: int, desired: int, reason: Reason
) -> None:
    advice = down(
        10.0, throttled=series([None] * (180 - minutes_ago) + [0.5] + [None] * (minutes_ago - 1))
    )
    assert (advice.desired, advice.reason) == (desired, reason)


def test_the_numbers_behind_a_decrease_are_the_peak_and_the_throttling() -> None:
    assert (down(10.0, throttled=0.25).numbers, down(series([10.0, None, 10.0])).numbers) == (
        {"peak_units": 10.0, "throttled_units": 0.25},
        {"minutes_known": 2},
    )


def test_a_decrease_leaves_the_peak_below_every_row_of_steps_up() -> None:
    assert (
        down(26.0, rows(increase=[(50, 0), (60, 10)])).desired == 44
    )  # at 43 units, 26 are 60.5 percent
    assert down(26.0, rows(increase=[(70, 10)])).desired == 40


@pytest.mark.parametrize(
    ("consumed", "desired"),
    [
        pytest.param(
            series([60.0] * 10 + [10.0] * 65), 16, id="the newest five and the hour before"
        ),
        pytest.param(series([10.0] * 70 + [90.0] * 5), 16, id="a rise within the newest five"),
        pytest.param(
            steady(10.0, end=NOON - 10 * MINUTE), 16, id="ten minutes old, five of them left out"
        ),
        pytest.param(steady(10.0, end=NOON - 11 * MINUTE), 100, id="eleven"),
    ],
)
def test_a_decrease_leaves_the_newest_minutes_out_too(consumed: Series, desired: int) -> None:
    assert down(consumed, {"delay_minutes": 5}).desired == desired


def test_throttling_is_never_left_out() -> None:
    late = {"delay_minutes": 5}
    throttled = series([None] * 59 + [0.5])
    assert (
        down(10.0, late, throttled=throttled).reason,
        down(10.0, {**late, "lower_percent": 30}, throttled=throttled).reason,
    ) == (Reason.THROTTLED_RECENTLY, Reason.THROTTLED_RECENTLY)


# down by steps

LOW = {"lower_percent": 30}
THREE = {**LOW, "decrease_checks": 3}


@pytest.mark.parametrize(
    ("consumed", "settings", "desired", "reason"),
    [
        pytest.param(30.0, LOW, 50, Reason.UTILIZATION_LOW, id="at lower_percent: half"),
        pytest.param(30.1, LOW, 100, Reason.AT_DESIRED, id="just above it"),
        pytest.param(
            30.0,
            {**LOW, "decrease_percent": 10},
            90,
            Reason.UTILIZATION_LOW,
            id="a small step, however little that is",
        ),
        pytest.param(
            10.0,
            {**LOW, "decrease_units": 70},
            30,
            Reason.UTILIZATION_LOW,
            id="units, which are more",
        ),
        pytest.param(
            10.0,
            {**LOW, "decrease_units": 20},
            50,
            Reason.UTILIZATION_LOW,
            id="units, which are fewer",
        ),
        pytest.param(
            0.0,
            {**LOW, "decrease_percent": 0, "decrease_units": 20},
            80,
            Reason.UTILIZATION_LOW,
            id="units alone",
        ),
        pytest.param(
            30.0,
            {**LOW, "decrease_percent": 80},
            38,
            Reason.UTILIZATION_LOW,
            id="the peak stays below the alarm's level",
        ),
        pytest.param(
            24.0,
            {**LOW, "decrease_percent": 99},
            31,
            Reason.UTILIZATION_LOW,
            id="… below, not at it",
        ),
        pytest.param(
            30.0,
            {**LOW, "decrease_units": 95, "alarm_percent": 100},
            31,
            Reason.UTILIZATION_LOW,
            id="never what is used",
        ),
        pytest.param(
            0.0,
            {**LOW, "decrease_units": 500},
            1,
            Reason.UTILIZATION_LOW,
            id="idle, and a step of more than there is",
        ),
        pytest.param(
            0.0, {**LOW, "min_units": 70}, 70, Reason.UTILIZATION_LOW, id="down to the minimum"
        ),
        pytest.param(
            30.0,
            {**LOW, "increase_steps": (ScalingStep(40, 10),)},
            76,
            Reason.UTILIZATION_LOW,
            id="below the first row up",
        ),
        # so many periods, one after the other
        pytest.param(series([10.0] * 3), THREE, 50, Reason.UTILIZATION_LOW, id="three low periods"),
        pytest.param(series([10.0] * 2), THREE, 100, Reason.TOO_FEW_CHECKS, id="two are known"),
        pytest.param(
            series([40.0, 10.0, 10.0]),
            THREE,
            100,
            Reason.TOO_FEW_CHECKS,
            id="the third was not low",
        ),
        pytest.param(
            series([10.0, 10.0, 10.0, 40.0]),
            THREE,
            100,
            Reason.AT_DESIRED,
            id="the newest is not low",
        ),
        pytest.param(
            series([10.0, None, 10.0, 10.0]), THREE, 100, Reason.NO_DATA, id="the third is missing"
        ),
        pytest.param(
            series([None, 10.0, 10.0, 10.0]), THREE, 50, Reason.UTILIZATION_LOW, id="the fourth is"
        ),
        pytest.param(None, THREE, 100, Reason.NO_DATA, id="no data"),
        pytest.param(
            steady(0.0, end=NOON - 5 * MINUTE),
            THREE,
            50,
            Reason.UTILIZATION_LOW,
            id="five minutes old",
        ),
        pytest.param(
            steady(0.0, end=NOON - 6 * MINUTE), THREE, 100, Reason.NO_DATA, id="six minutes old"
        ),
        # in between
        pytest.param(
            series([10.0, 40.0, 10.0, 40.0, 10.0]),
            {**THREE, "check_reset_percent": 50},
            51,
            Reason.UTILIZATION_LOW,
            id="a period in between neither counts nor resets",
        ),
        pytest.param(
            series([10.0, 50.0, 10.0, 10.0]),
            {**THREE, "check_reset_percent": 50},
            100,
            Reason.TOO_FEW_CHECKS,
            id="at the reset",
        ),
        pytest.param(
            series([10.0, 10.0, 10.0, 40.0]),
            {**THREE, "check_reset_percent": 50},
            100,
            Reason.AT_DESIRED,
            id="nor the newest",
        ),
        pytest.param(
            series([10.0, 49.0, 10.0, 10.0]),
            {**THREE, "check_reset_percent": 50, "decrease_percent": 90},
            62,
            Reason.UTILIZATION_LOW,
            id="its peak counts all the same",
        ),
        pytest.param(
            series([10.0, 31.0, 10.0, 10.0]),
            {**THREE, "check_reset_percent": 20},
            100,
            Reason.TOO_FEW_CHECKS,
            id="below",
        ),
        # periods of more minutes
        pytest.param(
            series([0.0, 0.0, 0.0, 75.0, 75.0]),
            {**LOW, **FIVE_MINUTES},
            94,
            Reason.UTILIZATION_LOW,
            id="mean and peak",
        ),
        pytest.param(
            series([0.0, 0.0, 1.0, 75.0, 75.0]),
            {**LOW, **FIVE_MINUTES},
            100,
            Reason.AT_DESIRED,
            id="the mean is above",
        ),
        pytest.param(
            series([10.0] * 4),
            {**LOW, **FIVE_MINUTES},
            100,
            Reason.TOO_FEW_CHECKS,
            id="less than a period",
        ),
        pytest.param(
            series([10.0, 10.0, None, 10.0, 10.0]),
            {**LOW, **FIVE_MINUTES},
            100,
            Reason.NO_DATA,
            id="a minute is missing",
        ),
    ],
)
def test_down_by_a_step_where_the_newest_periods_were_low(
    consumed: Series | float | None, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    advice = down(consumed, settings)
    assert (advice.desired, advice.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("consumed", "desired"),
    [
        pytest.param(0.0, 10, id="the lowest row that is not exceeded"),
        pytest.param(0.1, 80, id="above the first"),
        pytest.param(20.0, 80, id="at the second"),
        pytest.param(21.0, 100, id="above the last, though it is low"),
    ],
)
def test_the_row_down_is_the_lowest_that_consumption_does_not_exceed(
    consumed: float, desired: int
) -> None:
    advice = down(consumed, {**LOW, **rows(decrease=[(20, 10, 20), (0, 90)])})
    assert (advice.desired, advice.reason) == (
        desired,
        Reason.AT_DESIRED if desired == 100 else Reason.UTILIZATION_LOW,
    )


def test_of_the_low_periods_the_highest_names_the_row() -> None:
    steps = rows(decrease=[(5, 90), (20, 10)])
    assert (
        down(series([15.0, 0.0, 0.0]), {**THREE, **steps}).desired,
        down(series([40.0, 0.0, 0.0, 0.0]), {**THREE, **steps}).desired,
    ) == (90, 10)


@pytest.mark.parametrize(
    ("settings", "provisioned", "desired"),
    [
        pytest.param({"decrease_percent": 10}, 5, 4, id="less than a unit is one"),
        pytest.param({"decrease_percent": 50}, 3, 2, id="one and a half is one"),
        pytest.param({"decrease_percent": 50}, 2, 1, id="two go to one"),
        pytest.param(rows(decrease=[(30, 1)]), 50, 49, id="a row's, too"),
        pytest.param(rows(decrease=[(30, 0, 0)]), 50, 50, id="but none where the row says none"),
    ],
)
def test_a_step_down_moves_at_least_one_unit(
    settings: dict[str, Any], provisioned: int, desired: int
) -> None:
    assert down(0.0, {**LOW, **settings}, provisioned=provisioned).desired == desired


@pytest.mark.parametrize("change", ["last_increase_at", "last_decrease_at"])
@pytest.mark.parametrize(
    ("ago", "reason"),
    [
        pytest.param(0, Reason.TOO_FEW_CHECKS, id="just now"),
        pytest.param(2.5, Reason.TOO_FEW_CHECKS, id="two whole minutes ago"),
        pytest.param(3, Reason.UTILIZATION_LOW, id="three"),
    ],
)
def test_only_periods_since_the_last_change_of_capacity_count(
    change: str, ago: float, reason: Reason
) -> None:
    assert down(10.0, THREE, **{change: NOON - ago * MINUTE}).reason is reason


def test_of_an_increase_and_a_decrease_the_later_begins_the_count() -> None:
    early, late = NOON - 30 * MINUTE, NOON - 2 * MINUTE
    assert (
        down(10.0, THREE, last_increase_at=late, last_decrease_at=early).reason,
        down(10.0, THREE, last_increase_at=early, last_decrease_at=late).reason,
    ) == (Reason.TOO_FEW_CHECKS, Reason.TOO_FEW_CHECKS)


@pytest.mark.parametrize(
    ("minutes_ago", "reason"),
    [
        pytest.param(1, Reason.THROTTLED_RECENTLY, id="in the newest"),
        pytest.param(3, Reason.THROTTLED_RECENTLY, id="in the oldest"),
        pytest.param(4, Reason.UTILIZATION_LOW, id="before them"),
    ],
)
@pytest.mark.parametrize("target", [READS, INDEX_WRITES])
def test_throttling_within_the_low_periods_forbids_a_step_down(
    target: Any, minutes_ago: int, reason: Reason
) -> None:
    throttled = series([None] * (60 - minutes_ago) + [0.5] + [None] * (minutes_ago - 1))
    assert down(10.0, THREE, target=target, throttled=throttled).reason is reason


def test_the_numbers_behind_a_step_down_are_the_checks_and_the_peak() -> None:
    assert down(series([40.0, 10.0, 20.0]), THREE).numbers == {
        "lower_level_units": 30.0,
        "low_checks": 2,
        "checks_needed": 3,
    }
    assert down(series([25.0, 10.0, 20.0]), THREE, throttled=0.0).numbers == {
        "lower_level_units": 30.0,
        "low_checks": 3,
        "checks_needed": 3,
        "consumed_units": 20.0,
        "peak_units": 25.0,
        "throttled_units": 0.0,
    }


# mistakes that others made


def decide(settings: dict[str, Any] | None = None, **fields: Any) -> Decision:
    return decide_with(observation(**fields), policy(**(settings or {})), NOON, BOTH)


def test_a_step_beyond_the_maximum_goes_to_the_maximum() -> None:
    found = decide({"max_units": 200}, consumed=250.0)
    assert (found.desired, found.reason) == (200, Reason.UTILIZATION_HIGH)


def test_a_minimum_far_above_is_reached_at_once() -> None:
    assert decide({"min_units": 5_000}, consumed=0.0, provisioned=1).desired == 5_000


@pytest.mark.parametrize("step", [1, 10, 49])
def test_one_unit_grows_by_however_small_a_step(step: int) -> None:
    assert decide({"increase_percent": step}, consumed=1.0, provisioned=1).desired == 2


def test_what_was_throttled_once_is_answered_once() -> None:
    """Two looks a minute: the increase is on its way at the first, holds at the second, and the
    metrics are a minute late."""
    settings = policy(throttled_events=1, **rows(throttled_provisioned=[(1, 100)]))
    throttled, units, raised_at, changes = steady(50.0, 1, NOON), 100, None, []
    for half in range(12):
        now = NOON + half * MINUTE / 2
        seen = observation(
            provisioned=units,
            consumed=steady(30.0, end=NOON),
            throttled=throttled,
            last_increase_at=raised_at,
        )
        found = decide_with(seen, settings, now, UP)
        if found.changes:
            units, raised_at = found.desired, now
            changes.append(half)
    assert (changes, units) == ([0], 200)


@pytest.mark.parametrize("settings", [{}, LOW, {"scale_down_at_zero": False}])
@pytest.mark.parametrize("consumed", [None, steady(None), series([0.0] * 60 + [None] * 7)])
def test_missing_data_is_not_zero(settings: dict[str, Any], consumed: Series | None) -> None:
    found = decide(settings, consumed=consumed)
    assert (found.desired, found.reason) == (100, Reason.NO_DATA)


@pytest.mark.parametrize("writes", [60.0, None])
def test_where_both_are_to_go_down_together_a_low_one_does_not_go_alone(
    writes: float | None,
) -> None:
    settings = {"decrease_together": True, **LOW}
    found = [decide(settings, consumed=0.0), decide(settings, target=WRITES, consumed=writes)]
    assert next((d.desired, d.reason) for d in scaling.coordinate_dimensions(found)) == (
        100,
        Reason.OTHER_NOT_LOW,
    )
    found[1] = decide(settings, target=WRITES, consumed=0.0)
    assert [d.desired for d in scaling.coordinate_dimensions(found)] == [50, 50]


def test_a_budget_that_is_used_up_keeps_decreases_only() -> None:
    spent = {"decreases_today": 4, "last_decrease_at": NOON - 30 * MINUTE}
    assert (
        decide(LOW, consumed=0.0, **spent).reason,
        decide(LOW, consumed=90.0, **spent).desired,
    ) == (Reason.BUDGET_USED_UP, 150)


def test_rows_down_hold_for_an_index_as_for_a_table() -> None:
    assert (
        decide({**LOW, **rows(decrease=[(30, 20)])}, target=INDEX_WRITES, consumed=0.0).desired
        == 80
    )


# laws

RATES = st.lists(st.none() | st.floats(0, 1e5), max_size=70)


@given(RATES, st.integers(1, 40_000), st.integers(1, 60), st.integers(1, 5))
def test_no_series_makes_the_strategy_fail(
    values: list[float | None], provisioned: int, minutes: int, periods: int
) -> None:
    seen = observation(provisioned=provisioned, consumed=series(values))
    settings = policy(alarm_period_seconds=minutes * 60, alarm_evaluation_periods=periods)
    assert percent.scale_up(with_policy(seen, settings), NOON).desired >= provisioned
    assert percent.scale_down(with_policy(seen, settings), NOON).desired <= provisioned


@given(
    st.lists(st.floats(0, 1e5), min_size=60, max_size=60), st.floats(0, 1e5), st.integers(1, 40_000)
)
def test_more_load_never_wants_less(values: list[float], more: float, provisioned: int) -> None:
    little, much = (
        observation(provisioned=provisioned, consumed=series([v + add for v in values]))
        for add in (0.0, more)
    )
    for strategy in (percent.scale_up, percent.scale_down):
        assert (
            strategy(with_policy(little, policy()), NOON).desired
            <= strategy(with_policy(much, policy()), NOON).desired
        )


STEPS = st.lists(
    st.builds(ScalingStep, st.floats(0.1, 300), st.integers(0, 200), st.integers(0, 500)),
    max_size=3,
).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return policy(
        increase_percent=draw(st.integers(0, 200)),
        increase_units=draw(st.integers(0, 500)),
        increase_steps=draw(STEPS),
        throttled_provisioned_steps=draw(STEPS),
        throttled_consumed_steps=draw(STEPS),
        throttled_events=draw(st.integers(0, 500)),
        delay_minutes=draw(st.integers(0, 10)),
        lower_percent=draw(st.integers(0, 79)),
        decrease_percent=draw(st.integers(0, 99)),
        decrease_steps=draw(STEPS),
        decrease_checks=draw(st.integers(1, 5)),
        check_reset_percent=draw(st.integers(0, 100)),
        alarm_period_seconds=60 * draw(st.integers(1, 5)),
        alarm_evaluation_periods=draw(st.integers(1, 3)),
    )


@given(RATES, RATES, st.integers(1, 40_000), policies(), st.none() | st.integers(0, 90))
def test_no_settings_make_the_strategy_fail(
    consumed: list[float | None],
    throttled: list[float | None],
    provisioned: int,
    settings: Policy,
    ago: int | None,
) -> None:
    raised_at = None if ago is None else NOON - ago * MINUTE
    seen = observation(
        provisioned=provisioned,
        consumed=series(consumed),
        throttled=series(throttled),
        last_increase_at=raised_at,
    )
    assert percent.scale_up(with_policy(seen, settings), NOON).desired >= provisioned
    assert percent.scale_down(with_policy(seen, settings), NOON).desired <= provisioned


@given(st.lists(st.floats(0, 1e5), min_size=60, max_size=60), st.integers(2, 40_000), policies())
def test_a_decrease_calls_for_no_increase(
    values: list[float], provisioned: int, settings: Policy
) -> None:
    seen = observation(provisioned=provisioned, consumed=series(values))
    advice = percent.scale_down(with_policy(seen, settings), NOON)
    if advice.reason is Reason.UTILIZATION_LOW:
        assert (
            percent.scale_up(
                replace(seen, provisioned=advice.desired, policy=settings), NOON
            ).desired
            == advice.desired
        )
