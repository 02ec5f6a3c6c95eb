"""`headroom sweep`: the sweep from any machine, once or until Ctrl-C, with alarms or without
any."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.run import Report, Run
from headroom import cli
from headroom.commands import sweep
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import READS, WRITES
from tests.support.command_line import one_line
from tests.support.scenes import (
    MIDDAY,
    MONDAY,
    autoscale,
    of_table,
    operations,
    pass_minutes,
    rules,
    thresholds,
    units,
    writes,
)

ALARM_CALLS = {"DescribeAlarms", "PutMetricAlarm", "DeleteAlarms"}


@pytest.fixture
def region() -> Iterator[Region]:
    """Two tables and no deployment: no function, no topic, no alarm."""
    with Region(MIDDAY) as region:
        region.create_table("orders", 100, 100)
        region.create_table("users", 100, 100)
        pass_minutes(
            region,
            65,
            {target: 70.0 for target in region.targets() if target.table == "users"}
            | {READS: 95.0, WRITES: 5.0},
        )
        region.calls.clear()
        yield region


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "headroom.toml"
    file.write_text(rules("*"))
    return file


def run(config: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.app, ["sweep", "--config", str(config), *words])


# once


@pytest.mark.slow(traced=True)
def test_one_sweep_raises_and_makes_the_alarms_and_says_what_it_did(
    region: Region, config: Path
) -> None:
    result = run(config, "--once")
    assert result.exit_code == 0
    raised = units(region)["orders:read"]
    assert raised > 100
    output = one_line(result.output)
    assert f"Raised orders reads 100 → {raised} units: costs 4.74 USD a month more" in output
    assert "consumption is at or above the alarm's level (UtilizationHigh) Alarms: 4 made" in output
    assert "users" not in output
    assert (
        "2026-11-02 13:05:00 UTC: 4 targets looked at: 1 raised, 0 lowered, 3 stay, 0 failed."
        in one_line(result.output)
    )
    assert sorted(thresholds(region)) == [
        "headroom-orders:read",
        "headroom-orders:write",
        "headroom-users:read",
        "headroom-users:write",
    ]


@pytest.mark.slow(traced=True)
def test_every_decision_is_printed_with_the_option_all(region: Region, config: Path) -> None:
    output = one_line(run(config, "--once", "--all").output)
    assert "users:read 100 100 it fits the load" in output


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(region: Region, config: Path) -> None:
    result = run(config, "--once", "--dry-run")
    assert (result.exit_code, writes(region)) == (0, [])
    assert "Would raise orders reads 100 →" in one_line(result.output)
    assert "1 to be raised, 0 to be lowered, 3 stay, 0 failed." in one_line(result.output)


def test_only_the_named_tables_are_swept_and_a_sweep_is_one_line_of_json(
    region: Region, config: Path
) -> None:
    result = run(config, "--once", "--json", "--table", "o*")
    data = json.loads(result.output)
    assert result.output.count("\n") == 1
    assert [decision["table"] for decision in data["decisions"]] == ["orders", "orders"]
    assert len(data["done"]) == 4
    assert sorted(thresholds(region)) == ["headroom-orders:read", "headroom-orders:write"]


@pytest.mark.slow(traced=True)
def test_a_table_that_fails_ends_it_with_1_and_the_others_are_served(
    region: Region, config: Path
) -> None:
    region.faults.append(Fault("DescribeTable", "AccessDeniedException", matches=of_table("users")))
    result = run(config, "--once")
    assert result.exit_code == 1
    assert "users: DescribeTable failed: An error occurred (AccessDeniedException)" in one_line(
        result.output
    )
    assert "1 raised, 0 lowered, 1 stay, 1 failed." in one_line(result.output)
    assert units(region)["orders:read"] > 100


def test_a_sweep_that_cannot_begin_ends_with_1_and_one_sentence(
    region: Region, config: Path
) -> None:
    region.faults.append(Fault("ListTables", "ExpiredTokenException"))
    result = run(config, "--once")
    assert result.exit_code == 1
    assert (
        "the tables: ListTables failed: AWS does not accept the credentials: An error "
        "occurred (Expired"
    ) in one_line(result.output)


# without alarms


@pytest.mark.slow
def test_without_alarms_none_is_made_read_or_needed_and_capacity_goes_up_and_down(
    region: Region, config: Path
) -> None:
    for _ in range(3):
        assert run(config, "--once", "--no-alarms").exit_code == 0
        pass_minutes(
            region,
            65,
            {target: 70.0 for target in region.targets() if target.table == "users"}
            | {READS: 95.0, WRITES: 5.0},
        )
    assert units(region)["orders:read"] > 100
    assert units(region)["orders:write"] < 50
    assert units(region)["users:read"] == 100
    assert not ALARM_CALLS & set(operations(region))


@pytest.mark.slow(traced=True)
def test_without_alarms_those_that_there_are_stay_as_they_are(region: Region, config: Path) -> None:
    run(config, "--once")
    before = thresholds(region)
    pass_minutes(region, 185, dict.fromkeys(region.targets(), 5.0))
    run(config, "--once", "--no-alarms")
    assert units(region)["orders:read"] < 50
    assert thresholds(region) == before


def test_application_auto_scaling_is_left_alone_as_ever(region: Region, config: Path) -> None:
    autoscale(region)
    result = run(config, "--once", "--no-alarms")
    assert "orders: passed over: Application Auto Scaling manages it too; left alone" in one_line(
        result.output
    )
    assert units(region)["orders:read"] == 100


@pytest.mark.parametrize("alone", [True, False])
def test_a_small_table_is_looked_at_since_no_hourly_pass_will(alone: bool, tmp_path: Path) -> None:
    with Region(MIDDAY) as region:
        region.create_table("orders", 6, 6)
        pass_minutes(region, 65)
        file = tmp_path / "headroom.toml"
        file.write_text(rules("*"))
        if alone:
            run(file, "--once", "--no-alarms")
            assert units(region) == {"orders:read": 1, "orders:write": 1}
        else:
            region.deploy(rules("*"))
            region.functions.invoke(
                "sweep",
                {
                    "source": "aws.events",
                    "detail-type": "Scheduled Event",
                    "detail": {},
                    "resources": [],
                    "account": "",
                    "time": "",
                    "region": "",
                    "id": "",
                    "version": "0",
                },
            )
            assert units(region) == {"orders:read": 6, "orders:write": 6}


# again and again


def sweeps(
    region: Region, sleep: Callable[[float], None], minutes: int = 5
) -> Iterator[tuple[datetime, Report | Exception]]:
    """Sweep for ever without alarms; time is the region's."""
    aws = Aws("headroom-alarms", sleep=lambda _: None)
    config = load(rules("*"))
    return sweep.sweep_every(
        minutes,
        lambda now: sweep.sweep_once(Run(aws, config, now), with_alarms=False),
        lambda: region.now,
        sleep,
    )


