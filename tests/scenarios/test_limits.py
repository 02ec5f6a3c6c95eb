"""An increase that meets a limit of DynamoDB is tried again at the end of the same run."""

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib import act
from chalicelib.model import Change, Decision, Reason, SetCapacity
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS, policy
from tests.support.on_alarm import hot
from tests.support.scenes import (
    alarm_message,
    decisions,
    failures,
    new_run,
    reasons,
    send,
    thresholds,
    units,
    writes,
)


@pytest.mark.parametrize(
    ("times", "number", "reason"), [(1, 150, "UtilizationHigh"), (6, 100, "CallFailed")]
)
def test_an_increase_that_meets_a_limit_is_tried_once_more(
    region: Region, times: int, number: int, reason: str
) -> None:
    hot(region)
    region.faults.append(Fault("UpdateTable", "LimitExceededException", times=times))
    invocation = send(region, alarm_message(region))
    assert units(region)["orders:read"] == number
    assert thresholds(region)["headroom-orders:read"] == number * 48
    assert reasons(invocation)["orders:read"] == reason
    assert writes(region)[:2] == ["UpdateTable", "UpdateTable"]
    assert len(failures(invocation)) == (times == 6)


@pytest.mark.parametrize(("quota", "reached"), [(130, 125), (124, 112), (105, 103)])
def test_where_a_quota_does_not_take_the_whole_increase_as_much_as_it_takes_is_made(
    region: Region, quota: int, reached: int
) -> None:
    def passes_the_quota(params: Mapping[str, Any]) -> bool:
        return bool(params["ProvisionedThroughput"]["ReadCapacityUnits"] > quota)

    hot(region)
    code = "LimitExceededException"
    region.faults.append(Fault("UpdateTable", code, times=9, matches=passes_the_quota))
    invocation = send(region, alarm_message(region))
    found = units(region)["orders:read"], thresholds(region)["headroom-orders:read"]
    assert found == (reached, reached * 48)
    assert reasons(invocation)["orders:read"] == "QuotaReached"
    assert decisions(invocation)[READS]["numbers"]["wanted_units"] == 150
    assert failures(invocation) == []


@pytest.mark.parametrize(("refused", "calls"), [(0, 5), (10, 2)])
def test_where_many_tables_are_refused_an_increase_is_halved_once(
    region: Region, refused: int, calls: int
) -> None:
    run = new_run(region)
    run.report.at_limit += [f"table-{number}" for number in range(refused)]
    raised = Decision(READS, 100, 150, Reason.UTILIZATION_HIGH)
    whole = SetCapacity("orders", (Change(READS, 100, 150),))
    region.faults.append(Fault("UpdateTable", "LimitExceededException", times=9))
    act.finish(run, [act.Plan("orders", [raised], [whole], {READS: policy()})])
    assert writes(region) == ["UpdateTable"] * calls
    assert run.report.at_limit[-1] == "orders"
