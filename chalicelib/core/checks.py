"""Whether a check has a use for the metrics of a target. Each read of them costs money. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.config.types import METRIC_KINDS
from chalicelib.core import scaling
from chalicelib.core.budget import budget
from chalicelib.core.observation import Observation
from chalicelib.core.prices import is_worth_checking
from chalicelib.core.scaling import is_too_soon
from chalicelib.core.strategies import adaptive
from chalicelib.core.strategies.adaptive import BURST_SECONDS, SETTLE
from chalicelib.core.strategies.demand import APPLIES_AFTER
from chalicelib.metrics import history_end
from chalicelib.model import Direction, Reason, Series, Target, Throughput

MINUTE = timedelta(minutes=1)
#: A schedule is exact to some seconds.
JITTER = MINUTE / 2
#: Once in so many minutes a sweep reads the metrics of every target that is worth it, for what no
#: alarm announces.
ALL_EVERY_MINUTES, SWEEP_MINUTES = 10, 5

#: Where a container has seen no throttled request for hours, it reads their metric again after this
#: time, for a hot key; after the second one while consumption is near the capacity; and after the
#: third one while it is there, and never above it: the bucket may be empty although it should not.
THROTTLING_EVERY, NEAR_EVERY = timedelta(minutes=30), timedelta(minutes=20)
HELD_EVERY = timedelta(minutes=3)
#: Consumption of this share of the capacity is near it.
NEAR = 0.9
#: Consumption between these shares of the capacity, for so many minutes, may be held there.
HELD, ABOVE, HELD_MINUTES = 0.95, 1.01, 5
#: So many minutes this close to the capacity, after higher ones, are held there: it was lowered.
FLAT, FLAT_MINUTES = 0.01, 2
#: With this share of the burst bucket, DynamoDB throttles for a hot key only. The share is high,
#: since DynamoDB may use the bucket itself "without prior notice" (Developer Guide, "burst
#: capacity", read 2026-10).
CARRIES = 0.6


def why_not_swept(observation: Observation, now: datetime, may_call: bool) -> Reason | None:
    """Return why a sweep has no use for the metrics of a target; None where it reads them.

    may_call: its alarm is not in the state OK, or there is none.
    """
    policy = observation.policy
    if not is_worth_checking(observation, now):
        return Reason.NO_DATA
    has_other_uses = (
        policy.strategy != "adaptive"
        or METRIC_KINDS & set(policy.notify)
        or policy.hold_after_common_outage_minutes
    )
    is_full_sweep = now.minute % ALL_EVERY_MINUTES < SWEEP_MINUTES
    if may_call or has_other_uses or is_full_sweep:
        return None
    return why_not_lowered(observation, now)


def why_not_lowered(observation: Observation, now: datetime) -> Reason | None:
    """Return why a target cannot be lowered now, whatever its metrics are; None if it may be."""
    raised_at = observation.throughput.last_increase_at
    obstacles = (
        (not observation.policy.scale_down, Reason.SCALING_OFF),
        (not budget(observation.throughput, now).allows(now), Reason.BUDGET_USED_UP),
        (is_too_soon(observation, now), Reason.LOWERED_RECENTLY),
        (raised_at is not None and now - raised_at < SETTLE, Reason.RAISED_RECENTLY),
    )
    return next((reason for applies, reason in obstacles if applies), None)


def may_omit_throttling(observation: Observation, seen: datetime | None, now: datetime) -> bool:
    """Tell whether a check may begin without the metric of throttled requests.

    seen: until when this container has seen none of them for hours; None if it has seen some, or
    nothing yet.
    """
    policy, changed_at = observation.policy, observation.throughput.last_change_at
    has_other_uses = policy.strategy != "adaptive" or METRIC_KINDS & set(policy.notify)
    if seen is None or has_other_uses:
        return False
    is_recent = now - seen <= THROTTLING_EVERY and seen >= history_end(now)
    return is_recent and (changed_at is None or changed_at < seen)


def may_be_throttled(observation: Observation, seen: datetime, now: datetime) -> bool:
    """Tell whether requests may have been throttled since `seen`, by what was consumed since then:
    it must have been near the capacity, and the burst bucket not full enough."""
    consumed, units = observation.metrics.consumed.since(seen), observation.provisioned
    known = consumed.known()
    if len(known) < len(consumed.values):
        return True
    if max(known, default=0.0) < NEAR * units:
        return False
    filled = sum([units - rate for rate in known if rate < units]) * consumed.step_seconds
    least = adaptive.recent_demand(observation).burst_left - filled / (BURST_SECONDS * units)
    newest = observation.metrics.consumed.last(HELD_MINUTES).known()
    was_higher = max(newest) > ABOVE * units
    if was_higher and all(abs(rate / units - 1) <= FLAT for rate in newest[-FLAT_MINUTES:]):
        return True
    is_held = newest[-1] >= HELD * units and not was_higher
    return least < CARRIES or now - seen > (HELD_EVERY if is_held else NEAR_EVERY)


def throttling_needed(
    observations: Iterable[Observation],
    without: Mapping[Target, datetime],
    now: datetime,
    directions: Collection[Direction],
) -> set[Target]:
    """Return the targets whose throttled requests must be known after all: some may have been
    throttled, or their table would be changed.

    without: the targets that lack them, and until when none were seen.
    """
    by_table: dict[str, list[Observation]] = {}
    for o in observations:
        by_table.setdefault(o.target.table, []).append(o)
    tables = {target.table for target in without}
    changing = {t for t in tables if _would_change(by_table[t], now, directions)}
    return {
        o.target
        for table in tables
        for o in by_table[table]
        if o.target in without
        and (table in changing or may_be_throttled(o, without[o.target], now))
    }


def _would_change(
    observations: Collection[Observation], now: datetime, directions: Collection[Direction]
) -> bool:
    """Tell whether a table would be changed. Where its decision fails, all must be known."""
    try:
        decisions = scaling.decide_table(observations, now, directions, explains=False)
        return any(d.changes for d in decisions)
    except Exception:  # noqa: BLE001  the decision on this table reports it
        return True


class UnitsBefore(Struct, frozen=True):
    """The metric of a target's units before its last change, as a container has read it."""

    changed_at: datetime
    series: Series

    def fits(self, throughput: Throughput, start: datetime) -> bool:
        """Tell whether it is all that is needed: the units did not change since, and the series
        covers the time from `start` to the change."""
        return (
            throughput.last_change_at == self.changed_at
            and self.series.start <= start
            and self.series.end >= self.changed_at + APPLIES_AFTER
        )
