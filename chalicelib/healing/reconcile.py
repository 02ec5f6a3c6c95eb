"""The main path for instances: observe → decide → act, with the laws and the report of the tables.

An alarm on one instance starts a check of its whole Auto Scaling group. Only groups that a
`[[healing]]` rule names are checked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import structs

from chalicelib.alarm_upkeep import make_alarms, remove_alarms
from chalicelib.aws import groups as aws_groups
from chalicelib.aws.alarms import alarms_named, rewrite_alarm
from chalicelib.config.healing import Healing, rule_for
from chalicelib.core import healing, instance_alarms
from chalicelib.core.healing import EventKind, HealingDecision, InstanceGroup
from chalicelib.events import InstanceEvent
from chalicelib.model import Alarm, CreateAlarm, Heal, Reason, RewriteAlarm
from chalicelib.run import Report, Run


def on_event(run: Run, event: InstanceEvent) -> None:
    """Check the group of an instance whose alarm went to ALARM."""
    if not run.config.healing:
        run.skip(event.alarm_name, Reason.NOT_MANAGED, "the configuration has no [[healing]] rule")
    elif not run.is_foreign(event.alarm_name, event.region, event.account):
        for instance, group in reconcile(run, {event.instance}).items():
            no_rule = f"no [[healing]] rule names its group {group}"
            why = no_rule if group else "it is a member of no Auto Scaling group"
            run.skip(instance, Reason.NOT_MANAGED, why)


def follow(run: Run, in_alarm: Iterable[Alarm]) -> None:
    """Check the groups of the instances whose alarms are in ALARM now.

    An instance that had to wait gets its next chance.
    """
    instances = {instance_alarms.watched(alarm) for alarm in in_alarm} - {""}
    if instances and run.config.healing:
        reconcile(run, instances)


def reconcile(run: Run, instances: Collection[str]) -> dict[str, str]:
    """Check the groups of some instances.

    Returns the instances that no rule is about, with their group or "".
    """
    subject, read = ", ".join(sorted(instances)), aws_groups.groups_of
    groups = run.attempt(subject, "DescribeAutoScalingInstances", read, run.aws, instances)
    if groups is None:
        return {}
    members: dict[str, set[str]] = defaultdict(set)
    for instance, group in groups.items():
        if rule_for(run.config.healing, group):
            members[group].add(instance)
    for name in sorted(members):
        _reconcile_group(run, name, members[name])
    ours = {instance for of_group in members.values() for instance in of_group}
    return {instance: groups.get(instance, "") for instance in instances if instance not in ours}


def preview(run: Run, group: str) -> Report:
    """Check one group and all its members, to show an operator what would happen."""
    groups = run.attempt(group, "DescribeAutoScalingGroups", aws_groups.groups, run.aws, [group])
    if groups:
        _reconcile_group(run, group, {member.instance for member in groups[0].members})
    elif groups is not None:
        run.skip(group, Reason.GONE, "there is no Auto Scaling group of this name")
    return run.report


def sweep(run: Run, alarms: Sequence[Alarm]) -> None:
    """Make and remove the status alarms of the configured groups' instances.

    It also checks the groups in a dry run, which have no alarms. Without a `[[healing]]` rule it
    removes the alarms of an earlier configuration, and calls only CloudWatch.
    """
    rules = run.config.healing
    groups: Sequence[InstanceGroup] | None = []
    if rules:
        groups = run.attempt("the Auto Scaling groups", "reading", aws_groups.groups, run.aws)
    if groups is None:
        return
    ruled: list[tuple[InstanceGroup, Healing]] = []
    for group in groups:
        rule = rule_for(rules, group.name)
        if rule:
            ruled.append((group, rule))
            if rule.dry_run:
                _reconcile_group(run, group.name, ())
    _make_missing(run, ruled, alarms)
    wanted = {
        instance_alarms.name_of(instance, rule)
        for group, rule in ruled
        for instance in instance_alarms.wanted(group, rule)
    }
    ours = [alarm.name for alarm in alarms if instance_alarms.is_ours(alarm)]
    remove_alarms(run, [name for name in ours if name not in wanted])


def _reconcile_group(run: Run, name: str, in_alarm: Collection[str]) -> None:
    """Observe one group, decide on its members, and act. A failure does not stop other groups.

    in_alarm: the instances whose alarms called.
    """
    rule = rule_for(run.config.healing, name)
    if rule is None:
        run.skip(name, Reason.NOT_MANAGED, "no [[healing]] rule names this group")
        return
    if not run.has_time():
        run.skip_for_time(name)
        return
    observation = run.attempt(name, "reading the group", _observe, run, name, rule)
    if observation is None:
        return
    group, alarms = observation
    decisions = run.attempt(name, "deciding", healing.decide, group, rule, run.now, in_alarm)
    for decision in decisions or []:
        run.report.healing_decisions.append(_act(run, decision, alarms))
    run.report.instance_alarms |= alarms


def _observe(
    run: Run, name: str, rule: Healing
) -> tuple[InstanceGroup, Mapping[str, Alarm]] | None:
    """Return a group with all that a decision depends on, and its members' alarms.

    Returns None where there is no such group any more. The group's history is read only where a
    member fails.
    """
    aws = run.aws
    group = next(iter(aws_groups.groups(aws, [name])), None)
    if group is None:
        return None
    group = aws_groups.with_status(aws, group)
    if not any(member.failing for member in group.members):
        return group, {}
    group = aws_groups.with_past(aws, group, run.now - group.look_back(rule))
    names = {instance_alarms.name_of(member.instance, rule) for member in group.members}
    alarms = {instance_alarms.watched(alarm): alarm for alarm in alarms_named(aws, names)}
    times = {i: instance_alarms.rebooted_at(alarm) for i, alarm in alarms.items()}
    reboots = [healing.MemberEvent(i, at, EventKind.REBOOTED) for i, at in times.items() if at]
    events = (*group.events, *reboots)
    return structs.replace(group, events=events, watched=frozenset(alarms)), alarms


def _act(run: Run, decision: HealingDecision, alarms: Mapping[str, Alarm]) -> HealingDecision:
    """Do what a decision needs, and return it with its result."""
    if not decision.acts:
        return decision
    action = Heal(decision.instance, decision.group, decision.action)
    if not decision.dry_run:
        run.report.planned.append(action)
    if decision.dry_run or run.dry_run or not run.allows([action]):
        return decision
    try:
        _heal(run, decision, alarms)
    # the other instances are checked; the failure is raised at the end
    except Exception as error:  # noqa: BLE001
        run.fail(decision.instance, f"to {decision.action} it", error)
        return structs.replace(decision, reason=Reason.FAILED)
    run.report.done.append(action)
    return decision


def _heal(run: Run, decision: HealingDecision, alarms: Mapping[str, Alarm]) -> None:
    """Replace or reboot an instance.

    A reboot is written down first: a crash in between heals one too few, never one too many.
    """
    if decision.action == "replace":
        aws_groups.mark_unhealthy(run.aws, decision.instance)
        return
    alarm = alarms[decision.instance]
    changes = instance_alarms.rebooting(alarm, run.now)
    rewrite_alarm(run.aws, RewriteAlarm(f"instance {decision.instance}", alarm, changes))
    aws_groups.reboot(run.aws, decision.instance)


def _make_missing(
    run: Run, ruled: Iterable[tuple[InstanceGroup, Healing]], alarms: Iterable[Alarm]
) -> None:
    existing = {alarm.name for alarm in alarms}
    missing: list[CreateAlarm] = []
    for group, rule in ruled:
        if rule.dry_run:
            continue
        for instance in instance_alarms.wanted(group, rule):
            fields = instance_alarms.new_fields(instance, group.name, rule, run.aws.topic_arn)
            if fields["AlarmName"] not in existing:
                missing.append(CreateAlarm(f"instance {instance} of {group.name}", fields))
    make_alarms(run, missing)
