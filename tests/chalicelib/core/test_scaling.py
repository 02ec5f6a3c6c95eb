"""The decision on one target, and on those of a table together: every reason in a table, and the
laws as properties."""

import ast
import inspect
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from chalicelib.config.policy import SETTINGS, Policy
from chalicelib.config.windows import Reserve, Window
from chalicelib.core import scaling
from chalicelib.core.budget import budget
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import percent
from chalicelib.model import Decision, Direction, Hold, Reason, Series
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    NOON,
    READS,
    WRITES,
    decide_with,
    decision,
    observation,
    policy,
    series,
    steady,
    throughput,
)

UP, DOWN = frozenset({Direction.UP}), frozenset({Direction.DOWN})
BOTH = UP | DOWN
MINUTE = timedelta(minutes=1)
SPENT = {"decreases_today": 4, "last_decrease_at": NOON - 30 * MINUTE}

BY_DAY = {"between": "08:00-18:00"}
NEVER_DOWN, ONLY_DOWN = (Window(rule=rule, **BY_DAY) for rule in ("never_down", "only_down"))
FLOOR = Window(rule="floor", min_units=300, **BY_DAY)
LOW_FLOOR = Window(rule="floor", min_units=30, between="08:00-12:45")
SOON = (Reserve(at="12:59"),)
PAUSED = Hold(Reason.PAUSED, "until 14:00", BOTH)
BY_HAND = Hold(Reason.RAISED_BY_HAND, "until 14:00", DOWN)


def decide(
    directions: Collection[Direction], seen: dict[str, Any], settings: dict[str, Any] | None = None
) -> Decision:
    return decide_with(observation(**seen), policy(**(settings or {})), NOON, directions)


