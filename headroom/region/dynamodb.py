"""The embedded region's DynamoDB: the throughput rules of UpdateTable and DescribeTable.

moto keeps the tables; their units, updates and decreases are here.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.model import Dimension, Target
from headroom.region import moto_store
from headroom.region.context import Context, ServiceError
from headroom.simulation.dynamodb_rules import (
    BillingMode,
    Meter,
    Provision,
    QuotaExceededError,
)

NO_UNITS = (
    "One or more parameter values were invalid: Neither ReadCapacityUnits nor "
    "WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
)
CEILINGS = {Dimension.READ: "MaxReadRequestUnits", Dimension.WRITE: "MaxWriteRequestUnits"}


@dataclass
class Table:
    """One table's throughput, by index name ("" is the table)."""

    provisions: dict[str, Provision]
    mode: BillingMode = field(default_factory=BillingMode)
    #: `OnDemandThroughput`, by index name.
    ceilings: dict[str, dict[str, int]] = field(default_factory=dict)
    #: The other Regions of a global table.
    replicas: list[str] = field(default_factory=list)
    #: Its class; "" where it was never chosen.
    table_class: str = ""
    #: moto's description, kept until the table is changed: a call to moto is most of what a
    #: simulated minute costs.
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def updating(self) -> bool:
        provisions = self.provisions.values()
        return self.mode.until is not None or any(p.pending is not None for p in provisions)

    @property
    def on_demand(self) -> bool:
        return self.mode.on_demand

    def complete_updates(self, now: datetime) -> None:
        """Apply what is ready: units, and a switch of the mode."""
        if self.mode.complete(now):
            for provision in self.provisions.values():
                provision.ready_at = now
        for provision in self.provisions.values():
            provision.complete_update(now)

    def ceiling(self, target: Target) -> float:
        """Return the most units a second that the table serves on demand."""
        most = self.ceilings.get(target.index, {}).get(CEILINGS[target.dimension], -1)
        return most if most > 0 else math.inf


