"""Notifications, in the embedded region: each fact once, to whom it is for, and never in the way of
a scaling."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from chalice.test import Client

from chalicelib.config import loader as configuration
from chalicelib.config.policy import NotificationKind
from chalicelib.core import table_alarms
from chalicelib.core.explain import WHY
from chalicelib.core.notices import SUBJECTS
from chalicelib.model import Reason
from headroom.deploy import permissions
from headroom.project import ROOT
from headroom.region.context import Fault, Invocation
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, READS, WRITES
from tests.support.scenes import (
    TARGETS,
    alarm_message,
    autoscale,
    failures,
    invoke,
    log_lines,
    of_table,
    operations,
    orders,
    pass_minutes,
    record_invocations,
    requests,
    rules,
    send,
    units,
    use_free_decreases,
    wait,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
SECRET = "XXXXXXXXXXXXXXXXXXXXXXXX"
PAGE = (ROOT / "docs" / "notifications.md").read_text()
HOUR = 60
LOW = dict.fromkeys(TARGETS, 1.0)
BUSY = {READS: 70.0, WRITES: 70.0, INDEX_READS: 14.0, TARGETS[3]: 14.0}


def telling(*kinds: str, **settings: Any) -> str:
    return rules(**{"notify": kinds, "notify_topic": TOPIC, **settings})


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders`, of which everything is told."""
    with scene() as region:
        yield region


def scene(config: str | None = None) -> Any:
    return orders(
        config or telling(*(kind for kind in get_args(NotificationKind) if kind != "healing"))
    )


def with_topic(region: Region) -> None:
    region.client("sns").create_topic(Name="capacity")
    region.calls.clear()


def told(region: Region) -> list[str]:
    """Return the subjects of the messages on topics so far."""
    return [said["Subject"] for said in requests(region, "Publish")]


def texts(region: Region) -> list[str]:
    return [said["Message"] for said in requests(region, "Publish")]


def tags(region: Region, alarm: str = "headroom-orders:read") -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in region.cloudwatch.alarms[alarm].tags}


def run_with(region: Region, rates: list[float], others: float = 50.0) -> None:
    """Let reads see these rates, a minute each, and the other targets a rate that asks for
    nothing."""
    start, size = region.minute, len(rates)
    region.serve(READS, [0.0] * start + rates)
    for target, load in ((WRITES, others), (INDEX_READS, 10.0), (TARGETS[3], 10.0)):
        region.serve(target, [load] * (start + size))
    region.run(size)


# what was done


def test_a_raise_is_told_once_with_its_reason_and_numbers(region: Region) -> None:
    with_topic(region)
    pass_minutes(region, 5, {READS: 95.0, WRITES: 95.0})
    send(region, alarm_message(region))
    (said,) = requests(region, "Publish")
    assert (said["TopicArn"], said["Subject"]) == (TOPIC, "Headroom raised orders")
    assert [line.split(" units:")[0] for line in said["Message"].splitlines()[:2]] == [
        "orders:read 100 → 150",
        "orders:write 100 → 150",
    ]
    assert "(UtilizationHigh; alarm level units 80, consumed units 95" in said["Message"]
    assert said["Message"].endswith("(Headroom in us-east-1, account 123456789012)")
    assert said["MessageAttributes"] == {
        "kind": {"DataType": "String", "StringValue": "scaled_up"},
        "table": {"DataType": "String", "StringValue": "orders"},
    }


def test_a_message_that_comes_twice_and_every_later_look_tell_nothing_more(region: Region) -> None:
    with_topic(region)
    pass_minutes(region, 5, {READS: 95.0})
    said = alarm_message(region)
    send(region, said)
    send(region, said)
    wait(region, minutes=1)
    for function in ("follow_up", "sweep", "scale_down"):
        invoke(region, function)
    assert told(region) == ["Headroom raised orders"]


