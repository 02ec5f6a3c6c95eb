"""docs/glossary.md explains every reason code and every key of a decision's numbers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.explain import WHY
from chalicelib.core.scaling import STRATEGIES
from chalicelib.model import Reason
from headroom.project import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text()
EXPLAINED = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
CORE = ROOT / "chalicelib" / "core"
#: The modules that put numbers into a decision or verdict.
MODULES = [
    CORE / "scaling.py",
    CORE / "healing.py",
    CORE / "modes.py",
    *sorted((CORE / "strategies").glob("*.py")),
    *sorted((ROOT / "chalicelib" / "holds").glob("*.py")),
]


def keys(path: Path) -> Iterator[str]:
    """Yield the text keys of a module's dictionaries, and those that it assigns to."""
    for node in ast.walk(ast.parse(path.read_text())):
        parts = node.keys if isinstance(node, ast.Dict) else []
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            parts = [node.slice]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def number_keys() -> set[str]:
    return {
        key for path in MODULES for key in keys(path) if re.fullmatch(r"[a-z][a-z0-9_]*", key)
    } - (set(STRATEGIES) - {"fleet"})  # the names of strategies; "fleet" is a number's, too


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_code_is_explained(reason: Reason) -> None:
    assert str(reason) in EXPLAINED


@pytest.mark.parametrize("key", sorted(number_keys()))
def test_every_number_is_explained(key: str) -> None:
    assert key in EXPLAINED


def test_the_numbers_are_found_in_the_code() -> None:
    assert {"burst_left_percent", "consumed_units", "held_by", "allowed", "fleet"} <= number_keys()


def quotations() -> Iterator[tuple[str, Reason]]:
    """Yield the words and the reason of each decision that a page quotes as output."""
    for page in (ROOT / "docs").glob("*.md"):
        for block in re.findall(r"^```.*?^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            for words, code in re.findall(r": ([^()→]+) \(([A-Z]\w+);", " ".join(block.split())):
                yield words, Reason(code)


def test_quoted_output_has_the_words_of_today() -> None:
    quoted = list(quotations())
    assert len(quoted) > 20
    assert [(words, code) for words, code in quoted if not words.endswith(WHY[code])] == []
