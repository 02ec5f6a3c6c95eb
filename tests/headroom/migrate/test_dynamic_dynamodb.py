"""Dynamic DynamoDB's configuration files come over: every line accounted for, the meaning kept, and
what is printed loads."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.config import loader
from chalicelib.config.policy import Policy, ScalingStep
from chalicelib.config.rules import Config, Matcher
from chalicelib.config.windows import Window
from chalicelib.model import Dimension, Target
from headroom.migrate import dynamic_dynamodb, ini
from headroom.migrate.dynamic_dynamodb import Imported, Kind, Line, matcher, translate
from headroom.migrate.dynamic_options import GLOBAL, LOGGING, OPTIONS
from tests.support.command_line import RunCommand, write_file

READ, WRITE = Dimension.READ, Dimension.WRITE
TOPIC = "arn:aws:sns:eu-west-1:123456789012:capacity"


def imported(text: str, annotate: bool = False) -> Imported:
    return translate(dedent(text), annotate)


def rules(text: str) -> Config:
    """Return our configuration of a text of theirs, none of which is lost."""
    found = imported(text)
    assert [str(line) for line in found.lines if line.kind in dynamic_dynamodb.LOST] == []
    return loader.load(found.toml)


def policy(
    found: Config, table: str = "orders", index: str = "", dimension: Dimension = READ
) -> Policy:
    settings = found.policy_for(Target(table, index, dimension))
    assert settings is not None
    return settings


def reads(*lines: str) -> Policy:
    """Return the settings of a table's reads under some lines of its section."""
    return policy(rules("\n".join(["[table: ^orders$]", *lines])))


def line(text: str, number: int) -> Line:
    """Return what became of a line; the first is 1."""
    return next(found for found in imported(text).lines if found.number == number)


def said(text: str, number: int) -> str:
    return str(line(text, number))


# examples: between them, every option that the documentation tells of

PLAIN = """
# one host, two tables
[global]
region: eu-west-1
check-interval: 300
circuit-breaker-url: https://gate.example.com/scaling
circuit-breaker-timeout: 500

[logging]
log-level: info
log-file: /var/log/scaling.log

[table: ^orders$]
reads-upper-threshold: 85
reads-lower-threshold: 25
increase-reads-with: 40
decrease-reads-with: 20
increase-reads-unit: percent
decrease-reads-unit: percent
min-provisioned-reads: 20
max-provisioned-reads: 900
writes-upper-threshold: 75
writes-lower-threshold: 35
increase-writes-with: 60
decrease-writes-with: 15
increase-writes-unit: units
decrease-writes-unit: units
min-provisioned-writes: 30
max-provisioned-writes: 700
maintenance-windows: 22:00-23:59,00:00-06:00
allow-scaling-down-reads-on-0-percent: true
allow-scaling-down-writes-on-0-percent: false
always-decrease-rw-together: true

[gsi: ^by-date$ table: ^orders$]
reads-upper-threshold: 70
increase-reads-unit: units
increase-reads-with: 5
decrease-reads-unit: percent
increase-writes-unit: percent
decrease-writes-unit: percent
"""

DEFAULTS = f"""
[global]
aws-access-key-id: AKIAEXAMPLE
aws-secret-access-key-id: not-to-be-shown

[logging]
log-config-file: /etc/scaling/logging.conf

[default_options]
increase-reads-unit = percent
decrease-reads-unit = percent
increase-writes-unit = percent
decrease-writes-unit = percent
num-read-checks-before-scale-down = 3
num-write-checks-before-scale-down = 4
num-read-checks-reset-percent = 60
num-write-checks-reset-percent = 70
lookback-window-start = 6
lookback-period = 1
throttled-reads-upper-threshold = 100
throttled-writes-upper-threshold = 50
sns-topic-arn = {TOPIC}
sns-message-types = scale-up, scale-down, high-throughput-alarm, low-throughput-alarm
reads-upper-alarm-threshold = 80
reads-lower-alarm-threshold = 10
writes-upper-alarm-threshold = 120
writes-lower-alarm-threshold = 5

[table: ^log_.*]
enable-reads-autoscaling = true
enable-writes-autoscaling = false
enable-reads-up-scaling = true
enable-reads-down-scaling = false

[table: session]
enable-writes-up-scaling = false
enable-writes-down-scaling = true
sns-message-types = scale-up
"""

