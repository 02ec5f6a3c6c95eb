"""Notices of an alarm that cannot call, of a budget, of a hold and of a hot key, in words."""

import pytest

from chalicelib.core import money, notices
from chalicelib.core.explain import WHY
from chalicelib.core.money import Spending
from chalicelib.core.notices import Condition, NotificationLine
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, Decision, Hold, Reason, RewriteAlarm
from tests.chalicelib.core.test_notices import HOUR, SLACK, TOPIC, telling
from tests.support.builders import (
    INDEX_READS,
    NOON,
    READS,
    WRITES,
    alarm,
    decision,
    observation,
    series,
    with_policy,
)


def test_an_alarm_that_cannot_call_is_a_condition() -> None:
    off = alarm(ActionsEnabled=False)
    [found] = notices.of_alarm(READS, telling("alarm_off", notify_slack=SLACK), off)
    text = (
        f"alarm headroom-orders:read cannot call: {off.why_silent}; sweeps alone raise orders:read "
        "until that ends"
    )
    assert found.line == NotificationLine("alarm_off", "orders", text, TOPIC, SLACK)
    assert (found.target, found.gap, found.refresh) == (READS, 1.5 * HOUR, HOUR / 2)
    assert list(notices.of_alarm(READS, telling("at_max"), off)) == []


def test_an_alarm_that_has_its_actions_back_is_a_line() -> None:
    back = RewriteAlarm(READS, alarm(), {"AlarmActions": [TOPIC]})
    other = RewriteAlarm(WRITES, alarm(WRITES), {"Threshold": 60.0})
    mute = RewriteAlarm(INDEX_READS, alarm(INDEX_READS), {"AlarmActions": [TOPIC]})
    wanted = telling("alarm_off", notify_slack=SLACK)
    policies = {READS: wanted, WRITES: wanted, INDEX_READS: telling("at_max")}
    text = "alarm headroom-orders:read had lost its actions; it has them back"
    assert list(notices.of_restored([other, mute, back], policies)) == [
        NotificationLine("alarm_off", "orders", text, TOPIC, SLACK)
    ]


@pytest.mark.parametrize(
    ("one", "fact", "effect"),
    [
        pytest.param(Spending("orders", 50.0, False, 39.9), None, "", id="below 80 %"),
        pytest.param(Spending("orders", 50.0, False, 40.0), "-80", "", id="80 %"),
        pytest.param(
            Spending("orders", 50.0, False, 50.0),
            "-100",
            "; capacity is raised as before",
            id="spent",
        ),
        pytest.param(
            Spending("orders", 50.0, True, 51.0),
            "-100",
            "; nothing is raised above the measured demand",
            id="spent, and it holds",
        ),
        pytest.param(Spending("", 50.0, False, 45.0), "-stage-80", "", id="the stage"),
        pytest.param(Spending("orders", 50.0, False), None, "", id="unknown"),
    ],
)
def test_a_budget_is_a_condition_once_a_level_and_month(
    one: Spending, fact: str | None, effect: str
) -> None:
    found = list(notices.of_spending(one, READS, telling("money", notify_slack=SLACK), NOON))
    assert [condition.fact for condition in found] == ([fact] if fact else [])
    for condition in found:
        text = f"{money.sentence(one, NOON)}{effect}"
        table = one.of or "the stage"
        assert condition.line == NotificationLine("money", table, text, TOPIC, SLACK)
        assert (condition.target, condition.since) == (READS, NOON.replace(day=1, hour=0))
    assert list(notices.of_spending(one, READS, telling("at_max"), NOON)) == []


def test_the_reads_of_a_table_stand_for_its_budget_and_never_for_the_stages() -> None:
    both = (Spending("", 9.0, False, 9.0), Spending("orders", 9.0, False, 9.0))
    for target, count in ((READS, 1), (WRITES, 0), (INDEX_READS, 0)):
        seen = observation(target, settings=telling("money"), spending=both)
        found = list(notices.conditions(seen, None, NOON))
        assert [condition.fact for condition in found] == ["-100"] * count


def condition_of(kind: str, seen: Observation, decided: Decision | None = None) -> Condition:
    settings = telling(kind, notify_slack=SLACK)
    [found] = notices.conditions(with_policy(seen, settings), decided, NOON)
    assert found.target == seen.target
    assert (found.line.kind, found.line.topic, found.line.slack) == (kind, TOPIC, SLACK)
    return found


@pytest.mark.parametrize(
    ("kind", "hold", "decided", "text"),
    [
        pytest.param(
            "paused",
            Hold(Reason.PAUSED, "a tag", BOTH),
            None,
            f"orders:read: {WHY[Reason.PAUSED]}: a tag",
            id="paused",
        ),
        pytest.param(
            "fleet",
            Hold(Reason.FLEET_UNKNOWN, "EC2 is silent", DOWN),
            None,
            f"orders:read: {WHY[Reason.FLEET_UNKNOWN]}: EC2 is silent",
            id="a fleet that cannot be counted",
        ),
        pytest.param(
            "fleet",
            None,
            decision(reason=Reason.FLEET_UNKNOWN),
            f"orders:read: {WHY[Reason.FLEET_UNKNOWN]}",
            id="a decision that says so",
        ),
    ],
)
def test_a_hold_says_what_holds_and_is_remembered_by_sweeps(
    kind: str, hold: Hold | None, decided: Decision | None, text: str
) -> None:
    found = condition_of(kind, observation(holds=(hold,) if hold else ()), decided)
    assert found.line.text == text
    assert (found.since, found.gap, found.refresh) == (None, 1.5 * HOUR, HOUR / 2)


def test_a_hot_key_says_since_when_and_which_command_shows_it() -> None:
    hot = series([0.0] * 150 + [2.0] * 29 + [4.0])
    found = condition_of("hot_key", observation(INDEX_READS, consumed=9.0, hot=hot))
    assert found.line.text == (
        f"orders/by-date:read: {WHY[Reason.HOT_KEY]}: up to 4.00 a second in the last 10 minutes; "
        "headroom hot-keys orders --index by-date shows the keys"
    )
    assert found.since == NOON - HOUR / 2
    settings = telling("hot_key")
    long_ago = observation(hot=series([5.0] * 165 + [0.0] * 15), settings=settings)
    for calm in (observation(settings=settings), long_ago):
        assert list(notices.conditions(calm, None, NOON)) == []
