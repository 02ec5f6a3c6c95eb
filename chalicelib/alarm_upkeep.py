"""Headroom's own alarms: make the missing ones at CloudWatch's rate, and remove the orphans."""

from collections.abc import Collection, Mapping, Sequence

from chalicelib.aws.alarms import alarms_named, create_alarms, delete_alarms
from chalicelib.config.rules import Config
from chalicelib.core import plan, table_alarms
from chalicelib.model import Alarm, CreateAlarm, DeleteAlarms, Reason, TableState
from chalicelib.run import Run

#: A sweep makes no more than this. At three a second they take 100 of its seconds; the next sweep
#: makes the others.
MAX_NEW_ALARMS = 300


def maintain_alarms(
    run: Run,
    alarms: Sequence[Alarm],
    existing: Collection[str],
    tables: Mapping[str, TableState],
    may_make: bool,
) -> None:
    """Make the tables' alarms that are missing, and remove the orphans.

    A failure of one step does not stop the other. alarms: those on the topic. existing: the names
    of the tables whose alarms may stay. tables: those that exist and are provisioned.
    """
    if may_make:
        run.attempt("the alarms", "making those that are missing", _make_missing, run, alarms)
    run.attempt("the alarms", "removing orphans", _remove_orphans, run, alarms, existing, tables)


def make_alarms(run: Run, missing: Sequence[CreateAlarm]) -> None:
    """Make alarms, as many as this run may still make; report the others as left to a later sweep.

    An alarm of the same name that does not notify our topic belongs to somebody: it is kept.
    """
    missing = (
        run.attempt("the alarms to make", "DescribeAlarms", _without_taken, run, missing) or []
    )
    made = sum(isinstance(action, CreateAlarm) for action in run.report.planned)
    rest = max(0, MAX_NEW_ALARMS - made)
    for action in missing[rest:]:
        run.skip(str(action.target), Reason.NO_TIME_LEFT, "its alarm is made by a later sweep")
    run.report.planned += missing[:rest]
    if run.dry_run:
        return
    for action, error in create_alarms(run.aws, missing[:rest]):
        if error:
            run.fail(str(action.target), "PutMetricAlarm", error)
        else:
            run.report.done.append(action)
        if not run.has_time():
            break  # the next sweep makes the others


def remove_alarms(run: Run, names: Collection[str]) -> None:
    """Remove some of Headroom's own alarms."""
    if not names:
        return
    action = DeleteAlarms(tuple(sorted(names)))
    run.report.planned.append(action)
    if run.dry_run:
        return
    try:
        delete_alarms(run.aws, action)
    except Exception as error:  # noqa: BLE001  it is raised at the end
        run.fail(", ".join(action.names), "DeleteAlarms", error)
    else:
        run.report.done.append(action)


def _without_taken(run: Run, missing: Sequence[CreateAlarm]) -> list[CreateAlarm]:
    by_name = {str(action.fields["AlarmName"]): action for action in missing}
    taken = {alarm.name for alarm in alarms_named(run.aws, by_name)} if by_name else set()
    for name in sorted(taken):
        why = (
            f"an alarm {name} exists and does not notify {run.aws.topic_arn}; "
            "if that is right, add the topic to the alarm's actions, or delete the alarm"
        )
        run.skip(name, Reason.UNSUPPORTED_ALARM, why)
    return [action for name, action in by_name.items() if name not in taken]


def _make_missing(run: Run, alarms: Sequence[Alarm]) -> None:
    decisions = run.report.decisions
    policies = {d.target: run.policy(d.target) for d in decisions}
    if policies:
        make_alarms(run, plan.missing_alarms(decisions, alarms, policies, run.aws.topic_arn))


def _remove_orphans(
    run: Run,
    alarms: Sequence[Alarm],
    existing: Collection[str],
    tables: Mapping[str, TableState],
) -> None:
    """Remove our alarms without a target: table, index, provisioned billing or rule is gone."""
    on_demand = {s.subject for s in run.report.skips if s.reason is Reason.ON_DEMAND}
    alive = set(existing) - on_demand
    ours = [alarm for alarm in alarms if table_alarms.is_ours(alarm)]
    remove_alarms(run, [a.name for a in ours if _is_orphan(run.config, a, alive, tables)])


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
