"""The main path for tables: observe → decide → plan → act.

Tables are checked in groups, those with the highest cost first: if the time runs out, the most
valuable ones are done.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib import fleet_count
from chalicelib.aws.alarms import rewrite_alarm
from chalicelib.aws.client import batches
from chalicelib.aws.metrics import read_metrics
from chalicelib.aws.tables import ChangedMeanwhile, Refused, describe_tables, set_capacity
from chalicelib.core import plan, scaling, table_alarms
from chalicelib.core.observation import Observation
from chalicelib.core.prices import hourly_cost, hourly_saving
from chalicelib.fleet_count import Counts
from chalicelib.holds import circuit_breaker
from chalicelib.holds.gather import collect
from chalicelib.model import (
    UP,
    Alarm,
    Decision,
    Direction,
    Metrics,
    Reason,
    SetCapacity,
    TableAction,
    TableState,
    Target,
)
from chalicelib.run import Run

#: Tables that are observed, decided and acted on together. With two targets each, they fill one
#: GetMetricData call of 500 metrics.
GROUP = 80

Observations = Mapping[Target, Observation]
ReadAlarms = Callable[[Collection[Target]], Sequence[Alarm]]
NeedsMetrics = Callable[[Observation], bool]


def reconcile(
    run: Run,
    names: Sequence[str],
    directions: Collection[Direction],
    read_alarms: ReadAlarms,
    needs_metrics: NeedsMetrics = lambda _: True,
) -> dict[str, TableState]:
    """Observe, decide, plan and act on some tables; return those that exist and are provisioned.

    Without metrics nothing is known, and without the alarms none can be lowered first. So what
    cannot be read never stops an increase, and always stops a decrease.
    """
    tables = _provisioned_tables(run, names)
    ordered = sorted(tables.values(), key=lambda table: -hourly_cost(table))
    counts = fleet_count.count(run, [t for table in ordered for t in table.targets()])
    for group in batches(ordered, GROUP):
        if not run.has_time():
            for table in group:
                run.skip_for_time(table.name)
            continue
        observations = _observe(run, group, counts, needs_metrics)
        alarms = run.attempt("the alarms", "DescribeAlarms", read_alarms, observations)
        allowed = directions if alarms is not None else UP & frozenset(directions)
        observations = collect(run, observations, alarms or [])
        run.report.observations |= {t: o for t, o in observations.items() if o.policy.notify}
        _decide_and_act(run, group, observations, alarms or [], allowed)
    return tables


def _decide_and_act(
    run: Run,
    tables: Sequence[TableState],
    observations: Observations,
    alarms: Sequence[Alarm],
    directions: Collection[Direction],
) -> None:
    """Decide on each table of a group, and act, the biggest saving first."""
    decisions = _decide_all(run, tables if directions else [], observations, directions)
    alarms_of = _by_table(alarms)
    for name in sorted(decisions, key=lambda name: -sum(map(hourly_saving, decisions[name]))):
        if not run.has_time():
            run.skip_for_time(name)
            continue
        policies = {d.target: observations[d.target].policy for d in decisions[name]}
        alarms_of_table = alarms_of.get(name, [])
        actions = run.attempt(
            name, "planning", plan.for_table, name, decisions[name], alarms_of_table, policies
        )
        if actions is None:
            continue
        run.report.planned += actions
        outcome = decisions[name] if run.dry_run else _act(run, name, decisions[name], actions)
        run.report.decisions += outcome


def _provisioned_tables(run: Run, names: Sequence[str]) -> dict[str, TableState]:
    tables: dict[str, TableState] = {}
    for name, table in describe_tables(run.aws, names).items():
        match table:
            case None:
                run.skip(name, Reason.GONE, "the table does not exist")
            case Exception():
                run.fail(name, "DescribeTable", table)
            case TableState(on_demand=True):
                run.skip(name, Reason.ON_DEMAND, "the table is billed on demand")
            case TableState():
                tables[name] = table
    return tables


def _observe(
    run: Run, tables: Iterable[TableState], counts: Counts, needs_metrics: NeedsMetrics
) -> dict[Target, Observation]:
    """Read the metrics in bulk, of the tables with a target that needs them."""
    observations: dict[Target, Observation] = {}
    for table in tables:
        for target in table.targets():
            throughput = table.throughputs[target.index]
            units = throughput.units[target.dimension]
            observation = Observation(target, units, throughput, run.policy(target))
            observations[target] = fleet_count.follow(run.config.fleets, counts, observation)
    # the targets of a table are lowered together, so the metrics of all are read if one needs them
    read_tables = {t.table for t, o in observations.items() if needs_metrics(o)}
    targets = [t for t in observations if t.table in read_tables]
    if not targets:
        return observations
    adaptive = [t for t in targets if observations[t].policy.strategy == "adaptive"]
    metrics = run.attempt(
        "the metrics", "GetMetricData", read_metrics, run.aws, targets, run.now, adaptive
    )
    return {
        t: replace(o, metrics=(metrics or {}).get(t, Metrics())) for t, o in observations.items()
    }


def _decide_all(
    run: Run,
    tables: Sequence[TableState],
    observations: Observations,
    directions: Collection[Direction],
) -> dict[str, list[Decision]]:
    """Decide on each table, call the circuit breakers of what would change, and decide again.

    A hold may make another change of the table possible. Then the breakers are called for that
    change. No request is repeated.
    """
    known, decisions = dict(observations), dict[str, list[Decision]]()
    answered = set[circuit_breaker.Question]()
    while tables:
        for table in tables:
            decided = run.attempt(
                table.name, "deciding", _decide, table, known, run.now, directions
            )
            decisions.pop(table.name, None)
            if decided is not None:
                decisions[table.name] = decided
        changes = [d for of_table in decisions.values() for d in of_table if d.changes]
        questions = circuit_breaker.questions(known[d.target] for d in changes) - answered
        held = circuit_breaker.holds(run, known, questions)
        answered |= questions
        known |= held
        tables = [table for table in tables if held.keys() & set(table.targets())]
    return decisions


def _decide(
    table: TableState, observations: Observations, now: datetime, directions: Collection[Direction]
) -> list[Decision]:
    decisions = [scaling.decide(observations[t], now, directions) for t in table.targets()]
    return scaling.coordinate_dimensions(decisions)


def _by_table(alarms: Iterable[Alarm]) -> dict[str, list[Alarm]]:
    """Return the alarms by table. A plan that searched all alarms would make 1,000 tables slow."""
    by_table: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        target = table_alarms.watched(alarm)
        if target:
            by_table.setdefault(target.table, []).append(alarm)
    return by_table


def _act(
    run: Run, table: str, decisions: list[Decision], actions: Sequence[TableAction]
) -> list[Decision]:
    """Do one table's actions in order, and return the decisions with their results.

    The first action that fails ends them. A later check does the rest.
    """
    for action in actions:
        try:
            if isinstance(action, SetCapacity):
                set_capacity(run.aws, action)
            else:
                rewrite_alarm(run.aws, action)
        except Refused as refusal:
            changed = isinstance(refusal, ChangedMeanwhile)
            reason = Reason.CHANGED_MEANWHILE if changed else Reason.REFUSED
            run.skip(table, reason, str(refusal))
            return _taken_back(decisions, reason)
        # one table must not stop the others; the failure is raised at the end
        except Exception as error:  # noqa: BLE001
            run.fail(table, type(action).__name__, error)
            return _taken_back(decisions, Reason.FAILED)
        run.report.done.append(action)
    return decisions


def _taken_back(decisions: Iterable[Decision], reason: Reason) -> list[Decision]:
    return [scaling.unchanged(d, reason) if d.changes and not d.dry_run else d for d in decisions]
