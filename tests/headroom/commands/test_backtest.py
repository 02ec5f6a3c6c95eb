"""`headroom backtest`."""

import csv
import io
import json
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.simulation import pricing
from headroom.simulation.compare import Row, compare
from tests.support.command_line import RunCommand, write_file, write_trace

STEPS = [100.0] * 60 + [400.0] * 60 + [50.0] * 120


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    return write_trace(tmp_path, STEPS)


def test_a_backtest_prints_a_table_with_a_row_for_each_policy(steps: Path, run: RunCommand) -> None:
    result = run("backtest", "--trace", steps, "--aas", "50", "--aas", "90")
    assert result.exit_code == 0
    assert result.output.startswith("240 minutes of reads")
    for row in compare(STEPS, make_policy(), pricing.load(), targets=(50, 90)).rows:
        cells = (
            f"{row.name} {row.cost_month:,.2f} {row.over_optimum:.2f} {row.effective:.2f} "
            f"{row.throttled_ppm:,.0f}"
        )
        assert cells in result.output


def test_a_backtest_in_json_is_the_complete_comparison(steps: Path, run: RunCommand) -> None:
    data = json.loads(run("backtest", "--trace", steps, "--json").stdout)
    assert data == compare(STEPS, make_policy(), pricing.load()).as_data()


def test_a_backtest_in_csv_has_a_line_for_each_policy(steps: Path, run: RunCommand) -> None:
    lines = list(csv.DictReader(io.StringIO(run("backtest", "--trace", steps, "--csv").stdout)))
    rows = compare(STEPS, make_policy(), pricing.load()).rows
    assert [line["name"] for line in lines] == [row.name for row in rows]
    assert list(lines[0]) == list(Row.__dataclass_fields__)
    assert [float(line["effective"]) for line in lines] == [row.effective for row in rows]


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
