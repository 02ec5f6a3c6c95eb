"""Tables of many numbers fit 80 columns, and break no name. Those of sentences break no word."""

import io
from collections.abc import Callable

import pytest

from headroom.commands import everywhere
from headroom.commands.console import SafeConsole
from headroom.tables import number_lines

HEADINGS = ("what", "at 70 %", "throttled requests", *(f"column{n}" for n in range(5)))
NUMBERS = ("1.5", "25,757", *("0.123456",) * 5)
LONG = "follow_up raises while GetCallerIdentity is silent"


def test_a_name_without_room_gets_a_line_of_its_own() -> None:
    lines = number_lines("a title", HEADINGS, [("short", *NUMBERS), (LONG, *NUMBERS)]).splitlines()
    assert max(map(len, lines)) == 80
    assert lines[0] == "a title"
    assert lines[-3].split() == ["short", *NUMBERS]
    assert lines[-2:] == [LONG, lines[-3].replace("short", "     ")]


def test_a_percent_sign_stays_with_its_number() -> None:
    lines = number_lines("", HEADINGS, [("short", *NUMBERS)]).splitlines()
    assert [line.split()[:1] for line in lines[1:3]] == [["at"], ["what"]]
    assert "70 %" in lines[2]


def test_names_have_lines_of_their_own_where_the_numbers_fill_the_width() -> None:
    headings = ("what it is", *("0123456789",) * 7)
    lines = number_lines("", headings, [("a", *headings[1:])]).splitlines()
    assert lines[1] == "what it is"
    assert lines[-1].split() == ["a", *headings[1:]]
    assert max(map(len, lines)) == 80


def test_in_a_narrow_terminal_a_row_is_some_lines() -> None:
    lines = number_lines("a title", ("what", "at 70 %", "changes"), [("a", "1.5", "7")], 40)
    assert lines.splitlines() == ["a title", "a", "  at 70 %: 1.5", "  changes: 7"]


def test_without_rows_there_is_the_head() -> None:
    assert number_lines("none", ("what", "units"), []).splitlines()[1].split() == ["what", "units"]


ROWS = [
    (place, target, "100", "27", "DRY RUN, → 86, UtilizationLow")
    for place in ("prod us-east-1", "prod eu-west-1")
    for target in ("orders:read", "orders/by-customer-and-date-of-delivery:write")
]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Show the rows in a terminal of so many columns."""

    def show(width: int) -> list[str]:
        console = SafeConsole(file=io.StringIO(), width=width)
        monkeypatch.setattr(everywhere, "console", console)
        everywhere.print_places(("place", "target", "units", "decreases\nleft", "state"), ROWS)
        return [line.strip() for line in console.file.getvalue().splitlines()]

    return show


def test_in_a_wide_terminal_each_row_names_its_place(shown: Callable[[int], list[str]]) -> None:
    assert [line.split()[:3] for line in shown(120) if ":read" in line] == [
        ["prod", "us-east-1", "orders:read"],
        ["prod", "eu-west-1", "orders:read"],
    ]


@pytest.mark.parametrize("width", [80, 66])
def test_in_a_narrow_one_a_place_is_a_line_and_no_word_is_broken(
    width: int, shown: Callable[[int], list[str]]
) -> None:
    lines = shown(width)
    assert "prod us-east-1" in lines
    assert max(map(len, lines)) <= width
    assert " ".join(lines).count("UtilizationLow") == 4
    assert " ".join(lines).count("decreases") == 1


def test_where_no_table_has_room_a_row_is_some_lines(shown: Callable[[int], list[str]]) -> None:
    assert shown(40)[:5] == [
        "prod us-east-1",
        "orders:read",
        "units: 100",
        "decreases left: 27",
        "state: DRY RUN, → 86, UtilizationLow",
    ]
