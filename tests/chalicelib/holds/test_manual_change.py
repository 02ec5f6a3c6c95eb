"""What somebody has raised by hand is not lowered for some hours: the alarm that no longer fits
tells it, without any state."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import handlers
from chalicelib.holds.manual_change import judge
from chalicelib.model import DOWN, Reason
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import (
    FOREIGN,
    INDEX_READS,
    NOON,
    READS,
    WRITES,
    alarm,
    observation,
    policy,
)
from tests.support.scenes import (
    MONDAY,
    decisions,
    invoke,
    invoke_after,
    new_run,
    orders,
    pass_minutes,
    reasons,
    rules,
    set_index_units,
    set_units,
    thresholds,
    units,
    use_free_decreases,
    wait,
    woken,
    woken_after,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

HOURS = 4
HELD = rules(hold_after_manual_change_hours=HOURS)
WROTE = "AlarmConfigurationUpdatedTimestamp"


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


# the verdict


@pytest.mark.parametrize(
    ("raised", "written", "fits", "units", "held"),
    [
        pytest.param(
            NOON - hours(1),
            NOON - hours(9),
            100,
            500,
            True,
            id="raised after the alarm was written, which fits less",
        ),
        pytest.param(NOON - hours(3.99), NOON - hours(9), 100, 500, True, id="nearly so long ago"),
        pytest.param(NOON - hours(4), NOON - hours(9), 100, 500, False, id="so long ago"),
        pytest.param(
            NOON - hours(1), NOON - hours(1), 100, 500, False, id="written at the very time"
        ),
        pytest.param(
            NOON - hours(1),
            NOON - hours(0.9),
            100,
            500,
            False,
            id="written afterwards: the sweep mends it",
        ),
        pytest.param(
            NOON - hours(1),
            NOON - hours(9),
            500,
            500,
            False,
            id="it fits: the other dimension was raised",
        ),
        pytest.param(
            NOON - hours(1),
            NOON - hours(9),
            501,
            500,
            False,
            id="it fits more: it was lowered by hand",
        ),
        pytest.param(NOON - hours(1), NOON - hours(9), 499, 500, True, id="one unit is enough"),
        pytest.param(None, NOON - hours(9), 100, 500, False, id="never raised"),
        pytest.param(NOON - hours(1), None, 100, 500, False, id="an alarm without its date"),
    ],
)
def test_what_the_alarm_reports(
    raised: datetime | None, written: datetime | None, fits: int, units: int, held: bool
) -> None:
    settings = policy(hold_after_manual_change_hours=HOURS)
    own = alarm(units=fits, settings=settings, **{WROTE: written})
    found = judge(
        observation(provisioned=units, last_increase_at=raised, settings=settings), own, NOON
    )
    assert (found is not None) == held
    if found:
        assert (found.reason, found.directions) == (Reason.RAISED_BY_HAND, DOWN)


def test_the_hold_reports_when_it_was_raised_and_when_it_ends() -> None:
    settings = policy(hold_after_manual_change_hours=HOURS)
    seen = observation(provisioned=500, last_increase_at=NOON - hours(1), settings=settings)
    found = judge(seen, alarm(settings=settings, **{WROTE: NOON - hours(9)}), NOON)
    assert found.detail == "raised by hand at 2026-11-20T11:00Z, until 2026-11-20T15:00Z"


@pytest.mark.slow
@given(st.integers(1, 1_000_000), st.sampled_from(range(60, 3_660, 60)), st.integers(1, 100))
def test_an_alarm_that_headroom_has_written_always_fits(
    units: int, period: int, percent: int
) -> None:
    settings = policy(
        hold_after_manual_change_hours=HOURS,
        alarm_period_seconds=period,
        alarm_percent=percent,
        target_percent=1,
    )
    own = alarm(units=units, settings=settings, **{WROTE: NOON - hours(9)})
    assert (
        judge(
            observation(provisioned=units, last_increase_at=NOON - hours(1), settings=settings),
            own,
            NOON,
        )
        is None
    )


@pytest.mark.parametrize("left_out", ["Threshold", "Period"])
def test_an_alarm_that_somebody_made_something_else_of_reports_nothing(left_out: str) -> None:
    settings = policy(hold_after_manual_change_hours=HOURS)
    own = alarm(settings=settings, **{WROTE: NOON - hours(9), left_out: None})
    assert (
        judge(
            observation(provisioned=500, last_increase_at=NOON - hours(1), settings=settings),
            own,
            NOON,
        )
        is None
    )


# in the region


@pytest.fixture
def region() -> Iterator[Region]:
    """The alarms are an hour old, and nothing has happened since."""
    with orders(HELD) as region:
        pass_minutes(region, 65, {READS: 70.0, WRITES: 70.0})
        yield region


def reads_alarm(region: Region) -> float:
    return thresholds(region)["headroom-orders:read"]


@pytest.mark.slow
def test_what_was_raised_by_hand_is_lowered_hours_later_and_its_alarm_waits_too() -> None:
    with orders(HELD, MONDAY, Conditions()) as region:
        for target in region.targets():
            region.serve(target, [70.0 if not target.index else 15.0] * 24 * 60)
        region.run(30)
        set_units(region, "orders", 500, 100)
        seen: list[tuple[int, float]] = []
        region.on_minute.append(lambda now: seen.append((now.units(READS), reads_alarm(now))))
        region.run(HOURS * 60)
        assert set(seen) == {(500, 4800.0)}
        region.run(65)
        assert region.units(READS) < 130
        assert reads_alarm(region) == region.units(READS) * 60 * 0.8


@pytest.mark.parametrize("handler", ["on_alarm", "follow_up", "scale_down", "sweep", "explain"])
def test_no_path_raises_the_alarm_that_is_the_memory(region: Region, handler: str) -> None:
    set_units(region, "orders", 500, 100)
    pass_minutes(region, 65, {READS: 90.0})
    if handler == "explain":
        assert (
            handlers.preview(new_run(region, HELD), "orders").decisions[0].reason
            is Reason.RAISED_BY_HAND
        )
    else:
        woken(region, handler)
    assert (reads_alarm(region), region.units(READS)) == (4800.0, 500)


def test_the_decision_says_it(region: Region) -> None:
    set_units(region, "orders", 500, 100)
    invocation = invoke_after(region, "scale_down", 65)
    assert (
        reasons(invocation)["orders:read"],
        decisions(invocation)[READS]["numbers"]["held_by"],
    ) == ("RaisedByHand", "raised by hand at 2026-11-02T13:05Z, until 2026-11-02T17:05Z")


def test_what_was_not_raised_is_lowered_meanwhile_the_other_dimension_and_the_index(
    region: Region,
) -> None:
    set_units(region, "orders", 500, 100)
    invoke_after(region, "sweep", 65)
    assert units(region) == {
        "orders:read": 500,
        "orders:write": 1,
        "orders/by-date:read": 1,
        "orders/by-date:write": 1,
    }


def test_an_index_that_was_raised_is_held_apart_from_its_table(region: Region) -> None:
    set_index_units(region, 200, 20)
    invocation = invoke_after(region, "sweep", 65)
    assert (
        reasons(invocation)[str(INDEX_READS)],
        units(region)["orders/by-date:read"],
        units(region)["orders:read"],
    ) == ("RaisedByHand", 200, 1)


def test_an_increase_of_headroom_goes_on_and_takes_the_memory_with_it(region: Region) -> None:
    set_units(region, "orders", 120, 100)
    woken_after(region, "on_alarm", 10, {READS: 115.0, WRITES: 70.0})
    raised = units(region)["orders:read"]
    assert raised > 120
    assert reads_alarm(region) == raised * 60 * 0.8
    invoke_after(region, "sweep", 185, {READS: 5.0, WRITES: 70.0})
    assert units(region)["orders:read"] < raised


@pytest.mark.parametrize("is_alone", [False, True])
def test_somebody_elses_alarm_on_the_same_target_is_left_alone_too(
    region: Region, is_alone: bool
) -> None:
    cloudwatch = region.client("cloudwatch")
    copied = region.cloudwatch.alarms["headroom-orders:read"].fields | {"AlarmName": FOREIGN}
    cloudwatch.put_metric_alarm(**copied)
    if is_alone:
        cloudwatch.delete_alarms(AlarmNames=["headroom-orders:read"])
    wait(region, minutes=1)
    set_units(region, "orders", 500, 100)
    invoke_after(region, "sweep", 65)
    assert (units(region)["orders:read"], thresholds(region)[FOREIGN]) == (500, 4800.0)


def test_it_is_off_by_default() -> None:
    with orders() as region:
        pass_minutes(region, 65, {READS: 20.0})
        set_units(region, "orders", 500, 100)
        invoke_after(region, "sweep", 10, {READS: 20.0})
        assert units(region)["orders:read"] < 100


# Headroom's own increases


def raise_it(region: Region) -> int:
    woken_after(region, "on_alarm", 10, {READS: 95.0, WRITES: 70.0})
    wait(region, minutes=5)
    return units(region)["orders:read"]


@pytest.mark.parametrize(
    "later", [-1, 0, 1, 300], ids=lambda seconds: f"{seconds} s after the alarm"
)
def test_headrooms_own_increase_is_none_by_hand_whenever_dynamodb_dates_it(
    region: Region, later: int
) -> None:
    """AWS does not say whether LastIncreaseDateTime is when the update was requested or when it was
    done."""
    raised = raise_it(region)
    region.tables["orders"].provisions[""].last_increase_at = region.cloudwatch.alarms[
        "headroom-orders:read"
    ].updated_at + timedelta(seconds=later)
    assert (
        reasons(invoke_after(region, "sweep", 65, {READS: 5.0, WRITES: 70.0}))["orders:read"]
        == "UtilizationLow"
    )
    assert units(region)["orders:read"] < raised


def test_in_the_region_an_increase_is_dated_no_later_than_the_alarm_that_is_written_after_it(
    region: Region,
) -> None:
    raise_it(region)
    increased_at = region.tables["orders"].provisions[""].last_increase_at
    assert increased_at is not None
    assert increased_at <= region.cloudwatch.alarms["headroom-orders:read"].updated_at


def test_an_increase_whose_alarm_could_not_be_written_counts_as_one_by_hand(region: Region) -> None:
    """It looks the same. Nothing is lowered for some hours, and the alarm stays too eager: it fails
    towards capacity."""
    region.faults.append(Fault("PutMetricAlarm", "AccessDeniedException"))
    raised = raise_it(region)
    assert raised > 100
    assert (
        reasons(invoke_after(region, "sweep", 65, {READS: 5.0, WRITES: 70.0}))["orders:read"],
        units(region)["orders:read"],
        reads_alarm(region),
    ) == ("RaisedByHand", raised, 4800.0)
    invoke_after(region, "sweep", HOURS * 60, {READS: 5.0, WRITES: 70.0})
    assert units(region)["orders:read"] < 100


def test_another_alarm_percent_is_no_change_by_hand(region: Region) -> None:
    raised = raise_it(region)
    handlers.sweep(new_run(region, rules(hold_after_manual_change_hours=HOURS, alarm_percent=90)))
    assert reads_alarm(region) == raised * 60 * 0.9


def test_a_decrease_that_was_refused_leaves_no_trace_of_a_hand(region: Region) -> None:
    """The alarm was lowered first, after the last increase: it is younger, and the next sweep makes
    it fit again."""
    use_free_decreases(region)
    pass_minutes(region, 30, {READS: 70.0, WRITES: 70.0})
    region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] = 60.0
    region.cloudwatch.alarms["headroom-orders:read"].updated_at = region.now
    invoke(region, "sweep")
    assert reads_alarm(region) == 4800.0


# the date of an alarm, in the embedded region as at AWS


def test_an_alarm_is_dated_by_its_last_putmetricalarm_and_not_by_its_state(region: Region) -> None:
    def shown() -> Any:
        (found,) = region.client("cloudwatch").describe_alarms(AlarmNames=["headroom-orders:read"])[
            "MetricAlarms"
        ]
        return found[WROTE]

    made = shown()
    assert made < region.now
    region.client("cloudwatch").set_alarm_state(
        AlarmName="headroom-orders:read", StateValue="OK", StateReason="by hand"
    )
    assert shown() == made
    fields = region.cloudwatch.alarms["headroom-orders:read"].fields
    region.client("cloudwatch").put_metric_alarm(**fields)
    assert shown() == region.now
