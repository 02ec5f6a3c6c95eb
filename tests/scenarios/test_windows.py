"""Windows, floors and kept decreases in the embedded region: what an operator who has written them
sees happen."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from chalicelib.model import Reason
from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.scenes import (
    decisions,
    invoke,
    pass_minutes,
    rules,
    set_units,
    units,
    use_free_decreases,
    wait,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

BUSINESS_HOURS = """
windows = [{ rule = "floor", between = "09:00-17:00", days = "mon-fri", min_units = 500 }]
[tables.write]
scale_down = false
windows = []
"""


def november(text: str) -> datetime:
    """Return a time of November 2026, in UTC, from `DD HH:MM`; the 2nd is a Monday."""
    return datetime.fromisoformat(f"2026-11-{text.replace(' ', 'T')}").replace(tzinfo=UTC)


@contextmanager
def orders(config: str, start: str) -> Iterator[Region]:
    """A region with `orders`, 100/100 units and no index, at which nobody has looked yet."""
    with Region(november(start)) as region:
        region.create_table("orders", 100, 100)
        region.deploy(rules() + config)
        yield region


def sweeps(region: Region, until: str, load: float) -> Iterator[tuple[str, str, int]]:
    """Let time pass with this load on the reads; yield the time, the reason and the units of the
    reads at every sweep."""
    while region.now <= november(until):
        reason = decisions(invoke(region, "sweep"))[READS]["reason"]
        yield f"{region.now:%H:%M}", reason, units(region)["orders:read"]
        pass_minutes(region, 5, {READS: load})


@pytest.mark.scene(orders, BUSINESS_HOURS, "02 07:50")
def test_a_floor_is_there_in_the_first_sweep_of_its_window(region: Region) -> None:
    region.tables["orders"].provisions[""].warm[READS.dimension] = 500
    pass_minutes(region, 65, {READS: 60.0})
    assert list(sweeps(region, "02 09:10", 60.0)) == [
        ("08:55", Reason.NOT_WORTH_IT, 100),
        ("09:00", Reason.BELOW_MINIMUM, 500),
        ("09:05", Reason.AT_MIN, 500),
        ("09:10", Reason.AT_MIN, 500),
    ]


@pytest.mark.scene(orders, BUSINESS_HOURS, "02 07:20")
def test_a_floor_above_the_warm_throughput_begins_half_an_hour_earlier_and_stays(
    region: Region,
) -> None:
    pass_minutes(region, 65, {READS: 60.0})
    seen = list(sweeps(region, "02 09:05", 60.0))
    assert [(at, number) for at, _, number in seen[:2]] == [("08:25", 100), ("08:30", 500)]
    assert {number for _, _, number in seen[1:]} == {500}
    assert region.tables["orders"].provisions[""].warm[READS.dimension] == 500


@pytest.mark.parametrize("day", ["07", "08"])
def test_a_floor_of_working_days_does_not_hold_at_the_weekend(day: str) -> None:
    with orders(BUSINESS_HOURS, f"{day} 08:55") as region:
        pass_minutes(region, 5, {READS: 55.0})
        assert [number for _, _, number in sweeps(region, f"{day} 09:10", 60.0)] == [100] * 3


@pytest.mark.scene(orders, BUSINESS_HOURS, "02 14:50")
def test_the_decrease_at_a_floors_end_is_kept_for_it_though_another_was_wanted_before(
    region: Region,
) -> None:
    set_units(region, "orders", 900, 100)
    use_free_decreases(region)  # the day's free four; the last at 14:50
    pass_minutes(region, 75, {READS: 60.0})
    seen = list(sweeps(region, "02 17:05", 60.0))
    assert region.tables["orders"].provisions[""].refused_updates == 0
    assert seen == [
        *((f"16:{minute:02}", Reason.RESERVED, 900) for minute in range(5, 60, 5)),
        ("17:00", Reason.UTILIZATION_LOW, 93),
        ("17:05", Reason.AT_DESIRED, 93),
    ]


@pytest.mark.scene(orders, "\n[tables.write]\nscale_down = false", "02 14:50")
def test_without_a_floor_the_same_decrease_is_done_at_once(region: Region) -> None:
    set_units(region, "orders", 900, 100)
    use_free_decreases(region)
    pass_minutes(region, 75, {READS: 60.0})
    assert next(sweeps(region, "02 17:05", 60.0)) == ("16:05", Reason.UTILIZATION_LOW, 93)


@pytest.mark.scene(orders, BUSINESS_HOURS, "02 14:50")
def test_the_kept_decrease_and_what_it_is_kept_for_are_reported(region: Region) -> None:
    set_units(region, "orders", 900, 100)
    use_free_decreases(region)
    pass_minutes(region, 75, {READS: 60.0})
    decided = decisions(invoke(region, "sweep"))[READS]["numbers"]
    assert (decided["kept_for"], decided["kept_decreases"], decided["wanted_units"]) == (
        "2026-11-02T17:00+00:00",
        1,
        500,
    )


NIGHT = """
windows = [{ rule = "never_down", between = "20:00-06:00", time_zone = "Europe/Berlin" }]
"""


@pytest.mark.scene(orders, NIGHT, "02 18:55")
def test_what_must_not_fall_at_night_stays_and_falls_in_the_morning(region: Region) -> None:
    set_units(region, "orders", 900, 900)
    pass_minutes(
        region, 65, {READS: 600.0}
    )  # 20:00 UTC; the window began at 19:00 UTC, with 20:00 in Berlin
    night = []
    while region.now < november("03 05:00"):
        held = decisions(invoke(region, "scale_down"))[READS]
        night.append((held["reason"], held["numbers"]["held_by"], units(region)["orders:read"]))
        pass_minutes(region, 60, {READS: 60.0})
    assert set(night) == {(Reason.WINDOW, "never_down 20:00-06:00 Europe/Berlin", 900)}
    assert len(night) == 9
    assert decisions(invoke(region, "sweep"))[READS]["reason"] == Reason.UTILIZATION_LOW
    assert units(region)["orders:read"] == 93


@pytest.mark.scene(orders, NIGHT, "02 21:00")
def test_a_window_against_decreases_lets_increases_through(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 150


def test_where_everything_is_held_nothing_is_changed() -> None:
    hold = '\nmin_units = 200\nwindows = [{ rule = "hold", between = "21:00-22:00" }]'
    with orders(hold, "02 21:00") as region:
        pass_minutes(region, 5, {READS: 95.0})
        seen = decisions(invoke(region, "sweep"))
        assert {line["reason"] for line in seen.values()} == {Reason.WINDOW}
        assert "UpdateTable" not in writes(region)
        wait(region, minutes=55)
        invoke(region, "sweep")
        assert set(units(region).values()) == {200}


ETL = """
lower_percent = 30
decrease_percent = 20
reserve_decreases = [{ at = "02:00" }]
[tables.write]
scale_down = false
"""


@pytest.mark.scene(orders, ETL, "03 00:05")
def test_one_decrease_is_kept_for_the_nightly_job(region: Region) -> None:
    pass_minutes(region, 5, {READS: 1.0})
    seen = list(sweeps(region, "03 01:55", 1.0))
    lowered = [
        (clock, number) for clock, reason, number in seen if reason == Reason.UTILIZATION_LOW
    ]
    # the last of the four is an hour and more before 02:00, so that another is to be had by
    # then
    assert lowered == [("00:10", 80), ("00:15", 64), ("00:20", 52), ("00:25", 42)]
    kept = {clock for clock, reason, _ in seen if reason == Reason.RESERVED}
    assert kept == {f"01:{minute}" for minute in range(25, 60, 5)}
    # the job: up, and down again when it is done
    region.calls.clear()
    set_units(region, "orders", 2_000, 100)
    wait(region, minutes=2)
    set_units(region, "orders", 42, 100)
    assert region.tables["orders"].provisions[""].refused_updates == 0
    assert units(region)["orders:read"] == 42


@pytest.mark.scene(orders, ETL.replace('reserve_decreases = [{ at = "02:00" }]', ""), "03 00:05")
def test_without_it_the_job_would_have_been_refused(region: Region) -> None:
    pass_minutes(region, 5, {READS: 1.0})
    seen = list(sweeps(region, "03 01:55", 1.0))
    assert ("01:25", Reason.UTILIZATION_LOW, 34) in seen
    set_units(region, "orders", 2_000, 100)
    refused = region.client("dynamodb").exceptions.LimitExceededException
    wait(region, minutes=2)
    with pytest.raises(
        refused, match=r"Next decrease can be made at Tuesday, November 3, 2026 at 2:25:00 AM"
    ):
        set_units(region, "orders", 42, 100)


@pytest.mark.scene(orders, ETL, "03 00:05")
def test_from_the_kept_time_on_the_table_falls_by_itself(region: Region) -> None:
    pass_minutes(region, 5, {READS: 1.0})
    assert list(sweeps(region, "03 02:00", 1.0))[-1] == ("02:00", Reason.UTILIZATION_LOW, 34)
