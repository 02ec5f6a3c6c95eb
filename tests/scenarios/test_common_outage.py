"""The demand of one table, or of many, falls at once: a sweep lowers nothing for some minutes."""

import pytest

from chalicelib.model import Dimension, Target
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.scenes import decisions, invoke_after, orders, pass_minutes, rules, units

TABLES = (READS, *(Target(name, "", Dimension.READ) for name in ("carts", "users")))
LOAD, FALLEN = dict.fromkeys(TABLES, 60.0), dict.fromkeys(TABLES, 20.0)
SETTINGS = {"strategy": "adaptive"}


@pytest.mark.parametrize(
    "minutes",
    [
        pytest.param(
            minutes,
            marks=pytest.mark.scene(
                orders, rules("*", **SETTINGS, hold_after_common_outage_minutes=minutes)
            ),
        )
        for minutes in (30, 0)
    ],
)
def test_a_sweep_keeps_capacity_while_the_callers_of_many_tables_are_gone(
    region: Region, minutes: int
) -> None:
    for target in TABLES[1:]:
        region.create_table(target.table, 100, 1)
    pass_minutes(region, 130, LOAD)
    fell = decisions(invoke_after(region, "sweep", 10, FALLEN))
    if not minutes:
        assert units(region)["carts:read"] < 50
        return
    assert {fell[target]["reason"] for target in TABLES} == {"DemandGone"}
    shown = fell[READS]["numbers"]["held_by"]
    assert shown == "demand of 3 of 3 tables fell by half at 14:10, kept until 14:40 UTC"
    later = decisions(invoke_after(region, "sweep", 25, FALLEN))
    assert {later[target]["reason"] for target in TABLES} == {"UtilizationLow"}


@pytest.mark.scene(orders, rules(**SETTINGS, hold_after_outage_minutes=20))
def test_a_sweep_keeps_the_capacity_of_one_table_whose_callers_are_gone(region: Region) -> None:
    pass_minutes(region, 130, {READS: 60.0})
    fell = decisions(invoke_after(region, "sweep", 10))[READS]
    assert (fell["reason"], units(region)["orders:read"]) == ("DemandGone", 100)
    assert fell["numbers"]["held_by"].endswith("at 14:10, kept until 14:30 UTC")
    later = decisions(invoke_after(region, "sweep", 11))[READS]
    assert (later["reason"], units(region)["orders:read"]) == ("UtilizationLow", 1)
