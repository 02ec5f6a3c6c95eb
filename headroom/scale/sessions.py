"""boto3 for a measure: a session of its own for each container, and pauses in virtual time."""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import boto3
from botocore import endpoint
from botocore.session import Session

from chalicelib.aws.client import in_utc
from headroom.scale.account import REGION
from headroom.scale.fake_aws import FakeAws


@contextlib.contextmanager
def virtual_pauses(sleep: Callable[[float], None]) -> Iterator[None]:
    """Let botocore's pauses before a retry be virtual."""
    before = endpoint.time
    endpoint.time = SimpleNamespace(sleep=sleep)
    try:
        yield
    finally:
        endpoint.time = before


def new_session(aws: FakeAws) -> boto3.Session:
    """Return a new session, whose requests `aws` answers."""
    session = in_utc(Session())
    session.set_credentials("testing", "testing")
    session.set_config_variable("region", REGION)
    session.register("before-call", aws.before_call)
    session.register("before-send", aws.before_send)
    return boto3.Session(botocore_session=session)


@contextlib.contextmanager
def default_session(session: boto3.Session) -> Iterator[None]:
    """Let boto3's default session be this one."""
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = session
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = before
