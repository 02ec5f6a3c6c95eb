"""What Headroom notifies people of: changes that it made, and conditions that hold. Pure.

A change of capacity is notified once, when it was made. A condition, such as a table at its
maximum, may hold for hours. It is notified once an episode. A tag on Headroom's own alarm of the
target keeps when that was, and the metrics show when the episode began.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, islice
from operator import ge, le
from typing import Literal

from msgspec import Struct, structs

from chalicelib.config.policy import Policy
from chalicelib.config.types import METRIC_KINDS, NotificationKind
from chalicelib.core import money
from chalicelib.core.budget import next_midnight
from chalicelib.core.explain import WHY, sentence
from chalicelib.core.modes import ModeDecision
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.adaptive import units_by_minute
from chalicelib.core.strategies.demand import FRESH, is_fresh, means
from chalicelib.model import (
    Alarm,
    Change,
    Decision,
    Dimension,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    Target,
)

#: A condition that did not hold for so long begins a new episode.
EPISODE_GAP = timedelta(hours=1)
#: A longer episode than the metrics show is notified again after so long.
REPEAT = timedelta(hours=24)
SWEEP = timedelta(minutes=5)
#: Between two failures that are further apart, one sweep did not fail. Lambda retries a failed
#: sweep after one minute and after two more. The next sweep but one begins seven minutes later.
#: Source: Lambda Developer Guide, 2026-10.
SWEEP_GAP = timedelta(minutes=6, seconds=30)
#: A schedule is exact to the minute. Source: EventBridge User Guide, "Creating a rule that runs on
#: a schedule", 2026-10.
JITTER = timedelta(minutes=1)
MINUTE = timedelta(minutes=1)

HELD = {Reason.PAUSED, Reason.JOB_RUNNING}
STATE_KINDS: frozenset[NotificationKind] = METRIC_KINDS | {
    "alarm_off",
    "failing",
    "not_reached",
    "fleet",
    "paused",
    "money",
}
TEXTS = {
    "failing": "have failed for {}, at last with: ",
    "not_reached": "had no time for {}; ",
}


class Notice(Struct, frozen=True):
    """One message. topic: the ARN of an SNS topic. slack: where a webhook's URL is kept. Either may
    be "".

    facts: what a subscriber may filter by, such as kind and table. A merged notice has several
    values of a fact.
    """

    subject: str
    text: str
    facts: Mapping[str, tuple[str, ...]]
    topic: str = ""
    slack: str = ""


class NotificationLine(Struct, frozen=True):
    """One fact about a table as a sentence, with its kind and its destinations."""

    kind: NotificationKind
    table: str
    text: str
    topic: str
    slack: str


class Condition(Struct, frozen=True):
    """Something that holds now.

    target: the target whose alarm keeps the notification state. since: when the episode began,
    where the metrics show it. Without it, the notification state keeps when the condition was first
    and last observed. Then an episode ends with a `gap`, and is due when it has held for `span`.
    refresh: how old the last observation may become before it is written again. fact: tells facts
    of one kind apart, which are notified of separately.
    """

    line: NotificationLine
    target: Target
    since: datetime | None = None
    gap: timedelta = EPISODE_GAP
    span: timedelta = timedelta()
    refresh: timedelta = timedelta()
    fact: str = ""


class NotificationState(Struct, frozen=True):
    """What a tag keeps of a condition: when it was notified, and when it was first and last
    observed in the newest episode."""

    notified: datetime | None = None
    first: datetime | None = None
    last: datetime | None = None

    def __str__(self) -> str:
        """Return the tag's value.

        Letters, digits, spaces and `_ . : / = + - @` are allowed, 256 of them. Source: API_Tag of
        CloudWatch, and AWS General Reference, "Tag naming limits and requirements", read 2026-11.
        """
        times = {"told": self.notified, "first": self.first, "last": self.last}
        return " ".join(f"{name}={at:%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items() if at)


def parse_state(value: str) -> NotificationState:
    """Return the state in a tag's value. A value that Headroom did not write is an empty state."""
    pairs = dict(part.split("=", 1) for part in value.split() if "=" in part)
    try:
        times = {name: datetime.fromisoformat(at).astimezone(UTC) for name, at in pairs.items()}
        return NotificationState(times.pop("told", None), **times)
    except (TypeError, ValueError, OverflowError):
        return NotificationState()


