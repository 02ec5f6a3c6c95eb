"""The strategy `percent`: a plain percentage step up when the alarm's level is reached, down to the recent peak."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from chalicelib.config import Policy
from chalicelib.demand import FRESH_TO_LOWER, Want, is_fresh, means
from chalicelib.model import Observation, Reason, Series

SETTLE = timedelta(minutes=15)
"""So long after a raise, a little less is not taken back even where it would come along for nothing."""
LOOK_BACK = timedelta(minutes=60)
"""A decrease leaves room for the peak of the last hour: the quota allows one an hour, so the level must last that long."""


def raise_to(seen: Observation, policy: Policy, now: datetime, urgent: bool = False) -> Want:  # noqa: ARG001
    """Return one percentage step up where the newest periods, not yet answered by an increase, are all hot.

    urgent: whether an alarm asks; a step is a step either way.
    """
    per_period = policy.alarm_period_seconds // 60
    consumed = seen.metrics.consumed
    recent = consumed.last(per_period * policy.alarm_evaluation_periods)
    numbers = {"alarm_level_units": seen.provisioned * policy.alarm_percent / 100}
    loads = means(recent, per_period)
    known = [load for load in loads if load is not None]
    if not is_fresh(consumed, now) or not known or len(known) < len(loads):
        return Want(seen.provisioned, Reason.NO_DATA, numbers)
    numbers["consumed_units"] = known[-1]
    if min(known) * 100 < seen.provisioned * policy.alarm_percent:
        return Want(seen.provisioned, Reason.AT_DESIRED, numbers)
    if len(recent.since(seen.throughput.last_increase_at).values) < len(recent.values):
        return Want(seen.provisioned, Reason.EVIDENCE_SPENT, numbers)
    desired = math.ceil(seen.provisioned * (100 + policy.increase_percent) / 100)
    return Want(desired, Reason.UTILIZATION_HIGH, numbers)


def lower_to(seen: Observation, policy: Policy, now: datetime) -> Want:
    """Return the level at which the last hour's peak is `target_percent` of the units."""
    consumed, throttled = (_window(series, now) for series in (seen.metrics.consumed, seen.metrics.throttled))
    if (
        not is_fresh(consumed, now, FRESH_TO_LOWER)
        or consumed.start > now - LOOK_BACK + timedelta(minutes=1)
        or None in consumed.values
    ):
        return Want(seen.provisioned, Reason.NO_DATA, {"minutes_known": len(consumed.known())})
    peak = max(consumed.known())
    desired = max(math.ceil(peak * 100 / policy.target_percent), policy.min_units)
    numbers = {"peak_units": peak, "throttled_units": max(throttled.known(), default=0.0)}
    if numbers["throttled_units"] > 0:
        return Want(seen.provisioned, Reason.THROTTLED_RECENTLY, numbers)
    if desired >= seen.provisioned:
        return Want(seen.provisioned, Reason.AT_DESIRED, numbers)
    if (seen.provisioned - desired) * 100 < seen.provisioned * policy.min_decrease_percent:
        raised_at = seen.throughput.last_increase_at
        is_new = raised_at is not None and now - raised_at < SETTLE
        return Want(desired, Reason.RAISED_RECENTLY if is_new else Reason.NOT_WORTH_IT, numbers)
    return Want(desired, Reason.UTILIZATION_LOW, numbers)


def _window(series: Series, now: datetime) -> Series:
    return series.since(now - LOOK_BACK)
