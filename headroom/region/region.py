"""An embedded region: moto, plus what moto lacks, so that the real app runs through real boto3
calls in simulated time.

moto keeps tables, topics and identities. The region answers for what moto gets wrong or leaves out:
the throughput rules of UpdateTable and DescribeTable, all of CloudWatch's metrics and alarms, the
delivery of alarm messages and schedules. It hooks into botocore's events, so every call still goes
through a boto3 client and its parameter validation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Any

import boto3
import time_machine

from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.metrics import (
    CONSUMED,
    EC2,
    NAMESPACE,
    PROVISIONED,
    THROTTLED,
    Cause,
    throttled_by,
)
from chalicelib.model import Dimension, Target
from headroom.region import moto_store
from headroom.region.application_autoscaling import ApplicationAutoScaling
from headroom.region.autoscaling_groups import Groups
from headroom.region.cloudwatch import CloudWatch
from headroom.region.context import Call, Fault, Invocation, ServiceError, environment_of
from headroom.region.contributor_insights import ContributorInsights
from headroom.region.dynamodb import DynamoDB
from headroom.region.http import Http
from headroom.region.lambda_functions import Functions
from headroom.region.logs import Logs
from headroom.region.sessions import answered_by, empty_moto
from headroom.simulation.clock import MINUTE, START
from headroom.simulation.dynamodb_rules import Conditions, Meter, Served, serve

#: What is called after every invocation in every region of this process; `Functions.watchers` are
#: those of one region.
OBSERVERS: list[Callable[[Region, Invocation], None]] = []


class Region:
    """A region with a clock. Use it as a context manager; `deploy` the app, then `run` minutes.

    Demand is set by `serve(target, rates)`: units per second, a value a minute from the region's
    start on.
    """

    def __init__(
        self, start: datetime = START, conditions: Conditions | None = None, name: str = "us-east-1"
    ) -> None:
        self.start, self.now, self.name = start, start, name
        #: The whole minutes since the region's start.
        self.minute = 0
        #: How far the functions' clock is off the region's.
        self.clock_off = timedelta()
        self.conditions = conditions or Conditions()
        self.demand: dict[Target, Sequence[float]] = {}
        self.hot_keys: dict[Target, Sequence[float]] = {}
        self.request_units: dict[Target, float] = {}
        self.served: dict[Target, tuple[float, float]] = {}
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        #: What a scene lets a service's operation say instead of moto; None leaves it to moto.
        self.answers: dict[
            tuple[str, str], Callable[[Mapping[str, Any]], dict[str, Any] | None]
        ] = {}
        self.on_minute: list[Callable[[Region], None]] = []
        self.http = Http(self)
        self.dynamodb = DynamoDB(self)
        self.tables, self.targets = self.dynamodb.tables, self.dynamodb.targets
        self.functions = Functions(
            self, self.http, [partial(observer, self) for observer in OBSERVERS]
        )
        self.logs = Logs(self)
        self.functions.watchers.append(self.logs.keep)
        self.groups = Groups(self)
        self.cloudwatch = CloudWatch(
            self,
            deliver=self.functions.deliver,
            recover=self.groups.recover,
            run_function=self.functions.run_for_alarm,
        )
        self.functions.watchers.append(self.cloudwatch.embed)
        self.insights = ContributorInsights(self, self.dynamodb, self.cloudwatch)
        self.autoscaling = ApplicationAutoScaling(
            self,
            has_table=self.dynamodb.has,
            put_alarm=lambda fields: self.cloudwatch.answer("PutMetricAlarm", fields),
            delete_alarms=self.cloudwatch.delete,
            consumption=self._consumption,
            units_of=self.units,
        )
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
            "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
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
        topic: str = DEFAULT_TOPIC,
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
        made = moto_store.create_table(self.name, name, (read, write), indexes or {})
        self.dynamodb.correct("CreateTable", {}, made)

    def serve(
        self,
        target: Target,
        rates: Sequence[float],
        hot_key: Sequence[float] = (),
        request_units: float = 1.0,
    ) -> None:
        """Let a target see this demand, a value a minute from the region's start on; zero where
        none is given.

        hot_key: requests a second that come besides, for one key beyond what its partition serves.
        All of them are throttled, whatever the units. request_units: the units of each request.
        """
        self.request_units[target] = request_units
        self.demand[target], self.hot_keys[target] = rates, hot_key

    def units(self, target: Target) -> int:
        return self.meter(target).units

    def meter(self, target: Target) -> Meter:
        return self.tables[target.table].provisions[target.index].meters[target.dimension]

    def _consumption(self, target: Target, minutes: int) -> list[float]:
        """Return the consumed units a second of so many of the newest minutes that can be read."""
        end = max(0, self.minute - self.conditions.delay_at(self.minute))
        named = _named(target)
        points = self.cloudwatch.points(NAMESPACE, CONSUMED[target.dimension], named)
        numbers = range(max(0, end - minutes), end)
        return [points.get(number, 0.0) / MINUTE for number in numbers]

    # time

    def minute_of(self, at: datetime) -> int:
        return int((at - self.start).total_seconds()) // MINUTE

    def run(self, minutes: int) -> None:
        """Let time pass: updates complete, metrics appear, alarms are evaluated, functions run,
        demand is served."""
        for _ in range(minutes):
            self.dynamodb.complete_updates()
            self.groups.advance()
            self.cloudwatch.evaluate()
            self.functions.run_due()
            self.autoscaling.scale()
            self._serve_minute()
            for watcher in self.on_minute:
                watcher(self)
            self.travel(self.now + timedelta(minutes=1))

    def travel(self, to: datetime) -> None:
        """Move the clock, and nothing else."""
        self.now, self.minute = to, self.minute_of(to)
        self._clock.move_to(to + self.clock_off, tick=False)

    def _serve_minute(self) -> None:
        publish = self.cloudwatch.publish
        provisioned = self.dynamodb.serving(on_demand=False)
        served = self._serve({t: _at(self.demand.get(t, ()), self.minute) for t in provisioned})
        self._serve_on_demand()
        for target, (consumed, throttled, lost) in served.items():
            self.served[target] = consumed, lost
            hot = _at(self.hot_keys.get(target, ()), self.minute)
            hot = hot or self.conditions.hot_key_requests
            named, side = _named(target), target.dimension
            each, total = self.request_units.get(target, 1.0), consumed * MINUTE
            publish(NAMESPACE, CONSUMED[side], named, self.minute, total, total / each)
            publish(NAMESPACE, PROVISIONED[side], named, self.minute, self.meter(target).units)
            causes = {Cause.PROVISIONED: throttled / each, Cause.KEY_RANGE: hot}
            for cause, rate in causes.items():
                names = [THROTTLED[side]]
                names += [throttled_by(cause, side)] if self.conditions.shows_causes else []
                for name in names if rate else ():
                    publish(NAMESPACE, name, named, self.minute, rate * MINUTE)
        for metric, named, value in self.groups.metrics():
            publish(EC2, metric, named, self.minute, value)

    def _serve_on_demand(self) -> None:
        """Serve a minute of the tables on demand: everything, up to a target's ceiling."""
        publish = self.cloudwatch.publish
        for target in self.dynamodb.serving(on_demand=True):
            demand = _at(self.demand.get(target, ()), self.minute)
            consumed = min(demand, self.tables[target.table].ceiling(target))
            self.served[target] = consumed, demand - consumed
            named, side = _named(target), target.dimension
            publish(NAMESPACE, CONSUMED[side], named, self.minute, consumed * MINUTE)
            names = THROTTLED[side], throttled_by(Cause.MAX_ON_DEMAND, side)
            for name in names if consumed < demand else ():
                publish(NAMESPACE, name, named, self.minute, (demand - consumed) * MINUTE)

    def _serve(self, demand: Mapping[Target, float]) -> dict[Target, Served]:
        """Serve a minute: each target's reads alone, the writes of a table with those of its
        indexes."""
        together: dict[object, list[Target]] = {}
        for target in demand:
            is_written = target.dimension is Dimension.WRITE
            together.setdefault(target.table if is_written else target, []).append(target)
        served: dict[Target, Served] = {}
        for targets in together.values():
            parts = [(self.meter(target), demand[target]) for target in targets]
            served |= zip(targets, serve(parts), strict=True)
        return served

    # what the region answers instead of moto, or after it

    def before_call(
        self, service: str, operation: str, params: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Record a call, and return the region's own response, if any."""
        call = Call(service, operation, params, self.now)
        self.calls.append(call)
        try:
            self._strike(call, has_effect=False)
            response = self._answer(call)
        except ServiceError as error:
            return _error_response(error)
        ok = {"ResponseMetadata": {"HTTPStatusCode": 200}}
        return None if response is None else {**response, **ok}

    def after_call(
        self, service: str, operation: str, params: Mapping[str, Any], response: dict[str, Any]
    ) -> None:
        if service == "dynamodb":
            self.dynamodb.correct(operation, params, response)
        elif operation == "DescribeInstanceStatus":
            self.groups.overlay(response)
        try:
            self._strike(Call(service, operation, params, self.now), has_effect=True)
        except ServiceError as error:
            response.clear()
            response.update(_error_response(error))

    def _strike(self, call: Call, has_effect: bool) -> None:
        """Raise ServiceError if a fault applies to a call, before or after its effect."""
        for fault in self.faults:
            if fault.has_effect == has_effect and fault.applies_to(call):
                raise ServiceError(fault.code, f"{fault.code} (injected)")

    def _answer(self, call: Call) -> dict[str, Any] | None:
        replacement = self.answers.get((call.service, call.operation))
        response = replacement(call.params) if replacement else None
        services = {
            "application-autoscaling": self.autoscaling.answer,
            "autoscaling": self.groups.answer,
            "cloudwatch": self.cloudwatch.answer,
            "dynamodb": self.dynamodb.answer,
            "ec2": self.groups.answer,
            "logs": self.logs.answer,
            "sqs": self.functions.queues.answer,
        }
        if response is None and "Insight" in call.operation:
            response = self.insights.answer(call.operation, call.params)
        if response is None and call.service in services:
            response = services[call.service](call.operation, call.params)
        if response is None:
            response = moto_store.answer(self.name, call.service, call.operation, call.params)
        return response


def _error_response(error: ServiceError) -> dict[str, Any]:
    return {
        "Error": {"Code": error.code, "Message": error.message},
        "ResponseMetadata": {"HTTPStatusCode": error.status},
    }


def _at(rates: Sequence[float], minute: int) -> float:
    return rates[minute] if minute < len(rates) else 0.0


def _named(target: Target) -> dict[str, str]:
    named = {"TableName": target.table}
    return named | ({"GlobalSecondaryIndexName": target.index} if target.index else {})
