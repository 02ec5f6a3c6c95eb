"""What a trace of one target cannot show: a table with two indexes, and a hot key."""

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
from headroom.simulation.replay import Replay, initial_units, replay

WRITES = Target("orders", "", Dimension.WRITE)
FULL, SPARSE = (Target("orders", name, Dimension.WRITE) for name in ("by-customer", "by-error"))
#: A batch of so many minutes begins so often, and writes so many units.
BATCH_MINUTES, BATCH_EVERY, BATCH_UNITS = 20, 6 * HOUR, 3_000.0


@dataclass(frozen=True)
class CaseRow:
    """What came of one way to run a table.

    unit_hours, changes: those of the table and its indexes together. throttled_ppm,
    throttled_minutes: the table's requests that failed, also those that an index kept away.
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


def generated_writes(days: int = 2) -> Mapping[Target, Sequence[float]]:
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


def index_rows(
    demand: Mapping[Target, Sequence[float]], policy: Policy, conditions: Conditions | None = None
) -> list[CaseRow]:
    """Replay a table and its indexes under a policy, with and without `index_follows_table`."""
    return [_index_row(demand, policy, follows, conditions) for follows in (True, False)]


def _index_row(
    demand: Mapping[Target, Sequence[float]],
    policy: Policy,
    follows: bool,
    conditions: Conditions | None,
) -> CaseRow:
    policies = dict.fromkeys(demand, structs.replace(policy, index_follows_table=follows))
    units = {target: initial_units(rates) for target, rates in demand.items()}
    outcomes = Replay(demand, policies, units, conditions).run()
    return CaseRow(
        "indexes follow" if follows else "index_follows_table = false",
        sum(outcome.unit_hours for outcome in outcomes.values()),
        outcomes[WRITES].throttled_ppm(demand[WRITES]),
        outcomes[WRITES].throttled_minutes,
        sum(outcome.changes for outcome in outcomes.values()),
    )


def hot_key_rows(demand: Sequence[float], policy: Policy) -> list[CaseRow]:
    """Replay a target of which a hot key loses a request a second, with and without the metrics of
    the causes. What the key loses is no demand."""
    return [_hot_key_row(demand, policy, shown) for shown in (True, False)]


def _hot_key_row(demand: Sequence[float], policy: Policy, shown: bool) -> CaseRow:
    conditions = Conditions(hot_key_requests=1.0, shows_causes=shown)
    outcome = replay(demand, policy, initial_units(demand), conditions)
    return CaseRow(
        "causes are shown" if shown else "causes are not shown",
        outcome.unit_hours,
        outcome.throttled_ppm(demand),
        outcome.throttled_minutes,
        outcome.changes,
    )
