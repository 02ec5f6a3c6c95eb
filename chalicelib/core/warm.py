"""Warm throughput: the units up to which DynamoDB raises capacity at once. Pure.

Beyond it, an update takes longer: DynamoDB first adds partitions. It then stays that high. Source:
Developer Guide, "Understanding DynamoDB warm throughput in different scenarios", read 2026-11.
"""

from datetime import datetime, timedelta

from chalicelib.config import windows
from chalicelib.config.policy import Policy
from chalicelib.core.observation import Observation
from chalicelib.model import Decision, Number

#: A floor above the warm throughput begins so much earlier. AWS gives no time for an update beyond
#: it ("minutes or more, by size and distance"), so this is a choice.
EARLIER = timedelta(minutes=30)


def numbers(observation: Observation, decision: Decision) -> dict[str, Number]:
    """Return the warm throughput, where a decision raises the capacity."""
    units = observation.throughput.warm.get(observation.target.dimension)
    return {} if units is None or decision.desired <= decision.current else {"warm_units": units}


def pace(change: Decision) -> str:
    """Return in words whether an increase is instant; "" where that is unknown."""
    units = change.numbers.get("warm_units")
    if not isinstance(units, int):
        return ""
    if change.desired <= units:
        return f"instant: within the warm throughput of {units:,} units"
    return f"may take minutes: above the warm throughput of {units:,} units"


def coming_floor(observation: Observation, now: datetime) -> int:
    """Return the floor that begins soon and lies above the warm throughput, 0 for none.

    A target that was raised for it keeps it, although its warm throughput has risen with it.
    """
    floor = windows.floor_units(observation.policy.windows, now + EARLIER)
    warm = observation.throughput.warm.get(observation.target.dimension)
    if not floor or warm is None:
        return 0
    raised_at = observation.throughput.last_increase_at
    was_raised = raised_at is not None and now - raised_at <= EARLIER
    return floor if floor > warm or (was_raised and observation.provisioned >= floor) else 0


def slow_floor(policy: Policy, warm_units: int | None) -> int:
    """Return the highest floor of a window that lies above the warm throughput, 0 for none."""
    floors = (window.min_units for window in policy.windows if window.rule == "floor")
    highest = min(max(floors, default=0), policy.max_units)
    return highest if warm_units is not None and highest > warm_units else 0
