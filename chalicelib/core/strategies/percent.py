"""The strategy `percent`: steps up by load and throttling, and down to the peak or by steps.

docs/policy.md describes the rules with a worked example. Amounts are units per second. A throttled
request counts as a unit.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.config.policy import Policy
from chalicelib.config.types import ScalingStep, ScalingSteps
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.demand import (
    APPLIES_AFTER,
    FRESH_TO_LOWER,
    Recommendation,
    is_fresh,
    known_at,
    means,
)
from chalicelib.model import Number, Reason, Series

MINUTE = timedelta(minutes=1)
#: For this long after an increase, a small decrease is not made, even if it would be free.
SETTLE = timedelta(minutes=15)
#: A point of the provisioned units shows their lowest within so long.
FIVE_MINUTES = timedelta(minutes=5)


class Evidence(Struct, frozen=True):
    """The newest periods of the alarm.

    loads: the mean consumption of each period, oldest first. It is empty if one of them is unknown
    or too old. throttled: the mean over the periods. events: how many were throttled in them. Both
    are 0 if nothing was throttled or the data are too old. consumed: the mean consumption of the
    same periods. demand: consumed and throttled units of the newest period. load_is_spent,
    throttling_is_spent: whether an increase has already answered it.
    """

    loads: Sequence[float]
    consumed: float
    throttled: float
    events: int
    demand: float
    load_is_spent: bool
    throttling_is_spent: bool


class Cause(Struct, frozen=True):
    """One cause of an increase, and the units that it leads to."""

    desired: int
    reason: Reason
    is_spent: bool


def scale_up(
    observation: Observation,
    now: datetime,
    urgent: bool = False,  # noqa: ARG001
) -> Recommendation:
    """Return the highest level of the causes that no increase has answered yet.

    A cause's level is base + max(base x percent / 100, units), rounded up. The base is the
    provisioned units, or the newest period's demand (consumed and throttled) if that is higher.
    One cause is consumption: all of the alarm's newest periods reach alarm_percent, or a row of
    increase_steps. The other is throttling: its share of the provisioned or consumed units reaches
    a row of its steps, or its events exceed throttled_events.

    urgent: whether an alarm started the check. It makes no difference here.
    """
    evidence, units = _evidence(observation, now), observation.provisioned
    base = max(float(units), evidence.demand)
    numbers = _numbers(observation, evidence)
    causes = list(_causes(observation, evidence, base))
    unspent = [cause for cause in causes if not cause.is_spent]
    if unspent:
        best = max(unspent, key=lambda cause: cause.desired)
        numbers |= {"base_units": base} if base > units else {}
        return Recommendation(best.desired, best.reason, numbers)
    if causes:
        return Recommendation(units, Reason.EVIDENCE_SPENT, numbers)
    reason = Reason.AT_DESIRED if evidence.loads else Reason.NO_DATA
    return Recommendation(units, reason, numbers)


def _causes(observation: Observation, evidence: Evidence, base: float) -> Iterator[Cause]:
    """Yield a cause for each step that consumption or throttling asks for."""
    load, throttling = evidence.load_is_spent, evidence.throttling_is_spent
    for step in _for_load(observation, evidence):
        if step.percent or step.units:
            yield Cause(_stepped(base, step), Reason.UTILIZATION_HIGH, load)
    for step in _for_throttling(observation, evidence):
        if step.percent or step.units:
            yield Cause(_stepped(base, step), Reason.THROTTLED, throttling)


def scale_down(observation: Observation, now: datetime) -> Recommendation:
    """Return the level at which the peak of `peak_minutes` is `target_percent` of the units.

    With `lower_percent` return the level one step lower instead.
    """
    policy = observation.policy
    at = now - policy.delay_minutes * MINUTE
    since = at - policy.peak_minutes * MINUTE
    consumed = known_at(observation.metrics.consumed, at)
    if not is_fresh(consumed, at, FRESH_TO_LOWER):
        return Recommendation(
            observation.provisioned,
            Reason.NO_DATA,
            {"minutes_known": len(consumed.since(since).known())},
        )
    if policy.lower_percent:
        return _one_step_down(observation, consumed)
    return _to_target(observation, consumed.since(since), since, now)


# up


def _evidence(observation: Observation, now: datetime) -> Evidence:
    """Read the alarm's newest periods.

    CloudWatch may show throttling a minute before the consumption of the same minute.
    """
    policy = observation.policy
    at = now - policy.delay_minutes * MINUTE
    consumed, throttled = (
        known_at(observation.metrics.consumed, at),
        known_at(observation.metrics.throttled, at),
    )
    size = policy.alarm_period_seconds // 60
    count = size * policy.alarm_evaluation_periods
    recent, raised_at = consumed.last(count), observation.throughput.last_increase_at
    loads = means(recent, size) if is_fresh(consumed, at) else []
    known = [load for load in loads if load is not None]
    end = max(consumed.end, throttled.end)
    start = end - count * MINUTE
    lost = (
        sum(throttled.since(start).known())
        if is_fresh(consumed, at) or is_fresh(throttled, at)
        else 0.0
    )
    newest, newest_lost = (series.since(end - size * MINUTE) for series in (consumed, throttled))
    return Evidence(
        loads=known if len(known) == len(loads) else [],
        consumed=_mean(consumed.since(start)),
        throttled=lost / count,
        events=round(lost * 60),
        demand=_mean(newest) + sum(newest_lost.known()) / size * observation.metrics.request_units,
        load_is_spent=len(recent.since(raised_at).values) < len(recent.values),
        # requests that were throttled before the increase applied must not be answered twice
        throttling_is_spent=raised_at is not None and start < raised_at + APPLIES_AFTER,
    )


def _for_load(observation: Observation, found: Evidence) -> Iterator[ScalingStep]:
    """Yield the step for the consumption that all periods have reached: the alarm's rule."""
    policy = observation.policy
    if not found.loads:
        return
    lowest = min(found.loads)
    if policy.increase_steps:
        yield from _row_reached(policy.increase_steps, lowest, observation.provisioned)
    elif lowest * 100 >= observation.provisioned * policy.alarm_percent:
        yield _plain(policy)


