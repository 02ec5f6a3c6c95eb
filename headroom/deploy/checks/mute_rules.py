"""The check of CloudWatch's mute rules: which of them keep Headroom's alarms from calling.

A mute rule mutes the actions of up to 100 alarms at set times; their states go on. Source:
API_PutAlarmMuteRule, CloudWatch API Reference, read 2026-12.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.core import table_alarms
from headroom.deploy import blueprint
from headroom.deploy.account import is_not_offered
from headroom.deploy.checks.deployment import Deployment, Finding

CHECK = "mute rules"
REMEDY = (
    "follow_up still raises the tables whose alarms are in ALARM, once a minute. A muted alarm "
    "about Headroom notifies nobody, and runs no understudy. To end it: "
    "aws cloudwatch delete-alarm-mute-rule --alarm-mute-rule-name "
)


def muted(deployment: Deployment) -> Iterator[Finding]:
    """Find the rules that mute an alarm of a table, or one about Headroom, now or later."""
    ours = {table_alarms.name_of(target) for target in deployment.targets}
    ours |= set(blueprint.possible_alarm_names(deployment.stage))
    for rule in _rules(deployment):
        names = sorted(ours & set(rule["MuteTargets"]["AlarmNames"]))
        if names:
            now = "mutes" if rule["Status"] == "ACTIVE" else "will mute"
            more = f" and {len(names) - 1} more of Headroom's" if len(names) > 1 else ""
            problem = f"mute rule {rule['Name']} {now} the alarm {names[0]}{more}"
            yield Finding(CHECK, problem, f"{REMEDY}{rule['Name']}.")


def _rules(deployment: Deployment) -> Iterator[Mapping[str, Any]]:
    """Yield the rules that are not over. A Region, a boto3 or a local AWS without them has none."""
    client = deployment.session.client("cloudwatch")
    if not hasattr(client, "list_alarm_mute_rules"):
        return
    try:
        found = list(
            deployment.session.pages(
                "cloudwatch",
                "list_alarm_mute_rules",
                "AlarmMuteRuleSummaries",
                Statuses=["ACTIVE", "SCHEDULED"],
            )
        )
    except ClientError as error:
        if not is_not_offered(error):
            raise
        return
    for summary in found:
        name = summary["AlarmMuteRuleArn"].split(":", 6)[-1]
        rule = client.get_alarm_mute_rule(AlarmMuteRuleName=name)
        if rule.get("MuteTargets"):
            yield rule
