"""Plans: the fewest actions, in an order that is safe to stop at anywhere."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import plan, scaling, table_alarms
from chalicelib.model import (
    Action,
    Alarm,
    Change,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    TableAction,
    Target,
)
from tests.support.builders import (
    FOREIGN,
    INDEX_READS,
    INDEX_WRITES,
    READS,
    TOPIC,
    WRITES,
    alarm,
    decision,
    policy,
)
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

TARGETS = [READS, WRITES, INDEX_READS, INDEX_WRITES]
POLICIES = dict.fromkeys(TARGETS, policy())
FIVE = dict.fromkeys(TARGETS, policy(alarm_period_seconds=300, alarm_evaluation_periods=2))


def actions(
    decisions: Iterable[Decision],
    alarms: Sequence[Alarm] = (),
    policies: Mapping[Target, Policy] = POLICIES,
) -> list[TableAction]:
    return plan.for_table("orders", decisions, alarms, policies)


def rewrite(found: Alarm, threshold: float, target: Target = READS, **changes: Any) -> RewriteAlarm:
    return RewriteAlarm(target, found, {**changes, "Threshold": threshold})


DRIFTED = alarm(Threshold=9_999.0)


@pytest.mark.parametrize(
    ("decided", "found", "planned"),
    [
        pytest.param(
            decision(desired=150),
            alarm(),
            [SetCapacity("orders", (Change(READS, 100, 150),)), rewrite(alarm(), 7_200.0)],
            id="an alarm is raised after the capacity",
        ),
        pytest.param(
            decision(desired=40),
            alarm(),
            [rewrite(alarm(), 1_920.0), SetCapacity("orders", (Change(READS, 100, 40),))],
            id="an alarm is lowered before the capacity",
        ),
        pytest.param(
            decision(),
            DRIFTED,
            [rewrite(DRIFTED, 4_800.0)],
            id="a drifted alarm is corrected where nothing else changes",
        ),
        pytest.param(
            decision(reason=Reason.UPDATING),
            DRIFTED,
            [],
            id="while a table updates its alarms are left alone",
        ),
    ],
)
def test_an_alarm_follows_the_decision_about_its_target(
    decided: Decision, found: Alarm, planned: list[TableAction]
) -> None:
    assert actions([decided], [found]) == planned


@pytest.mark.parametrize(
    "level",
    [pytest.param(30.0, id="below what fits"), pytest.param(200.0, id="above what will fit")],
)
def test_an_increase_does_not_wait_for_a_drifted_alarm(level: float) -> None:
    found = actions([decision(desired=150)], [alarm(Threshold=level * 60)])
    assert [type(action).__name__ for action in found] == ["SetCapacity", "RewriteAlarm"]


def test_the_whole_table_is_one_update_in_order() -> None:
    decisions = [
        decision(INDEX_WRITES, 10, 15),
        decision(WRITES, 100, 100),
        decision(READS, 100, 150),
    ]
    assert actions(decisions) == [
        SetCapacity("orders", (Change(READS, 100, 150), Change(INDEX_WRITES, 10, 15)))
    ]


def test_a_table_that_fits_needs_nothing() -> None:
    assert actions([decision(), decision(WRITES)], [alarm(), alarm(WRITES)]) == []


def test_each_alarm_of_a_target_is_rewritten_also_one_made_by_others() -> None:
    ours, foreign = alarm(), alarm(name=FOREIGN, Period=300)
    assert actions([decision(desired=150)], [ours, foreign])[1:] == [
        rewrite(ours, 7_200.0),
        rewrite(foreign, 36_000.0),
    ]


def test_our_own_alarm_follows_the_configured_period_and_a_foreign_one_keeps_its_own() -> None:
    ours, foreign = alarm(), alarm(name=FOREIGN)
    assert actions([decision(desired=50)], [ours, foreign], FIVE) == [
        rewrite(ours, 12_000.0, Period=300, EvaluationPeriods=2),
        rewrite(foreign, 2_400.0),
        SetCapacity("orders", (Change(READS, 100, 50),)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(alarm(name=FOREIGN, Statistic="Average"), id="not a sum"),
        pytest.param(alarm(name=FOREIGN, MetricName="ReadThrottleEvents"), id="throttling"),
        pytest.param(alarm(name=FOREIGN, ThresholdMetricId="ad1", Threshold=None), id="anomaly"),
        pytest.param(
            alarm(name=FOREIGN, Metrics=[{"Id": "e1"}], MetricName=None, Period=None),
            id="metric math",
        ),
        pytest.param(alarm(Target("users", "", READS.dimension)), id="another table's"),
        pytest.param(alarm(WRITES), id="a target without a decision"),
    ],
)
def test_alarms_that_are_not_in_units_of_a_decided_target_are_left_alone(other: Alarm) -> None:
    assert actions([decision(desired=150)], [other]) == [
        SetCapacity("orders", (Change(READS, 100, 150),))
    ]


def test_a_dry_run_plans_nothing_for_its_target_and_everything_for_the_others() -> None:
    decisions = [decision(READS, 100, 150, dry_run=True), decision(WRITES, 100, 150)]
    alarms = [alarm(READS, 7), alarm(WRITES)]
    assert actions(decisions, alarms) == [
        SetCapacity("orders", (Change(WRITES, 100, 150),)),
        rewrite(alarm(WRITES), 7_200.0, WRITES),
    ]


# alarms to make


def made(*decisions: Decision, alarms: Sequence[Alarm] = (), **settings: Any) -> list[CreateAlarm]:
    units = {decision.target: decision.desired for decision in decisions}
    return plan.missing_alarms(units, alarms, dict.fromkeys(TARGETS, policy(**settings)), TOPIC)


def test_a_target_without_our_alarm_gets_one_that_fits_what_was_decided() -> None:
    assert made(decision(desired=150), decision(WRITES), alarms=[alarm(WRITES)]) == [
        CreateAlarm(READS, table_alarms.new_fields(READS, 150, policy(), TOPIC))
    ]


@pytest.mark.parametrize(
    ("fields", "settings", "is_made"),
    [
        pytest.param({}, {}, False, id="it calls as early as ours"),
        pytest.param({"Period": 300}, {}, True, id="five minutes instead of one"),
        pytest.param({"EvaluationPeriods": 2}, {}, True, id="two minutes instead of one"),
        pytest.param({"Period": 300}, {"alarm_period_seconds": 300}, False, id="five as ours"),
        pytest.param(
            {"Period": 60}, {"alarm_evaluation_periods": 3}, False, id="earlier than ours"
        ),
        pytest.param({"ActionsEnabled": False}, {}, True, id="its actions are off"),
        pytest.param({"Statistic": "Average"}, {}, True, id="it cannot be rewritten"),
        pytest.param({"Dimensions": []}, {}, True, id="it is of no target"),
    ],
)
def test_somebody_elses_alarm_stands_in_for_ours_if_it_calls_as_early(
    fields: dict[str, Any], settings: dict[str, Any], is_made: bool
) -> None:
    found = made(decision(), alarms=[alarm(name=FOREIGN, **fields)], **settings)
    assert [action.target for action in found] == ([READS] if is_made else [])


def test_an_alarm_that_would_lose_a_field_does_not_stand_in_for_ours() -> None:
    found = Alarm(alarm(name=FOREIGN).fields, unsendable=("WarmUpConfiguration",))
    assert [action.target for action in made(decision(), alarms=[found])] == [READS]


@pytest.mark.parametrize(
    ("found", "settings"),
    [
        pytest.param(decision(dry_run=True), {"dry_run": True}, id="a dry run"),
        pytest.param(decision(), {"scale_up": False}, id="it may not be raised"),
    ],
)
def test_no_alarm_is_made_for_a_target_that_is_not_to_be_raised(
    found: Decision, settings: dict[str, Any]
) -> None:
    assert made(found, **settings) == []


# the law: wherever the plan stops, no alarm fires later than fits the capacity that holds then

UNITS = st.integers(1, 2_000)


@st.composite
def decided(draw: st.DrawFn) -> list[Decision]:
    """Return the decisions on some targets of one table, settled among themselves."""
    targets = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True))
    reasons = st.sampled_from([None, Reason.NOT_WORTH_IT, Reason.UPDATING])
    found = []
    for target in targets:
        current, wanted, reason = draw(UNITS), draw(UNITS), draw(reasons)
        desired = current if reason else wanted
        numbers = {"wanted_units": min(current, wanted)}
        found.append(decision(target, current, desired, reason, numbers, draw(st.booleans())))
    return scaling.coordinate_dimensions(found)


@st.composite
def settings_of_all(draw: st.DrawFn) -> dict[Target, Policy]:
    return {
        target: policy(
            alarm_percent=draw(st.integers(70, 100)),
            alarm_period_seconds=60 * draw(st.integers(1, 5)),
        )
        for target in TARGETS
    }


@st.composite
def drifted(draw: st.DrawFn, target: Target, name: str | None) -> Alarm:
    minutes, level = draw(st.integers(1, 5)), draw(st.floats(0.5, 3_000))
    return alarm(target, name=name, Period=60 * minutes, Threshold=level * 60 * minutes)


@st.composite
def all_drifted(draw: st.DrawFn) -> list[Alarm]:
    """Return an alarm of ours for each target, and two of somebody else, at any level."""
    ours = [draw(drifted(target, None)) for target in TARGETS]
    return [*ours, draw(drifted(READS, FOREIGN)), draw(drifted(INDEX_WRITES, "other"))]


def stopped(
    done: Iterable[TableAction], decisions: Iterable[Decision], alarms: Iterable[Alarm]
) -> tuple[dict[Target, int], dict[str, Alarm]]:
    """Return the units and the alarms as they are after some actions."""
    units = {found.target: found.current for found in decisions}
    there = {found.name: found for found in alarms}
    for action in done:
        if isinstance(action, SetCapacity):
            units |= {change.target: change.desired for change in action.changes}
        else:
            there[action.alarm.name] = Alarm({**action.alarm.fields, **action.changes})
    return units, there


def is_lazy(found: Alarm, units: Mapping[Target, int], policies: Mapping[Target, Policy]) -> bool:
    """Tell whether an alarm fires later than fits the units of its target."""
    target = table_alarms.watched(found)
    if target is None or target not in units:
        return False
    fits = units[target] * policies[target].alarm_percent / 100
    return table_alarms.level(found.fields) > fits * (1 + 1e-9)


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all(), st.data())
def test_wherever_a_plan_stops_no_alarm_is_lazier_than_it_was_found(
    decisions: list[Decision],
    alarms: list[Alarm],
    policies: dict[Target, Policy],
    data: st.DataObject,
) -> None:
    steps = actions(decisions, alarms, policies)
    units, there = stopped(steps[: data.draw(st.integers(0, len(steps)))], decisions, alarms)
    for found in alarms:
        now = there[found.name]
        not_lazier = table_alarms.level(now.fields) <= table_alarms.level(found.fields)
        assert not_lazier or not is_lazy(now, units, policies)


@pytest.mark.slow
@COSTLY
@given(decided(), settings_of_all(), st.data())
def test_wherever_a_plan_stops_an_alarm_that_fitted_fits_what_holds_then(
    decisions: list[Decision], policies: dict[Target, Policy], data: st.DataObject
) -> None:
    alarms = [
        alarm(d.target, d.current, name, policies[d.target])
        for d in decisions
        for name in (None, f"other {d.target}")
    ]
    steps = actions(decisions, alarms, policies)
    units, there = stopped(steps[: data.draw(st.integers(0, len(steps)))], decisions, alarms)
    assert not any(is_lazy(found, units, policies) for found in there.values())


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all())
def test_before_anything_is_lowered_every_alarm_of_it_fits_what_comes(
    decisions: list[Decision], alarms: list[Alarm], policies: dict[Target, Policy]
) -> None:
    steps = actions(decisions, alarms, policies)
    for i, step in enumerate(steps):
        lowered = (
            {c.target: c.desired for c in step.changes if c.desired < c.current}
            if isinstance(step, SetCapacity)
            else {}
        )
        _, there = stopped(steps[:i], decisions, alarms)
        assert not any(is_lazy(found, lowered, policies) for found in there.values())


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all())
def test_a_plan_that_is_done_leaves_nothing_to_do(
    decisions: list[Decision], alarms: list[Alarm], policies: dict[Target, Policy]
) -> None:
    units, there = stopped(actions(decisions, alarms, policies), decisions, alarms)
    again = [d if d.dry_run else structs.replace(d, current=units[d.target]) for d in decisions]
    assert actions(again, list(there.values()), policies) == []


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all())
def test_an_increase_never_shares_a_call_with_a_decrease(
    decisions: list[Decision], alarms: list[Alarm], policies: dict[Target, Policy]
) -> None:
    calls = [step for step in actions(decisions, alarms, policies) if isinstance(step, SetCapacity)]
    assert len(calls) <= 1
    for call in calls:
        assert len({change.desired > change.current for change in call.changes}) == 1
        assert all(change.desired != change.current for change in call.changes)


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all())
def test_a_dry_run_is_never_acted_on(
    decisions: list[Decision], alarms: list[Alarm], policies: dict[Target, Policy]
) -> None:
    dry = {found.target for found in decisions if found.dry_run}
    for step in actions(decisions, alarms, policies):
        capacity = isinstance(step, SetCapacity)
        touched = {c.target for c in step.changes} if capacity else {step.target}
        assert not touched & dry


@pytest.mark.slow
@COSTLY
@given(decided(), all_drifted(), settings_of_all())
def test_a_rewrite_changes_only_what_is_a_policys_to_say(
    decisions: list[Decision], alarms: list[Alarm], policies: dict[Target, Policy]
) -> None:
    for step in actions(decisions, alarms, policies):
        if isinstance(step, RewriteAlarm):
            allowed = (
                {"Threshold", "Period", "EvaluationPeriods"}
                if table_alarms.is_ours(step.alarm)
                else {"Threshold"}
            )
            assert step.changes.keys() <= allowed


# what an action is, and the alarms of a run that raises nothing


OWN = alarm()


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param(
            RewriteAlarm(READS, OWN, {"Threshold": 60.0, "Period": 60}),
            RewriteAlarm(READS, alarm(StateValue="ALARM"), {"Period": 60, "Threshold": 60.0}),
            True,
            id="an alarm in another state",
        ),
        pytest.param(
            RewriteAlarm(READS, OWN, {"Threshold": 60.0}),
            RewriteAlarm(READS, OWN, {"Threshold": 61.0}),
            False,
            id="another threshold",
        ),
        pytest.param(
            RewriteAlarm(READS, OWN, {"Threshold": 60.0}),
            RewriteAlarm(READS, alarm(name="other"), {"Threshold": 60.0}),
            False,
            id="another alarm",
        ),
        pytest.param(
            CreateAlarm(READS, {"AlarmName": "a", "Period": 60}),
            CreateAlarm(READS, {"Period": 60, "AlarmName": "a"}),
            True,
            id="the same alarm",
        ),
        pytest.param(
            CreateAlarm(READS, {"AlarmName": "a"}),
            CreateAlarm(READS, {"AlarmName": "b"}),
            False,
            id="another new alarm",
        ),
        pytest.param(
            SetMode("orders", False, True, note=("key", "12:00")),
            SetMode("orders", False, True, note=("key", "12:05")),
            True,
            id="the same switch, later",
        ),
        pytest.param(
            SetMode("orders", False, True), SetMode("orders", True, False), False, id="back"
        ),
        pytest.param(DeleteAlarms(("a",)), DeleteAlarms(("a",)), True, id="deleted"),
        pytest.param(DeleteAlarms(("a",)), DeleteAlarms(("b",)), False, id="others deleted"),
        pytest.param(
            SetCapacity("orders", (Change(READS, 5, 9),)),
            SetCapacity("orders", (Change(READS, 5, 10),)),
            False,
            id="other units",
        ),
    ],
)
def test_two_actions_are_the_same_if_they_do_the_same(
    one: Action, other: Action, is_same: bool
) -> None:
    assert (plan.identity(one) == plan.identity(other)) == is_same


def test_only_alarms_that_fire_too_late_are_lowered_without_a_change() -> None:
    low, high = alarm(Threshold=60.0), alarm(WRITES, Threshold=9_999.0)
    decided = [decision(), decision(WRITES), decision(INDEX_READS, dry_run=True)]
    found = [low, high, alarm(INDEX_READS, Threshold=9_999.0)]
    assert plan.too_high(decided, found, POLICIES) == [rewrite(high, 4_800.0, WRITES)]
