"""Set up the resources that a stage needs besides Chalice's.

`headroom setup` runs before `headroom deploy`, which needs the topic and the queues. It runs again
after it, for what belongs to the functions. Each run applies what can be applied, and leaves what
is already correct.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from chalicelib.config.rules import Config
from headroom.deploy import blueprint, permissions, roles, understudy_resources
from headroom.deploy.account import AwsSession, Location
from headroom.deploy.alarm_tags import AlarmTags
from headroom.deploy.resources import (
    AlarmPermission,
    ConfiguredPolicy,
    DeployedVersion,
    InvokeSettings,
    LogGroup,
    OwnAlarm,
    Queue,
    QueueReader,
    ReplacedRole,
    Resource,
    Subscription,
    Topic,
)
from headroom.deploy.stage import LAMBDA_SOURCE, QUEUE_SOURCE, TOPIC_SOURCE, UNDERSTUDY, Stage
from headroom.deploy.stage_policy import room, stage_policy
from headroom.deploy.understudy_resources import Surplus
from headroom.project import version


@dataclass(frozen=True)
class ResourceResult:
    """What was done about one resource, and how it differed before.

    result: `applied`, `already correct`, `removed`, `not found` or `kept`.
    """

    subject: str
    result: str
    details: tuple[str, ...] = ()


def functions_of(stage: Stage, session: AwsSession) -> list[str]:
    """Return the stage's functions that exist, by their short names, without the understudy."""
    return sorted(roles.roles_in_use(stage, session).keys() - {UNDERSTUDY})


def resources_before_functions(stage: Stage, session: AwsSession) -> list[Resource]:
    """Return the resources that `headroom deploy` needs: queues, topic, and the queue's
    subscription."""
    location = session.location
    topic_arn, dead_letters = stage.topic_arn(location), location.arn("sqs", stage.dead_letters)
    attributes = {
        "MessageRetentionPeriod": str(blueprint.DEAD_LETTER_SECONDS),
        "SqsManagedSseEnabled": "true",
        "Policy": blueprint.queue_policy(dead_letters, topic_arn, location, stage.role_pattern),
    }
    resources: list[Resource] = [Queue(stage.dead_letters, attributes)]
    if stage.makes_topic:
        policy = {"Policy": blueprint.topic_policy(topic_arn, location)}
        resources.append(Topic(stage.topic, topic_arn, policy))
    if QUEUE_SOURCE in stage.sources:
        buffer = location.arn("sqs", stage.buffer)
        redrive = {"deadLetterTargetArn": dead_letters}
        attributes = {
            "VisibilityTimeout": str(blueprint.BUFFER_SECONDS),
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy": {**redrive, "maxReceiveCount": blueprint.BUFFER_RECEIVES},
            "Policy": blueprint.buffer_policy(buffer, topic_arn),
        }
        resources += [
            Queue(stage.buffer, attributes),
            Subscription(topic_arn, "sqs", buffer, {"RedrivePolicy": redrive}),
        ]
    if blueprint.GROUP_READER in stage.functions:
        resources.append(Queue(stage.groups, _groups(stage, location, dead_letters)))
    return resources


def _groups(stage: Stage, location: Location, dead_letters: str) -> blueprint.Document:
    redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": blueprint.GROUP_RECEIVES}
    return {
        "VisibilityTimeout": str(blueprint.GROUP_SECONDS),
        "MessageRetentionPeriod": str(blueprint.GROUP_KEPT_SECONDS),
        "SqsManagedSseEnabled": "true",
        "RedrivePolicy": redrive,
        "Policy": blueprint.groups_policy(location.arn("sqs", stage.groups)),
    }


