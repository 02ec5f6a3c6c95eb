"""Checks of the tables: rules, fleets, jobs, alarms and conflicts."""

from collections.abc import Iterator

from chalicelib.aws import fleet as aws_fleet
from chalicelib.aws import jobs as aws_jobs
from chalicelib.aws.client import AwsError
from chalicelib.config.fleet import Fleet
from chalicelib.model import CreateAlarm, DeleteAlarms, Reason, RewriteAlarm
from headroom.deploy.checks.deployment import Deployment, Finding, finding_of_error

GLOB = frozenset("*?[")


def tables(deployment: Deployment) -> Iterator[Finding]:
    """Compare the configuration with the tables that exist."""
    if not deployment.rules.tables:
        remedy = f"Write a rule into {deployment.stage.config_file}."
        yield Finding("tables", "the configuration names no table", remedy)
    for rule in deployment.rules.tables:
        matcher = rule.matcher
        if any(matcher.matches(name) for name in deployment.table_names):
            continue
        is_name = not matcher.is_regex and not GLOB & set(matcher.text)
        problem = (
            f"no table is named {matcher.text}"
            if is_name
            else f"the rule {matcher.text} matches no table"
        )
        remedy = "Correct or remove the rule, or create the table. Check the Region."
        yield Finding("tables", problem, remedy)


def fleets(deployment: Deployment) -> Iterator[Finding]:
    """Count each fleet, and check that the tables which follow it exist and are managed."""
    for fleet in deployment.rules.fleets:
        yield from _count(deployment, fleet)
        patterns = [row.table for row in fleet.tables]
        remedy = "correct its [[fleet.tables]]"
        yield from _patterns(deployment, "fleet", f"fleet {fleet.name}", patterns, remedy)
    yield from _without_fleet(deployment)


def _patterns(
    deployment: Deployment, check: str, subject: str, patterns: list[str], correction: str
) -> Iterator[Finding]:
    remedy = f"Check the Region, {correction}, or add a rule to {deployment.stage.config_file}."
    for pattern in patterns:
        problem = deployment.pattern_problem(pattern)
        if problem:
            yield Finding(check, f"{subject}: {problem}", remedy)


def _count(deployment: Deployment, fleet: Fleet) -> Iterator[Finding]:
    subject = f"fleet {fleet.name}"
    try:
        instances = aws_fleet.count_instances(deployment.aws, fleet)
    except aws_fleet.NoSuchGroupError as error:
        remedy = "Correct its group. Until then its tables are not lowered."
        yield Finding("fleet", f"{subject}: {error}", remedy)
        return
    if not instances:
        state = (
            "with its tags is running"
            if fleet.tags
            else f"of {fleet.auto_scaling_group} is in service"
        )
        remedy = (
            "If the fleet should be empty now, all is right. "
            "If not, correct its tags or group, and check the Region."
        )
        yield Finding("fleet", f"{subject}: no instance {state}", remedy)


def _without_fleet(deployment: Deployment) -> Iterator[Finding]:
    """Find the targets with the strategy `fleet` that no fleet names: they would never scale."""
    for target in deployment.targets:
        policy = deployment.rules.policy_for(target)
        if not policy or policy.strategy != "fleet":
            continue
        if not any(fleet.concerns(target) for fleet in deployment.rules.fleets):
            problem = f"{target} has the strategy fleet, and no fleet gives it units"
            remedy = "Add a row to [[fleet.tables]], or choose another strategy for it."
            yield Finding("fleet", problem, remedy)


def jobs(deployment: Deployment) -> Iterator[Finding]:
    """Read the jobs of each `[[pause]]` as the functions do.

    Check also that the tables which the jobs pause exist and are managed.
    """
    for pause in deployment.rules.pauses:
        try:
            aws_jobs.jobs(deployment.aws, pause, deployment.now)
        except AwsError as error:
            yield finding_of_error("pause", error, f"the jobs of pause {pause.name}")
        subject = f"pause {pause.name}"
        remedy = "correct the pause's tables"
        yield from _patterns(deployment, "pause", subject, list(pause.tables), remedy)


def alarms(deployment: Deployment) -> Iterator[Finding]:
    log = f"/aws/lambda/{deployment.stage.function('sweep')}"
    remedy = f"The next sweep corrects it within five minutes. If it does not, read the log {log}."
    for action in deployment.next_sweep.planned:
        match action:
            case CreateAlarm():
                problem = f"{action.target} has no alarm"
            case RewriteAlarm():
                name = action.alarm.name
                problem = f"alarm {name} does not match the capacity of {action.target}"
            case DeleteAlarms():
                problem = f"nothing exists for {', '.join(action.names)}"
            case _:
                continue
        yield Finding("alarms", problem, remedy)


def conflicts(deployment: Deployment) -> Iterator[Finding]:
    check = "Application Auto Scaling"
    for skip in deployment.next_sweep.skips:
        if skip.reason is Reason.AUTOSCALING_CONFLICT:
            problem = f"{skip.subject} is registered there too, and Headroom does not manage it"
            topic = deployment.stage.topic
            remedy = (
                f"Hand the table over: headroom import autoscaling --apply --table {skip.subject} "
                f"--topic {topic} (docs/from-autoscaling.md). "
                "Or write a rule that does not name the table."
            )
            yield Finding(check, problem, remedy)
    for failure in deployment.next_sweep.failures:
        yield finding_of_error("alarms", failure.error, failure.subject)