def is_due(condition: Condition, state: NotificationState, now: datetime) -> bool:
    """Tell whether to notify: the condition has held long enough, and was not notified in this
    episode."""
    if condition.since:
        return state.notified is None or state.notified < condition.since
    first = _observed(condition, state, now).first or now
    is_new = state.notified is None or state.notified < max(first, now - REPEAT)
    return is_new and now - first >= condition.span


def update_state(
    condition: Condition, state: NotificationState, now: datetime, notified: bool
) -> NotificationState:
    """Return the state after an observation of the condition: the same one where nothing must be
    written."""
    updated = state if condition.since else _observed(condition, state, now)
    if notified:
        return structs.replace(updated, notified=now)
    is_old = state.last is None or now - state.last >= condition.refresh
    return updated if is_old or updated.first != state.first else state


def _observed(condition: Condition, state: NotificationState, now: datetime) -> NotificationState:
    is_same_episode = state.last is not None and now - state.last <= condition.gap
    first = state.first if is_same_episode and state.first else now
    return structs.replace(state, first=first, last=now)


# changes that were made


def of_changes(
    done: Iterable[SetCapacity],
    decisions: Mapping[Target, Decision],
    policies: Mapping[Target, Policy],
) -> Iterator[NotificationLine]:
    """Yield a line for each change of capacity that its policy notifies of. Both maps hold every
    changed target."""
    for change in chain.from_iterable(action.changes for action in done):
        decision, policy = decisions[change.target], policies[change.target]
        kind: NotificationKind = "scaled_up" if change.desired > change.current else "scaled_down"
        if decision.reason is Reason.FLEET and "fleet" in policy.notify:
            kind = "fleet"
        if _is_wanted(kind, policy):
            yield _line(kind, change.target, policy, _change(change, decision))


def _change(change: Change, decision: Decision) -> str:
    """Return a change in words: its decision's, unless a later call failed and the decision came
    out as that failure."""
    if decision.desired == change.desired:
        return sentence(decision)
    return (
        f"{change.target} {change.current} → {change.desired} units; "
        f"afterwards {WHY[decision.reason]} ({decision.reason})"
    )


def _is_wanted(kind: NotificationKind, policy: Policy) -> bool:
    has_destination = bool(policy.notify_topic or policy.notify_slack)
    return kind in policy.notify and has_destination and not policy.dry_run


def _line(kind: NotificationKind, target: Target, policy: Policy, text: str) -> NotificationLine:
    return NotificationLine(kind, target.table, text, policy.notify_topic, policy.notify_slack)


def of_switches(
    done: Iterable[SetMode],
    decisions: Iterable[ModeDecision],
    policies: Mapping[str, Sequence[Policy]],
) -> Iterator[NotificationLine]:
    """Yield a line for each switch of a billing mode, by the first policy of the table that
    notifies of it.

    policies: by table, of its reads and of its writes.
    """
    why = {decision.table: decision for decision in decisions if decision.switches}
    for action in done:
        if action.switches:
            table = Target(action.table, "", Dimension.READ)
            wanted = (p for p in policies[action.table] if _is_wanted("mode", p))
            for policy in islice(wanted, 1):
                yield _line("mode", table, policy, sentence(why[action.table]))


def of_restored(
    rewrites: Iterable[RewriteAlarm], policies: Mapping[Target, Policy]
) -> Iterator[NotificationLine]:
    """Yield a line for each alarm that had lost its actions and has them back."""
    for rewrite in rewrites:
        target = rewrite.target
        if isinstance(target, Target) and "AlarmActions" in rewrite.changes:
            policy = policies[target]
            if _is_wanted("alarm_off", policy):
                text = f"alarm {rewrite.alarm.name} had lost its actions; it has them back"
                yield _line("alarm_off", target, policy, text)


