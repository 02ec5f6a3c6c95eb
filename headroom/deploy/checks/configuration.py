"""Checks of what the configuration names: tables, fleets, jobs, destinations and groups."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from botocore.exceptions import ClientError

from chalicelib.aws import fleet as aws_fleet
from chalicelib.aws import groups as aws_groups
from chalicelib.aws import jobs as aws_jobs
from chalicelib.aws import notifications as aws_notifications
from chalicelib.aws.autoscaling import scalable_targets
from chalicelib.aws.client import AwsError
from chalicelib.config.fleet import Fleet
from chalicelib.config.healing import Healing, rule_for
from chalicelib.config.policy import Policy
from chalicelib.core import money, warm
from chalicelib.core.healing import REPLACING, InstanceGroup
from chalicelib.model import (
    CreateAlarm,
    DeleteAlarms,
    Dimension,
    Reason,
    RewriteAlarm,
    SetCapacity,
    StandBy,
)
from headroom.deploy.account import DENIED, error_code, get_or_none
from headroom.deploy.checks.deployment import Deployment, Finding, finding_of_error
from headroom.simulation.goals import check_goals

GLOB = frozenset("*?[")
#: The error codes of Parameter Store and Secrets Manager for a value that does not exist.
NOT_STORED = frozenset({"ParameterNotFound", "ResourceNotFoundException"})


def tables(deployment: Deployment) -> Iterator[Finding]:
    if not deployment.rules.tables:
        yield Finding(
            "tables",
            "the configuration names no table",
            f"Write a rule into {deployment.stage.config_file}.",
        )
    for matcher in (rule.matcher for rule in deployment.rules.tables):
        if not any(matcher.matches(name) for name in deployment.table_names):
            is_name = not matcher.is_regex and not GLOB & set(matcher.text)
            yield Finding(
                "tables",
                f"no table is named {matcher.text}"
                if is_name
                else f"the rule {matcher.text} matches no table",
                "Correct or remove the rule, or create the table. Check the Region.",
            )


def schedule(deployment: Deployment) -> Iterator[Finding]:
    """Find a schedule of fixed times that restricts nothing, because the sweep lowers too."""
    expression = deployment.stage.environment.get("SCALE_DOWN_SCHEDULE", "")
    is_restricted = any(policy.lower_at for policy in deployment.rules.policies())
    if expression.startswith("cron(") and not is_restricted:
        yield Finding(
            "schedule",
            f"SCALE_DOWN_SCHEDULE is {expression}, and sweeps lower capacity at other times too",
            f"If it is to be lowered at these times only, write lower_at = [{{ at = "
            f'"{expression}" }}] below [defaults]. If not, use rate(1 hour).',
        )


def fleets(deployment: Deployment) -> Iterator[Finding]:
    """Count each fleet, and check that the tables which follow it exist and are managed.

    Find also the targets with the strategy `fleet` that no fleet names: they would never scale.
    """
    for fleet in deployment.rules.fleets:
        yield from _count(deployment, fleet)
        yield from _patterns(
            deployment,
            "fleet",
            f"fleet {fleet.name}",
            [row.table for row in fleet.tables],
            "correct its [[fleet.tables]]",
        )
    for target in deployment.targets:
        policy = deployment.rules.policy_for(target)
        is_following = policy is not None and policy.strategy == "fleet"
        if is_following and not any(fleet.concerns(target) for fleet in deployment.rules.fleets):
            yield Finding(
                "fleet",
                f"{target} has the strategy fleet, and no fleet gives it units",
                "Add a row to [[fleet.tables]], or choose another strategy for it.",
            )


def _patterns(
    deployment: Deployment, check: str, subject: str, patterns: Iterable[str], correction: str
) -> Iterator[Finding]:
    remedy = f"Check the Region, {correction}, or add a rule to {deployment.stage.config_file}."
    for pattern in patterns:
        matching = [name for name in deployment.table_names if fnmatchcase(name, pattern)]
        if not any(deployment.rules.manages(name) for name in matching):
            problem = "no rule manages a table named" if matching else "no table is named"
            yield Finding(check, f"{subject}: {problem} {pattern}", remedy)


def _count(deployment: Deployment, fleet: Fleet) -> Iterator[Finding]:
    subject = f"fleet {fleet.name}"
    instances = aws_fleet.count_instances(deployment.aws, fleet)
    if isinstance(instances, str):
        remedy = "Correct its group. Until then its tables are not lowered."
        yield Finding("fleet", f"{subject}: {instances}", remedy)
    elif not instances:
        group = f"of {fleet.auto_scaling_group} is in service"
        yield Finding(
            "fleet",
            f"{subject}: no instance {'with its tags is running' if fleet.tags else group}",
            "If the fleet should be empty now, all is right. "
            "If not, correct its tags or group, and check the Region.",
        )


def jobs(deployment: Deployment) -> Iterator[Finding]:
    """Read the jobs of each `[[pause]]` as the functions do.

    Check also that the tables which the jobs pause exist and are managed.
    """
    for pause in deployment.rules.pauses:
        subject = f"pause {pause.name}"
        try:
            aws_jobs.jobs(deployment.aws, pause, deployment.now)
        except AwsError as error:
            yield finding_of_error("pause", error, f"the jobs of {subject}")
        yield from _patterns(
            deployment, "pause", subject, pause.tables, "correct the pause's tables"
        )


def alarms(deployment: Deployment) -> Iterator[Finding]:
    log = f"/aws/lambda/{deployment.stage.function('sweep')}"
    remedy = f"The next sweep corrects it within five minutes. If it does not, read the log {log}."
    planned = deployment.next_sweep.planned
    # an alarm that is made, or follows new units, is right until then
    follows = {one.target for one in planned if isinstance(one, CreateAlarm)}
    follows |= {
        change.target for one in planned if isinstance(one, SetCapacity) for change in one.changes
    }
    for action in planned:
        match action:
            case CreateAlarm():
                problem = f"{action.target} has no alarm"
            case RewriteAlarm() if "AlarmActions" in action.changes:
                problem = f"alarm {action.alarm.name} has lost its actions, so it calls nobody"
            case RewriteAlarm(target=target) if target in follows:
                continue
            case RewriteAlarm():
                problem = (
                    f"alarm {action.alarm.name} does not match the capacity of {action.target}"
                )
            case DeleteAlarms():
                problem = f"nothing exists for {', '.join(action.names)}"
            case _:
                continue
        yield Finding("alarms", problem, remedy)
    yield from _hindered_alarms(deployment)


def _hindered_alarms(deployment: Deployment) -> Iterator[Finding]:
    """Yield the alarms that cannot call, and those that cannot be rewritten."""
    for skip in deployment.next_sweep.skips:
        if skip.reason is Reason.ALARM_OFF:
            yield Finding(
                "alarms",
                f"alarm {skip.subject} cannot call: {skip.detail}",
                f"aws cloudwatch enable-alarm-actions --alarm-names {skip.subject}; "
                "or take its warm-up away",
            )
        elif skip.reason is Reason.ALARM_UNKNOWN:
            yield Finding(
                "alarms",
                f"an alarm is not rewritten: {skip.detail}",
                "Deploy with a newer boto3 in requirements.txt. Until then the threshold stays.",
            )


def floors(deployment: Deployment) -> Iterator[Finding]:
    """Find the floors of windows that lie above the warm throughput."""
    for target in deployment.targets:
        table, policy = deployment.tables[target.table], deployment.rules.policy_for(target)
        units = table.throughputs[target.index].warm.get(target.dimension)
        floor = warm.slow_floor(policy, units) if policy else 0
        if floor:
            yield Finding(
                "windows",
                f"{target} has a floor of {floor:,} units, above its warm throughput of {units:,}",
                f"The raise may take minutes, so it begins {warm.EARLIER.seconds // 60} minutes "
                "earlier. To pre-warm the table instead: docs/windows.md, Warm throughput.",
            )


def budgets(deployment: Deployment) -> Iterator[Finding]:
    """Find the budgets that are spent, that will be, and of which nothing is known."""
    for one in deployment.next_sweep.spending:
        text = money.sentence(one, deployment.now)
        if one.unknown:
            remedy = "Until then the budget limits nothing (docs/money.md)."
            yield Finding("budgets", text, remedy)
        elif max(one.spent or 0.0, one.forecast or 0.0) >= one.limit:
            remedy = "Raise max_usd_month, or lower max_units (docs/money.md)."
            yield Finding("budgets", text, remedy)


def conflicts(deployment: Deployment) -> Iterator[Finding]:
    planned = deployment.next_sweep.planned
    returning = {one.target.table for one in planned if isinstance(one, StandBy)}
    for skip in deployment.next_sweep.skips:
        if skip.reason is Reason.AUTOSCALING_CONFLICT and skip.subject not in returning:
            yield Finding(
                "Application Auto Scaling",
                f"{skip.subject} is registered there too, and Headroom does not manage it",
                f"Hand the table over: headroom import autoscaling --apply --table {skip.subject} "
                f"--topic {deployment.stage.topic} (docs/from-autoscaling.md). "
                "Or write a rule that does not name the table.",
            )
    for failure in deployment.next_sweep.failures:
        yield finding_of_error("alarms", failure.error, failure.subject)


def throttling(deployment: Deployment) -> Iterator[Finding]:
    """Find the targets that were throttled in the last ten minutes, and that more units do not
    help, or for an unknown cause. The next sweep must read their metrics."""
    for decision in deployment.next_sweep.decisions:
        target, numbers = decision.target, decision.numbers
        index = f" --index {target.index}" if target.index else ""
        if numbers.get("hot_key_requests"):
            yield Finding(
                "throttling",
                f"{target} has a hot key, and more units would not serve it",
                f"Find the key: headroom hot-keys {target.table}{index}.",
            )
        if decision.reason is Reason.THROTTLED_RECENTLY and numbers.get("held_by"):
            yield Finding(
                "throttling",
                f"{target} is throttled, because {numbers['held_by']}",
                "Headroom raises the index. If it stays so, raise the max_units of its writes, or "
                "end what holds it (docs/policy.md, Indexes follow their table).",
            )
        if numbers.get("unexplained_requests"):
            yield Finding(
                "throttling",
                f"CloudWatch does not say why requests on {target} are throttled",
                "Headroom takes them for too few units. If it stays so, this Region has no metrics "
                "of the causes (docs/policy.md).",
            )


def callers(deployment: Deployment) -> Iterator[Finding]:
    """Find the targets whose demand fell at once, where the configuration keeps capacity then."""
    for decision in deployment.next_sweep.decisions:
        if decision.reason is Reason.DEMAND_GONE:
            yield Finding(
                "callers",
                f"{decision.target}: {decision.numbers['held_by']}",
                "Look whether its callers work. If the fall is meant, nothing is to be done: it is "
                "lowered after that time (docs/pause.md, An outage of the callers).",
            )


def goals(deployment: Deployment) -> Iterator[Finding]:
    """Compare what was throttled with the goals of the configuration. Without a goal, nothing is
    read."""
    policies = {target: deployment.rules.policy_for(target) for target in deployment.targets}
    known = {target: policy for target, policy in policies.items() if policy}
    for one in check_goals(deployment.aws, known, deployment.now):
        if not one.is_met:
            yield Finding("goals", one.problem, one.remedy)


def global_tables(deployment: Deployment) -> Iterator[Finding]:
    """Find the global tables whose writes nothing scales: Headroom leaves them to Application Auto
    Scaling."""
    names = [name for name, table in deployment.tables.items() if table.replicas]
    known = scalable_targets(deployment.aws) if names else []
    scaled = {one.target.table for one in known if one.target.dimension is Dimension.WRITE}
    for name in names:
        if name not in scaled:
            yield Finding(
                "global tables",
                f"{name} is a global table, and nothing scales its writes",
                "Let Application Auto Scaling manage its writes in every Region, or switch it to "
                "on demand (docs/global-tables.md).",
            )


def notifications(deployment: Deployment) -> Iterator[Finding]:
    """Check that the topics exist and have a subscriber, and that Slack's webhook is a URL.

    What these credentials may not read is not checked. A topic may be in another account, and a
    webhook's URL is best read by the functions alone.
    """
    senders: list[Policy | Healing] = [p for p in deployment.rules.policies() if p.notify]
    senders += deployment.rules.healing
    topics = dict.fromkeys(sender.notify_topic for sender in senders if sender.notify_topic)
    webhooks = dict.fromkeys(sender.notify_slack for sender in senders if sender.notify_slack)
    for destination in [*topics, *webhooks]:
        check = _topic if destination in topics else _webhook
        try:
            problem, remedy = check(deployment, destination)
        except ClientError as error:
            if error_code(error) not in DENIED:
                yield finding_of_error("notifications", error, destination)
        else:
            if problem:
                yield Finding("notifications", problem, remedy)


def _topic(deployment: Deployment, arn: str) -> tuple[str, str]:
    """Return the problem of a topic, or "", and the remedy."""
    if arn == deployment.aws.topic_arn:
        return (
            f"notify_topic {arn} is the topic of Headroom's alarms: "
            "Headroom would read its own messages",
            f"Name another topic in {deployment.stage.config_file}.",
        )
    sns = deployment.aws.client("sns", arn.split(":")[3])
    response = get_or_none(sns.list_subscriptions_by_topic, TopicArn=arn)
    if response is None:
        return f"notify_topic {arn} does not exist", "Create it, or correct notify_topic."
    # A subscription without an ARN is not confirmed yet.
    if any(one["SubscriptionArn"].startswith("arn:") for one in response["Subscriptions"]):
        return "", ""
    return f"nobody has subscribed to notify_topic {arn}", "Add a subscription, and confirm it."


def _webhook(deployment: Deployment, reference: str) -> tuple[str, str]:
    """Return the problem of a webhook, or "", and the remedy. Nothing of the URL is in them."""
    try:
        aws_notifications.webhook(deployment.aws, reference)
    except aws_notifications.NotDelivered as error:
        return f"notify_slack {error}", "Store the webhook's URL there (docs/notifications.md)."
    except ClientError as error:
        if error_code(error) not in NOT_STORED:
            raise
        return (
            f"notify_slack {reference} does not exist",
            "Create it (docs/notifications.md), or correct it.",
        )
    return "", ""


def healing(deployment: Deployment) -> Iterator[Finding]:
    """Check that the groups exist, that their instances' status can be read, and that an instance
    would be replaced."""
    rules = deployment.rules.healing
    groups = aws_groups.groups(deployment.aws) if rules else []
    for rule in rules:
        if not any(rule.concerns(group.name) for group in groups):
            yield Finding(
                "healing",
                f"no Auto Scaling group is named {rule.group}",
                "Correct or remove the [[healing]] rule, or check the Region.",
            )
    for group in groups:
        matching = rule_for(rules, group.name)
        if matching:
            with_status = aws_groups.with_status(deployment.aws, group)
            aws_groups.with_past(deployment.aws, with_status, deployment.now)
            yield from _processes(group, matching)


def _processes(group: InstanceGroup, rule: Healing) -> Iterator[Finding]:
    suspended = ", ".join(sorted(group.suspended & REPLACING))
    if rule.action == "replace" and suspended:
        yield Finding(
            "healing",
            f"group {group.name} has suspended {suspended}: "
            "its unhealthy instances are not replaced",
            f"aws autoscaling resume-processes --auto-scaling-group-name {group.name}",
        )
    is_replacing = not group.suspended & {"HealthCheck", "ReplaceUnhealthy"}
    if rule.action in ("reboot", "recover") and is_replacing:
        yield Finding(
            "healing",
            f"group {group.name} replaces its unhealthy instances itself after some minutes, "
            f"while action = {rule.action} is to keep them",
            "Suspend its process ReplaceUnhealthy, or choose action = replace.",
        )
