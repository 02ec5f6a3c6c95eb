"""Tell people: at the end of an event, when everything is decided and done, so that no notifier can
stop a scaling.

Each message goes out on its own; one that is not taken stands in the report as a failure. What was
told of a state is kept as a tag on Headroom's own alarm of the target, written after the telling: a
crash between the two tells it twice, never not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chalicelib.aws import notifications
from chalicelib.aws.notifications import NotDelivered
from chalicelib.core import notices, table_alarms
from chalicelib.core.notices import Memory, Notice, State
from chalicelib.model import (
    Alarm,
    CreateAlarm,
    DeleteAlarms,
    Dimension,
    Reason,
    SetCapacity,
    Skip,
    Target,
)
from chalicelib.run import Failure, Report, Shell, attempt

TAG = "headroom-told-"
SLACK_SECONDS = 1.0
"""A webhook takes one message a second. Source: Slack API, "Rate limits", read 2026-11."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where it is remembered that a state was told: a tag of an alarm; without an alarm (arn ""),
    for the container's life."""

    arn: str
    key: str


@dataclass(frozen=True, slots=True)
class Due:
    """A state that is to be told, or whose memory is to be written."""

    state: State
    keeper: Keeper
    memory: Memory
    is_news: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has read: the alarms on the topic, and the names of the managed tables that
    exist."""

    watching: Sequence[Alarm]
    tables: Collection[str]


def notify(shell: Shell, report: Report, now: datetime, swept: Swept | None = None) -> Report:
    """Tell what the event came to, and return the report. A dry run tells nothing.

    swept: given where it was a sweep that could read the alarms: then it tells what holds, too.
    """
    shell.settled(report)
    if not shell.dry_run:
        attempt(report, "notifications", "telling", partial(_notify, shell, report, now, swept))
    return report


def _notify(shell: Shell, report: Report, now: datetime, swept: Swept | None) -> None:
    done = [action for action in report.done if isinstance(action, SetCapacity)]
    decisions = {decision.target: decision for decision in report.decisions}
    policies = {
        change.target: shell.policy(change.target) for action in done for change in action.changes
    }
    lines = list(notices.of_changes(done, decisions, policies))
    due = list(_due(shell, report, now, swept)) if swept else []
    found = notices.notices([*lines, *(one.state.line for one in due if one.is_news)])
    told = deliver(shell, report, [*(notice for notice, _ in found), *report.notices], now)
    lines_told = {
        id(line) for notice, of in found if any(notice is one for one in told) for line in of
    }
    for one in due:
        _remember(shell, report, one, id(one.state.line) in lines_told, now)


# states


def _due(shell: Shell, report: Report, now: datetime, swept: Swept) -> Iterator[Due]:
    keeper_of = _keepers(report, swept.watching)
    failed = _failed(report, swept.tables)
    for state in (*_holding(shell, report, now), *_failing(shell, failed)):
        keeper = keeper_of(state)
        if keeper is None:
            continue
        if not shell.may_go_on():
            report.skips.append(
                Skip("notifications", Reason.NO_TIME_LEFT, "what holds is told by a later sweep")
            )
            return
        one = _judge(state, keeper, shell.aws.told.get(keeper, Memory()), now)
        if one and keeper.arn:  # what this container remembers is not enough to write or to tell
            read = attempt(
                report,
                keeper.arn,
                "ListTagsForResource",
                partial(notifications.tags, shell.aws, keeper.arn),
            )
            if read is None:
                continue
            memory = notices.remembered(read.get(keeper.key, ""))
            shell.aws.told[keeper] = memory
            one = _judge(state, keeper, memory, now)
        if one:
            yield one


def _judge(state: State, keeper: Keeper, memory: Memory, now: datetime) -> Due | None:
    is_news = notices.is_news(state, memory, now)
    is_written = notices.noted(state, memory, now, told=False) != memory
    return Due(state, keeper, memory, is_news) if is_news or is_written else None


def _remember(shell: Shell, report: Report, one: Due, told: bool, now: datetime) -> None:
    memory = notices.noted(one.state, one.memory, now, told)
    if memory == one.memory:
        return
    shell.aws.told[one.keeper] = memory
    if one.keeper.arn:
        arn, key = one.keeper.arn, one.keeper.key
        attempt(
            report,
            arn,
            "TagResource",
            lambda: notifications.tag(shell.aws, arn, key, str(memory)),
        )


def _holding(shell: Shell, report: Report, now: datetime) -> Iterator[State]:
    decisions = {decision.target: decision for decision in report.decisions}
    for target, seen in report.seen.items():
        yield from notices.states(seen, decisions.get(target), shell.policy(target), now)


def _failed(report: Report, tables: Collection[str]) -> dict[str, str]:
    """Return what failed for which of the tables, the first of each, in words."""
    found: dict[str, str] = {}
    for failure in report.failures:
        table = failure.subject.split(":")[0].split("/")[
            0
        ]  # the subject is a table, or one of its targets
        if table in tables:
            found.setdefault(table, str(failure))
    return found


def _failing(shell: Shell, failed: Mapping[str, str]) -> Iterator[State]:
    for table, why in failed.items():
        targets = [Target(table, "", dimension) for dimension in Dimension]
        wanting = (t for t in targets if "failing" in shell.policy(t).notify)
        for target in list(wanting)[:1]:
            yield from notices.failing(target, shell.policy(target), why)


def _keepers(report: Report, watching: Iterable[Alarm]) -> Callable[[State], Keeper | None]:
    """Return who remembers a state: the target's own alarm, else another of the table's, else the
    container.

    None where the target's alarm has just been made: the next sweep finds it, and tells.
    """
    removed = {
        name for action in report.done if isinstance(action, DeleteAlarms) for name in action.names
    }
    made = {action.target for action in report.done if isinstance(action, CreateAlarm)}
    arns: dict[str, str] = {}
    of_table: dict[str, str] = {}
    for alarm in watching:
        target = table_alarms.watched(alarm)
        if target and table_alarms.is_ours(alarm) and alarm.name not in removed:
            arns[alarm.name] = str(alarm.fields["AlarmArn"])
            of_table.setdefault(target.table, arns[alarm.name])

    def keeper_of(state: State) -> Keeper | None:
        key = f"{TAG}{state.line.kind}"
        own = arns.get(table_alarms.name_of(state.target))
        if own:
            return Keeper(own, key)
        if state.target in made:
            return None
        return Keeper(of_table.get(state.target.table, ""), f"{key}-{_digest(state.target)}")

    return keeper_of


def _digest(target: Target) -> str:
    """Return what tells targets apart whose states stand on the same alarm, or on none: a tag's key
    has 128 characters."""
    return hashlib.sha256(str(target).encode()).hexdigest()[:12]


# delivery


def deliver(shell: Shell, report: Report, found: Sequence[Notice], now: datetime) -> list[Notice]:
    """Send notices, many to one destination as one message, and return those that reached one of
    their destinations at least.

    A destination that failed is not tried again in this run. Failures stand in the report.
    """
    broken: dict[str, Exception] = {}
    posted: set[str] = set()
    told: list[Notice] = []
    for batch in notices.batches(found):
        message = notices.merged(batch)
        reached = [
            _send(shell, report, place, message, broken, now, posted)
            for place in (message.topic, message.slack)
            if place
        ]
        if any(reached):
            told += batch
    report.told += told
    return told


def _send(
    shell: Shell,
    report: Report,
    place: str,
    message: Notice,
    broken: dict[str, Exception],
    now: datetime,
    posted: set[str],
) -> bool:
    """Send one message to one place, and tell whether it was taken."""
    try:
        if place in broken:
            raise broken[place]
        if not shell.may_go_on():
            raise NotDelivered("no time left in this run")
        if place == message.topic:
            notifications.publish(shell.aws, place, message)
        else:
            if place in posted:
                shell.aws.sleep(SLACK_SECONDS)
            posted.add(place)
            notifications.post(shell.aws, place, message, now)
    # whatever breaks it, the other messages go out; it is raised at the end
    except Exception as error:  # noqa: BLE001
        broken[place] = error
        report.failures.append(Failure(place, f"telling {message.subject!r}", error))
        return False
    return True
