"""A configuration of forty tables comes over from Dynamic DynamoDB, and every second table runs a
day in the embedded region."""

import math
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass, field

import pytest

from chalicelib.model import Dimension, Target
from headroom.migrate.dynamic_dynamodb import translate
from headroom.migrate.imported import Imported
from headroom.project import ROOT
from headroom.region.context import Invocation
from headroom.region.region import Region
from tests.support.scenes import MONDAY, record_invocations, skips
from tests.support.untraced import untraced

pytestmark = pytest.mark.slow

SOURCE = (ROOT / "tests" / "data" / "dynamic-dynamodb-40.ini").read_text()
DAY = 24 * 60
#: From one sweep to the next; deployed, it is 5, and takes three times as long here. Alarms and the
#: hourly pass do the most.
SWEEPS_MINUTES = 30


def theirs() -> dict[str, dict[str, str]]:
    """Return what the file says of each table and index, named as `table` or `table/index`, by
    Python's own parser."""
    parser = RawConfigParser()
    parser.read_string(SOURCE)
    found = {}
    for header in parser.sections():
        names = [part.strip("^$") for part in header.split() if part not in ("gsi:", "table:")]
        if header.startswith(("table", "gsi")):
            found["/".join(reversed(names))] = {**parser["default_options"], **parser[header]}
    return found


THEIRS = theirs()


@dataclass
class Day:
    """What a day came to: units of each minute and all that was throttled, by target."""

    imported: Imported
    runs: list[Invocation]
    refused: int = 0
    units: dict[Target, list[int]] = field(default_factory=dict)
    throttled: dict[Target, float] = field(default_factory=dict)
    demand: dict[Target, list[float]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def day() -> Day:
    found = translate(SOURCE)
    indexes: dict[str, list[str]] = {}
    for owner in THEIRS:
        table, _, index = owner.partition("/")
        indexes.setdefault(table, []).extend([index] if index else [])
    with untraced(), Region(MONDAY) as region:
        region.client("sns").create_topic(Name="capacity")
        # Every second one takes half the time, and every kind of section is among them
        for table, names in list(indexes.items())[1::2]:
            region.create_table(table, 100, 100, dict.fromkeys(names, (100, 100)))
        region.deploy(found.toml)
        slower = [
            (SWEEPS_MINUTES if function == "sweep" else every, function)
            for every, function in region.functions._schedules
        ]
        region.functions._schedules = slower
        came = Day(found, record_invocations(region))
        demands = {target: demand(number) for number, target in enumerate(targets())}
        for target in region.targets():
            came.demand[target] = demands[target]
            region.serve(target, came.demand[target])
        region.on_minute.append(lambda region: look(region, came))
        region.run(DAY)
        assert region.functions.dead_letters == []
    return came


def targets() -> list[Target]:
    """Return the targets of all forty tables."""
    owners = [owner.partition("/") for owner in THEIRS]
    return [Target(table, index, side) for table, _, index in owners for side in Dimension]


def demand(number: int) -> list[float]:
    """Return a day's demand: for every third target a wave with its own height and hour, for the
    others an even load."""
    if number % 3:
        return [40.0] * DAY
    return [
        30
        * (1 + number % 5)
        * (1 + 0.8 * math.sin((minute - 480 + 10 * number) * 2 * math.pi / DAY))
        for minute in range(DAY)
    ]


def look(region: Region, came: Day) -> None:
    for target in region.targets():
        came.units.setdefault(target, []).append(region.units(target))
        came.throttled[target] = came.throttled.get(target, 0.0) + region.served[target][1]


def lowered(units: list[int]) -> list[int]:
    """Return the minutes at which units went down."""
    return [minute for minute in range(1, len(units)) if units[minute] < units[minute - 1]]


def options(target: Target) -> Mapping[str, str]:
    return THEIRS[target.owner]


def test_every_line_comes_over(day: Day) -> None:
    assert day.imported.is_whole
    assert len([owner for owner in THEIRS if "/" not in owner]) == 40
    assert len([owner for owner in THEIRS if "/" in owner]) == 12


def test_nothing_fails_all_day(day: Day) -> None:
    assert len([run for run in day.runs if run.function == "follow_up"]) == DAY
    assert [run.error for run in day.runs if run.error] == []
    assert [reason for run in day.runs for _, reason in skips(run) if reason != "NotInAlarm"] == []


def test_the_bounds_of_the_file_are_kept(day: Day) -> None:
    for target, units in day.units.items():
        settings = options(target)
        least, most = (
            int(settings[f"{bound}-provisioned-{target.dimension}s"]) for bound in ("min", "max")
        )
        assert least <= min(units) <= max(units) <= most, target


def test_capacity_follows_the_demand(day: Day) -> None:
    waves = [
        target
        for target, demand in day.demand.items()
        if max(demand) > 2 * min(demand) and max(demand) > 150
    ]
    for target in waves:
        assert max(day.units[target]) >= 1.4 * min(day.units[target]), target
        assert day.throttled[target] < 0.005 * sum(day.demand[target]), target
    demand, provisioned = (sum(map(sum, by.values())) for by in (day.demand, day.units))
    assert 1.2 < provisioned / demand < 2.5
    assert sum(day.throttled.values()) < 0.001 * demand


def test_decreases_keep_to_the_maintenance_windows(day: Day) -> None:
    held = [target for target in day.units if "maintenance-windows" in options(target)]
    at = [minute for target in held for minute in lowered(day.units[target])]
    assert at
    # an update takes a minute or so after the decision
    assert [minute for minute in at if 7 * 60 + 5 <= minute < 20 * 60] == []


def test_what_must_not_be_lowered_is_not(day: Day) -> None:
    kept = [
        t
        for t in day.units
        if options(t).get("enable-writes-down-scaling") == "false"
        and t.dimension is Dimension.WRITE
    ]
    assert len(kept) == 2
    assert [minute for target in kept for minute in lowered(day.units[target])] == []
