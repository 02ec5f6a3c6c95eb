"""Headroom's replays of a table: of all its targets together, as production decides.

One decrease counts for reads and writes, an index follows the writes of its table, and a table has
one billing mode and one budget with its indexes. The replays of one target alone know none of that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial

from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.simulation.clock import START
from headroom.simulation.compare import HEADROOM, WITHOUT_CAUSES
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import Prices
from headroom.simulation.replay import Replay, initial_units

Runs = Mapping[str, Callable[[], Outcome]]
Rows = Mapping[str, Policy]
#: A demand, and the time of its minute 0; None for one without dates.
History = tuple[Sequence[float], datetime | None]


def replays(
    histories: Mapping[Target, History],
    rows: Mapping[Target, Rows],
    prices: Prices,
    conditions: Conditions,
) -> dict[Target, Runs]:
    """Return how to replay each target with the others, by the name of its row.

    rows: the policies of each target, by the name of the row. Only targets whose histories
    are of the same time are replayed together. A target without another is left out: nothing
    differs for it.
    """
    found: dict[Target, Runs] = {}
    for time in {(len(demand), start) for demand, start in histories.values()}:
        together = {t: of for t, (of, start) in histories.items() if (len(of), start) == time}
        if len(together) > 1:
            found |= _together(together, rows, prices, conditions, time[1] or START)
    return found


def _together(
    demands: Mapping[Target, Sequence[float]],
    rows: Mapping[Target, Rows],
    prices: Prices,
    conditions: Conditions,
    start: datetime,
) -> dict[Target, Runs]:
    @cache
    def outcomes(name: str) -> dict[Target, Outcome]:
        is_blind = name == WITHOUT_CAUSES
        row = HEADROOM if is_blind else name
        return Replay(
            demands,
            {target: rows[target][row] for target in demands},
            {target: initial_units(demand) for target, demand in demands.items()},
            replace(conditions, shows_causes=False) if is_blind else conditions,
            start,
            unit_hours={d: prices.of(d).unit_hour for d in Dimension},
            request_hours={d: prices.of(d).request_hour for d in Dimension},
        ).run()

    def of(target: Target, name: str) -> Outcome:
        return outcomes(name)[target]

    names = set.intersection(*(set(rows[target]) for target in demands))
    names |= {WITHOUT_CAUSES} if conditions.hot_key_requests else set()
    return {target: {name: partial(of, target, name) for name in names} for target in demands}
