"""Notifications of states that last: each is sent once an episode."""

import re

import pytest

from chalicelib import handlers
from chalicelib.core import table_alarms
from chalicelib.core.explain import WHY
from chalicelib.model import Reason
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, READS, WRITES
from tests.support.notifications import (
    BUSY,
    backup,
    notification_rules,
    scene,
    subjects,
    tags,
    texts,
    with_topic,
)
from tests.support.scenes import (
    TARGETS,
    alarm_message,
    invoke,
    new_run,
    of_table,
    operations,
    pass_minutes,
    send,
    use_free_decreases,
    wait,
)

# untraced: coverage finds nothing here that it does not find in other tests
pytestmark = [pytest.mark.scene.with_args(scene), pytest.mark.untraced]

HOUR = 60


def run_with(region: Region, rates: list[float], others: float = 50.0) -> None:
    """Let reads see these rates, a minute each, and the other targets a rate that asks for
    nothing."""
    start, size = region.minute, len(rates)
    region.serve(READS, [0.0] * start + rates)
    for target, load in ((WRITES, others), (INDEX_READS, 10.0), (TARGETS[3], 10.0)):
        region.serve(target, [load] * (start + size))
    region.run(size)


@pytest.mark.slow
@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_at_the_maximum_and_throttled_is_reported_once_an_episode(region: Region) -> None:
    run_with(region, [50.0] * 10 + [150.0] * 2 * HOUR)
    assert subjects(region) == ["At its maximum and throttled: orders"]
    assert (
        "orders:read has 100 units, max_units is 100, and requests are throttled: up to 50.00"
        in texts(region)[0]
    )
    run_with(
        region, [50.0] * 40 + [150.0] * 30
    )  # the ten minutes that the bucket lasts come on top
    assert len(subjects(region)) == 1  # less than an hour: the same episode
    run_with(region, [50.0] * 70 + [150.0] * 30)
    assert len(subjects(region)) == 2


@pytest.mark.untraced
@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_what_lasts_for_days_is_reported_once_a_day(region: Region) -> None:
    for _ in range(52):
        pass_minutes(region, HOUR, {READS: 100.0}, {READS: 20.0})
        invoke(region, "sweep")
    assert len(subjects(region)) == 3


@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_it_is_remembered_by_the_alarm_and_not_by_the_container(region: Region) -> None:
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    invoke(region, "sweep")
    assert re.fullmatch(r"told=2026-11-02T12:30:00Z", tags(region)["headroom-told-at_max"])
    region.deploy(region.functions.config)  # a new container
    pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
    invoke(region, "sweep")
    assert (len(subjects(region)), operations(region).count("ListTagsForResource")) == (1, 2)
    invoke(region, "sweep")
    assert operations(region).count("ListTagsForResource") == 2  # what it has read once, it knows


@pytest.mark.slow
@pytest.mark.scene(scene, notification_rules("at_max", max_units=100))
def test_a_container_reads_the_tags_once_where_nothing_is_news(region: Region) -> None:
    run_with(region, [150.0] * 3 * HOUR)
    assert operations(region).count("TagResource") == 1
    assert operations(region).count("ListTagsForResource") == 1


def test_without_anything_to_report_no_tag_is_read(region: Region) -> None:
    pass_minutes(region, 61, BUSY)
    invoke(region, "sweep")
    assert set(operations(region)) & {"ListTagsForResource", "TagResource", "Publish"} == set()


