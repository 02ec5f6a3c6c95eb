"""The decision on one target, and on those of a table together: the laws as properties."""

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import scaling
from chalicelib.core.budget import budget
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, UP, Decision, Direction, Reason, Series
from tests.chalicelib.core.test_scaling import decide
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    MINUTE,
    NOON,
    READS,
    WRITES,
    decide_with,
    observation,
    policy,
    series,
    steady,
    throughput,
)
from tests.support.laws import COSTLY

RATES = st.none() | st.floats(0, 50_000)
SERIES = st.builds(
    lambda values, late: series(values, NOON - late * MINUTE),
    st.lists(RATES, max_size=70),
    st.integers(0, 15),
) | st.builds(steady, st.floats(0, 50_000))
AGO = st.none() | st.builds(lambda minutes: NOON - minutes * MINUTE, st.floats(0, 2_000))
PROVISIONED = st.integers(1, 40_000)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low, high = sorted([draw(PROVISIONED), draw(PROVISIONED)])
    return policy(
        min_units=low,
        max_units=high,
        increase_percent=draw(st.integers(1, 300)),
        alarm_period_seconds=60 * draw(st.integers(1, 6)),
        alarm_evaluation_periods=draw(st.integers(1, 4)),
        scale_up=draw(st.booleans()),
        scale_down=draw(st.booleans()),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    return observation(
        provisioned=draw(PROVISIONED),
        consumed=draw(SERIES),
        throttled=draw(st.none() | SERIES),
        active=draw(st.booleans()),
        decreases_today=draw(st.integers(0, 27)),
        last_increase_at=draw(AGO),
        last_decrease_at=draw(AGO),
    )


@pytest.mark.slow
@COSTLY
@given(observations(), policies())
def test_up_never_lowers_and_down_never_raises(seen: Observation, settings: Policy) -> None:
    assert decide_with(seen, settings, NOON, UP).desired >= seen.provisioned
    assert decide_with(seen, settings, NOON, DOWN).desired <= seen.provisioned


@pytest.mark.slow
@COSTLY
@given(observations(), policies(), st.sampled_from([UP, DOWN, BOTH]))
def test_a_change_ends_within_the_bounds(
    seen: Observation, settings: Policy, directions: Collection[Direction]
) -> None:
    found = decide_with(seen, settings, NOON, directions)
    if found.desired > found.current:
        assert found.desired <= settings.max_units or found.current > settings.max_units
    if found.desired < found.current:
        assert found.desired >= settings.min_units
    if settings.scale_up and seen.throughput.active and Direction.UP in directions:
        assert found.desired >= settings.min_units


@pytest.mark.slow
@COSTLY
@given(observations(), policies(), st.sampled_from([UP, DOWN, BOTH]))
def test_without_its_numbers_a_decision_is_the_same(
    seen: Observation, settings: Policy, directions: Collection[Direction]
) -> None:
    seen = structs.replace(seen, policy=settings)
    explained, bare = (
        scaling.decide_table([seen], NOON, directions, explains=explains)
        for explains in (True, False)
    )
    assert [structs.replace(d, numbers={}) for d in explained] == [
        structs.replace(d, numbers={}) for d in bare
    ]
    assert bare[0].numbers.items() <= explained[0].numbers.items()


@pytest.mark.slow
@COSTLY
@given(observations(), policies())
def test_whatever_is_off_or_updating_stays(seen: Observation, settings: Policy) -> None:
    if not seen.throughput.active:
        assert decide_with(seen, settings, NOON, BOTH).reason is Reason.UPDATING
    for allowed, direction in ((settings.scale_up, UP), (settings.scale_down, DOWN)):
        assert allowed or not decide_with(seen, settings, NOON, direction).changes


@pytest.mark.slow
@settings_of_hypothesis(
    COSTLY, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(
    PROVISIONED,
    st.lists(st.floats(0, 50_000), min_size=24, max_size=40),
    policies(),
    st.floats(0, 59).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_second_look_right_after_an_increase_changes_nothing(
    provisioned: int, values: list[float], settings: Policy, later: timedelta
) -> None:
    first = decide_with(
        observation(provisioned=provisioned, consumed=series(values)), settings, NOON, UP
    )
    assume(first.changes)
    second = decide_with(
        observation(provisioned=first.desired, consumed=series(values), last_increase_at=NOON),
        settings,
        NOON + later,
        UP,
    )
    assert not second.changes
    assert second.reason is not Reason.UTILIZATION_HIGH


def is_known(consumed: Series) -> bool:
    """Tell whether the last hour is known without a gap, but for what CloudWatch may still
    deliver."""
    hour = consumed.since(NOON - timedelta(minutes=60))
    return (
        None not in hour.values
        and hour.start <= NOON - 59 * MINUTE
        and hour.end >= NOON - 10 * MINUTE
    )


@pytest.mark.slow
@COSTLY
@given(observations(), policies())
def test_missing_data_never_lowers(seen: Observation, settings: Policy) -> None:
    assume(not is_known(seen.metrics.consumed))
    assert not decide_with(seen, settings, NOON, DOWN).changes


@pytest.mark.slow
@given(st.integers(0, 58), st.integers(2, 40_000))
def test_a_single_minute_unknown_within_the_hour_keeps_an_idle_table(
    minute: int, provisioned: int
) -> None:
    """But for the newest, which CloudWatch may still deliver: how young data must be is a law of
    its own."""
    values: list[float | None] = [0.0] * 120
    assert decide(DOWN, {"provisioned": provisioned, "consumed": series(values)}).changes
    values[60 + minute] = None
    assert not decide(DOWN, {"provisioned": provisioned, "consumed": series(values)}).changes


@pytest.mark.slow
@given(st.integers(2, 40_000), st.integers(0, 27), AGO)
def test_a_decrease_is_decided_exactly_where_dynamodb_takes_it(
    provisioned: int, used: int, last: datetime | None
) -> None:
    seen = observation(
        provisioned=provisioned, consumed=0.0, decreases_today=used, last_decrease_at=last
    )
    found = decide_with(seen, policy(), NOON, DOWN)
    assert found.changes is budget(seen.throughput, NOON).allows(NOON)
    assert found.reason is (Reason.UTILIZATION_LOW if found.changes else Reason.BUDGET_USED_UP)


@st.composite
def decisions(draw: st.DrawFn) -> list[Decision]:
    seen = throughput()
    targets = draw(
        st.lists(st.sampled_from([READS, WRITES, INDEX_READS, INDEX_WRITES]), unique=True)
    )
    return [
        decide_with(
            Observation(target, 100, seen, policy(), draw(observations()).metrics),
            draw(policies()),
            NOON,
            BOTH,
        )
        for target in targets
    ]


@pytest.mark.slow
@COSTLY
@given(decisions())
def test_a_table_is_only_raised_or_only_lowered_and_together_adds_no_increase(
    found: list[Decision],
) -> None:
    after = scaling.coordinate_dimensions(found)
    assert len({d.desired > d.current for d in after if d.changes}) <= 1
    assert ([d for d in after if d.desired > d.current], scaling.coordinate_dimensions(after)) == (
        [d for d in found if d.desired > d.current],
        after,
    )
