"""`headroom history`: what was done to a table, from the logs of the functions."""

import json
from collections.abc import Iterator

import pytest

from chalicelib.model import Dimension, Target
from headroom.region.context import Fault
from headroom.region.logs import MOST_LINES, PAGE_SIZE
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.command_line import RunCommand
from tests.support.scenes import MIDDAY, invoke, orders, pass_minutes, rules, wait

CONFIG = rules("orders") + '\n[[tables]]\nname = "logged"\ndry_run = true\n'


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders` was raised at 13:05; `logged` would be lowered at every sweep."""
    with orders(CONFIG) as region:
        region.create_table("logged", 500, 1)
        load = Target("logged", "", Dimension.READ)
        pass_minutes(region, 65, {READS: 95.0, load: 10.0})
        invoke(region, "sweep")
        wait(region, minutes=5)
        invoke(region, "sweep")
        yield region


@pytest.mark.slow(traced=True)
def test_each_change_is_a_row_with_its_time_function_and_reason(
    region: Region, run: RunCommand
) -> None:
    result = run("history", "orders", "--stage", "local")
    assert result.exit_code == 0
    assert (
        "11-02 13:05 sweep orders:read 100 → 150 consumption is at or above the alarm's level "
        "(UtilizationHigh)" in result.output
    )
    assert result.output.endswith("1 raised, 3 lowered, 0 failed.")
    assert "consumed units 95" not in result.output
    assert "consumed units 95" in run("history", "orders", "--stage", "local", "-v").output


@pytest.mark.slow
def test_what_a_dry_run_repeats_is_shown_once_and_called_so(
    region: Region, run: RunCommand
) -> None:
    output = run("history", "logged", "--stage", "local").output
    assert output.count("DRY RUN: ") == 1
    assert output.endswith("0 raised, 0 lowered, 1 only logged (dry_run), 0 failed.")


@pytest.mark.slow(traced=True)
def test_failures_are_in_it_and_the_json_has_the_fields_of_the_log(
    region: Region, run: RunCommand
) -> None:
    region.faults.append(Fault("UpdateTable", "AccessDeniedException"))
    wait(region, minutes=60)
    pass_minutes(region, 20, {READS: 400.0})
    invoke(region, "sweep")
    events = json.loads(run("history", "orders", "--stage", "local", "--json").stdout)
    raised, failed = events[0], events[-1]
    assert (raised["kind"], raised["current"], raised["desired"]) == ("decision", 100, 150)
    assert raised["at"] == "2026-11-02T13:05:00+00:00"
    assert (failed["kind"], "AccessDeniedException" in failed["message"]) == ("failure", True)


@pytest.mark.slow
def test_what_is_older_than_the_days_is_left_out(region: Region, run: RunCommand) -> None:
    wait(region, hours=25)
    nothing = run("history", "orders", "--stage", "local", "--days", "1")
    assert nothing.exit_code == 0
    assert nothing.output == (
        "Nothing was changed or failed for orders in the last day. "
        "What apply and sweep do from a machine is not in the logs of a stage."
    )
    assert "1 raised" in run("history", "orders", "--stage", "local", "--days", "2").output


@pytest.mark.slow(traced=True)
def test_a_table_that_does_not_exist_is_named_with_the_nearest(
    region: Region, run: RunCommand
) -> None:
    result = run("history", "oders", "--stage", "local")
    assert result.exit_code == 1
    assert result.output.endswith("There is no such table; did you mean orders?")


@pytest.mark.slow(traced=True)
def test_a_stage_without_logs_is_named(region: Region, run: RunCommand) -> None:
    result = run("history", "orders", "--stage", "dev")
    assert result.exit_code == 2
    assert result.errors == (
        "headroom: stage dev has no logs in 123456789012, us-east-1: is it deployed there?"
    )


def test_many_lines_come_in_pages_and_the_oldest_go() -> None:
    with Region(MIDDAY) as region:
        one = {"kind": "failure", "subject": "orders", "message": "x"}
        invocation = type("Made", (), {"function": "sweep", "at": MIDDAY, "logs": [one]})
        for _ in range(PAGE_SIZE + 1):
            region.logs.keep(invocation)  # type: ignore[arg-type]
        logs = region.client("logs")
        parameters = {"logGroupName": "/aws/lambda/headroom-local-sweep", "filterPattern": ""}
        first = logs.filter_log_events(**parameters)
        rest = logs.filter_log_events(**parameters, nextToken=first["nextToken"])
        assert (len(first["events"]), len(rest["events"])) == (PAGE_SIZE, 1)
        assert "nextToken" not in rest
        assert MOST_LINES > PAGE_SIZE
