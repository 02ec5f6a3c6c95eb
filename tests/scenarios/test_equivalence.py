"""One brain: a trace through the backtest, and through the real app in the embedded region, ends in
the same capacity.

The backtest has no AWS in between; the region has everything: SNS messages, boto3 calls, alarms
that are judged, retries. What they give must not differ in a single minute, or a backtest would
prove nothing about what is deployed.
"""

import random
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.config import loader
from chalicelib.core import table_alarms
from headroom.simulation import traces
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.equivalence import EVENING, assert_equal, differences, in_backtest, in_region
from tests.support.scenes import rules

#: The replay and the app have tests of their own.
pytestmark = pytest.mark.untraced


def day_part() -> list[float]:
    """Return the generated day's afternoon: the flash crowd, and the way to the evening's peak."""
    return traces.generated()[14 * 60 : 18 * 60]


def step() -> list[float]:
    return [100.0] * 60 + [400.0] * 70 + [60.0] * 110


def burst() -> list[float]:
    """Return long quiet, and two bursts that no bucket carries."""
    return [50.0] * 70 + [900.0] * 12 + [50.0] * 80 + [1500.0] * 6 + [40.0] * 72


def batch() -> list[float]:
    """Return a table that does nothing but for half an hour."""
    return [0.0] * 90 + [800.0] * 30 + [0.0] * 120


def hourly() -> list[float]:
    """Return a burst in the last minutes of every hour: what the summary of the past must not
    miss."""
    return ([50.0] * 55 + [400.0] * 5) * 3


def small() -> list[float]:
    """Return the load of a table at which only the hourly pass looks: what it could save is too
    little for the sweep."""
    return [15.0] * 70 + [4.0] * 120


def noise(seed: int = 3, mean: float = 300.0, minutes: int = 240) -> list[float]:
    rng = random.Random(seed)
    return [mean * rng.lognormvariate(0, 0.5) for _ in range(minutes)]


@pytest.mark.parametrize("strategy", ["adaptive", "percent"])
@pytest.mark.parametrize(
    ("trace", "least_changes", "throttles"),
    [
        pytest.param(day_part(), 4, False, id="a generated afternoon"),
        pytest.param(step(), 2, True, id="a step up and down"),
        pytest.param(burst(), 4, True, id="bursts"),
        pytest.param(batch(), 2, True, id="an idle table's batch"),
        pytest.param(noise(), 4, False, id="noise"),
        pytest.param(hourly(), 1, True, id="a burst at the end of every hour"),
        pytest.param(small(), 1, False, id="a small table"),
    ],
)
def test_the_backtest_and_the_deployed_app_agree_in_every_minute(
    trace: list[float], least_changes: int, throttles: bool, strategy: str
) -> None:
    assert_equal(
        {READS: trace},
        rules("orders", strategy=strategy),
        Conditions(),
        EVENING,
        least_changes,
        throttles,
    )


HALF, SLOW = Conditions(burst_seconds=150), Conditions(metric_delay_minutes=3, update_minutes=3)
#: The metrics stop from minute 200 on, and every second update is slow.
NOW_AND_THEN = Conditions(slow_update_every=2, metrics_stop_minutes=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conditions", "settings"),
    [
        pytest.param(Conditions(), {"strategy": "adaptive"}, id="adaptive"),
        pytest.param(SLOW, {"strategy": "adaptive"}, id="adaptive in the slow conditions"),
        pytest.param(
            HALF,
            {"strategy": "adaptive", "increase_percent": 40},
            id="adaptive with half the bucket, and a least step",
        ),
        pytest.param(
            SLOW,
            {"strategy": "percent", "min_units": 20, "max_units": 900},
            id="percent in the slow conditions, with bounds",
        ),
        pytest.param(NOW_AND_THEN, {"strategy": "adaptive"}, id="adaptive, slow now and then"),
        pytest.param(
            HALF,
            {"strategy": "percent", "alarm_period_seconds": 300},
            id="percent with half the bucket, slow alarms",
        ),
    ],
)
def test_they_agree_on_a_table_and_an_index_whose_reads_and_writes_differ(
    conditions: Conditions, settings: dict[str, Any]
) -> None:
    demand = {READS: burst(), WRITES: noise(), INDEX_READS: step(), INDEX_WRITES: noise(4, 40.0)}
    assert_equal(
        demand,
        rules("orders", **settings),
        conditions,
        EVENING + timedelta(minutes=35),
        10,
        throttles=True,
        hot_keys={READS: [2.0] * 240, INDEX_WRITES: [0.0] * 60 + [500.0] * 30},
    )


