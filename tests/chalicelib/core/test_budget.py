"""DynamoDB's decrease quota: four at once, then one an hour, anew at 00:00:00 UTC; 27 a day at the
most."""

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.budget import Budget, budget, decreases_today, keeps, next_midnight
from chalicelib.model import Dimension
from headroom.simulation.dynamodb_rules import Meter, Provision, QuotaExceededError
from tests.support.builders import throughput
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


def at(clock: str, day: int = 20) -> datetime:
    """Return a time of November 2026, in UTC."""
    return datetime.fromisoformat(f"2026-11-{day} {clock}+00:00")


@pytest.mark.parametrize(
    ("now", "used", "last", "expected"),
    [
        pytest.param(
            "12:00:00", 0, None, Budget(0, 15, at("12:00:00")), id="a fresh table knows no times"
        ),
        pytest.param("00:00:00", 0, None, Budget(0, 27, at("00:00:00")), id="a whole day is left"),
        pytest.param(
            "12:00:00", 3, at("11:59:59"), Budget(3, 12, at("12:00:00")), id="the fourth is free"
        ),
        pytest.param(
            "12:00:00", 4, at("12:00:00"), Budget(4, 11, at("13:00:00")), id="the fifth waits"
        ),
        pytest.param(
            "12:59:59",
            4,
            at("12:00:00"),
            Budget(4, 11, at("13:00:00")),
            id="3599 seconds are not an hour",
        ),
        pytest.param(
            "13:00:00", 4, at("12:00:00"), Budget(4, 11, at("13:00:00")), id="3600 seconds are"
        ),
        pytest.param(
            "20:30:00",
            4,
            at("02:00:00"),
            Budget(4, 4, at("20:30:00")),
            id="hours not used are gone",
        ),
        pytest.param(
            "23:10:00", 9, at("22:30:00"), Budget(9, 1, at("23:30:00")), id="the last of the day"
        ),
        pytest.param(
            "23:59:59",
            9,
            at("23:30:00"),
            Budget(9, 0, at("00:00:00", 21)),
            id="midnight comes before the hour",
        ),
        pytest.param(
            "23:59:59",
            26,
            at("22:59:59"),
            Budget(26, 1, at("23:59:59")),
            id="a second before midnight",
        ),
        pytest.param(
            "23:59:59", 0, None, Budget(0, 4, at("23:59:59")), id="four in the last second"
        ),
        pytest.param(
            "00:00:00",
            27,
            at("23:59:59", 19),
            Budget(0, 27, at("00:00:00")),
            id="the counter is yesterday's",
        ),
        pytest.param(
            "00:00:00",
            0,
            at("23:59:59", 19),
            Budget(0, 27, at("00:00:00")),
            id="the counter began anew",
        ),
        pytest.param(
            "12:00:00",
            4,
            None,
            Budget(4, 12, at("12:00:00")),
            id="no time of the last: AWS decides",
        ),
    ],
)
def test_what_is_left_and_when_the_next_is_allowed(
    now: str, used: int, last: datetime | None, expected: Budget
) -> None:
    assert budget(throughput(decreases_today=used, last_decrease_at=last), at(now)) == expected


@pytest.mark.parametrize(
    ("now", "allowed"), [("12:59:59", False), ("13:00:00", True), ("13:00:01", True)]
)
def test_a_decrease_is_allowed_from_the_very_second_on(now: str, allowed: bool) -> None:
    assert (
        budget(throughput(decreases_today=4, last_decrease_at=at("12:00:00")), at(now)).allows(
            at(now)
        )
        is allowed
    )


