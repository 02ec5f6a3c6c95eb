"""Notifications: who gets them, and where their state is kept."""

from typing import Any

import boto3
import pytest

from chalicelib import handlers
from chalicelib.core import table_alarms
from headroom.region.region import Region
from tests.support.builders import READS, WRITES
from tests.support.notifications import (
    BUSY,
    LOW,
    TOPIC,
    notification_rules,
    scene,
    subjects,
    with_topic,
)
from tests.support.scenes import (
    alarm_message,
    autoscale,
    invoke,
    new_run,
    operations,
    pass_minutes,
    requests,
    send,
    units,
)

pytestmark = pytest.mark.scene.with_args(scene)

# where there is no alarm to remember it


@pytest.mark.scene(
    scene,
    notification_rules("low_throughput", notify_below_percent=10)
    + "\n[tables.read]\nscale_up = false\n",
)
def test_a_target_without_an_alarm_is_remembered_by_another_of_its_table(region: Region) -> None:
    assert table_alarms.name_of(READS) not in region.cloudwatch.alarms
    pass_minutes(region, 61, BUSY | {READS: 1.0})
    for _ in range(3):
        invoke(region, "sweep")
        region.deploy(region.functions.config)
        pass_minutes(region, 5, BUSY | {READS: 1.0})
    assert subjects(region) == ["Low throughput: orders"]


@pytest.mark.scene(
    scene,
    notification_rules("low_throughput", notify_below_percent=10, scale_up=False, scale_down=False),
)
def test_without_any_alarm_the_container_remembers(region: Region) -> None:
    assert region.cloudwatch.alarms == {}
    pass_minutes(region, 61, BUSY | {READS: 1.0})
    for _ in range(3):
        invoke(region, "sweep")
        pass_minutes(region, 5, BUSY | {READS: 1.0})
    assert subjects(region) == ["Low throughput: orders"]
    assert set(operations(region)) & {"ListTagsForResource", "TagResource"} == set()


def test_the_sweep_that_makes_the_alarm_leaves_the_reporting_to_the_next() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        region.deploy(notification_rules("low_throughput", notify_below_percent=10, min_units=100))
        with_topic(region)
        pass_minutes(region, 61, {READS: 50.0, WRITES: 1.0})
        invoke(region, "sweep")
        assert subjects(region) == []
        invoke(region, "sweep")
        invoke(region, "sweep")
        assert subjects(region) == ["Low throughput: orders"]


# whom


def test_each_table_and_dimension_has_its_own_kinds_and_destinations() -> None:
    config = f"""
[defaults]
strategy = "percent"
notify = ["scaled_up"]
notify_topic = "{TOPIC}"
[[tables]]
name = "orders"
[tables.write]
notify_topic = "{TOPIC}-writes"
[[tables]]
name = "users"
notify = []
[[tables]]
name = "carts"
notify = ["scaled_down"]
"""
    with Region() as region:
        for name in ("orders", "users", "carts"):
            region.create_table(name, 5, 5)
        region.deploy(
            config.replace('strategy = "percent"', 'strategy = "percent"\nmin_units = 10')
        )
        for name in ("capacity", "capacity-writes"):
            region.client("sns").create_topic(Name=name)
        invoke(region, "sweep")
        assert units(region)["users:read"] == units(region)["carts:read"] == 10
        found = {
            message["TopicArn"]: message["Message"].split(" units")[0]
            for message in requests(region, "Publish")
        }
        assert found == {TOPIC: "orders:read 5 → 10", f"{TOPIC}-writes": "orders:write 5 → 10"}


@pytest.mark.parametrize(
    "settings", [{"dry_run": True}, {"notify": ()}], ids=["policy", "nothing to tell"]
)
def test_a_dry_run_reports_nothing(settings: dict[str, Any]) -> None:
    with scene(notification_rules("scaled_up", "at_max", max_units=100, **settings)) as region:
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        for function in ("sweep", "follow_up", "scale_down"):
            invoke(region, function)
        assert subjects(region) == []


@pytest.mark.scene(scene, notification_rules("scaled_up", "at_max", max_units=100))
def test_nor_does_a_dry_run_of_the_whole(region: Region) -> None:
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    report = handlers.sweep(new_run(region, region.functions.config, dry_run=True))
    assert report.decisions
    assert (subjects(region), report.notified) == ([], [])


def test_a_table_that_is_left_alone_is_not_reported(region: Region) -> None:
    autoscale(region)
    pass_minutes(region, 61, LOW, {READS: 20.0})
    invoke(region, "sweep")
    assert subjects(region) == []


@pytest.mark.scene(
    scene, notification_rules("scaled_up", notify_topic=TOPIC.replace("us-east-1", "eu-west-1"))
)
def test_a_topic_in_another_region_is_reported_there(region: Region) -> None:
    boto3.client("sns", region_name="eu-west-1").create_topic(Name="capacity")
    pass_minutes(region, 5, {READS: 95.0})
    assert send(region, alarm_message(region)).error is None
