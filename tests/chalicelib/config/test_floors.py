"""Windows: floors and their ends, times kept for decreases, and the laws."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import windows
from chalicelib.config.windows import DAYS, Reserve, Window
from tests.chalicelib.config.test_windows import (
    BERLIN,
    NEW_YORK,
    NIGHT,
    OFFICE,
    at,
    november,
    window,
)
from tests.support.builders import MINUTE
from tests.support.laws import COSTLY


def floor(units: int, between: str = "", **fields: Any) -> Window:
    return window(between, rule="floor", min_units=units, **fields)


@pytest.mark.parametrize(
    ("given", "now", "units"),
    [
        pytest.param([floor(300, OFFICE)], "02 12:00", 300, id="within it"),
        pytest.param([floor(300, OFFICE)], "02 17:00", 0, id="after it"),
        pytest.param(
            [floor(300, OFFICE), floor(500, "11:00-13:00")], "02 12:00", 500, id="the higher of two"
        ),
        pytest.param(
            [floor(300, OFFICE), floor(500, "11:00-13:00")],
            "02 13:00",
            300,
            id="the one that is left",
        ),
        pytest.param([window(OFFICE)], "02 12:00", 0, id="another rule is no floor"),
    ],
)
def test_the_highest_floor_that_holds(given: list[Window], now: str, units: int) -> None:
    assert windows.floor_units(given, november(now)) == units


def test_a_floor_forbids_nothing() -> None:
    assert list(windows.holds([floor(300, OFFICE)], november("02 12:00"))) == []


@pytest.mark.parametrize(
    ("given", "now", "ends"),
    [
        pytest.param(
            floor(5, OFFICE), "2026-11-02T12:00:30", ["2026-11-02T17:00"], id="the end of the hours"
        ),
        pytest.param(
            floor(5, OFFICE), "2026-11-02T16:59:59", ["2026-11-02T17:00"], id="in the last second"
        ),
        pytest.param(floor(5, OFFICE), "2026-11-02T17:00", [], id="it has ended"),
        pytest.param(
            window(OFFICE), "2026-11-02T12:00", [], id="another rule has no end to book for"
        ),
        pytest.param(
            floor(5, NIGHT), "2026-11-02T23:00", ["2026-11-03T06:00"], id="across midnight"
        ),
        pytest.param(
            floor(5, "22:00-24:00,00:00-06:00"),
            "2026-11-02T23:00",
            ["2026-11-03T06:00"],
            id="one that goes on",
        ),
        pytest.param(floor(5, "00:00-24:00"), "2026-11-02T12:00", [], id="one without an end"),
        pytest.param(
            floor(5, "00:00-24:00", days="mon"),
            "2026-11-02T12:00",
            ["2026-11-03T00:00"],
            id="the day's end",
        ),
        pytest.param(
            floor(5, "00:00-24:00", days="mon-wed"), "2026-11-02T12:00", [], id="later than a day"
        ),
        pytest.param(
            floor(5, outside=OFFICE), "2026-11-02T18:00", ["2026-11-03T09:00"], id="outside"
        ),
        pytest.param(
            floor(5, outside=OFFICE, days="mon"),
            "2026-11-07T12:00",
            [],
            id="outside, for the weekend",
        ),
        pytest.param(
            floor(5, OFFICE, time_zone=BERLIN),
            "2026-11-02T12:00",
            ["2026-11-02T16:00"],
            id="a wall clock",
        ),
        pytest.param(
            floor(5, "01:00-02:30", time_zone=BERLIN),
            "2026-10-25T00:10",
            ["2026-10-25T00:30"],
            id="the first 02:30",
        ),
        pytest.param(
            floor(5, "01:00-02:30", time_zone=BERLIN),
            "2026-10-25T01:10",
            ["2026-10-25T01:30"],
            id="the second 02:30",
        ),
        pytest.param(
            floor(5, "02:30-03:00", time_zone=BERLIN),
            "2026-10-25T00:40",
            ["2026-10-25T01:00"],
            id="the clock ends it",
        ),
        pytest.param(
            floor(5, "01:00-02:30", time_zone=BERLIN),
            "2027-03-28T00:40",
            ["2027-03-28T01:00"],
            id="02:30 is left out",
        ),
        pytest.param(
            floor(5, "01:30-02:30", time_zone=NEW_YORK),
            "2027-03-14T06:40",
            ["2027-03-14T07:00"],
            id="… there as well",
        ),
    ],
)
def test_when_a_floor_ends(given: Window, now: str, ends: list[str]) -> None:
    assert windows.floors_end([given], at(now)) == [at(end) for end in ends]


def test_each_floor_that_holds_has_its_end() -> None:
    given = [floor(5, OFFICE), floor(9, "11:00-13:00"), floor(7, NIGHT)]
    assert windows.floors_end(given, november("02 12:00")) == [
        november("02 17:00"),
        november("02 13:00"),
    ]


@pytest.mark.parametrize(
    ("fields", "now", "expected"),
    [
        pytest.param({"at": "02:00"}, "2026-11-02T01:59:59", "2026-11-02T02:00", id="in a second"),
        pytest.param({"at": "02:00"}, "2026-11-02T02:00", "2026-11-03T02:00", id="strictly after"),
        pytest.param({"at": "00:00"}, "2026-11-02T12:00", "2026-11-03T00:00", id="midnight"),
        pytest.param(
            {"at": "02:00", "time_zone": BERLIN},
            "2026-11-02T00:59",
            "2026-11-02T01:00",
            id="two in Berlin",
        ),
        pytest.param(
            {"at": "20:00", "time_zone": NEW_YORK},
            "2026-11-02T00:30",
            "2026-11-02T01:00",
            id="yesterday's, there",
        ),
        pytest.param(
            {"at": "08:00", "time_zone": "Asia/Tokyo"},
            "2026-11-02T22:59",
            "2026-11-02T23:00",
            id="tomorrow's, there",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2026-10-25T00:29",
            "2026-10-25T00:30",
            id="it comes twice: first",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2026-10-25T00:45",
            "2026-10-25T01:30",
            id="it comes twice: again",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2026-10-25T01:10",
            "2026-10-25T01:30",
            id="in the second hour",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2026-10-25T01:30",
            "2026-10-26T01:30",
            id="both are over",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2027-03-28T00:59",
            "2027-03-28T01:00",
            id="left out: as it leaps",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": BERLIN},
            "2027-03-28T01:00",
            "2027-03-29T00:30",
            id="left out: next day",
        ),
        pytest.param(
            {"at": "02:30", "time_zone": NEW_YORK},
            "2027-03-13T12:00",
            "2027-03-14T07:00",
            id="left out there",
        ),
        pytest.param(
            {"at": "01:30", "time_zone": NEW_YORK},
            "2026-11-01T05:40",
            "2026-11-01T06:30",
            id="twice there",
        ),
        pytest.param(
            {"at": "00:00", "time_zone": "America/Santiago"},
            "2026-09-06T03:00",
            "2026-09-06T04:00",
            id="no midnight",
        ),
    ],
)
def test_the_next_time_that_a_decrease_is_kept_for(
    fields: dict[str, Any], now: str, expected: str
) -> None:
    assert Reserve(**fields).next_at(at(now)) == at(expected)


# laws

CLOCK = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
SPAN = st.tuples(CLOCK, CLOCK).filter(lambda pair: pair[0] != pair[1]).map("-".join)
HOURS = st.lists(SPAN, min_size=1, max_size=3).map(",".join)
ZONES = st.sampled_from(
    ["UTC", BERLIN, NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago"]
)
CHOSEN_DAYS = st.sets(st.sampled_from(DAYS), min_size=1).map(",".join)
TIMES = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001
    datetime(2027, 12, 31),  # noqa: DTZ001
).map(lambda moment: moment.replace(tzinfo=UTC))


@pytest.mark.slow
@COSTLY
@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_outside_is_wherever_between_is_not(
    hours: str, days: str, zone: str, now: datetime
) -> None:
    assert window(hours, days=days, time_zone=zone).holds(now) is not window(
        outside=hours, days=days, time_zone=zone
    ).holds(now)


@pytest.mark.slow
@COSTLY
@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_a_window_changes_with_the_minute_only(
    hours: str, days: str, zone: str, now: datetime
) -> None:
    found, minute = window(hours, days=days, time_zone=zone), now.replace(second=0, microsecond=0)
    assert (
        found.holds(now) is found.holds(minute) is found.holds(minute + timedelta(seconds=59.999))
    )


@pytest.mark.slow
@COSTLY
@given(SPAN, TIMES)
def test_a_span_and_the_one_from_its_end_to_its_beginning_make_a_day(
    span: str, now: datetime
) -> None:
    first, last = span.split("-")
    assert window(span).holds(now) is not window(f"{last}-{first}").holds(now)


@pytest.mark.slow
@COSTLY
@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_a_floor_holds_up_to_its_end(hours: str, days: str, zone: str, now: datetime) -> None:
    found = floor(5, hours, days=days, time_zone=zone)
    for end in windows.floors_end([found], now):
        assert now < end <= now + timedelta(days=1)
        assert found.holds(end - MINUTE)
        assert not found.holds(end)


@pytest.mark.slow
@COSTLY
@given(CLOCK, ZONES, TIMES)
def test_a_kept_time_comes_within_a_day_and_the_clocks_change(
    clock: str, zone: str, now: datetime
) -> None:
    found = Reserve(at=clock, time_zone=zone).next_at(now)
    assert now < found <= now + timedelta(hours=25)
    assert found.astimezone(windows.zone(zone)).strftime("%H:%M") == clock or found.minute in (
        0,
        30,
    )
