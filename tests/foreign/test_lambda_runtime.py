"""The package runs in a container of Lambda: AWS's own runtime client around the zip of
`headroom package`, with an account of moto behind it."""

import contextlib
import json
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.loader import load
from chalicelib.core import table_alarms
from headroom.deploy import cold_import, packaging, stage
from tests.scenarios.test_listeners import action, change, queued
from tests.support.builders import READS, TOPIC, WRITES
from tests.support.deployed import ALL_SOURCES, make_table
from tests.support.foreign import (
    client_of,
    moto_server,
    needs_runtime_client,
    publish_load,
    warm_up,
)
from tests.support.lambda_runtime import Answer, Container, container, runtime
from tests.support.real_deploy import CONFIG, configure, copy_project, operator_environment

pytestmark = [pytest.mark.foreign, pytest.mark.slow, needs_runtime_client]

FLEET = """
[[fleet]]
name = "workers"
tags = { role = "worker" }
tables = [{ table = "orders", read = { linear = 20 } }]
"""
ALARM = f"headroom-{READS}"


@dataclass(frozen=True)
class Lambda:
    """The unpacked zip, what Lambda's image has besides, and an account of moto."""

    package: Path
    image: Path
    endpoint: str
    log: Path

    def client(self, service: str) -> Any:
        return client_of(self.endpoint)(service)

    @contextlib.contextmanager
    def start(self, function: str, **environment: str) -> Iterator[Container]:
        """Start a function of the stage `dev` in a new container."""
        variables = {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint, **environment}
        with container(self.package, self.image, function, variables, self.log) as started:
            yield started


ENVIRONMENT = {
    "ALARM_TOPIC": TOPIC.rpartition(":")[2],
    "POWERTOOLS_SERVICE_NAME": "headroom-dev",
    **ALL_SOURCES,
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, str]]:
    folder = tmp_path_factory.mktemp("lambda")
    project = copy_project(folder / "project", **ALL_SOURCES)
    configure(project, CONFIG + FLEET)
    cold_import.set_architecture(project)
    packaging.package(stage.read("dev", project), project, folder / "out")
    shutil.unpack_archive(folder / "out" / "sam" / "deployment.zip", folder / "unpacked")
    with moto_server(project, operator_environment("")) as endpoint:
        warm_up(client_of(endpoint))
        yield folder / "unpacked", runtime(folder / "runtime"), endpoint


@pytest.fixture
def lambda_(deployed: tuple[Path, Path, str], tmp_path: Path) -> Lambda:
    """An account with the table `orders`, its alarms, and a load that it is too small for."""
    package, image, endpoint = deployed
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()
    there = Lambda(package, image, endpoint, tmp_path / "log")
    warm_up(there.client)  # after a reset moto makes the accounts of its services anew
    make_table(there.client)
    there.client("sns").create_topic(Name=ENVIRONMENT["ALARM_TOPIC"])
    publish_load(there.client, 95.0)
    policy = load(CONFIG).policy_for(READS)
    assert policy
    for target in (READS, WRITES):
        there.client("cloudwatch").put_metric_alarm(
            **table_alarms.new_fields(target, 100, policy, TOPIC)
        )
    there.client("cloudwatch").set_alarm_state(
        AlarmName=ALARM, StateValue="ALARM", StateReason="test"
    )
    return there


def units(there: Lambda) -> int:
    table = there.client("dynamodb").describe_table(TableName="orders")["Table"]
    return int(table["ProvisionedThroughput"]["ReadCapacityUnits"])


# the events, as AWS sends them

MESSAGE = json.dumps(
    {
        "AlarmName": ALARM,
        "NewStateValue": "ALARM",
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{ALARM}",
        "Trigger": {
            "MetricName": "ConsumedReadCapacityUnits",
            "Namespace": "AWS/DynamoDB",
            "Dimensions": [{"name": "TableName", "value": "orders"}],
        },
    }
)


def notified() -> dict[str, Any]:
    sns = {"Message": MESSAGE, "Subject": "ALARM", "TopicArn": TOPIC, "MessageAttributes": {}}
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}


def bridged(source: str, kind: str, **detail: str) -> dict[str, Any]:
    return {**change(), "source": source, "detail-type": kind, "detail": detail}