# conditions that hold


def of_alarm(target: Target, policy: Policy, alarm: Alarm) -> Iterator[Condition]:
    """Yield the condition that a target's alarm cannot call."""
    if _is_wanted("alarm_off", policy):
        text = (
            f"alarm {alarm.name} cannot call: {alarm.why_silent}; sweeps alone raise {target} "
            "until that ends"
        )
        yield _without_metric("alarm_off", target, policy, text)


def conditions(
    observation: Observation, decision: Decision | None, now: datetime
) -> Iterator[Condition]:
    """Yield the conditions of one target that the policy notifies of. decision: a sweep's decision,
    if there is one."""
    present = chain(
        _at_max(observation, now),
        _hot_key(observation, now),
        _load(observation, now),
        _budget(observation, decision, now),
        _held(observation, decision),
        _money(observation, now),
    )
    return (c for c in present if _is_wanted(c.line.kind, observation.policy))


def _condition(
    kind: NotificationKind, observation: Observation, text: str, since: datetime | None = None
) -> Condition:
    line = _line(kind, observation.target, observation.policy, text)
    return Condition(line, observation.target, since)


def _at_max(observation: Observation, now: datetime) -> Iterator[Condition]:
    """Requests were throttled in the last minutes, and the capacity is at its maximum."""
    target, most = observation.target, observation.policy.max_units
    throttled = observation.metrics.throttled
    newest = max(throttled.since(now - FRESH).known(), default=0.0)
    if observation.provisioned < most or not newest:
        return
    text = (
        f"{target} has {observation.provisioned} units, max_units is {most}, and requests are "
        f"throttled: up to {newest:.2f} a second in the last {FRESH // MINUTE} minutes; "
        "raise max_units if they are meant to be served"
    )
    since = _began([bool(value) for value in throttled.values], MINUTE, throttled.end)
    yield _condition("at_max", observation, text, since)


def _hot_key(observation: Observation, now: datetime) -> Iterator[Condition]:
    """Requests were throttled in the last minutes by the limit of one partition."""
    target, hot = observation.target, observation.metrics.hot_keys
    newest = max(hot.since(now - FRESH).known(), default=0.0)
    if newest:
        index = f" --index {target.index}" if target.index else ""
        text = (
            f"{target}: {WHY[Reason.HOT_KEY]}: up to {newest:.2f} a second in the last "
            f"{FRESH // MINUTE} minutes; headroom hot-keys {target.table}{index} shows the keys"
        )
        since = _began([bool(value) for value in hot.values], MINUTE, hot.end)
        yield _condition("hot_key", observation, text, since)


def _load(observation: Observation, now: datetime) -> Iterator[Condition]:
    """The mean of the newest alarm period is at or beyond a percentage of the provisioned units."""
    policy, consumed = observation.policy, observation.metrics.consumed
    if not is_fresh(consumed, now):
        return
    per_period = policy.alarm_period_seconds // 60
    shares = [
        None if used is None else used * 100 / units
        for used, units in zip(consumed.values, units_by_minute(observation), strict=True)
    ]
    periods = means(structs.replace(consumed, values=tuple(shares)), per_period)
    newest = periods[-1] if periods else None
    if newest is None:
        return
    units = observation.provisioned
    kinds: tuple[tuple[NotificationKind, str, int, Callable[[float, int], bool]], ...] = (
        ("high_throughput", "above", policy.notify_above_percent, ge),
        ("low_throughput", "below", policy.notify_below_percent, le),
    )
    for kind, side, limit, is_beyond in kinds:
        if limit and is_beyond(newest, limit):
            held = _carried([None if s is None else is_beyond(s, limit) for s in periods])
            since = _began(held, timedelta(minutes=per_period), consumed.end)
            text = f"{observation.target} consumes {newest:.0f} % of its {units} units"
            yield _condition(kind, observation, f"{text}, at or {side} {limit} %", since)


