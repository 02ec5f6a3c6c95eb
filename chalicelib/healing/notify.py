"""Tell people what healing did, and what it left undone: a deed when it is done, a refusal once for
each time of being sick.

That a refusal was told stands as a tag on the instance's own alarm, whose last change of state says
since when it is sick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.aws import notifications
from chalicelib.config.healing import Healing, rule_for
from chalicelib.core.explain import sentence
from chalicelib.core.healing import Verdict
from chalicelib.core.notices import REPEAT, Memory, Notice, remembered
from chalicelib.model import Alarm, Heal, Reason
from chalicelib.notify import TAG, deliver
from chalicelib.run import Report, Shell, attempt

LEFT_ALONE = frozenset(
    {
        Reason.HEALING_BUDGET,
        Reason.LAST_HEALTHY,
        Reason.OUTAGE,
        Reason.PROCESS_SUSPENDED,
        Reason.PROTECTED,
        Reason.REBOOTED_RECENTLY,
    }
)
"""What an operator wants to know of an instance that stays sick. The other reasons pass by
themselves, or are his own doing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sick instance that Headroom does nothing to, and the tag that remembers that this was told;
    no alarm, no tag."""

    verdict: Verdict
    alarm: Alarm | None
    memory: Memory

    @property
    def key(self) -> str:
        """Return the tag's key: of each reason its own."""
        return key_of(self.verdict)


def key_of(verdict: Verdict) -> str:
    """Return the key under which it is remembered that a verdict was told."""
    return f"{TAG}healing-{verdict.reason}"


def tell(shell: Shell, report: Report, alarms: Mapping[str, Alarm], now: datetime) -> None:
    """Tell what a look at some groups came to. alarms: those of their sick members, by instance. A
    dry run tells nothing."""
    shell.settled(report)
    if shell.dry_run:
        return
    done = {action.instance for action in report.done if isinstance(action, Heal)}
    verdicts = [v for v in report.verdicts if v.instance in done]
    refusals = [r for r in _refusals(shell, report, alarms, now) if is_news(r.alarm, r.memory, now)]
    of_deeds = _notices(shell, "Headroom healed instances of group {}", verdicts)
    of_refusals = _notices(
        shell,
        "Sick instances of group {} are left alone",
        [refusal.verdict for refusal in refusals],
    )
    told = deliver(shell, report, [*of_deeds.values(), *of_refusals.values()], now)
    for refusal in refusals:
        if of_refusals[refusal.verdict.group] in told:
            _remember(shell, report, refusal, now)


def is_news(alarm: Alarm | None, memory: Memory, now: datetime) -> bool:
    """Tell whether a refusal is to be told: not since the alarm went to ALARM; without an alarm,
    not within REPEAT."""
    if alarm is None:
        return memory.told is None or now - memory.told >= REPEAT
    began = alarm.fields.get("StateTransitionedTimestamp") or alarm.fields.get(
        "StateUpdatedTimestamp"
    )
    if alarm.fields.get("StateValue") != "ALARM" or not isinstance(began, datetime):
        return False
    return memory.told is None or memory.told < began


def _refusals(
    shell: Shell, report: Report, alarms: Mapping[str, Alarm], now: datetime
) -> Iterator[Refusal]:
    for verdict in report.verdicts:
        rule = _rule(shell, verdict)
        is_left = verdict.reason in LEFT_ALONE or (verdict.is_sick and not verdict.acts)
        if not is_left or rule.dry_run or not (rule.notify_topic or rule.notify_slack):
            continue
        alarm = alarms.get(verdict.instance)
        memory = _memory(shell, report, verdict, alarm, now)
        if memory is not None:
            yield Refusal(verdict, alarm, memory)


def _memory(
    shell: Shell, report: Report, verdict: Verdict, alarm: Alarm | None, now: datetime
) -> Memory | None:
    """Return what is remembered: by this container, or, where that leaves a doubt, by the tag; None
    where it cannot be read."""
    known = shell.aws.told.get((verdict.instance, key_of(verdict)), Memory())
    if alarm is None or not is_news(alarm, known, now):
        return known if isinstance(known, Memory) else Memory()
    arn = str(alarm.fields["AlarmArn"])
    tags = attempt(report, arn, "ListTagsForResource", lambda: notifications.tags(shell.aws, arn))
    return None if tags is None else remembered(tags.get(key_of(verdict), ""))


def _remember(shell: Shell, report: Report, refusal: Refusal, now: datetime) -> None:
    memory = Memory(told=now)
    shell.aws.told[refusal.verdict.instance, refusal.key] = memory
    if refusal.alarm:
        arn = str(refusal.alarm.fields["AlarmArn"])
        attempt(
            report,
            arn,
            "TagResource",
            lambda: notifications.tag(shell.aws, arn, refusal.key, str(memory)),
        )


def _notices(shell: Shell, subject: str, verdicts: list[Verdict]) -> dict[str, Notice]:
    """Return a message for each group whose rule tells somebody, with a line for each of its
    instances."""
    lines: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        lines[verdict.group].append(verdict)
    found: dict[str, Notice] = {}
    for group, of in lines.items():
        rule = _rule(shell, of[0])
        if rule.notify_topic or rule.notify_slack:
            text = "\n".join(sentence(verdict) for verdict in of)
            facts = {"kind": ("healing",), "group": (group,)}
            found[group] = Notice(
                subject.format(group), text, facts, rule.notify_topic, rule.notify_slack
            )
    return found


def _rule(shell: Shell, verdict: Verdict) -> Healing:
    rule = rule_for(shell.config.healing, verdict.group)
    if rule is None:
        raise LookupError(f"no [[healing]] rule names group {verdict.group}")
    return rule
