"""scale_down, in the embedded region: budgeted decreases, alarms first, and never on a guess."""

from datetime import datetime, timedelta

import pytest

from chalicelib import handlers
from chalicelib.model import Reason
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.notifications import TOPIC as CAPACITY
from tests.support.notifications import subjects, texts, with_topic
from tests.support.scenes import (
    MONDAY,
    TARGETS,
    Loads,
    decisions,
    failures,
    invoke,
    log_lines,
    new_run,
    operations,
    orders,
    pass_minutes,
    reasons,
    requests,
    rules,
    set_index_units,
    set_units,
    skips,
    thresholds,
    units,
    use_free_decreases,
    wait,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

#: Loads that fit 100 and 20 units: neither hot, nor worth a decrease.
BUSY = {READS: 70.0, WRITES: 70.0, INDEX_READS: 14.0, INDEX_WRITES: 14.0}


def decreases(region: Region, index: str = "") -> int:
    """Return what DescribeTable counts of today's decreases."""
    description = region.client("dynamodb").describe_table(TableName="orders")["Table"]
    parts = {
        "": description,
        **{part["IndexName"]: part for part in description["GlobalSecondaryIndexes"]},
    }
    return int(parts[index]["ProvisionedThroughput"]["NumberOfDecreasesToday"])


# how far


def test_the_last_hours_peak_is_left_at_the_target_percent(region: Region) -> None:
    pass_minutes(
        region,
        65,
        {
            READS: [10.0] * 30 + [39.0] + [10.0] * 34,
            WRITES: 70.0,
            INDEX_READS: 14.0,
            INDEX_WRITES: 14.0,
        },
    )
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert (decided["current"], decided["desired"], decided["reason"]) == (
        100,
        60,
        "UtilizationLow",
    )
    assert decided["numbers"]["peak_units"] == 39.0
    assert units(region) == {
        "orders:read": 60,
        "orders:write": 100,
        "orders/by-date:read": 20,
        "orders/by-date:write": 20,
    }
    assert thresholds(region)["headroom-orders:read"] == 60 * 60 * 0.8


@pytest.mark.scene(orders, rules(min_units=5))
def test_an_idle_table_publishes_zeros_and_goes_down_to_its_minimum(region: Region) -> None:
    pass_minutes(region, 65)
    invoke(region, "scale_down")
    assert units(region) == {str(target): 5 for target in TARGETS}
    assert set(thresholds(region).values()) == {5 * 60 * 0.8}


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(
            name,
            marks=pytest.mark.scene(
                orders, rules(strategy=name, max_units=200, decrease_together=True)
            ),
        )
        for name in ("adaptive", "percent")
    ],
)
def test_above_its_maximum_it_comes_down_to_it(region: Region, strategy: str) -> None:
    set_units(region, "orders", 500, 100)
    pass_minutes(region, 65, {**BUSY, READS: 400.0})
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert (decided["desired"], decided["reason"]) == (200, "AboveMaximum"), strategy
    assert units(region)["orders:read"] == 200


@pytest.mark.scene(orders, rules(max_units=200, notify=["scaled_down"], notify_topic=CAPACITY))
def test_it_comes_down_to_a_lower_maximum_when_the_decrease_quota_allows_and_that_is_reported(
    region: Region,
) -> None:
    with_topic(region)
    set_units(region, "orders", 500, 100)
    pass_minutes(region, 35, {**BUSY, READS: 400.0})
    use_free_decreases(region)
    pass_minutes(region, 30, {**BUSY, READS: 400.0})
    decided = decisions(invoke(region, "sweep"))[READS]
    assert (decided["desired"], decided["reason"]) == (500, "DecreaseBudgetUsedUp")
    assert decided["numbers"]["max_units"] == 200
    pass_minutes(region, 35, {**BUSY, READS: 400.0})
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 200
    assert subjects(region) == ["Headroom lowered orders"]
    assert "orders:read 500 → 200 units: it is above max_units" in texts(region)[0]


def test_at_the_minimum_nothing_is_done(region: Region) -> None:
    pass_minutes(region, 65)
    invoke(region, "scale_down")
    wait(region, minutes=1)
    region.calls.clear()
    assert reasons(invoke(region, "scale_down")) == {
        str(target): "AlreadyAtMinCapacity" for target in TARGETS
    }
    assert writes(region) == []


