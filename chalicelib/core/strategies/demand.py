"""Reading demand out of metrics: how fresh they are, and what they say about the load."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.model import Number, Reason, Series

#: CloudWatch delivers DynamoDB's minutes with "up to a few minutes" of delay (Developer Guide,
#: metrics, read 2026-10); data older than this is no news: an alarm on missing data keeps its state
#: for ever.
FRESH = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a strategy wants, before bounds, budget and switches have their say."""

    desired: int
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)


def is_fresh(series: Series, now: datetime, within: timedelta = FRESH) -> bool:
    """Tell whether the newest value is young enough to act on."""
    return bool(series.values) and series.end >= now - within


def known_at(series: Series, at: datetime) -> Series:
    """Return the part that had closed by `at`, without the gaps at its end: as if it had been read
    then, with nothing late."""
    size = min(
        len(series.values), max(0, int((at - series.start).total_seconds() // series.step_seconds))
    )
    return replace(series, values=series.values[:size]).without_trailing_gaps()


#: An UpdateTable holds about a minute after it was called (AWS's own sample activities: half a
#: minute).
APPLIES_AFTER = timedelta(minutes=1)
#: A decrease wants younger data: what is missing at the end may be the rise that it would run into.
FRESH_TO_LOWER = timedelta(minutes=5)


def means(series: Series, per_period: int) -> list[float | None]:
    """Return the mean of each whole group of `per_period` values, counted from the newest, oldest
    group first.

    The mean is that of the values that are there, and None where there is none: unknown is not
    zero.
    """
    values = series.values[len(series.values) % per_period :]
    groups = [values[i : i + per_period] for i in range(0, len(values), per_period)]
    known = [[value for value in group if value is not None] for group in groups]
    return [sum(group) / len(group) if group else None for group in known]
