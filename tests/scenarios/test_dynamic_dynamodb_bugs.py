"""What was wrong with Dynamic DynamoDB, and is right here: a scene for each, from a configuration
file of its own kind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.config import loader
from headroom.migrate.dynamic_dynamodb import translate
from headroom.migrate.imported import Kind
from headroom.region.region import Region
from tests.support.builders import ACCOUNT, INDEX_READS, INDEX_WRITES, READS, WRITES
from tests.support.scenes import (
    decisions,
    invoke,
    orders,
    pass_minutes,
    reasons,
    requests,
    set_units,
    skips,
    units,
    use_free_decreases,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

TABLE = "[table: ^orders$]\n"
INDEX = "[gsi: ^by-date$ table: ^orders$]\n"
#: Loads at which nothing is done: half of what is provisioned.
QUIET = {WRITES: 50.0, INDEX_READS: 10.0, INDEX_WRITES: 10.0}


@contextmanager
def scene(*lines: str, index: tuple[str, ...] = ()) -> Iterator[Region]:
    """The region of `orders`, configured by lines of its section, and of its index's."""
    text = "\n".join([TABLE, *lines, INDEX, *index])
    with orders(translate(text).toml) as region:
        yield region


def changes(region: Region) -> list[dict[str, Any]]:
    return requests(region, "UpdateTable")


def test_1_a_table_on_demand_is_passed_over_and_does_not_stop_the_others() -> None:
    with orders(translate("[table: .*]").toml) as region:
        region.create_table("carts", 100, 100)
        region.client("dynamodb").update_table(TableName="carts", BillingMode="PAY_PER_REQUEST")
        pass_minutes(region, 10, {READS: 95.0, WRITES: 50.0})
        looked = invoke(region, "scale_down")
        assert (looked.error, skips(looked)) == (None, [("carts", "OnDemand")])
        assert units(region)["orders:read"] == 150


@pytest.mark.parametrize(
    ("lines", "load", "found"),
    [
        pytest.param(
            ("max-provisioned-reads: 200",),
            250.0,
            200,
            id="2: consumption above the maximum is raised to the maximum",
        ),
        pytest.param(
            ("increase-reads-unit: units", "increase-reads-with: 300"),
            95.0,
            400,
            id="5: a step of more units than there are is taken whole",
        ),
    ],
)
def test_2_and_5_an_increase_is_made_at_once(
    lines: tuple[str, ...], load: float, found: int
) -> None:
    with scene(*lines) as region:
        pass_minutes(region, 10, {**QUIET, READS: load})
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == found


@pytest.mark.parametrize(
    ("writes", "reads_left"), [(50.0, 100), (10.0, 50)], ids=["writes stay", "writes go, too"]
)
def test_3_together_means_that_neither_is_lowered_alone(writes: float, reads_left: int) -> None:
    with scene("always-decrease-rw-together: true") as region:
        pass_minutes(region, 10, {**QUIET, READS: 10.0, WRITES: writes})
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == reads_left


def test_4_an_index_is_lowered_by_its_own_steps() -> None:
    with scene(index=("decrease-consumed-reads-scale: {10: 60, 20: 25}",)) as region:
        pass_minutes(region, 10, {**QUIET, READS: 50.0, INDEX_READS: 4.0})
        invoke(region, "scale_down")
        assert units(region)["orders/by-date:read"] == 15


def test_5_a_minimum_of_more_than_twice_the_units_is_reached_at_once() -> None:
    with scene("min-provisioned-reads: 500") as region:
        assert units(region)["orders:read"] == 500
    with scene() as region:
        assert units(region)["orders:read"] == 100


def test_6_a_decrease_that_dynamodb_would_refuse_is_not_asked_for() -> None:
    with scene() as region:
        use_free_decreases(region)
        pass_minutes(region, 10, {**QUIET, READS: 10.0})
        looked = invoke(region, "scale_down")
        assert changes(region) == []
        assert reasons(looked)["orders:read"] == "DecreaseBudgetUsedUp"


@pytest.mark.parametrize(("minutes", "left"), [(16, 50), (12, 100)], ids=["long enough", "not yet"])
def test_6_a_new_container_knows_how_long_it_has_been_low(minutes: int, left: int) -> None:
    with scene("num-read-checks-before-scale-down: 3") as region:
        pass_minutes(region, 60, {**QUIET, READS: 50.0})
        pass_minutes(region, minutes, {**QUIET, READS: 10.0})
        region.functions._client = (
            None  # the container is gone, and with it all that it had in memory
        )
        region.deploy(region.functions.config)
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == left


def test_7_a_table_and_its_index_change_in_one_call() -> None:
    with scene() as region:
        pass_minutes(region, 10, {READS: 95.0, WRITES: 50.0, INDEX_READS: 19.0, INDEX_WRITES: 10.0})
        invoke(region, "scale_down")
        (only,) = changes(region)
        assert only["ProvisionedThroughput"]["ReadCapacityUnits"] == 150
        (update,) = only["GlobalSecondaryIndexUpdates"]
        assert update["Update"]["ProvisionedThroughput"]["ReadCapacityUnits"] == 30


