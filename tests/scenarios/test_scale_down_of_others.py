"""scale_down beside Application Auto Scaling."""

import pytest

from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.scenes import (
    actions,
    autoscale,
    failures,
    invoke,
    log_lines,
    pass_minutes,
    requests,
    thresholds,
    units,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


# Application Auto Scaling


@pytest.mark.parametrize(
    ("resource", "part"), [("table/orders", "table"), ("table/orders/index/by-date", "index")]
)
def test_a_table_that_application_auto_scaling_manages_is_left_alone_with_a_warning(
    region: Region, resource: str, part: str
) -> None:
    region.create_table("orders-large", 1000, 1000)
    autoscale(region, resource, part)
    pass_minutes(region, 65)
    invocation = invoke(region, "scale_down")
    assert [
        (line["level"], line["subject"], line["reason"]) for line in log_lines(invocation, "skip")
    ] == [("WARNING", "orders", "ManagedByApplicationAutoScaling")]
    assert {call["TableName"] for call in requests(region, "UpdateTable")} == {"orders-large"}
    assert invocation.error is None


def test_without_an_answer_of_application_auto_scaling_nothing_is_lowered(region: Region) -> None:
    pass_minutes(region, 65)
    region.faults.append(Fault("DescribeScalableTargets", "AccessDeniedException"))
    invocation = invoke(region, "scale_down")
    assert len(failures(invocation)) == 1
    assert failures(invocation)[0].startswith(
        "Application Auto Scaling: DescribeScalableTargets failed: An error occurred"
    )
    assert (writes(region), actions(invocation)) == ([], [])


def test_without_an_answer_of_application_auto_scaling_the_sweep_still_raises_and_never_lowers(
    region: Region,
) -> None:
    region.create_table("orders-idle", 100, 100)
    pass_minutes(region, 65, {READS: 95.0})
    region.faults.append(Fault("DescribeScalableTargets", "ThrottlingException"))
    invocation = invoke(region, "sweep")
    assert units(region) == {
        "orders:read": 150,
        "orders:write": 100,
        "orders/by-date:read": 20,
        "orders/by-date:write": 20,
        "orders-idle:read": 100,
        "orders-idle:write": 100,
    }
    assert "headroom-orders-idle:read" not in thresholds(
        region
    )  # it may be Application Auto Scaling's
    assert len(failures(invocation)) == 1
