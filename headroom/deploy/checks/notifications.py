"""Checks of the destinations of notifications."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from chalicelib.aws import notifications as aws_notifications
from chalicelib.config.healing import Healing
from chalicelib.config.policy import Policy
from headroom.deploy.account import error_code, get_or_none
from headroom.deploy.checks.deployment import DENIED, Deployment, Finding, finding_of_error

CHECK = "notifications"
NOT_STORED = frozenset({"ParameterNotFound", "ResourceNotFoundException"})
"""The error codes of Parameter Store and Secrets Manager for a value that does not exist."""


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
            yield from check(deployment, destination)
        except ClientError as error:
            if error_code(error) not in DENIED:
                yield finding_of_error(CHECK, error, destination)


def _topic(deployment: Deployment, arn: str) -> Iterator[Finding]:
    if arn == deployment.aws.topic_arn:
        problem = (
            f"notify_topic {arn} is the topic of Headroom's alarms: "
            "Headroom would read its own messages"
        )
        yield Finding(CHECK, problem, f"Name another topic in {deployment.stage.config_file}.")
        return
    sns = deployment.aws.client("sns", arn.split(":")[3])
    response = get_or_none(sns.list_subscriptions_by_topic, TopicArn=arn)
    if response is None:
        problem = f"notify_topic {arn} does not exist"
        yield Finding(CHECK, problem, "Create it, or correct notify_topic.")
        return
    # A subscription without an ARN is not confirmed yet.
    arns = [subscription["SubscriptionArn"] for subscription in response["Subscriptions"]]
    if not any(one.startswith("arn:") for one in arns):
        problem = f"nobody has subscribed to notify_topic {arn}"
        yield Finding(CHECK, problem, "Add a subscription, and confirm it.")


def _webhook(deployment: Deployment, reference: str) -> Iterator[Finding]:
    """Read the URL, and report nothing of its text."""
    try:
        aws_notifications.webhook(deployment.aws, reference)
    except aws_notifications.NotDelivered as error:
        remedy = "Store the webhook's URL there (docs/notifications.md)."
        yield Finding(CHECK, f"notify_slack {error}", remedy)
    except ClientError as error:
        if error_code(error) not in NOT_STORED:
            raise
        problem = f"notify_slack {reference} does not exist"
        yield Finding(CHECK, problem, "Create it (docs/notifications.md), or correct it.")
