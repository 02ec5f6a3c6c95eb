"""The strategy `percent`: one step up where the newest periods are all hot or throttled."""

from typing import Any

import pytest

from chalicelib.core.strategies import percent
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import Reason, Series
from tests.support.builders import MINUTE, NOON, observation, outcome, policy, rows, series, steady

TWO = {"alarm_evaluation_periods": 2}
FIVE_MINUTES = {"alarm_period_seconds": 300}


def up(
    consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any
) -> Recommendation:
    return percent.scale_up(
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
        pytest.param(
            300.0,
            rows(increase=[(0, 0), (400, 50)]),
            100,
            Reason.AT_DESIRED,
            id="a row without a step",
        ),
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
    assert outcome(up(consumed, settings)) == (desired, reason)


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
    assert outcome(
        up(consumed, {"alarm_percent": 80, **rows(increase=[(90, 30, 50), (120, 100), (70, 10)])})
    ) == (
        desired,
        Reason.AT_DESIRED if desired == 100 else Reason.UTILIZATION_HIGH,
    )


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
            id="30 a minute, and the limit is 30",
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
    assert outcome(up(90.0, settings, throttled=throttled)) == (desired, reason)


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
    assert outcome(up(steady(30.0, end=old), PROVISIONED, throttled=steady(5.0, end=old))) == (
        100,
        Reason.NO_DATA,
    )


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
    assert outcome(
        up(30.0, {**settings, **PROVISIONED}, throttled=5.0, last_increase_at=NOON - ago * MINUTE)
    ) == (150 if reason is Reason.THROTTLED else 100, reason)


def test_where_one_cause_is_answered_another_may_still_raise() -> None:
    assert outcome(
        up(
            90.0,
            rows(throttled_provisioned=[(1, 100)]),
            throttled=5.0,
            last_increase_at=NOON - MINUTE,
        )
    ) == (150, Reason.UTILIZATION_HIGH)


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
    assert outcome(up(consumed, {"delay_minutes": 5, **PROVISIONED}, throttled=throttled)) == (
        desired,
        reason,
    )


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
    assert (
        up(series([30, 90, 90])).numbers,
        up(None).numbers,
        up(series([30, 90, 120]), throttled=series([0.5])).numbers,
    ) == (
        {"alarm_level_units": 80.0, "consumed_units": 90.0},
        {"alarm_level_units": 80.0},
        {
            "alarm_level_units": 80.0,
            "consumed_units": 120.0,
            "throttled_units": 0.5,
            "throttled_events": 30,
            "base_units": 120.5,
        },
    )