def test_a_rewrite_of_the_alarm_keeps_what_was_reported(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    invoke(region, "sweep")
    before = dict(tags(region))
    region.client("cloudwatch").tag_resource(
        ResourceARN=f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{table_alarms.name_of(READS)}",
        Tags=[{"Key": "headroom-told-at_max", "Value": "told=2026-11-02T12:00:00Z"}],
    )
    send(region, alarm_message(region))
    assert tags(region) == before | {"headroom-told-at_max": "told=2026-11-02T12:00:00Z"}


@pytest.mark.scene(
    scene,
    notification_rules(
        "high_throughput",
        "low_throughput",
        notify_above_percent=90,
        notify_below_percent=10,
        max_units=100,
    ),
)
def test_high_and_low_throughput_are_reported_once_an_episode(region: Region) -> None:
    for load, minutes in (
        (70.0, 70),
        (95.0, 4 * HOUR),
        (70.0, 50),
        (95.0, 30),
        (70.0, 70),
        (95.0, 30),
    ):
        for _ in range(0, minutes, 5):
            pass_minutes(region, 5, BUSY | {READS: load})
            invoke(region, "sweep")
    assert subjects(region) == ["High throughput: orders"] * 2
    assert texts(region)[0].startswith(
        "orders:read consumes 95 % of its 100 units, at or above 90 %"
    )


def test_low_throughput_is_reported_of_a_table_that_no_sweep_would_look_at() -> None:
    with Region() as region:
        region.create_table("orders", 5, 5)
        region.deploy(notification_rules("low_throughput", notify_below_percent=10, min_units=5))
        with_topic(region)
        region.serve(WRITES, [3.5] * 300)
        region.serve(READS, [3.5] * 90 + [0.1] * 200)
        region.run(280)
        assert subjects(region) == ["Low throughput: orders"]
        assert texts(region)[0].startswith(
            "orders:read consumes 2 % of its 5 units, at or below 10 %"
        )


def budget_scene(region: Region) -> None:
    """Use up the day's free decreases a few minutes before something is to be lowered."""
    pass_minutes(region, 61, BUSY | {READS: 5.0, WRITES: 5.0})
    use_free_decreases(region)


def test_a_decrease_that_dynamodb_would_refuse_is_reported_once_a_utc_day(region: Region) -> None:
    budget_scene(region)
    region.calls.clear()
    for _ in range(5):
        invoke(region, "sweep")
        pass_minutes(region, 5, BUSY | {READS: 5.0, WRITES: 5.0})
    assert [subject for subject in subjects(region) if "decrease" in subject] == [
        "No decrease left for now: orders"
    ]
    assert "orders:read stays at 100 units: DynamoDB allows no decrease yet" in texts(region)[0]
    assert "orders:write stays at 100 units" in texts(region)[0]
    pass_minutes(region, 12 * HOUR, BUSY | {READS: 5.0, WRITES: 5.0})
    use_free_decreases(region)
    region.calls.clear()
    invoke(region, "sweep")
    assert [subject for subject in subjects(region) if "decrease" in subject] == [
        "No decrease left for now: orders"
    ]


@pytest.mark.scene(scene, notification_rules("failing", notify_failing_sweeps=3))
def test_a_table_that_keeps_failing_is_reported_once_after_n_sweeps(region: Region) -> None:
    region.faults.append(
        Fault("DescribeTable", "InternalServerError", times=10_000, matches=of_table("orders"))
    )
    region.run(10)
    assert subjects(region) == []
    region.run(2 * HOUR)
    assert subjects(region) == ["Sweeps keep failing: orders"]
    assert texts(region)[0].startswith(
        "3 sweeps in a row have failed for orders, at last with: orders: DescribeTable failed"
    )
    region.faults.clear()
    region.run(30)
    region.faults.append(
        Fault("DescribeTable", "InternalServerError", times=10_000, matches=of_table("orders"))
    )
    region.run(HOUR)
    assert subjects(region) == ["Sweeps keep failing: orders"] * 2


def test_a_table_that_a_sweep_has_no_time_for_is_reported(region: Region) -> None:
    run = new_run(region, notification_rules("not_reached", notify_failing_sweeps=1))
    handlers.sweep(run)
    run.leave("orders")
    handlers.notify(run)
    assert subjects(region) == ["Sweeps have no time: orders"]


@pytest.mark.scene(scene, notification_rules("failing", notify_failing_sweeps=2))
def test_failures_with_a_success_between_are_not_a_row(region: Region) -> None:
    for _ in range(6):
        region.faults.append(
            Fault("DescribeTable", "InternalServerError", matches=of_table("orders"))
        )
        invoke(region, "sweep")
        wait(region, minutes=5)
        invoke(region, "sweep")
        wait(region, minutes=5)
    assert subjects(region) == []


PAUSE = '\n[[pause]]\nname = "nightly"\njob = "backup"\ntables = ["orders"]\n'


@pytest.mark.scene(scene, notification_rules("paused") + PAUSE)
def test_a_pause_is_reported_when_it_begins_and_again_when_another_does(region: Region) -> None:
    backup(region, "RUNNING")
    region.run(3 * HOUR)
    assert subjects(region) == ["Paused: orders"]
    assert texts(region)[0].startswith(
        "orders:read: a job that owns its capacity is running: pause nightly: AWS Backup is "
        "running\norders:write: "
    )
    backup(region, "")
    region.run(2 * HOUR)
    backup(region, "RUNNING")
    region.run(HOUR)
    assert subjects(region) == ["Paused: orders"] * 2


FLEET = """
[[fleet]]
name = "web"
tags = { Role = "web" }
[[fleet.tables]]
table = "orders"
read = { linear = 10 }
"""


def instances(region: Region, count: int) -> None:
    found = [
        {"InstanceId": f"i-{i}", "State": {"Code": 16, "Name": "running"}} for i in range(count)
    ]
    region.answers["ec2", "DescribeInstances"] = lambda _: {"Reservations": [{"Instances": found}]}


@pytest.mark.scene(scene, notification_rules("fleet") + FLEET)
def test_a_raise_by_the_fleet_is_reported_and_a_fleet_that_cannot_be_counted_once(
    region: Region,
) -> None:
    instances(region, 12)
    pass_minutes(region, 5, BUSY)
    invoke(region, "sweep")
    assert subjects(region) == ["Following its fleet: orders"]
    assert f"orders:read 100 → 120 units: {WHY[Reason.FLEET]}" in texts(region)[0]
    wait(region, minutes=5)
    region.faults.append(Fault("DescribeInstances", "InternalError", times=10_000))
    for _ in range(4):
        pass_minutes(region, 5, BUSY)
        invoke(region, "sweep")
    assert subjects(region) == ["Following its fleet: orders"] * 2
    assert "cannot be counted" in texts(region)[1]
