"""Healing in the embedded region: a status check fails, its alarm fires, and the real app does what
the facts call for."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from chalicelib import handlers
from chalicelib.alarm_upkeep import MAX_NEW_ALARMS
from chalicelib.aws import groups
from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.core.healing import EventKind
from chalicelib.events import InstanceEvent, from_event, from_queue, from_sns
from chalicelib.healing import reconcile
from chalicelib.metrics import EC2
from chalicelib.model import Reason, Skip
from headroom.cli import app
from headroom.demo.scenes import PLAYS
from headroom.deploy import account, doctor, permissions, setup
from headroom.deploy.stage import Stage
from headroom.project import ROOT
from headroom.region.autoscaling_groups import EBS, SYSTEM
from headroom.region.context import ACCOUNT, Call, Fault, Invocation
from headroom.region.events import sns_event
from headroom.region.region import Region
from tests.support.builders import READS, TOPIC
from tests.support.iam import Ask, Place, allowed
from tests.support.scenes import (
    MIDDAY,
    actions,
    alarm_message,
    failures,
    invoke,
    log_lines,
    new_run,
    operations,
    orders,
    record_invocations,
    requests,
    rules,
    send,
    skips,
)

OPERATORS = f"arn:aws:sns:us-east-1:{ACCOUNT}:operators"
EVERY_WAY = "topic,lambda,eventbridge,queue"
TOUCHING = {"SetInstanceHealth", "RebootInstances", "TerminateInstances", "StopInstances"}


def healing(group: str = "web", **settings: Any) -> str:
    """Return a rule, with a cooldown that the scene's first minutes are longer than."""
    found = {"group": group, "cooldown_minutes": 3, **settings}
    return "\n".join(
        ["[[healing]]", *(f"{key} = {json.dumps(value)}" for key, value in found.items()), ""]
    )


@contextmanager
def web(
    config: str | None = None, size: int = 6, **environment: str
) -> Iterator[tuple[Region, list[str]]]:
    """A region with a group of instances over two zones, the app, and alarms whose first data are
    in."""
    with Region(MIDDAY) as region:
        ids = region.groups.create("web", size)
        region.deploy(healing() if config is None else config, environment=environment)
        region.run(6)
        region.calls.clear()
        yield region, ids


def alarm_of(instance: str, kind: str = "status") -> str:
    return f"headroom-instance/{instance}:{kind}"


def touched(region: Region) -> list[str]:
    """Return the instances that were marked or rebooted, in order."""
    found = [c for c in region.calls if c.operation in TOUCHING]
    return [c.params.get("InstanceId") or c.params["InstanceIds"][0] for c in found]


def verdicts(invocation: Invocation) -> dict[str, str]:
    return {line["instance"]: line["reason"] for line in log_lines(invocation, "verdict")}


def by_function(seen: list[Invocation]) -> dict[str, set[str]]:
    """Return the reasons that each function came to."""
    found: dict[str, set[str]] = {}
    for invocation in seen:
        found.setdefault(invocation.function, set()).update(verdicts(invocation).values())
    return found


def of_zone(region: Region, zone: str, ids: list[str]) -> list[str]:
    return [instance for instance in ids if region.groups.zone_of(instance) == zone]


def inbox(region: Region) -> Any:
    """Return a function that reads what the operators' topic has told since it was last asked."""
    sns, sqs = region.client("sns"), region.client("sqs")
    sns.create_topic(Name="operators")
    url = sqs.create_queue(QueueName="operators")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:operators"
    sns.subscribe(TopicArn=OPERATORS, Protocol="sqs", Endpoint=arn)

    def read() -> list[tuple[str, str]]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages", []
        ):
            for said in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=said["ReceiptHandle"])
                body = json.loads(said["Body"])
                found.append((body["Subject"], body["Message"]))
        return found

    return read


# replaced


@pytest.mark.parametrize("check", ["instance", SYSTEM, EBS])
def test_an_instance_whose_status_check_fails_is_replaced_within_minutes_by_its_group(
    check: str,
) -> None:
    with web() as (region, ids):
        seen = record_invocations(region)
        region.groups.sicken(ids[0], check=check)
        region.run(6)
        marked = {
            "InstanceId": ids[0],
            "HealthStatus": "Unhealthy",
            "ShouldRespectGracePeriod": False,
        }
        assert requests(region, "SetInstanceHealth") == [marked]
        assert [i.function for i in seen if "Heal" in actions(i)] == ["on_alarm"]
        members = region.groups.members("web")
        assert len(members) == 6
        assert ids[0] not in members
        assert region.groups.activities["web"][1]["Cause"].endswith(
            "in response to a user health-check."
        )


def test_every_instance_has_an_alarm_and_the_alarm_goes_with_it() -> None:
    with web() as (region, ids):
        assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids]
        region.groups.sicken(ids[0])
        region.run(14)
        assert sorted(region.cloudwatch.alarms) == [
            alarm_of(i) for i in region.groups.members("web")
        ]
        assert {a.state.value for a in region.cloudwatch.alarms.values()} == {"OK"}


