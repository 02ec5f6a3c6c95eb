"""Decisions → the fewest actions, in an order that is safe to interrupt anywhere.

The rule: at no point of the plan is an alarm's threshold too high for the capacity, and a threshold
that is too high already never rises. So thresholds are lowered before the capacity, and raised
after it.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import assert_never

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from chalicelib.model import (
    Action,
    Alarm,
    Change,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Heal,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    StandBy,
    TableAction,
    Target,
)


def for_table(
    table: str,
    decisions: Iterable[Decision],
    alarms: Sequence[Alarm],
    policies: Mapping[Target, Policy],
) -> list[TableAction]:
    """Return the actions for one table: its capacity, and the rewrites of its alarms."""
    live = {d.target: d for d in decisions if not d.dry_run}
    changes = tuple(Change(t, d.current, d.desired) for t, d in sorted(live.items()) if d.changes)
    updates = [SetCapacity(table, changes)] if changes else []
    rewrites = _rewrites(live, alarms, policies)
    lowered = [r for r in rewrites if lowers(r)]
    raised = [r for r in rewrites if not lowers(r)]
    # an increase comes first, even before the repair of an alarm that does not fit
    is_increase = any(update.is_increase for update in updates)
    return [*updates, *lowered, *raised] if is_increase else [*lowered, *updates, *raised]


def identity(action: Action) -> Hashable:
    """Return what an action does. Two actions with the same identity do the same.

    The state of an alarm, and the time in a tag, are no part of it: they change from minute to
    minute.
    """
    match action:
        case SetCapacity() | Heal() | DeleteAlarms() | StandBy():
            return action
        case SetMode():
            return structs.replace(action, note=("", ""))
        case RewriteAlarm():
            return action.alarm.name, tuple(sorted((k, str(v)) for k, v in action.changes.items()))
        case CreateAlarm():
            return tuple(sorted((k, str(v)) for k, v in action.fields.items()))
        case _:
            assert_never(action)


def too_high(
    decisions: Iterable[Decision], alarms: Iterable[Alarm], policies: Mapping[Target, Policy]
) -> list[RewriteAlarm]:
    """Return the rewrites of the alarms that fire too late for the units of the decisions."""
    live = {d.target: d for d in decisions if not d.dry_run}
    return [rewrite for rewrite in _rewrites(live, alarms, policies) if lowers(rewrite)]


def _rewrites(
    decisions: Mapping[Target, Decision],
    alarms: Iterable[Alarm],
    policies: Mapping[Target, Policy],
) -> list[RewriteAlarm]:
    """Return the rewrites of the alarms that do not fit.

    While a table is updating, its units are uncertain, so its alarms stay as they are. So does an
    alarm that would lose a field.
    """
    rewrites = []
    for alarm in alarms:
        target = None if alarm.unsendable else table_alarms.rewritable(alarm)
        decision = decisions.get(target) if target else None
        if decision is None or decision.reason is Reason.UPDATING:
            continue
        changes = table_alarms.differences(alarm, decision.desired, policies[decision.target])
        rewrite = RewriteAlarm(decision.target, alarm, changes)
        if changes and (lowers(rewrite) or decision.changes or not decision.keeps_alarm):
            rewrites.append(rewrite)
    return rewrites


def lowers(rewrite: RewriteAlarm) -> bool:
    """Tell whether the alarm will fire at a lower load than before."""
    before = rewrite.alarm.fields
    return table_alarms.level({**before, **rewrite.changes}) < table_alarms.level(before)


def missing_alarms(
    units: Mapping[Target, int],
    alarms: Iterable[Alarm],
    policies: Mapping[Target, Policy],
    topic_arn: str,
) -> list[CreateAlarm]:
    """Return an alarm for each target that may be raised and has none that calls in time.

    units: what each target has now. alarms: those that call Headroom.
    """
    there = set()
    for alarm in alarms:
        target = table_alarms.rewritable(alarm)
        policy = policies.get(target) if target else None
        adopted = table_alarms.stands_in(alarm, policy) if policy else None
        there.add(table_alarms.name_of(adopted) if adopted else alarm.name)
    return [
        CreateAlarm(
            target, table_alarms.new_fields(target, units[target], policies[target], topic_arn)
        )
        for target in units
        if policies[target].scale_up
        and not policies[target].dry_run
        and table_alarms.name_of(target) not in there
    ]
