"""The AWS below botocore: limits, retries in virtual time, pages, and an API that is silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore import endpoint
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.core import table_alarms
from chalicelib.metrics import OF_OTHER_LIMITS, Cause, throttled_by
from headroom.scale import limits
from headroom.scale.fake_aws import UnknownOperationError
from headroom.scale.limits import RateLimiter
from headroom.scale.sessions import default_session, new_session, virtual_pauses
from headroom.scale.simulation import BEGIN, Conditions, Simulation

STANDARD = {"mode": "standard", "max_attempts": 5}


@contextmanager
def client(simulation: Simulation, service: str, **settings: Any) -> Iterator[Any]:
    session = new_session(simulation.aws)
    config = Config(retries=STANDARD, **settings)
    with virtual_pauses(simulation.clock.sleep):
        yield session.client(service, config=config)


def simulation_of(size: int = 1, **options: Any) -> Simulation:
    simulation = Simulation(size, Conditions(cpu_factor=0.0), **options)
    simulation.account.make_alarms()
    return simulation


def alarm(simulation: Simulation) -> dict[str, Any]:
    return dict(next(iter(simulation.account.alarms.values())))


@pytest.mark.slow
def test_a_fourth_alarm_in_one_second_is_throttled_and_then_retried_in_virtual_time():
    simulation = simulation_of()
    fields = alarm(simulation)
    with client(simulation, "cloudwatch") as cloudwatch:
        simulation.clock.advance(0.01)
        for _ in range(10):
            cloudwatch.put_metric_alarm(**fields)
    assert simulation.aws.throttled["PutMetricAlarm"] >= 1
    assert simulation.aws.calls["PutMetricAlarm"] == 10 + simulation.aws.throttled["PutMetricAlarm"]
    assert simulation.clock.seconds > 3.0


@pytest.mark.slow(traced=True)
def test_without_a_retry_the_error_is_the_apis_own():
    simulation = simulation_of()
    fields = alarm(simulation)
    session = new_session(simulation.aws)
    cloudwatch = session.client("cloudwatch", config=Config(retries={"total_max_attempts": 1}))
    for _ in range(3):
        cloudwatch.put_metric_alarm(**fields)
    with pytest.raises(ClientError) as raised:
        cloudwatch.put_metric_alarm(**fields)
    assert raised.value.response["Error"]["Code"] == "ThrottlingException"


def test_datapoints_have_a_limit_of_their_own():
    limiter = RateLimiter(limits.load())
    assert limiter.admits("GetMetricData", 0.0, 100_800)
    assert not limiter.admits("GetMetricData", 0.5, 100_800)
    assert limiter.admits("GetMetricData", 1.0, 100_800)
    assert limiter.admits("PutMetricAlarm", 0.9)


def test_every_limit_names_its_source():
    loaded = limits.load()
    assert all(limit.source and limit.read_on for limit in (*loaded.limit, loaded.updates))


@pytest.mark.slow(traced=True)
def test_a_silent_api_takes_the_clients_read_timeout_at_each_attempt():
    simulation = simulation_of(silent=["DescribeAlarms"])
    with (
        client(simulation, "cloudwatch", read_timeout=7) as cloudwatch,
        pytest.raises(ReadTimeoutError),
    ):
        cloudwatch.describe_alarms()
    # max_attempts counts the retries, not the first attempt
    assert simulation.aws.calls["DescribeAlarms"] == 1 + 5
    assert simulation.clock.seconds >= 6 * 7


@pytest.mark.slow(traced=True)
def test_an_unknown_operation_is_named():
    simulation = simulation_of()
    with (
        client(simulation, "dynamodb") as dynamodb,
        pytest.raises(UnknownOperationError, match="DescribeLimits"),
    ):
        dynamodb.describe_limits()


@pytest.mark.slow
def test_alarms_and_tables_come_in_pages():
    simulation = simulation_of(120)
    with client(simulation, "cloudwatch") as cloudwatch:
        pages = list(cloudwatch.get_paginator("describe_alarms").paginate())
    assert len(pages) > 1
    names = [fields["AlarmName"] for page in pages for fields in page["MetricAlarms"]]
    assert names == sorted(simulation.account.alarms)
    with client(simulation, "dynamodb") as dynamodb:
        pages = list(dynamodb.get_paginator("list_tables").paginate())
    assert [len(page["TableNames"]) for page in pages] == [100, 20]


@pytest.mark.slow(traced=True)
def test_datapoints_come_in_pages_newest_first():
    simulation = simulation_of()
    table = next(iter(simulation.account.tables))
    metric = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedReadCapacityUnits",
        "Dimensions": [{"Name": "TableName", "Value": table}],
    }
    stat = {"Metric": metric, "Period": 300, "Stat": "Sum"}
    queries = [{"Id": f"m{i}", "MetricStat": stat} for i in range(3)]
    begin = BEGIN.replace(minute=0)
    with client(simulation, "cloudwatch") as cloudwatch:
        simulation.clock.advance(3_600)
        pages = list(
            cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries, StartTime=begin, EndTime=BEGIN, MaxDatapoints=8
            )
        )
    results = [result for page in pages for result in page["MetricDataResults"]]
    assert [len(page["MetricDataResults"]) for page in pages] == [2, 1]
    assert [result["Id"] for result in results] == ["m0", "m1", "m2"]
    assert results[0]["Timestamps"] == sorted(results[0]["Timestamps"], reverse=True)
    units = simulation.account.demands[next(simulation.account.tables[table].targets())].units
    assert all(0.9 * units * 300 < value < units * 300 for value in results[0]["Values"])


@pytest.mark.slow(traced=True)
def test_an_update_takes_effect_after_a_minute_and_blocks_another():
    simulation = simulation_of()
    table = next(iter(simulation.account.tables))
    throughput = {"ReadCapacityUnits": 100, "WriteCapacityUnits": 100}
    with client(simulation, "dynamodb") as dynamodb:
        dynamodb.update_table(TableName=table, ProvisionedThroughput=throughput)
        with pytest.raises(dynamodb.exceptions.ResourceInUseException):
            dynamodb.update_table(TableName=table, ProvisionedThroughput=throughput)
        simulation.clock.advance(60)
        described = dynamodb.describe_table(TableName=table)["Table"]
        assert described["TableStatus"] == "ACTIVE"
        assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 100
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.describe_table(TableName="no-such-table")


def test_everything_replaced_is_put_back():
    before = boto3.DEFAULT_SESSION, endpoint.time
    simulation = simulation_of()
    with virtual_pauses(simulation.clock.sleep), default_session(new_session(simulation.aws)):
        assert boto3.DEFAULT_SESSION is not before[0]
        assert endpoint.time is not before[1]
    assert (boto3.DEFAULT_SESSION, endpoint.time) == before


@pytest.mark.slow(traced=True)
def test_what_a_hot_target_lacks_is_throttled_for_want_of_units():
    simulation = simulation_of()
    target = next(next(iter(simulation.account.tables.values())).targets())
    simulation.account.make_hot([target])
    metrics = ["ReadThrottleEvents", *(throttled_by(cause, target.dimension) for cause in Cause)]
    shared = {"Namespace": "AWS/DynamoDB", "Dimensions": table_alarms.dimensions(target)}
    queries = [
        {
            "Id": f"m{i}",
            "MetricStat": {"Metric": {**shared, "MetricName": name}, "Period": 60, "Stat": "Sum"},
        }
        for i, name in enumerate(metrics)
    ]
    simulation.clock.advance(3_600)
    begin = BEGIN + timedelta(minutes=30)
    with client(simulation, "cloudwatch") as cloudwatch:
        found = cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=begin, EndTime=begin + timedelta(minutes=1)
        )
    plain, *causes = (result["Values"][0] for result in found["MetricDataResults"])
    assert plain > 0
    assert causes == [plain * (name not in OF_OTHER_LIMITS) for name in metrics[1:]]
