"""Dynamic DynamoDB's configuration is translated: every option keeps its meaning."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.config import loader
from chalicelib.config.rules import Matcher
from chalicelib.config.windows import Window
from headroom.migrate import ini
from headroom.migrate.dynamic_dynamodb import matcher
from headroom.migrate.dynamic_options import GLOBAL, LOGGING, OPTIONS
from headroom.migrate.imported import Kind
from tests.support.dynamic_dynamodb import (
    DEFAULTS,
    GRANULAR,
    PLAIN,
    TINY_STEPS,
    TOPIC,
    WRITE,
    explanation,
    imported,
    policy,
    reads,
    rules,
)

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


def test_steps_below_a_percent_stay_as_they_are_and_leave_nothing_to_lower() -> None:
    found = policy(rules(TINY_STEPS))
    assert [row.at for row in found.increase_steps] == [0, 0.25, 0.5, 1, 2, 5]
    assert (found.alarm_percent, found.scale_down) == (2, False)
    assert "what is raised at 1 % or less is never low: scale_down = false" in explanation(
        TINY_STEPS, 4
    )


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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[table: my_table]",
            'name = "my_table*"; every name that begins so, here as there; '
            'write name = "my_table" if that one alone is meant',
            id="a name without an end",
        ),
        pytest.param("[table: ^prod-.*]", 'name = "prod-*"', id="an end that is declared free"),
    ],
)
def test_the_report_of_a_section_shows_its_rule(text: str, expected: str) -> None:
    assert explanation(text, 1) == f"translated: {text} → [[tables]] {expected}"


def test_the_report_of_a_disabled_switch_names_both_settings() -> None:
    assert explanation("[table: t]\nenable-reads-autoscaling: false", 2) == (
        "switched off: enable-reads-autoscaling: false → "
        "read.scale_up = false, read.scale_down = false"
    )


@pytest.mark.parametrize("regex", ["(", "a**", "(?x) # a (", "[z-a]", "(a+)+$", "^(x|[a-z]+)*y$"])
def test_a_section_whose_name_is_no_quick_regular_expression_is_refused_whole(regex: str) -> None:
    text = f"[table: {regex}]\nreads-upper-threshold: 80\n[table: ^orders$]"
    assert [found.kind for found in imported(text).lines] == [
        Kind.REFUSED,
        Kind.REFUSED,
        Kind.TRANSLATED,
    ]
    assert len(loader.load(imported(text).toml).tables) == 1


def test_the_first_section_that_matches_wins_in_both() -> None:
    found = rules(
        "[table: ^log_a$]\nreads-upper-threshold: 80\n[table: ^log_]\nreads-upper-threshold: 70"
    )
    assert policy(found, "log_a").alarm_percent == 80
    assert policy(found, "log_b").alarm_percent == 70


def test_an_index_may_stand_before_its_table() -> None:
    found = rules(
        "[gsi: ^by-date$ table: ^orders$]\nreads-upper-threshold: 70\n"
        "[table: ^orders$]\nreads-upper-threshold: 80"
    )
    assert (policy(found).alarm_percent, policy(found, index="by-date").alarm_percent) == (80, 70)


def test_an_index_without_its_table_gets_a_rule_that_leaves_the_table_alone() -> None:
    text = "[gsi: ^by-date$ table: ^orders$]\nreads-upper-threshold: 70"
    found = rules(text)
    assert (policy(found).scale_up, policy(found).scale_down) == (False, False)
    index = policy(found, index="by-date")
    assert (index.alarm_percent, index.scale_up, index.scale_down) == (70, True, True)
    assert "no [table: ^orders$] stands beside it" in explanation(text, 1)


def test_two_indexes_of_a_table_without_a_section_share_a_rule() -> None:
    found = rules(
        "[gsi: ^a$ table: ^orders$]\nreads-upper-threshold: 70\n"
        "[gsi: ^b$ table: ^orders$]\nreads-upper-threshold: 60"
    )
    assert len(found.tables) == 1
    assert [policy(found, index=index).alarm_percent for index in "ab"] == [70, 60]


def test_a_section_for_every_index_needs_no_rule_for_the_others() -> None:
    found = imported("[table: ^orders$]\n[gsi: .* table: ^orders$]")
    assert policy(loader.load(found.toml), index="any").scale_up
    assert found.toml.count("[[tables.indexes]]") == 1
