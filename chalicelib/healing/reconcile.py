"""Observe → decide → act for sick instances, as handlers.py does for tables: with the same events,
laws and report.

An alarm on one instance is a look at its whole Auto Scaling group; only groups that a `[[healing]]`
rule names are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from chalicelib import alarm_upkeep
from chalicelib.aws import groups as aws_healing
from chalicelib.config.healing import Healing, rule_for
from chalicelib.core import healing, instance_alarms
from chalicelib.core.healing import Group, Happened, Verdict
from chalicelib.events import InstanceEvent
from chalicelib.healing import notify
from chalicelib.model import Alarm, CreateAlarm, Heal, Reason, RewriteAlarm, Skip
from chalicelib.run import Failure, Report, Shell, attempt


def on_event(shell: Shell, event: InstanceEvent, now: datetime) -> Report:
    """Look at the group of an instance whose alarm went to ALARM."""
    report = Report()
    refusal = _refusal(shell, event)
    if refusal:
        report.skips.append(refusal)
    else:
        report.skips += [
            _nobodys(instance, group)
            for instance, group in look(shell, report, {event.instance}, now).items()
        ]
    return report


def follow(shell: Shell, report: Report, hot: Iterable[Alarm], now: datetime) -> None:
    """Look at the groups of the instances whose alarms are in ALARM now: what had to wait gets its
    next chance."""
    sick = {instance_alarms.watched(alarm) for alarm in hot} - {""}
    if sick and shell.config.healing:
        look(shell, report, sick, now)


def look(shell: Shell, report: Report, asked: Collection[str], now: datetime) -> dict[str, str]:
    """Look at the groups of some instances; return those that no rule is about, with their group or
    ""."""
    found = attempt(
        report,
        ", ".join(sorted(asked)),
        "DescribeAutoScalingInstances",
        lambda: _groups_of(shell, asked),
    )
    if found is None:
        return {}
    ours = {
        instance: group
        for instance, group in found.items()
        if rule_for(shell.config.healing, group)
    }
    members = defaultdict(set)
    for instance, group in ours.items():
        members[group].add(instance)
    alarms: dict[str, Alarm] = {}
    for name in sorted(members):
        alarms |= _look_at(shell, report, name, members[name], now)
    attempt(report, "notifications", "telling", lambda: notify.tell(shell, report, alarms, now))
    return {instance: found.get(instance, "") for instance in asked if instance not in ours}


def look_at(shell: Shell, group: str, now: datetime) -> Report:
    """Look at one group, all its members, as an operator who asks what would happen."""
    report = Report()
    found = attempt(
        report, group, "DescribeAutoScalingGroups", lambda: aws_healing.groups(shell.aws, [group])
    )
    if not found:
        report.skips += (
            []
            if report.failures
            else [Skip(group, Reason.GONE, "there is no Auto Scaling group of this name")]
        )
        return report
    _look_at(shell, report, group, {member.instance for member in found[0].members}, now)
    return report


def sweep(shell: Shell, report: Report, watching: Sequence[Alarm], now: datetime) -> None:
    """Make and remove the status alarms of the configured groups' instances; look at the groups
    that are in a dry run.

    A dry run has no alarms that would wake it. Where nothing is configured, the alarms that are
    left of an earlier configuration are removed, without a call to anything but CloudWatch.
    """
    rules = shell.config.healing
    groups = (
        attempt(report, "the Auto Scaling groups", "reading", lambda: aws_healing.groups(shell.aws))
        if rules
        else []
    )
    if groups is None:
        return
    ruled = [(group, rule) for group in groups for rule in [rule_for(rules, group.name)] if rule]
    for group, rule in ruled:
        if rule.dry_run:
            _look_at(shell, report, group.name, (), now)
    _make_missing(shell, report, ruled, watching)
    wanted = {
        instance_alarms.name_of(i, rule)
        for group, rule in ruled
        for i in instance_alarms.wanted(group, rule)
    }
    alarm_upkeep.remove_alarms(
        shell,
        report,
        [a.name for a in watching if instance_alarms.is_ours(a) and a.name not in wanted],
    )


def _refusal(shell: Shell, event: InstanceEvent) -> Skip | None:
    if not shell.config.healing:
        return Skip(
            event.alarm_name,
            Reason.NOT_MANAGED,
            "the configuration heals no group: there is no [[healing]] in it",
        )
    return shell.foreign(event.alarm_name, event.region, event.account)


def _nobodys(instance: str, group: str) -> Skip:
    why = (
        f"no [[healing]] rule names its group {group}"
        if group
        else "it is a member of no Auto Scaling group"
    )
    return Skip(instance, Reason.NOT_MANAGED, why)


def _groups_of(shell: Shell, instances: Collection[str]) -> dict[str, str]:
    return aws_healing.groups_of(shell.aws, instances)


def _look_at(
    shell: Shell, report: Report, name: str, asked: Collection[str], now: datetime
) -> Mapping[str, Alarm]:
    """Observe one group, decide on its members, and act; whatever fails for it does not stop the
    others.

    Returns the alarms of its members by instance, where they were read because one of them is sick.
    """
    rule = rule_for(shell.config.healing, name)
    if rule is None:
        report.skips.append(Skip(name, Reason.NOT_MANAGED, "no [[healing]] rule names this group"))
        return {}
    if not shell.may_go_on():
        report.skips.append(
            Skip(name, Reason.NO_TIME_LEFT, "no time left in this run; the next one looks again")
        )
        return {}
    seen = attempt(report, name, "reading the group", partial(_observe, shell, name, rule, now))
    if seen is None:
        return {}
    group, alarms = seen
    for verdict in (
        attempt(report, name, "deciding", lambda: healing.decide(group, rule, now, asked)) or []
    ):
        report.verdicts.append(_act(shell, report, verdict, alarms, now))
    return alarms


def _observe(
    shell: Shell, name: str, rule: Healing, now: datetime
) -> tuple[Group, Mapping[str, Alarm]] | None:
    """Return a group with all that a decision may lean on, and its members' alarms; None where
    there is no such group any more.

    Its past is read only where somebody is sick.
    """
    aws = shell.aws
    group = next(iter(aws_healing.groups(aws, [name])), None)
    if group is None:
        return None
    group = aws_healing.with_status(aws, group)
    if not any(member.failing for member in group.members):
        return group, {}
    group = aws_healing.with_past(aws, group, now - group.look_back(rule))
    names = {instance_alarms.name_of(member.instance, rule) for member in group.members}
    alarms = {instance_alarms.watched(alarm): alarm for alarm in aws.alarms_named(names)}
    return replace(
        group, events=(*group.events, *_reboots(alarms)), watched=frozenset(alarms)
    ), alarms


def _reboots(alarms: Mapping[str, Alarm]) -> Iterable[healing.Event]:
    for instance, alarm in alarms.items():
        at = instance_alarms.rebooted_at(alarm)
        if at:
            yield healing.Event(instance, at, Happened.REBOOTED)


def _act(
    shell: Shell, report: Report, verdict: Verdict, alarms: Mapping[str, Alarm], now: datetime
) -> Verdict:
    """Do what a verdict asks for; return it as it came out."""
    if not verdict.acts:
        return verdict
    action = Heal(verdict.instance, verdict.group, verdict.action)
    if verdict.dry_run or shell.dry_run:
        report.planned += [] if verdict.dry_run else [action]
        return verdict
    report.planned.append(action)
    try:
        _heal(shell, verdict, alarms, now)
    # the other instances are looked at; it is raised at the end
    except Exception as error:  # noqa: BLE001
        report.failures.append(Failure(verdict.instance, f"to {verdict.action} it", error))
        return replace(verdict, reason=Reason.FAILED)
    report.done.append(action)
    return verdict


def _heal(shell: Shell, verdict: Verdict, alarms: Mapping[str, Alarm], now: datetime) -> None:
    """Replace or reboot an instance. A reboot is written down first: stopping there heals one too
    few, never one too many."""
    if verdict.action == "replace":
        aws_healing.mark_unhealthy(shell.aws, verdict.instance)
        return
    alarm = alarms[verdict.instance]
    shell.aws.rewrite_alarm(
        RewriteAlarm(f"instance {verdict.instance}", alarm, instance_alarms.rebooting(alarm, now))
    )
    aws_healing.reboot(shell.aws, verdict.instance)


def _make_missing(
    shell: Shell, report: Report, ruled: Iterable[tuple[Group, Healing]], watching: Iterable[Alarm]
) -> None:
    there = {alarm.name for alarm in watching}
    missing = [
        CreateAlarm(f"instance {instance} of {group.name}", fields)
        for group, rule in ruled
        if not rule.dry_run
        for instance in instance_alarms.wanted(group, rule)
        for fields in [instance_alarms.new_fields(instance, group.name, rule, shell.aws.topic_arn)]
        if fields["AlarmName"] not in there
    ]
    alarm_upkeep.make_alarms(shell, report, missing)
