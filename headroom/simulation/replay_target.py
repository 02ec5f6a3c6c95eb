"""One target in a replay: its meter, its alarm, and the metrics that CloudWatch has of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.config.policy import Policy
from chalicelib.core import checks, table_alarms
from chalicelib.core.checks import UnitsBefore
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.adaptive import applied_after
from chalicelib.core.strategies.demand import is_steady
from chalicelib.core.strategies.onsets import DemandRecord
from chalicelib.core.throttling import request_units
from chalicelib.metrics import HISTORY, RECENT, SETTLED, history_end
from chalicelib.model import (
    NO_HISTORY,
    NO_SERIES,
    DemandHistory,
    Metrics,
    Reason,
    RecentFacts,
    Series,
    Target,
    Throughput,
)
from headroom.simulation.carried import BLOCK, CarriedDemand, Load, Window
from headroom.simulation.clock import HOUR, MINUTE
from headroom.simulation.dynamodb_rules import (
    AlarmState,
    Meter,
)
from headroom.simulation.outcome import Outcome

RECENT_MINUTES = int(RECENT.total_seconds()) // MINUTE
HISTORY_MINUTES = int(HISTORY.total_seconds()) // MINUTE


class ReplayTarget:
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
        past: Sequence[float | None],
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
        self._five_minute_demand: list[float | None] = [*past]
        self._past_start = start - timedelta(minutes=5 * len(past))
        self._days = DemandRecord()
        self._history, self._history_due = NO_HISTORY, start
        self._units_by_hour: list[float] = []
        self._units_before: dict[str, UnitsBefore] = {}
        self._unthrottled: dict[str, datetime] = {}
        #: Of the last check: all metrics, and until when nothing was throttled, if it began without
        #: the throttled requests.
        self._whole = Metrics()
        self.omitted: datetime | None = None
        #: The lowest units of each five minutes; None on demand.
        self._lowest: list[float | None] = []
        self._on_demand_until = -RECENT_MINUTES * 2

    def part(self, minute: int) -> tuple[Meter, float]:
        """Return the meter and its demand in a minute."""
        return self.meter, self._demand[minute]

    def serve(self, minute: int) -> None:
        """Serve a minute, and record its metrics."""
        consumed, throttled = self.meter.serve(self._demand[minute])
        self.record(minute, consumed, throttled, throttled)

    def record(self, minute: int, consumed: float, throttled: float, lost: float) -> None:
        """Record the metrics of a minute that was served, as `Served` has them."""
        if self._unexplained:
            throttled += self._unexplained[minute]
        load, total = self._load, consumed * MINUTE
        self._sums.append(total)
        shown = total / MINUTE
        load.consumed.append(shown)
        self._throttled.append(throttled)
        if throttled:
            self._last_throttled_minute = minute
        if throttled and (refused := throttled * MINUTE / MINUTE) > self._noise:
            load.throttled.append(refused)
            load.known.append(shown + refused * self._request_units)
        else:
            load.throttled.append(None)
            load.known.append(shown)
        self.outcome.units.append(self.meter.units)
        self.outcome.throttled.append(lost)
        if minute % BLOCK == BLOCK - 1:
            self._end_block()

    def record_on_demand(self, minute: int, ceiling: float) -> None:
        """Record a minute that was served on demand, up to a ceiling.

        What the ceiling refused is not throttled for want of units.
        """
        demand, load = self._demand[minute], self._load
        consumed = min(demand, ceiling)
        self._sums.append(consumed * MINUTE)
        load.consumed.append(consumed * MINUTE / MINUTE)
        load.throttled.append(None)
        load.known.append(load.consumed[-1])
        self._throttled.append(0.0)
        self.outcome.record(0, demand - consumed)
        self.outcome.on_demand_hours += consumed / HOUR
        self._on_demand_until = minute + 1
        if minute % BLOCK == BLOCK - 1:
            self._end_block()

    def _end_block(self) -> None:
        """Add the newest five minutes, which are complete."""
        held = [units for units in self.outcome.units[-BLOCK:] if units]
        self._lowest.append(float(min(held)) if held else None)
        self._load.lowest.append(float(min(held, default=self.meter.units)))
        sums = [rate * MINUTE for rate in self._throttled[-BLOCK:] if rate]
        consumed_mean = sum(self._sums[-BLOCK:]) / 300
        self._five_minute_demand.append(consumed_mean + (sum(sums) / 300 if sums else 0.0))

    def evaluate_alarm(self, minute: int, delay: int) -> bool:
        """Evaluate the alarm; tell whether it has just gone to ALARM, so that on_alarm runs."""
        if self.threshold is None:
            return False
        size = self._alarm_minutes
        end = max(0, minute - delay) // size
        first = max(0, end - self.alarm.evaluation_periods)
        sums: Sequence[float] = self._sums[first:end]
        if size > 1:
            sums = [sum(self._sums[n * size : (n + 1) * size]) for n in range(first, end)]
        changed = self.alarm.evaluate(sums, self.threshold, "GreaterThanOrEqualToThreshold")
        return changed and self.alarm.value == "ALARM"

    def forget_unthrottled(self) -> None:
        """Forget until when nothing was throttled, as on_alarm does for the whole table."""
        self._unthrottled.pop("follow_up", None)

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
        lowest = self._lowest[max(0, first // 5) : end // 5]
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

    def _recent(self, first: int, end: int, changed_at: datetime | None) -> RecentFacts | None:
        if self.policy.strategy != "adaptive" or self._on_demand_until > first:
            return None
        since = 0 if changed_at is None else applied_after(changed_at, self._start)
        return self._carried.recent(Window(first, end, self.meter.units, since))

    def _history_at(self, now: datetime) -> DemandHistory:
        """Return the summary of the days before the hour that is settled."""
        if now >= self._history_due:
            end = history_end(now)
            last = int((end - self._past_start).total_seconds()) // MINUTE // 5
            self._days.extend(self._five_minute_demand[len(self._days) : max(0, last)])
            self._history = self._days.summary(end, HISTORY_MINUTES // 5)
            self._history_due = end + SETTLED + timedelta(hours=1)
        return self._history

    def days(self, end: datetime) -> Series:
        """Return the five-minute demand of the days before `end`."""
        count, most = int((end - self._past_start).total_seconds()) // 300, HISTORY_MINUTES // 5
        values = self._five_minute_demand[max(0, count - most) : max(0, count)]
        return Series(end - HISTORY, 300, (*[None] * (most - len(values)), *values))

    def newest(self, minute: int, delay: int) -> Series:
        """Return what was consumed in the newest minutes that can be read."""
        end = max(0, minute - delay)
        values = self._load.consumed[max(0, end - HOUR) : end]
        start = self._start + timedelta(minutes=end - len(values))
        return Series(start, MINUTE, tuple(values))

    def lose_alarm(self) -> None:
        """Remove the alarm, as a sweep does of a table on demand."""
        periods = self.policy.alarm_evaluation_periods
        self.alarm, self.threshold = AlarmState(periods, periods), None

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
