"""A notification that fails stops no scaling, and is sent later."""

import json

import pytest
from chalice.test import Client

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.notifications import (
    TOPIC,
    URL,
    notification_rules,
    posted,
    scene,
    slack,
    subjects,
    tags,
    with_slack,
    with_topic,
)
from tests.support.scenes import (
    alarm_message,
    failures,
    invoke,
    log_lines,
    pass_minutes,
    record_invocations,
    requests,
    send,
    units,
)

pytestmark = pytest.mark.scene.with_args(scene)


def test_a_topic_that_refuses_never_stops_a_scaling_and_is_a_failure(region: Region) -> None:
    region.faults.append(Fault("Publish", "AuthorizationError", times=100))
    pass_minutes(region, 5, {READS: 95.0})
    invocation = send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150
    assert [
        line["reason"] for line in log_lines(invocation, "decision") if line["desired"] == 150
    ] == ["UtilizationHigh"]
    (failure,) = failures(invocation)
    assert failure.startswith(
        f"{TOPIC}: sending 'Headroom raised orders' failed: An error occurred (AuthorizationError)"
    )


def test_lambdas_second_try_scales_nothing_and_reports_nothing_twice(region: Region) -> None:
    region.faults.append(Fault("Publish", "InternalError", times=1))
    pass_minutes(region, 5, {READS: 95.0})
    invocations = record_invocations(region)
    assert send(region, alarm_message(region)).error is not None
    region.run(4)
    again = [invocation for invocation in invocations if invocation.function == "on_alarm"][1:]
    assert [invocation.error for invocation in again] == [None]
    assert (units(region)["orders:read"], len(requests(region, "UpdateTable"))) == (150, 1)
    assert subjects(region).count("Headroom raised orders") == 1  # the one that failed


def test_a_queues_message_whose_reporting_failed_comes_back_and_then_is_done_with() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        app = region.deploy(notification_rules("scaled_up"), environment={"ALARM_SOURCES": "queue"})
        invoke(region, "sweep")
        with_topic(region)
        region.faults.append(Fault("Publish", "InternalError", times=1))
        pass_minutes(region, 5, {READS: 95.0})
        body = json.dumps(
            {
                "Type": "Notification",
                "TopicArn": TOPIC,
                "Message": json.dumps(alarm_message(region)),
            }
        )
        event = {"Records": [{"messageId": "1", "receiptHandle": "1", "body": body}]}
        with Client(app.app) as client:
            assert client.lambda_.invoke("on_queue", event).payload == {
                "batchItemFailures": [{"itemIdentifier": "1"}]
            }
            assert client.lambda_.invoke("on_queue", event).payload == {"batchItemFailures": []}
        assert (units(region)["orders:read"], len(subjects(region))) == (150, 1)


@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_a_state_that_could_not_be_reported_is_reported_by_a_later_sweep(region: Region) -> None:
    region.faults.append(Fault("Publish", "InternalError", times=2))
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    outcomes = [invoke(region, "sweep").error is None for _ in range(4)]
    assert (outcomes, len(subjects(region))) == ([False, False, True, True], 3)
    assert "headroom-told-at_max" in tags(region)


@pytest.mark.scene(scene, slack("ssm", "at_max", max_units=100, notify_topic=TOPIC))
def test_the_other_destination_is_notified_and_the_first_is_not_notified_again(
    region: Region,
) -> None:
    with_slack(region, "ssm")
    region.http.servers[URL] = 500
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    assert [invoke(region, "sweep").error is None for _ in range(3)] == [False, True, True]
    assert (len(subjects(region)), len(posted(region))) == (1, 1)


def test_a_destination_that_failed_is_not_tried_again_in_the_same_run() -> None:
    with Region() as region:
        for i in range(4):
            region.create_table(f"orders-{i}", 5, 5)
        region.deploy(notification_rules("scaled_up", min_units=10))
        with_topic(region)
        region.faults.append(Fault("Publish", "InternalError", times=1))
        assert len(failures(invoke(region, "sweep"))) == 4
        assert len(subjects(region)) == 1


@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_tags_that_cannot_be_read_report_nothing_and_are_a_failure(region: Region) -> None:
    region.faults.append(Fault("ListTagsForResource", "AccessDenied", times=1))
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    (failure,) = failures(invoke(region, "sweep"))
    assert "headroom-orders:read: ListTagsForResource failed" in failure
    assert subjects(region) == []
    assert invoke(region, "sweep").error is None
    assert len(subjects(region)) == 1


@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_tags_that_cannot_be_written_do_not_report_it_at_every_sweep(region: Region) -> None:
    region.faults.append(Fault("TagResource", "AccessDenied", times=1))
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    assert len(failures(invoke(region, "sweep"))) == 1
    invoke(region, "sweep")
    assert len(subjects(region)) == 1


@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_alarms_that_cannot_be_listed_report_no_state(region: Region) -> None:
    region.faults.append(Fault("DescribeAlarms", "InternalError", times=1))
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    assert len(failures(invoke(region, "sweep"))) == 1
    assert subjects(region) == []
