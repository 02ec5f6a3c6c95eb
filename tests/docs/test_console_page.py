"""The console's page: its pictures, its keys, and what it says about calls and cost."""

import re

from headroom.console.site import FOLDER, MOST_HOURS
from headroom.deploy.logged import FUNCTIONS
from headroom.project import ROOT

TEXT = (ROOT / "docs" / "console.md").read_text()
PICTURES = ROOT / "docs" / "pictures"


def test_every_picture_is_small_and_shown() -> None:
    shown = re.findall(r"pictures/([\w-]+\.webp)", TEXT + (ROOT / "README.md").read_text())
    assert {file.name for file in PICTURES.iterdir()} == set(shown)
    assert max(file.stat().st_size for file in PICTURES.iterdir()) <= 150_000


def test_every_key_of_the_page_and_the_chart_is_named() -> None:
    scripts = (FOLDER / "console.js", FOLDER.parent / "chart" / "chart.js")
    text = "".join(script.read_text() for script in scripts)
    keys = set(re.findall(r'event\.key === "(\S)"', text)) | {"n", "b"}
    assert keys >= {"r", "p", "/"}
    assert {key for key in keys if f"`{key}`" not in TEXT} == set()


def test_the_calls_and_the_days_are_those_of_the_code() -> None:
    assert f"{4 * len(FUNCTIONS)} FilterLogEvents" in TEXT
    assert f"up to {MOST_HOURS // 24} days" in TEXT