def test_instances_set_aside_have_no_alarm() -> None:
    with web() as (region, ids):
        standby = {
            "InstanceIds": [ids[0]],
            "AutoScalingGroupName": "web",
            "ShouldDecrementDesiredCapacity": True,
        }
        region.client("autoscaling").enter_standby(**standby)
        invoke(region, "sweep")
        assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids[1:]]


def test_a_second_sick_instance_waits_for_the_budget_and_follow_up_gives_it_its_second_chance() -> (
    None
):
    with web(healing(within_minutes=15)) as (region, ids):
        seen = record_invocations(region)
        region.groups.sicken(ids[0])
        region.run(1)
        region.groups.sicken(ids[1])
        region.run(10)
        assert touched(region) == [ids[0]]
        region.run(15)
        assert touched(region) == ids[:2]
        functions = [i.function for i in seen if "Heal" in actions(i)]
        assert functions == ["on_alarm", "follow_up"]
        at = [c.at for c in region.calls if c.operation == "SetInstanceHealth"]
        assert at[1] - at[0] >= timedelta(minutes=15)


def test_as_many_as_the_budget_allows_are_replaced_at_once_and_no_more() -> None:
    with web(healing(max_instances=2, max_percent=40)) as (region, ids):
        region.groups.sicken(*of_zone(region, "us-east-1a", ids)[:2])
        region.groups.sicken(of_zone(region, "us-east-1b", ids)[0])
        region.run(30)
        assert len(touched(region)) == len(set(touched(region))) == 2


def test_what_others_replaced_for_its_health_counts_too() -> None:
    with web() as (region, ids):
        region.client("autoscaling").set_instance_health(
            InstanceId=ids[5], HealthStatus="Unhealthy"
        )
        region.run(3)
        region.calls.clear()
        seen = record_invocations(region)
        region.groups.sicken(ids[0])
        region.run(5)
        assert touched(region) == []
        assert by_function(seen)["on_alarm"] == {"HealingBudgetUsedUp"}


# left alone


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


@pytest.mark.parametrize(
    ("what", "reason"),
    [(stand_by, "NotInService"), (protect, "ProtectedFromScaleIn"), (suspend, "ProcessSuspended")],
)
@pytest.mark.parametrize("action", ["replace", "reboot"])
def test_what_is_set_aside_protected_or_suspended_is_left_alone_and_it_is_said(
    what: Any, reason: str, action: str
) -> None:
    with web(healing(action=action)) as (region, ids):
        seen = record_invocations(region)
        what(region, ids[0])
        region.groups.sicken(ids[0])
        region.run(4)
        may = (action, reason) == (
            "reboot",
            "ProcessSuspended",
        )  # a suspended process is what lets a reboot be
        assert touched(region) == ([ids[0]] if may else [])
        assert reason in by_function(seen)["on_alarm"] | by_function(seen)["follow_up"] or may


def test_a_detached_instance_is_nobodys() -> None:
    with web() as (region, ids):
        seen = record_invocations(region)
        detach = {
            "InstanceIds": [ids[0]],
            "AutoScalingGroupName": "web",
            "ShouldDecrementDesiredCapacity": True,
        }
        region.client("autoscaling").detach_instances(**detach)
        said = send(region, alarm_message(region, name=alarm_of(ids[0])))
        assert skips(said) == [(ids[0], "NotManaged")]
        assert touched(region) == []
        assert all(not i.error for i in seen)


def test_an_instance_that_was_launched_just_now_is_left_to_start() -> None:
    with web(healing(cooldown_minutes=20)) as (region, ids):
        seen = record_invocations(region)
        scale_out(region, "")
        region.run(5)
        new = next(iter(set(region.groups.members("web")) - set(ids)))
        region.groups.sicken(new)
        region.run(8)
        assert touched(region) == []
        assert by_function(seen)["follow_up"] == {"LaunchedRecently"}
        region.run(10)
        assert touched(region) == [new]


def test_a_whole_zone_that_fails_at_once_is_an_outage_and_nothing_is_replaced() -> None:
    with web(healing(max_instances=100, max_percent=100)) as (region, ids):
        seen = record_invocations(region)
        region.groups.sicken(*of_zone(region, "us-east-1a", ids))
        region.run(30)
        assert touched(region) == []
        assert by_function(seen)["follow_up"] == {"Outage"}


def test_of_two_the_last_healthy_one_is_never_replaced() -> None:
    with web(healing(max_instances=100, max_percent=100), size=2) as (region, ids):
        region.groups.sicken(*ids)
        region.run(20)
        assert touched(region) == []


