"""The account and Region that an operator's command works in."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from os import PathLike
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from chalicelib.aws.client import session as default_session

LONGEST_RUN_SECONDS = 900
#: What is wrong, where it was looked for, and what to do: the same for every command.
NO_REGION = (
    "no Region is set: neither --region nor AWS_DEFAULT_REGION nor the AWS profile has one. "
    "Give --region, such as eu-west-1."
)
NO_CREDENTIALS = (
    "no credentials were found: not in the environment, not in ~/.aws, and no role of this "
    "machine. Sign in (aws sso login, aws configure), or give --profile."
)
#: What is wrong where a web page came instead of an answer.
NOT_AWS = (
    "the server did not answer as AWS does. A local AWS may lack this operation; else check "
    "AWS_ENDPOINT_URL"
)
#: The error codes of SNS, SQS, Lambda, IAM, EventBridge, Logs and CloudWatch for a resource that
#: does not exist.
MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
#: The error codes for a call that the credentials do not permit.
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
)
#: The error codes of CloudWatch for an operation that it does not have.
NOT_OFFERED = frozenset({"InvalidAction", "UnknownOperationException"})
#: The error codes for credentials that AWS does not accept.
REFUSED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)


@dataclass(frozen=True)
class Location:
    """Where a stage is. Each field may be a template's expression, such as `${AWS::Region}`."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, name: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{name}"


class AwsSession:
    """Clients of a session of boto3, created when first needed.

    sleep: waits for a number of seconds. receive_wait_seconds: how long SQS waits for a message.
    session: None for boto3's default session. region: "" for the session's own.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        receive_wait_seconds: int = 1,
        session: boto3.Session | None = None,
        region: str = "",
    ) -> None:
        self.sleep, self.receive_wait_seconds = sleep, receive_wait_seconds
        self.session, self._region = session, region
        self.client: Callable[[str], Any] = cache(self._client)

    def _client(self, service: str, config: Config | None = None) -> Any:
        make = self.session.client if self.session else boto3.client
        return make(service, region_name=self._region or None, config=config)

    def in_region(self, region: str) -> "AwsSession":
        """Return the same account in another Region."""
        return AwsSession(self.sleep, self.receive_wait_seconds, self.session, region)

    @cached_property
    def runner(self) -> Any:
        """Return a Lambda client that waits for the longest run and never retries a call."""
        config = Config(read_timeout=LONGEST_RUN_SECONDS, retries={"total_max_attempts": 1})
        return self._client("lambda", config)

    @cached_property
    def location(self) -> Location:
        # STS works without a Region, SQS does not: this fails first where none is set.
        region = str(self.client("sqs").meta.region_name)
        arn = str(self.client("sts").get_caller_identity()["Arn"]).split(":")
        return Location(arn[1], region, arn[4])

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Yield the items under `key` on all pages of a list operation."""
        for page in self.client(service).get_paginator(operation).paginate(**parameters):
            yield from page.get(key, [])

    def subscriptions(self, topic_arn: str) -> list[dict[str, str]]:
        """Return the subscriptions of a topic. A topic that does not exist has none."""
        operation = "list_subscriptions_by_topic"
        pages = self.pages("sns", operation, "Subscriptions", TopicArn=topic_arn)
        return get_or_none(list, pages) or []


def check_credentials() -> None:
    """Raise NoRegionError or NoCredentialsError where one is missing, in this order.

    So that all commands say the same about the same. It makes no call to AWS.
    """
    session = default_session()
    if not session.region_name:
        raise NoRegionError
    if session.get_credentials() is None:
        raise NoCredentialsError


def describe_error(error: Exception) -> str:
    """Return the text of an error. For the errors of a first start it says what to do."""
    match error:
        case NoRegionError():
            return NO_REGION
        case NoCredentialsError() | PartialCredentialsError():
            return NO_CREDENTIALS
        case ProfileNotFound():
            return f"{error}. Set AWS_PROFILE to one that your AWS configuration has."
        case EndpointConnectionError():
            return f"AWS could not be reached: {error}. Check the network and the Region."
        case ClientError():
            return _describe_answer(error)
        case ResponseParserError():
            return f"{NOT_AWS}."
        case OSError(strerror=str() as why):
            subject = f"{error.filename}: " if isinstance(error.filename, str | PathLike) else ""
            return f"{subject}{why[:1].lower()}{why[1:]}"
        case _:
            return str(error)


def _describe_answer(error: ClientError) -> str:
    """Return the text of an error that a service answered."""
    if error_code(error) in REFUSED:
        return f"AWS does not accept the credentials: {error}. Sign in again, or set AWS_PROFILE."
    if _is_web_page(error):
        return f"{error.operation_name} (status {error_code(error)}): {NOT_AWS}."
    return str(error)


def _is_web_page(error: ClientError) -> bool:
    return str(error.response["Error"].get("Message", "")).startswith("<")


def is_not_offered(error: ClientError) -> bool:
    """Tell whether the service has no such operation: in this Region, or as a local AWS."""
    return error_code(error) in NOT_OFFERED or _is_web_page(error)


def error_code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def get_or_none(call: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    """Return the response of a call, or None where the resource does not exist."""
    try:
        return call(*arguments, **parameters)
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        return None


def delete_if_exists(call: Callable[..., Any], **parameters: Any) -> bool:
    """Delete a resource, and tell whether it existed."""
    return get_or_none(call, **parameters) is not None
