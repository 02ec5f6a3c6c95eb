"""Act on plans: increases first and side by side, then the alarms, then the decreases."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from chalicelib.aws.alarms import alarms_named, rewrite_alarm
from chalicelib.aws.tables import (
    AtLimit,
    ChangedMeanwhile,
    Refused,
    describe_tables,
    set_capacity,
)
from chalicelib.aws.threads import Answers
from chalicelib.config.policy import Policy
from chalicelib.core import plan, scaling
from chalicelib.core.prices import hourly_saving
from chalicelib.model import (
    Decision,
    Reason,
    RewriteAlarm,
    SetCapacity,
    TableAction,
    TableState,
    Target,
)
from chalicelib.run import Run

#: The wait before an increase is tried again that met a limit. An account may have 500 table
#: operations at once. Source: API_UpdateTable, LimitExceededException, read 2026-11.
AGAIN_SECONDS = 2.0
#: In a long run they are tried again so often, some of them together. If all of these are refused,
#: the others wait for the next time.
REFUSED_SECONDS, TRIED_AGAIN = 5.0, 40
#: An increase that a quota refuses is halved so often: what is left of the quota then is less than
#: a sixteenth of it. If many tables are refused, too many operations are the likelier cause, which
#: more calls would only prolong: each is then halved once.
HALVINGS, MANY_REFUSED = 4, 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to one table, and the decisions behind it.

    is_raised: the increase is made and reported; the alarms are left. refused_at: the seconds that
    were left when its increase met a limit; NaN if it did not.
    """

    table: str
    decisions: Sequence[Decision]
    actions: Sequence[TableAction]
    policies: Mapping[Target, Policy]
    is_raised: bool = False
    refused_at: float = math.nan

    @property
    def increase(self) -> SetCapacity | None:
        """Return the increase, if the plan has one. Then it is the first action."""
        first = next(iter(self.actions), None)
        return first if isinstance(first, SetCapacity) and first.is_increase else None

    @property
    def lowers(self) -> bool:
        """Tell whether capacity would be lowered, also where that is a dry run."""
        return any(decision.desired < decision.current for decision in self.decisions)

    @property
    def saving(self) -> float:
        """Return the USD that the plan saves in an hour."""
        return sum(map(hourly_saving, self.decisions))


def raise_capacity(run: Run, plans: Iterable[Plan]) -> list[Plan]:
    """Make the increases of some plans side by side; return what is left to do.

    An increase that met a limit is left too: the end of the run tries it again.
    """
    left: list[Plan] = []
    raising: list[Plan] = []
    for one in plans:
        run.report.planned += one.actions
        if run.dry_run or not one.actions:
            run.report.decisions += one.decisions
        elif not run.allows(one.actions):
            run.skip(one.table, Reason.CHANGED_MEANWHILE, "its plan is not the one that was shown")
            run.report.decisions += _outcome(one, Reason.CHANGED_MEANWHILE)
        else:
            (raising if one.increase else left).append(one)
    return left + _raise(run, raising)


def _raise(run: Run, plans: Sequence[Plan]) -> list[Plan]:
    """Make increases side by side; return what is left to do, as raise_capacity does."""
    left: list[Plan] = []
    for one, error in zip(plans, _errors(run, plans), strict=True):
        if isinstance(error, AtLimit) and run.has_time(AGAIN_SECONDS):
            left.append(replace(one, refused_at=run.seconds_left()))
            continue
        reason = _report(run, one.table, one.actions[0], error)
        run.report.decisions += _outcome(one, reason)
        if reason is None:
            left.append(replace(one, actions=one.actions[1:], is_raised=True))
    return left


def _errors(run: Run, plans: Sequence[Plan]) -> list[Exception | None]:
    """Do the first action of each plan side by side; return what went wrong with each.

    Where DynamoDB does not answer, the time to log that is left. Nobody knows whether it then makes
    the update; the next run reads the units.
    """
    answers: Answers[int, Exception | None] = Answers(
        run.aws.threads, lambda at: _error(run, plans[at].actions[0])
    )
    late: Exception | None = None
    try:
        run.aws.threads.within(run.acting_timeout, lambda: answers.fetch(range(len(plans))))
    except TimeoutError as error:
        late = error
    found = answers.stop()
    return [found.get(at, late) for at in range(len(plans))]


def finish(run: Run, plans: Iterable[Plan]) -> None:
    """Do the rest of the plans: the alarms of what was raised, then the increases that met a limit,
    then what saves most.

    In a long run the increases that met a limit are tried again side by side meanwhile. Each table
    is logged when it is done, since the alarms of many take most of a run's time.
    """
    slowest, pause = 0.0, AGAIN_SECONDS
    rest = sorted(plans, key=_turn)
    due = math.inf if any(one.increase for one in rest) else -math.inf
    while rest:
        if run.seconds_left() <= due:
            rest = sorted(_raise_refused(run, rest), key=_turn)
            due = run.seconds_left() - REFUSED_SECONDS
        one, rest = rest[0], rest[1:]
        before = run.seconds_left()
        if not run.has_time(slowest * len(one.actions)):
            run.leave(one.table)
            continue
        if one.increase:
            run.aws.sleep(pause)
            pause = 0.0  # the first wait is enough for all
        one = _raise_again(run, one) if one.increase else one
        reason = _do(run, one.table, one.actions)
        if not one.is_raised:
            run.report.decisions += _outcome(one, reason)
        if reason is None:
            run.attempt(one.table, "checking its alarms", _check, run, one)
        run.log()
        slowest = max(slowest, (before - run.seconds_left()) / max(1, len(one.actions)))