CASES = [
    # up
    pytest.param(UP, {"consumed": 90.0}, {}, 150, Reason.UTILIZATION_HIGH, id="hot"),
    pytest.param(
        UP,
        {"consumed": 90.0},
        {"max_units": 120},
        120,
        Reason.UTILIZATION_HIGH,
        id="hot, up to the maximum",
    ),
    pytest.param(
        UP,
        {"consumed": 90.0},
        {"min_units": 400},
        400,
        Reason.BELOW_MINIMUM,
        id="hot, and far below the minimum",
    ),
    pytest.param(
        UP,
        {"consumed": 90.0},
        {"min_units": 150},
        150,
        Reason.BELOW_MINIMUM,
        id="hot, one step is the minimum",
    ),
    pytest.param(
        UP,
        {"consumed": 10.0},
        {"min_units": 120},
        120,
        Reason.BELOW_MINIMUM,
        id="below the minimum",
    ),
    pytest.param(
        UP, {}, {"min_units": 120}, 120, Reason.BELOW_MINIMUM, id="below the minimum, load unknown"
    ),
    pytest.param(UP, {"consumed": 10.0}, {}, 100, Reason.AT_DESIRED, id="cool"),
    pytest.param(
        UP,
        {"consumed": 10.0, "throttled": 1.0},
        {"throttled_events": 10},
        150,
        Reason.THROTTLED,
        id="a hot partition",
    ),
    pytest.param(
        UP, {"consumed": 90.0}, {"max_units": 100}, 100, Reason.AT_MAX, id="hot at the maximum"
    ),
    pytest.param(
        UP, {"consumed": 90.0}, {"max_units": 60}, 100, Reason.AT_MAX, id="hot above the maximum"
    ),
    pytest.param(
        UP,
        {"consumed": 90.0, "last_increase_at": NOON},
        {},
        100,
        Reason.EVIDENCE_SPENT,
        id="raised just now",
    ),
    pytest.param(UP, {}, {}, 100, Reason.NO_DATA, id="nothing known"),
    pytest.param(
        UP, {"consumed": 90.0}, {"scale_up": False}, 100, Reason.SCALING_OFF, id="up is off"
    ),
    pytest.param(
        UP, {"consumed": 90.0, "active": False}, {}, 100, Reason.UPDATING, id="hot while updating"
    ),
    pytest.param(
        UP, {"consumed": 90.0, **SPENT}, {}, 150, Reason.UTILIZATION_HIGH, id="up needs no budget"
    ),
    pytest.param(
        UP,
        {"consumed": 10.0},
        {"max_units": 60},
        100,
        Reason.AT_DESIRED,
        id="above the maximum is not lowered here",
    ),
    # down
    pytest.param(DOWN, {"consumed": 26.0}, {}, 40, Reason.UTILIZATION_LOW, id="needs less"),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"min_units": 50},
        50,
        Reason.UTILIZATION_LOW,
        id="needs less, down to the minimum",
    ),
    pytest.param(DOWN, {"consumed": 0.0}, {}, 1, Reason.UTILIZATION_LOW, id="idle"),
    pytest.param(
        DOWN, {"consumed": 26.0}, {"min_units": 100}, 100, Reason.AT_MIN, id="at the minimum"
    ),
    pytest.param(
        DOWN, {"consumed": 26.0}, {"min_units": 120}, 100, Reason.AT_MIN, id="below the minimum"
    ),
    pytest.param(DOWN, {"consumed": 90.0}, {}, 100, Reason.AT_DESIRED, id="needs it all"),
    pytest.param(DOWN, {"consumed": 60.0}, {}, 100, Reason.NOT_WORTH_IT, id="needs a little less"),
    pytest.param(
        DOWN,
        {"consumed": 60.0, "last_increase_at": NOON - 14 * MINUTE},
        {},
        100,
        Reason.RAISED_RECENTLY,
        id="new",
    ),
    pytest.param(
        DOWN,
        {"consumed": 60.0, "last_increase_at": NOON - 15 * MINUTE},
        {},
        100,
        Reason.NOT_WORTH_IT,
        id="not so new",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "throttled": 1.0},
        {},
        100,
        Reason.THROTTLED_RECENTLY,
        id="throttled",
    ),
    pytest.param(DOWN, {}, {}, 100, Reason.NO_DATA, id="unknown is not zero"),
    pytest.param(DOWN, {"consumed": 26.0, **SPENT}, {}, 100, Reason.BUDGET_USED_UP, id="no budget"),
    pytest.param(
        DOWN, {"consumed": 26.0}, {"scale_down": False}, 100, Reason.SCALING_OFF, id="down is off"
    ),
    pytest.param(
        DOWN, {"consumed": 26.0, "active": False}, {}, 100, Reason.UPDATING, id="updating"
    ),
    pytest.param(
        DOWN,
        {"consumed": 0.0},
        {"scale_down_at_zero": False},
        100,
        Reason.IDLE,
        id="idle, and not to be lowered",
    ),
    pytest.param(
        DOWN,
        {"consumed": 1.0},
        {"scale_down_at_zero": False},
        2,
        Reason.UTILIZATION_LOW,
        id="almost idle",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"min_decrease_units": 61},
        100,
        Reason.NOT_WORTH_IT,
        id="too few units",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"min_decrease_units": 60},
        40,
        Reason.UTILIZATION_LOW,
        id="just enough units",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"lower_percent": 30},
        50,
        Reason.UTILIZATION_LOW,
        id="a step down",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "last_decrease_at": NOON - 4 * MINUTE},
        {"lower_percent": 30, "decrease_checks": 5},
        100,
        Reason.TOO_FEW_CHECKS,
        id="low for four minutes of five",
    ),
    # held
    pytest.param(
        UP,
        {"consumed": 90.0},
        {"windows": (ONLY_DOWN,)},
        100,
        Reason.WINDOW,
        id="a window holds increases",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"windows": (ONLY_DOWN,)},
        40,
        Reason.UTILIZATION_LOW,
        id="… and only those",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"windows": (NEVER_DOWN,)},
        100,
        Reason.WINDOW,
        id="a window holds decreases",
    ),
    pytest.param(
        UP,
        {"consumed": 90.0},
        {"windows": (NEVER_DOWN,)},
        150,
        Reason.UTILIZATION_HIGH,
        id="… and those only",
    ),
    pytest.param(
        BOTH,
        {"consumed": 90.0, "holds": (PAUSED,)},
        {"min_units": 120},
        100,
        Reason.PAUSED,
        id="paused, come what may",
    ),
    pytest.param(
        BOTH,
        {"consumed": 26.0, "holds": (BY_HAND,)},
        {},
        100,
        Reason.RAISED_BY_HAND,
        id="raised by hand",
    ),
    pytest.param(
        BOTH,
        {"consumed": 90.0, "holds": (BY_HAND,)},
        {},
        150,
        Reason.UTILIZATION_HIGH,
        id="raised by hand, and hot",
    ),
    # floors
    pytest.param(
        BOTH,
        {"consumed": 26.0},
        {"windows": (FLOOR,)},
        300,
        Reason.BELOW_MINIMUM,
        id="a window's floor",
    ),
    pytest.param(
        BOTH,
        {"consumed": 26.0},
        {"windows": (FLOOR,), "max_units": 200},
        200,
        Reason.BELOW_MINIMUM,
        id="… and a maximum",
    ),
    pytest.param(
        BOTH, {"consumed": 26.0, "fleet_units": 250}, {}, 250, Reason.FLEET, id="a fleet's floor"
    ),
    pytest.param(
        BOTH,
        {"consumed": 26.0, "fleet_units": 60},
        {},
        60,
        Reason.UTILIZATION_LOW,
        id="down to a fleet's floor",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "decreases_today": 3},
        {"reserve_decreases": SOON},
        100,
        Reason.RESERVED,
        id="kept",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "decreases_today": 2},
        {"reserve_decreases": SOON},
        40,
        Reason.UTILIZATION_LOW,
        id="one is left",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "decreases_today": 6, "last_decrease_at": NOON - timedelta(hours=1)},
        {"reserve_decreases": (Reserve(at="13:30", count=2),)},
        40,
        Reason.UTILIZATION_LOW,
        id="what cannot be had any more keeps nothing",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "provisioned": 100, "decreases_today": 3},
        {"windows": (LOW_FLOOR,)},
        100,
        Reason.RESERVED,
        id="a floor's end has its decrease booked",
    ),
    # both
    pytest.param(BOTH, {"consumed": 90.0}, {}, 150, Reason.UTILIZATION_HIGH, id="both: hot"),
    pytest.param(BOTH, {"consumed": 26.0}, {}, 40, Reason.UTILIZATION_LOW, id="both: needs less"),
    pytest.param(
        BOTH,
        {"consumed": 26.0},
        {"min_units": 120},
        120,
        Reason.BELOW_MINIMUM,
        id="both: below the minimum",
    ),
    pytest.param(
        BOTH,
        {"consumed": 26.0},
        {"scale_up": False},
        40,
        Reason.UTILIZATION_LOW,
        id="both: up is off, down is not",
    ),
    pytest.param(
        BOTH,
        {"consumed": 90.0},
        {"scale_down": False},
        150,
        Reason.UTILIZATION_HIGH,
        id="both: down is off, up is not",
    ),
    pytest.param(BOTH, {}, {}, 100, Reason.NO_DATA, id="both: nothing known"),
]


