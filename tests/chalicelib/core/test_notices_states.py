"""What is news: which states are notified of, and when again."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.config.policy import Policy
from chalicelib.core import notices
from chalicelib.core.notices import Condition, NotificationLine, NotificationState, parse_state
from tests.support.builders import (
    NOON,
    READS,
    observation,
)
from tests.support.notices import BY_OPERATOR, TOPIC, telling

HOUR = timedelta(hours=1)


LINE = NotificationLine("at_max", "orders", "text", TOPIC, "")


@pytest.mark.parametrize(
    ("notified", "news"),
    [
        pytest.param(None, True, id="never reported"),
        pytest.param(NOON - 2 * HOUR, True, id="reported in an earlier episode"),
        pytest.param(NOON - HOUR, False, id="reported when it began"),
        pytest.param(NOON, False, id="reported just now"),
    ],
)
def test_a_state_is_news_once_an_episode(notified: datetime | None, news: bool) -> None:
    assert (
        notices.is_due(
            Condition(LINE, READS, since=NOON - HOUR), NotificationState(notified=notified), NOON
        )
        is news
    )


FAILING = telling("failing", notify_failing_sweeps=3)


def failing(settings: Policy = FAILING) -> Condition:
    (state,) = notices.of_sweeps("failing", READS, settings, "orders: DescribeTable failed: no")
    return state


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("failing", "3 sweeps in a row have failed for orders, at last with: why"),
        ("not_reached", "3 sweeps in a row had no time for orders; why"),
    ],
)
def test_each_kind_of_sweeps_in_a_row_has_its_words_and_its_setting(kind: Any, text: str) -> None:
    (state,) = notices.of_sweeps(kind, READS, telling(kind, notify_failing_sweeps=3), "why")
    assert (state.line.kind, state.line.text) == (kind, text)
    assert list(notices.of_sweeps(kind, READS, telling("at_max"), "why")) == []


def sweeps(state: Condition, *minutes: float) -> list[bool]:
    """Return whether a notice is due at each of the failures, so many minutes after noon.

    Every notice is delivered.
    """
    memory, notified = NotificationState(), []
    for minute in minutes:
        now = NOON + timedelta(minutes=minute)
        notified.append(notices.is_due(state, memory, now))
        memory = parse_state(str(notices.update_state(state, memory, now, notified[-1])))
    return notified


@pytest.mark.parametrize(
    ("count", "minutes", "notified"),
    [
        pytest.param(
            3, [0, 5, 10, 15, 20], [False, False, True, False, False], id="the third sweep in a row"
        ),
        pytest.param(1, [0, 5, 10], [True, False, False], id="the first"),
        pytest.param(
            3,
            [0, 1, 3, 5, 6, 8, 10],
            [False] * 6 + [True],
            id="Lambda's own retries are the same sweep",
        ),
        pytest.param(3, [0, 10, 20, 30], [False] * 4, id="every other sweep: never three in a row"),
        pytest.param(
            3, [0, 1, 3, 10, 11, 13, 20], [False] * 7, id="every other sweep, each tried again"
        ),
        pytest.param(
            2, [0, 5, 60, 65], [False, True, False, True], id="reported again where it begins again"
        ),
        pytest.param(
            2,
            [*range(0, 1_460, 5)],
            [False, True, *[False] * 288, True, False],
            id="and after a day",
        ),
        pytest.param(3, [0, 5.2, 9.9], [False, False, True], id="a schedule is not exact"),
    ],
)
def test_a_table_that_keeps_failing_is_notified_after_n_failed_sweeps_in_a_row(
    count: int, minutes: list[float], notified: list[bool]
) -> None:
    assert sweeps(failing(telling("failing", notify_failing_sweeps=count)), *minutes) == notified


def paused() -> Condition:
    (state,) = notices.conditions(
        observation(holds=(BY_OPERATOR,), settings=telling("paused")), None, NOON
    )
    return state


@pytest.mark.parametrize(
    ("minutes", "notified"),
    [
        pytest.param(
            [0, 5, 10, 600], [True, False, False, True], id="hours later it is another pause"
        ),
        pytest.param(list(range(0, 1_445, 5)), [True] + [False] * 288, id="once for a whole day"),
        pytest.param(
            list(range(0, 1_455, 5)),
            [True] + [False] * 288 + [True, False],
            id="and once more after it",
        ),
        pytest.param(
            [0, 30, 60, 90], [True, False, False, False], id="half an hour without is the same"
        ),
    ],
)
def test_a_pause_is_notified_when_it_begins(minutes: list[int], notified: list[bool]) -> None:
    assert sweeps(paused(), *minutes) == notified


def test_a_pause_is_noted_every_half_an_hour_and_not_at_every_sweep() -> None:
    state, memory, written = paused(), NotificationState(), 0
    for minute in range(0, 180, 5):
        now = NOON + timedelta(minutes=minute)
        updated = notices.update_state(state, memory, now, notices.is_due(state, memory, now))
        written, memory = written + (updated != memory), updated
    assert written == 6


def test_what_was_not_delivered_is_news_at_the_next_look() -> None:
    state = paused()
    assert notices.is_due(
        state,
        notices.update_state(state, NotificationState(), NOON, notified=False),
        NOON + timedelta(minutes=5),
    )
