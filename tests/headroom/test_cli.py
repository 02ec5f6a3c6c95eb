"""The command line, as an operator types it: every command, its words, its exit code, and mistakes
in one sentence."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.config.policy import SETTINGS, make_policy
from headroom import cli
from headroom.demo.scenes import PLAYS
from headroom.project import ROOT
from headroom.simulation import pricing
from headroom.simulation.compare import Row, compare
from tests.support.builders import READS
from tests.support.scenes import autoscale, orders, pass_minutes, rules

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
DATA = ROOT / "tests" / "data"
BUDGET = "decreases today 0, decreases left 27, next decrease at 2026-11-02T00:30:00+00:00"


@dataclass(frozen=True)
class Ended:
    """What a command came to. said, complained: its two outputs, each as one line."""

    code: int
    out: str
    said: str
    complained: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process, as the console script does."""
    for name in ("HEADROOM_CONFIG", "ALARM_TOPIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*words: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["headroom", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        caught = capsys.readouterr()
        return Ended(
            int(ended.value.code or 0), caught.out, _one_line(caught.out), _one_line(caught.err)
        )

    return run


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"[│╭╮╰╯─]|\x1b\[[0-9;]*m", " ", text).split())


def written(folder: Path, text: str, name: str = "file.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def trace_of(folder: Path, demand: list[float], name: str = "trace.csv") -> Path:
    lines = "".join(f"{minute},{rate}\n" for minute, rate in enumerate(demand))
    return written(folder, f"minute,demand\n{lines}", name)


# help

COMMANDS = {
    (command.name or command.callback.__name__): command
    for command in cli.app.registered_commands
    if command.callback
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_that_begins_with_its_sentence(name: str, run: Run) -> None:
    doc = COMMANDS[name].help or COMMANDS[name].callback.__doc__  # type: ignore[union-attr]
    ended = run(name, "--help")
    assert ended.code == 0
    assert f"headroom {name}" in ended.said
    assert " ".join((doc or "?").split()) in ended.said


def test_the_help_of_all_names_every_command(run: Run) -> None:
    said = run("--help").said.split()
    assert {name for name in COMMANDS if name in said} == set(COMMANDS)
    assert {"demo", "invoke", "check", "explain", "backtest", "bench"} <= set(COMMANDS)


def test_the_version_is_told_without_a_command(run: Run) -> None:
    ended = run("--version")
    assert (ended.code, ended.said) == (0, VERSION)


# demo


def test_a_demo_of_three_hours_ends_with_a_picture_and_a_summary(tmp_path: Path, run: Run) -> None:
    trace = trace_of(tmp_path, [100.0] * 60 + [220.0] * 60 + [40.0] * 60)
    ended = run("demo", "--trace", trace, "--config", written(tmp_path, rules("orders")))
    assert ended.code == 0
    assert ended.said.startswith("180 minutes of demand for table orders and its index by-date.")
    assert "orders:read ▲ 130 → 330" in ended.said
    assert "orders:read (ConsumedReadCapacityUnits), units per second over hours" in ended.said
    assert "What it came to" in ended.said
    assert "0 refused by DynamoDB, 0 events lost" in ended.said
    assert ended.said.endswith("No alarm is stuck.")


def test_a_quiet_demo_shows_the_summary_alone(tmp_path: Path, run: Run) -> None:
    ended = run("demo", "--quiet", "--trace", trace_of(tmp_path, [100.0] * 20))
    assert ended.code == 0
    assert "Make alarm" not in ended.said
    assert "What it came to" in ended.said


def test_a_scene_that_there_is_not_is_refused_with_those_that_there_are(run: Run) -> None:
    ended = run("demo", "--scene", "flete")
    assert ended.code == 2
    assert f"there is no scene 'flete', only {', '.join(PLAYS)}" in ended.complained


def test_a_demo_needs_a_rule_for_its_table(tmp_path: Path, run: Run) -> None:
    ended = run("demo", "--config", written(tmp_path, rules("users")))
    assert ended.code == 2
    assert (
        "the demo plays with a table named orders, which no rule of the configuration names"
        in ended.complained
    )


# invoke


def test_a_message_is_planned_in_words(tmp_path: Path, run: Run) -> None:
    ended = run(
        "invoke",
        DATA / "sns-table.json",
        "--dry-run",
        "--config",
        written(tmp_path, rules("orders")),
    )
    assert ended == Ended(
        0,
        ended.out,
        "Embedded region: orders with 84 units of read and write, 88.0 units/s of reads. "
        "orders:read 84 → 132 units: consumption is at or above the alarm's level "
        f"(UtilizationHigh; alarm level units 67.2, consumed units 88, base units 88, {BUDGET}) "
        "orders:write stays at 84 units: it fits the load "
        f"(AlreadyAtDesiredCapacity; alarm level units 67.2, consumed units 0, {BUDGET}) "
        "Would set orders:read 84 → 132 units in one UpdateTable call "
        "Would rewrite alarm orders-reads-high: Threshold 4800 → 6336",
        "",
    )


def test_without_dry_run_it_is_done_and_said_so(tmp_path: Path, run: Run) -> None:
    ended = run("invoke", DATA / "sns-index.json", "--config", written(tmp_path, rules("orders")))
    assert ended.code == 0
    assert ended.said.startswith(
        "Embedded region: orders/by-date with 84 units of read and write, 88.0 units/s of writes."
    )
    assert ended.said.endswith(
        "Set orders/by-date:write 84 → 132 units in one UpdateTable call "
        "Rewrite alarm orders-by-date-writes-high: Threshold 4800 → 6336"
    )


def test_the_default_strategy_plans_as_far_as_the_demand_needs(run: Run) -> None:
    ended = run("invoke", DATA / "sns-table.json", "--dry-run")
    assert ended.code == 0
    assert "Would set orders:read 84 → 88 units in one UpdateTable call" in ended.said


@pytest.mark.parametrize(
    "name", ["sns-2016", "sns-index", "sns-index-reversed", "lambda-action", "eventbridge"]
)
def test_every_form_of_a_message_is_understood(name: str, run: Run) -> None:
    ended = run("invoke", DATA / f"{name}.json", "--dry-run")
    assert ended.code == 0
    assert "Would set" in ended.said
    assert "Would rewrite alarm" in ended.said


def test_a_message_may_come_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO((DATA / "sns-table.json").read_text()))
    assert "Would set orders:read" in run("invoke", "-", "--dry-run").said


OK = (
    (DATA / "sns-table.json")
    .read_text()
    .replace('"NewStateValue": "ALARM"', '"NewStateValue": "OK"')
)
OTHER = (DATA / "sns-table.json").read_text().replace('"AWS/DynamoDB"', '"AWS/SQS"')


@pytest.mark.parametrize(
    ("text", "said"),
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
            "orders-reads-high: passed over: the alarm went to OK; only ALARM asks for a look (NotInAlarm)",
            id="OK",
        ),
        pytest.param(
            OTHER,
            "orders-reads-high: passed over: cannot scale by this alarm: its namespace is AWS/SQS, not AWS/DynamoDB "
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
def test_a_message_of_no_use_is_passed_over_with_its_reason(
    text: str, said: str, tmp_path: Path, run: Run
) -> None:
    ended = run("invoke", written(tmp_path, text), "--dry-run")
    assert (ended.code, ended.complained) == (0, "")
    assert said in ended.said
    assert ended.said.endswith("Would change nothing.")


def test_a_message_about_a_table_without_a_rule_is_passed_over(tmp_path: Path, run: Run) -> None:
    ended = run(
        "invoke",
        DATA / "sns-table.json",
        "--dry-run",
        "--config",
        written(tmp_path, rules("users")),
    )
    assert (
        "orders-reads-high: passed over: no rule in the configuration names table orders (NotManaged)"
        in ended.said
    )


def test_brackets_in_a_message_are_shown_as_they_are(tmp_path: Path, run: Run) -> None:
    text = OK.replace("orders-reads-high", "[bold]high[/] [/nothing]")
    ended = run("invoke", written(tmp_path, text), "--dry-run")
    assert ended.code == 0
    assert "[bold]high[/] [/nothing]: passed over" in ended.said


# check


def test_a_right_configuration_is_said_to_be_right(tmp_path: Path, run: Run) -> None:
    assert run("check", written(tmp_path, rules("orders", "users"))) == Ended(
        0,
        "The configuration is right: 2 rule(s) for tables.\n",
        "The configuration is right: 2 rule(s) for tables.",
        "",
    )


def test_a_configuration_without_a_rule_manages_nothing(tmp_path: Path, run: Run) -> None:
    ended = run("check", written(tmp_path, ""))
    assert ended.code == 0
    assert ended.said.endswith("It names no table, so Headroom manages none.")


def test_the_configuration_is_the_one_that_the_environment_names(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADROOM_CONFIG", str(written(tmp_path, rules("a", "b", "c"))))
    assert run("check").said == "The configuration is right: 3 rule(s) for tables."


WRONG = """
colour = "red"
[defaults]
min_unit = 5
max_units = "many"
[[tables]]
name = "orders"
min_units = 50
max_units = 40
[[tables]]
name = "users"
read.alarm_percent = 101
indexes = 3
"""


def test_every_mistake_is_reported_at_once_with_its_path(tmp_path: Path, run: Run) -> None:
    file = written(tmp_path, WRONG)
    ended = run("check", file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complained.startswith(f"headroom: {file}: 5 problem(s) in the configuration")
    for problem in (
        "- colour: unknown key",
        "- defaults.min_unit: unknown key; did you mean min_units?",
        '- defaults.max_units: expected a whole number from 1 to 1000000, got "many"',
        "- tables[1].read.alarm_percent: expected a whole number from 1 to 100, got 101",
        "- tables[1].indexes: expected an array of tables, write [[indexes]], got 3",
    ):
        assert problem in ended.complained


def test_settings_that_contradict_each_other_are_reported_too(tmp_path: Path, run: Run) -> None:
    ended = run(
        "check", written(tmp_path, '[[tables]]\nname = "orders"\nmin_units = 50\nmax_units = 40\n')
    )
    assert ended.code == 2
    assert "tables[0].read.min_units: 50 is above max_units = 40" in ended.complained
    assert "tables[0].write.min_units: 50 is above max_units = 40" in ended.complained


def test_the_settings_of_a_table_are_shown_for_reads_and_writes(tmp_path: Path, run: Run) -> None:
    file = written(
        tmp_path,
        '[[tables]]\nname = "orders"\nread.max_units = 900\n[[tables.indexes]]\nname = "by-*"\nmin_units = 7\n',
    )
    ended = run("check", file, "--table", "orders")
    assert ended.code == 0
    reads, writes = ended.out.split("orders:write")
    assert "  max_units = 900\n" in reads
    assert "  max_units = 40000\n" in writes
    assert all(f"  {name} = " in reads and f"  {name} = " in writes for name in SETTINGS)
    assert "  min_units = 7\n" in run("check", file, "--table", "orders", "--index", "by-date").out
    assert "  min_units = 1\n" in ended.out


def test_what_is_doubtful_is_told_and_is_no_mistake(tmp_path: Path, run: Run) -> None:
    ended = run("check", written(tmp_path, '[[tables]]\nname = "orders"\nnotify = ["scaled_up"]\n'))
    assert (ended.code, ended.out) == (0, "The configuration is right: 1 rule(s) for tables.\n")
    assert ended.complained.startswith("but tables[0].notify: nobody is notified")


def test_windows_and_steps_are_shown_as_the_configuration_has_them(
    tmp_path: Path, run: Run
) -> None:
    lines = (
        'windows = [{ rule = "never_down", outside = "22:00-06:00" }]',
        'reserve_decreases = [{ at = "02:00", count = 2 }]',
        "increase_steps = [{ at = 80.5, percent = 25 }, { at = 120.0, units = 500 }]",
        'notify = ["scaled_up"]',
    )
    text = "\n".join(['[[tables]]\nname = "orders"\nstrategy = "percent"', *lines])
    ended = run("check", written(tmp_path, text), "--table", "orders")
    assert ended.code == 0
    assert all(ended.out.count(f"  {line}\n") == 2 for line in lines)


def test_a_table_that_no_rule_names_is_left_alone(tmp_path: Path, run: Run) -> None:
    ended = run("check", written(tmp_path, rules("orders")), "--table", "users")
    assert ended.code == 1
    assert ended.said.endswith("No rule names table users: Headroom leaves it alone.")


# backtest

STEPS = [100.0] * 60 + [400.0] * 60 + [50.0] * 120


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    return trace_of(tmp_path, STEPS)


def test_a_backtest_prints_a_table_with_a_row_for_each_policy(steps: Path, run: Run) -> None:
    ended = run("backtest", "--trace", steps, "--aas", "50", "--aas", "90")
    assert ended.code == 0
    assert ended.said.startswith("240 minutes of reads")
    for row in compare(STEPS, make_policy(), pricing.load(), targets=(50, 90)).rows:
        cells = f"{row.name} {row.cost_month:,.2f} {row.over_optimum:.2f} {row.effective:.2f} {row.throttled_ppm:,.0f}"
        assert cells in ended.said


def test_a_backtest_in_json_is_the_whole_comparison(steps: Path, run: Run) -> None:
    said = json.loads(run("backtest", "--trace", steps, "--json").out)
    assert said == compare(STEPS, make_policy(), pricing.load()).as_data()


def test_a_backtest_in_csv_has_a_line_for_each_policy(steps: Path, run: Run) -> None:
    lines = list(csv.DictReader(io.StringIO(run("backtest", "--trace", steps, "--csv").out)))
    rows = compare(STEPS, make_policy(), pricing.load()).rows
    assert [line["name"] for line in lines] == [row.name for row in rows]
    assert list(lines[0]) == list(Row.__dataclass_fields__)
    assert [float(line["effective"]) for line in lines] == [row.effective for row in rows]


def test_the_configuration_and_the_world_hold_in_a_backtest(
    steps: Path, tmp_path: Path, run: Run
) -> None:
    file = written(
        tmp_path, '[defaults]\nmin_units = 300\n[[tables]]\nname = "trace"\nwrite.min_units = 600\n'
    )
    options = ("backtest", "--trace", steps, "--json", "--config", file)
    plain, slow = (
        run(*options),
        run(*options, "--metric-delay", "3", "--update-minutes", "3", "--burst-seconds", "0"),
    )
    writes = json.loads(run(*options, "--dimension", "write").out)
    least = make_policy(min_units=300)
    assert (
        json.loads(plain.out)["rows"][0]["cost_month"]
        == compare(STEPS, least, pricing.load()).rows[0].cost_month
    )
    assert json.loads(slow.out)["rows"][0] != json.loads(plain.out)["rows"][0]
    assert writes["dimension"] == "write"
    assert writes["rows"][0]["over_optimum"] > json.loads(plain.out)["rows"][0]["over_optimum"]


def test_a_backtest_writes_a_page(steps: Path, tmp_path: Path, run: Run) -> None:
    page = tmp_path / "page.html"
    ended = run("backtest", "--trace", steps, "--html", page)
    assert ended.code == 0
    assert ended.complained == f"Wrote {page}"
    assert "<h1>trace.csv</h1>" in page.read_text()


@pytest.mark.parametrize(
    "words", [(), ("--trace", "x.csv", "--table", "orders")], ids=["neither", "both"]
)
def test_a_backtest_needs_either_a_trace_or_a_table(words: tuple[str, ...], run: Run) -> None:
    ended = run("backtest", *words)
    assert ended.code == 2
    assert "give either --trace FILE or --table NAME" in ended.complained


# bench


def test_a_bench_prints_every_world_and_compares_itself_with_the_last(
    tmp_path: Path, run: Run
) -> None:
    trace_of(tmp_path, STEPS, "steps.csv")
    trace_of(tmp_path, [50.0] * 120, "even.csv")
    written(
        tmp_path,
        "| trace | class | what |\n|---|---|---|\n| steps | step | a step |\n| even | smooth | even |\n",
        "INDEX.md",
    )
    results = tmp_path / "results.json"
    first = run("bench", "--traces", tmp_path, "--results", results, "--each", "--save")
    assert (first.code, first.complained) == (0, "")
    assert first.said.startswith(f"2 traces from {tmp_path}")
    for words in (
        "as measured: over the optimum",
        "half the burst bucket: over",
        "slow: over",
        "step (1)",
        "smooth (1)",
    ):
        assert words in first.said
    assert first.said.endswith(f"Wrote {results}")
    again = run("bench", "--traces", tmp_path, "--results", results)
    assert again.said.endswith("0 of 6 figures differ by more than 0.5% from results.json.")


def test_a_bench_of_a_folder_that_is_not_there_is_refused(run: Run) -> None:
    ended = run("bench", "--traces", "tarces")
    assert (ended.code, ended.complained) == (
        2,
        "headroom: tarces: there is no such folder; without --traces the bench generates its own",
    )


def test_a_bench_tells_what_changed(tmp_path: Path, run: Run) -> None:
    trace_of(tmp_path, STEPS, "steps.csv")
    results = tmp_path / "results.json"
    run("bench", "--traces", tmp_path, "--results", results, "--save")
    plain = written(tmp_path, '[defaults]\nstrategy = "percent"\n')
    ended = run("bench", "--traces", tmp_path, "--results", results, "--config", plain)
    assert "as measured, steps: " in ended.said
    assert ended.said.endswith("3 of 3 figures differ by more than 0.5% from results.json.")


# mistakes


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        pytest.param(("check",), "[[tables]", "not TOML: ", id="not TOML"),
        pytest.param(
            ("check",),
            "defaults = 3",
            "defaults: expected a table, write [defaults], got 3",
            id="brackets are kept",
        ),
        pytest.param(
            ("check",),
            '[[tables]]\nregex = "[/x"',
            "tables[0].regex: not a regular expression: unterminated",
            id="a bad regex",
        ),
        pytest.param(
            ("backtest", "--trace"),
            "a,b",
            ":1: expected the header minute,demand, got 'a,b'",
            id="no trace",
        ),
        pytest.param(
            ("demo", "--trace"),
            "minute,demand\n1,1\n",
            ":2: expected minute 0, got 1",
            id="a trace with a gap",
        ),
        pytest.param(
            ("backtest", "--trace", "STEPS", "--prices"),
            "read = 3",
            "Expected `object`, got `int` - at `$.read`",
            id="bad prices",
        ),
    ],
)
def test_a_mistake_ends_in_one_sentence(
    words: tuple[str, ...], text: str, said: str, steps: Path, tmp_path: Path, run: Run
) -> None:
    file = written(tmp_path, text)
    ended = run(*(str(steps) if word == "STEPS" else word for word in words), file)
    assert (ended.code, ended.out) == (2, "")
    assert ended.complained.startswith(f"headroom: {file}")
    assert said in ended.complained
    assert "Traceback" not in ended.complained


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("invoke",),
        ("demo", "--trace"),
        ("backtest", "--trace"),
        ("demo", "--config"),
        ("bench", "--config"),
    ],
    ids=" ".join,
)
def test_a_file_that_is_not_there_is_said_to_be_missing(
    words: tuple[str, ...], tmp_path: Path, run: Run
) -> None:
    ended = run(*words, tmp_path / "missing")
    assert ended.code == 2
    assert (
        ended.complained
        == f"headroom: [Errno 2] No such file or directory: '{tmp_path / 'missing'}'"
    )


