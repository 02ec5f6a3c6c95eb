"""Checks of what the deployment created: functions, roles, resources, alarms, dead letters."""

import json
from collections.abc import Iterator

from headroom.deploy import blueprint, setup
from headroom.deploy import permissions as configured
from headroom.deploy import stage as stages
from headroom.deploy.account import AwsSession, get_or_none
from headroom.deploy.checks.deployment import Deployment, Finding
from headroom.deploy.resources import DeployedVersion, Resource, queue_url


def functions(deployment: Deployment) -> Iterator[Finding]:
    expected = set(stages.complete(deployment.stage, deployment.rules).functions)
    existing = set(deployment.functions)
    for name in sorted(expected ^ existing):
        full = deployment.stage.function(name)
        problem = "does not exist" if name in expected else "is not a function of the stage"
        yield Finding("functions", f"{full} {problem}", deployment.deploy_remedy)


def permissions(deployment: Deployment) -> Iterator[Finding]:
    """Compare each function's policy with the one in the checkout.

    The policy that follows from the configuration is one of the resources of setup.
    """
    stage = deployment.stage
    sentences = set()
    for name in deployment.functions:
        role = stage.function(name)
        policy = stage.policies.get(name, f"policy-{name}.json")
        file = deployment.project / ".chalice" / policy
        if file.exists() and json.loads(file.read_text()) not in _policies(
            deployment.session, role
        ):
            remedy = (
                f"{deployment.deploy_remedy} "
                "If your roles are made elsewhere, compare them by hand."
            )
            problem = f"the policy of role {role} is not that of {file.name}"
            yield Finding("permissions", problem, remedy)
        sentences.add(configured.shortening(deployment.rules, name))
    for sentence in sorted(sentences - {""}):
        remedy = f"Name the tables by fewer patterns in {stage.config_file}."
        yield Finding("permissions", sentence, remedy)


def _policies(session: AwsSession, role: str) -> list[object]:
    iam = session.client("iam")
    response = get_or_none(iam.list_role_policies, RoleName=role)
    names = response["PolicyNames"] if response else []
    return [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]


def infrastructure(deployment: Deployment) -> Iterator[Finding]:
    """Compare everything that setup applies.

    This is topic, subscriptions, queues, permissions, retries, logs and alarms about Headroom.
    """
    stage, session = deployment.stage, deployment.session
    for resource in setup.resources_before_functions(stage, session):
        yield from _compare(deployment, resource)
    resources = setup.resources_of_functions(stage, session, deployment.functions, deployment.rules)
    for resource in resources:
        yield from _compare(deployment, resource)


def _compare(deployment: Deployment, resource: Resource) -> Iterator[Finding]:
    differences = resource.differences(deployment.session)
    if not differences:
        return
    stage = deployment.stage.name
    problem = f"{resource.subject}: {'; '.join(differences)}"
    if isinstance(resource, DeployedVersion):
        remedy = f"Deploy this version: make deploy STAGE={stage}. Or check out the deployed one."
        yield Finding("version", problem, remedy)
    else:
        yield Finding("setup", problem, f"Correct it: headroom setup --stage {stage}.")


def own_alarms(deployment: Deployment) -> Iterator[Finding]:
    names = blueprint.own_alarm_names(deployment.stage)
    response = deployment.session.client("cloudwatch").describe_alarms(
        AlarmNames=names, StateValue="ALARM", AlarmTypes=["MetricAlarm"]
    )
    for alarm in response["MetricAlarms"]:
        if alarm["StateValue"] == "ALARM":
            problem = f"{alarm['AlarmName']} is in ALARM"
            yield Finding("own alarms", problem, str(alarm["AlarmDescription"]))


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
        stage = deployment.stage.name
        remedy = f"Find the cause in the logs, then run: headroom redrive --stage {stage}."
        yield Finding("dead letters", f"{count} message(s) wait in {queue}", remedy)
