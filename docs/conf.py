"""The documentation as a site: `make docs` builds it into build/docs with Sphinx, MyST and furo.

The pages are plain Markdown, and read the same on a forge. What only a site has is added here while
a page is read: the navigation, and pictures that follow the switch between light and dark.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))

#: Every page by part, in the order of the navigation, each with its title there; "" is the page's
#: own. A test compares this list with the files.
NAVIGATION: dict[str, dict[str, str]] = {
    "Start": {
        "docs/start": "The first hour",
        "docs/concepts": "Concepts",
        "docs/console": "The console",
        "docs/faq": "Questions and answers",
        "docs/index": "All pages",
    },
    "Guides": {
        "docs/operations": "Operations",
        "docs/policy": "Policy",
        "docs/windows": "Windows and fixed times",
        "docs/pause": "Pauses",
        "docs/money": "Money",
        "docs/modes": "Billing modes",
        "docs/measure": "Traces and receipts",
        "docs/notifications": "Notifications",
        "docs/jobs": "Backups and other jobs",
        "docs/fleet": "Fleets",
        "docs/healing": "Healing",
        "docs/scale": "Large accounts",
        "docs/global-tables": "Global tables",
        "docs/if-headroom-is-down": "If Headroom is down",
        "docs/compliance": "Compliance",
        "docs/templates": "Terraform, CDK and others",
        "docs/testing": "Testing",
        "examples/README": "Examples",
    },
    "Migrate": {
        "docs/from-autoscaling": "From Application Auto Scaling",
        "docs/from-dynamic-dynamodb": "From Dynamic DynamoDB",
    },
    "Reference": {
        "docs/configuration": "Configuration",
        "docs/commands": "Commands",
        "docs/glossary": "Glossary",
        "CHANGELOG": "Changelog",
        "SECURITY": "Security",
    },
    "How it is made": {
        "docs/design": "Design",
        "docs/decisions/index": "Decisions",
        **{f"docs/decisions/{page.stem}": "" for page in DECISIONS},
        "CONTRIBUTING": "Contributing",
    },
}

project = "Headroom"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
html_title = f"Headroom {version}"

root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "examples/README.md"]
extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
highlight_language = "none"

smartquotes = False  # an option is --stage, not –stage

html_theme = "furo"
html_copy_source = False
html_use_index = False
html_show_search_summary = False  # it needs fetch, which a browser refuses for files
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_favicon = "../headroom/console/icon.svg"

PICTURE = re.compile(
    r'<picture><source [^>]*srcset="(?P<dark>[^"]+)"><img alt="(?P<alt>[^"]*)" '
    r'src="(?P<light>[^"]+)"></picture>'
)
#: A link to a folder has no page on the site: its text stays.
FOLDER = re.compile(r"\[([^\]]+)\]\([^)#:]+/\)")
BLOCK = re.compile(r"^```(?P<language>\w*)(?P<lines>\n.*?\n)```$", re.DOTALL | re.MULTILINE)
#: A block with a longer line is wrapped: on the site no more characters have room.
LONGEST_LINE = 105
COLUMNS = re.compile(r"\S {3,}\S")
#: A word of code within a sentence, as Sphinx writes it.
WORD = re.compile(r'<span class="pre">([^<]*)</span>')
PRE = re.compile(r"(<pre>.*?</pre>)", re.DOTALL)
PERCENT = re.compile(r"(?<=\d) %")
#: A longer word of code may be broken between its parts: after a sign that joins them, and before a
#: capital letter.
LONGEST_WORD = 14
PARTS = re.compile(r"(?<=\w[/:,=_-])(?=[\w*])|(?<=\w\.)(?=\w{5})|(?<=[a-z])(?=[A-Z])")


def for_the_site(name: str, text: str) -> str:
    """Return a page as the site needs it; the root page with the navigation."""
    text = PICTURE.sub(r"![\g<alt>](\g<light>){.only-light} ![\g<alt>](\g<dark>){.only-dark}", text)
    text = BLOCK.sub(_block, FOLDER.sub(r"\1", text))
    return f"{text}\n{_navigation()}" if name == root_doc else text


def with_breaks(body: str) -> str:
    """Return a page's HTML, where a word of code is broken between its parts or not at all.

    A sign of percent stays beside its number. Blocks of code stay as they are.
    """
    texts = [
        part if part.startswith("<pre>") else WORD.sub(_parts, PERCENT.sub("&#160;%", part))
        for part in PRE.split(body)
    ]
    return "".join(texts)


def _parts(word: re.Match[str]) -> str:
    if len(word[1]) <= LONGEST_WORD:
        return word[0]
    return "<wbr>".join(f'<span class="pre">{part}</span>' for part in PARTS.split(word[1]))


def _block(block: re.Match[str]) -> str:
    """Return a block of output. Long sentences in it are wrapped on the site, a drawing is not."""
    lines = block["lines"]
    if max(map(len, lines.splitlines())) <= LONGEST_LINE or "│" in lines:
        return block[0]
    kind = "wrap columns" if COLUMNS.search(lines) else "wrap"
    return f"```{{code-block}} {block['language'] or 'none'}\n:class: {kind}\n{lines}```"


def _navigation() -> str:
    """Return the directives that make the pages of the navigation."""
    return "\n".join(
        "\n".join([
            "```{toctree}",
            ":hidden:",
            f":caption: {part}",
            "",
            *(f"{title} <{page}>" if title else page for page, title in pages.items()),
            "```",
            "",
        ])
        for part, pages in NAVIGATION.items()
    )  # fmt: skip


def _read(_: Any, name: str, source: list[str]) -> None:
    source[0] = for_the_site(name, source[0])


def _write(_: Any, __: str, ___: str, context: dict[str, Any], ____: Any) -> None:
    if "body" in context:
        context["body"] = with_breaks(context["body"])


def _open_at_the_root(app: Any, error: Exception | None) -> None:
    """Let the folder of the site open its first page."""
    if error is None:
        page = '<!doctype html><meta http-equiv="refresh" content="0; url=README.html">\n'
        (Path(app.outdir) / "index.html").write_text(page)


def setup(app: Any) -> None:
    """Register what is done while Sphinx reads a page, writes it, and at the end."""
    app.connect("source-read", _read)
    app.connect("html-page-context", _write)
    app.connect("build-finished", _open_at_the_root)