def test_a_peak_just_outside_of_the_hour_is_forgotten(region: Region) -> None:
    pass_minutes(region, 66, {**BUSY, READS: [70.0] * 4 + [10.0] * 62})
    invoke(region, "scale_down")
    assert units(region)["orders:read"] == 16


def test_a_decrease_that_is_not_worth_it_waits(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: 53.0})
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert (decided["desired"], decided["reason"], decided["numbers"]["wanted_units"]) == (
        100,
        "DecreaseNotWorthIt",
        82,
    )
    assert writes(region) == []


def test_a_small_decrease_comes_along_with_a_large_one_of_the_same_table(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: 53.0, WRITES: 13.0})
    decided = decisions(invoke(region, "scale_down"))
    assert (decided[READS]["desired"], decided[READS]["reason"]) == (82, "TogetherWithOther")
    assert (decided[WRITES]["desired"], decided[WRITES]["reason"]) == (20, "UtilizationLow")
    assert decreases(region) == 1


# never on a guess


@pytest.mark.parametrize(
    ("consumed", "throttled", "reason"),
    [
        pytest.param(
            {READS: 10.0},
            {READS: [0.0] * 10 + [0.5] + [0.0] * 54},
            "ThrottledRecently",
            id="throttled",
        ),
        pytest.param(
            {READS: [10.0] * 30 + [None] + [10.0] * 34}, {}, "NoRecentData", id="one minute missing"
        ),
        pytest.param({READS: [10.0] * 50 + [None] * 15}, {}, "NoRecentData", id="delayed"),
        pytest.param({READS: [None] * 65}, {}, "NoRecentData", id="no datapoint"),
        pytest.param({READS: [None] * 20 + [10.0] * 45}, {}, "NoRecentData", id="too young"),
    ],
)
def test_throttled_or_unknown_means_keep(
    region: Region, consumed: Loads, throttled: Loads, reason: str
) -> None:
    pass_minutes(region, 65, {**BUSY, **consumed}, throttled)
    assert reasons(invoke(region, "scale_down"))["orders:read"] == reason
    assert writes(region) == []


def test_a_load_that_is_not_known_does_not_keep_what_is_known(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: [None] * 65, WRITES: 13.0})
    invoke(region, "scale_down")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (100, 20)


def test_a_hot_table_is_raised_and_nothing_of_it_lowered(region: Region) -> None:
    pass_minutes(region, 65, {**BUSY, READS: 99.0, WRITES: 1.0})
    reported = reasons(invoke(region, "scale_down"))
    assert (reported["orders:read"], reported["orders:write"]) == (
        "UtilizationHigh",
        "IncreaseFirst",
    )
    assert units(region)["orders:read"] == 150


def test_a_table_that_is_updating_is_left_to_the_next_look(region: Region) -> None:
    pass_minutes(region, 65)
    throughput = {"ReadCapacityUnits": 120, "WriteCapacityUnits": 100}
    region.client("dynamodb").update_table(TableName="orders", ProvisionedThroughput=throughput)
    region.calls.clear()
    assert reasons(invoke(region, "scale_down"))["orders:read"] == "TableUpdating"
    assert writes(region) == []


@pytest.mark.scene(orders, rules(scale_down=False))
def test_scaling_down_can_be_switched_off(region: Region) -> None:
    pass_minutes(region, 65)
    assert set(reasons(invoke(region, "scale_down")).values()) == {"ScalingOff"}
    assert writes(region) == []


@pytest.mark.scene(orders, rules(dry_run=True))
def test_a_dry_run_reports_the_decrease_and_writes_nothing(region: Region) -> None:
    pass_minutes(region, 65)
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert (decided["current"], decided["desired"], decided["dry_run"]) == (100, 1, True)
    assert writes(region) == []


# the order of the calls


def test_alarms_are_lowered_before_the_capacity_in_one_call(region: Region) -> None:
    pass_minutes(region, 65)
    invoke(region, "scale_down")
    assert writes(region) == ["PutMetricAlarm"] * 4 + ["UpdateTable"]
    one = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    assert requests(region, "UpdateTable") == [
        {
            "TableName": "orders",
            "ProvisionedThroughput": one,
            "GlobalSecondaryIndexUpdates": [
                {"Update": {"IndexName": "by-date", "ProvisionedThroughput": one}}
            ],
        }
    ]


