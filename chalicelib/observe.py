"""Observe some tables: their units, metrics and alarms, and what holds them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import structs

from chalicelib import fleet_count, unthrottled
from chalicelib.aws.metrics import read_causes, read_histories, read_metrics, recent_start
from chalicelib.aws.tables import Description, descriptions
from chalicelib.aws.threads import PARALLEL
from chalicelib.core import checks, outages, scaling, table_alarms
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.demand import is_steady
from chalicelib.core.throttling import by_cause
from chalicelib.fleet_count import Counts
from chalicelib.holds.gather import collect
from chalicelib.model import (
    DOWN,
    NO_HISTORY,
    UP,
    Alarm,
    DemandHistory,
    Direction,
    Hold,
    Metrics,
    Reason,
    TableState,
    Target,
)
from chalicelib.month_costs import with_spending
from chalicelib.owners import replication
from chalicelib.run import OF_DECREASES, Run

Observations = Mapping[Target, Observation]
ReadAlarms = Callable[[Collection[Target]], Sequence[Alarm] | None]
#: Why the metrics of a target need not be read; None where they are read.
WhyUnread = Callable[[Observation], Reason | None]
#: Of so many targets of a group the causes of throttling are read in any case: one call. Of more,
#: a check that only raises reads them where the units depend on them.
MAX_EXPLAINED = 25
#: The descriptions of tables may take so many times as long as another read: half of the time that
#: is not for increases.
DESCRIBING = 2.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Some tables with what was observed of them, and the directions in which they may change."""

    tables: Sequence[TableState]
    observations: Observations
    alarms: Sequence[Alarm]
    directions: Collection[Direction]

    def of(self, names: Collection[str]) -> "Snapshot":
        """Return the same for some of the tables."""
        return replace(self, tables=[table for table in self.tables if table.name in names])

    @property
    def without_history(self) -> set[str]:
        """Return the tables whose strategy wants the history of the last days, and lacks it."""
        return {
            target.table
            for target, o in self.observations.items()
            if o.policy.strategy == "adaptive"
            and o.metrics.consumed.values
            and o.metrics.history.end is None
        }


def provisioned_tables(run: Run, names: Sequence[str]) -> dict[str, TableState]:
    """Return those of the named tables that exist and are provisioned; report the others."""
    tables = existing_tables(run, names)
    return {name: table for name, table in tables.items() if not table.on_demand}


def existing_tables(run: Run, names: Sequence[str]) -> dict[str, TableState]:
    """Return those of the named tables that exist; report the others, and those on demand.

    A table that DynamoDB does not describe in time is left to the next run.
    """
    tables: dict[str, TableState] = {}
    described = describe_in_time(run, names)
    for name in names:
        if name not in described:
            run.leave(name)
            continue
        match described[name]:
            case None:
                run.skip(name, Reason.GONE, "the table does not exist")
            case Exception() as error:
                run.fail(name, "DescribeTable", error)
            case TableState() as table:
                tables[name] = table
                if table.on_demand:
                    run.skip(name, Reason.ON_DEMAND, "the table is billed on demand")
    return tables


def describe_in_time(run: Run, names: Sequence[str]) -> dict[str, Description]:
    """Return those of the tables that DynamoDB describes in time.

    A service that describes none of the first ones is given up. One that answers has half of the
    time that is not for increases. The tables that the last run did not reach come first.
    """
    answers = descriptions(run.aws)
    ordered = sorted(names, key=lambda name: name not in run.aws.unreached)
    first, rest = ordered[:PARALLEL], ordered[PARALLEL:]
    if first:
        run.read("the tables", "DescribeTable", answers.fetch, first)
    if rest and answers.results:
        seconds = run.read_timeout * DESCRIBING
        run.read_within(seconds, "the tables", "DescribeTable", answers.fetch, rest)
    return answers.stop()


def observe(
    run: Run,
    tables: Sequence[TableState],
    directions: Collection[Direction],
    counts: Counts,
    read_alarms: ReadAlarms,
    why_unread: WhyUnread,
) -> Snapshot:
    """Return what is known of some tables. Without their alarms they may only be raised."""
    units = _units(run, tables, counts)
    observations, unread = _with_metrics(run, units, directions, why_unread)
    alarms = run.read("the alarms", "DescribeAlarms", read_alarms, observations)
    for target, at in table_alarms.alarmed_at(alarms or []).items():
        if target in unread:
            observations[target] = structs.replace(observations[target], alarmed_at=at)
    observations = collect(run, observations, alarms or [])
    observations = with_spending(run, tables, observations, directions)
    observations = outages.with_common_outage(observations, run.now)
    run.report.observations |= {
        t: o for t, o in observations.items() if o.policy.notify or run.dry_run
    }
    return Snapshot(tables, observations, alarms or [], directions if alarms is not None else UP)


def with_histories(run: Run, snapshot: Snapshot) -> Snapshot:
    """Read the history of the last days, for the tables that lack it.

    What still lacks it may only be raised.
    """
    unknown = Hold(Reason.HISTORY_UNKNOWN, "the metrics of its last days cannot be read", DOWN)
    names = {table.name for table in snapshot.tables}
    observations = {t: o for t, o in snapshot.observations.items() if t.table in names}
    complete = replace(snapshot, observations=_add_histories(run, observations, also_new=True))
    held = {
        t: structs.replace(o, holds=(*o.holds, unknown))
        if t.table in complete.without_history
        else o
        for t, o in complete.observations.items()
    }
    return replace(complete, observations=held)


def with_units(run: Run, table: TableState) -> Iterator[Observation]:
    """Yield what DescribeTable alone tells of a table's targets."""
    for target in table.targets():
        throughput = table.throughputs[target.index]
        units = throughput.units[target.dimension]
        hold = replication(run, table, target)
        holds = (hold,) if hold else ()
        yield Observation(target, units, throughput, run.policy(target), holds=holds)


