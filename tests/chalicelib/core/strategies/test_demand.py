"""What metrics say about the load: how fresh they are, and their means by period."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.strategies.demand import is_fresh, means
from chalicelib.model import NO_SERIES
from tests.support.builders import NOON, series
from tests.support.laws import COSTLY


@pytest.mark.parametrize(
    ("minutes", "fresh"),
    [
        pytest.param(0, True, id="now"),
        pytest.param(3, True, id="CloudWatch's usual delay"),
        pytest.param(10, True, id="just fresh"),
        pytest.param(11, False, id="stale"),
        pytest.param(180, False, id="hours old"),
    ],
)
def test_data_is_fresh_for_ten_minutes(minutes: int, fresh: bool) -> None:
    assert is_fresh(series([1.0], NOON - timedelta(minutes=minutes)), NOON) is fresh


def test_a_second_over_ten_minutes_is_stale() -> None:
    assert not is_fresh(series([1.0]), NOON + timedelta(minutes=10, seconds=1))


@pytest.mark.parametrize("empty", [NO_SERIES, series([])])
def test_nothing_is_never_fresh(empty: object) -> None:
    assert is_fresh(empty, NOON) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "per_period", "expected"),
    [
        pytest.param([1.0, 2.0, 3.0], 1, [1.0, 2.0, 3.0], id="minutes"),
        pytest.param([1.0, 3.0, 5.0, 7.0], 2, [2.0, 6.0], id="pairs"),
        pytest.param([9.0, 1.0, 3.0, 5.0, 7.0], 2, [2.0, 6.0], id="the oldest are no whole period"),
        pytest.param([1.0, None, 5.0, 7.0], 2, [1.0, 6.0], id="a gap is not zero"),
        pytest.param([1.0, 3.0, None, None], 2, [2.0, None], id="nothing known"),
        pytest.param([1.0], 2, [], id="no whole period"),
        pytest.param([], 1, [], id="nothing"),
    ],
)
def test_means_are_of_whole_periods_counted_from_the_newest(
    values: list[float | None], per_period: int, expected: list[float | None]
) -> None:
    assert means(series(values), per_period) == expected


@pytest.mark.slow
@COSTLY
@given(st.lists(st.none() | st.floats(0, 1e6), max_size=60), st.integers(1, 20))
def test_means_lie_between_the_least_and_the_most(
    values: list[float | None], per_period: int
) -> None:
    found = means(series(values), per_period)
    assert len(found) == len(values) // per_period
    known = [value for value in values if value is not None]
    assert all(mean is None or 0 <= mean <= max(known, default=0) * (1 + 1e-9) for mean in found)
