"""Who scales a table: Headroom, or Application Auto Scaling, and the understudy of Headroom."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from chalicelib.aws import autoscaling
from chalicelib.core import understudy
from chalicelib.core.understudy import ScalableTarget, State
from chalicelib.model import BOTH, DOWN, Hold, Reason, StandBy, TableState, Target
from chalicelib.run import Run

#: Targets that one sweep registers anew: three calls each.
MOST_NEW = 100


def scalable_targets(run: Run, within: timedelta = timedelta()) -> list[ScalableTarget] | None:
    """Return what Application Auto Scaling has for DynamoDB, read once in a run; None where it does
    not answer.

    within: how old an answer may be that this container has.
    """
    read = partial(autoscaling.scalable_targets, run.aws)
    return run.once(
        "scalable targets",
        lambda: run.read(
            "Application Auto Scaling",
            "DescribeScalableTargets",
            lambda: run.aws.recent("owners", run.now, within, read),
        ),
    )


def replication(run: Run, table: TableState, target: Target) -> Hold | None:
    """Return the hold of a global table's writes.

    They are Headroom's only with an understudy in every Region: DynamoDB requires auto scaling for
    them, and copies each change of the units to all Regions. Source: Developer Guide, "How DynamoDB
    global tables work", settings synchronization, read 2026-11.
    """
    if not table.replicates(target):
        return None
    config = run.config.understudy
    if config is None or not config.concerns(table.name):
        regions = ", ".join(table.replicas)
        return Hold(Reason.GLOBAL_TABLE, f"its writes are replicated to {regions}", BOTH)
    missing = ", ".join(config.without(table.replicas))
    if missing:
        why = f"its writes are replicated to {missing}, which understudy.regions does not name"
        return Hold(Reason.GLOBAL_TABLE, why, BOTH)
    known = scalable_targets(run)
    if known is None:
        return Hold(Reason.GLOBAL_TABLE, "Application Auto Scaling cannot be read", DOWN)
    if target in understudy.watched_by(run.config, known):
        return None
    return Hold(Reason.GLOBAL_TABLE, "it has no suspended scalable target yet", BOTH)


def suspensions(run: Run, tables: Mapping[str, TableState]) -> list[StandBy]:
    """Return which targets the understudy is to register, to correct or to suspend again.

    tables: those that Headroom scales. Nothing is known where Application Auto Scaling does not
    answer, and then nothing is done.
    """
    known = scalable_targets(run) if run.config.understudy else None
    if known is None:
        return []
    config, left = run.config, understudy.left_writes(run.config, tables.values())
    requested = [
        one
        for one in known
        if config.manages(one.target.table)
        and (
            understudy.is_left(config, one, left)
            or (one.state is not State.SUSPENDED and config.has_understudy(one.target.table))
        )
    ]
    own: Sequence[Target] = (
        run.read(
            "the understudy", "ListTagsForResource", autoscaling.own_targets, run.aws, requested
        )
        or []
    )
    return [
        *understudy.to_resume(config, known, own, left),
        *understudy.to_suspend(config, known, own, left),
        *understudy.to_correct(config, tables.values(), known, left)[:MOST_NEW],
    ]


def suspend(run: Run, wanted: Sequence[StandBy]) -> None:
    """Let Application Auto Scaling stand by, at the end of a sweep.

    A sweep with a failure suspends nothing: for the alarm about silence it is no sweep. That alarm
    would stay in ALARM, and not call the understudy again.
    """
    may = [action for action in wanted if action.ends or not run.report.failures]
    if len(may) < len(wanted):
        why = "this sweep had a failure, so it suspends no scalable target"
        run.skip("the understudy", Reason.FAILED, why)
    for action in may:
        run.report.planned.append(action)
        if run.dry_run or not run.allows([action]):
            continue
        if not run.has_time():
            run.skip_for_time(f"the understudy of {action.target}")
            return
        if run.attempt(str(action.target), "suspending", _do, run, action):
            run.report.done.append(action)


def _do(run: Run, action: StandBy) -> bool:
    autoscaling.stand_by(run.aws, action)
    return True
