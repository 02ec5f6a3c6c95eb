"""The embedded region's DynamoDB: the throughput rules of UpdateTable and DescribeTable.

moto keeps the tables; their units, updates and decreases are here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.model import Dimension, Target
from headroom.region.context import Context, ServiceError
from headroom.simulation.dynamodb_rules import Meter, Provision, QuotaExceededError


@dataclass
class Table:
    """One table's throughput, by index name ("" is the table)."""

    provisions: dict[str, Provision]
    on_demand: bool = False
    #: The other Regions of a global table.
    replicas: list[str] = field(default_factory=list)
    #: Its class; "" where it was never chosen.
    table_class: str = ""
    #: moto's description, kept until the table is changed: a call to moto is most of what a
    #: simulated minute costs.
    description: dict[str, Any] = field(default_factory=dict)

    @property
    def updating(self) -> bool:
        return any(provision.pending is not None for provision in self.provisions.values())


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
        for name, table in self.tables.items():
            if not table.on_demand:
                for index in table.provisions:
                    for dimension in Dimension:
                        yield Target(name, index, dimension)

    def complete_updates(self) -> None:
        for table in self.tables.values():
            for provision in table.provisions.values():
                provision.complete_update(self._region.now)

    # the API

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a call about throughput; None leaves a call to moto."""
        table = self.tables.get(params.get("TableName", ""))
        if table is None:
            return None
        if operation == "DescribeTable" and table.description:
            description = _copied(table.description)
            self._overlay(description)
            return {"Table": description}
        if operation == "UpdateTable" and "BillingMode" not in params:
            units = _requested_units(params)
            if units:
                return self._update(params["TableName"], table, units)
        if operation == "UpdateTable" and "TableClass" in params:
            table.table_class = params["TableClass"]
            return {"TableDescription": {"TableName": params["TableName"]}}
        table.description = {}
        return None

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
        was_on_demand, table.on_demand = table.on_demand, mode == "PAY_PER_REQUEST"
        if was_on_demand and not table.on_demand:
            table.provisions.clear()  # back from on-demand with the requested units
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
        description["WarmThroughput"] = _warm(table, "")
        if table.table_class:
            description["TableClassSummary"] = {"TableClass": table.table_class}
        if table.replicas:
            description["Replicas"] = [
                {"RegionName": name, "ReplicaStatus": "ACTIVE"} for name in table.replicas
            ]
        for index in description.get("GlobalSecondaryIndexes", []):
            provision = table.provisions[index["IndexName"]]
            index["IndexStatus"] = "ACTIVE" if provision.pending is None else "UPDATING"
            index["ProvisionedThroughput"] = self._throughput(table, index["IndexName"])
            index["WarmThroughput"] = _warm(table, index["IndexName"])

    def _throughput(self, table: Table, index: str) -> dict[str, Any]:
        throughput = table.provisions[index].throughput(self._region.now)
        factor = 0 if table.on_demand else 1
        times = {
            "LastIncreaseDateTime": throughput.last_increase_at,
            "LastDecreaseDateTime": throughput.last_decrease_at,
        }
        return {
            "NumberOfDecreasesToday": throughput.decreases_today,
            "ReadCapacityUnits": throughput.units[Dimension.READ] * factor,
            "WriteCapacityUnits": throughput.units[Dimension.WRITE] * factor,
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
        minutes = self._region.conditions.update_minutes
        self.decreases += sum(
            table.provisions[index].start_update(wanted, self._region.now, minutes)
            for index, wanted in units.items()
        )
        return {"TableDescription": {"TableName": name, "TableStatus": "UPDATING"}}


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


def _requested_units(params: Mapping[str, Any]) -> dict[str, dict[Dimension, int]]:
    """Return the units that UpdateTable requests, by index name."""
    changes = params.get("GlobalSecondaryIndexUpdates", [])
    updates = [change["Update"] for change in changes if "Update" in change]
    if "ProvisionedThroughput" in params:
        updates.insert(0, {**params, "IndexName": ""})
    return {update["IndexName"]: _units(update["ProvisionedThroughput"]) for update in updates}


def _units(throughput: Mapping[str, Any]) -> dict[Dimension, int]:
    return {
        Dimension.READ: int(throughput["ReadCapacityUnits"]),
        Dimension.WRITE: int(throughput["WriteCapacityUnits"]),
    }


def _check_state(name: str, table: Table) -> None:
    if table.updating:
        raise ServiceError(
            "ResourceInUseException",
            f"Attempt to change a resource which is still in use: Table is being updated: {name}",
        )
    if table.on_demand:
        raise ServiceError(
            "ValidationException",
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor "
            "WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )


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
