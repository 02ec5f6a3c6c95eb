"""How DynamoDB serves, throttles, updates and counts.

The embedded region and the backtest share these rules. Demand comes in whole minutes. Demand,
consumption and throttling are in units per second.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from chalicelib.core.budget import budget
from chalicelib.model import Dimension, Throughput
from headroom.simulation.clock import MINUTE

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


#: Switches to on demand in any 24 hours. Source: Developer Guide, "Considerations when switching
#: capacity modes in DynamoDB", read 2026-11.
SWITCHES_A_DAY = 4
#: Where metrics stop now and then, they do so each time after so many minutes, from this minute on.
METRICS_STOP_EVERY, METRICS_STOP_AT = 360, 200


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may differ between simulations.

    burst_seconds: how much unused capacity is kept: 300 by the Developer Guide ("burst capacity",
    read 2026-10). metric_delay_minutes: from a minute's end until CloudWatch shows it. AWS
    publishes no figure but "up to a few minutes". update_minutes: how long UpdateTable takes.
    AWS's samples show half a minute, its text says "several minutes". hot_key_requests: requests a
    second that the limit of one partition throttles all the time. switch_minutes: how long a switch
    of the billing mode takes; AWS's text says "several minutes", a live test of 2026-10 showed one
    to three. Until then the old mode serves (Developer Guide, "Considerations when switching
    capacity modes in DynamoDB", read 2026-11). shows_causes: whether CloudWatch shows why requests
    are throttled. slow_update_every: one in so many updates of a table or index takes
    slow_update_minutes; 0: none does. metrics_stop_minutes: four times a day CloudWatch shows
    nothing new for so many minutes, and then all at once.
    """

    burst_seconds: int = 300
    metric_delay_minutes: int = 1
    update_minutes: int = 1
    hot_key_requests: float = 0.0
    shows_causes: bool = True
    switch_minutes: int = 2
    slow_update_every: int = 0
    slow_update_minutes: int = 8
    metrics_stop_minutes: int = 0

    def delay_at(self, minute: int) -> int:
        """Return how many of the minutes before this one cannot be read yet."""
        into = (minute - METRICS_STOP_AT) % METRICS_STOP_EVERY
        return self.metric_delay_minutes + (into if into < self.metrics_stop_minutes else 0)

    def minutes_of(self, update: int) -> int:
        """Return how long an update takes. update: how many there were before it."""
        every = self.slow_update_every
        is_slow = every and update % every == every - 1
        return self.slow_update_minutes if is_slow else self.update_minutes


@dataclass(slots=True)
class Meter:
    """One dimension of a table or index: its units, and its burst balance in unit-seconds.

    The balance starts full.
    """

    units: int
    burst_seconds: int = 300
    burst_balance: float = -1.0

    def __post_init__(self) -> None:
        if self.burst_balance < 0:
            self.burst_balance = float(self.units * self.burst_seconds)

    def serve(self, demand: float) -> tuple[float, float]:
        """Serve one minute of even demand; return the consumed and the throttled rate."""
        spare = (self.units - demand) * MINUTE
        if self.burst_balance + spare >= 0:
            self.burst_balance = min(self.burst_balance + spare, self.units * self.burst_seconds)
            return demand, 0.0
        consumed = self.units + self.burst_balance / MINUTE
        self.burst_balance = 0.0
        return consumed, demand - consumed

    def share(self, demand: float) -> float:
        """Return how much of one minute of even demand can be served, 1 for all of it."""
        most = self.units + self.burst_balance / MINUTE
        return 1.0 if demand <= most else most / demand

    def set_units(self, units: int) -> None:
        """Set the units. The burst balance stays, up to its new limit.

        AWS does not document what happens to the balance: this is an assumption.
        """
        self.units = units
        self.burst_balance = min(self.burst_balance, units * self.burst_seconds)


class Served(NamedTuple):
    """A minute of demand: what was consumed, what was throttled here, and what was not served.

    The last two differ where a write fails because of another part of its table.
    """

    consumed: float
    throttled: float
    lost: float


def serve(parts: Sequence[tuple[Meter, float]]) -> list[Served]:
    """Serve one minute of even demand: of one target, or of the writes of a table and its indexes.

    A write fails if the table or one of its indexes is short of units. It then consumes nothing
    anywhere, and is throttled at the part that is shortest. Source: Developer Guide,
    "Understanding global secondary index (GSI) write throttling and back pressure", and "DynamoDB
    metrics and dimensions", WriteThrottleEvents, read 2026-11.
    """
    if len(parts) == 1:
        meter, demand = parts[0]
        consumed, throttled = meter.serve(demand)
        return [Served(consumed, throttled, throttled)]
    shares = [meter.share(demand) for meter, demand in parts]
    least = min(shares)
    shortest = shares.index(least)
    served = []
    for number, (meter, demand) in enumerate(parts):
        wanted = demand if number == shortest else demand * least
        consumed, throttled = meter.serve(wanted)
        served.append(Served(consumed, throttled if number == shortest else 0.0, demand - consumed))
    return served


class QuotaExceededError(Exception):
    """DynamoDB refuses one decrease too many. The text is its own."""

    def __init__(self, throughput: Throughput, now: datetime) -> None:
        decreases = budget(throughput, now)
        super().__init__(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a "
            "given UTC day. After the first 4 decreases, each subsequent decrease in the same UTC "
            "day can be performed at most once every 3600 seconds. "
            f"Number of decreases today: {decreases.used}. "
            f"Last decrease at {_formatted(throughput.last_decrease_at)}. "
            f"Next decrease can be made at {_formatted(decreases.next_at)}"
        )


