"""One account and Region: its clients, its identity, and what a container remembers.

The other adapters call AWS through it. Retries are botocore's own, mode `standard`: exponential
backoff with jitter on throttling and on errors of the service.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.utils import parse_timestamp

from chalicelib.aws.http import Send, send
from chalicelib.aws.kept_series import KeptSeries
from chalicelib.aws.threads import PARALLEL, Threads
from chalicelib.core.checks import UnitsBefore
from chalicelib.model import DemandHistory, Target

T = TypeVar("T")
#: The last one is not botocore's own error: something answers, but not as AWS does.
AwsError = (ClientError, BotoCoreError, ResponseParserError)

#: How long a socket may be silent, and how often a call is tried. `Run.read` limits the whole
#: call.
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 2, 8, 3
#: The attempts in an account with workers: all functions share its limits, so that a call is
#: throttled more often.
SHARED_ATTEMPTS = 8
#: The codes of an UpdateTable that met a limit of the account or of the table: DynamoDB's own, and
#: the one under which botocore does not repeat the call.
AT_LIMIT = ("LimitExceededException", "AtLimit")
#: Targets whose last days a container keeps: 32 KB each.
MOST_HISTORIES = 5_000
#: Series of the last hours that a container keeps: 1.5 KB each.
MOST_RECENT = 50_000
#: Series of a month's hours that a container keeps: 7 KB each.
MOST_MONTHS = 10_000


def session() -> boto3.Session:
    """Return boto3's default session. Its timestamps are in UTC."""
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=in_utc(Session()))
    return boto3.DEFAULT_SESSION


def in_utc(core: Session) -> Session:
    """Let a session of botocore parse timestamps as UTC, and return it.

    botocore's own parser looks for the local time zone at each timestamp: nine times the processor
    time. The hook is botocore's: ResponseParserFactory.set_parser_defaults.
    """
    factory = core.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=_parse_utc)
    return core


def _parse_utc(value: object) -> datetime:
    """Return an aware time in UTC of what a service sent: seconds, or text."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:  # the formats of HTTP
        at: datetime = parse_timestamp(value)
        return at.astimezone(UTC)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Aws:
    """One account and Region. Clients are made when first needed and live as long as the container.

    histories: each target's demand of the last days, and summaries of it. recent: the series of the
    last hours. months: the mean units of each hour of a month. notified: which states people were
    notified of, as far as this container knows. unreached: the tables that its last run had no time
    for. units_before: the metric of units before their last change. unthrottled: until when a
    target's metric of throttled requests, as this container read it last, showed none for hours.
    """

    def __init__(
        self,
        topic: str,
        group_queue: str = "",
        sleep: Callable[[float], None] = time.sleep,
        http: Send = send,
        threads: Threads | None = None,
        session: boto3.Session | None = None,
        service: str = "",
    ) -> None:
        """Keep the topic's name or ARN.

        group_queue: the name of the queue for the workers; "" where there are none.
        sleep: waits so many seconds, between writes of alarms. http: sends a request to a server
        that is not AWS. threads: runs calls side by side. session: None for boto3's own. service:
        the stage's name in the metrics that Headroom publishes; "" where there is no stage.
        """
        self._topic, self._session = topic, session
        self.group_queue, self.group_queue_url = group_queue, ""
        self.service = service
        self.sleep = sleep
        self.http = http
        self.threads = threads or Threads()
        self._identity: tuple[str, str] | None = None
        #: What the ARNs of the stage's functions begin with; "" where no function runs.
        self.functions = ""
        self.histories = KeptSeries(MOST_HISTORIES)
        self.summaries: dict[Target, DemandHistory] = {}
        self.recent_series = KeptSeries(MOST_RECENT)
        self.months = KeptSeries(MOST_MONTHS)
        self.notified: dict[Hashable, Any] = {}
        self.unreached: set[str] = set()
        self.units_before: dict[Target, UnitsBefore] = {}
        self.unthrottled: dict[Target, datetime] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._recent: dict[Hashable, tuple[datetime, Any]] = {}

    def client(self, service: str, region: str = "") -> Any:
        """Return a service's client, in the own Region unless another is named."""
        if (service, region) not in self._clients:
            settings = BotoConfig(
                retries={
                    "mode": "standard",
                    "total_max_attempts": SHARED_ATTEMPTS if self.group_queue else ATTEMPTS,
                },
                max_pool_connections=PARALLEL * 2,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
            )
            client = (self._session or session()).client(
                service, config=settings, region_name=region or None
            )
            if service == "dynamodb":
                client.meta.events.register("needs-retry.dynamodb.UpdateTable", _try_later)
            self._clients[service, region] = client
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

    def know_identity(self, arn: str) -> None:
        """Take partition and account from an ARN of this account, such as the function's own.

        Then no call is needed for them. An empty ARN, as test clients give it, tells nothing.
        """
        if arn:
            self._identity = _identity(arn)
        if ":function:" in arn:  # seven parts; an eighth is a version or an alias
            self.functions = ":".join(arn.split(":")[:7]).rpartition("-")[0]

    @property
    def _caller(self) -> tuple[str, str]:
        """Return partition and account. GetCallerIdentity needs no permission."""
        if self._identity is None:
            self._identity = _identity(str(self.client("sts").get_caller_identity()["Arn"]))
        return self._identity

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


def _try_later(response: tuple[Any, dict[str, Any]] | None, **_: Any) -> None:
    """Let UpdateTable's LimitExceededException return at once, under another code.

    botocore takes it for throttling: it would wait some seconds and repeat the call, for each table
    while 500 updates are in progress. The event is botocore's; a handler of one operation comes
    before that of the retries. Source: botocore.retries.standard, read 2026-11.
    """
    error = response[1].get("Error", {}) if response else {}
    if error.get("Code") == AT_LIMIT[0]:
        error["Code"] = AT_LIMIT[1]


def _identity(arn: str) -> tuple[str, str]:
    parts = arn.split(":")
    return parts[1], parts[4]


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in runs of `size` (itertools.batched came with Python 3.12)."""
    return (items[i : i + size] for i in range(0, len(items), size))
