"""Application Auto Scaling → our configuration: all of it accounted for, and the same bounds at
every minute."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader, windows
from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Dimension, TableState, Target, Throughput
from headroom.migrate import schedules
from headroom.migrate.application_autoscaling import Autoscaling, Translation, subject_of, translate
from headroom.migrate.schedules import InexpressibleError
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MONDAY = NOW.replace(hour=0)
WEEK = range(0, 7 * 1440)
BERLIN = "Europe/Berlin"


def named(target: Target) -> dict[str, str]:
    side = f"{target.dimension}CapacityUnits".title().replace("capacityunits", "CapacityUnits")
    where = f"/index/{target.index}" if target.index else ""
    return {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{target.table}{where}",
        "ScalableDimension": f"dynamodb:{'index' if target.index else 'table'}:{side}",
    }


def scalable(
    target: Target = READS, low: int = 5, high: int = 200, **suspended: bool
) -> dict[str, Any]:
    return {**named(target), "MinCapacity": low, "MaxCapacity": high, "SuspendedState": suspended}


def tracking(
    target: Target = READS, value: float = 70.0, name: str = "tracking", **configuration: Any
) -> dict[str, Any]:
    metric = {"PredefinedMetricType": f"DynamoDB{target.dimension.title()}CapacityUtilization"}
    said = {"TargetValue": value, "PredefinedMetricSpecification": metric, **configuration}
    return {
        **named(target),
        "PolicyName": name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": said,
    }


def action(
    schedule: str,
    low: int | None = None,
    high: int | None = None,
    name: str = "action",
    **said: Any,
) -> dict[str, Any]:
    sizes = {
        key: size for key, size in (("MinCapacity", low), ("MaxCapacity", high)) if size is not None
    }
    return {
        **named(READS),
        "ScheduledActionName": name,
        "Schedule": schedule,
        "ScalableTargetAction": sizes,
        **said,
    }


def table(*indexes: str, name: str = "orders", on_demand: bool = False) -> TableState:
    units = Throughput({Dimension.READ: 10, Dimension.WRITE: 10})
    return TableState(
        name,
        f"arn:aws:dynamodb:us-east-1:1:table/{name}",
        True,
        on_demand,
        dict.fromkeys(("", *indexes), units),
    )


def of(*found: Mapping[str, Any], state: Any = "", strategy: Any = "adaptive") -> Translation:
    """Translate what is found, of the table `orders` with its index `by-date` (or of another state
    of it)."""
    entities = Autoscaling(
        [said for said in found if "MinCapacity" in said],
        [said for said in found if "PolicyName" in said],
        [said for said in found if "ScheduledActionName" in said],
    )
    return translate(
        entities, {"orders": table("by-date") if state == "" else state}, NOW, strategy
    )


def policy(translation: Translation, target: Target = READS) -> Policy:
    found = loader.load(translation.text).policy_for(target)
    assert found is not None
    return found


def verdicts(translation: Translation, subject: str) -> list[str]:
    return [note.verdict for note in translation.notes if note.subject == subject]


def said_of(translation: Translation, subject: str) -> str:
    return "; ".join(note.text for note in translation.notes if note.subject == subject)


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
    assert said_of(found, "orders/by-date:read") == "the table has no index by-date any more"
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


def test_floors_that_may_not_raise_are_told() -> None:
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


def test_a_target_without_a_policy_is_told_of() -> None:
    assert "no scaling policy" in said_of(of(scalable()), "orders:read")
    assert "no scaling policy" not in said_of(of(scalable(), tracking()), "orders:read")


# policies


def test_adaptive_has_no_equal_of_a_target_value() -> None:
    found = of(scalable(), tracking(value=70.0))
    assert policy(found) == make_policy(min_units=5, max_units=200)
    assert said_of(found, "orders:read policy tracking").startswith(
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
    assert "ScaleInCooldown 60 s: " in said_of(found, "orders:read policy tracking")


@pytest.mark.parametrize(
    ("said", "why"),
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
def test_a_policy_of_another_kind_is_refused(said: dict[str, Any], why: str) -> None:
    found = of(scalable(), said, strategy="percent")
    assert verdicts(found, "orders:read policy tracking") == ["refused"]
    assert why in said_of(found, "orders:read policy tracking")
    assert policy(found).alarm_percent == 80


# scheduled actions


@pytest.mark.parametrize(
    ("actions", "expected", "lowest"),
    [
        pytest.param(
            [("cron(0 8 * * ? *)", 100), ("cron(30 20 * * ? *)", 5)],
            [{"between": "08:00-20:30", "min_units": 100}],
            5,
            id="every day",
        ),
        pytest.param(
            [("cron(0 8 ? * MON-FRI *)", 100), ("cron(0 20 ? * 2-6 *)", 5)],
            [{"between": "08:00-20:00", "days": "mon-fri", "min_units": 100}],
            5,
            id="weekdays by name and by number",
        ),
        pytest.param(
            [("cron(0 22 * * ? *)", 50), ("cron(0 6 * * ? *)", 5)],
            [{"between": "22:00-06:00", "min_units": 50}],
            5,
            id="across midnight",
        ),
        pytest.param(
            [("cron(0 8 ? * MON *)", 50), ("cron(0 20 ? * FRI *)", 5)],
            [
                {"between": "08:00-24:00", "days": "mon", "min_units": 50},
                {"between": "00:00-24:00", "days": "tue-thu", "min_units": 50},
                {"between": "00:00-20:00", "days": "fri", "min_units": 50},
            ],
            5,
            id="a whole week",
        ),
        pytest.param(
            [
                ("cron(0 6 * * ? *)", 20),
                ("cron(0 9 * * ? *)", 90),
                ("cron(0 18 * * ? *)", 20),
                ("cron(0 23 * * ? *)", 5),
            ],
            [
                {"between": "06:00-09:00", "min_units": 20},
                {"between": "09:00-18:00", "min_units": 90},
                {"between": "18:00-23:00", "min_units": 20},
            ],
            5,
            id="a chain of four",
        ),
        pytest.param(
            [("cron(0 8 * * ? *)", 60), ("cron(0 12 * * ? *)", 60), ("cron(0 20 * * ? *)", 5)],
            [{"between": "08:00-20:00", "min_units": 60}],
            5,
            id="the same again in between",
        ),
        pytest.param([("cron(0 8 * * ? *)", 40)], [], 40, id="one action sets it for good"),
        pytest.param([("cron(0/15 * * * ? *)", 40)], [], 40, id="again and again the same"),
        pytest.param(
            [("cron(0 8 * * ? *)", 60), ("cron(0 8 * * ? *)", 40), ("cron(0 9 * * ? *)", 5)],
            [{"between": "08:00-09:00", "min_units": 60}],
            5,
            id="two at once: the higher",
        ),
    ],
)
def test_actions_that_come_every_week_become_floors(
    actions: list[tuple[str, int]], expected: list[dict[str, Any]], lowest: int
) -> None:
    said = [
        action(schedule, low, name=str(i), Timezone=BERLIN)
        for i, (schedule, low) in enumerate(actions)
    ]
    found = of(scalable(low=100), *said)
    settings = policy(found)
    assert settings.min_units == lowest
    assert list(settings.windows) == [
        windows.Window(rule="floor", time_zone=BERLIN, **window) for window in expected
    ]
    assert {note.verdict for note in found.notes if "scheduled action" in note.subject} == {
        "translated"
    }


@pytest.mark.parametrize(
    ("said", "verdict", "why"),
    [
        pytest.param(
            action("at(2026-11-27T00:00:00)", 500),
            "refused",
            "it runs once, 2026-11-27 00:00",
            id="once",
        ),
        pytest.param(
            action("at(2026-10-27T00:00:00)", 500), "obsolete", "that is over", id="once, over"
        ),
        pytest.param(action("rate(2 hours)", 500), "refused", "goes by an interval", id="rate"),
        pytest.param(
            action("cron(0 8 1 * ? *)", 500), "refused", "days of the month", id="day of the month"
        ),
        pytest.param(
            action("cron(0 8 L * ? *)", 500), "refused", "days of the month", id="last day"
        ),
        pytest.param(action("cron(0 8 ? DEC * *)", 500), "refused", "some months", id="month"),
        pytest.param(
            action("cron(0 8 ? * MON *)", 500, Timezone="Mars/Phobos"),
            "refused",
            "no time zone",
            id="zone",
        ),
        pytest.param(
            action("cron(0 8 ? * 2#1 *)", 500), "refused", "2#1 in its schedule", id="first Monday"
        ),
        pytest.param(action("cron(0 8 * * ?)", 500), "refused", "cannot be read", id="five fields"),
        pytest.param(
            action("at(tomorrow)", 500), "refused", "cannot be read", id="unreadable time"
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", 500, EndTime=MONDAY),
            "obsolete",
            "it ended at 2026-11-02 00:00",
            id="ended",
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", 500, StartTime="2027-01-01T00:00:00Z"),
            "refused",
            "it begins only at 2027-01-01",
            id="later",
        ),
        pytest.param(
            action("cron(0 8 * * ? *)"), "obsolete", "it changes nothing", id="sets nothing"
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", None, 200),
            "obsolete",
            "it changes nothing",
            id="the maximum that holds anyway",
        ),
    ],
)
def test_what_no_window_says_is_named_and_the_bounds_stay(
    said: dict[str, Any], verdict: str, why: str
) -> None:
    found = of(scalable(), said)
    assert verdicts(found, "orders:read scheduled action action") == [verdict]
    assert why in said_of(found, "orders:read scheduled action action")
    assert policy(found) == make_policy(min_units=5, max_units=200)


def test_a_begun_action_counts_and_one_that_will_end_is_told_of() -> None:
    ends = {"StartTime": MONDAY - timedelta(days=9), "EndTime": MONDAY + timedelta(days=90)}
    found = of(
        scalable(),
        action("cron(0 8 * * ? *)", 50, name="day", **ends),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert len(policy(found).windows) == 1
    assert verdicts(found, "orders:read scheduled action day") == ["translated", "refused"]


def test_different_time_zones_in_a_chain_are_refused_and_the_highest_minimum_holds() -> None:
    found = of(
        scalable(low=5),
        action("cron(0 8 * * ? *)", 50, 300, name="day", Timezone=BERLIN),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert (policy(found).min_units, policy(found).max_units, policy(found).windows) == (
        50,
        300,
        (),
    )
    assert [
        verdicts(found, f"orders:read scheduled action {name}") for name in ("day", "night")
    ] == [["refused"], ["refused"]]


def test_of_different_maximums_the_highest_holds_and_each_is_told() -> None:
    found = of(
        scalable(high=100),
        action("cron(0 8 * * ? *)", 50, 400, name="day"),
        action("cron(0 20 * * ? *)", 5, 100, name="night"),
    )
    assert (policy(found).min_units, policy(found).max_units) == (5, 400)
    assert verdicts(found, "orders:read scheduled action night") == ["translated", "refused"]


def test_a_floor_lifts_a_maximum_that_is_below_it() -> None:
    found = of(
        scalable(high=100),
        action("cron(0 8 * * ? *)", 150, name="day"),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert policy(found).max_units == 150


def test_suspended_actions_are_obsolete() -> None:
    found = of(scalable(ScheduledScalingSuspended=True), action("cron(0 8 * * ? *)", 50))
    assert verdicts(found, "orders:read scheduled action action") == ["obsolete"]
    assert policy(found).min_units == 5


# laws

levels = st.dictionaries(st.sampled_from(WEEK), st.integers(1, 99), min_size=1, max_size=6)


@given(levels)
def test_the_floors_hold_the_same_minimum_at_every_time_of_the_week(chain: dict[int, int]) -> None:
    """Application Auto Scaling's own minimum is what the last action before has set."""
    made = [windows.Window(**window) for window in schedules.floors(chain, "UTC")]
    edges = {
        (minute + near) % WEEK.stop
        for minute in [*chain, *range(0, WEEK.stop, 1440)]
        for near in (-1, 0, 1)
    }
    for minute in edges:
        last = max((start for start in chain if start <= minute), default=max(chain))
        held = max(
            schedules.lowest(chain), windows.floor_units(made, MONDAY + timedelta(minutes=minute))
        )
        assert held == chain[last]


