"""Headroom's own alarms: make the missing ones at CloudWatch's rate, give those that have lost
their actions these back, and remove the orphans."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from chalicelib.aws.alarms import (
    MAX_ALARM_NAMES,
    alarms_named,
    create_alarm,
    delete_alarms,
    rewrite_alarm,
)
from chalicelib.aws.client import batches
from chalicelib.core import plan, table_alarms
from chalicelib.model import (
    Alarm,
    CreateAlarm,
    DeleteAlarms,
    Direction,
    Reason,
    RewriteAlarm,
    TableState,
    Target,
)
from chalicelib.owners import replication
from chalicelib.run import Run

#: How an alarm is made: created, or given back its actions.
Making = CreateAlarm | RewriteAlarm
#: A sweep makes missing alarms for so much of its time before it looks at the tables, and goes on
#: with the others after it. Where workers look at the tables, it keeps so much for what is left.
FIRST_SHARE = 0.1


def make_missing(
    run: Run, alarms: Sequence[Alarm], tables: Mapping[str, TableState], share: float = 1.0
) -> list[Alarm]:
    """Make the tables' alarms that are missing, and return those that were made.

    alarms: those on the topic. tables: those that exist and are provisioned. share: the part of the
    run's time that this may take; 1 for all that is left.
    """
    made = run.attempt(
        "the alarms", "making those that are missing", _make, run, alarms, tables, share
    )
    return [action.result for action in made or []]


def first_share(run: Run) -> float:
    """Return the part of a sweep's time for the alarms that it makes first."""
    if not run.report.handed_over:
        return FIRST_SHARE
    return max(FIRST_SHARE, run.seconds_left() / run.length - FIRST_SHARE)


def make_alarms(run: Run, wanted: Sequence[CreateAlarm], share: float = 1.0) -> list[Making]:
    """Make alarms at CloudWatch's rate, as many as there is time for; return what was done.

    The others are left to a later sweep. An alarm of the same name that does not notify our topic
    belongs to somebody: it is kept. One of Headroom's own without any action gets the topic back.
    """
    planned = {a.target for a in run.report.planned if isinstance(a, CreateAlarm | RewriteAlarm)}
    wanted = [action for action in wanted if action.target not in planned]
    until = run.seconds_left() - run.length * share if share < 1 else 0.0
    made: list[Making] = []
    for rest, action in _to_make(run, wanted):
        if not run.has_time() or run.seconds_left() < until:
            _leave_to_later(run, rest, share)
            break
        run.report.planned.append(action)
        # a dry run goes on as if it were made: it may be rewritten at once
        if run.dry_run or (run.allows([action]) and _create(run, action)):
            made.append(action)
    return made


def _to_make(run: Run, wanted: Sequence[CreateAlarm]) -> Iterator[tuple[int, Making]]:
    """Yield what is to be made, with how many are left then.

    One call looks for the alarms that have these names. A run that has time for a part of the
    alarms looks for no others: for 10,000 tables that would take half a minute.
    """
    rest = len(wanted)
    for some in batches(wanted, MAX_ALARM_NAMES):
        missing = run.read("the alarms to make", "DescribeAlarms", _without_taken, run, some)
        if missing is None:
            return
        rest -= len(some) - len(missing)
        for action in missing:
            yield rest, action
            rest -= 1


def _leave_to_later(run: Run, count: int, share: float) -> None:
    if share == 1:
        why = f"{count} more are made by later sweeps, three a second"
        run.skip("the alarms that are missing", Reason.NO_TIME_LEFT, why)


def _create(run: Run, action: Making) -> bool:
    """Put an alarm, report what came of it, and tell whether it was put."""
    run.pace_alarm_write()
    try:
        if isinstance(action, CreateAlarm):
            create_alarm(run.aws, action)
        else:
            rewrite_alarm(run.aws, action)
    except Exception as error:  # noqa: BLE001  the others are made; it is raised at the end
        run.fail(str(action.target), "PutMetricAlarm", error)
        return False
    run.report.done.append(action)
    return True


