"""The billing mode in a replay: what it is, who pays what, and the decision of production on it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chalicelib.config.policy import Policy
from chalicelib.core import modes
from chalicelib.core.modes import ModeDecision, ModeFacts, ModeTag
from chalicelib.model import Dimension, Number, Reason, Series, Target
from headroom.simulation.dynamodb_rules import BillingMode, Provision


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch that was made: the minute, to which mode, and why."""

    minute: int
    on_demand: bool
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)


class ReplayMode:
    """The mode of the replayed table, its ceilings, and Headroom's note of its own switches.

    unit_hours, request_hours: USD for a unit a second for an hour, provisioned and on demand.
    Without the latter, the mode stays.
    """

    def __init__(
        self,
        table: str,
        policies: Mapping[Target, Policy],
        unit_hours: Mapping[Dimension, float],
        request_hours: Mapping[Dimension, float] | None,
    ) -> None:
        self._table, self._policies = table, policies
        self._unit_hours, self._request_hours = unit_hours, request_hours
        self._tag: ModeTag | None = None
        self.billing, self.ceilings = BillingMode(), dict[Target, int]()
        self.switches: list[Switch] = []
        is_cheapest = any(policy.mode == "cheapest" for policy in policies.values())
        self.is_chosen = is_cheapest and request_hours is not None

    def complete_updates(self, provisions: Collection[Provision], now: datetime) -> None:
        """End a switch that is ready, and apply the units that are."""
        if self.billing.complete(now):
            for provision in provisions:
                provision.ready_at = now
        for provision in provisions:
            provision.complete_update(now)

    def decide(
        self, now: datetime, days: Mapping[Target, Series], recent: Mapping[Target, Series]
    ) -> ModeDecision:
        """Decide as the hourly pass does."""
        facts = ModeFacts(
            self._table,
            self.billing.on_demand,
            self._policies,
            days,
            recent,
            self._unit_hours,
            self._request_hours,
            self.billing.at,
            self._tag,
            ceilings=self.ceilings,
        )
        return modes.decide(facts, now)

    def apply(self, decision: ModeDecision, minute: int, now: datetime, minutes: int) -> None:
        """Do what was decided. minutes: how long a switch takes."""
        self.ceilings |= decision.ceilings
        if not decision.switches:
            return
        mode = modes.ON_DEMAND if decision.becomes_on_demand else modes.PROVISIONED
        self._tag = ModeTag(mode, now)
        self.billing.start(decision.becomes_on_demand, now, minutes)
        made = Switch(minute, decision.becomes_on_demand, decision.reason, decision.numbers)
        self.switches.append(made)
