"""A trace through the backtest, and through the real app in the embedded region: both end in the
same capacity, or a backtest would prove nothing about what is deployed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from chalicelib.config import loader
from chalicelib.core import table_alarms
from chalicelib.core.price_list import request_hours
from chalicelib.metrics import CONSUMED, NAMESPACE
from chalicelib.model import Target
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.replay import Replay
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.scenes import metric_dimensions

#: Two hours before the UTC day, and with it the decrease quota, begins anew.
EVENING = datetime(2026, 11, 2, 22, tzinfo=UTC)
Demand = Mapping[Target, Sequence[float]]
#: Five-minute means of the time before the start, oldest first.
Past = Mapping[Target, Sequence[float | None]]


@dataclass
class RegionRun:
    """What the embedded region went through, by target and minute."""

    units: dict[Target, list[int]] = field(default_factory=dict)
    throttled: dict[Target, list[float]] = field(default_factory=dict)
    thresholds: dict[Target, float] = field(default_factory=dict)
    refused: int = 0
    dead_letters: int = 0


def first_units(demand: Demand) -> dict[Target, int]:
    """Return what the table begins with: a third more than the first minute, and one unit where
    nothing comes."""
    return {
        target: max(1, round(demand.get(target, [0.0])[0] * 1.3))
        for target in (READS, WRITES, INDEX_READS, INDEX_WRITES)
    }


def in_region(
    demand: Demand,
    text: str,
    conditions: Conditions,
    start: datetime,
    hot_keys: Demand = MappingProxyType({}),
    past: Past = MappingProxyType({}),
) -> RegionRun:
    """Play the demand against the deployed app."""
    first, run = first_units(demand), RegionRun({t: [] for t in demand}, {t: [] for t in demand})
    index = (
        {"by-date": (first[INDEX_READS], first[INDEX_WRITES])} if INDEX_READS in demand else None
    )
    with Region(start, conditions) as region:
        region.create_table("orders", first[READS], first[WRITES], index)
        for target, means in past.items():
            _publish(region, target, means)
        region.deploy(text)
        for target, rates in demand.items():
            region.serve(target, rates, hot_keys.get(target, ()))
        region.on_minute.append(lambda now: _note(now, run))
        region.run(len(demand[READS]))
        alarms = region.cloudwatch.alarms
        run.thresholds = {  # a table on demand has no alarm
            target: alarms[name].fields["Threshold"]
            for target in demand
            if (name := table_alarms.name_of(target)) in alarms
        }
        run.refused = sum(
            provision.refused_updates for provision in region.tables["orders"].provisions.values()
        )
        run.dead_letters = len(region.functions.dead_letters)
    return run


def _publish(region: Region, target: Target, means: Sequence[float | None]) -> None:
    """Publish five-minute means of the time before the region's start."""
    named, name = metric_dimensions(target), CONSUMED[target.dimension]
    for minute, mean in zip(range(-5 * len(means), 0, 5), means, strict=True):
        if mean is not None:
            region.cloudwatch.publish(NAMESPACE, name, named, minute, mean * 300)


def _note(region: Region, run: RegionRun) -> None:
    is_on_demand = region.tables["orders"].mode.serves_on_demand
    for target, units in run.units.items():
        units.append(0 if is_on_demand else region.units(target))
        run.throttled[target].append(region.served[target][1])


def in_backtest(
    demand: Demand,
    text: str,
    conditions: Conditions,
    start: datetime,
    hot_keys: Demand = MappingProxyType({}),
    past: Past = MappingProxyType({}),
) -> dict[Target, Outcome]:
    """Replay the demand against the same configuration, without AWS."""
    config = loader.load(text)
    policies = {target: policy for target in demand if (policy := config.policy_for(target))}
    return Replay(
        demand,
        policies,
        first_units(demand),
        conditions,
        start,
        hot_keys,
        request_hours=request_hours("us-east-1", "STANDARD", config.money),
        past=past,
    ).run()


def assert_equal(
    demand: Demand,
    text: str,
    conditions: Conditions,
    start: datetime,
    least_changes: int,
    throttles: bool,
    hot_keys: Demand = MappingProxyType({}),
    past: Past = MappingProxyType({}),
) -> None:
    """Hold both side by side; the trace must have made them do something."""
    changes, throttled = compare(demand, text, conditions, start, hot_keys, past)
    assert changes >= least_changes
    assert throttled == throttles


def compare(
    demand: Demand,
    text: str,
    conditions: Conditions,
    start: datetime,
    hot_keys: Demand = MappingProxyType({}),
    past: Past = MappingProxyType({}),
) -> tuple[int, bool]:
    """Hold both side by side; return how many changes they made, and whether any request was
    throttled."""
    run, outcomes = (
        in_region(demand, text, conditions, start, hot_keys, past),
        in_backtest(demand, text, conditions, start, hot_keys, past),
    )
    for target, outcome in outcomes.items():
        found = differences(run.units[target], outcome.units, start)
        assert not found, f"{target}: {len(found)} minutes, from {found[0]}"
        assert run.throttled[target] == outcome.throttled, target
    assert (run.refused, run.dead_letters) == (0, 0)
    changes = sum(outcome.changes for outcome in outcomes.values())
    return changes, any(any(throttled) for throttled in run.throttled.values())


def differences(region: Sequence[int], backtest: Sequence[int], start: datetime) -> list[str]:
    """Return every minute in which the two differ, in words."""
    return [
        f"{start + timedelta(minutes=minute):%H:%M}: {there} units in the region, {here} in the "
        "backtest"
        for minute, (there, here) in enumerate(zip(region, backtest, strict=True))
        if there != here
    ]
