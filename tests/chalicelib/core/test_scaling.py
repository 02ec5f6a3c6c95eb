"""The decision on one target, and on those of a table together: every reason in a table, and the
laws as properties."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.config.windows import Reserve, Window
from chalicelib.model import BOTH, DOWN, UP, Decision, Direction, Hold, Reason
from tests.support.builders import MINUTE, NOON, READS, decide_with, observation, policy

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


ALARMED = NOON - timedelta(minutes=15)
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
        UP, {"alarmed_at": ALARMED}, {}, 150, Reason.ALARM_ONLY, id="only the alarm is known"
    ),
    pytest.param(
        UP, {"alarmed_at": ALARMED}, {"max_units": 120}, 120, Reason.ALARM_ONLY, id="… a maximum"
    ),
    pytest.param(
        UP,
        {"alarmed_at": ALARMED, "last_increase_at": ALARMED - timedelta(seconds=1)},
        {"increase_percent": 20},
        120,
        Reason.ALARM_ONLY,
        id="… and the policy's own percentage",
    ),
    pytest.param(
        UP,
        {"alarmed_at": ALARMED, "last_increase_at": ALARMED},
        {},
        100,
        Reason.NO_DATA,
        id="only the alarm is known, and it was answered",
    ),
    pytest.param(
        UP,
        {"alarmed_at": ALARMED - timedelta(seconds=1)},
        {},
        100,
        Reason.NO_DATA,
        id="only an old alarm is known",
    ),
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
        DOWN,
        {"consumed": 26.0, "last_decrease_at": NOON - 29 * MINUTE},
        {"decrease_spacing_minutes": 30},
        100,
        Reason.LOWERED_RECENTLY,
        id="lowered 29 minutes ago",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "last_decrease_at": NOON - 30 * MINUTE},
        {"decrease_spacing_minutes": 30},
        40,
        Reason.UTILIZATION_LOW,
        id="lowered 30 minutes ago",
    ),
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
    pytest.param(
        UP,
        {"consumed": 70.0, "hot": 1.0},
        {},
        100,
        Reason.HOT_KEY,
        id="a hot key is not raised for",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0, "hot": 1.0},
        {},
        40,
        Reason.UTILIZATION_LOW,
        id="a hot key is lowered",
    ),
    pytest.param(
        DOWN,
        {"consumed": 55.0},
        {"max_units": 60},
        60,
        Reason.ABOVE_MAXIMUM,
        id="above the maximum",
    ),
    pytest.param(
        DOWN,
        {"consumed": 0.0},
        {"max_units": 95, "scale_down_at_zero": False, "min_decrease_units": 50},
        95,
        Reason.ABOVE_MAXIMUM,
        id="above the maximum, idle, and by little",
    ),
    pytest.param(
        DOWN,
        {"consumed": 26.0},
        {"max_units": 60},
        40,
        Reason.UTILIZATION_LOW,
        id="above the maximum, and far too much",
    ),
    pytest.param(
        DOWN, {}, {"max_units": 60}, 100, Reason.NO_DATA, id="above the maximum, and nothing known"
    ),
    pytest.param(
        DOWN,
        {"consumed": 55.0, "throttled": 1.0},
        {"max_units": 60},
        100,
        Reason.THROTTLED_RECENTLY,
        id="above the maximum, and throttled",
    ),
    pytest.param(
        DOWN,
        {"consumed": 55.0, **SPENT},
        {"max_units": 60},
        100,
        Reason.BUDGET_USED_UP,
        id="above the maximum, without a decrease",
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
