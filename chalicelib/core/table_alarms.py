"""A target and its CloudWatch alarm: names, thresholds, and which fields may be rewritten."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.config.policy import Policy
from chalicelib.metrics import CONSUMED, NAMESPACE, Metric, target_of
from chalicelib.model import Alarm, Target

PREFIX = "headroom-"
OWN_FUNCTION = re.compile(r"arn:[^:]+:lambda:.*:function:headroom-[^:]*(:[^:]+)?")
#: Source: API_PutMetricAlarm, AlarmName, read 2026-10.
MAX_NAME = 255
COMPARISON = "GreaterThanOrEqualToThreshold"
TAG = {"Key": "managed-by", "Value": "headroom"}
#: The key of the tag with the topic's ARN. The policies of the roles read it: a stage may not write
#: the alarms of another stage's topic.
TOPIC_TAG = "headroom-topic"


def name_of(target: Target) -> str:
    """Return the name of Headroom's own alarm for a target. Each target has its own name."""
    name = f"{PREFIX}{target}"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(str(target).encode()).hexdigest()[:12]
    return f"{name[: MAX_NAME - 13]}-{digest}"


def is_ours(alarm: Alarm) -> bool:
    """Tell whether Headroom made the alarm: its name is the one for its own target."""
    target = watched(alarm)
    return target is not None and alarm.name == name_of(target)


def lacks_actions(alarm: Alarm) -> bool:
    """Tell whether an alarm of Headroom's own calls nobody, since somebody took its actions
    away."""
    return is_ours(alarm) and not alarm.fields.get("AlarmActions")


def silenced(alarms: Iterable[Alarm]) -> dict[Target, Alarm]:
    """Return Headroom's own alarms that cannot call, because somebody has switched their actions
    off or gave them a warm-up, by target."""
    targets = ((watched(alarm), alarm) for alarm in alarms if alarm.why_silent and is_ours(alarm))
    return {target: alarm for target, alarm in targets if target}


def calls_headroom(alarm: Alarm, topic_arn: str, functions: str = "") -> bool:
    """Tell whether Headroom may rewrite the alarm: it calls the topic or one of the functions, or
    it is Headroom's own and has lost its actions.

    functions: what the ARNs of the stage's functions begin with, before the dash and the short
    name; "" where it is not known, as in the command line. A message may name any alarm, so the
    actions of the alarm itself are checked. An alarm that calls somebody else belongs to another
    stage.
    """
    found = alarm.fields.get("AlarmActions")
    actions = found if isinstance(found, list) else []
    own = re.compile(rf"{re.escape(functions)}-[a-z_]+(:[^:]+)?") if functions else OWN_FUNCTION
    return lacks_actions(alarm) or any(
        action == topic_arn or own.fullmatch(str(action)) for action in actions
    )


def threshold(units: int, period_seconds: int, policy: Policy) -> float:
    """Return the threshold for `units` provisioned units: a Sum of consumed units in a period.

    Formula: units x period x percent / 100. The multiplication comes first, so whole products stay
    exact. units: units per second. Source: DynamoDB metrics, ConsumedReadCapacityUnits
    ("use Sum, divide by the period"), read 2026-10.
    """
    return units * period_seconds * policy.alarm_percent / 100


def level(fields: Mapping[str, Any]) -> float:
    """Return the consumption, in units per second, at which an alarm on a Sum fires."""
    return float(fields["Threshold"]) / float(fields["Period"])


def new_fields(target: Target, units: int, policy: Policy, topic_arn: str) -> dict[str, Any]:
    """Return PutMetricAlarm's parameters for a target's alarm.

    No Unit: a unit that differs from the metric's would leave the alarm without data.
    TreatMissingData is left out, since CloudWatch ignores missing data of AWS/DynamoDB whatever it
    says (API_PutMetricAlarm, read 2026-10).
    """
    return {
        "AlarmName": name_of(target),
        "AlarmDescription": (
            f"Headroom raises {target} when this fires, and then rewrites the threshold."
        ),
        "Namespace": NAMESPACE,
        "MetricName": CONSUMED[target.dimension],
        "Dimensions": dimensions(target),
        "Statistic": "Sum",
        "Period": policy.alarm_period_seconds,
        "EvaluationPeriods": policy.alarm_evaluation_periods,
        "ComparisonOperator": COMPARISON,
        "Threshold": threshold(units, policy.alarm_period_seconds, policy),
        "ActionsEnabled": True,
        "AlarmActions": [topic_arn],
        "Tags": tags(topic_arn),
    }


def tags(topic_arn: str) -> list[dict[str, str]]:
    """Return the tags of an alarm that Headroom makes."""
    return [TAG, {"Key": TOPIC_TAG, "Value": topic_arn}]


