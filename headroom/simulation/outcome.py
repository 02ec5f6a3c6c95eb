"""What a policy did in a replay: units, throttling, changes and switches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chalicelib.model import Reason
from headroom.simulation.clock import HOUR
from headroom.simulation.modes import Switch


class Made(NamedTuple):
    """A change that was made: the minute of its decision, the units before and after, and why."""

    minute: int
    before: int
    after: int
    reason: Reason


@dataclass
class Outcome:
    """What a policy did to one target: units and throttled units per second, one value a minute.

    units is 0 in a minute on demand. on_demand_hours: the units a second that were served on
    demand, times hours. metric_reads: how often the target's metrics were read. metrics: how many
    metrics these were. made: Headroom's changes. switches: those of its table's billing mode.
    """

    units: list[int] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    on_demand_hours: float = 0.0
    decreases: int = 0
    changes: int = 0
    metric_reads: int = 0
    metrics: int = 0
    made: list[Made] = field(default_factory=list)
    switches: Sequence[Switch] = ()

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
