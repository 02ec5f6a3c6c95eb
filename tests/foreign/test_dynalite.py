"""The adapters and a whole sweep against dynalite, a DynamoDB that others wrote and checked against
AWS. CloudWatch, SNS and the rest are a server of moto."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.aws.client import Aws
from chalicelib.aws.tables import ChangedMeanwhile, describe_tables, set_capacity, table_names
from chalicelib.model import Change, Dimension, SetCapacity, TableState, Target
from headroom.region.context import environment_of
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.command_line import RunCommand, write_file
from tests.support.deployed import CREDENTIALS
from tests.support.foreign import (
    SECONDS,
    client_of,
    dynalite,
    moto_server,
    needs_dynalite,
    publish_load,
    warm_up,
)
from tests.support.real_deploy import operator_environment
from tests.support.scenes import rules

pytestmark = [pytest.mark.foreign, pytest.mark.slow, needs_dynalite]

#: Longer than any test.
FOR_EVER = 3_600_000
LOCATION = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", **CREDENTIALS}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of both servers, as the SDK reads them from the environment."""
    folder = tmp_path_factory.mktemp("moto")
    with moto_server(folder, operator_environment("")) as others, dynalite() as tables:
        warm_up(client_of(others))
        yield {"AWS_ENDPOINT_URL": others, "AWS_ENDPOINT_URL_DYNAMODB": tables}


@pytest.fixture
def aws(request: pytest.FixtureRequest, clouds: dict[str, str]) -> Iterator[Aws]:
    """The adapters, on an account with the table `orders` and its index.

    With a parameter, tables stay UPDATING for so many milliseconds.
    """
    with ExitStack() as stack:
        addresses = dict(clouds)
        if hasattr(request, "param"):
            addresses["AWS_ENDPOINT_URL_DYNAMODB"] = stack.enter_context(dynalite(request.param))
        stack.enter_context(environment_of({**LOCATION, **addresses}))
        boto3.DEFAULT_SESSION = None
        stack.callback(setattr, boto3, "DEFAULT_SESSION", None)
        aws = Aws("headroom-alarms")
        for name in table_names(aws):
            aws.client("dynamodb").delete_table(TableName=name)
        wait_for(lambda: not table_names(aws))
        make_table(aws, "orders")
        yield aws


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, "it did not come to pass"


def make_table(aws: Aws, name: str, units: int = 100, index_units: int = 20) -> None:
    """Make a table with the index `by-date`."""

    def key(attribute: str) -> list[dict[str, str]]:
        return [{"AttributeName": attribute, "KeyType": "HASH"}]

    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=key("pk"),
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "date")
        ],
        ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": units},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-date",
                "KeySchema": key("date"),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
                "ProvisionedThroughput": {
                    "ReadCapacityUnits": index_units,
                    "WriteCapacityUnits": index_units,
                },
            }
        ],
    )
    wait_for(lambda: state(aws, name).active and len(state(aws, name).throughputs) == 2)


def state(aws: Aws, name: str = "orders") -> TableState:
    found = describe_tables(aws, [name])[name]
    assert isinstance(found, TableState)
    return found


def change(aws: Aws, *units: tuple[Target, int, int], table: str = "orders") -> None:
    set_capacity(aws, SetCapacity(table, tuple(Change(*one) for one in units)))


def capacity(aws: Aws, name: str = "orders") -> dict[str, int | None]:
    table = state(aws, name)
    return {str(target): table.units(target) for target in table.targets()}


def test_a_new_table_is_described_with_its_index_and_without_dates(aws: Aws) -> None:
    table = state(aws)
    assert (table.active, table.on_demand) == (True, False)
    assert table.units(WRITES) == 100
    assert table.units(INDEX_READS) == 20
    for throughput in table.throughputs.values():
        assert throughput.active
        assert (throughput.last_increase_at, throughput.last_decrease_at) == (None, None)
        assert throughput.decreases_today == 0


def test_one_call_sets_a_table_and_its_index(aws: Aws) -> None:
    change(aws, (READS, 100, 150), (INDEX_WRITES, 20, 35))
    wait_for(lambda: state(aws).units(READS) == 150)
    assert capacity(aws) == {
        "orders:read": 150,
        "orders:write": 100,
        "orders/by-date:read": 20,
        "orders/by-date:write": 35,
    }
    assert state(aws).throughputs[""].last_increase_at is not None


