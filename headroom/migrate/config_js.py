"""`config.js` of two older autoscalers → ours: rockeee's dynamic-dynamodb-lambda, and
auto_dynamoDB_scale, which is made from it. Both have the same settings of a table.

Sources: github.com/rockeee/dynamic-dynamodb-lambda, github.com/g6ling/auto_dynamoDB_scale, read
2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tomlkit

from chalicelib.config.mistakes import describe, nearest
from chalicelib.config.policy import SETTINGS, make_policy
from headroom.migrate.imported import Imported, Kind, Line
from headroom.operator_error import OperatorError

TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>'[^'\n]*'|"[^"\n]*")"""
    r"""|(?P<mark>[{}\[\]:,])|(?P<word>[^\s{}\[\]:,'"]+)""",
    re.DOTALL,
)
#: So deep lists and objects may be nested.
MOST_DEPTH = 20
#: Its settings of a table, by dimension: the setting of ours, and what 0 switches off.
OF_A_TABLE: Mapping[str, tuple[str, str]] = {
    "{reads}_upper_threshold": ("alarm_percent", ""),
    "{reads}_lower_threshold": ("lower_percent", ""),
    "increase_{reads}_with": ("increase_percent", "scale_up"),
    "decrease_{reads}_with": ("decrease_percent", "scale_down"),
    "base_{reads}": ("min_units", ""),
}
SETTINGS_OF: Mapping[str, tuple[str, str, str]] = {
    pattern.format(reads=f"{dimension}s"): (dimension, *of)
    for dimension in ("read", "write")
    for pattern, of in OF_A_TABLE.items()
}
REGION = "deploy to that Region: AWS_DEFAULT_REGION={value} make deploy STAGE=…"
NOTES = (
    "It stopped all scaling of a table after four decreases a day. Headroom never stops raising.",
    "A window of its own, timeframeMin, is the period of Headroom's alarms. One minute raises "
    "sooner: leave alarm_period_seconds out.",
)


class ConfigJsError(OperatorError):
    """The file is no object of JavaScript's notation."""


@dataclass(frozen=True)
class _Token:
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class _Entry:
    """A key of an object, with its line. value: text, a list of values, or a list of entries."""

    line: int
    key: str
    value: Any


@dataclass
class _Rule:
    """A table's settings of ours, by dimension, and the line that each comes from."""

    name: str
    values: dict[str, dict[str, Any]] = field(default_factory=lambda: {"read": {}, "write": {}})
    lines: dict[tuple[str, str], Line] = field(default_factory=dict)


def translate(text: str) -> Imported:
    """Return our configuration for a config.js, and what became of each of its settings.

    Raises ConfigJsError where it is no object, or has no tables.
    """
    root = _root(text)
    lines: list[Line] = []
    defaults: dict[str, Any] = {"strategy": "percent"}
    rules: list[_Rule] = []
    for entry in root:
        match entry.key:
            case "tables" if isinstance(entry.value, list):
                rules += [_rule(table, lines) for table in entry.value if isinstance(table, list)]
            case "region":
                words = REGION.format(value=entry.value)
                lines.append(Line(entry.line, _shown(entry), Kind.OBSOLETE, words))
            case "timeframeMin":
                lines.append(_period(entry, defaults))
            case _:
                words = f"no such setting{nearest(entry.key, ['region', 'timeframeMin', 'tables'])}"
                lines.append(Line(entry.line, _shown(entry), Kind.UNKNOWN, words))
    if not rules:
        raise ConfigJsError("it has no tables: [ { tableName: … } ]")
    for rule in rules:
        _check(rule)
        lines += rule.lines.values()
    document = {"defaults": defaults, "tables": [_table(rule) for rule in rules]}
    ordered = sorted(lines, key=lambda line: line.number)
    return Imported(tomlkit.dumps(document), tuple(ordered), NOTES)


def _period(entry: _Entry, defaults: dict[str, Any]) -> Line:
    try:
        minutes = int(str(entry.value))
        seconds = msgspec.convert(minutes * 60, SETTINGS["alarm_period_seconds"])
    except (ValueError, msgspec.ValidationError):
        return Line(entry.line, _shown(entry), Kind.REFUSED, "expected 1 to 60 whole minutes")
    defaults["alarm_period_seconds"] = seconds
    return Line(entry.line, _shown(entry), Kind.TRANSLATED, f"alarm_period_seconds = {seconds}")


