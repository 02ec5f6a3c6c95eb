"""Replay demand against the functions that Lambda runs, without AWS: time is the loop variable.

One table with its indexes is replayed minute by minute, in the order of the embedded region:
updates complete, alarms are evaluated, the functions run, demand is served. A test checks that both
have the same capacity in every minute.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import checks, money, scaling, table_alarms
from chalicelib.core.checks import UnitsBefore
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.core.prices import UNIT_HOUR
from chalicelib.core.strategies.adaptive import applied_after
from chalicelib.core.strategies.demand import is_steady
from chalicelib.core.strategies.onsets import DemandRecord
from chalicelib.core.throttling import request_units
from chalicelib.metrics import HISTORY, RECENT, SETTLED, history_end
from chalicelib.model import (
    BOTH,
    NO_HISTORY,
    NO_SERIES,
    UP,
    Decision,
    DemandHistory,
    Dimension,
    Direction,
    Metrics,
    Reason,
    RecentDemand,
    Series,
    Target,
    Throughput,
)
from headroom.simulation.carried import CarriedDemand, Load, Window
from headroom.simulation.clock import HOUR, MINUTE, START
from headroom.simulation.dynamodb_rules import (
    AlarmState,
    Conditions,
    Meter,
    Provision,
    Served,
    serve,
)

ONE_MINUTE = timedelta(minutes=1)
SWEEP_MINUTES = 5
#: How the replayed table is named.
TABLE = "the table"
RECENT_MINUTES = int(RECENT.total_seconds()) // MINUTE
HISTORY_MINUTES = int(HISTORY.total_seconds()) // MINUTE


class Made(NamedTuple):
    """A change that was made: the minute of its decision, the units before and after, and why."""

    minute: int
    before: int
    after: int
    reason: Reason


@dataclass
class Outcome:
    """What a policy did to one target: units and throttled units per second, one value a minute.

    metric_reads: how often the target's metrics were read. metrics: how many metrics these were.
    made: Headroom's changes.
    """

    units: list[int] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    decreases: int = 0
    changes: int = 0
    metric_reads: int = 0
    metrics: int = 0
    made: list[Made] = field(default_factory=list)

    def record(self, units: int, throttled: float) -> None:
        """Add a minute."""
        self.units.append(units)
        self.throttled.append(throttled)

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
        return parts_per_million(sum(self.throttled), sum(demand))


def parts_per_million(throttled: float, demand: float) -> float:
    """Return the throttled part of a demand (0 without demand)."""
    return throttled / demand * 1e6 if demand else 0.0


class _ReplayTarget:
    """One target in the replay: its meter, its alarm, and the metrics that CloudWatch has."""

    def __init__(
        self,
        target: Target,
        demand: Sequence[float],
        policy: Policy,
        meter: Meter,
        start: datetime,
        hot_key: Sequence[float],
        shows_causes: bool,
    ) -> None:
        self.target, self.policy, self.meter = target, policy, meter
        self.outcome = Outcome()
        self.alarm = AlarmState(policy.alarm_evaluation_periods, policy.alarm_evaluation_periods)
        self.threshold: float | None = None
        #: Throttled requests a second that are no more than noise.
        self._noise = policy.ignore_throttled_events / MINUTE
        #: The units that a throttled request counts as. In a replay, each uses one.
        self._request_units = request_units(policy, 1.0)
        self._alarm_minutes = policy.alarm_period_seconds // MINUTE
        self._demand, self._start = demand, start
        self._hot_key = hot_key if shows_causes else ()
        #: What counts as throttled for want of units, because its cause is unknown.
        self._unexplained = () if shows_causes else hot_key
        self._sums: list[float] = []
        self._throttled: list[float] = []
        self._load = Load()
        self._carried = CarriedDemand(self._load)
        self._last_throttled_minute = -RECENT_MINUTES * 2
        self._five_minute_demand: list[float] = []
        self._days = DemandRecord()
        self._history, self._history_due = NO_HISTORY, start
        self._units_by_hour: list[float] = []
        self._units_before: dict[str, UnitsBefore] = {}
        self._unthrottled: dict[str, datetime] = {}
        #: Of the last check: all metrics, and until when nothing was throttled, if it began without
        #: the throttled requests.
        self._whole = Metrics()
        self.omitted: datetime | None = None

    def part(self, minute: int) -> tuple[Meter, float]:
        """Return the meter and its demand in a minute."""
        return self.meter, self._demand[minute]

    def record(self, minute: int, served: Served) -> None:
        """Record the metrics of a minute that was served."""
        consumed, throttled, lost = served
        if self._unexplained:
            throttled += self._unexplained[minute]
        load, total = self._load, consumed * MINUTE
        self._sums.append(total)
        shown = total / MINUTE
        load.consumed.append(shown)
        self._throttled.append(throttled)
        if throttled:
            self._last_throttled_minute = minute
        refused = throttled * MINUTE / MINUTE
        if refused > self._noise:
            load.throttled.append(refused)
            load.known.append(shown + refused * self._request_units)
        else:
            load.throttled.append(None)
            load.known.append(shown)
        self.outcome.record(self.meter.units, lost)
        if minute % 5 == 4:
            load.lowest.append(float(min(self.outcome.units[-5:])))
            sums = [rate * MINUTE for rate in self._throttled[-5:] if rate]
            consumed_mean = sum(self._sums[-5:]) / 300
            self._five_minute_demand.append(consumed_mean + (sum(sums) / 300 if sums else 0.0))

    def evaluate_alarm(self, minute: int, delay: int) -> str:
        """Evaluate the alarm; return its state."""
        if self.threshold is None:
            return self.alarm.value
        size = self._alarm_minutes
        end = max(0, minute - delay) // size
        first = max(0, end - self.alarm.evaluation_periods - 2)
        sums: Sequence[float] = self._sums[first:end]
        if size > 1:
            sums = [sum(self._sums[n * size : (n + 1) * size]) for n in range(first, end)]
        changed = self.alarm.evaluate(sums, self.threshold, "GreaterThanOrEqualToThreshold")
        if changed and self.alarm.value == "ALARM":
            self._unthrottled.pop("follow_up", None)  # on_alarm reads the throttled requests
        return self.alarm.value

    def why_unread(self, observation: Observation, now: datetime, function: str) -> Reason | None:
        """Return why a function leaves the target's metrics unread; None where it reads them."""
        if function == "sweep":
            return checks.why_not_swept(observation, now, self.alarm.value != "OK")
        return None

    def read_metrics(
        self, minute: int, now: datetime, delay: int, observation: Observation, function: str
    ) -> Metrics:
        """Return what GetMetricData would show, and count the read.

        Each function has a container of its own. It keeps the units before the last change, and
        until when nothing was throttled. Meanwhile a check begins without the throttled requests.
        """
        throughput = observation.throughput
        found = self._all_metrics(minute, now, delay, throughput)
        self._count_read(function, throughput, found.provisioned)
        seen = self._unthrottled.get(function)
        self.omitted = seen if checks.may_omit_throttling(observation, seen, now) else None
        self._whole = found
        if self.omitted is None:
            self._count_throttled(function)
        elif found.throttled.values or found.hot_keys.values:
            consumed, provisioned, history = found.consumed, found.provisioned, found.history
            return Metrics(consumed, provisioned=provisioned, history=history)
        return found

    def complete(self, function: str) -> Metrics:
        """Return all metrics of the last check, and count that their throttled requests are
        read."""
        self._count_throttled(function)
        return self._whole

    def _count_throttled(self, function: str) -> None:
        self.outcome.metrics += 1
        found = self._whole
        if found.throttled.values or found.hot_keys.values:
            self._unthrottled.pop(function, None)
        else:
            self._unthrottled[function] = found.consumed.end

    def _all_metrics(
        self, minute: int, now: datetime, delay: int, throughput: Throughput
    ) -> Metrics:
        end = max(0, minute - delay)
        first = minute - RECENT_MINUTES - minute % 5
        recent = slice(max(0, first), end)
        lead = (None,) * max(0, -first)
        throttled: Sequence[float | None] = ()
        if self._last_throttled_minute >= first:
            throttled = self._load.throttled[recent]
        lowest = self._load.lowest[max(0, first // 5) : end // 5]
        start = now - timedelta(minutes=minute - first)
        refused = _series(start, 60, lead, throttled)
        hot = [rate or None for rate in self._hot_key[recent]]
        return Metrics(
            consumed=_series(start, 60, lead, self._load.consumed[recent]),
            throttled=refused,
            provisioned=_series(start, 300, lead[::5], lowest),
            history=self._history_at(now),
            unexplained=refused if self._unexplained else NO_SERIES,
            hot_keys=_series(start, 60, lead, hot) if self._hot_key else NO_SERIES,
            recent=self._recent(first, end, throughput.last_change_at),
        )

    def _count_read(self, function: str, throughput: Throughput, provisioned: Series) -> None:
        """Count a read, and the metrics in it but for the throttled requests."""
        changed_at, kept = throughput.last_change_at, self._units_before.get(function)
        start = provisioned.start
        is_known = is_steady(throughput, start) or (kept and kept.fits(throughput, start))
        self.outcome.metric_reads += 1
        self.outcome.metrics += 1 if is_known else 2
        if not is_known and changed_at:
            self._units_before[function] = UnitsBefore(changed_at, provisioned)

    def _recent(self, first: int, end: int, changed_at: datetime | None) -> RecentDemand | None:
        if self.policy.strategy != "adaptive":
            return None
        since = 0 if changed_at is None else applied_after(changed_at, self._start)
        return self._carried.recent(Window(first, end, self.meter.units, since))

    def _history_at(self, now: datetime) -> DemandHistory:
        """Return the summary of the days before the hour that is settled."""
        if now >= self._history_due:
            end = history_end(now)
            last = int((end - self._start).total_seconds()) // MINUTE // 5
            self._days.extend(self._five_minute_demand[len(self._days) : max(0, last)])
            self._history = self._days.summary(end, HISTORY_MINUTES // 5)
            self._history_due = end + SETTLED + timedelta(hours=1)
        return self._history

    def units_by_hour(self, end: datetime) -> Series:
        """Return the mean units of each hour up to `end`."""
        known, units = self._units_by_hour, self.outcome.units
        for hour in range(len(known), int((end - self._start) / timedelta(hours=1))):
            known.append(sum(units[hour * HOUR : (hour + 1) * HOUR]) / HOUR)
        return Series(self._start, HOUR * MINUTE, tuple(known))

    def set_threshold(self, units: int) -> None:
        """Set the alarm's threshold to what fits these units."""
        self.threshold = table_alarms.threshold(
            units, self.policy.alarm_period_seconds, self.policy
        )


def _series(
    start: datetime, step: int, lead: Sequence[None], values: Sequence[float | None]
) -> Series:
    if not values:
        return Series(start, step)
    series = Series(start, step, (*lead, *values) if lead else tuple(values))
    return series if values[-1] is not None else series.without_trailing_gaps()


class Replay:
    """One table under Headroom. `run` returns the outcome of each target.

    hot_keys: requests a second, by minute, that the limit of one partition throttles, whatever the
    units. They are no part of the demand. unit_hours: USD for a unit for an hour, for the budget of
    the table. It counts what is replayed, from the start on.

    A policy in dry run is replayed as if it were live, to show what it would do.
    """

    def __init__(
        self,
        demand: Mapping[Target, Sequence[float]],
        policies: Mapping[Target, Policy],
        initial_units: Mapping[Target, int],
        conditions: Conditions | None = None,
        start: datetime = START,
        hot_keys: Mapping[Target, Sequence[float]] | None = None,
        unit_hours: Mapping[Dimension, float] = UNIT_HOUR,
    ) -> None:
        self._conditions, self._start = conditions or Conditions(), start
        hot = hot_keys or {}
        if self._conditions.hot_key_requests:
            hot = {t: [self._conditions.hot_key_requests] * len(of) for t, of in demand.items()}
        self._unit_hours = unit_hours
        self._minutes = len(next(iter(demand.values())))
        table = next(iter(demand)).table
        self._provisions: dict[str, Provision] = {}
        for index in sorted({target.index for target in demand}):
            units = {d: initial_units.get(Target(table, index, d), 1) for d in Dimension}
            self._provisions[index] = Provision(
                {d: Meter(n, self._conditions.burst_seconds) for d, n in units.items()}
            )
        self._targets = [
            _ReplayTarget(
                target,
                demand[target],
                policies[target],
                self._provisions[target.index].meters[target.dimension],
                start,
                hot.get(target, ()),
                self._conditions.shows_causes,
            )
            for target in sorted(demand)
        ]

        written = [t for t in self._targets if t.target.dimension is Dimension.WRITE]
        read = [[t] for t in self._targets if t.target.dimension is Dimension.READ]
        self._served_together = [*read, written] if written else read

    def run(self) -> dict[Target, Outcome]:
        """Replay every minute."""
        now = self._start
        for minute in range(self._minutes):
            self._run_functions(minute, now)
            for targets in self._served_together:
                served = serve([target.part(minute) for target in targets])
                for target, result in zip(targets, served, strict=True):
                    target.record(minute, result)
            now += ONE_MINUTE
        return {target.target: target.outcome for target in self._targets}

    def _run_functions(self, minute: int, now: datetime) -> None:
        """Do what on_alarm, follow_up, sweep and scale_down do in this minute."""
        for provision in self._provisions.values():
            provision.complete_update(now)
        delay, in_alarm = self._conditions.metric_delay_minutes, False
        for target in self._targets:
            in_alarm |= target.evaluate_alarm(minute, delay) == "ALARM"
        if in_alarm:
            self._reconcile(minute, now, UP, "follow_up")
        if minute % SWEEP_MINUTES == 0:
            self._reconcile(minute, now, BOTH, "sweep")
        if minute % HOUR == 0:
            self._reconcile(minute, now, BOTH, "scale_down")

    def _reconcile(
        self,
        minute: int,
        now: datetime,
        directions: Collection[Direction],
        function: str,
    ) -> None:
        """Check the table as a function does."""
        throughputs = {i: provision.throughput(now) for i, provision in self._provisions.items()}
        if not all(throughput.active for throughput in throughputs.values()):
            return
        observations = [
            Observation(t.target, t.meter.units, throughputs[t.target.index], t.policy)
            for t in self._targets
        ]
        why = [
            t.why_unread(o, now, function) for t, o in zip(self._targets, observations, strict=True)
        ]
        if None in why:
            delay = self._conditions.metric_delay_minutes
            observations = [
                o.with_metrics(t.read_metrics(minute, now, delay, o, function))
                for t, o in zip(self._targets, observations, strict=True)
            ]
        spending = self._spending(now)
        if spending:
            observations = [structs.replace(o, spending=spending) for o in observations]
        decisions = scaling.decide_table(observations, now, directions)
        if None in why:
            whole = self._completed(observations, decisions, now, function)
            decisions = scaling.decide_table(whole, now, directions) if whole else decisions
        self._apply(decisions, minute, now)
        if function == "sweep":
            for target, decision in zip(self._targets, decisions, strict=True):
                if target.threshold is None:
                    target.set_threshold(decision.desired)

    def _completed(
        self,
        observations: Sequence[Observation],
        decisions: Sequence[Decision],
        now: datetime,
        function: str,
    ) -> list[Observation]:
        """Return the observations with the throttled requests that must be known after all, as
        `checks.throttling_needed` tells; none where this shows nothing new."""
        changes = any(decision.changes for decision in decisions)
        whole = []
        for t, o in zip(self._targets, observations, strict=True):
            is_late = t.omitted and (changes or checks.may_be_throttled(o, t.omitted, now))
            whole.append(o.with_metrics(t.complete(function)) if is_late else o)
        pairs = zip(whole, observations, strict=True)
        is_new = any(o.metrics.throttled.values != b.metrics.throttled.values for o, b in pairs)
        return whole if is_new else []

    def _spending(self, now: datetime) -> tuple[Spending, ...]:
        """Return what the table costs this month, where it has a budget."""
        policy = self._targets[0].policy
        if not policy.max_usd_month:
            return ()
        end = max(history_end(now), self._start)
        units = {t.target: t.units_by_hour(end) for t in self._targets}
        costs = money.hourly_cost(units, self._unit_hours)
        hour_now = sum(t.meter.units * self._unit_hours[t.target.dimension] for t in self._targets)
        budget = policy.max_usd_month, policy.money_cap == "hold"
        return (Spending(TABLE, *budget, *money.add_up(costs, hour_now, now)),)

    def _apply(self, decisions: Sequence[Decision], minute: int, now: datetime) -> None:
        changed = [d for d in decisions if d.changes]
        if not changed:
            return
        for index in {d.target.index for d in changed}:
            provision = self._provisions[index]
            units = {dimension: meter.units for dimension, meter in provision.meters.items()}
            units |= {d.target.dimension: d.desired for d in changed if d.target.index == index}
            provision.check_quota(units, now)
            provision.start_update(units, now, self._conditions.update_minutes)
        for target, decision in zip(self._targets, decisions, strict=True):
            if decision.changes:
                made = Made(minute, decision.current, decision.desired, decision.reason)
                target.outcome.made.append(made)
                target.outcome.changes += 1
                target.outcome.decreases += decision.desired < decision.current
                target.set_threshold(decision.desired)


def initial_units(demand: Sequence[float]) -> int:
    """Return the capacity that every policy starts with: the first minute's demand at 70 %."""
    return max(1, math.ceil(demand[0] * 100 / 70))


def replay(
    demand: Sequence[float],
    policy: Policy,
    units: int,
    conditions: Conditions | None = None,
    unit_hour: float = UNIT_HOUR[Dimension.READ],
) -> Outcome:
    """Return what Headroom would have done to the reads of a table with this demand.

    units: the capacity that the table starts with. unit_hour: USD for a unit for an hour.
    """
    target = Target("trace", "", Dimension.READ)
    prices = {Dimension.READ: unit_hour}
    replayed = Replay(
        {target: demand}, {target: policy}, {target: units}, conditions, unit_hours=prices
    )
    return replayed.run()[target]
