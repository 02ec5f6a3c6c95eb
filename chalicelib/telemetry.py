"""What Headroom says of itself: a structured line for every decision, and counts as CloudWatch metrics (EMF).

A log that cannot be read by a machine cannot be asked "why"; so the reason code and every number are fields of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from chalicelib.explain import sentence
from chalicelib.healing import Verdict
from chalicelib.model import Decision, Heal, Skip
from chalicelib.shell import Report

SERVICE = "headroom"
NAMESPACE = "Headroom"

logger = Logger(service=SERVICE)


def tell(report: Report, function: str, service: str = SERVICE) -> dict[str, int]:
    """Log the report, line by line, publish its counts, and return them. service: what tells stages apart.

    A run without a failure counts one `Completed` of its function: its silence raises an alarm.
    """
    for decision in report.decisions:
        logger.info(sentence(decision), extra=_decision_fields(decision) | {"function": function})
    for verdict in report.verdicts:
        logger.info(sentence(verdict), extra=_verdict_fields(verdict) | {"function": function})
    for skip in report.skips:
        logger.warning(sentence(skip), extra=_skip_fields(skip) | {"function": function})
    for action in report.done:
        logger.info(sentence(action), extra={"kind": "action", "action": type(action).__name__, "function": function})
    for notice in report.told:
        logger.info(f"told: {notice.subject}", extra={"kind": "notice", "facts": dict(notice.facts), "function": function})
    for failure in report.failures:
        logger.error(str(failure), extra={"kind": "failure", "subject": failure.subject, "function": function})
    counts = _counts(report)
    _publish(counts, service)
    if not report.failures:
        _publish({"Completed": 1}, service, function)
    return counts


def _publish(counts: Mapping[str, int], service: str, function: str = "") -> None:
    """Publish counts, of all functions together or of one: few enough to stay within CloudWatch's ten free metrics a stage."""
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    if function:
        metrics.add_dimension(name="function", value=function)
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()


def _decision_fields(decision: Decision) -> dict[str, object]:
    return {
        "kind": "decision",
        "table": decision.target.table,
        "index": decision.target.index,
        "dimension": str(decision.target.dimension),
        "current": decision.current,
        "desired": decision.desired,
        "reason": str(decision.reason),
        "dry_run": decision.dry_run,
        "numbers": dict(decision.numbers),
    }


def _verdict_fields(verdict: Verdict) -> dict[str, object]:
    return {
        "kind": "verdict",
        "instance": verdict.instance,
        "group": verdict.group,
        "action": verdict.action if verdict.is_sick else "keep",
        "reason": str(verdict.reason),
        "dry_run": verdict.dry_run,
        "numbers": dict(verdict.numbers),
    }


def _skip_fields(skip: Skip) -> dict[str, object]:
    return {"kind": "skip", "subject": skip.subject, "reason": str(skip.reason)}


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
    counts["Skipped"] += len(report.skips)
    counts["Failed"] += len(report.failures)
    return dict(counts)
