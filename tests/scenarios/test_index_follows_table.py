"""An index that is short of writes throttles its table: it follows the writes of the table."""

from pathlib import Path

import pytest

from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import INDEX_WRITES, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import (
    alarm_message,
    decisions,
    invoke,
    invoke_after,
    orders,
    pass_minutes,
    requests,
    rules,
    send,
    set_index_units,
    thresholds,
    units,
    wait,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

HALF = {WRITES: 85.0, INDEX_WRITES: 42.5}
CALM = {READS: 64.0, WRITES: 60.0, INDEX_WRITES: 30.0}
OFF = rules(index_follows_table=False)


def small_index(region: Region, writes: int = 60) -> None:
    set_index_units(region, 20, writes)
    invoke(region, "sweep")
    region.calls.clear()


def alarm(region: Region) -> None:
    """Let only the alarm of the table's writes call."""
    send(region, alarm_message(region, WRITES))


def test_one_call_raises_a_table_and_its_index_before_the_alarm_of_the_index(
    region: Region,
) -> None:
    small_index(region)
    pass_minutes(region, 10, HALF)
    alarm(region)
    (call,) = requests(region, "UpdateTable")
    assert call["ProvisionedThroughput"]["WriteCapacityUnits"] == 150
    (update,) = call["GlobalSecondaryIndexUpdates"]
    assert update["Update"]["ProvisionedThroughput"] == {
        "ReadCapacityUnits": 20,
        "WriteCapacityUnits": 75,
    }
    assert thresholds(region)["headroom-orders/by-date:write"] == 75 * 60 * 0.8


@pytest.mark.scene(orders, OFF)
def test_switched_off_an_index_waits_for_its_own_alarm(region: Region) -> None:
    small_index(region)
    pass_minutes(region, 10, HALF)
    alarm(region)
    assert units(region)["orders:write"] == 150
    assert units(region)["orders/by-date:write"] == 60


def test_the_sweep_does_not_lower_it_below_what_the_table_can_send(region: Region) -> None:
    small_index(region, writes=200)
    lowered = invoke_after(region, "sweep", 70, CALM)
    assert units(region)["orders/by-date:write"] == 50
    assert decisions(lowered)[INDEX_WRITES]["reason"] == "UtilizationLow"
    wait(region, minutes=1)
    kept = invoke_after(region, "sweep", 70, CALM)
    assert units(region)["orders:write"] == 100
    assert decisions(kept)[INDEX_WRITES]["reason"] == "FollowsTable"


NO_BUCKET = Conditions(burst_seconds=0)
UP_ONLY = {"scale_down": False}


@pytest.mark.parametrize(
    "follows",
    [
        pytest.param(
            follows,
            marks=pytest.mark.scene(
                orders, rules(**UP_ONLY, index_follows_table=follows), conditions=NO_BUCKET
            ),
        )
        for follows in (True, False)
    ],
)
def test_the_next_jump_of_the_writes_meets_an_index_that_is_ready(
    region: Region, follows: bool
) -> None:
    """The index has enough for the first jump, which raises the table, and not for the second."""
    small_index(region)
    writes = [60.0] * 10 + [95.0] * 10 + [140.0] * 2
    region.serve(WRITES, writes)
    region.serve(INDEX_WRITES, [rate / 2 for rate in writes])
    region.run(len(writes))
    assert units(region)["orders/by-date:write"] == (75 if follows else 60)
    consumed, lost = region.served[WRITES]
    assert (consumed, lost) == ((140.0, 0.0) if follows else (120.0, 20.0))


def test_an_index_that_is_short_is_named_by_explain(
    run: RunCommand, region: Region, tmp_path: Path
) -> None:
    small_index(region)
    pass_minutes(region, 10, HALF)
    result = run("explain", "orders", "--config", write_file(tmp_path, rules()), "-v")
    assert "its table can send it so many writes (FollowsTable)" in result.output
    assert "table units 150, index share 0.5" in result.output
    assert "orders/by-date:write 60 → 75" in result.output


def test_calm_reads_are_none_of_it(region: Region) -> None:
    pass_minutes(region, 10, {READS: 85.0})
    send(region, alarm_message(region))
    assert "GlobalSecondaryIndexUpdates" not in requests(region, "UpdateTable")[0]
