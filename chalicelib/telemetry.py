"""The log and the metrics: a structured line for every decision, and counts in EMF.

The reason code and every number are fields of their own, so that the log can be searched.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from chalicelib import metrics
from chalicelib.core.explain import sentence
from chalicelib.core.healing import HealingDecision
from chalicelib.core.modes import ModeDecision
from chalicelib.core.table_alarms import level
from chalicelib.model import Action, CreateAlarm, Decision, Heal, RewriteAlarm, Target
from chalicelib.run import Report

SERVICE = "headroom"
NAMESPACE = metrics.OWN

# without `location`: every line is written at the same one
logger = Logger(service=SERVICE, location=None)
T = TypeVar("T")


class RunLog:
    """Logs the report of one run: after the actions, and the rest at the end; each line once."""

    def __init__(self, function: str, service: str = SERVICE) -> None:
        """Keep whose run it is. service: the name that tells stages apart."""
        self._function, self._service = function, service
        self._logged: Counter[str] = Counter()

    def write(self, report: Report) -> None:
        """Log what is new in the report since the last call."""
        for decision in self._new("decisions", report.decisions):
            self._line(logger.info, sentence(decision), **_decision_fields(decision))
        for healing in self._new("healing_decisions", report.healing_decisions):
            self._line(logger.info, sentence(healing), **_healing_fields(healing))
        for mode in self._new("mode_decisions", report.mode_decisions):
            self._line(logger.info, sentence(mode), **_mode_fields(mode))
        for skip in self._new("skips", report.skips):
            fields = {"kind": "skip", "subject": skip.subject, "reason": str(skip.reason)}
            self._line(logger.warning, sentence(skip), **fields)
        for action in self._new("done", report.done):
            self._line(logger.info, sentence(action), **_action_fields(action))
        for notice in self._new("notified", report.notified):
            text = f"notified: {notice.subject}"
            self._line(logger.info, text, kind="notice", facts=dict(notice.facts))
        for failure in self._new("failures", report.failures):
            self._line(logger.error, str(failure), kind="failure", subject=failure.subject)

    def finish(self, report: Report) -> dict[str, int]:
        """Log the rest, publish the report's counts, and return them.

        A run without a failure counts one `Completed` of its function. Without it an alarm fires.
        """
        self.write(report)
        counts = _counts(report)
        spent = report.stage.spent if report.stage else None
        _publish(counts if spent is None else {**counts, metrics.SPENT: spent}, self._service)
        if not report.failures:
            _publish({"Completed": 1}, self._service, self._function)
        return counts

    def _new(self, kind: str, items: Sequence[T]) -> Sequence[T]:
        new = items[self._logged[kind] :]
        self._logged[kind] = len(items)
        return new

    def _line(self, log: Callable[..., None], text: str, **fields: object) -> None:
        log(text, extra={**fields, "function": self._function})


def _publish(counts: Mapping[str, float], service: str, function: str = "") -> None:
    """Publish counts, of all functions together or of one: few enough to stay within CloudWatch's
    ten free metrics a stage. What a stage with a budget has cost is one more."""
    published = EphemeralMetrics(namespace=NAMESPACE, service=service)
    if function:
        published.add_dimension(name="function", value=function)
    for name, count in counts.items():
        published.add_metric(name=name, unit=MetricUnit.Count, value=count)
    published.flush_metrics()


def _decision_fields(decision: Decision) -> dict[str, object]:
    return {
        "kind": "decision",
        "table": decision.target.table,
        "index": decision.target.index,
        "dimension": str(decision.target.dimension),
        "current": decision.current,
        "desired": decision.desired,
        # CloudWatch Logs cannot compare two fields: with this one it finds the changes
        "change": decision.desired - decision.current,
        "reason": str(decision.reason),
        "dry_run": decision.dry_run,
        "numbers": dict(decision.numbers),
    }


def _action_fields(action: Action) -> dict[str, object]:
    """Return the fields of an action; for a target's alarm also the level at which it now fires."""
    fields: dict[str, object] = {"kind": "action", "action": type(action).__name__}
    if isinstance(action, CreateAlarm | RewriteAlarm) and isinstance(action.target, Target):
        alarm = action.result
        fields |= {"alarm": alarm.name, "alarm_level_units": level(alarm.fields)}
    return fields


def _healing_fields(decision: HealingDecision) -> dict[str, object]:
    return {
        "kind": "verdict",
        "instance": decision.instance,
        "group": decision.group,
        "action": decision.action if decision.is_failed else "keep",
        "reason": str(decision.reason),
        "dry_run": decision.dry_run,
        "numbers": dict(decision.numbers),
    }


def _mode_fields(decision: ModeDecision) -> dict[str, object]:
    return {
        "kind": "mode",
        "table": decision.table,
        "on_demand": decision.on_demand,
        "becomes_on_demand": decision.becomes_on_demand,
        # as `change` of a decision: CloudWatch Logs cannot compare two fields
        "switch": int(decision.switches),
        "reason": str(decision.reason),
        "dry_run": decision.dry_run,
        "numbers": dict(decision.numbers),
    }


def _counts(report: Report) -> dict[str, int]:
    counts = Counter({"Kept": 0, "ScaledUp": 0, "ScaledDown": 0})
    for decision in report.decisions:
        if decision.desired == decision.current:
            counts["Kept"] += 1
        elif decision.dry_run:
            counts["WouldScale"] += 1
        else:
            counts["ScaledUp" if decision.desired > decision.current else "ScaledDown"] += 1
    healed = sum(isinstance(action, Heal) for action in report.done)
    if healed:
        counts["Healed"] = healed
    if report.handed_over:
        counts["HandedOver"] = report.handed_over
    if report.unreached:
        counts["NotReached"] = len(report.unreached)
    counts["Skipped"] += len(report.skips)
    counts["Failed"] += len(report.failures)
    return dict(counts)