def test_a_decrease_is_told_once() -> None:
    with scene(telling("scaled_up", "scaled_down")) as region:
        with_topic(region)
        pass_minutes(region, 61, LOW)
        for function in ("scale_down", "sweep", "follow_up", "sweep"):
            invoke(region, function)
            wait(region, minutes=5)
        assert told(region) == ["Headroom lowered orders"]
        assert texts(region)[0].count("→") == 4


def test_every_run_tells_what_it_has_done_and_logs_that_it_did() -> None:
    with scene(telling("scaled_up")) as region:
        with_topic(region)
        pass_minutes(region, 5, {READS: 95.0})
        (line,) = log_lines(send(region, alarm_message(region)), "notice")
        assert line["message"] == "notified: Headroom raised orders"
        assert line["facts"] == {"kind": ["scaled_up"], "table": ["orders"]}


def test_a_thousand_tables_are_not_a_thousand_messages() -> None:
    names = [f"orders-{i:02}" for i in range(60)]
    with Region() as region:
        for name in names:
            region.create_table(name, 5, 5)
        region.deploy(telling("scaled_up", min_units=10))
        with_topic(region)
        invoke(region, "sweep")
        assert told(region) == [
            "Headroom: 50 notices (scaled_up 50)",
            "Headroom: 10 notices (scaled_up 10)",
        ]
        tables = [
            json.loads(said["MessageAttributes"]["table"]["StringValue"])
            for said in requests(region, "Publish")
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


# what holds


def test_at_the_maximum_and_throttled_is_told_once_an_episode() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        run_with(region, [50.0] * 10 + [150.0] * 4 * HOUR)
        assert told(region) == ["At its maximum and throttled: orders"]
        assert (
            "orders:read has 100 units, max_units is 100, and requests are throttled: up to 50.00"
            in texts(region)[0]
        )
        run_with(
            region, [50.0] * 40 + [150.0] * 30
        )  # the ten minutes that the bucket lasts come on top
        assert len(told(region)) == 1  # less than an hour: the same episode
        run_with(region, [50.0] * 70 + [150.0] * HOUR)
        assert len(told(region)) == 2


def test_what_lasts_for_days_is_told_once_a_day() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        for _ in range(52):
            pass_minutes(region, HOUR, {READS: 100.0}, {READS: 20.0})
            invoke(region, "sweep")
        assert len(told(region)) == 3


def test_it_is_remembered_by_the_alarm_and_not_by_the_container() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        invoke(region, "sweep")
        assert re.fullmatch(r"told=2026-11-02T12:30:00Z", tags(region)["headroom-told-at_max"])
        region.deploy(region.functions.config)  # a new container
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        invoke(region, "sweep")
        assert len(told(region)) == 1
        assert operations(region).count("ListTagsForResource") == 2
        invoke(region, "sweep")
        assert (
            operations(region).count("ListTagsForResource") == 2
        )  # what it has read once, it knows


def test_a_container_reads_the_tags_once_where_nothing_is_news() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        run_with(region, [150.0] * 3 * HOUR)
        assert operations(region).count("TagResource") == 1
        assert operations(region).count("ListTagsForResource") == 1


def test_without_anything_to_tell_no_tag_is_read() -> None:
    with scene() as region:
        with_topic(region)
        pass_minutes(region, 61, BUSY)
        invoke(region, "sweep")
        assert set(operations(region)) & {"ListTagsForResource", "TagResource", "Publish"} == set()


def test_a_rewrite_of_the_alarm_keeps_what_was_told(region: Region) -> None:
    with_topic(region)
    pass_minutes(region, 5, {READS: 95.0})
    invoke(region, "sweep")
    before = dict(tags(region))
    region.client("cloudwatch").tag_resource(
        ResourceARN=f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{table_alarms.name_of(READS)}",
        Tags=[{"Key": "headroom-told-at_max", "Value": "told=2026-11-02T12:00:00Z"}],
    )
    send(region, alarm_message(region))
    assert tags(region) == before | {"headroom-told-at_max": "told=2026-11-02T12:00:00Z"}


def test_high_and_low_throughput_are_told_once_an_episode() -> None:
    config = telling(
        "high_throughput",
        "low_throughput",
        notify_above_percent=90,
        notify_below_percent=10,
        max_units=100,
    )
    with scene(config) as region:
        with_topic(region)
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
        assert told(region) == ["High throughput: orders"] * 2
        assert texts(region)[0].startswith(
            "orders:read consumes 95 % of its 100 units, at or above 90 %"
        )


def test_low_throughput_is_told_of_a_table_that_no_sweep_would_look_at() -> None:
    with Region() as region:
        region.create_table("orders", 5, 5)
        region.deploy(telling("low_throughput", notify_below_percent=10, min_units=5))
        with_topic(region)
        region.serve(WRITES, [3.5] * 300)
        region.serve(READS, [3.5] * 90 + [0.1] * 200)
        region.run(280)
        assert told(region) == ["Low throughput: orders"]
        assert texts(region)[0].startswith(
            "orders:read consumes 2 % of its 5 units, at or below 10 %"
        )


def budget_scene(region: Region) -> None:
    """Use up the day's free decreases a few minutes before something is to be lowered."""
    pass_minutes(region, 61, BUSY | {READS: 5.0, WRITES: 5.0})
    use_free_decreases(region)


def test_a_decrease_that_dynamodb_would_refuse_is_told_once_a_utc_day(region: Region) -> None:
    with_topic(region)
    budget_scene(region)
    with_topic(region)
    for _ in range(5):
        invoke(region, "sweep")
        pass_minutes(region, 5, BUSY | {READS: 5.0, WRITES: 5.0})
    assert [subject for subject in told(region) if "decrease" in subject] == [
        "No decrease left for now: orders"
    ]
    assert "orders:read stays at 100 units: DynamoDB allows no decrease yet" in texts(region)[0]
    assert "orders:write stays at 100 units" in texts(region)[0]
    pass_minutes(region, 12 * HOUR, BUSY | {READS: 5.0, WRITES: 5.0})
    use_free_decreases(region)
    with_topic(region)
    invoke(region, "sweep")
    assert [subject for subject in told(region) if "decrease" in subject] == [
        "No decrease left for now: orders"
    ]


def test_a_table_that_keeps_failing_is_told_once_after_n_sweeps() -> None:
    with scene(telling("failing", notify_failing_sweeps=3)) as region:
        with_topic(region)
        region.faults.append(
            Fault("DescribeTable", "InternalServerError", times=10_000, matches=of_table("orders"))
        )
        region.run(10)
        assert told(region) == []
        region.run(2 * HOUR)
        assert told(region) == ["Sweeps keep failing: orders"]
        assert texts(region)[0].startswith(
            "3 sweeps in a row have failed for orders, at last with: orders: DescribeTable failed"
        )
        region.faults.clear()
        region.run(30)
        region.faults.append(
            Fault("DescribeTable", "InternalServerError", times=10_000, matches=of_table("orders"))
        )
        region.run(HOUR)
        assert told(region) == ["Sweeps keep failing: orders"] * 2


def test_failures_with_a_success_between_are_not_a_row() -> None:
    with scene(telling("failing", notify_failing_sweeps=2)) as region:
        with_topic(region)
        for _ in range(6):
            region.faults.append(
                Fault("DescribeTable", "InternalServerError", matches=of_table("orders"))
            )
            invoke(region, "sweep")
            wait(region, minutes=5)
            invoke(region, "sweep")
            wait(region, minutes=5)
        assert told(region) == []


def backup(region: Region, state: str) -> None:
    job = {
        "State": state,
        "ResourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
        "BackupJobId": "1",
    }
    region.answers["backup", "ListBackupJobs"] = lambda _: {"BackupJobs": [job] if state else []}


def test_a_pause_is_told_when_it_begins_and_again_when_another_does() -> None:
    pause = '\n[[pause]]\nname = "nightly"\njob = "backup"\ntables = ["orders"]\n'
    with scene(telling("paused") + pause) as region:
        with_topic(region)
        backup(region, "RUNNING")
        region.run(3 * HOUR)
        assert told(region) == ["Paused: orders"]
        assert texts(region)[0].startswith(
            "orders:read: a job that owns its capacity is running: pause nightly: AWS Backup is running\norders:write: "
        )
        backup(region, "")
        region.run(2 * HOUR)
        backup(region, "RUNNING")
        region.run(HOUR)
        assert told(region) == ["Paused: orders"] * 2


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


def test_a_raise_by_the_fleet_is_told_and_a_fleet_that_cannot_be_counted_once() -> None:
    with orders(telling("fleet") + FLEET) as region:
        with_topic(region)
        instances(region, 12)
        pass_minutes(region, 5, BUSY)
        invoke(region, "sweep")
        assert told(region) == ["Following its fleet: orders"]
        assert f"orders:read 100 → 120 units: {WHY[Reason.FLEET]}" in texts(region)[0]
        wait(region, minutes=5)
        region.faults.append(Fault("DescribeInstances", "InternalError", times=10_000))
        for _ in range(4):
            pass_minutes(region, 5, BUSY)
            invoke(region, "sweep")
        assert told(region) == ["Following its fleet: orders"] * 2
        assert "cannot be counted" in texts(region)[1]


# where there is no alarm to remember it


def test_a_target_without_an_alarm_is_remembered_by_another_of_its_table() -> None:
    config = (
        telling("low_throughput", notify_below_percent=10) + "\n[tables.read]\nscale_up = false\n"
    )
    with scene(config) as region:
        with_topic(region)
        assert table_alarms.name_of(READS) not in region.cloudwatch.alarms
        pass_minutes(region, 61, BUSY | {READS: 1.0})
        for _ in range(3):
            invoke(region, "sweep")
            region.deploy(region.functions.config)
            pass_minutes(region, 5, BUSY | {READS: 1.0})
        assert told(region) == ["Low throughput: orders"]


def test_without_any_alarm_the_container_remembers() -> None:
    with scene(
        telling("low_throughput", notify_below_percent=10, scale_up=False, scale_down=False)
    ) as region:
        with_topic(region)
        assert region.cloudwatch.alarms == {}
        pass_minutes(region, 61, BUSY | {READS: 1.0})
        for _ in range(3):
            invoke(region, "sweep")
            pass_minutes(region, 5, BUSY | {READS: 1.0})
        assert told(region) == ["Low throughput: orders"]
        assert set(operations(region)) & {"ListTagsForResource", "TagResource"} == set()


def test_the_sweep_that_makes_the_alarm_leaves_the_telling_to_the_next() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        region.deploy(telling("low_throughput", notify_below_percent=10, min_units=100))
        with_topic(region)
        pass_minutes(region, 61, {READS: 50.0, WRITES: 1.0})
        invoke(region, "sweep")
        assert told(region) == []
        invoke(region, "sweep")
        invoke(region, "sweep")
        assert told(region) == ["Low throughput: orders"]


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
            said["TopicArn"]: said["Message"].split(" units")[0]
            for said in requests(region, "Publish")
        }
        assert found == {TOPIC: "orders:read 5 → 10", f"{TOPIC}-writes": "orders:write 5 → 10"}