def test_an_index_alone_is_set_and_a_decrease_is_counted(aws: Aws) -> None:
    change(aws, (INDEX_READS, 20, 5))
    wait_for(lambda: state(aws).units(INDEX_READS) == 5)
    table = state(aws)
    assert table.throughputs["by-date"].decreases_today == 1
    assert table.throughputs["by-date"].last_decrease_at is not None
    assert table.throughputs[""].decreases_today == 0


@pytest.mark.parametrize("aws", [FOR_EVER], indirect=True)
def test_a_table_that_is_updating_keeps_its_old_units_and_takes_no_second_change(aws: Aws) -> None:
    change(aws, (READS, 100, 150))
    assert not state(aws).active
    assert state(aws).units(READS) == 100
    with pytest.raises(ChangedMeanwhile, match="orders is updating"):
        change(aws, (WRITES, 100, 150))


@pytest.mark.parametrize("aws", [FOR_EVER], indirect=True)
def test_an_index_that_is_updating_takes_no_second_change(aws: Aws) -> None:
    change(aws, (INDEX_READS, 20, 30))
    assert state(aws).active
    assert not state(aws).throughputs["by-date"].active
    with pytest.raises(ChangedMeanwhile, match="index orders/by-date is updating"):
        change(aws, (INDEX_WRITES, 20, 30))


@pytest.mark.parametrize(
    ("units", "why"),
    [
        ((READS, 90, 150), "has 100 units now, not 90"),
        ((Target("orders", "gone", Dimension.READ), 20, 30), "orders/gone"),
    ],
    ids=["another capacity", "no such index"],
)
def test_numbers_that_are_no_longer_so_are_not_written(aws: Aws, units: Any, why: str) -> None:
    before = capacity(aws)
    with pytest.raises(ChangedMeanwhile, match=why):
        change(aws, units)
    assert capacity(aws) == before


@pytest.mark.parametrize(
    ("units", "why"),
    [
        ((READS, 100, 100), "will not change"),
        ((INDEX_READS, 20, 10**13), "Action Blocked"),
    ],
    ids=["the same units", "more than DynamoDB has"],
)
def test_what_dynamodb_refuses_as_wrong_is_an_error(aws: Aws, units: Any, why: str) -> None:
    with pytest.raises(ClientError, match=why):
        change(aws, units)


def test_a_table_that_is_deleted_is_none_and_no_change_makes_it_again(aws: Aws) -> None:
    aws.client("dynamodb").delete_table(TableName="orders")
    wait_for(lambda: describe_tables(aws, ["orders"]) == {"orders": None})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        change(aws, (READS, 100, 150))
    assert table_names(aws) == []


def test_a_sweep_raises_what_is_hot_and_lowers_what_is_idle_tables_and_indexes_alike(
    aws: Aws, run: RunCommand, tmp_path: Path
) -> None:
    make_table(aws, "idle", 400, 200)
    others = client_of(aws.client("sns").meta.endpoint_url)
    others("sns").create_topic(Name="headroom-alarms")
    for target, rate in ((READS, 95.0), (WRITES, 50.0), (INDEX_READS, 19.0), (INDEX_WRITES, 10.0)):
        publish_load(others, rate, target)
    for index in ("", "by-date"):
        for dimension in Dimension:
            publish_load(others, 20.0, Target("idle", index, dimension), minutes=60)
    config = write_file(tmp_path, rules("orders", "idle"))
    done = run("sweep", "--once", "--config", config)
    assert (done.exit_code, done.errors) == (0, "")
    wait_for(lambda: state(aws).units(READS) == 150 and state(aws, "idle").units(READS) != 400)
    assert capacity(aws) == {
        "orders:read": 150,
        "orders:write": 100,
        "orders/by-date:read": 30,
        "orders/by-date:write": 20,
    }
    assert set(capacity(aws, "idle").values()) == {31}  # 20 at 65 %
    assert [t.decreases_today for t in state(aws, "idle").throughputs.values()] == [1, 1]
    alarms = {
        alarm["AlarmName"]: alarm["Threshold"]
        for alarm in others("cloudwatch").describe_alarms()["MetricAlarms"]
    }
    assert len(alarms) == 8
    assert alarms["headroom-orders:read"] == 150 * 60 * 0.8
    assert alarms["headroom-idle/by-date:write"] == 31 * 60 * 0.8
