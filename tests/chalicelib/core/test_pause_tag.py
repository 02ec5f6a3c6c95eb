"""The tag of a pause: what it says, until when, and what is held if it cannot be read."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core import pause_tag
from chalicelib.core.pause_tag import PauseTag
from chalicelib.model import BOTH, DOWN, Reason
from tests.support.builders import NOON

SIX = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("2026-11-21T06:00:00Z everything", PauseTag(SIX)),
        ("2026-11-21T07:00:00+01:00 decreases", PauseTag(SIX, "decreases")),
        (
            "2026-11-21T06:00:00Z decreases  a big  import",
            PauseTag(SIX, "decreases", "a big  import"),
        ),
    ],
)
def test_a_tag_is_read_in_utc(value: str, tag: PauseTag) -> None:
    assert pause_tag.parse(value) == tag
    assert pause_tag.parse(value).until.tzinfo is UTC


def test_a_tag_is_written_as_it_is_read() -> None:
    assert str(PauseTag(SIX)) == "2026-11-21T06:00:00Z everything"
    assert str(PauseTag(SIX, "decreases", "an import")) == (
        "2026-11-21T06:00:00Z decreases an import"
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "'' is no time that can be meant (Invalid isoformat string: ''); expected a time"),
        (
            "2026-11-21T06:00:00 everything",
            "'2026-11-21T06:00:00' is no time that can be meant (it has no time zone); expected",
        ),
        ("0001-01-01T00:00:00+23:00 everything", "is no time that can be meant (date value out"),
        ("2026-11-21T06:00:00Z all", "'all' is neither everything nor decreases; expected a time"),
        ("2026-11-21T06:00:00Z", "'' is neither everything nor decreases; expected a time"),
    ],
)
def test_what_is_no_pause_is_refused_with_its_form(value: str, why: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        pause_tag.parse(value)
    assert why in str(caught.value)
    hold = pause_tag.hold("orders", value, NOON)
    assert hold
    assert (hold.reason, hold.directions) == (Reason.PAUSE_UNKNOWN, DOWN)
    assert hold.detail == (
        f"its tag headroom-pause cannot be read: {caught.value}; write it anew by `headroom pause "
        "orders`, or remove it by `headroom resume orders`"
    )


@pytest.mark.parametrize(("what", "directions"), [("everything", BOTH), ("decreases", DOWN)])
def test_a_pause_holds_until_its_time(what: str, directions: frozenset[object]) -> None:
    value = f"2026-11-21T06:00:00Z {what} why"
    hold = pause_tag.hold("orders", value, SIX - timedelta(seconds=1))
    assert hold
    assert (hold.reason, hold.directions) == (Reason.PAUSED, directions)
    assert hold.detail == f"a pause until 2026-11-21 06:00 UTC: {pause_tag.IN_WORDS[what]} (why)"
    assert pause_tag.hold("orders", value, SIX) is None
