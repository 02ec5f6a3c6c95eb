"""What is told to people: what was done, and what has come to hold. Pure: whom, in which words, and
whether it is news.

A change of capacity is told when it was done. A state, such as a table at its maximum, holds for
hours, and is told once an episode: Headroom remembers that as a tag on its own alarm of the target,
and takes from the metrics when the episode began.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chalicelib.config.policy import METRIC_KINDS, NotificationKind, Policy
from chalicelib.core.budget import next_midnight
from chalicelib.core.explain import WHY, sentence
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.adaptive import units_by_minute
from chalicelib.core.strategies.demand import FRESH, is_fresh, means
from chalicelib.model import Change, Decision, Reason, SetCapacity, Target

EPISODE_GAP = timedelta(hours=1)
"""What has not held for so long begins anew."""
REPEAT = timedelta(hours=24)
"""An episode that is older than all that is seen is told again after so long."""
SWEEP = timedelta(minutes=5)
SWEEP_GAP = timedelta(minutes=6, seconds=30)
"""Two failures of sweeps further apart have a sweep between them that did not fail: Lambda tries a
failed one again one minute and then two minutes later, and the next but one comes after seven
minutes more. Source: Lambda Developer Guide, 2026-10."""
JITTER = timedelta(minutes=1)
"""A schedule keeps time to the minute. Source: EventBridge User Guide, "Creating a rule that runs
on a schedule", 2026-10."""
MINUTE = timedelta(minutes=1)
AT_ONCE = 5
"""So many messages of a run to one destination go apart; more go together."""
TOGETHER = 50
"""So many at the most in one message."""
MAX_TEXT = 30_000
"""Characters. SNS takes 262,144 bytes, attributes included, and no character has more than four.
Source: API_Publish, 2026-11. Slack cuts a text off after 40,000 characters. Source: Slack's
changelog, "Truncating really long messages", 2018-04."""

