"""The command line as a whole: help, version, exit codes, and mistakes in one sentence."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from chalicelib.config.types import DEFAULT_TOPIC
from headroom import cli
from headroom.commands import options
from headroom.deploy.account import NO_CREDENTIALS, NO_REGION
from headroom.project import ROOT
from tests.support.command_line import RunCommand, write_file

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# help


HELPS = [*cli.COMMANDS, "import autoscaling", "import dynamic-dynamodb"]


@pytest.mark.slow
@pytest.mark.parametrize("name", HELPS)
def test_every_command_has_a_help_with_an_example_on_one_screen(
    name: str, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*name.split(), "-h")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stdout) == (0, run(*name.split(), "--help").stdout)
    assert f"Example: headroom {name.split()[0]}" in result.stdout
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_a_command_begins_with_its_line(name: str) -> None:
    command = cli.LazyCommand(name, *cli.COMMANDS[name]).load()
    assert command.help.split("\n\n")[0] == cli.COMMANDS[name][1]


def options_of(name: str) -> set[str]:
    command = cli.LazyCommand(name, *cli.COMMANDS[name]).load()
    return {option for parameter in command.params for option in parameter.opts}


def test_a_command_that_reads_a_configuration_takes_one_of_a_stage_too() -> None:
    readers = [name for name in cli.COMMANDS if "--config" in options_of(name)]
    assert len(readers) > 10
    assert [name for name in readers if "--stage" not in options_of(name)] == []


def test_the_help_lists_every_command_by_panel_on_one_screen(run: RunCommand) -> None:
    lines = run("-h").stdout.splitlines()
    assert [line for line in lines if line.endswith(":")] == [f"{title}:" for title in cli.PANELS]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(cli.COMMANDS)
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


SLOW_MODULES = {"moto", "numpy", "plotext", "time_machine"}


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    ("words", "not_imported"),
    [
        ("--version", SLOW_MODULES | {"boto3", "chalicelib", "headroom.commands"}),
        ("--help", SLOW_MODULES | {"boto3", "chalicelib", "headroom.commands"}),
        ("setup --stage wrong", SLOW_MODULES),
    ],
)
def test_a_command_imports_only_what_it_needs(words: str, not_imported: set[str]) -> None:
    script = (
        "import sys\n"
        "from headroom import cli\n"
        "try:\n"
        "    cli.main()\n"
        "except SystemExit:\n"
        "    print('modules:', *sys.modules)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, *words.split()], capture_output=True, text=True, check=True
    )
    modules = process.stdout.rpartition("modules:")[2].split()
    assert "headroom.cli" in modules
    assert not_imported & set(modules) == set()


def test_the_version_is_printed_without_a_command(run: RunCommand) -> None:
    result = run("--version")
    assert (result.exit_code, result.output) == (0, VERSION)


# mistakes


@pytest.mark.parametrize(
    ("words", "text", "expected"),
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
            ":1: expected rows of a time and a value, got 'a,b'",
            id="no trace",
        ),
        pytest.param(
            ("demo", "--trace"),
            "minute,demand\n1,1\n",
            ":2: expected minute 0, got 1",
            id="a trace with a gap",
        ),
        pytest.param(
            ("backtest", "--trace", "trace.csv", "--prices"),
            "read = 3",
            "Expected `object`, got `int` - at `$.read`",
            id="bad prices",
        ),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_2(
    words: tuple[str, ...], text: str, expected: str, tmp_path: Path, run: RunCommand
) -> None:
    file = write_file(tmp_path, text)
    result = run(*words, file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.errors.startswith(f"headroom: {file}")
    assert expected in result.errors
    assert "Traceback" not in result.errors


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
def test_a_missing_file_is_named(words: tuple[str, ...], tmp_path: Path, run: RunCommand) -> None:
    result = run(*words, tmp_path / "missing")
    assert result.exit_code == 2
    assert result.errors == f"headroom: {tmp_path / 'missing'}: no such file or directory"


@pytest.mark.parametrize(
    ("words", "sentence", "help_of"),
    [
        ("statsu", "no such command 'statsu'. Did you mean 'status'?", ""),
        ("--colour", "no such option: --colour", ""),
        ("explain", "missing argument 'TABLE'.", " explain"),
        ("doctor --stag dev", "no such option: --stag (Possible options: --stage)", " doctor"),
        ("demo --days 99", "invalid value for '--days': Input should be less than", " demo"),
        ("backtest", "invalid value: give either --trace FILE or --table NAME", " backtest"),
        ("cost --json --csv", "for '--csv': give --json or --csv, not both", " cost"),
        ("backtest --csv --json", "for '--json': give --json or --csv, not both", " backtest"),
        ("import autoscalin", "'autoscalin'. Did you mean 'autoscaling'?", " import"),
        ("doctor --stage dve", "no stage 'dve', only dev, local, prod; did you mean dev?", None),
    ],
)
def test_a_wrong_call_ends_with_2_and_names_the_help(
    words: str, sentence: str, help_of: str | None, run: RunCommand
) -> None:
    result = run(*words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.errors.startswith("headroom: ")
    assert sentence in result.errors
    if help_of is not None:
        assert result.errors.endswith(f"→ headroom{help_of} -h")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("status --table", "option '--table' requires an argument. → headroom status -h"),
        ("status --config missing.toml", "missing.toml: no such file"),
        ("check empty.toml --index x", "--index NAME is for --table NAME"),
        ("bench --traces empty", "empty: there is no trace in it"),
        ("bench-scale --tables 10 --results bytes", "bytes: no results of bench-scale: JSON is"),
        ("demo --scene fleet --trace bytes", "give either --trace FILE or --scene NAME"),
        ("demo --config bytes", "bytes: not UTF-8, from byte 0 on"),
        ("invoke bytes", "bytes: not UTF-8, from byte 0 on"),
        ("console --config bytes", "bytes: not UTF-8, from byte 0 on"),
        ("import config-js empty.toml", "empty.toml: there is no object"),
        ("pauses", "Invalid endpoint: nonsense. Set AWS_ENDPOINT_URL to an address"),
    ],
)
def test_what_cannot_be_done_is_named_in_one_sentence(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: RunCommand
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.toml").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    result = run(*words.split())
    assert (result.exit_code, sentence in result.errors) == (2, True), result.errors


@pytest.mark.slow(traced=True)
def test_no_colours_are_printed_where_nobody_wants_them(tmp_path: Path) -> None:
    """Rich reads the variables when a console is made, so in a process of its own."""
    words = [sys.executable, "-m", "headroom.cli", "check", str(tmp_path / "none")]
    coloured = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    coloured.pop("NO_COLOR", None)
    with_colours, without = (
        subprocess.run(words, env=environment, capture_output=True, text=True, check=False).stderr
        for environment in (coloured, {**coloured, "NO_COLOR": "1"})
    )
    assert "\x1b[1;31m" in with_colours
    assert "31m" not in without


@pytest.mark.slow(traced=True)
def test_a_locale_without_our_arrows_and_a_closed_pipe_end_in_no_traceback() -> None:
    """Both are of the standard output itself, so in processes of their own."""
    words = [sys.executable, "-m", "headroom.cli", "check", ROOT / "examples" / "small-shop.toml"]
    options = {"stderr": subprocess.PIPE, "text": True, "check": False}
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    table = [*words, "--table", "sessions-\N{CHECK MARK}"]
    shown = subprocess.run(table, env=ascii_only, stdout=subprocess.PIPE, **options)
    assert (shown.stderr, "sessions-?" in shown.stdout) == ("", True)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        ended = subprocess.run(words, stdout=closed, **options)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("words", [(), ("import",)])
def test_without_a_command_the_help_is_shown(words: tuple[str, ...], run: RunCommand) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.errors.startswith("Usage: headroom")


def test_a_name_that_looks_like_an_emoji_or_a_colour_is_printed_as_it_is(
    tmp_path: Path, run: RunCommand
) -> None:
    file = tmp_path / "l:100:[red].toml"
    assert f"{file}: no such file" in run("check", file).errors


def test_a_file_that_is_not_text_ends_in_one_sentence(tmp_path: Path, run: RunCommand) -> None:
    file = tmp_path / "file.toml"
    file.write_bytes(b"\xff\xfe")
    result = run("check", file)
    assert result.exit_code == 2
    assert result.errors.startswith(f"headroom: {file}: 1 problem")
    assert "not UTF-8, from byte 0 on; save it as UTF-8" in result.errors


ACCOUNT_COMMANDS = [
    ("status",),
    ("plan",),
    ("apply", "--yes"),
    ("console", "--account"),
    ("history", "orders", "--stage", "dev"),
    ("dashboard", "--stage", "dev", "--apply"),
    ("receipt",),
    ("hot-keys", "orders"),
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
def no_aws_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Somebody whose computer knows nothing of AWS: no Region, no credentials, no profile."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    return monkeypatch


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    "words",
    [words for words in ACCOUNT_COMMANDS if words[0] != "import"],
    ids=lambda words: words[0],
)
def test_without_a_region_one_sentence_says_what_to_set(
    words: tuple[str, ...], no_aws_settings: pytest.MonkeyPatch, tmp_path: Path, run: RunCommand
) -> None:
    no_aws_settings.setenv(
        "HEADROOM_CONFIG", str(write_file(tmp_path, '[[tables]]\nname = "orders"\n'))
    )
    result = run(*words)
    assert (result.exit_code, result.stdout, result.errors) == (2, "", f"headroom: {NO_REGION}")


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("words", ACCOUNT_COMMANDS, ids=lambda words: words[0])
def test_without_credentials_one_sentence_says_what_to_do(
    words: tuple[str, ...], no_aws_settings: pytest.MonkeyPatch, tmp_path: Path, run: RunCommand
) -> None:
    no_aws_settings.setenv("AWS_DEFAULT_REGION", "us-east-1")
    result = run(*words)
    assert (result.exit_code, result.errors) == (2, f"headroom: {NO_CREDENTIALS}")


@pytest.mark.slow(traced=True)
def test_the_doctor_says_the_same_as_every_other_command(
    no_aws_settings: pytest.MonkeyPatch, run: RunCommand
) -> None:
    for sentence in (NO_REGION, NO_CREDENTIALS):
        problem, _, remedy = sentence.partition(". ")
        result = run("doctor", "--stage", "dev")
        assert (result.exit_code, result.output) == (1, f"credentials: {problem} → {remedy}")
        no_aws_settings.setenv("AWS_DEFAULT_REGION", "us-east-1")
        no_aws_settings.setattr("boto3.DEFAULT_SESSION", None)


def test_a_missing_profile_is_named(no_aws_settings: pytest.MonkeyPatch, run: RunCommand) -> None:
    no_aws_settings.setenv("AWS_PROFILE", "nowhere")
    result = run("pauses")
    assert result.exit_code == 2
    assert "The config profile (nowhere) could not be found. Set AWS_PROFILE" in result.errors


# whose configuration, and which account


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, which is the current one: three configurations, each with another rule."""
    (tmp_path / ".chalice").mkdir()
    (tmp_path / "chalicelib").mkdir()
    stage = {"environment_variables": {"HEADROOM_CONFIG": "of-stage.toml", "ALARM_TOPIC": "mine"}}
    write_file(
        tmp_path / ".chalice",
        json.dumps({"app_name": "x", "stages": {"dev": stage}}),
        "config.json",
    )
    for name in ("named", "of-stage", "of-environment", "chalicelib/headroom"):
        write_file(tmp_path, f'[[tables]]\nname = "{name.rpartition("/")[2]}"\n', f"{name}.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("named", "stage", "environment", "expected"),
    [
        ("named.toml", "dev", "of-environment.toml", "named"),
        (None, "dev", "of-environment.toml", "of-stage"),
        (None, None, "of-environment.toml", "of-environment"),
        (None, None, None, "headroom"),
    ],
)
def test_one_rule_says_whose_configuration_counts(
    named: str | None,
    stage: str | None,
    environment: str | None,
    expected: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEADROOM_CONFIG", raising=False)
    if environment:
        monkeypatch.setenv("HEADROOM_CONFIG", environment)
    assert options.rules_of(Path(named) if named else None, stage).manages(expected)


@pytest.mark.parametrize(
    ("topic", "stage", "environment", "expected"),
    [
        ("a", "dev", "b", "a"),
        (None, "dev", "b", "mine"),
        (None, None, "b", "b"),
        (None, None, "", DEFAULT_TOPIC),
    ],
)
def test_the_same_rule_holds_for_the_topic(
    topic: str | None,
    stage: str | None,
    environment: str,
    expected: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALARM_TOPIC", environment)
    assert options.topic_of(topic, stage) == expected


def test_a_profile_and_a_region_hold_while_the_command_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)

    @options.in_account
    def command() -> tuple[str | None, str | None]:
        return os.environ.get("AWS_PROFILE"), os.environ.get("AWS_DEFAULT_REGION")

    assert command(profile="mine", region="eu-west-1") == ("mine", "eu-west-1")  # type: ignore[call-arg]
    assert command() == (None, "us-east-1")
