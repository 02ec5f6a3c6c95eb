"""The adapter of notifications: SNS, Slack, and the tags that keep notification states."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from urllib.request import Request

from chalicelib.aws.client import Aws
from chalicelib.core.notices import Notice

#: A container keeps a webhook's URL for this time. A new URL is used after it at the latest.
KEPT = timedelta(minutes=15)
SECONDS = 5.0
SUBJECT = re.compile(r"[^ -~]+")
#: A subject is ASCII, in one line, and less than 100 characters long. Source: API_Publish of SNS,
#: read 2026-11.
MAX_SUBJECT = 99
URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?/[!-~]*")


class NotDelivered(Exception):
    """A webhook did not take a message, or its URL is invalid.

    The text never contains the URL, which is as secret as a password.
    """


def publish(aws: Aws, topic: str, notice: Notice) -> None:
    """Publish a notice to a topic, in the topic's own Region. Raises AwsError.

    Message attributes allow a subscriber to filter. Several values of one are a
    String.Array. Source: Amazon SNS Developer Guide, "Amazon SNS message attributes", read 2026-11.
    """
    aws.client("sns", _region(aws, topic)).publish(
        TopicArn=topic,
        Subject=SUBJECT.sub("?", notice.subject)[:MAX_SUBJECT],
        Message=_text(aws, notice),
        MessageAttributes={
            key: _attribute(values) for key, values in notice.facts.items() if values
        },
    )


def _attribute(values: tuple[str, ...]) -> dict[str, str]:
    if len(values) == 1:
        return {"DataType": "String", "StringValue": values[0]}
    return {"DataType": "String.Array", "StringValue": json.dumps(values)}


def post(aws: Aws, reference: str, notice: Notice, now: datetime) -> None:
    """Post a notice to the Slack incoming webhook whose URL is kept at `reference`.

    Raises AwsError where the URL cannot be read, NotDelivered where there is none or Slack does not
    take the message. Source: Slack API, "Sending messages using incoming webhooks" and "Formatting
    text for app surfaces", read 2026-11.
    """
    url = aws.recent(("webhook", reference), now, KEPT, partial(webhook, aws, reference))
    text = f"*{_escaped(notice.subject)}*\n{_escaped(_text(aws, notice))}"
    body = json.dumps({"text": text}).encode()
    # only an https URL comes out of webhook
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        status = aws.http(request, SECONDS)
    except (OSError, ValueError) as error:  # an impossible host is a ValueError
        raise NotDelivered(f"{reference}: no answer ({type(error).__name__})") from None
    if status != 200:
        raise NotDelivered(f"{reference}: the webhook answered with status {status}")


def _text(aws: Aws, notice: Notice) -> str:
    """Return a notice's text, with the Region and account that sent it."""
    return f"{notice.text}\n\n(Headroom in {aws.region}, account {aws.account})"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def webhook(aws: Aws, reference: str) -> str:
    """Return the URL in a secret or parameter: alone, or as the member `url` of a JSON object.

    Raises AwsError where it cannot be read, NotDelivered where it is invalid. Neither contains it.
    """
    store, _, name = reference.partition(":")
    text = (_secret if store == "secretsmanager" else _parameter)(aws, name).strip()
    if text.startswith("{"):
        text = _member(text)
    if not URL.fullmatch(text):
        raise NotDelivered(
            f"{reference}: holds no https:// URL, alone or as the member url of a JSON object"
        )
    return text


def _member(text: str) -> str:
    try:
        return str(json.loads(text).get("url", ""))
    except ValueError:
        return ""


def _secret(aws: Aws, name: str) -> str:
    client = aws.client("secretsmanager", _region(aws, name))
    return str(client.get_secret_value(SecretId=name).get("SecretString", ""))


def _parameter(aws: Aws, name: str) -> str:
    client = aws.client("ssm", _region(aws, name))
    return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def _region(aws: Aws, name: str) -> str:
    """Return the Region of an ARN, "" for the own Region and for a plain name."""
    region = name.split(":")[3] if name.startswith("arn:") else ""
    return "" if region == aws.region else region


# notification states


def tags(aws: Aws, alarm_arn: str) -> Mapping[str, str]:
    """Return an alarm's tags. Raises AwsError."""
    response = aws.client("cloudwatch").list_tags_for_resource(ResourceARN=alarm_arn)
    return {tag["Key"]: tag["Value"] for tag in response["Tags"]}


def tag(aws: Aws, alarm_arn: str, key: str, value: str) -> None:
    """Set a tag of an alarm. Raises AwsError."""
    aws.client("cloudwatch").tag_resource(
        ResourceARN=alarm_arn, Tags=[{"Key": key, "Value": value}]
    )