def _for_throttling(observation: Observation, found: Evidence) -> Iterator[ScalingStep]:
    """Yield the step of each rule about throttling that holds. Without any throttling, no row is
    reached, not even one at 0."""
    policy = observation.policy
    if found.throttled <= 0:
        return
    yield from _row_reached(
        policy.throttled_provisioned_steps, found.throttled, observation.provisioned
    )
    yield from _row_reached(policy.throttled_consumed_steps, found.throttled, found.consumed)
    if 0 < policy.throttled_events < found.events:
        yield _plain(policy)


def _row_reached(rows: ScalingSteps, metric: float, whole: float) -> Iterator[ScalingStep]:
    """Yield the row with the highest `at` that the metric, in percent of the whole, has reached."""
    yield from sorted(
        (row for row in rows if metric * 100 >= row.at * whole), key=lambda row: row.at
    )[-1:]


def _plain(policy: Policy) -> ScalingStep:
    return ScalingStep(at=0, percent=policy.increase_percent, units=policy.increase_units)


def _stepped(base: float, step: ScalingStep) -> int:
    return math.ceil(base + max(base * step.percent / 100, step.units))


def _numbers(observation: Observation, found: Evidence) -> dict[str, Number]:
    policy = observation.policy
    numbers: dict[str, Number] = {
        "alarm_level_units": observation.provisioned * policy.alarm_percent / 100
    }
    if found.loads:
        numbers["consumed_units"] = found.loads[-1]
    if found.throttled > 0:
        numbers |= {"throttled_units": found.throttled, "throttled_events": found.events}
    return numbers


def _mean(series: Series) -> float:
    """Return the mean of the known values, or 0 if there are none."""
    known = series.known()
    return sum(known) / len(known) if known else 0.0


# down


def _to_target(
    observation: Observation, consumed: Series, since: datetime, now: datetime
) -> Recommendation:
    """Return the units for the peak since then, `peak x 100 / target_percent`, if the saving is
    large enough."""
    policy = observation.policy
    if consumed.start > since + MINUTE or None in consumed.values:
        return Recommendation(
            observation.provisioned, Reason.NO_DATA, {"minutes_known": len(consumed.known())}
        )
    peak = max(consumed.known())
    throttled = observation.metrics.throttled.since(since)
    desired = max(
        math.ceil(peak * 100 / policy.target_percent), _quiet_units(peak, policy), policy.min_units
    )
    numbers = {"peak_units": peak, "throttled_units": max(throttled.known(), default=0.0)}
    if numbers["throttled_units"] > 0:
        return Recommendation(observation.provisioned, Reason.THROTTLED_RECENTLY, numbers)
    if desired >= observation.provisioned:
        return Recommendation(observation.provisioned, Reason.AT_DESIRED, numbers)
    if (
        observation.provisioned - desired
    ) * 100 < observation.provisioned * policy.min_decrease_percent:
        raised_at = observation.throughput.last_increase_at
        is_new = raised_at is not None and now - raised_at < SETTLE
        return Recommendation(
            desired, Reason.RAISED_RECENTLY if is_new else Reason.NOT_WORTH_IT, numbers
        )
    return Recommendation(desired, Reason.UTILIZATION_LOW, numbers)