def remove_alarms(run: Run, names: Collection[str]) -> None:
    """Remove some of Headroom's own alarms."""
    if not names:
        return
    action = DeleteAlarms(tuple(sorted(names)))
    run.report.planned.append(action)
    if run.dry_run or not run.allows([action]):
        return
    try:
        delete_alarms(run.aws, action)
    except Exception as error:  # noqa: BLE001  it is raised at the end
        run.fail(", ".join(action.names), "DeleteAlarms", error)
    else:
        run.report.done.append(action)


def _without_taken(run: Run, missing: Sequence[CreateAlarm]) -> list[Making]:
    by_name = {str(action.fields["AlarmName"]): action for action in missing}
    found = alarms_named(run.aws, by_name) if by_name else []
    restored = {
        alarm.name: RewriteAlarm(
            by_name[alarm.name].target, alarm, {"AlarmActions": [run.aws.topic_arn]}
        )
        for alarm in found
        if table_alarms.lacks_actions(alarm) and not alarm.unsendable
    }
    taken = {alarm.name for alarm in found} - restored.keys()
    known = {skip.subject for skip in run.report.skips}  # a sweep makes alarms twice
    for name in sorted(taken - known):
        why = (
            f"the alarm exists and does not notify {run.aws.topic_arn}; "
            "if that is right, add the topic to the alarm's actions, or delete the alarm"
        )
        run.skip(name, Reason.UNSUPPORTED_ALARM, why)
    return [restored.get(name, action) for name, action in by_name.items() if name not in taken]


def _make(
    run: Run, alarms: Sequence[Alarm], tables: Mapping[str, TableState], share: float
) -> list[Making]:
    units = {
        target: table.throughputs[target.index].units[target.dimension]
        for table in tables.values()
        for target in table.targets()
        if not _is_left(run, table, target)
    }
    policies = {target: run.policy(target) for target in units}
    if run.config.fan_out:  # a worker finds alarms by their names, so it would miss the others
        alarms = [alarm for alarm in alarms if table_alarms.is_ours(alarm)]
    missing = plan.missing_alarms(units, alarms, policies, run.aws.topic_arn)
    return make_alarms(run, missing, share)


def remove_orphans(
    run: Run,
    alarms: Sequence[Alarm],
    existing: Collection[str],
    tables: Mapping[str, TableState],
) -> None:
    """Remove our alarms without a target: table, index, provisioned billing or rule is gone, or the
    target is the writes of a global table.

    existing: the names of the tables whose alarms may stay.
    """
    run.attempt("the alarms", "removing orphans", _remove, run, alarms, existing, tables)


def _remove(
    run: Run, alarms: Sequence[Alarm], existing: Collection[str], tables: Mapping[str, TableState]
) -> None:
    on_demand = {s.subject for s in run.report.skips if s.reason is Reason.ON_DEMAND}
    alive = set(existing) - on_demand
    ours = [alarm for alarm in alarms if table_alarms.is_ours(alarm)]
    remove_alarms(run, [a.name for a in ours if _is_orphan(run, a, alive, tables)])


def _is_left(run: Run, table: TableState, target: Target) -> bool:
    """Tell whether a target is left to Application Auto Scaling, so that no alarm of it calls."""
    hold = replication(run, table, target)
    return hold is not None and Direction.UP in hold.directions


def _is_orphan(
    run: Run, alarm: Alarm, alive: Collection[str], tables: Mapping[str, TableState]
) -> bool:
    target = table_alarms.watched(alarm)
    if target is None:
        return False
    table, policy = tables.get(target.table), run.config.policy_for(target)
    if policy is None or not policy.scale_up or target.table not in alive:
        return True
    return table is not None and (
        target.index not in table.throughputs or _is_left(run, table, target)
    )
