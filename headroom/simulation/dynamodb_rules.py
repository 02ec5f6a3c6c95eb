"""How DynamoDB serves, throttles, updates and counts: the rules that the embedded region and the
backtest share.

Time is whole minutes' worth of demand; demand, consumption and throttling are units per second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.core.budget import budget
from chalicelib.model import Dimension, Throughput
from headroom.simulation.clock import MINUTE


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may differ between worlds.

    burst_seconds: unused capacity that is kept; 300 by the Developer Guide ("burst capacity", read
    2026-10). metric_delay_minutes: from a minute's end until CloudWatch shows it; no figure is
    published beyond "up to a few minutes". update_minutes: how long UpdateTable takes; AWS's own
    samples show half a minute, its prose "several minutes".
    """

    burst_seconds: int = 300
    metric_delay_minutes: int = 1
    update_minutes: int = 1


@dataclass(slots=True)
class Meter:
    """One dimension of one table or index: its units, and the burst bucket in unit-seconds, full to
    begin with."""

    units: int
    burst_seconds: int = 300
    burst_balance: float = -1.0

    def __post_init__(self) -> None:
        if self.burst_balance < 0:
            self.burst_balance = float(self.units * self.burst_seconds)

    def serve(self, demand: float) -> tuple[float, float]:
        """Serve one minute of even demand; return what was consumed and what was throttled."""
        spare = (self.units - demand) * MINUTE
        if spare >= 0:
            self.burst_balance = min(self.burst_balance + spare, self.units * self.burst_seconds)
            return demand, 0.0
        if self.burst_balance + spare >= 0:
            self.burst_balance += spare
            return demand, 0.0
        consumed = self.units + self.burst_balance / MINUTE
        self.burst_balance = 0.0
        return consumed, demand - consumed

    def set_units(self, units: int) -> None:
        """Take other units; what is burst_balance stays, as far as it fits (undocumented by AWS: an
        assumption)."""
        self.units = units
        self.burst_balance = min(self.burst_balance, units * self.burst_seconds)


class QuotaExceededError(Exception):
    """DynamoDB's refusal of one decrease too many, in its own words."""

    def __init__(self, throughput: Throughput, now: datetime) -> None:
        left = budget(throughput, now)
        last = throughput.last_decrease_at
        super().__init__(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 "
            "decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds. "
            f"Number of decreases today: {left.used}. Last decrease at {_in_words(last)}. "
            f"Next decrease can be made at {_in_words(left.next_at)}"
        )


def _in_words(at: datetime | None) -> str:
    return (
        at.strftime("%A, %B %-d, %Y at %-I:%M:%S %p Coordinated Universal Time") if at else "never"
    )


@dataclass(slots=True)
class Provision:
    """A table's or an index's throughput: what holds, what is on its way, and what was changed
    when."""

    meters: dict[Dimension, Meter]
    pending: dict[Dimension, int] | None = None
    ready_at: datetime | None = None
    decreases: int = 0
    last_increase_at: datetime | None = None
    last_decrease_at: datetime | None = None
    refused_updates: int = 0

    def throughput(self, now: datetime) -> Throughput:
        """Return what DescribeTable tells; the counter starts anew at 00:00 UTC."""
        last = self.last_decrease_at
        is_today = last is not None and last.date() == now.date()
        return Throughput(
            units={dimension: meter.units for dimension, meter in self.meters.items()},
            active=self.pending is None,
            decreases_today=self.decreases if is_today else 0,
            last_increase_at=self.last_increase_at,
            last_decrease_at=last,
        )

    def check_quota(self, wanted: Mapping[Dimension, int], now: datetime) -> None:
        """Raise QuotaExceededError where the update lowers something and the quota does not allow
        it."""
        if not self.is_allowed(wanted, now):
            self.refused_updates += 1
            raise QuotaExceededError(self.throughput(now), now)

    def is_allowed(self, wanted: Mapping[Dimension, int], now: datetime) -> bool:
        """Tell whether the quota allows the update."""
        return not self._lowers(wanted) or budget(self.throughput(now), now).allows(now)

    def start_update(self, wanted: Mapping[Dimension, int], now: datetime, minutes: int) -> bool:
        """Begin an update that was checked; it holds `minutes` later. Tells whether it is a
        decrease."""
        lowers = self._lowers(wanted)
        if lowers:
            self.decreases = self.throughput(now).decreases_today + 1
            self.last_decrease_at = now
        if any(wanted[d] > meter.units for d, meter in self.meters.items()):
            self.last_increase_at = now
        self.pending, self.ready_at = dict(wanted), now + timedelta(minutes=minutes)
        return lowers

    def complete_update(self, now: datetime) -> None:
        """Let an update that is ready hold."""
        if self.pending is not None and self.ready_at is not None and self.ready_at <= now:
            for dimension, units in self.pending.items():
                self.meters[dimension].set_units(units)
            self.pending = self.ready_at = None

    def _lowers(self, wanted: Mapping[Dimension, int]) -> bool:
        return any(wanted[d] < meter.units for d, meter in self.meters.items())


@dataclass(slots=True)
class AlarmState:
    """The state of one alarm, and the rule by which CloudWatch changes it.

    M of N; missing data of AWS/DynamoDB is ignored, so that an alarm without news keeps its state.
    Source: CloudWatch User Guide, "How alarms evaluate missing data", read 2026-10.
    """

    evaluation_periods: int = 1
    datapoints_to_alarm: int = 1
    value: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    newest: list[float] = field(default_factory=list)

    def evaluate(self, sums: Sequence[float | None], threshold: float, comparison: str) -> bool:
        """Judge the newest periods, oldest first; tell whether the state changed."""
        real = [value for value in sums if value is not None][-self.evaluation_periods :]
        if len(real) < self.datapoints_to_alarm:
            return False
        hot = sum(breaches(value, threshold, comparison) for value in real)
        state = "ALARM" if hot >= self.datapoints_to_alarm else "OK"
        changed = state != self.value
        self.value, self.newest = state, real
        return changed


def breaches(value: float, threshold: float, comparison: str) -> bool:
    """Tell whether a value breaches the threshold."""
    match comparison:
        case "GreaterThanOrEqualToThreshold":
            return value >= threshold
        case "GreaterThanThreshold":
            return value > threshold
        case "LessThanThreshold":
            return value < threshold
        case "LessThanOrEqualToThreshold":
            return value <= threshold
        case _:
            return math.isnan(threshold)
