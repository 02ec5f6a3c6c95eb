"""The configuration: the least that works, who wins, and every mistake reported at once with its
path."""

import msgspec
import pytest

from chalicelib.config.loader import ConfigError, load
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.model import Dimension, Target
from headroom.project import ROOT
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES, problems

LEAST = '[[tables]]\nname = "orders-*"\n'
ORDERS_EU = Target("orders-eu", "", Dimension.READ)


def settings(text: str, target: Target) -> Policy:
    """Return a target's settings; the test fails where no rule manages it."""
    found = load(text).policy_for(target)
    assert found is not None
    return found


def test_a_name_is_enough_and_everything_else_has_its_default() -> None:
    assert settings(LEAST, ORDERS_EU) == Policy()


@pytest.mark.parametrize(
    ("given", "target"),
    [
        pytest.param("alarm_percent = 50", 40, id="below an alarm of its own"),
        pytest.param("alarm_percent = 65", 52, id="at the default"),
        pytest.param("alarm_percent = 66", 65, id="above it, as ever"),
        pytest.param("alarm_percent = 2", 1, id="at least one"),
        pytest.param("alarm_percent = 50\ntarget_percent = 45", 45, id="what is written counts"),
        pytest.param("", 65, id="the strategy's own alarm"),
    ],
)
def test_a_target_that_nobody_wrote_follows_a_low_alarm(given: str, target: int) -> None:
    text = f"[defaults]\nstrategy = 'percent'\n{given}\n{LEAST}"
    assert settings(text, ORDERS_EU).target_percent == target


def test_the_defaults_are_these() -> None:
    expected = {
        "strategy": "adaptive",
        "min_units": 1,
        "max_units": 40_000,
        "target_percent": 65,
        "min_decrease_percent": 20,
        "alarm_period_seconds": 60,
        "alarm_evaluation_periods": 1,
        "scale_up": True,
        "scale_down": True,
        "dry_run": False,
    }
    assert expected.items() <= msgspec.structs.asdict(settings(LEAST, ORDERS_EU)).items()


@pytest.mark.parametrize(
    ("text", "increase", "alarm"),
    [
        pytest.param("", 0, 95, id="adaptive reckons for itself"),
        pytest.param('strategy = "percent"', 50, 80, id="percent has its own defaults"),
        pytest.param(
            'strategy = "percent"\nincrease_percent = 7',
            7,
            80,
            id="which yield to what is given beside them",
        ),
        pytest.param(
            'strategy = "percent"\n[defaults]\nalarm_percent = 90',
            50,
            90,
            id="and to what is given at a weaker place",
        ),
    ],
)
def test_a_strategy_may_have_defaults_of_its_own(text: str, increase: int, alarm: int) -> None:
    found = settings(LEAST + text, ORDERS_EU)
    assert (found.increase_percent, found.alarm_percent) == (increase, alarm)


def test_the_file_that_is_shipped_is_right_and_manages_nothing() -> None:
    assert load((ROOT / "chalicelib" / "headroom.toml").read_text()) == load("")


def test_an_empty_configuration_manages_nothing() -> None:
    assert load("").policy_for(READS) is None


LAYERS = [
    pytest.param("", 1, id="nothing: the default of Headroom"),
    pytest.param("[defaults]\nmin_units = 2", 2, id="defaults"),
    pytest.param("[defaults.read]\nmin_units = 3", 3, id="defaults, the dimension"),
    pytest.param('[[tables]]\nname = "orders"\nmin_units = 4', 4, id="table"),
    pytest.param("[tables.read]\nmin_units = 5", 5, id="table, the dimension"),
    pytest.param('[[tables.indexes]]\nname = "by-date"\nmin_units = 6', 6, id="index"),
    pytest.param("[tables.indexes.read]\nmin_units = 7", 7, id="index, the dimension"),
]


@pytest.mark.parametrize(
    "count", range(1, len(LAYERS) + 1), ids=[str(layer.id) for layer in LAYERS]
)
def test_the_more_specific_wins(count: int) -> None:
    parts = [str(layer.values[0]) for layer in LAYERS[:count]]
    text = "\n".join(parts if count > 3 else [*parts, '[[tables]]\nname = "orders"'])
    assert settings(text, INDEX_READS).min_units == count


def test_a_setting_of_one_dimension_leaves_the_other_alone() -> None:
    text = '[defaults]\nmin_units = 2\n[[tables]]\nname = "orders"\n[tables.read]\nmin_units = 9\n'
    assert [
        settings(text, target).min_units for target in (READS, WRITES, INDEX_READS, INDEX_WRITES)
    ] == [9, 2, 9, 2]


