"""What a decision saves, and when a look is worth its metrics."""

from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.schedules import Schedule
from chalicelib.config.types import ScalingStep
from chalicelib.core import prices
from chalicelib.model import Decision, Dimension, TableState, Target
from headroom.simulation import pricing
from tests.support.builders import (
    NOON,
    READS,
    TOPIC,
    WRITES,
    decision,
    observation,
    policy,
    throughput,
)

STEPS = (ScalingStep(70, 10),)
HOT_KEYS = {"notify": ("hot_key",), "notify_topic": TOPIC}

AT_NOON, AT_ONE = ((Schedule(at=f"cron(0 {hour} * * ? *)"),) for hour in (12, 13))


@pytest.mark.parametrize(
    ("found", "saving"),
    [
        pytest.param(decision(READS, 100, 40), 60 * 0.00013, id="reads"),
        pytest.param(decision(WRITES, 100, 40), 60 * 0.00065, id="writes"),
        pytest.param(decision(READS, 100, 100), 0.0, id="nothing is changed"),
        pytest.param(decision(READS, 100, 150), 0.0, id="an increase saves nothing"),
    ],
)
def test_a_decrease_saves_its_units_hourly_price(found: Decision, saving: float) -> None:
    assert prices.hourly_saving(found) == pytest.approx(saving)


@pytest.mark.parametrize(
    ("target", "units", "settings", "worth"),
    [
        pytest.param(READS, 28, {}, False, id="27 units of reads save 0.0035 USD an hour"),
        pytest.param(
            READS, 29, {}, True, id="28 save 0.0036: ten times twelve looks at three metrics"
        ),
        pytest.param(WRITES, 6, {}, False, id="5 units of writes"),
        pytest.param(WRITES, 7, {}, True, id="6 units of writes"),
        pytest.param(READS, 1_000, {"min_units": 973}, False, id="27 above the minimum"),
        pytest.param(READS, 1_000, {"min_units": 972}, True, id="28 above the minimum"),
        pytest.param(READS, 10, {"min_units": 100}, False, id="below the minimum"),
        pytest.param(
            READS, 2, {"throttled_events": 1}, True, id="throttling, which no alarm tells"
        ),
        pytest.param(
            READS,
            2,
            {"throttled_provisioned_steps": STEPS},
            True,
            id="… as a share of the provisioned units",
        ),
        pytest.param(
            READS,
            2,
            {"throttled_consumed_steps": STEPS},
            True,
            id="… as a share of the consumed units",
        ),
        pytest.param(READS, 2, {"increase_steps": STEPS}, True, id="a row below the alarm's level"),
        pytest.param(
            READS,
            2,
            {"increase_steps": STEPS, "alarm_percent": 70},
            False,
            id="a row that the alarm wakes for",
        ),
        pytest.param(READS, 2, {"lower_percent": 30}, True, id="low periods in a row"),
        pytest.param(
            READS,
            2,
            {"lower_percent": 30, "min_units": 2},
            False,
            id="… with nothing to be lowered",
        ),
        pytest.param(
            READS,
            2,
            {"lower_percent": 30, "strategy": "adaptive"},
            False,
            id="… which another strategy does not read",
        ),
        pytest.param(READS, 2, {"lower_at": AT_NOON}, True, id="a small table at its time"),
        pytest.param(READS, 1, {"lower_at": AT_NOON}, False, id="… where nothing can be lowered"),
        pytest.param(READS, 2, {"lower_at": AT_ONE}, False, id="… before its time"),
        pytest.param(READS, 2, {"strategy": "fleet"}, True, id="a unit more than its fleet needs"),
        pytest.param(READS, 1, {"strategy": "fleet"}, False, id="what its fleet needs"),
        pytest.param(READS, 2, HOT_KEYS, True, id="a metric is notified of"),
        pytest.param(READS, 2, {**HOT_KEYS, "dry_run": True}, False, id="… but not in a dry run"),
    ],
)
def test_a_look_is_worth_it_where_much_could_be_saved(
    target: Target, units: int, settings: dict[str, Any], worth: bool
) -> None:
    assert (
        prices.is_worth_checking(
            structs.replace(observation(target, units), policy=policy(**settings)), NOON
        )
        is worth
    )


def test_the_engine_and_the_price_file_agree() -> None:
    file = pricing.load()
    assert (
        {dimension: file.of(dimension).unit_hour for dimension in Dimension},
        file.headroom.metric_read,
    ) == (prices.UNIT_HOUR, prices.METRIC_READ)


@pytest.mark.parametrize(
    ("mean", "percent", "dimension", "level"),
    [
        pytest.param(3.0, 95, Dimension.READ, 3 / 0.95, id="a small table sleeps"),
        pytest.param(0.0, 95, Dimension.READ, 0.0, id="an idle one does anyway"),
        pytest.param(
            260.0, 95, Dimension.READ, 260 / 0.95, id="13.7 reads are cheaper than a look a minute"
        ),
        pytest.param(270.0, 95, Dimension.READ, 0.0, id="14.2 reads are not"),
        pytest.param(52.0, 95, Dimension.WRITE, 52 / 0.95, id="2.7 writes are cheaper"),
        pytest.param(54.0, 95, Dimension.WRITE, 0.0, id="2.8 writes are not"),
    ],
)
def test_an_alarm_is_let_sleep_where_that_is_cheaper_than_following_it(
    mean: float, percent: int, dimension: Dimension, level: float
) -> None:
    assert prices.alarm_ok_units(mean, percent, dimension) == pytest.approx(level)


def test_a_table_costs_its_units_and_those_of_its_indexes() -> None:
    throughputs = {"": throughput(100, 10), "by-date": throughput(7, 3)}
    found = TableState("orders", "", True, False, throughputs)
    assert prices.hourly_cost(found) == pytest.approx(107 * 0.00013 + 13 * 0.00065)