GRANULAR = """
[table: ^orders$]
increase-reads-unit: percent
decrease-reads-unit: percent
increase-writes-unit: percent
decrease-writes-unit: percent
increase-consumed-reads-unit: percent
increase-consumed-reads-with: 30
increase-consumed-reads-scale: {60: 5, 75: 10, 90: 20, 100: 50,
    200: 100}
increase-consumed-writes-unit: units
increase-consumed-writes-with: 40
increase-consumed-writes-scale: {0: 0, 80: 100}
increase-throttled-by-provisioned-reads-unit: percent
increase-throttled-by-provisioned-reads-scale: {0: 0, 0.25: 5, 0.5: 10, 1: 20, 2: 50, 5: 100}
increase-throttled-by-provisioned-writes-unit: units
increase-throttled-by-provisioned-writes-scale: {1: 15}
increase-throttled-by-consumed-reads-unit: units
increase-throttled-by-consumed-reads-scale: {1: 25}
increase-throttled-by-consumed-writes-unit: percent
increase-throttled-by-consumed-writes-scale: {3: 35}
decrease-consumed-reads-unit: percent
decrease-consumed-reads-with: 10
decrease-consumed-reads-scale: {10: 50, 20.5: 25}
decrease-consumed-writes-unit: units
decrease-consumed-writes-with: 7
decrease-consumed-writes-scale: {15: 8}
"""

TINY_STEPS = """
[table: ^orders$]
increase-consumed-reads-unit: percent
increase-consumed-reads-scale: {0: 0, 0.25: 5, 0.5: 10, 1: 20, 2: 50, 5: 100}
"""
"""The documentation's own steps, in percent of what is provisioned, on its own cause."""

NIGHT = Window("never_down", outside="22:00-06:00")

EXAMPLES = {"plain": PLAIN, "defaults": DEFAULTS, "granular": GRANULAR, "tiny steps": TINY_STEPS}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("annotate", [False, True], ids=["apart", "annotated"])
def test_an_example_comes_over_without_a_loss_and_loads(name: str, annotate: bool) -> None:
    found = imported(EXAMPLES[name], annotate)
    assert found.is_whole
    assert loader.load(found.toml) == rules(EXAMPLES[name])


def test_the_examples_use_every_option() -> None:
    used = {
        option.name
        for text in EXAMPLES.values()
        for section in ini.read(text).sections
        for option in section.options
    }
    assert used == {*OPTIONS, *GLOBAL, *LOGGING}


def test_the_settings_of_a_table_mean_what_they_meant() -> None:
    found = policy(rules(PLAIN))
    assert (found.strategy, found.alarm_percent, found.lower_percent) == ("percent", 85, 25)
    assert (
        found.increase_percent,
        found.increase_units,
        found.decrease_percent,
        found.decrease_units,
    ) == (40, 0, 20, 0)
    assert (found.min_units, found.max_units, found.alarm_period_seconds, found.delay_minutes) == (
        20,
        900,
        300,
        0,
    )
    assert found.windows == (Window(rule="never_down", outside="22:00-24:00,00:00-06:00"),)
    assert (found.scale_down_at_zero, found.decrease_together) == (True, True)
    assert (found.circuit_breaker_url, found.circuit_breaker_seconds) == (
        "https://gate.example.com/scaling",
        0.5,
    )
    writes = policy(rules(PLAIN), dimension=WRITE)
    assert (
        writes.increase_percent,
        writes.increase_units,
        writes.decrease_percent,
        writes.decrease_units,
    ) == (0, 60, 0, 15)
    assert (writes.alarm_percent, writes.lower_percent, writes.min_units, writes.max_units) == (
        75,
        35,
        30,
        700,
    )
    assert not writes.scale_down_at_zero


def test_an_index_inherits_nothing_from_its_table_but_all_from_the_defaults() -> None:
    found = policy(rules(PLAIN), index="by-date")
    assert (
        found.alarm_percent,
        found.lower_percent,
        found.increase_percent,
        found.increase_units,
    ) == (70, 30, 0, 5)
    assert (found.min_units, found.max_units, found.windows, found.decrease_together) == (
        1,
        40_000,
        (),
        False,
    )
    assert not found.scale_down_at_zero
    assert found.circuit_breaker_url == "https://gate.example.com/scaling"


