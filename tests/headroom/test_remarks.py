"""What a configuration allows and a person would still want to hear."""

import ast
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.loader import load
from chalicelib.config.policy import SETTINGS
from chalicelib.config.rules import Matcher
from headroom.project import ROOT
from headroom.remarks import OF_MODES, OF_STRATEGY, _covers, remarks

ORDERS = '[[tables]]\nname = "orders"\n'
PERCENT = f'{ORDERS}strategy = "percent"\n'
TOPIC = "notify_topic = 'arn:aws:sns:us-east-1:123456789012:t'\n"


def remarks_on(text: str) -> list[str]:
    """Return the remarks on a configuration, without their reasons."""
    return [remark.partition(",")[0] for remark in remarks(load(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[defaults]\nnotify = ['scaled_up']\n", [], id="no table has it"),
        pytest.param(
            f"[defaults]\nnotify = ['scaled_up']\n{ORDERS}notify_slack = 'ssm:/headroom/slack'\n",
            [],
            id="somebody",
        ),
        pytest.param(
            f"{ORDERS}[tables.write]\nnotify = ['at_max']\n",
            ["tables[0].notify: nobody is notified"],
            id="nobody",
        ),
        pytest.param(
            f"{ORDERS}notify = ['at_max']\nnotify_topic = 'arn:aws:sns:us-east-1:123456789012:t'\n"
            "[[tables.indexes]]\nname = 'by-date'\nnotify_topic = ''\n",
            ["tables[0].indexes[0].notify: nobody is notified"],
            id="an index that took the topic away",
        ),
    ],
)
def test_it_is_doubtful_to_have_something_to_tell_and_nobody_to_tell_it_to(
    text: str, expected: list[str]
) -> None:
    assert remarks_on(text) == expected


FLOOR = 'windows = [{{ rule = "floor", min_units = {}, between = "08:00-20:00" }}]\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ORDERS + FLOOR.format(4_000), []),
        (ORDERS + FLOOR.format(4_001), ["tables[0].windows: a floor of 4,001 write units"]),
        (f"{ORDERS}read.{FLOOR.format(12_000)}", []),
        (f"{ORDERS}read.{FLOOR.format(15_000)}", ["tables[0].windows: a floor of 15,000 read"]),
        (f"[defaults]\n{FLOOR.format(5_000)}{ORDERS}", ["defaults.windows: a floor of 5,000"]),
    ],
)
def test_a_floor_above_the_warm_throughput_of_a_new_table_is_remarked_on(
    text: str, expected: list[str]
) -> None:
    found = remarks(load(text))
    assert len(found) == len(expected), found
    assert all(remark.startswith(words) for remark, words in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ORDERS}target_percent = 50", ["tables[0].target_percent: it has no effect"]),
        (f"{ORDERS}read.lower_percent = 5", ["tables[0].read.lower_percent: it has no effect"]),
        (f"{PERCENT}target_percent = 50", []),
        (f"{PERCENT}burst_trust_percent = 5", ["tables[0].burst_trust_percent: it has no effect"]),
        (f"{PERCENT}decrease_percent = 5", ["tables[0].decrease_percent: it has no effect"]),
        (f"{PERCENT}lower_percent = 5\ndecrease_percent = 5", []),
        (
            f"[money]\nmoney_cap = 'hold'\n{ORDERS}",
            ["money.money_cap: it has no effect"],
        ),
        (
            f"{ORDERS}on_demand_ceiling_percent = 400",
            ["tables[0].on_demand_ceiling_percent: it has no effect"],
        ),
        (f"{ORDERS}mode = 'cheapest'\non_demand_ceiling_percent = 400", []),
        (f"{ORDERS}money_cap = 'hold'", ["tables[0].money_cap: it has no effect"]),
        (
            f"{PERCENT}lower_percent = 5\ntarget_percent = 50",
            ["tables[0].target_percent: it has no effect"],
        ),
        (f"[defaults]\ntarget_percent = 50\n{PERCENT}", []),
        (
            f"[defaults]\ntarget_percent = 50\n{ORDERS}",
            ["defaults.target_percent: it has no effect"],
        ),
        (
            f"{ORDERS}target_percent = 50\n"
            "[[tables.indexes]]\nname = 'by-date'\nstrategy = 'percent'",
            [],
        ),
        (
            f"{ORDERS}scale_down = false\nmin_decrease_units = 5",
            ["tables[0].min_decrease_units: it has no effect"],
        ),
        (
            f"{ORDERS}scale_up = false\nincrease_percent = 5",
            ["tables[0].increase_percent: it has no effect"],
        ),
        (
            f"{ORDERS}strategy = 'percent'\nthrottle_price = 9.0",
            ["tables[0].throttle_price: it has no effect"],
        ),
        (f"{ORDERS}strategy = 'percent'\nmode = 'cheapest'\nthrottle_price = 9.0", []),
        (
            f"{ORDERS}circuit_breaker_seconds = 5",
            ["tables[0].circuit_breaker_seconds: it has no effect"],
        ),
        (
            f"{ORDERS}notify = ['failing']\n{TOPIC}notify_above_percent = 90",
            ["tables[0].notify_above_percent: it has no effect"],
        ),
        (f"{ORDERS}notify = ['high_throughput']\n{TOPIC}notify_above_percent = 90", []),
    ],
)  # fmt: skip
def test_a_setting_without_effect_is_named(text: str, expected: list[str]) -> None:
    assert remarks_on(text) == expected


