"""Times at which capacity may be lowered: cron and rates as EventBridge writes them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.schedules import OPEN_MINUTES, Schedule, holds, opened_at
from chalicelib.model import DOWN, Reason

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
ARTICLE = Schedule(at="cron(0 2,10,14 * * ? *)")


def due(text: str, first: datetime = MONDAY, hours: int = 24, **fields: str) -> list[str]:
    """Return the minutes, within some hours, that a schedule names."""
    schedule = Schedule(at=text, **fields)
    minutes = (first + timedelta(minutes=passed) for passed in range(hours * 60))
    return [f"{at:%a %H:%M}" for at in minutes if schedule.is_due(at)]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("cron(0 2,10,14 * * ? *)", ["Mon 02:00", "Mon 10:00", "Mon 14:00"]),
        ("cron(30 9-11 ? * MON-FRI *)", ["Mon 09:30", "Mon 10:30", "Mon 11:30"]),
        ("cron(15 */8 * * ? *)", ["Mon 00:15", "Mon 08:15", "Mon 16:15"]),
        ("cron(0/20 22 2 NOV ? 2026)", ["Mon 22:00", "Mon 22:20", "Mon 22:40"]),
        ("cron(5-15/5 3 ? * 2 *)", ["Mon 03:05", "Mon 03:10", "Mon 03:15"]),
        ("cron(0 12 ? * tue,sun *)", []),
        ("cron(0 12 1 * ? *)", []),
        ("cron(0 12 * * ? 2027)", []),
        ("rate(8 hours)", ["Mon 00:00", "Mon 08:00", "Mon 16:00"]),
        ("rate(1 day)", ["Mon 00:00"]),
        ("rate(720 minutes)", ["Mon 00:00", "Mon 12:00"]),
    ],
)
def test_a_schedule_names_its_minutes(text: str, times: list[str]) -> None:
    assert due(text) == times


def test_the_times_are_those_of_the_zones_clock() -> None:
    summer = datetime(2026, 7, 6, tzinfo=UTC)
    assert due("cron(0 10 * * ? *)", time_zone="Europe/Berlin") == ["Mon 09:00"]
    assert due("cron(0 10 * * ? *)", summer, time_zone="Europe/Berlin") == ["Mon 08:00"]


def test_a_time_that_the_clock_skips_does_not_occur_and_one_that_it_shows_twice_does_twice() -> (
    None
):
    spring, autumn = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    assert due("cron(30 2 * * ? *)", spring, time_zone="Europe/Berlin") == []
    assert due("cron(30 2 * * ? *)", autumn, time_zone="Europe/Berlin") == [
        "Sun 00:30",
        "Sun 01:30",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("at 10", "expected six fields or a rate"),
        ("cron(0 10 * * ?)", "expected six fields or a rate"),
        ("cron(0 10 * * * *)", "of day of month and day of week, one must be ?"),
        ("cron(0 10 ? * ? *)", "of day of month and day of week, one must be ?"),
        ("cron(60 10 * * ? *)", "minutes: '60' is not within 0 and 59"),
        ("cron(0 14-10 * * ? *)", "hours: '14-10' is not within 0 and 23"),
        ("cron(0 10 L * ? *)", "day of month: 'L' is not understood"),
        ("cron(0 10 ? * MON#1 *)", "day of week: 'MON#1' is not understood"),
        ("cron(0 10 * XYZ ? *)", "month: 'XYZ' is not understood"),
        ("cron(? 10 * * ? *)", "minutes: '?' is not understood"),
        ("rate(0 hours)", "expected six fields or a rate"),
        ("rate(5 weeks)", "expected six fields or a rate"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Schedule(at=text)
    assert why in str(caught.value)


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Mars'"):
        Schedule(at="rate(1 hour)", time_zone="Mars")


@pytest.mark.parametrize(
    ("minutes", "last", "is_open"),
    [
        pytest.param(599, None, False, id="before the time"),
        pytest.param(600, None, True, id="at the time"),
        pytest.param(614, None, True, id="fourteen minutes later"),
        pytest.param(615, None, False, id="a quarter of an hour later"),
        pytest.param(605, 598, True, id="lowered before the time"),
        pytest.param(605, 600, False, id="lowered at this time already"),
        pytest.param(845, 600, True, id="lowered at the last time"),
    ],
)
def test_each_time_allows_one_decrease_within_a_quarter_of_an_hour(
    minutes: int, last: int | None, is_open: bool
) -> None:
    now = MONDAY + timedelta(minutes=minutes, seconds=3)
    lowered_at = None if last is None else MONDAY + timedelta(minutes=last, seconds=5)
    found = list(holds([ARTICLE], now, lowered_at))
    assert (found == []) == is_open
    assert all(hold.reason is Reason.NOT_SCHEDULED and hold.directions == DOWN for hold in found)


def test_without_schedules_nothing_is_held() -> None:
    assert list(holds((), MONDAY, None)) == []


def test_what_holds_names_every_schedule() -> None:
    given = [Schedule(at="cron(0 10 * * ? *)", time_zone="Asia/Tokyo"), Schedule(at="rate(1 day)")]
    (hold,) = holds(given, MONDAY + timedelta(hours=2), None)
    assert hold.detail == "cron(0 10 * * ? *) Asia/Tokyo, rate(1 day)"


@given(st.integers(0, 7 * 1440), st.sampled_from([1, 7, 30, 60, 360, 1440]))
def test_a_rate_is_open_for_its_first_minutes(passed: int, every: int) -> None:
    now = MONDAY + timedelta(minutes=passed)
    began = opened_at((Schedule(at=f"rate({every} minutes)"),), now)
    since = int(now.timestamp()) // 60 % every
    assert (began is not None) == (since < OPEN_MINUTES)
    assert began is None or now - began == timedelta(minutes=since)
