"""A table with two indexes: back-pressure, with and without indexes that follow it."""

from chalicelib.model import Dimension
from headroom.simulation import indexes
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import policy

JUMPS = [60.0] * 20 + [85.0] * 20 + [125.0] * 20


def test_indexes_that_follow_throttle_their_table_less() -> None:
    demand = {
        indexes.WRITES: JUMPS,
        indexes.FULL: [45.0, *(rate * 0.6 for rate in JUMPS[1:])],
        indexes.SPARSE: [rate * 0.1 for rate in JUMPS],
    }
    conditions = Conditions(burst_seconds=0)
    follows, alone = indexes.rows(demand, policy(scale_down=False), conditions)
    assert (follows.name, alone.name) == ("indexes follow", "index_follows_table = false")
    assert 0 == follows.throttled_minutes < alone.throttled_minutes
    assert alone.unit_hours < follows.unit_hours


def test_the_generated_writes_come_in_batches_and_the_sparse_index_drifts() -> None:
    demand = indexes.generated(days=1)
    assert {target.dimension for target in demand} == {Dimension.WRITE}
    assert sum(rate == indexes.BATCH_UNITS for rate in demand[indexes.WRITES]) == 80
    writes, sparse = demand[indexes.WRITES], demand[indexes.SPARSE]
    shares = {round(s / w, 6) for w, s in zip(writes, sparse, strict=True)}
    assert len(shares) > 20
    assert 0.02 <= min(shares) < max(shares) <= 0.5
