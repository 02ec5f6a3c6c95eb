"""An account of any size: its tables, their demand and their alarms.

Of twenty tables, sixteen have no index, three have one and one has five. That is a mean of 2.8
targets. The configuration leaves some of the targets out, so that tables of 1, 3 and 11 managed
targets are among them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from chalicelib.config import loader
from chalicelib.config.rules import Config
from chalicelib.core import table_alarms
from chalicelib.model import Dimension, Target

ACCOUNT = "123456789012"
REGION = "us-east-1"
TOPIC = "headroom-alarms"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}"
#: Managed targets of each table in a group of twenty.
SHAPES = (
    *("two", "three", "two", "two", "one", "two", "two", "two", "two", "eleven"),
    *("two", "four", "two", "two", "two", "two", "one", "two", "three", "two"),
)
INDEXES = {"one": 0, "two": 0, "three": 1, "four": 1, "six": 2, "eleven": 5}
#: Read and write units of a table and of its indexes. The smallest are not worth a check at every
#: sweep.
UNITS = ((8, 4), (40, 20), (60, 30), (100, 50))
CONFIG = """
[[tables]]
name = "one-*"
read = {scale_up = false, scale_down = false}

[[tables]]
name = "three-*"
indexes = [{name = "index-0", read = {scale_up = false, scale_down = false}}]

[[tables]]
name = "eleven-*"
indexes = [{name = "index-0", read = {scale_up = false, scale_down = false}}]

