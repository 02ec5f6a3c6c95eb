"""Scenes in the embedded region: the table `orders` with its index, the real app, a past, a
message, and what came of it."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ConnectTimeoutError

from chalicelib.aws.client import Aws
from chalicelib.config import loader as configuration
from chalicelib.core import table_alarms
from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED, THROTTLED, Cause, throttled_by
from chalicelib.model import Dimension, Target
from chalicelib.run import Run
from headroom.region.context import Call, Fault, Invocation
from headroom.region.events import scheduled_event, sns_event
from headroom.region.lambda_functions import SerialThreads
from headroom.region.region import Region
from headroom.simulation.clock import MINUTE, START
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, TOPIC, WRITES

MONDAY = START
HOT = {dimension: throttled_by(Cause.KEY_RANGE, dimension) for dimension in Dimension}
MIDDAY = MONDAY.replace(hour=12)
TARGETS = (READS, WRITES, INDEX_READS, INDEX_WRITES)
#: Longer than any update takes.
AFTER_ANY_UPDATE = timedelta(hours=1)
#: The operations that change something; the policy allows the app no others but SetAlarmState,
#: which it must never need.
WRITING = frozenset({"UpdateTable", "PutMetricAlarm", "DeleteAlarms", "SetAlarmState"})


def rules(*tables: str, **defaults: Any) -> str:
    """Return a configuration: these defaults besides the strategy `percent`, and the tables
    (`orders*` where none is named)."""
    lines = [
        "[defaults]",
        *(
            f"{key} = {json.dumps(value)}"
            for key, value in {"strategy": "percent", **defaults}.items()
        ),
    ]
    for name in tables or ("orders*",):
        lines += ["[[tables]]", f"name = {json.dumps(name)}"]
    return "\n".join(lines)


@contextmanager
def orders(
    config: str | None = None, start: datetime = MIDDAY, conditions: Conditions | None = None
) -> Iterator[Region]:
    """A region with `orders` (100/100 units) and its index `by-date` (20/20), the app, and its
    alarms made."""
    with Region(start, conditions) as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.deploy(config or rules())
        invoke(region, "sweep")
        region.calls.clear()
        yield region


# time and load


def wait(region: Region, **time: float) -> None:
    """Let time pass without functions and without load; complete the updates that are due."""
    region.travel(region.now + timedelta(**time))
    _complete_updates(region, region.now)


def _complete_updates(region: Region, at: datetime) -> None:
    for table in region.tables.values():
        table.complete_updates(at)


Loads = Mapping[Target, float | Sequence[float | None]]


def pass_minutes(
    region: Region,
    minutes: int,
    consumed: Loads | None = None,
    throttled: Loads | None = None,
    hot: Loads | None = None,
) -> None:
    """Let minutes pass with these loads in the metrics.

    A load is steady, or a list with a value a minute, where None is a gap. Targets without one
    have a load of zero. throttled: without a cause. hot: throttled on a hot key.
    """
    idle = dict.fromkeys(region.targets(), 0.0)
    _publish(region, CONSUMED, minutes, idle | dict(consumed or {}))
    _publish(region, THROTTLED, minutes, throttled or {})
    _publish(region, THROTTLED, minutes, hot or {})
    _publish(region, HOT, minutes, hot or {})
    wait(region, minutes=minutes)


def metric_dimensions(target: Target) -> dict[str, str]:
    """Return the dimensions under which DynamoDB publishes a target's metrics.

    They are written out here, so that a mistake of the engine's own function shows in a test.
    """
    index = {"GlobalSecondaryIndexName": target.index} if target.index else {}
    return {"TableName": target.table, **index}


def _publish(region: Region, names: Mapping[Any, str], minutes: int, loads: Loads) -> None:
    for target, load in loads.items():
        rates = load if isinstance(load, Sequence) else [load] * minutes
        named = metric_dimensions(target)
        for minute, rate in enumerate(rates, region.minute):
            if rate is not None:
                region.cloudwatch.publish(
                    NAMESPACE, names[target.dimension], named, minute, rate * MINUTE
                )


def past_units(region: Region, days: int = 10) -> None:
    """Publish the present units as those of the last days, a datapoint an hour."""
    for target in region.targets():
        units, named = region.units(target), metric_dimensions(target)
        for hour in range(24 * days):
            minute = region.minute - MINUTE * (hour + 1) - region.minute % MINUTE
            region.cloudwatch.publish(
                NAMESPACE, PROVISIONED[target.dimension], named, minute, units
            )


def set_units(region: Region, table: str, read: int, write: int) -> None:
    """Set a table's units as an operator does, effective at once."""
    units = {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    region.client("dynamodb").update_table(TableName=table, ProvisionedThroughput=units)
    _complete_updates(region, region.now + AFTER_ANY_UPDATE)


def set_index_units(region: Region, read: int, write: int) -> None:
    """Set the units of the index `by-date`, effective at once."""
    units = {"ReadCapacityUnits": read, "WriteCapacityUnits": write}
    update = {"Update": {"IndexName": "by-date", "ProvisionedThroughput": units}}
    region.client("dynamodb").update_table(TableName="orders", GlobalSecondaryIndexUpdates=[update])
    _complete_updates(region, region.now + AFTER_ANY_UPDATE)


def use_free_decreases(region: Region, table: str = "orders") -> None:
    """Use the day's four free decreases of a table; its units end as they were."""
    now = {
        dimension: meter.units
        for dimension, meter in region.tables[table].provisions[""].meters.items()
    }
    read, write = now.values()
    set_units(region, table, read + 4, write)
    for more in (3, 2, 1, 0):
        set_units(region, table, read + more, write)
    region.calls.clear()


# events


def invoke(region: Region, function: str) -> Invocation:
    """Invoke a function as its schedule does."""
    return region.functions.invoke(function, scheduled_event(region, function))


@dataclass
class Countdown:
    """The time of a run: what it waits for is taken from it."""

    left: float

    def __call__(self) -> float:
        return self.left

    def wait(self, seconds: float) -> None:
        self.left -= seconds


def new_run(
    region: Region, config: str | None = None, time: Countdown | None = None, **parts: Any
) -> Run:
    """Return what a handler works with, to call it directly, with adapters of its own."""
    time = time or Countdown(math.inf)
    aws = Aws("headroom-alarms", sleep=time.wait, threads=SerialThreads(region))
    parts = {"seconds_left": time, **parts}
    return Run(aws, configuration.load(config or rules()), region.now, **parts)


def alarm_message(
    region: Region, target: Target = READS, name: str | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the message of the target's alarm (or of the alarm `name`) going to ALARM now, with
    some members changed."""
    stored = region.cloudwatch.alarms[name or table_alarms.name_of(target)]
    return region.cloudwatch.message(stored, "OK") | {"NewStateValue": "ALARM"} | changes


def send(region: Region, message: Mapping[str, Any] | str, topic: str = TOPIC) -> Invocation:
    """Hand a message to on_alarm as SNS does."""
    text = message if isinstance(message, str) else json.dumps(message)
    return region.functions.invoke("on_alarm", sns_event(topic, text, "ALARM", region.now))


def slow(region: Region, seconds: float) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return an answer that never comes: the clock goes on until botocore gives up."""

    def answer(_: Mapping[str, Any]) -> dict[str, Any]:
        region.travel(region.now + timedelta(seconds=seconds))
        raise ConnectTimeoutError(endpoint_url="https://example")

    return answer


def record_invocations(region: Region) -> list[Invocation]:
    """Return the list to which every invocation from now on is added."""
    invocations: list[Invocation] = []
    region.functions.watchers.append(invocations.append)
    return invocations


def autoscale(region: Region, resource: str = "table/orders", part: str = "table") -> None:
    """Let Application Auto Scaling manage the reads of a table, or of an index."""
    region.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId=resource,
        ScalableDimension=f"dynamodb:{part}:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=1000,
    )
    region.calls.clear()


# faults


@dataclass
class FaultAt(Fault):
    """Answer the call number `after` (from 0), whatever it is, with an error."""

    operation: str = "any"
    code: str = "ThrottlingException"

    def applies_to(self, call: Call) -> bool:
        self.operation = call.operation
        return super().applies_to(call)


def of_table(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a matcher of calls that are about a table, or about one of its own alarms."""
    ours = (f"headroom-{name}:", f"headroom-{name}/")
    return lambda params: (
        params.get("TableName") == name or str(params.get("AlarmName", "")).startswith(ours)
    )


# outcomes


def log_lines(invocation: Invocation, kind: str) -> list[dict[str, Any]]:
    """Return the structured log lines of a kind: decision, skip, action or failure."""
    return [line for line in invocation.logs if line.get("kind") == kind]


def decisions(invocation: Invocation) -> dict[Target, dict[str, Any]]:
    """Return the decision lines by target."""
    return {
        Target(line["table"], line["index"], line["dimension"]): line
        for line in log_lines(invocation, "decision")
    }


def invoke_after(
    region: Region, function: str, minutes: int, consumed: Loads | None = None
) -> Invocation:
    """Let minutes pass with these loads, and invoke a function."""
    pass_minutes(region, minutes, consumed)
    return invoke(region, function)


def woken(region: Region, function: str) -> Invocation:
    """Put the alarm on the reads into ALARM, and invoke a function; on_alarm gets its message."""
    region.cloudwatch.alarms["headroom-orders:read"].state.value = "ALARM"
    return (
        send(region, alarm_message(region)) if function == "on_alarm" else invoke(region, function)
    )


def woken_after(
    region: Region, function: str, minutes: int, consumed: Loads | None = None
) -> Invocation:
    """Let minutes pass with these loads, and wake a function by the alarm on the reads."""
    pass_minutes(region, minutes, consumed)
    return woken(region, function)


def reasons(invocation: Invocation) -> dict[str, str]:
    """Return each target's reason code."""
    return {str(target): line["reason"] for target, line in decisions(invocation).items()}


def skips(invocation: Invocation) -> list[tuple[str, str]]:
    """Return subject and reason code of what was passed over."""
    return [(line["subject"], line["reason"]) for line in log_lines(invocation, "skip")]


def actions(invocation: Invocation) -> list[str]:
    """Return the names of the actions that were done, in order."""
    return [line["action"] for line in log_lines(invocation, "action")]


def failures(invocation: Invocation) -> list[str]:
    """Return the sentences of the failures that the handler raised together."""
    error = invocation.error
    return (
        [str(failure) for failure in error.exceptions] if isinstance(error, ExceptionGroup) else []
    )


def operations(region: Region) -> list[str]:
    """Return the operations that were called, in order."""
    return [call.operation for call in region.calls]


def writes(region: Region) -> list[str]:
    """Return the operations that changed something, or tried to, in order."""
    return [operation for operation in operations(region) if operation in WRITING]


def requests(region: Region, operation: str) -> list[dict[str, Any]]:
    """Return the parameters of every call of an operation."""
    return [dict(call.params) for call in region.calls if call.operation == operation]


def units(region: Region) -> dict[str, int]:
    """Return the units that hold, or are on their way, by target."""
    found = {}
    for target in region.targets():
        provision = region.tables[target.table].provisions[target.index]
        found[str(target)] = (provision.pending or provision.throughput(region.now).units)[
            target.dimension
        ]
    return found


def thresholds(region: Region) -> dict[str, float]:
    """Return the thresholds of all alarms by name."""
    return {
        name: alarm.fields["Threshold"] for name, alarm in sorted(region.cloudwatch.alarms.items())
    }
