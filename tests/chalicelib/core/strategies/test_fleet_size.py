"""The strategy `fleet`, decided in tables: what the fleet needs, or what is consumed."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.strategies import fleet_size
from chalicelib.model import Reason
from tests.support.builders import NOON, observation, outcome, series, steady


def ago(minutes: int, values: list[float | None]) -> Any:
    """Return minutes of consumption, the newest of which ended some minutes ago."""
    return series(values, NOON - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param({"fleet_units": 101, "instances": 5}, (101, Reason.FLEET), id="needs more"),
        pytest.param({"fleet_units": 100, "instances": 5}, (100, Reason.AT_DESIRED), id="as it is"),
        pytest.param({"fleet_units": 40, "instances": 2}, (40, Reason.AT_DESIRED), id="less"),
        pytest.param({"fleet_units": 0, "instances": 0}, (0, Reason.AT_DESIRED), id="no instance"),
        pytest.param({"consumed": 120.2}, (121, Reason.UTILIZATION_HIGH), id="no count, high"),
        pytest.param({"consumed": 100.0}, (100, Reason.FLEET_UNKNOWN), id="no count, at capacity"),
        pytest.param({}, (100, Reason.FLEET_UNKNOWN), id="no count, no metric"),
        pytest.param(
            {"consumed": 90.0, "throttled": 30.5}, (121, Reason.THROTTLED), id="no count, throttled"
        ),
        pytest.param(
            {"consumed": ago(0, [300.0, *[120.0] * 5])},
            (120, Reason.UTILIZATION_HIGH),
            id="no count: five minutes count",
        ),
        pytest.param(
            {"consumed": ago(40, [300.0] * 5)}, (100, Reason.FLEET_UNKNOWN), id="no count, old"
        ),
        pytest.param(
            {"consumed": steady(None)}, (100, Reason.FLEET_UNKNOWN), id="no count, nothing known"
        ),
    ],
)
def test_an_increase_goes_to_what_the_fleet_needs(
    given: dict[str, Any], found: tuple[int, Reason]
) -> None:
    assert outcome(fleet_size.scale_up(observation(**given), NOON)) == found


@pytest.mark.parametrize(
    ("consumed", "throttled", "peak"),
    [(100.0, None, 100.0), (120.2, None, 120.2), (90.0, 5.0, 95.0)],
)
def test_the_peak_of_demand_is_shown(consumed: float, throttled: float | None, peak: float) -> None:
    seen = observation(consumed=consumed, throttled=throttled)
    assert fleet_size.scale_up(seen, NOON).numbers == {"peak_units": peak}


STEADY: dict[str, Any] = {"consumed": 30.0, "instances": 2, "fleet_units": 40}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param({}, (40, Reason.FLEET), id="the fleet needs less"),
        pytest.param({"consumed": 50.5}, (51, Reason.FLEET), id="more is consumed"),
        pytest.param({"fleet_units": 100}, (100, Reason.AT_DESIRED), id="as it is"),
        pytest.param({"fleet_units": 120}, (120, Reason.AT_DESIRED), id="the fleet needs more"),
        pytest.param({"instances": None}, (100, Reason.FLEET_UNKNOWN), id="no count"),
        pytest.param({"consumed": None}, (100, Reason.NO_DATA), id="no metric"),
        pytest.param({"consumed": ago(0, [None, *[30.0] * 14])}, (100, Reason.NO_DATA), id="a gap"),
        pytest.param({"consumed": ago(6, [30.0] * 20)}, (100, Reason.NO_DATA), id="too old"),
        pytest.param({"consumed": ago(5, [30.0] * 20)}, (40, Reason.FLEET), id="just fresh"),
        pytest.param(
            {"consumed": ago(0, [90.0, *[30.0] * 15])}, (40, Reason.FLEET), id="15 minutes count"
        ),
        pytest.param(
            {"consumed": ago(0, [90.0, *[30.0] * 14])}, (90, Reason.FLEET), id="the 15th counts"
        ),
        pytest.param(
            {"throttled": series([1.0, *[0.0] * 14])}, (100, Reason.THROTTLED_RECENTLY), id="lost"
        ),
        pytest.param(
            {"throttled": series([1.0, *[0.0] * 15])}, (40, Reason.FLEET), id="lost long ago"
        ),
    ],
)
def test_a_decrease_keeps_what_the_fleet_needs_and_what_was_consumed(
    given: dict[str, Any], found: tuple[int, Reason]
) -> None:
    assert outcome(fleet_size.scale_down(observation(**{**STEADY, **given}), NOON)) == found


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({}, {"peak_units": 30.0}),
        ({"throttled": 1.0}, {"peak_units": 30.0}),
        ({"consumed": ago(0, [None, *[30.0] * 14])}, {"minutes_known": 14}),
    ],
)
def test_what_a_decrease_depends_on_is_shown(
    given: dict[str, Any], numbers: dict[str, float]
) -> None:
    assert fleet_size.scale_down(observation(**{**STEADY, **given}), NOON).numbers == numbers
