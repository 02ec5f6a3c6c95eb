"""The writes of an index follow those of its table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.core import index_floor, scaling
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, UP, Decision, Reason, Series, Target
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    MINUTE,
    NOON,
    READS,
    WRITES,
    observation,
    policy,
    series,
    steady,
)
from tests.support.laws import COSTLY


def seen(target: Target, provisioned: int, consumed: float | Series | None, **more: Any) -> Any:
    settings = policy(**more.pop("settings", {}))
    return observation(target, provisioned, consumed, settings=settings, **more)


def table(provisioned: int, consumed: float | Series | None, **more: Any) -> Observation:
    return seen(WRITES, provisioned, consumed, **more)


def index(provisioned: int, consumed: float | Series | None, **more: Any) -> Observation:
    return seen(INDEX_WRITES, provisioned, consumed, **more)


def decided(*observations: Observation, directions: Any = BOTH) -> dict[Target, Decision]:
    found = scaling.decide_table(observations, NOON, directions)
    return {one.target: one for one in found}


def of_index(*observations: Observation, directions: Any = BOTH) -> tuple[int, Reason]:
    found = decided(*observations, directions=directions)[INDEX_WRITES]
    return found.desired, found.reason


#: The table's writes jump: 85 of 100 units are consumed, so that it goes to 150.
JUMPS: dict[str, Any] = {"provisioned": 100, "consumed": 85.0}
SMALL = {"increase_percent": 10}
FLOOR = {"min_units": 120}
OFF = {"index_follows_table": False}


@pytest.mark.parametrize(
    ("writes", "of", "expected"),
    [
        pytest.param({}, index(60, 42.5), (75, Reason.FOLLOWS_TABLE), id="half of the writes"),
        pytest.param({}, index(60, 8.5), (60, Reason.AT_DESIRED), id="a sparse index has enough"),
        pytest.param({}, index(52, 42.5), (78, Reason.UTILIZATION_HIGH), id="it jumps itself"),
        pytest.param({}, index(21, 17.0), (32, Reason.UTILIZATION_HIGH), id="its own step is more"),
        pytest.param(
            {"settings": SMALL}, index(60, 42.5), (60, Reason.AT_DESIRED), id="no jump, no raise"
        ),
        pytest.param(
            {"settings": {"dry_run": True}},
            index(60, 42.5),
            (60, Reason.AT_DESIRED),
            id="the table is in a dry run",
        ),
        pytest.param(
            {},
            index(60, 42.5, settings={"max_units": 70}),
            (70, Reason.FOLLOWS_TABLE),
            id="up to its maximum",
        ),
        pytest.param(
            {},
            index(60, 42.5, settings={"max_units": 60}),
            (60, Reason.AT_MAX),
            id="it is at its maximum",
        ),
        pytest.param({}, index(60, 42.5, settings=OFF), (60, Reason.AT_DESIRED), id="switched off"),
        pytest.param(
            {},
            index(60, 42.5, settings={"scale_up": False}),
            (60, Reason.SCALING_OFF),
            id="it is not raised at all",
        ),
        pytest.param({}, index(60, None), (60, Reason.NO_DATA), id="nothing is known of it"),
        pytest.param(
            {"consumed": 50.0, "settings": FLOOR},
            index(50, 25.0),
            (60, Reason.FOLLOWS_TABLE),
            id="the table goes to its minimum",
        ),
    ],
)
def test_an_index_is_raised_with_the_writes_of_its_table(
    writes: dict[str, Any], of: Observation, expected: tuple[int, Reason]
) -> None:
    assert of_index(table(**{**JUMPS, **writes}), of, directions=UP) == expected


@pytest.mark.parametrize(
    ("writes", "of", "expected"),
    [
        pytest.param(table(100, 60.0), index(200, 30.0), 50, id="half of the table's units"),
        pytest.param(table(100, 60.0), index(50, 3.0), 5, id="a twentieth"),
        pytest.param(table(100, 60.0), index(50, 30.0), Reason.FOLLOWS_TABLE, id="it is there"),
        pytest.param(table(100, 60.0), index(30, 20.0), Reason.FOLLOWS_TABLE, id="it is below"),
        pytest.param(table(100, 26.0), index(100, 13.0), 20, id="the table is lowered too"),
        pytest.param(
            table(100, 26.0, settings={"dry_run": True}),
            index(100, 13.0),
            50,
            id="the table would be lowered, but is in a dry run",
        ),
        pytest.param(
            table(100, 26.0, decreases_today=4, last_decrease_at=NOON - 40 * MINUTE),
            index(100, 13.0),
            50,
            id="the table may not be lowered yet",
        ),
        pytest.param(table(100, 0.0), index(100, 0.0), 1, id="nothing is written"),
        pytest.param(table(100, None), index(100, 3.0), Reason.NO_DATA, id="unknown is not zero"),
        pytest.param(
            table(100, steady(60.0, 4)), index(100, 3.0), Reason.NO_DATA, id="too little is known"
        ),
        pytest.param(table(100, 60.0), index(200, 6.0, settings=OFF), 10, id="switched off"),
        pytest.param(
            table(100, 60.0),
            index(200, 30.0, settings={"max_units": 40}),
            40,
            id="above its maximum",
        ),
    ],
)
def test_an_index_is_not_lowered_below_what_the_table_can_send(
    writes: Observation, of: Observation, expected: int | Reason
) -> None:
    units, reason = of_index(writes, of)
    assert units == (of.provisioned if isinstance(expected, Reason) else expected)
    if isinstance(expected, Reason):
        assert reason is expected


def test_reads_have_nothing_to_do_with_it() -> None:
    reads = [seen(READS, 100, 85.0), seen(INDEX_READS, 60, 42.5)]
    found = decided(*reads, table(100, 60.0), index(50, 30.0))
    assert (found[READS].desired, found[INDEX_READS].desired) == (150, 60)
    assert of_index(index(60, 3.0)) == (5, Reason.UTILIZATION_LOW)


def test_an_index_at_this_floor_does_not_keep_its_reads_from_being_lowered() -> None:
    together = {"decrease_together": True}
    reads = seen(INDEX_READS, 100, 26.0, settings=together)
    found = decided(table(100, 60.0), reads, index(50, 30.0, settings=together))
    assert found[INDEX_READS].desired == 40


@pytest.mark.parametrize(
    ("lowered", "settings", "expected"),
    [
        pytest.param(51, {}, (100, Reason.FOLLOWS_TABLE), id="the table is lowered in 9 minutes"),
        pytest.param(49, {}, (50, Reason.UTILIZATION_LOW), id="in 11 minutes"),
        pytest.param(61, {}, (20, Reason.UTILIZATION_LOW), id="now, and the index with it"),
        pytest.param(51, {"dry_run": True}, (50, Reason.UTILIZATION_LOW), id="in a dry run"),
    ],
)
def test_an_index_waits_some_minutes_to_be_lowered_with_its_table(
    lowered: int, settings: dict[str, Any], expected: tuple[int, Reason]
) -> None:
    last = {"decreases_today": 4, "last_decrease_at": NOON - lowered * MINUTE}
    writes = table(100, 26.0, settings=settings, **last)
    assert of_index(writes, index(100, 13.0)) == expected
    reads = decided(writes, seen(INDEX_READS, 100, 26.0), index(100, 13.0))[INDEX_READS]
    assert (reads.desired == 100) == (expected[0] == 100)


def test_the_numbers_say_why() -> None:
    found = decided(table(**JUMPS), index(60, 42.5))[INDEX_WRITES]
    shown = {key: found.numbers[key] for key in ("min_units", "table_units", "index_share")}
    assert shown == {"min_units": 75, "table_units": 150, "index_share": 0.5}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param({"throttled": series([5.0])}, Reason.THROTTLED_RECENTLY, id="throttled"),
        pytest.param({"hot": series([5.0])}, Reason.UTILIZATION_LOW, id="on a hot key"),
        pytest.param(
            {"throttled": series([5.0], NOON - 19 * MINUTE)},
            Reason.THROTTLED_RECENTLY,
            id="in the minutes that a decrease goes by",
        ),
        pytest.param(
            {"throttled": series([5.0], NOON - 21 * MINUTE)}, Reason.UTILIZATION_LOW, id="long ago"
        ),
        pytest.param(
            {"throttled": series([5.0]), "settings": OFF}, Reason.UTILIZATION_LOW, id="switched off"
        ),
    ],
)
def test_a_table_is_not_lowered_while_its_index_keeps_writes_away(
    of: dict[str, Any], expected: Reason
) -> None:
    found = decided(table(100, 26.0), index(30, 20.0, **of), directions=DOWN)
    assert found[WRITES].reason is expected


@pytest.mark.parametrize(
    ("writes", "taken", "expected"),
    [
        ([2.0] * 9, [1.0] * 9, 0.5),
        ([None, *[2.0] * 8], [1.0] * 9, 0.5),
        ([1.0] * 4 + [9.0] * 5, [0.0] * 4 + [9.0] * 5, 45 / 49),
        ([0.0] * 9, [1.0] * 9, 0.0),
        ([9.0, *[2.0] * 8], [1.0] * 8, 0.5),
        ([2.0] * 9, [1.0] * 4, None),
        ([], [], None),
    ],
)
def test_the_share_is_that_of_the_common_minutes(
    writes: list[float | None], taken: list[float | None], expected: float | None
) -> None:
    assert index_floor.share_of(series(writes), series(taken)) == expected


@pytest.mark.slow
@COSTLY
@given(
    table_units=st.integers(1, 500),
    index_units=st.integers(1, 500),
    used=st.integers(0, 100),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0]),
)
def test_nothing_that_follows_is_lower_than_without(
    table_units: int, index_units: int, used: int, share: float
) -> None:
    rate = table_units * used / 100
    of = index(index_units, rate * share)
    follows = decided(table(table_units, rate), of)
    alone = decided(table(table_units, rate), structs.replace(of, policy=policy(**OFF)))
    assert follows[WRITES].desired >= alone[WRITES].desired
    assert follows[INDEX_WRITES].desired >= alone[INDEX_WRITES].desired
    sent = follows[WRITES].desired * share if rate else 0
    assert follows[INDEX_WRITES].desired >= min(index_units, int(sent))
