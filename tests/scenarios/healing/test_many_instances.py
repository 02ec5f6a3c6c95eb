"""Healing: many instances, long histories, and tables beside them."""

from datetime import timedelta

import pytest

from chalicelib import handlers
from chalicelib.aws import groups
from chalicelib.core.healing import EventKind
from headroom.region.context import Call
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.healing import (
    healing,
    quick,
    touched,
    web,
)
from tests.support.scenes import (
    MIDDAY,
    Countdown,
    new_run,
    orders,
    rules,
)

pytestmark = pytest.mark.scene.with_args(web)


def test_a_sweep_makes_the_alarms_of_tables_and_instances_while_there_is_time() -> None:
    with Region(MIDDAY) as region:
        region.create_table("orders")
        region.groups.create("web", 20, most=1_000)
        run = new_run(region, rules() + "\n" + healing(), Countdown(6.0))
        report = handlers.sweep(run)
        made = len(region.cloudwatch.alarms)
        assert 2 < made < 22
        assert [skip.detail for skip in report.skips] == [
            f"{22 - made} more are made by later sweeps, three a second"
        ]


def test_everything_is_read_to_the_last_page() -> None:
    with Region(MIDDAY) as region:
        ids = region.groups.create("web", 120, most=1_000)
        region.groups.fail_checks(ids[-1])
        aws = quick()
        assert groups.groups_of(aws, ids) == dict.fromkeys(ids, "web")
        (group,) = groups.groups(aws)
        group = groups.with_past(
            aws, groups.with_status(aws, group), region.now - timedelta(hours=1)
        )
        assert [m.instance for m in group.members if m.failing] == [ids[-1]]
        assert sum(m.is_healthy for m in group.members) == 119
        assert {(e.instance, e.what) for e in group.events} == {(i, EventKind.JOINED) for i in ids}
        calls: list[Call] = region.calls
        assert [
            len(c.params["InstanceIds"]) for c in calls if c.operation == "DescribeInstanceStatus"
        ] == [100, 20]


def test_the_past_is_read_as_far_back_as_it_counts_and_no_further(
    region: Region, ids: list[str]
) -> None:
    region.run(120)
    (group,) = groups.groups(quick(), ["web"])
    assert groups.with_past(quick(), group, region.now - timedelta(hours=1)).events == ()
    assert len(groups.with_past(quick(), group, region.now - timedelta(hours=3)).events) == len(ids)


@pytest.mark.scene(orders, rules() + "\n" + healing())
def test_tables_and_instances_are_followed_in_one_run(region: Region) -> None:
    ids = region.groups.create("web", 4)
    region.run(6)
    region.serve(READS, [50.0] * 6 + [95.0] * 20)
    region.groups.fail_checks(ids[0])
    region.run(6)
    assert (touched(region), region.units(READS)) == ([ids[0]], 150)
