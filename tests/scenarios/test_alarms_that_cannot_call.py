"""An own alarm whose actions are off or gone: it is reported, its target is checked, and actions
that are gone come back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chalicelib import handlers
from chalicelib.model import Dimension, Target
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS, TOPIC, WRITES
from tests.support.notifications import notification_rules, scene, subjects, texts
from tests.support.scenes import (
    actions,
    invoke,
    new_run,
    orders,
    pass_minutes,
    requests,
    rules,
    skips,
    units,
)

ALARM = "headroom-orders/by-date:read"
NAMES = ["headroom-orders/by-date:read", "headroom-orders:read"]
SMALL = Target("orders-small", "", Dimension.READ)
SMALL_ALARM = "headroom-orders-small:read"


@contextmanager
def small() -> Iterator[Region]:
    """A table that no sweep looks at otherwise, since nothing of it could be saved."""
    with orders(rules("orders-small", min_units=20)) as region:
        region.create_table("orders-small", 20, 20)
        invoke(region, "sweep")
        region.calls.clear()
        yield region


def switch_off(region: Region, *names: str) -> None:
    for name in names or (ALARM,):
        region.cloudwatch.alarms[name].fields["ActionsEnabled"] = False


@pytest.mark.scene.with_args(small)
def test_an_own_alarm_in_its_warm_up_is_reported_and_its_target_is_checked(region: Region) -> None:
    alarm = region.cloudwatch.alarms[SMALL_ALARM]
    alarm.fields["WarmUpConfiguration"] = {"WarmUpPeriodDurationInMinutes": 60}
    alarm.state.value = "INSUFFICIENT_DATA"
    pass_minutes(region, 5, {SMALL: 100.0})
    alarm.state.value = "INSUFFICIENT_DATA"  # the embedded region knows no warm-up
    assert skips(invoke(region, "sweep")) == [(SMALL_ALARM, "AlarmActionsOff")]
    assert units(region)["orders-small:read"] == 150


def take_away(region: Region) -> None:
    region.cloudwatch.alarms[ALARM].fields["AlarmActions"] = []


@pytest.mark.scene.with_args(small)
def test_while_its_alarm_is_off_each_sweep_checks_a_target(region: Region) -> None:
    pass_minutes(region, 5, {SMALL: 100.0})
    assert skips(invoke(region, "sweep")) == []
    assert (requests(region, "GetMetricData"), region.units(SMALL)) == ([], 20)
    switch_off(region, SMALL_ALARM)
    assert skips(invoke(region, "sweep")) == [(SMALL_ALARM, "AlarmActionsOff")]
    assert units(region)["orders-small:read"] == 150
    fields = region.cloudwatch.alarms[SMALL_ALARM].fields
    assert (fields["ActionsEnabled"], fields["Threshold"]) == (False, 150 * 60 * 0.8)


def test_actions_that_are_gone_come_back_with_the_fitting_threshold(region: Region) -> None:
    take_away(region)
    region.cloudwatch.alarms[ALARM].fields |= {"Threshold": 1.0, "Unit": "Count"}
    found = invoke(region, "sweep")
    assert (actions(found), skips(found)) == (["RewriteAlarm"] * 2, [])
    fields = region.cloudwatch.alarms[ALARM].fields
    assert (fields["AlarmActions"], fields["Threshold"], fields["Unit"]) == (
        [TOPIC],
        960.0,
        "Count",
    )
    assert actions(invoke(region, "sweep")) == []


def test_an_alarm_that_calls_somebody_else_is_left(region: Region) -> None:
    others = ["arn:aws:sns:us-east-1:123456789012:others"]
    region.cloudwatch.alarms[ALARM].fields["AlarmActions"] = others
    assert skips(invoke(region, "sweep")) == [(ALARM, "UnsupportedAlarm")]
    assert region.cloudwatch.alarms[ALARM].fields["AlarmActions"] == others


def test_if_it_fails_the_next_sweep_does_it(region: Region) -> None:
    take_away(region)
    region.faults.append(Fault("PutMetricAlarm", "InternalServiceFault", times=5))
    invoke(region, "sweep")
    region.faults.clear()
    invoke(region, "sweep")
    assert region.cloudwatch.alarms[ALARM].fields["AlarmActions"] == [TOPIC]


def test_a_dry_run_changes_no_alarm(region: Region) -> None:
    take_away(region)
    report = handlers.sweep(new_run(region, dry_run=True))
    assert [type(action).__name__ for action in report.planned] == ["RewriteAlarm"]
    assert region.cloudwatch.alarms[ALARM].fields["AlarmActions"] == []


@pytest.mark.scene(scene, notification_rules("alarm_off"))
def test_both_are_reported_once(region: Region) -> None:
    switch_off(region, *NAMES)
    for _ in range(3):
        pass_minutes(region, 5, {READS: 70.0, WRITES: 70.0})
        invoke(region, "sweep")
    assert subjects(region) == ["Its alarm cannot call: orders"]
    assert all(
        f"alarm {name} cannot call: its actions are switched off" in texts(region)[0]
        for name in NAMES
    )
    take_away(region)
    invoke(region, "sweep")
    assert f"alarm {ALARM} had lost its actions; it has them back" in texts(region)[1]
