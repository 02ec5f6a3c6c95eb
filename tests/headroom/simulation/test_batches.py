"""Batches of a small table, which no sweep reads, and what it does around them."""

import math

import pytest

from chalicelib.config.policy import make_policy
from chalicelib.core.strategies import shape
from chalicelib.model import Dimension, Reason, Target
from headroom.simulation.outcome import Outcome
from headroom.simulation.replay import Replay, initial_units

TARGET = Target("orders", "", Dimension.READ)
#: 20 units a second; a batch of half an hour at 02:00.
NIGHT = [*[20.0] * 120, *[400.0] * 30, *[20.0] * 60]
QUIET_DAY = [20.0] * 288
BATCH_DAY = [*[20.0] * 24, *[400.0] * 6, *[20.0] * 258]


def replayed(*days: list[float]) -> Outcome:
    """Return the outcome of the night after some days."""
    past = {TARGET: [mean for day in days for mean in day]}
    policies, units = {TARGET: make_policy()}, {TARGET: initial_units(NIGHT)}
    return Replay({TARGET: NIGHT}, policies, units, past=past).run()[TARGET]


@pytest.mark.parametrize(
    "days",
    [
        pytest.param([BATCH_DAY] * 4, id="every night"),
        pytest.param(([BATCH_DAY] + [QUIET_DAY] * 6) * 2, id="once a week"),
    ],
)
def test_a_small_table_is_raised_before_a_batch_that_it_has_had(days: list[list[float]]) -> None:
    outcome = replayed(*days)
    assert outcome.units[119] > 200
    assert Reason.PATTERN_AHEAD in {made.reason for made in outcome.made if made.minute < 120}
    assert outcome.throttled_minutes == 0


def test_a_batch_of_last_week_alone_is_not_expected() -> None:
    assert replayed(*[QUIET_DAY] * 7, BATCH_DAY, *[QUIET_DAY] * 6).units[119] < 30


def test_after_a_batch_one_decrease_and_no_raise() -> None:
    outcome = replayed(*[BATCH_DAY] * 4)
    assert [made.after < made.before for made in outcome.made if made.minute >= 150] == [True]
    assert outcome.units[-1] < 25


def test_no_raise_is_smaller_than_three_percent() -> None:
    outcome = replayed(*[BATCH_DAY] * 4)
    assert all(m.after >= 1.03 * m.before for m in outcome.made if m.after > m.before)


@pytest.mark.parametrize(
    ("demand", "after"),
    [
        pytest.param(
            [20.0, *[400.0] * 11, *[10.0, 20.0, 15.0, 10.0]], 20.0, id="the highest since"
        ),
        pytest.param([20.0, *[400.0] * 12, *[20.0] * 3], math.inf, id="three minutes are few"),
        pytest.param([20.0, *[400.0] * 11, *[200.0] * 4], math.inf, id="half is no end"),
        pytest.param([20.0] * 3 + [400.0] * 8 + [20.0] * 4, math.inf, id="a spike"),
        pytest.param([100.0] * 60 + [0.0] * 4, math.inf, id="an outage: it was never as low"),
    ],
)
def test_the_end_of_a_batch(demand: list[float], after: float) -> None:
    assert shape.after_batch(demand) == after