def test_a_setting_of_an_index_leaves_the_table_and_other_indexes_alone() -> None:
    text = '[[tables]]\nname = "orders"\n[[tables.indexes]]\nname = "by-date"\nmax_units = 50\n'
    other = Target("orders", "by-name", Dimension.READ)
    assert [settings(text, target).max_units for target in (INDEX_READS, READS, other)] == [
        50,
        40_000,
        40_000,
    ]


def test_layers_are_merged_setting_by_setting() -> None:
    text = (
        '[defaults]\nmin_units = 2\nmax_units = 50\n[[tables]]\nname = "orders"\n'
        "max_units = 60\ndry_run = true\n"
    )
    assert settings(text, READS) == Policy(min_units=2, max_units=60, dry_run=True)


@pytest.mark.parametrize(
    ("rule", "managed", "passed_over"),
    [
        pytest.param(
            'name = "orders"', ["orders"], ["orders-eu", "Orders", "my-orders"], id="exact"
        ),
        pytest.param(
            'name = "orders-*"', ["orders-eu", "orders-"], ["orders", "my-orders-eu"], id="star"
        ),
        pytest.param(
            'name = "orders-?"', ["orders-1"], ["orders-", "orders-12"], id="question mark"
        ),
        pytest.param(
            'name = "orders-[ab]"', ["orders-a", "orders-b"], ["orders-c", "orders-[ab]"], id="set"
        ),
        pytest.param('name = "*"', ["orders", "x.y_z"], [], id="everything"),
        pytest.param(
            'regex = "orders-[0-9]+"',
            ["orders-12"],
            ["orders-12x", "my-orders-12", "orders-"],
            id="the whole must match",
        ),
        pytest.param(
            'regex = "a|orders"',
            ["a", "orders"],
            ["a-orders", "ab"],
            id="the whole of each alternative",
        ),
        pytest.param(
            'name = "orders.eu"', ["orders.eu"], ["orders-eu"], id="a dot in a name is a dot"
        ),
    ],
)
def test_a_rule_names_its_tables_exactly_by_glob_or_by_regex(
    rule: str, managed: list[str], passed_over: list[str]
) -> None:
    found = load(f"[[tables]]\n{rule}\n")
    assert [name for name in managed + passed_over if found.manages(name)] == managed


def test_the_first_rule_that_matches_wins_alone() -> None:
    text = (
        '[[tables]]\nname = "orders"\nmin_units = 5\n'
        '[[tables]]\nname = "*"\nmin_units = 7\nmax_units = 70\n'
    )
    assert (settings(text, READS), settings(text, Target("users", "", Dimension.READ))) == (
        Policy(min_units=5),
        Policy(min_units=7, max_units=70),
    )


def test_the_first_index_rule_that_matches_wins_alone() -> None:
    text = '[[tables]]\nname = "*"\n[[tables.indexes]]\nregex = "by-.*"\nmin_units = 5\n'
    text += '[[tables.indexes]]\nname = "*"\nmax_units = 70\n'
    assert (settings(text, INDEX_READS), settings(text, Target("orders", "x", Dimension.READ))) == (
        Policy(min_units=5),
        Policy(max_units=70),
    )


def test_the_mark_that_some_editors_put_before_everything_is_no_mistake() -> None:
    assert load(f"\ufeff{LEAST}") == load(LEAST)


def test_all_mistakes_are_reported_at_once_and_the_error_says_them_all() -> None:
    text = """
    [defaults]
    min_units = 0
    [defaults.write]
    alarm_percent = 0
    [[tables]]
    name = "users"
    maximum = 5
    [[tables]]
    regex = "("
    [tables.read]
    max_units = "many"
    [[tables.indexes]]
    dry_run = "yes"
    """
    with pytest.raises(ConfigError) as caught:
        load(text, "headroom.toml")
    first, *lines = str(caught.value).splitlines()
    assert first == "headroom.toml: 7 problems in the configuration"
    assert sorted(lines) == [
        "  - defaults.min_units: expected a whole number from 1 to 1000000, got 0",
        "  - defaults.write.alarm_percent: expected a whole number from 1 to 100, got 0",
        "  - tables[0].maximum: unknown key",
        '  - tables[1].indexes[0].dry_run: expected true or false, got "yes"',
        "  - tables[1].indexes[0].name: give either name (exact or glob) or regex, and "
        "only one of them",
        '  - tables[1].read.max_units: expected a whole number from 1 to 1000000, got "many"',
        "  - tables[1].regex: not a regular expression: missing ), unterminated "
        "subpattern at position 0",
    ]