FLOOR = """
windows = [
  { rule = "floor", between = "23:10-00:40", min_units = 700 },
  { rule = "never_down", between = "22:00-22:30,01:00-01:20" },
]
reserve_decreases = [{ at = "23:55" }, { at = "01:30", count = 2 }]
"""
STEPS = """
increase_units = 30
delay_minutes = 2
throttled_events = 60
throttled_provisioned_steps = [{ at = 1, percent = 20 }, { at = 50, percent = 100 }]
increase_steps = [{ at = 75, percent = 20 }, { at = 110, percent = 80 }]
windows = [{ rule = "hold", outside = "22:00-01:00", days = "mon" }]
"""
LOWER: dict[str, Any] = {
    "strategy": "percent",
    "lower_percent": 40,
    "decrease_percent": 30,
    "decrease_checks": 4,
    "check_reset_percent": 55,
}


#: It is spent before the last burst comes.
BUDGET = {"strategy": "adaptive", "max_usd_month": 0.35, "money_cap": "hold"}
TIMES = """
lower_at = [{ at = "cron(10 22-23 * * ? *)" }, { at = "rate(3 hours)" }]
"""


@pytest.mark.parametrize(
    ("settings", "more", "least_changes"),
    [
        pytest.param({"strategy": "adaptive"}, TIMES, 8, id="adaptive, at fixed times"),
        pytest.param({"strategy": "percent"}, TIMES, 5, id="percent, at fixed times"),
        pytest.param(BUDGET, "", 10, id="a budget that is spent"),
        pytest.param(LOWER, FLOOR, 12, id="low periods, floors and kept decreases"),
        pytest.param(LOWER, STEPS, 12, id="steps by throttling, late metrics, and a hold"),
    ],
)
def test_they_agree_on_windows_times_and_steps(
    settings: dict[str, Any], more: str, least_changes: int
) -> None:
    demand = {READS: burst(), WRITES: noise(5, 150.0)}
    assert_equal(
        demand,
        rules("orders", **settings) + more,
        Conditions(),
        EVENING,
        least_changes,
        throttles=True,
    )


NIGHT = """
windows = [{ rule = "floor", between = "03:00-06:00", min_units = 1000 }]
[tables.read]
on_demand_ceiling_percent = 1000
"""


def test_they_agree_on_a_table_that_goes_on_demand_and_back() -> None:
    """A floor at night costs more than requests on demand: from 4:00 to 6:00."""
    start = EVENING.replace(day=3, hour=4)
    # it begins with 1,000 units; then it is idle but for a burst
    night = [769.0, *[0.0] * 50, *[500.0] * 5, *[1500.0] * 4, *[0.0] * 60]
    demand = {READS: [*night, *[60.0] * 30, *[900.0] * 30], WRITES: [*night, *[60.0] * 60]}
    day = [60.0] * 12 * 3 + [0.0] * 12 * 3 + [60.0] * 12 * 18
    # a week to midnight, an hour more, and then none: the newest three hours have no data
    week = [*day * 7, *[60.0] * 12, *[None] * 12 * 3]
    past = {READS: week, WRITES: week}
    text = rules("orders", strategy="adaptive", mode="cheapest") + NIGHT
    run = in_region(demand, text, Conditions(), start, past=past)
    outcomes = in_backtest(demand, text, Conditions(), start, past=past)
    for target, outcome in outcomes.items():
        assert differences(run.units[target], outcome.units, start) == []
        assert run.throttled[target] == outcome.throttled
        made = [(one.minute, one.on_demand) for one in outcome.switches]
        assert made == [(0, True), (120, False)]
        assert outcome.units[:3] == [1000, 1000, 0]
    assert max(outcomes[READS].throttled[:120]) == 500.0
    assert not any(outcomes[WRITES].throttled[:120])
    assert (run.refused, run.dead_letters) == (0, 0)


def test_the_thresholds_at_the_end_are_those_of_the_units_that_hold() -> None:
    demand, text = {READS: [*step(), *[60.0] * 10]}, rules("orders", strategy="adaptive")
    run, outcome = (
        in_region(demand, text, Conditions(), EVENING),
        in_backtest(demand, text, Conditions(), EVENING)[READS],
    )
    policy = loader.load(text).policy_for(READS)
    assert policy is not None
    assert run.thresholds == {READS: table_alarms.threshold(outcome.units[-1], 60, policy)}


def test_a_difference_of_one_unit_in_one_minute_is_found() -> None:
    assert differences([5, 6, 7], [5, 8, 7], EVENING) == [
        "22:01: 6 units in the region, 8 in the backtest"
    ]
