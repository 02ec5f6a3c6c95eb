"""Observe → decide → plan → act, once an event, with one `now`. An event only wakes; the facts
decide.

Every handler is the same `look` at some tables, with other tables and other directions:

    on_alarm    the alarm's table                        up
    follow_up   the tables of the alarms in ALARM now,   up
                and those that follow a fleet
    scale_down  every managed table                      down
    sweep       every managed table                      both, and the alarms themselves
    on_fleet    the tables that follow a fleet           up
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import assert_never

from chalicelib import alarm_upkeep, fleet_count
from chalicelib.aws.client import Aws, ChangedMeanwhile, Refused
from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.core import plan, scaling, table_alarms
from chalicelib.core.observation import Observation
from chalicelib.core.prices import hourly_cost, hourly_saving, is_worth_a_look
from chalicelib.events import AlarmEvent, Event, InstanceEvent
from chalicelib.fleet_count import Counts
from chalicelib.healing import reconcile
from chalicelib.holds import circuit_breaker, gather
from chalicelib.model import (
    BOTH,
    UP,
    Alarm,
    Decision,
    Direction,
    Metrics,
    Reason,
    RewriteAlarm,
    SetCapacity,
    Skip,
    TableAction,
    TableState,
    Target,
)
from chalicelib.notify import Swept, notify
from chalicelib.run import Failure, Report, Shell, attempt

GROUP = 80
"""Tables that are read, decided and acted on together: as many as fill a GetMetricData call of 500,
with two targets each."""


def on_alarm(shell: Shell, event: Event, now: datetime) -> Report:
    """Look at the table, or at the sick instance, of an alarm that went to ALARM."""
    if isinstance(event, InstanceEvent):
        return reconcile.on_event(shell, event, now)
    report = Report()
    refusal = event if isinstance(event, Skip) else _refusal(shell, event)
    if isinstance(event, Skip) or refusal:
        report.skips += [refusal] if refusal else []
    else:
        _look(
            shell,
            report,
            [event.target.table],
            UP,
            now,
            partial(_named_or_ours, shell, {event.alarm_name}, report),
        )
    return notify(shell, report, now)


def follow_up(shell: Shell, now: datetime) -> Report:
    """Look at the tables, and sick instances, whose alarms on our topic are in ALARM now, as if
    their messages had just come.

    An SNS action fires on the transition only; so an alarm that stays in ALARM, or whose message
    was lost, is found here. So is an instance whose event came while its table was updating: of a
    burst, most do. That takes no metrics.
    """
    report = Report()
    found = attempt(
        report,
        "the alarms in ALARM",
        "DescribeAlarms",
        lambda: shell.aws.alarms_on_topic("ALARM"),
    )
    burning = [alarm for alarm in found or [] if not alarm.is_silenced]
    hot = {alarm.name: table_alarms.watched(alarm) for alarm in burning}
    tables = {
        target.table for target in hot.values() if target and shell.config.manages(target.table)
    }
    names = tables | set(_followers(shell, report))
    if names:
        watching = partial(_named_or_ours, shell, set(hot), None)
        _look(
            shell,
            report,
            sorted(names),
            UP,
            now,
            watching,
            lambda seen, _: seen.target.table in tables,
        )
    attempt(
        report,
        "the sick instances",
        "looking at them",
        lambda: reconcile.follow(shell, report, burning, now),
    )
    return notify(shell, report, now)


def scale_down(shell: Shell, now: datetime) -> Report:
    """Lower what may be lowered, over all managed tables, the biggest saving first.

    It looks in both directions: a table in which something must be raised is raised, since a
    decrease would keep that waiting.
    """
    report = Report()
    managed = [name for name in shell.aws.table_names() if shell.config.manages(name)]
    free = _without_autoscaled(shell, report, managed)
    watching = (
        attempt(report, "the alarms on the topic", "DescribeAlarms", shell.aws.alarms_on_topic)
        if free
        else None
    )
    if free and watching is not None:
        _look(shell, report, free, BOTH, now, lambda _: watching)
    return notify(shell, report, now)


def sweep(shell: Shell, now: datetime, alone: bool = False, with_alarms: bool = True) -> Report:
    """Put everything right that no event tells of: alarms to make, mend and remove, minimums,
    decreases that were left.

    alone: nobody else looks, no alarm's event and no hourly pass, so that the metrics of every
    table are read. with_alarms: False lets alarms be: none is read, made, mended or removed, and a
    decrease waits for none.
    """
    report = Report()
    existing = shell.aws.table_names()
    managed = [name for name in existing if shell.config.manages(name)]
    watching = (
        attempt(report, "the alarms on the topic", "DescribeAlarms", shell.aws.alarms_on_topic)
        if with_alarms
        else []
    )
    free = _without_autoscaled(shell, report, managed)
    names = managed if free is None else free
    directions = UP if free is None or watching is None else BOTH
    wants_metrics = None if alone else is_worth_a_look
    tables = (
        _look(shell, report, names, directions, now, lambda _: watching or [], wants_metrics)
        if names
        else {}
    )
    if with_alarms and watching is not None:
        _tend(
            shell,
            report,
            watching,
            set(existing) - (set(managed) - set(names)),
            tables,
            free is not None,
        )
        attempt(
            report,
            "the Auto Scaling groups",
            "looking at them",
            partial(reconcile.sweep, shell, report, watching, now),
        )
    return notify(
        shell, report, now, Swept(watching, set(managed)) if watching is not None else None
    )


def on_fleet(shell: Shell, now: datetime) -> Report:
    """Look at the tables that follow a fleet, since an instance came or went: what it calls for is
    raised at once.

    Events come in bursts, one an instance, so no metrics are read: what there is to lower is left
    to the sweep.
    """
    report = Report()
    names = _followers(shell, report)
    if names:
        _look(
            shell,
            report,
            names,
            UP,
            now,
            partial(_named_or_ours, shell, set(), None),
            lambda *_: False,
        )
    return notify(shell, report, now)


def look_at(shell: Shell, table: str, now: datetime) -> Report:
    """Look at one table in both directions, as an operator who asks what would happen."""
    report = Report()
    if shell.config.manages(table):
        _look(shell, report, [table], BOTH, now, partial(_named_or_ours, shell, set(), None))
    else:
        report.skips.append(
            Skip(table, Reason.NOT_MANAGED, f"no rule in the configuration names table {table}")
        )
    return report


def _refusal(shell: Shell, event: AlarmEvent) -> Skip | None:
    """Return why an event's table is none of ours, if it is not."""
    if not shell.config.manages(event.target.table):
        return Skip(
            event.alarm_name,
            Reason.NOT_MANAGED,
            f"no rule in the configuration names table {event.target.table}",
        )
    return shell.foreign(event.alarm_name, event.region, event.account)


