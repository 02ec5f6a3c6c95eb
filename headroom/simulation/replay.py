"""Replay demand against the very functions that Lambda runs, without AWS in between: time is the
loop variable.

One table with its indexes, minute by minute, in the order of the embedded region: updates settle,
alarms are judged, functions look, demand is served. A test holds that both end with the same
capacity in every minute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.aws.metrics import HISTORY, RECENT, history_end
from chalicelib.config.policy import Policy
from chalicelib.core import scaling, table_alarms
from chalicelib.core.observation import Observation
from chalicelib.core.prices import is_worth_a_look
from chalicelib.core.strategies.onsets import summarize
from chalicelib.model import (
    BOTH,
    NO_HISTORY,
    UP,
    Decision,
    DemandHistory,
    Dimension,
    Direction,
    Metrics,
    Series,
    Target,
)
from headroom.simulation.clock import HOUR, MINUTE, START
from headroom.simulation.dynamodb_rules import AlarmState, Conditions, Meter, Provision

SWEEP_MINUTES = 5
RECENT_MINUTES = int(RECENT.total_seconds()) // MINUTE
HISTORY_MINUTES = int(HISTORY.total_seconds()) // MINUTE


@dataclass
class Outcome:
    """What a policy did to one target: units and throttled units per second, a value a minute."""

    units: list[int] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    decreases: int = 0
    changes: int = 0
    looks: int = 0

    @property
    def unit_hours(self) -> float:
        return sum(self.units) / HOUR

    @property
    def throttled_unit_hours(self) -> float:
        return sum(self.throttled) / HOUR

    @property
    def throttled_minutes(self) -> int:
        return sum(1 for rate in self.throttled if rate > 0)

    def throttled_ppm(self, demand: Sequence[float]) -> float:
        total = sum(demand)
        return sum(self.throttled) / total * 1e6 if total else 0.0


class _Side:
    """One target in the replay: its meter, its alarm, and what CloudWatch would show of it."""

    def __init__(
        self, target: Target, demand: Sequence[float], policy: Policy, meter: Meter, start: datetime
    ) -> None:
        self.target, self.demand, self.policy, self.meter = target, demand, policy, meter
        self.outcome = Outcome()
        self.alarm = AlarmState(policy.alarm_evaluation_periods, policy.alarm_evaluation_periods)
        self.threshold: float | None = None
        self._start = start
        self._consumed: list[float] = []
        self._throttled: list[float | None] = []
        self._newest_throttled = -RECENT_MINUTES * 2
        self._least: list[float] = []
        self._sums: list[float] = []
        self._days: list[float] = []
        self._past = NO_HISTORY

    def serve(self, minute: int) -> None:
        """Serve one minute of demand and note what its metrics will show."""
        consumed, throttled = self.meter.serve(self.demand[minute])
        self._sums.append(consumed * MINUTE)
        self._consumed.append(consumed * MINUTE / MINUTE)
        self._throttled.append(throttled * MINUTE / MINUTE if throttled else None)
        if throttled:
            self._newest_throttled = minute
        self.outcome.units.append(self.meter.units)
        self.outcome.throttled.append(throttled)
        if minute % 5 == 4:
            self._least.append(float(min(self.outcome.units[-5:])))
            lost = [rate * MINUTE for rate in self.outcome.throttled[-5:] if rate]
            self._days.append(sum(self._sums[-5:]) / 300 + (sum(lost) / 300 if lost else 0.0))

    def judge(self, minute: int, delay: int) -> bool:
        """Evaluate the alarm; tell whether it went to ALARM now."""
        if self.threshold is None:
            return False
        size = self.policy.alarm_period_seconds // MINUTE
        end = max(0, minute - delay) // size
        first = max(0, end - self.alarm.evaluation_periods - 2)
        if size == 1:
            sums: Sequence[float | None] = self._sums[first:end]
        else:
            sums = [
                sum(self._sums[number * size : (number + 1) * size]) for number in range(first, end)
            ]
        changed = self.alarm.evaluate(sums, self.threshold, "GreaterThanOrEqualToThreshold")
        return changed and self.alarm.value == "ALARM"

    def metrics(self, minute: int, delay: int) -> Metrics:
        """Return what GetMetricData would show."""
        end = max(0, minute - delay)
        first = minute - RECENT_MINUTES - minute % 5
        start = self._start + timedelta(minutes=first)
        consumed, throttled = (
            self._consumed[max(0, first) : end],
            self._throttled[max(0, first) : end],
        )
        lead = (None,) * max(0, -first)
        least = self._least[max(0, first // 5) : end // 5]
        return Metrics(
            consumed=Series(start, 60, (*lead, *consumed)).without_trailing_gaps(),
            throttled=Series(
                start, 60, (*lead, *throttled) if self._newest_throttled >= first else ()
            ).without_trailing_gaps(),
            provisioned=Series(
                start, 300, (*(None,) * max(0, -first // 5), *least)
            ).without_trailing_gaps(),
            history=self._past_until(history_end(self._start + timedelta(minutes=minute))),
        )

    def _past_until(self, end: datetime) -> DemandHistory:
        """Return the summary of the days before `end`."""
        if self._past.end != end:
            last = int((end - self._start).total_seconds()) // MINUTE // 5
            size = HISTORY_MINUTES // 5
            values = self._days[max(0, last - size) : max(0, last)]
            lead: tuple[float | None, ...] = (None,) * (size - len(values))
            self._past = summarize(Series(end - HISTORY, 300, (*lead, *values)))
        return self._past


class Replay:
    """One table under Headroom. `run` returns the outcome of each target.

    A policy in dry run is replayed as if it were live: that is what a dry run is to be weighed by.
    """

    def __init__(
        self,
        demand: Mapping[Target, Sequence[float]],
        policies: Mapping[Target, Policy],
        first_units: Mapping[Target, int],
        conditions: Conditions | None = None,
        start: datetime = START,
    ) -> None:
        self._world, self._start = conditions or Conditions(), start
        self._provisions: dict[str, Provision] = {}
        for index in sorted({target.index for target in demand}):
            table = next(iter(demand)).table
            self._provisions[index] = Provision(
                {
                    d: Meter(first_units.get(Target(table, index, d), 1), self._world.burst_seconds)
                    for d in Dimension
                }
            )
        self._sides = [
            _Side(
                target,
                demand[target],
                policies[target],
                self._provisions[target.index].meters[target.dimension],
                start,
            )
            for target in sorted(demand)
        ]
        self._minutes = len(next(iter(demand.values())))

    def run(self) -> dict[Target, Outcome]:
        """Replay every minute."""
        for minute in range(self._minutes):
            now = self._start + timedelta(minutes=minute)
            self._look_around(minute, now)
            for side in self._sides:
                side.serve(minute)
        return {side.target: side.outcome for side in self._sides}

    def _look_around(self, minute: int, now: datetime) -> None:
        """Do what on_alarm, follow_up, sweep and scale_down do in this minute."""
        for provision in self._provisions.values():
            if provision.pending is not None:
                provision.complete_update(now)
        called = [side.judge(minute, self._world.metric_delay_minutes) for side in self._sides]
        if any(called) or any(side.alarm.value == "ALARM" for side in self._sides):
            self._look(minute, now, UP)
        if minute % SWEEP_MINUTES == 0:
            self._look(minute, now, BOTH, is_sweep=True)
        if minute % HOUR == 0:
            self._look(minute, now, BOTH)

    def _look(
        self, minute: int, now: datetime, directions: Collection[Direction], is_sweep: bool = False
    ) -> None:
        if any(provision.pending is not None for provision in self._provisions.values()):
            return
        bare = {
            s: Observation(
                s.target, s.meter.units, self._provisions[s.target.index].throughput(now), s.policy
            )
            for s in self._sides
        }
        is_read = not is_sweep or any(is_worth_a_look(seen) for seen in bare.values())
        decisions = scaling.coordinate_dimensions(
            scaling.decide(
                self._observed(side, seen, minute) if is_read else seen,
                now,
                directions,
            )
            for side, seen in bare.items()
        )
        self._apply(decisions, now)
        if is_sweep:
            for side, decision in zip(self._sides, decisions, strict=True):
                if side.threshold is None:
                    self._set_threshold(side, decision.desired)

    def _observed(self, side: _Side, bare: Observation, minute: int) -> Observation:
        """Return what a look sees when it reads the metrics too."""
        side.outcome.looks += 1
        return replace(bare, metrics=side.metrics(minute, self._world.metric_delay_minutes))

    def _apply(self, decisions: Sequence[Decision], now: datetime) -> None:
        changed = [d for d in decisions if d.changes]
        for index in {d.target.index for d in changed}:
            provision = self._provisions[index]
            wanted = {dimension: meter.units for dimension, meter in provision.meters.items()}
            wanted |= {d.target.dimension: d.desired for d in changed if d.target.index == index}
            provision.check_quota(wanted, now)
            provision.start_update(wanted, now, self._world.update_minutes)
        for side, decision in zip(self._sides, decisions, strict=True):
            if decision.changes:
                side.outcome.changes += 1
                side.outcome.decreases += decision.desired < decision.current
                self._set_threshold(side, decision.desired)

    @staticmethod
    def _set_threshold(side: _Side, units: int) -> None:
        side.threshold = table_alarms.threshold(
            units, side.policy.alarm_period_seconds, side.policy
        )


def replay(
    demand: Sequence[float], policy: Policy, first_units: int, conditions: Conditions | None = None
) -> Outcome:
    """Return what Headroom would have done to the reads of a table with this demand."""
    target = Target("trace", "", Dimension.READ)
    return Replay({target: demand}, {target: policy}, {target: first_units}, conditions).run()[
        target
    ]