def modules_that_read() -> Iterator[tuple[str, str]]:
    """Yield each setting with each module of the engine that reads it."""
    for path in (ROOT / "chalicelib").rglob("*.py"):
        if "config" not in path.parts and path.stem != "prices":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in SETTINGS:
                    yield node.attr, path.stem


@pytest.mark.slow(traced=True)
def test_no_module_of_the_engine_reads_a_goal() -> None:
    assert "goal_throttled_ppm" not in {setting for setting, _ in modules_that_read()}


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("strategy", OF_STRATEGY)
def test_the_settings_of_one_strategy_are_those_that_no_other_module_reads(strategy: str) -> None:
    found = list(modules_that_read())
    for_modes = {setting for setting, module in found if module == "modes"} & OF_STRATEGY[
        "adaptive"
    ]
    assert for_modes == OF_MODES
    elsewhere = {setting for setting, module in found if module not in (strategy, "modes")}
    assert {s for s, module in found if module == strategy} - elsewhere == OF_STRATEGY[strategy]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"{ORDERS}scale_up = false\nscale_down = false",
            [f"tables[0].{d}: scale_up and scale_down are both false" for d in ("read", "write")],
        ),
        (f"{ORDERS}read.scale_up = false\nwrite.scale_down = false", []),
    ],
)
def test_a_rule_that_changes_nothing_is_named(text: str, expected: list[str]) -> None:
    assert remarks_on(text) == expected


@pytest.mark.parametrize(
    ("earlier", "later", "is_shadowed"),
    [
        ("name = '*'", "name = 'orders'", True),
        ("name = 'orders'", "name = 'orders'", True),
        ("name = 'orders-*'", "name = 'orders-eu'", True),
        ("name = 'orders-*'", "name = 'orders-eu-*'", True),
        ("name = 'orders-eu-*'", "name = 'orders-*'", False),
        ("name = 'order?'", "name = 'order*'", False),
        ("name = 'order?'", "name = 'orders'", True),
        ("name = 'orders-*'", "name = 'users-*'", False),
        ("regex = 'o.+'", "name = 'orders'", True),
        ("regex = '.*'", "regex = 'o.+'", True),
        ("regex = 'o.+'", "regex = 'o.+'", True),
        ("regex = 'o.+'", "name = 'o*'", False),
        ("name = 'orders'", "name = 'users'", False),
    ],
)
def test_a_rule_that_is_never_reached_is_named(earlier: str, later: str, is_shadowed: bool) -> None:
    found = remarks(load(f"[[tables]]\n{earlier}\n[[tables]]\n{later}\n"))
    key = later.partition(" ")[0]
    assert [line.partition(",")[0] for line in found] == (
        [f"tables[1].{key}: the rule is never reached"] if is_shadowed else []
    )


def test_rules_for_indexes_and_groups_are_looked_at_too() -> None:
    index = "[[tables.indexes]]\nname = 'by-*'\n[[tables.indexes]]\nname = 'by-date'\n"
    group = "[[healing]]\ngroup = 'web*'\n[[healing]]\ngroup = 'web-eu'\n"
    assert remarks_on(f"{ORDERS}{index}{group}") == [
        "tables[0].indexes[1].name: the rule is never reached",
        "healing[1].group: the rule is never reached",
    ]


GLOBS = st.text("ab*?", min_size=1, max_size=5)


@pytest.mark.slow
@given(GLOBS, GLOBS, st.text("ab", min_size=1, max_size=5))
def test_what_a_later_rule_names_is_never_lost_by_a_remark(
    earlier: str, later: str, name: str
) -> None:
    first, second = Matcher(earlier, False), Matcher(later, False)
    if _covers(first, second) and second.matches(name):
        assert first.matches(name)


@pytest.mark.parametrize(
    ("name", "is_possible"),
    [
        ("orders", True),
        ("My_table.1-x", True),
        ("orders-[ab]*", True),
        ("o?", True),
        ("or", False),
        ("orders/by-date", False),
        ("orders eu*", False),
        ("arn:aws:dynamodb:us-east-1:123456789012:table/orders", False),
        ("x" * 256, False),
    ],
)
def test_a_name_that_no_table_can_have_is_named(name: str, is_possible: bool) -> None:
    found = remarks(load(f"[[tables]]\nname = '{name}'\n"))
    assert [line[:50] for line in found] == (
        [] if is_possible else ["tables[0].name: no table or index can have the nam"]
    )


def test_names_are_looked_at_wherever_they_are_written() -> None:
    fleet = (
        "[[fleet]]\nname = 'web'\nauto_scaling_group = 'web'\n"
        "[[fleet.tables]]\ntable = 'a/*'\nindex = 'b:c'\nread = { linear = 1.0 }\n"
    )
    job = "[[pause]]\nname = 'n'\njob = 'backup'\ntables = ['orders', 'a b']\n"
    index = "[[tables.indexes]]\nname = 'x y'\n"
    assert [line.partition(":")[0] for line in remarks(load(f"{ORDERS}{index}{fleet}{job}"))] == [
        "tables[0].indexes[0].name",
        "fleet[0].tables[0].table",
        "fleet[0].tables[0].index",
        "pause[0].tables[1]",
    ]
