"""Checks of what the deployment created: functions, roles, resources, alarms, dead letters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from chalicelib import telemetry
from headroom.counted import counted
from headroom.deploy import blueprint, roles, setup
from headroom.deploy import permissions as configured
from headroom.deploy import stage as stages
from headroom.deploy.account import AwsSession, get_or_none
from headroom.deploy.checks.deployment import Deployment, Finding
from headroom.deploy.resources import DeployedVersion, Resource, queue_url
from headroom.deploy.stage import Stage
from headroom.deploy.stage_policy import room


def functions(deployment: Deployment) -> Iterator[Finding]:
    expected = set(stages.complete(deployment.stage, deployment.rules).functions)
    existing = set(deployment.functions)
    for name in sorted(expected ^ existing):
        problem = "does not exist" if name in expected else "is not a function of the stage"
        yield Finding(
            "functions",
            f"{deployment.stage.function(name)} {problem}",
            deployment.deploy_remedy,
        )


def permissions(deployment: Deployment) -> Iterator[Finding]:
    """Compare each function's policy with the one in the checkout.

    The policy that follows from the configuration is one of the resources of setup.
    """
    stage = deployment.stage
    sentences = set()
    for name, role in deployment.roles.items():
        if roles.without_region(stage, role):
            yield Finding(
                "permissions",
                f"role {role} has no Region in its name, so every Region would share it",
                deployment.deploy_remedy,
            )
        file = deployment.project / ".chalice" / stage.policies.get(name, f"policy-{name}.json")
        if file.exists() and not _has_policy(
            deployment.session, role, json.loads(file.read_text(encoding="utf-8"))
        ):
            yield Finding(
                "permissions",
                f"the policy of role {role} is not that of {file.name}",
                f"{deployment.deploy_remedy} "
                "If your roles are made elsewhere, compare them by hand.",
            )
        sentences.add(configured.shortening(deployment.rules, name, room(stage, deployment.rules)))
    for sentence in sorted(sentences - {""}):
        yield Finding(
            "permissions", sentence, f"Name the tables by fewer patterns in {stage.config_file}."
        )


def _has_policy(session: AwsSession, role: str, policy: object) -> bool:
    iam = session.client("iam")
    response = get_or_none(iam.list_role_policies, RoleName=role)
    return policy in (
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in (response["PolicyNames"] if response else [])
    )


def infrastructure(deployment: Deployment) -> Iterator[Finding]:
    """Compare everything that setup applies.

    This is topic, subscriptions, queues, permissions, retries, logs and alarms about Headroom.
    """
    stage, session = deployment.stage, deployment.session
    before = setup.resources_before_functions(stage, session)
    yield from _compare(stage, session, before)
    stage = stages.complete(stage, deployment.rules)
    configured = setup.resources_before_functions(stage, session)
    yield from _compare(stage, session, [one for one in configured if one not in before])
    resources = setup.resources_of_functions(stage, session, deployment.functions, deployment.rules)
    yield from _compare(stage, session, resources)


def _compare(stage: Stage, session: AwsSession, resources: list[Resource]) -> Iterator[Finding]:
    for resource in resources:
        differences = resource.differences(session)
        problem = f"{resource.subject}: {'; '.join(differences)}"
        if differences and isinstance(resource, DeployedVersion):
            yield Finding(
                "version",
                problem,
                f"Deploy this version: make deploy STAGE={stage.name}. "
                "Or check out the deployed one.",
            )
        elif differences:
            yield Finding("setup", problem, f"Correct it: headroom setup --stage {stage.name}.")


def topic(deployment: Deployment) -> Iterator[Finding]:
    """Check that only CloudWatch alarms of the account may publish on the alarm topic.

    A topic of another account is passed over: these credentials may rightly not see its policy.
    """
    stage, location = deployment.stage, deployment.session.location
    arn = stage.topic_arn(location)
    if arn.split(":")[4] != location.account:
        return
    get = deployment.session.client("sns").get_topic_attributes
    response = get_or_none(get, TopicArn=arn)
    if response is None:
        if not stage.makes_topic:
            yield Finding("topic", f"{arn} does not exist", "Create it, or correct ALARM_TOPIC.")
    elif not blueprint.denies_by_source(json.loads(response["Attributes"].get("Policy") or "{}")):
        yield Finding(
            "topic",
            f"every principal with sns:Publish may publish on {arn}, not only alarms",
            f"Correct it: headroom setup --stage {stage.name}."
            if stage.makes_topic
            else "Add the statement NobodyElsePublishes to its policy (SECURITY.md).",
        )


def own_alarms(deployment: Deployment) -> Iterator[Finding]:
    names = blueprint.possible_alarm_names(deployment.stage)
    response = deployment.session.client("cloudwatch").describe_alarms(
        AlarmNames=names, StateValue="ALARM", AlarmTypes=["MetricAlarm"]
    )
    for alarm in response["MetricAlarms"]:
        if alarm["StateValue"] == "ALARM":
            yield Finding(
                "own alarms", f"{alarm['AlarmName']} is in ALARM", str(alarm["AlarmDescription"])
            )


def reached(deployment: Deployment) -> Iterator[Finding]:
    """Find out whether the runs of the last day had time for every table."""
    end = datetime.now(UTC) + timedelta(minutes=1)  # the present minute is not left out
    response = deployment.session.client("cloudwatch").get_metric_statistics(
        Namespace=telemetry.NAMESPACE,
        MetricName="NotReached",
        Dimensions=[{"Name": "service", "Value": deployment.stage.prefix}],
        StartTime=end - timedelta(days=1),
        EndTime=end,
        Period=3600,
        Statistics=["Maximum"],
    )
    most = max((int(point["Maximum"]) for point in response["Datapoints"]), default=0)
    if most:
        yield Finding(
            "time",
            f"a run of the last day had no time for {counted(most, 'table')}",
            "docs/scale.md says what a large account needs.",
        )


def waiting(deployment: Deployment) -> Iterator[Finding]:
    """Find out whether groups of tables waited for a worker longer than a sweep's interval."""
    if deployment.rules.fan_out is None:
        return
    end = datetime.now(UTC) + timedelta(minutes=1)
    response = deployment.session.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": deployment.stage.groups}],
        StartTime=end - timedelta(days=1),
        EndTime=end,
        Period=3600,
        Statistics=["Maximum"],
    )
    longest = max((point["Maximum"] for point in response["Datapoints"]), default=0.0)
    if longest > blueprint.LONGEST_WAIT_SECONDS:
        waited = counted(round(longest / 60), "minute")
        yield Finding(
            "workers",
            f"a group of tables waited {waited} for a worker in the last day",
            f"Raise fan_out.workers in {deployment.stage.config_file}, and deploy. "
            "docs/scale.md says what limits them.",
        )


def dead_letters(deployment: Deployment) -> Iterator[Finding]:
    queue = deployment.stage.dead_letters
    url = queue_url(deployment.session, queue)
    if url is None:
        return
    attribute = "ApproximateNumberOfMessages"
    response = deployment.session.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=[attribute]
    )
    count = int(response["Attributes"][attribute])
    if count:
        yield Finding(
            "dead letters",
            f"{counted(count, 'message')} in {queue}",
            "Find the cause in the logs, then run: "
            f"headroom redrive --stage {deployment.stage.name}.",
        )
