"""`headroom demo` and `headroom invoke`."""

import io
import json
import sys
from pathlib import Path

import pytest

from headroom.demo.scenes import SCENES
from headroom.project import ROOT
from tests.support.command_line import CommandResult, RunCommand, write_file, write_trace
from tests.support.scenes import rules

DATA = ROOT / "tests" / "data"
BUDGET = "decreases today 0, decreases left 27, next decrease at 2026-11-02T00:30:00+00:00"


# demo


def test_a_demo_of_three_hours_ends_with_a_picture_and_a_summary(
    tmp_path: Path, run: RunCommand
) -> None:
    trace = write_trace(tmp_path, [100.0] * 60 + [220.0] * 60 + [40.0] * 60)
    result = run("demo", "--trace", trace, "--config", write_file(tmp_path, rules("orders")))
    assert result.exit_code == 0
    assert result.output.startswith("180 minutes of demand for table orders and its index by-date.")
    assert "orders:read ▲ 130 → 330" in result.output
    assert "orders:read (ConsumedReadCapacityUnits), units per second over hours" in result.output
    assert "Results" in result.output
    assert "0 refused by DynamoDB, 0 events lost" in result.output
    assert result.output.endswith("No alarm is stuck.")


def test_a_quiet_demo_shows_the_summary_alone(tmp_path: Path, run: RunCommand) -> None:
    result = run("demo", "--quiet", "--trace", write_trace(tmp_path, [100.0] * 20))
    assert result.exit_code == 0
    assert "Make alarm" not in result.output
    assert "Results" in result.output


def test_an_unknown_scene_is_refused_and_the_known_ones_are_listed(run: RunCommand) -> None:
    result = run("demo", "--scene", "flete")
    assert result.exit_code == 2
    assert f"there is no scene 'flete', only {', '.join(SCENES)}" in result.errors


def test_a_demo_needs_a_rule_for_its_table(tmp_path: Path, run: RunCommand) -> None:
    result = run("demo", "--config", write_file(tmp_path, rules("users")))
    assert result.exit_code == 2
    assert (
        "the demo uses a table named orders, but no rule of the configuration names it"
        in result.errors
    )


# invoke


def test_a_dry_run_prints_the_plan_in_words(tmp_path: Path, run: RunCommand) -> None:
    result = run(
        "invoke",
        DATA / "sns-table.json",
        "--dry-run",
        "--config",
        write_file(tmp_path, rules("orders")),
    )
    assert result == CommandResult(
        0,
        result.stdout,
        "Embedded region: orders with 84 units of read and write, 88.0 units/s of reads. "
        "orders:read 84 → 132 units: consumption is at or above the alarm's level "
        f"(UtilizationHigh; alarm level units 67.2, consumed units 88, base units 88, {BUDGET}) "
        "orders:write stays at 84 units: it fits the load "
        f"(AlreadyAtDesiredCapacity; alarm level units 67.2, consumed units 0, {BUDGET}) "
        "Would set orders:read 84 → 132 units in one UpdateTable call "
        "Would rewrite alarm orders-reads-high: Threshold 4800 → 6336",
        "",
    )


def test_without_dry_run_the_plan_is_carried_out_and_printed(
    tmp_path: Path, run: RunCommand
) -> None:
    result = run(
        "invoke", DATA / "sns-index.json", "--config", write_file(tmp_path, rules("orders"))
    )
    assert result.exit_code == 0
    assert result.output.startswith(
        "Embedded region: orders/by-date with 84 units of read and write, 88.0 units/s of writes."
    )
    assert result.output.endswith(
        "Set orders/by-date:write 84 → 132 units in one UpdateTable call "
        "Rewrite alarm orders-by-date-writes-high: Threshold 4800 → 6336"
    )


def test_the_default_strategy_scales_up_as_far_as_the_demand_needs(run: RunCommand) -> None:
    result = run("invoke", DATA / "sns-table.json", "--dry-run")
    assert result.exit_code == 0
    assert "Would set orders:read 84 → 88 units in one UpdateTable call" in result.output


