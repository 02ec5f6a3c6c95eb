"""boto3 for embedded regions: a process makes each session and each client once.

A client costs some 12 ms of CPU, a session 30 ms, and a scene needs seven clients. Every call goes
to the region that is open when it is made.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.awsrequest import AWSResponse
from botocore.loaders import create_loader
from botocore.session import Session
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.models import botocore_stubber

from chalicelib.aws.client import in_utc

MODELS = create_loader()
#: How the environment variables begin that configure botocore.
CONFIGURING = ("AWS_", "BOTO_", "HOME", "REQUESTS_CA_BUNDLE")

Response = tuple[AWSResponse, dict[str, Any]]


class Handler(Protocol):
    """Who answers the calls of the shared clients."""

    def before_call(self, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        """Return the response of a call, or None to leave it to moto."""

    def after_call(
        self, service: str, operation: str, params: Mapping[str, Any], response: dict[str, Any]
    ) -> None:
        """Change what a call was answered, if that is no error. It may become one."""


#: The regions that are open, the innermost last.
_open: list[Handler] = []


class SharedSession(Session):  # type: ignore[misc]
    """A botocore session that makes each client once."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[tuple[str, ...], Any] = {}
        self.register_component("data_loader", MODELS)
        in_utc(self)
        self.register("provide-client-params.*.*", _remember_params)
        self.register("before-call.*.*", _before_call)
        self.register("after-call.*.*", _after_call)

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
        config = options.get("config")
        settings = sorted(vars(config).items()) if config else []
        key = (service_name, *map(repr, (args, {**options, "config": settings})))
        if key not in self._shared:
            self._shared[key] = self.make_client(key, service_name, *args, **options)
        return self._shared[key]

    def make_client(self, key: tuple[str, ...], *args: Any, **options: Any) -> Any:  # noqa: ARG002 (for subclasses)
        """Return a new client, which will be known by this key."""
        client = super().create_client(*args, **options)
        # botocore makes a class for each paginator, every time
        client.get_paginator = cache(client.get_paginator)
        # no call leaves the process: it goes to the client's first address, without the rules
        client._ruleset_resolver = None
        _keep_shapes(client.meta.service_model._shape_resolver)
        return client


def _keep_shapes(resolver: Any) -> None:
    """Let botocore resolve each reference of a service's model once, not in each call."""
    resolve = resolver.resolve_shape_ref
    # by identity: a reference is a dictionary of the model, and is kept beside its shape
    kept: dict[int, tuple[dict[str, Any], Any]] = {}

    def resolve_once(reference: dict[str, Any]) -> Any:
        if id(reference) not in kept:
            kept[id(reference)] = reference, resolve(reference)
        return kept[id(reference)][1]

    resolver.resolve_shape_ref = resolve_once


def shared_session() -> boto3.Session:
    """Return this process's session for the environment as it is now."""
    environment = {k: v for k, v in os.environ.items() if k.startswith(CONFIGURING)}
    return _session_for(frozenset(environment.items()))


@cache
def _session_for(environment: frozenset[tuple[str, str]]) -> boto3.Session:  # noqa: ARG001 (the cache's key)
    return boto3.Session(botocore_session=SharedSession())


@contextlib.contextmanager
def answered_by(handler: Handler) -> Iterator[None]:
    """Let boto3's default session be the shared one, and let `handler` answer its calls."""
    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = shared_session()
    _open.append(handler)
    try:
        yield
    finally:
        _open.remove(handler)
        boto3.DEFAULT_SESSION = before


@contextlib.contextmanager
def empty_moto() -> Iterator[None]:
    """Let moto answer what botocore sends, from an empty state.

    This is `mock_aws` without its patch of the library `requests`, which costs 20 ms.
    """
    _reset_moto()
    botocore_stubber.enabled = True
    try:
        yield
    finally:
        botocore_stubber.enabled = False
        _reset_moto()


def _reset_moto() -> None:
    BackendDict.reset()
    reset_model_data()


def _remember_params(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    context["headroom_params"] = params


def _before_call(model: Any, context: Mapping[str, Any], **_: Any) -> Response | None:
    if not _open:
        return None
    service = model.service_model.service_name
    response = _open[-1].before_call(service, model.name, context["headroom_params"])
    if response is None:
        return None
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return AWSResponse("", status, {}, None), response


def _after_call(
    model: Any, parsed: dict[str, Any], context: Mapping[str, Any], http_response: Any, **_: Any
) -> None:
    if _open and http_response.status_code < 300:
        service = model.service_model.service_name
        _open[-1].after_call(service, model.name, context["headroom_params"], parsed)
        if "Error" in parsed:
            http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]
