"""The strategy `fleet`: the capacity that the fleet needs, or what is consumed if that is more."""

import math
from datetime import datetime

from chalicelib.core.observation import Observation
from chalicelib.core.strategies.demand import FRESH_TO_LOWER, Recommendation, is_fresh
from chalicelib.core.throttling import lost_units
from chalicelib.model import Reason

#: A decrease stays at or above the peak of the last 15 minutes.
LOOK_BACK_MINUTES = 15
#: Without a count, an increase goes to the peak of demand in these minutes.
UNCOUNTED_MINUTES = 5


def scale_up(
    observation: Observation,
    now: datetime,
    urgent: bool = False,  # noqa: ARG001
) -> Recommendation:
    """Return the units that the fleet needs, even before its traffic comes.

    Without a count, return the peak of demand.
    """
    if observation.instances is None:
        return _peak_of_demand(observation, now)
    return Recommendation(
        observation.fleet_units,
        Reason.FLEET if observation.fleet_units > observation.provisioned else Reason.AT_DESIRED,
    )


def _peak_of_demand(observation: Observation, now: datetime) -> Recommendation:
    """Return the recent peak of demand, so that an unknown fleet does not prevent an increase."""
    recent = observation.metrics.consumed.last(UNCOUNTED_MINUTES)
    throttled = lost_units(observation.metrics).since(recent.start).known()
    if not is_fresh(recent, now) or not recent.known():
        return Recommendation(observation.provisioned, Reason.FLEET_UNKNOWN)
    peak = max(recent.known()) + max(throttled, default=0.0)
    if peak <= observation.provisioned:
        return Recommendation(observation.provisioned, Reason.FLEET_UNKNOWN, {"peak_units": peak})
    return Recommendation(
        math.ceil(peak),
        Reason.THROTTLED if any(throttled) else Reason.UTILIZATION_HIGH,
        {"peak_units": peak},
    )


def scale_down(observation: Observation, now: datetime) -> Recommendation:
    """Return the units that the fleet needs, never below what was consumed.

    An unknown count or consumption lowers nothing.
    """
    if observation.instances is None:
        return Recommendation(observation.provisioned, Reason.FLEET_UNKNOWN)
    recent = observation.metrics.consumed.last(LOOK_BACK_MINUTES)
    if not is_fresh(recent, now, FRESH_TO_LOWER) or None in recent.values:
        return Recommendation(
            observation.provisioned, Reason.NO_DATA, {"minutes_known": len(recent.known())}
        )
    throttled = lost_units(observation.metrics).since(recent.start).known()
    peak = max(recent.known())
    if any(throttled):
        return Recommendation(
            observation.provisioned, Reason.THROTTLED_RECENTLY, {"peak_units": peak}
        )
    desired = max(observation.fleet_units, math.ceil(peak))
    return Recommendation(
        desired,
        Reason.FLEET if desired < observation.provisioned else Reason.AT_DESIRED,
        {"peak_units": peak},
    )
