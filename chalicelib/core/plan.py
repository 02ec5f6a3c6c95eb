"""Decisions → the fewest actions, in an order that is safe to stop at anywhere.

The law: an alarm that fitted never becomes too lazy, at no point of the plan, and one that has
drifted never becomes lazier. So thresholds are lowered before the capacity, and raised after it.
"""

from collections.abc import Iterable, Mapping, Sequence

from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from chalicelib.model import (
    Alarm,
    Change,
    CreateAlarm,
    Decision,
    Reason,
    RewriteAlarm,
    SetCapacity,
    TableAction,
    Target,
)


def for_table(
    table: str,
    decisions: Iterable[Decision],
    watching: Sequence[Alarm],
    policies: Mapping[Target, Policy],
) -> list[TableAction]:
    """Return the actions for one table: its capacity, and each watching alarm made to fit it."""
    live = [d for d in decisions if not d.dry_run]
    changes = tuple(
        Change(d.target, d.current, d.desired)
        for d in sorted(live, key=lambda d: d.target)
        if d.changes
    )
    updates = [SetCapacity(table, changes)] if changes else []
    rewrites = _rewrites({d.target: d for d in live}, watching, policies)
    lowered = [r for r in rewrites if _lowers(r)]
    raised = [r for r in rewrites if not _lowers(r)]
    if any(change.desired > change.current for change in changes):
        return [
            *updates,
            *lowered,
            *raised,
        ]  # an increase waits for nothing, not even for mending an alarm that drifted
    return [*lowered, *updates, *raised]


def _rewrites(
    decisions: Mapping[Target, Decision],
    watching: Iterable[Alarm],
    policies: Mapping[Target, Policy],
) -> list[RewriteAlarm]:
    """Return the rewrites of the alarms that do not fit. While a table is updating its units say
    nothing for sure."""
    found = []
    for alarm in watching:
        target = table_alarms.rewritable(alarm)
        decision = decisions.get(target) if target else None
        if decision is None or decision.reason is Reason.UPDATING:
            continue
        changes = table_alarms.differences(alarm, decision.desired, policies[decision.target])
        rewrite = RewriteAlarm(decision.target, alarm, changes)
        if changes and (_lowers(rewrite) or decision.changes or not decision.keeps_alarm):
            found.append(rewrite)
    return found


def _lowers(rewrite: RewriteAlarm) -> bool:
    """Tell whether the alarm comes to fire at a lower load than before."""
    return table_alarms.level({**rewrite.alarm.fields, **rewrite.changes}) < table_alarms.level(
        rewrite.alarm.fields
    )


def missing_alarms(
    decisions: Iterable[Decision],
    watching: Iterable[Alarm],
    policies: Mapping[Target, Policy],
    topic_arn: str,
) -> list[CreateAlarm]:
    """Return the alarms to make: one for each target that may be raised and has none of ours."""
    there = {alarm.name for alarm in watching}
    return [
        CreateAlarm(
            d.target, table_alarms.new_fields(d.target, d.desired, policies[d.target], topic_arn)
        )
        for d in decisions
        if policies[d.target].scale_up
        and not d.dry_run
        and table_alarms.name_of(d.target) not in there
    ]