def test_a_millisecond_before_the_hour_is_too_early() -> None:
    now = at("13:00:00") - timedelta(milliseconds=1)
    assert not budget(throughput(decreases_today=4, last_decrease_at=at("12:00:00")), now).allows(
        now
    )


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (at("00:00:00"), at("00:00:00", 21)),
        (at("23:59:59"), at("00:00:00", 21)),
        (at("23:59:59.999999"), at("00:00:00", 21)),
        (datetime(2026, 11, 20, 20, tzinfo=timezone(timedelta(hours=-5))), at("00:00:00", 22)),
        (datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_day_ends_at_midnight_of_utc_wherever_the_clock_is(
    now: datetime, midnight: datetime
) -> None:
    assert next_midnight(now) == midnight


def test_the_day_of_the_last_decrease_is_that_of_utc() -> None:
    last = datetime(2026, 11, 19, 20, tzinfo=timezone(timedelta(hours=-5)))  # 01:00 UTC of the 20th
    assert (
        decreases_today(throughput(decreases_today=3, last_decrease_at=last), at("12:00:00")) == 3
    )


SECONDS = st.integers(0, 2 * 86_400 - 1)


@pytest.mark.slow
@given(SECONDS, st.integers(0, 27), st.none() | st.integers(0, 2 * 86_400))
def test_the_next_allowed_time_is_allowed_and_never_more_than_an_hour_or_midnight_away(
    second: int, used: int, ago: int | None
) -> None:
    now = at("00:00:00") + timedelta(seconds=second)
    seen = throughput(
        decreases_today=used, last_decrease_at=None if ago is None else now - timedelta(seconds=ago)
    )
    left = budget(seen, now)
    assert budget(seen, left.next_at).allows(left.next_at)
    assert now <= left.next_at <= min(now + timedelta(hours=1), next_midnight(now))
    assert 0 <= left.left <= 27


def provision(units: int = 100_000) -> Provision:
    return Provision({dimension: Meter(units) for dimension in Dimension})


def lower(table: Provision, now: datetime) -> bool:
    """Try a decrease of one unit; tell whether DynamoDB took it."""
    wanted = {dimension: meter.units - 1 for dimension, meter in table.meters.items()}
    try:
        table.check_quota(wanted, now)
    except QuotaExceededError:
        return False
    table.start_update(wanted, now, 0)
    table.complete_update(now)
    return True


@pytest.mark.slow
@COSTLY
@given(st.lists(st.integers(1, 4_000), min_size=60, max_size=150), SECONDS)
def test_trying_greedily_gives_27_decreases_a_day_at_the_most(gaps: list[int], second: int) -> None:
    table, now = provision(), at("00:00:00") + timedelta(seconds=second)
    accepted: list[datetime] = []
    for gap in gaps:
        left = budget(table.throughput(now), now)
        assert lower(table, now) is left.allows(now)
        accepted += [now] if left.allows(now) else []
        now += timedelta(seconds=gap)
    assert max(Counter(day.date() for day in accepted).values()) <= 27


def test_trying_every_minute_gives_all_27() -> None:
    table, start = provision(), at("00:00:00")
    taken = [lower(table, start + timedelta(minutes=minute)) for minute in range(24 * 60)]
    assert (sum(taken), table.throughput(at("23:59:59")).decreases_today) == (27, 27)


@pytest.mark.slow
@COSTLY
@given(SECONDS, st.integers(0, 8))
def test_what_is_left_is_what_can_still_be_had_today(second: int, before: int) -> None:
    table, now = provision(), at("00:00:00") + timedelta(seconds=second % 86_400)
    for _ in range(before):
        lower(table, now)
    left, had = budget(table.throughput(now), now), 0
    while (left_now := budget(table.throughput(now), now)).next_at < next_midnight(at("00:00:00")):
        now = left_now.next_at
        had += lower(table, now)
    assert had == left.left


@pytest.mark.parametrize(
    ("used", "until", "count", "kept"),
    [
        pytest.param(0, "12:10:00", 3, True, id="three of the free ones are left after one"),
        pytest.param(0, "12:10:00", 4, False, id="four are not"),
        pytest.param(2, "12:10:00", 1, True, id="the fourth is left"),
        pytest.param(3, "12:59:59", 1, False, id="the fourth is spent, and the hour not over"),
        pytest.param(3, "13:00:00", 1, True, id="the hour is over by then"),
        pytest.param(
            3, "13:00:00", 2, True, id="which gives one, and two are not to be had any more"
        ),
        pytest.param(
            9, "23:50:00", 4, True, id="a day whose four are used up keeps nothing back for four"
        ),
        pytest.param(
            2, "13:00:00", 4, False, id="two of four are still to be had, and one would be left"
        ),
        pytest.param(2, "15:00:00", 2, False, id="hours do not add up"),
        pytest.param(9, "13:00:00", 1, True, id="one an hour, all day long"),
    ],
)
def test_what_a_decrease_now_keeps_for_later_today(
    used: int, until: str, count: int, kept: bool
) -> None:
    assert (
        keeps(
            throughput(decreases_today=used, last_decrease_at=at("10:00:00") if used else None),
            at("12:00:00"),
            at(until),
            count,
        )
        is kept
    )


@pytest.mark.parametrize(
    ("until", "kept"),
    [(at("23:59:59"), False), (at("00:00:00", 21), True), (at("02:00:00", 21), True)],
)
def test_the_new_day_brings_four_whatever_is_spent_now(until: datetime, kept: bool) -> None:
    assert (
        keeps(
            throughput(decreases_today=8, last_decrease_at=at("22:00:00")), at("23:30:00"), until, 4
        )
        is kept
    )


@pytest.mark.slow
@COSTLY
@given(
    SECONDS, st.lists(st.integers(0, 4_000), max_size=8), st.integers(0, 90_000), st.integers(1, 4)
)
def test_what_is_kept_is_what_dynamodb_takes_after_the_decrease(
    second: int, gaps: list[int], ahead: int, count: int
) -> None:
    table, now = provision(), at("00:00:00") + timedelta(seconds=second)
    for gap in gaps:  # a day so far
        lower(table, now)
        now += timedelta(seconds=gap)
    then, kept = (
        now + timedelta(seconds=ahead),
        keeps(table.throughput(now), now, now + timedelta(seconds=ahead), count),
    )
    untouched = deepcopy(table)
    without = sum(lower(untouched, then) for _ in range(count))
    if lower(table, now):
        assert (sum(lower(table, then) for _ in range(count)) == without) is kept
