"""The rules of the file: which settings a table or an index has."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from chalicelib.config.fan_out import FanOut
from chalicelib.config.fleet import Fleet
from chalicelib.config.healing import Healing
from chalicelib.config.jobs import JobPause
from chalicelib.config.money import Money
from chalicelib.config.policy import Policy, Raw, make_policy
from chalicelib.config.understudy import Understudy
from chalicelib.model import Dimension, Target

#: What makes a glob of a name.
WILDCARDS = frozenset("*?[")


class Scope(Struct, frozen=True):
    """Settings given at one place of the file: for both dimensions, then for each."""

    both: Raw
    apart: Mapping[Dimension, Raw]


class Matcher(Struct, frozen=True):
    """A name, a glob with * ? [, or a regular expression that must match the whole name."""

    text: str
    is_regex: bool

    def matches(self, name: str) -> bool:
        """Tell whether `name` is meant."""
        return (
            re.fullmatch(self.text, name) is not None
            if self.is_regex
            else fnmatchcase(name, self.text)
        )


class Rule(Struct, frozen=True):
    """Settings for the tables that match and for their indexes, or for the indexes that match."""

    matcher: Matcher
    scope: Scope
    indexes: tuple["Rule", ...] = ()


@dataclass(frozen=True)
class Config:
    """The whole configuration, checked."""

    defaults: Scope
    tables: tuple[Rule, ...] = ()
    fleets: tuple[Fleet, ...] = ()
    pauses: tuple[JobPause, ...] = ()
    healing: tuple[Healing, ...] = ()
    fan_out: FanOut | None = None
    money: Money | None = None
    understudy: Understudy | None = None

    def policies(self) -> Iterator[Policy]:
        """Yield the settings of both dimensions for every place of the file."""
        for _, scopes in places(self):
            yield from (resolve(scopes, dimension) for dimension in Dimension)

    def has_understudy(self, table: str) -> bool:
        """Tell whether Application Auto Scaling takes over a table while Headroom is down."""
        return self.understudy is not None and self.understudy.concerns(table)

    def rule_for(self, table: str) -> Rule | None:
        """Return the first rule that matches, or None: the table is not managed."""
        return next((rule for rule in self.tables if rule.matcher.matches(table)), None)

    def manages(self, table: str) -> bool:
        """Tell whether a rule matches."""
        return self.rule_for(table) is not None

    def default_policy(self, dimension: Dimension) -> Policy:
        """Return the settings of a target that has no settings of its own."""
        return resolve([self.defaults], dimension)

    def policy_for(self, target: Target) -> Policy | None:
        """Return the target's settings, or None if no rule manages the table.

        The most specific settings win.
        """
        rule = self.rule_for(target.table)
        if rule is None:
            return None
        scopes = [self.defaults, rule.scope]
        if target.index:
            scopes += [
                found.scope for found in rule.indexes if found.matcher.matches(target.index)
            ][:1]
        return resolve(scopes, target.dimension)


def resolve(scopes: list[Scope], dimension: Dimension) -> Policy:
    """Return the settings of one dimension from its scopes, the most general first."""
    merged: dict[str, Any] = {}
    for scope in scopes:
        merged |= {**scope.both, **scope.apart[dimension]}
    return make_policy(**merged)


def places(config: Config) -> Iterator[tuple[str, list[Scope]]]:
    """Yield every place of the file with the scopes that hold there, the most general first."""
    yield "defaults", [config.defaults]
    for i, rule in enumerate(config.tables):
        yield f"tables[{i}]", [config.defaults, rule.scope]
        for j, index in enumerate(rule.indexes):
            yield f"tables[{i}].indexes[{j}]", [config.defaults, rule.scope, index.scope]