@pytest.mark.parametrize("where", ["policy", "nothing to tell"])
def test_a_dry_run_tells_nothing(where: str) -> None:
    config = telling(
        "scaled_up",
        "at_max",
        max_units=100,
        **({"dry_run": True} if where == "policy" else {"notify": ()}),
    )
    with scene(config) as region:
        with_topic(region)
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        for function in ("sweep", "follow_up", "scale_down"):
            invoke(region, function)
        assert told(region) == []


def test_nor_does_a_dry_run_of_the_whole() -> None:
    from chalicelib import handlers
    from tests.support.scenes import new_run

    with scene(telling("scaled_up", "at_max", max_units=100)) as region:
        with_topic(region)
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        report = handlers.sweep(new_run(region, region.functions.config, dry_run=True))
        assert report.decisions
        assert (told(region), report.notified) == ([], [])


def test_a_table_that_is_left_alone_is_not_told_of(region: Region) -> None:
    with_topic(region)
    autoscale(region)
    pass_minutes(region, 61, LOW, {READS: 20.0})
    invoke(region, "sweep")
    assert told(region) == []


def test_a_topic_in_another_region_is_told_there() -> None:
    there = TOPIC.replace("us-east-1", "eu-west-1")
    with scene(telling("scaled_up", notify_topic=there)) as region:
        import boto3

        boto3.client("sns", region_name="eu-west-1").create_topic(Name="capacity")
        pass_minutes(region, 5, {READS: 95.0})
        assert send(region, alarm_message(region)).error is None