@pytest.mark.parametrize(
    "name", ["sns-2016", "sns-index", "sns-index-reversed", "lambda-action", "eventbridge"]
)
def test_every_form_of_a_message_is_understood(name: str, run: RunCommand) -> None:
    result = run("invoke", DATA / f"{name}.json", "--dry-run")
    assert result.exit_code == 0
    assert "Would set" in result.output
    assert "Would rewrite alarm" in result.output


def test_a_message_can_come_from_standard_input(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO((DATA / "sns-table.json").read_text()))
    assert "Would set orders:read" in run("invoke", "-", "--dry-run").output


OK = (
    (DATA / "sns-table.json")
    .read_text()
    .replace('"NewStateValue": "ALARM"', '"NewStateValue": "OK"')
)
OTHER = (DATA / "sns-table.json").read_text().replace('"AWS/DynamoDB"', '"AWS/SQS"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "no JSON", "message: passed over: not a CloudWatch alarm message: ", id="no JSON"
        ),
        pytest.param(
            "[1, 2]", "message: passed over: not a CloudWatch alarm message: ", id="not an object"
        ),
        pytest.param("{}", "message: passed over: not a CloudWatch alarm message: ", id="empty"),
        pytest.param(
            '{"Records": []}',
            "event: passed over: not an SNS event: ",
            id="an event without a record",
        ),
        pytest.param(
            OK,
            "orders-reads-high: passed over: the alarm went to OK; only ALARM starts a check "
            "(NotInAlarm)",
            id="OK",
        ),
        pytest.param(
            OTHER,
            "orders-reads-high: passed over: cannot scale by this alarm: its namespace is "
            "AWS/SQS, not AWS/DynamoDB "
            "(UnsupportedAlarm)",
            id="of another service",
        ),
        *[
            pytest.param(
                (DATA / f"sns-{name}.json").read_text(),
                f"passed over: cannot scale by this alarm: it is {what} alarm (UnsupportedAlarm)",
                id=name,
            )
            for name, what in (
                ("math", "a metric math"),
                ("anomaly", "an anomaly detection"),
                ("composite", "a composite"),
            )
        ],
    ],
)
def test_a_message_that_asks_for_nothing_is_skipped_with_the_reason(
    text: str, expected: str, tmp_path: Path, run: RunCommand
) -> None:
    result = run("invoke", write_file(tmp_path, text), "--dry-run")
    assert (result.exit_code, result.errors) == (0, "")
    assert expected in result.output
    assert result.output.endswith("Would change nothing.")


def test_a_message_about_a_table_without_a_rule_is_skipped(tmp_path: Path, run: RunCommand) -> None:
    result = run(
        "invoke",
        DATA / "sns-table.json",
        "--dry-run",
        "--config",
        write_file(tmp_path, rules("users")),
    )
    assert (
        "orders-reads-high: passed over: no rule in the configuration names table orders "
        "(NotManaged)" in result.output
    )


def test_brackets_in_a_message_are_printed_unchanged(tmp_path: Path, run: RunCommand) -> None:
    text = OK.replace("orders-reads-high", "[bold]high[/] [/nothing]")
    result = run("invoke", write_file(tmp_path, text), "--dry-run")
    assert result.exit_code == 0
    assert "[bold]high[/] [/nothing]: passed over" in result.output


def test_control_characters_in_a_message_are_shown_and_not_obeyed(
    tmp_path: Path, run: RunCommand
) -> None:
    message = json.loads(OK) | {"AlarmName": "\x1b[31mred\x1b]0;title\x07\u202e"}
    result = run("invoke", write_file(tmp_path, json.dumps(message)), "--dry-run")
    assert "\\x1b[31mred\\x1b]0;title\\x07\\u202e: passed over" in result.stdout
    assert not set("\x1b\x07\u202e") & set(result.stdout)
