"""What a configuration allows and a person would still want to hear: settings without effect, rules
that are never reached, names that no table can have, and rules that change nothing."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from chalicelib.config.policy import Policy
from chalicelib.config.rules import WILDCARDS, Config, Matcher, Rule, places, resolve
from chalicelib.core import warm
from chalicelib.model import Dimension

#: The settings that one strategy alone reads. A test compares them with the code.
OF_STRATEGY: Mapping[str, frozenset[str]] = {
    "adaptive": frozenset(
        {
            "burst_trust_percent",
            "burst_keep_percent",
            "throttle_price",
            "insurance_percent",
            "min_change_percent",
        }
    ),
    "percent": frozenset(
        {
            "increase_steps",
            "throttled_provisioned_steps",
            "throttled_consumed_steps",
            "throttled_events",
            "delay_minutes",
            "target_percent",
            "min_decrease_percent",
            "peak_minutes",
            "lower_percent",
            "decrease_percent",
            "decrease_units",
            "decrease_steps",
            "decrease_checks",
            "check_reset_percent",
        }
    ),
}
#: Those of them that `mode = "cheapest"` reads with any strategy.
OF_MODES = frozenset({"throttle_price"})
#: The settings of a step down.
OF_LOWER_PERCENT = frozenset(
    {
        "decrease_percent",
        "decrease_units",
        "decrease_steps",
        "decrease_checks",
        "check_reset_percent",
    }
)
OF_TARGET_PERCENT = frozenset({"target_percent", "min_decrease_percent", "peak_minutes"})
OF_DECREASES = OF_LOWER_PERCENT | OF_TARGET_PERCENT | {
    "lower_percent",
    "scale_down_at_zero",
    "decrease_together",
    "min_decrease_units",
    "decrease_spacing_minutes",
    "lower_at",
    "reserve_decreases",
    "hold_after_manual_change_hours",
}  # fmt: skip
OF_INCREASES = frozenset(
    {
        "increase_percent",
        "increase_units",
        "increase_steps",
        "throttled_provisioned_steps",
        "throttled_consumed_steps",
        "throttled_events",
    }
)
#: The kinds of notification that a setting is for.
OF_KINDS: Mapping[str, frozenset[str]] = {
    "notify_above_percent": frozenset({"high_throughput"}),
    "notify_below_percent": frozenset({"low_throughput"}),
    "notify_failing_sweeps": frozenset({"failing", "not_reached"}),
}
#: No new table is ready for more units at once. Source: Developer Guide, "Understanding DynamoDB
#: warm throughput in different scenarios", of tables on demand, read 2026-12. A provisioned table
#: is ready for the highest units that it ever had.
WARM_OF_A_NEW_TABLE = {Dimension.READ: 12_000, Dimension.WRITE: 4_000}
#: The characters of a table's or index's name; its length is 3 to 255. Source: "Supported data
#: types and naming rules in Amazon DynamoDB", read 2026-11.
NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
LITERALS = re.compile(r"[A-Za-z0-9_.-]*")
CLASS = re.compile(r"\[!?\]?[^\]]*\]")


def remarks(config: Config) -> list[str]:
    """Return the remarks on a configuration that is right. Each begins with its path."""
    return [
        *_without_destination(config),
        *_without_effect(config),
        *_that_change_nothing(config),
        *_high_floors(config),
        *_never_reached(config),
        *_impossible_names(config),
    ]


def in_dry_run(config: Config) -> list[str]:
    """Return the names of the rules that are in a dry run, in part or as a whole."""
    return [
        rule.matcher.text
        for rule in config.tables
        if any(resolve([config.defaults, rule.scope], d).dry_run for d in Dimension)
    ] + [rule.group for rule in config.healing if rule.dry_run]


def _without_destination(config: Config) -> Iterator[str]:
    for path, scopes in list(places(config))[1:]:  # the first place is [defaults]
        policies = [resolve(scopes, dimension) for dimension in Dimension]
        if any(p.notify and not (p.notify_topic or p.notify_slack) for p in policies):
            yield (
                f"{path}.notify: nobody is notified, because neither notify_topic "
                "nor notify_slack is set there or in [defaults]"
            )


# settings without effect


def _without_effect(config: Config) -> Iterator[str]:
    """Yield the settings that are written at a place and have no effect there or below it."""
    if config.money and config.money.money_cap == "hold" and not config.money.max_usd_month:
        yield "money.money_cap: it has no effect, because max_usd_month is not set"
    found = list(places(config))
    for path, scopes in found:
        own = scopes[-1]
        below = [s for p, s in found if path in ("defaults", p) or p.startswith(f"{path}.")]
        for dimension, given in [(None, own.both), *own.apart.items()]:
            dimensions = [dimension] if dimension else list(Dimension)
            policies = [resolve(s, d) for s in below for d in dimensions]
            prefix = f"{path}.{dimension}" if dimension else path
            for name in given:
                reasons = [_why_not(name, policy) for policy in policies]
                if all(reasons):
                    yield f"{prefix}.{name}: it has no effect, because {reasons[0]}"


def _why_not(name: str, policy: Policy) -> str:
    """Return why a setting has no effect on a target with this policy; "" if it has one."""
    strategy = next((s for s, names in OF_STRATEGY.items() if name in names), policy.strategy)
    for_mode = name in OF_MODES and policy.mode == "cheapest"
    kinds = OF_KINDS.get(name)
    without_lower = name in OF_LOWER_PERCENT and not policy.lower_percent
    with_lower = name in OF_TARGET_PERCENT and bool(policy.lower_percent)
    reasons = (
        (
            strategy != policy.strategy and not for_mode,
            f"only the strategy {strategy} uses it, and the strategy is {policy.strategy}",
        ),
        (name in OF_DECREASES and not policy.scale_down, "scale_down is false"),
        (name in OF_INCREASES and not policy.scale_up, "scale_up is false"),
        (without_lower, "it is about steps down, and lower_percent is not set"),
        (with_lower, "lower_percent is set, and capacity is lowered by steps"),
        (
            name == "circuit_breaker_seconds" and not policy.circuit_breaker_url,
            "circuit_breaker_url is not set",
        ),
        (
            name == "on_demand_ceiling_percent" and policy.mode != "cheapest",
            'mode = "cheapest" is not set',
        ),
        (name == "money_cap" and not policy.max_usd_month, "max_usd_month is not set"),
        (
            kinds is not None and not kinds & set(policy.notify),
            f"notify does not name {' or '.join(sorted(kinds or ()))}",
        ),
    )
    return next((why for is_so, why in reasons if is_so), "")


def _that_change_nothing(config: Config) -> Iterator[str]:
    for path, scopes in list(places(config))[1:]:
        for dimension in Dimension:
            policy = resolve(scopes, dimension)
            if not policy.scale_up and not policy.scale_down:
                yield (
                    f"{path}.{dimension}: scale_up and scale_down are both false, "
                    "so nothing is ever changed"
                )


# rules that are never reached


def _high_floors(config: Config) -> Iterator[str]:
    """Yield the floors of windows that are above the warm throughput of many tables.

    What a table's own is, only AWS knows: `headroom doctor` compares it.
    """
    for path, scopes in places(config):
        for dimension, units in WARM_OF_A_NEW_TABLE.items():
            own = {**scopes[-1].both, **scopes[-1].apart[dimension]}
            floor = warm.slow_floor(resolve(scopes, dimension), units) if "windows" in own else 0
            if floor:
                yield (
                    f"{path}.windows: a floor of {floor:,} {dimension} units, where a new table is "
                    f"ready for {units:,} at most: the raise may take minutes, and begins "
                    f"{warm.EARLIER.seconds // 60} minutes earlier. headroom doctor compares it "
                    "with the table's own warm throughput"
                )


def _never_reached(config: Config) -> Iterator[str]:
    yield from _shadowed(config.tables, "tables")
    for i, rule in enumerate(config.tables):
        yield from _shadowed(rule.indexes, f"tables[{i}].indexes")
    groups = [Matcher(rule.group, is_regex=False) for rule in config.healing]
    yield from _covered(groups, "healing", "group")


def _shadowed(rules: Sequence[Rule], path: str) -> Iterator[str]:
    return _covered([rule.matcher for rule in rules], path, "")


def _covered(matchers: Sequence[Matcher], path: str, key: str) -> Iterator[str]:
    for i, later in enumerate(matchers):
        first = next((j for j in range(i) if _covers(matchers[j], later)), None)
        if first is not None:
            name = key or ("regex" if later.is_regex else "name")
            yield (
                f"{path}[{i}].{name}: the rule is never reached, because {path}[{first}] "
                f"({matchers[first].text!r}) comes first and names all that it names"
            )


def _covers(earlier: Matcher, later: Matcher) -> bool:
    """Tell whether a rule certainly names all that a later one names."""
    if earlier == later or _is_all(earlier):
        return True
    if later.is_regex:
        return False
    if not WILDCARDS & set(later.text):
        return earlier.matches(later.text)
    # a * of the earlier one stands for whatever a wildcard of the later one stands for
    only_stars = not earlier.is_regex and not {"?", "["} & set(earlier.text)
    return only_stars and fnmatchcase(later.text, earlier.text)


def _is_all(matcher: Matcher) -> bool:
    return matcher.text in ((".*", ".+") if matcher.is_regex else ("*",))


# names that nothing can have


def _impossible_names(config: Config) -> Iterator[str]:
    for path, name in _names(config):
        why = _why_impossible(name)
        if why:
            yield f"{path}: no table or index can have the name {name!r}: {why}"


def _names(config: Config) -> Iterator[tuple[str, str]]:
    yield from _names_of(config.tables, "tables")
    for i, rule in enumerate(config.tables):
        yield from _names_of(rule.indexes, f"tables[{i}].indexes")
    for i, fleet in enumerate(config.fleets):
        for j, row in enumerate(fleet.tables):
            yield f"fleet[{i}].tables[{j}].table", row.table
            yield f"fleet[{i}].tables[{j}].index", row.index or "*"
    for i, job in enumerate(config.pauses):
        yield from ((f"pause[{i}].tables[{j}]", name) for j, name in enumerate(job.tables))


def _names_of(rules: Sequence[Rule], path: str) -> Iterator[tuple[str, str]]:
    for i, rule in enumerate(rules):
        if not rule.matcher.is_regex:
            yield f"{path}[{i}].name", rule.matcher.text


def _why_impossible(name: str) -> str:
    """Return why no table and no index can have a name, or match a glob; "" if one can."""
    if name.startswith("arn:"):
        return "give the name alone, not the ARN"
    if WILDCARDS & set(name):
        literal = CLASS.sub("", name).replace("*", "").replace("?", "")
        return "" if LITERALS.fullmatch(literal) else _allowed()
    return "" if NAME.fullmatch(name) else _allowed()


def _allowed() -> str:
    return "a name has 3 to 255 letters, digits, underscores, hyphens and dots"
