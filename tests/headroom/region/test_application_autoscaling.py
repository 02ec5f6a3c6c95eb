"""The embedded region's Application Auto Scaling scales, as far as it is not suspended."""

from typing import Any

import pytest

from headroom.region.region import Region
from tests.support.application_autoscaling import named, tracking
from tests.support.builders import INDEX_WRITES, READS
from tests.support.scenes import units

SERVICE = "application-autoscaling"


def scale(region: Region, target: Any, suspended: dict[str, bool], **policy: Any) -> None:
    client = region.client(SERVICE)
    bounds = {"MinCapacity": 10, "MaxCapacity": 150}
    client.register_scalable_target(**named(target), **bounds, SuspendedState=suspended)
    client.put_scaling_policy(**tracking(target, 70.0, **policy))


def test_it_raises_an_index_to_its_maximum(region: Region) -> None:
    scale(region, INDEX_WRITES, {})
    region.serve(INDEX_WRITES, [500.0] * 60)
    region.run(60)
    assert units(region)["orders/by-date:write"] == 150


@pytest.mark.parametrize(
    ("suspended", "policy", "left"),
    [
        pytest.param({}, {}, 15, id="not suspended"),
        pytest.param({"DynamicScalingOutSuspended": True}, {}, 15, id="out"),
        pytest.param({"DynamicScalingInSuspended": True}, {}, 100, id="in"),
        pytest.param({}, {"DisableScaleIn": True}, 100, id="a policy that only raises"),
    ],
)
def test_it_lowers_a_table(
    region: Region, suspended: dict[str, bool], policy: dict[str, bool], left: int
) -> None:
    scale(region, READS, suspended, **policy)
    region.serve(READS, [10.0] * 40)
    region.run(30)
    assert units(region)["orders:read"] == left


def test_what_dynamodb_refuses_is_tried_again(region: Region) -> None:
    scale(region, READS, {})
    scale(region, INDEX_WRITES, {})
    region.serve(READS, [10.0] * 60)
    region.serve(INDEX_WRITES, [30.0] * 60)
    region.run(45)
    assert (units(region)["orders:read"], units(region)["orders/by-date:write"]) == (15, 43)


def test_a_table_that_is_gone_is_passed_over(region: Region) -> None:
    scale(region, READS, {})
    region.client("dynamodb").delete_table(TableName="orders")
    region.run(5)
