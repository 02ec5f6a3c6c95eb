"""The strategy `adaptive`: every reason in a table, and the laws as properties."""

from typing import Any

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
from tests.chalicelib.core.strategies.test_adaptive_levels import (
    FIVE,
    after_calm,
    past,
    policy,
    seen_by,
)
from tests.support.builders import MINUTE, NOON, decide_with, outcome, series, steady, with_policy
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

# raising


def up(seen: Observation, urgent: bool = False, **settings: Any) -> Recommendation:
    observation = with_policy(seen, policy(**settings))
    advice = adaptive.scale_up(observation, NOON, urgent)
    # a check without numbers may end before scale_up, but never where that raises
    assert not (
        advice.desired > seen.provisioned and adaptive.surely_keeps(observation, NOON, urgent)
    )
    return advice


def down(seen: Observation, **settings: Any) -> Recommendation:
    return adaptive.scale_down(with_policy(seen, policy(**settings)), NOON)


#: A record 220 above the calm: needed are 300 and half of that again.
SPIKE = after_calm(300.0)
#: Until a raise applies it takes 47 percent of the bucket, of which 84 percent are left. 60 percent
#: are trusted on a rise, 75 else.
RISE = [60.0] * 5 + [80.0] * 5 + [100.0] * 4 + [178.0]


@pytest.mark.parametrize("urgent", [False, True], ids=["a sweep", "an alarm"])
@pytest.mark.parametrize(
    ("seen", "desired", "reason"),
    [
        pytest.param(seen_by(None), 100, Reason.NO_DATA, id="no data"),
        pytest.param(
            seen_by(steady(300.0, end=NOON - 11 * MINUTE)), 100, Reason.NO_DATA, id="stale data"
        ),
        pytest.param(seen_by(80.0), 100, Reason.AT_DESIRED, id="room enough"),
        pytest.param(seen_by(after_calm(150.0)), 100, Reason.BURST_CARRIES, id="one hot minute"),
        pytest.param(seen_by(SPIKE), 410, Reason.UTILIZATION_HIGH, id="a record"),
        pytest.param(
            seen_by(series(RISE)), 217, Reason.UTILIZATION_HIGH, id="a rise trusts the bucket less"
        ),
        pytest.param(
            seen_by(after_calm(100.0), series(after_calm(200.0, calm=0.0))),
            410,
            Reason.THROTTLED,
            id="a record, throttled",
        ),
        pytest.param(
            seen_by(80.0, days=past((450.0,))), 200, Reason.PATTERN_AHEAD, id="past days had onsets"
        ),
        pytest.param(
            seen_by(SPIKE, days=past((1350.0,))),
            600,
            Reason.PATTERN_AHEAD,
            id="and higher ones than this",
        ),
        pytest.param(
            seen_by(SPIKE, days=past((450.0,))), 410, Reason.UTILIZATION_HIGH, id="or lower ones"
        ),
        pytest.param(
            seen_by(80.0, days=past((225.0,))), 100, Reason.AT_DESIRED, id="insured already"
        ),
    ],
)
def test_up_to_the_highest_level_that_calls(
    seen: Observation, desired: int, reason: Reason, urgent: bool
) -> None:
    assert outcome(up(seen, urgent)) == (desired, reason)


@pytest.mark.parametrize(
    ("raised_ago", "percent", "desired"),
    [
        pytest.param(None, 0, 112, id="no least step"),
        pytest.param(None, 5, 112, id="a smaller least step"),
        pytest.param(None, 50, 150, id="a larger least step"),
        pytest.param(0.5, 50, 150, id="newer datapoints than the last increase"),
        pytest.param(0, 50, 112, id="an increase answered all of them already"),
    ],
)
def test_the_least_step_is_taken_once_for_the_same_evidence(
    raised_ago: float | None, percent: int, desired: int
) -> None:
    at = None if raised_ago is None else NOON - raised_ago * MINUTE
    assert (
        up(seen_by([100.0] * 15, last_increase_at=at), increase_percent=percent).desired == desired
    )


@pytest.mark.parametrize(
    ("percent", "units", "desired"),
    [
        pytest.param(0, 5, 112, id="fewer than are needed"),
        pytest.param(0, 40, 140, id="more"),
        pytest.param(50, 40, 150, id="fewer than the percentage"),
        pytest.param(50, 60, 160, id="more than the percentage"),
    ],
)
def test_the_least_step_may_be_one_of_units(percent: int, units: int, desired: int) -> None:
    assert (
        up(seen_by([100.0] * 15), increase_percent=percent, increase_units=units).desired,
        up(
            seen_by([100.0] * 15, last_increase_at=NOON),
            increase_percent=percent,
            increase_units=units,
        ).desired,
    ) == (desired, 112)


def test_the_numbers_behind_a_raise() -> None:
    assert up(seen_by(SPIKE, days=past(FIVE))).numbers == {
        "newest_units": 300.0,
        "mean_5_minutes": 124.0,
        "noise_units": 0.0,
        "growth_units": 0.0,
        "rise_units": 0.0,
        "fall_units": 0.0,
        "swing_units": 0.0,
        "throttled_units": 0,
        "burst_left_percent": 60.0,
        "needed_units": 410.0,
        "quiet_units": pytest.approx(1420 / 15 + 0.4 * 300 * 100 / 1800),
        "insured_units": pytest.approx(40.0),
    }


