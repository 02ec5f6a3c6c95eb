"""What a stage needs and Chalice does not make, as steps in order; and all that a stage leaves, to
take away.

`headroom setup` runs before `chalice deploy`, which needs the topic and the queues, and again after
it, for what hangs on the functions. Each time it does what can be done, and finds done what is
done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.aws.alarms import alarms_on_topic, delete_alarms
from chalicelib.aws.client import Aws
from chalicelib.config.rules import Config
from chalicelib.core import instance_alarms, table_alarms
from chalicelib.model import Alarm, DeleteAlarms
from headroom.deploy import blueprint, permissions
from headroom.deploy.account import Cloud, code_of, found
from headroom.deploy.resources import (
    AlarmPermission,
    ConfiguredPolicy,
    DeployedVersion,
    InvokeSettings,
    LogGroup,
    OwnAlarm,
    PartialFailures,
    Queue,
    Step,
    Subscription,
    Topic,
)
from headroom.deploy.stage import LAMBDA_SOURCE, QUEUE_SOURCE, TOPIC_SOURCE, Stage
from headroom.project import version


@dataclass(frozen=True)
class Outcome:
    """What became of one step: its subject, `made right`, `already right`, `removed` or `not
    there`, and what was wrong."""

    subject: str
    result: str
    details: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.result in ("made right", "removed")


# setting up


def functions_of(stage: Stage, cloud: Cloud) -> list[str]:
    """Return the stage's functions that exist, by their short names."""
    names = [str(f["FunctionName"]) for f in cloud.pages("lambda", "list_functions", "Functions")]
    return sorted(
        name.removeprefix(f"{stage.prefix}-") for name in names if stage.is_function(name)
    )


def steps_before(stage: Stage, cloud: Cloud) -> list[Step]:
    """Return the steps that `chalice deploy` needs taken: queues, topic, and what the topic
    delivers to besides functions."""
    place = cloud.place
    topic_arn, dead_letters = stage.topic_arn(place), place.arn("sqs", stage.dead_letters)
    steps: list[Step] = [
        Queue(
            stage.dead_letters,
            {
                "MessageRetentionPeriod": str(blueprint.DEAD_LETTER_SECONDS),
                "SqsManagedSseEnabled": "true",
                "Policy": blueprint.queue_policy(
                    dead_letters, topic_arn, place, stage.function("*")
                ),
            },
        )
    ]
    if stage.makes_topic:
        steps.append(Topic(stage.topic, topic_arn, blueprint.topic_policy(topic_arn, place)))
    if QUEUE_SOURCE in stage.sources:
        buffer = place.arn("sqs", stage.buffer)
        settings = {
            "VisibilityTimeout": str(blueprint.BUFFER_SECONDS),
            "SqsManagedSseEnabled": "true",
            "RedrivePolicy": {
                "deadLetterTargetArn": dead_letters,
                "maxReceiveCount": blueprint.BUFFER_RECEIVES,
            },
            "Policy": blueprint.buffer_policy(buffer, topic_arn),
        }
        steps += [
            Queue(stage.buffer, settings),
            Subscription(topic_arn, "sqs", buffer, _redrive(dead_letters)),
        ]
    return steps


