"""Check a stage, change nothing, and report what is wrong with a remedy for each finding."""

from collections.abc import Iterator

from chalicelib.aws.client import AwsError
from chalicelib.config.loader import ConfigError
from headroom.deploy.checks import (
    account,
    configuration,
    infrastructure,
    modes,
    mute_rules,
    understudy,
)
from headroom.deploy.checks.deployment import Check, Deployment, Finding, finding_of_error

CHECKS: dict[str, Check] = {
    "clock": account.clock,
    "functions": infrastructure.functions,
    "permissions": infrastructure.permissions,
    "setup": infrastructure.infrastructure,
    "topic": infrastructure.topic,
    "own alarms": infrastructure.own_alarms,
    "time": infrastructure.reached,
    "workers": infrastructure.waiting,
    "dead letters": infrastructure.dead_letters,
    "tables": configuration.tables,
    "schedule": configuration.schedule,
    "fleet": configuration.fleets,
    "pause": configuration.jobs,
    "notifications": configuration.notifications,
    "healing": configuration.healing,
    "alarms": configuration.alarms,
    "mute rules": mute_rules.muted,
    "Application Auto Scaling": configuration.conflicts,
    "global tables": configuration.global_tables,
    "understudy": understudy.standing_by,
    "throttling": configuration.throttling,
    "callers": configuration.callers,
    "goals": configuration.goals,
    "windows": configuration.floors,
    "budgets": configuration.budgets,
    "billing modes": modes.chosen,
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
        yield Finding(
            "configuration",
            str(error),
            "Correct the configuration (`headroom check` shows it), then deploy again.",
        )
    except (*AwsError, OSError) as error:
        yield finding_of_error(name, error)