@pytest.mark.slow
def test_a_day_without_lambda_follows_the_traffic_up_and_down() -> None:
    with Region(MONDAY, Conditions()) as region:
        region.create_table("orders", 100, 100)
        day = [30.0] * 480 + [300.0] * 480 + [30.0] * 480
        region.serve(READS, day)
        region.serve(WRITES, day)
        seen: list[int] = []
        region.on_minute.append(lambda now: seen.append(now.units(READS)))
        for began, came in sweeps(region, lambda seconds: region.run(int(seconds) // 60)):
            assert isinstance(came, Report)
            assert (came.failures, began.minute % 5) == ([], 0)
            if began >= MONDAY + timedelta(hours=23):
                break
        assert max(seen[:480]) <= 100
        assert seen[600] >= 300
        assert seen[-1] < 100
        assert not ALARM_CALLS & set(operations(region))


def test_a_sweep_that_fails_is_told_and_the_next_one_comes(region: Region) -> None:
    region.faults.append(Fault("ListTables", "ExpiredTokenException"))
    coming = sweeps(region, lambda seconds: pass_minutes(region, int(seconds) // 60, {READS: 95.0}))
    began, came = next(coming)
    assert "ExpiredTokenException" in str(came)
    later, came = next(coming)
    assert isinstance(came, Report)
    assert later - began == timedelta(minutes=5)
    assert units(region)["orders:read"] > 100


@pytest.mark.parametrize(("took", "waits"), [(0, 300), (100, 200), (300, 0), (1_000, 0)])
def test_the_time_between_two_sweeps_is_counted_from_their_beginnings(
    region: Region, took: int, waits: int
) -> None:
    waited: list[float] = []
    coming = sweeps(region, waited.append)
    next(coming)
    region.travel(region.now + timedelta(seconds=took))
    next(coming)
    assert waited == [waits]


@pytest.mark.slow(traced=True)
def test_ctrl_c_ends_it_in_peace(
    region: Region, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def interrupted(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    result = run(config, "--every", "2", "--no-alarms")
    assert (result.exit_code, waits) == (0, [120.0] * 3)
    assert result.output.count("targets looked at") == 3
    assert one_line(result.output).endswith("Stopped. Capacity and alarms stay as they are.")