def _one_step_down(observation: Observation, consumed: Series) -> Recommendation:
    """Return the level one step lower, if the newest `decrease_checks` periods were low.

    Only periods since the last change of these units count, since the percentage is of them.
    The step is max(units x percent / 100, units), at least one unit. It ends above what the peak of
    these periods needs for the alarm to stay quiet, so never below what was consumed.
    """
    policy = observation.policy
    units, size = observation.provisioned, policy.alarm_period_seconds // 60
    loads = _whole_means(consumed.since(_own_change_at(observation)), size)
    low, looked = _low_periods(loads, units, policy)
    numbers: dict[str, Number] = {"lower_level_units": units * policy.lower_percent / 100}
    numbers |= {"low_checks": len(low), "checks_needed": policy.decrease_checks}
    if len(low) < policy.decrease_checks:
        return Recommendation(units, _why_not_yet(loads, low, looked), numbers)
    checked = consumed.last(looked * size)
    peak = max(checked.known())
    lost = max(observation.metrics.throttled.since(checked.start).known(), default=0.0)
    numbers |= {"consumed_units": low[0], "peak_units": peak, "throttled_units": lost}
    if lost > 0:
        return Recommendation(units, Reason.THROTTLED_RECENTLY, numbers)
    desired = max(
        units - _step_down(policy, max(low), units), _quiet_units(peak, policy), policy.min_units
    )
    if desired >= units:
        return Recommendation(units, Reason.AT_DESIRED, numbers)
    return Recommendation(desired, Reason.UTILIZATION_LOW, numbers)


def _own_change_at(observation: Observation) -> datetime | None:
    """Return a time at which the target's own units have surely been what they are.

    DynamoDB keeps one time for reads and writes. The metric of the provisioned units tells whether
    that was a change of the other dimension. Its points are of five minutes, so a change lies
    within five minutes of the last point with other units.
    """
    at, shown = observation.throughput.last_change_at, observation.metrics.provisioned
    if at is None or not shown.values or shown.end + FIVE_MINUTES < at:
        return at
    others = [i for i, units in enumerate(shown.values) if units != observation.provisioned]
    if not others:
        return min(at, shown.start)
    last = shown.start + timedelta(seconds=shown.step_seconds * (others[-1] + 1))
    return min(at, last + FIVE_MINUTES)


def _whole_means(series: Series, size: int) -> list[float | None]:
    """Return the mean of each period of `size` minutes, newest first.

    It is None if a minute is missing: that minute may be the peak.
    """
    values = series.values[::-1]
    groups = [values[i : i + size] for i in range(0, len(values) - size + 1, size)]
    known = [[value for value in group if value is not None] for group in groups]
    return [sum(group) / size if len(group) == size else None for group in known]


def _low_periods(
    loads: Sequence[float | None], units: int, policy: Policy
) -> tuple[list[float], int]:
    """Return the means of the low periods, newest first, and how many periods were checked.

    No more low periods are returned than are needed.

    The newest must be low. A later one between lower_percent and check_reset_percent neither counts
    nor ends the counting.
    """
    low: list[float] = []
    for looked, load in enumerate(loads):
        if load is None or len(low) == policy.decrease_checks:
            return low, looked
        if load * 100 <= units * policy.lower_percent:
            low.append(load)
        elif not low or load * 100 >= units * policy.check_reset_percent:
            return low, looked
    return low, len(loads)


def _why_not_yet(loads: Sequence[float | None], low: Sequence[float], looked: int) -> Reason:
    if looked < len(loads) and loads[looked] is None:
        return Reason.NO_DATA
    return Reason.AT_DESIRED if loads and not low else Reason.TOO_FEW_CHECKS


def _step_down(policy: Policy, consumed: float, units: int) -> int:
    """Return the units of the step: the plain one, or that of a row of decrease_steps.

    The row is the one with the lowest `at` that consumption does not exceed.
    """
    rows = [ScalingStep(at=100, percent=policy.decrease_percent, units=policy.decrease_units)]
    if policy.decrease_steps:
        rows = sorted(
            (row for row in policy.decrease_steps if consumed * 100 <= row.at * units),
            key=lambda row: row.at,
        )
    steps = (max(units * row.percent // 100, row.units, 1 if row.percent else 0) for row in rows)
    return next(steps, 0)


def _quiet_units(peak: float, policy: Policy) -> int:
    """Return the least units at which the peak causes no increase.

    The peak then is below alarm_percent and below all rows of increase_steps.
    """
    levels = [row.at for row in policy.increase_steps if row.at and (row.percent or row.units)]
    return math.floor(peak * 100 / min([policy.alarm_percent, *levels])) + 1
