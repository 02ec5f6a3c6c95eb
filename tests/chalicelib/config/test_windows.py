"""Windows: half-open hours of chosen days by the operator's wall clock, floors and their ends,
times kept for decreases."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.config import loader, windows
from chalicelib.config.windows import DAYS, Reserve, Window
from chalicelib.model import BOTH, DOWN, UP, Hold, Reason
from tests.support.builders import MINUTE

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


def test_a_mistake_is_reported_with_its_place_in_the_file() -> None:
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
