"""Laws of everything at once, on all targets of a table: windows, floors, fleets, holds, kept
decreases, dry runs, switches."""

from collections.abc import Collection
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import windows
from chalicelib.config.policy import Policy
from chalicelib.config.windows import Reserve, Window
from chalicelib.core import plan, scaling
from chalicelib.core.budget import budget
from chalicelib.core.observation import Observation
from chalicelib.model import BOTH, DOWN, UP, Decision, Direction, Hold, Reason, SetCapacity, Target
from tests.support.builders import (
    INDEX_READS,
    INDEX_WRITES,
    NOON,
    READS,
    WRITES,
    alarm,
    decide_with,
    observation,
    policy,
)
from tests.support.laws import COSTLY

TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)
HOURS = ("11:00-13:00", "12:30-12:40", "00:00-24:00")
WINDOWS = [
    Window(rule=rule, between=hours)
    for rule in ("never_down", "only_down", "hold")
    for hours in HOURS
]
WINDOWS += [Window(rule="floor", between=hours, min_units=150) for hours in HOURS]
RESERVES = [
    Reserve(at=at, count=count)
    for at in ("12:30", "13:30", "23:50", "00:10")
    for count in (1, 2, 4)
]
HOLDS = [
    Hold(Reason.PAUSED, "paused", BOTH),
    Hold(Reason.PAUSED, "paused", DOWN),
    Hold(Reason.RAISED_BY_HAND, "by hand", DOWN),
    Hold(Reason.FLEET_UNKNOWN, "not counted", DOWN),
    Hold(Reason.CIRCUIT_OPEN, "open", BOTH),
]
Scene = tuple[dict[Target, Observation], dict[Target, Policy]]
MOSTLY = st.sampled_from([True, True, True, True, False])
POLICIES = st.builds(
    policy,
    strategy=st.sampled_from(["percent", "adaptive", "fleet"]),
    min_units=st.integers(1, 120),
    max_units=st.integers(120, 400),
    windows=st.sampled_from([(), (), (), *((window,) for window in WINDOWS)]),
    reserve_decreases=st.sampled_from([(), (), *((reserve,) for reserve in RESERVES)]),
    scale_up=MOSTLY,
    scale_down=MOSTLY,
    dry_run=st.booleans(),
    decrease_together=st.sampled_from([False, False, True]),
    min_decrease_units=st.sampled_from([0, 5, 60]),
    scale_down_at_zero=MOSTLY,
    lower_percent=st.sampled_from([0, 40]),
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A table and its index: what is seen of each target, and its policy."""
    histories = {
        index: {
            "decreases_today": draw(st.sampled_from([0, 0, 1, 3, 3, 4, 9])),
            "last_decrease_at": draw(
                st.sampled_from([None, NOON - timedelta(minutes=20), NOON - timedelta(hours=2)])
            ),
            "last_increase_at": draw(
                st.sampled_from([None, NOON - timedelta(minutes=3), NOON - timedelta(hours=9)])
            ),
        }
        for index in ("", "by-date")
    }
    seen = {}
    for target in TARGETS:
        instances = draw(st.sampled_from([None, 0, 0, 0, 5]))
        seen[target] = observation(
            target,
            draw(st.integers(1, 500)),
            draw(st.sampled_from([None, 0.0, 5.0, 5.0, 5.0, 100.0, 300.0, 300.0])),
            draw(st.sampled_from([None, None, None, 5.0])),
            holds=draw(st.sampled_from([(), (), (), (), *((hold,) for hold in HOLDS)])),
            fleet="workers",
            instances=instances,
            fleet_units=(instances or 0) * 40,
            **histories[target.index],
        )
    return seen, {target: draw(POLICIES) for target in TARGETS}


DIRECTIONS = st.sampled_from([UP, DOWN, BOTH])


def decided(scene: Scene, directions: Collection[Direction]) -> list[Decision]:
    return [decide_with(scene[0][target], scene[1][target], NOON, directions) for target in TARGETS]


def barred(decision: Decision, scene: Scene) -> set[Direction]:
    """Return the directions in which anything holds the decision's target."""
    seen, its = scene[0][decision.target], scene[1][decision.target]
    holds = (*seen.holds, *windows.holds(its.windows, NOON))
    switches = {Direction.UP: its.scale_up, Direction.DOWN: its.scale_down}
    return {d for hold in holds for d in hold.directions} | {
        d for d, is_on in switches.items() if not is_on
    }


@pytest.mark.slow
@COSTLY
@given(scenes(), DIRECTIONS)
def test_an_increase_is_never_taken_back_by_another_target_and_breaks_no_hold_nor_maximum(
    scene: Scene, directions: Collection[Direction]
) -> None:
    alone = decided(scene, directions)
    for before, after in zip(alone, scaling.coordinate_dimensions(alone), strict=True):
        if before.desired > before.current:
            assert after == before
        if after.desired > after.current:
            assert Direction.UP in set(directions) - barred(after, scene)
            assert after.desired <= scene[1][after.target].max_units


@pytest.mark.slow
@COSTLY
@given(scenes(), DIRECTIONS)
def test_a_decrease_breaks_no_hold_no_floor_and_no_budget(
    scene: Scene, directions: Collection[Direction]
) -> None:
    for found in scaling.coordinate_dimensions(decided(scene, directions)):
        if found.desired < found.current:
            seen, its = scene[0][found.target], scene[1][found.target]
            floor = max(its.min_units, seen.fleet_units, windows.floor_units(its.windows, NOON))
            assert Direction.DOWN in set(directions) - barred(found, scene)
            assert found.desired >= min(floor, its.max_units)
            assert budget(seen.throughput, NOON).allows(NOON)


@pytest.mark.slow
@COSTLY
@given(scenes(), DIRECTIONS)
def test_a_dry_run_is_to_the_others_as_if_it_were_not_there(
    scene: Scene, directions: Collection[Direction]
) -> None:
    alone = decided(scene, directions)
    live = [found for found in scaling.coordinate_dimensions(alone) if not found.dry_run]
    assert live == scaling.coordinate_dimensions(found for found in alone if not found.dry_run)


@pytest.mark.slow
@COSTLY
@given(scenes(), DIRECTIONS, st.integers(1, 500))
def test_one_call_at_the_most_and_in_one_direction(
    scene: Scene, directions: Collection[Direction], units: int
) -> None:
    found = scaling.coordinate_dimensions(decided(scene, directions))
    actions = plan.for_table(
        "orders",
        found,
        [alarm(target, units, settings=scene[1][target]) for target in TARGETS],
        scene[1],
    )
    updates = [action for action in actions if isinstance(action, SetCapacity)]
    assert len(updates) <= 1
    for update in updates:
        assert len({change.desired > change.current for change in update.changes}) == 1
        assert not any(scene[1][change.target].dry_run for change in update.changes)
