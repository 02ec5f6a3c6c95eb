"""Helpers for the demand in metrics: whether they are fresh, and the mean load of a period."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field, structs

from chalicelib.model import Number, Reason, Series, Throughput

#: CloudWatch delivers DynamoDB's minutes "up to a few minutes" late (Developer Guide, metrics, read
#: 2026-10). Older data causes no increase: an alarm on missing data keeps its state for ever.
FRESH = timedelta(minutes=10)
#: An UpdateTable applies about a minute after the call. AWS's own sample activities show half a
#: minute.
APPLIES_AFTER = timedelta(minutes=1)
#: A decrease needs more recent data: the missing minutes at the end may contain a rise.
FRESH_TO_LOWER = timedelta(minutes=5)


class Recommendation(Struct, frozen=True):
    """What a strategy recommends, before bounds, budget and switches are applied."""

    desired: int
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)


def is_fresh(series: Series, now: datetime, within: timedelta = FRESH) -> bool:
    """Tell whether the newest value is recent enough for a change."""
    return bool(series.values) and series.end >= now - within


def known_at(series: Series, at: datetime) -> Series:
    """Return the periods that had ended by `at`, without the gaps at the end.

    This is the series as it was at that time, if no metric had been late.
    """
    size = min(
        len(series.values), max(0, int((at - series.start).total_seconds() // series.step_seconds))
    )
    return structs.replace(series, values=series.values[:size]).without_trailing_gaps()


#: An UpdateTable holds about a minute after it was called (AWS's own sample activities: half a
#: minute).
APPLIES_AFTER = timedelta(minutes=1)


def is_steady(throughput: Throughput, since: datetime) -> bool:
    """Tell whether the units have held since a time: what DescribeTable shows is all there is."""
    changed_at = throughput.last_change_at
    return changed_at is None or changed_at + APPLIES_AFTER <= since


#: A decrease wants younger data: what is missing at the end may be the rise that it would run
#: into.
FRESH_TO_LOWER = timedelta(minutes=5)


def means(series: Series, per_period: int) -> list[float | None]:
    """Return the mean of each whole group of `per_period` values, the oldest group first.

    Groups are counted from the newest value. A mean is that of the known values, None if there are
    none: an unknown value is not zero.
    """
    values = series.values[len(series.values) % per_period :]
    groups = [values[i : i + per_period] for i in range(0, len(values), per_period)]
    known = [[value for value in group if value is not None] for group in groups]
    return [sum(group) / len(group) if group else None for group in known]