@pytest.mark.parametrize("target", [READS, WRITES, INDEX_READS, INDEX_WRITES], ids=str)
def test_8_nothing_that_was_just_throttled_is_lowered(target: Any) -> None:
    for throttled, reason in ((1.0, "ThrottledRecently"), (0.0, "UtilizationLow")):
        with scene() as region:
            loads = {READS: 50.0, **QUIET, target: 2.0}
            pass_minutes(region, 10, loads, {target: throttled} if throttled else {})
            assert decisions(invoke(region, "scale_down"))[target]["reason"] == reason


@pytest.mark.parametrize("turned", [False, True], ids=["newest first", "oldest first"])
def test_9_the_order_of_the_datapoints_is_no_matter_nor_the_second_of_the_look(
    turned: bool,
) -> None:
    def reversed_data(params: Mapping[str, Any]) -> dict[str, Any]:
        response = region.cloudwatch.answer("GetMetricData", params)
        for result in response["MetricDataResults"]:
            result["Timestamps"].reverse()
            result["Values"].reverse()
        return response

    with scene() as region:
        if turned:
            region.answers["cloudwatch", "GetMetricData"] = reversed_data
        pass_minutes(region, 30, {**QUIET, READS: 10.0})
        pass_minutes(region, 6, {**QUIET, READS: 95.0})
        region.travel(region.now + timedelta(seconds=37))
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == 150


@pytest.mark.parametrize(("load", "left"), [(None, 100), (0.0, 50)], ids=["no data", "zero"])
def test_10_what_is_missing_is_not_zero(load: float | None, left: int) -> None:
    with scene("allow-scaling-down-reads-on-0-percent: true") as region:
        pass_minutes(region, 30, {**QUIET, READS: [load] * 30})
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == left


def test_11_high_throughput_is_told_once_and_not_at_every_check() -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:capacity"
    lines = (
        f"sns-topic-arn: {topic}",
        "sns-message-types: high-throughput-alarm",
        "reads-upper-alarm-threshold: 60",
    )
    with scene(*lines) as region:
        region.client("sns").create_topic(Name="capacity")
        set_units(region, "orders", 10_000, 100)  # worth a look at every sweep
        pass_minutes(region, 60, {**QUIET, READS: 5_000.0})
        for _ in range(12):
            pass_minutes(region, 5, {**QUIET, READS: 7_000.0})
            assert invoke(region, "sweep").error is None
        (only,) = [made for made in requests(region, "Publish") if made["TopicArn"] == topic]
        assert "of its 10000 units, at or above 60 %" in only["Message"]


@pytest.mark.parametrize(
    "head", ["", "[global]\n", "[logging]\n"], ids=["neither", "no logging", "no global"]
)
def test_12_global_and_logging_may_be_missing(head: str) -> None:
    found = translate(f"{head}{TABLE}")
    assert found.is_whole
    assert loader.load(found.toml).manages("orders")


def test_13_an_unknown_option_is_named_with_its_line_and_the_nearest() -> None:
    (found,) = [
        line
        for line in translate(f"{TABLE}read-upper-threshold: 80").lines
        if line.kind is Kind.UNKNOWN
    ]
    assert (found.number, found.explanation) == (
        2,
        "Dynamic DynamoDB has no such option; did you mean reads-upper-threshold?",
    )


def test_14_no_key_comes_over_and_none_is_needed() -> None:
    text = f"[global]\naws-access-key-id: AKIAEXAMPLE\naws-secret-access-key-id: hush\n{TABLE}"
    found = translate(text, annotate=True)
    assert "AKIAEXAMPLE" not in found.toml
    assert "hush" not in found.toml
    assert [line.kind for line in found.lines] == [
        Kind.TRANSLATED,
        Kind.OBSOLETE,
        Kind.OBSOLETE,
        Kind.TRANSLATED,
    ]


@pytest.mark.parametrize(
    ("percent", "step"),
    [
        (0, 0),
        (0.2, 0),
        (0.25, 5),
        (0.4, 5),
        (0.5, 10),
        (1, 20),
        (1.9, 20),
        (2, 50),
        (4.9, 50),
        (5, 100),
        (40, 100),
    ],
    ids=str,
)
def test_15_the_steps_of_a_scale_are_as_its_documentation_has_them(
    percent: float, step: int
) -> None:
    steps = "{0: 0, 0.25: 5, 0.5: 10, 1: 20, 2: 50, 5: 100}"
    with scene(f"increase-throttled-by-provisioned-reads-scale: {steps}") as region:
        set_units(region, "orders", 1_000, 100)
        pass_minutes(region, 30, {**QUIET, READS: 500.0})
        pass_minutes(region, 6, {**QUIET, READS: 500.0}, {READS: percent * 10})
        invoke(region, "scale_down")
        assert units(region)["orders:read"] == 1_000 + step * 10
