"""Notices: what is remembered of them, and how they go together into messages."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.types import NotificationKind
from chalicelib.core import messages, notices
from chalicelib.core.notices import Notice, NotificationLine, NotificationState, parse_state
from headroom.region.cloudwatch import TAG_TEXT

TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
SLACK = "secretsmanager:headroom/slack"


TIMES = st.none() | st.integers(0, 4_000_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@pytest.mark.slow
@given(TIMES, TIMES, TIMES)
def test_a_memory_is_read_as_it_was_written_and_is_a_tag_that_aws_takes(
    notified: Any, first: Any, last: Any
) -> None:
    memory = NotificationState(notified, first, last)
    assert parse_state(str(memory)) == memory
    assert len(str(memory)) <= 256
    assert TAG_TEXT.fullmatch(str(memory))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yes",
        "told=",
        "told=soon",
        "when=2026-11-20T12:00:00Z",
        "told=0001-01-01T00:00:00+23:59",
    ],
)
def test_a_tag_that_somebody_else_has_written_says_nothing(value: str) -> None:
    assert parse_state(value) == NotificationState()


# into messages


def many(count: int, topic: str = TOPIC, slack: str = "") -> list[Notice]:
    lines = (
        NotificationLine("scaled_up", f"orders-{i}", f"orders-{i}:read 1 → 2", topic, slack)
        for i in range(count)
    )
    return [notice for notice, _ in messages.notices(lines)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (5, [1] * 5), (6, [6]), (50, [50]), (51, [50, 1]), (1_000, [50] * 20)],
)
def test_many_messages_of_a_run_go_together(count: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in messages.batches(many(count))] == sizes


def test_each_destination_is_counted_for_itself() -> None:
    assert [
        len(batch)
        for batch in messages.batches([*many(6), *many(2, f"{TOPIC}-2"), *many(1, "", SLACK)])
    ] == [6, 1, 1, 1]


def test_what_goes_together_keeps_every_line_and_can_be_filtered_by_every_table() -> None:
    line = NotificationLine("at_max", "orders-0", "orders-0:read is at its maximum", TOPIC, "")
    merged = messages.merged([*many(6), *[notice for notice, _ in messages.notices([line])]])
    assert (merged.subject, merged.text.count("→")) == (
        "Headroom: 7 notices (at_max 1, scaled_up 6)",
        6,
    )
    assert "At its maximum and throttled: orders-0\norders-0:read is at its maximum" in merged.text
    assert (merged.facts, merged.topic) == (
        {"kind": ("scaled_up", "at_max"), "table": tuple(f"orders-{i}" for i in range(6))},
        TOPIC,
    )


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    ((notice, of),) = messages.notices(
        NotificationLine("scaled_up", "orders", f"{i}: {'x' * 1_000}", TOPIC, "")
        for i in range(100)
    )
    assert len(of) == 100
    assert len(notice.text) < messages.MAX_TEXT + 100
    assert notice.text.endswith("(the log has the rest)")


def test_every_kind_but_those_of_others_has_a_subject() -> None:
    assert set(messages.SUBJECTS) == set(get_args(NotificationKind)) - {"healing"}
    assert set(messages.SUBJECTS) >= notices.STATE_KINDS
