"""While no sweep completes, Application Auto Scaling scales the tables; then Headroom again."""

import json
from copy import deepcopy

import pytest

from chalicelib import handlers, owners
from chalicelib.core import table_alarms
from headroom.deploy import permissions
from headroom.deploy.stage import UNDERSTUDY
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import named
from tests.support.builders import INDEX_READS, READS, TOPIC, WRITES
from tests.support.iam import AWS, allowed, asks
from tests.support.judge import policy_of
from tests.support.scenes import (
    actions,
    autoscale,
    failures,
    invoke,
    new_run,
    orders,
    record_invocations,
    requests,
    rules,
    skips,
    units,
)
from tests.support.understudy import APP, SECTION, registered, suspended, take_over, understudied

SERVICE = "application-autoscaling"
ALL_SUSPENDED = {
    f"table/orders{index} {side}CapacityUnits": True
    for index in ("", "/index/by-date")
    for side in ("Read", "Write")
}
ALL_ACTIVE = dict.fromkeys(ALL_SUSPENDED, False)
pytestmark = pytest.mark.scene.with_args(understudied)


def deploy_anew(region: Region, config: str) -> None:
    region.deploy(config, environment=region.functions.environment)


# the whole story


@pytest.mark.slow(traced=True)
def test_while_headroom_is_silent_application_auto_scaling_scales(region: Region) -> None:
    invocations = record_invocations(region)
    region.serve(READS, [60.0] * 15 + [300.0] * 200)
    region.run(12)
    assert region.cloudwatch.alarms["headroom-dev-silence"].state.value == "OK"
    del invocations[:]  # it also rings in the first minutes of a deployment
    region.functions.throttled.update(APP)
    region.run(20)
    assert (suspended(region), units(region)["orders:read"]) == (ALL_SUSPENDED, 100)
    region.run(40)
    runs = [one for one in invocations if one.function == UNDERSTUDY]
    assert [one.result for one in runs] == [{"resumed": 4}]
    assert suspended(region) == ALL_ACTIVE
    assert units(region)["orders:read"] > 400
    region.functions.throttled.clear()
    del invocations[:]
    region.run(5)
    first = next(one for one in invocations if one.function == "sweep")
    assert skips(first) == [("orders", "ManagedByApplicationAutoScaling")]
    assert actions(first) == ["StandBy"] * 4
    assert suspended(region) == ALL_SUSPENDED
    assert table_alarms.name_of(READS) in region.cloudwatch.alarms
    del invocations[:]
    region.run(10)
    later = [one for one in invocations if one.function == "sweep"]
    assert [skips(one) for one in later] == [[], []]
    assert region.cloudwatch.alarms["headroom-dev-silence"].state.value == "OK"
    region.run(60)
    assert not [one for one in invocations if one.function == UNDERSTUDY]


# the sweep


def test_a_sweep_registers_every_target_with_the_bounds_of_its_rule(region: Region) -> None:
    assert suspended(region) == ALL_SUSPENDED
    found = registered(region, READS)
    assert (found["MinCapacity"], found["MaxCapacity"]) == (5, 40_000)
    assert region.autoscaling.tags[found["ScalableTargetARN"]] == {
        "managed-by": "headroom",
        "headroom-topic": TOPIC,
    }
    policy = region.autoscaling.policies[(*named(INDEX_READS).values(), "headroom-understudy")]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert (tracking["TargetValue"], tracking["DisableScaleIn"]) == (70.0, False)
    again = invoke(region, "sweep")
    assert (skips(again), actions(again)) == ([], [])