def scheduled() -> dict[str, Any]:
    return bridged("aws.events", "Scheduled Event")


EVENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "on_alarm": notified,
    "on_action": action,
    "on_event": change,
    "on_queue": lambda: queued(MESSAGE),
    "on_fleet": lambda: bridged(
        "aws.ec2", "EC2 Instance State-change Notification", state="running"
    ),
    "follow_up": scheduled,
    "scale_down": scheduled,
    "sweep": scheduled,
}


def assert_the_log_is_whole(answer: Answer, function: str) -> None:
    """Every line is JSON; each decision has its reason and its numbers."""
    decisions = [line for line in answer.lines if line.get("kind") == "decision"]
    assert {line["dimension"] for line in decisions} == {"read", "write"}
    for line in decisions:
        assert line["function"] == function
        assert line["reason"]
        assert line["service"] == "headroom-dev"
        assert line["function_request_id"] == answer.request_id
        assert "location" not in line
    assert {"ScaledUp", "Kept", "Failed", "Completed"} <= answer.metrics.keys()


@pytest.mark.parametrize("function", EVENTS)
def test_a_function_raises_the_table_in_a_cold_container_and_keeps_it_in_the_warm_one(
    lambda_: Lambda, function: str
) -> None:
    if function == "on_fleet":
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "worker"}]}]
        lambda_.client("ec2").run_instances(
            ImageId="ami-12c6146b", MinCount=6, MaxCount=6, TagSpecifications=tags
        )
    with lambda_.start(function) as started:
        cold, warm = started.invoke(EVENTS[function]()), started.invoke(EVENTS[function]())
    assert not cold.is_error, cold
    assert not warm.is_error, warm
    assert units(lambda_) == (120 if function == "on_fleet" else 150)
    for answer in (cold, warm):
        assert_the_log_is_whole(answer, function)
    assert (cold.metrics["ScaledUp"], warm.metrics["ScaledUp"]) == (1, 0)
    answered = {"batchItemFailures": []} if function == "on_queue" else None
    assert cold.document == (answered or cold.document)


def test_an_event_of_another_shape_is_an_error_and_the_container_goes_on(lambda_: Lambda) -> None:
    with lambda_.start("sweep") as started:
        broken, good = started.invoke({}), started.invoke(scheduled())
    assert (broken.is_error, broken.document["errorType"]) == (True, "KeyError")
    assert not good.is_error


def test_a_failure_is_an_error_that_names_what_failed(lambda_: Lambda) -> None:
    """The line of the runtime itself is text; all others are JSON."""
    with lambda_.start("sweep", AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:1") as started:
        answer = started.invoke(scheduled())
    assert (answer.is_error, answer.document["errorType"]) == (True, "ExceptionGroup")
    *lines, runtimes_own = answer.log
    assert runtimes_own.startswith("[ERROR] ExceptionGroup: Headroom could not do everything")
    failed = [line for line in map(json.loads, lines) if line.get("kind") == "failure"]
    assert [line["subject"] for line in failed] == ["the tables"]


def test_without_its_configuration_a_container_says_which_file_is_missing(
    lambda_: Lambda,
) -> None:
    with lambda_.start("sweep", HEADROOM_CONFIG="chalicelib/gone.toml") as started:
        error = started.start_error()
    assert "chalicelib/gone.toml" in error["errorMessage"]


@pytest.mark.parametrize("function", ["on_alarm", "sweep"])
def test_with_three_seconds_and_a_silent_service_an_answer_comes_in_time(
    lambda_: Lambda, function: str
) -> None:
    """The socket takes connections and never answers. The run ends by itself, and is logged.

    Starting takes half a second. Where it takes more than one, the machine is busy, and the
    deadline is later.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with lambda_.start(function, AWS_ENDPOINT_URL_CLOUDWATCH=address) as started:
            deadline = 3.0 * max(1.0, started.seconds_to_start())
            answer = started.invoke(EVENTS[function](), seconds=deadline)
    assert answer.seconds < deadline
    text = "\n".join(answer.log)
    assert "no answer within" in text or "no request: the time left" in text
