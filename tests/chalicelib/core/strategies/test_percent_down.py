"""The strategy `percent`: down to what the peak of the hour needs, or by steps."""

from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.types import ScalingStep
from chalicelib.core.strategies import percent
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import Reason, Series
from tests.support.builders import (
    INDEX_WRITES,
    MINUTE,
    NOON,
    READS,
    observation,
    outcome,
    policy,
    rows,
    series,
    steady,
)

FIVE_MINUTES = {"alarm_period_seconds": 300}


def down(
    consumed: Series | float | None, settings: dict[str, Any] | None = None, **fields: Any
) -> Recommendation:
    return percent.scale_down(
        observation(consumed=consumed, settings=policy(**(settings or {})), **fields), NOON
    )


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
    assert outcome(down(consumed, settings)) == (desired, reason)


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
    assert outcome(
        down(
            10.0,
            throttled=series([None] * (180 - minutes_ago) + [0.5] + [None] * (minutes_ago - 1)),
        )
    ) == (desired, reason)


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
    assert outcome(down(consumed, settings)) == (desired, reason)


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
    assert outcome(down(consumed, {**LOW, **rows(decrease=[(20, 10, 20), (0, 90)])})) == (
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


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param([100.0] * 6, Reason.UTILIZATION_LOW, id="the writes changed"),
        pytest.param([100.0] * 3, Reason.UTILIZATION_LOW, id="for as long as is known"),
        pytest.param([80.0, 100.0, 100.0], Reason.UTILIZATION_LOW, id="first these, then those"),
        pytest.param([100.0, 80.0, 100.0], Reason.TOO_FEW_CHECKS, id="these within five minutes"),
        pytest.param([100.0, 100.0, 200.0], Reason.TOO_FEW_CHECKS, id="these were lowered"),
        pytest.param([100.0, 100.0, None], Reason.TOO_FEW_CHECKS, id="a gap tells nothing"),
        pytest.param([], Reason.TOO_FEW_CHECKS, id="nothing is known"),
    ],
)
def test_a_change_of_the_other_dimension_does_not_begin_the_count_anew(
    shown: list[float | None], reason: Reason
) -> None:
    seen = observation(consumed=10.0, settings=policy(**THREE), last_increase_at=NOON - MINUTE)
    seen = structs.replace(
        seen, metrics=structs.replace(seen.metrics, provisioned=series(shown, NOON, 300))
    )
    assert percent.scale_down(seen, NOON).reason is reason


def test_points_from_before_the_change_tell_nothing_of_it() -> None:
    seen = observation(consumed=10.0, settings=policy(**THREE), last_increase_at=NOON - MINUTE)
    old = series([100.0] * 3, NOON - 10 * MINUTE, 300)
    seen = structs.replace(seen, metrics=structs.replace(seen.metrics, provisioned=old))
    assert percent.scale_down(seen, NOON).reason is Reason.TOO_FEW_CHECKS


@pytest.mark.parametrize(
    ("minutes", "desired"),
    [pytest.param(60, 100, id="an hour"), pytest.param(30, 16, id="half an hour")],
)
def test_the_peak_is_that_of_peak_minutes(minutes: int, desired: int) -> None:
    fallen = series([90.0] * 30 + [10.0] * 30)
    assert down(fallen, {"peak_minutes": minutes}).desired == desired


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
    assert (
        down(
            10.0,
            THREE,
            target=target,
            throttled=series([None] * (60 - minutes_ago) + [0.5] + [None] * (minutes_ago - 1)),
        ).reason
        is reason
    )


def test_the_numbers_behind_a_step_down_are_the_checks_and_the_peak() -> None:
    assert (
        down(series([40.0, 10.0, 20.0]), THREE).numbers,
        down(series([25.0, 10.0, 20.0]), THREE, throttled=0.0).numbers,
    ) == (
        {
            "lower_level_units": 30.0,
            "low_checks": 2,
            "checks_needed": 3,
        },
        {
            "lower_level_units": 30.0,
            "low_checks": 3,
            "checks_needed": 3,
            "consumed_units": 20.0,
            "peak_units": 25.0,
            "throttled_units": 0.0,
        },
    )
