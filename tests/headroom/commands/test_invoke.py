"""`headroom invoke`: any real message, in the embedded region."""

import io
import json
import sys
from pathlib import Path

import pytest

from headroom.project import ROOT
from headroom.region.region import Region
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import rules

DATA = ROOT / "tests" / "data"
MESSAGES = sorted((ROOT / "examples" / "messages").glob("*.json"))


@pytest.mark.slow(traced=True)
def test_a_dry_run_prints_the_plan_in_words(tmp_path: Path, run: RunCommand) -> None:
    config = write_file(tmp_path, rules("orders", dry_run=False))
    result = run("invoke", DATA / "sns-table.json", "--dry-run", "--config", config)
    assert (result.exit_code, result.errors) == (0, "")
    assert result.output == (
        "Embedded region: orders with 100 units of reads and of writes, "
        "and a load of 88.0 read units a second. "
        "target now then reason "
        "orders:read 100 150 consumption is at or above the alarm's level (UtilizationHigh): "
        "may take minutes: above the warm throughput of 100 units "
        "orders:write 100 100 it fits the load (AlreadyAtDesiredCapacity) "
        "Would set orders:read 100 → 150 units in one UpdateTable call "
        "Would rewrite alarm orders-reads-high: Threshold 4800 → 7200"
    )


def test_without_dry_run_the_plan_is_carried_out_and_printed(
    tmp_path: Path, run: RunCommand
) -> None:
    config = write_file(tmp_path, rules("orders"))
    result = run("invoke", DATA / "sns-index.json", "--config", config)
    assert result.exit_code == 0
    assert result.output.endswith(
        "Set orders/by-date:write 100 → 150 units in one UpdateTable call "
        "Rewrite alarm orders-by-date-writes-high: Threshold 4800 → 7200"
    )


def test_the_default_strategy_scales_up_as_far_as_the_demand_needs(run: RunCommand) -> None:
    result = run("invoke", DATA / "sns-table.json", "--dry-run")
    assert result.exit_code == 0
    assert "Would set orders:read 84 → 88 units in one UpdateTable call" in result.output


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    "name", ["sns-2016", "sns-china", "sns-one-in-list", "queue-notification", "sns-throttle"]
)
def test_every_form_of_a_message_is_tried(name: str, run: RunCommand) -> None:
    result = run("invoke", DATA / f"{name}.json", "--dry-run")
    assert (result.exit_code, result.errors) == (0, "")
    assert "Would set orders" in result.output


def of_another_account() -> str:
    text = (DATA / "sns-table.json").read_text()
    return text.replace("123456789012", "555555555555").replace(":us-east-1:", ":eu-west-1:")


@pytest.mark.slow
def test_a_real_message_is_of_the_region_of_its_own(tmp_path: Path, run: RunCommand) -> None:
    result = run("invoke", write_file(tmp_path, of_another_account()), "--dry-run")
    assert result.exit_code == 0
    assert "Would set orders:read 84 → 88 units" in result.output


def test_against_the_account_it_is_foreign(tmp_path: Path, run: RunCommand) -> None:
    file, config = (
        write_file(tmp_path, of_another_account(), "m.json"),
        write_file(tmp_path, rules()),
    )
    with Region():
        result = run("invoke", file, "--account", "--config", config)
    assert result.exit_code == 1
    assert "the alarm is in eu-west-1, this is us-east-1 (ForeignAccountOrRegion)" in result.output


@pytest.mark.parametrize(
    ("threshold", "settings", "expected"),
    [
        (240.0, {"alarm_percent": 80, "increase_percent": 60}, "5 → 8"),
        (7_200.0, {"alarm_percent": 80, "increase_percent": 60}, "150 → 240"),
        (240.0, {"alarm_percent": 50, "target_percent": 40}, "8 → 12"),
    ],
)
def test_the_table_is_made_as_the_configurations_alarm_percent_says(
    threshold: float, settings: dict[str, int], expected: str, tmp_path: Path, run: RunCommand
) -> None:
    text = (DATA / "sns-table.json").read_text().replace("4800.0,", f"{threshold},")
    config = write_file(tmp_path, rules("orders", **settings))
    result = run("invoke", write_file(tmp_path, text, "m.json"), "--dry-run", "--config", config)
    assert f"Would set orders:read {expected} units" in result.output


@pytest.mark.slow
def test_the_messages_of_a_queues_event_are_handled_one_by_one(
    tmp_path: Path, run: RunCommand
) -> None:
    bodies = [(DATA / f"{name}.json").read_text() for name in ("queue-notification", "sns-table")]
    bodies[1] = bodies[1].replace("orders", "users")
    event = json.dumps({"Records": [{"eventSource": "aws:sqs", "body": body} for body in bodies]})
    output = run("invoke", write_file(tmp_path, event)).output
    assert "Set orders:read 84 → 88 units" in output
    assert "Set users:read 84 → 88 units" in output


@pytest.mark.slow
def test_a_status_check_finds_a_group_with_a_failing_instance(
    tmp_path: Path, run: RunCommand
) -> None:
    text = '[[healing]]\ngroup = "web-*"\naction = "reboot"\ncooldown_minutes = 2\n'
    config = write_file(tmp_path, text)
    result = run("invoke", DATA / "sns-instance.json", "--config", config)
    assert result.exit_code == 0
    assert "Embedded region: group web-x with 6 instances." in result.output
    assert "it stands for i-0a1b2c3d4e5f60718" in result.output
    assert "(StatusCheckFailed;" in result.output


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("file", MESSAGES, ids=lambda file: file.stem)
def test_the_messages_that_are_shipped_can_be_tried(file: Path, run: RunCommand) -> None:
    assert run("invoke", file, "--dry-run").exit_code == 0


def test_a_message_can_come_from_standard_input_and_the_outcome_be_json(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO((DATA / "sns-table.json").read_text()))
    data = json.loads(run("invoke", "-", "--dry-run", "--json").stdout)
    assert (data["decisions"][0]["desired"], data["done"]) == (88, [])
    assert data["planned"][0] == "Set orders:read 84 → 88 units in one UpdateTable call"


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
    assert (result.exit_code, result.errors) == (1, "")
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
    assert result.exit_code == 1
    assert "[bold]high[/] [/nothing]: passed over" in result.output


def test_control_characters_in_a_message_are_shown_and_not_obeyed(
    tmp_path: Path, run: RunCommand
) -> None:
    message = json.loads(OK) | {"AlarmName": "\x1b[31mred\x1b]0;title\x07\u202e"}
    result = run("invoke", write_file(tmp_path, json.dumps(message)), "--dry-run")
    assert "\\x1b[31mred\\x1b]0;title\\x07\\u202e: passed over" in result.stdout
    assert not set("\x1b\x07\u202e") & set(result.stdout)
