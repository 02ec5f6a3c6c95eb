"""A table's own history: read from the embedded region's CloudWatch, gaps filled and counted, and
days kept on disk."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.aws.client import Aws
from chalicelib.metrics import CONSUMED, NAMESPACE, THROTTLED
from chalicelib.model import Target
from headroom.region.context import Call
from headroom.region.region import Region
from headroom.simulation import history
from headroom.simulation.clock import DAY, MINUTE
from headroom.simulation.history import NoHistoryError, TargetHistory
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS
from tests.support.scenes import MONDAY, metric_dimensions

WEDNESDAY = MONDAY + timedelta(days=2, hours=9)


@pytest.fixture
def region() -> Iterator[Region]:
    """A region on Wednesday morning, whose Monday and Tuesday the tests fill."""
    with Region(MONDAY) as region:
        region.travel(WEDNESDAY)
        yield region


def publish(
    region: Region,
    rates: Mapping[int, float],
    target: Target = READS,
    names: Mapping[str, str] = CONSUMED,
) -> None:
    named = metric_dimensions(target)
    for minute, rate in rates.items():
        region.cloudwatch.publish(NAMESPACE, names[target.dimension], named, minute, rate * MINUTE)


def read(
    region: Region, folder: Path, days: int = 2, target: Target = READS, fresh: bool = False
) -> TargetHistory:
    cache = history.Cache(folder, fresh)
    return history.read(Aws("headroom-alarms"), target, days, region.now, cache)


def reads_of(region: Region) -> list[Call]:
    """Return the calls for metrics since the last time, oldest first."""
    calls = [call for call in region.calls if call.operation == "GetMetricData"]
    region.calls.clear()
    return calls


def test_the_last_whole_days_are_read_by_the_minute(region: Region, tmp_path: Path) -> None:
    publish(region, {minute: minute / 60 for minute in range(3 * DAY)})
    target_history = read(region, tmp_path)
    assert target_history.demand == pytest.approx([minute / 60 for minute in range(2 * DAY)])
    assert (target_history.filled_minutes, target_history.start) == (0, MONDAY)
    assert read(region, tmp_path, days=1).start == MONDAY + timedelta(days=1)


def test_demand_is_what_was_consumed_and_what_was_throttled(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(2 * DAY), 100.0))
    publish(region, {7: 40.0}, names=THROTTLED)
    assert read(region, tmp_path).demand[5:9] == [100.0, 100.0, 140.0, 100.0]


def test_an_index_is_read_by_its_own_name(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(2 * DAY), 100.0))
    publish(region, dict.fromkeys(range(2 * DAY), 3.0), INDEX_READS)
    assert set(read(region, tmp_path, target=INDEX_READS).demand) == {3.0}
    assert set(read(region, tmp_path).demand) == {100.0}


def test_a_gap_is_filled_with_the_minute_before_and_counted(region: Region, tmp_path: Path) -> None:
    publish(region, {minute: float(minute) for minute in range(3, 2 * DAY) if minute not in (5, 6)})
    target_history = read(region, tmp_path)
    assert target_history.demand[:9] == [0.0, 0.0, 0.0, 3.0, 4.0, 4.0, 4.0, 7.0, 8.0]
    assert target_history.filled_minutes == 5


def test_days_before_the_first_datapoint_are_left_out(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(DAY + 60, 2 * DAY), 5.0))
    target_history = read(region, tmp_path)
    assert (target_history.start, len(target_history.demand), target_history.filled_minutes) == (
        MONDAY + timedelta(days=1),
        DAY,
        60,
    )


def test_a_table_without_any_datapoint_has_no_history(region: Region, tmp_path: Path) -> None:
    with pytest.raises(NoHistoryError) as caught:
        read(region, tmp_path)
    assert (
        str(caught.value)
        == "CloudWatch has no datapoint of orders:read in the last 2 whole UTC days"
    )


def test_days_that_are_kept_are_not_read_again(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(2 * DAY), 100.0))
    first = read(region, tmp_path)
    assert [call.params["StartTime"] for call in reads_of(region)] == [
        MONDAY,
        MONDAY + timedelta(days=1),
    ]
    assert read(region, tmp_path) == first
    assert reads_of(region) == []


def test_an_empty_day_is_not_kept_and_fresh_reads_all_of_them(
    region: Region, tmp_path: Path
) -> None:
    """Monday's metrics are not there yet when it is read for the first time."""
    publish(region, dict.fromkeys(range(DAY, 2 * DAY), 100.0))
    assert read(region, tmp_path).start == MONDAY + timedelta(days=1)
    publish(region, dict.fromkeys(range(DAY), 50.0))
    reads_of(region)
    assert read(region, tmp_path).demand[:1] == [50.0]
    assert [call.params["StartTime"] for call in reads_of(region)] == [MONDAY]
    publish(region, {5: 27.0})
    assert read(region, tmp_path).demand[5] == 50.0
    assert read(region, tmp_path, fresh=True).demand[5] == 77.0
    assert read(region, tmp_path).demand[5] == 77.0


def test_a_day_later_only_the_new_day_is_read(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(3 * DAY), 100.0))
    read(region, tmp_path)
    reads_of(region)
    region.travel(WEDNESDAY + timedelta(days=1))
    assert read(region, tmp_path, days=3).demand == [100.0] * 3 * DAY
    assert [(call.params["StartTime"], call.params["EndTime"]) for call in reads_of(region)] == [
        (MONDAY + timedelta(days=2), MONDAY + timedelta(days=3))
    ]


def test_files_are_kept_apart_by_account_region_owner_dimension_and_day(
    region: Region, tmp_path: Path
) -> None:
    publish(region, dict.fromkeys(range(2 * DAY), 100.0))
    publish(region, dict.fromkeys(range(2 * DAY), 3.0), INDEX_WRITES)
    read(region, tmp_path)
    read(region, tmp_path, target=INDEX_WRITES)
    kept = {
        str(file.relative_to(tmp_path / "123456789012" / "us-east-1"))
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    days = ("2026-11-02", "2026-11-03")
    assert kept == {f"orders/read-{day}.json" for day in days} | {
        f"orders~by-date/write-{day}.json" for day in days
    }


def test_a_gap_stays_a_gap_in_the_file(region: Region, tmp_path: Path) -> None:
    publish(region, {minute: 5.0 for minute in range(2 * DAY) if minute != 9})
    assert read(region, tmp_path).filled_minutes == read(region, tmp_path).filled_minutes == 1


def test_on_day_is_called_after_each_day(region: Region, tmp_path: Path) -> None:
    publish(region, dict.fromkeys(range(2 * DAY), 100.0))
    days: list[None] = []
    history.read(
        Aws("headroom-alarms"),
        READS,
        2,
        region.now,
        history.Cache(tmp_path),
        lambda: days.append(None),
    )
    assert len(days) == 2
