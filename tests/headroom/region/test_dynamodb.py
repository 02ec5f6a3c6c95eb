"""The embedded region's tables: updates, their history and the quota of decreases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headroom.region.region import Region
from headroom.simulation.clock import START
from tests.support.builders import INDEX_READS, READS, WRITES
from tests.support.scenes import set_index_units, set_units, use_free_decreases, wait


def units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def index_updates(read: int, write: int, name: str = "by-date") -> list[dict[str, Any]]:
    return [{"Update": {"IndexName": name, "ProvisionedThroughput": units(read, write)}}]


def update(region: Region, **parts: Any) -> None:
    region.client("dynamodb").update_table(TableName="orders", **parts)


def refusal(
    region: Region, read: int, write: int, index: tuple[int, int] | None = None
) -> tuple[str, str]:
    """Return code and message of the error that UpdateTable answers."""
    parts = {"GlobalSecondaryIndexUpdates": index_updates(*index)} if index else {}
    with pytest.raises(ClientError) as caught:
        update(region, ProvisionedThroughput=units(read, write), **parts)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def description(region: Region) -> dict[str, Any]:
    return dict(region.client("dynamodb").describe_table(TableName="orders")["Table"])


def throughput(region: Region) -> dict[str, Any]:
    return dict(description(region)["ProvisionedThroughput"])


def index_throughput(region: Region) -> dict[str, Any]:
    return dict(description(region)["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"])


def statuses(region: Region) -> tuple[str, str]:
    """Return the statuses of the table and of its index."""
    table = description(region)
    return table["TableStatus"], table["GlobalSecondaryIndexes"][0]["IndexStatus"]


# UpdateTable


def test_an_update_takes_effect_only_when_the_table_is_active_again(region: Region) -> None:
    update(region, ProvisionedThroughput=units(150, 100))
    assert (statuses(region)[0], throughput(region)["ReadCapacityUnits"]) == ("UPDATING", 100)
    wait(region, minutes=1)
    assert (statuses(region)[0], throughput(region)["ReadCapacityUnits"]) == ("ACTIVE", 150)


def test_an_index_that_is_updated_makes_its_table_updating(region: Region) -> None:
    update(region, GlobalSecondaryIndexUpdates=index_updates(30, 20))
    assert statuses(region) == ("UPDATING", "UPDATING")
    wait(region, minutes=1)
    assert statuses(region) == ("ACTIVE", "ACTIVE")
    assert index_throughput(region)["ReadCapacityUnits"] == 30


def test_a_second_update_meanwhile_is_refused(region: Region) -> None:
    update(region, ProvisionedThroughput=units(150, 100))
    assert refusal(region, 160, 100) == (
        "ResourceInUseException",
        "Attempt to change a resource which is still in use: Table is being updated: orders",
    )


def test_an_update_that_changes_nothing_is_refused(region: Region) -> None:
    code, message = refusal(region, 100, 100)
    assert code == "ValidationException"
    assert message.startswith("The provisioned throughput for the table will not change.")


def test_an_unknown_index_is_an_error_of_aws_and_not_of_python(region: Region) -> None:
    with pytest.raises(ClientError, match="does not have the specified index: by-city"):
        update(region, GlobalSecondaryIndexUpdates=index_updates(9, 9, "by-city"))


def test_an_unknown_table_is_not_found(region: Region) -> None:
    dynamodb = region.client("dynamodb")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName="customers")


def test_a_table_on_demand_shows_no_units_and_takes_none(region: Region) -> None:
    update(region, BillingMode="PAY_PER_REQUEST")
    assert description(region)["TableStatus"] == "UPDATING"
    assert refusal(region, 10, 10)[0] == "ResourceInUseException"
    wait(region, minutes=2)
    table = description(region)
    assert table["BillingModeSummary"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "LastUpdateToPayPerRequestDateTime": START,
    }
    assert table["ProvisionedThroughput"].items() >= units(0, 0).items()
    assert refusal(region, 10, 10)[0] == "ValidationException"


def come_back(region: Region, **more: Any) -> None:
    update(region, BillingMode="PROVISIONED", ProvisionedThroughput=units(50, 40), **more)


def test_a_table_that_comes_back_from_on_demand_has_the_requested_units(region: Region) -> None:
    assert "BillingModeSummary" not in description(region)
    update(region, BillingMode="PAY_PER_REQUEST")
    wait(region, minutes=2)
    with pytest.raises(ClientError, match="must both be specified"):
        come_back(region)
    come_back(region, GlobalSecondaryIndexUpdates=index_updates(50, 40))
    wait(region, minutes=2)
    assert (region.units(READS), region.units(WRITES), region.units(INDEX_READS)) == (50, 40, 50)
    assert throughput(region)["ReadCapacityUnits"] == 50
    assert throughput(region)["NumberOfDecreasesToday"] == 0


def test_a_table_goes_on_demand_four_times_in_24_hours(region: Region) -> None:
    for _ in range(4):
        update(region, BillingMode="PAY_PER_REQUEST")
        wait(region, minutes=2)
        come_back(region, GlobalSecondaryIndexUpdates=index_updates(50, 40))
        wait(region, minutes=2)
    with pytest.raises(ClientError, match="limited to four times"):
        update(region, BillingMode="PAY_PER_REQUEST")
    wait(region, hours=24)
    update(region, BillingMode="PAY_PER_REQUEST")
    assert description(region)["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_until_a_switch_is_complete_the_old_mode_serves(region: Region) -> None:
    region.serve(READS, [1_000.0] * 20)
    update(region, BillingMode="PAY_PER_REQUEST")
    region.meter(READS).burst_balance = 0.0
    region.run(2)
    assert region.served[READS] == (100.0, 900.0)
    region.run(1)
    assert region.served[READS] == (1_000.0, 0.0)


# history and quota


def test_a_fresh_table_has_neither_of_the_two_times(region: Region) -> None:
    assert throughput(region) == {"NumberOfDecreasesToday": 0, **units(100, 100)}


def test_an_increase_and_a_decrease_leave_their_times(region: Region) -> None:
    set_units(region, "orders", 110, 100)
    wait(region, minutes=5)
    set_units(region, "orders", 90, 90)
    assert throughput(region) == {
        "LastIncreaseDateTime": START,
        "LastDecreaseDateTime": START + timedelta(minutes=5),
        "NumberOfDecreasesToday": 1,  # reads and writes in one call are one
        **units(90, 90),
    }


def test_more_writes_and_fewer_reads_in_one_call_are_a_decrease(region: Region) -> None:
    set_units(region, "orders", 99, 200)
    assert throughput(region)["NumberOfDecreasesToday"] == 1
    for read in (98, 97, 96):
        set_units(region, "orders", read, 200)
    assert refusal(region, 95, 300)[0] == "LimitExceededException"
    assert (region.units(READS), region.units(WRITES)) == (96, 200)


def test_the_fifth_decrease_is_refused_and_an_increase_never(region: Region) -> None:
    use_free_decreases(region)
    assert refusal(region, 99, 100)[0] == "LimitExceededException"
    set_units(region, "orders", 101, 101)
    assert region.units(READS) == 101


def test_the_refusal_has_the_text_of_aws() -> None:
    with Region(datetime(2022, 10, 10, 13, 30, tzinfo=UTC)) as region:
        region.create_table("orders", 100, 100)
        provision = region.tables["orders"].provisions[""]
        provision.decreases, provision.last_decrease_at = (
            8,
            datetime(2022, 10, 10, 13, 0, 19, tzinfo=UTC),
        )
        assert refusal(region, 99, 100) == (
            "LimitExceededException",
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a "
            "given UTC day. After the first 4 decreases, each subsequent decrease in the same UTC "
            "day can be performed at most once every 3600 seconds. Number of decreases today: 8. "
            "Last decrease at Monday, October 10, 2022 at 1:00:19 PM Coordinated Universal "
            "Time. Next "
            "decrease can be made at Monday, October 10, 2022 at 2:00:19 PM Coordinated Universal "
            "Time",
        )


def test_refused_decreases_do_not_move_the_3600_seconds_after_the_last(region: Region) -> None:
    use_free_decreases(region)
    wait(region, seconds=3599)
    assert refusal(region, 99, 100)[0] == "LimitExceededException"
    wait(region, seconds=1)
    set_units(region, "orders", 99, 100)
    assert throughput(region)["NumberOfDecreasesToday"] == 5


def test_the_counter_begins_anew_at_midnight_and_the_time_of_the_last_stays() -> None:
    late = START + timedelta(hours=23, minutes=59, seconds=59)
    with Region(late) as region:
        region.create_table("orders", 100, 100)
        use_free_decreases(region)
        assert refusal(region, 99, 100)[0] == "LimitExceededException"
        wait(region, seconds=1)
        expected = {"NumberOfDecreasesToday": 0, "LastDecreaseDateTime": late}
        assert throughput(region).items() >= expected.items()
        set_units(region, "orders", 99, 100)
        assert throughput(region)["NumberOfDecreasesToday"] == 1


def test_table_and_index_are_counted_apart_and_refused_together(region: Region) -> None:
    use_free_decreases(region)
    assert refusal(region, 99, 100, (10, 10))[0] == "LimitExceededException"
    assert region.units(INDEX_READS) == 20
    set_index_units(region, 10, 10)
    assert index_throughput(region)["NumberOfDecreasesToday"] == 1
    assert throughput(region)["NumberOfDecreasesToday"] == 4
