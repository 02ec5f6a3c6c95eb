"""Dynamic DynamoDB's configuration → ours: every line of it translated, obsolete, refused or
unknown, each with its reason.

Pure: text in, text and account out. dynamic_options.py knows the options;
docs/from-dynamic-dynamodb.md is the operator's page.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tomlkit
from tomlkit.items import Table

from chalicelib.config.backtracking import slowness
from chalicelib.config.mistakes import nearest
from chalicelib.config.policy import SETTINGS, make_policy
from chalicelib.model import Dimension
from headroom.migrate import ini
from headroom.migrate.dynamic_options import (
    CHECK_INTERVAL,
    GLOBAL,
    HOMES,
    LOGGING,
    LOGS_GO,
    OPTIONS,
    PRESET,
    SECRETS,
    DimensionOptions,
    Given,
    Option,
    Settings,
    positive,
    problems,
    settings_of,
    values_of,
)
from headroom.migrate.imported import Imported, Kind, Line
from headroom.migrate.toml_items import OFF, item

EVERY = frozenset({"*", ".*"})


NOTES = (
    "Its defaults stand in [defaults], so that what a section leaves out means the same as "
    "before. What a section sets to the "
    "same value is not repeated in it.",
    "lookback-window-start, where it is not set, left the newest 10 minutes out of account, "
    "because metrics used to come late. "
    "They come within two minutes today, so that delay is not kept; delay_minutes = 10 would "
    "bring it back.",
    "A decrease also needs room in DynamoDB's quota for the day, and time without throttling; "
    "Dynamic DynamoDB knew neither.",
)


# a section, read


@dataclass
class Part:
    """Its sections of one header: what they set, by name."""

    line: int
    header: str
    given: dict[str, Given] = field(default_factory=dict)
    #: The lines of the options whose values make no sense.
    unread: dict[str, int] = field(default_factory=dict)


class Account:
    """What became of each line. Of two entries the heavier kind counts, and both texts."""

    def __init__(self, source: ini.Ini) -> None:
        self._source = source
        self._entries: dict[int, tuple[Kind, dict[str, None]]] = {}

    def add(self, line: int, kind: Kind, words: str = "") -> None:
        before, explanations = self._entries.get(line, (kind, {}))
        heavier = max(before, kind, key=list(Kind).index)
        self._entries[line] = (heavier, {**explanations, **({words: None} if words else {})})

    def lines(self) -> tuple[Line, ...]:
        """Return every line of the source that is not empty or a comment, in order."""
        found = {number: self._line(number) for number in self._entries}
        for number, first in self._source.continued.items():
            found[number] = Line(
                number, self._shown(number), found[first].kind, f"the rest of line {first}"
            )
        return tuple(found[number] for number in sorted(found))

    def _line(self, number: int) -> Line:
        kind, explanations = self._entries[number]
        return Line(number, self._shown(number), kind, "; ".join(explanations) or "as it is")

    def _shown(self, number: int) -> str:
        """Return a line as it may be printed: without a key that is secret, or a password."""
        first = self._source.continued.get(number, number)
        name = re.split(r"\s*[:=]", self._source.lines[first - 1])[0]
        text = f"{name}: …" if name in SECRETS else self._source.lines[number - 1]
        printable = "".join(c if c.isprintable() else " " for c in text)
        return re.sub(r"://[^/@\s]*@", "://…@", printable)


def _read_options(options: Iterable[ini.Option], account: Account, part: Part) -> None:
    """Put into the part what the options of one header set, the later winning."""
    for option in options:
        known = OPTIONS.get(option.name)
        if known is None:
            account.add(option.line, Kind.UNKNOWN, unknown(option.name, OPTIONS))
            continue
        try:
            found = Given(option.line, known.read(option.value))
        except ValueError as error:
            account.add(option.line, Kind.REFUSED, _why(option, error))
            part.unread[option.name] = option.line
            continue
        if earlier := part.given.get(option.name):
            account.add(earlier.line, Kind.OBSOLETE, f"line {option.line} sets it again, and holds")
        part.given[option.name] = found


def _why(option: ini.Option, error: ValueError) -> str:
    """Return why a value makes no sense, in view of how its line is written."""
    if "\n" in option.value:
        return "the next line is indented, and so belongs to this value; begin it at the margin"
    return (
        f"{error}; write it without quotation marks"
        if option.value[:1] in ("'", '"')
        else str(error)
    )


def unknown(name: str, known: Collection[str]) -> str:
    """Return why an option has no effect where these are known."""
    if name in HOMES:
        return f"it has no effect here; it belongs to {', '.join(HOMES[name])}"
    if name.startswith("disable-"):
        return "Dynamic DynamoDB has no such option; it has enable-…, of which true is the default"
    return f"Dynamic DynamoDB has no such option{nearest(name, known)}"


Resolved = dict[Dimension, Settings]


def _resolve(own: Part, below: Mapping[str, Given], account: Account, interval: int) -> Resolved:
    """Return a section's settings. What cannot hold is refused, a line at a time, until the rest
    can."""
    rest, refused = dict(below), dict[str, Given]()
    while True:
        options = {
            dimension: DimensionOptions({**rest, **own.given}, dimension, interval)
            for dimension in Dimension
        }
        found = {dimension: settings_of(options[dimension]) for dimension in Dimension}
        wrong = [(found[d][key], words) for d in Dimension for key, words in problems(found[d])]
        if not wrong:
            break
        setting, words = wrong[0]
        source, blamed = next(
            (source, name)
            for source in (own.given, rest)
            for name in setting.options
            if name in source
        )
        refused[blamed] = source.pop(blamed)
        account.add(
            refused[blamed].line,
            Kind.REFUSED,
            words if source is own.given else f"in [{own.header}], {words}",
        )
    for name, value in own.given.items():
        kind = Kind.OFF if value.value is False and name.startswith("enable-") else Kind.TRANSLATED
        account.add(value.line, kind, _describe_settings(OPTIONS[name], found))
    lost = {name: line for name, line in own.unread.items() if name not in own.given}
    for name, line in (lost | {name: value.line for name, value in refused.items()}).items():
        account.add(line, Kind.REFUSED, f"without it, {_describe_settings(OPTIONS[name], found)}")
    for name, words in (note for dimension in Dimension for note in options[dimension].notes):
        if name in own.given:
            account.add(own.given[name].line, Kind.TRANSLATED, words)
    return found


def _describe_settings(option: Option, found: Resolved) -> str:
    """Return an option's settings in words, such as `read.alarm_percent = 90`."""
    texts = []
    for dimension in option.dimensions:
        prefix = f"{dimension}." if len(option.dimensions) == 1 else ""
        values = {key: found[dimension][key].value for key in option.settings}
        keys = [key for key in values if values[key]] or list(values)
        texts += [f"{prefix}{key} = {_shown(values[key])}" for key in keys]
    return ", ".join(dict.fromkeys(texts))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_shown(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return str(tomlkit.item(value).as_string())


# names

#: What in a regular expression means itself in a name; a bare dot means any character.
LITERAL = re.compile(r"(?:[A-Za-z0-9_-]|\\[._-])+")
FLAGS = re.compile(r"(?:\(\?[aiLmsux]+\))+")


def matcher(regex: str) -> dict[str, str]:
    """Return the matcher of ours, `name` or `regex`, that matches what `re.match` matches: from the
    beginning, with any end.

    Raises ValueError where it is no regular expression, or one that may take for ever.
    """
    whole = _whole_name(regex)
    try:
        re.compile(regex)
        re.compile(whole)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    bare = regex.removeprefix("^").removesuffix("$")
    if regex.endswith("$") and LITERAL.fullmatch(bare):
        return {"name": bare.replace("\\", "")}
    beginning = bare.removesuffix(".*")
    if LITERAL.fullmatch(beginning):
        return {"name": beginning.replace("\\", "") + "*"}
    why = slowness(whole)
    if why:
        raise ValueError(f"too slow: {why}")
    return {"regex": whole}


def _whole_name(regex: str) -> str:
    """Return the expression that matches a whole name where `regex` matches its beginning."""
    flags = FLAGS.match(regex)
    start = flags.end() if flags else 0
    body = regex[start:]
    if re.fullmatch(r"\^?[\w.*+?\\\[\]{}-]*(?<!\\)\.\*\$?|\^[\w.*+?\\\[\]{}-]*[\w\]*+}]\$", body):
        return regex
    return f"{regex[:start]}(?:{body}).*"


# the whole file


@dataclass
class Rule:
    """A rule to be written, and the sections that it comes from. indexes: by header."""

    match: Mapping[str, str]
    part: Part
    resolved: Resolved | None
    indexes: list[Rule] = field(default_factory=list)


INDEX = re.compile(r"gsi\s*:\s*(?P<index>.+?)\s+table\s*:\s*(?P<table>.+)")
TABLE = re.compile(r"table\s*:\s*(?P<table>.+)")
#: The sections that stand once, and what becomes of their headers.
PLAIN: Mapping[str, tuple[Kind, str]] = {
    "global": (Kind.TRANSLATED, "what is not obsolete stands in [defaults]"),
    "logging": (Kind.OBSOLETE, LOGS_GO),
    "default_options": (Kind.TRANSLATED, "[defaults]"),
}


def translate(text: str, annotate: bool = False) -> Imported:
    """Return our configuration for a file of Dynamic DynamoDB's, and the account of its lines.

    annotate: write the account into the configuration, as comments above what the lines became.
    """
    return _Importer(text).result(annotate)


class _Importer:
    """Walks the sections in the order in which they bear on each other: [global] and [logging], the
    defaults, tables, indexes."""

    def __init__(self, text: str) -> None:
        self.source = ini.read(text)
        self.account = Account(self.source)
        self.notes = list(NOTES)
        self.groups: dict[str, list[ini.Section]] = {}
        self.interval = CHECK_INTERVAL
        self.rules: list[Rule] = []
        for line in self.source.unread:
            self.account.add(
                line, Kind.REFUSED, "not a line of an INI file: write [a section], or name: value"
            )
        for section in self.source.sections:
            self._group(section)
        self._walk()

    def _group(self, section: ini.Section) -> None:
        first = self.groups.setdefault(_header(section), [])
        first.append(section)
        if len(first) > 1:
            self.account.add(
                section.line, Kind.TRANSLATED, f"goes on with the section of line {first[0].line}"
            )
        if not section.closed:
            self.account.add(
                section.line, Kind.REFUSED, f"its ] is missing; read as [{section.header}]"
            )

    def _walk(self) -> None:
        below = self._global()
        for option in self._options("logging"):
            self._plain(option, LOGGING)
        self.defaults = self._part("default_options")
        self.base = _resolve(self.defaults, below, self.account, self.interval)
        self.below = {**below, **self.defaults.given}
        for header in self.groups:
            if match := TABLE.fullmatch(header):
                self._table(header, match["table"])
        for header, sections in self.groups.items():
            if match := INDEX.fullmatch(header):
                self._index(header, match["index"], match["table"])
            elif header in PLAIN:
                self.account.add(sections[0].line, *PLAIN[header])
            elif not TABLE.fullmatch(header):
                self._report_unknown(header)

    def _options(self, header: str) -> list[ini.Option]:
        return [option for section in self.groups.get(header, ()) for option in section.options]

    def _part(self, header: str) -> Part:
        sections = self.groups.get(header)
        part = Part(sections[0].line if sections else 0, header)
        _read_options(self._options(header), self.account, part)
        return part

    def _global(self) -> dict[str, Given]:
        """Return the circuit breaker's options; all others are obsolete."""
        options = self._options("global")
        for option in options:
            self._plain(option, GLOBAL)
            if option.name == "check-interval":
                self._check_interval(option)
        ours = [option for option in options if option.name in OPTIONS and option.name in GLOBAL]
        part = Part(0, "global")
        _read_options(ours, self.account, part)
        _resolve(part, {}, self.account, self.interval)
        return part.given

    def _check_interval(self, option: ini.Option) -> None:
        try:
            self.interval = positive(option.value)
        except ValueError as error:
            self.account.add(option.line, Kind.REFUSED, str(error))

    def _plain(self, option: ini.Option, known: Mapping[str, str]) -> None:
        if option.name not in known:
            self.account.add(option.line, Kind.UNKNOWN, unknown(option.name, known))
        elif known[option.name]:
            text = known[option.name].format(value=option.value, level=option.value.upper())
            self.account.add(option.line, Kind.OBSOLETE, text)

    def _table(self, header: str, regex: str) -> None:
        part = self._part(header)
        match = self._match(regex, header, part)
        if match:
            resolved = _resolve(part, self.below, self.account, self.interval)
            self.rules.append(Rule(match, part, resolved))
            self._report_match(part.line, "[[tables]]", match, regex)

    def _match(self, regex: str, header: str, part: Part) -> dict[str, str] | None:
        """Return a matcher of ours; or None, and the whole section is refused."""
        try:
            return matcher(regex)
        except ValueError as error:
            self.account.add(part.line, Kind.REFUSED, f"{regex!r} is {error}")
            for given in part.given.values():
                self.account.add(given.line, Kind.REFUSED, f"its section [{header}] is refused")
            return None

    def _report_match(self, line: int, kind: str, match: Mapping[str, str], regex: str) -> None:
        self.account.add(line, Kind.TRANSLATED, f"{kind} {_named(match)}")
        name = match.get("name", "")
        if name.endswith("*") and not regex.removesuffix("$").endswith(".*"):
            self.account.add(
                line,
                Kind.TRANSLATED,
                "every name that begins so, here as there; "
                f"write name = {_shown(name[:-1])} if that one alone is meant",
            )

    def _index(self, header: str, index: str, table: str) -> None:
        part = self._part(header)
        match = self._match(index, header, part)
        rule = match and self._table_rule(table, header, part)
        if match and rule:
            resolved = _resolve(part, self.below, self.account, self.interval)
            rule.indexes.append(Rule(match, part, resolved))
            self._report_match(
                part.line, f"of the tables {_named(rule.match)}: [[tables.indexes]]", match, index
            )

    def _table_rule(self, regex: str, header: str, part: Part) -> Rule | None:
        """Return the rule of an index's table; where there is none, one that leaves the table
        itself alone."""
        match = self._match(regex, header, part)
        if match is None:
            return None
        rule = next((rule for rule in self.rules if rule.match == match), None)
        if rule is None:
            rule = Rule(match, Part(part.line, header), None)
            self.rules.append(rule)
            self._report_match(
                part.line,
                f"no [table: {regex}] stands beside it, so a rule that leaves the table alone:",
                match,
                regex,
            )
            self.account.add(
                part.line,
                Kind.OFF,
                "a table that an earlier rule matches is not reached by it",
            )
        return rule

    def _report_unknown(self, header: str) -> None:
        known = [*PLAIN, "table: …", "gsi: … table: …"]
        nowhere = header == ini.NOWHERE and self.groups[header][0].line == 0
        text = (
            "it stands before any section"
            if nowhere
            else f"Dynamic DynamoDB has no section [{header}]"
        )
        for section in self.groups[header]:
            if section.line:
                self.account.add(section.line, Kind.UNKNOWN, f"{text}{nearest(header, known)}")
            for option in section.options:
                self.account.add(option.line, Kind.UNKNOWN, text)

    def result(self, annotate: bool) -> Imported:
        lines = self.account.lines()
        if any(rule.resolved for rule in self.rules):
            self.notes.append(
                "An index that no [gsi: …] section names was left alone. Each table ends with "
                "a rule that leaves its other "
                "indexes alone; delete that rule, and Headroom scales them like their table."
            )
        if not self.rules:
            self.notes.append("It names no table, so Headroom would manage none.")
        toml = _Writer(self, lines if annotate else ()).document()
        return Imported(toml, lines, tuple(self.notes))


def _header(section: ini.Section) -> str:
    """Return a section's header with single spaces."""
    return " ".join(section.header.split())


def _named(match: Mapping[str, str]) -> str:
    return ", ".join(f"{key} = {_shown(value)}" for key, value in match.items())


# TOML

Values = Mapping[Dimension, Mapping[str, Any]]


class _Writer:
    """Writes rules as TOML: in [defaults] what was set there, and in each place what differs from
    the place above it."""

    def __init__(self, importer: _Importer, lines: Sequence[Line]) -> None:
        self._importer = importer
        self._lines = {line.number: line for line in lines}

    def document(self) -> str:
        made = self._importer
        doc = tomlkit.document()
        doc.add(
            tomlkit.comment(
                "From a configuration of Dynamic DynamoDB, by headroom import dynamic-dynamodb."
            )
        )
        for note in made.notes if self._lines else ():
            doc.add(tomlkit.comment(note))
        placed = {made.defaults.header}
        for rule in made.rules:
            placed |= {rule.part.header, *(index.part.header for index in rule.indexes)}
        elsewhere = [s for s in made.source.sections if _header(s) not in placed]
        self._add_comments(doc, elsewhere)
        self._tell_numbers(doc, sorted(made.source.unread))
        defaults = tomlkit.table()
        self._add_comments(defaults, made.groups.get("default_options", []))
        own = _all(made.base)
        self._write(defaults, _builtin(), own, made.defaults)
        doc.add("defaults", defaults)
        if made.rules:
            tables = tomlkit.aot()
            for rule in made.rules:
                tables.append(self._table(rule, own))
            doc.add("tables", tables)
        return tomlkit.dumps(doc)

    def _add_comments(self, into: Any, sections: Iterable[ini.Section]) -> None:
        for section in sections:
            self._tell_numbers(into, [section.line, *(option.line for option in section.options)])

    def _tell_numbers(self, into: Any, numbers: Iterable[int]) -> None:
        rest: dict[int, list[int]] = {}
        for number, first in self._importer.source.continued.items():
            rest.setdefault(first, []).append(number)
        for first in numbers:
            for number in (first, *rest.get(first, ())):
                if number in self._lines:
                    into.add(tomlkit.comment(f"{number}: {self._lines[number]}"))

    def _table(self, rule: Rule, parent: Values) -> Table:
        own = _all(rule.resolved) if rule.resolved else {d: {**parent[d], **OFF} for d in Dimension}
        table, nested = self._rule(rule, parent, own), tomlkit.aot()
        for index in rule.indexes:
            nested.append(self._rule(index, own, _all(index.resolved or {})))
        if not any(set(index.match.values()) & EVERY for index in rule.indexes):
            nested.append(_others(own))
        if len(nested):
            table.add("indexes", nested)
        return table

    def _rule(self, rule: Rule, parent: Values, own: Values) -> Table:
        table = tomlkit.table()
        if rule.resolved:
            self._add_comments(table, self._importer.groups[rule.part.header])
        table.update(rule.match)
        self._write(table, parent, own, rule.part)
        return table

    def _write(self, into: Table, parent: Values, own: Values, part: Part) -> None:
        changed: dict[Dimension, dict[str, Any]] = {}
        for dimension in Dimension:
            explicit: set[str] = set()
            if part is self._importer.defaults:
                options = [OPTIONS[name] for name in part.given]
                explicit.update(*(o.settings for o in options if dimension in o.dimensions))
            changed[dimension] = {
                key: own[dimension][key]
                for key in SETTINGS
                if own[dimension][key] != parent[dimension][key]
                or (key in explicit and own[dimension][key])
            }
        reads, writes = changed.values()
        both = [key for key in reads if key in writes and reads[key] == writes[key]]
        into.update({key: item(reads[key]) for key in both})
        for dimension, values in changed.items():
            apart = {key: item(value) for key, value in values.items() if key not in both}
            if apart:
                into.add(str(dimension), tomlkit.item(apart))


def _all(resolved: Resolved) -> Values:
    return {
        dimension: {**_builtin()[dimension], **PRESET, **values_of(found)}
        for dimension, found in resolved.items()
    }


def _builtin() -> Values:
    plain = make_policy(strategy="percent")
    # through JSON, so that tuples become lists, as a document has them
    values = msgspec.json.decode(msgspec.json.encode(plain))
    return {dimension: {**values, "strategy": ""} for dimension in Dimension}


def _others(own: Values) -> Table:
    """Return the rule for the indexes that no section names: they are left alone."""
    table = tomlkit.table()
    table.add(
        tomlkit.comment(
            "all other indexes are left alone, as before; without this rule they are scaled "
            "like the table"
        )
    )
    table.update({"name": "*", **OFF})
    if any(own[dimension].get("notify") for dimension in Dimension):
        table.add("notify", [])
    return table