def _rule(table: Sequence[Any], lines: list[Line]) -> _Rule:
    """Return a table's rule, and account for what is no setting of it."""
    entries = [entry for entry in table if isinstance(entry, _Entry)]
    rule = _Rule(str(next((e.value for e in entries if e.key == "tableName"), "")))
    if not rule.name:
        line = entries[0].line if entries else 0
        raise ConfigJsError(f"line {line}: a table has no tableName")
    for entry in entries:
        if entry.key == "tableName":
            words = f'[[tables]] name = "{rule.name}"'
            lines.append(Line(entry.line, _shown(entry), Kind.TRANSLATED, words))
        elif entry.key not in SETTINGS_OF:
            words = f"no such setting{nearest(entry.key, SETTINGS_OF)}"
            lines.append(Line(entry.line, _shown(entry), Kind.UNKNOWN, words))
        else:
            _set(rule, entry, lines)
    return rule


def _set(rule: _Rule, entry: _Entry, lines: list[Line]) -> None:
    dimension, setting, switch = SETTINGS_OF[entry.key]
    try:
        value: Any = int(str(entry.value))
        if value == 0 and switch:
            rule.values[dimension][switch] = False
            words = f"{dimension}.{switch} = false"
            lines.append(Line(entry.line, _shown(entry), Kind.OFF, words))
            return
        value = msgspec.convert(value, SETTINGS[setting])
    except msgspec.ValidationError as error:
        words = f"{setting}: {describe(error, value, SETTINGS[setting])[1]}"
        lines.append(Line(entry.line, _shown(entry), Kind.REFUSED, words))
        return
    except ValueError:
        words = f"expected a whole number, got {entry.value!r}"
        lines.append(Line(entry.line, _shown(entry), Kind.REFUSED, words))
        return
    rule.values[dimension][setting] = value
    rule.lines[dimension, setting] = Line(
        entry.line, _shown(entry), Kind.TRANSLATED, f"{dimension}.{setting} = {value}"
    )


def _check(rule: _Rule) -> None:
    """Refuse what cannot hold together, a setting at a time, until the rest can."""
    for dimension, values in rule.values.items():
        while problems := list(make_policy(strategy="percent", **values).problems()):
            named = [key for key in values if problems[0].startswith(f"{key}:")]
            blamed = named[0] if named else next(iter(values))
            del values[blamed]
            line = rule.lines.pop((dimension, blamed), None)
            if line:
                refused = Line(line.number, line.text, Kind.REFUSED, problems[0])
                rule.lines[dimension, f"{blamed} refused"] = refused


def _table(rule: _Rule) -> dict[str, Any]:
    """Return the rule as TOML: what both dimensions share stands once."""
    read, write = rule.values["read"], rule.values["write"]
    both = {key: value for key, value in read.items() if write.get(key) == value}
    apart = {
        dimension: {key: value for key, value in values.items() if key not in both}
        for dimension, values in rule.values.items()
    }
    return {"name": rule.name, **both, **{d: values for d, values in apart.items() if values}}


def _shown(entry: _Entry) -> str:
    value = entry.value if isinstance(entry.value, str) else "…"
    return f"{entry.key}: {value}"


# JavaScript's notation of objects


def _root(text: str) -> list[_Entry]:
    """Return the entries of the first object of a text."""
    tokens = list(_tokens(text))
    first = next((i for i, token in enumerate(tokens) if token.text == "{"), None)
    if first is None:
        raise ConfigJsError("there is no object { … } in it")
    entries: list[_Entry] = _Parser(tokens[first:]).value(0)
    return entries


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ConfigJsError(f"line {line}: cannot be read from {text[at : at + 20]!r} on")
        if found.lastgroup != "skip":
            yield _Token(line, str(found.lastgroup), found[0].rstrip(";"))
        line += found[0].count("\n")
        at = found.end()


class _Parser:
    """Reads values. A key may have quotes; a comma may stand at the end."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    def value(self, depth: int) -> Any:
        token = self._next()
        if depth > MOST_DEPTH:
            raise ConfigJsError(f"line {token.line}: nested too deep")
        if token.text == "{":
            return list(self._until("}", lambda: self._entry(depth + 1)))
        if token.text == "[":
            return list(self._until("]", lambda: self.value(depth + 1)))
        if token.kind == "mark":
            raise ConfigJsError(f"line {token.line}: expected a value, got {token.text!r}")
        return token.text.strip("\"'")

    def _entry(self, depth: int) -> _Entry:
        key = self._next()
        colon = self._next()
        if key.kind == "mark" or colon.text != ":":
            raise ConfigJsError(f"line {key.line}: expected a key and a colon")
        return _Entry(key.line, key.text.strip("\"'"), self.value(depth))

    def _until(self, end: str, read: Any) -> Iterator[Any]:
        while True:
            if self._peek() == end:
                self._at += 1
                return
            yield read()
            if self._peek() == ",":
                self._at += 1
            elif self._peek() != end:
                raise ConfigJsError(f"line {self._next().line}: expected a comma or {end}")

    def _peek(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise ConfigJsError("it ends within an object")
        self._at += 1
        return self._tokens[self._at - 1]