def test_an_index_that_no_section_names_is_left_alone_as_before() -> None:
    found = policy(rules(PLAIN), index="by-customer")
    assert (found.scale_up, found.scale_down) == (False, False)
    noticed = policy(rules(DEFAULTS), "session", "by-user")
    assert (noticed.scale_up, noticed.scale_down, noticed.notify) == (False, False, ())


def test_default_options_hold_where_a_section_says_nothing() -> None:
    found = rules(DEFAULTS)
    log, session = policy(found, "log_2026"), policy(found, "session")
    assert (log.decrease_checks, log.check_reset_percent, log.throttled_events) == (11, 60, 100)
    assert (log.alarm_period_seconds, log.delay_minutes) == (60, 5)
    assert (log.notify_topic, log.notify) == (
        TOPIC,
        ("scaled_up", "scaled_down", "high_throughput", "low_throughput"),
    )
    assert (log.notify_above_percent, log.notify_below_percent) == (80, 10)
    assert (log.scale_up, log.scale_down) == (True, False)
    off = policy(found, "log_2026", dimension=WRITE)
    assert (off.scale_up, off.scale_down, off.notify_above_percent) == (False, False, 120)
    assert session.notify == ("scaled_up",)
    assert policy(found, "session", dimension=WRITE).scale_up is False


def test_scales_become_rows() -> None:
    found, writes = policy(rules(GRANULAR)), policy(rules(GRANULAR), dimension=WRITE)
    assert [(row.at, row.percent) for row in found.increase_steps] == [
        (60, 5),
        (75, 10),
        (90, 20),
        (100, 50),
        (200, 100),
    ]
    assert (found.alarm_percent, found.lower_percent) == (60, 21)
    assert [(row.at, row.percent) for row in found.decrease_steps] == [(10, 50), (20.5, 25)]
    assert [(row.at, row.percent) for row in found.throttled_provisioned_steps][1:3] == [
        (0.25, 5),
        (0.5, 10),
    ]
    assert [(row.at, row.units) for row in found.throttled_consumed_steps] == [(1, 25)]
    assert [(row.at, row.units) for row in writes.increase_steps] == [(0, 0), (80, 100)]
    assert (writes.alarm_percent, writes.lower_percent) == (80, 15)
    assert [(row.at, row.units) for row in writes.decrease_steps] == [(15, 8)]


def test_a_switch_that_is_off_says_what_it_turns_off() -> None:
    text = "[table: t]\nenable-reads-autoscaling: false"
    assert (
        said(text, 2)
        == "translated: enable-reads-autoscaling: false → read.scale_up = false, read.scale_down = false"
    )


def test_steps_below_a_percent_stay_as_they_are_and_leave_nothing_to_lower() -> None:
    found = policy(rules(TINY_STEPS))
    assert [row.at for row in found.increase_steps] == [0, 0.25, 0.5, 1, 2, 5]
    assert (found.alarm_percent, found.scale_down) == (2, False)
    assert "what is raised at 1 % or less is never low: scale_down = false" in said(TINY_STEPS, 4)


# its defaults


def test_its_defaults_stand_in_ours() -> None:
    found = reads()
    assert (
        found.alarm_percent,
        found.lower_percent,
        found.increase_percent,
        found.decrease_percent,
    ) == (90, 30, 50, 50)
    assert (found.alarm_period_seconds, found.decrease_checks, found.check_reset_percent) == (
        300,
        1,
        0,
    )
    assert (found.scale_down_at_zero, found.decrease_together, found.throttled_events) == (
        False,
        False,
        0,
    )
    assert (found.min_units, found.max_units, found.scale_up, found.scale_down) == (
        1,
        40_000,
        True,
        True,
    )


def test_what_a_section_sets_to_its_default_is_not_repeated_in_it() -> None:
    text = """
    [default_options]
    reads-upper-threshold: 80
    writes-upper-threshold: 80
    [table: ^orders$]
    reads-upper-threshold: 80
    reads-lower-threshold: 30
    enable-writes-autoscaling: true
    max-provisioned-reads: 500
    """
    _, _, table = imported(text).toml.partition("[[tables]]\n")
    assert (
        table.partition("\n\n[[tables.indexes]]")[0]
        == 'name = "orders"\n\n[tables.read]\nmax_units = 500'
    )


