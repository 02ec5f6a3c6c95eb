"""A scene's lines: each decision with its reason, whole in a pipe, and broken by words."""

import io

import pytest

from headroom.commands.console import SafeConsole
from headroom.demo.narrator import Narrator, line_text
from headroom.region.region import Region

LONG = "Six workers are launched in one reservation. Their load comes [ten] minutes later."


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_line_is_whole_in_a_pipe_and_fits_a_terminal(is_terminal: bool, region: Region) -> None:
    console = SafeConsole(file=io.StringIO(), width=60, force_terminal=is_terminal, no_color=True)
    Narrator(console, region).say(LONG)
    text = console.file.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    lines = text.rstrip("\n").split("\n")
    assert (len(lines), max(map(len, lines)) <= 60) == ((2, True) if is_terminal else (1, False))
    assert " ".join(text.split()).endswith(LONG)


def test_a_decision_has_its_reason_and_not_all_its_numbers() -> None:
    line = {
        "kind": "decision",
        "message": "orders:read stays at 9: a job runs; wait (JobRunning; held by x, known 4)",
        "reason": "JobRunning",
        "numbers": {"held_by": "x", "known": 4},
    }
    expected = "orders:read stays at 9: a job runs; wait (JobRunning; held by x)"
    assert line_text(line) == expected
    assert line_text({**line, "numbers": {}}) == expected.replace("; held by x", "")
