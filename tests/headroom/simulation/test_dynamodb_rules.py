"""How DynamoDB serves, updates, counts and refuses, and how CloudWatch judges: the rules that the
workbench simulates by."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.model import Dimension, Throughput
from headroom.simulation.dynamodb_rules import (
    AlarmState,
    Conditions,
    Meter,
    Provision,
    QuotaExceededError,
    breaches,
    serve,
)
from tests.support.builders import NOON

MINUTE = timedelta(minutes=1)
GREATER = "GreaterThanOrEqualToThreshold"


def test_the_world_is_amazons_unless_told_otherwise() -> None:
    assert Conditions() == Conditions(burst_seconds=300, metric_delay_minutes=1, update_minutes=1)


def test_metrics_stop_now_and_then_and_some_updates_are_slow() -> None:
    conditions = Conditions(metrics_stop_minutes=10, slow_update_every=3)
    delays = [conditions.delay_at(minute) for minute in (199, 200, 201, 209, 210, 569)]
    assert delays == [1, 1, 2, 10, 1, 10]
    assert [conditions.minutes_of(update) for update in range(6)] == [1, 1, 8, 1, 1, 8]
    assert {Conditions().delay_at(minute) for minute in range(400)} == {1}
    assert {Conditions().minutes_of(update) for update in range(20)} == {1}


# serving


@pytest.mark.parametrize(
    ("burst_balance", "demand", "consumed", "throttled", "left"),
    [
        pytest.param(0.0, 40.0, 40.0, 0.0, 3_600.0, id="what is spare is burst_balance"),
        pytest.param(0.0, 100.0, 100.0, 0.0, 0.0, id="just enough"),
        pytest.param(0.0, 150.0, 100.0, 50.0, 0.0, id="an empty bucket throttles"),
        pytest.param(3_000.0, 150.0, 150.0, 0.0, 0.0, id="the bucket carries a whole minute"),
        pytest.param(1_500.0, 150.0, 125.0, 25.0, 0.0, id="the bucket carries half of it"),
        pytest.param(30_000.0, 150.0, 150.0, 0.0, 27_000.0, id="a full bucket lasts"),
        pytest.param(29_000.0, 40.0, 40.0, 0.0, 30_000.0, id="a full bucket takes no more"),
    ],
)
def test_a_minute_is_served_from_units_and_bucket(
    burst_balance: float, demand: float, consumed: float, throttled: float, left: float
) -> None:
    meter = Meter(100, burst_balance=burst_balance)
    assert meter.serve(demand) == (consumed, throttled)
    assert meter.burst_balance == left


@pytest.mark.parametrize(
    ("table", "index", "expected"),
    [
        pytest.param((100, 80.0), (50, 40.0), [(80, 0, 0), (40, 0, 0)], id="both have enough"),
        pytest.param((100, 80.0), (30, 40.0), [(60, 0, 20), (30, 10, 10)], id="the index is short"),
        pytest.param((60, 80.0), (50, 40.0), [(60, 20, 20), (30, 0, 10)], id="the table is short"),
        pytest.param(
            (60, 80.0), (20, 40.0), [(40, 0, 40), (20, 20, 20)], id="the index is shorter"
        ),
        pytest.param((60, 80.0), (5, 0.0), [(60, 20, 20), (0, 0, 0)], id="a sparse index"),
    ],
)
def test_a_write_fails_if_the_table_or_an_index_is_short_and_is_throttled_where_it_is(
    table: tuple[int, float], index: tuple[int, float], expected: list[tuple[float, float, float]]
) -> None:
    parts = [(Meter(units, burst_balance=0.0), demand) for units, demand in (table, index)]
    assert serve(parts) == expected


def test_what_the_table_does_not_write_fills_its_bucket() -> None:
    table, index = Meter(100, burst_balance=0.0), Meter(30, burst_balance=0.0)
    serve([(table, 80.0), (index, 40.0)])
    assert (table.burst_balance, index.burst_balance) == (2_400.0, 0.0)


@pytest.mark.parametrize(
    ("burst_seconds", "burst_balance"), [(300, 30_000.0), (150, 15_000.0), (0, 0.0)]
)
def test_a_bucket_is_full_to_begin_with_like_that_of_a_table_that_has_been_there(
    burst_seconds: int, burst_balance: float
) -> None:
    assert Meter(100, burst_seconds).burst_balance == burst_balance


def test_an_idle_table_banks_five_minutes_and_no_more() -> None:
    meter = Meter(100, burst_balance=0.0)
    burst_balance = [meter.burst_balance for _ in range(7) if meter.serve(0.0) == (0.0, 0.0)]
    assert burst_balance == [6_000.0, 12_000.0, 18_000.0, 24_000.0, 30_000.0, 30_000.0, 30_000.0]


def test_a_full_bucket_carries_double_load_for_five_minutes() -> None:
    meter = Meter(100, burst_balance=30_000.0)
    assert [meter.serve(200.0) for _ in range(6)] == [(200.0, 0.0)] * 5 + [(100.0, 100.0)]


@pytest.mark.parametrize(("units", "burst_balance"), [(50, 15_000.0), (200, 30_000.0)])
def test_a_change_of_units_keeps_what_is_banked_as_far_as_it_fits(
    units: int, burst_balance: float
) -> None:
    meter = Meter(100, burst_balance=30_000.0)
    meter.set_units(units)
    assert (meter.units, meter.burst_balance) == (units, burst_balance)


DEMANDS = st.lists(st.floats(0, 1_000), max_size=40)


@pytest.mark.slow
@given(st.integers(1, 500), DEMANDS, st.integers(0, 600))
def test_nothing_is_served_twice_and_nothing_is_lost(
    units: int, demands: list[float], burst_seconds: int
) -> None:
    meter = Meter(units, burst_seconds)
    for demand in demands:
        before = meter.burst_balance
        consumed, throttled = meter.serve(demand)
        assert consumed + throttled == pytest.approx(demand)
        assert 0 <= throttled <= max(0.0, demand - units) + 1e-9
        assert 0 <= meter.burst_balance <= units * burst_seconds
        assert consumed * 60 <= units * 60 + before + 1e-6


@pytest.mark.slow
@given(st.integers(1, 499), DEMANDS)
def test_more_units_never_throttle_more(units: int, demands: list[float]) -> None:
    less, more = Meter(units), Meter(units + 1)
    for demand in demands:
        assert more.serve(demand)[1] <= less.serve(demand)[1] + 1e-6


# updating


def provision(read: int = 100, write: int = 100) -> Provision:
    return Provision({Dimension.READ: Meter(read), Dimension.WRITE: Meter(write)})


def units(read: int = 100, write: int = 100) -> dict[Dimension, int]:
    return {Dimension.READ: read, Dimension.WRITE: write}


def update(table: Provision, wanted: dict[Dimension, int], now: datetime = NOON) -> bool:
    """Make an update that holds at once."""
    table.check_quota(wanted, now)
    lowers = table.start_update(wanted, now, 0)
    table.complete_update(now)
    return lowers


def shown(table: Provision) -> Throughput:
    """Return what DescribeTable shows, without the warm throughput."""
    return structs.replace(table.throughput(NOON), warm={})


def test_the_warm_throughput_is_the_highest_so_far() -> None:
    table = provision()
    for number in (150, 60):
        table.start_update(units(read=number), NOON, 3)
        assert table.throughput(NOON).warm == units(read=100 if number == 150 else 150)
        table.complete_update(NOON + 3 * MINUTE)
    assert table.throughput(NOON).warm == units(read=150)


def test_a_fresh_table_knows_no_times() -> None:
    assert shown(provision()) == Throughput(units())


def test_an_update_holds_only_when_it_is_ready() -> None:
    table = provision()
    table.start_update(units(read=150), NOON, 3)
    table.complete_update(NOON + 3 * MINUTE - timedelta(seconds=1))
    assert shown(table) == Throughput(units(), active=False, last_increase_at=NOON)
    table.complete_update(NOON + 3 * MINUTE)
    assert shown(table) == Throughput(units(read=150), last_increase_at=NOON)


def test_settling_without_an_update_changes_nothing() -> None:
    table = provision()
    table.complete_update(NOON)
    assert table == provision()


@pytest.mark.parametrize(
    ("wanted", "lowers", "increase", "decrease"),
    [
        pytest.param(units(150, 150), False, NOON, None, id="both up"),
        pytest.param(units(50, 50), True, None, NOON, id="both down are one decrease"),
        pytest.param(units(50, 150), True, NOON, NOON, id="down and up is a decrease too"),
        pytest.param(units(150, 100), False, NOON, None, id="one up"),
    ],
)
def test_an_update_is_counted_by_what_it_lowers(
    wanted: dict[Dimension, int], lowers: bool, increase: datetime | None, decrease: datetime | None
) -> None:
    table = provision()
    assert update(table, wanted) is lowers
    assert shown(table) == Throughput(wanted, True, int(lowers), increase, decrease)


def test_the_counter_begins_anew_at_midnight_and_the_time_of_the_last_stays() -> None:
    table, last = provision(), datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    update(table, units(read=50), last)
    assert table.throughput(last).decreases_today == 1
    midnight = table.throughput(last + timedelta(seconds=1))
    assert (midnight.decreases_today, midnight.last_decrease_at) == (0, last)


def test_the_first_decrease_of_a_day_is_counted_as_one() -> None:
    table, yesterday = provision(), NOON - timedelta(days=1)
    for read in (90, 80, 70):
        update(table, units(read=read), yesterday)
    update(table, units(read=60))
    assert table.throughput(NOON).decreases_today == 1


def spent() -> Provision:
    """Return a table whose four free decreases were made at noon."""
    table = provision()
    for read in (90, 80, 70, 60):
        update(table, units(read=read))
    return table


def test_the_fifth_decrease_within_the_hour_is_refused_in_amazons_words() -> None:
    table = spent()
    with pytest.raises(QuotaExceededError) as caught:
        table.check_quota(units(read=50), NOON + timedelta(seconds=3_599))
    assert str(caught.value) == (
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given "
        "UTC day. After the first 4 "
        "decreases, each subsequent decrease in the same UTC day can be performed at most once "
        "every 3600 seconds. "
        "Number of decreases today: 4. Last decrease at Friday, November 20, 2026 at 12:00:00 PM "
        "Coordinated Universal Time. "
        "Next decrease can be made at Friday, November 20, 2026 at 1:00:00 PM Coordinated "
        "Universal Time"
    )
    assert (table.refused_updates, shown(table)) == (
        1,
        Throughput(units(read=60), decreases_today=4, last_decrease_at=NOON),
    )


@pytest.mark.parametrize(
    ("wanted", "later"),
    [
        pytest.param(units(read=50), 3_600, id="a decrease an hour later"),
        pytest.param(units(read=300, write=300), 0, id="an increase at once"),
        pytest.param(units(read=60), 0, id="nothing that is lowered"),
    ],
)
def test_what_the_quota_does_not_forbid_is_taken(wanted: dict[Dimension, int], later: int) -> None:
    table = spent()
    table.check_quota(wanted, NOON + timedelta(seconds=later))
    assert table.refused_updates == 0


def test_a_call_that_raises_and_lowers_is_refused_whole() -> None:
    with pytest.raises(QuotaExceededError):
        spent().check_quota(units(read=50, write=300), NOON)


# alarms


@pytest.mark.parametrize(
    ("sums", "periods", "points", "value"),
    [
        pytest.param([100.0], 1, 1, "ALARM", id="at the threshold"),
        pytest.param([99.0], 1, 1, "OK", id="below"),
        pytest.param([99.0, 100.0], 1, 1, "ALARM", id="the newest counts"),
        pytest.param([100.0, 99.0], 1, 1, "OK", id="an older one does not"),
        pytest.param([100.0, 99.0, 100.0], 3, 2, "ALARM", id="two of three"),
        pytest.param([100.0, 99.0, 99.0], 3, 2, "OK", id="one of three"),
        pytest.param([100.0, None, 100.0], 2, 2, "ALARM", id="older points stand in for gaps"),
        pytest.param([99.0, None], 1, 1, "OK", id="the newest real one counts"),
        pytest.param([None, None], 1, 1, "INSUFFICIENT_DATA", id="no data keeps the state"),
        pytest.param([100.0], 2, 2, "INSUFFICIENT_DATA", id="too few points keep the state"),
        pytest.param([], 1, 1, "INSUFFICIENT_DATA", id="nothing keeps the state"),
    ],
)
def test_an_alarm_is_judged_on_its_newest_real_points(
    sums: list[float | None], periods: int, points: int, value: str
) -> None:
    state = AlarmState(periods, points)
    assert state.evaluate(sums, 100.0, GREATER) is (value != "INSUFFICIENT_DATA")
    assert state.value == value


def test_an_alarm_tells_of_a_change_once_and_keeps_its_state_without_data() -> None:
    state = AlarmState()
    changes = [
        state.evaluate(sums, 100.0, GREATER)
        for sums in ([150.0], [160.0], [None], [50.0], [40.0], [150.0])
    ]
    assert changes == [True, False, False, True, False, True]
    assert (state.value, state.newest) == ("ALARM", [150.0])


@pytest.mark.parametrize(
    ("comparison", "breached"),
    [
        ("GreaterThanOrEqualToThreshold", [False, True, True]),
        ("GreaterThanThreshold", [False, False, True]),
        ("LessThanThreshold", [True, False, False]),
        ("LessThanOrEqualToThreshold", [True, True, False]),
        ("LessThanLowerOrGreaterThanUpperThreshold", [False, False, False]),
    ],
)
def test_a_value_is_compared_as_the_alarm_says(comparison: str, breached: list[bool]) -> None:
    assert [breaches(value, 100.0, comparison) for value in (99.0, 100.0, 101.0)] == breached