# Slack


def with_slack(region: Region, store: str, value: str = URL) -> None:
    if store == "secretsmanager":
        region.client("secretsmanager").create_secret(Name="headroom/slack", SecretString=value)
    else:
        region.client("ssm").put_parameter(Name="/headroom/slack", Value=value, Type="SecureString")
    region.http.servers[URL] = 200
    region.calls.clear()


def posted(region: Region) -> list[str]:
    return [json.loads(asked.request.data or b"{}")["text"] for asked in region.http.requests]  # type: ignore[arg-type]


def slack(store: str, *kinds: str, **settings: Any) -> str:
    kept = {"secretsmanager": "secretsmanager:headroom/slack", "ssm": "ssm:/headroom/slack"}[store]
    return rules(**{"notify": kinds or ("scaled_up",), "notify_slack": kept, **settings})


@pytest.mark.parametrize("store", ["secretsmanager", "ssm"])
@pytest.mark.parametrize(
    "value", [URL, f"{URL}\n", json.dumps({"url": URL})], ids=["plain", "with a newline", "json"]
)
def test_slack_is_told_through_the_url_that_either_store_keeps(store: str, value: str) -> None:
    with scene(slack(store)) as region:
        with_slack(region, store, value)
        pass_minutes(region, 5, {READS: 95.0})
        assert send(region, alarm_message(region)).error is None
        (asked,) = region.http.requests
        assert (asked.url, asked.request.get_method(), asked.seconds) == (URL, "POST", 5.0)
        assert asked.headers["content-type"] == "application/json"
        assert posted(region)[0].startswith(
            "*Headroom raised orders*\norders:read 100 → 150 units: consumption is at or above"
        )


