"""`headroom backtest`."""

import csv
import io
import json
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.commands import backtest
from headroom.commands.demand_source import Source
from headroom.region.region import Region
from headroom.simulation import pricing
from headroom.simulation.compare import Row, compare
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_WRITES, WRITES
from tests.support.command_line import RunCommand, write_file, write_trace

STEPS = [100.0] * 60 + [400.0] * 60 + [50.0] * 120


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    return write_trace(tmp_path, STEPS)


@pytest.mark.slow
def test_a_backtest_prints_a_table_with_a_row_for_each_policy(steps: Path, run: RunCommand) -> None:
    result = run("backtest", "--trace", steps, "--aas", "50", "--aas", "90")
    assert result.exit_code == 0
    assert result.output.startswith("240 minutes of reads")
    for row in compare(STEPS, make_policy(), pricing.load(), targets=(50, 90)).rows:
        cells = (
            f"{row.name} {row.cost_month:,.2f} {row.over_optimum:.2f} {row.effective:.2f} "
            f"{row.over_floor:.2f} {row.throttled_ppm:,.0f}"
        )
        assert cells in result.output
    *table, saving = result.stdout.rstrip().splitlines()
    assert max(map(len, table)) <= 80
    assert saving.startswith("Headroom would cost ")


@pytest.mark.slow
def test_a_backtest_in_json_is_the_complete_comparison(steps: Path, run: RunCommand) -> None:
    data = json.loads(run("backtest", "--trace", steps, "--json").stdout)
    assert data == compare(STEPS, make_policy(), pricing.load()).as_data()


@pytest.mark.slow(traced=True)
def test_a_backtest_in_csv_has_a_line_for_each_policy(steps: Path, run: RunCommand) -> None:
    lines = list(csv.DictReader(io.StringIO(run("backtest", "--trace", steps, "--csv").stdout)))
    rows = compare(STEPS, make_policy(), pricing.load()).rows
    assert [line["name"] for line in lines] == [row.name for row in rows]
    assert list(lines[0]) == list(Row.__dataclass_fields__)
    assert [float(line["effective"]) for line in lines] == [row.effective for row in rows]


@pytest.mark.slow
def test_the_configuration_and_the_conditions_apply_in_a_backtest(
    steps: Path, tmp_path: Path, run: RunCommand
) -> None:
    file = write_file(
        tmp_path, '[defaults]\nmin_units = 300\n[[tables]]\nname = "trace"\nwrite.min_units = 600\n'
    )
    options = ("backtest", "--trace", steps, "--json", "--config", file)
    plain, slow = (
        run(*options),
        run(*options, "--metric-delay", "3", "--update-minutes", "3", "--burst-seconds", "0"),
    )
    writes = json.loads(run(*options, "--dimension", "write").stdout)
    least = make_policy(min_units=300)
    assert (
        json.loads(plain.stdout)["rows"][0]["cost_month"]
        == compare(STEPS, least, pricing.load()).rows[0].cost_month
    )
    assert json.loads(slow.stdout)["rows"][0] != json.loads(plain.stdout)["rows"][0]
    assert writes["dimension"] == "write"
    assert writes["rows"][0]["over_optimum"] > json.loads(plain.stdout)["rows"][0]["over_optimum"]


