"""What a container keeps of a series is what a new read would give."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.kept_series import KeptSeries
from chalicelib.model import Series
from headroom.simulation.clock import START

MINUTE = timedelta(minutes=1)
VALUES = st.lists(st.none() | st.floats(0, 1e9), min_size=30, max_size=30)


def part(values: list[float | None], start: int, end: int) -> Series:
    return Series(START + start * MINUTE, 60, tuple(values[start:end]))


@given(VALUES, st.integers(0, 9), st.integers(10, 20), st.integers(0, 5), st.integers(0, 9))
def test_the_old_part_and_the_new_make_the_whole(
    values: list[float | None], start: int, middle: int, overlap: int, later: int
) -> None:
    kept = KeptSeries(2)
    kept.extend("reads", START + start * MINUTE, part(values, start, middle))
    begin = START + min(start + later, middle) * MINUTE
    known = kept.known_until("reads", begin)
    assert known == START + middle * MINUTE
    first = max(min(start + later, middle), middle - overlap)
    whole = kept.extend("reads", begin, part(values, first, 30))
    assert whole == part(values, min(start + later, middle), 30)


def test_what_is_not_kept_is_not_known() -> None:
    kept = KeptSeries(2)
    kept.extend("reads", START, part([1.0] * 30, 0, 10))
    assert kept.known_until("writes", START) == START
    assert kept.known_until("reads", START - MINUTE) == START - MINUTE
    assert kept.known_until("reads", START + 11 * MINUTE) == START + 11 * MINUTE


def test_no_more_than_so_many_are_kept_the_oldest_go_first() -> None:
    kept = KeptSeries(2)
    for key in "abca":
        kept.extend(key, START, part([1.0] * 30, 0, 10))
    known = [kept.known_until(key, START) > START for key in "abc"]
    assert known == [True, False, True]
