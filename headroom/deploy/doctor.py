"""Look at a stage from all sides, change nothing, and say of each thing that is wrong what to do
about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib import handlers
from chalicelib.aws import fleet as aws_fleet
from chalicelib.aws import groups as aws_healing
from chalicelib.aws import jobs as aws_jobs
from chalicelib.aws import notifications as aws_notices
from chalicelib.aws.client import Aws, AwsError
from chalicelib.aws.notifications import NotDelivered
from chalicelib.aws.tables import describe_tables, table_names
from chalicelib.config import loader
from chalicelib.config.fleet import Fleet
from chalicelib.config.healing import Healing, rule_for
from chalicelib.config.jobs import JobPause
from chalicelib.config.policy import TABLE_QUOTA_UNITS
from chalicelib.config.rules import Config
from chalicelib.core.healing import REPLACING, InstanceGroup
from chalicelib.model import (
    CreateAlarm,
    DeleteAlarms,
    Dimension,
    Reason,
    RewriteAlarm,
    Skip,
    TableState,
)
from chalicelib.run import Report, Run
from headroom.deploy import blueprint, setup
from headroom.deploy import permissions as configured
from headroom.deploy import stage as stages
from headroom.deploy.account import Cloud, code_of, found, in_words
from headroom.deploy.resources import DeployedVersion, Step, queue_url
from headroom.deploy.stage import Stage

MAX_SKEW_SECONDS = 60
"""AWS refuses a signature that is five minutes off; a minute already spoils the decrease quota's
reckoning."""
QUOTA_PERCENT = 80
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
)
SKEWED = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
NOT_KEPT = frozenset({"ParameterNotFound", "ResourceNotFoundException"})
"""The codes with which Parameter Store and Secrets Manager say that there is no such thing."""
GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    check: str
    problem: str
    remedy: str


@dataclass
class Patient:
    """The stage that is looked at. Every fact is read once."""

    stage: Stage
    project: Path
    cloud: Cloud
    now: datetime

    @cached_property
    def functions(self) -> list[str]:
        return setup.functions_of(self.stage, self.cloud)

    @cached_property
    def aws(self) -> Aws:
        return Aws(self.stage.topic)

    @cached_property
    def rules(self) -> Config:
        return stages.rules(self.stage, self.project)

    @cached_property
    def tables(self) -> dict[str, TableState]:
        """Return the managed tables that have capacity to set."""
        names = [name for name in table_names(self.aws) if self.rules.manages(name)]
        states = describe_tables(self.aws, names) if names else {}
        return {
            name: state
            for name, state in states.items()
            if isinstance(state, TableState) and not state.on_demand
        }

    @cached_property
    def next_sweep(self) -> Report:
        """Return what a sweep would do now: whatever it would mend is not as it should be."""
        return handlers.sweep(Run(self.aws, self.rules, self.now, dry_run=True))


Check = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient) -> list[Finding]:
    """Make all checks; without credentials there is only one. What several of them come upon is
    told by the first."""
    first = list(_guarded("credentials", credentials, patient))
    if first:
        return first
    by_problem: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        for finding in _guarded(name, check, patient):
            by_problem.setdefault(finding.problem, finding)
    return list(by_problem.values())


def _guarded(name: str, check: Check, patient: Patient) -> Iterator[Finding]:
    """Make a check; what keeps it from being made is a finding, too."""
    try:
        yield from check(patient)
    except loader.ConfigError as error:
        yield Finding(
            "configuration",
            str(error),
            "Mend the configuration; `headroom check` shows it. Then deploy again.",
        )
    except (*AwsError, OSError) as error:
        yield _of_error(name, error)


def _of_error(name: str, error: Exception, subject: str = "") -> Finding:
    """Return what an error comes to. subject: what was looked at, where the check looks at
    several."""
    about = f"{subject}: " if subject else ""
    if not isinstance(error, ClientError):
        return Finding(
            name, f"{about}{error}", "Check the network, the Region and the profile, and ask again."
        )
    operation = error.operation_name
    if code_of(error) in DENIED:
        remedy = f"Give your credentials the permission for {operation}, and ask again."
        return Finding(name, f"{about}not allowed to call {operation}", remedy)
    return Finding(
        name, f"{about}{operation} failed: {error}", "Put right what AWS says, and ask again."
    )


def credentials(patient: Patient) -> Iterator[Finding]:
    try:
        _ = patient.cloud.place
    except ClientError as error:
        clock = code_of(error) in SKEWED
        remedy = (
            "Set this computer's clock (NTP), and ask again."
            if clock
            else "Sign in again, or set AWS_PROFILE."
        )
        yield Finding(
            "clock" if clock else "credentials", f"AWS does not accept them: {error}", remedy
        )
    except AwsError as error:
        said, _, remedy = in_words(error).partition(". ")
        remedy = (
            remedy
            or "Sign in, or set AWS_PROFILE; and set AWS_DEFAULT_REGION where the profile names no Region."
        )
        yield Finding("credentials", said, remedy)


def clock(patient: Patient) -> Iterator[Finding]:
    answer = patient.cloud.client("sts").get_caller_identity()
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    skew = abs((parsedate_to_datetime(said) - patient.now).total_seconds()) if said else 0
    if skew > MAX_SKEW_SECONDS:
        yield Finding(
            "clock",
            f"this computer's clock is {skew:.0f} seconds off AWS's",
            "Set the clock (NTP).",
        )


def functions(patient: Patient) -> Iterator[Finding]:
    wanted = set(stages.complete(patient.stage, patient.rules).functions)
    for name in sorted(wanted - set(patient.functions)):
        full = patient.stage.function(name)
        yield Finding(
            "functions",
            f"{full} does not exist",
            f"Deploy: make deploy STAGE={patient.stage.name}.",
        )
    for name in sorted(set(patient.functions) - wanted):
        full = patient.stage.function(name)
        yield Finding(
            "functions",
            f"{full} is none of the stage's",
            f"Deploy: make deploy STAGE={patient.stage.name}.",
        )


def permissions(patient: Patient) -> Iterator[Finding]:
    """Compare each function's policy with the one in the checkout; what the configuration adds is
    among what setup makes."""
    for name in patient.functions:
        role = patient.stage.function(name)
        file = (
            patient.project / ".chalice" / patient.stage.policies.get(name, f"policy-{name}.json")
        )
        if file.exists() and json.loads(file.read_text()) not in _policies(patient.cloud, role):
            remedy = f"Deploy: make deploy STAGE={patient.stage.name}. If your roles are made elsewhere, compare by hand."
            yield Finding(
                "permissions", f"the policy of role {role} is not that of {file.name}", remedy
            )
    for sentence in sorted(
        {configured.shortening(patient.rules, name) for name in patient.functions} - {""}
    ):
        yield Finding(
            "permissions",
            sentence,
            f"Name the tables by fewer patterns in {patient.stage.config_file}.",
        )


def _policies(cloud: Cloud, role: str) -> list[object]:
    iam = cloud.client("iam")
    said = found(iam.list_role_policies, RoleName=role)
    names = said["PolicyNames"] if said else []
    return [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]


def surroundings(patient: Patient) -> Iterator[Finding]:
    """Look at everything that setup makes: topic, subscription, queues, permissions, retries, logs,
    alarms about Headroom."""
    yield from _looked_at(patient, setup.steps_before(patient.stage, patient.cloud))
    yield from _looked_at(
        patient, setup.steps_after(patient.stage, patient.cloud, patient.functions, patient.rules)
    )


def _looked_at(patient: Patient, steps: Iterable[Step]) -> Iterator[Finding]:
    for step in steps:
        wrong = step.differences(patient.cloud)
        is_version = isinstance(step, DeployedVersion)
        if wrong and is_version:
            remedy = f"Deploy this one: make deploy STAGE={patient.stage.name}; or check out the one that runs."
            yield Finding("version", f"{step.subject}: {'; '.join(wrong)}", remedy)
        elif wrong:
            remedy = f"Put it right: headroom setup --stage {patient.stage.name}."
            yield Finding("setup", f"{step.subject}: {'; '.join(wrong)}", remedy)


def own_alarms(patient: Patient) -> Iterator[Finding]:
    names = blueprint.own_alarm_names(patient.stage)
    said = patient.cloud.client("cloudwatch").describe_alarms(
        AlarmNames=names, StateValue="ALARM", AlarmTypes=["MetricAlarm"]
    )
    for alarm in said["MetricAlarms"]:
        if alarm["StateValue"] == "ALARM":
            yield Finding(
                "own alarms", f"{alarm['AlarmName']} is in ALARM", str(alarm["AlarmDescription"])
            )


def dead_letters(patient: Patient) -> Iterator[Finding]:
    queue = patient.stage.dead_letters
    url = queue_url(patient.cloud, queue)
    if url is None:
        return
    asked = ["ApproximateNumberOfMessages"]
    said = patient.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=asked)[
        "Attributes"
    ]
    count = int(said[asked[0]])
    if count:
        remedy = f"Find the cause in the logs, then: headroom redrive --stage {patient.stage.name}."
        yield Finding("dead letters", f"{count} message(s) wait in {queue}", remedy)


def tables(patient: Patient) -> Iterator[Finding]:
    """Compare the configuration with the tables that exist."""
    names = table_names(patient.aws)
    if not patient.rules.tables:
        yield Finding(
            "tables",
            "the configuration names no table",
            f"Write a rule into {patient.stage.config_file}.",
        )
    for rule in patient.rules.tables:
        if any(rule.matcher.matches(name) for name in names):
            continue
        plain = not rule.matcher.is_regex and not GLOB & set(rule.matcher.text)
        problem = (
            f"no table is named {rule.matcher.text}"
            if plain
            else f"the rule {rule.matcher.text} matches no table"
        )
        yield Finding(
            "tables", problem, "Mend or remove the rule, or make the table; and check the Region."
        )


def fleets(patient: Patient) -> Iterator[Finding]:
    """Count each fleet, and look whether the tables that are to follow exist and are managed."""
    names = table_names(patient.aws) if patient.rules.fleets else []
    for fleet in patient.rules.fleets:
        yield from _count(patient, fleet)
        for row in fleet.tables:
            found = [name for name in names if fnmatchcase(name, row.table)]
            if not found:
                yield Finding(
                    "fleet",
                    f"fleet {fleet.name}: no table is named {row.table}",
                    "Mend its [[fleet.tables]].",
                )
            elif not any(patient.rules.manages(name) for name in found):
                problem = f"fleet {fleet.name}: no rule manages a table named {row.table}"
                yield Finding(
                    "fleet",
                    problem,
                    f"Add a rule to {patient.stage.config_file}, or mend [[fleet.tables]].",
                )
    yield from _unled(patient)


def _count(patient: Patient, fleet: Fleet) -> Iterator[Finding]:
    try:
        found = aws_fleet.count_instances(patient.aws, fleet)
    except aws_fleet.NoSuchGroupError as error:
        yield Finding(
            "fleet", f"fleet {fleet.name}: {error}", "Until then its tables are not lowered."
        )
        return
    if not found:
        how = (
            "carries its tags and runs"
            if fleet.tags
            else f"of {fleet.auto_scaling_group} is in service"
        )
        remedy = "Right, where the fleet is meant to be empty now. Else mend its tags or group, and check the Region."
        yield Finding("fleet", f"fleet {fleet.name}: no instance {how}", remedy)


def _unled(patient: Patient) -> Iterator[Finding]:
    """Look for targets whose strategy is `fleet` and that no fleet means: nothing would ever be
    decided on them."""
    for target in [target for table in patient.tables.values() for target in table.targets()]:
        policy = patient.rules.policy_for(target)
        if (
            policy
            and policy.strategy == "fleet"
            and not any(fleet.concerns(target) for fleet in patient.rules.fleets)
        ):
            remedy = "Add a row to [[fleet.tables]], or choose another strategy for it."
            yield Finding(
                "fleet", f"{target} has the strategy fleet, and no fleet gives it units", remedy
            )


def jobs(patient: Patient) -> Iterator[Finding]:
    """Ask for the jobs of each `[[pause]]` as the functions do, and look whether the tables that
    they hold are managed."""
    names = table_names(patient.aws) if patient.rules.pauses else []
    for pause in patient.rules.pauses:
        try:
            aws_jobs.jobs(patient.aws, pause, patient.now)
        except AwsError as error:
            yield _of_error("pause", error, f"the jobs of pause {pause.name}")
        yield from _held(patient, pause, names)


def _held(patient: Patient, pause: JobPause, names: Iterable[str]) -> Iterator[Finding]:
    for pattern in pause.tables:
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            yield Finding(
                "pause",
                f"pause {pause.name}: no table is named {pattern}",
                "Mend its tables; and check the Region.",
            )
        elif not any(patient.rules.manages(name) for name in found):
            problem = f"pause {pause.name}: no rule manages a table named {pattern}, so that there is nothing to hold"
            yield Finding(
                "pause",
                problem,
                f"Add a rule to {patient.stage.config_file}, or mend the pause's tables.",
            )


def notifications(patient: Patient) -> Iterator[Finding]:
    """Look whether the topics of notifications exist and have a hearer, and whether what is kept
    for Slack is a URL.

    What is not these credentials' to see is not looked at: a topic may be in another account, and a
    webhook's URL is best read by the functions alone.
    """
    asked: dict[str, Callable[[], Iterator[Finding]]] = {}
    for one in [*(p for p in patient.rules.policies() if p.notify), *patient.rules.healing]:
        asked |= (
            {one.notify_topic: partial(_topic, patient, one.notify_topic)}
            if one.notify_topic
            else {}
        )
        asked |= (
            {one.notify_slack: partial(_webhook, patient, one.notify_slack)}
            if one.notify_slack
            else {}
        )
    for destination, look in asked.items():
        try:
            yield from look()
        except ClientError as error:
            if code_of(error) not in DENIED:
                yield _of_error("notifications", error, destination)


def _topic(patient: Patient, arn: str) -> Iterator[Finding]:
    region = arn.split(":")[3]
    if arn == patient.aws.topic_arn:
        problem = (
            f"notify_topic {arn} is the topic of Headroom's alarms: it would read its own messages"
        )
        yield Finding(
            "notifications", problem, f"Name another topic in {patient.stage.config_file}."
        )
        return
    said = found(patient.aws.client("sns", region).list_subscriptions_by_topic, TopicArn=arn)
    if said is None:
        yield Finding(
            "notifications", f"notify_topic {arn} does not exist", "Make it, or mend notify_topic."
        )
    elif not any(
        one["SubscriptionArn"].startswith("arn:") for one in said["Subscriptions"]
    ):  # the others wait to be confirmed
        yield Finding(
            "notifications",
            f"nobody has subscribed to notify_topic {arn}",
            "Subscribe somebody, and confirm it.",
        )


def _webhook(patient: Patient, reference: str) -> Iterator[Finding]:
    """Read the URL, and tell nothing of it."""
    try:
        aws_notices.webhook(patient.aws, reference)
    except NotDelivered as error:
        yield Finding(
            "notifications",
            f"notify_slack {error}",
            "Put the webhook's URL there (docs/notifications.md).",
        )
    except ClientError as error:
        if code_of(error) not in NOT_KEPT:
            raise
        yield Finding(
            "notifications",
            f"notify_slack {reference} does not exist",
            "Make it (docs/notifications.md), or mend it.",
        )


def healing(patient: Patient) -> Iterator[Finding]:
    """Look whether the groups that are to be healed exist, their instances' status can be read, and
    a replacement would come."""
    rules = patient.rules.healing
    groups = aws_healing.groups(patient.aws) if rules else []
    for rule in rules:
        if not any(rule.concerns(group.name) for group in groups):
            problem = f"no Auto Scaling group is named {rule.group}"
            yield Finding(
                "healing", problem, "Mend or remove the [[healing]] rule, or check the Region."
            )
    for group in groups:
        found = rule_for(rules, group.name)
        if found:
            aws_healing.with_past(
                patient.aws, aws_healing.with_status(patient.aws, group), patient.now
            )
            yield from _processes(group, found)


def _processes(group: InstanceGroup, rule: Healing) -> Iterator[Finding]:
    suspended = ", ".join(sorted(group.suspended & REPLACING))
    if rule.action == "replace" and suspended:
        problem = (
            f"group {group.name} has suspended {suspended}: its sick instances are not replaced"
        )
        yield Finding(
            "healing",
            problem,
            f"aws autoscaling resume-processes --auto-scaling-group-name {group.name}",
        )
    if rule.action in ("reboot", "recover") and not group.suspended & {
        "HealthCheck",
        "ReplaceUnhealthy",
    }:
        problem = f"group {group.name} replaces by itself, minutes later, what action = {rule.action} is to keep"
        yield Finding(
            "healing", problem, "Suspend its process ReplaceUnhealthy, or choose action = replace."
        )


def alarms(patient: Patient) -> Iterator[Finding]:
    log = f"/aws/lambda/{patient.stage.function('sweep')}"
    remedy = (
        f"The next sweep mends it within five minutes. If it does not, look into the log {log}."
    )
    for action in patient.next_sweep.planned:
        match action:
            case CreateAlarm():
                yield Finding("alarms", f"{action.target} has no alarm", remedy)
            case RewriteAlarm():
                yield Finding(
                    "alarms",
                    f"alarm {action.alarm.name} does not match the capacity of {action.target}",
                    remedy,
                )
            case DeleteAlarms():
                yield Finding("alarms", f"nothing is behind {', '.join(action.names)}", remedy)


def conflicts(patient: Patient) -> Iterator[Finding]:
    for skip in patient.next_sweep.skips:
        if skip.reason is Reason.AUTOSCALING_CONFLICT:
            yield _conflict(skip, patient.stage.topic)
    for failure in patient.next_sweep.failures:
        yield _of_error("alarms", failure.error, failure.subject)


def _conflict(skip: Skip, topic: str) -> Finding:
    remedy = (
        f"Choose one: headroom import autoscaling --apply --table {skip.subject} --topic {topic}, which hands it over "
        "(docs/from-autoscaling.md); or a rule that does not name the table."
    )
    return Finding(
        "Application Auto Scaling",
        f"{skip.subject} is registered there too, and Headroom leaves it alone",
        remedy,
    )


def quota(patient: Patient) -> Iterator[Finding]:
    """Compare what is provisioned, and what may be, with the account's and the tables' quotas."""
    limits = patient.cloud.client("dynamodb").describe_limits()
    for dimension in Dimension:
        word = f"{dimension.title()}CapacityUnits"
        yield from _account_quota(patient, dimension, int(limits[f"AccountMax{word}"]))
        yield from _table_quota(patient, dimension, int(limits[f"TableMax{word}"]))


def _account_quota(patient: Patient, dimension: Dimension, limit: int) -> Iterator[Finding]:
    by_table: Counter[str] = Counter()
    for name, table in patient.tables.items():
        by_table[name] = sum(part.units[dimension] for part in table.throughputs.values())
    total = by_table.total()
    if total * 100 >= limit * QUOTA_PERCENT:
        largest = by_table.most_common(1)[0][0]
        problem = f"{total} of the account's {limit} {dimension} units are provisioned, most of them by {largest}"
        yield Finding(
            "quota",
            problem,
            "Ask AWS for a higher quota (Service Quotas, DynamoDB, account-level units).",
        )


def _table_quota(patient: Patient, dimension: Dimension, limit: int) -> Iterator[Finding]:
    """Look at the most that each target may come to. Nobody chose the default, so it is no mistake
    above a lower quota."""
    for target in [
        t for table in patient.tables.values() for t in table.targets() if t.dimension is dimension
    ]:
        policy = patient.rules.policy_for(target)
        if policy and limit < policy.max_units != TABLE_QUOTA_UNITS:
            problem = (
                f"{target} has max_units = {policy.max_units}, but the quota of a table is {limit}"
            )
            yield Finding("quota", problem, "Lower max_units, or ask AWS for a higher quota.")


CHECKS: dict[str, Check] = {
    "clock": clock,
    "functions": functions,
    "permissions": permissions,
    "setup": surroundings,
    "own alarms": own_alarms,
    "dead letters": dead_letters,
    "tables": tables,
    "fleet": fleets,
    "pause": jobs,
    "notifications": notifications,
    "healing": healing,
    "alarms": alarms,
    "Application Auto Scaling": conflicts,
    "quota": quota,
}
