"""Any text is accounted for, line by line; the command prints the account."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader
from headroom.migrate import ini
from headroom.migrate.dynamic_dynamodb import translate
from headroom.migrate.dynamic_options import GLOBAL, LOGGING, OPTIONS
from tests.support.command_line import RunCommand, write_file
from tests.support.dynamic_dynamodb import (
    PLAIN,
    policy,
    rules,
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


@pytest.mark.slow
@given(text=FILES)
def test_every_line_is_accounted_for_once_and_what_is_printed_loads(text: str) -> None:
    found = translate(text)
    saying = [
        number for number, line in enumerate(text.splitlines(), start=1) if ini.says_something(line)
    ]
    assert [line.number for line in found.lines] == saying
    assert sum(found.counts.values()) == len(saying)
    assert loader.load(translate(text, annotate=True).toml) == loader.load(found.toml)


@pytest.mark.slow
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
    assert (
        "36 lines: 31 translated, 0 switched off, 5 obsolete, 0 refused, 0 unknown."
        in result.errors
    )


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
    assert result.errors.endswith(
        "36 lines: 31 translated, 0 switched off, 5 obsolete, 0 refused, 0 unknown."
    )
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


def test_a_file_that_is_not_there_is_reported_as_missing(tmp_path: Path, run: RunCommand) -> None:
    result = run("import", "dynamic-dynamodb", tmp_path / "none.ini")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.ini: no such file or directory" in result.errors
