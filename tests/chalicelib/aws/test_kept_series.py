"""What a container keeps of a series is what a new read would give."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.kept_series import KeptSeries
from chalicelib.model import Series
from headroom.simulation.clock import START

MINUTE = timedelta(minutes=1)
VALUES = st.lists(st.none() | st.floats(0, 1e9), min_size=30, max_size=30)


def part(values: list[float | None], start: int, end: int) -> Series:
    return Series(START + start * MINUTE, 60, tuple(values[start:end]))


@pytest.mark.slow
@given(VALUES, st.integers(0, 9), st.integers(10, 20), st.integers(0, 5), st.integers(0, 9))
def test_the_settled_part_and_the_new_make_the_whole(
    values: list[float | None], start: int, settled: int, overlap: int, later: int
) -> None:
    kept = KeptSeries(2)
    read_before = part([*values[:settled], 1.0, None, 2.0], start, settled + 3)
    kept.extend("reads", START + start * MINUTE, read_before, START + settled * MINUTE)
    begin = min(start + later, settled)
    known = kept.known_until("reads", START + begin * MINUTE)
    assert known == START + settled * MINUTE
    new = part(values, max(begin, settled - overlap), 30)
    whole = kept.extend("reads", START + begin * MINUTE, new, known)
    assert whole == part(values, begin, 30)


def test_what_is_not_kept_is_not_known() -> None:
    kept = KeptSeries(2)
    kept.extend("reads", START, part([1.0] * 30, 0, 10), START + 10 * MINUTE)
    assert kept.known_until("writes", START) == START
    assert kept.known_until("reads", START - MINUTE) == START - MINUTE
    assert kept.known_until("reads", START + 11 * MINUTE) == START + 11 * MINUTE


def test_no_more_than_so_many_are_kept_the_oldest_go_first() -> None:
    kept = KeptSeries(2)
    for key in "abca":
        kept.extend(key, START, part([1.0] * 30, 0, 10), START + 10 * MINUTE)
    known = [kept.known_until(key, START) > START for key in "abc"]
    assert known == [True, False, True]
