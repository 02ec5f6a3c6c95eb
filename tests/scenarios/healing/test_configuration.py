"""Healing: what its configuration adds, and what its absence removes."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib import handlers
from chalicelib.config.loader import load
from chalicelib.metrics import EC2
from headroom.deploy import permissions
from headroom.region.context import ACCOUNT
from headroom.region.region import Region
from tests.support.healing import (
    alarm_of,
    healing,
    quick,
)
from tests.support.iam import Ask, Location, allowed
from tests.support.scenes import (
    MIDDAY,
    invoke,
    new_run,
    orders,
    rules,
    send,
    skips,
)


@pytest.mark.scene.with_args(orders)
def test_where_nothing_is_to_be_healed_nothing_is_called_and_the_message_is_passed_over(
    region: Region,
) -> None:
    invocation = send(
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
    assert skips(invocation) == [("web-status", "NotManaged")]
    region.run(6)
    assert not {c.service for c in region.calls} & {"ec2", "autoscaling"}


@pytest.mark.scene(orders, rules() + "\n" + healing())
def test_when_healing_is_configured_no_more_its_alarms_go_and_the_tables_stay(
    region: Region,
) -> None:
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
    return {s["Sid"]: s for s in permissions.heal_instances(load(config), function)}.get(sid)


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
    place = Location("aws-cn", "cn-north-1")
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
