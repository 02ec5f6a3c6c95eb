"""The two-way street between an instance and the alarm on its status checks: names, fields, and
what its description remembers.

An alarm of the action `recover` carries EC2's own recovery as a second action, since EC2 has no
call for it; it has another name, so that a rule's change of action makes it anew.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chalicelib.config.healing import Healing
from chalicelib.core.healing import InstanceGroup
from chalicelib.core.table_alarms import COMPARISON, PREFIX, TAG, metric_of
from chalicelib.metrics import EC2, instance_of
from chalicelib.model import Alarm

STATUS, RECOVERY = "status", "recovery"
METRICS = {STATUS: "StatusCheckFailed", RECOVERY: "StatusCheckFailed_System"}
"""The recover action may not stand on `StatusCheckFailed_Instance`: what is broken within the
instance is not mended by other hardware. Source: CloudWatch User Guide, "Stop, terminate, reboot,
or recover an EC2 instance", read 2026-11."""
PERIOD_SECONDS = 60
PERIODS = 2
"""Status checks run every minute; one that fails once may be a hiccup. Source: EC2 User Guide,
"Status checks", read 2026-11."""
REBOOTED = re.compile(r" Rebooted at (\S+)\.$")


def name_of(instance: str, rule: Healing) -> str:
    """Return the name of an instance's alarm. No table's alarm can have it: those end with `:read`
    or `:write`."""
    return f"{PREFIX}instance/{instance}:{_kind(rule)}"


def is_ours(alarm: Alarm) -> bool:
    """Tell whether Headroom made the alarm for an instance."""
    instance = watched(alarm)
    return bool(instance) and alarm.name in {
        f"{PREFIX}instance/{instance}:{kind}" for kind in METRICS
    }


def watched(alarm: Alarm) -> str:
    """Return the instance whose status checks an alarm watches, "" where it watches something
    else."""
    return instance_of(metric_of(alarm.fields))


def wanted(group: InstanceGroup, rule: Healing) -> Iterator[str]:
    """Yield the instances of a group that are to have an alarm: those in service; what is protected
    EC2 is not to recover."""
    for member in group.in_service:
        if rule.action != "recover" or not member.protected:
            yield member.instance


def new_fields(instance: str, group: str, rule: Healing, topic_arn: str) -> dict[str, Any]:
    """Return PutMetricAlarm's parameters for an instance's alarm.

    Missing data are missing: an instance that is gone has no datapoints, and its alarm goes to
    INSUFFICIENT_DATA.
    """
    kind = _kind(rule)
    return {
        "AlarmName": name_of(instance, rule),
        "AlarmDescription": f"Headroom looks at instance {instance} of group {group} when its status checks fail.",
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
        "Tags": [TAG],
    }


def rebooted_at(alarm: Alarm) -> datetime | None:
    """Return when Headroom last rebooted the alarm's instance, as the alarm's description has it;
    None where it never did.

    Auto Scaling keeps no activity of a reboot, and DescribeInstances no time of it; so it is
    written where an operator sees it.
    """
    found = REBOOTED.search(str(alarm.fields.get("AlarmDescription", "")))
    try:
        at = datetime.fromisoformat(found[1]) if found else None
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
    """Return the ARN of EC2's recovery as an alarm's action, of the topic's partition and
    Region."""
    _, partition, _, region, *_ = topic_arn.split(":")
    return f"arn:{partition}:automate:{region}:ec2:recover"
