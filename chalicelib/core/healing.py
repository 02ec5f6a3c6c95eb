"""Healing: whether an unhealthy instance of an Auto Scaling group must be replaced now.

Pure: the facts and the time are arguments.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.config.healing import ACTING, Healing, HealingAction
from chalicelib.model import Number, Reason

#: The state of a member that counts towards the group's capacity. Members that are in a warm pool,
#: in standby, starting or leaving are in other states. Source: Amazon EC2 Auto Scaling User Guide,
#: "Amazon EC2 Auto Scaling instance lifecycle", read 2026-11.
IN_SERVICE = "InService"
#: This many instances that fail at once may be an outage. A single one is just unhealthy.
MANY = 2
#: A group with one of these processes suspended replaces nothing, or only half: without `Launch`,
#: the instance would be removed and no new one started. Source: EC2 Auto Scaling User Guide, "How
#: suspended processes affect other processes", read 2026-11. A group whose own `HealthCheck` is
#: suspended would still replace what SetInstanceHealth marks. But an operator who suspends it wants
#: no replacement.
REPLACING = frozenset({"HealthCheck", "Launch", "ReplaceUnhealthy", "Terminate"})
EVER = datetime.min.replace(tzinfo=UTC)


class Member(Struct, frozen=True):
    """One instance of a group: the facts of DescribeAutoScalingGroups and DescribeInstanceStatus.

    lifecycle: `InService`, `Standby`, `Terminating:Wait` and so on. failing: the names of the
    status checks that EC2 calls impaired now. failing_since: when the first of them began, None if
    EC2 does not show it. passing: whether EC2 calls all of them ok. While an instance boots, it is
    neither failing nor passing. Source: API_InstanceStatus, EC2 Auto Scaling User Guide, "Instance
    lifecycle", read
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
        """Tell whether it is in service: not in standby, starting or leaving."""
        return self.lifecycle == IN_SERVICE

    @property
    def is_leaving(self) -> bool:
        """Tell whether the group is replacing or removing it already."""
        return not self.healthy or self.lifecycle.startswith("Terminat")

    @property
    def is_healthy(self) -> bool:
        """Tell whether it is in service and all its checks are known to pass."""
        return self.in_service and self.healthy and self.passing and not self.failing


class EventKind(StrEnum):
    """What happened to an instance."""

    JOINED = "joined"
    REPLACED = "replaced"
    REBOOTED = "rebooted"


class MemberEvent(Struct, frozen=True):
    """Something that happened to an instance of a group at an aware time, as AWS records it."""

    instance: str
    at: datetime
    what: EventKind


class InstanceGroup(Struct, frozen=True):
    """An Auto Scaling group with its members.

    suspended: its suspended processes. grace: its own health check grace period. watched: the
    instances that have a status alarm of Headroom's, which records a reboot.
    """

    name: str
    members: tuple[Member, ...]
    suspended: frozenset[str] = frozenset()
    grace: timedelta = timedelta(0)
    events: tuple[MemberEvent, ...] = ()
    watched: frozenset[str] = frozenset()

    @property
    def in_service(self) -> list[Member]:
        """Return the members that are in service."""
        return [member for member in self.members if member.in_service]

    def look_back(self, rule: Healing) -> timedelta:
        """Return for how long before now the events are needed."""
        return max(timedelta(minutes=max(rule.within_minutes, rule.cooldown_minutes)), self.grace)


class HealingDecision(Struct, frozen=True):
    """What to do about one instance, the reason, and its numbers. group: "" without a group."""

    instance: str
    group: str
    action: HealingAction
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def is_failed(self) -> bool:
        """Tell whether the instance must be healed now, by Headroom or by somebody else."""
        return self.reason is Reason.STATUS_CHECK_FAILED

    @property
    def acts(self) -> bool:
        """Tell whether Headroom itself must act on the instance."""
        return self.is_failed and self.action in ACTING


