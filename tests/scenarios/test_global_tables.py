"""Global tables: Headroom scales their reads, and leaves their writes to another scaler."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib import handlers
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.application_autoscaling import named
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import (
    autoscale,
    decisions,
    invoke,
    new_run,
    orders,
    pass_minutes,
    reasons,
    rules,
    skips,
    units,
    woken,
)
from tests.support.understudy import SECTION, suspended, take_over, understudied

LOW = {READS: 26.0, WRITES: 26.0, INDEX_READS: 5.0, INDEX_WRITES: 5.0}
READ_ALARMS = {"headroom-orders:read", "headroom-orders/by-date:read"}


@contextmanager
def replicated(config: str | None = None) -> Iterator[Region]:
    """`orders` with a replica in another Region, since after Headroom's first sweep."""
    with orders(config) as region:
        region.tables["orders"].replicas = ["eu-west-1"]
        yield region


pytestmark = pytest.mark.scene.with_args(replicated)


def autoscale_writes(region: Region) -> None:
    for target in (WRITES, INDEX_WRITES):
        region.client("application-autoscaling").register_scalable_target(
            **named(target), MinCapacity=1, MaxCapacity=1000
        )


def test_reads_are_lowered_and_writes_are_left(region: Region) -> None:
    autoscale_writes(region)
    pass_minutes(region, 65, LOW)
    invocation = invoke(region, "scale_down")
    assert units(region) == {
        "orders:read": 40,
        "orders:write": 100,
        "orders/by-date:read": 8,
        "orders/by-date:write": 20,
    }
    left = decisions(invocation)[WRITES]
    assert (left["reason"], left["numbers"]["held_by"]) == (
        "GlobalTable",
        "its writes are replicated to eu-west-1",
    )
    assert skips(invocation) == []


@pytest.mark.parametrize("function", ["sweep", "on_alarm", "follow_up"])
def test_no_function_raises_the_writes(region: Region, function: str) -> None:
    pass_minutes(region, 5, dict.fromkeys((READS, WRITES), 100.0))
    assert reasons(woken(region, function))["orders:write"] == "GlobalTable"
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (150, 100)


def test_the_writes_lose_their_alarms(region: Region) -> None:
    invoke(region, "sweep")
    assert set(region.cloudwatch.alarms) == READ_ALARMS
    invoke(region, "sweep")
    assert set(region.cloudwatch.alarms) == READ_ALARMS


@pytest.mark.scene(replicated, rules(decrease_together=True))
def test_reads_do_not_wait_for_the_writes(region: Region) -> None:
    pass_minutes(region, 65, LOW)
    invoke(region, "scale_down")
    assert units(region)["orders:read"] == 40


def test_with_its_reads_autoscaled_the_whole_table_is_left(region: Region) -> None:
    autoscale_writes(region)
    autoscale(region)
    assert skips(invoke(region, "scale_down")) == [("orders", "ManagedByApplicationAutoScaling")]


@pytest.mark.scene.with_args(orders)
def test_autoscaled_writes_of_another_table_are_a_conflict_as_before(region: Region) -> None:
    autoscale_writes(region)
    assert skips(invoke(region, "scale_down")) == [("orders", "ManagedByApplicationAutoScaling")]


def test_if_the_table_cannot_be_read_it_is_left_alone(region: Region) -> None:
    autoscale_writes(region)
    region.faults.append(Fault("DescribeTable", "InternalServerError", times=1))
    assert ("orders", "ManagedByApplicationAutoScaling") in skips(invoke(region, "scale_down"))


def test_explain_says_who_manages_what(region: Region, run: RunCommand, tmp_path: object) -> None:
    autoscale_writes(region)
    config = write_file(tmp_path, region.functions.config)  # type: ignore[arg-type]
    output = run("explain", "orders", "--config", config).output
    assert output.startswith("Application Auto Scaling manages the writes of the global table")
    assert "its writes are replicated to eu-west-1" in output


# with an understudy in every Region