[[tables]]
name = "*"
"""


class Load(StrEnum):
    """The kinds of load on a target."""

    STEADY = "steady"
    HOT = "hot"
    IDLE = "idle"


#: The demand, as a part of the units that the target had at first.
LEVELS = {Load.STEADY: 0.94, Load.HOT: 2.0, Load.IDLE: 0.05}
#: So long before the start hot targets became hot. Until then they were steady.
HOT_FOR = timedelta(minutes=10)
#: So long the burst bucket carries what is above the capacity (docs/policy.md).
BURST = timedelta(minutes=5)


@dataclass
class Part:
    """The table itself, or one of its indexes: what DescribeTable says of its throughput.

    changes: when other units came into effect, and which.
    """

    units: dict[Dimension, int]
    decreases_today: int = 0
    increased_at: datetime | None = None
    decreased_at: datetime | None = None
    changes: list[tuple[datetime, dict[Dimension, int]]] = field(default_factory=list)


@dataclass
class Table:
    """A table, and what an UpdateTable in progress will make of it. parts: by index, "" is the
    table itself. raised, lowered: when it first was, in virtual seconds."""

    name: str
    parts: dict[str, Part]
    active_at: datetime | None = None
    raised: float | None = None
    lowered: float | None = None
    pending: dict[str, dict[Dimension, int]] = field(default_factory=dict)

    def targets(self) -> Iterator[Target]:
        for index in self.parts:
            for dimension in Dimension:
                yield Target(self.name, index, dimension)


@dataclass(frozen=True, slots=True)
class Demand:
    """The load on a target. units: those that it had at first."""

    units: int
    load: Load

    @property
    def level(self) -> float:
        return self.units * LEVELS[self.load]


class Account:
    """The tables and alarms of one account, as AWS keeps them.

    first: the shape of the first table, if not the one of SHAPES.
    """

    def __init__(
        self, size: int, start: datetime, load: Load = Load.STEADY, first: str = SHAPES[0]
    ) -> None:
        self.start = start
        self.config: Config = loader.load(CONFIG, "the scale benchmark")
        self.tables: dict[str, Table] = dict(
            sorted(_table(i, SHAPES[i % len(SHAPES)] if i else first) for i in range(size))
        )
        self.demands = {
            target: Demand(table.parts[target.index].units[target.dimension], load)
            for table in self.tables.values()
            for target in table.targets()
        }
        self.alarms: dict[str, dict[str, object]] = {}
        self.encoded: dict[str, bytes] = {}
        self.in_alarm: set[str] = set()
        self.alarms_written: dict[str, float] = {}
        self.alarm_writes = 0

    @property
    def managed(self) -> list[Target]:
        """Return the targets that have an alarm: those that may be raised."""
        policies = ((target, self.config.policy_for(target)) for target in self.demands)
        return [target for target, policy in policies if policy and policy.scale_up]

    def make_hot(self, targets: Collection[Target]) -> None:
        """Let the demand of these targets be twice their units, from HOT_FOR before the start."""
        for target in targets:
            self.demands[target] = Demand(self.demands[target].units, Load.HOT)

    def make_alarms(self) -> None:
        """Give every managed target the alarm that Headroom makes for it."""
        for target in self.managed:
            policy = self.config.policy_for(target)
            if policy is not None:
                units = self.units(target)
                fields = table_alarms.new_fields(target, units, policy, TOPIC_ARN)
                self.put_alarm(fields)
        self.alarms_written.clear()
        self.alarm_writes = 0

    def begin_anew(self) -> None:
        """Give every target the units and the alarm that it had at first."""
        for table in self.tables.values():
            for index in table.parts:
                units = {d: self.demands[Target(table.name, index, d)].units for d in Dimension}
                table.parts[index] = Part(units)
            table.pending, table.active_at = {}, None
            table.raised = table.lowered = None
        self.make_alarms()

    def units(self, target: Target) -> int:
        return self.tables[target.table].parts[target.index].units[target.dimension]

    def put_alarm(self, fields: dict[str, object], seconds: float = 0.0) -> None:
        """Keep an alarm, and evaluate it. seconds: the virtual time."""
        name = str(fields["AlarmName"])
        self.alarms_written.setdefault(name, seconds)
        self.alarm_writes += 1
        self.alarms[name] = fields
        dimensions = {d["Name"]: d["Value"] for d in fields["Dimensions"]}  # type: ignore[attr-defined]
        is_read = "Read" in str(fields["MetricName"])
        target = Target(
            dimensions["TableName"],
            dimensions.get("GlobalSecondaryIndexName", ""),
            Dimension.READ if is_read else Dimension.WRITE,
        )
        hot = self.demands[target].level >= table_alarms.level(fields)
        (self.in_alarm.add if hot else self.in_alarm.discard)(name)
        self.encoded[name] = msgspec.json.encode(
            {
                **{key: value for key, value in fields.items() if key != "Tags"},
                "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}",
                "StateValue": "ALARM" if hot else "OK",
                "StateReason": "Threshold Crossed",
                "StateUpdatedTimestamp": self.start.timestamp(),
                "StateTransitionedTimestamp": self.start.timestamp(),
                "AlarmConfigurationUpdatedTimestamp": self.start.timestamp(),
            }
        )

    def levels(self) -> dict[str, float]:
        """Return the consumption at which each alarm fires, in units per second."""
        return {name: table_alarms.level(fields) for name, fields in self.alarms.items()}

    def delete_alarm(self, name: str) -> None:
        self.alarms.pop(name, None)
        self.encoded.pop(name, None)
        self.in_alarm.discard(name)


def _table(number: int, shape: str) -> tuple[str, Table]:
    name = f"{shape}-{number:05}"
    reads, writes = UNITS[(number + number // len(SHAPES)) % len(UNITS)]
    indexes = [f"index-{i}" for i in range(INDEXES[shape])]
    parts = {
        index: Part({Dimension.READ: reads, Dimension.WRITE: writes}) for index in ["", *indexes]
    }
    return name, Table(name, parts)


def settle(table: Table, now: datetime) -> None:
    """Let an UpdateTable that is over take effect."""
    if table.active_at is None or now < table.active_at:
        return
    for index, units in table.pending.items():
        part = table.parts[index]
        part.units = units
        part.changes.append((table.active_at, units))
    table.pending, table.active_at = {}, None
