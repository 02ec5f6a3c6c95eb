"""docs/commands.md is generated from the commands, and every page calls them as they are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headroom import cli, command_reference
from headroom.project import ROOT
from tests.docs.test_links import PAGES

CALL = re.compile(r"^(?:\.venv/bin/)?headroom ([a-z][^#|>&\n]*)", re.MULTILINE)
#: Pages that a version wrote, or that show commands as patterns.
PATTERNS = {"CHANGELOG.md", "commands.md"}


@pytest.mark.slow(traced=True)
def test_the_page_is_what_the_code_says() -> None:
    assert command_reference.FILE.read_text() == command_reference.markdown(), (
        "run: python -m headroom.command_reference"
    )


def commands() -> Iterator[tuple[str, Any]]:
    for name, entry in cli.COMMANDS.items():
        command = cli.LazyCommand(name, *entry).load()
        yield name, command
        for below, one in getattr(command, "commands", {}).items():
            yield f"{name} {below}", one


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_one_name_and_says_what_it_takes(name: str) -> None:
    for option in COMMANDS[name].params:
        assert option.help, option.name
        assert not option.secondary_opts, option.name
        assert option.is_flag if not option.metavar else option.metavar, option.name


def blocks(page: Path) -> str:
    """Return the blocks of code of a page, with continued lines as one."""
    found = re.findall(r"^( *)```(?:sh)?\n(.*?)^\1```", page.read_text(), re.DOTALL | re.MULTILINE)
    return "\n".join(block for _, block in found).replace("\\\n", " ")


def problems(words: list[str]) -> list[str]:
    """Return what is wrong with a call: its command, or its options."""
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), "")
    if not name:
        return [f"no command {words[0]}"]
    known = {opt for option in COMMANDS[name].params for opt in option.opts}
    options = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--"]
    after = words.index("--") if "--" in words else len(words)
    return [option for option in options if option not in known and words.index(option) < after]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in PATTERNS], ids=lambda page: page.name
)
def test_every_call_on_a_page_has_a_command_and_options_that_are(page: Path) -> None:
    calls = [shlex.split(call) for call in CALL.findall(blocks(page))]
    assert [found for words in calls for found in problems(words)] == []


def test_a_wrong_call_is_seen() -> None:
    assert problems(["statsu"]) == ["no command statsu"]
    assert problems(["status", "--stag", "dev"]) == ["--stag"]
    assert problems(["import", "dynamic-dynamodb", "--", "--table-name", "orders"]) == []
    assert "headroom plan" in blocks(ROOT / "docs" / "start.md")
