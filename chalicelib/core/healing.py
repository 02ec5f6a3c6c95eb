"""Healing: whether a sick instance of an Auto Scaling group is to be replaced now. Pure: the facts
and the time are arguments."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from chalicelib.config.healing import ACTING, Healing, HealingAction
from chalicelib.model import Number, Reason

IN_SERVICE = "InService"
"""The state of a member that counts towards the group's capacity. Members of a warm pool, in
standby, and those that come or go are in other states. Source: Amazon EC2 Auto Scaling User Guide,
"Amazon EC2 Auto Scaling instance lifecycle", read 2026-11."""
MANY = 2
"""So many instances that fail at once may be an outage; one is a sick instance."""
REPLACING = frozenset({"HealthCheck", "Launch", "ReplaceUnhealthy", "Terminate"})
"""A group with one of these processes suspended replaces nothing, or only by half: without `Launch`
the instance would go and none come. Source: EC2 Auto Scaling User Guide, "How suspended processes
affect other processes", read 2026-11. A group whose own `HealthCheck` is suspended would still
replace what SetInstanceHealth marks; but who suspended it wants nothing replaced.
"""
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a group, as DescribeAutoScalingGroups and DescribeInstanceStatus show it
    together.

    lifecycle: `InService`, `Standby`, `Terminating:Wait` and so on. failing: the names of the
    status checks that EC2 calls impaired now; failing_since: when the first of them began, None
    where EC2 does not say. passing: whether EC2 calls all of them ok; while an instance boots it is
    neither. Source: API_InstanceStatus, EC2 Auto Scaling User Guide, "Instance lifecycle", read
    2026-11.
    """

    instance: str
    zone: str
    lifecycle: str = IN_SERVICE
    healthy: bool = True
    protected: bool = False
    failing: tuple[str, ...] = ()
    failing_since: datetime | None = None
    passing: bool = True

    @property
    def in_service(self) -> bool:
        """Tell whether it serves: neither in standby, nor on its way in or out."""
        return self.lifecycle == IN_SERVICE

    @property
    def is_leaving(self) -> bool:
        """Tell whether the group is replacing or removing it already."""
        return not self.healthy or self.lifecycle.startswith("Terminat")

    @property
    def is_healthy(self) -> bool:
        """Tell whether it serves and nothing speaks against it; what is not known does."""
        return self.in_service and self.healthy and self.passing and not self.failing


class EventKind(StrEnum):
    """What is known of an instance's past."""

    JOINED = "joined"
    REPLACED = "replaced"
    REBOOTED = "rebooted"


@dataclass(frozen=True, slots=True)
class MemberEvent:
    """Something that happened to an instance of a group at an aware time, as AWS remembers it."""

    instance: str
    at: datetime
    what: EventKind


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """An Auto Scaling group with its members.

    suspended: its suspended processes. grace: its own health check grace period. watched: the
    instances that have a status alarm of Headroom's, in which a reboot is written down.
    """

    name: str
    members: tuple[Member, ...]
    suspended: frozenset[str] = frozenset()
    grace: timedelta = timedelta(0)
    events: tuple[MemberEvent, ...] = ()
    watched: frozenset[str] = frozenset()

    @property
    def in_service(self) -> list[Member]:
        """Return the members that serve."""
        return [member for member in self.members if member.in_service]

    def look_back(self, rule: Healing) -> timedelta:
        """Return how far back the events are needed."""
        return max(timedelta(minutes=max(rule.within_minutes, rule.cooldown_minutes)), self.grace)


@dataclass(frozen=True, slots=True)
class HealingDecision:
    """What is to be done about one instance, why, and the numbers behind it. group: "" where it is
    no member of one."""

    instance: str
    group: str
    action: HealingAction
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def is_sick(self) -> bool:
        """Tell whether the instance is to be healed now, by whomever."""
        return self.reason is Reason.STATUS_CHECK_FAILED

    @property
    def acts(self) -> bool:
        """Tell whether Headroom itself is to do something to the instance."""
        return self.is_sick and self.action in ACTING


