"""Windows: half-open hours of chosen days by the operator's wall clock, floors and their ends,
times kept for decreases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader, windows
from chalicelib.config.windows import DAYS, Reserve, Window
from chalicelib.model import BOTH, DOWN, UP, Hold, Reason

MINUTE = timedelta(minutes=1)
NIGHT, OFFICE = "22:00-06:00", "09:00-17:00"


def at(text: str) -> datetime:
    """Return a time in UTC. 2026-11-02 is a Monday."""
    return datetime.fromisoformat(f"{text}+00:00")


def november(text: str) -> datetime:
    """Return a time of November 2026, in UTC, from `DD HH:MM`."""
    return at(f"2026-11-{text.replace(' ', 'T')}")


def window(between: str = "", **fields: Any) -> Window:
    return Window(**{"rule": "never_down", "between": between, **fields})


@pytest.mark.parametrize(
    ("fields", "now", "holds"),
    [
        # half-open
        pytest.param({"between": OFFICE}, "02 08:59:59", False, id="a second before it begins"),
        pytest.param({"between": OFFICE}, "02 09:00", True, id="as it begins"),
        pytest.param({"between": OFFICE}, "02 16:59:59", True, id="in its last second"),
        pytest.param({"between": OFFICE}, "02 17:00", False, id="as it ends"),
        # across midnight
        pytest.param({"between": NIGHT}, "02 21:59:59", False, id="before the night"),
        pytest.param({"between": NIGHT}, "02 22:00", True, id="as the night begins"),
        pytest.param({"between": NIGHT}, "02 00:00", True, id="at midnight"),
        pytest.param({"between": NIGHT}, "02 05:59:59", True, id="in the night's last second"),
        pytest.param({"between": NIGHT}, "02 06:00", False, id="as the night ends"),
        pytest.param(
            {"between": "00:00-24:00"}, "02 00:00", True, id="the whole day from its first minute"
        ),
        pytest.param(
            {"between": "00:00-24:00"}, "02 23:59:59", True, id="the whole day to its last second"
        ),
        pytest.param({"between": "22:00-24:00"}, "02 23:59", True, id="until midnight, before it"),
        pytest.param({"between": "22:00-24:00"}, "03 00:00", False, id="until midnight, at it"),
        pytest.param(
            {"between": "22:00-00:00"}, "02 23:59", True, id="until 00:00 is until midnight"
        ),
        pytest.param({"between": "22:00-00:00"}, "03 00:00", False, id="… and not a minute longer"),
        # days are those on which the hours begin
        pytest.param(
            {"between": NIGHT, "days": "fri"}, "06 21:59", False, id="Friday, before the night"
        ),
        pytest.param({"between": NIGHT, "days": "fri"}, "06 22:00", True, id="Friday night"),
        pytest.param(
            {"between": NIGHT, "days": "fri"},
            "07 05:59",
            True,
            id="Friday's night on Saturday morning",
        ),
        pytest.param({"between": NIGHT, "days": "fri"}, "07 22:00", False, id="Saturday night"),
        pytest.param(
            {"between": NIGHT, "days": "fri"},
            "06 05:59",
            False,
            id="Thursday's night on Friday morning",
        ),
        pytest.param(
            {"between": NIGHT, "days": "sun"},
            "02 05:59",
            True,
            id="Sunday's night on Monday morning",
        ),
        pytest.param(
            {"between": OFFICE, "days": "mon-fri"}, "06 12:00", True, id="Friday, of mon-fri"
        ),
        pytest.param(
            {"between": OFFICE, "days": "mon-fri"}, "07 12:00", False, id="Saturday, not of mon-fri"
        ),
        pytest.param(
            {"between": OFFICE, "days": "fri-mon"}, "08 12:00", True, id="Sunday, of fri-mon"
        ),
        pytest.param(
            {"between": OFFICE, "days": "fri-mon"}, "03 12:00", False, id="Tuesday, not of fri-mon"
        ),
        pytest.param(
            {"between": OFFICE, "days": "Sat, sun"},
            "07 12:00",
            True,
            id="a list of days, in any spelling",
        ),
        pytest.param(
            {"between": OFFICE, "days": "tue,thu-sat"},
            "04 12:00",
            False,
            id="Wednesday, of neither",
        ),
        pytest.param(
            {"between": "00:00-24:00", "days": "sat"},
            "08 00:00",
            False,
            id="a whole day ends with it",
        ),
        # several
        pytest.param(
            {"between": "06:00-08:00, 18:00-20:00"}, "02 19:00", True, id="the second of two"
        ),
        pytest.param(
            {"between": "06:00-08:00, 18:00-20:00"}, "02 12:00", False, id="between the two"
        ),
        pytest.param(
            {"between": "22:00-23:59,00:00-06:00"},
            "02 23:59",
            False,
            id="the minute that was left out",
        ),
        pytest.param(
            {"between": "22:00-24:00,00:00-06:00"},
            "02 23:59",
            True,
            id="nothing is left out up to 24:00",
        ),
        # outside
        pytest.param({"outside": OFFICE}, "02 09:00", False, id="outside, as the hours begin"),
        pytest.param({"outside": OFFICE}, "02 17:00", True, id="outside, as they end"),
        pytest.param(
            {"outside": OFFICE, "days": "mon-fri"},
            "07 12:00",
            True,
            id="outside of all of Saturday",
        ),
        pytest.param(
            {"outside": "06:00-08:00,18:00-20:00"}, "02 19:00", False, id="outside of several"
        ),
        # wall clocks
        pytest.param(
            {"between": OFFICE, "time_zone": "Europe/Berlin"},
            "02 08:00",
            True,
            id="nine in Berlin in winter",
        ),
        pytest.param(
            {"between": OFFICE, "time_zone": "Europe/Berlin"},
            "02 07:59",
            False,
            id="before nine in Berlin",
        ),
        pytest.param(
            {"between": OFFICE, "time_zone": "America/New_York"},
            "02 14:00",
            True,
            id="nine in New York",
        ),
        pytest.param(
            {"between": OFFICE, "days": "mon", "time_zone": "Asia/Tokyo"},
            "02 00:00",
            True,
            id="Monday in Tokyo",
        ),
        pytest.param(
            {"between": NIGHT, "days": "sun", "time_zone": "America/New_York"},
            "02 03:00",
            True,
            id="Sunday there",
        ),
        pytest.param(
            {"between": "12:00-12:30", "time_zone": "Asia/Kolkata"},
            "02 06:30",
            True,
            id="half an hour off",
        ),
    ],
)
def test_a_window_holds(fields: dict[str, Any], now: str, holds: bool) -> None:
    assert window(**fields).holds(november(now)) is holds


BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
# Berlin: back at 01:00 UTC of 2026-10-25 (03:00 → 02:00), forward at 01:00 UTC of 2027-03-28 (02:00
# → 03:00).
# New York: back at 06:00 UTC of 2026-11-01 (02:00 → 01:00), forward at 07:00 UTC of 2027-03-14
# (02:00 → 03:00).


@pytest.mark.parametrize(
    ("zone", "between", "held"),
    [
        pytest.param(
            BERLIN,
            "02:00-03:00",
            [("2026-10-25T00:00", "2026-10-25T02:00")],
            id="an hour that comes twice, twice",
        ),
        pytest.param(
            BERLIN,
            "02:15-02:45",
            [("2026-10-25T00:15", "2026-10-25T00:45"), ("2026-10-25T01:15", "2026-10-25T01:45")],
            id="a part of it, twice with a pause",
        ),
        pytest.param(
            BERLIN,
            "01:00-02:30",
            [("2026-10-24T23:00", "2026-10-25T00:30"), ("2026-10-25T01:00", "2026-10-25T01:30")],
        ),
        pytest.param(
            BERLIN,
            "01:30-04:00",
            [("2026-10-24T23:30", "2026-10-25T03:00")],
            id="a night of an hour more",
        ),
        pytest.param(
            NEW_YORK,
            "01:00-02:00",
            [("2026-11-01T05:00", "2026-11-01T07:00")],
            id="an hour twice in New York",
        ),
        pytest.param(
            NEW_YORK,
            "02:00-03:00",
            [("2026-11-01T07:00", "2026-11-01T08:00")],
            id="two o'clock comes once there",
        ),
        pytest.param(BERLIN, "02:00-03:00", [], id="an hour that is left out"),
        pytest.param(
            BERLIN,
            "01:30-02:30",
            [("2027-03-28T00:30", "2027-03-28T01:00")],
            id="its end is left out",
        ),
        pytest.param(
            BERLIN,
            "02:30-04:00",
            [("2027-03-28T01:00", "2027-03-28T02:00")],
            id="its beginning is left out",
        ),
        pytest.param(
            BERLIN,
            "00:00-24:00",
            [("2027-03-27T23:00", "2027-03-28T22:00")],
            id="a day of 23 hours",
        ),
        pytest.param(NEW_YORK, "02:00-03:00", [], id="an hour that New York leaves out"),
        pytest.param(
            NEW_YORK,
            "01:30-03:30",
            [("2027-03-14T06:30", "2027-03-14T07:30")],
            id="across it, an hour less",
        ),
    ],
)
def test_a_window_moves_with_daylight_saving(
    zone: str, between: str, held: list[tuple[str, str]]
) -> None:
    day = held[-1][1][:10] if held else {BERLIN: "2027-03-28", NEW_YORK: "2027-03-14"}[zone]
    begins = at(f"{day}T00:00") - timedelta(hours=3 if zone == BERLIN else -2)
    found = window(between, time_zone=zone, days=DAYS[at(f"{day}T00:00").weekday()])
    minutes = [begins + count * MINUTE for count in range(28 * 60)]
    expected = [
        minute for minute in minutes if any(at(first) <= minute < at(last) for first, last in held)
    ]
    assert [minute for minute in minutes if found.holds(minute)] == expected


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param(
            {}, "give either between or outside, such as between = '22:00-06:00'", id="no hours"
        ),
        pytest.param(
            {"between": OFFICE, "outside": NIGHT},
            "give either between or outside, such as .*",
            id="both",
        ),
        pytest.param(
            {"between": "9-17"},
            "expected hours such as 08:00-17:30, two digits each, divided by commas, got '9-17'",
            id="no minutes",
        ),
        pytest.param(
            {"between": "9:00-17:00"}, "expected hours such as .*, got '9:00-17:00'", id="one digit"
        ),
        pytest.param(
            {"between": "24:00-06:00"},
            "expected hours such as .*, got '24:00-06:00'",
            id="24:00 begins nothing",
        ),
        pytest.param(
            {"between": "22:00-24:30"},
            "expected hours such as .*, got '22:00-24:30'",
            id="after the day's end",
        ),
        pytest.param(
            {"between": "22:60-23:00"},
            "expected hours such as .*, got '22:60-23:00'",
            id="no such minute",
        ),
        pytest.param(
            {"between": f"{OFFICE},"}, "expected hours such as .*, got ''", id="a comma too many"
        ),
        pytest.param(
            {"outside": "08:00-08:00"},
            "'08:00-08:00' is empty; the whole day is 00:00-24:00",
            id="nothing between",
        ),
        pytest.param(
            {"between": OFFICE, "days": "mo-fr"},
            "days: expected days such as mon-fri or sat,sun, got 'mo-fr'",
        ),
        pytest.param(
            {"between": OFFICE, "days": "mon-wed-fri"},
            "days: expected days .*, got 'mon-wed-fri'",
            id="two dashes",
        ),
        pytest.param(
            {"between": OFFICE, "days": ""}, "days: expected days .*, got ''", id="no days"
        ),
        pytest.param(
            {"between": OFFICE, "time_zone": "Berlin"},
            "time_zone: there is no time zone 'Berlin'; write it as in Europe/Berlin or UTC",
            id="no such zone",
        ),
        pytest.param(
            {"between": OFFICE, "time_zone": "../UTC"},
            "time_zone: there is no time zone '../UTC'; .*",
            id="a path",
        ),
        pytest.param(
            {"between": OFFICE, "time_zone": ""},
            "time_zone: there is no time zone ''; .*",
            id="an empty zone",
        ),
        pytest.param(
            {"rule": "floor", "between": OFFICE},
            "rule = 'floor' needs min_units, such as min_units = 500",
            id="no floor",
        ),
        pytest.param(
            {"between": OFFICE, "min_units": 5},
            "min_units belongs to rule = 'floor', not to 'never_down'",
            id="no rule",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        window(**fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"at": "2:00"}, "at: expected a time such as '02:00', got '2:00'"),
        ({"at": "24:00"}, "at: expected a time such as '02:00', got '24:00'"),
        (
            {"at": "02:00", "time_zone": "CEST+1x"},
            r"time_zone: there is no time zone 'CEST\+1x'; .*",
        ),
    ],
)
def test_a_time_that_does_not_exist_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        Reserve(**fields)


def test_the_operator_is_told_where_in_the_file_it_stands() -> None:
    text = "[[tables]]\nname = 'orders'\nwindows = [{ rule = 'hold', between = '25:00-26:00' }]"
    with pytest.raises(loader.ConfigError) as refused:
        loader.load(text)
    assert (
        len(refused.value.problems),
        refused.value.problems[0].startswith(
            "tables[0].windows[0]: expected hours such as 08:00-17:30"
        ),
    ) == (1, True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"between": NIGHT}, "never_down 22:00-06:00 UTC"),
        (
            {
                "rule": "floor",
                "min_units": 5,
                "outside": OFFICE,
                "days": "sat,sun",
                "time_zone": BERLIN,
            },
            "floor outside 09:00-17:00 sat,sun Europe/Berlin",
        ),
    ],
)
def test_a_window_in_words(fields: dict[str, Any], words: str) -> None:
    assert str(window(**fields)) == words


@pytest.mark.parametrize(
    ("rule", "barred"), [("never_down", DOWN), ("only_down", UP), ("hold", BOTH)]
)
def test_a_window_forbids_what_its_rule_says(rule: str, barred: frozenset[Any]) -> None:
    found = window(OFFICE, rule=rule)
    held = Hold(Reason.WINDOW, f"{rule} 09:00-17:00 UTC", barred)
    assert (
        list(windows.holds([found], november("02 12:00"))),
        list(windows.holds([found], november("02 17:00"))),
    ) == ([held], [])


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


@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_outside_is_wherever_between_is_not(
    hours: str, days: str, zone: str, now: datetime
) -> None:
    inside = window(hours, days=days, time_zone=zone)
    assert inside.holds(now) is not window(outside=hours, days=days, time_zone=zone).holds(now)


@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_a_window_changes_with_the_minute_only(
    hours: str, days: str, zone: str, now: datetime
) -> None:
    found, minute = window(hours, days=days, time_zone=zone), now.replace(second=0, microsecond=0)
    assert (
        found.holds(now) is found.holds(minute) is found.holds(minute + timedelta(seconds=59.999))
    )


@given(SPAN, TIMES)
def test_a_span_and_the_one_from_its_end_to_its_beginning_make_a_day(
    span: str, now: datetime
) -> None:
    first, last = span.split("-")
    assert window(span).holds(now) is not window(f"{last}-{first}").holds(now)


@given(HOURS, CHOSEN_DAYS, ZONES, TIMES)
def test_a_floor_holds_up_to_its_end(hours: str, days: str, zone: str, now: datetime) -> None:
    found = floor(5, hours, days=days, time_zone=zone)
    for end in windows.floors_end([found], now):
        assert now < end <= now + timedelta(days=1)
        assert found.holds(end - MINUTE)
        assert not found.holds(end)


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
