"""on_alarm, when something else changes the table at the same time."""

import json
from typing import Any

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS, TOPIC, WRITES
from tests.support.on_alarm import (
    FITTING,
    hot,
)
from tests.support.scenes import (
    alarm_message,
    invoke,
    pass_minutes,
    reasons,
    record_invocations,
    requests,
    send,
    skips,
    thresholds,
    units,
    writes,
)


def test_two_alarms_of_one_table_at_once_raise_each_dimension_once(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0, WRITES: 85.0})
    outcomes = [send(region, alarm_message(region, target)) for target in (READS, WRITES)]
    assert requests(region, "UpdateTable") == [
        {
            "TableName": "orders",
            "ProvisionedThroughput": {"ReadCapacityUnits": 150, "WriteCapacityUnits": 150},
        }
    ]
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert reasons(outcomes[1])["orders:write"] == "TableUpdating"


def test_the_two_alarms_that_cloudwatch_itself_fires_in_one_minute_raise_each_dimension_once(
    region: Region,
) -> None:
    region.serve(READS, [10] * 3 + [95] * 10)
    region.serve(WRITES, [10] * 3 + [85] * 10)
    invocations = record_invocations(region)
    region.run(10)
    assert [i.function for i in invocations if i.function == "on_alarm" and reasons(i)] == [
        "on_alarm",
        "on_alarm",
    ]
    assert len(requests(region, "UpdateTable")) == 1
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (150, 150)
    assert [i.error for i in invocations if i.error] == []


def test_a_table_that_changed_after_it_was_read_is_decided_anew_and_never_with_old_numbers(
    region: Region,
) -> None:
    hot(region)
    region.faults.append(Fault("UpdateTable", "ResourceInUseException"))
    invocation = send(region, alarm_message(region))
    assert skips(invocation) == [("orders", "ChangedMeanwhile")]
    assert (reasons(invocation)["orders:read"], invocation.error) == ("ChangedMeanwhile", None)
    assert thresholds(region) == FITTING
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150


def test_units_that_someone_else_set_between_look_and_write_are_not_overwritten(
    region: Region,
) -> None:
    hot(region)
    region.faults.append(Meanwhile(region))
    invocation = send(region, alarm_message(region))
    assert units(region)["orders:read"] == 400
    assert (skips(invocation), writes(region)) == ([("orders", "ChangedMeanwhile")], [])


class Meanwhile(Fault):
    """No fault: somebody else sets the units to 400 just after the table was described for the
    first time."""

    def __init__(self, region: Region) -> None:
        super().__init__("GetMetricData", "none")
        self.region = region

    def applies_to(self, call: Any) -> bool:
        if call.operation == self.operation and self.times:
            self.times = 0
            self.region.meter(READS).set_units(400)
        return False


def test_a_message_really_travels_over_the_topic(region: Region) -> None:
    hot(region)
    region.functions.deliver(TOPIC, json.dumps(alarm_message(region)), "ALARM")
    assert units(region)["orders:read"] == 150
    invoke(region, "follow_up")
    assert len(requests(region, "UpdateTable")) == 1
