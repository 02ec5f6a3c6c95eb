"""What a table cost and throttled, and what others would have on the same minutes: sums by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.model import Target
from headroom.simulation import pricing, receipt
from headroom.simulation.clock import START
from headroom.simulation.compare import COST_FLOOR
from headroom.simulation.receipt import AUTO_SCALING, FIXED, HEADROOM, ON_DEMAND, OPTIMUM, Held
from tests.support.builders import READS, WRITES

PRICES = pricing.load()
#: An hour of 70 reads a second, with 100 units held and 5 requests a second throttled for a minute.
HOUR = Held(READS, [70.0] * 60, [100] * 60, [0.0] * 59 + [5.0])


def by_name(held: list[Held]) -> dict[str, receipt.Line]:
    return {line.name: line for line in receipt.lines(held, PRICES)}


def test_an_hour_by_hand() -> None:
    lines = by_name([HOUR])
    unit = PRICES.read.unit_hour
    lost = pytest.approx(300 / 3600 * 34.6 * unit)
    assert lines[HEADROOM] == receipt.Line(HEADROOM, 100 * unit, 1, 300.0, lost)
    assert lines[AUTO_SCALING].usd == pytest.approx(100 * unit)  # 70 is 70 % of 100
    assert lines[ON_DEMAND].usd == pytest.approx(70 * 3600 / 1e6 * PRICES.read.million_requests)
    assert lines[FIXED].usd == lines[OPTIMUM].usd == pytest.approx(70 * unit)
    assert lines[COST_FLOOR].usd == pytest.approx(70 * unit)
    ratio = receipt.over_floor(lines[HEADROOM], list(lines.values()))
    assert ratio == pytest.approx((100 + 300 / 3600 * 34.6) / 70)


def test_targets_of_a_table_are_added_and_a_minute_counts_once() -> None:
    writes = replace(HOUR, target=WRITES)
    own = by_name([HOUR, writes])[HEADROOM]
    assert own.usd == 100 * (PRICES.read.unit_hour + PRICES.write.unit_hour)
    assert (own.throttled_minutes, own.throttled_requests) == (1, 600.0)


def test_tables_are_added_name_by_name() -> None:
    one, other = (
        receipt.lines([HOUR], PRICES),
        receipt.lines([replace(HOUR, target=WRITES)], PRICES),
    )
    own, *rest = receipt.total([one, other])
    assert own.throttled_usd == one[0].throttled_usd + other[0].throttled_usd
    assert rest[-1].name == COST_FLOOR
    assert own.usd == one[0].usd + other[0].usd
    assert (own.throttled_minutes, own.throttled_requests) == (2, 600.0)


def test_an_idle_table_costs_what_it_holds() -> None:
    idle = Held(Target("idle", "", READS.dimension), [0.0] * 60, [500] * 60, [0.0] * 60)
    lines = by_name([idle])
    assert lines[HEADROOM].usd == 500 * PRICES.read.unit_hour
    assert lines[ON_DEMAND].usd == 0.0
    assert lines[OPTIMUM].usd == PRICES.read.unit_hour
    assert receipt.over_floor(lines[HEADROOM], list(lines.values())) is None


def test_application_auto_scaling_keeps_the_policys_bounds() -> None:
    low = replace(HOUR, demand=[1.0] * 60, min_units=40, max_units=60)
    high = replace(HOUR, demand=[500.0] * 60, max_units=120)
    assert by_name([low])[AUTO_SCALING].usd >= 40 * PRICES.read.unit_hour
    assert by_name([high])[AUTO_SCALING].usd <= 120 * PRICES.read.unit_hour


def test_the_quotas_day_begins_at_the_midnight_of_the_hour_that_is_given() -> None:
    """Demand falls by nearly a half every 20 minutes: the fifth decrease must wait for an hour, or
    for midnight."""
    falls = [10_000 * 0.55 ** (minute // 20) for minute in range(200)]
    noon = replace(HOUR, demand=falls, units=[14_286] * 200, throttled=[0.0] * 200)
    late = replace(noon, start=START + timedelta(hours=22, minutes=30))
    assert by_name([late])[AUTO_SCALING].usd < by_name([noon])[AUTO_SCALING].usd


@pytest.mark.parametrize(
    ("own", "others", "sentence"),
    [
        (60.0, (100.0, 200.0), "40 % less than Application Auto Scaling and 70 % less than on de"),
        (110.0, (100.0, 0.0), "10 % more than Application Auto Scaling."),
        (0.0, (0.0, 0.0), ""),
    ],
)
def test_the_saving_is_a_sentence(own: float, others: tuple[float, float], sentence: str) -> None:
    lines = [
        receipt.Line(HEADROOM, own),
        receipt.Line(AUTO_SCALING, others[0]),
        receipt.Line(ON_DEMAND, others[1]),
    ]
    assert sentence in receipt.saving(lines)
    assert bool(receipt.saving(lines)) is bool(sentence)


def test_a_month_has_730_hours() -> None:
    assert receipt.a_month(1.0, 1440) == pytest.approx(730 / 24)
