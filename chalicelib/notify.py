"""Notify people at the end of a run, when everything is decided and done.

So no notification can stop a scaling. Each message is sent on its own; one that cannot be delivered
is a failure in the report. Which states people were notified of is kept as tags on Headroom's own
alarms. The tag is written after the delivery: a crash between the two repeats a message, and never
loses one.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.aws import notifications
from chalicelib.aws.notifications import NotDelivered
from chalicelib.core import messages, notices, table_alarms
from chalicelib.core.notices import Condition, Notice, NotificationLine, NotificationState
from chalicelib.model import (
    Alarm,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Dimension,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    Target,
)
from chalicelib.run import Report, Run, Sweep

TAG = "headroom-told-"
#: A webhook takes one message a second. Source: Slack API, "Rate limits", read 2026-11.
SLACK_SECONDS = 1.0


def notify_of_tables(run: Run) -> None:
    """Notify people of what the run did to tables, and after a sweep of states that hold."""
    done = [action for action in run.report.done if isinstance(action, SetCapacity)]
    decisions = {decision.target: decision for decision in run.report.decisions}
    rewrites = [action for action in run.report.done if isinstance(action, RewriteAlarm)]
    # workers decide on tables whose alarms this run may have repaired
    targets = {*decisions, *(rewrite.target for rewrite in rewrites)}
    policies = {target: run.policy(target) for target in targets if isinstance(target, Target)}
    lines = [
        *notices.of_changes(done, decisions, policies),
        *notices.of_restored(rewrites, policies),
        *_of_switches(run),
    ]
    pending = list(_pending(run, run.report.sweep, decisions)) if run.report.sweep else []
    found = messages.notices([*lines, *(one.condition.line for one in pending if one.is_due)])
    sent = {id(notice) for notice in Delivery(run).send([notice for notice, _ in found])}
    sent_lines = {id(line) for notice, of in found if id(notice) in sent for line in of}
    for one in pending:
        was_sent = id(one.condition.line) in sent_lines
        state = notices.update_state(one.condition, one.known, run.now, was_sent)
        if state != one.known:
            StateStore(run).write(one.place, state)


def _of_switches(run: Run) -> Iterator[NotificationLine]:
    done = [action for action in run.report.done if isinstance(action, SetMode)]
    policies = {
        action.table: [run.policy(Target(action.table, "", dimension)) for dimension in Dimension]
        for action in done
    }
    return notices.of_switches(done, run.report.mode_decisions, policies)


# the states that people were notified of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a notification state is kept: a tag of an alarm.

    Without an alarm (arn "") it is kept for the container's life.
    """

    arn: str
    key: str


@dataclass(frozen=True, slots=True)
class StateStore:
    """Remembers which states people were notified of: in the container, and in tags of alarms."""

    run: Run

    def known(self, place: Place) -> NotificationState:
        """Return what this container knows."""
        state: NotificationState = self.run.aws.notified.get(place, NotificationState())
        return state

    def read(self, place: Place) -> NotificationState | None:
        """Return what the tag says; None where it cannot be read, and report the failure."""
        if not place.arn:
            return self.known(place)
        aws, arn = self.run.aws, place.arn
        tags = self.run.attempt(arn, "ListTagsForResource", notifications.tags, aws, arn)
        if tags is None:
            return None
        aws.notified[place] = notices.parse_state(tags.get(place.key, ""))
        return self.known(place)

    def write(self, place: Place, state: NotificationState) -> None:
        """Keep a state in the container, and in the tag."""
        aws, arn, tag = self.run.aws, place.arn, notifications.tag
        aws.notified[place] = state
        if arn:
            self.run.attempt(arn, "TagResource", tag, aws, arn, place.key, str(state))


# states of tables


@dataclass(frozen=True, slots=True)
class PendingNotification:
    """A condition that people must be notified of, or whose state must be written."""

    condition: Condition
    place: Place
    known: NotificationState
    is_due: bool


def _pending(
    run: Run, sweep: Sweep, decisions: Mapping[Target, Decision]
) -> Iterator[PendingNotification]:
    store, place_of = StateStore(run), _places(run.report, sweep.alarms)
    conditions: list[Condition] = []
    for target, observation in run.report.observations.items():
        conditions += notices.conditions(observation, decisions.get(target), run.now)
    more = (*_of_alarms(run, sweep), *_of_sweeps(run, sweep.tables), *_of_stage(run, sweep))
    for condition in (*conditions, *more):
        place = place_of(condition)
        if place is None:
            continue
        if not run.has_time():
            run.skip("notifications", Reason.NO_TIME_LEFT, "a later sweep sends what still holds")
            return
        pending = _judge(run, condition, place, store.known(place))
        if pending and place.arn:  # the container's knowledge is not enough to write or to notify
            known = store.read(place)
            pending = _judge(run, condition, place, known) if known is not None else None
        if pending:
            yield pending


def _judge(
    run: Run, condition: Condition, place: Place, known: NotificationState
) -> PendingNotification | None:
    is_due = notices.is_due(condition, known, run.now)
    must_write = notices.update_state(condition, known, run.now, notified=False) != known
    return PendingNotification(condition, place, known, is_due) if is_due or must_write else None