def test_the_rule_that_leaves_other_indexes_alone_says_so() -> None:
    assert (
        "# all other indexes are left alone, as before; without this rule"
        in imported("[table: ^orders$]").toml
    )


def test_its_delay_of_ten_minutes_is_kept_only_where_somebody_asked_for_it() -> None:
    assert reads().delay_minutes == 0
    assert reads("lookback-window-start: 15").delay_minutes == 10
    assert reads("lookback-window-start: 15", "lookback-period: 10").delay_minutes == 5
    assert reads("lookback-window-start: 3").delay_minutes == 0
    assert any("left the newest 10 minutes out of account" in note for note in imported("").notes)


@pytest.mark.parametrize(
    ("interval", "period", "checks", "periods"),
    [
        pytest.param(300, 5, 1, 1, id="one check"),
        pytest.param(300, 5, 4, 4, id="checks without a gap"),
        pytest.param(60, 5, 10, 3, id="checks that overlap"),
        pytest.param(600, 5, 3, 5, id="checks with a gap"),
        pytest.param(300, 1, 3, 11, id="short looks"),
    ],
)
def test_checks_become_so_many_periods_that_they_last_as_long(
    interval: int, period: int, checks: int, periods: int
) -> None:
    text = f"[global]\ncheck-interval: {interval}\n[table: ^orders$]\nlookback-period: {period}\n"
    text += f"num-read-checks-before-scale-down: {checks}"
    assert policy(rules(text)).decrease_checks == periods


# names


@pytest.mark.parametrize(
    ("regex", "match"),
    [
        pytest.param("^orders$", {"name": "orders"}, id="one table"),
        pytest.param("orders$", {"name": "orders"}, id="an end is enough"),
        pytest.param(r"^my\.table\-1$", {"name": "my.table-1"}, id="escapes"),
        pytest.param("my_table", {"name": "my_table*"}, id="no end"),
        pytest.param("^my_table", {"name": "my_table*"}, id="a beginning alone"),
        pytest.param("^log_.*$", {"name": "log_*"}, id="a prefix in full"),
        pytest.param("log_.*", {"name": "log_*"}, id="a prefix"),
        pytest.param("my.table$", {"regex": "(?:my.table$).*"}, id="a bare dot is any character"),
        pytest.param("^(a|b)$", {"regex": "(?:^(a|b)$).*"}, id="a choice"),
        pytest.param("^a$|^b", {"regex": "(?:^a$|^b).*"}, id="a choice without brackets"),
        pytest.param("^t[0-9]+$", {"regex": "^t[0-9]+$"}, id="its own end"),
        pytest.param("(?i)orders", {"regex": "(?i)(?:orders).*"}, id="flags stay in front"),
        pytest.param(".*", {"regex": ".*"}, id="everything"),
        pytest.param("log_*", {"regex": "(?:log_*).*"}, id="a star repeats what is before it"),
    ],
)
def test_a_regular_expression_becomes_a_matcher(regex: str, match: dict[str, str]) -> None:
    assert matcher(regex) == match


REGEXES = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "_",
            "-",
            ".",
            r"\.",
            ".*",
            "^",
            "$",
            "|",
            "(a|b)",
            "[ab]",
            "[^a]",
            "+",
            "*",
            "?",
            "(?i)",
            "\\",
        ]
    ),
    max_size=6,
).map("".join)


@given(regex=REGEXES, name=st.text(alphabet="abAB_-.", min_size=1, max_size=5))
@example(regex="ab", name="abb")
def test_a_matcher_matches_what_re_match_matches(regex: str, name: str) -> None:
    try:
        match = matcher(regex)
    except ValueError:
        return
    if not regex:
        return
    (key, text), *_ = match.items()
    assert Matcher(text, key == "regex").matches(name) == bool(re.match(regex, name))


def test_a_name_without_an_end_is_told_with_what_to_write_instead() -> None:
    assert said("[table: my_table]", 1) == (
        'translated: [table: my_table] → [[tables]] name = "my_table*"; '
        'every name that begins so, here as there; write name = "my_table" if that one alone is meant'
    )