def _budget(
    observation: Observation, decision: Decision | None, now: datetime
) -> Iterator[Condition]:
    """A decrease is wanted and DynamoDB would refuse it. This is notified once a UTC day."""
    if decision and decision.reason is Reason.BUDGET_USED_UP:
        today = next_midnight(now) - timedelta(days=1)
        yield _condition("budget_used_up", observation, sentence(decision), today)


def _held(observation: Observation, decision: Decision | None) -> Iterator[Condition]:
    """A pause or a job holds the target, or its fleet cannot be counted. No metric shows since
    when."""
    held = next((hold for hold in observation.holds if hold.reason in HELD), None)
    if held:
        text = f"{observation.target}: {WHY[held.reason]}: {held.detail}"
        yield _without_metric("paused", observation.target, observation.policy, text)
    unknown = next((h for h in observation.holds if h.reason is Reason.FLEET_UNKNOWN), None)
    if unknown or (decision and decision.reason is Reason.FLEET_UNKNOWN):
        text = f"{observation.target}: {WHY[Reason.FLEET_UNKNOWN]}"
        text = f"{text}: {unknown.detail}" if unknown else text
        yield _without_metric("fleet", observation.target, observation.policy, text)


def _money(observation: Observation, now: datetime) -> Iterator[Condition]:
    """The table's budget is spent, or most of it. The reads stand for the table."""
    target = observation.target
    is_table = not target.index and target.dimension is Dimension.READ
    for one in observation.spending if is_table else ():
        if one.of:
            yield from of_spending(one, target, observation.policy, now)


def of_spending(
    one: Spending, target: Target, policy: Policy, now: datetime
) -> Iterator[Condition]:
    """Yield the condition that a budget has reached a level. Each is notified once a month."""
    level = next((n for n in money.LEVELS if one.percent is not None and one.percent >= n), 0)
    if level and _is_wanted("money", policy):
        effect = "nothing is raised above the measured demand" if one.caps else ""
        effect = effect or ("capacity is raised as before" if level == max(money.LEVELS) else "")
        text = "; ".join(filter(None, [money.sentence(one, now), effect]))
        line = structs.replace(_line("money", target, policy, text), table=one.of or "the stage")
        fact = f"-{level}" if one.of else f"-stage-{level}"
        yield Condition(line, target, money.month_begin(now), fact=fact)


def _without_metric(kind: NotificationKind, target: Target, policy: Policy, text: str) -> Condition:
    line = _line(kind, target, policy, text)
    return Condition(line, target, gap=EPISODE_GAP + SWEEP * 6, refresh=SWEEP * 6)


def of_sweeps(
    kind: Literal["failing", "not_reached"], target: Target, policy: Policy, why: str
) -> Iterator[Condition]:
    """Yield the condition that sweeps fail for a target's table, or have no time for it, if the
    policy notifies of it.

    why: what happened, as a sentence.
    """
    count = policy.notify_failing_sweeps
    text = f"{count} sweeps in a row {TEXTS[kind].format(target.table)}{why}"
    span = max(SWEEP * (count - 1) - JITTER, timedelta())
    if _is_wanted(kind, policy):
        yield Condition(_line(kind, target, policy, text), target, gap=SWEEP_GAP, span=span)


def _carried(periods: Sequence[bool | None]) -> list[bool]:
    """Return whether the condition held in each period. An unknown period counts as the one before
    it, the first as held."""
    held = accumulate(periods, lambda last, now: last if now is None else now, initial=True)
    return [bool(value) for value in held][1:]


def _began(held: Sequence[bool], step: timedelta, end: datetime) -> datetime:
    """Return since when a condition has held without a gap of EPISODE_GAP.

    held: whether it held in each step, the newest last, which ends at `end`. An episode that is
    older than the series counts from REPEAT ago, so it is notified again after that.
    """
    longest = math.ceil(EPISODE_GAP / step)
    first, absent = len(held), 0
    for i in range(len(held) - 1, -1, -1):
        first, absent = (i, 0) if held[i] else (first, absent + 1)
        if absent >= longest:
            return end - step * (len(held) - first)
    return end - REPEAT
