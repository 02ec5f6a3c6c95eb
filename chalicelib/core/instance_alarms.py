"""An instance and the alarm on its status checks: names, fields, and the time of a reboot in its
description.

An alarm of the action `recover` has EC2's own recovery as a second action, because EC2 has no API
call for it. It has another name, so a new action in the rule creates a new alarm.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chalicelib.config.healing import Healing
from chalicelib.core.healing import InstanceGroup
from chalicelib.core.table_alarms import COMPARISON, PREFIX, metric_of, tags
from chalicelib.metrics import EC2, instance_of
from chalicelib.model import Alarm

STATUS, RECOVERY = "status", "recovery"
#: The recover action cannot use `StatusCheckFailed_Instance`: other hardware does not repair a
#: problem within the instance. Source: CloudWatch User Guide, "Stop, terminate, reboot, or recover
#: an EC2 instance", read 2026-11.
METRICS = {STATUS: "StatusCheckFailed", RECOVERY: "StatusCheckFailed_System"}
PERIOD_SECONDS = 60
#: Status checks run every minute. A single failure may be short. Source: EC2 User Guide, "Status
#: checks", read 2026-11.
PERIODS = 2
REBOOTED = re.compile(r" Rebooted at (\S+)\.$")


def name_of(instance: str, rule: Healing) -> str:
    """Return the name of an instance's alarm. Alarms of tables end with `:read` or `:write`."""
    return f"{PREFIX}instance/{instance}:{_kind(rule)}"


def is_ours(alarm: Alarm) -> bool:
    """Tell whether Headroom made the alarm for an instance."""
    instance = watched(alarm)
    return bool(instance) and alarm.name in {
        f"{PREFIX}instance/{instance}:{kind}" for kind in METRICS
    }


def watched(alarm: Alarm) -> str:
    """Return the instance whose status checks an alarm watches, or "" if it watches something
    else."""
    return instance_of(metric_of(alarm.fields))


def wanted(group: InstanceGroup, rule: Healing) -> Iterator[str]:
    """Return the instances of a group that need an alarm: those in service.

    EC2 must not recover a protected instance, so with `recover` it gets no alarm.
    """
    return (
        member.instance
        for member in group.in_service
        if rule.action != "recover" or not member.protected
    )


def new_fields(instance: str, group: str, rule: Healing, topic_arn: str) -> dict[str, Any]:
    """Return PutMetricAlarm's parameters for an instance's alarm.

    Missing data stay missing: a terminated instance has no datapoints, so its alarm goes to
    INSUFFICIENT_DATA.
    """
    kind = _kind(rule)
    return {
        "AlarmName": name_of(instance, rule),
        "AlarmDescription": (
            f"Headroom looks at instance {instance} of group {group} when its status checks fail."
        ),
        "Namespace": EC2,
        "MetricName": METRICS[kind],
        "Dimensions": [{"Name": "InstanceId", "Value": instance}],
        "Statistic": "Maximum",
        "Period": PERIOD_SECONDS,
        "EvaluationPeriods": PERIODS,
        "DatapointsToAlarm": PERIODS,
        "ComparisonOperator": COMPARISON,
        "Threshold": 1.0,
        "TreatMissingData": "missing",
        "ActionsEnabled": True,
        "AlarmActions": [topic_arn, *([_recovery(topic_arn)] if kind == RECOVERY else [])],
        "Tags": tags(topic_arn),
    }


def rebooted_at(alarm: Alarm) -> datetime | None:
    """Return when Headroom last rebooted the alarm's instance, or None.

    The alarm's description keeps the time, where an operator sees it: neither Auto Scaling's
    activities nor DescribeInstances show a reboot.
    """
    match = REBOOTED.search(str(alarm.fields.get("AlarmDescription", "")))
    try:
        at = datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def rebooting(alarm: Alarm, now: datetime) -> dict[str, object]:
    """Return the alarm's fields to rewrite when its instance is rebooted."""
    before = REBOOTED.sub("", str(alarm.fields.get("AlarmDescription", "")))
    return {"AlarmDescription": f"{before} Rebooted at {now.isoformat()}."}


def _kind(rule: Healing) -> str:
    return RECOVERY if rule.action == "recover" else STATUS


def _recovery(topic_arn: str) -> str:
    """Return the ARN of EC2's recovery as an alarm's action, in the topic's Region."""
    _, partition, _, region, *_ = topic_arn.split(":")
    return f"arn:{partition}:automate:{region}:ec2:recover"