@pytest.mark.parametrize(
    ("newest", "desired"),
    [
        pytest.param([90.0] * 5 + [95.0] * 5, 127, id="a rise: 110, and 16.7 that fill the bucket"),
        pytest.param([100.0] * 10, 110, id="no rise: the demand"),
    ],
)
def test_a_raise_on_a_throttled_rise_fills_the_bucket_again(
    newest: list[float], desired: int
) -> None:
    lost = series([*[None] * 175, *[10.0] * 5])
    seen = seen_by(after_calm(*newest, *[100.0] * 5), throttled=lost)
    assert outcome(up(seen, urgent=True)) == (desired, Reason.THROTTLED)


def test_noise_and_growth_are_among_the_numbers() -> None:
    assert up(seen_by([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])).numbers == {
        "newest_units": 60.0,
        "mean_5_minutes": 40.0,
        "noise_units": 10.5,
        "growth_units": 10.0,
        "rise_units": 0.0,
        "fall_units": 0.0,
        "swing_units": 0.0,
        "throttled_units": 0,
        "burst_left_percent": 100.0,
        "needed_units": 75.25,  # 40, three minutes of growth, half the noise
        "quiet_units": 35.0,
        "insured_units": 0.0,
    }


# lowering

FREE = {"last_decrease_at": NOON - 30 * MINUTE, "decreases_today": 1}
LOST = series(after_calm(0.1, None, None, None, None, calm=0.0))
HELD = [100.0] * 36


@pytest.mark.parametrize(
    ("seen", "settings", "desired", "reason"),
    [
        pytest.param(seen_by(30.0), {}, 30, Reason.UTILIZATION_LOW, id="needs less"),
        pytest.param(seen_by(30.1), {}, 31, Reason.UTILIZATION_LOW, id="rounded up"),
        pytest.param(
            seen_by(30.0), {"min_units": 60}, 60, Reason.UTILIZATION_LOW, id="down to the minimum"
        ),
        pytest.param(
            seen_by(30.0, days=past((135.0,))),
            {},
            60,
            Reason.UTILIZATION_LOW,
            id="down to what is insured",
        ),
        pytest.param(
            seen_by(30.0, days=past((450.0,))),
            {},
            100,
            Reason.AT_DESIRED,
            id="insured with all of it",
        ),
        pytest.param(seen_by(100.0), {}, 100, Reason.AT_DESIRED, id="needs it all"),
        pytest.param(seen_by(91.0), {}, 91, Reason.UTILIZATION_LOW, id="just worth it"),
        pytest.param(seen_by(92.0), {}, 92, Reason.NOT_WORTH_IT, id="not worth it"),
        pytest.param(
            seen_by(79.0, last_decrease_at=NOON - 30 * MINUTE, decreases_today=1),
            {},
            79,
            Reason.UTILIZATION_LOW,
            id="free, worth it",
        ),
        pytest.param(
            seen_by(80.0, last_decrease_at=NOON - 30 * MINUTE, decreases_today=1),
            {},
            80,
            Reason.NOT_WORTH_IT,
            id="free, not worth it",
        ),
        pytest.param(seen_by(None), {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(seen_by([30.0] * 44), {}, 100, Reason.NO_DATA, id="44 minutes are known"),
        pytest.param(
            seen_by([30.0] * 45), {}, 30, Reason.UTILIZATION_LOW, id="45 minutes are known"
        ),
        pytest.param(
            seen_by([None] * 15 + [30.0] * 45), {}, 30, Reason.UTILIZATION_LOW, id="old gaps"
        ),
        pytest.param(
            seen_by([30.0] * 165 + [None] + [30.0] * 14),
            {},
            100,
            Reason.NO_DATA,
            id="a gap 15 minutes ago",
        ),
        pytest.param(
            seen_by([30.0] * 164 + [None] + [30.0] * 15),
            {},
            30,
            Reason.UTILIZATION_LOW,
            id="a gap 16 minutes ago",
        ),
        pytest.param(
            seen_by(steady(30.0, end=NOON - 11 * MINUTE)), {}, 100, Reason.NO_DATA, id="stale data"
        ),
        pytest.param(
            seen_by(30.0, series(after_calm(0.1, None, None, None, None, calm=0.0))),
            {},
            100,
            Reason.THROTTLED_RECENTLY,
            id="throttled",
        ),
        pytest.param(
            seen_by(30.0, last_increase_at=NOON - 4.9 * MINUTE),
            {},
            100,
            Reason.RAISED_RECENTLY,
            id="raised just now",
        ),
        pytest.param(
            seen_by(30.0, last_increase_at=NOON - 5 * MINUTE, least=[100.0] * 36),
            {},
            30,
            Reason.UTILIZATION_LOW,
            id="raised before",
        ),
        pytest.param(
            seen_by(after_calm(80.0, 70.0, 60.0, 50.0, 40.0)),
            {},
            100,
            Reason.STILL_FALLING,
            id="falling",
        ),
        pytest.param(
            seen_by(after_calm(60.0, 58.0, 56.0, 54.0, 52.0)),
            {},
            56,
            Reason.UTILIZATION_LOW,
            id="falling slowly",
        ),
    ],
)
def test_down_to_what_the_coming_hour_needs(
    seen: Observation, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    assert outcome(down(seen, **settings)) == (desired, reason)


def test_the_numbers_behind_a_decrease() -> None:
    assert (
        down(seen_by(30.0, days=past((45.0,)))).numbers,
        down(seen_by([30.0] * 44)).numbers,
    ) == (
        {
            "newest_units": 30.0,
            "mean_5_minutes": 30.0,
            "noise_units": 0.0,
            "growth_units": 0.0,
            "rise_units": 0.0,
            "fall_units": 0.0,
            "swing_units": 0.0,
            "throttled_units": 0,
            "burst_left_percent": 100.0,
            "insured_units": pytest.approx(20.0),
            "low_units": 30,
        },
        {"minutes_known": 44},
    )


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
