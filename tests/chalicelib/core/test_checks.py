"""Which metrics a check has no use for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.config.policy import Policy
from chalicelib.core import checks, scaling
from chalicelib.core.checks import UnitsBefore
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.calm import MOST_MINUTES, calm_minutes, steepest_rise
from chalicelib.model import UP, Reason
from tests.support import builders
from tests.support.builders import MINUTE, NOON, series, steady, throughput


def policy(**settings: Any) -> Policy:
    return builders.policy(**{"strategy": "adaptive", **settings})


def observation(**fields: Any) -> Observation:
    return builders.observation(**{"settings": policy(), **fields})


#: No full sweep.
LATER = NOON + 8 * MINUTE


@pytest.mark.parametrize(
    ("fields", "set_to", "reason"),
    [
        ({"decreases_today": 9, "last_decrease_at": NOON}, {}, Reason.BUDGET_USED_UP),
        ({"last_increase_at": LATER - 4 * MINUTE}, {}, Reason.RAISED_RECENTLY),
        ({"last_increase_at": LATER - 5 * MINUTE}, {}, None),
        ({"last_decrease_at": NOON}, {"decrease_spacing_minutes": 20}, Reason.LOWERED_RECENTLY),
        ({}, {"scale_down": False}, Reason.SCALING_OFF),
        ({}, {}, None),
    ],
)
def test_a_sweep_leaves_the_metrics_unread_where_nothing_may_be_lowered_and_no_alarm_calls(
    fields, set_to, reason
):
    found = observation(provisioned=500, settings=policy(**set_to), **fields)
    assert checks.why_not_swept(found, LATER, may_call=False) == reason
    assert checks.why_not_swept(found, LATER, may_call=True) is None
    assert checks.why_not_swept(found, NOON + 34 * MINUTE, may_call=False) is None


@pytest.mark.parametrize(
    "set_to",
    [
        {"strategy": "percent", "throttled_events": 5},
        {"notify": ("at_max",), "notify_topic": "arn:aws:sns:us-east-1:123456789012:people"},
    ],
)
def test_what_no_alarm_announces_is_swept_always(set_to):
    found = observation(
        provisioned=500, settings=policy(**set_to), decreases_today=9, last_decrease_at=NOON
    )
    assert checks.why_not_swept(found, LATER, may_call=False) is None


def test_what_is_not_worth_a_check_has_no_data():
    found = observation(provisioned=2)
    assert checks.why_not_swept(found, LATER, may_call=True) is Reason.NO_DATA


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        (observation(consumed=90.0), MOST_MINUTES),
        (observation(consumed=110.0), 0),
        (observation(consumed=90.0, throttled=series([None] * 179 + [1.0])), 0),
        (observation(consumed=steady(90.0, end=NOON - 20 * MINUTE)), 0),
        (observation(), 0),
        (observation(consumed=90.0, settings=policy(strategy="percent")), 0),
        # it rose by 180 units within three minutes once: that may happen again
        (observation(consumed=series([20.0] * 60 + [200.0] * 3 + [90.0] * 117)), 0),
    ],
)
def test_so_long_no_increase_can_follow(given, minutes):
    assert calm_minutes(given, NOON) == minutes


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.0, 105.0), min_size=60, max_size=60),
    st.integers(60, 105),
    st.floats(0.0, 1.0),
)
def test_a_load_that_rises_no_faster_than_before_is_not_raised_for_meanwhile(past, now, part):
    """part: of the steepest rise."""
    known = [*past, *[float(now)] * 20]
    found = observation(consumed=series(known))
    for minutes in range(1, calm_minutes(found, NOON) + 1):
        rise = part * steepest_rise(known)
        later = [*known, *(now + rise * (i + 1) for i in range(minutes))]
        end = NOON + minutes * MINUTE
        there = replace(found, metrics=replace(found.metrics, consumed=series(later, end)))
        assert not scaling.decide(there, end, UP).changes


def test_what_is_known_holds_until_its_time_a_change_or_an_alarm():
    found = observation(consumed=90.0)
    calm = checks.calm(found, NOON)
    last = NOON + MOST_MINUTES * MINUTE
    assert calm.holds(found, last, None)
    assert calm.holds(found, last, NOON)
    assert not calm.holds(found, last + MINUTE, None)
    assert not calm.holds(found, last, NOON + MINUTE)
    assert not calm.holds(replace(found, throughput=throughput(120)), last, None)
    assert not checks.calm(observation(consumed=110.0), NOON).holds(found, NOON, None)


def test_the_units_before_a_change_are_read_once():
    changed_at = NOON - timedelta(hours=1)
    kept = UnitsBefore(changed_at, series([100.0] * 36, NOON, 300))
    since = NOON - timedelta(hours=2)
    assert kept.fits(throughput(last_increase_at=changed_at), since)
    assert not kept.fits(throughput(last_increase_at=changed_at + MINUTE), since)
    assert not kept.fits(throughput(last_increase_at=changed_at), NOON - timedelta(hours=4))
    short = UnitsBefore(changed_at, series([100.0] * 12, changed_at, 300))
    assert not short.fits(throughput(last_increase_at=changed_at), short.series.start)


def test_a_decision_without_its_metrics_says_why():
    found = replace(observation(), unread=Reason.BURST_CARRIES)
    decision = scaling.decide(found, NOON, UP)
    assert (decision.desired, decision.reason) == (100, Reason.BURST_CARRIES)
    floor = replace(found, policy=policy(min_units=150))
    assert scaling.decide(floor, NOON, UP).desired == 150
