"""Warm throughput: what an explanation says of a raise, and which floors begin earlier."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.config.loader import load
from chalicelib.config.policy import Policy
from chalicelib.core import warm
from chalicelib.model import Decision, Dimension, Reason
from tests.support.builders import NOON, READS, decision, observation, policy

WARM = {Dimension.READ: 100}
RAISED = {"provisioned": 500, "last_increase_at": NOON - warm.EARLIER}
LONG_AGO = NOON - warm.EARLIER - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("desired", "numbers", "text"),
    [
        (800, {"warm_units": 12000}, "instant: within the warm throughput of 12,000 units"),
        (800, {"warm_units": 800}, "instant: within the warm throughput of 800 units"),
        (800, {"warm_units": 799}, "may take minutes: above the warm throughput of 799 units"),
        (800, {}, ""),
    ],
)
def test_what_is_said_of_a_raise(desired: int, numbers: dict[str, int], text: str) -> None:
    assert warm.pace(Decision(READS, 100, desired, Reason.BELOW_MINIMUM, numbers)) == text


def floors(*spans: tuple[str, int]) -> Policy:
    """Return a policy with floors: between which times, and units."""
    text = ", ".join(
        f'{{ rule = "floor", between = "{between}", min_units = {units} }}'
        for between, units in spans
    )
    config = load(f'[[tables]]\nname = "orders"\nwindows = [{text}]\n')
    found = config.policy_for(READS)
    assert found
    return found


@pytest.mark.parametrize(
    ("settings", "warm_units", "units"),
    [
        pytest.param(floors(("12:10-13:00", 500)), 499, 500, id="above the warm throughput"),
        pytest.param(floors(("12:10-13:00", 500)), 500, 0, id="within it"),
        pytest.param(floors(("12:10-13:00", 500)), None, 0, id="it is unknown"),
        pytest.param(floors(("12:10-13:00", 500), ("20:00-21:00", 900)), 499, 900, id="two"),
        pytest.param(policy(), 0, 0, id="no window"),
    ],
)
def test_the_highest_floor_above_the_warm_throughput(
    settings: Policy, warm_units: int | None, units: int
) -> None:
    assert warm.slow_floor(settings, warm_units) == units


@pytest.mark.parametrize(
    ("between", "fields", "units"),
    [
        pytest.param("12:30-13:00", {"warm": WARM}, 500, id="in half an hour"),
        pytest.param("12:31-13:00", {"warm": WARM}, 0, id="a minute later"),
        pytest.param("12:30-13:00", {}, 0, id="warm throughput unknown"),
        pytest.param("12:30-13:00", {"warm": {Dimension.READ: 500}}, 0, id="instant"),
        pytest.param(
            "12:30-13:00", {"warm": {Dimension.READ: 500}, **RAISED}, 500, id="raised for it"
        ),
        pytest.param(
            "12:30-13:00",
            {"warm": {Dimension.READ: 500}, **RAISED, "provisioned": 499},
            0,
            id="raised for something else",
        ),
        pytest.param(
            "12:30-13:00",
            {"warm": {Dimension.READ: 500}, "provisioned": 500, "last_increase_at": LONG_AGO},
            0,
            id="raised long ago",
        ),
    ],
)
def test_a_floor_above_the_warm_throughput_begins_earlier(
    between: str, fields: dict[str, Any], units: int
) -> None:
    seen = observation(settings=floors((between, 500)), **fields)
    assert warm.coming_floor(seen, NOON) == units


def test_the_warm_throughput_is_shown_with_an_increase_only() -> None:
    seen = observation(warm=WARM)
    assert warm.numbers(seen, decision(desired=101)) == {"warm_units": 100}
    assert warm.numbers(seen, decision(desired=100)) == {}
    assert warm.numbers(observation(), decision(desired=101)) == {}
