"""The permissions that notifications need, and their page."""

import re
import tomllib
from typing import Any, get_args

import pytest

from chalicelib.config import loader as configuration
from chalicelib.config.types import NotificationKind
from chalicelib.core.messages import SUBJECTS
from headroom.deploy import permissions
from headroom.project import ROOT
from tests.support.notifications import (
    TOPIC,
    URL,
    notification_rules,
    slack,
)
from tests.support.scenes import (
    rules,
)

PAGE = (ROOT / "docs" / "notifications.md").read_text()


def statements(config: str, function: str = "sweep") -> dict[str, Any]:
    found = permissions.configured_policy(configuration.load(config), function) or {"Statement": []}
    return {s["Action"]: s["Resource"] for s in found["Statement"] if s["Effect"] == "Allow"}


# permissions


def test_a_role_may_notify_exactly_the_destinations_that_the_configuration_names() -> None:
    both = (
        f"{notification_rules('scaled_up')}\nnotify_slack = "
        f'"secretsmanager:headroom/slack"\n[tables.write]\nnotify_topic = "{TOPIC}-2"'
    )
    assert statements(both, "on_alarm") == {
        "sns:Publish": [TOPIC, f"{TOPIC}-2"],
        "secretsmanager:GetSecretValue": ["arn:*:secretsmanager:*:*:secret:headroom/slack-??????"],
    }
    assert statements(slack("ssm"), "scale_down") == {
        "ssm:GetParameter": ["arn:*:ssm:*:*:parameter/headroom/slack"]
    }


def test_only_the_sweep_may_read_what_was_reported_and_only_if_something_is_kept() -> None:
    assert "cloudwatch:ListTagsForResource" in statements(notification_rules("at_max"))
    assert "cloudwatch:ListTagsForResource" not in statements(
        notification_rules("at_max"), "on_alarm"
    )
    assert "cloudwatch:ListTagsForResource" not in statements(notification_rules("scaled_up"))


@pytest.mark.parametrize(
    "config",
    [rules(), notification_rules(), notification_rules("scaled_up", dry_run=True)],
    ids=["none", "no kind", "dry run"],
)
def test_without_a_destination_nothing_more_is_allowed(config: str) -> None:
    assert statements(config) == {}


def test_an_arn_of_a_secret_or_parameter_is_allowed_as_it_is() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
    assert statements(notification_rules("scaled_up", notify_slack=f"secretsmanager:{arn}"))[
        "secretsmanager:GetSecretValue"
    ] == [arn]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"notify_topic": f"{TOPIC}.fifo"}, id="a fifo topic"),
        pytest.param({"notify_topic": "capacity"}, id="a topic's name"),
        pytest.param({"notify_slack": URL}, id="the URL itself"),
        pytest.param({"notify_slack": "secretsmanager:*"}, id="a wildcard"),
        pytest.param({"notify_slack": "ssm:/a?"}, id="another wildcard"),
        pytest.param({"notify": ["scaled_sideways"]}, id="no such kind"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(configuration.ConfigError):
        configuration.load(rules(**settings))


# the page


def test_the_page_has_a_row_for_every_kind_and_its_example_loads() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    assert set(get_args(NotificationKind)) <= set(rows)
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = configuration.load(example)
    assert [p.notify for p in config.policies() if p.notify_slack]
    assert tomllib.loads(example)
    assert {
        kind for kind in SUBJECTS if SUBJECTS[kind].split(":")[0].format("").strip() in PAGE
    } == set(SUBJECTS)
