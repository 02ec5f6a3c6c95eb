"""Mistakes in a configuration of Dynamic DynamoDB: each line is accounted for."""

from typing import Any

import pytest

from chalicelib.config import loader
from chalicelib.config.types import ScalingStep
from chalicelib.config.windows import Window
from headroom.migrate.imported import Kind
from tests.support.dynamic_dynamodb import (
    DEFAULTS,
    NIGHT,
    explanation,
    imported,
    line,
    policy,
    reads,
    rules,
)

# what is not as it should be


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        pytest.param(
            "[table: t]\nreads-uper-threshold: 80",
            2,
            (
                "unknown: reads-uper-threshold: 80 → Dynamic DynamoDB has no such option; did you "
                "mean reads-upper-threshold?"
            ),
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
            (
                "the next line is indented, and so belongs to this value; begin it at the margin; "
                "without it, read.min_units = 1"
            ),
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
def test_a_mistake_is_reported_with_its_line(text: str, number: int, words: str) -> None:
    assert words in explanation(text, number)
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
    text = (
        "[default_options]\nincrease-reads-with: 40\n[table: "
        f"^orders$]\nincrease-reads-with: {value}"
    )
    assert line(text, 4).kind is Kind.REFUSED
    assert policy(loader.load(imported(text).toml)).increase_percent == 40


def test_a_default_that_a_table_cannot_have_is_refused_there() -> None:
    text = (
        "[default_options]\nmax-provisioned-reads: 100\n[table: "
        "^orders$]\nmin-provisioned-reads: 200"
    )
    assert "refused: min-provisioned-reads: 200" in explanation(text, 4)
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
