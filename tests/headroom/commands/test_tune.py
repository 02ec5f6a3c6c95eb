"""`headroom tune`: what it prints, and where it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.config.policy import make_policy
from headroom.cli import app
from headroom.region.region import Region
from headroom.simulation import tuning
from headroom.simulation.goals import PRICES_ONLY, goal_ppm
from headroom.simulation.tuning import (
    SearchPlan,
)
from tests.support.builders import READS
from tests.support.scenes import pass_minutes, wait
from tests.support.tuning import PLAIN, THREE_DAYS, on_counted_days


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    file.write_text(
        "minute,demand\n"
        + "".join(f"{minute},{demand}\n" for minute, demand in enumerate(THREE_DAYS))
    )
    return file


@pytest.fixture
def no_rules(tmp_path: Path) -> Path:
    file = tmp_path / "headroom.toml"
    file.write_text("")
    return file


@pytest.mark.slow(traced=True)
def test_the_command_prints_each_fold_and_the_verdict(trace: Path, no_rules: Path) -> None:
    no_rules.write_text("[defaults]\ngoal_throttled_ppm = 200\n")
    options = ["--price-only", "--candidates", "2"]
    done = CliRunner().invoke(
        app, ["tune", "--trace", str(trace), "--config", str(no_rules), *options]
    )
    assert done.exit_code == 0, done.output
    plan = SearchPlan(coarse=PRICES_ONLY, steps=(), most=2)
    result = tuning.tune(THREE_DAYS, PLAIN, 200, plan=plan)
    rows = [
        line.split()[:2]
        for line in done.output.splitlines()
        if line.startswith(("  fold", "  all", "  today"))
    ]
    assert "trace.csv: 2 candidates, throttling at most 200 ppm" in done.output
    assert rows == [["fold", "1"], ["fold", "2"], ["all", "days"], ["today", "75"]]
    assert tuning.sentence(result) in done.output


@pytest.mark.slow(traced=True)
def test_the_command_prints_json_with_what_to_paste(trace: Path, no_rules: Path) -> None:
    options = ["--throttled-ppm", "1000000", "--candidates", "2", "--json"]
    done = CliRunner().invoke(
        app, ["tune", "--trace", str(trace), "--config", str(no_rules), *options]
    )
    data = json.loads(done.stdout)
    result = tuning.tune(THREE_DAYS, PLAIN, 1_000_000, plan=SearchPlan(most=2))
    assert (data["candidates"], data["goal_ppm"], data["stopped"]) == (2, 1_000_000, False)
    assert data["found"]["settings"] == tuning.settings_of(result.best)
    assert data["found"]["cost_month"] == pytest.approx(
        result.best_figures.unit_hours / 48 * 730 * 0.00013
    )
    assert data["toml"] == tuning.toml(result, None)
    assert [fold["days"] for fold in data["folds"]] == [[1], [2]]


@pytest.mark.slow(traced=True)
def test_the_command_reads_a_table_of_the_account(no_rules: Path, tmp_path: Path) -> None:
    with Region() as region:
        region.create_table("orders", 5, 5)
        pass_minutes(region, len(THREE_DAYS), {READS: THREE_DAYS})
        wait(region, minutes=20)
        options = [
            "--table",
            "orders",
            "--days",
            "3",
            "--config",
            str(no_rules),
            "--candidates",
            "2",
            "--json",
        ]
        done = CliRunner().invoke(app, ["tune", *options], env={"XDG_CACHE_HOME": str(tmp_path)})
    data = json.loads(done.stdout)
    kept = sorted(path.name for path in tmp_path.rglob("read-*.json"))
    assert data["today"]["throttled_ppm"] == pytest.approx(
        on_counted_days(PLAIN, THREE_DAYS).throttled_ppm
    )
    assert data["toml"].startswith('[[tables]]\nname = "orders"\n\n[tables.read]')
    assert kept == ["read-2026-11-02.json", "read-2026-11-03.json", "read-2026-11-04.json"]


@pytest.mark.parametrize(
    "given", [[], ["--trace", "x.csv", "--table", "orders"]], ids=["neither", "both"]
)
def test_the_command_wants_a_trace_or_a_table(given: list[str]) -> None:
    done = CliRunner().invoke(app, ["tune", *given])
    assert done.exit_code == 2
    assert "give either --trace FILE or --table NAME" in done.output


@pytest.mark.parametrize(
    ("given", "configured", "goal"),
    [(None, 50.0, 50.0), (0.0, 50.0, 0.0), (None, 0.0, 100.0)],
    ids=["of the configuration", "of the command", "of neither"],
)
def test_the_goal_is_that_of_the_command_or_of_the_configuration(
    given: float | None, configured: float, goal: float
) -> None:
    assert goal_ppm(given, make_policy(goal_throttled_ppm=configured)) == goal


@pytest.mark.slow(traced=True)
def test_a_history_too_short_is_reported_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    file.write_text("minute,demand\n0,1\n")
    done = subprocess.run(
        [sys.executable, "-m", "headroom.cli", "tune", "--trace", str(file)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert " ".join(done.stderr.split()) == (
        "headroom: the history has 0 whole days; tuning needs 3, "
        "to search on some and judge on others"
    )