def test_other_bounds_of_the_rule_are_followed(region: Region) -> None:
    deploy_anew(region, rules(min_units=7, max_units=900) + SECTION)
    invoke(region, "sweep")
    found = registered(region, WRITES)
    assert (found["MinCapacity"], found["MaxCapacity"]) == (7, 900)
    assert suspended(region) == ALL_SUSPENDED


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            rules(min_units=5) + '\n[understudy]\ntables = ["orders-2"]\n', id="other tables"
        ),
        pytest.param(rules(min_units=5) + "\n[understudy]\ntables = []\n", id="no tables"),
        pytest.param(rules(dry_run=True) + SECTION, id="dry run"),
        pytest.param(rules(scale_up=False) + SECTION, id="scaling off"),
    ],
)
def test_what_headroom_does_not_scale_any_more_is_not_left_suspended(
    region: Region, config: str
) -> None:
    deploy_anew(region, config)
    invoke(region, "sweep")
    assert suspended(region) == ALL_ACTIVE
    region.calls.clear()
    invoke(region, "sweep")
    assert requests(region, "RegisterScalableTarget") == []


def test_after_a_failure_nothing_is_suspended(region: Region) -> None:
    """Such a sweep does not count as completed: the alarm about silence would not ring again."""
    take_over(region)
    region.faults.append(Fault("ListTagsForResource", "InternalServiceException"))
    assert failures(invoke(region, "sweep"))
    assert suspended(region) == ALL_ACTIVE
    fault = Fault("GetResources", "InternalServiceException")
    region.create_table("orders-2")
    region.faults.append(fault)
    invocation = invoke(region, "sweep")
    assert ("the understudy", "CallFailed") in skips(invocation)
    assert suspended(region) == ALL_ACTIVE
    invoke(region, "sweep")
    assert set(suspended(region).values()) == {True}


@pytest.mark.scene(
    understudied,
    rules(min_units=5, notify=["scaled_up"], notify_topic=f"{TOPIC}-people") + SECTION,
)
def test_a_notification_that_fails_is_a_failure_too(region: Region) -> None:
    take_over(region)
    region.create_table("orders-2", 3, 3)
    region.faults.append(Fault("Publish", "InternalErrorException"))
    assert failures(invoke(region, "sweep"))
    assert suspended(region) == ALL_ACTIVE
    invoke(region, "sweep")
    assert set(suspended(region).values()) == {True}


def test_a_target_of_somebody_else_stays_as_it_is_and_the_table_is_left_alone(
    region: Region,
) -> None:
    region.create_table("orders-2")
    autoscale(region, "table/orders-2")
    invocation = invoke(region, "sweep")
    assert skips(invocation) == [("orders-2", "ManagedByApplicationAutoScaling")]
    assert suspended(region) == ALL_SUSPENDED | {"table/orders-2 ReadCapacityUnits": False}


@pytest.mark.parametrize("done", [0, 1], ids=["without its policy", "with its policy"])
def test_a_registration_that_stopped_half_way_is_completed(region: Region, done: int) -> None:
    region.create_table("orders-2")
    operation = ("PutScalingPolicy", "RegisterScalableTarget")[done]
    region.faults.append(Fault(operation, "ValidationException", after=done))
    assert failures(invoke(region, "sweep"))
    assert suspended(region)["table/orders-2 ReadCapacityUnits"] is False
    invoke(region, "sweep")
    assert suspended(region)["table/orders-2 ReadCapacityUnits"] is True
    assert len(region.autoscaling.policies) == 6


def test_where_application_auto_scaling_does_not_answer_nothing_is_registered(
    region: Region,
) -> None:
    region.create_table("orders-2")
    region.faults.append(Fault("DescribeScalableTargets", "InternalServiceException"))
    assert failures(invoke(region, "sweep"))
    assert requests(region, "RegisterScalableTarget") == []


def test_a_sweep_without_lambda_leaves_it_alone(region: Region) -> None:
    """Nothing would ring when such sweeps end."""
    take_over(region)
    run = new_run(region, region.functions.config)
    handlers.sweep(run, alone=True)
    handlers.stand_by(run)
    assert suspended(region) == ALL_ACTIVE


