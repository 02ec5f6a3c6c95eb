"""docs/design.md shows the order of the folders that the layer test enforces."""

import re

from headroom.project import ROOT
from tests.test_layers import LADDERS

PAGE = (ROOT / "docs" / "design.md").read_text()


def test_the_page_shows_every_step_of_the_engine() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    shown = {
        int(step): {name.rstrip("/") for name in re.findall(r"`([^`]+)`", r)} for step, r in rows
    }
    assert shown == {step: set(names) for step, names in enumerate(LADDERS["chalicelib"], start=1)}