def test_a_late_a_doubled_or_a_forged_message_does_nothing_that_the_facts_do_not_call_for() -> None:
    with web() as (region, ids):
        well = send(region, alarm_message(region, name=alarm_of(ids[0])))
        assert verdicts(well) == {ids[0]: "StatusChecksPass"}
        region.groups.sicken(ids[1])
        once, twice = (send(region, alarm_message(region, name=alarm_of(ids[1]))) for _ in range(2))
        assert (verdicts(once), verdicts(twice)) == (
            {ids[1]: "StatusCheckFailed"},
            {ids[1]: "BeingReplaced"},
        )
        assert touched(region) == [ids[1]]


def test_groups_that_no_rule_names_are_not_even_looked_at() -> None:
    with web(healing("api-*")) as (region, ids):
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
        said = send(region, alarm_message(region, name="web-status"))
        assert skips(said) == [(ids[0], "NotManaged")]
        assert "DescribeInstanceStatus" not in operations(region)


def test_an_alarm_of_another_region_or_account_is_not_heard() -> None:
    with web() as (region, ids):
        region.groups.sicken(ids[0])
        for arn in (
            "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x",
            "arn:aws:cloudwatch:us-east-1:999999999999:alarm:x",
        ):
            said = send(region, alarm_message(region, name=alarm_of(ids[0]), AlarmArn=arn))
            assert skips(said) == [(alarm_of(ids[0]), "ForeignAccountOrRegion")]
        assert touched(region) == []


def test_an_alarm_that_somebody_made_himself_is_heard_and_followed() -> None:
    with web() as (region, ids):
        theirs = dict(region.cloudwatch.alarms[alarm_of(ids[0])].fields) | {
            "AlarmName": "web-0-status"
        }
        region.client("cloudwatch").delete_alarms(AlarmNames=[alarm_of(ids[0])])
        region.client("cloudwatch").put_metric_alarm(**theirs)
        region.groups.sicken(ids[0])
        region.run(4)
        assert touched(region) == [ids[0]]


# reboot, recover, notify


def test_a_reboot_mends_the_instance_and_is_written_into_its_alarm() -> None:
    with web(healing(action="reboot")) as (region, ids):
        before = dict(region.cloudwatch.alarms[alarm_of(ids[0])].fields)
        region.groups.sicken(ids[0])
        region.run(10)
        assert requests(region, "RebootInstances") == [{"InstanceIds": [ids[0]]}]
        assert region.groups.members("web") == ids
        alarm = region.cloudwatch.alarms[alarm_of(ids[0])]
        assert alarm.state.value == "OK"
        described = alarm.fields["AlarmDescription"]
        assert described == f"{before['AlarmDescription']} Rebooted at 2026-11-02T12:09:00+00:00."
        assert {**alarm.fields, "AlarmDescription": before["AlarmDescription"]} == before


def test_an_instance_that_no_reboot_mends_is_rebooted_once_within_the_time() -> None:
    with web(healing(action="reboot", within_minutes=20, max_instances=3, max_percent=60)) as (
        region,
        ids,
    ):
        seen = record_invocations(region)
        region.groups.sicken(ids[0], stubborn=True)
        region.run(20)
        assert touched(region) == [ids[0]]
        assert "RebootedRecently" in by_function(seen)["follow_up"]
        region.run(10)
        assert touched(region) == [ids[0]] * 2


def test_reboots_count_against_the_budget_of_the_group() -> None:
    with web(healing(action="reboot")) as (region, ids):
        region.groups.sicken(ids[0])
        region.run(8)
        region.groups.sicken(ids[1])
        region.run(10)
        assert touched(region) == [ids[0]]


def test_a_reboot_that_fails_is_written_down_first_and_so_counts() -> None:
    with web(healing(action="reboot")) as (region, ids):
        region.faults.append(Fault("RebootInstances", "InternalError", times=99))
        region.groups.sicken(ids[0])
        region.run(6)
        assert operations(region).count("RebootInstances") == 1
        assert (
            "Rebooted at" in region.cloudwatch.alarms[alarm_of(ids[0])].fields["AlarmDescription"]
        )


def test_recovery_is_ec2s_own_called_by_the_alarm_and_headroom_touches_nothing() -> None:
    with web(healing(action="recover")) as (region, ids):
        assert sorted(region.cloudwatch.alarms) == [alarm_of(i, "recovery") for i in ids]
        seen = record_invocations(region)
        region.groups.sicken(ids[0], check=SYSTEM)
        region.run(8)
        assert touched(region) == []
        assert region.groups.failing == {}
        assert region.groups.members("web") == ids
        assert by_function(seen)["on_alarm"] == {"StatusCheckFailed"}


def test_a_change_of_action_makes_the_alarms_anew() -> None:
    with web(healing(action="recover")) as (region, ids):
        handlers.sweep(replace(new_run(region, healing()), aws=quick()))
        assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids]


def quick() -> Aws:
    return Aws("headroom-alarms", sleep=lambda _: None)