def test_without_time_the_rest_waits_for_the_next_sweep(region: Region) -> None:
    take_over(region)
    run = new_run(region, region.functions.config)
    run.length, seconds = 100.0, iter([99.0] * 3 + [1.0] * 50)
    wanted = owners.suspensions(run, {})
    run.seconds_left = lambda: next(seconds)
    owners.suspend(run, wanted)
    assert 0 < sum(suspended(region).values()) < 4
    assert run.report.skips[-1].reason == "NoTimeLeft"


@pytest.mark.scene.with_args(orders)
def test_without_the_section_nothing_is_called(region: Region) -> None:
    invoke(region, "sweep")
    assert {c.operation for c in region.calls if c.service == SERVICE} == {
        "DescribeScalableTargets"
    }
    config = new_run(region, region.functions.config).config
    assert [permissions.stand_by(config, name) for name in (*APP, "on_group")] == [[]] * 5


# the function


def test_the_understudy_resumes_the_targets_of_its_stage_only(region: Region) -> None:
    client = region.client(SERVICE)
    theirs = registered(region, WRITES)["ScalableTargetARN"]
    client.tag_resource(ResourceARN=theirs, Tags={"headroom-topic": "arn:of:another:stage"})
    assert invoke(region, UNDERSTUDY).result == {"resumed": 3}
    assert registered(region, READS)["SuspendedState"]["DynamicScalingOutSuspended"] is False
    assert registered(region, WRITES)["SuspendedState"]["DynamicScalingOutSuspended"] is True
    assert invoke(region, UNDERSTUDY).result == {"resumed": 0}


def test_a_target_whose_tags_cannot_be_read_does_not_stop_the_others(region: Region) -> None:
    region.faults.append(Fault("ListTagsForResource", "InternalServiceException"))
    assert invoke(region, UNDERSTUDY).error
    assert list(suspended(region).values()).count(False) == 3


def test_one_target_that_fails_does_not_stop_the_others(region: Region) -> None:
    reads = named(READS)["ResourceId"], named(READS)["ScalableDimension"]
    region.faults.append(
        Fault(
            "RegisterScalableTarget",
            "ValidationException",
            matches=lambda p: (p["ResourceId"], p["ScalableDimension"]) == reads,
        )
    )
    invocation = invoke(region, UNDERSTUDY)
    assert "table/orders dynamodb:table:ReadCapacityUnits" in str(invocation.error)
    assert list(suspended(region).values()).count(False) == 3
    assert invoke(region, UNDERSTUDY).result == {"resumed": 1}


# permissions


@pytest.mark.parametrize("function", ["sweep", UNDERSTUDY])
def test_every_action_that_the_section_allows_is_needed(region: Region, function: str) -> None:
    """Without one of them, IAM would deny a call."""
    config = region.functions.config
    region.autoscaling.targets.clear()
    region.autoscaling.policies.clear()
    first = invoke(region, "sweep")
    over = invoke(region, UNDERSTUDY)
    back = invoke(region, "sweep")
    calls = over.calls if function == UNDERSTUDY else [*first.calls, *back.calls]
    needed = [ask for call in calls if call.service == SERVICE for ask in asks(call, AWS)]
    tagged = {"aws:ResourceTag/headroom-topic": [TOPIC]}
    needed = [type(a)(a.action, a.resource, {**a.context, **tagged}) for a in needed]
    whole = policy_of(function, config)
    assert all(allowed(whole, ask) for ask in needed)
    added = {"LetAutoScalingStandBy", "LetItsPoliciesHaveAlarms", "LetItHaveARole"}
    of_lambda = {"WriteLogs", "SendWhatFails"}
    for number, statement in enumerate(whole["Statement"]):
        if statement["Sid"] not in added and function == "sweep":
            continue
        for action in statement["Action"] if statement["Sid"] not in of_lambda else []:
            less = deepcopy(json.loads(json.dumps(whole)))
            kept = [one for one in statement["Action"] if one != action]
            less["Statement"][number]["Action"] = kept
            assert not all(allowed(less, ask) for ask in needed), action