def _followers(shell: Shell, report: Report) -> list[str]:
    """Return the managed tables that follow a fleet; where it cannot be known who else manages
    them, all: it is to raise them."""
    fleets = shell.config.fleets
    existing = (
        attempt(report, "the tables", "ListTables", shell.aws.table_names) or [] if fleets else []
    )
    names = [
        n
        for n in existing
        if shell.config.manages(n) and any(fleet.concerns_table(n) for fleet in fleets)
    ]
    free = _without_autoscaled(shell, report, names)
    return names if free is None else free


def _without_autoscaled(shell: Shell, report: Report, names: Sequence[str]) -> list[str] | None:
    """Return the tables that Application Auto Scaling leaves alone; None where that cannot be
    known."""
    if not names:
        return []
    owners = attempt(
        report, "Application Auto Scaling", "DescribeScalableTargets", shell.aws.autoscaled
    )
    if owners is None:
        return None
    taken = {owner.split("/")[0] for owner in owners}
    for name in sorted(taken & set(names)):
        report.skips.append(
            Skip(
                name,
                Reason.AUTOSCALING_CONFLICT,
                "Application Auto Scaling manages it too; left alone",
            )
        )
    return [name for name in names if name not in taken]


def _look(
    shell: Shell,
    report: Report,
    names: Sequence[str],
    directions: Collection[Direction],
    now: datetime,
    alarms_for: Callable[[Collection[Target]], Sequence[Alarm]],
    wants_metrics: Callable[[Observation, Policy], bool] | None = None,
) -> dict[str, TableState]:
    """Observe, decide, plan and act on some tables; return those that exist and are provisioned.

    In groups, the dearest tables first: when the time is over, what was worth most has been done.
    What cannot be read never stops an increase, and always stops a decrease: without metrics
    nothing is known, and without the alarms none can be lowered first.
    """
    tables = _provisioned(shell, report, names)
    ordered = sorted(tables.values(), key=lambda table: -hourly_cost(table))
    counts = fleet_count.count(
        shell, report, [target for table in ordered for target in table.targets()]
    )
    for first in range(0, len(ordered), GROUP):
        group = ordered[first : first + GROUP]
        if not shell.may_go_on():
            report.skips += [_no_time_left(table.name) for table in ordered[first:]]
            break
        observed = _observe(shell, report, group, counts, now, wants_metrics)
        watching = attempt(report, "the alarms", "DescribeAlarms", partial(alarms_for, observed))
        allowed = directions if watching is not None else UP & frozenset(directions)
        observed = gather.gather(shell, report, observed, watching or [], now)
        report.seen |= {
            target: seen for target, seen in observed.items() if shell.policy(target).notify
        }
        _settle(shell, report, group, observed, watching or [], allowed, now)
    return tables


