"""A table with two indexes, and a hot key: what the replays of one target do not show."""

from chalicelib.model import Dimension
from headroom.simulation import cases
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import policy

JUMPS = [60.0] * 20 + [85.0] * 20 + [125.0] * 20


def test_indexes_that_follow_throttle_their_table_less() -> None:
    demand = {
        cases.WRITES: JUMPS,
        cases.FULL: [45.0, *(rate * 0.6 for rate in JUMPS[1:])],
        cases.SPARSE: [rate * 0.1 for rate in JUMPS],
    }
    conditions = Conditions(burst_seconds=0)
    follows, alone = cases.index_rows(demand, policy(scale_down=False), conditions)
    assert (follows.name, alone.name) == ("indexes follow", "index_follows_table = false")
    assert 0 == follows.throttled_minutes < alone.throttled_minutes
    assert alone.unit_hours < follows.unit_hours


def test_the_generated_writes_come_in_batches_and_the_sparse_index_drifts() -> None:
    demand = cases.generated_writes(days=1)
    assert {target.dimension for target in demand} == {Dimension.WRITE}
    assert sum(rate == cases.BATCH_UNITS for rate in demand[cases.WRITES]) == 80
    writes, sparse = demand[cases.WRITES], demand[cases.SPARSE]
    shares = {round(s / w, 6) for w, s in zip(writes, sparse, strict=True)}
    assert len(shares) > 20
    assert 0.02 <= min(shares) < max(shares) <= 0.5


def test_a_hot_key_costs_nothing_more_where_its_cause_is_shown() -> None:
    demand = [*[700.0] * 10, *[200.0] * 140]
    shown, unshown = cases.hot_key_rows(demand, policy(strategy="adaptive"))
    assert unshown.unit_hours == 1_000 * 2.5
    assert shown.unit_hours < 0.5 * unshown.unit_hours
    assert (shown.throttled_minutes, unshown.throttled_minutes) == (0, 0)
