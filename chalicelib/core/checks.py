"""Whether a check has a use for the metrics of a target. Each read of them costs money. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.config.types import METRIC_KINDS
from chalicelib.core.budget import budget
from chalicelib.core.observation import Observation
from chalicelib.core.prices import is_worth_checking
from chalicelib.core.scaling import is_too_soon
from chalicelib.core.strategies.adaptive import SETTLE
from chalicelib.core.strategies.demand import APPLIES_AFTER
from chalicelib.model import Reason, Series, Throughput

MINUTE = timedelta(minutes=1)
#: A schedule is exact to some seconds.
JITTER = MINUTE / 2
#: Once in so many minutes a sweep reads the metrics of every target that is worth it, for what no
#: alarm announces.
ALL_EVERY_MINUTES, SWEEP_MINUTES = 10, 5


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


@dataclass(frozen=True, slots=True)
class UnitsBefore:
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