@pytest.mark.slow(traced=True)
def test_perfect_sight_has_a_row_for_each_time(steps: Path, run: RunCommand) -> None:
    result = run("backtest", "--trace", steps, "--foresight", "15,60", "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)["rows"]}
    for minutes in (15, 60):
        seen = rows[f"perfect sight of {minutes} min"]
        assert seen["over_floor"] < rows["Headroom"]["over_floor"]
    assert list(rows)[-3:] == ["on demand", "clairvoyant optimum", "cost floor"]


@pytest.mark.parametrize("given", ["9", "15;60", "241"])
def test_a_wrong_time_of_sight_is_refused(given: str, steps: Path, run: RunCommand) -> None:
    result = run("backtest", "--trace", steps, "--foresight", given)
    assert result.exit_code == 2
    assert f"--foresight {given}: give whole minutes from 10 to 240" in result.errors


@pytest.mark.slow(traced=True)
def test_a_budget_has_a_row_and_a_sentence(steps: Path, tmp_path: Path, run: RunCommand) -> None:
    page = tmp_path / "page.html"
    held = '[defaults]\nmax_usd_month = 9\n[money]\nmax_usd_month = 900\nmoney_cap = "hold"\n'
    file = write_file(tmp_path, held)
    shown = run("backtest", "--trace", steps, "--config", file, "--html", page).output
    for words in ("Headroom, budget spent", "Budget: trace costs", "(money_cap = warn)"):
        assert words in shown
    assert "Budget: the stage has one of its own." in page.read_text()
    file = write_file(tmp_path, "[defaults]\nmax_usd_month = 9\n")
    assert "budget spent" not in run("backtest", "--trace", steps, "--config", file).output


@pytest.mark.slow(traced=True)
def test_a_backtest_writes_a_page(steps: Path, tmp_path: Path, run: RunCommand) -> None:
    page = tmp_path / "page.html"
    result = run("backtest", "--trace", steps, "--html", page)
    assert result.exit_code == 0
    assert result.errors == f"Wrote {page}"
    assert "<h1>trace.csv</h1>" in page.read_text()


@pytest.mark.parametrize(
    "words", [(), ("--trace", "x.csv", "--table", "orders")], ids=["neither", "both"]
)
def test_a_backtest_needs_either_a_trace_or_a_table(
    words: tuple[str, ...], run: RunCommand
) -> None:
    result = run("backtest", *words)
    assert result.exit_code == 2
    assert "give either --trace FILE or --table NAME" in result.errors


@pytest.mark.slow(traced=True)
def test_days_cut_a_trace_and_sums_are_divided_by_their_period(
    tmp_path: Path, run: RunCommand
) -> None:
    rows = "".join(f"2026-11-{day:02}T00:{m:02}:00Z,6000\n" for day in (2, 3) for m in range(30))
    trace = write_file(tmp_path, f"time,value\n{rows}", "reads.csv")
    result = run("backtest", "--trace", trace, "--sums", "--days", "1", "--json")
    data = json.loads(result.stdout)
    assert (data["minutes"], data["peak_units"]) == (1440, 100.0)
    assert result.errors == (
        "reads.csv: read as sums of 1 minute, from 2026-11-02 00:00 UTC on; "
        "1,410 minutes without a value, filled with the one before."
    )


def test_a_table_has_no_more_days_than_cloudwatch_keeps(run: RunCommand) -> None:
    result = run("backtest", "--table", "orders", "--days", "15")
    assert result.exit_code == 2
    assert "CloudWatch has no more than 14 days: --days 15" in result.errors


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--html", "none/page.html"), "there is no folder "),
        (("--html", "."), ". is a folder: name a file in it"),
    ],
)
def test_an_output_is_checked_before_the_work(
    words: tuple[str, ...], problem: str, run: RunCommand
) -> None:
    result = run("backtest", "--trace", "none.csv", *words)
    assert result.exit_code == 2
    assert problem in result.errors


def test_a_folder_to_write_into_is_checked_too(tmp_path: Path, run: RunCommand) -> None:
    file = write_file(tmp_path, "")
    result = run("package", "--stage", "dev", file / "out")
    assert result.exit_code == 2
    assert result.errors.startswith(f"headroom: invalid value for '[FOLDER]': {file} is no folder")


@pytest.mark.slow(traced=True)
def test_the_cheapest_mode_is_a_row_of_its_own_with_its_switches(
    steps: Path, tmp_path: Path, run: RunCommand
) -> None:
    options = ["--config", write_file(tmp_path, '[defaults]\nmode = "cheapest"\n')]
    data = json.loads(run("backtest", "--trace", steps, "--json", *options).stdout)
    assert [row["name"] for row in data["rows"]][:2] == ["Headroom", "Headroom, cheapest mode"]
    assert data["switches"] == []
    shown = run("backtest", "--trace", steps, *options).output
    assert shown.endswith("Headroom, cheapest mode: 0 switches.")


def test_the_mode_of_a_table_is_chosen_for_all_its_targets(tmp_path: Path) -> None:
    """The index may not be raised, and what it throttles is lost to its table: together only."""
    text = '[defaults]\nmode = "cheapest"\n[[tables]]\nname = "orders"\n'
    config = write_file(tmp_path, text + '[[tables.indexes]]\nname = "*"\nwrite.max_units = 40\n')
    trace = write_trace(tmp_path, [20.0] * 60 + [80.0] * 10)
    both = [Source(trace, target, None) for target in (WRITES, INDEX_WRITES)]
    found = list(backtest.compared(both, config, pricing.load(), (70,), Conditions(0), ()))
    for section in found:
        rows = {row.name: row.cells() for row in section.comparison.rows}
        assert section.comparison.rows[0].throttled_ppm > 200_000
        assert rows["Headroom, cheapest mode"][1:] == rows["Headroom"][1:]
        assert not list(section.comparison.switches)


@pytest.mark.parametrize(("dimension", "is_noted"), [("write", True), ("read", False)])
def test_the_writes_of_a_global_table_are_noted(
    dimension: str, is_noted: bool, tmp_path: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with Region() as region:
        region.create_table("orders", 20, 20)
        region.tables["orders"].replicas = ["eu-west-1"]
        result = run("backtest", "--table", "orders", "--dimension", dimension, "--days", "1")
    assert ("orders is a global table" in result.errors) == is_noted
    assert "there is nothing to replay" in result.errors
