"""TOML → frozen, checked configuration. Every problem is reported, at once, with its path.

`Policy` is the one place where a setting has its type, its range, its default and its description: the checks, the
scopes of the file and the reference documentation all come from it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from chalicelib.model import Dimension, Target

TABLE_QUOTA_UNITS = 40_000
"""DynamoDB's default quota per table or index, reads and writes each. Source: "Quotas in Amazon DynamoDB", read 2026-10."""
DAY_SECONDS = 86_400
"""CloudWatch: period x evaluation periods is at most a day for periods under an hour. Source: API_PutMetricAlarm, 2026-10."""

Raw = Mapping[str, Any]
Percent = Annotated[int, Meta(ge=1, le=100)]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one target, resolved."""

    strategy: Annotated[
        Literal["adaptive", "percent"],
        Meta(description="How far to scale: `adaptive` follows the demand, `percent` takes the plain percentage step."),
    ] = "adaptive"
    min_units: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Never lower than this; a table found below it is raised.")
    ] = 1
    max_units: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Never higher than this. The default is DynamoDB's own quota for a table."),
    ] = TABLE_QUOTA_UNITS
    increase_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="An increase adds at least this much of the provisioned units. With `percent`, 50.",
        ),
    ] = 0
    alarm_percent: Annotated[
        Percent,
        Meta(description="The alarm's threshold: consumption at this much of the provisioned units. With `percent`, 80."),
    ] = 95
    target_percent: Annotated[
        Percent, Meta(description="A decrease (strategy `percent`) leaves the recent peak at this much of the new units.")
    ] = 65
    burst_trust_percent: Annotated[
        int,
        Meta(ge=0, le=100, description="How much of the 300-second burst bucket may be used up (strategy `adaptive`)."),
    ] = 75
    burst_keep_percent: Annotated[
        int, Meta(ge=0, le=100, description="How full the burst bucket is kept in quiet times (strategy `adaptive`).")
    ] = 100
    throttle_price: Annotated[
        float,
        Meta(ge=1, le=10_000, description="What a throttled unit is worth, in provisioned units (strategy `adaptive`)."),
    ] = 34.6
    insurance_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=300,
            description="How much of what past days' sudden onsets call for is held ready (strategy `adaptive`).",
        ),
    ] = 100
    min_decrease_percent: Annotated[
        Percent, Meta(description="A decrease (strategy `percent`) smaller than this is not worth one of the day's quota.")
    ] = 20
    alarm_period_seconds: Annotated[
        int, Meta(ge=60, le=3_600, multiple_of=60, description="The period of the alarms that Headroom makes.")
    ] = 60
    alarm_evaluation_periods: Annotated[int, Meta(ge=1, le=60, description="How many periods in a row must be hot.")] = 1
    scale_up: Annotated[bool, Meta(description="Whether capacity may be raised.")] = True
    scale_down: Annotated[bool, Meta(description="Whether capacity may be lowered.")] = True
    dry_run: Annotated[bool, Meta(description="Decide and tell, but change neither the capacity nor an alarm.")] = False

    def problems(self) -> Iterator[str]:
        """Yield what is wrong between the settings, each sentence beginning with the setting to change."""
        if self.min_units > self.max_units:
            yield f"min_units: {self.min_units} is above max_units = {self.max_units}"
        if self.strategy == "percent" and self.increase_percent == 0:
            yield "increase_percent: 0 would never raise anything with strategy = percent"
        if self.strategy == "percent" and self.target_percent >= self.alarm_percent:
            yield (
                f"target_percent: {self.target_percent} is not below alarm_percent = {self.alarm_percent}, "
                "so that every decrease would raise the alarm again"
            )
        if self.alarm_period_seconds * self.alarm_evaluation_periods > DAY_SECONDS:
            yield "alarm_evaluation_periods: CloudWatch looks back one day at the most (period x evaluation periods)"


STRATEGY_DEFAULTS: Mapping[str, Raw] = {"percent": {"increase_percent": 50, "alarm_percent": 80}}
"""Where a strategy's default differs from Policy's own."""
SETTINGS: Mapping[str, Any] = get_type_hints(Policy, include_extras=True)
NAME_KEYS = ("name", "regex")


class ConfigError(ValueError):
    """The configuration is wrong; `problems` has one line for each mistake."""

    def __init__(self, source: str, problems: list[str]) -> None:
        """Keep the problems and say them all."""
        self.problems = problems
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{source}: {len(problems)} problem(s) in the configuration\n{listed}")


@dataclass(frozen=True, slots=True)
class Scope:
    """Settings given at one place of the file: for both dimensions, then for each."""

    both: Raw
    apart: Mapping[Dimension, Raw]

    def layers(self, dimension: Dimension) -> tuple[Raw, Raw]:
        """Return the settings that hold for a dimension, the weaker first."""
        return self.both, self.apart[dimension]


@dataclass(frozen=True, slots=True)
class Matcher:
    """A name (exact, or a glob with * ? [) or a regular expression that must match the whole of it."""

    text: str
    is_regex: bool

    def matches(self, name: str) -> bool:
        """Tell whether `name` is meant."""
        return re.fullmatch(self.text, name) is not None if self.is_regex else fnmatchcase(name, self.text)


@dataclass(frozen=True, slots=True)
class IndexRule:
    """Settings for the indexes that match."""

    matcher: Matcher
    scope: Scope


@dataclass(frozen=True, slots=True)
class TableRule:
    """Settings for the tables that match, and for their indexes."""

    matcher: Matcher
    scope: Scope
    indexes: tuple[IndexRule, ...]


@dataclass(frozen=True)
class Config:
    """The whole configuration, checked."""

    defaults: Scope
    tables: tuple[TableRule, ...] = ()

    def rule_for(self, table: str) -> TableRule | None:
        """Return the first rule that matches, or None: the table is not managed."""
        return next((rule for rule in self.tables if rule.matcher.matches(table)), None)

    def manages(self, table: str) -> bool:
        """Tell whether a rule matches."""
        return self.rule_for(table) is not None

    def default_policy(self, dimension: Dimension) -> Policy:
        """Return the settings of a target that only the defaults speak of."""
        return _resolve([self.defaults], dimension)

    def policy_for(self, target: Target) -> Policy | None:
        """Return the target's settings, the most specific winning, or None where no rule manages the table."""
        rule = self.rule_for(target.table)
        if rule is None:
            return None
        scopes = [self.defaults, rule.scope]
        if target.index:
            scopes += [found.scope for found in rule.indexes if found.matcher.matches(target.index)][:1]
        return _resolve(scopes, target.dimension)


def _resolve(scopes: list[Scope], dimension: Dimension) -> Policy:
    merged: dict[str, Any] = {}
    for scope in scopes:
        for layer in scope.layers(dimension):
            merged |= layer
    return policy(**merged)


def policy(**settings: Any) -> Policy:
    """Return a policy with its strategy's own defaults under the given settings."""
    preset = STRATEGY_DEFAULTS.get(settings.get("strategy", ""), {})
    return _policy(tuple(sorted({**preset, **settings}.items())))


@lru_cache(maxsize=1024)
def _policy(settings: tuple[tuple[str, Any], ...]) -> Policy:
    return Policy(**dict(settings))


def load(text: str, source: str = "configuration") -> Config:
    """Return the checked configuration.

    Raises ConfigError with every problem, each with its path, such as `tables[2].read.max_units`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [f"not TOML: {error}"]) from None
    reader = _Reader()
    config = reader.config(raw)
    if not reader.problems:
        reader.problems += _conflicts(config)
    if reader.problems:
        raise ConfigError(source, reader.problems)
    return config


class _Reader:
    """Walks the raw document, keeps what is right and notes what is not."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def config(self, raw: Raw) -> Config:
        self._unknown(raw, {"defaults", "tables"}, "")
        tables = self._array(raw, "tables", "")
        return Config(
            self._scope(self._table(raw, "defaults", ""), "defaults.", set()),
            tuple(self._table_rule(rule, f"tables[{i}].") for i, rule in enumerate(tables)),
        )

    def _table_rule(self, raw: Raw, path: str) -> TableRule:
        indexes = self._array(raw, "indexes", path)
        return TableRule(
            self._matcher(raw, path),
            self._scope(raw, path, {*NAME_KEYS, "indexes"}),
            tuple(self._index_rule(rule, f"{path}indexes[{i}].") for i, rule in enumerate(indexes)),
        )

    def _index_rule(self, raw: Raw, path: str) -> IndexRule:
        return IndexRule(self._matcher(raw, path), self._scope(raw, path, set(NAME_KEYS)))

    def _matcher(self, raw: Raw, path: str) -> Matcher:
        given = [key for key in NAME_KEYS if key in raw]
        if len(given) != 1:
            self.problems.append(f"{path or 'rule'}name: give either name (exact or glob) or regex, and only one of them")
            return Matcher("", False)
        key, text = given[0], raw[given[0]]
        if not isinstance(text, str) or not text:
            self.problems.append(f"{path}{key}: expected a text that is not empty, got {text!r}")
            return Matcher("", False)
        if key == "regex":
            try:
                re.compile(text)
            except re.error as error:
                self.problems.append(f"{path}regex: not a regular expression: {error}")
        return Matcher(text, key == "regex")

    def _scope(self, raw: Raw, path: str, other: set[str]) -> Scope:
        dimensions = {str(dimension) for dimension in Dimension}
        self._unknown(raw, other | dimensions | set(SETTINGS), path)
        apart: dict[Dimension, Raw] = {}
        for dimension in Dimension:
            part = self._table(raw, dimension, path)
            self._unknown(part, set(SETTINGS), f"{path}{dimension}.")
            apart[dimension] = self._settings(part, f"{path}{dimension}.")
        return Scope(self._settings(raw, path), apart)

    def _settings(self, raw: Raw, path: str) -> Raw:
        good: dict[str, Any] = {}
        for key in sorted(SETTINGS.keys() & raw.keys()):
            try:
                good[key] = msgspec.convert(raw[key], SETTINGS[key])
            except msgspec.ValidationError as error:
                self.problems.append(f"{path}{key}: {_lower(str(error))} ({raw[key]!r})")
        return good

    def _unknown(self, raw: Raw, known: set[str], path: str) -> None:
        for key in sorted(raw.keys() - known):
            self.problems.append(f"{path}{key}: unknown key{_nearest(key, known)}")

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
        self.problems.append(f"{path}{key}: expected an array of tables, write [[{key}]], got {value!r}")
        return []


def _conflicts(config: Config) -> list[str]:
    """Return what is wrong between settings, for every combination of scopes that can come to hold."""
    found: dict[str, None] = {}
    places: list[tuple[str, list[Scope]]] = [("defaults", [config.defaults])]
    for i, rule in enumerate(config.tables):
        places.append((f"tables[{i}]", [config.defaults, rule.scope]))
        places += [
            (f"tables[{i}].indexes[{j}]", [config.defaults, rule.scope, index.scope]) for j, index in enumerate(rule.indexes)
        ]
    for path, scopes in places:
        for dimension in Dimension:
            for problem in _resolve(scopes, dimension).problems():
                found[f"{path}.{dimension}.{problem}"] = None
    return list(found)


def _nearest(key: str, known: set[str]) -> str:
    near = get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def description(setting: str) -> str:
    """Return the sentence that describes a setting."""
    metas = [part for part in get_args(SETTINGS[setting]) if isinstance(part, Meta)]
    return next((meta.description for meta in metas if meta.description), "")
