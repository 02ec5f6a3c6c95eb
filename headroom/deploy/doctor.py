"""Check a stage, change nothing, and report what is wrong with a remedy for each finding."""

from collections.abc import Iterator

from chalicelib.aws.client import AwsError
from chalicelib.config.loader import ConfigError
from headroom.deploy.checks import account, infrastructure, tables
from headroom.deploy.checks.deployment import Check, Deployment, Finding, finding_of_error
from headroom.deploy.checks.healing import healing
from headroom.deploy.checks.notifications import notifications

CHECKS: dict[str, Check] = {
    "clock": account.clock,
    "functions": infrastructure.functions,
    "permissions": infrastructure.permissions,
    "setup": infrastructure.infrastructure,
    "own alarms": infrastructure.own_alarms,
    "dead letters": infrastructure.dead_letters,
    "tables": tables.tables,
    "fleet": tables.fleets,
    "pause": tables.jobs,
    "notifications": notifications,
    "healing": healing,
    "alarms": tables.alarms,
    "Application Auto Scaling": tables.conflicts,
    "quota": account.quota,
}


def diagnose(deployment: Deployment) -> list[Finding]:
    """Run all checks, or only the first where the credentials do not work.

    If several checks meet the same problem, the first one reports it.
    """
    findings = list(run_check("credentials", account.credentials, deployment))
    if findings:
        return findings
    by_problem: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        for finding in run_check(name, check, deployment):
            by_problem.setdefault(finding.problem, finding)
    return list(by_problem.values())


def run_check(name: str, check: Check, deployment: Deployment) -> Iterator[Finding]:
    """Yield the findings of a check. An error that stops the check is a finding, too."""
    try:
        yield from check(deployment)
    except ConfigError as error:
        remedy = "Correct the configuration (`headroom check` shows it), then deploy again."
        yield Finding("configuration", str(error), remedy)
    except (*AwsError, OSError) as error:
        yield finding_of_error(name, error)
