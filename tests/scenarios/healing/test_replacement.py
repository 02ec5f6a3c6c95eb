"""Healing: which instances are replaced, and which are left alone."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.metrics import EC2
from headroom.region.autoscaling_groups import EBS, SYSTEM
from headroom.region.region import Region
from tests.support.builders import TOPIC
from tests.support.healing import (
    alarm_of,
    by_function,
    healing,
    of_zone,
    touched,
    verdicts,
    web,
)
from tests.support.scenes import (
    actions,
    alarm_message,
    invoke,
    operations,
    record_invocations,
    requests,
    send,
    skips,
)

pytestmark = pytest.mark.scene.with_args(web)

# replaced


@pytest.mark.parametrize("check", ["instance", SYSTEM, EBS])
def test_an_instance_whose_status_check_fails_is_replaced_within_minutes_by_its_group(
    region: Region, ids: list[str], check: str
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0], check=check)
    region.run(6)
    marked = {
        "InstanceId": ids[0],
        "HealthStatus": "Unhealthy",
        "ShouldRespectGracePeriod": False,
    }
    assert requests(region, "SetInstanceHealth") == [marked]
    assert [i.function for i in invocations if "Heal" in actions(i)] == ["on_alarm"]
    members = region.groups.members("web")
    assert len(members) == 6
    assert ids[0] not in members
    assert region.groups.activities[1]["Cause"].endswith("in response to a user health-check.")


@pytest.mark.scene(web, size=1)
def test_the_only_instance_of_a_group_is_replaced_once(region: Region, ids: list[str]) -> None:
    region.groups.fail_checks(ids[0])
    region.run(6)
    assert touched(region) == ids
    (new,) = region.groups.members("web")
    assert new not in ids


@pytest.mark.scene(web, healing(heal_only_member=False), size=1)
def test_the_only_instance_of_a_group_is_left_alone_where_the_rule_says_so(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0])
    region.run(4)
    assert touched(region) == []
    assert by_function(invocations)["on_alarm"] == {"LastHealthyInstances"}


def test_every_instance_has_an_alarm_and_the_alarm_goes_with_it(
    region: Region, ids: list[str]
) -> None:
    assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids]
    region.groups.fail_checks(ids[0])
    region.run(14)
    assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in region.groups.members("web")]
    assert {a.state.value for a in region.cloudwatch.alarms.values()} == {"OK"}


def test_instances_set_aside_have_no_alarm(region: Region, ids: list[str]) -> None:
    standby = {
        "InstanceIds": [ids[0]],
        "AutoScalingGroupName": "web",
        "ShouldDecrementDesiredCapacity": True,
    }
    region.client("autoscaling").enter_standby(**standby)
    invoke(region, "sweep")
    assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids[1:]]


@pytest.mark.scene(web, healing(within_minutes=15))
def test_a_second_sick_instance_waits_for_the_budget_and_follow_up_gives_it_its_second_chance(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0])
    region.run(1)
    region.groups.fail_checks(ids[1])
    region.run(10)
    assert touched(region) == [ids[0]]
    region.run(15)
    assert touched(region) == ids[:2]
    assert [i.function for i in invocations if "Heal" in actions(i)] == ["on_alarm", "follow_up"]
    at = [c.at for c in region.calls if c.operation == "SetInstanceHealth"]
    assert at[1] - at[0] >= timedelta(minutes=15)


@pytest.mark.scene(web, healing(max_instances=2, max_percent=40))
def test_as_many_as_the_budget_allows_are_replaced_at_once_and_no_more(
    region: Region, ids: list[str]
) -> None:
    region.groups.fail_checks(*of_zone(region, "us-east-1a", ids)[:2])
    region.groups.fail_checks(of_zone(region, "us-east-1b", ids)[0])
    region.run(30)
    assert len(touched(region)) == len(set(touched(region))) == 2


def test_what_others_replaced_for_its_health_counts_too(region: Region, ids: list[str]) -> None:
    region.client("autoscaling").set_instance_health(InstanceId=ids[5], HealthStatus="Unhealthy")
    region.run(3)
    region.calls.clear()
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0])
    region.run(5)
    assert (touched(region), by_function(invocations)["on_alarm"]) == ([], {"HealingBudgetUsedUp"})


def stand_by(region: Region, instance: str) -> None:
    region.client("autoscaling").enter_standby(
        InstanceIds=[instance], AutoScalingGroupName="web", ShouldDecrementDesiredCapacity=True
    )


def protect(region: Region, instance: str) -> None:
    region.client("autoscaling").set_instance_protection(
        InstanceIds=[instance], AutoScalingGroupName="web", ProtectedFromScaleIn=True
    )


def suspend(region: Region, _: str) -> None:
    region.client("autoscaling").suspend_processes(
        AutoScalingGroupName="web", ScalingProcesses=["ReplaceUnhealthy"]
    )


def scale_out(region: Region, _: str) -> None:
    region.client("autoscaling").set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=7)


# left alone


@pytest.mark.parametrize(
    ("what", "reason"),
    [(stand_by, "NotInService"), (protect, "ProtectedFromScaleIn"), (suspend, "ProcessSuspended")],
)
@pytest.mark.parametrize(
    "action",
    [
        pytest.param("replace"),
        pytest.param("reboot", marks=pytest.mark.scene(web, healing(action="reboot"))),
    ],
)
def test_what_is_set_aside_protected_or_suspended_is_left_alone_and_it_is_reported(
    region: Region, ids: list[str], what: Any, reason: str, action: str
) -> None:
    invocations = record_invocations(region)
    what(region, ids[0])
    region.groups.fail_checks(ids[0])
    region.run(4)
    may = (action, reason) == (
        "reboot",
        "ProcessSuspended",
    )  # a suspended process is what lets a reboot be
    assert touched(region) == ([ids[0]] if may else [])
    assert (
        reason in by_function(invocations)["on_alarm"] | by_function(invocations)["follow_up"]
        or may
    )


def test_a_detached_instance_is_nobodys(region: Region, ids: list[str]) -> None:
    invocations = record_invocations(region)
    detach = {
        "InstanceIds": [ids[0]],
        "AutoScalingGroupName": "web",
        "ShouldDecrementDesiredCapacity": True,
    }
    region.client("autoscaling").detach_instances(**detach)
    invocation = send(region, alarm_message(region, name=alarm_of(ids[0])))
    assert (skips(invocation), touched(region)) == ([(ids[0], "NotManaged")], [])
    assert all(not i.error for i in invocations)


@pytest.mark.scene(web, healing(cooldown_minutes=20))
def test_an_instance_that_was_launched_just_now_is_left_to_start(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    scale_out(region, "")
    region.run(5)
    new = next(iter(set(region.groups.members("web")) - set(ids)))
    region.groups.fail_checks(new)
    region.run(8)
    assert (touched(region), by_function(invocations)["follow_up"]) == ([], {"LaunchedRecently"})
    region.run(10)
    assert touched(region) == [new]


@pytest.mark.scene(web, healing(max_instances=100, max_percent=100))
def test_a_whole_zone_that_fails_at_once_is_an_outage_and_nothing_is_replaced(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(*of_zone(region, "us-east-1a", ids))
    region.run(30)
    assert (touched(region), by_function(invocations)["follow_up"]) == ([], {"Outage"})


@pytest.mark.scene(web, healing(max_instances=100, max_percent=100), size=2)
def test_of_two_the_last_healthy_one_is_never_replaced(region: Region, ids: list[str]) -> None:
    region.groups.fail_checks(*ids)
    region.run(20)
    assert touched(region) == []


def test_a_late_a_doubled_or_a_forged_message_does_nothing_that_the_facts_do_not_call_for(
    region: Region, ids: list[str]
) -> None:
    well = send(region, alarm_message(region, name=alarm_of(ids[0])))
    assert verdicts(well) == {ids[0]: "StatusChecksPass"}
    region.groups.fail_checks(ids[1])
    once, twice = (send(region, alarm_message(region, name=alarm_of(ids[1]))) for _ in range(2))
    assert (verdicts(once), verdicts(twice)) == (
        {ids[1]: "StatusCheckFailed"},
        {ids[1]: "BeingReplaced"},
    )
    assert touched(region) == [ids[1]]


@pytest.mark.scene(web, healing("api-*"))
def test_groups_that_no_rule_names_are_not_even_looked_at(region: Region, ids: list[str]) -> None:
    assert region.cloudwatch.alarms == {}
    region.client("cloudwatch").put_metric_alarm(
        AlarmName="web-status",
        Namespace=EC2,
        MetricName="StatusCheckFailed",
        Dimensions=[{"Name": "InstanceId", "Value": ids[0]}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=1.0,
        AlarmActions=[TOPIC],
    )
    assert skips(send(region, alarm_message(region, name="web-status"))) == [(ids[0], "NotManaged")]
    assert "DescribeInstanceStatus" not in operations(region)


def test_an_alarm_of_another_region_or_account_is_not_heard(region: Region, ids: list[str]) -> None:
    region.groups.fail_checks(ids[0])
    for arn in (
        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x",
        "arn:aws:cloudwatch:us-east-1:999999999999:alarm:x",
    ):
        invocation = send(region, alarm_message(region, name=alarm_of(ids[0]), AlarmArn=arn))
        assert skips(invocation) == [(alarm_of(ids[0]), "ForeignAccountOrRegion")]
    assert touched(region) == []


def test_an_alarm_that_somebody_made_himself_is_heard_and_followed(
    region: Region, ids: list[str]
) -> None:
    theirs = dict(region.cloudwatch.alarms[alarm_of(ids[0])].fields) | {"AlarmName": "web-0-status"}
    region.client("cloudwatch").delete_alarms(AlarmNames=[alarm_of(ids[0])])
    region.client("cloudwatch").put_metric_alarm(**theirs)
    region.groups.fail_checks(ids[0])
    region.run(4)
    assert touched(region) == [ids[0]]
