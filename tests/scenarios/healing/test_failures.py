"""Healing: one failure does not stop the rest."""

import pytest

from chalicelib.metrics import EC2
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.healing import (
    alarm_of,
    by_function,
    healing,
    touched,
    web,
)
from tests.support.scenes import (
    MIDDAY,
    failures,
    invoke,
    record_invocations,
    skips,
)

# untraced: coverage finds nothing here that it does not find in other tests
pytestmark = [pytest.mark.scene.with_args(web), pytest.mark.untraced]

# what fails


@pytest.mark.scene(web, healing("web") + healing("api"))
def test_a_group_that_cannot_be_read_is_not_touched_and_does_not_stop_the_others(
    region: Region, ids: list[str]
) -> None:
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
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0], others[0])
    region.run(4)
    assert touched(region) == [others[0]]
    assert any(
        "web: reading the group failed" in sentence for i in invocations for sentence in failures(i)
    )


def test_when_marking_fails_it_is_reported_and_done_a_minute_later(
    region: Region, ids: list[str]
) -> None:
    invocations = record_invocations(region)
    region.faults.append(Fault("SetInstanceHealth", "ResourceContention"))
    region.groups.fail_checks(ids[0])
    region.run(8)
    assert "CallFailed" in by_function(invocations)["on_alarm"]
    assert any(
        f"{ids[0]}: to replace it failed" in sentence
        for i in invocations
        for sentence in failures(i)
    )
    assert touched(region) == [ids[0]] * 2
    assert ids[0] not in region.groups.members("web")


def test_when_the_groups_cannot_be_listed_no_alarm_is_removed(
    region: Region, ids: list[str]
) -> None:
    region.faults.append(Fault("DescribeAutoScalingGroups", "AccessDenied", times=99))
    assert failures(invoke(region, "sweep"))
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


# the workbench and the documentation


@pytest.mark.parametrize("odd", ["api", "web"])
@pytest.mark.scene(web, healing("*"))
def test_a_group_that_cannot_be_judged_stops_no_other_group_and_is_reported(
    region: Region, ids: list[str], odd: str
) -> None:
    other = region.groups.create("api", 6)
    region.run(6)
    unforeseen = {"Activities": [{"Cause": "no time, no status"}]}
    region.answers["autoscaling", "DescribeScalingActivities"] = lambda request: (
        unforeseen if request["AutoScalingGroupName"] == odd else None
    )
    invocations = record_invocations(region)
    region.groups.fail_checks(ids[0], other[0])
    region.run(5)
    healed = {"api": other[0], "web": ids[0]}
    assert touched(region) == [instance for name, instance in healed.items() if name != odd]
    assert any(
        sentence.startswith(f"{odd}: ")
        for invocation in invocations
        for sentence in failures(invocation)
    )
