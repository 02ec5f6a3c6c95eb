"""Notifications of changes: each is sent once."""

import json

import pytest

from headroom.region.region import Region
from tests.support.builders import READS, WRITES
from tests.support.notifications import (
    LOW,
    TOPIC,
    notification_rules,
    scene,
    subjects,
    texts,
    with_topic,
)
from tests.support.scenes import (
    alarm_message,
    invoke,
    log_lines,
    pass_minutes,
    requests,
    send,
    wait,
)

# untraced: coverage finds nothing here that it does not find in other tests
pytestmark = [pytest.mark.scene.with_args(scene), pytest.mark.untraced]


def test_a_raise_is_reported_once_with_its_reason_and_numbers(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0, WRITES: 95.0})
    send(region, alarm_message(region))
    (message,) = requests(region, "Publish")
    assert (message["TopicArn"], message["Subject"]) == (TOPIC, "Headroom raised orders")
    assert [line.split(" units:")[0] for line in message["Message"].splitlines()[:2]] == [
        "orders:read 100 → 150",
        "orders:write 100 → 150",
    ]
    assert "(UtilizationHigh; alarm level units 80, consumed units 95" in message["Message"]
    assert message["Message"].endswith("(Headroom in us-east-1, account 123456789012)")
    assert message["MessageAttributes"] == {
        "kind": {"DataType": "String", "StringValue": "scaled_up"},
        "table": {"DataType": "String", "StringValue": "orders"},
    }


def test_a_message_that_comes_twice_and_every_later_look_report_nothing_more(
    region: Region,
) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    message = alarm_message(region)
    send(region, message)
    send(region, message)
    wait(region, minutes=1)
    for function in ("follow_up", "sweep", "scale_down"):
        invoke(region, function)
    assert subjects(region) == ["Headroom raised orders"]


@pytest.mark.scene(scene, notification_rules("scaled_up", "scaled_down"))
def test_a_decrease_is_reported_once(region: Region) -> None:
    pass_minutes(region, 61, LOW)
    for function in ("scale_down", "sweep", "follow_up", "sweep"):
        invoke(region, function)
        wait(region, minutes=5)
    assert (subjects(region), texts(region)[0].count("→")) == (["Headroom lowered orders"], 4)


@pytest.mark.scene(scene, notification_rules("scaled_up"))
def test_every_run_reports_what_it_has_done_and_logs_that_it_did(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    (line,) = log_lines(send(region, alarm_message(region)), "notice")
    assert line["message"] == "notified: Headroom raised orders"
    assert line["facts"] == {"kind": ["scaled_up"], "table": ["orders"]}


def test_a_thousand_tables_are_not_a_thousand_messages() -> None:
    names = [f"orders-{i:02}" for i in range(60)]
    with Region() as region:
        for name in names:
            region.create_table(name, 5, 5)
        region.deploy(notification_rules("scaled_up", min_units=10))
        with_topic(region)
        invoke(region, "sweep")
        assert subjects(region) == [
            "Headroom: 50 notices (scaled_up 50)",
            "Headroom: 10 notices (scaled_up 10)",
        ]
        tables = [
            json.loads(message["MessageAttributes"]["table"]["StringValue"])
            for message in requests(region, "Publish")
        ]
        assert sorted(tables[0] + tables[1]) == names
        assert (
            requests(region, "Publish")[0]["MessageAttributes"]["table"]["DataType"]
            == "String.Array"
        )
        assert requests(region, "Publish")[0]["MessageAttributes"]["kind"] == {
            "DataType": "String",
            "StringValue": "scaled_up",
        }