def decide(
    group: InstanceGroup, rule: Healing, now: datetime, requested: Collection[str] = ()
) -> list[HealingDecision]:
    """Return a decision for every member whose status checks fail, and for the requested ones.

    A look at one is a look at the whole group: two events at the same time see the same sick
    members in the same order, the longest sick first, and come to the same choice; so that together
    they do not heal more than one alone.
    """
    looked_at = [m for m in group.members if m.failing or m.instance in requested]
    healed = _healed(group, rule, now)
    left = max(0, rule.allowed(len(group.in_service)) - len(healed))
    verdicts = []
    for member in sorted(looked_at, key=lambda m: (m.failing_since or EVER, m.instance)):
        reason = _reason(group, rule, member, left, now)
        verdict = HealingDecision(
            member.instance,
            group.name,
            rule.action,
            reason,
            _numbers(group, rule, member, healed),
            rule.dry_run,
        )
        left -= verdict.acts
        verdicts.append(verdict)
    return verdicts


def _reason(
    group: InstanceGroup, rule: Healing, member: Member, left: int, now: datetime
) -> Reason:
    """Return the first reason that holds for leaving an instance alone, or that it is to be healed.

    What only tells is held back by no budget. A suspended process holds no reboot: it is how a
    group is kept from replacing what is rebooted.
    """
    tells = (
        (member.is_leaving, Reason.BEING_REPLACED),
        (not member.in_service, Reason.NOT_IN_SERVICE),
        (not member.failing, Reason.NOT_FAILING),
        (_is_new(group, rule, member, now), Reason.LAUNCHED_RECENTLY),
        (is_outage(group, member.zone), Reason.OUTAGE),
    )
    acts = (
        (member.protected, Reason.PROTECTED),
        (rule.action == "replace" and bool(REPLACING & group.suspended), Reason.PROCESS_SUSPENDED),
        (
            not any(other.is_healthy for other in group.members if other is not member),
            Reason.LAST_HEALTHY,
        ),
        (_was_rebooted(group, rule, member, now), Reason.REBOOTED_RECENTLY),
        (rule.action == "reboot" and member.instance not in group.watched, Reason.NOT_WATCHED),
        (left < 1, Reason.HEALING_BUDGET),
    )
    checks = tells + (acts if rule.action in ACTING else ())
    return next((reason for holds, reason in checks if holds), Reason.STATUS_CHECK_FAILED)


def is_outage(group: InstanceGroup, zone: str) -> bool:
    """Tell whether so much fails at once that it is no matter of single instances: all of a zone,
    or most of the group.

    Two at the least; whether the zone's one instance is sick or the zone itself cannot be told
    apart.
    """
    here = [member for member in group.in_service if member.zone == zone]
    sick = [member for member in group.in_service if member.failing]
    is_zone = len(here) >= MANY and all(member.failing for member in here)
    return is_zone or (len(sick) >= MANY and len(sick) * 2 > len(group.in_service))


def _is_new(group: InstanceGroup, rule: Healing, member: Member, now: datetime) -> bool:
    """Tell whether it came into the group within the cooldown, or within the group's own grace
    period where that is longer."""
    settling = max(timedelta(minutes=rule.cooldown_minutes), group.grace)
    return any(_of(group.events, EventKind.JOINED, now - settling, member.instance))


def _was_rebooted(group: InstanceGroup, rule: Healing, member: Member, now: datetime) -> bool:
    return any(
        _of(
            group.events,
            EventKind.REBOOTED,
            now - timedelta(minutes=rule.within_minutes),
            member.instance,
        )
    )


def _healed(group: InstanceGroup, rule: Healing, now: datetime) -> set[str]:
    """Return the instances that count against the budget: those healed of late, by anybody, and
    those on their way out."""
    since = now - timedelta(minutes=rule.within_minutes)
    past = {
        event.instance
        for what in (EventKind.REPLACED, EventKind.REBOOTED)
        for event in _of(group.events, what, since)
    }
    return past | {member.instance for member in group.members if member.is_leaving}


def _of(
    events: Iterable[MemberEvent], what: EventKind, since: datetime, instance: str = ""
) -> Iterable[MemberEvent]:
    return (e for e in events if e.what is what and e.at > since and instance in ("", e.instance))


def _numbers(
    group: InstanceGroup, rule: Healing, member: Member, healed: Collection[str]
) -> dict[str, Number]:
    numbers: dict[str, Number] = {
        "failing": ", ".join(member.failing) or "none",
        "lifecycle": member.lifecycle,
        "zone": member.zone,
        "in_service": len(group.in_service),
        "well": sum(other.is_healthy for other in group.members),
        "sick": sum(bool(other.failing) for other in group.in_service),
        "healed": len(healed),
        "allowed": rule.allowed(len(group.in_service)),
        "within_minutes": rule.within_minutes,
        "cooldown_minutes": rule.cooldown_minutes,
    }
    return numbers | ({"suspended": ", ".join(sorted(group.suspended))} if group.suspended else {})
