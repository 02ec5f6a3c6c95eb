"""Application Auto Scaling's targets and policies become our configuration, with no loss."""

from typing import Any

import pytest

from chalicelib.config import loader
from chalicelib.config.policy import make_policy
from chalicelib.model import Dimension, Target
from tests.support.application_autoscaling import (
    action,
    explanation_of,
    of,
    policy,
    scalable,
    table,
    tracking,
    verdicts,
)
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES

# targets


def test_the_bounds_of_each_target_hold_for_it_alone() -> None:
    found = of(
        scalable(READS, 5, 200),
        scalable(WRITES, 2, 50),
        scalable(INDEX_READS, 1, 9),
        scalable(INDEX_WRITES, 3, 8),
    )
    bounds = {
        str(t): (policy(found, t).min_units, policy(found, t).max_units)
        for t in table("by-date").targets()
    }
    assert bounds == {
        "orders:read": (5, 200),
        "orders:write": (2, 50),
        "orders/by-date:read": (1, 9),
        "orders/by-date:write": (3, 8),
    }


def test_what_has_no_scalable_target_is_left_alone() -> None:
    found = of(scalable(READS), state=table("by-date", "made-later"))
    off = {
        target: (policy(found, target).scale_up, policy(found, target).scale_down)
        for target in (WRITES, INDEX_READS)
    }
    assert off == {WRITES: (False, False), INDEX_READS: (False, False)}
    assert not policy(found, Target("orders", "unheard-of", Dimension.READ)).scale_up
    assert policy(found).scale_up
    assert verdicts(found, "orders:write") == ["translated"]


def test_an_index_inherits_nothing_from_its_table() -> None:
    actions = [
        action("cron(0 8 * * ? *)", 100, name="day"),
        action("cron(0 20 * * ? *)", 5, name="night"),
    ]
    found = of(
        scalable(READS, DynamicScalingInSuspended=True),
        tracking(READS, 60.0),
        *actions,
        scalable(INDEX_READS),
        strategy="percent",
    )
    own, above = policy(found, INDEX_READS), policy(found, READS)
    assert (above.scale_down, above.alarm_percent, len(above.windows)) == (False, 60, 1)
    assert (own.scale_down, own.alarm_percent, own.windows) == (True, 80, ())


def test_an_index_may_be_scaled_where_its_table_is_not() -> None:
    found = of(scalable(INDEX_WRITES, 3, 30))
    assert (policy(found, INDEX_WRITES).scale_up, policy(found, INDEX_WRITES).max_units) == (
        True,
        30,
    )
    assert not policy(found, WRITES).scale_up


@pytest.mark.parametrize(
    ("state", "verdict", "why"),
    [
        pytest.param(None, "obsolete", "exists no more", id="gone"),
        pytest.param(table(on_demand=True), "obsolete", "on demand", id="on demand"),
        pytest.param(
            ValueError("denied"), "refused", "could not be read (denied)", id="unreadable"
        ),
    ],
)
def test_a_table_that_cannot_be_scaled_is_named_and_not_translated(
    state: Any, verdict: str, why: str
) -> None:
    found = of(scalable(), tracking(), action("rate(1 hour)", 5), state=state)
    assert found.tables == []
    assert not loader.load(found.text).manages("orders")
    assert {note.subject for note in found.notes} == {
        "orders:read",
        "orders:read policy tracking",
        "orders:read scheduled action action",
    }
    assert {note.verdict for note in found.notes} == {verdict}
    assert all(why in note.text for note in found.notes)
    assert why in found.text


def test_a_target_of_an_index_that_is_gone_is_obsolete() -> None:
    found = of(scalable(READS), scalable(INDEX_READS), state=table())
    assert explanation_of(found, "orders/by-date:read") == "the table has no index by-date any more"
    assert found.tables == ["orders"]
    assert of(scalable(INDEX_READS), state=table()).tables == []


def test_a_policy_without_its_target_is_obsolete() -> None:
    found = of(scalable(READS), tracking(WRITES))
    assert verdicts(found, "orders:write policy tracking") == ["obsolete"]
    assert not policy(found, WRITES).scale_up


