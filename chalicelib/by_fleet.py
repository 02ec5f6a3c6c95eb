"""The strategy `fleet`: the whole capacity is what the fleet calls for, and what is consumed where that is more."""

from __future__ import annotations

import math
from datetime import datetime

from chalicelib.config import Policy
from chalicelib.demand import FRESH_TO_LOWER, Want, is_fresh
from chalicelib.model import Observation, Reason

LOOK_BACK_MINUTES = 15
"""A decrease leaves room for the highest of the last quarter of an hour."""


def raise_to(seen: Observation, policy: Policy, now: datetime, urgent: bool = False) -> Want:  # noqa: ARG001
    """Return what the fleet calls for, at once: also before its traffic comes."""
    return Want(seen.fleet_units, Reason.FLEET if seen.fleet_units > seen.provisioned else Reason.AT_DESIRED)


def lower_to(seen: Observation, policy: Policy, now: datetime) -> Want:  # noqa: ARG001
    """Return what the fleet calls for, never below what was consumed; unknown consumption lowers nothing."""
    recent = seen.metrics.consumed.last(LOOK_BACK_MINUTES)
    if not is_fresh(recent, now, FRESH_TO_LOWER) or None in recent.values:
        return Want(seen.provisioned, Reason.NO_DATA, {"minutes_known": len(recent.known())})
    throttled = seen.metrics.throttled.since(recent.start).known()
    peak = max(recent.known())
    numbers = {"fleet_units": seen.fleet_units, "peak_units": peak}
    if any(throttled):
        return Want(seen.provisioned, Reason.THROTTLED_RECENTLY, numbers)
    desired = max(seen.fleet_units, math.ceil(peak))
    return Want(desired, Reason.UTILIZATION_LOW if desired < seen.provisioned else Reason.AT_DESIRED, numbers)
