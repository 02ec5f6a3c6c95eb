"""A sweep over many tables."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import handlers
from chalicelib.reconcile import GROUP
from chalicelib.run import Report
from headroom.region.region import Region
from headroom.simulation.clock import START
from tests.support.scenes import (
    invoke,
    new_run,
    operations,
    pass_minutes,
    requests,
    rules,
    skips,
    units,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

MANY, IDLE = 200, 20


@pytest.fixture
def large() -> Iterator[Region]:
    """An account with hundreds of tables, all managed; some were idle for an hour."""
    with Region(START) as region:
        create_table = region.client("dynamodb").create_table
        for number in range(MANY):
            create_table(
                TableName=f"orders-{number:04}",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                ProvisionedThroughput={"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
            )
        region.deploy(rules())
        pass_minutes(
            region,
            65,
            {
                target: 0.0 if target.table < f"orders-{IDLE:04}" else 70.0
                for target in region.targets()
            },
        )
        region.calls.clear()
        yield region


@pytest.mark.slow
def test_hundreds_of_tables_are_read_in_bulk_and_get_their_alarms_in_several_sweeps(
    large: Region,
) -> None:
    invocation = invoke(large, "sweep")
    assert (invocation.error, operations(large).count("ListTables")) == (None, MANY / 100)
    assert (
        operations(large).count("DescribeTable") == MANY + IDLE
    )  # to look, and once more just before a write
    queries = [len(call["MetricDataQueries"]) for call in requests(large, "GetMetricData")]
    assert (max(queries), len(queries)) == (
        GROUP * 4,
        -(-MANY // GROUP),
    )  # two metrics of reads, two of writes: their units have never changed
    assert sorted(units(large).values()) == [1] * (2 * IDLE) + [100] * (2 * (MANY - IDLE))
    assert len(large.cloudwatch.alarms) == 2 * MANY
    # made, and written once more where the table is lowered in the same sweep
    assert operations(large).count("PutMetricAlarm") == 2 * MANY + 2 * IDLE
    assert skips(invocation) == []


class Killed(BaseException):
    """Lambda's end of a run: nothing after it is done."""


def test_the_dearest_tables_come_first_and_those_that_were_not_reached_in_the_next_run() -> None:
    with Region(START) as region:
        cheap = [f"orders-{number:02}" for number in range(GROUP)]
        for name in cheap:
            region.create_table(name, 5, 5)
        region.create_table("orders-large", 1000, 1000)
        is_read = lambda: "GetMetricData" in operations(region)  # noqa: E731
        run = new_run(region, seconds_left=lambda: 25.0 if is_read() else 60.0)
        report = handlers.sweep(run)
        decided = {decision.target.table for decision in report.decisions}
        assert (len(decided), "orders-large" in decided) == (GROUP, True)
        (last,) = report.unreached
        assert (last, {last}) == (cheap[-1], run.aws.unreached)
        region.calls.clear()
        report = handlers.sweep(replace(run, report=Report()))
        assert last in {decision.target.table for decision in report.decisions}
        assert len(report.unreached) == 1
        assert last not in run.aws.unreached
        assert logged_before_the_second_group(region) == [2 * GROUP]


def logged_before_the_second_group(region: Region) -> list[int]:
    """Return how many decisions each log had that a run wrote until its second group killed it."""
    groups: list[object] = []

    def kill_the_second(params: Mapping[str, Any]) -> None:
        groups.append(params)
        if len(groups) == 2:
            raise Killed

    region.answers["cloudwatch", "GetMetricData"] = kill_the_second
    logged: list[int] = []
    run = new_run(region, write=lambda report: logged.append(len(report.decisions)))
    with pytest.raises(Killed):
        handlers.scale_down(run)
    return logged
