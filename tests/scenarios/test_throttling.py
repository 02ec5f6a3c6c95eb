"""A hot key, in the embedded region: it raises nothing, and keeps nothing from being lowered."""

from datetime import timedelta

import pytest

from chalicelib.aws.metrics import read_demand, read_histories
from chalicelib.metrics import Cause, throttled_by
from chalicelib.model import Dimension
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import READS
from tests.support.notifications import notification_rules, scene, subjects, texts
from tests.support.scenes import (
    decisions,
    failures,
    invoke,
    new_run,
    orders,
    pass_minutes,
    requests,
    rules,
    set_units,
    units,
    wait,
    woken,
)

NO_BUCKET = Conditions(burst_seconds=0)
STRATEGIES = [
    pytest.param(name, marks=pytest.mark.scene(orders, rules(strategy=name)), id=name)
    for name in ("adaptive", "percent")
]
USED = {READS: 2_000.0}
ONE_A_SECOND = {READS: 1.0}


def large(region: Region) -> None:
    """Give the reads 10,000 units, as somebody did long ago."""
    set_units(region, "orders", 10_000, 100)
    pass_minutes(region, 70, USED)
    region.calls.clear()


def read_metrics(region: Region) -> list[str]:
    """Return the metrics that were read, each once."""
    queries = [q for r in requests(region, "GetMetricData") for q in r["MetricDataQueries"]]
    return sorted({query["MetricStat"]["Metric"]["MetricName"] for query in queries})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_hot_key_does_not_keep_capacity_for_an_hour(region: Region, strategy: str) -> None:
    large(region)
    lowered = []
    for _ in range(12):
        pass_minutes(region, 5, USED, hot=ONE_A_SECOND)
        found = decisions(invoke(region, "sweep"))[READS]
        lowered += [found] if found["desired"] < found["current"] else []
    assert 2_000 <= units(region)["orders:read"] <= 3_200, strategy
    assert lowered[0]["reason"] == "UtilizationLow"
    assert lowered[0]["numbers"]["hot_key_requests"] > 0
    last = decisions(invoke(region, "sweep"))[READS]
    assert last["reason"] == ("DecreaseNotWorthIt" if strategy == "adaptive" else "HotKey")
    assert last["numbers"]["hot_key_requests"] == 540


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_region_without_these_metrics_keeps_capacity_and_says_so(
    region: Region, strategy: str
) -> None:
    large(region)
    pass_minutes(region, 5, USED, throttled=ONE_A_SECOND)
    found = decisions(invoke(region, "sweep"))[READS]
    assert found["reason"] in ("ThrottledRecently", "Throttled"), strategy
    assert found["numbers"]["unexplained_requests"] == 240
    assert units(region)["orders:read"] == 10_000


@pytest.mark.scene(orders, rules(ignore_throttled_events=60))
def test_noise_keeps_no_capacity_whatever_its_cause(region: Region) -> None:
    large(region)
    pass_minutes(region, 5, USED, throttled=ONE_A_SECOND)
    invoke(region, "sweep")
    assert units(region)["orders:read"] < 4_000


STEPS = """
throttled_events = 100
throttled_provisioned_steps = [{ at = 1, percent = 50 }]
throttled_consumed_steps = [{ at = 1, percent = 80 }]
"""


@pytest.mark.scene(orders, rules() + STEPS)
def test_no_step_is_taken_for_a_hot_key(region: Region) -> None:
    pass_minutes(region, 5, {READS: 70.0}, hot={READS: 50.0})
    assert decisions(woken(region, "on_alarm"))[READS]["reason"] == "HotKey"
    pass_minutes(region, 8, {READS: 70.0}, throttled={READS: 50.0})
    assert decisions(woken(region, "on_alarm"))[READS]["reason"] == "Throttled"


def test_a_calm_table_costs_no_further_metric(region: Region) -> None:
    pass_minutes(region, 5, {READS: 70.0}, hot=ONE_A_SECOND)
    invoke(region, "follow_up")
    assert read_metrics(region) == []
    woken(region, "on_alarm")
    of_reads = {throttled_by(cause, Dimension.READ) for cause in Cause}
    assert of_reads <= set(read_metrics(region))
    assert not {throttled_by(cause, Dimension.WRITE) for cause in Cause} & set(read_metrics(region))


def test_an_increase_does_not_need_the_causes(region: Region) -> None:
    pass_minutes(region, 5, {READS: 100.0}, throttled={READS: 50.0})
    causes = "MaxOnDemandThroughputThrottleEvents"
    region.faults.append(
        Fault("GetMetricData", "InternalServiceFault", 9, matches=lambda p: causes in str(p))
    )
    invocation = woken(region, "on_alarm")
    assert decisions(invocation)[READS]["numbers"]["unexplained_requests"] > 0
    assert units(region)["orders:read"] > 150
    assert "the causes of throttling" in failures(invocation)[0]


@pytest.mark.scene(scene, notification_rules("hot_key", "at_max", max_units=100))
def test_a_hot_key_is_reported_once_an_episode(region: Region) -> None:
    for _ in range(4):
        pass_minutes(region, 5, {READS: 70.0}, hot={READS: 2.0})
        invoke(region, "sweep")
    assert subjects(region) == ["A hot key: orders"]
    assert (
        "up to 2.00 a second in the last 10 minutes; headroom hot-keys orders" in texts(region)[0]
    )


def test_past_demand_leaves_out_what_no_units_would_have_served(region: Region) -> None:
    """The backtest and the history of onsets look at it."""
    pass_minutes(region, 90, {READS: 70.0}, hot={READS: [0.0] * 60 + [50.0] * 30})
    pass_minutes(region, 90, {READS: 70.0}, throttled={READS: [0.0] * 80 + [9.0] * 10})
    aws = new_run(region).aws
    demand = read_demand(aws, READS, region.now - timedelta(hours=3), region.now)
    assert set(demand.known()) == {70.0, 79.0}
    pass_minutes(region, 60)
    found = read_histories(aws, [READS], region.now, also_new=True)[READS]
    assert found.highest == 79.0


MEASURED = rules(strategy="adaptive", throttled_request_units=0)


@pytest.mark.parametrize(
    "units_each",
    [
        pytest.param(each, marks=pytest.mark.scene(orders, text, conditions=NO_BUCKET))
        for each, text in ((10.0, MEASURED), (1.0, rules(strategy="adaptive")))
    ],
)
def test_the_units_of_throttled_requests_are_measured_where_that_is_wanted(
    region: Region, units_each: float
) -> None:
    """200 units a second come in 20 requests. 100 units are there, so 10 requests are throttled."""
    region.serve(READS, [90.0] * 10 + [200.0] * 2, request_units=10.0)
    region.run(12)
    wait(region, minutes=1)
    found = decisions(woken(region, "on_alarm"))[READS]
    assert found["numbers"]["throttled_units"] == pytest.approx(2 * 10 * units_each)
    assert found["numbers"].get("request_units", 1.0) == pytest.approx(units_each)
    is_read = "SampleCount" in str(requests(region, "GetMetricData"))
    assert is_read == (units_each == 10.0)
