"""The switch of a billing mode is written only while the table is as the decision saw it."""

import pytest

from chalicelib.aws.client import Aws
from chalicelib.aws.modes import set_mode
from chalicelib.aws.tables import ChangedMeanwhile
from chalicelib.model import SetMode
from headroom.region.context import Fault
from headroom.region.region import Region
from tests.support.builders import READS, WRITES
from tests.support.scenes import operations, set_units, wait

TO_ON_DEMAND = SetMode("orders", False, True, note=("headroom-mode", "on-demand"))
#: The table has an index too.
BACK = SetMode("orders", True, False, units=((READS, 5), (WRITES, 5)))


def test_a_table_that_has_changed_gets_neither_note_nor_switch(region: Region) -> None:
    aws = Aws("headroom-alarms")
    for action in (SetMode("orders", True, True, ceilings=((READS, 5),)), BACK):
        with pytest.raises(ChangedMeanwhile, match="another billing mode, or other indexes"):
            set_mode(aws, action)
    region.client("dynamodb").update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    region.calls.clear()
    with pytest.raises(ChangedMeanwhile, match="orders is updating"):
        set_mode(aws, TO_ON_DEMAND)
    wait(region, minutes=5)
    with pytest.raises(ChangedMeanwhile, match="another billing mode, or other indexes"):
        set_mode(aws, BACK)
    assert set(operations(region)) == {"DescribeTable"}


def test_a_table_that_somebody_changes_at_the_same_time_is_left(region: Region) -> None:
    set_units(region, "orders", 110, 110)
    region.faults.append(Fault("UpdateTable", "ResourceInUseException"))
    with pytest.raises(ChangedMeanwhile):
        set_mode(Aws("headroom-alarms"), TO_ON_DEMAND)
