"""For how many minutes the burst bucket carries a load, even if the load rises as it did at its
worst. Pure.

Until then a check that only raises would change nothing, so it needs no metrics. Chosen by
`headroom bench`: with the steepest rise of the last three hours no decision of the benchmark's
traces came later.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive

MINUTE = timedelta(minutes=1)
#: So far ahead no load is foreseen. In quiet times the capacity may be a few percent below the
#: load. The alarm is in ALARM then, and announces no jump. So each second minute is read.
MOST_MINUTES = 1
#: A rise is that over so many minutes: one minute's is mostly noise.
RISE_MINUTES = 3
#: The load is taken to be higher than it is by the noise times this.
NOISES = 2.0
#: The rises of so much time count.
RISES_OF = 180


def calm_minutes(observation: Observation, now: datetime) -> int:
    """Return for how many minutes no increase can follow; 0 where nothing is known."""
    policy, units = observation.policy, observation.provisioned
    if policy.strategy != "adaptive":
        return 0
    recent = adaptive.recent_demand(observation)
    load = adaptive.load_of(observation, now, recent)
    if load is None or load.throttled5 > 0:
        return 0
    worst = replace(
        load,
        fast=max(load.fast, load.newest) + NOISES * load.noise,
        growth=max(load.growth, steepest_rise(recent.known[-RISES_OF:])),
    )
    for minutes in range(1, MOST_MINUTES + 1):
        later, at = replace(worst, lag_minutes=load.lag_minutes + minutes), now + minutes * MINUTE
        insured = adaptive.insured_units(observation.metrics.history, policy, load.lag_minutes, at)
        if adaptive.runs_short(later, policy, recent.burst_left, units) or insured > units:
            return minutes - 1
    return MOST_MINUTES


def steepest_rise(demand: Sequence[float]) -> float:
    """Return the most by which a demand rose in a minute, as a mean over RISE_MINUTES; at least
    0."""
    pairs = zip(demand, demand[RISE_MINUTES:], strict=False)
    rise = max((after - before for before, after in pairs), default=0.0)
    return max(0.0, rise) / RISE_MINUTES
