"""Budgets: what a month costs, its forecast, and what a spent budget allows."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.loader import load
from chalicelib.config.money import Money
from chalicelib.core import money, price_list, scaling
from chalicelib.core.money import Spending
from chalicelib.metrics import history_end
from chalicelib.model import BOTH, UP, Dimension, Metrics, Reason, Series
from headroom.simulation import pricing
from headroom.simulation.replay import replay
from tests.support.builders import (
    NOON,
    READS,
    WRITES,
    observation,
    outcome,
    policy,
    problems,
    series,
    steady,
)

PRICES = {Dimension.READ: 0.001, Dimension.WRITE: 0.005}
HOUR = timedelta(hours=1)
KNOWN = history_end(NOON)


def spent(usd: float | None, limit: float = 100.0, holds: bool = True) -> tuple[Spending, ...]:
    return (Spending("orders", limit, holds, usd, usd),)


def costs(hours: int, usd: float | None, until: datetime = KNOWN) -> Series:
    return Series(until - hours * HOUR, 3600, (usd,) * hours)


def test_each_hour_costs_its_units_at_their_price() -> None:
    units = {
        READS: Series(NOON, 3600, (100.0, None, None)),
        WRITES: Series(NOON, 3600, (10.0, 2.0, None)),
    }
    assert money.hourly_cost(units, PRICES).values == pytest.approx((0.15, 0.01, None))


def test_an_hour_without_units_costs_its_requests() -> None:
    held = Series(NOON, 3600, (None, 2.0, 0.0, None, None, 1.0))
    requests = Series(NOON, 3600, (None, 9.0, 0.5, 0.25, None, 9.0))
    assert money.by_mode(held, requests).values == (None, 2.0, 0.5, 0.25, 0.0, 1.0)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        pytest.param(costs(500, 1.0), NOON, (467.0 + 2.0, 469.0 + 252.0), id="in the month"),
        pytest.param(costs(24, 1.0), NOON, (24.0 + 2.0, 26.0 + 252.0), id="a table of yesterday"),
        pytest.param(costs(0, 1.0), NOON, (2.0, 2.0 + 252.0 * 2), id="nothing is known yet"),
        pytest.param(costs(500, None), NOON, (2.0, 2.0 + 252.0 * 2), id="no datapoint"),
        pytest.param(
            costs(100, 1.0, datetime(2026, 11, 30, 23, tzinfo=UTC)),
            datetime(2026, 12, 1, 0, 30, tzinfo=UTC),
            (1.0, 1.0 + 743.5),
            id="half an hour after the month began",
        ),
    ],
)
def test_the_month_counts_from_its_first_day_in_utc(
    known: Series, now: datetime, expected: tuple[float, float]
) -> None:
    """An hour of now costs 2 USD. At NOON, the 20th, the last known hour ended at 11:00."""
    assert money.add_up(known, 2.0, now) == pytest.approx(expected)


def test_the_forecast_expects_the_last_seven_days() -> None:
    known = Series(KNOWN - 400 * HOUR, 3600, (9.0,) * 232 + (1.0,) * 168)
    total, forecast = money.add_up(known, 2.0, NOON)
    assert forecast - total == pytest.approx(252.0)


@pytest.mark.parametrize(
    ("spending", "consumed", "throttled", "expected"),
    [
        pytest.param(spent(99.0), 90.0, None, None, id="not spent"),
        pytest.param(spent(100.0), 90.2, None, 91, id="spent"),
        pytest.param(spent(100.0), 90.0, 20.0, 110, id="what is throttled is demand"),
        pytest.param(spent(100.0, holds=False), 90.0, None, None, id="only notified"),
        pytest.param(spent(None), 90.0, None, None, id="unknown"),
        pytest.param((), 90.0, None, None, id="no budget"),
        pytest.param(spent(100.0), None, None, None, id="no metrics"),
        pytest.param((*spent(1.0), Spending("", 9.0, True, 9.0)), 90.0, None, 90, id="the stage"),
    ],
)
def test_a_spent_budget_allows_the_measured_demand(
    spending: tuple[Spending, ...],
    consumed: float | None,
    throttled: float | None,
    expected: int | None,
) -> None:
    seen = observation(consumed=consumed, throttled=throttled)
    assert money.ceiling(spending, seen.metrics, NOON) == expected


def test_old_metrics_and_an_old_peak_are_no_demand_of_now() -> None:
    old = Metrics(steady(90.0, end=NOON - timedelta(minutes=11)))
    assert money.ceiling(spent(100.0), old, NOON) is None
    falling = Metrics(series([*[500.0] * 60, *[90.0] * 10]))
    assert money.ceiling(spent(100.0), falling, NOON) == 90


@pytest.mark.parametrize(
    ("settings", "rate", "throttled", "expected"),
    [
        pytest.param({}, 95.0, None, (100, Reason.MONEY_CAP), id="the demand is below the units"),
        pytest.param({}, 100.0, 30.0, (130, Reason.MONEY_CAP), id="raised to the demand"),
        pytest.param(
            {"increase_percent": 5}, 104.0, None, (104, Reason.MONEY_CAP), id="a small step"
        ),
        pytest.param({"min_units": 500}, 20.0, None, (100, Reason.MONEY_CAP), id="no minimum"),
        pytest.param({}, 60.0, None, (100, Reason.AT_DESIRED), id="nothing to raise"),
        pytest.param({}, 10.0, None, (16, Reason.UTILIZATION_LOW), id="lowered as before"),
        pytest.param({"strategy": "adaptive"}, 130.0, None, (130, Reason.MONEY_CAP), id="adaptive"),
    ],
)
def test_at_the_cap_nothing_is_raised_above_the_measured_demand(
    settings: dict[str, object], rate: float, throttled: float | None, expected: tuple[int, Reason]
) -> None:
    seen = observation(
        consumed=rate, throttled=throttled, settings=policy(**settings), spending=spent(100.0)
    )
    found = scaling.decide(seen, NOON, BOTH)
    if expected[1] is Reason.AT_DESIRED:
        assert not found.changes
    else:
        assert outcome(found) == expected
    assert found.numbers["month_usd"] == 100.0


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    consumed=st.lists(st.floats(0, 900), min_size=60, max_size=60),
    throttled=st.floats(0, 300),
    units=st.integers(1, 900),
    floor=st.integers(1, 1_200),
    strategy=st.sampled_from(["adaptive", "percent"]),
)
def test_a_spent_budget_changes_nothing_but_how_far_it_is_raised(
    consumed: list[float], throttled: float, units: int, floor: int, strategy: str
) -> None:
    seen = observation(
        provisioned=units,
        consumed=series([*[50.0] * 120, *consumed]),
        throttled=throttled,
        settings=policy(strategy=strategy, min_units=floor),
    )
    free = scaling.decide(seen, NOON, BOTH)
    capped = scaling.decide(structs.replace(seen, spending=spent(100.0)), NOON, BOTH)
    most = max(units, math.ceil(max(consumed[-10:]) + throttled))
    if free.desired > most:
        assert (capped.desired, capped.reason) == (most, Reason.MONEY_CAP)
    else:
        assert outcome(capped) == outcome(free)


def test_what_is_unknown_is_in_the_numbers_and_prevents_nothing() -> None:
    unknown = Spending("orders", 9.0, True, unknown="the price of a unit is unknown")
    stage = Spending("", 50.0, False, 12.345)
    found = scaling.decide(observation(consumed=95.0, spending=(unknown, stage)), NOON, UP)
    assert outcome(found) == (150, Reason.UTILIZATION_HIGH)
    assert found.numbers.items() >= {
        ("month_usd", "unknown"),
        ("max_usd_month", 9.0),
        ("stage_month_usd", 12.35),
        ("stage_max_usd_month", 50.0),
    }
    assert money.sentence(unknown, NOON) == (
        "orders: what it has cost this month is unknown (the price of a unit is unknown); "
        "max_usd_month 9"
    )


@pytest.mark.parametrize(
    ("place", "table_class", "own", "expected"),
    [
        ("eu-west-1", "STANDARD", None, (0.000147, 0.000735)),
        ("us-east-1", "STANDARD_INFREQUENT_ACCESS", Money(), (0.00016, 0.00081)),
        ("eu-west-1", "STANDARD_INFREQUENT_ACCESS", None, None),
        ("mars-1", "STANDARD", None, None),
        ("mars-1", "STANDARD", Money(read_unit_hour=0.1, write_unit_hour=0.5), (0.1, 0.5)),
    ],
)
def test_the_price_of_a_unit(
    place: str, table_class: str, own: Money | None, expected: tuple[float, float] | None
) -> None:
    found = price_list.unit_hours(place, table_class, own)
    assert (tuple(found.values()) if found else None) == expected


def test_the_lists_of_the_engine_agree_with_the_price_file() -> None:
    prices = pricing.load()
    standard = price_list.unit_hours(prices.region, "STANDARD", None)
    assert standard == {d: prices.of(d).unit_hour for d in Dimension}
    other = price_list.unit_hours(prices.region, pricing.INFREQUENT_ACCESS, None)
    assert other == {d: prices.in_class(pricing.INFREQUENT_ACCESS, d).unit_hour for d in Dimension}
    # a write costs five times a read; eu-north-1 rounds
    ratios = [write / read for read, write in price_list.STANDARD.values()]
    assert ratios == pytest.approx([5.0] * len(ratios), rel=0.01)


def test_a_budget_and_a_mode_are_those_of_a_whole_table() -> None:
    text = """
