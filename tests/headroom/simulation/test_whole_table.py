"""A table is replayed with all its targets together."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from chalicelib.model import Target
from headroom.simulation import pricing, whole_table
from headroom.simulation.clock import START
from headroom.simulation.compare import CHEAPEST, HEADROOM, WITHOUT_CAUSES
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.replay import Replay, initial_units
from tests.support.builders import INDEX_WRITES, READS, WRITES, policy

#: The index has too few units after an hour, and its table is throttled with it.
TABLE, INDEX = [50.0] * 60 + [100.0] * 30, [10.0] * 60 + [90.0] * 30
SHORT = Conditions(burst_seconds=0)
PLAIN = policy(strategy="adaptive")
ROWS = {HEADROOM: PLAIN, CHEAPEST: policy(strategy="adaptive", mode="cheapest")}
PRICES = pricing.load()


def replays(
    demands: Mapping[Target, Sequence[float]], conditions: Conditions = SHORT
) -> dict[Target, whole_table.Runs]:
    histories = {target: (demand, None) for target, demand in demands.items()}
    return whole_table.replays(histories, dict.fromkeys(demands, ROWS), PRICES, conditions)


def test_all_targets_of_a_table_are_served_and_decided_on_together() -> None:
    demands = {WRITES: TABLE, INDEX_WRITES: INDEX}
    found = replays(demands)
    alone = Replay({WRITES: TABLE}, {WRITES: PLAIN}, {WRITES: initial_units(TABLE)}, SHORT)
    lost = sum(alone.run()[WRITES].throttled)
    for name in (HEADROOM, CHEAPEST):
        outcomes = {target: found[target][name]() for target in demands}
        assert sum(outcomes[WRITES].throttled) > 2 * lost
        # one decision for both: the list of switches is the same one
        assert outcomes[WRITES].switches is outcomes[INDEX_WRITES].switches
    assert found[WRITES][CHEAPEST]() is not found[WRITES][HEADROOM]()
    assert found[WRITES][CHEAPEST]() is found[WRITES][CHEAPEST]()


@pytest.mark.parametrize("demands", [{}, {READS: TABLE}, {READS: TABLE, WRITES: INDEX[1:]}])
def test_a_target_without_another_is_replayed_as_before(
    demands: Mapping[Target, Sequence[float]],
) -> None:
    assert replays(demands) == {}


def test_histories_of_other_days_are_not_replayed_together() -> None:
    histories = {READS: (TABLE, START), WRITES: (TABLE, START + timedelta(days=1))}
    rows = dict.fromkeys(histories, ROWS)
    assert whole_table.replays(histories, rows, PRICES, SHORT) == {}


def test_without_causes_a_hot_key_holds_the_whole_table() -> None:
    falls = [400.0] * 10 + [40.0] * 80
    found = replays({READS: falls, WRITES: falls}, Conditions(hot_key_requests=1.0))
    shown, unshown = (found[READS][name]().units[-1] for name in (HEADROOM, WITHOUT_CAUSES))
    assert shown < 100 < unshown
    assert WITHOUT_CAUSES not in replays({READS: falls, WRITES: falls})[READS]