def test_reads_and_writes_lowered_together_count_once(region: Region) -> None:
    pass_minutes(region, 65)
    invoke(region, "scale_down")
    wait(region, minutes=1)
    assert (decreases(region), decreases(region, "by-date")) == (1, 1)


def test_an_alarm_that_cannot_be_lowered_keeps_the_capacity(region: Region) -> None:
    pass_minutes(region, 65)
    region.faults.append(Fault("PutMetricAlarm", "AccessDeniedException"))
    invocation = invoke(region, "scale_down")
    assert reasons(invocation) == {str(target): "CallFailed" for target in TARGETS}
    assert writes(region) == ["PutMetricAlarm"]
    assert failures(invocation)[0].startswith(
        "orders: RewriteAlarm failed: An error occurred (AccessDeniedException)"
    )


# the budget


def test_the_budgets_of_table_and_index_are_apart(region: Region) -> None:
    pass_minutes(region, 65)
    use_free_decreases(region)
    invocation = invoke(region, "scale_down")
    assert reasons(invocation) == {
        "orders:read": "DecreaseBudgetUsedUp",
        "orders:write": "DecreaseBudgetUsedUp",
        "orders/by-date:read": "UtilizationLow",
        "orders/by-date:write": "UtilizationLow",
    }
    assert [sorted(call) for call in requests(region, "UpdateTable")] == [
        ["GlobalSecondaryIndexUpdates", "TableName"]
    ]
    assert decisions(invocation)[INDEX_READS]["numbers"]["decreases_today"] == 0
    assert invocation.error is None


def test_an_index_whose_budget_is_spent_does_not_keep_the_table(region: Region) -> None:
    set_index_units(region, 24, 20)
    pass_minutes(region, 65)
    for read in (23, 22, 21, 20):
        set_index_units(region, read, 20)
    region.calls.clear()
    assert reasons(invoke(region, "scale_down"))["orders/by-date:read"] == "DecreaseBudgetUsedUp"
    assert [sorted(call) for call in requests(region, "UpdateTable")] == [
        ["ProvisionedThroughput", "TableName"]
    ]
    assert units(region)["orders:read"] == 1


def test_every_decision_says_what_is_left_of_the_budget(region: Region) -> None:
    pass_minutes(region, 65)
    use_free_decreases(region)
    numbers = decisions(invoke(region, "scale_down"))[READS]["numbers"]
    assert (numbers["decreases_today"], numbers["decreases_left"]) == (4, 10)
    assert numbers["next_decrease_at"] == "2026-11-02T14:05:00+00:00"


def last_decrease_at(region: Region) -> datetime:
    at = region.tables["orders"].provisions[""].last_decrease_at
    assert at is not None
    return at


def test_a_run_that_is_a_second_early_leaves_the_decrease_to_the_next_sweep(region: Region) -> None:
    """An exactly hourly run meets 3599 s; with the next hourly run alone, an hour would be lost."""
    use_free_decreases(region)
    pass_minutes(region, 59, {INDEX_READS: 14.0, INDEX_WRITES: 14.0})
    region.travel(last_decrease_at(region) + timedelta(seconds=3599))
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert (decided["desired"], decided["reason"]) == (100, "DecreaseBudgetUsedUp")
    assert decided["numbers"]["next_decrease_at"] == (region.now + timedelta(seconds=1)).isoformat(
        timespec="seconds"
    )
    assert "UpdateTable" not in operations(region)
    wait(region, seconds=1)
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (1, 1)


def test_the_first_four_decreases_of_a_day_need_no_hour_between_them(region: Region) -> None:
    pass_minutes(region, 65)
    for _ in range(4):
        set_units(region, "orders", 120, 120)
        assert reasons(invoke(region, "scale_down"))["orders:read"] == "UtilizationLow"
        wait(region, minutes=1)
    set_units(region, "orders", 120, 120)
    assert reasons(invoke(region, "scale_down"))["orders:read"] == "DecreaseBudgetUsedUp"
    assert decreases(region) == 4


