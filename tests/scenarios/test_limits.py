"""An increase that meets a limit of DynamoDB is tried again at the end of the same run."""

import pytest

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.on_alarm import hot
from tests.support.scenes import (
    alarm_message,
    failures,
    reasons,
    send,
    thresholds,
    units,
    writes,
)


@pytest.mark.parametrize(
    ("times", "number", "reason"), [(1, 150, "UtilizationHigh"), (2, 100, "CallFailed")]
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
    assert len(failures(invocation)) == times - 1
