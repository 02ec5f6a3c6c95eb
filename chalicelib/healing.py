"""Healing: whether a sick instance of an Auto Scaling group is to be replaced now. Pure: the facts and the time are arguments."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Healing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the instances of some Auto Scaling groups are healed, and how many at the most."""

    group: Annotated[str, Meta(min_length=1, description="An Auto Scaling group's name, or a glob.")]
    action: Annotated[
        Literal["replace", "reboot", "recover", "notify"],
        Meta(description="What to do with an instance whose status check fails; `notify` only tells."),
    ] = "replace"
    max_instances: Annotated[int, Meta(ge=1, le=1_000, description="At most so many of a group within `within_minutes`.")] = 1
    max_percent: Annotated[
        int, Meta(ge=1, le=100, description="… and at most so much of the group's instances in service, one at the least.")
    ] = 20
    within_minutes: Annotated[int, Meta(ge=1, le=1_440, description="The time over which the two are counted.")] = 60
    cooldown_minutes: Annotated[
        int, Meta(ge=0, le=1_440, description="An instance that was launched less long ago is left alone.")
    ] = 10
    dry_run: Annotated[bool, Meta(description="Decide and tell, but change nothing.")] = False
    notify_topic: Annotated[
        str, Meta(pattern=r"^(arn:[^:]+:sns:[^:]+:\d{12}:[A-Za-z0-9_-]+)?$", description="The ARN of an SNS topic to tell.")
    ] = ""
    notify_slack: Annotated[
        str, Meta(pattern=r"^((secretsmanager|ssm):.+)?$", description="Where a Slack incoming webhook's URL is kept.")
    ] = ""

    def concerns(self, group: str) -> bool:
        """Tell whether a group is meant."""
        return fnmatchcase(group, self.group)