def test_the_url_is_read_once_in_a_while() -> None:
    with scene(slack("ssm")) as region:
        with_slack(region, "ssm")
        for load in (95.0, 145.0):
            pass_minutes(region, 5, {READS: load})
            send(region, alarm_message(region))
        assert (len(region.http.requests), operations(region).count("GetParameter")) == (2, 1)
        pass_minutes(region, 15, {READS: 220.0})
        send(region, alarm_message(region))
        assert (len(region.http.requests), operations(region).count("GetParameter")) == (3, 2)


def test_what_slack_would_take_for_its_own_marks_is_escaped() -> None:
    config = (
        slack("ssm", "paused")
        + '\n[[pause]]\nname = "<!channel> & co"\njob = "backup"\ntables = ["orders"]\n'
    )
    with scene(config) as region:
        with_slack(region, "ssm")
        backup(region, "RUNNING")
        invoke(region, "sweep")
        assert "pause &lt;!channel&gt; &amp; co: AWS Backup is running" in posted(region)[0]


def everything_said(region: Region, seen: list[Invocation]) -> str:
    """Return all that the functions have logged and raised."""
    found = []
    for invocation in seen:
        found.append(json.dumps(invocation.logs, default=str))
        error = invocation.error
        while error is not None:
            found += [
                str(error),
                repr(error),
                *(str(one) for one in getattr(error, "exceptions", ())),
            ]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(found)


