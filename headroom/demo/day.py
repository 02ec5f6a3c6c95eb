"""The demo: the real app in the embedded region on a trace of demand, and its results."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.core.table_alarms import level, name_of
from chalicelib.model import Target
from headroom.demo.shop import INDEX, SHARES, TABLE
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.simulation.clock import MINUTE
from headroom.simulation.receipt import Held

#: The first capacity of a target, as a multiple of the peak of its first hour.
START_ROOM = 1.3


@dataclass
class Timeline:
    """What happened to one target: a value for each minute."""

    target: Target
    demand: list[float] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    alarm_level: list[float | None] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)

    @property
    def throttled_requests(self) -> float:
        return sum(self.throttled) * MINUTE

    @property
    def held(self) -> Held:
        """Return the timeline in the form that is compared with others."""
        return Held(self.target, self.demand, self.units, self.throttled)


@dataclass
class DemoResult:
    """The complete outcome of a demo."""

    timelines: list[Timeline]
    decreases: int
    refused: int
    dead_letters: int
    stuck: list[str]
    calls: int

    @property
    def ended_well(self) -> bool:
        return not (self.refused or self.dead_letters or self.stuck)


def play(
    trace: Sequence[float],
    config: str,
    watch: Callable[[Region, Invocation], None],
    on_minute: Callable[[Region], None],
) -> DemoResult:
    """Run the app against the trace, minute by minute, and return the outcome."""
    timelines = [
        Timeline(Target(TABLE, index, dimension), [rate * share for rate in trace])
        for (index, dimension), share in SHARES.items()
    ]
    reads, writes, index_reads, index_writes = (
        math.ceil(max(timeline.demand[:60]) * START_ROOM) or 1 for timeline in timelines
    )
    with Region() as region:
        region.create_table(TABLE, reads, writes, {INDEX: (index_reads, index_writes)})
        region.deploy(config)
        for timeline in timelines:
            region.serve(timeline.target, timeline.demand)
        region.functions.watchers.append(lambda invocation: watch(region, invocation))
        region.on_minute.append(lambda now: record(now, timelines))
        region.on_minute.append(on_minute)
        region.run(len(trace))
        provisions = region.tables[TABLE].provisions.values()
        return DemoResult(
            timelines,
            decreases=region.dynamodb.decreases,
            refused=sum(provision.refused_updates for provision in provisions),
            dead_letters=len(region.functions.dead_letters),
            stuck=stuck_alarms(region),
            calls=len(region.calls),
        )


def record(region: Region, timelines: Sequence[Timeline]) -> None:
    """Add the values of this minute to the timelines."""
    for timeline in timelines:
        alarm = region.cloudwatch.alarms.get(name_of(timeline.target))
        timeline.units.append(region.units(timeline.target))
        timeline.throttled.append(region.served[timeline.target][1])
        timeline.alarm_level.append(level(alarm.fields) if alarm else None)


def stuck_alarms(region: Region) -> list[str]:
    """Return the alarms in ALARM whose newest value is below their threshold, or is missing."""
    return [
        name
        for name, alarm in region.cloudwatch.alarms.items()
        if alarm.state.value == "ALARM"
        and (not alarm.state.newest or alarm.state.newest[-1] < alarm.fields["Threshold"])
    ]
