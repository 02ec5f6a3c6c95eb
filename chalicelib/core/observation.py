"""What is known of one target when its decision is made."""

from datetime import datetime

from msgspec import Struct, structs

from chalicelib.config.policy import Policy
from chalicelib.core import throttling
from chalicelib.core.money import Spending
from chalicelib.model import Hold, Metrics, Reason, Target, Throughput


class IndexFloor(Struct, frozen=True):
    """What the writes of a table can send to one of its indexes.

    units: the writes that the index needs for them. table_units: the table's writes, after a change
    that is made now. share: writes of the index for each one of the table.
    """

    units: int
    table_units: int
    share: float


class Observation(Struct, frozen=True):
    """Everything that a decision about one target depends on, except the time.

    policy: the target's settings. fleet: the name of the fleet that the target follows; of several
    fleets, the one that needs most; "" without a fleet. instances: how many
    instances that fleet has, None if they cannot be counted. fleet_units: the units that the fleet
    needs. alarmed_at: when an alarm of the target went to ALARM, where its metrics cannot be read.
    spending: what its table, and the stage, cost this month, where they have a budget.
    index_floor: for the writes of an index that follows its table. unread: why the metrics were
    left unread: nothing could follow from them.
    """

    target: Target
    provisioned: int
    throughput: Throughput
    policy: Policy
    metrics: Metrics = Metrics()
    holds: tuple[Hold, ...] = ()
    fleet_units: int = 0
    fleet: str = ""
    instances: int | None = None
    alarmed_at: datetime | None = None
    spending: tuple[Spending, ...] = ()
    index_floor: IndexFloor | None = None
    unread: Reason | None = None

    def with_metrics(self, metrics: Metrics) -> "Observation":
        """Return the observation with these metrics, without the throttling that is noise."""
        units = throttling.request_units(self.policy, metrics.request_units)
        metrics = throttling.without_noise(metrics, self.policy.ignore_throttled_events)
        if units != metrics.request_units:
            metrics = structs.replace(metrics, request_units=units)
        return structs.replace(self, metrics=metrics)