@given(
    st.text("cron(at)rae0123456789*?/-,#LWMONFRI :", max_size=40),
    st.sampled_from(["UTC", BERLIN, "", "no/zone"]),
)
def test_any_schedule_is_read_or_refused(schedule: str, zone: str) -> None:
    for text in (schedule, f"cron({schedule})", f"at({schedule})"):
        with contextlib.suppress(InexpressibleError):
            assert schedules.weekly(text, zone) <= set(WEEK)


TARGETS = st.sampled_from(
    [
        Target(name, index, side)
        for name in ("orders", "carts", "gone")
        for index in ("", "by-date")
        for side in Dimension
    ]
)
SCHEDULES = st.sampled_from(
    [
        "cron(0 8 ? * MON-FRI *)",
        "cron(30 20 * * ? *)",
        "cron(0 0 1 * ? *)",
        "rate(1 day)",
        "at(2026-12-01T00:00:00)",
        "at(x)",
        "cron(x)",
    ]
)
SIZES = st.none() | st.integers(1, 2_000)
TIMES = st.none() | st.sampled_from([MONDAY, MONDAY + timedelta(days=30)])


@st.composite
def accounts(draw: st.DrawFn) -> Autoscaling:
    """Any mixture of targets, policies and actions, those without a target among them."""
    targets = draw(st.lists(TARGETS, unique=True, max_size=6))
    owners = st.sampled_from(targets) if targets else TARGETS
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    flags = st.dictionaries(
        st.sampled_from(
            ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"]
        ),
        st.booleans(),
    )
    scalables = [
        scalable(target, low, low + more, **draw(flags))
        for target in targets
        for low, more in [draw(st.tuples(st.integers(1, 1_000), st.integers(0, 1_000)))]
    ]
    policies = [
        tracking(draw(owners), draw(st.floats(20, 90)), name, DisableScaleIn=draw(st.booleans()))
        for name in draw(st.lists(names, unique=True, max_size=3))
    ]
    actions = [
        {
            **action(
                draw(SCHEDULES),
                draw(SIZES),
                draw(SIZES),
                name,
                StartTime=draw(TIMES),
                EndTime=draw(TIMES),
            ),
            **named(draw(owners)),
            "Timezone": draw(st.sampled_from(["UTC", BERLIN])),
        }
        for name in draw(st.lists(names, unique=True, max_size=4))
    ]
    return Autoscaling(scalables, policies, actions)