@pytest.mark.parametrize(
    ("suspended", "up", "down"),
    [
        pytest.param({}, True, True, id="nothing"),
        pytest.param({"DynamicScalingInSuspended": True}, True, False, id="in"),
        pytest.param({"DynamicScalingOutSuspended": True}, False, True, id="out"),
        pytest.param(
            {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True},
            False,
            False,
            id="both",
        ),
    ],
)
def test_what_is_suspended_is_switched_off(
    suspended: dict[str, bool], up: bool, down: bool
) -> None:
    found = policy(of(scalable(**suspended), tracking()))
    assert (found.scale_up, found.scale_down) == (up, down)


def test_floors_that_may_not_raise_are_reported() -> None:
    actions = [
        action("cron(0 8 * * ? *)", 100, name="day"),
        action("cron(0 20 * * ? *)", 5, name="night"),
    ]
    assert (
        verdicts(of(scalable(DynamicScalingOutSuspended=True), *actions), "orders:read").count(
            "refused"
        )
        == 1
    )


def test_a_target_without_a_policy_is_reported() -> None:
    assert "no scaling policy" in explanation_of(of(scalable()), "orders:read")
    assert "no scaling policy" not in explanation_of(of(scalable(), tracking()), "orders:read")


# policies


def test_adaptive_has_no_equal_of_a_target_value() -> None:
    found = of(scalable(), tracking(value=70.0))
    assert policy(found) == make_policy(min_units=5, max_units=200)
    assert explanation_of(found, "orders:read policy tracking").startswith(
        "TargetValue 70: adaptive follows the demand"
    )


@pytest.mark.parametrize(
    ("value", "alarm", "target"),
    [
        pytest.param(70.0, 70, 65, id="plain"),
        pytest.param(20.0, 20, 15, id="lowest"),
        pytest.param(90.0, 90, 85, id="highest"),
        pytest.param(66.6, 67, 62, id="fraction"),
        pytest.param(0.5, 2, 1, id="out of range"),
    ],
)
def test_percent_keeps_the_target_value(value: float, alarm: int, target: int) -> None:
    found = policy(of(scalable(), tracking(value=value), strategy="percent"))
    assert (found.strategy, found.alarm_percent, found.target_percent) == ("percent", alarm, target)
    assert found.alarm_evaluation_periods == 2


def test_the_lowest_of_several_target_values_decides() -> None:
    found = of(
        scalable(),
        tracking(value=70.0, name="a"),
        tracking(value=50.0, name="b"),
        strategy="percent",
    )
    assert policy(found).alarm_percent == 50
    assert verdicts(found, "orders:read policy a") == ["obsolete"]


@pytest.mark.parametrize(
    ("disabled", "down"),
    [pytest.param([True], False, id="one"), pytest.param([True, False], True, id="not all")],
)
def test_scale_in_is_off_where_every_policy_disables_it(disabled: list[bool], down: bool) -> None:
    policies = [tracking(name=str(i), DisableScaleIn=off) for i, off in enumerate(disabled)]
    assert policy(of(scalable(), *policies)).scale_down is down


def test_cooldowns_are_obsolete_and_named() -> None:
    found = of(scalable(), tracking(ScaleInCooldown=60, ScaleOutCooldown=0))
    assert "ScaleInCooldown 60 s: " in explanation_of(found, "orders:read policy tracking")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        pytest.param(
            {**tracking(), "PolicyType": "StepScaling"}, "StepScaling has no equal", id="steps"
        ),
        pytest.param(
            tracking(PredefinedMetricSpecification=None, CustomizedMetricSpecification={}),
            "another metric",
            id="metric",
        ),
        pytest.param(
            tracking(
                PredefinedMetricSpecification={
                    "PredefinedMetricType": "DynamoDBWriteCapacityUtilization"
                }
            ),
            "another metric",
            id="the other dimension's metric",
        ),
    ],
)
def test_a_policy_of_another_kind_is_refused(entry: dict[str, Any], why: str) -> None:
    found = of(scalable(), entry, strategy="percent")
    assert verdicts(found, "orders:read policy tracking") == ["refused"]
    assert why in explanation_of(found, "orders:read policy tracking")
    assert policy(found).alarm_percent == 80
