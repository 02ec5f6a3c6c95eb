"""Policies that notify, and a hold to notify of."""

from typing import Any

from chalicelib.config.policy import Policy
from chalicelib.model import BOTH, Hold, Reason
from tests.support.builders import policy

TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
SLACK = "secretsmanager:headroom/slack"
BY_OPERATOR = Hold(
    Reason.PAUSED, "a pause until 2026-11-20 13:00 UTC: nothing is raised or lowered", BOTH
)


def telling(*kinds: str, **settings: Any) -> Policy:
    """Return a policy that notifies TOPIC of these kinds."""
    return policy(**{"notify": kinds, "notify_topic": TOPIC, **settings})
