"""The demo: the real app in the embedded region, a trace of demand, and what came of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from chalicelib.core.table_alarms import level, name_of
from chalicelib.model import Dimension, Target
from headroom.region.context import Invocation
from headroom.region.region import Region

TABLE, INDEX = "orders", "by-date"
CONFIG = '[[tables]]\nname = "orders"\n'
SHARES = {
    ("", Dimension.READ): 1.0,
    ("", Dimension.WRITE): 0.25,
    (INDEX, Dimension.READ): 0.4,
    (INDEX, Dimension.WRITE): 0.25,
}
"""What part of the trace each target sees; every write to the table is one to its index."""
START_ROOM = 1.3
"""The table begins with this much of the first hour's peak, as somebody would have set it by
hand."""


@dataclass
class Track:
    """What one target went through, a value a minute."""

    target: Target
    demand: list[float] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    alarm_level: list[float | None] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)

    @property
    def unit_hours(self) -> float:
        return sum(self.units) / 60

    @property
    def fixed_unit_hours(self) -> float:
        """Return the unit-hours of capacity fixed at the highest minute's demand."""
        return math.ceil(max(self.demand)) * len(self.demand) / 60

    @property
    def throttled_requests(self) -> float:
        return sum(self.throttled) * 60

    @property
    def throttled_ppm(self) -> float:
        total = sum(self.demand)
        return sum(self.throttled) / total * 1e6 if total else 0.0


@dataclass
class Story:
    """A demo's whole outcome."""

    tracks: list[Track]
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
    config: str = CONFIG,
    watch: Callable[[Region, Invocation], None] | None = None,
    tick: Callable[[Region], None] | None = None,
) -> Story:
    """Run the app against the trace, minute by minute, and return what came of it."""
    with Region() as region:
        tracks = [Track(target, [rate * share for rate in trace]) for target, share in _shares()]
        first = {
            (t.target.index, t.target.dimension): math.ceil(max(t.demand[:60]) * START_ROOM) or 1
            for t in tracks
        }
        region.create_table(
            TABLE,
            first["", Dimension.READ],
            first["", Dimension.WRITE],
            {INDEX: (first[INDEX, Dimension.READ], first[INDEX, Dimension.WRITE])},
        )
        region.deploy(config)
        for track in tracks:
            region.serve(track.target, track.demand)
        if watch is not None:
            region.functions.watchers.append(lambda invocation: watch(region, invocation))
        region.on_minute.append(lambda now: _record(now, tracks))
        if tick is not None:
            region.on_minute.append(tick)
        region.run(len(trace))
        return _story(region, tracks)


def _shares() -> Iterator[tuple[Target, float]]:
    for (index, dimension), share in SHARES.items():
        yield Target(TABLE, index, dimension), share


def _record(region: Region, tracks: Sequence[Track]) -> None:
    for track in tracks:
        track.units.append(region.units(track.target))
        _, throttled = region.served[track.target]
        track.throttled.append(throttled)
        alarm = region.cloudwatch.alarms.get(name_of(track.target))
        track.alarm_level.append(level(alarm.fields) if alarm else None)


def _story(region: Region, tracks: list[Track]) -> Story:
    provisions = region.tables[TABLE].provisions.values()
    return Story(
        tracks,
        decreases=region.dynamodb.decreases,
        refused=sum(provision.refused_updates for provision in provisions),
        dead_letters=len(region.functions.dead_letters),
        stuck=stuck_alarms(region),
        calls=len(region.calls),
    )


def stuck_alarms(region: Region) -> list[str]:
    """Return the alarms that are in ALARM although the load of the newest minute is below their
    level."""
    found = []
    for name, alarm in region.cloudwatch.alarms.items():
        newest = alarm.state.newest
        if alarm.state.value == "ALARM" and (not newest or newest[-1] < alarm.fields["Threshold"]):
            found.append(name)
    return found