@pytest.mark.parametrize("regex", ["(", "a**", "(?x) # a (", "[z-a]"])
def test_a_section_whose_name_is_no_regular_expression_is_refused_whole(regex: str) -> None:
    text = f"[table: {regex}]\nreads-upper-threshold: 80\n[table: ^orders$]"
    assert [found.kind for found in imported(text).lines] == [
        Kind.REFUSED,
        Kind.REFUSED,
        Kind.TRANSLATED,
    ]
    assert len(loader.load(imported(text).toml).tables) == 1


def test_a_name_whose_end_is_said_to_be_free_needs_no_word() -> None:
    assert (
        said("[table: ^prod-.*]", 1) == 'translated: [table: ^prod-.*] → [[tables]] name = "prod-*"'
    )


def test_the_first_section_that_matches_wins_in_both() -> None:
    found = rules(
        "[table: ^log_a$]\nreads-upper-threshold: 80\n[table: ^log_]\nreads-upper-threshold: 70"
    )
    assert policy(found, "log_a").alarm_percent == 80
    assert policy(found, "log_b").alarm_percent == 70


def test_an_index_may_stand_before_its_table() -> None:
    found = rules(
        "[gsi: ^by-date$ table: ^orders$]\nreads-upper-threshold: 70\n[table: ^orders$]\nreads-upper-threshold: 80"
    )
    assert (policy(found).alarm_percent, policy(found, index="by-date").alarm_percent) == (80, 70)


def test_an_index_without_its_table_gets_a_rule_that_leaves_the_table_alone() -> None:
    text = "[gsi: ^by-date$ table: ^orders$]\nreads-upper-threshold: 70"
    found = rules(text)
    assert (policy(found).scale_up, policy(found).scale_down) == (False, False)
    index = policy(found, index="by-date")
    assert (index.alarm_percent, index.scale_up, index.scale_down) == (70, True, True)
    assert "no [table: ^orders$] stands beside it" in said(text, 1)


def test_two_indexes_of_a_table_without_a_section_share_a_rule() -> None:
    found = rules(
        "[gsi: ^a$ table: ^orders$]\nreads-upper-threshold: 70\n[gsi: ^b$ table: ^orders$]\nreads-upper-threshold: 60"
    )
    assert len(found.tables) == 1
    assert [policy(found, index=index).alarm_percent for index in "ab"] == [70, 60]


def test_a_section_for_every_index_needs_no_rule_for_the_others() -> None:
    found = imported("[table: ^orders$]\n[gsi: .* table: ^orders$]")
    assert policy(loader.load(found.toml), index="any").scale_up
    assert found.toml.count("[[tables.indexes]]") == 1


