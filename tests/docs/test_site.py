"""The documentation as a site: every page is in its navigation. No generator is needed here."""

import runpy
from typing import Any

import pytest

from headroom.project import ROOT
from tests.docs.test_links import PAGES

CONF = runpy.run_path(str(ROOT / "docs" / "conf.py"))
ENTRIES: list[str] = [page for part in CONF["NAVIGATION"].values() for page in part]


def for_the_site(name: str, text: str) -> Any:
    return CONF["for_the_site"](name, text)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [str(page.relative_to(ROOT).with_suffix("")) for page in PAGES]
    assert sorted(["README", *ENTRIES]) == sorted([*pages, "examples/README"])


def test_the_first_page_has_the_navigation_and_no_other_page_is_changed() -> None:
    assert "\n:caption: Start\n\nThe first hour <docs/start>\n" in for_the_site("README", "text")
    assert for_the_site("docs/start", "text") == "text"


def test_the_picture_of_the_readme_follows_the_switch_of_the_site() -> None:
    text = for_the_site("README", (ROOT / "README.md").read_text())
    assert "<picture>" not in text
    for scheme in ("light", "dark"):
        assert f"](docs/pictures/console-{scheme}.webp){{.only-{scheme}}}" in text


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[messages/](messages/)", "messages/"),
        ("[start](start.md)", "[start](start.md)"),
        ("[AWS](https://aws.amazon.com/)", "[AWS](https://aws.amazon.com/)"),
    ],
)
def test_a_folder_is_no_link_on_the_site(link: str, expected: str) -> None:
    assert for_the_site("docs/x", link) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x " * 60, "```{code-block} none\n:class: wrap\n"),
        ("a    b " * 20, "```{code-block} none\n:class: wrap columns\n"),
        ("x " * 60 + "│", "```\n"),
        ("short", "```\n"),
    ],
)
def test_long_output_is_wrapped_on_the_site_and_a_drawing_is_not(line: str, expected: str) -> None:
    page = for_the_site("docs/x", f"```sh\nb\n```\na\n\n```\n{line}\n```\n\nb\n")
    assert page.startswith(f"```sh\nb\n```\na\n\n{expected}")
    assert page.endswith("```\n\nb\n")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("min_units", ["min_units"]),
        ("NumberOfDecreasesToday", ["Number", "Of", "Decreases", "Today"]),
        ("chalicelib/core/scaling.py", ["chalicelib/", "core/", "scaling.py"]),
        ("--install-completion", ["--install-", "completion"]),
        ("dynamodb:UpdateTable", ["dynamodb:", "Update", "Table"]),
    ],
)
def test_a_word_of_code_is_broken_between_its_parts_only(word: str, expected: list[str]) -> None:
    body = CONF["with_breaks"](f'a <code><span class="pre">{word}</span></code> b')
    parts = "<wbr>".join(f'<span class="pre">{part}</span>' for part in expected)
    assert body == f"a <code>{parts}</code> b"


def test_a_percentage_stays_on_one_line_and_a_block_of_code_as_it_is() -> None:
    body = CONF["with_breaks"]("<td>+0.1 %</td><pre>95 %\n</pre><p>5 %</p>")
    assert body == "<td>+0.1&#160;%</td><pre>95 %\n</pre><p>5&#160;%</p>"