@pytest.mark.parametrize(("directions", "seen", "settings", "desired", "reason"), CASES)
def test_every_verdict_has_its_reason(
    directions: Collection[Direction],
    seen: dict[str, Any],
    settings: dict[str, Any],
    desired: int,
    reason: Reason,
) -> None:
    found = decide(directions, seen, settings)
    assert (found.target, found.current, found.desired, found.reason) == (
        READS,
        100,
        desired,
        reason,
    )


def reasons_named_in(module: ModuleType) -> set[Reason]:
    """Return the reasons that a module's source names."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    attributes = (
        node
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )
    return {
        Reason[node.attr]
        for node in attributes
        if isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }


def test_every_reason_that_can_be_given_is_in_a_test() -> None:
    in_cases = {case.values[-1] for case in CASES}
    of_together = {Reason.TOGETHER, Reason.INCREASE_FIRST, Reason.OTHER_NOT_LOW}
    of_holds = {Reason.PAUSED, Reason.WINDOW}
    assert (
        reasons_named_in(percent) | reasons_named_in(scaling) == (in_cases | of_together) - of_holds
    )


def test_every_strategy_that_can_be_configured_is_there() -> None:
    assert set(get_args(get_args(SETTINGS["strategy"])[0])) == set(scaling.STRATEGIES)


def test_a_decision_needs_a_direction() -> None:
    with pytest.raises(ValueError, match="a decision needs a direction"):
        decide([], {"consumed": 90.0})


def test_every_decision_tells_the_budget_and_its_numbers() -> None:
    assert decide(DOWN, {"consumed": 26.0, "throttled": 0.0, **SPENT}).numbers == {
        "peak_units": 26.0,
        "throttled_units": 0.0,
        "wanted_units": 40,
        "decreases_today": 4,
        "decreases_left": 12,
        "next_decrease_at": "2026-11-20T12:30:00+00:00",
    }


def test_an_increase_tells_its_numbers() -> None:
    assert decide(UP, {"consumed": 90.0}, {"max_units": 100}).numbers == {
        "alarm_level_units": 80.0,
        "consumed_units": 90.0,
        "wanted_units": 150,
        "decreases_today": 0,
        "decreases_left": 15,
        "next_decrease_at": "2026-11-20T12:00:00+00:00",
    }


@pytest.mark.parametrize("directions", [UP, DOWN, BOTH])
def test_the_budget_is_told_even_where_nothing_else_is_known(
    directions: Collection[Direction],
) -> None:
    assert {"decreases_today", "decreases_left", "next_decrease_at"} <= decide(
        directions, {"active": False}
    ).numbers.keys()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_decides_the_same_and_says_that_it_is_one(dry_run: bool) -> None:
    found = decide(UP, {"consumed": 90.0}, {"dry_run": dry_run})
    assert (found.desired, found.reason, found.dry_run) == (150, Reason.UTILIZATION_HIGH, dry_run)


# of one table together

RAISED = decision(READS, 100, 150)
LOWERED = decision(WRITES, 100, 40)
KEPT = decision(INDEX_READS, 100, 100)


def small(target: Any = READS, wanted: Any = 90, **fields: Any) -> Decision:
    """Return a decrease that is not worth it alone."""
    return decision(target, reason=Reason.NOT_WORTH_IT, numbers={"wanted_units": wanted}, **fields)


def settled(*decisions: Decision) -> list[tuple[int, Reason]]:
    return [(found.desired, found.reason) for found in scaling.coordinate_dimensions(decisions)]


def test_nothing_is_lowered_while_something_of_the_table_is_raised() -> None:
    lowered_index = decision(INDEX_WRITES, 100, 40)
    assert scaling.coordinate_dimensions([RAISED, LOWERED, KEPT, lowered_index]) == [
        RAISED,
        decision(WRITES, 100, 100, Reason.INCREASE_FIRST),
        KEPT,
        decision(INDEX_WRITES, 100, 100, Reason.INCREASE_FIRST),
    ]


def test_decreases_alone_stay_as_they_are() -> None:
    assert scaling.coordinate_dimensions([LOWERED, KEPT]) == [LOWERED, KEPT]


@pytest.mark.parametrize(
    ("target", "other"), [(READS, WRITES), (WRITES, READS), (INDEX_READS, INDEX_WRITES)]
)
def test_a_small_decrease_comes_along_with_that_of_the_other_dimension(
    target: Any, other: Any
) -> None:
    assert settled(small(target), decision(other, 100, 40)) == [
        (90, Reason.TOGETHER),
        (40, Reason.UTILIZATION_LOW),
    ]


@pytest.mark.parametrize(
    "alone",
    [
        pytest.param(
            (small(READS), decision(INDEX_WRITES, 100, 40)), id="the decrease is another owner's"
        ),
        pytest.param((small(READS), KEPT), id="nothing is lowered"),
        pytest.param(
            (small(READS), decision(WRITES, 100, 40, dry_run=True)), id="the decrease is a dry run"
        ),
        pytest.param((small(READS, dry_run=True), LOWERED), id="it is a dry run itself"),
        pytest.param((small(READS, wanted=None), LOWERED), id="it is not known how far"),
        pytest.param(
            (small(READS), LOWERED, decision(INDEX_READS, 100, 150)), id="something is raised"
        ),
    ],
)
def test_a_small_decrease_stays_undone_otherwise(alone: tuple[Decision, ...]) -> None:
    assert settled(*alone)[0] == (100, Reason.NOT_WORTH_IT)


@pytest.mark.parametrize(
    "reason", [Reason.AT_DESIRED, Reason.BUDGET_USED_UP, Reason.THROTTLED_RECENTLY]
)
def test_only_what_is_too_small_comes_along(reason: Reason) -> None:
    assert settled(decision(READS, reason=reason, numbers={"wanted_units": 90}), LOWERED)[0] == (
        100,
        reason,
    )


def test_unchanged_takes_the_change_back_and_keeps_the_numbers() -> None:
    lowered = decision(WRITES, 100, 40, numbers={"peak_units": 26.0})
    assert scaling.unchanged(lowered, Reason.REFUSED) == decision(
        WRITES, 100, 100, Reason.REFUSED, {"peak_units": 26.0}
    )


# laws

RATES = st.none() | st.floats(0, 50_000)
SERIES = st.builds(
    lambda values, late: series(values, NOON - late * MINUTE),
    st.lists(RATES, max_size=70),
    st.integers(0, 15),
) | st.builds(steady, st.floats(0, 50_000))
AGO = st.none() | st.builds(lambda minutes: NOON - minutes * MINUTE, st.floats(0, 2_000))
PROVISIONED = st.integers(1, 40_000)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    low, high = sorted([draw(PROVISIONED), draw(PROVISIONED)])
    return policy(
        min_units=low,
        max_units=high,
        increase_percent=draw(st.integers(1, 300)),
        alarm_period_seconds=60 * draw(st.integers(1, 6)),
        alarm_evaluation_periods=draw(st.integers(1, 4)),
        scale_up=draw(st.booleans()),
        scale_down=draw(st.booleans()),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    return observation(
        provisioned=draw(PROVISIONED),
        consumed=draw(SERIES),
        throttled=draw(st.none() | SERIES),
        active=draw(st.booleans()),
        decreases_today=draw(st.integers(0, 27)),
        last_increase_at=draw(AGO),
        last_decrease_at=draw(AGO),
    )


@given(observations(), policies())
def test_up_never_lowers_and_down_never_raises(seen: Observation, settings: Policy) -> None:
    assert decide_with(seen, settings, NOON, UP).desired >= seen.provisioned
    assert decide_with(seen, settings, NOON, DOWN).desired <= seen.provisioned


@given(observations(), policies(), st.sampled_from([UP, DOWN, BOTH]))
def test_a_change_ends_within_the_bounds(
    seen: Observation, settings: Policy, directions: Collection[Direction]
) -> None:
    found = decide_with(seen, settings, NOON, directions)
    if found.desired > found.current:
        assert found.desired <= settings.max_units or found.current > settings.max_units
    if found.desired < found.current:
        assert found.desired >= settings.min_units
    if settings.scale_up and seen.throughput.active and Direction.UP in directions:
        assert found.desired >= settings.min_units


@given(observations(), policies())
def test_whatever_is_off_or_updating_stays(seen: Observation, settings: Policy) -> None:
    if not seen.throughput.active:
        assert decide_with(seen, settings, NOON, BOTH).reason is Reason.UPDATING
    for allowed, direction in ((settings.scale_up, UP), (settings.scale_down, DOWN)):
        assert allowed or not decide_with(seen, settings, NOON, direction).changes


@settings_of_hypothesis(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    PROVISIONED,
    st.lists(st.floats(0, 50_000), min_size=24, max_size=40),
    policies(),
    st.floats(0, 59).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_second_look_right_after_an_increase_changes_nothing(
    provisioned: int, values: list[float], settings: Policy, later: timedelta
) -> None:
    first = decide_with(
        observation(provisioned=provisioned, consumed=series(values)), settings, NOON, UP
    )
    assume(first.changes)
    raised = observation(provisioned=first.desired, consumed=series(values), last_increase_at=NOON)
    second = decide_with(raised, settings, NOON + later, UP)
    assert not second.changes
    assert second.reason is not Reason.UTILIZATION_HIGH


def is_known(consumed: Series) -> bool:
    """Tell whether the last hour is known without a gap, but for what CloudWatch may still
    deliver."""
    hour = consumed.since(NOON - timedelta(minutes=60))
    return (
        None not in hour.values
        and hour.start <= NOON - 59 * MINUTE
        and hour.end >= NOON - 10 * MINUTE
    )


@given(observations(), policies())
def test_missing_data_never_lowers(seen: Observation, settings: Policy) -> None:
    assume(not is_known(seen.metrics.consumed))
    assert not decide_with(seen, settings, NOON, DOWN).changes


@given(st.integers(0, 58), st.integers(2, 40_000))
def test_a_single_minute_unknown_within_the_hour_keeps_an_idle_table(
    minute: int, provisioned: int
) -> None:
    """But for the newest, which CloudWatch may still deliver: how young data must be is a law of
    its own."""
    values: list[float | None] = [0.0] * 120
    assert decide(DOWN, {"provisioned": provisioned, "consumed": series(values)}).changes
    values[60 + minute] = None
    assert not decide(DOWN, {"provisioned": provisioned, "consumed": series(values)}).changes


@given(st.integers(2, 40_000), st.integers(0, 27), AGO)
def test_a_decrease_is_decided_exactly_where_dynamodb_takes_it(
    provisioned: int, used: int, last: datetime | None
) -> None:
    seen = observation(
        provisioned=provisioned, consumed=0.0, decreases_today=used, last_decrease_at=last
    )
    found = decide_with(seen, policy(), NOON, DOWN)
    assert found.changes is budget(seen.throughput, NOON).allows(NOON)
    assert found.reason is (Reason.UTILIZATION_LOW if found.changes else Reason.BUDGET_USED_UP)


@st.composite
def decisions(draw: st.DrawFn) -> list[Decision]:
    seen = throughput()
    targets = draw(
        st.lists(st.sampled_from([READS, WRITES, INDEX_READS, INDEX_WRITES]), unique=True)
    )
    return [
        decide_with(
            Observation(target, 100, seen, policy(), draw(observations()).metrics),
            draw(policies()),
            NOON,
            BOTH,
        )
        for target in targets
    ]


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        pytest.param(decision(WRITES, 100, 50), 40, id="both are low"),
        pytest.param(
            decision(WRITES, 100, 100, Reason.NOT_WORTH_IT, {"wanted_units": 90}),
            40,
            id="the other comes along",
        ),
        pytest.param(decision(WRITES, 1, 1, Reason.AT_MIN), 40, id="the other is at its minimum"),
        pytest.param(decision(WRITES), 100, id="the other fits its load"),
        pytest.param(
            decision(WRITES, 100, 100, Reason.NO_DATA), 100, id="of the other nothing is known"
        ),
        pytest.param(decision(INDEX_WRITES, 100, 50), 40, id="an index is nothing to the table"),
        pytest.param(decision(WRITES, dry_run=True), 40, id="a dry run keeps nobody"),
    ],
)
def test_where_both_are_to_be_low_neither_is_lowered_alone(writes: Decision, reads: int) -> None:
    found = scaling.coordinate_dimensions(
        [replace(decision(READS, 100, 40), needs_other=True), writes]
    )[0]
    assert (found.desired, found.reason is Reason.OTHER_NOT_LOW) == (reads, reads == 100)


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        pytest.param({"reserve_decreases": SOON}, 100, id="the writes keep it"),
        pytest.param({"windows": (LOW_FLOOR,)}, 100, id="the end of the writes' floor does"),
        pytest.param(
            {"windows": (LOW_FLOOR,), "scale_down": False},
            40,
            id="a floor that nothing lowers books nothing",
        ),
        pytest.param(
            {"reserve_decreases": SOON, "dry_run": True}, 40, id="a dry run keeps nothing"
        ),
        pytest.param({}, 40, id="nobody keeps it"),
    ],
)
def test_what_one_dimension_keeps_the_other_does_not_spend(
    writes: dict[str, Any], reads: int
) -> None:
    asked = [(READS, {}), (WRITES, writes)]
    seen = {target: observation(target, consumed=26.0, decreases_today=3) for target, _ in asked}
    found = scaling.coordinate_dimensions(
        decide_with(seen[t], policy(**settings), NOON, BOTH) for t, settings in asked
    )[0]
    assert found.desired == reads
    assert (found.reason is Reason.RESERVED) == ("kept_for" in found.numbers) == (reads == 100)
    index = decide_with(
        observation(INDEX_READS, consumed=26.0, decreases_today=3), policy(), NOON, BOTH
    )
    assert (
        scaling.coordinate_dimensions([index, replace(found, reserved={"kept_decreases": 1})])[
            0
        ].desired
        == 40
    )


@given(decisions())
def test_a_table_is_only_raised_or_only_lowered_and_together_adds_no_increase(
    found: list[Decision],
) -> None:
    after = scaling.coordinate_dimensions(found)
    assert len({d.desired > d.current for d in after if d.changes}) <= 1
    assert ([d for d in after if d.desired > d.current], scaling.coordinate_dimensions(after)) == (
        [d for d in found if d.desired > d.current],
        after,
    )