# what is not as it should be


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        pytest.param(
            "[table: t]\nreads-uper-threshold: 80",
            2,
            "unknown: reads-uper-threshold: 80 → Dynamic DynamoDB has no such option; did you mean reads-upper-threshold?",
            id="misspelt",
        ),
        pytest.param(
            "[table: t]\ncolour: 1",
            2,
            "unknown: colour: 1 → Dynamic DynamoDB has no such option",
            id="unknown",
        ),
        pytest.param(
            "[table: t]\nregion: x",
            2,
            "it has no effect here; it belongs to [global]",
            id="of another section",
        ),
        pytest.param(
            "[global]\nlog-level: x",
            2,
            "it has no effect here; it belongs to [logging]",
            id="of logging",
        ),
        pytest.param("[global]\nregoin: x", 2, "did you mean region?", id="misspelt in global"),
        pytest.param(
            "[default_option]\n",
            1,
            "has no section [default_option]; did you mean default_options?",
            id="a section",
        ),
        pytest.param(
            "[default_option]\na: 1",
            2,
            "has no section [default_option]",
            id="the lines of an unknown section",
        ),
        pytest.param(
            "region: x\n[global]",
            1,
            "unknown: region: x → it stands before any section",
            id="before any section",
        ),
        pytest.param(
            "[table: t]\nbogus", 2, "refused: bogus → not a line of an INI file", id="no option"
        ),
        pytest.param(
            "[table: t\nreads-upper-threshold: 80",
            1,
            "refused: [table: t → its ] is missing",
            id="an open header",
        ),
        pytest.param(
            "[table: t]\n[table: t]", 2, "goes on with the section of line 1", id="a section twice"
        ),
        pytest.param(
            "[table: t]\nreads-lower-threshold: 20\nreads-lower-threshold: 25",
            2,
            "obsolete: reads-lower-threshold: 20 → line 3 sets it again, and holds",
            id="an option twice",
        ),
        pytest.param(
            "[table: t]\nreads-upper-threshold: 110",
            2,
            "from 1 to 100, got 110; without it, read.alarm",
            id="too high",
        ),
        pytest.param(
            "[table: t]\nreads-upper-threshold: nan",
            2,
            "expected a number of 1 or more, got 'nan'",
            id="no number",
        ),
        pytest.param(
            "[table: t]\nreads-upper-threshold: '80'",
            2,
            "got \"'80'\"; write it without quotation marks; without",
            id="quoted",
        ),
        pytest.param(
            "[table: t]\nmin-provisioned-reads: 5\n\tmax-provisioned-reads: 9",
            2,
            "the next line is indented, and so belongs to this value; begin it at the margin; without it, read.min_units = 1",
            id="indented",
        ),
        pytest.param("[table: t]\nreads-lower-threshold: 0", 2, "expected 1 or more", id="zero"),
        pytest.param(
            "[table: t]\nincrease-reads-with: 10.5",
            2,
            "expected a whole number, got '10.5'",
            id="not whole",
        ),
        pytest.param(
            "[table: t]\ndecrease-reads-with: 100",
            2,
            "decrease_percent: expected a whole number from 0 to 99, got 100; without it",
            id="all",
        ),
        pytest.param(
            "[table: t]\nincrease-reads-unit: precent",
            2,
            "expected percent or units, got 'precent'",
            id="unit",
        ),
        pytest.param(
            "[table: t]\nalways-decrease-rw-together: maybe",
            2,
            "expected true or false",
            id="no switch",
        ),
        pytest.param(
            "[table: t]\nmin-provisioned-reads:",
            2,
            "expected a whole number, got ''",
            id="no value",
        ),
        pytest.param(
            "[table: t]\nlookback-period: 61",
            2,
            "alarm_period_seconds: expected a whole number from 60 to 3600 in steps of 60",
            id="a long period",
        ),
        pytest.param(
            "[table: t]\nnum-read-checks-before-scale-down: 99",
            2,
            "must fit into 180 minutes; without it",
            id="many checks",
        ),
        pytest.param(
            "[table: t]\nmaintenance-windows: night",
            2,
            "expected hours such as 22:00",
            id="no hours",
        ),
        pytest.param(
            "[table: t]\nmaintenance-windows: 10:00-10:00", 2, "refused", id="empty hours"
        ),
        pytest.param(
            "[table: t]\nmaintenance-windows: 25:00-26:00",
            2,
            "refused",
            id="hours that there are not",
        ),
        pytest.param(
            "[table: t]\nsns-message-types: scale-up, mail",
            2,
            "there is no message type mail; there are",
            id="mail",
        ),
        pytest.param("[table: t]\nsns-topic-arn: capacity", 2, "refused", id="no ARN"),
        pytest.param("[table: t]\ncircuit-breaker-url: gate", 2, "refused", id="no URL"),
        pytest.param(
            "[table: t]\ncircuit-breaker-timeout: 60000",
            2,
            "circuit_breaker_seconds: expected",
            id="a long wait",
        ),
        pytest.param(
            "[global]\ncheck-interval: soon", 2, "expected a whole number", id="no interval"
        ),
        pytest.param(
            "[table: t]\nincrease-consumed-reads-scale: {0: 5, 50: 10}",
            2,
            "would raise for ever",
            id="a step at 0",
        ),
        pytest.param(
            "[table: t]\nincrease-consumed-reads-scale: {50: 0}",
            2,
            "would do nothing",
            id="no step",
        ),
        *[
            pytest.param(
                f"[table: t]\nincrease-consumed-reads-scale: {value}",
                2,
                "expected a scale such as",
                id=value,
            )
            for value in (
                "{50: 'x'}",
                "{50: 10.5}",
                "[50]",
                "{'a': 1}",
                "{-1: 5}",
                "{50",
                "{True: 5}",
                "{1e999: 5}",
                "dict()",
            )
        ],
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, number: int, words: str) -> None:
    assert words in said(text, number)
    loader.load(imported(text).toml)


