"""The reader: TOML text to a checked `Config`. It reports every problem at once, each with its
path."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from chalicelib.config.backtracking import slowness
from chalicelib.config.checks import conflicts
from chalicelib.config.fan_out import FanOut
from chalicelib.config.fleet import Fleet
from chalicelib.config.healing import Healing
from chalicelib.config.jobs import JobPause
from chalicelib.config.mistakes import every, nearest
from chalicelib.config.money import Money
from chalicelib.config.policy import SETTINGS, Raw
from chalicelib.config.rules import Config, Matcher, Rule, Scope
from chalicelib.config.understudy import Understudy
from chalicelib.model import Dimension

NAME_KEYS = ("name", "regex")
SECTIONS = ("fleet", "pause", "healing")
#: The sections that are there once at most, in the order of the fields of Config.
SINGLE = {"fan_out": FanOut, "money": Money, "understudy": Understudy}
T = TypeVar("T")
WORD = re.compile(r"\w+")
PLACE = re.compile(r"defaults|tables\[\d+\](\.indexes\[\d+\])?")


class ConfigError(ValueError):
    """The configuration is wrong; `problems` has one line for each mistake."""

    def __init__(self, source: str, problems: list[str]) -> None:
        """Keep the problems, and list all of them in the message."""
        self.problems = problems
        listed = "\n".join(f"  - {problem}" for problem in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{source}: {count} in the configuration\n{listed}")


def load(text: str, source: str = "configuration") -> Config:
    """Return the checked configuration.

    Raises ConfigError with every problem, each with its path, such as `tables[2].read.max_units`.
    """
    try:
        raw = tomllib.loads(text.removeprefix("\ufeff"))  # some editors write a byte order mark
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [f"not TOML: {error}"]) from None
    reader = _Reader()
    config = reader.config(raw)
    problems = list(reader.problems)
    problems += [
        conflict
        for conflict in conflicts(config)
        if not any(_may_go(conflict, problem) for problem in reader.problems)
    ]
    if problems:
        raise ConfigError(source, problems)
    return config


def _may_go(conflict: str, problem: str) -> bool:
    """Tell whether a conflict may be gone when a value that cannot be read is put right."""
    of_tables = "fleet" in conflict or conflict.startswith("understudy")
    if of_tables and problem.startswith(("fleet", "tables")):
        return True
    found = PLACE.match(problem)
    place = found[0] if found else "defaults"
    settings = set(WORD.findall(conflict)) & SETTINGS.keys()
    is_there = place == "defaults" or conflict.startswith(place)
    return is_there and not settings.isdisjoint(WORD.findall(problem))


class _Reader:
    """Reads the raw document. It keeps the values that are valid and records every problem."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def config(self, raw: Raw) -> Config:
        self._unknown(raw, {"defaults", "tables", *SINGLE, *SECTIONS}, "")
        tables = self._array(raw, "tables", "")
        return Config(
            self._scope(self._table(raw, "defaults", ""), "defaults.", set()),
            tuple(self._rule(rule, f"tables[{i}].") for i, rule in enumerate(tables)),
            self._section(raw, "fleet", Fleet),
            self._section(raw, "pause", JobPause),
            self._section(raw, "healing", Healing),
            *(
                self._convert(raw[key], kind, key) if key in raw else None
                for key, kind in SINGLE.items()
            ),
        )

    def _section(self, raw: Raw, key: str, kind: type[T]) -> tuple[T, ...]:
        found = (
            self._convert(entry, kind, f"{key}[{i}]")
            for i, entry in enumerate(self._array(raw, key, ""))
        )
        return tuple(entry for entry in found if entry is not None)

    def _convert(self, raw: Any, kind: Any, path: str) -> Any:
        """Return the value in its type.

        Otherwise return None and record the problem with the path within the value.
        """
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError:
            self.problems += [f"{path}{at}: {message}" for at, message in every(raw, kind)]
            return None

    def _rule(self, raw: Raw, path: str, inner: str = "indexes") -> Rule:
        """Return a rule for tables with its rules for indexes. Those have no inner rules."""
        rules = self._array(raw, inner, path) if inner else []
        return Rule(
            self._matcher(raw, path),
            self._scope(raw, path, {*NAME_KEYS, *filter(None, [inner])}),
            tuple(self._rule(rule, f"{path}{inner}[{i}].", "") for i, rule in enumerate(rules)),
        )

    def _matcher(self, raw: Raw, path: str) -> Matcher:
        given = [key for key in NAME_KEYS if key in raw]
        if len(given) != 1:
            self.problems.append(
                f"{path or 'rule'}name: "
                "give either name (exact or glob) or regex, and only one of them"
            )
            return Matcher("", False)
        key, text = given[0], raw[given[0]]
        if not isinstance(text, str) or not text:
            self.problems.append(f"{path}{key}: expected a text that is not empty, got {text!r}")
            return Matcher("", False)
        if key == "regex":
            self.problems += [f"{path}regex: {problem}" for problem in _regex_problems(text)]
        return Matcher(text, key == "regex")

    def _scope(self, raw: Raw, path: str, other: set[str]) -> Scope:
        return Scope(
            self._settings(raw, path, other | set(Dimension)),
            {
                dimension: self._settings(
                    self._table(raw, dimension, path), f"{path}{dimension}.", set()
                )
                for dimension in Dimension
            },
        )

    def _settings(self, raw: Raw, path: str, other: set[str]) -> Raw:
        """Return the valid settings. Any key that is neither a setting nor in `other` is a
        problem."""
        self._unknown(raw, other | set(SETTINGS), path)
        values = {
            key: self._convert(raw[key], SETTINGS[key], f"{path}{key}")
            for key in sorted(SETTINGS.keys() & raw.keys())
        }
        return {key: value for key, value in values.items() if value is not None}

    def _unknown(self, raw: Raw, known: set[str], path: str) -> None:
        self.problems += [
            f"{path}{key}: unknown key{nearest(key, known)}" for key in sorted(raw.keys() - known)
        ]

    def _table(self, raw: Raw, key: str, path: str) -> Raw:
        value = raw.get(key, {})
        if isinstance(value, dict):
            return value
        self.problems.append(f"{path}{key}: expected a table, write [{key}], got {value!r}")
        return {}

    def _array(self, raw: Raw, key: str, path: str) -> list[Raw]:
        value = raw.get(key, [])
        if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            return value
        self.problems.append(
            f"{path}{key}: expected an array of tables, write [[{key}]], got {value!r}"
        )
        return []


def _regex_problems(text: str) -> Iterator[str]:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"not a regular expression: {error}"
        return
    why = slowness(text)
    if why:
        yield why
