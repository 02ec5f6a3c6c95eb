"""An embedded region: moto, plus what moto lacks, so that the real app runs through real boto3
calls in simulated time.

moto keeps tables, topics and identities. The region answers for what moto gets wrong or leaves out:
the throughput rules of UpdateTable and DescribeTable, all of CloudWatch's metrics and alarms, the
delivery of alarm messages and schedules. It hooks into botocore's events, so every call still goes
through a boto3 client and its parameter validation.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import boto3
import time_machine

from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED, THROTTLED
from chalicelib.model import Dimension, Target
from headroom.region.application_autoscaling import ApplicationAutoScaling
from headroom.region.autoscaling_groups import Groups
from headroom.region.cloudwatch import CloudWatch, ServiceError
from headroom.region.http import Web
from headroom.region.lambda_functions import Functions, environment_of
from headroom.region.sessions import answered_by, empty_moto
from headroom.simulation.clock import MINUTE, START
from headroom.simulation.dynamodb_rules import (
    Conditions,
    Meter,
    Provision,
    QuotaExceededError,
)


@dataclass(frozen=True)
class Call:
    """One API call that was made."""

    service: str
    operation: str
    params: Mapping[str, Any]
    at: datetime


@dataclass
class Fault:
    """Answer an operation with an error, from the `after`-th call on, `times` times."""

    operation: str
    code: str
    times: int = 1
    after: int = 0
    matches: Callable[[Mapping[str, Any]], bool] = lambda _: True

    def strikes(self, call: Call) -> bool:
        if call.operation != self.operation or not self.matches(call.params) or self.times <= 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Table:
    """One table's throughput, by index name ("" is the table)."""

    provisions: dict[str, Provision]
    on_demand: bool = False
    said: dict[str, Any] = field(default_factory=dict)
    """What moto says of it, kept until somebody changes it: asking moto is most of what a simulated
    minute costs."""

    @property
    def updating(self) -> bool:
        return any(provision.pending is not None for provision in self.provisions.values())