def test_a_maximum_below_the_minimum_is_refused_and_the_minimum_kept() -> None:
    text = "[table: ^orders$]\nmin-provisioned-reads: 50\nmax-provisioned-reads: 10"
    assert [found.kind for found in imported(text).lines] == [
        Kind.TRANSLATED,
        Kind.TRANSLATED,
        Kind.REFUSED,
    ]
    found = policy(loader.load(imported(text).toml))
    assert (found.min_units, found.max_units) == (50, 40_000)


def test_a_minimum_above_the_default_quota_raises_the_maximum() -> None:
    assert reads("min-provisioned-reads: 60000").max_units == 60_000


@pytest.mark.parametrize("value", ["100000", "many"], ids=["out of range", "no number"])
def test_where_a_line_is_refused_the_default_options_hold(value: str) -> None:
    text = f"[default_options]\nincrease-reads-with: 40\n[table: ^orders$]\nincrease-reads-with: {value}"
    assert line(text, 4).kind is Kind.REFUSED
    assert policy(loader.load(imported(text).toml)).increase_percent == 40


def test_a_default_that_a_table_cannot_have_is_refused_there() -> None:
    text = "[default_options]\nmax-provisioned-reads: 100\n[table: ^orders$]\nmin-provisioned-reads: 200"
    assert "refused: min-provisioned-reads: 200" in said(text, 4)
    assert policy(loader.load(imported(text).toml)).max_units == 100


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param(
            ["reads-upper-threshold: 92.5"], {"alarm_percent": 92}, id="a fraction goes down"
        ),
        pytest.param(
            ["reads-upper-threshold: 1"], {"alarm_percent": 2, "lower_percent": 1}, id="the least"
        ),
        pytest.param(
            ["reads-upper-threshold: 40", "reads-lower-threshold: 50"],
            {"lower_percent": 39},
            id="lower above upper",
        ),
        pytest.param(
            ["maintenance-windows: 9:00-17:00"],
            {"windows": (Window("never_down", outside="09:00-17:00"),)},
            id="9:00",
        ),
        pytest.param(["maintenance-windows: 22:00-06:00"], {"windows": (NIGHT,)}, id="night"),
        pytest.param(
            ["reads-upper-threshold: 80 ; hot"],
            {"alarm_percent": 80},
            id="a comment behind a value",
        ),
        pytest.param(["  reads-upper-threshold = 80"], {"alarm_percent": 80}, id="indented"),
        pytest.param(
            [
                "increase-reads-with: 10",
                "increase-consumed-reads-with: 30",
                "throttled-reads-upper-threshold: 5",
            ],
            {
                "increase_percent": 10,
                "increase_steps": (ScalingStep(at=90, percent=30),),
                "throttled_events": 5,
            },
            id="a step for each cause",
        ),
    ],
)
def test_odd_values_keep_their_meaning(lines: list[str], found: dict[str, Any]) -> None:
    settings = reads(*lines)
    assert {key: getattr(settings, key) for key in found} == found


def test_keys_and_passwords_are_never_shown() -> None:
    text = (
        DEFAULTS.replace("not-to-be-shown", "not-to-be-shown\n    nor-this")
        + "circuit-breaker-url: http://me:hush@gate/x\n"
    )
    for annotate in (False, True):
        found = imported(text, annotate)
        shown = found.toml + "\n".join(f"{line}" for line in found.lines)
        assert not any(
            secret in shown for secret in ("AKIAEXAMPLE", "not-to-be-shown", "nor-this", "hush")
        )
    assert "refused: circuit-breaker-url: http://…@gate/x → a name and password" in shown


@pytest.mark.parametrize(
    "text",
    ["", "[table: ^orders$]", "[global]\n[table: ^orders$]", "[logging]\n[table: ^orders$]", "# a"],
)
def test_missing_sections_are_no_matter(text: str) -> None:
    assert imported(text).is_whole
    assert policy(rules("[table: ^orders$]")).alarm_percent == 90
    assert ("It names no table, so Headroom would manage none." in imported(text).notes) == (
        "table" not in text
    )


# the law