@pytest.mark.parametrize(("second", "read"), [(-1, 100), (0, 1)])
@pytest.mark.scene(orders, start=MONDAY.replace(hour=22, minute=45))
def test_at_midnight_the_budget_begins_anew_and_not_a_second_sooner(
    region: Region, second: int, read: int
) -> None:
    pass_minutes(region, 70)
    use_free_decreases(region)
    wait(
        region,
        seconds=(MONDAY + timedelta(days=1, seconds=second) - region.now).total_seconds(),
    )
    decided = decisions(invoke(region, "scale_down"))[READS]
    assert decided["reason"] == ("UtilizationLow" if read == 1 else "DecreaseBudgetUsedUp")
    assert units(region)["orders:read"] == read
    assert decided["numbers"]["decreases_today"] == (4 if second else 0)
    assert decided["numbers"]["next_decrease_at"] == "2026-11-03T00:00:00+00:00"


# a refusal


def spend_unseen(region: Region) -> None:
    """Let somebody else spend the day's decreases after the app has looked: DynamoDB will
    refuse."""
    provision = region.tables["orders"].provisions[""]

    def strike(_: object) -> bool:
        provision.decreases, provision.last_decrease_at = 4, region.now
        return False

    region.faults.append(Fault("PutMetricAlarm", "none", matches=strike))


def test_a_decrease_that_dynamodb_refuses_loses_nothing_and_the_next_sweep_mends_the_alarms(
    region: Region,
) -> None:
    pass_minutes(region, 65)
    before = (thresholds(region), units(region))
    spend_unseen(region)
    invocation = invoke(region, "scale_down")
    assert skips(invocation) == [("orders", "RefusedByDynamoDB")]
    assert "Next decrease can be made at" in log_lines(invocation, "skip")[0]["message"]
    assert units(region) == before[1]
    assert set(thresholds(region).values()) == {48.0}  # too eager, never too lazy
    assert invocation.error is None
    set_index_units(region, 24, 20)
    for read in (23, 22, 21, 20):
        set_index_units(region, read, 20)
    invoke(region, "sweep")
    assert (thresholds(region), units(region)) == before


def test_a_refused_decrease_is_tried_again_by_the_next_sweep(region: Region) -> None:
    pass_minutes(region, 65)
    region.faults.append(Fault("UpdateTable", "LimitExceededException"))
    invoke(region, "scale_down")
    assert units(region)["orders:read"] == 100
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (1, 1)
    assert (
        thresholds(region)["headroom-orders:read"]
        == thresholds(region)["headroom-orders:write"]
        == 48.0
    )


# many tables


def two_tables(region: Region) -> None:
    """Add a table that saves ten times as much."""
    region.create_table("orders-large", 1000, 1000)
    pass_minutes(region, 65)
    region.calls.clear()


def test_the_biggest_saving_is_taken_first(region: Region) -> None:
    two_tables(region)
    invoke(region, "scale_down")
    assert [call["TableName"] for call in requests(region, "UpdateTable")] == [
        "orders-large",
        "orders",
    ]


def test_when_the_time_runs_out_the_rest_is_left_and_reported(region: Region) -> None:
    two_tables(region)
    run = new_run(region, seconds_left=lambda: 0.0 if "UpdateTable" in operations(region) else 60.0)
    report = handlers.scale_down(run)
    assert [call["TableName"] for call in requests(region, "UpdateTable")] == ["orders-large"]
    assert [(skip.subject, skip.reason) for skip in report.skips] == [
        ("orders", Reason.NO_TIME_LEFT)
    ]
    assert {decision.target.table for decision in report.decisions} == {"orders-large"}
    invoke(region, "scale_down")
    assert [call["TableName"] for call in requests(region, "UpdateTable")] == [
        "orders-large",
        "orders",
    ]


def test_a_table_that_no_rule_names_is_never_touched(region: Region) -> None:
    region.create_table("customers", 500, 500)
    pass_minutes(region, 65)
    invoke(region, "scale_down")
    assert {call["TableName"] for call in requests(region, "DescribeTable")} == {"orders"}
    assert (units(region)["customers:read"], units(region)["customers:write"]) == (500, 500)


def test_a_table_on_demand_does_not_stop_the_others(region: Region) -> None:
    region.create_table("orders-new")
    region.client("dynamodb").update_table(TableName="orders-new", BillingMode="PAY_PER_REQUEST")
    pass_minutes(region, 65)
    invocation = invoke(region, "scale_down")
    assert (skips(invocation), units(region)["orders:read"]) == ([("orders-new", "OnDemand")], 1)