HELD = {Reason.PAUSED, Reason.JOB_RUNNING}
STATE_KINDS: frozenset[NotificationKind] = METRIC_KINDS | {"failing", "fleet", "paused"}
SUBJECTS: Mapping[NotificationKind, str] = {
    "scaled_up": "Headroom raised {}",
    "scaled_down": "Headroom lowered {}",
    "at_max": "At its maximum and throttled: {}",
    "budget_used_up": "No decrease left for now: {}",
    "high_throughput": "High throughput: {}",
    "low_throughput": "Low throughput: {}",
    "failing": "Sweeps keep failing: {}",
    "fleet": "Following its fleet: {}",
    "paused": "Paused: {}",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. topic: the ARN of an SNS topic, slack: where a webhook's URL is kept; either may
    be "".

    facts: what a subscriber may filter by, such as kind and table: one value, or several where
    notices went together.
    """

    subject: str
    text: str
    facts: Mapping[str, tuple[str, ...]]
    topic: str = ""
    slack: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One fact in words, of a kind, about a table, and whom it is for."""

    kind: NotificationKind
    table: str
    text: str
    topic: str
    slack: str


@dataclass(frozen=True, slots=True)
class State:
    """Something that holds now.

    target: whose alarm remembers that it was told. since: when the episode began, where the metrics
    tell. Elsewhere the memory keeps when it was first and last seen: an episode ends with a `gap`,
    and is news when it has held for `span`. `noted`: how old the memory's last sight may become
    before it is written again.
    """

    line: Line
    target: Target
    since: datetime | None = None
    gap: timedelta = EPISODE_GAP
    span: timedelta = timedelta()
    noted: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Memory:
    """What a tag remembers of a state: when it was told, and when it was first and last seen in the
    newest episode."""

    told: datetime | None = None
    first: datetime | None = None
    last: datetime | None = None

    def __str__(self) -> str:
        """Return the tag's value.

        Letters, digits, spaces and `_ . : / = + - @` are allowed, 256 of them. Source: API_Tag of
        CloudWatch, and AWS General Reference, "Tag naming limits and requirements", read 2026-11.
        """
        times = {"told": self.told, "first": self.first, "last": self.last}
        return " ".join(f"{name}={at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items() if at)


def remembered(value: str) -> Memory:
    """Return what a tag's value says; what somebody else has made of it says nothing."""
    pairs = dict(part.split("=", 1) for part in value.split() if "=" in part)
    try:
        return Memory(
            **{name: datetime.fromisoformat(at).astimezone(UTC) for name, at in pairs.items()}
        )
    except (TypeError, ValueError, OverflowError):
        return Memory()


def is_news(state: State, memory: Memory, now: datetime) -> bool:
    """Tell whether a state is to be told: it has held for long enough, and was not told since its
    episode began."""
    first = state.since or _noted(state, memory, now).first or now
    if state.since is None:
        if now - first < state.span:
            return False
        first = max(first, now - REPEAT)
    return memory.told is None or memory.told < first


def noted(state: State, memory: Memory, now: datetime, told: bool) -> Memory:
    """Return what to remember after a look at which a state held; the same memory where nothing is
    to be written."""
    found = memory if state.since else _noted(state, memory, now)
    if told:
        return replace(found, told=now)
    return (
        found
        if memory.last is None or found.first != memory.first or now - memory.last >= state.noted
        else memory
    )


def _noted(state: State, memory: Memory, now: datetime) -> Memory:
    goes_on = (
        memory.first is not None and memory.last is not None and now - memory.last <= state.gap
    )
    return replace(memory, first=memory.first if goes_on else now, last=now)


# what was done


def of_changes(
    done: Iterable[SetCapacity],
    decisions: Mapping[Target, Decision],
    policies: Mapping[Target, Policy],
) -> Iterator[Line]:
    """Yield a line for each change of capacity that somebody wants to hear of. All maps hold every
    changed target."""
    for action in done:
        for change in action.changes:
            decision = decisions[change.target]
            kind = _kind(change, decision, policies[change.target])
            yield from _lines(
                kind, change.target, policies[change.target], _change(change, decision)
            )


def _kind(change: Change, decision: Decision, policy: Policy) -> NotificationKind:
    if decision.reason is Reason.FLEET and "fleet" in policy.notify:
        return "fleet"
    return "scaled_up" if change.desired > change.current else "scaled_down"


def _change(change: Change, decision: Decision) -> str:
    """Return a change in words: its decision's, unless a later call failed and the decision came
    out as that failure."""
    if decision.desired == change.desired:
        return sentence(decision)
    return f"{change.target} {change.current} → {change.desired} units; afterwards {WHY[decision.reason]} ({decision.reason})"


def _lines(kind: NotificationKind, target: Target, policy: Policy, text: str) -> Iterator[Line]:
    if (
        kind in policy.notify
        and (policy.notify_topic or policy.notify_slack)
        and not policy.dry_run
    ):
        yield Line(kind, target.table, text, policy.notify_topic, policy.notify_slack)


# what holds


def states(
    seen: Observation, decision: Decision | None, policy: Policy, now: datetime
) -> Iterator[State]:
    """Yield what holds of one target and somebody wants to hear of. decision: that of a sweep, if
    it came to one."""
    found = (
        _at_max(seen, policy, now),
        _throughput(seen, policy, now),
        _budget(seen, decision, now),
        _held(seen, decision),
    )
    for kind, text, state in (entry for entries in found for entry in entries):
        for line in _lines(kind, seen.target, policy, text):
            yield replace(state, line=line)


Found = Iterator[tuple[NotificationKind, str, State]]
NOBODY = Line("failing", "", "", "", "")


def _at_max(seen: Observation, policy: Policy, now: datetime) -> Found:
    """Requests were throttled within the last minutes, and capacity may not be raised any more."""
    throttled = seen.metrics.throttled
    newest = max(throttled.since(now - FRESH).known(), default=0.0)
    if seen.provisioned < policy.max_units or not newest:
        return
    text = f"{seen.target} has {seen.provisioned} units, max_units is {policy.max_units}, and requests are throttled: up to "
    text += f"{newest:.2f} a second in the last {FRESH // MINUTE} minutes; raise max_units if they are meant to be served"
    since = _began([bool(value) for value in throttled.values], MINUTE, throttled.end)
    yield "at_max", text, State(NOBODY, seen.target, since)


def _throughput(seen: Observation, policy: Policy, now: datetime) -> Found:
    """The mean of the newest alarm period is at or above, or at or below, a percentage of the
    provisioned units."""
    consumed = seen.metrics.consumed
    if not is_fresh(consumed, now):
        return
    per_period = policy.alarm_period_seconds // 60
    shares = [
        None if used is None else used * 100 / n
        for used, n in zip(consumed.values, units_by_minute(seen), strict=True)
    ]
    periods = means(replace(consumed, values=tuple(shares)), per_period)
    newest = periods[-1] if periods else None
    if newest is None:
        return
    above, below = policy.notify_above_percent, policy.notify_below_percent
    said = f"{seen.target} consumes {newest:.0f} % of its {seen.provisioned} units"
    step = timedelta(minutes=per_period)
    if above and newest >= above:
        hot = _carried([None if share is None else share >= above for share in periods])
        since = _began(hot, step, consumed.end)
        yield "high_throughput", f"{said}, at or above {above} %", State(NOBODY, seen.target, since)
    if below and newest <= below:
        cold = _carried([None if share is None else share <= below for share in periods])
        since = _began(cold, step, consumed.end)
        yield "low_throughput", f"{said}, at or below {below} %", State(NOBODY, seen.target, since)


def _budget(seen: Observation, decision: Decision | None, now: datetime) -> Found:
    """A decrease is wanted and DynamoDB would refuse it; told once a UTC day."""
    if decision and decision.reason is Reason.BUDGET_USED_UP:
        today = next_midnight(now) - timedelta(days=1)
        yield "budget_used_up", sentence(decision), State(NOBODY, seen.target, today)


def _held(seen: Observation, decision: Decision | None) -> Found:
    """A pause or a job holds it, or its fleet cannot be counted. No metric tells since when: the
    memory does."""
    state = State(NOBODY, seen.target, gap=EPISODE_GAP + SWEEP * 6, noted=SWEEP * 6)
    hold = next((hold for hold in seen.holds if hold.reason in HELD), None)
    if hold:
        yield "paused", f"{seen.target}: {WHY[hold.reason]}: {hold.detail}", state
    unknown = next((hold for hold in seen.holds if hold.reason is Reason.FLEET_UNKNOWN), None)
    if unknown or (decision and decision.reason is Reason.FLEET_UNKNOWN):
        text = f"{seen.target}: {WHY[Reason.FLEET_UNKNOWN]}"
        yield "fleet", f"{text}: {unknown.detail}" if unknown else text, state


def failing(target: Target, policy: Policy, why: str) -> Iterator[State]:
    """Yield that a sweep has failed for a target's table. why: what failed, in words."""
    count = policy.notify_failing_sweeps
    text = f"{count} sweeps in a row have failed for {target.table}, at last with: {why}"
    span = max(SWEEP * (count - 1) - JITTER, timedelta())
    for line in _lines("failing", target, policy, text):
        yield State(line, target, gap=SWEEP_GAP, span=span)


def _carried(periods: Sequence[bool | None]) -> list[bool]:
    """Return whether it held in each period: the unknown ones are as those before them, and the
    first as if it had held."""
    found: list[bool] = []
    for held in periods:
        found.append((found[-1] if found else True) if held is None else held)
    return found


def _began(held: Sequence[bool], step: timedelta, end: datetime) -> datetime:
    """Return since when a fact has held without being absent for EPISODE_GAP.

    held: whether it held in each step, the newest last, which ends at `end`. An episode that is
    older than all that is seen counts from REPEAT ago, so that it is told again after that.
    """
    longest = math.ceil(EPISODE_GAP / step)
    first, absent = len(held), 0
    for i in range(len(held) - 1, -1, -1):
        first, absent = (i, 0) if held[i] else (first, absent + 1)
        if absent >= longest:
            return end - step * (len(held) - first)
    return end - REPEAT


# into messages


def notices(lines: Iterable[Line]) -> list[tuple[Notice, list[Line]]]:
    """Return a message for each kind, table and destination, with the lines that stand in it."""
    found: dict[tuple[NotificationKind, str, str, str], list[Line]] = {}
    for line in lines:
        found.setdefault((line.kind, line.table, line.topic, line.slack), []).append(line)
    return [
        (
            Notice(
                SUBJECTS[kind].format(table),
                _joined([line.text for line in of]),
                _facts(kind, table),
                topic,
                slack,
            ),
            of,
        )
        for (kind, table, topic, slack), of in found.items()
    ]


def _facts(kind: NotificationKind, table: str) -> Mapping[str, tuple[str, ...]]:
    return {"kind": (kind,), "table": (table,)}


def _joined(texts: Sequence[str], between: str = "\n") -> str:
    text = between.join(texts)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … (the rest stands in the log)"


def batches(found: Sequence[Notice]) -> list[Sequence[Notice]]:
    """Return the notices as they go out, those of one batch as one message: each alone, or many
    together where there are many."""
    apart: dict[tuple[str, str], list[Notice]] = {}
    for notice in found:
        apart.setdefault((notice.topic, notice.slack), []).append(notice)
    return [
        of[i : i + size]
        for of in apart.values()
        for size in [1 if len(of) <= AT_ONCE else TOGETHER]
        for i in range(0, len(of), size)
    ]


def merged(batch: Sequence[Notice]) -> Notice:
    """Return a batch of notices to one destination as one notice."""
    first = batch[0]
    if len(batch) == 1:
        return first
    kinds = Counter(kind for notice in batch for kind in notice.facts.get("kind", ()))
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    keys = sorted({key for notice in batch for key in notice.facts})
    facts = {
        key: tuple(dict.fromkeys(value for notice in batch for value in notice.facts.get(key, ())))
        for key in keys
    }
    text = _joined([f"{notice.subject}\n{notice.text}" for notice in batch], "\n\n")
    return Notice(
        f"Headroom: {len(batch)} notices ({counted})", text, facts, first.topic, first.slack
    )
