"""One account and Region: its clients, its identity, and what a container remembers.

The other adapters call AWS through it. Retries are botocore's own, mode `standard`: exponential
backoff with jitter on throttling and on errors of the service.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.http import Send, send
from chalicelib.model import DemandHistory, Target

T = TypeVar("T")
AwsError = (ClientError, BotoCoreError)

#: DescribeTable calls at the same time.
PARALLEL = 8
#: The services without which nothing can be decided. The others get shorter timeouts and fewer
#: attempts.
NEEDED = frozenset({"dynamodb", "cloudwatch", "application-autoscaling", "sts"})
#: Seconds. No call of an optional service takes longer: three attempts of two seconds to connect
#: and six seconds to answer, and pauses of one and two seconds between them. Source: AWS SDKs and
#: Tools Reference Guide, "Retry behavior", standard mode, read 2026-11.
LONGEST_OPTIONAL_CALL = 30.0


class Aws:
    """One account and Region. Clients are made when first needed and live as long as the container.

    histories: the summary of each target's last days. notified: which states people were notified
    of, as far as this container knows.
    """

    def __init__(
        self, topic: str, sleep: Callable[[float], None] = time.sleep, http: Send = send
    ) -> None:
        """Keep the topic's name or ARN.

        sleep: waits so many seconds, between writes of alarms. http: sends a request to a server
        that is not AWS.
        """
        self._topic = topic
        self.sleep = sleep
        self.http = http
        self.histories: dict[Target, DemandHistory] = {}
        self.notified: dict[Hashable, Any] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._recent: dict[Hashable, tuple[datetime, Any]] = {}

    def client(self, service: str, region: str = "") -> Any:
        """Return a service's client, in the own Region unless another is named."""
        if (service, region) not in self._clients:
            is_needed = service in NEEDED
            settings = BotoConfig(
                retries={"mode": "standard", "max_attempts": 5 if is_needed else 2},
                max_pool_connections=PARALLEL * 2,
                connect_timeout=3 if is_needed else 2,
                read_timeout=20 if is_needed else 6,
            )
            self._clients[service, region] = boto3.client(
                service, config=settings, region_name=region or None
            )
        return self._clients[service, region]

    def recent(self, key: Hashable, now: datetime, within: timedelta, read: Callable[[], T]) -> T:
        """Return what `read` gave this container within the given time; else read again.

        Errors are not kept.
        """
        kept = self._recent.get(key)
        if kept is None or not timedelta() <= now - kept[0] < within:
            kept = self._recent[key] = (now, read())
        value: T = kept[1]
        return value

    @property
    def region(self) -> str:
        """Return the Region of all calls."""
        return str(self.client("dynamodb").meta.region_name)

    @cached_property
    def _caller(self) -> tuple[str, str]:
        """Return partition and account. GetCallerIdentity needs no permission."""
        arn = str(self.client("sts").get_caller_identity()["Arn"]).split(":")
        return arn[1], arn[4]

    @property
    def account(self) -> str:
        """Return the account of the credentials."""
        return self._caller[1]

    @property
    def topic_arn(self) -> str:
        """Return the alarm topic's ARN."""
        if self._topic.startswith("arn:"):
            return self._topic
        partition, account = self._caller
        return f"arn:{partition}:sns:{self.region}:{account}:{self._topic}"


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in runs of `size` (itertools.batched came with Python 3.12)."""
    return (items[i : i + size] for i in range(0, len(items), size))
