"""Types that several sections of the configuration share."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Units = Annotated[int, Meta(ge=0, le=1_000_000)]
#: The name of the alarm topic, and of a queue behind it, where a stage names none.
DEFAULT_TOPIC = "headroom-alarms"
TopicArn = Annotated[
    str,
    Meta(
        pattern=r"^(arn:[^:]+:sns:[^:]+:\d{12}:[A-Za-z0-9_-]+)?$",
        examples=["arn:aws:sns:us-east-1:123456789012:capacity (no FIFO topic)"],
        description="The ARN of the SNS topic for notifications.",
    ),
]
Goal = Annotated[
    float,
    Meta(
        ge=0,
        le=1_000_000,
        description="The most that may be throttled of a target's demand, in parts per million: "
        "`tune` searches for it, `status` and `doctor` compare with it, and no decision reads it; "
        "0 is off.",
    ),
]
#: Where a URL that is a secret may be kept, by name or ARN. Source: API_CreateSecret of
#: Secrets Manager and API_PutParameter of Systems Manager, read 2026-11.
Webhook = Annotated[
    str,
    Meta(
        pattern=r"^(secretsmanager:[A-Za-z0-9/_+=.@:-]+|ssm:[A-Za-z0-9/_.:-]+)?$",
        examples=["secretsmanager:headroom/slack or ssm:/headroom/slack, where the URL is kept"],
        description="Where a Slack incoming webhook's URL is kept: `secretsmanager:NAME` or "
        "`ssm:/PARAMETER`.",
    ),
]
#: What Headroom notifies of. docs/notifications.md describes each kind.
NotificationKind = Literal[
    "scaled_up",
    "scaled_down",
    "at_max",
    "hot_key",
    "budget_used_up",
    "high_throughput",
    "low_throughput",
    "alarm_off",
    "failing",
    "not_reached",
    "fleet",
    "paused",
    "money",
    "mode",
    "healing",
]
#: The kinds that need the metrics.
METRIC_KINDS: frozenset[NotificationKind] = frozenset(
    {"at_max", "hot_key", "budget_used_up", "high_throughput", "low_throughput"}
)


class ScalingStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of a table of steps: the metric, in percent, and how far to scale from there on."""

    at: Annotated[float, Meta(ge=0, description="The metric, in percent, at which the row holds.")]
    percent: Annotated[int, Meta(ge=0, le=10_000, description="The step, in percent.")] = 0
    units: Annotated[Units, Meta(description="The step, in units.")] = 0


ScalingSteps = tuple[ScalingStep, ...]
