"""What TAB completes, as the lines of `--show-completion` call it in bash."""

from pathlib import Path

import pytest

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.command_line import RunCommand


@pytest.fixture
def complete(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """Return what is offered for the last word of a line; it may be empty."""

    def complete(line: str) -> list[str]:
        monkeypatch.setenv("_HEADROOM_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        result = run()
        assert (result.exit_code, result.errors) == (0, "")
        return result.stdout.split()

    return complete  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("headroom exp", ["explain"]),
        ("headroom explain --verb", ["--verbose"]),
        ("headroom import config", ["config-js"]),
        ("headroom plan --stage p", ["prod"]),
        ("headroom demo --scene ", ["fleet", "backup", "healing"]),
    ],
)
def test_commands_options_stages_and_scenes_are_completed(
    line: str, offered: list[str], complete: RunCommand
) -> None:
    assert complete(line) == offered


@pytest.mark.parametrize(
    "line", ["explain o", "plan --table o", "pause --for 2h o", "hot-keys --region us-east-1 o"]
)
def test_the_tables_of_the_account_are_completed(
    line: str, region: Region, complete: RunCommand
) -> None:
    assert complete(f"headroom {line}") == ["orders"]
    assert complete(f"headroom {line}x") == []


def test_an_account_that_does_not_answer_completes_nothing(
    region: Region, complete: RunCommand
) -> None:
    region.faults.append(Fault("ListTables", "AccessDeniedException"))
    assert complete("headroom explain o") == []


def test_a_broken_project_completes_no_stage(
    tmp_path: Path, complete: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    assert complete("headroom plan --stage ") == []