def steps_after(stage: Stage, cloud: Cloud, functions: Iterable[str], rules: Config) -> list[Step]:
    """Return the steps that hang on the functions (short names): permissions, logs, retries, dead
    letters, own alarms."""
    place = cloud.place
    dead_letters = place.arn("sqs", stage.dead_letters)
    full = {name: stage.function(name) for name in functions}
    operators = stage.operators_arn(place)
    steps: list[Step] = [_configured_policy(stage, short, rules) for short in full]
    steps += [LogGroup(name, stage.log_days) for name in full.values()]
    steps += [
        InvokeSettings(name, blueprint.invoke_settings(short), dead_letters)
        for short, name in full.items()
        if short != blueprint.QUEUE_FUNCTION
    ]
    if TOPIC_SOURCE in stage.sources and "on_alarm" in full:
        endpoint = place.arn("lambda", f"function:{full['on_alarm']}")
        steps.append(
            Subscription(stage.topic_arn(place), "lambda", endpoint, _redrive(dead_letters))
        )
    if LAMBDA_SOURCE in stage.sources and "on_action" in full:
        steps.append(AlarmPermission(full["on_action"], place.account))
    if QUEUE_SOURCE in stage.sources and blueprint.QUEUE_FUNCTION in full:
        steps.append(PartialFailures(full[blueprint.QUEUE_FUNCTION]))
    own = blueprint.own_alarms(stage, full, stage.dead_letters, [operators] if operators else [])
    return [
        *steps,
        *(OwnAlarm(fields) for fields in own),
        DeployedVersion(stage.dead_letters, version()),
    ]


def _configured_policy(stage: Stage, function: str, rules: Config) -> Step:
    policy, remark = (
        permissions.configured_policy(rules, function),
        permissions.shortening(rules, function),
    )
    return ConfiguredPolicy(stage.function(function), policy, remark)


def tell_operators(stage: Stage, cloud: Cloud, subject: str, text: str) -> None:
    """Publish to the topic that hears the alarms about Headroom, where the stage names one."""
    if stage.operators:
        cloud.client("sns").publish(
            TopicArn=stage.operators_arn(cloud.place), Subject=subject, Message=text
        )


def _redrive(dead_letters: str) -> blueprint.Document:
    return {"deadLetterTargetArn": dead_letters}


def setup(steps: Iterable[Step], cloud: Cloud) -> Iterator[Outcome]:
    """Take the steps in order, each only where something is not as it should be."""
    for step in steps:
        wrong = step.differences(cloud)
        if wrong:
            step.put(cloud)
        yield Outcome(step.subject, "made right" if wrong else "already right", tuple(wrong))


# taking down


@dataclass(frozen=True)
class Removal:
    """One thing to take away, which may be gone already."""

    subject: str
    remove: Callable[[Cloud], bool]


def removals(stage: Stage, cloud: Cloud, project: Path) -> Iterator[Removal]:
    """Yield all that belongs to the stage, in an order in which nothing removed comes back.

    First what wakes the functions, then the functions, then the alarms (a sweep would make them
    again), then what the functions wrote to. The tables are not among it. Names are looked up as
    they come, so that a second run finds what a first one left; what must go before its function is
    gone goes with it.
    """
    topic_arn = stage.topic_arn(cloud.place)
    yield from _rules(stage, cloud)
    yield from _subscriptions(stage, cloud, topic_arn)
    yield from _functions(stage, cloud)
    yield from _roles(stage, cloud)
    yield from _alarms(stage, topic_arn)
    yield from _stores(stage, cloud)
    deployed = project / ".chalice" / "deployed" / f"{stage.name}.json"
    yield Removal(
        f"Chalice's notes in {deployed.relative_to(project)}", lambda _: _unlink(deployed)
    )


def teardown(removals: Iterable[Removal], cloud: Cloud) -> Iterator[Outcome]:
    for removal in removals:
        yield Outcome(removal.subject, "removed" if removal.remove(cloud) else "not there")


def _is_ours(alarm: Alarm) -> bool:
    return table_alarms.is_ours(alarm) or instance_alarms.is_ours(alarm)


def foreign_alarms(topic_arn: str) -> list[str]:
    """Return the alarms on the topic that somebody else made; teardown leaves them, with nobody to
    hear them."""
    return sorted(alarm.name for alarm in alarms_on_topic(Aws(topic_arn)) if not _is_ours(alarm))


def _rules(stage: Stage, cloud: Cloud) -> Iterator[Removal]:
    found_rules = list(cloud.pages("events", "list_rules", "Rules", NamePrefix=f"{stage.prefix}-"))
    for name in [str(rule["Name"]) for rule in found_rules if stage.is_rule(rule["Name"])]:
        yield Removal(f"event rule {name}", partial(_remove_rule, name=name))


