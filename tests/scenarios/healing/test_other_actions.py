"""Healing: the actions reboot, recover and notify."""

from dataclasses import replace

import pytest

from chalicelib import handlers
from headroom.region.autoscaling_groups import SYSTEM
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.healing import (
    OPERATORS,
    alarm_of,
    by_function,
    healing,
    inbox,
    quick,
    touched,
    web,
)
from tests.support.scenes import (
    new_run,
    operations,
    record_invocations,
    requests,
)

pytestmark = pytest.mark.scene.with_args(web)


@pytest.mark.scene(web, healing(action="reboot"))
def test_a_reboot_mends_the_instance_and_is_written_into_its_alarm(
    region: Region, ids: list[str]
) -> None:
    before = dict(region.cloudwatch.alarms[alarm_of(ids[0])].fields)
    region.groups.fail_checks(ids[0])
    region.run(10)
    assert requests(region, "RebootInstances") == [{"InstanceIds": [ids[0]]}]
    assert region.groups.members("web") == ids
    alarm = region.cloudwatch.alarms[alarm_of(ids[0])]
    assert alarm.state.value == "OK"
    described = alarm.fields["AlarmDescription"]
    assert described == f"{before['AlarmDescription']} Rebooted at 2026-11-02T12:09:00+00:00."
    assert {**alarm.fields, "AlarmDescription": before["AlarmDescription"]} == before


@pytest.mark.scene(
    web, healing(action="reboot", within_minutes=20, max_instances=3, max_percent=60)
)
def test_an_instance_that_no_reboot_mends_is_rebooted_once_within_the_time(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0], permanent=True)
    region.run(20)
    assert touched(region) == [ids[0]]
    assert "RebootedRecently" in by_function(invocations)["follow_up"]
    region.run(10)
    assert touched(region) == [ids[0]] * 2


@pytest.mark.scene(web, healing(action="reboot"))
def test_reboots_count_against_the_budget_of_the_group(region: Region, ids: list[str]) -> None:
    region.groups.fail_checks(ids[0])
    region.run(8)
    region.groups.fail_checks(ids[1])
    region.run(10)
    assert touched(region) == [ids[0]]


@pytest.mark.scene(web, healing(action="reboot"))
def test_a_reboot_that_fails_is_written_down_first_and_so_counts(
    region: Region, ids: list[str]
) -> None:
    region.faults.append(Fault("RebootInstances", "InternalError", times=99))
    region.groups.fail_checks(ids[0])
    region.run(6)
    assert operations(region).count("RebootInstances") == 1
    assert "Rebooted at" in region.cloudwatch.alarms[alarm_of(ids[0])].fields["AlarmDescription"]


@pytest.mark.scene(web, healing(action="recover"))
def test_recovery_is_ec2s_own_called_by_the_alarm_and_headroom_touches_nothing(
    region: Region, ids: list[str]
) -> None:
    assert sorted(region.cloudwatch.alarms) == [alarm_of(i, "recovery") for i in ids]
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0], check=SYSTEM)
    region.run(8)
    assert (touched(region), region.groups.members("web")) == ([], ids)
    assert not any(region.groups.failing.values())
    assert by_function(invocations)["on_alarm"] == {"StatusCheckFailed"}


@pytest.mark.scene(web, healing(action="recover"))
def test_a_change_of_action_makes_the_alarms_anew(region: Region, ids: list[str]) -> None:
    handlers.sweep(replace(new_run(region, healing()), aws=quick()))
    assert sorted(region.cloudwatch.alarms) == [alarm_of(i) for i in ids]


@pytest.mark.slow
@pytest.mark.scene(web, healing(action="notify", notify_topic=OPERATORS))
def test_the_action_notify_sends_one_notification_each_time_an_instance_fails(
    region: Region, ids: list[str]
) -> None:
    read = inbox(region)
    region.groups.fail_checks(ids[0])
    region.run(20)
    ((subject, text),) = read()
    assert subject == "Failed instances of group web are left alone"
    assert text.startswith(
        f"instance {ids[0]} of group web is unhealthy: its status checks fail "
        "(StatusCheckFailed; failing instance"
    )
    region.groups.pass_checks(ids[0])
    region.run(5)
    region.groups.fail_checks(ids[0])
    region.run(20)
    assert len(read()) == 1
    assert touched(region) == []
