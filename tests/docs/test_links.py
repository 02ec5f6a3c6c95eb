"""Every relative link of the pages leads somewhere, and every path that they name exists."""

import re
from pathlib import Path

import pytest

from headroom.project import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:chalicelib|headroom|tests|docs|benchmarks|examples)/[\w./*-]*)`")
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the forge makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or bool(anchor and anchor not in anchors(target))


@pages
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert [
        link for link in LINK.findall(prose(page)) if "://" not in link and is_broken(page, link)
    ] == []


@pages
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    """NAME in a path stands for any name."""
    paths = [path.rstrip("/").replace("NAME", "*") for path in PATH.findall(prose(page))]
    assert [path for path in paths if not list(ROOT.glob(path))] == []


def test_a_broken_link_is_seen() -> None:
    assert is_broken(ROOT / "README.md", "docs/nothing.md")
    assert is_broken(ROOT / "README.md", "docs/index.md#nothing")
    assert not is_broken(ROOT / "README.md", "docs/index.md#for-operators")
