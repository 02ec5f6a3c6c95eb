"""Every reason and strategy is tested, and every decision has its numbers."""

import ast
import inspect
from collections.abc import Collection
from types import ModuleType
from typing import get_args

import pytest

from chalicelib.config.policy import SETTINGS
from chalicelib.core import scaling
from chalicelib.core.strategies import percent
from chalicelib.model import BOTH, DOWN, UP, Decision, Direction, Reason
from tests.chalicelib.core.test_scaling import CASES, SPENT, decide
from tests.support.builders import READS


def test_half_of_an_increase_keeps_what_was_wanted() -> None:
    half = scaling.halved(Decision(READS, 100, 151, Reason.THROTTLED, {"peak_units": 9}))
    assert (half.current, half.desired, half.reason) == (100, 125, Reason.AT_QUOTA)
    assert half.numbers == {"peak_units": 9, "wanted_units": 151}
    assert (scaling.halved(half).desired, scaling.halved(half).numbers) == (112, half.numbers)


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
    elsewhere = {
        Reason.AT_QUOTA,
        Reason.MONEY_CAP,
        Reason.TOGETHER,
        Reason.INCREASE_FIRST,
        Reason.OTHER_NOT_LOW,
        Reason.FOLLOWS_TABLE,
        Reason.GLOBAL_TABLE,
        Reason.STILL_FALLING,
        Reason.FLEET_UNKNOWN,
    }
    assert reasons_named_in(percent) | reasons_named_in(scaling) == (in_cases | elsewhere) - {
        Reason.PAUSED,
        Reason.WINDOW,
    }


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
def test_the_budget_is_reported_even_where_nothing_else_is_known(
    directions: Collection[Direction],
) -> None:
    assert {"decreases_today", "decreases_left", "next_decrease_at"} <= decide(
        directions, {"active": False}
    ).numbers.keys()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_decides_the_same_and_says_that_it_is_one(dry_run: bool) -> None:
    found = decide(UP, {"consumed": 90.0}, {"dry_run": dry_run})
    assert (found.desired, found.reason, found.dry_run) == (150, Reason.UTILIZATION_HIGH, dry_run)
