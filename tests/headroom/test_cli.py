"""The command line as a whole: help, version, exit codes, and mistakes in one sentence."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from headroom import cli
from headroom.project import ROOT
from tests.support.command_line import RunCommand, write_file

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_help(name: str, run: RunCommand) -> None:
    command = cli.LazyCommand(name, *cli.COMMANDS[name]).load()
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"headroom {name}" in result.output
    assert " ".join(command.help.split()) == cli.COMMANDS[name][1]
    assert cli.COMMANDS[name][1] in result.output


def test_the_help_lists_every_command_with_its_line(run: RunCommand) -> None:
    output = run("--help").output
    assert [
        name for name, (_, line) in cli.COMMANDS.items() if f"{name} {line}" not in output
    ] == []
    assert {"demo", "invoke", "check", "explain", "backtest", "bench"} <= set(cli.COMMANDS)


SLOW_MODULES = {"moto", "numpy", "plotext", "plotly", "time_machine"}


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
    assert (
        result.errors == f"headroom: [Errno 2] No such file or directory: '{tmp_path / 'missing'}'"
    )


def test_a_file_that_is_not_text_ends_in_one_sentence(tmp_path: Path, run: RunCommand) -> None:
    file = tmp_path / "file.toml"
    file.write_bytes(b"\xff\xfe")
    result = run("check", file)
    assert result.exit_code == 2
    assert result.errors.startswith(f"headroom: {file}: 1 problem(s)")
    assert "not UTF-8, from byte 0 on; save it as UTF-8" in result.errors


NO_REGION = "no Region is set. Set AWS_DEFAULT_REGION, or a region in your AWS profile."
NO_CREDENTIALS = "no credentials were found. Sign in, or set AWS_PROFILE."
ACCOUNT_COMMANDS = [
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


@pytest.mark.parametrize(
    "words",
    [words for words in ACCOUNT_COMMANDS if words[0] not in ("explain", "sweep")],
    ids=lambda words: words[0],
)
def test_without_credentials_one_sentence_says_what_to_do(
    words: tuple[str, ...], no_aws_settings: pytest.MonkeyPatch, tmp_path: Path, run: RunCommand
) -> None:
    no_aws_settings.setenv("AWS_DEFAULT_REGION", "us-east-1")
    result = run(*words)
    assert (result.exit_code, result.errors) == (2, f"headroom: {NO_CREDENTIALS}")


def test_a_table_that_cannot_be_read_without_credentials_says_what_to_do(
    no_aws_settings: pytest.MonkeyPatch, tmp_path: Path, run: RunCommand
) -> None:
    no_aws_settings.setenv("AWS_DEFAULT_REGION", "us-east-1")
    result = run(
        "explain", "orders", "--config", write_file(tmp_path, '[[tables]]\nname = "orders"\n')
    )
    assert (result.exit_code, result.errors) == (
        1,
        f"orders: DescribeTable failed: {NO_CREDENTIALS}",
    )


def test_a_missing_profile_is_named(no_aws_settings: pytest.MonkeyPatch, run: RunCommand) -> None:
    no_aws_settings.setenv("AWS_PROFILE", "nowhere")
    result = run("pauses")
    assert result.exit_code == 2
    assert "The config profile (nowhere) could not be found. Set AWS_PROFILE" in result.errors
