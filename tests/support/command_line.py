"""The command line in a test: a fixture that runs it, and the files that its commands read."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headroom import cli


@dataclass(frozen=True)
class CommandResult:
    """How a command ended.

    stdout: as printed. output, errors: the standard output and the standard error, each as one
    line, without colours and frames.
    """

    exit_code: int
    stdout: str
    output: str
    errors: str


RunCommand = Callable[..., CommandResult]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCommand:
    """Run a command line in this process, as the console script does."""
    for name in ("HEADROOM_CONFIG", "ALARM_TOPIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*words: str | Path) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["headroom", *map(str, words)])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        captured = capsys.readouterr()
        return CommandResult(
            int(exit_info.value.code or 0),
            captured.out,
            one_line(captured.out),
            one_line(captured.err),
        )

    return run


def one_line(text: str) -> str:
    """Return a command's output as one line, without colours and frames."""
    return " ".join(re.sub(r"[│╭╮╰╯─]|\x1b\[[0-9;]*m", " ", text).split())


def write_file(folder: Path, text: str, name: str = "file.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def write_trace(folder: Path, demand: list[float], name: str = "trace.csv") -> Path:
    lines = "".join(f"{minute},{rate}\n" for minute, rate in enumerate(demand))
    return write_file(folder, f"minute,demand\n{lines}", name)