def _settle(
    shell: Shell,
    report: Report,
    group: Sequence[TableState],
    observed: Mapping[Target, Observation],
    watching: Sequence[Alarm],
    directions: Collection[Direction],
    now: datetime,
) -> None:
    """Decide on each table of a group, and act, the biggest saving first."""
    decided = _decide_all(shell, report, group if directions else [], observed, now, directions)
    by_table = _by_table(watching)
    for name in sorted(decided, key=lambda name: -sum(hourly_saving(d) for d in decided[name])):
        if not shell.may_go_on():
            report.skips.append(_no_time_left(name))
            continue
        actions = attempt(
            report,
            name,
            "planning",
            partial(_plan, shell, name, decided[name], by_table.get(name, [])),
        )
        if actions is None:
            continue
        report.planned += actions
        report.decisions += (
            decided[name] if shell.dry_run else _act(shell.aws, report, decided[name], actions)
        )


def _by_table(watching: Iterable[Alarm]) -> dict[str, list[Alarm]]:
    """Return the alarms by the table that they watch: a plan that went through all of them would
    make a thousand tables slow."""
    found: dict[str, list[Alarm]] = {}
    for alarm in watching:
        target = table_alarms.watched(alarm)
        if target:
            found.setdefault(target.table, []).append(alarm)
    return found


def _plan(
    shell: Shell, name: str, decisions: Sequence[Decision], watching: Sequence[Alarm]
) -> list[TableAction]:
    return plan.for_table(
        name, decisions, watching, {d.target: shell.policy(d.target) for d in decisions}
    )


def _decide_all(
    shell: Shell,
    report: Report,
    tables: Sequence[TableState],
    observed: Mapping[Target, Observation],
    now: datetime,
    directions: Collection[Direction],
) -> dict[str, list[Decision]]:
    """Decide on each table; where something would change, ask its circuit breaker first, and decide
    anew by the answer.

    What one answer holds may free another change of the table, which is asked about in turn: nobody
    is asked the same twice.
    """
    seen, decided, asked = (
        dict(observed),
        dict[str, list[Decision]](),
        set[circuit_breaker.Question](),
    )
    while tables:
        for table in tables:
            decided.pop(table.name, None)
            try:
                decided[table.name] = _decide(seen, table, now, directions)
            # whatever one table's numbers break must not stop the others; it is raised at the end
            except Exception as error:  # noqa: BLE001
                report.failures.append(Failure(table.name, "deciding", error))
        new = (
            circuit_breaker.questions(
                (d for found in decided.values() for d in found), shell.policy
            )
            - asked
        )
        held = circuit_breaker.holds(shell, report, seen, new, now)
        asked |= new
        seen |= held
        tables = [table for table in tables if any(target in held for target in table.targets())]
    return decided


def _no_time_left(subject: str) -> Skip:
    return Skip(subject, Reason.NO_TIME_LEFT, "no time left in this run; the next one looks again")


def _provisioned(shell: Shell, report: Report, names: Sequence[str]) -> dict[str, TableState]:
    found: dict[str, TableState] = {}
    for name, table in shell.aws.describe(names).items():
        match table:
            case None:
                report.skips.append(Skip(name, Reason.GONE, "the table does not exist"))
            case Exception():
                report.failures.append(Failure(name, "DescribeTable", table))
            case TableState(on_demand=True):
                report.skips.append(Skip(name, Reason.ON_DEMAND, "the table is billed on demand"))
            case TableState():
                found[name] = table
    return found


def _observe(
    shell: Shell,
    report: Report,
    tables: Iterable[TableState],
    counts: Counts,
    now: datetime,
    wants_metrics: Callable[[Observation, Policy], bool] | None,
) -> dict[Target, Observation]:
    """Read the metrics in bulk, of all targets or of the tables in which one wants them."""
    bare = {
        target: fleet_count.follow(
            shell.config.fleets,
            counts,
            Observation(
                target, throughput.units[target.dimension], throughput, shell.policy(target)
            ),
        )
        for table in tables
        for target in table.targets()
        for throughput in [table.throughputs[target.index]]
    }
    # what one target of a table is read for may concern the others: they are lowered together
    asking = {
        t.table
        for t, seen in bare.items()
        if wants_metrics is None or wants_metrics(seen, shell.policy(t))
    }
    wanted = [t for t in bare if t.table in asking]
    adaptive = [t for t in wanted if shell.policy(t).strategy == "adaptive"]
    read = (
        attempt(
            report,
            "the metrics",
            "GetMetricData",
            lambda: shell.aws.metrics(wanted, now, adaptive),
        )
        if wanted
        else {}
    )
    return {t: replace(seen, metrics=(read or {}).get(t, Metrics())) for t, seen in bare.items()}


