"""Which metrics a check has no use for."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import checks, scaling
from chalicelib.core.checks import UnitsBefore
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, UP, Reason, Target
from tests.support import builders
from tests.support.builders import MINUTE, NOON, READS, WRITES, series, throughput


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


def test_the_units_before_a_change_are_read_once():
    changed_at = NOON - timedelta(hours=1)
    kept = UnitsBefore(changed_at, series([100.0] * 36, NOON, 300))
    since = NOON - timedelta(hours=2)
    assert kept.fits(throughput(last_increase_at=changed_at), since)
    assert not kept.fits(throughput(last_increase_at=changed_at + MINUTE), since)
    assert not kept.fits(throughput(last_increase_at=changed_at), NOON - timedelta(hours=4))
    short = UnitsBefore(changed_at, series([100.0] * 12, changed_at, 300))
    assert not short.fits(throughput(last_increase_at=changed_at), short.series.start)


SEEN = NOON - 5 * MINUTE


@pytest.mark.parametrize(
    ("fields", "seen", "omits"),
    [
        ({}, SEEN, True),
        ({}, None, False),
        ({}, NOON - 31 * MINUTE, False),
        ({"last_increase_at": NOON - 6 * MINUTE}, SEEN, True),
        ({"last_decrease_at": SEEN}, SEEN, False),
        ({"settings": policy(strategy="percent")}, SEEN, False),
        ({"settings": policy(notify=("at_max",), notify_topic="people")}, SEEN, False),
    ],
)
def test_a_check_begins_without_throttled_requests_where_none_were_seen(fields, seen, omits):
    assert checks.may_omit_throttling(observation(**fields), seen, NOON) is omits


def test_the_last_full_hour_needs_its_throttled_requests():
    later = NOON + 15 * MINUTE
    assert not checks.may_omit_throttling(observation(), NOON - MINUTE, later)
    assert checks.may_omit_throttling(observation(), NOON, later)


@pytest.mark.parametrize(
    ("consumed", "seen", "throttled"),
    [
        ([90.0] * 120, SEEN, False),  # the bucket is full
        ([90.0] * 120, NOON - 21 * MINUTE, True),  # long unseen, near the capacity
        ([80.0] * 120, NOON - 21 * MINUTE, False),
        ([90.0] * 115 + [160.0] * 5, SEEN, True),  # the bucket is empty
        ([90.0] * 115 + [400.0, 0.0, 0.0, 0.0, 0.0], SEEN, True),  # it was, and is full again
        ([90.0] * 115 + [102.0] * 5, SEEN, False),
        ([90.0] * 118 + [100.0] * 2, SEEN, True),  # held at the capacity
        ([90.0] * 118 + [100.0] * 2, NOON - 3 * MINUTE, False),
        ([90.0] * 117 + [120.0, 100.0, 100.0], NOON - 2 * MINUTE, True),  # lowered to 100 just now
        ([90.0] * 117 + [120.0, 100.0, 98.0], NOON - 2 * MINUTE, False),
        ([90.0] * 117 + [None] + [80.0] * 2, SEEN, True),  # unknown
    ],
)
def test_requests_may_be_throttled_where_the_bucket_may_have_been_empty(consumed, seen, throttled):
    found = observation(consumed=series(consumed))
    assert checks.may_be_throttled(found, seen, NOON) is throttled


def test_before_a_change_the_throttled_requests_of_the_table_are_needed():
    def needed(reads: float, **other: Any) -> set[Target]:
        found = [observation(consumed=reads), observation(target=WRITES, consumed=94.0, **other)]
        return checks.throttling_needed(found, {READS: SEEN, WRITES: SEEN}, NOON, BOTH)

    assert needed(94.0) == set()
    assert needed(10.0) == {READS, WRITES}  # it would be lowered
    assert needed(94.0, last_increase_at=NOON.replace(tzinfo=None)) == {READS, WRITES}


def test_a_decision_without_its_metrics_says_why():
    found = structs.replace(observation(), unread=Reason.BURST_CARRIES)
    decision = scaling.decide(found, NOON, UP)
    assert (decision.desired, decision.reason) == (100, Reason.BURST_CARRIES)
    floor = structs.replace(found, policy=policy(min_units=150))
    assert scaling.decide(floor, NOON, UP).desired == 150


def test_without_a_new_minute_nothing_was_throttled_since_even_where_the_bucket_is_empty() -> None:
    found = observation(provisioned=1, consumed=3.0)
    assert not checks.may_be_throttled(found, NOON, NOON)
