"""A history: some hours of a few tables, and everything that goes wrong in them.

A history is plain data, so that Hypothesis can shorten one that breaks a law, and a reader can play
it again.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

from chalicelib.model import Dimension, Target
from headroom.simulation.clock import START
from headroom.simulation.dynamodb_rules import Conditions

#: The end of a history is quiet: nothing goes wrong in it, and everything must become right.
QUIET_MINUTES = 60
INDEX = "by-date"
MAX_UNITS, MIN_UNITS = 3_000, 2
TABLES = ("alpha", "beta", "gamma", "delta", "epsilon")
#: Minutes in which what went wrong is made right, once nothing is wrong any more.
RECOVERY = 25
#: A table that the configuration does not name, and an alarm of somebody else on it.
UNMANAGED = "foreign"
FUNCTIONS = ("follow_up", "sweep", "scale_down")


KINDS = ("steady", "step up", "step down", "burst", "wave", "office", "job", "idle")


@dataclass(frozen=True)
class Load:
    """The demand of one target. level: units per second. at: the minute of what happens."""

    kind: str
    level: int
    at: int

    def rates(self, minutes: int, rng: random.Random) -> list[float]:
        """Return the demand of each minute, in units per second."""
        return [self._rate(minute) * rng.lognormvariate(0, 0.05) for minute in range(minutes)]

    def _rate(self, minute: int) -> float:
        since = minute - self.at
        match self.kind:
            case "step up":
                return self.level * (4.0 if since >= 0 else 1.0)
            case "step down":
                return self.level * (0.2 if since >= 0 else 1.0)
            case "burst":
                return self.level * (5.0 if 0 <= since < 12 else 1.0)
            case "wave":
                return self.level * (1.2 + math.sin(since / 40))
            case "office":
                return self.level * (1.0 if 0 <= since < 300 else 0.0)
            case "job":
                return self.level * (5.0 if 0 <= since < 45 else 0.0)
            case "idle":
                return 0.0
        return float(self.level)


@dataclass(frozen=True)
class Table:
    """One table: its loads are those of its reads and writes, then of its index's."""

    name: str
    loads: tuple[Load, ...]

    @property
    def targets(self) -> list[Target]:
        indexes = ("", INDEX)[: len(self.loads) // 2]
        return [Target(self.name, index, side) for index in indexes for side in Dimension]


@dataclass(frozen=True)
class Event:
    """Something that happens at a minute. It lasts `minutes`, where it lasts."""

    at: int


@dataclass(frozen=True)
class Failing(Event):
    """A share of the calls fails, of one operation or of all, of one table or of all, before or
    after their effect."""

    minutes: int
    operation: str
    percent: int
    code: str
    has_effect: bool
    table: str


@dataclass(frozen=True)
class NoMetrics(Event):
    """CloudWatch shows no new datapoint; or each answer has half of its metrics only."""

    minutes: int
    in_part: bool


@dataclass(frozen=True)
class Killed(Event):
    """A function ends at a call of an operation, after `call` others; perhaps its container is
    lost too."""

    operation: str
    call: int
    is_cold: bool


@dataclass(frozen=True)
class Between(Event):
    """Before a call of an operation, after `call` others, another function runs from beginning to
    end."""

    operation: str
    call: int
    function: str


@dataclass(frozen=True)
class Messages(Event):
    """The messages of alarms are doubled, dropped, or so many minutes late."""

    minutes: int
    how: str
    late: int


@dataclass(frozen=True)
class ClockOff(Event):
    """The function's clock is off by so many seconds."""

    minutes: int
    seconds: int


@dataclass(frozen=True)
class TableChange(Event):
    """Somebody deletes a table, makes it anew, switches it to on demand and back, or sets its
    reads."""

    table: str
    how: str
    units: int


@dataclass(frozen=True)
class AlarmChange(Event):
    """Somebody deletes a table's read alarm, bends its threshold, or takes its actions away."""

    table: str
    how: str


@dataclass(frozen=True)
class History:
    """seed: of the noise in the load, and of the choice of calls that fail. past: what the first
    table's past weeks were like, if its mode is the cheapest; else ""."""

    seed: int
    hour: int
    hours: int
    strategy: str
    past: str
    workers: int
    conditions: Conditions
    tables: tuple[Table, ...]
    events: tuple[Event, ...]

    @property
    def start(self) -> datetime:
        return START + timedelta(hours=self.hour)

    @property
    def minutes(self) -> int:
        return self.hours * 60 + QUIET_MINUTES

    @property
    def table_hours(self) -> float:
        return self.minutes * len(self.tables) / 60

    @property
    def config(self) -> str:
        """Return the configuration, as TOML."""
        fan_out = f"[fan_out]\nworkers = {self.workers}\nabove_tables = 1\n"
        defaults = (
            f'[defaults]\nstrategy = "{self.strategy}"\n'
            f"min_units = {MIN_UNITS}\nmax_units = {MAX_UNITS}\n"
        )
        modes = {TABLES[0]: 'mode = "cheapest"\n'} if self.past else {}
        rules = "".join(f'[[tables]]\nname = "{name}"\n{modes.get(name, "")}' for name in TABLES)
        return defaults + (fan_out if self.workers else "") + rules

    def past_rate(self, at: datetime) -> float:
        """Return the units per second that came in five minutes of the past weeks."""
        is_quiet = self.past == "calm later" and (at.hour - self.hour - 3) % 24 < 12
        if is_quiet:
            return 50.0
        return 200.0 if at.minute // 5 == 11 else 2.0

    def lines(self) -> Iterator[str]:
        """Yield the history in words, to read and to play again."""
        yield f"start {self.start:%a %H:%M}, {self.minutes} minutes, seed {self.seed}"
        past = f"{TABLES[0]} was {self.past}, and has the cheapest mode" if self.past else "no past"
        yield f"{self.strategy}, workers {self.workers}, {self.conditions}, {past}"
        for table in self.tables:
            loads = ", ".join(f"{load.kind} {load.level} at {load.at}" for load in table.loads)
            yield f"table {table.name}: {loads}"
        for event in sorted(self.events, key=lambda event: event.at):
            yield f"{self.start + timedelta(minutes=event.at):%H:%M} {event}"


# how Hypothesis draws one

CODES = (
    "ThrottlingException",
    "InternalServerError",
    "AccessDeniedException",
    "LimitExceededException",
)
_minutes = st.integers(1, 40)
_calls = st.integers(0, 3)
#: "" is any operation. Most is at stake at those that change something.
_operations = st.sampled_from(
    ("UpdateTable", "PutMetricAlarm", "", "DescribeTable", "DescribeAlarms", "GetMetricData")
)


def _events(last: int, names: tuple[str, ...]) -> st.SearchStrategy[Event]:
    tables = st.sampled_from(names)
    at = st.integers(0, last)
    failing = st.builds(
        Failing,
        at,
        _minutes,
        operation=_operations,
        percent=st.sampled_from((10, 30, 100)),
        code=st.sampled_from(CODES),
        has_effect=st.booleans(),
        table=st.just("") | tables,
    )
    killed = st.builds(Killed, at, _operations, _calls, st.booleans())
    between = st.builds(Between, at, _operations, _calls, st.sampled_from(FUNCTIONS))
    return st.one_of(
        *(failing, killed, between) * 2,  # most is at stake in these
        st.builds(NoMetrics, at, _minutes, st.booleans()),
        st.builds(
            Messages, at, _minutes, st.sampled_from(("doubled", "dropped", "late")), _minutes
        ),
        st.builds(ClockOff, at, _minutes, st.integers(-120, 120)),
        st.builds(
            TableChange,
            at,
            tables,
            st.sampled_from(("deleted", "made anew", "switched", "by hand")),
            st.integers(MIN_UNITS, 500),
        ),
        st.builds(
            AlarmChange,
            at,
            tables,
            st.sampled_from(("deleted", "bent", "disabled", "emptied")),
        ),
    )


@st.composite
def histories(draw: st.DrawFn, max_hours: int = 3, max_tables: int = 3) -> History:
    """Draw a history of 1 to `max_hours` hours before its quiet end, with up to twelve events, or
    two for each hour."""
    hours = draw(st.integers(1, max_hours))
    loads = st.builds(
        Load,
        st.sampled_from(KINDS),
        st.integers(1, 300),
        st.integers(0, hours * 60),
    )
    number = draw(st.integers(1, max_tables))
    tables = tuple(
        Table(name, tuple(draw(loads) for _ in range(4 if name == TABLES[0] else 2)))
        for name in TABLES[:number]
    )
    return History(
        seed=draw(st.integers(0, 9_999)),
        hour=draw(st.integers(12, 24)),
        hours=hours,
        strategy=draw(st.sampled_from(("adaptive", "percent"))),
        past=draw(st.sampled_from(("", "", "spiky", "calm later"))),
        workers=draw(st.sampled_from((0, 2))),
        conditions=draw(
            st.builds(
                Conditions,
                burst_seconds=st.sampled_from((300, 150)),
                metric_delay_minutes=st.integers(1, 3),
                update_minutes=st.integers(1, 3),
            )
        ),
        tables=tables,
        events=tuple(
            draw(st.lists(_events(hours * 60 - 1, TABLES[:number]), max_size=max(12, 2 * hours)))
        ),
    )
