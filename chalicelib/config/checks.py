"""The checks between settings: what each value alone cannot show."""

from collections.abc import Iterator

from chalicelib.config.rules import WILDCARDS, Config, places, resolve
from chalicelib.model import Dimension, Target

#: The settings of a whole table, and what they are.
OF_TABLE = {
    "max_usd_month": "a budget is that",
    "money_cap": "a budget is that",
    "mode": "a billing mode is that",
}


def conflicts(config: Config) -> list[str]:
    """Return what is wrong between settings, for every combination of scopes that can hold."""
    problems = [
        *_policy_problems(config),
        *_fleet_problems(config),
        *_rules_without_fleet(config),
        *_part_problems(config),
        *_mode_problems(config),
        *_understudy_problems(config),
    ]
    return list(dict.fromkeys(problems))


def _part_problems(config: Config) -> Iterator[str]:
    """Yield the settings of a whole table that a part of one has."""
    for path, scopes in places(config):
        parts = {f"{path}.{dimension}": scopes[-1].apart[dimension] for dimension in Dimension}
        if ".indexes[" in path:
            parts[path] = scopes[-1].both
        for place, settings in parts.items():
            for key in sorted(OF_TABLE.keys() & settings.keys()):
                yield (
                    f"{place}.{key}: {OF_TABLE[key]} of a table with its indexes, "
                    "so it stands in [[tables]] or [defaults]"
                )
    if config.money:
        yield from (f"money.{problem}" for problem in config.money.problems())


def _mode_problems(config: Config) -> Iterator[str]:
    """Yield what cannot be used with `mode = "cheapest"`."""
    if config.understudy and any(policy.mode == "cheapest" for policy in config.policies()):
        yield (
            "understudy: Application Auto Scaling cannot stand by for a table that changes its "
            'billing mode; take [understudy] away, or mode = "cheapest"'
        )


def _policy_problems(config: Config) -> Iterator[str]:
    for path, scopes in places(config):
        for dimension in Dimension:
            for problem in resolve(scopes, dimension).problems():
                yield f"{path}.{dimension}.{problem}"


def _fleet_problems(config: Config) -> Iterator[str]:
    """Yield the fleets that share a name, and their tables that no rule manages.

    A table that is named by a glob is not checked.
    """
    names = [fleet.name for fleet in config.fleets]
    for i, fleet in enumerate(config.fleets):
        if fleet.name in names[:i]:
            yield f"fleet[{i}].name: there is another fleet {fleet.name!r}"
        for j, row in enumerate(fleet.tables):
            if not WILDCARDS & set(row.table) and not config.manages(row.table):
                yield f"fleet[{i}].tables[{j}].table: no rule of [[tables]] manages {row.table!r}"


def _understudy_problems(config: Config) -> Iterator[str]:
    """Yield the tables of the understudy that no rule manages, if they are not named by a glob."""
    for i, name in enumerate(config.understudy.tables if config.understudy else ()):
        if not WILDCARDS & set(name) and not config.manages(name):
            yield f"understudy.tables[{i}]: no rule of [[tables]] manages {name!r}"


def _rules_without_fleet(config: Config) -> Iterator[str]:
    """Yield the rules whose strategy is `fleet` and whose table follows no fleet.

    A rule for several tables only needs any fleet at all.
    """
    for i, rule in enumerate(config.tables):
        is_named = not rule.matcher.is_regex and not WILDCARDS & set(rule.matcher.text)
        for dimension in Dimension:
            target = Target(rule.matcher.text, "", dimension)
            has_fleet = any(not is_named or fleet.concerns(target) for fleet in config.fleets)
            strategy = resolve([config.defaults, rule.scope], dimension).strategy
            if strategy == "fleet" and not has_fleet:
                yield (
                    f"tables[{i}].{dimension}.strategy: 'fleet', "
                    f"but no [[fleet.tables]] gives its {dimension}s units"
                )
