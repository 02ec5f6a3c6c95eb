"""What to commit to, and which class a table belongs into."""

import pytest
from msgspec import structs

from chalicelib.model import Dimension, TableState, Target
from headroom.simulation import commitments, pricing, table_classes
from headroom.simulation.commitments import Reservation
from headroom.simulation.pricing import INFREQUENT_ACCESS
from tests.support.builders import READS, WRITES, throughput

PRICES = pricing.load()
#: A week's hours: 250 units by night, 1,000 by day.
WEEK = ([250.0] * 14 + [1_000.0] * 10) * 7


def test_what_is_held_long_enough_is_reserved() -> None:
    year, three = commitments.reservations(WEEK, Dimension.READ, PRICES.read)
    # 10 of 24 hours are 42 %: too few for a year, which pays from 46 % on, enough for three
    assert (year.units, three.units) == (300, 1_000)
    assert year.break_even_percent == pytest.approx(45.5, abs=0.1)
    # the third block is half in use by night
    used = 200 + (50 * 14 + 100 * 10) / 24
    assert year.saves == pytest.approx((used * 0.00013 - 300 * 0.0000592) * 730)
    assert (year.used_percent, three.used_percent) == pytest.approx((1700 / 24, 1000 / 24))
    assert (year.upfront, three.upfront) == pytest.approx((90, 360))


@pytest.mark.parametrize("hours", [[0.0] * 24, [20.0] * 24])
def test_nothing_is_reserved_for_little(hours: list[float]) -> None:
    assert commitments.all_reservations({Dimension.READ: hours, Dimension.WRITE: []}, PRICES) == []


def test_a_term_without_a_price_is_left_out() -> None:
    old = pricing.UnitPrices(0.00013, 0.125, 0.0000592)
    (only,) = commitments.reservations(WEEK, Dimension.READ, old)
    assert isinstance(only, Reservation)
    assert only.years == 1


def test_a_savings_plan_covers_what_each_hour_costs_at_least() -> None:
    listed = [1.0] * 20 + [3.0] * 4
    plan = commitments.savings_plan(listed, [0.88 * usd for usd in listed])
    assert plan is not None
    assert (plan.commitment, plan.break_even_percent) == pytest.approx((0.88, 88))
    assert plan.saves == pytest.approx(0.12 * 730)
    peaks = [1.0] * 2 + [3.0] * 22
    more = commitments.savings_plan(peaks, [0.88 * usd for usd in peaks])
    assert more is not None
    assert more.commitment == pytest.approx(0.88 * 3)
    assert more.saves == pytest.approx(((2 * 1 + 22 * 3) / 24 - 2.64) * 730)
    assert commitments.savings_plan(listed, [0.0] * 24) is None
    assert commitments.savings_plan([0.0], [0.0]) is None


def test_the_free_units_count_as_far_as_they_are_used() -> None:
    assert commitments.free_month([100.0, 200.0], PRICES.read) == pytest.approx(25 * 0.00013 * 730)
    assert commitments.free_month([10.0], PRICES.read) == pytest.approx(10 * 0.00013 * 730)
    assert commitments.free_month([], PRICES.read) == 0


def test_a_table_that_is_new_has_its_lowest_hour_before() -> None:
    assert commitments.added([[1.0, 2.0, 3.0], [5.0, 4.0], []]) == [5.0, 7.0, 7.0]
    assert commitments.added([]) == []
    assert commitments.by_hour([1.0] * 60 + [2.0] * 60) == [1.0, 2.0]


def table(size_gb: float, table_class: str = "STANDARD", on_demand: bool = False) -> TableState:
    return TableState(
        "orders",
        "arn",
        active=True,
        on_demand=on_demand,
        throughputs={"": throughput(100, 10)},
        table_class=table_class,
        size_bytes=int(size_gb * table_classes.BYTES_A_GB),
    )


DEMAND: dict[Target, list[float]] = {READS: [50.0] * 60, WRITES: [5.0] * 60}
STANDARD = (100 * 0.00013 + 10 * 0.00065) * 730
INFREQUENT = (100 * 0.00016 + 10 * 0.00081) * 730


@pytest.mark.parametrize(
    ("state", "standard", "infrequent", "cheaper"),
    [
        pytest.param(table(100), STANDARD + 25, INFREQUENT + 10, True, id="much to store"),
        pytest.param(table(1), STANDARD + 0.25, INFREQUENT + 0.1, False, id="little to store"),
        pytest.param(
            table(1, INFREQUENT_ACCESS), STANDARD + 0.25, INFREQUENT + 0.1, True, id="the way back"
        ),
        pytest.param(
            table(100, on_demand=True),
            (50 * 0.125 + 5 * 0.625) * 3600 * 730 / 1e6 + 25,
            (50 * 0.155 + 5 * 0.78) * 3600 * 730 / 1e6 + 10,
            True,
            id="on demand",
        ),
    ],
)
def test_the_class_is_chosen_by_storage_and_throughput(
    state: TableState, standard: float, infrequent: float, cheaper: bool
) -> None:
    found = table_classes.class_costs(state, DEMAND, PRICES)
    assert found is not None
    assert (found.standard, found.infrequent_access) == pytest.approx((standard, infrequent))
    assert bool(table_classes.worth_changing([found], 5)) == cheaper
    assert found.other != found.table_class


def test_without_the_prices_of_a_class_nothing_is_compared() -> None:
    other = structs.replace(PRICES, infrequent_access=None)
    assert table_classes.class_costs(table(100), DEMAND, other) is None
    assert other.in_class(INFREQUENT_ACCESS, Dimension.READ) == PRICES.read
