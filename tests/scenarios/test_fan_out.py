"""Large accounts: the scheduled functions hand groups of tables to the workers.

The size from which they do so is set low, so that a few tables are enough.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import SQSEventConfig

from chalicelib import fan_out, handlers
from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.config.rules import Config, Scope
from chalicelib.events import Check, GroupEvent
from chalicelib.model import BOTH, Dimension, Reason, Target
from chalicelib.run import Run
from headroom.deploy.blueprint import GROUP_SECONDS
from headroom.deploy.permissions import configured_policy
from headroom.deploy.stage import SCHEDULED, Stage, complete
from headroom.region.context import Fault, Invocation
from headroom.region.region import Region
from tests.support.builders import FOREIGN
from tests.support.iam import Ask, Policy, allowed, asks
from tests.support.judge import cuts, location_of
from tests.support.notifications import notification_rules, with_topic
from tests.support.scenes import (
    MIDDAY,
    WRITING,
    Countdown,
    autoscale,
    decisions,
    failures,
    invoke,
    log_lines,
    new_run,
    of_table,
    pass_minutes,
    requests,
    rules,
    skips,
    slow,
    units,
    writes,
)

NAMES = tuple(f"orders-{i}" for i in range(6))
FAN_OUT = "\n[fan_out]\nworkers = 2\nabove_tables = 3\n"
QUEUE = "headroom-dev-groups"
SERVICE = {"POWERTOOLS_SERVICE_NAME": "headroom-dev"}


@contextmanager
def large(config: str = rules() + FAN_OUT) -> Iterator[Region]:
    """A region with six tables of 100 units, the app, and its alarms made."""
    with Region(MIDDAY) as region:
        for name in NAMES:
            region.create_table(name, 100, 100)
        region.deploy(config, environment=SERVICE)
        invoke(region, "sweep")
        region.functions.take_messages()
        region.calls.clear()
        yield region


@pytest.fixture(scope="module")
def scene() -> Iterator[Region]:
    with large() as region:
        yield region


def reads(name: str) -> Target:
    return Target(name, "", Dimension.READ)


def units_of_reads(region: Region) -> dict[str, int]:
    return {name: units(region)[f"{name}:read"] for name in NAMES}


def message(
    *tables: str, check: str = "sweep", directions: tuple[str, ...] = ("down", "up")
) -> str:
    return json.dumps({"check": check, "tables": tables, "directions": directions})


def take(region: Region, *texts: str) -> list[Invocation]:
    """Let the workers take these messages."""
    for text in texts:
        region.functions.queues.put(QUEUE, text)
    region.calls.clear()
    return region.functions.take_messages()


def operations_of(invocation: Invocation) -> set[str]:
    return {call.operation for call in invocation.calls}


# who looks


@pytest.mark.parametrize(
    ("function", "metrics"), [("sweep", True), ("scale_down", True), ("follow_up", False)]
)
def test_above_the_size_workers_look_and_the_function_does_not(
    function: str, metrics: bool
) -> None:
    with large() as region:
        pass_minutes(region, 180, {reads(name): 10.0 for name in NAMES})
        if function == "follow_up":
            for name in NAMES:
                region.cloudwatch.alarms[f"headroom-{name}:read"].state.value = "ALARM"
        sender = invoke(region, function)
        (worker,) = region.functions.take_messages()
    assert (decisions(sender), sender.result["HandedOver"]) == ({}, len(NAMES))
    assert {target.table for target in decisions(worker)} == set(NAMES)
    assert operations_of(sender).isdisjoint({"GetMetricData", "UpdateTable"})
    assert ("UpdateTable" in operations_of(worker)) is metrics  # idle: lowered, and never by UP


@pytest.mark.parametrize(
    "config", [rules(), rules() + FAN_OUT.replace("3", "6")], ids=["off", "few"]
)
def test_without_workers_or_with_few_tables_the_function_looks_itself(config: str) -> None:
    with large(config) as region:
        assert len(decisions(invoke(region, "sweep"))) == 12
        assert region.functions.queues.messages == []


def test_the_worker_is_deployed_only_where_the_configuration_has_workers() -> None:
    def worker(config: str) -> list[tuple[str, int]]:
        with Region(MIDDAY) as region:
            found = region.deploy(config, environment=SERVICE).app.event_sources
        return [(e.queue, e.maximum_concurrency) for e in found if isinstance(e, SQSEventConfig)]

    assert (worker(rules()), worker(rules() + FAN_OUT)) == ([], [(QUEUE, 2)])


def test_a_dry_run_hands_nothing_over(scene: Region) -> None:
    run = new_run(scene, rules() + FAN_OUT, dry_run=True)
    run.aws.group_queue = QUEUE
    assert len(handlers.sweep(run).decisions) == 12


# what a message may do


@pytest.mark.parametrize(
    ("text", "skipped", "looked_at"),
    [
        ("no JSON", ("message", Reason.MALFORMED), set()),
        ("[" * 1_100, ("message", Reason.MALFORMED), set()),
        (message("orders-1", check="delete"), ("message", Reason.MALFORMED), set()),
        (message("arn:aws:dynamodb:*"), ("message", Reason.MALFORMED), set()),
        (message("users", "orders-1"), ("users", Reason.NOT_MANAGED), {"orders-1"}),
        (message("orders-gone", "orders-1"), ("orders-gone", Reason.GONE), {"orders-1"}),
        (message("orders-0", "orders-1"), ("orders-0", Reason.AUTOSCALING_CONFLICT), {"orders-1"}),
    ],
)
def test_a_message_that_the_facts_do_not_bear_out_changes_nothing(
    scene: Region, text: str, skipped: tuple[str, str], looked_at: set[str]
) -> None:
    if skipped[0] == "orders-0":
        autoscale(scene, "table/orders-0")
        scene.travel(scene.now + handlers.OWNERS_KEPT)
    (worker,) = take(scene, text)
    assert (worker.error, skips(worker)) == (None, [skipped])
    assert {target.table for target in decisions(worker)} == looked_at
    assert operations_of(worker).isdisjoint(WRITING)


def test_a_doubled_or_late_message_repeats_no_change() -> None:
    with large() as region:
        pass_minutes(region, 180, {reads(name): 10.0 for name in NAMES})
        text = message("orders-1", check="scale_down")
        first, second = take(region, text, text)
        lowered = units(region)["orders-1:read"]
        pass_minutes(region, 30, {reads("orders-1"): 10.0})
        (late,) = take(region, text)
        assert lowered == 16
        assert "UpdateTable" in operations_of(first)
        assert "UpdateTable" not in operations_of(second) | operations_of(late)
        assert units(region)["orders-1:read"] == lowered


def test_a_message_without_down_lowers_nothing() -> None:
    with large() as region:
        pass_minutes(region, 180, {reads(name): 10.0 for name in NAMES})
        (worker,) = take(region, message(*NAMES, check="scale_down", directions=("up",)))
        assert (len(decisions(worker)), "UpdateTable" in operations_of(worker)) == (12, False)


# what fails


@pytest.mark.parametrize("operation", ["GetQueueUrl", "SendMessageBatch"])
def test_where_the_queue_does_not_answer_the_function_looks_itself(operation: str) -> None:
    with large() as region:
        region.deploy(rules() + FAN_OUT, environment=SERVICE)  # a new container
        region.faults.append(Fault(operation, "AccessDenied", times=9))
        invocation = invoke(region, "sweep")
        assert len(decisions(invocation)) == 12
        (failure,) = failures(invocation)
        assert failure.startswith("the queue of groups: SendMessageBatch failed")


@pytest.mark.parametrize(
    ("above_tables", "raised"), [(3, set[str]()), (6, {NAMES[0]})], ids=["workers", "few tables"]
)
def test_while_describe_alarms_is_silent_follow_up_reports_it_in_time_and_raises_few_tables_itself(
    above_tables: int, raised: set[str]
) -> None:
    with large(rules() + FAN_OUT.replace("3", str(above_tables))) as region:
        pass_minutes(region, 65, {reads(name): 70.0 for name in NAMES} | {reads(NAMES[0]): 95.0})
        region.calls.clear()
        region.answers["cloudwatch", "DescribeAlarms"] = slow(region, 33)
        began = region.now
        invocation = invoke(region, "follow_up")
        assert region.now - began <= timedelta(seconds=15)
        assert failures(invocation)[0].startswith("the alarms in ALARM: DescribeAlarms failed")
        updates = requests(region, "UpdateTable")
        assert {call["TableName"] for call in updates} == raised
        assert bool(requests(region, "GetMetricData")) is bool(raised)
        assert region.functions.take_messages() == []


def test_a_group_that_the_queue_refuses_is_looked_at_by_the_function(scene: Region) -> None:
    names = [f"orders-{i:03}" for i in range(170)]
    refused: list[str] = []

    def refuse_the_second(params: Mapping[str, Any]) -> dict[str, Any]:
        entry = params["Entries"][1]
        refused.extend(json.loads(entry["MessageBody"])["tables"])
        return {"Successful": [], "Failed": [{"Id": entry["Id"], "SenderFault": False}]}

    scene.answers["sqs", "SendMessageBatch"] = refuse_the_second
    run = new_run(scene, rules() + FAN_OUT)
    run.aws.group_queue = QUEUE
    left = fan_out.hand_over(run, "sweep", names, BOTH)
    del scene.answers["sqs", "SendMessageBatch"]
    assert (left, run.report.handed_over) == (refused, 170 - len(refused))


def test_a_sweep_leaves_most_of_the_rate_of_describe_alarms_to_its_workers() -> None:
    def two_pages(params: Mapping[str, Any]) -> dict[str, Any] | None:
        if "ActionPrefix" not in params:
            return None
        more = {} if "NextToken" in params else {"NextToken": "2"}
        return {"MetricAlarms": [], "CompositeAlarms": [], **more}

    with large() as region:
        region.answers["cloudwatch", "DescribeAlarms"] = two_pages
        pauses: list[list[float]] = []
        for workers, spent in ((QUEUE, 0.0), ("", 0.0), (QUEUE, 10.0)):
            time = Countdown(300.0)
            run = new_run(region, rules() + FAN_OUT, time=time, dry_run=not workers)
            pauses.append([])
            run.aws.group_queue, run.aws.sleep = workers, pauses[-1].append
            time.wait(spent)
            handlers.sweep(run)
    # after ten seconds the workers have checked these few tables
    assert [found[:1] for found in pauses] == [[1 / 3], [], []]


def test_each_run_begins_with_another_group(scene: Region) -> None:
    firsts = set()
    for _ in range(3):
        run = new_run(scene, rules() + FAN_OUT)
        run.aws.group_queue = QUEUE
        fan_out.hand_over(run, "sweep", [f"orders-{i:03}" for i in range(170)], BOTH)
        firsts.add(json.loads(scene.functions.queues.messages[0].body)["tables"][0])
        scene.functions.queues.messages.clear()
        scene.travel(scene.now + timedelta(minutes=1))
    assert firsts == {"orders-000", "orders-001", "orders-002"}


def test_a_failed_table_returns_its_message_stops_no_other_and_ends_as_a_dead_letter() -> None:
    with large() as region:
        region.faults.append(Fault("DescribeTable", "Broken", 99, matches=of_table("orders-1")))
        first, other = take(region, message("orders-0", "orders-1"), message("orders-2"))
        region.travel(region.now + timedelta(seconds=GROUP_SECONDS))
        (second,) = region.functions.take_messages()
        region.travel(region.now + timedelta(seconds=GROUP_SECONDS))
        assert region.functions.take_messages() == []
        assert [len(i.result["batchItemFailures"]) for i in (first, other, second)] == [1, 0, 1]
        assert {target.table for target in decisions(second)} == {"orders-0"}
        assert region.functions.dead_letters == [second]


# what a worker cannot know


@pytest.mark.parametrize("function", ["sweep", "follow_up"])
def test_a_table_with_an_alarm_of_somebody_else_is_looked_at_by_the_function(function: str) -> None:
    with large() as region:
        theirs = region.cloudwatch.alarms["headroom-orders-1:read"].fields | {
            "AlarmName": FOREIGN,
            "Threshold": 1.0,
        }
        region.client("cloudwatch").put_metric_alarm(**theirs)
        for alarm in region.cloudwatch.alarms.values():
            alarm.state.value = "ALARM"
        invocation = invoke(region, function)
        assert {target.table for target in decisions(invocation)} == {"orders-1"}
        assert region.cloudwatch.alarms[FOREIGN].fields["Threshold"] == 4_800


def test_orphans_are_removed_and_missing_alarms_made_by_the_sweep_itself() -> None:
    with large() as region:
        region.client("dynamodb").delete_table(TableName="orders-1")
        region.create_table("orders-new", 5, 5)
        # a worker would not find this one
        theirs = region.cloudwatch.alarms["headroom-orders-2:read"].fields
        region.client("cloudwatch").put_metric_alarm(**{**theirs, "AlarmName": FOREIGN})
        region.client("cloudwatch").delete_alarms(AlarmNames=["headroom-orders-2:read"])
        invoke(region, "sweep")
        names = set(region.cloudwatch.alarms)
        assert {"headroom-orders-new:read", "headroom-orders-2:read"} <= names
        assert "headroom-orders-1:read" not in names


def test_where_workers_check_the_tables_the_sweep_makes_alarms_for_most_of_its_time() -> None:
    with large() as region:
        region.client("dynamodb").delete_table(TableName="orders-1")
        names = [name for name in region.cloudwatch.alarms if "orders-1:" not in name]
        region.client("cloudwatch").delete_alarms(AlarmNames=names)
        region.calls.clear()
        run = new_run(region, rules() + FAN_OUT, time=Countdown(10.0))
        run.aws.group_queue = QUEUE
        handlers.sweep(run)
        assert (run.report.handed_over, len(names)) == (5, 10)
        # without workers it would be a tenth of its ten seconds: four alarms
        assert writes(region) == ["PutMetricAlarm"] * 10 + ["DeleteAlarms"]


def test_a_worker_notifies_of_the_states_of_its_tables() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:capacity"
    config = rules(notify=["at_max"], notify_topic=topic, max_units=100) + FAN_OUT
    with large(config) as region:
        region.client("sns").create_topic(Name="capacity")
        pass_minutes(region, 60, {reads("orders-1"): 100.0}, {reads("orders-1"): 20.0})
        (worker,) = take(region, message("orders-0", "orders-1"))
        (notice,) = log_lines(worker, "notice")
        assert "TagResource" in operations_of(worker)
        assert "orders-1" in notice["message"]


@pytest.mark.parametrize(
    ("check", "tables", "groups"), [("sweep", 57, 3), ("follow_up", 57, 3), ("scale_down", 8, 22)]
)
def test_groups_that_lower_are_small_and_each_knows_how_many_there_are(
    scene: Region, check: Check, tables: int, groups: int
) -> None:
    run = new_run(scene, rules() + FAN_OUT)
    run.aws.group_queue = QUEUE
    assert not fan_out.hand_over(run, check, [f"orders-{i:03}" for i in range(170)], BOTH)
    sent = [json.loads(one.body) for one in scene.functions.queues.messages]
    scene.functions.queues.messages.clear()
    assert max(len(group["tables"]) for group in sent) == tables
    assert [group["groups"] for group in sent] == [groups] * groups


@pytest.mark.parametrize(("groups", "sharing"), [(0, 6), (1, 2), (2, 2), (6, 6), (40, 6)])
def test_only_so_many_workers_share_the_rate_as_there_are_groups(
    scene: Region, groups: int, sharing: int
) -> None:
    run = new_run(scene, rules() + FAN_OUT)
    run.side_by_side = 6
    handlers.on_group(run, GroupEvent("sweep", (), BOTH, groups))
    assert run.side_by_side == sharing


def test_workers_share_the_rate_of_alarm_writes() -> None:
    time = Countdown(60.0)
    run = Run(Aws("t", sleep=time.wait), Config(Scope({}, {})), MIDDAY, seconds_left=time)
    run.side_by_side = 6
    for _ in range(3):
        run.pace_alarm_write()
    assert time.left == 56.0  # three writes, two pauses of two seconds


# what it adds to a deployment


@pytest.mark.parametrize(("config", "there"), [(rules(), False), (rules() + FAN_OUT, True)])
def test_only_with_workers_there_is_a_function_a_queue_and_a_permission(
    config: str, there: bool
) -> None:
    found = load(config)
    stage = complete(Stage("headroom", "dev"), found)
    assert ("on_group" in stage.functions) is there
    policies = {name: str(configured_policy(found, name)) for name in stage.functions}
    sending = {name for name, policy in policies.items() if "sqs:SendMessage" in policy}
    assert sending == (set(SCHEDULED) if there else set())


@pytest.fixture(scope="module")
def worker_requests() -> list[Ask]:
    """Return every request of a worker that lowers one table and raises another."""
    with large() as region:
        pass_minutes(region, 180, {reads("orders-1"): 10.0, reads("orders-2"): 150.0})
        (worker,) = take(region, message("orders-1", "orders-2", check="scale_down"))
        location = location_of(region.name)
        return [ask for call in worker.calls for ask in asks(call, location)]


@pytest.mark.parametrize("less", [pytest.param(less, id=gone) for gone, less in cuts("on_group")])
def test_without_any_one_action_of_its_policy_a_call_of_the_worker_is_denied(
    less: Policy, worker_requests: list[Ask]
) -> None:
    assert [ask for ask in worker_requests if not allowed(less, ask)]


# some hours


def units_by_minute(config: str, minutes: int) -> tuple[dict[Target, list[int]], Region]:
    """Play traffic on two tables, with a peak in it, and return the units of each minute."""
    with Region(MIDDAY) as region:
        wave = [60 + 50 * math.sin(minute / 40) for minute in range(minutes)]
        wave[100:120] = [300.0] * 20
        units: dict[Target, list[int]] = {reads(name): [] for name in NAMES[:2]}
        for target in units:
            region.create_table(target.table, 100, 100)
            region.serve(target, wave)
        region.deploy(config, environment=SERVICE)
        region.on_minute.append(lambda now: [of.append(now.units(t)) for t, of in units.items()])
        region.run(minutes)
    return units, region


@pytest.mark.slow
def test_workers_set_the_same_capacity_in_the_same_minutes_as_the_functions_alone() -> None:
    alone, _ = units_by_minute(rules(), 260)
    shared, region = units_by_minute(rules() + FAN_OUT.replace("3", "1"), 260)
    assert shared == alone
    assert len(set(alone[reads(NAMES[0])])) > 5
    assert "SendMessageBatch" in {call.operation for call in region.calls}
    assert region.functions.dead_letters == []


@pytest.mark.parametrize(("queue", "attempts"), [("", 3), (QUEUE, 8)])
def test_with_workers_a_throttled_call_is_tried_more_often(
    scene: Region, queue: str, attempts: int
) -> None:
    config = Aws("t", queue).client("cloudwatch").meta.config
    assert config.retries["total_max_attempts"] == attempts


@pytest.mark.scene.with_args(large, notification_rules("alarm_off") + FAN_OUT)
def test_an_alarm_whose_actions_come_back_is_reported_though_workers_check_its_table(
    region: Region,
) -> None:
    with_topic(region)
    region.cloudwatch.alarms["headroom-orders-1:read"].fields["AlarmActions"] = []
    found = invoke(region, "sweep")
    assert (decisions(found), found.error) == ({}, None)
    sent = [message["Message"] for message in requests(region, "Publish")]
    assert ["alarm headroom-orders-1:read had lost its actions" in text for text in sent] == [True]
