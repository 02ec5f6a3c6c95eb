"""Headroom's own alarms, of tables and of instances: made under CloudWatch's rate, so many a sweep,
and removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chalicelib.model import CreateAlarm, DeleteAlarms, Reason, Skip
from chalicelib.run import Failure, Report, Shell, attempt

MAX_NEW_ALARMS = 300
"""A sweep makes no more than this: at three a second they take 100 of its seconds; the next sweep
makes the rest."""


def make_alarms(shell: Shell, report: Report, missing: Sequence[CreateAlarm]) -> None:
    """Make alarms, as many as this run has left to make; the others are told, and left to a later
    sweep.

    An alarm of the same name that does not notify our topic is somebody's: it is not overwritten.
    """
    missing = (
        attempt(
            report,
            "the alarms to make",
            "DescribeAlarms",
            lambda: _without_taken(shell, report, missing),
        )
        or []
    )
    left = max(
        0, MAX_NEW_ALARMS - sum(isinstance(action, CreateAlarm) for action in report.planned)
    )
    for action in missing[left:]:
        report.skips.append(
            Skip(str(action.target), Reason.NO_TIME_LEFT, "its alarm is made by a later sweep")
        )
    report.planned += missing[:left]
    if shell.dry_run:
        return
    for action, error in shell.aws.create_alarms(missing[:left]):
        if error:
            report.failures.append(Failure(str(action.target), "PutMetricAlarm", error))
        else:
            report.done.append(action)
        if not shell.may_go_on():
            break  # the next sweep makes the others


def _without_taken(
    shell: Shell, report: Report, missing: Sequence[CreateAlarm]
) -> list[CreateAlarm]:
    named = {str(action.fields["AlarmName"]): action for action in missing}
    taken = {alarm.name for alarm in shell.aws.alarms_named(named)} if named else set()
    for name in sorted(taken):
        topic = shell.aws.topic_arn
        why = f"an alarm {name} exists and does not notify {topic}; if that is right, add it to the alarm's actions, or delete it"
        report.skips.append(Skip(name, Reason.UNSUPPORTED_ALARM, why))
    return [action for name, action in named.items() if name not in taken]


def remove_alarms(shell: Shell, report: Report, names: Collection[str]) -> None:
    """Remove alarms of Headroom's own, if there are any."""
    if not names:
        return
    action = DeleteAlarms(tuple(sorted(names)))
    report.planned.append(action)
    if shell.dry_run:
        return
    failures = len(report.failures)
    attempt(
        report, ", ".join(action.names), "DeleteAlarms", lambda: shell.aws.delete_alarms(action)
    )
    if len(report.failures) == failures:
        report.done.append(action)
