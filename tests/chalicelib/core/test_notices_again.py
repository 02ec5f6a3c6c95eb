"""A state that lasts: when it is written again, and when it is news again."""

from datetime import timedelta

from chalicelib.core import notices
from chalicelib.core.notices import NotificationState
from tests.chalicelib.core.test_notices import paused
from tests.support.builders import (
    NOON,
)


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
