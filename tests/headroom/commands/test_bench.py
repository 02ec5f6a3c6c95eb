"""`headroom bench`."""

from pathlib import Path

import pytest

from headroom.commands import bench
from tests.support.builders import policy
from tests.support.command_line import RunCommand, write_file, write_trace

STEPS = [100.0] * 60 + [400.0] * 60 + [50.0] * 120


@pytest.mark.slow(traced=True)
def test_a_benchmark_prints_all_conditions_and_compares_with_the_last_results(
    tmp_path: Path, run: RunCommand
) -> None:
    write_trace(tmp_path, STEPS, "steps.csv")
    write_trace(tmp_path, [50.0] * 120, "even.csv")
    write_file(
        tmp_path,
        (
            "| trace | class | what |\n|---|---|---|\n| steps | step | a step |\n| even | smooth "
            "| even |\n"
        ),
        "INDEX.md",
    )
    results = tmp_path / "results.json"
    first = run("bench", "--traces", tmp_path, "--results", results, "--each", "--save")
    assert (first.exit_code, first.errors) == (0, "")
    assert first.output.startswith(f"2 traces from {tmp_path}")
    for words in (
        "as measured: over the optimum",
        "half the burst bucket: over",
        "slow: over",
        "as measured: over the cost floor (on demand: 3.46)",
        "step (1)",
        "smooth (1)",
    ):
        assert words in first.output
    assert first.output.endswith(f"Wrote {results}")
    again = run("bench", "--traces", tmp_path, "--results", results)
    assert again.output.endswith("0 of 6 figures differ by more than 0.5% from results.json.")


@pytest.mark.slow(traced=True)
def test_the_benchmark_without_traces_shows_a_table_with_indexes_and_a_hot_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench._print_cases(policy(), days=1)
    printed = capsys.readouterr().out
    for words in ("two indexes; generated days: 1", "index_follows_table = false", "not shown"):
        assert words in printed


def test_a_benchmark_of_a_missing_folder_is_refused(run: RunCommand) -> None:
    result = run("bench", "--traces", "tarces")
    assert (result.exit_code, result.errors) == (
        2,
        "headroom: tarces: there is no such folder; without --traces the bench generates its own",
    )


@pytest.mark.slow(traced=True)
def test_a_benchmark_prints_what_changed(tmp_path: Path, run: RunCommand) -> None:
    write_trace(tmp_path, STEPS, "steps.csv")
    results = tmp_path / "results.json"
    run("bench", "--traces", tmp_path, "--results", results, "--save")
    plain = write_file(tmp_path, '[defaults]\nstrategy = "percent"\n')
    result = run("bench", "--traces", tmp_path, "--results", results, "--config", plain)
    assert "as measured, steps: " in result.output
    assert result.output.endswith("3 of 3 figures differ by more than 0.5% from results.json.")
