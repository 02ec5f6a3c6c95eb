"""`headroom check`."""

from pathlib import Path

import pytest

from chalicelib.config.policy import SETTINGS
from tests.support.command_line import CommandResult, RunCommand, write_file
from tests.support.scenes import rules

# check


def test_a_correct_configuration_is_confirmed(tmp_path: Path, run: RunCommand) -> None:
    assert run("check", write_file(tmp_path, rules("orders", "users"))) == CommandResult(
        0,
        "The configuration is right: 2 rules for tables.\n",
        "The configuration is right: 2 rules for tables.",
        "",
    )


def test_a_configuration_without_a_rule_manages_nothing(tmp_path: Path, run: RunCommand) -> None:
    result = run("check", write_file(tmp_path, ""))
    assert result.exit_code == 0
    assert result.output.endswith("It names no table, so Headroom manages none.")


def test_the_environment_variable_names_the_configuration(
    tmp_path: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADROOM_CONFIG", str(write_file(tmp_path, rules("a", "b", "c"))))
    assert run("check").output == "The configuration is right: 3 rules for tables."


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


def test_every_mistake_is_reported_at_once_with_its_path(tmp_path: Path, run: RunCommand) -> None:
    file = write_file(tmp_path, WRONG)
    result = run("check", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.errors.startswith(f"headroom: {file}: 5 problems in the configuration")
    for problem in (
        "- colour: unknown key",
        "- defaults.min_unit: unknown key; did you mean min_units?",
        '- defaults.max_units: expected a whole number from 1 to 1000000, got "many"',
        "- tables[1].read.alarm_percent: expected a whole number from 1 to 100, got 101",
        "- tables[1].indexes: expected an array of tables, write [[indexes]], got 3",
    ):
        assert problem in result.errors


def test_settings_that_contradict_each_other_are_reported_too(
    tmp_path: Path, run: RunCommand
) -> None:
    result = run(
        "check",
        write_file(tmp_path, '[[tables]]\nname = "orders"\nmin_units = 50\nmax_units = 40\n'),
    )
    assert result.exit_code == 2
    assert "tables[0].read.min_units: 50 is above max_units = 40" in result.errors
    assert "tables[0].write.min_units: 50 is above max_units = 40" in result.errors


@pytest.mark.slow(traced=True)
def test_the_settings_of_a_table_are_shown_for_reads_and_writes(
    tmp_path: Path, run: RunCommand
) -> None:
    file = write_file(
        tmp_path,
        (
            '[[tables]]\nname = "orders"\nread.max_units = 900\n[[tables.indexes]]\nname = '
            '"by-*"\nmin_units = 7\n'
        ),
    )
    result = run("check", file, "--table", "orders")
    assert result.exit_code == 0
    reads, writes = result.stdout.split("orders:write")
    assert "  max_units = 900\n" in reads
    assert "  max_units = 40000\n" in writes
    assert all(f"  {name} = " in reads and f"  {name} = " in writes for name in SETTINGS)
    assert (
        "  min_units = 7\n" in run("check", file, "--table", "orders", "--index", "by-date").stdout
    )
    assert "  min_units = 1\n" in result.stdout


def test_a_doubtful_setting_is_a_warning_and_not_an_error(tmp_path: Path, run: RunCommand) -> None:
    result = run(
        "check", write_file(tmp_path, '[[tables]]\nname = "orders"\nnotify = ["scaled_up"]\n')
    )
    assert (result.exit_code, result.stdout) == (
        0,
        "The configuration is right: 1 rule for tables.\n",
    )
    assert result.errors.startswith("but tables[0].notify: nobody is notified")


def test_windows_and_steps_are_shown_as_they_are_written(tmp_path: Path, run: RunCommand) -> None:
    lines = (
        'windows = [{ rule = "never_down", outside = "22:00-06:00" }]',
        'reserve_decreases = [{ at = "02:00", count = 2 }]',
        "increase_steps = [{ at = 80.5, percent = 25 }, { at = 120.0, units = 500 }]",
        'notify = ["scaled_up"]',
    )
    text = "\n".join(['[[tables]]\nname = "orders"\nstrategy = "percent"', *lines])
    result = run("check", write_file(tmp_path, text), "--table", "orders")
    assert result.exit_code == 0
    assert all(result.stdout.count(f"  {line}\n") == 2 for line in lines)


def test_a_table_without_a_rule_ends_with_1(tmp_path: Path, run: RunCommand) -> None:
    result = run("check", write_file(tmp_path, rules("orders")), "--table", "users")
    assert result.exit_code == 1
    assert result.output.endswith("No rule names table users: Headroom leaves it alone.")
