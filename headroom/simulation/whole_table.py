"""Headroom's replays of a table whose billing mode is chosen: of all its targets together.

A table has one billing mode with all its indexes, so production decides by their sum. The replays
of one target alone would decide for each.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from headroom.simulation.compare import CHEAPEST, HEADROOM
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import Prices
from headroom.simulation.replay import Replay, initial_units

Runs = Mapping[str, Callable[[], Outcome]]


def replays(
    demands: Mapping[Target, Sequence[float]],
    policies: Mapping[Target, Policy],
    prices: Prices,
    conditions: Conditions,
) -> dict[Target, Runs]:
    """Return how to replay each target with the others, by the name of its row.

    policies: with `mode = "cheapest"`. Only targets whose demands are equally long are replayed
    together. A target that has no other is left out: nothing differs for it.
    """
    found: dict[Target, Runs] = {}
    for minutes in {len(demand) for demand in demands.values()}:
        together = {target: of for target, of in demands.items() if len(of) == minutes}
        if len(together) > 1:
            found |= _together(together, policies, prices, conditions)
    return found


def _together(
    demands: Mapping[Target, Sequence[float]],
    policies: Mapping[Target, Policy],
    prices: Prices,
    conditions: Conditions,
) -> dict[Target, Runs]:
    units = {target: initial_units(demand) for target, demand in demands.items()}

    @cache
    def outcomes(mode: str) -> dict[Target, Outcome]:
        return Replay(
            demands,
            {t: structs.replace(p, mode=mode, max_usd_month=0.0) for t, p in policies.items()},
            units,
            conditions,
            unit_hours={d: prices.of(d).unit_hour for d in Dimension},
            request_hours={d: prices.of(d).request_hour for d in Dimension},
        ).run()

    def of(target: Target, mode: str) -> Outcome:
        return outcomes(mode)[target]

    modes = {HEADROOM: "provisioned", CHEAPEST: "cheapest"}
    return {
        target: {name: partial(of, target, mode) for name, mode in modes.items()}
        for target in demands
    }
