"""INI files with the number of the line on which everything stands, for those who must account for
each line."""

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: The header under which lines stand that come before any section.
NOWHERE = "no section"
COMMENTS = ("#", ";")


@dataclass(frozen=True, slots=True)
class Option:
    """One `name: value` of a section; the value is whole, with the lines that continue it."""

    line: int
    name: str
    value: str


@dataclass
class Section:
    """A section as it stands in the file: one of the same header may come again. closed: whether
    its header has its `]`."""

    line: int
    header: str
    closed: bool = True
    options: list[Option] = field(default_factory=list)


@dataclass(frozen=True)
class Ini:
    """A file. lines: all its lines, stripped, the first at 0. continued: line → the option's line
    that it continues.

    unread: the lines of which no sense could be made.
    """

    lines: tuple[str, ...]
    sections: tuple[Section, ...]
    continued: dict[int, int]
    unread: frozenset[int]


def says_something(line: str) -> bool:
    """Tell whether a line is neither blank nor a comment."""
    return bool(line.strip()) and not line.strip().startswith(COMMENTS)


def read(text: str) -> Ini:
    """Read a file, whatever is in it: nothing is refused, but `unread` names what could not be
    read.

    Python's parser reads it; it calls back for each header and each option while it is at their
    lines.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    parser = _Parser(lines)
    unread = parser.read_all()
    options = {option.line for section in parser.parsed for option in section.options}
    unread -= options
    taken = {section.line for section in parser.parsed} | options | unread
    continued, last = {}, 0
    for number, line in enumerate(lines, start=1):
        if number in taken:
            last = number
        elif says_something(line):
            continued[number] = last
    stripped = tuple(line.strip() for line in lines)
    return Ini(stripped, tuple(parser.parsed), continued, frozenset(unread))


class _Parser(configparser.RawConfigParser):
    """Python's parser, made to remember lines, and to keep an option that is set again."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(strict=False, default_section="\n", inline_comment_prefixes=(";",))
        self.parsed = [Section(0, NOWHERE)]
        self._source, self._line = lines, 0
        self.SECTCRE = _Headers(self)  # type: ignore[assignment]  # documented to be replaceable; only `match` is called

    def read_all(self) -> set[int]:
        """Fill `parsed`; return the lines that are no header, no option and no rest of one."""
        try:
            self.read_file(self._numbered())
            bad = set()
        except configparser.ParsingError as error:
            bad = {
                line - 1 for line, _ in error.errors
            }  # the header that is put before the first line counts, too
        for header in self.sections():
            for key, value in self.items(header):
                line, _, name = key.partition(" ")
                if name:
                    home = next(s for s in reversed(self.parsed) if s.line < int(line))
                    home.options.append(Option(int(line), name, value))
                else:
                    bad.add(int(line))
        for section in self.parsed:
            section.options.sort(key=lambda option: option.line)
        return bad

    def _numbered(self) -> Iterator[str]:
        yield f"[{NOWHERE}]\n"
        for number, line in enumerate(self._source, start=1):
            self._line = number
            yield f"{line}\n"

    def optionxform(self, optionstr: str) -> str:
        return f"{self._line} {optionstr}"

    def begin_section(self, header: str, closed: bool) -> None:
        if self._line:
            self.parsed.append(Section(self._line, header, closed))


class _Headers:
    """Stands in for the pattern of a section's header, and reports each that it finds; a missing
    `]` is forgiven."""

    whole, broken = re.compile(r"\[(?P<header>.+)\]"), re.compile(r"\[(?P<header>.*)")

    def __init__(self, parser: _Parser) -> None:
        self._parser = parser

    def match(self, line: str) -> Any:
        whole = self.whole.match(line)
        match = whole or self.broken.match(line)
        if match:
            self._parser.begin_section(match["header"].strip(), whole is not None)
        return match