def _named_or_ours(
    shell: Shell, names: Collection[str], report: Report | None, targets: Collection[Target]
) -> list[Alarm]:
    """Return the named alarms, as far as they call us, and Headroom's own of the targets.

    report: where to say which of the named ones cannot be rewritten, and why.
    """
    if not targets:
        return []
    found = shell.aws.alarms_named({*names, *(table_alarms.name_of(target) for target in targets)})
    for alarm in found:
        why = table_alarms.target_of_alarm(alarm)
        if report and alarm.name in names and isinstance(why, str):
            report.skips.append(
                Skip(alarm.name, Reason.UNSUPPORTED_ALARM, f"its threshold is not rewritten: {why}")
            )
    return [alarm for alarm in found if table_alarms.calls_us(alarm, shell.aws.topic_arn)]


def _decide(
    observed: Mapping[Target, Observation],
    table: TableState,
    now: datetime,
    directions: Collection[Direction],
) -> list[Decision]:
    decisions = [scaling.decide(observed[t], now, directions) for t in table.targets()]
    return scaling.together(decisions)


def _act(
    aws: Aws, report: Report, decisions: list[Decision], actions: Sequence[TableAction]
) -> list[Decision]:
    """Do one table's actions in order; the first that fails ends them, and a later look mends what
    is left.

    Returns the decisions, as they came out.
    """
    for action in actions:
        table = decisions[0].target.table
        try:
            _execute(aws, action)
        except Refused as refusal:
            reason = (
                Reason.CHANGED_MEANWHILE
                if isinstance(refusal, ChangedMeanwhile)
                else Reason.REFUSED
            )
            report.skips.append(Skip(table, reason, str(refusal)))
            return [
                scaling.unchanged(d, reason) if d.changes and not d.dry_run else d
                for d in decisions
            ]
        # whatever breaks one table must not stop the others; it is raised at the end
        except Exception as error:  # noqa: BLE001
            report.failures.append(Failure(table, type(action).__name__, error))
            return [
                scaling.unchanged(d, Reason.FAILED) if d.changes and not d.dry_run else d
                for d in decisions
            ]
        report.done.append(action)
    return decisions


def _execute(aws: Aws, action: TableAction) -> None:
    match action:
        case SetCapacity():
            aws.set_capacity(action)
        case RewriteAlarm():
            aws.rewrite_alarm(action)
        case _:
            assert_never(action)


def _tend(
    shell: Shell,
    report: Report,
    watching: Sequence[Alarm],
    existing: Collection[str],
    tables: Mapping[str, TableState],
    is_to_make: bool,
) -> None:
    """Make the alarms that are missing, and remove those that nothing needs. Neither stops what
    comes after it."""
    if is_to_make:
        attempt(
            report,
            "the alarms",
            "making those that are missing",
            partial(_make_missing, shell, report, watching),
        )
    attempt(
        report,
        "the alarms",
        "removing orphans",
        partial(_remove_orphans, shell, report, watching, existing, tables),
    )


def _make_missing(shell: Shell, report: Report, watching: Sequence[Alarm]) -> None:
    policies = {d.target: shell.policy(d.target) for d in report.decisions}
    missing = (
        plan.missing_alarms(report.decisions, watching, policies, shell.aws.topic_arn)
        if policies
        else []
    )
    alarm_upkeep.make_alarms(shell, report, missing)


def _remove_orphans(
    shell: Shell,
    report: Report,
    watching: Iterable[Alarm],
    existing: Collection[str],
    tables: Mapping[str, TableState],
) -> None:
    """Remove Headroom's alarms whose target is gone: the table, the index, its provisioned billing,
    or its rule."""
    on_demand = {skip.subject for skip in report.skips if skip.reason is Reason.ON_DEMAND}
    alive = set(existing) - on_demand
    orphans = [
        a.name
        for a in watching
        if table_alarms.is_ours(a) and _is_orphan(shell.config, a, alive, tables)
    ]
    alarm_upkeep.remove_alarms(shell, report, orphans)


def _is_orphan(
    config: Config, alarm: Alarm, alive: Collection[str], tables: Mapping[str, TableState]
) -> bool:
    target = table_alarms.watched(alarm)
    if target is None:
        return False
    table, policy = tables.get(target.table), config.policy_for(target)
    if policy is None or not policy.scale_up or target.table not in alive:
        return True
    return table is not None and target.index not in table.throughputs
