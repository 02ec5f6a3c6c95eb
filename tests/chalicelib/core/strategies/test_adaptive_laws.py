"""What holds for every demand, past and policy of the strategy `adaptive`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import scaling
from chalicelib.core.explain import numbers, sentence
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import BOTH, DOWN, NO_HISTORY, UP, DemandHistory, Direction, Reason, Series
from tests.chalicelib.core.strategies.test_adaptive import up
from tests.chalicelib.core.strategies.test_adaptive_levels import (
    after_calm,
    past,
    policy,
    seen_by,
)
from tests.support.builders import MINUTE, NOON, decide_with, outcome, series, with_policy
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


# laws

RATES = st.lists(st.none() | st.floats(0, 1e5), max_size=75)
PASTS = st.just(NO_HISTORY) | st.builds(
    past,
    st.lists(st.floats(0, 1e5), max_size=10).map(lambda found: tuple(sorted(found))),
    st.lists(
        st.lists(st.floats(0, 1e5), max_size=4).map(lambda found: tuple(sorted(found))), max_size=15
    ).map(tuple),
    st.integers(0, 80),
    highest=st.floats(0, 1e5),
    typical_burst=st.floats(0, 1e5),
)
POLICIES = st.builds(
    policy,
    min_units=st.integers(1, 300),
    max_units=st.integers(300, 40_000),
    increase_percent=st.integers(0, 200),
    increase_units=st.integers(0, 200),
    burst_trust_percent=st.integers(0, 100),
    burst_keep_percent=st.integers(0, 100),
    min_change_percent=st.integers(0, 100),
    throttle_price=st.floats(1, 10_000),
    insurance_percent=st.integers(0, 300),
)
AGO = st.none() | st.integers(0, 200).map(lambda minutes: NOON - minutes * MINUTE)
SEEN = st.builds(
    seen_by,
    RATES,
    st.lists(st.none() | st.floats(0.1, 1e5), max_size=75).map(series),
    PASTS,
    st.lists(st.none() | st.floats(1, 40_000), max_size=15),
    provisioned=st.integers(1, 40_000),
    last_increase_at=AGO,
    last_decrease_at=AGO,
    decreases_today=st.integers(0, 20),
)


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES, st.booleans())
def test_up_never_lowers(seen: Observation, settings: Policy, urgent: bool) -> None:
    advice = adaptive.scale_up(with_policy(seen, settings), NOON, urgent)
    assert advice.desired >= seen.provisioned
    assert (advice.desired > seen.provisioned) <= (
        advice.reason in {Reason.UTILIZATION_HIGH, Reason.THROTTLED, Reason.PATTERN_AHEAD}
    )


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES)
def test_down_never_raises(seen: Observation, settings: Policy) -> None:
    advice = adaptive.scale_down(with_policy(seen, settings), NOON)
    assert advice.desired <= seen.provisioned
    assert (advice.desired < seen.provisioned) == (
        advice.reason in {Reason.UTILIZATION_LOW, Reason.NOT_WORTH_IT}
    )


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES, st.sampled_from([UP, DOWN, BOTH]))
def test_a_decision_stays_within_the_bounds(
    seen: Observation, settings: Policy, ways: frozenset[Direction]
) -> None:
    found = decide_with(seen, settings, NOON, ways)
    assert (
        min(seen.provisioned, settings.min_units)
        <= found.desired
        <= max(seen.provisioned, settings.max_units)
    )
    if found.changes:
        assert (
            settings.min_units <= found.desired <= settings.max_units
            or found.desired < seen.provisioned
        )


#: Demand near the capacity: there the shortcut of `surely_keeps` ends.
NEAR = st.builds(
    lambda rates, level, units, history: seen_by(
        series([rate * level * units / 100 for rate in rates]), None, history, provisioned=units
    ),
    st.lists(st.floats(80, 120), min_size=5, max_size=90),
    st.floats(0.5, 1.5),
    st.integers(1, 40_000),
    PASTS,
)


@pytest.mark.slow
@COSTLY
@given(SEEN | NEAR, POLICIES, st.sampled_from([UP, BOTH]))
def test_a_decision_without_its_numbers_is_the_same(
    seen: Observation, settings: Policy, ways: frozenset[Direction]
) -> None:
    observation = with_policy(seen, settings)
    whole, brief = (
        scaling.decide(observation, NOON, ways, explains=explains) for explains in (True, False)
    )
    assert brief.desired == whole.desired


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES, st.integers(1, 15))
def test_a_gap_in_the_newest_quarter_of_an_hour_never_lowers(
    seen: Observation, settings: Policy, back: int
) -> None:
    values = seen.metrics.consumed.values
    if len(values) < back:
        return
    holed = Series(
        seen.metrics.consumed.start, 60, (*values[:-back], None, *values[len(values) - back + 1 :])
    )
    assert outcome(
        adaptive.scale_down(
            structs.replace(
                seen, policy=settings, metrics=structs.replace(seen.metrics, consumed=holed)
            ),
            NOON,
        )
    ) == (seen.provisioned, Reason.NO_DATA)


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES, st.integers(11, 300))
def test_old_data_changes_nothing(seen: Observation, settings: Policy, minutes: int) -> None:
    later = NOON + minutes * MINUTE
    assert (
        adaptive.scale_up(with_policy(seen, settings), later),
        adaptive.scale_down(with_policy(seen, settings), later).desired,
    ) == (Recommendation(seen.provisioned, Reason.NO_DATA), seen.provisioned)


@pytest.mark.slow
@COSTLY
@given(
    st.lists(st.floats(0, 1e4), min_size=5, max_size=5),
    st.floats(0, 1e4),
    POLICIES,
    PASTS,
    st.integers(1, 9_999),
    st.booleans(),
)
def test_more_demand_in_the_newest_minute_never_wants_less(
    newest: list[float],
    more: float,
    settings: Policy,
    days: DemandHistory,
    units: int,
    urgent: bool,
) -> None:
    little = seen_by(after_calm(*newest), days=days, provisioned=units)
    much = seen_by(after_calm(*newest[:-1], newest[-1] + more), days=days, provisioned=units)
    assert up(little, urgent).desired <= up(much, urgent).desired
    assert (
        adaptive.scale_up(with_policy(little, settings), NOON, urgent).desired
        <= adaptive.scale_up(with_policy(much, settings), NOON, urgent).desired
    )


@pytest.mark.slow
@COSTLY
@given(
    st.lists(st.floats(0, 1e4), min_size=5, max_size=5),
    st.floats(0, 1e4),
    POLICIES,
    PASTS,
    st.integers(1, 9_999),
    st.booleans(),
)
def test_more_demand_in_all_the_newest_minutes_never_wants_less(
    newest: list[float],
    more: float,
    settings: Policy,
    days: DemandHistory,
    units: int,
    urgent: bool,
) -> None:
    """A jump is one beside the minutes before it; where those rise too it may be none, so typical
    bursts are left out."""
    days = structs.replace(days, typical_burst=0.0)
    little, much = (
        seen_by(after_calm(*(rate + add for rate in newest)), days=days, provisioned=units)
        for add in (0.0, more)
    )
    assert (
        adaptive.scale_up(with_policy(little, settings), NOON, urgent).desired
        <= adaptive.scale_up(with_policy(much, settings), NOON, urgent).desired
    )


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES)
def test_a_second_look_at_the_same_datapoints_wants_no_more(
    seen: Observation, settings: Policy
) -> None:
    first = adaptive.scale_up(with_policy(seen, settings), NOON, urgent=True)
    if first.desired == seen.provisioned:
        return  # nothing was raised, so there is no second look
    raised = structs.replace(
        seen.throughput,
        units=dict.fromkeys(seen.throughput.units, first.desired),
        last_increase_at=NOON,
    )
    again = structs.replace(seen, provisioned=first.desired, throughput=raised)
    assert (
        adaptive.scale_up(with_policy(again, settings), NOON, urgent=True).desired == first.desired
    )


@pytest.mark.slow
@COSTLY
@given(SEEN, POLICIES, st.sampled_from([UP, DOWN, BOTH]))
def test_every_number_of_a_decision_is_in_its_explanation(
    seen: Observation, settings: Policy, ways: frozenset[Direction]
) -> None:
    found = decide_with(seen, settings, NOON, ways)
    explanation = sentence(found)
    assert len(found.numbers) >= 3
    for name, value in found.numbers.items():
        assert numbers({name: value}) in explanation
