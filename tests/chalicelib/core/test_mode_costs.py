"""The cheapest way through a week: which hours are on demand, and what a switch must save."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.windows import Window
from chalicelib.core.mode_costs import (
    APART_HOURS,
    MARGIN,
    TRANSITION_HOURS,
    WEEK_HOURS,
    HourCost,
    cheapest_way,
    coming_week,
)
from chalicelib.model import Dimension, Series, Target
from tests.support.builders import NOON, READS, WRITES, policy

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

UNIT = {Dimension.READ: 1.0, Dimension.WRITE: 5.0}
REQUEST = {Dimension.READ: 3.0, Dimension.WRITE: 15.0}
DEAR, CHEAP = HourCost(10.0, 1.0), HourCost(1.0, 10.0)


def week(*parts: tuple[HourCost, int]) -> list[HourCost]:
    """Return hours of these costs, repeated until the week is full."""
    hours = [hour for hour, count in parts for _ in range(count)]
    return (hours * WEEK_HOURS)[:WEEK_HOURS]


@pytest.mark.parametrize(
    ("hours", "on_demand", "rest", "expected"),
    [
        pytest.param(week((DEAR, 1)), False, 0, (True, WEEK_HOURS), id="to on demand at once"),
        pytest.param(week((CHEAP, 1)), False, 0, (False, 0), id="it stays provisioned"),
        pytest.param(week((CHEAP, 1)), True, 3, (True, 0), id="to provisioned, at any time"),
        pytest.param(week((DEAR, 1)), True, 0, (False, WEEK_HOURS), id="it stays on demand"),
        pytest.param(week((DEAR, 1)), False, 3, (False, WEEK_HOURS - 3), id="not before its time"),
        pytest.param(week((CHEAP, 12), (DEAR, 12)), False, 0, (False, 84), id="the nights"),
        pytest.param(week((DEAR, 12), (CHEAP, 12)), False, 0, (True, 84), id="it is night now"),
        pytest.param(
            week((HourCost(1.09, 1.0), 1)), False, 0, (False, 0), id="too little: the margin"
        ),
        pytest.param(
            week((HourCost(1.2, 1.0), 1)), False, 0, (True, WEEK_HOURS), id="enough: the margin"
        ),
        pytest.param(
            week((HourCost(1.0, 1.09), 1)),
            True,
            0,
            (False, WEEK_HOURS),
            id="nor back for so little",
        ),
        pytest.param(
            week((CHEAP, 22), (HourCost(8.0, 1.0), 1), (CHEAP, 1)),
            False,
            0,
            (False, 0),
            id="an hour a day saves less than its switches",
        ),
    ],
)
def test_the_way_through_a_week(
    hours: Sequence[HourCost], on_demand: bool, rest: int, expected: tuple[bool, int]
) -> None:
    way = cheapest_way(hours, on_demand, rest)
    assert (way.switches, sum(way.on_demand)) == expected


def test_the_cost_of_a_way_has_its_switches() -> None:
    way = cheapest_way(week((DEAR, 1)), False, 0)
    assert way.cost == pytest.approx(WEEK_HOURS * 1.0 + TRANSITION_HOURS * 11.0)


COSTS = st.floats(0.01, 100)


@pytest.mark.slow
@given(
    st.lists(st.tuples(COSTS, COSTS), min_size=24, max_size=24), st.booleans(), st.integers(0, 6)
)
def test_a_way_goes_on_demand_once_in_six_hours_and_never_costs_more_than_staying(
    day: list[tuple[float, float]], on_demand: bool, rest: int
) -> None:
    hours = week(*((HourCost(*pair), 1) for pair in day))
    way = cheapest_way(hours, on_demand, 0 if on_demand else rest)
    modes = [on_demand, *way.on_demand]
    to_on_demand = [i for i in range(WEEK_HOURS) if modes[i + 1] and not modes[i]]
    assert all(b - a >= APART_HOURS for a, b in pairwise(to_on_demand))
    assert not to_on_demand or to_on_demand[0] >= (0 if on_demand else rest)
    staying = sum(hour.on_demand if on_demand else hour.provisioned for hour in hours)
    assert way.cost <= staying * MARGIN + 1e-6


# the week that comes, from the past

TWO_WEEKS = 14 * 24 * 12


def days(values: Sequence[float | None], hours_ago: int = 0) -> Series:
    end = NOON - timedelta(hours=hours_ago)
    return Series(end - timedelta(minutes=5 * len(values)), 300, tuple(values))


def of_hour(values: Sequence[float | None], **settings: int) -> HourCost:
    """Return the first hour of a week, after two weeks of these values in each hour."""
    past = {READS: days([*values] * (TWO_WEEKS // 12))}
    found = coming_week(past, {READS: policy(**settings)}, UNIT, REQUEST, NOON)
    assert found is not None
    return found[0]


def test_the_units_of_an_hour_are_halfway_between_its_mean_and_its_highest() -> None:
    assert of_hour([10.0] * 9 + [50.0] * 3) == HourCost((20.0 + 50.0) / 2, 60.0)


def test_the_units_of_an_hour_outlast_it_by_one() -> None:
    past = {READS: days(([80.0] * 12 + [10.0] * 12 + [10.0] * 12) * 112)}
    found = coming_week(past, {READS: policy()}, UNIT, REQUEST, NOON)
    assert found is not None
    assert [hour.provisioned for hour in found[:3]] == [80.0, 45.0, 10.0]


def test_unknown_minutes_are_not_zero() -> None:
    assert of_hour([None] * 6 + [40.0] * 6) == HourCost(40.0, 120.0)


@pytest.mark.parametrize(
    ("settings", "units"), [({"min_units": 100}, 100.0), ({"max_units": 15}, 15.0)]
)
def test_the_bounds_of_the_policy_hold(settings: dict[str, int], units: float) -> None:
    assert of_hour([40.0] * 12, **settings).provisioned == units


def test_a_floor_of_a_window_costs_what_it_keeps() -> None:
    floor = Window(rule="floor", between="11:00-12:00", min_units=500)
    past = {READS: days([40.0] * TWO_WEEKS)}
    found = coming_week(past, {READS: policy(windows=(floor,))}, UNIT, REQUEST, NOON)
    assert found is not None
    assert [hour.provisioned for hour in found[22:25]] == [40.0, 500.0, 40.0]


def test_a_table_costs_what_all_its_targets_cost() -> None:
    past = {READS: days([40.0] * TWO_WEEKS), WRITES: days([2.0] * TWO_WEEKS)}
    found = coming_week(past, dict.fromkeys(past, policy()), UNIT, REQUEST, NOON)
    assert found is not None
    assert found[0] == HourCost(40.0 + 5 * 2, 3 * 40.0 + 15 * 2)


def test_an_hour_is_as_the_same_hour_of_the_weeks_before() -> None:
    spike = [0.0] * TWO_WEEKS
    spike[(6 * 24 + 3) * 12 : (6 * 24 + 4) * 12] = [80.0] * 12
    spike[(13 * 24 + 3) * 12 : (13 * 24 + 4) * 12] = [40.0] * 12
    for late in (0, 1):  # the last hour may not be known yet
        past = {READS: days(spike[: TWO_WEEKS - 12 * late], late)}
        found = coming_week(past, {READS: policy()}, UNIT, REQUEST, NOON)
        assert found is not None
        assert [i for i, hour in enumerate(found) if hour.on_demand] == [6 * 24 + 3]
        assert found[6 * 24 + 3].on_demand == 3 * 60.0


@pytest.mark.parametrize(("hours", "is_known"), [(159, False), (160, True)])
def test_too_few_known_hours_make_no_week(hours: int, is_known: bool) -> None:
    values = [None] * (TWO_WEEKS - 12 * hours) + [5.0] * (12 * hours)
    past: dict[Target, Series] = {READS: days(values)}
    found = coming_week(past, {READS: policy()}, UNIT, REQUEST, NOON)
    assert (found is not None) is is_known
