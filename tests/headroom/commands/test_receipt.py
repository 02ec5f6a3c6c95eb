"""`headroom receipt`: a day of metrics in the embedded region, and what the command says of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED, THROTTLED, Cause, throttled_by
from chalicelib.model import Dimension, Target
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation import pricing, receipt
from headroom.simulation.clock import DAY, HOUR, MINUTE
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import HOT, MONDAY, metric_dimensions

PRICES = pricing.load()
TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)
CONFIG = '[[tables]]\nname = "orders"\n[[tables]]\nname = "t-*"\ndry_run = true\n'


def publish(region: Region, target: Target, metric: str, values: dict[int, float]) -> None:
    named = metric_dimensions(target)
    for minute, value in values.items():
        region.cloudwatch.publish(NAMESPACE, metric, named, minute, value)


@pytest.fixture(scope="module")
def region() -> Iterator[Region]:
    """Monday of a table with an index, which is an hour younger; a table without metrics; one on
    demand; and one that no rule names."""
    with Region(MONDAY) as made:
        made.create_table("orders", 100, 10, {"by-date": (10, 10)})
        for name in ("t-new", "t-lazy", "users"):
            made.create_table(name, 5, 5)
        made.client("dynamodb").update_table(TableName="t-lazy", BillingMode="PAY_PER_REQUEST")
        for target in TARGETS:
            first = HOUR if target.index else 0
            units = 100.0 if target == READS else 10.0
            minutes = range(first, DAY)
            publish(made, target, PROVISIONED[target.dimension], dict.fromkeys(minutes, units))
        publish(made, READS, CONSUMED[Dimension.READ], dict.fromkeys(range(HOUR, DAY), 70 * 60.0))
        lost = {HOUR: 300.0, HOUR + 1: 600.0}
        publish(made, READS, THROTTLED[Dimension.READ], lost)
        publish(made, READS, throttled_by(Cause.PROVISIONED, Dimension.READ), {HOUR: 300.0})
        publish(made, READS, HOT[Dimension.READ], {HOUR + 1: 600.0})
        made.travel(MONDAY + timedelta(days=1, hours=9))
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_file(tmp_path, CONFIG)


@pytest.mark.slow
def test_a_receipt_is_what_was_held_beside_the_same_minutes_of_others(
    region: Region, config: Path, run: RunCommand
) -> None:
    """A hot key's throttling is nobody's but the key's. The index begins an hour later."""
    result = run("receipt", "--days", "1", "--json", "--config", config)
    data = json.loads(result.stdout)
    table = data["tables"][0]
    assert (table["table"], table["minutes"], table["dry_run"]) == ("orders", DAY - HOUR, False)
    own, auto_scaling, on_demand, _, optimum, floor = table["lines"]
    units = 110 * PRICES.read.unit_hour + 20 * PRICES.write.unit_hour
    assert own == {
        "name": receipt.HEADROOM,
        "usd": pytest.approx(units * 23),
        "throttled_minutes": 1,
        "throttled_requests": pytest.approx(300.0),
        "throttled_usd": pytest.approx(300 / 3600 * 34.6 * PRICES.read.unit_hour),
    }
    million = PRICES.read.million_requests
    consumed = 70 * (DAY - HOUR) * MINUTE + 300
    assert on_demand["usd"] == pytest.approx(consumed / 1e6 * million)
    assert floor["usd"] == pytest.approx(consumed / 3600 * PRICES.read.unit_hour)
    assert floor["usd"] < optimum["usd"] < auto_scaling["usd"] < own["usd"]
    assert data["total"] == table["lines"]


@pytest.mark.slow(traced=True)
def test_what_has_no_receipt_is_named_and_the_calls_are_counted(
    region: Region, config: Path, run: RunCommand
) -> None:
    result = run("receipt", "--days", "1", "--json", "--config", config)
    data = json.loads(result.stdout)
    assert result.exit_code == 1
    assert data["left_out"] == {
        "t-new": "CloudWatch has no datapoint of its units",
        "t-lazy": "it is billed on demand, so it holds no units",
    }
    assert "t-lazy is left out: it is billed on demand" in result.errors
    # orders: loads, units and causes; t-new: loads and units
    metrics = 8 + 4 + 4 + 4 + 2
    assert data["metrics"] == metrics
    assert data["calls"] == {"ListTables": 1, "DescribeTable": 3, "GetMetricData": 5}
    assert data["metrics_usd"] == pytest.approx(metrics * PRICES.headroom.metric_read)


@pytest.mark.slow(traced=True)
def test_the_receipt_is_read_in_a_terminal_and_on_a_page(
    region: Region, config: Path, tmp_path: Path, run: RunCommand
) -> None:
    page = tmp_path / "page.html"
    result = run("receipt", "--days", "1", "--table", "ord*", "--config", config, "--html", page)
    assert result.exit_code == 0
    assert "us-east-1: 1 table, 2026-11-02 to 2026-11-03 00:00 UTC" in result.output
    assert "Headroom 0.63 3.00 1 300" in result.output
    assert "orders 1.0 0.63 1" in result.output
    assert "Headroom costs" in result.output
    assert "GetMetricData; 16 metrics for 0.0002 USD." in result.output
    assert result.errors == f"Wrote {page}"
    assert "<h1>Receipt: orders:read</h1>" in page.read_text()


@pytest.mark.slow(traced=True)
def test_a_dry_run_is_said(region: Region, tmp_path: Path, run: RunCommand) -> None:
    config = write_file(tmp_path, '[[tables]]\nname = "orders"\ndry_run = true\n')
    result = run("receipt", "--days", "1", "--config", config)
    assert "orders (dry_run)" in result.output
    assert "A table in dry_run held what somebody else set." in result.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--table", "odrers"), "no managed table matches odrers; did you mean orders?"),
        (("--table", "t-new"), "no table could be read"),
    ],
)
def test_without_a_table_there_is_no_receipt(
    words: tuple[str, ...], problem: str, region: Region, config: Path, run: RunCommand
) -> None:
    result = run("receipt", "--config", config, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert problem in result.errors


def test_a_table_that_cannot_be_described_is_left_out(
    region: Region, config: Path, run: RunCommand
) -> None:
    region.faults.append(Fault("DescribeTable", "AccessDeniedException"))
    result = run("receipt", "--config", config, "--table", "orders")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "orders is left out: " in result.errors
    assert "AccessDeniedException" in result.errors
