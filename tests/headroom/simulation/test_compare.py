"""The comparison: which rows there are, and every figure computed by hand."""

import json
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from chalicelib.config.policy import make_policy
from chalicelib.config.windows import Window
from chalicelib.model import Dimension
from headroom.simulation import competitors, pricing
from headroom.simulation.clock import START
from headroom.simulation.compare import (
    HEADROOM,
    WITHOUT_CAUSES,
    Comparison,
    Row,
    compare,
    effective_cost,
    row_of,
)
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.optimum import optimum
from headroom.simulation.outcome import Outcome
from headroom.simulation.replay import initial_units, replay

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

PRICES = pricing.load()
DEMAND = [*[100.0] * 60, *[400.0] * 60, *[50.0] * 120]
PLAIN, DYNAMIC, AAS = "plain percentage", "Dynamic DynamoDB", "Application Auto Scaling"


def compared(**options: object) -> Comparison:
    return compare(DEMAND, make_policy(), PRICES, **options)  # type: ignore[arg-type]


def rows(comparison: Comparison) -> dict[str, Row]:
    return {row.name: row for row in comparison.rows}


@pytest.mark.parametrize(("first", "units"), [(70.0, 100), (70.1, 101), (0.5, 1), (0.0, 1)])
def test_every_policy_starts_with_the_first_minute_at_70_percent(first: float, units: int) -> None:
    assert initial_units([first, 1000.0]) == units


#: 60 + 120 unit-hours, and a tenth of one throttled.
OUTCOME = Outcome(
    units=[60] * 60 + [120] * 60, throttled=[0.0] * 119 + [6.0], decreases=1, changes=2
)


def test_a_throttled_unit_counts_as_34_6_provisioned_ones() -> None:
    assert effective_cost(OUTCOME, 90.0) == pytest.approx((180 + 3.46) / 90)
    assert make_policy().throttle_price == pricing.THROTTLED_UNIT_PRICE == 34.6


