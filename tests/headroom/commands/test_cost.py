"""`headroom cost`: every table and index of a region, and what concerns all of them."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from msgspec import structs
from typer.testing import CliRunner

from chalicelib.model import Dimension, Target
from headroom.cli import app
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation import own_costs, pricing
from headroom.simulation.clock import DAY
from headroom.simulation.costs import (
    Advice,
)
from tests.support import price_list
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.scenes import pass_minutes, wait

LAZY_READS = Target("lazy", "", Dimension.READ)
LAZY_WRITES = Target("lazy", "", Dimension.WRITE)
WAVE = [40.0 + 80 * (minute % DAY in range(700, 710)) for minute in range(DAY)]

QUIET = [3.0] * DAY


@pytest.fixture
def region() -> Iterator[Region]:
    """A day of a provisioned table with an index, of one on demand, and of one that was made just
    now."""
    with Region() as made:
        made.create_table("orders", 60, 10, {"by-date": (10, 10)})
        made.create_table("lazy", 5, 5)
        pass_minutes(made, DAY, {READS: WAVE, WRITES: QUIET, INDEX_READS: QUIET, LAZY_READS: QUIET})
        made.client("dynamodb").update_table(TableName="lazy", BillingMode="PAY_PER_REQUEST")
        made.create_table("new", 5, 5)
        wait(made, minutes=20)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "headroom.toml").write_text("")
    return tmp_path


def run(folder: Path, *options: str) -> Result:
    given = ["cost", "--days", "1", "--config", str(folder / "headroom.toml"), *options]
    return CliRunner().invoke(app, given, env={"XDG_CACHE_HOME": str(folder)})


@pytest.mark.slow(traced=True)
def test_the_command_costs_every_table_and_index_of_the_region(
    region: Region, folder: Path
) -> None:
    done = run(folder, "--json")
    data = json.loads(done.stdout)
    shown = {(row["table"], row["index"], row["dimension"]): row for row in data["targets"]}
    assert done.exit_code == 0
    assert list(shown) == [
        (t.table, t.index, str(t.dimension))
        for t in (LAZY_READS, LAZY_WRITES, *NEW_TARGETS, *TARGETS)
    ]
    assert shown["orders", "", "read"]["now"] == pytest.approx(60 * 0.00013 * 730)
    assert shown["lazy", "", "read"]["now"] == pytest.approx(3 * 3600 * 730 / 1e6 * 0.125)
    assert shown["lazy", "", "read"]["units_now"] is None
    assert data["totals"]["now"] == pytest.approx(sum(row["now"] for row in data["targets"]))
    # nothing was ever consumed of it, and it costs what it holds
    assert shown["new", "", "read"]["now"] == pytest.approx(5 * 0.00013 * 730)
    assert shown["new", "", "read"]["advice"] == "on-demand"
    assert data["totals"]["own_alarms"] == pytest.approx(0.8)
    assert data["idle"] == [{"table": "new", "month": pytest.approx(5 * 0.00078 * 730)}]
    assert [one["table"] for one in data["classes"]] == ["lazy", "new", "orders"]
    assert {(one["dimension"], one["units"]) for one in data["reserve"]} == {("read", 100)}
    assert data["free_tier"] > 0
    assert "held_by_hour" not in data["targets"][0]
    assert data["break_even_percent"] == {
        "read": pytest.approx(28.89, abs=0.01),
        "write": pytest.approx(28.89, abs=0.01),
    }


TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)
NEW_TARGETS = tuple(structs.replace(target, table="new") for target in (READS, WRITES))


@pytest.mark.slow(traced=True)
def test_each_cost_has_its_place_where_several_are_read(region: Region, folder: Path) -> None:
    places = ("--table", "new", "--regions", region.name)
    rows = list(csv.DictReader(io.StringIO(run(folder, "--csv", *places).stdout)))
    assert [(row["place"], row["table"]) for row in rows] == [(region.name, "new")] * 2
    shown = run(folder, *places).stdout
    assert "1 places: USD a month" in shown
    assert "us-east-1 new:read" in " ".join(shown.split())


@pytest.mark.slow
def test_a_read_failure_is_reported_and_does_not_stop_the_others(
    region: Region, folder: Path
) -> None:
    region.faults.append(
        Fault(
            "DescribeTable",
            "AccessDeniedException",
            matches=lambda request: request["TableName"] == "lazy",
        )
    )
    done = run(folder, "--json")
    data = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {row["table"] for row in data["targets"]} == {"new", "orders"}
    assert [failure["subject"] for failure in data["unread"]] == ["lazy"]
    assert "AccessDeniedException" in data["unread"][0]["why"]
    assert "lazy is left out: " in done.stderr


@pytest.mark.slow
def test_metrics_that_are_refused_once_leave_out_one_target(region: Region, folder: Path) -> None:
    region.faults.append(Fault("GetMetricData", "AccessDenied", after=3))
    done = run(folder, "--table", "orders", "--json")
    data = json.loads(done.stdout)
    assert [failure["subject"] for failure in data["unread"]] == ["orders/by-date:write"]
    assert len(data["targets"]) == 3


@pytest.mark.slow(traced=True)
def test_the_command_is_limited_by_a_glob_and_prints_csv(region: Region, folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(folder, "--table", "ord*", "--csv").stdout)))
    assert [(row["index"], row["dimension"]) for row in rows] == [
        (t.index, str(t.dimension)) for t in TARGETS
    ]
    assert float(rows[0]["own_alarms"]) == 0.1
    assert {row["advice"] for row in rows} <= {str(advice) for advice in Advice}


@pytest.mark.slow(traced=True)
def test_the_command_prints_the_sums(region: Region, folder: Path) -> None:
    done = run(folder, "--table", "orders")
    assert "us-east-1: USD a month, from the last day" in done.stdout
    assert (
        "Below 28.9 % mean utilisation on-demand is cheaper than anything provisioned at the "
        "normal price." in done.stdout
    )
    assert "Headroom itself, on all of them: " in done.stdout
    assert "(0.40 alarms, " in done.stdout
    shown = " ".join(done.stdout.split())
    assert "What to reserve in this Region, given how Headroom runs the tables" in shown
    assert "reads 1 year 100" in shown
    assert "A Database Savings Plan of" in shown
    assert "Free tier, not taken off above:" in shown
    assert own_costs.ASSUMPTIONS in done.stdout
    assert [
        target_costs.split()[0]
        for target_costs in done.stdout.splitlines()
        if ":read" in target_costs
    ] == [
        "orders:read",
        "orders/by-date:read",
    ]


@pytest.mark.slow
def test_other_prices_can_be_given_and_those_of_another_region_are_noticed(
    region: Region, folder: Path
) -> None:
    file = folder / "prices.toml"
    text = pricing.FILE.read_text().replace('region = "us-east-1"', 'region = "eu-west-1"')
    file.write_text(text.replace("unit_hour = 0.00013 ", "unit_hour = 0.00026 "))
    done = run(folder, "--table", "new", "--prices", str(file), "--json")
    data = json.loads(done.stdout)
    assert data["targets"][0]["now"] == pytest.approx(5 * 0.00026 * 730)
    assert data["break_even_percent"]["read"] == pytest.approx(57.78, abs=0.01)
    assert "The prices are those of eu-west-1, the tables are in us-east-1" in " ".join(
        done.stderr.split()
    )


@pytest.mark.slow
def test_a_second_run_reads_the_history_from_the_disk(region: Region, folder: Path) -> None:
    first = run(folder, "--table", "lazy", "--json").stdout
    assert json.loads(first)["targets"]
    region.calls.clear()
    assert run(folder, "--table", "lazy", "--json").stdout == first
    assert "GetMetricData" not in [call.operation for call in region.calls]


def test_where_nothing_matches_there_is_nothing_to_cost(region: Region, folder: Path) -> None:
    done = run(folder, "--table", "none-*")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no table matches" in done.stderr


def test_where_nothing_can_be_read_the_command_fails(region: Region, folder: Path) -> None:
    region.faults.append(Fault("GetMetricData", "AccessDenied", times=2))
    done = run(folder, "--table", "new")
    assert done.exit_code == 1
    assert "new:write is left out" in done.stderr


@pytest.mark.slow(traced=True)
def test_live_prices_are_those_of_the_region(region: Region, folder: Path) -> None:
    region.answers["pricing", "GetProducts"] = price_list.get_products
    answer = price_list.offering_rates
    region.answers["savingsplans", "DescribeSavingsPlansOfferingRates"] = answer
    data = json.loads(run(folder, "--table", "new", "--prices", "live", "--json").stdout)
    assert data["prices_source"] == "AWS Price List API and Savings Plans API"
    assert data["targets"][0]["now"] == pytest.approx(5 * 0.000147 * 730)