def _remove_rule(cloud: Cloud, name: str) -> bool:
    events = cloud.client("events")
    targets = found(events.list_targets_by_rule, Rule=name)
    if targets and targets["Targets"]:
        events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets["Targets"]])
    return targets is not None and found(events.delete_rule, Name=name) is not None


def _subscriptions(stage: Stage, cloud: Cloud, topic_arn: str) -> Iterator[Removal]:
    try:
        there = list(
            cloud.pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic_arn)
        )
    except ClientError as error:
        if code_of(error) != "NotFound":
            raise
        return
    for endpoint, protocol in [(str(s["Endpoint"]), str(s["Protocol"])) for s in there]:
        name = endpoint.rsplit(":", 1)[-1]
        if stage.is_function(name) or name == stage.buffer:
            step = Subscription(topic_arn, protocol, endpoint, {})
            yield Removal(step.subject, step.remove)


def _functions(stage: Stage, cloud: Cloud) -> Iterator[Removal]:
    for name in map(stage.function, functions_of(stage, cloud)):
        mappings = PartialFailures(name)
        yield Removal(f"queues that {name} reads", mappings.remove)
        yield Removal(f"function {name}", partial(_remove_function, name=name))


def _remove_function(cloud: Cloud, name: str) -> bool:
    return found(cloud.client("lambda").delete_function, FunctionName=name) is not None


def _roles(stage: Stage, cloud: Cloud) -> Iterator[Removal]:
    names = [str(role["RoleName"]) for role in cloud.pages("iam", "list_roles", "Roles")]
    for name in [name for name in names if stage.is_function(name) or name == stage.prefix]:
        yield Removal(f"role {name}", partial(_remove_role, name=name))


def _remove_role(cloud: Cloud, name: str) -> bool:
    iam = cloud.client("iam")
    policies = found(iam.list_role_policies, RoleName=name)
    for policy in policies["PolicyNames"] if policies else []:
        found(iam.delete_role_policy, RoleName=name, PolicyName=policy)
    return found(iam.delete_role, RoleName=name) is not None


def _alarms(stage: Stage, topic_arn: str) -> Iterator[Removal]:
    for name in blueprint.own_alarm_names(stage):
        step = OwnAlarm({"AlarmName": name})
        yield Removal(step.subject, step.remove)
    aws = Aws(topic_arn)
    ours = sorted(alarm.name for alarm in alarms_on_topic(aws) if _is_ours(alarm))
    if ours:
        yield Removal(
            f"{len(ours)} alarm(s) of tables and instances: {', '.join(ours)}",
            lambda _: _remove_alarms(aws, ours),
        )


def _remove_alarms(aws: Aws, names: list[str]) -> bool:
    delete_alarms(aws, DeleteAlarms(tuple(names)))
    return True


def _stores(stage: Stage, cloud: Cloud) -> Iterator[Removal]:
    topic_arn = stage.topic_arn(cloud.place)
    steps: list[Step] = [Topic(stage.topic, topic_arn, {})] if stage.makes_topic else []
    steps += [Queue(stage.buffer, {})] if QUEUE_SOURCE in stage.sources else []
    steps.append(Queue(stage.dead_letters, {}))
    groups = cloud.pages(
        "logs",
        "describe_log_groups",
        "logGroups",
        logGroupNamePrefix=f"/aws/lambda/{stage.prefix}-",
    )
    names = [str(group["logGroupName"]).removeprefix("/aws/lambda/") for group in groups]
    steps += [LogGroup(name, 0) for name in names if stage.is_function(name)]
    for step in steps:
        yield Removal(step.subject, step.remove)


def _unlink(file: Path) -> bool:
    there = file.exists()
    file.unlink(missing_ok=True)
    return there
