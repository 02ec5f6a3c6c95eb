"""`[[healing]]`: which Auto Scaling groups are healed, how, and how many instances at the most."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.config.types import TopicArn, Webhook

HealingAction = Literal["replace", "reboot", "recover", "notify"]
#: Actions that Headroom does itself. The alarm does `recover`, and `notify` changes nothing.
ACTING = frozenset({"replace", "reboot"})


class Healing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the instances of some Auto Scaling groups are healed, and how many at the most."""

    group: Annotated[
        str, Meta(min_length=1, description="An Auto Scaling group's name, or a glob.")
    ]
    action: Annotated[
        HealingAction,
        Meta(
            description="What to do with an instance whose status check fails; "
            "`notify` only notifies."
        ),
    ] = "replace"
    max_instances: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="The most instances of a group that are healed within `within_minutes`.",
        ),
    ] = 1
    max_percent: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="The same limit as a share of the group's instances in service; "
            "at least one.",
        ),
    ] = 20
    within_minutes: Annotated[
        int, Meta(ge=1, le=1_440, description="The time over which both limits count.")
    ] = 60
    cooldown_minutes: Annotated[
        int,
        Meta(
            ge=0, le=1_440, description="An instance that was launched more recently is left alone."
        ),
    ] = 10
    heal_only_member: Annotated[
        bool,
        Meta(
            description="Also heal the instance of a group that has only this one. "
            "It is not healthy, so no healthy one is taken."
        ),
    ] = True
    dry_run: Annotated[bool, Meta(description="Decide and log, but change nothing.")] = False
    notify_topic: TopicArn = ""
    notify_slack: Webhook = ""

    def concerns(self, group: str) -> bool:
        """Tell whether a group is meant."""
        return fnmatchcase(group, self.group)

    def allowed(self, in_service: int) -> int:
        """Return how many of a group with so many instances in service may be healed within
        `within_minutes`."""
        return min(self.max_instances, max(1, in_service * self.max_percent // 100))


def rule_for(rules: Iterable[Healing], group: str) -> Healing | None:
    """Return the first rule that names a group, or None: the group is left alone."""
    return next((rule for rule in rules if rule.concerns(group)), None)
