"""Remove everything that a stage leaves in an account, but never a table."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.aws.alarms import alarms_on_topic, delete_alarms
from chalicelib.aws.client import Aws
from chalicelib.model import DeleteAlarms
from headroom.counted import counted
from headroom.deploy import blueprint, records, roles, understudy_resources
from headroom.deploy import dashboard as dashboards
from headroom.deploy.account import (
    DENIED,
    AwsSession,
    delete_if_exists,
    error_code,
    get_or_none,
)
from headroom.deploy.alarm_tags import is_own
from headroom.deploy.dashboard import Dashboard
from headroom.deploy.resources import (
    LogGroup,
    OwnAlarm,
    Queue,
    QueueReader,
    ReplacedRole,
    Resource,
    Subscription,
    Topic,
    queue_url,
)
from headroom.deploy.setup import ResourceResult
from headroom.deploy.stage import QUEUE_SOURCE, UNDERSTUDY, Stage


@dataclass(frozen=True)
class Removal:
    """One thing to remove, which may be gone already.

    otherwise: the result where `delete` returns False.
    """

    subject: str
    delete: Callable[[AwsSession], bool]
    otherwise: str = "not found"


def removals(stage: Stage, session: AwsSession, project: Path) -> Iterator[Removal | Resource]:
    """Yield everything that belongs to the stage, in an order in which nothing is created again.

    First what runs the functions, then the functions, then the alarms (a sweep would create them
    again), then what the functions wrote to. The tables are not part of it. Names are looked up one
    kind at a time, so that a second run finds what a first one left. What can only be removed
    before its function is removed with the function.
    """
    topic_arn = stage.topic_arn(session.location)
    yield from _rules(stage, session)
    yield from _subscriptions(stage, session, topic_arn)
    yield from _functions(stage, session)
    yield from _roles(stage, session)
    yield from _alarms(stage, topic_arn)
    yield from _stores(stage, session, topic_arn)
    yield from _dashboard(stage, session)
    deployed = records.record_of(stage, project, session.location)
    yield Removal(
        f"Chalice's record in {deployed.relative_to(project)}", lambda _: _unlink(deployed)
    )


def teardown(
    removals: Iterable[Removal | Resource], session: AwsSession
) -> Iterator[ResourceResult]:
    for removal in removals:
        otherwise = removal.otherwise if isinstance(removal, Removal) else "not found"
        result = "removed" if removal.delete(session) else otherwise
        yield ResourceResult(removal.subject, result)


def foreign_alarms(topic_arn: str) -> list[str]:
    """Return the alarms on the topic that Headroom did not make.

    Teardown leaves them, and then they notify nobody.
    """
    return sorted(alarm.name for alarm in alarms_on_topic(Aws(topic_arn)) if not is_own(alarm))


def _rules(stage: Stage, session: AwsSession) -> Iterator[Removal]:
    rules = session.pages("events", "list_rules", "Rules", NamePrefix=stage.function(""))
    for name in [str(rule["Name"]) for rule in rules]:
        if name.endswith("-event") and stage.is_function(name.removesuffix("-event")):
            yield Removal(f"event rule {name}", partial(_delete_rule, name=name))


def _delete_rule(session: AwsSession, name: str) -> bool:
    events = session.client("events")
    targets = get_or_none(events.list_targets_by_rule, Rule=name)
    if targets and targets["Targets"]:
        events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets["Targets"]])
    return targets is not None and delete_if_exists(events.delete_rule, Name=name)


def _subscriptions(stage: Stage, session: AwsSession, topic_arn: str) -> Iterator[Resource]:
    for subscription in session.subscriptions(topic_arn):
        endpoint = subscription["Endpoint"]
        name = endpoint.rsplit(":", 1)[-1]
        if stage.is_function(name) or name == stage.buffer:
            yield Subscription(topic_arn, subscription["Protocol"], endpoint, {})


def _functions(stage: Stage, session: AwsSession) -> Iterator[Removal | Resource]:
    """Yield the functions, and after the last sweep what belongs to the understudy: it lets its
    targets scale again."""
    existing = roles.roles_in_use(stage, session).keys()
    for short in sorted(existing - {UNDERSTUDY}):
        name = stage.function(short)
        yield Removal(f"queues that {name} reads", QueueReader(name).delete)
        yield Removal(f"function {name}", partial(_delete_function, name=name))
    if UNDERSTUDY in existing:
        yield from understudy_resources.removals(stage, session.location)


def _delete_function(session: AwsSession, name: str) -> bool:
    return delete_if_exists(session.client("lambda").delete_function, FunctionName=name)


def _roles(stage: Stage, session: AwsSession) -> Iterator[Removal | Resource]:
    """Yield the roles of this Region, and those without a Region that no function uses any more."""
    names = [str(role["RoleName"]) for role in session.pages("iam", "list_roles", "Roles")]
    region = session.location.region
    old = [name for name in names if roles.without_region(stage, name)]
    for name in names:
        if stage.is_role(name, region):
            yield ReplacedRole(name, "")
    for name, where in roles.users(stage, session, old).items():
        role = ReplacedRole(name, where)
        yield Removal(role.subject, lambda _: False, "kept") if where else role


def _alarms(stage: Stage, topic_arn: str) -> Iterator[Removal | Resource]:
    for name in blueprint.possible_alarm_names(stage):
        yield OwnAlarm({"AlarmName": name})
    aws = Aws(topic_arn)
    own = sorted(alarm.name for alarm in alarms_on_topic(aws) if is_own(alarm))
    if own:
        subject = f"{counted(len(own), 'alarm')} of tables and instances: {', '.join(own)}"
        yield Removal(subject, lambda _: _delete_alarms(aws, own))


def _delete_alarms(aws: Aws, names: list[str]) -> bool:
    delete_alarms(aws, DeleteAlarms(tuple(names)))
    return True


def _stores(stage: Stage, session: AwsSession, topic_arn: str) -> Iterator[Resource]:
    if stage.makes_topic:
        yield Topic(stage.topic, topic_arn, {})
    if QUEUE_SOURCE in stage.sources:
        yield Queue(stage.buffer, {})
    if queue_url(session, stage.groups):
        yield Queue(stage.groups, {})
    yield Queue(stage.dead_letters, {})
    prefix = LogGroup(stage.function(""), 0).name
    groups = session.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix)
    for name in [str(group["logGroupName"]).removeprefix("/aws/lambda/") for group in groups]:
        if stage.is_function(name):
            yield LogGroup(name, 0)


def _dashboard(stage: Stage, session: AwsSession) -> Iterator[Removal | Resource]:
    """Yield the dashboard. Without one, nobody needs the permission to look for it."""
    dashboard = Dashboard(dashboards.name_of(stage, session.location.region), {})
    try:
        dashboard.actual(session)
    except ClientError as error:
        if error_code(error) not in DENIED:
            raise
        subject = f"{dashboard.subject}, if there is one (cloudwatch:GetDashboard is denied)"
        yield Removal(subject, lambda _: False, "kept")
    else:
        yield dashboard


def _unlink(file: Path) -> bool:
    exists = file.exists()
    file.unlink(missing_ok=True)
    return exists