def _of_alarms(run: Run, sweep: Sweep) -> Iterator[Condition]:
    """Yield the conditions of the targets whose alarm is switched off."""
    for target, alarm in table_alarms.silenced(sweep.alarms).items():
        if target.table in sweep.tables:
            yield from notices.of_alarm(target, run.policy(target), alarm)


def _of_stage(run: Run, sweep: Sweep) -> Iterator[Condition]:
    """Yield the condition that the stage's budget is spent, or most of it.

    The first of Headroom's alarms keeps when that was notified.
    """
    ours = (table_alarms.watched(a) for a in sweep.alarms if table_alarms.is_ours(a))
    first = min((target for target in ours if target), default=None)
    if run.report.stage and first:
        policy = run.config.default_policy(Dimension.READ)
        yield from notices.of_spending(run.report.stage, first, policy, run.now)


def _of_sweeps(run: Run, tables: Collection[str]) -> Iterator[Condition]:
    """Yield the conditions of the tables for which something failed, and of those not reached."""
    yield from _in_words(run, "failing", _failures(run, tables))
    why = "docs/scale.md says what a large account needs"
    unreached = {table: why for table in run.report.unreached if table in tables}
    yield from _in_words(run, "not_reached", unreached)


def _failures(run: Run, tables: Collection[str]) -> Mapping[str, str]:
    """Return each table's first failure, in words."""
    failed: dict[str, str] = {}
    for failure in run.report.failures:
        # the subject is a table, or one of its targets
        table = failure.subject.split(":")[0].split("/")[0]
        if table in tables:
            failed.setdefault(table, str(failure))
    return failed


def _in_words(
    run: Run, kind: Literal["failing", "not_reached"], tables: Mapping[str, str]
) -> Iterator[Condition]:
    for table, why in tables.items():
        targets = [Target(table, "", dimension) for dimension in Dimension]
        target = next((t for t in targets if kind in run.policy(t).notify), None)
        if target:
            yield from notices.of_sweeps(kind, target, run.policy(target), why)


def _places(report: Report, alarms: Iterable[Alarm]) -> Callable[[Condition], Place | None]:
    """Return where a state is kept: on the target's own alarm, on another alarm of the table, or in
    the container.

    It is None where the target's alarm was just made: the next sweep finds it, and notifies.
    """
    deletions = [action for action in report.done if isinstance(action, DeleteAlarms)]
    removed = {name for action in deletions for name in action.names}
    made = {action.target for action in report.done if isinstance(action, CreateAlarm)}
    arns: dict[str, str] = {}
    of_table: dict[str, str] = {}
    for alarm in alarms:
        target = table_alarms.watched(alarm)
        if target and table_alarms.is_ours(alarm) and alarm.name not in removed:
            arns[alarm.name] = str(alarm.fields["AlarmArn"])
            of_table.setdefault(target.table, arns[alarm.name])

    def place_of(condition: Condition) -> Place | None:
        key, target = f"{TAG}{condition.line.kind}{condition.fact}", condition.target
        own = arns.get(table_alarms.name_of(target))
        if own:
            return Place(own, key)
        # a short text tells the targets of one alarm apart, since a tag's key has 128 characters
        digest = hashlib.sha256(str(target).encode()).hexdigest()[:12]
        return None if target in made else Place(of_table.get(target.table, ""), f"{key}-{digest}")

    return place_of


# delivery


@dataclass
class Delivery:
    """Sends notices. A destination that failed is not tried again by the same delivery."""

    run: Run
    _broken: dict[str, Exception] = field(default_factory=dict)
    _posted: set[str] = field(default_factory=set)

    def send(self, pending: Sequence[Notice]) -> list[Notice]:
        """Send notices, many to one destination as one message.

        Returns those that reached at least one of their destinations. Failures stand in the report.
        """
        sent: list[Notice] = []
        for batch in messages.batches(pending):
            message = messages.merged(batch)
            destinations = [place for place in (message.topic, message.slack) if place]
            reached = [self._try(destination, message) for destination in destinations]
            if any(reached):
                sent += batch
        self.run.report.notified += sent
        return sent

    def _try(self, destination: str, message: Notice) -> bool:
        """Send one message to one destination, and tell whether it was taken."""
        try:
            self._send(destination, message)
        # the other messages are sent; the failure is raised at the end
        except Exception as error:  # noqa: BLE001
            self._broken[destination] = error
            self.run.fail(destination, f"sending {message.subject!r}", error)
            return False
        return True

    def _send(self, destination: str, message: Notice) -> None:
        aws = self.run.aws
        if destination in self._broken:
            raise self._broken[destination]
        if not self.run.has_time():
            raise NotDelivered("no time left in this run")
        if destination == message.topic:
            notifications.publish(aws, destination, message)
        else:
            if destination in self._posted:
                aws.sleep(SLACK_SECONDS)
            self._posted.add(destination)
            notifications.post(aws, destination, message, self.run.now)
