"""What comes from a command line, from variables and from config.js: each line accounted for, and
what is printed loads."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.migrate import config_js, variables
from headroom.migrate.dynamic_command_line import translate_command_line
from headroom.migrate.imported import Imported, Kind
from headroom.operator_error import OperatorError
from tests.support.command_line import RunCommand, write_file


def printed(imported: Imported) -> list[str]:
    return [f"{line.number} {line}" for line in imported.lines]


def policy(imported: Imported, dimension: Dimension = Dimension.READ) -> Policy:
    found = loader.load(imported.toml).policy_for(Target("orders", "", dimension))
    assert found is not None
    return found


# Dynamic DynamoDB's command line


def test_a_command_line_is_what_the_file_with_the_same_options_is() -> None:
    words = "dynamic-dynamodb -t ^orders$ --reads-upper-threshold=85 --check-interval 60 --run-once"
    imported = translate_command_line(words.split())
    assert policy(imported).alarm_percent == 85
    assert printed(imported) == [
        '1 translated: --table-name ^orders$ → [[tables]] name = "orders"',
        "2 translated: --reads-upper-threshold 85 → read.alarm_percent = 85",
        "3 obsolete: --check-interval 60 → an alarm wakes Headroom within minutes, and it sweeps "
        "every 5 minutes by itself",
        "4 obsolete: --run-once → headroom sweep --once does the same",
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "-c a.conf",
            "1 refused: --config a.conf → import that file: "
            "headroom import dynamic-dynamodb a.conf",
        ),
        (
            "--daemon start",
            "1 obsolete: --daemon start → Headroom runs as functions, without a process: "
            "make deploy",
        ),
        (
            "--reads-upper-threshold 5",
            "1 obsolete: --reads-upper-threshold 5 → without --table-name it has no effect, "
            "there as here",
        ),
        (
            "--tabel-name orders",
            "1 unknown: --tabel-name orders → Dynamic DynamoDB has no such option; "
            "did you mean table-name?",
        ),
    ],
)
def test_what_belongs_into_no_file_is_said_too(words: str, line: str) -> None:
    imported = translate_command_line(words.split())
    assert printed(imported) == [line]
    assert not loader.load(imported.toml).manages("orders")


def test_a_key_on_the_command_line_is_not_repeated() -> None:
    imported = translate_command_line(["--aws-secret-access-key", "hush"])
    assert "hush" not in str(printed(imported))
    assert imported.lines[0].kind is Kind.OBSOLETE


@pytest.mark.slow
@given(
    words=st.lists(st.sampled_from(["-t", "a", "--", "--dry-run", "--region", "=", "\n", "[x]"]))
)
def test_no_command_line_stops_it(words: list[str]) -> None:
    loader.load(translate_command_line(words).toml)


# variables

DYNAMOO = dedent("""\
    # the workers
    export EC2_TAG_KEY=role
    EC2_TAG_VALUE: "worker"
    READ_CAPACITY_PER_INSTANCE=50
    WRITE_CAPACITY_PER_INSTANCE=none
    DYNAMODB_TABLES=orders,jobs
    SLACK_WEBHOOK_URL=https://hooks.example.com/hush
    COLOUR=red
    docker run
    """)


def test_instances_become_a_fleet() -> None:
    imported = variables.from_dynamoo(DYNAMOO)
    rules = loader.load(imported.toml)
    (fleet,) = rules.fleets
    assert dict(fleet.tags) == {"role": "worker"}
    scales = [(table.table, table.read, table.write) for table in fleet.tables]
    assert [(name, read and read.units(3)) for name, read, _ in scales] == [
        ("orders", 150),
        ("jobs", 150),
    ]
    assert policy(imported).strategy == "fleet"
    kinds = [(line.number, str(line.kind)) for line in imported.lines]
    assert kinds == [
        (2, "translated"),
        (3, "translated"),
        (4, "translated"),
        (5, "refused"),
        (6, "translated"),
        (7, "obsolete"),
        (8, "unknown"),
        (9, "unknown"),
    ]
    assert "hush" not in str(printed(imported))


def test_an_emr_controller_becomes_a_pause() -> None:
    imported = variables.from_emr_control(
        "docker_env:\n  -e EMR_PREFIX='backup-' \\\n  -e EMR_REGION=eu-west-1 \\\n"
        "  -e AUTOSCALER_SERVICE=scaler\n  -e AUTOSCALER_REGION=us-west-2\n"
        "  -e AWS_SECRET_ACCESS_KEY=hush\n"
    )
    (pause,) = loader.load(imported.toml).pauses
    assert (pause.job, pause.prefix, pause.regions, pause.tables) == (
        "emr_cluster",
        "backup-",
        ("eu-west-1",),
        ("*",),
    )
    assert [str(line.kind) for line in imported.lines][1:] == ["translated"] * 2 + ["obsolete"] * 3
    assert "AWS_DEFAULT_REGION=us-west-2" in str(printed(imported))
    assert "hush" not in str(printed(imported))
    own_region = variables.from_emr_control("EMR_PREFIX=x")
    assert loader.load(own_region.toml).pauses[0].regions == ()


@pytest.mark.parametrize("translate", [variables.from_dynamoo, variables.from_emr_control])
def test_without_what_it_cannot_do_without_nothing_is_imported(translate: object) -> None:
    with pytest.raises(OperatorError, match="there is no variable E"):
        translate("COLOUR=red")  # type: ignore[operator]


# config.js

CONFIG_JS = """\
module.exports = {
    region : 'us-west-2',
    timeframeMin : 5, // minutes
    tables : [
        {
            tableName : "orders", /* the
            shop */
            reads_upper_threshold : 90,
            reads_lower_threshold : 30,
            increase_reads_with : 90,
            decrease_reads_with : 0,
            base_reads : 5,
            'writes_upper_threshold' : 30,
            writes_lower_threshold : 40,
            increase_writes_with : 'much',
            base_writes : 0,
            base_wites : 1,
        },
    ],
    colour: { of: ['it'] },
};
"""


def test_a_config_js_becomes_rules_and_what_switches_off_is_a_kind_of_its_own() -> None:
    imported = config_js.translate(CONFIG_JS)
    reads, writes = policy(imported), policy(imported, Dimension.WRITE)
    assert (reads.strategy, reads.alarm_period_seconds) == ("percent", 300)
    assert (reads.alarm_percent, reads.lower_percent, reads.increase_percent) == (90, 30, 90)
    assert (reads.min_units, reads.scale_down) == (5, False)
    assert writes.scale_down
    kinds = {line.number: str(line.kind) for line in imported.lines}
    assert kinds == {
        2: "obsolete",
        3: "translated",
        6: "translated",
        8: "translated",
        9: "translated",
        10: "translated",
        11: "switched off",
        12: "translated",
        13: "translated",
        14: "refused",
        15: "refused",
        16: "refused",
        17: "unknown",
        20: "unknown",
    }
    texts = {line.number: str(line) for line in imported.lines}
    assert texts[11] == "switched off: decrease_reads_with: 0 → read.scale_down = false"
    assert "lower_percent: 40 is not below alarm_percent = 30" in texts[14]
    assert "did you mean base_writes?" in texts[17]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no object"),
        ("{ region: 'x' }", "it has no tables"),
        ("{ tables: [ { base_reads: 1 } ] }", "line 1: a table has no tableName"),
        ("{ tables: [ {} ] }", "line 0: a table has no tableName"),
        ("{\n a b }", "line 2: expected a key and a colon"),
        ("{ a: , }", "line 1: expected a value, got ','"),
        ("{ a: [1 2] }", "line 1: expected a comma or ]"),
        ("{ a: ", "it ends within an object"),
        ("{ a: 'x }", "line 1: cannot be read from"),
        ("{ a: " + "[" * 30, "line 1: nested too deep"),
    ],
)
def test_what_is_no_config_js_is_said_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(OperatorError, match=f"^{re.escape(problem)}"):
        config_js.translate(text)


def test_a_period_that_no_alarm_has_is_refused() -> None:
    imported = config_js.translate("{ timeframeMin: 90, tables: [{ tableName: 'orders' }] }")
    assert policy(imported).alarm_period_seconds == 60
    assert imported.lines[0].kind is Kind.REFUSED


# the commands


@pytest.mark.slow(traced=True)
def test_each_has_a_command(tmp_path: Path, run: RunCommand) -> None:
    for command, text, status in (
        ("config-js", CONFIG_JS, 1),
        ("dynamic-dynamoo", DYNAMOO, 1),
        ("emr-control", "EMR_PREFIX=backup", 0),
    ):
        file = write_file(tmp_path, text, command)
        result = run("import", command, file)
        assert result.exit_code == status
        loader.load(result.stdout)
        assert f"{file}:" in result.errors
        assert " switched off, " in result.errors


def test_a_command_line_stands_after_two_dashes(run: RunCommand) -> None:
    result = run("import", "dynamic-dynamodb", "--", "--table-name", "^orders$", "--daemon", "fg")
    assert result.exit_code == 0
    assert loader.load(result.stdout).manages("orders")
    assert "option 1: translated: --table-name ^orders$" in result.errors
    assert "2 lines: 1 translated, 0 switched off, 1 obsolete" in result.errors
