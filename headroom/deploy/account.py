"""The account and Region that an operator's command works in: clients, and where they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cached_property
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

from headroom.deploy.stage import Place

LONGEST_RUN_SECONDS = 900
MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
"""The codes with which SNS, SQS, Lambda, IAM, EventBridge and Logs say that something does not
exist."""
REFUSED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
"""The codes with which AWS says that it does not take the credentials."""


class Cloud:
    """Clients of the default session, made when first needed. sleep: how to wait, in seconds."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.sleep = sleep
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
        return self._clients[service]

    @cached_property
    def runner(self) -> Any:
        """Return a Lambda client that waits for the longest run, and never runs a function twice by
        itself."""
        patient = Config(read_timeout=LONGEST_RUN_SECONDS, retries={"total_max_attempts": 1})
        return boto3.client("lambda", config=patient)

    @cached_property
    def place(self) -> Place:
        region = str(
            self.client("sqs").meta.region_name
        )  # fails without a Region, which STS does not need
        arn = str(self.client("sts").get_caller_identity()["Arn"]).split(":")
        return Place(arn[1], region, arn[4])

    def pages(self, service: str, operation: str, key: str, **asked: Any) -> Iterator[Any]:
        """Yield the items under `key` on all pages of a list operation."""
        for page in self.client(service).get_paginator(operation).paginate(**asked):
            yield from page.get(key, [])


def in_words(error: Exception) -> str:
    """Return an error in words that say what to do, where it is one of those that a new operator
    meets first."""
    match error:
        case NoRegionError():
            return "no Region is set. Set AWS_DEFAULT_REGION, or a region in your AWS profile."
        case NoCredentialsError() | PartialCredentialsError():
            return "no credentials were found. Sign in, or set AWS_PROFILE."
        case ProfileNotFound():
            return f"{error}. Set AWS_PROFILE to one that your AWS configuration has."
        case EndpointConnectionError():
            return f"AWS could not be reached: {error}. Check the network and the Region."
        case ClientError() if code_of(error) in REFUSED:
            return f"AWS does not take the credentials: {error}. Sign in again, or set AWS_PROFILE."
        case _:
            return str(error)


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def found(call: Callable[..., Any], **parameters: Any) -> Any:
    """Return what a call answers, or None where AWS says that there is no such thing."""
    try:
        return call(**parameters)
    except ClientError as error:
        if code_of(error) in MISSING:
            return None
        raise