def dimensions(target: Target) -> list[dict[str, str]]:
    """Return a target's CloudWatch dimensions."""
    values = {"TableName": target.table, "GlobalSecondaryIndexName": target.index}
    return [{"Name": name, "Value": value} for name, value in values.items() if value]


def target_of_alarm(alarm: Alarm) -> Target | str:
    """Return the target whose load the alarm watches, or why its threshold cannot follow the
    units."""
    fields = alarm.fields
    if fields.get("Metrics") or fields.get("ThresholdMetricId"):
        return "it is a metric math or anomaly detection alarm"
    if "Threshold" not in fields:
        return "it has no threshold"
    target = target_of(metric_of(fields))
    if isinstance(target, str):
        return target
    if fields.get("MetricName") != CONSUMED[target.dimension]:
        metric = fields.get("MetricName")
        return f"its metric {metric} is not consumption, so its threshold is not in units"
    if fields.get("Statistic") != "Sum":
        statistic = fields.get("Statistic") or fields.get("ExtendedStatistic")
        return f"its statistic is {statistic}: only Sum shows the load"
    if not str(fields.get("ComparisonOperator")).startswith("GreaterThan"):
        return f"it compares with {fields.get('ComparisonOperator')}"
    return target


def watched(alarm: Alarm) -> Target | None:
    """Return the target whose load or throttling the alarm watches, even if it may not be
    rewritten."""
    target = target_of(metric_of(alarm.fields))
    return None if isinstance(target, str) else target


def alarmed_at(alarms: Iterable[Alarm]) -> dict[Target, datetime]:
    """Return when an alarm on consumption went to ALARM, of the targets that have one in ALARM."""
    newest: dict[Target, datetime] = {}
    for alarm in alarms:
        target, at = target_of_alarm(alarm), alarm.fields.get("StateTransitionedTimestamp")
        is_firing = alarm.fields.get("StateValue") == "ALARM"
        if is_firing and isinstance(target, Target) and isinstance(at, datetime):
            newest[target] = max(at, newest.get(target, at))
    return newest


def may_call(alarms: Iterable[Alarm]) -> Callable[[Target], bool]:
    """Return what tells whether an alarm of a target is not in the state OK, or there is none."""
    found = [(watched(alarm), alarm.fields.get("StateValue") == "OK") for alarm in alarms]
    calm, others = ({t for t, is_ok in found if is_ok is wanted} for wanted in (True, False))
    return lambda target: target not in calm or target in others


def rewritable(alarm: Alarm) -> Target | None:
    """Return the target whose units the alarm must fit, or None.

    Headroom's own alarm must fit even if somebody has edited it.
    """
    if is_ours(alarm) and "Threshold" in alarm.fields and not alarm.fields.get("ExtendedStatistic"):
        return watched(alarm)
    target = target_of_alarm(alarm)
    return None if isinstance(target, str) else target


def stands_in(alarm: Alarm, policy: Policy) -> Target | None:
    """Return the target for which somebody else's alarm does what Headroom's own would, or None.

    It can call, it can be rewritten, and it fires no later: as many minutes of high load suffice.
    policy: of the target. The alarm must be one that calls Headroom.
    """
    target = rewritable(alarm)
    if target is None or is_ours(alarm) or alarm.unsendable or alarm.why_silent:
        return None
    seconds = int(str(alarm.fields["Period"])) * int(str(alarm.fields["EvaluationPeriods"]))
    needed = policy.alarm_period_seconds * policy.alarm_evaluation_periods
    return target if seconds <= needed else None


def metric_of(fields: Mapping[str, Any]) -> Metric:
    """Return the metric that an alarm's fields name."""
    named = {str(d["Name"]): str(d["Value"]) for d in fields.get("Dimensions", [])}
    return Metric(str(fields.get("Namespace", "")), str(fields.get("MetricName", "")), named)


def differences(alarm: Alarm, units: int, policy: Policy) -> dict[str, object]:
    """Return the fields to rewrite so that the alarm fits `units`. They are empty if it fits.

    An alarm that somebody else made keeps its period. Headroom's own follows the configuration.
    """
    right: dict[str, object] = {}
    period = int(str(alarm.fields["Period"]))
    if is_ours(alarm):
        period = policy.alarm_period_seconds
        right = {
            "Period": period,
            "EvaluationPeriods": policy.alarm_evaluation_periods,
            "Statistic": "Sum",
            "ComparisonOperator": COMPARISON,
        }
        # the console sets it; CloudWatch refuses more datapoints than periods
        if "DatapointsToAlarm" in alarm.fields:
            right["DatapointsToAlarm"] = policy.alarm_evaluation_periods
    right["Threshold"] = threshold(units, period, policy)
    return {key: value for key, value in right.items() if alarm.fields.get(key) != value}