def refuse(_: Any) -> int:
    raise OSError(f"cannot connect to {URL}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(200, "", id="taken"),
        pytest.param(404, "the webhook answered with status 404", id="refused"),
        pytest.param(301, "the webhook answered with status 301", id="sent elsewhere"),
        pytest.param(refuse, "no answer (OSError)", id="silent"),
    ],
)
def test_the_url_is_in_no_log_line_and_in_no_error(answer: Any, said: str) -> None:
    with scene(slack("ssm")) as region:
        with_slack(region, "ssm")
        region.http.servers[URL] = answer
        seen = record_invocations(region)
        pass_minutes(region, 5, {READS: 95.0})
        invocation = send(region, alarm_message(region))
        assert units(region)["orders:read"] == 150
        assert [said in failure for failure in failures(invocation)] == ([True] if said else [])
        assert SECRET not in everything_said(region, seen)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(URL.replace("https", "http"), id="no https"),
        pytest.param(f"file:///{SECRET}", id="a file"),
        pytest.param(f"https://hooks.slack.com/{SECRET} x", id="with a space"),
        pytest.param(f"https://[{SECRET}/x", id="no host"),
        pytest.param(json.dumps({"uri": URL}), id="json without url"),
        pytest.param('{"url": ' + URL, id="broken json"),
        pytest.param(json.dumps([URL]), id="a list"),
    ],
)
def test_what_is_no_https_url_is_told_and_asked_for_nothing(value: str) -> None:
    with scene(slack("ssm")) as region:
        with_slack(region, "ssm", value)
        seen = record_invocations(region)
        pass_minutes(region, 5, {READS: 95.0})
        (failure,) = failures(send(region, alarm_message(region)))
        assert failure.startswith(
            "ssm:/headroom/slack: sending 'Headroom raised orders' failed: ssm:/headroom/slack: holds no "
        )
        assert region.http.requests == []
        assert SECRET not in everything_said(region, seen)


# never in the way


def test_a_topic_that_refuses_never_stops_a_scaling_and_is_a_failure(region: Region) -> None:
    with_topic(region)
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


def test_lambdas_second_try_scales_nothing_and_tells_nothing_twice(region: Region) -> None:
    with_topic(region)
    region.faults.append(Fault("Publish", "InternalError", times=1))
    pass_minutes(region, 5, {READS: 95.0})
    seen = record_invocations(region)
    assert send(region, alarm_message(region)).error is not None
    region.run(4)
    again = [invocation for invocation in seen if invocation.function == "on_alarm"][1:]
    assert [invocation.error for invocation in again] == [None]
    assert units(region)["orders:read"] == 150
    assert len(requests(region, "UpdateTable")) == 1
    assert told(region).count("Headroom raised orders") == 1  # the one that failed


def test_a_queues_message_whose_telling_failed_comes_back_and_then_is_done_with() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        app = region.deploy(telling("scaled_up"), environment={"ALARM_SOURCES": "queue"})
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
        assert (units(region)["orders:read"], len(told(region))) == (150, 1)


def test_a_state_that_could_not_be_told_is_told_by_a_later_sweep() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        region.faults.append(Fault("Publish", "InternalError", times=2))
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        outcomes = [invoke(region, "sweep").error is None for _ in range(4)]
        assert outcomes == [False, False, True, True]
        assert len(told(region)) == 3
        assert "headroom-told-at_max" in tags(region)


def test_the_other_destination_is_told_and_the_one_that_was_told_is_not_told_again() -> None:
    with scene(slack("ssm", "at_max", max_units=100, notify_topic=TOPIC)) as region:
        with_topic(region)
        with_slack(region, "ssm")
        region.http.servers[URL] = 500
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        assert [invoke(region, "sweep").error is None for _ in range(3)] == [False, True, True]
        assert (len(told(region)), len(posted(region))) == (1, 1)


def test_a_destination_that_failed_is_not_tried_again_in_the_same_run() -> None:
    with Region() as region:
        for i in range(4):
            region.create_table(f"orders-{i}", 5, 5)
        region.deploy(telling("scaled_up", min_units=10))
        with_topic(region)
        region.faults.append(Fault("Publish", "InternalError", times=1))
        assert len(failures(invoke(region, "sweep"))) == 4
        assert len(told(region)) == 1


