"""Several accounts and Regions at once: their sessions, and one question to all of them.

Each place is read in a thread of its own. One that does not answer in time, or that refuses, is
reported beside the answers of the others.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from queue import Empty, Queue
from threading import Thread
from typing import Generic, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

from chalicelib.aws import client
from headroom.deploy.account import describe_error

T = TypeVar("T")

#: The name of the sessions of an assumed role, which CloudTrail shows.
SESSION_NAME = "headroom"
#: AssumeRole's client: how long a socket may be silent.
SHORT = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
#: Shared, since each session would read the models of the services anew.
LOADER = create_loader()


@dataclass(frozen=True)
class AwsPlace:
    """An account and Region. "": as the environment says.

    role_arn: a role to assume with the profile's credentials. external_id: what its trust policy
    may require.
    """

    region: str = ""
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""

    def __str__(self) -> str:
        account = self.role_arn.split(":")[4] if self.role_arn else self.profile
        return " ".join(filter(None, (account, self.region))) or "here"

    def open(self) -> boto3.Session:
        """Return a session there: the default one, if it is there. Calls AssumeRole for a role."""
        default = client.session()
        if not (self.profile or self.role_arn) and self.region in ("", default.region_name):
            return default
        session = boto3.Session(
            botocore_session=_core(self.profile), region_name=self.region or None
        )
        if not self.role_arn:
            return session
        external = {"ExternalId": self.external_id} if self.external_id else {}
        response = session.client("sts", config=SHORT).assume_role(
            RoleArn=self.role_arn, RoleSessionName=SESSION_NAME, **external
        )
        credentials = response["Credentials"]
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            botocore_session=_core(""),
            region_name=session.region_name,
        )


def _core(profile: str) -> botocore.session.Session:
    core = botocore.session.Session(profile=profile or None)
    core.register_component("data_loader", LOADER)
    return client.in_utc(core)


def places(
    regions: Sequence[str],
    profiles: Sequence[str] = (),
    roles: Sequence[str] = (),
    external_id: str = "",
) -> list[AwsPlace]:
    """Return every Region of every profile, or of every role."""
    return [
        AwsPlace(region, profile, role, external_id)
        for profile, role, region in product(profiles or [""], roles or [""], regions or [""])
    ]


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one place gave: a value, or why there is none."""

    place: str
    value: T | None = None
    problem: str = ""


def ask_all(
    places: Sequence[AwsPlace],
    question: Callable[[boto3.Session], T],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Answer[T]]:
    """Ask all places side by side, and return their answers in order.

    seconds: how long the whole may take. clock: returns seconds that only grow.
    """
    client.session()  # made once, not by two threads at once
    until, queue = clock() + seconds, Queue[tuple[int, Answer[T]]]()
    for number, place in enumerate(places):
        # a thread that a silent service holds must not keep the command from ending
        Thread(target=_ask, args=(queue, number, place, question), daemon=True).start()
    found = dict(_answers(queue, len(places), lambda: until - clock()))
    late = f"no answer within {seconds:.0f} seconds"
    return [
        found.get(number, Answer(str(place), problem=late)) for number, place in enumerate(places)
    ]


def _answers(
    queue: Queue[tuple[int, Answer[T]]], count: int, left: Callable[[], float]
) -> Iterator[tuple[int, Answer[T]]]:
    for _ in range(count):
        try:
            yield queue.get(timeout=max(0.0, left()))
        except Empty:
            return


def _ask(
    queue: Queue[tuple[int, Answer[T]]],
    number: int,
    place: AwsPlace,
    question: Callable[[boto3.Session], T],
) -> None:
    try:
        answer = Answer(str(place), question(place.open()))
    # whatever is wrong with one place, the others are shown
    except Exception as error:  # noqa: BLE001
        answer = Answer(str(place), problem=describe_error(error) or type(error).__name__)
    queue.put((number, answer))