def resources_of_functions(
    stage: Stage, session: AwsSession, functions: Iterable[str], rules: Config
) -> list[Resource]:
    """Return the resources that belong to the functions (short names).

    These are permissions, logs, retries, dead letters, and the alarms about Headroom itself.
    """
    location = session.location
    dead_letters = location.arn("sqs", stage.dead_letters)
    full = {name: stage.function(name) for name in functions}
    in_use = roles.roles_in_use(stage, session)
    resources: list[Resource] = [
        _policy(stage, location, rules, short, in_use.get(short, "")) for short in full
    ]
    resources += [
        ReplacedRole(name, where) for name, where in roles.replaced_roles(stage, session, in_use)
    ]
    resources += [LogGroup(name, stage.log_days) for name in full.values()]
    on_failure = {"DestinationConfig": {"OnFailure": {"Destination": dead_letters}}}
    resources += [
        InvokeSettings(name, blueprint.invoke_settings(short) | on_failure)
        for short, name in full.items()
        if short not in blueprint.QUEUE_FUNCTIONS
    ]
    if TOPIC_SOURCE in stage.sources and "on_alarm" in full:
        endpoint = location.arn("lambda", f"function:{full['on_alarm']}")
        redrive = {"RedrivePolicy": {"deadLetterTargetArn": dead_letters}}
        resources.append(Subscription(stage.topic_arn(location), "lambda", endpoint, redrive))
    if LAMBDA_SOURCE in stage.sources and "on_action" in full:
        resources.append(AlarmPermission(full["on_action"], location.account))
    if QUEUE_SOURCE in stage.sources and blueprint.ALARM_READER in full:
        resources.append(QueueReader(full[blueprint.ALARM_READER]))
    if rules.fan_out and blueprint.GROUP_READER in full:
        resources.append(QueueReader(full[blueprint.GROUP_READER], rules.fan_out.workers))
    if rules.understudy:
        resources += understudy_resources.resources(stage, location, rules)
    elif UNDERSTUDY in in_use:
        resources += map(Surplus, understudy_resources.removals(stage, location))
    resources += _own_alarms(stage, location, full, rules, UNDERSTUDY in in_use)
    marks = AlarmTags(stage.dead_letters, stage.topic_arn(location))
    return [*resources, marks, DeployedVersion(stage.dead_letters, version())]


def _own_alarms(
    stage: Stage, location: Location, functions: Mapping[str, str], rules: Config, was_there: bool
) -> Iterator[OwnAlarm]:
    """Yield the alarms about Headroom. With an understudy, that about silence runs it.

    functions: their names in Lambda, by short names. was_there: whether there is an understudy.
    """
    understudy = location.arn("lambda", f"function:{stage.function(UNDERSTUDY)}")
    concerns = rules.understudy is not None or was_there
    actions = stage.operator_actions(location)
    for fields in blueprint.own_alarms(stage, functions, stage.dead_letters, actions):
        is_silence = concerns and blueprint.is_silence(stage, fields)
        yield OwnAlarm(fields, understudy if is_silence else "", rules.understudy is not None)


def _policy(
    stage: Stage, location: Location, rules: Config, function: str, role: str
) -> ConfiguredPolicy:
    """Return the policy of a function's role. A role without a Region may serve several Regions."""
    role = role or stage.role(function, location.region)
    shared = roles.without_region(stage, role)
    place = replace(location, region="*") if shared else location
    shortening = permissions.shortening(rules, function, room(stage, rules))
    return ConfiguredPolicy(role, stage_policy(stage, place, rules, function), shortening)


def notify_operators(stage: Stage, session: AwsSession, subject: str, text: str) -> None:
    """Publish to the topic of the alarms about Headroom, where the stage names one."""
    if stage.operators:
        session.client("sns").publish(
            TopicArn=stage.operators_arn(session.location), Subject=subject, Message=text
        )


def setup(resources: Iterable[Resource], session: AwsSession) -> Iterator[ResourceResult]:
    """Apply the resources in order, each only where something differs."""
    for resource in resources:
        differences = resource.differences(session)
        if differences:
            resource.apply(session)
        result = "applied" if differences else "already correct"
        yield ResourceResult(resource.subject, result, tuple(differences))
