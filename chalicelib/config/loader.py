"""TOML → frozen, checked configuration. Every problem is reported, at once, with its path.

`Policy` is the one place where a setting has its type, its range, its default and its description: the checks, the
scopes of the file and the reference documentation all come from it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from chalicelib.config.fleet import Fleet
from chalicelib.config.healing import Healing
from chalicelib.config.jobs import Pause
from chalicelib.config.mistakes import mistake, nearest
from chalicelib.config.types import TopicArn, Webhook
from chalicelib.config.windows import Reserve, Window, never_lets
from chalicelib.model import Dimension, Direction, Target

TABLE_QUOTA_UNITS = 40_000
"""DynamoDB's default quota per table or index, reads and writes each. Source: "Quotas in Amazon DynamoDB", read 2026-10."""
DAY_SECONDS = 86_400
"""CloudWatch: period x evaluation periods is at most a day for periods under an hour. Source: API_PutMetricAlarm, 2026-10."""

RECENT_MINUTES = 180
"""So much of the newest metrics is read: what a setting looks back at must fit into it."""

Raw = Mapping[str, Any]
Percent = Annotated[int, Meta(ge=1, le=100)]
Units = Annotated[int, Meta(ge=0, le=1_000_000)]
Kind = Literal[
    "scaled_up",
    "scaled_down",
    "at_max",
    "budget_used_up",
    "high_throughput",
    "low_throughput",
    "failing",
    "fleet",
    "paused",
    "healing",
]
"""What Headroom may tell somebody; docs/notifications.md says when."""
METRIC_KINDS: frozenset[Kind] = frozenset({"at_max", "budget_used_up", "high_throughput", "low_throughput"})
"""Those that cannot be told without a look at the metrics."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of a table of steps: at this metric, in percent, so much more (or less) capacity."""

    at: Annotated[float, Meta(ge=0, description="The metric, in percent, at which the row holds.")]
    percent: Annotated[int, Meta(ge=0, le=10_000, description="The step, in percent.")] = 0
    units: Annotated[Units, Meta(description="The step, in units.")] = 0


