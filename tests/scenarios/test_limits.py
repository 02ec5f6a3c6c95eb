"""An increase that meets a limit of DynamoDB is tried again at the end of the same run."""

from collections.abc import Mapping
from typing import Any

import pytest

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.on_alarm import hot
from tests.support.scenes import (
    alarm_message,
    decisions,
    failures,
    reasons,
    send,
    thresholds,
    units,
    writes,
)


@pytest.mark.parametrize(
    ("times", "number", "reason"), [(1, 150, "UtilizationHigh"), (3, 100, "CallFailed")]
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
    assert len(failures(invocation)) == (times == 3)


def test_where_a_quota_does_not_take_the_whole_increase_half_of_it_is_made(region: Region) -> None:
    def passes_the_quota(params: Mapping[str, Any]) -> bool:
        return bool(params["ProvisionedThroughput"]["ReadCapacityUnits"] > 130)

    hot(region)
    code = "LimitExceededException"
    region.faults.append(Fault("UpdateTable", code, times=9, matches=passes_the_quota))
    invocation = send(region, alarm_message(region))
    assert (units(region)["orders:read"], thresholds(region)["headroom-orders:read"]) == (125, 6000)
    assert reasons(invocation)["orders:read"] == "QuotaReached"
    assert decisions(invocation)[READS]["numbers"]["wanted_units"] == 150
    assert failures(invocation) == []
