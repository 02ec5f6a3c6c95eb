"""The strategy `percent` within a decision: mistakes that others made, and laws."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.config.types import ScalingStep
from chalicelib.core import scaling
from chalicelib.core.strategies import percent
from chalicelib.model import BOTH, UP, Decision, Reason, Series
from tests.support.builders import (
    INDEX_WRITES,
    MINUTE,
    NOON,
    WRITES,
    decide_with,
    observation,
    outcome,
    policy,
    rows,
    series,
    steady,
    with_policy,
)
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

LOW = {"lower_percent": 30}


def decide(settings: dict[str, Any] | None = None, **fields: Any) -> Decision:
    return decide_with(observation(**fields), policy(**(settings or {})), NOON, BOTH)


def test_a_step_beyond_the_maximum_goes_to_the_maximum() -> None:
    assert outcome(decide({"max_units": 200}, consumed=250.0)) == (200, Reason.UTILIZATION_HIGH)


@pytest.mark.parametrize(
    ("settings", "consumed", "desired"),
    [
        pytest.param({"min_units": 5_000}, 0.0, 5_000, id="to a minimum far above"),
        pytest.param({"increase_percent": 1}, 1.0, 2, id="by a step of 1 percent"),
        pytest.param({"increase_percent": 10}, 1.0, 2, id="by a step of 10 percent"),
        pytest.param({"increase_percent": 49}, 1.0, 2, id="by a step of 49 percent"),
    ],
)
def test_one_unit_grows_at_once(settings: dict[str, Any], consumed: float, desired: int) -> None:
    assert decide(settings, consumed=consumed, provisioned=1).desired == desired


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
    assert outcome(decide(settings, consumed=consumed)) == (100, Reason.NO_DATA)


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


@pytest.mark.slow
@COSTLY
@given(RATES, st.integers(1, 40_000), st.integers(1, 60), st.integers(1, 5))
def test_no_series_makes_the_strategy_fail(
    values: list[float | None], provisioned: int, minutes: int, periods: int
) -> None:
    seen = observation(provisioned=provisioned, consumed=series(values))
    settings = policy(alarm_period_seconds=minutes * 60, alarm_evaluation_periods=periods)
    assert percent.scale_up(with_policy(seen, settings), NOON).desired >= provisioned
    assert percent.scale_down(with_policy(seen, settings), NOON).desired <= provisioned


@pytest.mark.slow
@COSTLY
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


@pytest.mark.slow
@COSTLY
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


@pytest.mark.slow
@COSTLY
@given(st.lists(st.floats(0, 1e5), min_size=60, max_size=60), st.integers(2, 40_000), policies())
def test_a_decrease_calls_for_no_increase(
    values: list[float], provisioned: int, settings: Policy
) -> None:
    seen = observation(provisioned=provisioned, consumed=series(values))
    advice = percent.scale_down(with_policy(seen, settings), NOON)
    if advice.reason is Reason.UTILIZATION_LOW:
        assert (
            percent.scale_up(
                structs.replace(seen, provisioned=advice.desired, policy=settings), NOON
            ).desired
            == advice.desired
        )
