"""README.md and docs/policy.md show lines of `headroom demo`: it prints these, in this order."""

import re

import pytest

from headroom.project import ROOT
from tests.support.command_line import RunCommand

PAGES = ("README.md", "docs/policy.md")


def shown(page: str) -> list[str]:
    """Return the lines of the first block that begins with a time. `…` is what is left out."""
    text = (ROOT / page).read_text()
    block = re.search(r"```\n(\d\d:\d\d .*?)\n```", text, re.DOTALL)
    assert block, page
    return [line.rstrip() for line in block[1].splitlines() if line != "…"]


@pytest.mark.slow
def test_the_pages_show_what_the_demo_prints(run: RunCommand) -> None:
    printed = [line.rstrip() for line in run("demo").stdout.splitlines()]
    for page in PAGES:
        rest = iter(printed)
        missing = [line for line in shown(page) if line not in rest]
        assert missing == [], f"{page}: run headroom demo, and copy its lines"