class Region:
    """A region with a clock. Use it as a context manager; `deploy` the app, then `run` minutes.

    Demand is set by `serve(target, rates)`: units per second, a value a minute from the region's
    start on.
    """

    def __init__(
        self, start: datetime = START, conditions: Conditions | None = None, name: str = "us-east-1"
    ) -> None:
        self.start, self.now, self.name = start, start, name
        self.conditions = conditions or Conditions()
        self.tables: dict[str, Table] = {}
        self.demand: dict[Target, Sequence[float]] = {}
        self.served: dict[Target, tuple[float, float]] = {}
        self.decreases = 0
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.answers: dict[
            tuple[str, str], Callable[[Mapping[str, Any]], dict[str, Any] | None]
        ] = {}
        """What a scene lets a service's operation say instead of moto; None leaves it to moto."""
        self.on_minute: list[Callable[[Region], None]] = []
        self.cloudwatch = CloudWatch(self)
        self.autoscaling = ApplicationAutoScaling(self)
        self.groups = Groups(self)
        self.functions = Functions(self)
        self.web = Web(self)
        self._stack = contextlib.ExitStack()

    # life

    def __enter__(self) -> Region:
        environment = {
            "AWS_DEFAULT_REGION": self.name,
            "AWS_REGION": self.name,
            # a local AWS of the operator's is not this one
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            "AWS_PROFILE": None,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        self._stack.enter_context(environment_of(environment))
        self._stack.enter_context(empty_moto())
        self._clock = self._stack.enter_context(time_machine.travel(self.now, tick=False))
        self._stack.enter_context(answered_by(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def client(self, service: str) -> Any:
        return boto3.client(service)

    def deploy(
        self,
        config: str,
        topic: str = "headroom-alarms",
        environment: Mapping[str, str] | None = None,
    ) -> ModuleType:
        """Import the app as Lambda would, with this configuration, and wire its events. Returns the
        module."""
        return self._stack.enter_context(
            self.functions.deployed(config, {"ALARM_TOPIC": topic, **(environment or {})})
        )

    # tables

    def create_table(
        self,
        name: str,
        read: int = 5,
        write: int = 5,
        indexes: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """Make a table with a string key, and its indexes as name → (read, write) units."""
        keys = ["pk", *(f"key-{index}" for index in indexes or {})]
        extra: dict[str, Any] = {}
        if indexes:
            extra["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": [{"AttributeName": f"key-{index}", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                    "ProvisionedThroughput": {"ReadCapacityUnits": r, "WriteCapacityUnits": w},
                }
                for index, (r, w) in indexes.items()
            ]
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": write},
            **extra,
        )

    def serve(self, target: Target, rates: Sequence[float]) -> None:
        """Let a target see this demand, a value a minute from the region's start on; zero where
        none is given."""
        self.demand[target] = rates

    def units(self, target: Target) -> int:
        """Return the units that hold now."""
        return self.meter(target).units

    def meter(self, target: Target) -> Meter:
        return self.tables[target.table].provisions[target.index].meters[target.dimension]

    def targets(self) -> Iterator[Target]:
        for name, table in self.tables.items():
            if not table.on_demand:
                for index in table.provisions:
                    for dimension in Dimension:
                        yield Target(name, index, dimension)

    # time

    @property
    def minute(self) -> int:
        """Return the whole minutes since the region's start."""
        return self.minute_of(self.now)

    def minute_of(self, at: datetime) -> int:
        """Return the whole minutes from the region's start to a time."""
        return int((at - self.start).total_seconds()) // MINUTE

    def run(self, minutes: int) -> None:
        """Let time pass: updates settle, metrics appear, alarms are judged, functions run, demand
        is served."""
        for _ in range(minutes):
            self._settle()
            self.cloudwatch.evaluate()
            self.functions.run_due()
            self._serve_minute()
            for watcher in self.on_minute:
                watcher(self)
            self.travel(self.now + timedelta(minutes=1))

    def travel(self, to: datetime) -> None:
        """Move the clock, and nothing else."""
        self.now = to
        self._clock.move_to(to, tick=False)

    def _settle(self) -> None:
        for table in self.tables.values():
            for provision in table.provisions.values():
                provision.complete_update(self.now)
        self.groups.settle()

    def _serve_minute(self) -> None:
        for target in self.targets():
            rates = self.demand.get(target, ())
            demand = rates[self.minute] if self.minute < len(rates) else 0.0
            consumed, throttled = self.served[target] = self.meter(target).serve(demand)
            named, side = _named(target), target.dimension
            publish = self.cloudwatch.publish
            publish(NAMESPACE, CONSUMED[side], named, self.minute, consumed * MINUTE)
            publish(NAMESPACE, PROVISIONED[side], named, self.minute, self.meter(target).units)
            if throttled:
                publish(NAMESPACE, THROTTLED[side], named, self.minute, throttled * MINUTE)
        self.groups.publish()

    # what the region answers instead of moto, or after it

    def before_call(
        self, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Record a call, and return the region's own response, if any."""
        call = Call(service, operation, params, self.now)
        self.calls.append(call)
        try:
            for fault in self.faults:
                if fault.strikes(call):
                    raise ServiceError(fault.code, f"{fault.code} (injected)")
            response = self._answer(call)
        except ServiceError as error:
            return {
                "Error": {"Code": error.code, "Message": error.message},
                "ResponseMetadata": {"HTTPStatusCode": error.status},
            }
        if response is None:
            return None
        return {**response, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def after_call(
        self, service: str, operation: str, params: Mapping[str, Any], response: dict[str, Any]
    ) -> None:
        """Correct moto's response."""
        if service == "dynamodb":
            self._after_dynamodb(operation, params, response)
        elif operation == "DescribeInstanceStatus":
            self.groups.overlay(response)

    def _answer(self, call: Call) -> dict[str, Any] | None:
        said = self.answers.get((call.service, call.operation), lambda _: None)(call.params)
        if said is not None:
            return said
        services = {
            "application-autoscaling": self.autoscaling.answer,
            "autoscaling": self.groups.answer,
            "cloudwatch": self.cloudwatch.answer,
            "ec2": self.groups.answer,
        }
        if call.service in services:
            return services[call.service](call.operation, call.params)
        table = (
            self.tables.get(call.params.get("TableName", ""))
            if call.service == "dynamodb"
            else None
        )
        if table is not None and call.operation == "DescribeTable" and table.said:
            said = copy.deepcopy(table.said)
            self._overlay(said)
            return {"Table": said}
        if call.operation == "UpdateTable":
            answer = self._update_table(call.params)
            if answer is not None:
                return answer
        if table is not None:
            table.said = {}
        return None

    def _after_dynamodb(
        self, operation: str, params: Mapping[str, Any], response: dict[str, Any]
    ) -> None:
        if operation == "DeleteTable":
            self.tables.pop(params["TableName"], None)
            return
        said = response.get("Table") or response.get("TableDescription")
        if said and "ProvisionedThroughput" in said:
            self._adopt(said)
            if operation == "DescribeTable":
                self.tables[said["TableName"]].said = copy.deepcopy(said)
            self._overlay(said)

    def _adopt(self, said: Mapping[str, Any]) -> None:
        """Take over a table, or the part of it that is new, from moto."""
        table = self.tables.setdefault(said["TableName"], Table({}))
        was_on_demand = table.on_demand
        table.on_demand = said.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
        if was_on_demand and not table.on_demand:
            table.provisions.clear()  # back from on-demand with the units that were asked for
        parts = {
            "": said,
            **{index["IndexName"]: index for index in said.get("GlobalSecondaryIndexes", [])},
        }
        for gone in table.provisions.keys() - parts.keys():
            del table.provisions[gone]
        for name, part in parts.items():
            if name not in table.provisions:
                units = part["ProvisionedThroughput"]
                table.provisions[name] = Provision(
                    {
                        Dimension.READ: Meter(
                            int(units["ReadCapacityUnits"]), self.conditions.burst_seconds
                        ),
                        Dimension.WRITE: Meter(
                            int(units["WriteCapacityUnits"]), self.conditions.burst_seconds
                        ),
                    }
                )

    def _overlay(self, said: dict[str, Any]) -> None:
        table = self.tables[said["TableName"]]
        said["TableStatus"] = "UPDATING" if table.updating else "ACTIVE"
        said["ProvisionedThroughput"] = self._description(table, "")
        for index in said.get("GlobalSecondaryIndexes", []):
            provision = table.provisions[index["IndexName"]]
            index["IndexStatus"] = "ACTIVE" if provision.pending is None else "UPDATING"
            index["ProvisionedThroughput"] = self._description(table, index["IndexName"])

    def _description(self, table: Table, index: str) -> dict[str, Any]:
        seen = table.provisions[index].throughput(self.now)
        on = 0 if table.on_demand else 1
        times = {
            "LastIncreaseDateTime": seen.last_increase_at,
            "LastDecreaseDateTime": seen.last_decrease_at,
        }
        return {
            "NumberOfDecreasesToday": seen.decreases_today,
            "ReadCapacityUnits": seen.units[Dimension.READ] * on,
            "WriteCapacityUnits": seen.units[Dimension.WRITE] * on,
            **{key: at for key, at in times.items() if at is not None},
        }

    def _update_table(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Apply DynamoDB's rules to a throughput change; anything else is moto's."""
        wanted = _wanted(params)
        table = self.tables.get(params["TableName"])
        if not wanted or table is None or "BillingMode" in params:
            return None
        if table.updating:
            message = f"Attempt to change a resource which is still in use: Table is being updated: {params['TableName']}"
            raise ServiceError("ResourceInUseException", message)
        if table.on_demand:
            message = "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
            raise ServiceError(
                "ValidationException", f"One or more parameter values were invalid: {message}"
            )
        for index, units in wanted.items():
            _check_units(table, index, units)
        try:
            for index, units in wanted.items():
                table.provisions[index].check_quota(units, self.now)
        except QuotaExceededError as error:
            raise ServiceError("LimitExceededException", str(error)) from None
        for index, units in wanted.items():
            self.decreases += table.provisions[index].start_update(
                units, self.now, self.conditions.update_minutes
            )
        return {"TableDescription": {"TableName": params["TableName"], "TableStatus": "UPDATING"}}


def _wanted(params: Mapping[str, Any]) -> dict[str, dict[Dimension, int]]:
    parts = {"": params["ProvisionedThroughput"]} if "ProvisionedThroughput" in params else {}
    for change in params.get("GlobalSecondaryIndexUpdates", []):
        if "Update" in change:
            parts[change["Update"]["IndexName"]] = change["Update"]["ProvisionedThroughput"]
    return {
        index: {
            Dimension.READ: int(part["ReadCapacityUnits"]),
            Dimension.WRITE: int(part["WriteCapacityUnits"]),
        }
        for index, part in parts.items()
    }


def _check_units(table: Table, index: str, units: Mapping[Dimension, int]) -> None:
    provision = table.provisions.get(index)
    if provision is None:
        message = f"The table does not have the specified index: {index}"
        raise ServiceError("ResourceNotFoundException", message)
    now = {dimension: meter.units for dimension, meter in provision.meters.items()}
    if now == dict(units):
        message = "The provisioned throughput for the table will not change. The requested value equals the current value."
        raise ServiceError("ValidationException", message)


def _named(target: Target) -> dict[str, str]:
    named = {"TableName": target.table}
    return named | ({"GlobalSecondaryIndexName": target.index} if target.index else {})