def test_tags_that_cannot_be_read_tell_nothing_and_are_a_failure() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        region.faults.append(Fault("ListTagsForResource", "AccessDenied", times=1))
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        (failure,) = failures(invoke(region, "sweep"))
        assert "headroom-orders:read: ListTagsForResource failed" in failure
        assert told(region) == []
        assert invoke(region, "sweep").error is None
        assert len(told(region)) == 1


def test_tags_that_cannot_be_written_do_not_tell_it_at_every_sweep() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        region.faults.append(Fault("TagResource", "AccessDenied", times=1))
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        assert len(failures(invoke(region, "sweep"))) == 1
        invoke(region, "sweep")
        assert len(told(region)) == 1


def test_alarms_that_cannot_be_listed_tell_no_state() -> None:
    with scene(telling("at_max", max_units=100)) as region:
        with_topic(region)
        region.faults.append(Fault("DescribeAlarms", "InternalError", times=1))
        pass_minutes(region, 30, {READS: 100.0}, {READS: 20.0})
        assert len(failures(invoke(region, "sweep"))) == 1
        assert told(region) == []


# permissions


def statements(config: str, function: str = "sweep") -> dict[str, Any]:
    found = permissions.configured_policy(configuration.load(config), function) or {"Statement": []}
    return {s["Action"]: s["Resource"] for s in found["Statement"] if s["Effect"] == "Allow"}


def test_a_role_may_tell_exactly_whom_the_configuration_names() -> None:
    both = f'{telling("scaled_up")}\nnotify_slack = "secretsmanager:headroom/slack"\n[tables.write]\nnotify_topic = "{TOPIC}-2"'
    assert statements(both, "on_alarm") == {
        "sns:Publish": [TOPIC, f"{TOPIC}-2"],
        "secretsmanager:GetSecretValue": ["arn:*:secretsmanager:*:*:secret:headroom/slack-??????"],
    }
    assert statements(slack("ssm"), "scale_down") == {
        "ssm:GetParameter": ["arn:*:ssm:*:*:parameter/headroom/slack"]
    }


def test_only_the_sweep_may_read_what_was_told_and_only_where_there_is_something_to_remember() -> (
    None
):
    assert "cloudwatch:ListTagsForResource" in statements(telling("at_max"))
    assert "cloudwatch:ListTagsForResource" not in statements(telling("at_max"), "on_alarm")
    assert "cloudwatch:ListTagsForResource" not in statements(telling("scaled_up"))


@pytest.mark.parametrize(
    "config",
    [rules(), telling(), telling("scaled_up", dry_run=True)],
    ids=["none", "no kind", "dry run"],
)
def test_without_anybody_to_tell_nothing_more_is_allowed(config: str) -> None:
    assert statements(config) == {}


def test_an_arn_of_a_secret_or_parameter_is_allowed_as_it_is() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
    assert statements(telling("scaled_up", notify_slack=f"secretsmanager:{arn}"))[
        "secretsmanager:GetSecretValue"
    ] == [arn]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"notify_topic": f"{TOPIC}.fifo"}, id="a fifo topic"),
        pytest.param({"notify_topic": "capacity"}, id="a topic's name"),
        pytest.param({"notify_slack": URL}, id="the URL itself"),
        pytest.param({"notify_slack": "secretsmanager:*"}, id="a wildcard"),
        pytest.param({"notify_slack": "ssm:/a?"}, id="another wildcard"),
        pytest.param({"notify": ["scaled_sideways"]}, id="no such kind"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(configuration.ConfigError):
        configuration.load(rules(**settings))


# the page


def test_the_page_has_a_row_for_every_kind_and_its_example_loads() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}
    assert set(get_args(NotificationKind)) <= set(rows)
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = configuration.load(example)
    assert [p.notify for p in config.policies() if p.notify_slack]
    assert tomllib.loads(example)
    assert {
        kind for kind in SUBJECTS if SUBJECTS[kind].split(":")[0].format("").strip() in PAGE
    } == set(SUBJECTS)
