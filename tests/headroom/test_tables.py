"""Tables of many numbers fit 80 columns, and break no name."""

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


def test_without_rows_there_is_the_head() -> None:
    assert number_lines("none", ("what", "units"), []).splitlines()[1].split() == ["what", "units"]
