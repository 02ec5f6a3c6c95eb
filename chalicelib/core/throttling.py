"""Why requests were throttled. More units help against one cause only. Pure.

CloudWatch counts throttled requests a second time by their cause. Source: Developer Guide,
"CloudWatch throttling metrics", read 2026-11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.metrics import Cause
from chalicelib.model import Metrics, Number, Series

#: A minute whose cause CloudWatch does not show yet has that of the newest minute before it, if
#: that is not older than this. DynamoDB's metrics of one minute do not all come at once.
CARRIED = timedelta(minutes=5)
#: Less than one request in five minutes: a difference of sums of floats.
LEAST_RATE = 0.001
#: The numbers of a decision count the requests of so much time.
COUNTED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Share:
    """A minute's throttled requests a second, by what follows from them.

    units: those that more units would have served, with the unexplained ones. hot_key: those that
    one partition's own limit refused. unexplained: those whose cause is unknown.
    """

    units: float = 0.0
    hot_key: float = 0.0
    unexplained: float = 0.0


NOTHING = Share()


def causes_start(throttled: Series) -> datetime:
    """Return from when on the causes of some throttled requests matter.

    The start of the series is at a whole five minutes, and so is the result.
    """
    size = CARRIED // timedelta(seconds=throttled.step_seconds)
    first = next((i for i, events in enumerate(throttled.values) if events), 0) // size - 1
    return throttled.start + max(0, first) * CARRIED


def by_cause(metrics: Metrics, causes: Mapping[Cause, Series]) -> Metrics:
    """Return the metrics with their throttled requests divided by cause.

    causes: series with the same start and step as `metrics.throttled`. A request without a known
    cause counts as throttled for want of units: unknown never lowers. A Region without these
    metrics therefore has only such requests.
    """
    throttled = metrics.throttled
    carried = CARRIED // timedelta(seconds=throttled.step_seconds)
    count = len(throttled.values)
    parts = {cause: _rates(series, count) for cause, series in causes.items()}
    totals = [sum(minute) for minute in zip(*parts.values(), strict=True)] or [0.0] * count
    shares = [
        _share(events, parts, totals, i, carried) if events else NOTHING
        for i, events in enumerate(throttled.values)
    ]
    return structs.replace(
        metrics,
        throttled=_series(throttled, [share.units for share in shares]),
        hot_keys=_series(throttled, [share.hot_key for share in shares]),
        unexplained=_series(throttled, [share.unexplained for share in shares]),
    )


def _rates(series: Series, count: int) -> list[float]:
    """Return the first `count` values of a series; zero where there is none."""
    known = [value or 0.0 for value in series.values[:count]]
    return known + [0.0] * (count - len(known))


def _share(
    events: float,
    parts: Mapping[Cause, Sequence[float]],
    totals: Sequence[float],
    at: int,
    carried: int,
) -> Share:
    """Divide a minute's requests as its causes are divided, or as those of a minute before it.

    totals: the sum of all parts, by minute.
    """
    newest = range(at, max(-1, at - carried - 1), -1)
    position = next((minute for minute in newest if totals[minute]), None)
    if position is None:
        return Share(events, 0.0, events)
    is_own = position == at
    rest = events - totals[position] if is_own else 0.0
    unexplained = rest if rest > LEAST_RATE else 0.0
    by_units, by_hot_key = (
        parts[cause][position] if cause in parts else 0.0
        for cause in (Cause.PROVISIONED, Cause.KEY_RANGE)
    )
    if not is_own:
        # The part of the whole comes first: events by a very small total would be infinite.
        by_units, by_hot_key = (part / totals[position] * events for part in (by_units, by_hot_key))
    return Share(min(by_units + unexplained, events), by_hot_key, unexplained)


def _series(throttled: Series, values: list[float]) -> Series:
    return structs.replace(throttled, values=tuple(value or None for value in values))


def measured_units(consumed: Series, requests: Series) -> float:
    """Return the mean units of the requests that were served; 1 where nothing is known of them.

    requests: how many consumed units, a period of the same step. Source: Developer Guide, "DynamoDB
    metrics and dimensions", ConsumedWriteCapacityUnits, SampleCount, read 2026-11.
    """
    pairs = zip(consumed.since(requests.start).values, requests.values, strict=False)
    known = [(units, count) for units, count in pairs if units is not None and count]
    count = sum(pair[1] for pair in known)
    return sum(pair[0] for pair in known) * consumed.step_seconds / count if count else 1.0


def request_units(policy: Policy, measured: float) -> float:
    """Return the units that one throttled request counts as. Each retry is a request too."""
    return (policy.throttled_request_units or measured) / policy.request_attempts


def lost_units(metrics: Metrics) -> Series:
    """Return the units a second that throttled requests would have used."""
    if metrics.request_units == 1:
        return metrics.throttled
    values = [v and v * metrics.request_units for v in metrics.throttled.values]
    return structs.replace(metrics.throttled, values=tuple(values))


def without_noise(metrics: Metrics, events: int) -> Metrics:
    """Return the metrics without the minutes in which no more than so many requests were throttled.

    A series of throttling without a datapoint means that nothing was throttled.
    """
    if not events:
        return metrics
    return structs.replace(
        metrics,
        throttled=_above(metrics.throttled, events),
        hot_keys=_above(metrics.hot_keys, events),
        unexplained=_above(metrics.unexplained, events),
    )


def _above(series: Series, events: int) -> Series:
    least = events / series.step_seconds
    return structs.replace(
        series, values=tuple(v if v and v > least else None for v in series.values)
    )


def numbers(metrics: Metrics, now: datetime) -> dict[str, Number]:
    """Return how many requests of the newest minutes a hot key or an unknown cause throttled, and
    the units that a throttled request counts as, if that is not one."""
    if metrics.request_units == 1 and not (metrics.hot_keys.values or metrics.unexplained.values):
        return {}
    counts = {
        "hot_key_requests": _requests(metrics.hot_keys, now),
        "unexplained_requests": _requests(metrics.unexplained, now),
    }
    found: dict[str, Number] = {name: count for name, count in counts.items() if count}
    is_other = metrics.request_units != 1 and any(metrics.throttled.known())
    return found | ({"request_units": metrics.request_units} if is_other else {})


def _requests(series: Series, now: datetime) -> int:
    if not series.values:
        return 0
    return round(sum(series.since(now - COUNTED).known()) * series.step_seconds)
