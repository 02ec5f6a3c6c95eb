"""The values: how targets are named, how a series is cut, what a table holds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.model import NO_SERIES, Alarm, Dimension, Reason, Series, TableState, Target
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    NOON,
    READS,
    WRITES,
    alarm,
    decision,
    series,
    throughput,
)

NAMES = st.text("abcDEF019_.-", min_size=3, max_size=12)
TARGETS = st.builds(Target, NAMES, st.just("") | NAMES, st.sampled_from(Dimension))


@pytest.mark.parametrize(
    ("target", "text", "owner"),
    [
        (READS, "orders:read", "orders"),
        (WRITES, "orders:write", "orders"),
        (INDEX_READS, "orders/by-date:read", "orders/by-date"),
    ],
)
def test_a_target_is_named_by_table_index_and_dimension(
    target: Target, text: str, owner: str
) -> None:
    assert (str(target), target.owner) == (text, owner)


@pytest.mark.slow
@given(TARGETS, TARGETS)
def test_two_targets_have_one_text_only_if_they_are_the_same(one: Target, other: Target) -> None:
    assert (str(one) == str(other)) == (one == other)


def test_targets_are_in_order_the_table_before_its_indexes_and_reads_before_writes() -> None:
    assert sorted([INDEX_WRITES, WRITES, INDEX_READS, READS]) == [
        READS,
        WRITES,
        INDEX_READS,
        INDEX_WRITES,
    ]


def test_a_table_has_two_targets_of_its_own_and_two_for_each_index_by_name() -> None:
    table = TableState(
        "orders", "arn", True, False, {"z": throughput(), "": throughput(), "by-date": throughput()}
    )
    last = [Target("orders", "z", Dimension.READ), Target("orders", "z", Dimension.WRITE)]
    assert table.targets() == [READS, WRITES, INDEX_READS, INDEX_WRITES, *last]


def test_a_series_ends_where_its_last_period_closes() -> None:
    assert Series(NOON, 300, (1.0, None, 3.0)).end == NOON + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        pytest.param(None, (1.0, 2.0, 3.0), id="no time given"),
        pytest.param(-60, (1.0, 2.0, 3.0), id="before the start"),
        pytest.param(0, (1.0, 2.0, 3.0), id="at the start"),
        pytest.param(1, (2.0, 3.0), id="a second in: the period under way is left out"),
        pytest.param(60, (2.0, 3.0), id="on a border"),
        pytest.param(120, (3.0,), id="on the last border"),
        pytest.param(121, (), id="within the last period"),
        pytest.param(180, (), id="at the end"),
        pytest.param(9_999, (), id="after the end"),
    ],
)
def test_since_keeps_the_periods_that_begin_then_or_later(
    seconds: int | None, left: tuple[float, ...]
) -> None:
    assert (
        Series(NOON, 60, (1.0, 2.0, 3.0))
        .since(None if seconds is None else NOON + timedelta(seconds=seconds))
        .values
        == left
    )


@given(st.integers(0, 20), st.integers(-2_000, 2_000), st.sampled_from([60, 300]))
def test_since_never_moves_a_value_in_time(size: int, seconds: int, step: int) -> None:
    whole = Series(NOON, step, tuple(float(i) for i in range(size)))
    at = NOON + timedelta(seconds=seconds)
    cut = whole.since(at)
    assert cut.end == whole.end
    assert cut.start >= min(at, whole.end)
    assert cut.values == whole.values[size - len(cut.values) :]


def test_since_takes_a_time_of_any_zone() -> None:
    at = (NOON + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-8)))
    assert Series(NOON, 60, (1.0, 2.0)).since(at) == Series(NOON + timedelta(minutes=1), 60, (2.0,))


@pytest.mark.parametrize(
    ("count", "left"),
    [(0, ()), (1, (3.0,)), (2, (None, 3.0)), (3, (1.0, None, 3.0)), (9, (1.0, None, 3.0))],
)
def test_last_keeps_the_newest_values_where_they_are_in_time(
    count: int, left: tuple[float | None, ...]
) -> None:
    assert series([1.0, None, 3.0]).last(count) == series(left)


@pytest.mark.parametrize(
    ("values", "left"), [((1.0, None, 0.0, None), (1.0, None, 0.0)), ((None, None), ()), ((), ())]
)
def test_trailing_gaps_are_cut_off(
    values: tuple[float | None, ...], left: tuple[float | None, ...]
) -> None:
    assert Series(NOON, 60, values).without_trailing_gaps() == Series(NOON, 60, left)


def test_known_leaves_the_gaps_out_and_keeps_the_zeros() -> None:
    assert series([None, 0.0, None, 2.5]).known() == [0.0, 2.5]


def test_no_series_is_of_long_ago_and_empty() -> None:
    assert (NO_SERIES.values, NO_SERIES.end) == ((), datetime(1970, 1, 1, tzinfo=UTC))


def test_a_decision_changes_something_unless_it_stays() -> None:
    assert [decision(desired=units).changes for units in (99, 100, 101)] == [True, False, True]


@pytest.mark.parametrize(("value", "threshold"), [(4_800.0, 4_800.0), (60, 60.0), (None, None)])
def test_an_alarms_threshold_is_a_number_or_none(value: object, threshold: float | None) -> None:
    assert alarm(Threshold=value).threshold == threshold


def test_an_alarm_is_named_by_its_field() -> None:
    assert Alarm({"AlarmName": "orders-hot"}).name == "orders-hot"


@pytest.mark.parametrize("value", [READS, decision(), throughput(), series([1.0])])
def test_values_cannot_be_changed(value: object) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        setattr(value, structs.fields(value)[0].name, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.AT_MAX, "AlreadyAtMaxCapacity"),
        (Reason.AT_MIN, "AlreadyAtMinCapacity"),
        (Reason.AT_DESIRED, "AlreadyAtDesiredCapacity"),
    ],
)
def test_reasons_that_aws_has_a_word_for_use_it(reason: Reason, word: str) -> None:
    assert str(reason) == word