def decide(
    group: InstanceGroup, rule: Healing, now: datetime, requested: Collection[str] = ()
) -> list[HealingDecision]:
    """Return a decision for every member whose status checks fail, and for the requested ones.

    The whole group is always checked. Two events at the same time find the same unhealthy members
    in the same order, the longest unhealthy first, and make the same choice. So together they do
    not heal more than one of them would.
    """
    checked = [m for m in group.members if m.failing or m.instance in requested]
    healed = _healed(group, rule, now)
    left = max(0, rule.allowed(len(group.in_service)) - len(healed))
    decisions: list[HealingDecision] = []
    for member in sorted(checked, key=lambda m: (m.failing_since or EVER, m.instance)):
        reason = _reason(group, rule, member, left, now)
        numbers = _numbers(group, rule, member, healed)
        decisions.append(
            HealingDecision(member.instance, group.name, rule.action, reason, numbers, rule.dry_run)
        )
        left -= decisions[-1].acts
    return decisions


def _reason(
    group: InstanceGroup, rule: Healing, member: Member, left: int, now: datetime
) -> Reason:
    """Return the first reason to leave an instance alone, or STATUS_CHECK_FAILED: heal it.

    A budget does not hold back an action that only notifies. A suspended process does not hold back
    a reboot, because operators suspend it so that the group does not replace what is rebooted. The
    only member of a group may be healed: it is not healthy. Where there are others, one of them
    must be healthy, since the group may be at work on them.
    """
    old_enough = now - max(timedelta(minutes=rule.cooldown_minutes), group.grace)
    is_new = any(_of(group.events, EventKind.JOINED, old_enough, member.instance))
    since = now - timedelta(minutes=rule.within_minutes)
    was_rebooted = any(_of(group.events, EventKind.REBOOTED, since, member.instance))
    always = (
        (member.is_leaving, Reason.BEING_REPLACED),
        (not member.in_service, Reason.NOT_IN_SERVICE),
        (not member.failing, Reason.NOT_FAILING),
        (is_new, Reason.LAUNCHED_RECENTLY),
        (is_outage(group, member.zone), Reason.OUTAGE),
    )
    others = [m for m in group.members if m is not member]
    is_last = not any(m.is_healthy for m in others) and bool(others or not rule.heal_only_member)
    for_actions = (
        (member.protected, Reason.PROTECTED),
        (rule.action == "replace" and bool(REPLACING & group.suspended), Reason.PROCESS_SUSPENDED),
        (is_last, Reason.LAST_HEALTHY),
        (was_rebooted, Reason.REBOOTED_RECENTLY),
        (rule.action == "reboot" and member.instance not in group.watched, Reason.NOT_WATCHED),
        (left < 1, Reason.HEALING_BUDGET),
    )
    checks = always + (for_actions if rule.action in ACTING else ())
    return next((reason for holds, reason in checks if holds), Reason.STATUS_CHECK_FAILED)


def is_outage(group: InstanceGroup, zone: str) -> bool:
    """Tell whether a whole zone, or most of the group, fails at once.

    It needs at least two instances: if a zone has only one, an unhealthy instance cannot be
    distinguished from an unhealthy zone.
    """
    here = [member for member in group.in_service if member.zone == zone]
    failed = [member for member in group.in_service if member.failing]
    is_zone = len(here) >= MANY and all(member.failing for member in here)
    return is_zone or (len(failed) >= MANY and len(failed) * 2 > len(group.in_service))


def _healed(group: InstanceGroup, rule: Healing, now: datetime) -> set[str]:
    """Return the instances that count against the budget: those healed recently, by Headroom or
    not, and those that are leaving."""
    since = now - timedelta(minutes=rule.within_minutes)
    recent = {e.instance for e in group.events if e.what is not EventKind.JOINED and e.at > since}
    return recent | {member.instance for member in group.members if member.is_leaving}


def _of(
    events: Iterable[MemberEvent], what: EventKind, since: datetime, instance: str
) -> Iterable[MemberEvent]:
    return (e for e in events if e.what is what and e.at > since and e.instance == instance)


def _numbers(
    group: InstanceGroup, rule: Healing, member: Member, healed: Collection[str]
) -> dict[str, Number]:
    numbers: dict[str, Number] = {
        "failing": ", ".join(member.failing) or "none",
        "lifecycle": member.lifecycle,
        "zone": member.zone,
        "in_service": len(group.in_service),
        "healthy": sum(other.is_healthy for other in group.members),
        "unhealthy": sum(bool(other.failing) for other in group.in_service),
        "healed": len(healed),
        "allowed": rule.allowed(len(group.in_service)),
        "within_minutes": rule.within_minutes,
        "cooldown_minutes": rule.cooldown_minutes,
    }
    return numbers | ({"suspended": ", ".join(sorted(group.suspended))} if group.suspended else {})
