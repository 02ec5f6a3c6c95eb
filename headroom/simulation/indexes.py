"""The writes of a table with two indexes: with and without indexes that follow their table."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.simulation import traces
from headroom.simulation.clock import DAY, HOUR
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.replay import Replay, initial_units

WRITES = Target("orders", "", Dimension.WRITE)
FULL, SPARSE = (Target("orders", name, Dimension.WRITE) for name in ("by-customer", "by-error"))
#: A batch of so many minutes begins so often, and writes so many units.
BATCH_MINUTES, BATCH_EVERY, BATCH_UNITS = 20, 6 * HOUR, 3_000.0


@dataclass(frozen=True)
class IndexRow:
    """The sums of the table and its indexes, but for the table's own throttling.

    unit_hours: write units. throttled_ppm, throttled_minutes: the table's writes that failed, also
    those that an index kept away.
    """

    name: str
    unit_hours: float
    throttled_ppm: float
    throttled_minutes: int
    changes: int

    def cells(self) -> tuple[str, ...]:
        """Return the row as text for a table."""
        figures = (self.unit_hours, self.throttled_ppm, self.throttled_minutes, self.changes)
        return (self.name, *(f"{figure:,.0f}" for figure in figures))


def generated(days: int = 2) -> Mapping[Target, Sequence[float]]:
    """Return the writes of a table and of its indexes: calm, with a batch every six hours.

    Each write of the table is one of an index. The other index takes a share that drifts from
    hour to hour.
    """
    rng = random.Random(3)  # noqa: S311  a repeatable shape, not a secret
    writes, shares = traces.generated(days, seed=1), [0.2]
    for minute in range(BATCH_EVERY // 2, days * DAY, BATCH_EVERY):
        writes[minute : minute + BATCH_MINUTES] = [BATCH_UNITS] * BATCH_MINUTES
    for _ in range(days * 24):
        shares.append(min(0.5, max(0.02, shares[-1] * math.exp(rng.gauss(0, 0.3)))))
    sparse = [rate * shares[minute // HOUR] for minute, rate in enumerate(writes)]
    return {WRITES: writes, FULL: writes, SPARSE: sparse}


def rows(
    demand: Mapping[Target, Sequence[float]], policy: Policy, conditions: Conditions | None = None
) -> list[IndexRow]:
    """Replay a table and its indexes under a policy, with and without `index_follows_table`."""
    return [_row(demand, policy, follows, conditions) for follows in (True, False)]


def _row(
    demand: Mapping[Target, Sequence[float]],
    policy: Policy,
    follows: bool,
    conditions: Conditions | None,
) -> IndexRow:
    policies = dict.fromkeys(demand, structs.replace(policy, index_follows_table=follows))
    units = {target: initial_units(rates) for target, rates in demand.items()}
    outcomes = Replay(demand, policies, units, conditions).run()
    return IndexRow(
        "indexes follow" if follows else "index_follows_table = false",
        sum(outcome.unit_hours for outcome in outcomes.values()),
        outcomes[WRITES].throttled_ppm(demand[WRITES]),
        outcomes[WRITES].throttled_minutes,
        sum(outcome.changes for outcome in outcomes.values()),
    )
