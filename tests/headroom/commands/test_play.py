"""`headroom demo`."""

from pathlib import Path

from headroom.demo.scenes import SCENES
from tests.support.command_line import RunCommand, write_file, write_trace
from tests.support.scenes import rules

# demo


def test_a_demo_of_three_hours_ends_with_a_picture_and_a_summary(
    tmp_path: Path, run: RunCommand
) -> None:
    trace = write_trace(tmp_path, [100.0] * 60 + [220.0] * 60 + [40.0] * 60)
    result = run("demo", "--trace", trace, "--config", write_file(tmp_path, rules("orders")))
    assert result.exit_code == 0
    assert result.output.startswith("180 minutes of demand for table orders and its index by-date.")
    assert "orders:read ▲ 130 → 330" in result.output
    assert "orders:read (ConsumedReadCapacityUnits), units per second over hours" in result.output
    assert "Results" in result.output
    assert "0 refused by DynamoDB, 0 events lost" in result.output
    assert result.output.endswith("No alarm is stuck.")


def test_a_quiet_demo_shows_the_summary_alone(tmp_path: Path, run: RunCommand) -> None:
    result = run("demo", "--quiet", "--trace", write_trace(tmp_path, [100.0] * 20))
    assert result.exit_code == 0
    assert "Make alarm" not in result.output
    assert "Results" in result.output


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