def _units(run: Run, tables: Iterable[TableState], counts: Counts) -> dict[Target, Observation]:
    return {
        observation.target: fleet_count.follow(run.config.fleets, counts, observation)
        for table in tables
        for observation in with_units(run, table)
    }


def _with_metrics(
    run: Run,
    observations: Observations,
    directions: Collection[Direction],
    why_unread: WhyUnread,
) -> tuple[dict[Target, Observation], set[Target]]:
    """Read the metrics in bulk, of the tables with a target that needs them.

    While a table is updating, nothing follows from its metrics. The history of the last days is
    added where this container keeps it. Returns all observations, and the targets whose metrics
    cannot be read.
    """
    why = {target: why_unread(o) for target, o in observations.items()}
    # the targets of a table are lowered together, so the metrics of all are read if one needs them
    names = {t.table for t, o in observations.items() if o.throughput.active and why[t] is None}
    wanted = {target: o for target, o in observations.items() if target.table in names}
    rest = {t: _left_unread(o, why[t]) for t, o in observations.items() if t not in wanted}
    if not wanted:
        return rest, set()
    without = unthrottled.omitted(run, wanted)
    metrics = run.read("the metrics", "GetMetricData", _read_metrics, run, wanted, without)
    if metrics is None:
        return rest | wanted, set(wanted)
    known = {target: o.with_metrics(metrics[target]) for target, o in wanted.items()}
    known, found = unthrottled.complete(run, known, without, directions)
    metrics |= {t: structs.replace(metrics[t], throttled=series) for t, series in found.items()}
    known |= {target: known[target].with_metrics(metrics[target]) for target in found}
    unthrottled.keep(run, {t: m for t, m in metrics.items() if t not in without or t in found})
    known |= _with_causes(run, known, metrics, directions)
    return rest | _add_histories(run, known, also_new=False), set()


def _left_unread(observation: Observation, why: Reason | None) -> Observation:
    """Return the observation of a target whose metrics are not read, with the reason for it.

    A target that is not worth a read has no reason of its own: its metrics are missing.
    """
    return (
        observation if why in (None, Reason.NO_DATA) else structs.replace(observation, unread=why)
    )


def _read_metrics(
    run: Run, observations: Observations, without_throttled: Collection[Target]
) -> dict[Target, Metrics]:
    """Read the last hours of some targets, without the throttled requests of some of them.

    The metric of the provisioned units is read only where DescribeTable's dates do not tell what
    the units were, and this container has not read it since their last change.
    """
    since, kept = recent_start(run.now), run.aws.units_before
    before = {
        t: kept[t].series.since(since)
        for t, o in observations.items()
        if t in kept and kept[t].fits(o.throughput, since)
    }
    steady = {target for target, o in observations.items() if _has_held(o, since)}
    metrics = read_metrics(
        run.aws, observations, run.now, steady | before.keys(), without_throttled
    )
    for target, observation in observations.items():
        changed_at, found = observation.throughput.last_change_at, metrics[target].provisioned
        if target not in before and changed_at and found.values:
            kept[target] = checks.UnitsBefore(changed_at, found)
    return metrics | {
        t: structs.replace(metrics[t], provisioned=series) for t, series in before.items()
    }


def _with_causes(
    run: Run,
    observations: Observations,
    metrics: Mapping[Target, Metrics],
    directions: Collection[Direction],
) -> Observations:
    """Return the observations of the targets with throttled requests, divided by cause.

    What is not read, or not answered, counts as throttled for want of units.
    """
    unexplained = {
        target: observations[target].with_metrics(by_cause(m, {}))
        for target, m in metrics.items()
        if any(m.throttled.known())
    }
    if not unexplained:
        return {}
    wanted = set(unexplained)
    if Direction.DOWN not in directions and len(wanted) > MAX_EXPLAINED:
        wanted = {t for t, o in unexplained.items() if scaling.would_raise(o, run.now)}
        wanted |= set(sorted(unexplained.keys() - wanted)[: max(0, MAX_EXPLAINED - len(wanted))])
        count = len(unexplained) - len(wanted)
        targets = "1 target, which gets" if count == 1 else f"{count} targets, which get"
        why = f"not read for {targets} no more units whatever the cause"
        run.skip("the causes of throttling", Reason.NO_TIME_LEFT, why)
    causes = run.read(
        "the causes of throttling",
        "GetMetricData",
        read_causes,
        run.aws,
        {target: metrics[target] for target in unexplained if target in wanted},
        run.now,
        {t for t, o in observations.items() if not o.policy.throttled_request_units},
    )
    return unexplained | {
        target: observations[target].with_metrics(m) for target, m in (causes or {}).items()
    }


def _has_held(observation: Observation, since: datetime) -> bool:
    try:
        return is_steady(observation.throughput, since)
    except TypeError:  # a date without a zone, which the decision on this table reports
        return False


def _add_histories(
    run: Run, observations: Observations, also_new: bool
) -> dict[Target, Observation]:
    """Return the observations with the history of the last days, where the strategy looks at it."""
    adaptive = [t for t, o in observations.items() if o.policy.strategy == "adaptive"]
    days: Mapping[Target, DemandHistory] = {}
    if adaptive:
        seconds = run.read_timeout * (OF_DECREASES if also_new and run.side_by_side > 1 else 1)
        read = run.read_within(
            seconds,
            "the history",
            "GetMetricData",
            read_histories,
            run.aws,
            adaptive,
            run.now,
            also_new,
        )
        days = read or {}
    return {
        t: structs.replace(o, metrics=structs.replace(o.metrics, history=days.get(t, NO_HISTORY)))
        for t, o in observations.items()
    }