HEADERS = st.sampled_from(
    [
        "[global]",
        "[logging]",
        "[default_options]",
        "[table: ^a$]",
        "[table: b]",
        "[table: (]",
        "[gsi: i table: b]",
        "[gsi: .* table: c]",
        "[table: ^a$",
        "[tabel: x]",
        "[]",
        "[DEFAULT]",
        "  [table: d]",
    ]
)
VALUES = st.sampled_from(
    [
        "1",
        "0",
        "-5",
        "50",
        "90.5",
        "1000000000000",
        "percent",
        "units",
        "true",
        "off",
        "x",
        "",
        "{10: 5, 60: 20}",
        "{0: 1}",
        "{0.1: 3}",
        "22:00-23:59,00:00-06:00",
        "scale-up",
        "arn:aws:sns:eu-west-1:123456789012:capacity",
        "http://gate/x",
        "{",
        "10 ; why",
    ]
)
NAMES = st.sampled_from([*OPTIONS, *GLOBAL, *LOGGING, "colour", "Reads-Upper-Threshold"])
OPTION_LINES = st.builds("{}{}{}".format, NAMES, st.sampled_from([": ", "=", " = "]), VALUES)
OTHERS = st.sampled_from(
    [
        "",
        "   ",
        "# a comment",
        "  ; another",
        "bogus",
        "  more",
        ": 5",
        "\x1c",
        "\u2028",
        "é: ü",
        "a:\x00b",
    ]
)
FILES = st.lists(st.one_of(HEADERS, OPTION_LINES, OPTION_LINES, OTHERS), max_size=25).map("\n".join)


@given(text=FILES)
def test_every_line_is_accounted_for_once_and_what_is_printed_loads(text: str) -> None:
    found = translate(text)
    saying = [
        number for number, line in enumerate(text.splitlines(), start=1) if ini.says_something(line)
    ]
    assert [line.number for line in found.lines] == saying
    assert sum(found.counts.values()) == len(saying)
    assert loader.load(translate(text, annotate=True).toml) == loader.load(found.toml)


@given(text=st.text(alphabet="[]:=#; \t\nab0-", max_size=60))
def test_no_text_at_all_stops_it(text: str) -> None:
    loader.load(translate(text).toml)


# the command


def test_the_command_prints_the_configuration_and_accounts_for_it_apart(
    tmp_path: Path, run: RunCommand
) -> None:
    file = write_file(tmp_path, PLAIN, "scaling.ini")
    result = run("import", "dynamic-dynamodb", file)
    assert result.exit_code == 0
    assert loader.load(result.stdout) == rules(PLAIN)
    assert f"{file}:4: obsolete: region: eu-west-1" in result.errors
    assert "36 lines: 31 translated, 5 obsolete, 0 refused, 0 unknown." in result.errors


def test_with_annotate_the_account_stands_in_the_configuration(
    tmp_path: Path, run: RunCommand
) -> None:
    result = run(
        "import", "dynamic-dynamodb", write_file(tmp_path, PLAIN, "scaling.ini"), "--annotate"
    )
    assert loader.load(result.stdout) == rules(PLAIN)
    assert (
        "# 14: translated: reads-upper-threshold: 85 → read.alarm_percent = 85\n" in result.stdout
    )
    assert result.errors.endswith("36 lines: 31 translated, 5 obsolete, 0 refused, 0 unknown.")
    assert len(re.findall(r"^# \d+: ", result.stdout, re.MULTILINE)) == 36


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_file_is_read_in_the_encoding_that_it_has(
    encoding: str, tmp_path: Path, run: RunCommand
) -> None:
    file = tmp_path / "scaling.ini"
    file.write_bytes(
        "# für Bestellungen\r\n[table: ^orders$]\r\nmin-provisioned-reads: 7\r\n".encode(encoding)
    )
    result = run("import", "dynamic-dynamodb", file)
    assert result.exit_code == 0
    assert policy(loader.load(result.stdout)).min_units == 7


@pytest.mark.parametrize(
    "wrong", ["colour: red", "reads-upper-threshold: hot"], ids=["unknown", "refused"]
)
def test_the_exit_status_is_1_where_something_is_lost(
    wrong: str, tmp_path: Path, run: RunCommand
) -> None:
    result = run(
        "import",
        "dynamic-dynamodb",
        write_file(tmp_path, f"[table: ^orders$]\n{wrong}\n", "scaling.ini"),
    )
    assert result.exit_code == 1
    assert loader.load(result.stdout).manages("orders")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, run: RunCommand) -> None:
    result = run("import", "dynamic-dynamodb", tmp_path / "none.ini")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such file or directory" in result.errors