def test_what_is_not_toml_is_reported_with_its_line() -> None:
    assert problems("[defaults]\nmin_units = \n") == [
        "not TOML: Invalid value (at line 2, column 13)"
    ]


@pytest.mark.parametrize(
    "text", ["[[tables]]\nname = 'a'\nname = 'b'", "[defaults]\n[defaults]\n", "[", "\x00"]
)
def test_every_fault_of_syntax_is_one_problem(text: str) -> None:
    found = problems(text)
    assert (len(found), found[0].startswith("not TOML: ")) == (1, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[defaults]\nmin_units = 9\nmax_units = 8",
            [
                "defaults.read.min_units: 9 is above max_units = 8",
                "defaults.write.min_units: 9 is above max_units = 8",
            ],
            id="within one scope",
        ),
        pytest.param(
            "[defaults.read]\nmin_units = 50_000",
            ["defaults.read.min_units: 50000 is above max_units = 40000"],
            id="against the default",
        ),
        pytest.param(
            "[defaults]\nmin_units = 9\n[[tables]]\nname = 'x'\n[tables.read]\nmax_units = 8",
            ["tables[0].read.min_units: 9 is above max_units = 8"],
            id="across defaults and a table's dimension",
        ),
        pytest.param(
            "[[tables]]\nname = 'x'\nmin_units = 9\n[[tables.indexes]]\nname = 'y'\n"
            "[tables.indexes.write]\nmax_units = 8",
            ["tables[0].indexes[0].write.min_units: 9 is above max_units = 8"],
            id="across a table and an index's dimension",
        ),
        pytest.param(
            "[defaults]\nstrategy = 'percent'\n[[tables]]\nname = 'x'\n[tables.write]\n"
            "target_percent = 80",
            [
                "tables[0].write.target_percent: 80 is not below alarm_percent = 80, "
                "so every decrease would set off the alarm again"
            ],
            id="a target at the alarm's level",
        ),
        pytest.param(
            "[defaults]\nstrategy = 'percent'\npeak_minutes = 150\n[[tables]]\nname = 'x'\n"
            "[tables.read]\ndelay_minutes = 31",
            [
                "tables[0].read.peak_minutes: together with delay_minutes it must fit into "
                "180 minutes"
            ],
            id="a peak that is longer ago than what is read",
        ),
        pytest.param(
            "[[tables]]\nname = 'x'\nincrease_percent = 0\n[tables.read]\nstrategy = 'percent'",
            [
                "tables[0].read.increase_percent: 0 would never raise anything with strategy "
                "= percent"
            ],
            id="a step of nothing",
        ),
        pytest.param(
            "[defaults.read]\nstrategy = 'percent'\nthrottled_events = 9\nincrease_percent = "
            "0\nincrease_steps = [{ at = 90 }]",
            [
                "defaults.read.throttled_events: it raises by increase_percent or "
                "increase_units, and both are 0"
            ],
            id="throttling that raises by nothing",
        ),
        pytest.param(
            "[defaults.read]\nstrategy = 'percent'\nlower_percent = 30\nincrease_steps = [{ "
            "at = 0 }, { at = 30, percent = 5 }]",
            ["defaults.read.increase_steps: the row at 30 is not above lower_percent = 30"],
            id="a row that raises what is low",
        ),
        pytest.param(
            "[defaults.read]\nstrategy = 'percent'\nincrease_steps = [{ at = 0.0, percent = 5 }]",
            ["defaults.read.increase_steps: the row at 0 is not above lower_percent = 0"],
            id="a row that raises what is idle",
        ),
        pytest.param(
            "[[tables]]\nname = 'x'\nread.max_units = 500\n"
            "windows = [{ rule = 'floor', min_units = 800, between = '09:00-17:00' }]",
            ["tables[0].read.windows: the floor of 800 is above max_units = 500"],
            id="a floor above the maximum",
        ),
        pytest.param(
            "[[tables]]\nname = 'x'\n[tables.read]\n"
            "windows = [{ rule = 'never_down', outside = '22:00-06:00' }, "
            "{ rule = 'hold', between = '22:00-06:00' }]",
            [
                "tables[0].read.windows: at no time of the week can a target be lowered; "
                "if that is meant, write scale_down = false"
            ],
            id="windows that together leave no hour",
        ),
        pytest.param(
            "[defaults.read]\nscale_down = false\nwindows = [{ rule = 'hold', between = "
            "'00:00-24:00' }]",
            [
                "defaults.read.windows: at no time of the week can a target be raised; if "
                "that is meant, write scale_up = false"
            ],
            id="a direction that is off may be held, too",
        ),
        pytest.param(
            "[defaults.read]\nalarm_period_seconds = 3_600\nalarm_evaluation_periods = 25",
            [
                "defaults.read.alarm_evaluation_periods: CloudWatch looks back one day at "
                "the most (period x evaluation periods)"
            ],
            id="more than a day",
        ),
        pytest.param(
            "[[tables]]\nname = 'a'\nmode = 'cheapest'\nscale_down = false\nmax_usd_month = 5\n"
            "[tables.write]\nstrategy = 'fleet'",
            [
                "tables[0].read.mode: cheapest changes capacity in both directions, so it needs "
                "scale_up and scale_down",
                "tables[0].read.mode: a budget (max_usd_month) holds nothing back while a table is "
                "on demand, so it cannot be used with cheapest",
                "tables[0].write.mode: cheapest changes capacity in both directions, so it needs "
                "scale_up and scale_down",
                "tables[0].write.mode: cheapest is decided by the demand, not by a fleet",
                "tables[0].write.mode: a budget (max_usd_month) holds nothing back while a table "
                "is on demand, so it cannot be used with cheapest",
                "tables[0].write.strategy: 'fleet', but no [[fleet.tables]] gives its writes units",
            ],
            id="what a billing mode cannot go with",
        ),
        pytest.param(
            "[defaults]\nmode = 'cheapest'\n[understudy]\ntables = ['a*']",
            [
                "understudy: Application Auto Scaling cannot stand by for a table that changes its "
                'billing mode; take [understudy] away, or mode = "cheapest"'
            ],
            id="nor with an understudy",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_reported_where_they_meet(
    text: str, expected: list[str]
) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("min_units = 8\nmax_units = 8", id="minimum at the maximum"),
        pytest.param("strategy = 'percent'\ntarget_percent = 79", id="target just below the alarm"),
        pytest.param("target_percent = 100", id="a target that adaptive does not use"),
        pytest.param(
            "alarm_period_seconds = 3_600\nalarm_evaluation_periods = 24", id="a whole day"
        ),
    ],
)
def test_settings_that_just_fit_are_taken(text: str) -> None:
    assert isinstance(load(f"[defaults]\n{text}"), Config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[defaults]\nmin_units = 9\nmax_units = 0",
            ["defaults.max_units: expected a whole number from 1 to 1000000, got 0"],
            id="the setting itself may be put right",
        ),
        pytest.param(
            f"[defaults]\ncolour = 1\n{LEAST}min_units = 9\nmax_units = 5",
            [
                "defaults.colour: unknown key",
                "tables[0].read.min_units: 9 is above max_units = 5",
                "tables[0].write.min_units: 9 is above max_units = 5",
            ],
            id="a mistake elsewhere hides none",
        ),
        pytest.param(
            f"{LEAST}max_units = 'x'\n"
            "[[tables]]\nname = 'b'\nread = { min_units = 9, max_units = 5 }",
            [
                'tables[0].max_units: expected a whole number from 1 to 1000000, got "x"',
                "tables[1].read.min_units: 9 is above max_units = 5",
            ],
            id="the same setting of another rule hides none",
        ),
        pytest.param(
            f"{LEAST}strategy = 'fleet'\n[[fleet]]\nname = 3",
            [
                "fleet[0].name: expected a text that is not empty, got 3",
                "fleet[0].tables: missing; it must be a list of tables, [{ table = …, … }] "
                "that is not empty",
            ],
            id="the fleet may be put right",
        ),
        pytest.param(
            f"{LEAST}"
            "windows = [{ rule = 'hol', colour = 1, min_units = -1 }, { rule = 'hold' }]",
            [
                "tables[0].windows[0].colour: unknown key",
                "tables[0].windows[0].rule: expected one of never_down, only_down, hold, floor, "
                'got "hol"; did you mean hold?',
                "tables[0].windows[0].min_units: expected a whole number from 0 to 1000000, got -1",
                "tables[0].windows[1]: give either between or outside, "
                "such as between = '22:00-06:00'",
            ],
            id="all of a value within a value",
        ),
    ],
)
def test_every_mistake_is_reported_unless_another_may_cause_it(
    text: str, expected: list[str]
) -> None:
    assert problems(text) == expected