class DynamoDB:
    def __init__(self, region: Context) -> None:
        self._region = region
        self.tables: dict[str, Table] = {}
        self.decreases = 0

    def has(self, name: str, index: str) -> bool:
        """Tell whether a table, or an index of it, exists."""
        return name in self.tables and index in self.tables[name].provisions

    def targets(self) -> Iterator[Target]:
        """Yield every dimension that has provisioned units."""
        names = [name for name, table in self.tables.items() if not table.on_demand]
        return self._targets_of(names)

    def serving(self, on_demand: bool) -> Iterator[Target]:
        """Yield what is served on demand now, or what is served by provisioned units."""
        served = ((n, table.mode.serves_on_demand) for n, table in self.tables.items())
        return self._targets_of([name for name, mode in served if mode == on_demand])

    def _targets_of(self, names: Iterable[str]) -> Iterator[Target]:
        for name in names:
            for index in self.tables[name].provisions:
                for dimension in Dimension:
                    yield Target(name, index, dimension)

    def complete_updates(self) -> None:
        for table in self.tables.values():
            table.complete_updates(self._region.now)

    # the API

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a call about throughput; None leaves a call to moto."""
        if operation == "TagResource":
            moto_store.forget_tags(self._region.name, params)
        table = self.tables.get(params.get("TableName", ""))
        if table is None:
            return None
        if operation == "DescribeTable" and table.description:
            description = _copied(table.description)
            self._overlay(description)
            return {"Table": description}
        if operation == "UpdateTable":
            changed = self._change(params["TableName"], table, params)
            if changed:
                return changed
        if operation == "UpdateTable" and "TableClass" in params:
            table.table_class = params["TableClass"]
            return {"TableDescription": {"TableName": params["TableName"]}}
        table.description = {}
        return None

    def _change(self, name: str, table: Table, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Change the mode, the ceilings or the units, if the call is about one of them."""
        wanted, ceilings = params.get("BillingMode"), _requested_ceilings(params)
        units = _requested_units(params)
        if wanted and (wanted == "PAY_PER_REQUEST") != table.on_demand:
            self._switch(name, table, units)
        elif units:
            return self._update(name, table, units)
        elif not ceilings:
            return None
        for index, most in ceilings.items():
            table.ceilings[index] = {**table.ceilings.get(index, {}), **most}
        return {"TableDescription": {"TableName": name, "TableStatus": "UPDATING"}}

    def _switch(
        self, name: str, table: Table, units: Mapping[str, Mapping[Dimension, int]]
    ) -> None:
        """Start a switch of the billing mode."""
        now = self._region.now
        _check_not_updating(name, table)
        if table.on_demand and units.keys() != table.provisions.keys():
            raise ServiceError(
                "ValidationException",
                "One or more parameter values were invalid: ReadCapacityUnits and "
                "WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            )
        if not table.on_demand and units:
            raise ServiceError("ValidationException", NO_UNITS)
        if not table.on_demand and not table.mode.may_go_on_demand(now):
            raise ServiceError(
                "LimitExceededException",
                "Subscriber limit exceeded: Update to PayPerRequest mode is limited to four times "
                "in a 24-hour rolling window",
            )
        table.mode.start(not table.on_demand, now, self._region.conditions.switch_minutes)
        for index, wanted in units.items():
            table.provisions[index].start_provisioning(wanted, now)

    def correct(self, operation: str, params: Mapping[str, Any], response: dict[str, Any]) -> None:
        """Put the real throughput into moto's response."""
        if operation == "DeleteTable":
            self.tables.pop(params["TableName"], None)
            return
        description = response.get("Table") or response.get("TableDescription")
        if description and "ProvisionedThroughput" in description:
            self._adopt(description)
            if operation in ("CreateTable", "DescribeTable"):
                self.tables[description["TableName"]].description = _copied(description)
            self._overlay(description)

    def _adopt(self, description: Mapping[str, Any]) -> None:
        """Take over a table, or the part of it that is new, from moto."""
        table = self.tables.setdefault(description["TableName"], Table({}))
        mode = description.get("BillingModeSummary", {}).get("BillingMode")
        if not table.provisions and mode == "PAY_PER_REQUEST":
            table.mode = BillingMode(on_demand=True, at=self._region.now)
        indexes = description.get("GlobalSecondaryIndexes", [])
        parts = {"": description} | {index["IndexName"]: index for index in indexes}
        for deleted in table.provisions.keys() - parts.keys():
            del table.provisions[deleted]
        burst = self._region.conditions.burst_seconds
        for name, part in parts.items():
            if name not in table.provisions:
                units = _units(part["ProvisionedThroughput"])
                meters = {dimension: Meter(units[dimension], burst) for dimension in units}
                table.provisions[name] = Provision(meters)

    def _overlay(self, description: dict[str, Any]) -> None:
        table = self.tables[description["TableName"]]
        description["TableStatus"] = "UPDATING" if table.updating else "ACTIVE"
        description["ProvisionedThroughput"] = self._throughput(table, "")
        description.pop("BillingModeSummary", None)
        if table.mode.on_demand or table.mode.at:
            description["BillingModeSummary"] = _mode_summary(table.mode)
        if table.ceilings.get(""):
            description["OnDemandThroughput"] = dict(table.ceilings[""])
        description["WarmThroughput"] = _warm(table, "")
        if table.table_class:
            description["TableClassSummary"] = {"TableClass": table.table_class}
        if table.replicas:
            description["Replicas"] = [
                {"RegionName": name, "ReplicaStatus": "ACTIVE"} for name in table.replicas
            ]
        for index in description.get("GlobalSecondaryIndexes", []):
            provision = table.provisions[index["IndexName"]]
            is_updating = provision.pending is not None or table.mode.until is not None
            index["IndexStatus"] = "UPDATING" if is_updating else "ACTIVE"
            if table.ceilings.get(index["IndexName"]):
                index["OnDemandThroughput"] = dict(table.ceilings[index["IndexName"]])
            index["ProvisionedThroughput"] = self._throughput(table, index["IndexName"])
            index["WarmThroughput"] = _warm(table, index["IndexName"])

    def _throughput(self, table: Table, index: str) -> dict[str, Any]:
        provision = table.provisions[index]
        throughput = provision.throughput(self._region.now)
        # during the way back from on demand, the new units are shown: an assumption
        shown = provision.pending if table.mode.until else None
        units = shown or throughput.units
        factor = 0 if table.on_demand else 1
        times = {
            "LastIncreaseDateTime": throughput.last_increase_at,
            "LastDecreaseDateTime": throughput.last_decrease_at,
        }
        return {
            "NumberOfDecreasesToday": throughput.decreases_today,
            "ReadCapacityUnits": units[Dimension.READ] * factor,
            "WriteCapacityUnits": units[Dimension.WRITE] * factor,
            **{name: at for name, at in times.items() if at is not None},
        }

    def _update(
        self, name: str, table: Table, units: Mapping[str, Mapping[Dimension, int]]
    ) -> dict[str, Any]:
        _check_state(name, table)
        for index, wanted in units.items():
            _check_units(table, index, wanted)
        try:
            for index, wanted in units.items():
                table.provisions[index].check_quota(wanted, self._region.now)
        except QuotaExceededError as error:
            raise ServiceError("LimitExceededException", str(error)) from None
        self.decreases += sum(
            self._start_update(table.provisions[index], wanted) for index, wanted in units.items()
        )
        return {"TableDescription": {"TableName": name, "TableStatus": "UPDATING"}}

    def _start_update(self, provision: Provision, wanted: Mapping[Dimension, int]) -> bool:
        """Start an update; tell whether it is a decrease."""
        minutes = self._region.conditions.minutes_of(provision.updates)
        return provision.start_update(wanted, self._region.now, minutes)


def _copied(value: Any) -> Any:
    """Return a copy of a description. copy.deepcopy takes five times as long."""
    if isinstance(value, dict):
        return {key: _copied(member) for key, member in value.items()}
    return [_copied(member) for member in value] if isinstance(value, list) else value


def _warm(table: Table, index: str) -> dict[str, Any]:
    """Return what moto lacks: it shows a warm throughput only where a request named one."""
    warm = table.provisions[index].warm
    return {
        "ReadUnitsPerSecond": warm[Dimension.READ],
        "WriteUnitsPerSecond": warm[Dimension.WRITE],
        "Status": "ACTIVE",
    }


def _mode_summary(mode: BillingMode) -> dict[str, Any]:
    name = "PAY_PER_REQUEST" if mode.on_demand else "PROVISIONED"
    at = {"LastUpdateToPayPerRequestDateTime": mode.at} if mode.at else {}
    return {"BillingMode": name, **at}


def _requested_ceilings(params: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the ceilings that UpdateTable requests, by index name."""
    updates = [change.get("Update", {}) for change in params.get("GlobalSecondaryIndexUpdates", [])]
    parts = [("", params), *((update.get("IndexName", ""), update) for update in updates)]
    return {n: dict(p["OnDemandThroughput"]) for n, p in parts if "OnDemandThroughput" in p}


def _requested_units(params: Mapping[str, Any]) -> dict[str, dict[Dimension, int]]:
    """Return the units that UpdateTable requests, by index name."""
    changes = params.get("GlobalSecondaryIndexUpdates", [])
    updates = [change["Update"] for change in changes if "Update" in change]
    updates = [update for update in updates if "ProvisionedThroughput" in update]
    if "ProvisionedThroughput" in params:
        updates.insert(0, {**params, "IndexName": ""})
    return {update["IndexName"]: _units(update["ProvisionedThroughput"]) for update in updates}


def _units(throughput: Mapping[str, Any]) -> dict[Dimension, int]:
    return {
        Dimension.READ: int(throughput["ReadCapacityUnits"]),
        Dimension.WRITE: int(throughput["WriteCapacityUnits"]),
    }


def _check_not_updating(name: str, table: Table) -> None:
    if table.updating:
        raise ServiceError(
            "ResourceInUseException",
            f"Attempt to change a resource which is still in use: Table is being updated: {name}",
        )


def _check_state(name: str, table: Table) -> None:
    _check_not_updating(name, table)
    if table.on_demand:
        raise ServiceError("ValidationException", NO_UNITS)


def _check_units(table: Table, index: str, units: Mapping[Dimension, int]) -> None:
    provision = table.provisions.get(index)
    if provision is None:
        raise ServiceError(
            "ResourceNotFoundException", f"The table does not have the specified index: {index}"
        )
    if units == {dimension: meter.units for dimension, meter in provision.meters.items()}:
        raise ServiceError(
            "ValidationException",
            "The provisioned throughput for the table will not change. "
            "The requested value equals the current value.",
        )
