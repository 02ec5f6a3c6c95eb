"""The checks between settings: what each value alone cannot show."""

from collections.abc import Iterator

from chalicelib.config.rules import WILDCARDS, Config, places, resolve
from chalicelib.model import Dimension, Target


def conflicts(config: Config) -> list[str]:
    """Return what is wrong between settings, for every combination of scopes that can come to
    hold."""
    found: dict[str, None] = {}
    for path, scopes in places(config):
        for dimension in Dimension:
            for problem in resolve(scopes, dimension).problems():
                found[f"{path}.{dimension}.{problem}"] = None
    found.update(dict.fromkeys([*_fleet_problems(config), *_followers_without_a_fleet(config)]))
    return list(found)


def _fleet_problems(config: Config) -> Iterator[str]:
    """Yield the fleets that share a name, and the tables of theirs, where named without a wildcard,
    that no rule manages."""
    names = [fleet.name for fleet in config.fleets]
    for i, fleet in enumerate(config.fleets):
        if fleet.name in names[:i]:
            yield f"fleet[{i}].name: there is another fleet {fleet.name!r}"
        for j, row in enumerate(fleet.tables):
            if not WILDCARDS & set(row.table) and not config.manages(row.table):
                yield f"fleet[{i}].tables[{j}].table: no rule of [[tables]] manages {row.table!r}"


def _followers_without_a_fleet(config: Config) -> Iterator[str]:
    """Yield the rules, those of one table by its name, whose strategy is `fleet` where no fleet is
    meant for it."""
    for i, rule in enumerate(config.tables):
        is_named = not rule.matcher.is_regex and not WILDCARDS & set(rule.matcher.text)
        for dimension in Dimension:
            target = Target(rule.matcher.text, "", dimension)
            is_led = (
                any(fleet.concerns(target) for fleet in config.fleets)
                if is_named
                else bool(config.fleets)
            )
            if resolve([config.defaults, rule.scope], dimension).strategy == "fleet" and not is_led:
                yield f"tables[{i}].{dimension}.strategy: 'fleet', but no [[fleet.tables]] gives its {dimension}s units"