def test_who_is_only_to_be_told_is_told_once_for_each_time_of_being_sick() -> None:
    with web(healing(action="notify", notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        region.groups.sicken(ids[0])
        region.run(20)
        ((subject, text),) = read()
        assert subject == "Failed instances of group web are left alone"
        assert text.startswith(
            f"instance {ids[0]} of group web is sick: its status checks fail (StatusCheckFailed; failing instance"
        )
        region.groups.mend(ids[0])
        region.run(5)
        region.groups.sicken(ids[0])
        region.run(20)
        assert len(read()) == 1
        assert touched(region) == []


# told


def test_a_replacement_is_told_when_it_is_done_and_a_refusal_once() -> None:
    with web(healing(notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        region.groups.sicken(ids[0])
        region.run(6)
        ((subject, text),) = read()
        assert subject == "Headroom healed instances of group web"
        assert text.startswith(
            f"instance {ids[0]} of group web is replaced: its status checks fail (StatusCheckFailed"
        )
        region.groups.sicken(ids[1])
        region.run(20)
        ((subject, text),) = read()
        assert subject == "Failed instances of group web are left alone"
        assert "(HealingBudgetUsedUp" in text
        tags = region.client("cloudwatch").list_tags_for_resource(
            ResourceARN=f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm_of(ids[1])}"
        )["Tags"]
        assert "headroom-told-healing-HealingBudgetUsedUp" in {tag["Key"] for tag in tags}


def test_a_new_container_does_not_tell_it_again() -> None:
    with web(healing(notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        region.groups.sicken(*of_zone(region, "us-east-1a", ids))
        region.run(6)
        assert len(read()) >= 1
        run = replace(new_run(region, healing(notify_topic=OPERATORS)), aws=quick())
        assert reconcile.reconcile(run, set(ids)) == {}
        handlers.notify(run)
        assert read() == []


def test_an_outage_is_told_in_few_words_and_once() -> None:
    with web(healing(notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        region.groups.sicken(*of_zone(region, "us-east-1a", ids))
        region.run(30)
        told = read()
        assert (
            1 <= len(told) <= 3
        )  # an alarm after the other fires within a minute; each instance is told of once
        assert sum(text.count("(Outage") for _, text in told) == 3


def test_a_notifier_that_fails_stops_no_healing_and_is_raised() -> None:
    with web(healing(notify_topic=OPERATORS)) as (region, ids):  # nobody has made this topic
        seen = record_invocations(region)
        region.groups.sicken(ids[0])
        region.run(4)
        assert touched(region) == [ids[0]]
        assert any("NotFound" in str(failures(i)) for i in seen)


# dry runs


def test_a_dry_run_of_a_rule_decides_and_tells_and_changes_nothing() -> None:
    with web(healing(dry_run=True, notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        seen = record_invocations(region)
        region.groups.sicken(ids[0])
        region.run(10)
        assert region.cloudwatch.alarms == {}
        assert touched(region) == []
        assert read() == []
        (line, *_) = [
            line for i in seen if i.function == "sweep" for line in log_lines(i, "verdict")
        ]
        assert (line["instance"], line["reason"], line["dry_run"]) == (
            ids[0],
            "StatusCheckFailed",
            True,
        )
        assert line["message"].startswith(f"dry run: instance {ids[0]} of group web is replaced")


def test_a_dry_run_tells_nobody_of_a_refusal_either() -> None:
    with web(healing(dry_run=True, notify_topic=OPERATORS)) as (region, ids):
        read = inbox(region)
        region.groups.sicken(*of_zone(region, "us-east-1a", ids))
        trigger = {
            "Namespace": EC2,
            "MetricName": "StatusCheckFailed",
            "Dimensions": [{"name": "InstanceId", "value": ids[0]}],
        }
        said = send(region, {"AlarmName": "theirs", "NewStateValue": "ALARM", "Trigger": trigger})
        assert "Outage" in verdicts(said).values()
        assert read() == []


def test_an_operator_who_asks_hears_what_would_be_done_and_nothing_is() -> None:
    with web() as (region, ids):
        region.groups.sicken(ids[0])
        found = reconcile.preview(new_run(region, healing(), dry_run=True), "web")
        assert [(v.instance, v.reason) for v in found.verdicts if v.acts] == [
            (ids[0], Reason.STATUS_CHECK_FAILED)
        ]
        assert len(found.verdicts) == 6
        assert (len(found.planned), found.done) == (1, [])
        assert touched(region) == []
        gone = reconcile.preview(new_run(region, healing("*"), dry_run=True), "api")
        assert [(s.subject, s.reason) for s in gone.skips] == [("api", Reason.GONE)]


# off until configured


def test_where_nothing_is_to_be_healed_nothing_is_called_and_the_message_is_passed_over() -> None:
    with orders() as region:
        said = send(
            region,
            {
                "AlarmName": "web-status",
                "NewStateValue": "ALARM",
                "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:web-status",
                "Trigger": {
                    "Namespace": EC2,
                    "MetricName": "StatusCheckFailed",
                    "Dimensions": [{"name": "InstanceId", "value": "i-0abc"}],
                },
            },
        )
        assert skips(said) == [("web-status", "NotManaged")]
        region.run(6)
        assert not {c.service for c in region.calls} & {"ec2", "autoscaling"}


def test_when_healing_is_configured_no_more_its_alarms_go_and_the_tables_stay() -> None:
    with orders(rules() + "\n" + healing()) as region:
        ids = region.groups.create("web", 2)
        invoke(region, "sweep")
        tables = [name for name in region.cloudwatch.alarms if name.startswith("headroom-orders")]
        assert sorted(region.cloudwatch.alarms) == sorted([*(alarm_of(i) for i in ids), *tables])
        region.calls.clear()
        handlers.sweep(replace(new_run(region, rules()), aws=quick()))
        assert sorted(region.cloudwatch.alarms) == sorted(tables)
        assert not {c.service for c in region.calls} & {"ec2", "autoscaling"}


@pytest.mark.parametrize(
    "function",
    ["on_alarm", "on_action", "on_event", "on_queue", "follow_up", "scale_down", "sweep"],
)
def test_no_permission_is_added_where_nothing_is_to_be_healed(function: str) -> None:
    assert permissions.heal_instances(load(rules()), function) == []


def statement(config: str, function: str, sid: str) -> Any:
    found = {s["Sid"]: s for s in permissions.heal_instances(load(config), function)}
    return found.get(sid)


def test_permissions_are_for_the_named_groups_and_for_what_their_rules_do() -> None:
    config = (
        healing("web-[ab]*")
        + healing("batch", action="reboot")
        + healing("db", action="recover")
        + healing("old", dry_run=True)
    )
    assert statement(config, "follow_up", "MarkInstances")["Resource"] == [
        f"{permissions.GROUPS}web-?*"
    ]
    assert statement(config, "follow_up", "RebootInstances")["Condition"] == {
        "StringLike": {permissions.GROUP_TAG: ["batch"]}
    }
    assert statement(config, "sweep", "LetAlarmsRecover")["Action"] == [
        "iam:CreateServiceLinkedRole"
    ]
    assert statement(config, "sweep", "MarkInstances") is None
    assert permissions.heal_instances(load(config), "scale_down") == []
    policy = {
        "Version": "2012-10-17",
        "Statement": permissions.heal_instances(load(config), "on_alarm"),
    }
    place = Place("aws-cn", "cn-north-1")
    for group, may in {"web-a1": True, "api": False, "batch": False, "old": False}.items():
        arn = place.arn("autoscaling", f"autoScalingGroup:1-2:autoScalingGroupName/{group}")
        assert allowed(policy, Ask("autoscaling:SetInstanceHealth", arn)) is may
    for group, may in {"batch": True, "web-a1": False, "": False}.items():
        arn, context = place.arn("ec2", "instance/i-0abc"), {permissions.GROUP_TAG: [group]}
        assert allowed(policy, Ask("ec2:RebootInstances", arn, context)) is may


def test_eventbridge_lets_alarms_on_instances_through_only_where_they_are_healed() -> None:
    with Region(MIDDAY) as region:
        for config, namespaces in ((healing(), ["AWS/DynamoDB", EC2]), (rules(), ["AWS/DynamoDB"])):
            app = region.deploy(config)
            metric = app.ALARM_CHANGES["detail"]["configuration"]["metrics"]["metricStat"]["metric"]
            assert metric["namespace"] == namespaces


# every way in


def data(instance: str, name: str = "StatusCheckFailed") -> dict[str, Any]:
    metric = {"namespace": EC2, "name": name, "dimensions": {"InstanceId": instance}}
    return {
        "alarmName": alarm_of(instance),
        "state": {"value": "ALARM"},
        "configuration": {
            "metrics": [
                {"id": "m", "metricStat": {"metric": metric, "period": 60, "stat": "Maximum"}}
            ]
        },
    }


def ways(region: Region, instance: str) -> dict[str, dict[str, Any]]:
    arn = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm_of(instance)}"
    text = json.dumps(alarm_message(region, name=alarm_of(instance)))
    change = {
        "detail-type": "CloudWatch Alarm State Change",
        "resources": [arn],
        "detail": data(instance),
    }
    return {
        "on_alarm": sns_event(TOPIC, text, "ALARM", region.now),
        "on_action": {"alarmArn": arn, "alarmData": data(instance)},
        "on_event": {
            "version": "0",
            "id": "1",
            "source": "aws.cloudwatch",
            "account": ACCOUNT,
            "time": "",
            "region": "us-east-1",
            **change,
        },
        "on_queue": queued(text),
    }


def queued(*bodies: str) -> dict[str, Any]:
    records = [
        {"messageId": str(n), "body": body, "receiptHandle": "r", "attributes": {}}
        for n, body in enumerate(bodies)
    ]
    return {"Records": records}


@pytest.mark.parametrize("function", ["on_alarm", "on_action", "on_event", "on_queue"])
def test_by_whichever_way_the_alarm_comes_the_instance_is_healed(function: str) -> None:
    with web(ALARM_SOURCES=EVERY_WAY) as (region, ids):
        region.groups.sicken(ids[0])
        invocation = region.functions.invoke(function, ways(region, ids[0])[function])
        assert verdicts(invocation) == {ids[0]: "StatusCheckFailed"}
        assert touched(region) == [ids[0]]


@pytest.mark.parametrize(
    "metric",
    [
        "StatusCheckFailed",
        "StatusCheckFailed_Instance",
        "StatusCheckFailed_System",
        "StatusCheckFailed_AttachedEBS",
    ],
)
def test_each_of_the_status_checks_metrics_is_an_event_found_by_the_dimensions_name(
    metric: str,
) -> None:
    dimensions = [
        {"name": "AutoScalingGroupName", "value": "web"},
        {"name": "InstanceId", "value": "i-0abc"},
    ]
    said = {
        "AlarmName": "web",
        "NewStateValue": "ALARM",
        "AlarmArn": "arn:aws-cn:cloudwatch:cn-north-1:999999999999:alarm:web",
        "Trigger": {"Namespace": EC2, "MetricName": metric, "Dimensions": dimensions},
    }
    assert from_sns(json.dumps(said)) == InstanceEvent(
        "web", "i-0abc", "cn-north-1", "999999999999"
    )
    event = {"alarmArn": said["AlarmArn"], "alarmData": data("i-0abc", metric)}
    assert from_event(event) == InstanceEvent(
        alarm_of("i-0abc"), "i-0abc", "cn-north-1", "999999999999"
    )


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        (
            {"MetricName": "CPUUtilization"},
            "its metric CPUUtilization is no status check of an instance",
        ),
        (
            {"Dimensions": [{"name": "AutoScalingGroupName", "value": "web"}]},
            "it has no dimension InstanceId",
        ),
    ],
)
def test_any_other_alarm_on_ec2_is_passed_over(trigger: dict[str, Any], why: str) -> None:
    base = {
        "Namespace": EC2,
        "MetricName": "StatusCheckFailed",
        "Dimensions": [{"name": "InstanceId", "value": "i-0abc"}],
    }
    said = from_sns(
        json.dumps({"AlarmName": "web", "NewStateValue": "ALARM", "Trigger": {**base, **trigger}})
    )
    assert said == Skip("web", Reason.UNSUPPORTED_ALARM, f"cannot scale by this alarm: {why}")


# what the peers of 2014 lost


def test_a_message_whose_healing_failed_comes_back_to_the_queue_and_is_not_deleted() -> None:
    with web(healing(max_instances=2, max_percent=40), ALARM_SOURCES=EVERY_WAY) as (region, ids):
        bodies = [json.dumps(alarm_message(region, name=alarm_of(i))) for i in ids[:2]]
        region.groups.sicken(ids[1])
        region.faults.append(
            Fault(
                "SetInstanceHealth", "ValidationError", matches=lambda p: p["InstanceId"] == ids[1]
            )
        )
        assert region.functions.answer("on_queue", queued(*bodies)) == {
            "batchItemFailures": [{"itemIdentifier": "0"}]
        }
        assert region.functions.answer("on_queue", queued(bodies[0])) == {"batchItemFailures": []}
        assert touched(region) == [ids[1]] * 2


def test_quotes_and_backslashes_in_an_alarm_change_nothing_of_its_message() -> None:
    with web(ALARM_SOURCES=EVERY_WAY) as (region, ids):
        region.groups.sicken(ids[0])
        said = alarm_message(
            region,
            name=alarm_of(ids[0]),
            AlarmName='say "sick!!" \\" twice',
            AlarmDescription='a \\"quoted\\" text!!',
        )
        body = json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": json.dumps(said)})
        assert from_queue(body) == InstanceEvent(
            'say "sick!!" \\" twice', ids[0], "us-east-1", ACCOUNT
        )
        assert verdicts(region.functions.invoke("on_queue", queued(body))) == {
            ids[0]: "StatusCheckFailed"
        }


def test_after_three_failed_tries_the_message_is_a_dead_letter_and_the_instance_is_healed_all_the_same() -> (
    None
):
    with web() as (region, ids):
        region.faults.append(Fault("DescribeAutoScalingInstances", "AccessDenied", times=8))
        region.groups.sicken(ids[0])
        region.run(9)
        assert "on_alarm" in {letter.function for letter in region.functions.dead_letters}
        assert touched(region) == [ids[0]]


# what fails


def test_a_group_that_cannot_be_read_is_not_touched_and_does_not_stop_the_others() -> None:
    with web(healing("web") + healing("api")) as (region, ids):
        others = region.groups.create("api", 4)
        region.run(6)
        region.faults.append(
            Fault(
                "DescribeInstanceStatus",
                "InvalidInstanceID.NotFound",
                times=99,
                matches=lambda p: ids[0] in p["InstanceIds"],
            )
        )
        seen = record_invocations(region)
        region.groups.sicken(ids[0], others[0])
        region.run(4)
        assert touched(region) == [others[0]]
        assert any(
            "web: reading the group failed" in sentence for i in seen for sentence in failures(i)
        )


def test_when_marking_fails_it_is_said_and_done_a_minute_later() -> None:
    with web() as (region, ids):
        seen = record_invocations(region)
        region.faults.append(Fault("SetInstanceHealth", "ResourceContention"))
        region.groups.sicken(ids[0])
        region.run(8)
        assert "CallFailed" in by_function(seen)["on_alarm"]
        assert any(
            f"{ids[0]}: to replace it failed" in sentence for i in seen for sentence in failures(i)
        )
        assert touched(region) == [ids[0]] * 2
        assert ids[0] not in region.groups.members("web")


def test_when_the_groups_cannot_be_listed_no_alarm_is_removed() -> None:
    with web() as (region, ids):
        region.faults.append(Fault("DescribeAutoScalingGroups", "AccessDenied", times=99))
        invocation = invoke(region, "sweep")
        assert failures(invocation)
        assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids]


def test_an_alarm_of_that_name_that_does_not_call_us_is_not_overwritten() -> None:
    with Region(MIDDAY) as region:
        (one,) = region.groups.create("web", 1)
        taken = {
            "AlarmName": alarm_of(one),
            "Namespace": EC2,
            "MetricName": "CPUUtilization",
            "Threshold": 9.0,
            "Period": 60,
        }
        region.client("cloudwatch").put_metric_alarm(
            **taken,
            Statistic="Maximum",
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        region.deploy(healing())
        assert skips(invoke(region, "sweep")) == [(alarm_of(one), "UnsupportedAlarm")]
        assert region.cloudwatch.alarms[alarm_of(one)].fields["Threshold"] == 9.0


# many


def test_a_sweep_makes_so_many_alarms_and_no_more_of_tables_and_instances_together() -> None:
    with Region(MIDDAY) as region:
        region.create_table("orders")
        region.groups.create("web", MAX_NEW_ALARMS, most=1_000)
        region.deploy(rules() + "\n" + healing())
        invocation = invoke(region, "sweep")
        assert len(region.cloudwatch.alarms) == MAX_NEW_ALARMS
        assert len(skips(invocation)) == 2
        invoke(region, "sweep")
        assert len(region.cloudwatch.alarms) == MAX_NEW_ALARMS + 2


def test_everything_is_read_to_the_last_page() -> None:
    with Region(MIDDAY) as region:
        ids = region.groups.create("web", 120, most=1_000)
        region.groups.sicken(ids[-1])
        aws = quick()
        assert groups.groups_of(aws, ids) == dict.fromkeys(ids, "web")
        (group,) = groups.groups(aws)
        group = groups.with_past(
            aws, groups.with_status(aws, group), region.now - timedelta(hours=1)
        )
        assert [m.instance for m in group.members if m.failing] == [ids[-1]]
        assert sum(m.is_healthy for m in group.members) == 119
        assert {(e.instance, e.what) for e in group.events} == {(i, EventKind.JOINED) for i in ids}
        calls: list[Call] = region.calls
        assert [
            len(c.params["InstanceIds"]) for c in calls if c.operation == "DescribeInstanceStatus"
        ] == [100, 20]


def test_the_past_is_read_as_far_back_as_it_counts_and_no_further() -> None:
    with web() as (region, ids):
        region.run(120)
        (group,) = groups.groups(quick(), ["web"])
        assert groups.with_past(quick(), group, region.now - timedelta(hours=1)).events == ()
        assert len(groups.with_past(quick(), group, region.now - timedelta(hours=3)).events) == len(
            ids
        )


def test_tables_and_instances_are_followed_in_one_run() -> None:
    with orders(rules() + "\n" + healing()) as region:
        ids = region.groups.create("web", 4)
        region.run(6)
        region.serve(READS, [50.0] * 6 + [95.0] * 20)
        region.groups.sicken(ids[0])
        region.run(6)
        assert touched(region) == [ids[0]]
        assert region.units(READS) == 150


# the workbench and the documentation


def test_the_demo_plays_what_it_says() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    PLAYS["healing"](console)
    said = console.export_text()
    assert said.count("is replaced") == 2
    for reason in ("HealingBudgetUsedUp", "NotInService", "Outage", "StatusChecksPass"):
        assert reason in said
    assert re.search(r"replaced +│ +2 ", said)
    assert re.search(r"instances lost to the outage +│ +0 ", said)


PAGE = (ROOT / "docs" / "healing.md").read_text()


def test_the_pages_example_loads_and_its_permissions_are_those_that_it_names() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    web, workers = load(text).healing
    assert (web.allowed(10), web.within_minutes, web.action) == (2, 60, "replace")
    assert (workers.action, workers.dry_run) == ("reboot", True)
    for function in ("on_alarm", "follow_up"):
        found = {
            s["Sid"]: s for s in permissions.configured_policy(load(text), function)["Statement"]
        }  # type: ignore[index]
        assert found.keys() - {"OnlyTheTablesOfTheConfiguration"} == {
            "MarkInstances",
            "PublishNotifications",
            "ReadGroups",
            "RememberWhatWasToldOfInstances",
        }
        assert len(found["ReadGroups"]["Action"]) == 4


def test_the_page_names_every_reason_and_every_action() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    ours = {
        str(reason) for reason in list(Reason)[list(Reason).index(Reason.STATUS_CHECK_FAILED) + 1 :]
    }
    assert told == ours | {"replace", "reboot", "recover", "notify"}


def test_explain_says_of_a_group_what_would_be_done(tmp_path: Path) -> None:
    config = tmp_path / "headroom.toml"
    config.write_text(healing())
    with web() as (region, ids):
        region.groups.sicken(ids[0])
        result = CliRunner().invoke(app, ["explain", "web", "--config", str(config)])
        assert result.exit_code == 0, result.output
        said = " ".join(result.output.split())
        assert f"instance {ids[0]} of group web is replaced: its status checks fail" in said
        assert f"Would let group web replace instance {ids[0]}" in said
        assert said.count("StatusChecksPass") == 5
        assert touched(region) == []


def patient(region: Region, config: str) -> doctor.Patient:
    found = doctor.Patient(Stage("headroom", "dev"), ROOT, account.Cloud(), region.now)
    found.__dict__["rules"] = load(config)
    return found


@pytest.mark.parametrize(
    ("config", "suspended", "problems"),
    [
        pytest.param(healing(), [], [], id="all is well"),
        pytest.param(
            healing("api"), [], ["no Auto Scaling group is named api"], id="no such group"
        ),
        pytest.param(
            healing(),
            ["Launch", "AZRebalance"],
            ["group web has suspended Launch: its sick instances are not replaced"],
            id="nothing would be replaced",
        ),
        pytest.param(
            healing(action="recover"),
            [],
            ["group web replaces by itself, minutes later, what action = recover is to keep"],
            id="the group would be first",
        ),
        pytest.param(
            healing(action="reboot"),
            ["ReplaceUnhealthy"],
            [],
            id="reboots, and the group lets them",
        ),
    ],
)
def test_the_doctor_says_what_would_keep_instances_from_being_healed(
    config: str, suspended: list[str], problems: list[str]
) -> None:
    with web(config) as (region, _):
        if suspended:
            region.client("autoscaling").suspend_processes(
                AutoScalingGroupName="web", ScalingProcesses=suspended
            )
        assert [finding.problem for finding in doctor.healing(patient(region, config))] == problems
        assert doctor.CHECKS["healing"] is doctor.healing


def test_the_doctor_says_what_may_not_be_read() -> None:
    with web() as (region, _):
        region.faults.append(Fault("DescribeInstanceStatus", "UnauthorizedOperation", times=99))
        (finding,) = doctor._guarded("healing", doctor.healing, patient(region, healing()))
        assert finding.problem == "not allowed to call DescribeInstanceStatus"


def test_the_doctor_says_which_instance_has_no_alarm() -> None:
    with web() as (region, ids):
        region.client("cloudwatch").delete_alarms(AlarmNames=[alarm_of(ids[0])])
        assert [f.problem for f in doctor.alarms(patient(region, healing()))] == [
            f"instance {ids[0]} of web has no alarm"
        ]


def test_teardown_takes_the_alarms_of_instances_for_its_own() -> None:
    with web() as (_, ids):
        assert setup.foreign_alarms(TOPIC) == []
        (*_, ours) = setup._alarms(Stage("headroom", "dev"), TOPIC)
        assert all(alarm_of(i) in ours.subject for i in ids)


@pytest.mark.parametrize("odd", ["api", "web"])
def test_a_group_that_cannot_be_judged_stops_no_other_group_and_is_said(odd: str) -> None:
    with web(healing("*")) as (region, ids):
        other = region.groups.create("api", 6)
        region.run(6)
        unforeseen = {"Activities": [{"Cause": "no time, no status"}]}
        region.answers["autoscaling", "DescribeScalingActivities"] = lambda asked: (
            unforeseen if asked["AutoScalingGroupName"] == odd else None
        )
        seen = record_invocations(region)
        region.groups.sicken(ids[0], other[0])
        region.run(5)
        healed = {"api": other[0], "web": ids[0]}
        assert touched(region) == [instance for name, instance in healed.items() if name != odd]
        assert any(
            sentence.startswith(f"{odd}: ")
            for invocation in seen
            for sentence in failures(invocation)
        )