def _raise_refused(run: Run, plans: Iterable[Plan]) -> list[Plan]:
    """Try the increases again that met a limit some time ago; return what is left to do.

    Updates of other tables that were in progress then may be over: 500 can be at once.
    """
    left: list[Plan] = []
    refused: list[Plan] = []
    for one in plans:
        is_old = one.refused_at - run.seconds_left() >= AGAIN_SECONDS
        (refused if one.increase and is_old else left).append(one)
    while refused and run.has_time(AGAIN_SECONDS):
        tried, refused = _raise(run, refused[:TRIED_AGAIN]), refused[TRIED_AGAIN:]
        left += tried
        if all(one.increase for one in tried):
            break
    return left + refused


def _raise_again(run: Run, one: Plan) -> Plan:
    """Try an increase that met a limit once more, then a half of it, a quarter and so on; return
    what is left to do.

    A part of it may fit into a quota that the whole passes. The next check goes on from there.
    """
    error = _error(run, one.actions[0])
    for _ in range(HALVINGS if len(run.report.at_limit) < MANY_REFUSED else 1):
        half = _halved(one)
        if not (isinstance(error, AtLimit) and half.increase and run.allows(half.actions)):
            break
        one, error = half, _error(run, half.actions[0])
    reason = _report(run, one.table, one.actions[0], error)
    if isinstance(error, AtLimit):
        run.report.at_limit.append(one.table)
    run.report.decisions += _outcome(one, reason)
    return replace(one, actions=[] if reason else one.actions[1:], is_raised=True)


def _halved(one: Plan) -> Plan:
    """Return a plan with half of its increases, and the thresholds that fit them."""
    decisions = [scaling.halved(d) if d.desired > d.current else d for d in one.decisions]
    alarms = [action.alarm for action in one.actions if isinstance(action, RewriteAlarm)]
    actions = plan.for_table(one.table, decisions, alarms, one.policies)
    return replace(one, decisions=decisions, actions=actions)


def _turn(one: Plan) -> tuple[bool, bool, float]:
    """Return when it is a plan's turn at the end of a run: the least comes first."""
    return not one.is_raised, one.increase is None, -one.saving


def _do(run: Run, table: str, actions: Iterable[TableAction]) -> Reason | None:
    """Do one table's actions in order. The first failure ends them; a later look does the rest.

    Returns why the capacity was not set; None if it was, or if it was not to be.
    """
    is_set = False
    for action in actions:
        reason = _report(run, table, action, _error(run, action))
        if reason:
            return None if is_set else reason
        is_set = is_set or isinstance(action, SetCapacity)
    return None


def _error(run: Run, action: TableAction) -> Exception | None:
    """Do an action; return what went wrong."""
    try:
        _execute(run, action)
    except Exception as error:  # noqa: BLE001  one table must not stop the others
        return error
    return None


def _execute(run: Run, action: TableAction) -> None:
    match action:
        case SetCapacity():
            set_capacity(run.aws, action)
        case RewriteAlarm():
            run.pace_alarm_write()
            rewrite_alarm(run.aws, action)
        case _:
            assert_never(action)


def _report(run: Run, table: str, action: TableAction, error: Exception | None) -> Reason | None:
    """Report what came of an action. Returns None if it was done. Failures are raised at the
    end."""
    match error:
        case None:
            run.report.done.append(action)
            return None
        case Refused():
            is_changed = isinstance(error, ChangedMeanwhile)
            reason = Reason.CHANGED_MEANWHILE if is_changed else Reason.REFUSED
            run.skip(table, reason, str(error))
            return reason
    run.fail(table, type(action).__name__, error)
    return Reason.FAILED


def _outcome(one: Plan, reason: Reason | None) -> list[Decision]:
    """Return a plan's decisions, without their changes if there is a reason that stopped them."""
    return [
        scaling.unchanged(d, reason) if reason and d.changes and not d.dry_run else d
        for d in one.decisions
    ]


def _check(run: Run, one: Plan) -> None:
    """Lower the alarms that another run has left too high meanwhile.

    Two runs may look at a table at once. One lowers it; the other one read it before, and then
    raises an alarm to the units that were. So who lowers a table reads its alarms again after it,
    and who raises an alarm without an increase reads the table again. Whoever is last sees the
    other's work.
    """
    rewrites = [action for action in one.actions if isinstance(action, RewriteAlarm)]
    raised = [rewrite for rewrite in rewrites if not plan.lowers(rewrite)]
    if any(isinstance(action, SetCapacity) for action in one.actions):
        alarms = alarms_named(run.aws, [rewrite.alarm.name for rewrite in rewrites])
        _do(run, one.table, plan.too_high(one.decisions, alarms, one.policies))
    elif raised and not one.is_raised and not _is_unchanged(run, one):
        _do(run, one.table, [rewrite.undone for rewrite in raised])


def _is_unchanged(run: Run, one: Plan) -> bool:
    """Tell whether the table has the units that the decisions saw."""
    table = describe_tables(run.aws, [one.table])[one.table]
    return (
        isinstance(table, TableState)
        and table.active
        and all(table.units(d.target) == d.current for d in one.decisions)
    )