IN_ALL = rules(min_units=5) + SECTION + 'regions = ["ap-south-1", "eu-west-1"]\n'
NOT_IN_ALL = rules(min_units=5) + SECTION + 'regions = ["ap-south-1"]\n'
HIGH = dict.fromkeys((READS, WRITES), 100.0)
in_all_regions = pytest.mark.scene.with_args(understudied, IN_ALL, ("eu-west-1",))


@in_all_regions
@pytest.mark.parametrize("function", ["sweep", "on_alarm", "follow_up"])
def test_the_writes_are_raised_once_their_targets_stand_by(region: Region, function: str) -> None:
    assert "headroom-orders:write" not in region.cloudwatch.alarms
    pass_minutes(region, 5, HIGH)
    invoke(region, "sweep")
    assert set(region.cloudwatch.alarms) >= {"headroom-orders:write"}
    pass_minutes(region, 30, HIGH)
    woken(region, function)
    assert units(region)["orders:write"] >= 150


@in_all_regions
def test_the_writes_are_lowered_too(region: Region) -> None:
    pass_minutes(region, 65, LOW)
    invoke(region, "scale_down")
    assert units(region)["orders:write"] == 40


@in_all_regions
@pytest.mark.parametrize("function", ["on_alarm", "follow_up"])
def test_while_application_auto_scaling_scales_them_no_alarm_raises_the_writes(
    region: Region, function: str
) -> None:
    invoke(region, "sweep")
    take_over(region)
    pass_minutes(region, 5, HIGH)
    left = decisions(woken(region, function))[WRITES]
    assert left["numbers"]["held_by"] == "it has no suspended scalable target yet"
    assert units(region)["orders:read"] == 150


@in_all_regions
def test_where_application_auto_scaling_does_not_answer_the_writes_are_raised_only(
    region: Region,
) -> None:
    invoke(region, "sweep")
    for high, function in ((False, "preview"), (True, "on_alarm")):
        pass_minutes(region, 65, HIGH if high else LOW)
        region.faults.append(Fault("DescribeScalableTargets", "InternalServiceException"))
        if high:
            woken(region, function)
        else:
            run = new_run(region, region.functions.config)
            report = handlers.preview(run, "orders")
            of_writes = next(d for d in report.decisions if d.target == WRITES)
            assert of_writes.numbers["held_by"] == "Application Auto Scaling cannot be read"
    assert units(region)["orders:write"] >= 100


@pytest.mark.scene.with_args(understudied, NOT_IN_ALL, ("eu-west-1",))
def test_with_a_replica_in_another_region_the_writes_are_left(region: Region) -> None:
    assert suspended(region) == {
        "table/orders ReadCapacityUnits": True,
        "table/orders/index/by-date ReadCapacityUnits": True,
    }
    pass_minutes(region, 65, LOW)
    left = decisions(invoke(region, "scale_down"))[WRITES]
    assert left["numbers"]["held_by"] == (
        "its writes are replicated to eu-west-1, which understudy.regions does not name"
    )
    assert units(region)["orders:read"] == 40


@in_all_regions
def test_a_new_replica_elsewhere_gives_the_writes_back(region: Region) -> None:
    region.tables["orders"].replicas.append("sa-east-1")
    invoke(region, "sweep")
    assert suspended(region)["table/orders WriteCapacityUnits"] is False
    assert suspended(region)["table/orders ReadCapacityUnits"] is True
    invoke(region, "sweep")
    assert suspended(region)["table/orders WriteCapacityUnits"] is False
    assert set(region.cloudwatch.alarms) >= READ_ALARMS
    assert "headroom-orders:write" not in region.cloudwatch.alarms


@in_all_regions
def test_explain_says_that_it_stands_by(region: Region, run: RunCommand, tmp_path: Path) -> None:
    config = write_file(tmp_path, region.functions.config)
    output = run("explain", "orders", "--config", config).output
    assert output.startswith("Application Auto Scaling stands by for orders, suspended.")
