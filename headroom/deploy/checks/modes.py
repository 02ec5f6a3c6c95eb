"""The check of billing modes: which tables with `mode = "cheapest"` stay as they are, and why."""

from collections.abc import Iterator

from chalicelib import modes
from chalicelib.core.explain import WHY
from chalicelib.core.modes import HANDED_OVER, KEY
from chalicelib.model import Reason
from chalicelib.run import Run
from headroom.deploy.checks.deployment import Deployment, Finding

CHECK = "billing modes"
REMEDIES = {
    Reason.SWITCHED_BY_HAND: f"To hand it over, tag it: aws dynamodb tag-resource --resource-arn "
    f"ARN --tags Key={KEY},Value={HANDED_OVER} (docs/modes.md).",
    Reason.PRICE_UNKNOWN: "Write its prices into [money] (docs/modes.md, Prices).",
    Reason.GLOBAL_TABLE: 'Take mode = "cheapest" away from it (docs/modes.md).',
}


def chosen(deployment: Deployment) -> Iterator[Finding]:
    """Find the tables whose mode Headroom may choose, and cannot. Without such a table, nothing is
    read."""
    run = Run(deployment.aws, deployment.rules, deployment.now, dry_run=True)
    modes.choose(run, [name for name in deployment.table_names if deployment.rules.manages(name)])
    for decision in run.report.mode_decisions:
        if decision.reason in REMEDIES:
            why = WHY[decision.reason].partition(";")[0].partition(":")[0]
            problem = f"{decision.table} has mode = cheapest, but its mode stays: {why}"
            yield Finding(CHECK, problem, REMEDIES[decision.reason])