def test_a_file_that_is_no_text_ends_in_a_sentence(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "file.toml"
    file.write_bytes(b"\xff\xfe")
    ended = run("check", file)
    assert ended.code == 2
    assert ended.complained.startswith(f"headroom: {file}: 1 problem(s)")
    assert "not UTF-8, from byte 0 on; save it as UTF-8" in ended.complained


NOWHERE = "no Region is set. Set AWS_DEFAULT_REGION, or a region in your AWS profile."
NOBODY = "no credentials were found. Sign in, or set AWS_PROFILE."
OF_AN_ACCOUNT = [
    ("cost",),
    ("explain", "orders"),
    ("pause", "orders", "--for", "2h"),
    ("resume", "orders"),
    ("pauses",),
    ("sweep", "--once"),
    ("backtest", "--table", "orders"),
    ("import", "autoscaling"),
    ("setup", "--stage", "dev"),
    ("teardown", "--stage", "dev", "--yes"),
    ("redrive", "--stage", "dev"),
]


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Somebody whose computer knows nothing of AWS: no Region, no credentials, no profile."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return monkeypatch


@pytest.mark.parametrize(
    "words", [words for words in OF_AN_ACCOUNT if words[0] != "import"], ids=lambda words: words[0]
)
def test_without_a_region_one_sentence_says_what_to_set(
    words: tuple[str, ...], stranger: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    stranger.setenv("HEADROOM_CONFIG", str(written(tmp_path, '[[tables]]\nname = "orders"\n')))
    ended = run(*words)
    assert (ended.code, ended.out, ended.complained) == (2, "", f"headroom: {NOWHERE}")


@pytest.mark.parametrize(
    "words",
    [words for words in OF_AN_ACCOUNT if words[0] not in ("explain", "sweep")],
    ids=lambda words: words[0],
)
def test_without_credentials_one_sentence_says_what_to_do(
    words: tuple[str, ...], stranger: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    stranger.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ended = run(*words)
    assert (ended.code, ended.complained) == (2, f"headroom: {NOBODY}")


def test_a_table_that_cannot_be_read_without_credentials_says_what_to_do(
    stranger: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    stranger.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ended = run("explain", "orders", "--config", written(tmp_path, '[[tables]]\nname = "orders"\n'))
    assert (ended.code, ended.complained) == (1, f"orders: DescribeTable failed: {NOBODY}")


def test_a_profile_that_is_not_there_is_named(stranger: pytest.MonkeyPatch, run: Run) -> None:
    stranger.setenv("AWS_PROFILE", "nowhere")
    ended = run("pauses")
    assert ended.code == 2
    assert "The config profile (nowhere) could not be found. Set AWS_PROFILE" in ended.complained


@pytest.mark.parametrize("taken", [True, False])
def test_explain_says_when_application_auto_scaling_has_the_table(
    run: Run, tmp_path: Path, taken: bool
) -> None:
    with orders() as region:
        pass_minutes(region, 10, {READS: 95.0})
        if taken:
            autoscale(region)
        ended = run("explain", "orders", "--config", written(tmp_path, rules()))
        assert (
            "Application Auto Scaling manages orders, so Headroom leaves it alone." in ended.said
        ) == taken
        assert "Would set orders:read 100 → 150 units" in ended.said
