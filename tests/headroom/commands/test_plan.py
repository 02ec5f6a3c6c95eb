"""`headroom status`, `plan` and `apply`: what is, what the next pass would do, and doing it."""

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.core.plan import identity
from chalicelib.model import Decision, Dimension, Reason, Skip, Target
from chalicelib.run import Report
from headroom.commands import plan, wording
from headroom.commands.plan import Pass
from headroom.region.region import Region
from headroom.simulation import pricing
from tests.support.builders import READS
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import (
    MIDDAY,
    new_run,
    operations,
    pass_minutes,
    rules,
    set_units,
    units,
    writes,
)

CONFIG = rules("orders", "users") + '\n[[tables]]\nname = "logged"\ndry_run = true\n'
PRICES = pricing.load()


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders` is hot, `users` has too much, `logged` is in a dry run, `other` has no rule."""
    with Region(MIDDAY) as region:
        region.create_table("orders", 100, 100)
        region.create_table("users", 1_000, 1)
        region.create_table("logged", 500, 1)
        region.create_table("other", 5, 5)
        region.client("sns").create_topic(Name="headroom-alarms")
        load = Target("users", "", Dimension.READ)
        pass_minutes(region, 65, {READS: 95.0, load: 200.0})
        region.calls.clear()
        yield region


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_file(tmp_path, CONFIG)


# words


@pytest.mark.parametrize(
    ("current", "desired", "used", "dry_run", "expected"),
    [
        (
            1_200,
            860,
            2,
            False,
            "1,200 → 860 units: saves 32 USD a month; third of today's decreases",
        ),
        (100, 150, 0, False, "100 → 150 units: costs 4.74 USD a month more"),
        (9, 4, 6, False, "9 → 4 units: saves 0.47 USD a month; 7th of today's decreases"),
        (9, 8, 0, True, "9 → 8 units, but dry_run is on: saves 0.09 USD a month; first of"),
    ],
)
def test_a_change_is_said_with_its_money_and_its_part_of_the_budget(
    current: int, desired: int, used: int, dry_run: bool, expected: str
) -> None:
    reason, numbers = Reason.UTILIZATION_LOW, {"decreases_today": used}
    decision = Decision(READS, current, desired, reason, numbers, dry_run)
    text = wording.change(decision, PRICES)
    verb = "raise" if desired > current else "lower"
    assert text.startswith(f"Would {verb} orders reads {expected}")


# plan


def test_what_is_passed_over_for_one_cause_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    skips = [Skip(name, Reason.GONE, "it was deleted") for name in ("a", "b")]
    wording.print_rest(Report(skips=skips))
    wording.print_rest(Report(skips=[*skips, Skip("c", Reason.GONE, "no table is called so")]))
    assert capsys.readouterr().out.splitlines() == [
        "Passed over: a, b: it was deleted (TableGone)",
        "Passed over: a, b, c: it does not exist (TableGone)",
    ]


def test_what_stays_because_of_a_pause_is_counted() -> None:
    decisions = [Decision(READS, 100, 100, why, {}) for why in (Reason.PAUSED, Reason.AT_DESIRED)]
    assert plan._sum(decisions, PRICES) == "0 raised, 0 lowered, 2 stay, 1 of them paused."


@pytest.mark.slow(traced=True)
def test_a_plan_says_what_the_next_pass_does_and_does_nothing(
    region: Region, config: Path, run: RunCommand
) -> None:
    result = run("plan", "--config", config)
    assert (result.exit_code, result.errors, writes(region)) == (0, "", [])
    lines = result.stdout.splitlines()
    assert lines[0] == f"Plan for account 123456789012, us-east-1, configuration {config}"
    assert lines[1].startswith("DRY RUN: the configuration has dry_run = true for logged.")
    assert (
        "Would raise orders reads 100 → 150 units: costs 4.74 USD a month more; "
        "may take minutes: above the warm throughput of 100 units"
    ) in lines
    assert "  consumption is at or above the alarm's level (UtilizationHigh)" in lines
    assert lines[-2] == "Alarms: 4 to make, 2 to rewrite."
    assert lines[-1].startswith("1 raised, 1 lowered, 1 only logged (dry_run), 3 stay. Together: ")

    done = handlers.sweep(new_run(region, CONFIG), alone=True)
    changed = [d for d in done.decisions if d.changes]
    assert len(changed) == 3
    for decision in changed:
        move = f"{wording.name_of(decision)} {decision.current:,} → {decision.desired:,} units"
        assert move in result.output


@pytest.mark.slow(traced=True)
def test_the_numbers_and_every_action_are_shown_where_they_are_wanted(
    region: Region, config: Path, run: RunCommand
) -> None:
    few, all_of_it = (run("plan", "--config", config, *more) for more in ((), ("--verbose",)))
    assert "alarm level units 80" not in few.output
    assert "alarm level units 80" in all_of_it.output
    assert "Would rewrite alarm headroom-orders:read: Threshold 4800 → 7200" in all_of_it.output


@pytest.mark.slow(traced=True)
def test_a_plan_for_scripts_has_the_fields_of_the_log(
    region: Region, config: Path, run: RunCommand
) -> None:
    data = json.loads(run("plan", "--config", config, "--table", "orders", "--json").stdout)
    reads = data["decisions"][0]
    assert (data["account"], data["region"]) == ("123456789012", "us-east-1")
    assert (reads["table"], reads["dimension"], reads["desired"]) == ("orders", "read", 150)
    assert reads["saves_usd_a_month"] < 0
    assert len(data["planned"]) == 4
    assert data["failures"] == []


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("oders", "no table matches oders; did you mean orders?"),
        ("other", "no rule of the configuration names other"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "status"])
def test_where_no_table_is_found_the_command_says_why_and_ends_with_1(
    command: str, table: str, expected: str, region: Region, config: Path, run: RunCommand
) -> None:
    result = run(command, "--config", config, "--table", table)
    assert result.exit_code == 1
    assert expected in result.output


# apply


@pytest.mark.slow
def test_apply_does_exactly_what_the_plan_says(
    region: Region, config: Path, run: RunCommand
) -> None:
    planned = run("plan", "--config", config).stdout
    result = run("apply", "--yes", "--config", config)
    assert result.exit_code == 0
    assert result.stdout.startswith(planned)
    assert "Raised orders reads 100 → 150 units" in result.output
    assert result.output.endswith("Alarms: 4 made, 2 rewritten.")
    found = units(region)
    assert (found["orders:read"], found["logged:read"]) == (150, 500)
    assert f"Lowered users reads 1,000 → {found['users:read']} units" in result.output
    assert writes(region).count("UpdateTable") == 2


@pytest.mark.slow(traced=True)
def test_apply_for_scripts_prints_the_plan_and_what_was_done(
    region: Region, config: Path, run: RunCommand
) -> None:
    options = ("apply", "--json", "--config", config, "--table", "orders")
    refused = run(*options)
    assert (refused.exit_code, writes(region)) == (2, [])
    assert "--json asks nothing: give --yes with it" in refused.errors
    result = run(*options, "--yes")
    data = json.loads(result.stdout)
    assert (result.exit_code, data["not_done"]) == (0, [])
    assert len(data["done"]["done"]) == len(data["plan"]["planned"]) == 4
    assert units(region)["orders:read"] == 150
    again = json.loads(run(*options, "--yes").stdout)
    assert (again["done"], again["plan"]["planned"]) == (None, [])


@pytest.mark.slow(traced=True)
def test_only_the_tables_that_are_named_are_applied(
    region: Region, config: Path, run: RunCommand
) -> None:
    assert run("apply", "--yes", "--config", config, "--table", "u*").exit_code == 0
    assert units(region)["orders:read"] == 100
    assert sorted(region.cloudwatch.alarms) == ["headroom-users:read", "headroom-users:write"]


def test_without_a_yes_nothing_is_done(
    region: Region, config: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    result = run("apply", "--config", config)
    assert (result.exit_code, writes(region)) == (1, [])
    assert result.output.endswith("Nothing was done.")


@pytest.mark.slow(traced=True)
def test_a_plan_that_is_old_is_shown_anew_before_it_is_done(
    region: Region, config: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowOperator(io.StringIO):
        """Somebody who answers the first question after six minutes."""

        def readline(self, size: int | None = -1, /) -> str:
            if not self.tell():
                region.travel(region.now + timedelta(minutes=6))
            return super().readline(-1)

    monkeypatch.setattr(sys, "stdin", SlowOperator("y\ny\n"))
    result = run("apply", "--config", config, "--table", "orders")
    assert result.exit_code == 0
    assert result.output.count("Plan for account") == 2
    assert "The plan is more than five minutes old. This is the plan of now:" in result.output
    assert units(region)["orders:read"] == 150


def test_what_has_changed_since_the_plan_is_left_and_the_rest_is_done(region: Region) -> None:
    one = Pass(Aws("headroom-alarms", sleep=lambda _: None), load(CONFIG), Path("x"), "*")
    approved = {identity(action) for action in one.sweep(region.now).planned}
    set_units(region, "users", 900, 1)
    region.calls.clear()
    report = one.sweep(region.now, approved)
    assert [(s.subject, s.reason) for s in report.skips if s.reason != Reason.NOT_MANAGED] == [
        ("users", Reason.CHANGED_MEANWHILE)
    ]
    assert (units(region)["orders:read"], units(region)["users:read"]) == (150, 900)
    assert "UpdateTable" in operations(region)


# status


@pytest.mark.slow(traced=True)
def test_the_status_shows_use_state_and_cost_of_every_managed_table(
    region: Region, config: Path, run: RunCommand
) -> None:
    run("apply", "--yes", "--config", config, "--table", "orders")
    region.cloudwatch.alarms["headroom-orders:write"].state.value = "ALARM"
    region.calls.clear()
    result = run("status", "--config", config)
    assert (result.exit_code, writes(region)) == (0, [])
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if ":" in line[:16]}
    assert rows["users:read"].split()[:6] == ["users:read", "1,000", "20", "%", "14", "95"]
    assert "in ALARM, " in rows["orders:write"]
    assert "DRY RUN, → 1, UtilizationLow" in rows["logged:read"]
    assert "DRY RUN: the configuration has dry_run = true for logged." in result.output
    assert "USD a month, provisioned." in result.output
    assert json.loads(run("status", "--config", config, "--json").stdout)["used"]["users:read"] > 0
