"""`headroom demo`."""

import re
from pathlib import Path

import pytest

from headroom.demo.scenes import SCENES
from tests.support.command_line import RunCommand, write_file, write_trace
from tests.support.scenes import rules

# demo


@pytest.mark.slow(traced=True)
def test_a_demo_of_three_hours_ends_with_a_picture_and_the_same_minutes_run_by_others(
    tmp_path: Path, run: RunCommand
) -> None:
    trace = write_trace(tmp_path, [100.0] * 60 + [220.0] * 60 + [40.0] * 60)
    result = run("demo", "--trace", trace, "--config", write_file(tmp_path, rules("orders")))
    assert result.exit_code == 0
    assert result.output.startswith("180 minutes of table orders and its index by-date, in")
    assert "▲ orders 130 → 330 reads" in result.output
    assert "orders:read (ConsumedReadCapacityUnits), units per second over hours" in result.output
    assert "Application Auto Scaling, 70 %" in result.output
    assert re.search(r"Headroom costs \d+ % (less|more) than Application Auto", result.output)
    assert "0 refused by DynamoDB, 0 events lost" in result.output
    assert "No alarm is stuck. Next, in the browser: headroom console --open." in result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x1b" not in result.stdout  # a pipe gets neither colours nor a moving bar


@pytest.mark.slow(traced=True)
def test_a_quiet_demo_shows_the_summary_alone_of_the_days_that_are_wanted(
    tmp_path: Path, run: RunCommand
) -> None:
    result = run("demo", "--quiet", "--trace", write_trace(tmp_path, [100.0] * 20))
    assert result.exit_code == 0
    assert result.output.startswith("20 minutes of")
    assert "makes 4 alarms" not in result.output
    assert "The same minutes, run by others" in result.output


def test_an_unknown_scene_is_refused_and_the_known_ones_are_listed(run: RunCommand) -> None:
    result = run("demo", "--scene", "flete")
    assert result.exit_code == 2
    assert f"there is no scene 'flete', only {', '.join(SCENES)}" in result.errors


def test_a_demo_needs_a_rule_for_its_table(tmp_path: Path, run: RunCommand) -> None:
    result = run("demo", "--config", write_file(tmp_path, rules("users")))
    assert result.exit_code == 2
    assert (
        "the demo uses a table named orders, but no rule of the configuration names it"
        in result.errors
    )