[defaults.read]
money_cap = "hold"
[money]
read_unit_hour = 0.1
write_million_requests = 0.1
[[tables]]
name = "orders"
max_usd_month = 10
[tables.write]
max_usd_month = 5
mode = "provisioned"
[[tables.indexes]]
name = "by-*"
max_usd_month = 5
"""
    why = "a budget is that of a table with its indexes, so it stands in [[tables]] or [defaults]"
    assert problems(text) == [
        f"defaults.read.money_cap: {why}",
        f"tables[0].write.max_usd_month: {why}",
        f"tables[0].write.mode: {why.replace('budget is', 'billing mode is')}",
        f"tables[0].indexes[0].max_usd_month: {why}",
        "money.write_unit_hour: give both prices, or neither",
        "money.read_million_requests: give both prices, or neither",
    ]


def test_the_money_section_is_read() -> None:
    found = load('[money]\nmax_usd_month = 500\nmoney_cap = "hold"\n').money
    assert found == Money(max_usd_month=500, money_cap="hold")
    assert load("").money is None


@pytest.mark.slow
def test_a_replay_plays_the_budget() -> None:
    """100 units cost 0.013 USD an hour, so 0.10 USD are spent after some eight hours."""
    demand = [60.0] * 600 + [95.0] * 120
    free = replay(demand, policy(), 100)
    capped = replay(demand, policy(max_usd_month=0.1, money_cap="hold"), 100)
    assert max(free.units) == 150
    assert (max(capped.units), capped.made) == (100, [])
    late = replay(demand, policy(max_usd_month=0.2, money_cap="hold"), 100)
    assert late.units == free.units
    shown = replay(demand, policy(max_usd_month=0.1), 100)
    assert shown.units == free.units


@pytest.mark.parametrize(
    ("region", "own", "expected"),
    [
        pytest.param("us-east-1", None, (0.00045, 0.00225), id="as in the list: 0.125 a million"),
        pytest.param("mars-1", None, None, id="unknown"),
        pytest.param(
            "us-east-1",
            Money(read_unit_hour=0.00006, write_unit_hour=0.0003),
            (0.00045, 0.00225),
            id="a discount on units is none on requests",
        ),
        pytest.param(
            "mars-1",
            Money(read_million_requests=1.0, write_million_requests=2.0),
            (0.0036, 0.0072),
            id="one's own",
        ),
    ],
)
def test_the_price_of_a_unit_a_second_on_demand(
    region: str, own: Money | None, expected: tuple[float, float] | None
) -> None:
    found = price_list.request_hours(region, "STANDARD", own)
    assert (tuple(found.values()) if found else None) == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("spending", "sentence"),
    [
        (
            Spending("orders", 50.0, False, 12.5, 30.0),
            "orders has cost 12.50 USD since 1 November, 25 % of max_usd_month 50; forecast to its "
            "end 30.00",
        ),
        (
            Spending("", 1_500.0, False, 1_600.0),
            "the stage has cost 1,600.00 USD since 1 November, 107 % of max_usd_month 1,500",
        ),
        (
            Spending("", 9.0, False, unknown="no price"),
            "the stage: what it has cost this month is unknown (no price); max_usd_month 9",
        ),
    ],
    ids=["with a forecast", "the stage", "unknown"],
)
def test_a_budget_in_words(spending: Spending, sentence: str) -> None:
    assert money.sentence(spending, NOON) == sentence
