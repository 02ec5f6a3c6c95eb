"""What is known of one target when its decision is made."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.config.policy import Policy
from chalicelib.core import throttling
from chalicelib.core.money import Spending
from chalicelib.model import Hold, Metrics, Target, Throughput


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that a decision about one target depends on, except the time.

    policy: the target's settings. fleet: the name of the fleet that the target follows; of several
    fleets, the one that needs most; "" without a fleet. instances: how many
    instances that fleet has, None if they cannot be counted. fleet_units: the units that the fleet
    needs. alarmed_at: when an alarm of the target went to ALARM, where its metrics cannot be read.
    spending: what its table, and the stage, cost this month, where they have a budget.
    """

    target: Target
    provisioned: int
    throughput: Throughput
    policy: Policy
    metrics: Metrics = field(default_factory=Metrics)
    holds: tuple[Hold, ...] = ()
    fleet_units: int = 0
    fleet: str = ""
    instances: int | None = None
    alarmed_at: datetime | None = None
    spending: tuple[Spending, ...] = ()

    def with_metrics(self, metrics: Metrics) -> "Observation":
        """Return the observation with these metrics, without the throttling that is noise."""
        return replace(
            self, metrics=throttling.without_noise(metrics, self.policy.ignore_throttled_events)
        )
