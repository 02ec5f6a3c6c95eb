"""Notify people of what healing did, and of failed instances that it left alone.

A replacement or a reboot is sent when it is done. A refusal is sent once for each failure of the
instance. A tag on the instance's own alarm records that it was sent. The alarm's last change of
state shows since when the instance fails.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.config.healing import Healing, rule_for
from chalicelib.core.explain import sentence
from chalicelib.core.healing import HealingDecision
from chalicelib.core.notices import REPEAT, Notice, NotificationState
from chalicelib.model import Alarm, Heal, Reason
from chalicelib.notify import TAG, Delivery, Place, StateStore
from chalicelib.run import Run

#: The reasons that an operator wants to know about. The others end by themselves, or are the
#: operator's own choice.
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed instance that Headroom leaves alone, and where its notification state is kept."""

    decision: HealingDecision
    alarm: Alarm | None

    @property
    def place(self) -> Place:
        """Return the place of the state: each reason has its own."""
        key = key_of(self.decision)
        if self.alarm is None:
            return Place("", f"{key}-{self.decision.instance}")
        return Place(str(self.alarm.fields["AlarmArn"]), key)


def key_of(decision: HealingDecision) -> str:
    """Return the tag's key for a decision."""
    return f"{TAG}healing-{decision.reason}"


def notify_of_instances(run: Run) -> None:
    """Notify people of the run's decisions on instances."""
    done = {action.instance for action in run.report.done if isinstance(action, Heal)}
    healed = [decision for decision in run.report.healing_decisions if decision.instance in done]
    store = StateStore(run)
    refusals = [refusal for refusal in _refusals(run) if _must_notify(run, store, refusal)]
    refused = [refusal.decision for refusal in refusals]
    of_healed = _notices(run, "Headroom healed instances of group {}", healed)
    of_refusals = _notices(run, "Failed instances of group {} are left alone", refused)
    sent = Delivery(run).send([*of_healed.values(), *of_refusals.values()])
    for refusal in refusals:
        if of_refusals[refusal.decision.group] in sent:
            store.write(refusal.place, NotificationState(notified=run.now))


def is_due(alarm: Alarm | None, state: NotificationState, now: datetime) -> bool:
    """Tell whether a refusal must be sent: once since the alarm went to ALARM.

    Without an alarm it is sent once within REPEAT.
    """
    if alarm is None:
        return state.notified is None or now - state.notified >= REPEAT
    fields = alarm.fields
    began = fields.get("StateTransitionedTimestamp") or fields.get("StateUpdatedTimestamp")
    if fields.get("StateValue") != "ALARM" or not isinstance(began, datetime):
        return False
    return state.notified is None or state.notified < began


def _refusals(run: Run) -> Iterator[Refusal]:
    for decision in run.report.healing_decisions:
        rule = _rule(run, decision)
        is_left = decision.reason in LEFT_ALONE or (decision.is_failed and not decision.acts)
        if is_left and not rule.dry_run and (rule.notify_topic or rule.notify_slack):
            yield Refusal(decision, run.report.instance_alarms.get(decision.instance))


def _must_notify(run: Run, store: StateStore, refusal: Refusal) -> bool:
    """Tell whether a refusal must be sent: by the container's state, then by the tag."""
    if not is_due(refusal.alarm, store.known(refusal.place), run.now):
        return False
    state = store.read(refusal.place)
    return state is not None and is_due(refusal.alarm, state, run.now)


def _notices(run: Run, subject: str, decisions: list[HealingDecision]) -> dict[str, Notice]:
    """Return a message for each group whose rule has a destination: a line for each instance."""
    of_groups: dict[str, list[HealingDecision]] = defaultdict(list)
    for decision in decisions:
        of_groups[decision.group].append(decision)
    messages: dict[str, Notice] = {}
    for group, of_group in of_groups.items():
        rule = _rule(run, of_group[0])
        if rule.notify_topic or rule.notify_slack:
            text = "\n".join(sentence(decision) for decision in of_group)
            facts = {"kind": ("healing",), "group": (group,)}
            title = subject.format(group)
            messages[group] = Notice(title, text, facts, rule.notify_topic, rule.notify_slack)
    return messages


def _rule(run: Run, decision: HealingDecision) -> Healing:
    rule = rule_for(run.config.healing, decision.group)
    if rule is None:
        raise LookupError(f"no [[healing]] rule names group {decision.group}")
    return rule
