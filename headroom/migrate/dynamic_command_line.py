"""Dynamic DynamoDB's command line → ours, by way of the file that says the same.

The options are those of its documentation (2.5.1, 2018), read 2026-10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from headroom.migrate.dynamic_dynamodb import translate, unknown
from headroom.migrate.dynamic_options import GLOBAL, LOGGING, OPTIONS, SECRETS
from headroom.migrate.imported import Imported, Kind, Line

SHORT = {"-c": "--config", "-r": "--region", "-t": "--table-name"}
#: Options without a value.
FLAGS = frozenset({"dry-run", "run-once", "show-config", "version"})
#: The same option has another name in a file.
ALIASES = {"aws-secret-access-key": "aws-secret-access-key-id"}
#: What has no place in a file, and what to do instead.
NOT_IN_FILES: Mapping[str, tuple[Kind, str]] = {
    "config": (Kind.REFUSED, "import that file: headroom import dynamic-dynamodb {value}"),
    "daemon": (Kind.OBSOLETE, "Headroom runs as functions, without a process: make deploy"),
    "dry-run": (Kind.OBSOLETE, "write dry_run = true under [defaults] for the same"),
    "instance": (Kind.OBSOLETE, "a stage: headroom deploy --stage {value}"),
    "pid-file-dir": (Kind.OBSOLETE, "there is no process"),
    "run-once": (Kind.OBSOLETE, "headroom sweep --once does the same"),
    "show-config": (Kind.OBSOLETE, "headroom check --table NAME does the same"),
    "version": (Kind.OBSOLETE, "headroom --version does the same"),
}
WITHOUT_TABLE = "without --table-name it has no effect, there as here"


@dataclass(frozen=True)
class _Word:
    """An option of the command line. number: its place, from 1 on. name: without dashes."""

    number: int
    name: str
    value: str

    @property
    def text(self) -> str:
        value = "…" if self.option in SECRETS else self.value
        return f"--{self.name} {value}".rstrip()

    @property
    def option(self) -> str:
        return ALIASES.get(self.name, self.name)


def translate_command_line(words: Sequence[str], annotate: bool = False) -> Imported:
    """Return our configuration for a command line, and what became of each of its options."""
    options, lines = [], []
    for word in _options(words):
        if word.name == "table-name" or word.option not in NOT_IN_FILES:
            options.append(word)
        else:
            kind, text = NOT_IN_FILES[word.option]
            lines.append(Line(word.number, word.text, kind, text.format(value=word.value)))
    tables = [word for word in options if word.name == "table-name"]
    sections = _sections(options, tables)
    if not tables:
        lines += [
            _without_table(word) for word in options if word.option not in {*GLOBAL, *LOGGING}
        ]
    text, sources = _file(sections)
    imported = translate(text, annotate)
    found = (
        replace(line, number=sources[line.number].number, text=sources[line.number].text)
        for line in imported.lines
        if line.number in sources
    )
    ordered = sorted([*lines, *found], key=lambda line: line.number)
    return replace(imported, lines=tuple(ordered))


def _options(words: Sequence[str]) -> Iterator[_Word]:
    """Yield the options. What is none is one with a name that nothing knows."""
    rest = list(words)
    number = 0
    while rest:
        number += 1
        first, equals, value = rest.pop(0).partition("=")
        if number == 1 and first.endswith("dynamic-dynamodb"):
            number = 0
            continue
        name = SHORT.get(first, first).lstrip("-")
        if not equals and name not in FLAGS and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        yield _Word(number, name, value.replace("\n", " "))


def _without_table(word: _Word) -> Line:
    """Return what becomes of an option of a table, where no table is named."""
    if word.option in OPTIONS:
        return Line(word.number, word.text, Kind.OBSOLETE, WITHOUT_TABLE)
    text = unknown(word.option, {*OPTIONS, "table-name"})
    return Line(word.number, word.text, Kind.UNKNOWN, text)


def _sections(
    options: Sequence[_Word], tables: Sequence[_Word]
) -> Iterator[tuple[str, _Word | None, list[_Word]]]:
    """Yield the sections of the file that says the same: header, the option of it, its lines."""
    for header, known in (("global", GLOBAL), ("logging", LOGGING)):
        yield header, None, [word for word in options if word.option in known]
    for table in tables[-1:]:
        of_table = [word for word in options if word.option not in {*GLOBAL, *LOGGING}]
        yield f"table: {table.value}", table, [w for w in of_table if w.name != "table-name"]


def _file(
    sections: Iterator[tuple[str, _Word | None, list[_Word]]],
) -> tuple[str, dict[int, _Word]]:
    """Return the file, and the option that each of its lines comes from."""
    lines: list[str] = []
    sources: dict[int, _Word] = {}
    for header, source, words in sections:
        if not words and source is None:
            continue
        lines.append(f"[{header}]")
        if source:
            sources[len(lines)] = source
        for word in words:
            lines.append(f"{word.option}: {word.value}")
            sources[len(lines)] = word
    return "\n".join(lines), sources
