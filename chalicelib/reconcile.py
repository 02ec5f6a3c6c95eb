"""The main path for tables: observe → decide → plan → act.

Tables go in groups. The increases of a group are made before the next group is observed. Alarms
are rewritten and capacity is lowered after the last group, since CloudWatch takes few alarms a
second.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from chalicelib import fleet_count, modes
from chalicelib.act import Plan, finish, raise_capacity
from chalicelib.aws.client import batches
from chalicelib.core import plan, scaling, table_alarms
from chalicelib.core.observation import Observation
from chalicelib.core.prices import hourly_cost, hourly_saving
from chalicelib.holds import circuit_breaker
from chalicelib.model import Alarm, Decision, Direction, TableState, Target
from chalicelib.observe import (
    Observations,
    ReadAlarms,
    Snapshot,
    WhyUnread,
    observe,
    with_histories,
)
from chalicelib.run import Run

T = TypeVar("T")

#: Targets whose last days a run reads although nothing would be lowered: 25 calls, some 15 seconds.
MAX_NEW_HISTORIES = 300
#: Tables whose last days are read, and that are lowered, together: some 20 seconds.
WAITING_GROUP = 10
#: Tables whose last days a run reads in the end, where it may only raise.
MAX_UNREAD = 10
#: Tables that are observed and decided together. With two targets each, they fill one GetMetricData
#: call of 500 metrics.
GROUP = 80


def reconcile(
    run: Run,
    tables: Mapping[str, TableState],
    directions: Collection[Direction],
    read_alarms: ReadAlarms,
    why_unread: WhyUnread = lambda _: None,
    comes_first: Callable[[TableState], bool] = lambda _: False,
) -> None:
    """Observe, decide, plan and act on some tables.

    What cannot be read never stops an increase, and always stops a decrease. comes_first: which
    tables are checked before those that cost most.
    """
    known = dict[Target, Observation]()
    counts = fleet_count.count(run, [t for table in tables.values() for t in table.targets()])
    plans: list[Plan] = []
    waiting = Waiting(rest=MAX_NEW_HISTORIES if run.side_by_side == 1 else 0)
    for group in _in_time(run, batches(_ordered(run, tables, comes_first), GROUP), iter):
        snapshot = observe(run, group, directions, counts, read_alarms, why_unread)
        plans += raise_capacity(run, waiting.without(snapshot, _plan(run, snapshot)))
        known |= {t: o for t, o in snapshot.observations.items() if o.policy.mode == "cheapest"}
        run.log()
    finish(run, plans)
    modes.open_parachutes(run, known)
    run.log()
    for snapshot in _in_time(run, waiting.snapshots, lambda snapshot: snapshot.tables):
        finish(run, raise_capacity(run, _plan(run, with_histories(run, snapshot))))
        run.log()
    if waiting.unread and run.side_by_side == 1 and run.has_time(run.read_timeout):
        with_histories(run, waiting.unread)


@dataclass
class Waiting:
    """The tables that are decided on once more, when the history of their last days is read.

    The history only keeps more capacity. So tables that would be lowered without it wait for it,
    and so many others as a run may read. A worker reads no others, since another worker may have
    the tables the next time. unread: where nothing may be lowered, nothing waits; the
    history of these is read in the end, for the next run.
    """

    snapshots: list[Snapshot] = field(default_factory=list)
    rest: int = MAX_NEW_HISTORIES
    unread: Snapshot | None = None

    def without(self, snapshot: Snapshot, plans: Sequence[Plan]) -> list[Plan]:
        """Keep the tables that wait, and return the plans of the others."""
        names: set[str] = set()
        lacking = snapshot.without_history
        if Direction.DOWN not in snapshot.directions:
            self.unread = self.unread or (
                snapshot.of(sorted(lacking)[:MAX_UNREAD]) if lacking else None
            )
            return list(plans)
        for one in plans:
            if one.table in lacking and not one.increase and (one.lowers or self.rest > 0):
                names.add(one.table)
                self.rest -= len(one.decisions)
        for some in batches(sorted(names), WAITING_GROUP):
            self.snapshots.append(snapshot.of(some))
        return [one for one in plans if one.table not in names]


def _ordered(
    run: Run, tables: Mapping[str, TableState], comes_first: Callable[[TableState], bool]
) -> list[TableState]:
    """Return the tables: those that the last run did not reach, those that come first, and then
    those that cost most."""
    unreached = run.aws.unreached
    return sorted(
        tables.values(),
        key=lambda t: (t.name not in unreached, not comes_first(t), -hourly_cost(t)),
    )


def _in_time(
    run: Run, snapshots: Iterable[T], tables_of: Callable[[T], Iterable[TableState]]
) -> Iterator[T]:
    """Yield snapshots while there is time for one as slow as the slowest so far.

    The tables of the others are reported. The next run of this container begins with them.
    """
    slowest = 0.0
    for snapshot in snapshots:
        names = [table.name for table in tables_of(snapshot)]
        before = run.seconds_left()
        if run.has_time(slowest):
            run.aws.unreached.difference_update(names)
            yield snapshot
            slowest = max(slowest, before - run.seconds_left())
        else:
            for name in names:
                run.leave(name)


def _plan(run: Run, snapshot: Snapshot) -> list[Plan]:
    """Decide on each table of a snapshot, and plan what to do, what saves most first."""
    decisions = _decide_all(run, snapshot)
    alarms = _by_table(snapshot.alarms)
    plans: list[Plan] = []
    for name in sorted(decisions, key=lambda name: -sum(map(hourly_saving, decisions[name]))):
        policies = {d.target: snapshot.observations[d.target].policy for d in decisions[name]}
        actions = run.attempt(
            name, "planning", plan.for_table, name, decisions[name], alarms.get(name, []), policies
        )
        if actions is not None:
            plans.append(Plan(name, decisions[name], actions, policies))
    return plans


def _decide_all(run: Run, snapshot: Snapshot) -> dict[str, list[Decision]]:
    """Decide on each table, ask the circuit breakers of what would change, and decide again.

    A hold may make another change of the table possible. Then the breakers are called for that
    change. No request is repeated.
    """
    known, decisions = dict(snapshot.observations), dict[str, list[Decision]]()
    answered = set[circuit_breaker.Question]()
    tables = snapshot.tables if snapshot.directions else []
    while tables:
        for table in tables:
            decided = run.attempt(
                table.name, "deciding", _decide, table, known, run.now, snapshot.directions
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
    return scaling.decide_table([observations[t] for t in table.targets()], now, directions)


def _by_table(alarms: Iterable[Alarm]) -> dict[str, list[Alarm]]:
    """Return the alarms by table. A plan that searched all alarms would make 1,000 tables slow."""
    by_table: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        target = table_alarms.watched(alarm)
        if target:
            by_table.setdefault(target.table, []).append(alarm)
    return by_table