def _formatted(at: datetime | None) -> str:
    form = "%A, %B %-d, %Y at %-I:%M:%S %p Coordinated Universal Time"
    return at.strftime(form) if at else "never"


@dataclass(slots=True)
class Provision:
    """The throughput of a table or an index: its meters, the pending update, and its history."""

    meters: dict[Dimension, Meter]
    pending: dict[Dimension, int] | None = None
    ready_at: datetime | None = None
    decreases: int = 0
    last_increase_at: datetime | None = None
    last_decrease_at: datetime | None = None
    refused_updates: int = 0
    updates: int = 0
    #: The highest units so far. Source: Developer Guide, "Understanding DynamoDB warm throughput in
    #: different scenarios", read 2026-11.
    warm: dict[Dimension, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.warm = {d: max(m.units, self.warm.get(d, 0)) for d, m in self.meters.items()}

    def throughput(self, now: datetime) -> Throughput:
        """Return what DescribeTable shows; the decreases are counted from 00:00 UTC."""
        last = self.last_decrease_at
        is_today = last is not None and last.date() == now.date()
        return Throughput(
            units={dimension: meter.units for dimension, meter in self.meters.items()},
            active=self.pending is None,
            decreases_today=self.decreases if is_today else 0,
            last_increase_at=self.last_increase_at,
            last_decrease_at=last,
            warm=self.warm,
        )

    def check_quota(self, units: Mapping[Dimension, int], now: datetime) -> None:
        """Raise QuotaExceededError if the quota does not allow the update."""
        if not self.is_allowed(units, now):
            self.refused_updates += 1
            raise QuotaExceededError(self.throughput(now), now)

    def is_allowed(self, units: Mapping[Dimension, int], now: datetime) -> bool:
        """Tell whether the quota allows the update."""
        return not self._lowers(units) or budget(self.throughput(now), now).allows(now)

    def start_update(self, units: Mapping[Dimension, int], now: datetime, minutes: int) -> bool:
        """Start an allowed update, which takes `minutes`; tell whether it is a decrease."""
        lowers = self._lowers(units)
        self.updates += 1
        if lowers:
            self.decreases = self.throughput(now).decreases_today + 1
            self.last_decrease_at = now
        if any(units[d] > meter.units for d, meter in self.meters.items()):
            self.last_increase_at = now
        self.pending, self.ready_at = dict(units), now + timedelta(minutes=minutes)
        return lowers

    def start_provisioning(self, units: Mapping[Dimension, int], now: datetime) -> None:
        """Start the way back from on demand, which is no decrease; `complete_update` ends it.

        AWS does not document that DescribeTable shows it as an increase: this is an assumption.
        """
        self.pending, self.last_increase_at = dict(units), now

    def complete_update(self, now: datetime) -> None:
        """Apply the pending update if it is ready."""
        if self.pending is not None and self.ready_at is not None and self.ready_at <= now:
            for dimension, units in self.pending.items():
                self.meters[dimension].set_units(units)
            self.warm = {d: max(m.units, self.warm[d]) for d, m in self.meters.items()}
            self.pending = self.ready_at = None

    def _lowers(self, units: Mapping[Dimension, int]) -> bool:
        return any(units[d] < meter.units for d, meter in self.meters.items())


@dataclass(slots=True)
class BillingMode:
    """The billing mode of a table, and its switches.

    on_demand: as DescribeTable shows it. at: when it went on demand last. until: when a switch that
    is in progress is complete; the other mode serves meanwhile. Source: as of Conditions.
    """

    on_demand: bool = False
    at: datetime | None = None
    until: datetime | None = None
    #: When it went on demand.
    switches: list[datetime] = field(default_factory=list)

    @property
    def serves_on_demand(self) -> bool:
        """Tell whether requests are served, and billed, on demand now."""
        return self.on_demand if self.until is None else not self.on_demand

    def may_go_on_demand(self, now: datetime) -> bool:
        """Tell whether DynamoDB takes one more switch: four in any 24 hours."""
        return sum(now - at < timedelta(hours=24) for at in self.switches) < SWITCHES_A_DAY

    def start(self, on_demand: bool, now: datetime, minutes: int) -> None:
        """Start a switch that is allowed."""
        self.on_demand, self.until = on_demand, now + timedelta(minutes=minutes)
        if on_demand:
            self.at = now
            self.switches.append(now)

    def complete(self, now: datetime) -> bool:
        """End the switch if it is ready; tell whether it did."""
        is_ready = self.until is not None and self.until <= now
        if is_ready:
            self.until = None
        return is_ready


@dataclass(slots=True)
class AlarmState:
    """The state of one alarm, and the rule by which CloudWatch changes it.

    M of N datapoints decide. Missing data of AWS/DynamoDB is ignored, so that an alarm without new
    data keeps its state. Source: CloudWatch User Guide, "How alarms evaluate missing data", read
    2026-10.
    """

    evaluation_periods: int = 1
    datapoints_to_alarm: int = 1
    value: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    newest: list[float] = field(default_factory=list)

    def evaluate(self, sums: Sequence[float | None], threshold: float, comparison: str) -> bool:
        """Evaluate the newest periods, oldest first; tell whether the state changed."""
        real = [value for value in sums if value is not None][-self.evaluation_periods :]
        if len(real) < self.datapoints_to_alarm:
            return False
        breaching = sum([breaches(value, threshold, comparison) for value in real])
        state = "ALARM" if breaching >= self.datapoints_to_alarm else "OK"
        changed = state != self.value
        self.value, self.newest = state, real
        return changed


def breaches(value: float, threshold: float, comparison: str) -> bool:
    """Tell whether a value breaches the threshold."""
    compare = COMPARISONS.get(comparison)
    return compare(value, threshold) if compare else math.isnan(threshold)
