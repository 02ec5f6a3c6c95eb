"""The replay of a table whose billing mode is chosen.

tests/scenarios/test_equivalence.py tests that it is as in the deployed app.
"""

from datetime import UTC, datetime

import pytest

from chalicelib.config.windows import Window
from chalicelib.core.prices import UNIT_HOUR
from chalicelib.model import Dimension, Reason
from headroom.simulation.outcome import Outcome
from headroom.simulation.replay import Replay
from tests.support.builders import READS, policy

#: A floor at night costs more than requests on demand. By day the load is steady.
NIGHT = Window(rule="floor", between="03:00-06:00", min_units=1000)
DAY = [60.0] * 36 + [0.0] * 36 + [60.0] * 216
DEMAND = [1500.0] * 30 + [0.0] * 90 + [60.0] * 40


def replayed(request_hours: dict[Dimension, float] | None) -> Outcome:
    settings = policy(
        strategy="adaptive", mode="cheapest", windows=(NIGHT,), on_demand_ceiling_percent=2000
    )
    replay = Replay(
        {READS: DEMAND},
        {READS: settings},
        {READS: 1000},
        start=datetime(2026, 11, 3, 4, tzinfo=UTC),
        request_hours=request_hours,
        past={READS: [*DAY * 7, *[60.0] * 12, *[None] * 36]},
    )
    return replay.run()[READS]


def test_a_table_is_on_demand_while_that_costs_less() -> None:
    outcome = replayed({dimension: 3.46 * usd for dimension, usd in UNIT_HOUR.items()})
    assert [(one.minute, one.on_demand, one.reason) for one in outcome.switches] == [
        (0, True, Reason.CHEAPER_ON_DEMAND),
        (120, False, Reason.CHEAPER_PROVISIONED),
    ]
    # each switch takes two minutes, in which the old mode serves
    assert [minute for minute, units in enumerate(outcome.units) if not units] == [*range(2, 122)]
    assert outcome.units[122] >= 86
    # twenty times the peak of 60 is the most
    assert max(outcome.throttled[2:]) == 300.0
    served = 1200.0 * 28 + 60.0 * 2
    assert outcome.on_demand_hours == pytest.approx(served / 60)


def test_without_prices_of_requests_it_stays_provisioned() -> None:
    outcome = replayed(None)
    assert (outcome.switches, outcome.on_demand_hours) == ([], 0.0)
    assert 0 not in outcome.units
