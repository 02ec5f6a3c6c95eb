"""Replay demand against the functions that Lambda runs, without AWS: time is the loop variable.

One table with its indexes is replayed minute by minute, in the order of the embedded region:
updates complete, alarms are evaluated, the functions run, demand is served. A test checks that both
have the same capacity in every minute.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import checks, money, scaling
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.core.prices import UNIT_HOUR
from chalicelib.metrics import history_end
from chalicelib.model import (
    BOTH,
    UP,
    Decision,
    Dimension,
    Direction,
    Target,
    Throughput,
)
from headroom.simulation.clock import HOUR, START
from headroom.simulation.dynamodb_rules import (
    Conditions,
    Meter,
    Provision,
    serve,
)
from headroom.simulation.modes import ReplayMode
from headroom.simulation.outcome import Made, Outcome
from headroom.simulation.replay_target import ReplayTarget

ONE_MINUTE = timedelta(minutes=1)
SWEEP_MINUTES = 5
#: How the replayed table is named.
TABLE = "the table"


class Replay:
    """One table under Headroom. `run` returns the outcome of each target.

    hot_keys: requests a second, by minute, that the limit of one partition throttles, whatever the
    units. They are no part of the demand. unit_hours: USD for a unit for an hour, for the budget of
    the table. It counts what is replayed, from the start on. request_hours: USD for a unit a second
    on demand for an hour; without it, the table stays provisioned. past: the five-minute means
    before the start, oldest first.

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
        request_hours: Mapping[Dimension, float] | None = None,
        past: Mapping[Target, Sequence[float | None]] | None = None,
    ) -> None:
        self._conditions, self._start = conditions or Conditions(), start
        hot = hot_keys or {}
        if self._conditions.hot_key_requests:
            hot = {t: [self._conditions.hot_key_requests] * len(of) for t, of in demand.items()}
        self._unit_hours = unit_hours
        self._mode = ReplayMode(TABLE, policies, unit_hours, request_hours)
        self._minutes = len(next(iter(demand.values())))
        table = self._table = next(iter(demand)).table
        self._provisions: dict[str, Provision] = {}
        for index in sorted({target.index for target in demand}):
            units = {d: initial_units.get(Target(table, index, d), 1) for d in Dimension}
            self._provisions[index] = Provision(
                {d: Meter(n, self._conditions.burst_seconds) for d, n in units.items()}
            )
        self._targets = [
            ReplayTarget(
                target,
                demand[target],
                policies[target],
                self._provisions[target.index].meters[target.dimension],
                start,
                hot.get(target, ()),
                self._conditions.shows_causes,
                (past or {}).get(target, ()),
            )
            for target in sorted(demand)
        ]

        written = [t for t in self._targets if t.target.dimension is Dimension.WRITE]
        #: A write of a table and those of its indexes are served or throttled together.
        self._served_together = written if len(written) > 1 else []
        self._served_alone = [t for t in self._targets if t not in self._served_together]

    def run(self) -> dict[Target, Outcome]:
        """Replay every minute."""
        now = self._start
        for minute in range(self._minutes):
            self._run_functions(minute, now)
            self._serve(minute)
            now += ONE_MINUTE
        for one in self._targets:
            one.outcome.switches = self._mode.switches
        return {target.target: target.outcome for target in self._targets}

    def _serve(self, minute: int) -> None:
        """Serve a minute, by units or on demand."""
        if self._mode.billing.serves_on_demand:
            for one in self._targets:
                one.record_on_demand(minute, self._mode.ceilings.get(one.target, math.inf))
            return
        for target in self._served_alone:
            target.serve(minute)
        if self._served_together:
            served = serve([target.part(minute) for target in self._served_together])
            for target, result in zip(self._served_together, served, strict=True):
                target.record(minute, *result)

    def _run_functions(self, minute: int, now: datetime) -> None:
        """Do what on_alarm, follow_up, sweep and scale_down do in this minute."""
        self._mode.complete_updates(self._provisions.values(), now)
        delay = self._conditions.delay_at(minute)
        has_fired = in_alarm = False
        for target in self._targets:
            has_fired |= target.evaluate_alarm(minute, delay)
            in_alarm |= target.alarm.value == "ALARM"
        if has_fired:
            for target in self._targets:
                target.forget_unthrottled()
        if in_alarm:
            self._reconcile(minute, now, UP, "follow_up")
        if minute % SWEEP_MINUTES == 0:
            self._reconcile(minute, now, BOTH, "sweep")
        if minute % HOUR == 0:
            if self._mode.is_chosen:
                self._choose_mode(minute, now)
            self._reconcile(minute, now, BOTH, "scale_down")

    def _choose_mode(self, minute: int, now: datetime) -> None:
        """Do what the hourly pass does about the billing mode."""
        throughputs = [provision.throughput(now) for provision in self._provisions.values()]
        if self._mode.billing.until or not all(throughput.active for throughput in throughputs):
            return
        end, delay = history_end(now), self._conditions.delay_at(minute)
        days = {target.target: target.days(end) for target in self._targets}
        recent = {target.target: target.newest(minute, delay) for target in self._targets}
        decision = self._mode.decide(now, days, recent)
        self._mode.apply(decision, minute, now, self._conditions.switch_minutes)
        for index, provision in self._provisions.items() if decision.units else ():
            units = {
                d: decision.units.get(Target(self._table, index, d), meter.units)
                for d, meter in provision.meters.items()
            }
            provision.start_provisioning(units, now)

    def _reconcile(
        self,
        minute: int,
        now: datetime,
        directions: Collection[Direction],
        function: str,
    ) -> None:
        """Check the table as a function does."""
        if not self._is_scaled(function):
            return
        throughputs = {i: provision.throughput(now) for i, provision in self._provisions.items()}
        if not all(throughput.active for throughput in throughputs.values()):
            return
        observations, is_read = self._observe(minute, now, throughputs, function)
        spending = self._spending(now)
        if spending:
            observations = [structs.replace(o, spending=spending) for o in observations]
        decisions = scaling.decide_table(observations, now, directions, explains=False)
        whole = self._completed(observations, decisions, now, function) if is_read else ()
        if whole:
            decisions = scaling.decide_table(whole, now, directions, explains=False)
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
    ) -> Sequence[Observation]:
        """Return the observations with the throttled requests that must be known after all, as
        `checks.throttling_needed` tells; none where this shows nothing new."""
        changes = any(decision.changes for decision in decisions)
        late = [
            t.omitted and (changes or checks.may_be_throttled(o, t.omitted, now))
            for t, o in zip(self._targets, observations, strict=True)
        ]
        if not any(late):
            return ()
        whole = [
            o.with_metrics(t.complete(function)) if is_late else o
            for t, o, is_late in zip(self._targets, observations, late, strict=True)
        ]
        pairs = zip(whole, observations, strict=True)
        is_new = any(o.metrics.throttled.values != b.metrics.throttled.values for o, b in pairs)
        return whole if is_new else ()

    def _is_scaled(self, function: str) -> bool:
        """Tell whether the table has units that may be set. A sweep deletes the alarms of a table
        on demand."""
        billing = self._mode.billing
        if billing.on_demand and function == "sweep":
            for target in self._targets:
                target.lose_alarm()
        return not billing.on_demand and billing.until is None

    def _observe(
        self, minute: int, now: datetime, throughputs: Mapping[str, Throughput], function: str
    ) -> tuple[list[Observation], bool]:
        """Return what a function observes of each target, and whether it reads metrics."""
        observations = [
            Observation(t.target, t.meter.units, throughputs[t.target.index], t.policy)
            for t in self._targets
        ]
        why = [
            t.why_unread(o, now, function) for t, o in zip(self._targets, observations, strict=True)
        ]
        if None not in why:
            return observations, False
        delay = self._conditions.delay_at(minute)
        return [
            o.with_metrics(t.read_metrics(minute, now, delay, o, function))
            for t, o in zip(self._targets, observations, strict=True)
        ], True

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
            minutes = self._conditions.minutes_of(provision.updates)
            provision.start_update(units, now, minutes)
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
    request_hour: float = 0.0,
    start: datetime = START,
) -> Outcome:
    """Return what Headroom would have done to the reads of a table with this demand.

    units: the capacity that the table starts with. unit_hour: USD for a unit for an hour.
    request_hour: USD for a unit a second on demand for an hour; with 0, the table stays
    provisioned.
    """
    target = Target("trace", "", Dimension.READ)
    replayed = Replay(
        {target: demand},
        {target: policy},
        {target: units},
        conditions,
        start,
        unit_hours={Dimension.READ: unit_hour},
        request_hours={Dimension.READ: request_hour} if request_hour else None,
    )
    return replayed.run()[target]
