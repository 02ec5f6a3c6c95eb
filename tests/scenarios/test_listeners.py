"""The other ways in which an alarm comes: each does what `on_alarm` does, and is deployed only
where the stage asks for it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder
from chalice.deploy.validate import validate_configuration

from chalicelib.events import AlarmEvent, from_queue, from_sns
from chalicelib.metrics import NAMESPACE
from headroom.deploy import stage
from headroom.deploy.stage import LISTENERS, Stage
from headroom.project import ROOT
from headroom.region.context import Fault, environment_of
from headroom.region.lambda_functions import fresh_app
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.scenes import MIDDAY, alarm_message, invoke, pass_minutes, rules

ALARM = "headroom-orders:read"
EVERY_WAY = ",".join(LISTENERS)


@contextmanager
def busy(sources: str = EVERY_WAY) -> Iterator[Region]:
    """A region with a stage that listens to these, and a table that is too small for its load."""
    with Region(MIDDAY) as region:
        region.create_table("orders", 100, 100)
        region.deploy(rules(), environment={"ALARM_SOURCES": sources})
        invoke(region, "sweep")
        pass_minutes(region, 5, {READS: 95.0})
        yield region


pytestmark = pytest.mark.scene.with_args(busy)


def data(state: str = "ALARM", alarm: str = ALARM) -> dict[str, Any]:
    """Return what both of CloudWatch's newer ways say of an alarm."""
    metric = {
        "namespace": NAMESPACE,
        "name": "ConsumedReadCapacityUnits",
        "dimensions": {"TableName": "orders"},
    }
    return {
        "alarmName": alarm,
        "state": {"value": state, "reason": "high", "timestamp": "2026-11-02T12:05:00.000+0000"},
        "previousState": {"value": "OK"},
        "configuration": {
            "metrics": [{"id": "m", "metricStat": {"metric": metric, "period": 60, "stat": "Sum"}}]
        },
    }


def action(state: str = "ALARM", alarm: str = ALARM, region: str = "us-east-1") -> dict[str, Any]:
    return {
        "source": "aws.cloudwatch",
        "alarmArn": f"arn:aws:cloudwatch:{region}:123456789012:alarm:{alarm}",
        "accountId": "123456789012",
        "alarmData": data(state, alarm),
    }


def change(state: str = "ALARM", alarm: str = ALARM, region: str = "us-east-1") -> dict[str, Any]:
    return {
        "version": "0",
        "id": "1",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-11-02T12:05:00Z",
        "region": region,
        "resources": [f"arn:aws:cloudwatch:{region}:123456789012:alarm:{alarm}"],
        "detail": data(state, alarm),
    }


def queued(*bodies: str) -> dict[str, Any]:
    records = [
        {"messageId": str(i), "receiptHandle": str(i), "body": body}
        for i, body in enumerate(bodies)
    ]
    return {"Records": records}


def notification(region: Region) -> str:
    """Return what SNS puts into a queue."""
    return json.dumps(
        {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": raw(region)}
    )


def raw(region: Region) -> str:
    """Return the alarm's message itself."""
    return json.dumps(alarm_message(region, name=ALARM))


@pytest.mark.parametrize(("function", "event"), [("on_action", action), ("on_event", change)])
def test_the_alarms_own_action_and_eventbridge_raise_the_table_and_rewrite_the_alarm(
    region: Region, function: str, event: Any
) -> None:
    assert region.functions.invoke(function, event()).error is None
    assert [c.operation for c in region.calls if c.operation in ("UpdateTable", "PutMetricAlarm")][
        -2:
    ] == [
        "UpdateTable",
        "PutMetricAlarm",
    ]


@pytest.mark.parametrize(("function", "event"), [("on_action", action), ("on_event", change)])
def test_other_states_change_nothing(region: Region, function: str, event: Any) -> None:
    region.calls.clear()
    region.functions.invoke(function, event("OK"))
    assert not [c for c in region.calls if c.operation == "UpdateTable"]


def test_a_queue_behind_the_topic_raises_the_table_with_either_kind_of_delivery(
    region: Region,
) -> None:
    for number, body in enumerate((notification(region), raw(region))):
        region.functions.invoke("on_queue", queued(body))
        assert len([c for c in region.calls if c.operation == "UpdateTable"]) == 1, (
            number
        )  # the second finds it done
    assert (
        from_queue(notification(region))
        == from_sns(raw(region))
        == AlarmEvent(ALARM, READS, "us-east-1", "123456789012")
    )


def test_only_the_messages_that_failed_come_back_to_the_queue(region: Region) -> None:
    app = region_app()
    good = notification(region)
    region.faults.append(Fault("DescribeTable", "AccessDeniedException"))
    answer = app.on_queue(queued(good, "nonsense", good), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


class Context:
    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


def region_app() -> ModuleType:
    """Return the app that the region runs."""
    return sys.modules["headroom_app"]


# what is deployed


def resources(sources: str | None) -> Mapping[str, str]:
    """Return what Chalice would deploy: the functions and events, by name and kind."""
    environment = {"ALARM_SOURCES": sources} if sources else {}
    with environment_of(environment):
        app = fresh_app().app
    config = Config(
        "dev",
        user_provided_params={
            "chalice_app": app,
            "project_dir": str(ROOT),
            "api_gateway_stage": "api",
        },
        config_from_disk=json.loads((ROOT / ".chalice" / "config.json").read_text()),
    )
    validate_configuration(config)
    built = ApplicationGraphBuilder().build(config, "dev")
    return {one.resource_name: type(one).__name__ for one in built.resources}


@pytest.mark.parametrize("sources", [None, *LISTENERS, "queue,eventbridge", EVERY_WAY])
def test_a_stage_deploys_the_listeners_that_it_names_and_no_others(sources: str | None) -> None:
    request = Stage("headroom", "dev", {"ALARM_SOURCES": sources} if sources else {})
    with environment_of({"ALARM_SOURCES": sources} if sources else {}):
        assert set(fresh_app().app.handler_map) == set(request.functions)
    kinds = {
        "topic": "SNSLambdaSubscription",
        "queue": "SQSEventSource",
        "eventbridge": "CloudWatchEvent",
    }
    found = set(resources(sources).values())
    assert {kinds[s] for s in request.sources if s in kinds} == found & set(kinds.values())


def test_a_source_that_nobody_knows_is_refused_before_anything_is_deployed(tmp_path: Any) -> None:
    settings = json.loads((ROOT / ".chalice" / "config.json").read_text())
    settings["stages"]["dev"]["environment_variables"]["ALARM_SOURCES"] = "topic,pigeon"
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(settings))
    with pytest.raises(
        stage.StageError, match="'pigeon'; it may name topic, queue, lambda, eventbridge"
    ):
        stage.read("dev", tmp_path)