@given(accounts(), st.sampled_from(["adaptive", "percent"]))
def test_every_target_policy_and_action_is_accounted_for_and_what_is_printed_loads(
    found: Autoscaling, strategy: Any
) -> None:
    tables = {"orders": table("by-date"), "carts": table("by-date", name="carts"), "gone": None}
    made = translate(found, tables, NOW, strategy)
    assert {subject_of(said) for said in found.everything()} <= {
        note.subject for note in made.notes
    }
    assert all(note.text for note in made.notes)
    rules = loader.load(made.text)
    for said in found.targets:
        target = Target(
            said["ResourceId"].split("/")[1],
            "by-date" if "/index/" in said["ResourceId"] else "",
            _side(said),
        )
        settings = rules.policy_for(target)
        if target.table == "gone":
            assert settings is None
            continue
        assert settings is not None
        own = [a for a in found.actions if named(target).items() <= a.items()]
        low = {said["MinCapacity"], *(a["ScalableTargetAction"].get("MinCapacity") for a in own)}
        assert settings.min_units in low
        assert settings.max_units >= said["MaxCapacity"]
        if not own:
            assert (settings.min_units, settings.max_units) == (
                said["MinCapacity"],
                said["MaxCapacity"],
            )


def _side(said: Mapping[str, Any]) -> Dimension:
    return Dimension.READ if "Read" in said["ScalableDimension"] else Dimension.WRITE
