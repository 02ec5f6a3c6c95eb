"""What a message is about, made in the embedded region: its table with load, or its instance.

The message's own account and Region become the region's. A table gets the units that the
configuration's `alarm_percent` gives for the alarm's threshold, and a load above that threshold.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from chalicelib import events, handlers
from chalicelib.aws.client import Aws
from chalicelib.config.rules import Config
from chalicelib.metrics import CONSUMED, NAMESPACE
from chalicelib.model import Skip, Target
from chalicelib.run import Run
from headroom.operator_error import OperatorError
from headroom.region.region import Region

#: The configuration where none is named: all tables, and a group to heal.
CONFIG = '[[tables]]\nname = "*"\n\n[[healing]]\ngroup = "web"\n'
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
#: So long a table has its load before the message comes, or two periods of the alarm.
LOAD_MINUTES = 30
#: The load above the alarm's threshold, and above the units where requests are throttled.
ABOVE, THROTTLING = 1.1, 1.5
GROUP_SIZE = 6
#: moto's grace period of a group, in which no instance is replaced.
GRACE_MINUTES = 5
#: The threshold where a message has none for consumption: 80 units at one-minute periods.
THRESHOLD = 4_800.0


@dataclass(frozen=True)
class _Trigger:
    """The alarm's own settings in a message. period: seconds. threshold: of its metric."""

    metric: str
    period: int
    threshold: float


def messages(text: str) -> list[str]:
    """Return the messages of a text: those of a queue's or a topic's event, or the text itself."""
    document = _json(text)
    records = document.get("Records")
    if not isinstance(records, list) or not records:
        return [text]
    found = []
    for record in records:
        body = record.get("body") if isinstance(record, dict) else None
        found.append(body if isinstance(body, str) else json.dumps({"Records": [record]}))
    return found


def region_of(event: events.Event) -> str:
    """Return the Region that a message names, else us-east-1."""
    named = "" if isinstance(event, Skip) else event.region
    return named if REGION.fullmatch(named) else "us-east-1"


def stage(
    region: Region, aws: Aws, config: Config, event: events.Event, text: str
) -> tuple[events.Event, str]:
    """Make what an event is about. Return the event as the region's own, and what was made.

    A message that starts no check needs nothing: then the text is empty.
    """
    match event:
        case events.AlarmEvent():
            words = _stage_table(region, aws, config, event, _trigger(text))
            return structs.replace(event, region="", account=""), words
        case events.InstanceEvent():
            instance, words = _stage_group(region, aws, config, event.instance)
            return structs.replace(event, instance=instance, region="", account=""), words
        case _:
            return event, ""


def _stage_table(
    region: Region, aws: Aws, config: Config, event: events.AlarmEvent, trigger: _Trigger
) -> str:
    target = event.target
    policy = config.policy_for(target) or config.default_policy(target.dimension)
    is_consumption = trigger.metric in CONSUMED.values()
    threshold = trigger.threshold if is_consumption else THRESHOLD
    alarm_level = threshold / trigger.period
    units = max(1, round(alarm_level * 100 / policy.alarm_percent))
    load = alarm_level * ABOVE if is_consumption else units * THROTTLING
    if target.table not in region.tables:
        index = {target.index: (units, units)} if target.index else None
        region.create_table(target.table, units, units, index)
    if target not in region.targets():
        return f"Embedded region: {target.owner} is not made: {target.table} is there already."
    _put_alarm(region, aws, event.alarm_name, target, trigger)
    minutes = max(LOAD_MINUTES, 2 * trigger.period // 60)
    region.serve(target, [0.0] * region.minute + [load] * minutes)
    region.run(minutes)
    return (
        f"Embedded region: {target.owner} with {units:,} units of reads and of writes, "
        f"and a load of {load:,.1f} {target.dimension} units a second."
    )


def _put_alarm(region: Region, aws: Aws, name: str, target: Target, trigger: _Trigger) -> None:
    dimensions = {"TableName": target.table}
    if target.index:
        dimensions["GlobalSecondaryIndexName"] = target.index
    region.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace=NAMESPACE,
        MetricName=trigger.metric or CONSUMED[target.dimension],
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        Statistic="Sum",
        Period=trigger.period,
        EvaluationPeriods=1,
        Threshold=trigger.threshold,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[aws.topic_arn],
    )


def _stage_group(region: Region, aws: Aws, config: Config, instance: str) -> tuple[str, str]:
    """Make a group of the first rule of `[[healing]]`, of which one instance fails its check."""
    if not config.healing:
        return instance, ""
    rule = config.healing[0]
    name = re.sub(r"[*?\[\]]", "x", rule.group)
    zones = (f"{region.name}a", f"{region.name}b")
    failing = region.groups.create(name, GROUP_SIZE, zones)[0]
    handlers.sweep(Run(aws, config, region.now))  # a reboot is recorded in the instance's alarm
    region.run(max(rule.cooldown_minutes, GRACE_MINUTES) + 1)
    region.groups.fail_checks(failing)
    region.run(1)
    return failing, (
        f"Embedded region: group {name} with {GROUP_SIZE} instances. The status check of {failing} "
        f"fails; it stands for {instance}."
    )


def _trigger(text: str) -> _Trigger:
    """Return the alarm's settings. Raises OperatorError where they are no numbers above 0."""
    found: dict[str, Any] = {"MetricName": "", "Period": 60, "Threshold": THRESHOLD}
    found.update({key: value for key, value in _settings(text) if value is not None})
    try:
        trigger = _Trigger(
            str(found["MetricName"]), int(found["Period"]), float(found["Threshold"])
        )
    except (TypeError, ValueError):
        trigger = _Trigger("", 0, 0.0)
    least = 0.0 if trigger.metric in CONSUMED.values() or not trigger.metric else -1.0
    if trigger.period <= 0 or not least < trigger.threshold < math.inf:
        raise OperatorError(
            "the message's Trigger must have a number above 0 for its Period and its Threshold"
        )
    return trigger


def _settings(text: str) -> Iterator[tuple[str, Any]]:
    """Yield metric name, period and threshold, as far as a message has them, in any form."""
    document = _inner(_json(text))
    trigger = _table(document, "Trigger")
    yield from ((key, trigger.get(key)) for key in ("MetricName", "Period", "Threshold"))
    alarm = _table(document, "alarmData") or _table(document, "detail")
    entries = _table(alarm, "configuration").get("metrics")
    stat = _table(entries[0], "metricStat") if isinstance(entries, list) and entries else {}
    yield "MetricName", _table(stat, "metric").get("name")
    yield "Period", stat.get("period")
    yield "Threshold", _json(_table(alarm, "state").get("reasonData")).get("threshold")
    listed = trigger.get("Metrics")  # an alarm on one metric in the form of metric math
    stat = _table(listed[0], "MetricStat") if isinstance(listed, list) and listed else {}
    yield "MetricName", _table(stat, "Metric").get("MetricName")
    yield "Period", stat.get("Period")


def _inner(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message in an SNS event or notification."""
    records = document.get("Records")
    if isinstance(records, list) and records:
        return _json(_table(records[0], "Sns").get("Message"))
    return _json(document["Message"]) if isinstance(document.get("Message"), str) else document


def _json(text: Any) -> dict[str, Any]:
    """Return the object that a text holds as JSON, an empty one where it holds none."""
    try:
        document = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _table(document: Any, key: str) -> dict[str, Any]:
    value = document.get(key) if isinstance(document, Mapping) else None
    return value if isinstance(value, dict) else {}