Steps = tuple[Step, ...]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one target, resolved."""

    strategy: Annotated[
        Literal["adaptive", "percent", "fleet"],
        Meta(
            description="How far to scale: `adaptive` follows the demand, `percent` takes the plain percentage step, "
            "`fleet` follows the number of instances alone."
        ),
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
    increase_units: Annotated[Units, Meta(description="An increase adds at least so many units.")] = 0
    increase_steps: Annotated[
        Steps,
        Meta(
            description="Instead of one step (strategy `percent`): the row with the highest `at` that consumption, in percent "
            "of the provisioned units, has reached."
        ),
    ] = ()
    throttled_provisioned_steps: Annotated[
        Steps, Meta(description="The same by throttled requests a second, in percent of the provisioned units. The largest wins.")
    ] = ()
    throttled_consumed_steps: Annotated[
        Steps, Meta(description="The same by throttled requests a second, in percent of the consumed units. The largest wins.")
    ] = ()
    throttled_events: Annotated[
        int,
        Meta(
            ge=0,
            description="Raise, too, where more requests than this were throttled within the alarm's periods (strategy "
            "`percent`); 0 is off.",
        ),
    ] = 0
    delay_minutes: Annotated[
        int,
        Meta(
            ge=0, le=60, description="Leave the newest minutes out of account (strategy `percent`), for metrics that come late."
        ),
    ] = 0
    alarm_percent: Annotated[
        Percent,
        Meta(description="The alarm's threshold: consumption at this much of the provisioned units. With `percent`, 80."),
    ] = 95
    target_percent: Annotated[
        Percent, Meta(description="A decrease (strategy `percent`) leaves the recent peak at this much of the new units.")
    ] = 65
    min_decrease_percent: Annotated[
        Percent, Meta(description="A decrease (strategy `percent`) smaller than this is not worth one of the day's quota.")
    ] = 20
    lower_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=99,
            description="Lower by steps (strategy `percent`) when consumption is at or below this percentage of the provisioned "
            "units; 0 lowers to `target_percent` instead.",
        ),
    ] = 0
    decrease_percent: Annotated[
        int, Meta(ge=0, le=99, description="The step down, where `lower_percent` is set; never below what was consumed.")
    ] = 50
    decrease_units: Annotated[Units, Meta(description="… or so many units, if that is more.")] = 0
    decrease_steps: Annotated[
        Steps, Meta(description="Instead of one step down: the row with the lowest `at` that consumption does not exceed.")
    ] = ()
    decrease_checks: Annotated[
        int,
        Meta(
            ge=1,
            le=180,
            description="So many of the alarm's periods must have been low, one after the other, where `lower_percent` is set.",
        ),
    ] = 1
    check_reset_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Consumption at which counting `decrease_checks` begins again; 0 means anything above `lower_percent`.",
        ),
    ] = 0
    scale_down_at_zero: Annotated[bool, Meta(description="Whether an idle target, whose consumption is zero, is lowered.")] = True
    decrease_together: Annotated[
        bool, Meta(description="Lower reads and writes only together; one that is at its minimum does not keep the other.")
    ] = False
    min_decrease_units: Annotated[Units, Meta(description="Never spend a decrease on fewer units than this.")] = 0
    reserve_decreases: Annotated[
        tuple[Reserve, ...], Meta(description="Decreases that are kept for a time of day: `{ at, count, time_zone }`.")
    ] = ()
    hold_after_manual_change_hours: Annotated[
        int, Meta(ge=0, le=24 * 14, description="Do not lower for so long what somebody has raised by hand; 0 is off.")
    ] = 0
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
    windows: Annotated[
        tuple[Window, ...], Meta(description="Hours in which capacity is held, only lowered, or kept above a floor.")
    ] = ()
    circuit_breaker_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://.+)?$",
            examples=["https://ops.example.com/headroom"],
            description="Ask here, by GET, before every change: any answer but 2xx holds everything.",
        ),
    ] = ""
    circuit_breaker_seconds: Annotated[float, Meta(gt=0, le=30, description="How long to wait for its answer.")] = 10.0
    notify: Annotated[
        tuple[Kind, ...], Meta(description="What to tell `notify_topic` and `notify_slack`: see docs/notifications.md.")
    ] = ()
    notify_topic: TopicArn = ""
    notify_slack: Webhook = ""
    notify_above_percent: Annotated[
        int, Meta(ge=0, le=1_000, description="`high_throughput` means consumption at or above this percentage; 0 is off.")
    ] = 0
    notify_below_percent: Annotated[
        int, Meta(ge=0, le=100, description="`low_throughput` means consumption at or below this percentage; 0 is off.")
    ] = 0
    notify_failing_sweeps: Annotated[
        int, Meta(ge=1, le=1_000, description="`failing` means that so many sweeps in a row have failed for a table.")
    ] = 3
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
        if self.lower_percent >= self.alarm_percent:
            yield f"lower_percent: {self.lower_percent} is not below alarm_percent = {self.alarm_percent}"
        if self.strategy == "fleet" and not self.scale_up:
            yield "scale_up: false would keep the strategy fleet from following its fleet"
        yield from self._window_problems()
        if self.strategy == "percent":
            yield from self._step_problems()
        if self.alarm_period_seconds * self.alarm_evaluation_periods > DAY_SECONDS:
            yield "alarm_evaluation_periods: CloudWatch looks back one day at the most (period x evaluation periods)"
        if self.decrease_checks * self.alarm_period_seconds + self.delay_minutes * 60 > RECENT_MINUTES * 60:
            yield f"decrease_checks: so many alarm periods, and delay_minutes, must lie within {RECENT_MINUTES} minutes"

    def _window_problems(self) -> Iterator[str]:
        floor = max((window.min_units for window in self.windows), default=0)
        if floor > self.max_units:
            yield f"windows: the floor of {floor} is above max_units = {self.max_units}"
        for direction, way, switch in ((Direction.UP, "raised", self.scale_up), (Direction.DOWN, "lowered", self.scale_down)):
            if switch and never_lets(self.windows, direction):
                yield f"windows: at no time of the week may anything be {way}; if that is meant, write scale_{direction} = false"

    def _step_problems(self) -> Iterator[str]:
        if not (self.increase_percent or self.increase_units or self.increase_steps):
            yield "increase_percent: 0 would never raise anything with strategy = percent"
        if self.throttled_events and not (self.increase_percent or self.increase_units):
            yield "throttled_events: it raises by increase_percent or increase_units, and both are 0"
        for row in self.increase_steps:
            if row.at <= self.lower_percent and (row.percent or row.units):
                yield f"increase_steps: the row at {row.at:g} is not above lower_percent = {self.lower_percent}"
        if self.lower_percent and not (self.decrease_percent or self.decrease_units or self.decrease_steps):
            yield "decrease_percent: 0 would never lower anything with lower_percent"
        if not self.lower_percent and self.target_percent >= self.alarm_percent:
            yield (
                f"target_percent: {self.target_percent} is not below alarm_percent = {self.alarm_percent}, "
                "so that every decrease would raise the alarm again"
            )


STRATEGY_DEFAULTS: Mapping[str, Raw] = {"percent": {"increase_percent": 50, "alarm_percent": 80}}
"""Where a strategy's default differs from Policy's own."""
SETTINGS: Mapping[str, Any] = get_type_hints(Policy, include_extras=True)
NAME_KEYS = ("name", "regex")
WILDCARDS = frozenset("*?[")
"""What makes a glob of a name."""
SECTIONS = ("fleet", "pause", "healing")
T = TypeVar("T")


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
    fleets: tuple[Fleet, ...] = ()
    pauses: tuple[Pause, ...] = ()
    healing: tuple[Healing, ...] = ()

    def policies(self) -> Iterator[Policy]:
        """Yield the settings that can come to hold anywhere, of every place of the file and both dimensions."""
        for _, scopes in _places(self):
            yield from (_resolve(scopes, dimension) for dimension in Dimension)

    def doubts(self) -> Iterator[str]:
        """Yield what is allowed but hardly meant: the rules that have something to tell, and nobody to tell it to."""
        for path, scopes in _places(self):
            found = [_resolve(scopes, dimension) for dimension in Dimension if path != "defaults"]
            if any(policy.notify and not (policy.notify_topic or policy.notify_slack) for policy in found):
                yield f"{path}.notify: nobody is told, for neither notify_topic nor notify_slack is set there, or in [defaults]"

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
        raw = tomllib.loads(text.removeprefix("\ufeff"))  # an editor's mark at the beginning says nothing
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
        self._unknown(raw, {"defaults", "tables", *SECTIONS}, "")
        tables = self._array(raw, "tables", "")
        return Config(
            self._scope(self._table(raw, "defaults", ""), "defaults.", set()),
            tuple(self._table_rule(rule, f"tables[{i}].") for i, rule in enumerate(tables)),
            self._section(raw, "fleet", Fleet),
            self._section(raw, "pause", Pause),
            self._section(raw, "healing", Healing),
        )

    def _section(self, raw: Raw, key: str, kind: type[T]) -> tuple[T, ...]:
        found = (self._convert(entry, kind, f"{key}[{i}]") for i, entry in enumerate(self._array(raw, key, "")))
        return tuple(entry for entry in found if entry is not None)

    def _convert(self, raw: Any, kind: Any, path: str) -> Any:
        """Return the value as its type wants it; or None, and the problem is noted, with the path within the value."""
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            at, said = mistake(error, raw, kind)
            self.problems.append(f"{path}{at}: {said}")
            return None

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
            value = self._convert(raw[key], SETTINGS[key], f"{path}{key}")
            if value is not None:
                good[key] = value
        return good

    def _unknown(self, raw: Raw, known: set[str], path: str) -> None:
        for key in sorted(raw.keys() - known):
            self.problems.append(f"{path}{key}: unknown key{nearest(key, known)}")

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
    for path, scopes in _places(config):
        for dimension in Dimension:
            for problem in _resolve(scopes, dimension).problems():
                found[f"{path}.{dimension}.{problem}"] = None
    found.update(dict.fromkeys([*_fleet_problems(config), *_followers_without_a_fleet(config)]))
    return list(found)


def _fleet_problems(config: Config) -> Iterator[str]:
    """Yield the fleets that share a name, and the tables of theirs, where named without a wildcard, that no rule manages."""
    names = [fleet.name for fleet in config.fleets]
    for i, fleet in enumerate(config.fleets):
        if fleet.name in names[:i]:
            yield f"fleet[{i}].name: there is another fleet {fleet.name!r}"
        for j, row in enumerate(fleet.tables):
            if not WILDCARDS & set(row.table) and not config.manages(row.table):
                yield f"fleet[{i}].tables[{j}].table: no rule of [[tables]] manages {row.table!r}"


def _followers_without_a_fleet(config: Config) -> Iterator[str]:
    """Yield the rules, those of one table by its name, whose strategy is `fleet` where no fleet is meant for it."""
    for i, rule in enumerate(config.tables):
        is_named = not rule.matcher.is_regex and not WILDCARDS & set(rule.matcher.text)
        for dimension in Dimension:
            target = Target(rule.matcher.text, "", dimension)
            is_led = any(fleet.concerns(target) for fleet in config.fleets) if is_named else bool(config.fleets)
            if _resolve([config.defaults, rule.scope], dimension).strategy == "fleet" and not is_led:
                yield f"tables[{i}].{dimension}.strategy: 'fleet', but no [[fleet.tables]] gives its {dimension}s units"


def _places(config: Config) -> Iterator[tuple[str, list[Scope]]]:
    """Yield every place of the file with the scopes that hold there, the weakest first."""
    yield "defaults", [config.defaults]
    for i, rule in enumerate(config.tables):
        yield f"tables[{i}]", [config.defaults, rule.scope]
        for j, index in enumerate(rule.indexes):
            yield f"tables[{i}].indexes[{j}]", [config.defaults, rule.scope, index.scope]


def description(setting: str) -> str:
    """Return the sentence that describes a setting."""
    metas = [part for part in get_args(SETTINGS[setting]) if isinstance(part, Meta)]
    return next((meta.description for meta in metas if meta.description), "")