@pytest.mark.slow(traced=True)
def test_heavy_libraries_are_imported_only_when_used() -> None:
    modules = "benchmark, compare, costs, history, pricing, traces, tuning"
    heavy = "{'boto3', 'moto', 'numpy', 'plotext'}"
    code = (
        f"import sys; from headroom.simulation import {modules}; print({heavy} & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_a_row_by_hand() -> None:
    row = row_of("somebody", OUTCOME, [50.0] * 120, 90.0, PRICES.read)
    assert (row.name, row.throttled_minutes, row.decreases, row.changes) == ("somebody", 1, 1, 2)
    assert row.cost_month == pytest.approx(180 * 0.00013 * 730 / 2)
    assert (row.over_optimum, row.effective) == (2.0, pytest.approx(183.46 / 90))
    assert row.over_floor == pytest.approx(183.46 / 100)
    assert row.throttled_ppm == pytest.approx(6 / 6000 * 1e6)


def test_every_way_to_run_the_table_has_its_row() -> None:
    names = [
        HEADROOM,
        PLAIN,
        f"{AAS} 50 %",
        f"{AAS} 70 %",
        DYNAMIC,
        "fixed at peak",
        "on demand",
        "clairvoyant optimum",
        "cost floor",
    ]
    assert [row.name for row in compared(targets=(50, 70)).rows] == names


@pytest.mark.slow
def test_each_row_is_its_own_replay() -> None:
    comparison, slow = compared(), Conditions(150, 3, 3)
    late = compared(conditions=slow)
    begin = initial_units(DEMAND)
    assert comparison.outcomes[HEADROOM] == replay(DEMAND, make_policy(), begin)
    assert (
        late.outcomes[HEADROOM]
        == replay(DEMAND, make_policy(), begin, slow)
        != comparison.outcomes[HEADROOM]
    )
    assert (
        comparison.outcomes[PLAIN]
        == replay(DEMAND, make_policy(strategy="percent"), begin)
        != comparison.outcomes[HEADROOM]
    )
    assert comparison.outcomes[f"{AAS} 70 %"] == competitors.run(
        DEMAND, begin, competitors.AutoScaling(70)
    )
    assert late.outcomes[f"{AAS} 70 %"] == competitors.run(
        DEMAND, begin, competitors.AutoScaling(70), slow
    )
    assert comparison.outcomes[DYNAMIC] == competitors.run(
        DEMAND, begin, competitors.dynamic_dynamodb
    )
    assert comparison.outcomes["fixed at peak"].units == [400] * 240


@pytest.mark.slow(traced=True)
def test_a_hot_key_has_a_row_for_headroom_that_does_not_know_its_cause() -> None:
    """The cause lets it lower to what is used within the hour; without it nothing is lowered."""
    demand = [*[7_000.0] * 10, *[2_000.0] * 170]
    comparison = compare(demand, make_policy(), PRICES, conditions=Conditions(hot_key_requests=1.0))
    units = {name: comparison.outcomes[name].units for name in (HEADROOM, WITHOUT_CAUSES)}
    assert max(units[HEADROOM][60:]) < 2_500
    assert min(units[WITHOUT_CAUSES]) == 10_000
    assert rows(comparison)[HEADROOM].throttled_ppm == 0
    assert WITHOUT_CAUSES not in rows(compared())


@pytest.mark.slow
def test_the_bounds_apply_to_the_plain_percentage_too() -> None:
    comparison = compare(DEMAND, make_policy(min_units=120, max_units=200), PRICES)
    for name in (HEADROOM, PLAIN):
        assert min(comparison.outcomes[name].units[10:]) >= 120
        assert max(comparison.outcomes[name].units) <= 200


@pytest.mark.slow
def test_all_are_divided_by_the_optimum_and_so_is_on_demand() -> None:
    comparison, best = rows(compared()), optimum(DEMAND)
    assert best == 600.0  # two decreases at most: capacity is the demand
    for name, outcome in compared().outcomes.items():
        assert comparison[name].over_optimum == pytest.approx(outcome.unit_hours / 600)
    on_demand = 600 * 3600 / 1e6 * 0.125
    assert comparison["on demand"].cost_month == pytest.approx(on_demand * 730 / 4)
    assert comparison["on demand"].effective == pytest.approx(on_demand / (600 * 0.00013))
    assert comparison["clairvoyant optimum"] == Row(
        "clairvoyant optimum",
        pytest.approx(78 * 0.00013 / 78 * 600 * 730 / 4),
        1.0,
        1.0,
        1.0,  # the demand stays for an hour: it can be followed exactly
        0.0,
        0,
        0,
        0,
    )


def test_the_cost_floor_is_the_demand_at_100_percent() -> None:
    spiky = [*[10.0] * 59, 100.0]
    comparison = rows(compare(spiky, make_policy(), PRICES))
    floor, best = comparison["cost floor"], comparison["clairvoyant optimum"]
    assert floor.cost_month == pytest.approx((10 * 59 + 100) / 60 * 0.00013 * 730)
    assert (floor.over_floor, best.over_floor) == (
        1.0,
        pytest.approx(best.cost_month / floor.cost_month),
    )
    assert comparison["on demand"].over_floor == pytest.approx(3.46, abs=0.005)


@pytest.mark.parametrize(("start", "least"), [(START, 10), (START + timedelta(days=5), 300)])
def test_a_window_of_the_weekend_holds_on_the_days_of_the_history(
    start: datetime, least: int
) -> None:
    weekend = Window(rule="floor", between="00:00-12:00", days="sat", min_units=300)
    policy = make_policy(strategy="percent", windows=(weekend,))
    found = compare([5.0] * 30, policy, PRICES, start=start)
    assert (max(found.outcomes[HEADROOM].units) >= 300) == (least == 300)


@pytest.mark.slow
def test_writes_have_their_own_price() -> None:
    reads, writes = rows(compared()), rows(compared(dimension=Dimension.WRITE))
    for name in reads:
        assert writes[name].cost_month == pytest.approx(5 * reads[name].cost_month)
        assert writes[name].effective == pytest.approx(reads[name].effective)


@pytest.mark.slow
def test_on_done_gets_the_name_of_each_policy() -> None:
    names: list[str] = []
    compared(on_done=names.append)
    assert names == [HEADROOM, PLAIN, f"{AAS} 70 %", DYNAMIC, "fixed at peak", "optimum"]


@pytest.mark.slow
def test_the_data_can_be_printed_as_json() -> None:
    comparison = compared()
    data = json.loads(json.dumps(comparison.as_data()))
    assert {key: data[key] for key in data if key != "rows"} == {
        "minutes": 240,
        "mean_units": 150.0,
        "peak_units": 400.0,
        "dimension": "read",
    }
    assert [Row(**row) for row in data["rows"]] == comparison.rows


def test_a_table_without_demand_is_compared_too() -> None:
    comparison = rows(compare([0.0] * 120, make_policy(), PRICES))
    assert comparison["on demand"].cost_month == 0.0
    assert {row.throttled_ppm for row in comparison.values()} == {0.0}
    assert {row.over_floor for row in comparison.values()} == {None}
    assert comparison[HEADROOM].effective == comparison["fixed at peak"].effective == 1.0


def test_what_is_served_on_demand_costs_its_requests() -> None:
    outcome = Outcome(units=[60] * 60 + [0] * 60, throttled=[0.0] * 120, on_demand_hours=10.0)
    row = row_of("somebody", outcome, [50.0] * 120, 60.0, PRICES.read)
    hours = 60 + 10 * 3600 * 0.125e-6 / 0.00013
    assert row.cost_month == pytest.approx(hours * 0.00013 * 730 / 2)
    assert (row.over_optimum, row.effective, row.over_floor) == pytest.approx(
        (hours / 60, hours / 60, hours / 100)
    )
