"""The bugs of the peer that followed a fleet before (../shared/peers.md, 1.4), each as what happens
here instead."""

import ast

import pytest

from chalicelib.config.fleet import Scale
from headroom.deploy import permissions
from headroom.project import ROOT
from headroom.region.ec2 import Ec2
from headroom.region.region import Region
from tests.scenarios.test_fleet import BY_GROUP, BY_TAG, FOLLOWING, TABLES, WORKER, led
from tests.support.builders import READS, WRITES
from tests.support.iam import listed, statements
from tests.support.judge import policy_of
from tests.support.scenes import (
    MIDDAY,
    decisions,
    invoke,
    operations,
    pass_minutes,
    record_invocations,
    requests,
    units,
    wait,
)

pytestmark = pytest.mark.scene.with_args(led)


def test_instances_are_counted_and_not_reservations(region: Region) -> None:
    ec2 = Ec2(region)
    ec2.launch(3, WORKER)  # one reservation
    ec2.launch(1, WORKER)
    assert decisions(invoke(region, "sweep"))[READS]["numbers"]["instances"] == 4


def test_every_page_is_counted(region: Region) -> None:
    pages = {None: "second", "second": "third", "third": None}

    def page(request: dict[str, object]) -> dict[str, object]:
        following = pages[request.get("NextToken")]  # type: ignore[index]
        instances = [{"InstanceId": f"i-{number}"} for number in range(2)]
        return {"Reservations": [{"Instances": instances}]} | (
            {"NextToken": following} if following else {}
        )

    region.answers["ec2", "DescribeInstances"] = page
    assert decisions(invoke(region, "sweep"))[READS]["numbers"]["instances"] == 6


@pytest.mark.scene(
    led, TABLES + BY_TAG.replace('role = "worker"', 'role = "worker", stage = "prod"')
)
def test_only_running_instances_with_all_the_tags_count(region: Region) -> None:
    ec2 = Ec2(region)
    ec2.launch(2, {**WORKER, "stage": "prod"})
    ec2.launch(4, WORKER)
    ec2.launch(4, {"role": "workers", "stage": "prod"})
    ec2.stop(ec2.launch(3, {**WORKER, "stage": "prod"}))
    assert decisions(invoke(region, "sweep"))[READS]["numbers"]["instances"] == 2


@pytest.mark.scene(led, FOLLOWING)
def test_consumption_is_the_sum_of_what_was_used_and_not_its_biggest_request(
    region: Region,
) -> None:
    """The statistic of Consumed* is Sum: 80 units a second stay, though the biggest single request
    was of one unit."""
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20, {READS: 80.0})
    Ec2(region).terminate(workers)
    region.calls.clear()
    invoke(region, "sweep")
    request = [
        query["MetricStat"]
        for one in requests(region, "GetMetricData")
        for query in one["MetricDataQueries"]
    ]
    assert {stat["Stat"] for stat in request if "Consumed" in stat["Metric"]["MetricName"]} == {
        "Sum"
    }
    assert units(region)["orders:read"] == 80


@pytest.mark.scene(led, FOLLOWING)
def test_datapoints_are_put_in_order_whichever_way_they_come(region: Region) -> None:
    """The load was 150, and is 30 by now: whatever comes last in the answer, the peak of the last
    quarter of an hour counts."""
    workers = Ec2(region).launch(10, WORKER)
    pass_minutes(region, 20, {READS: [150.0] * 14 + [30.0] * 6})
    Ec2(region).terminate(workers)
    answer = region.cloudwatch.answer

    def backwards(request: dict[str, object]) -> dict[str, object]:
        text = answer("GetMetricData", request)
        assert text is not None
        for result in text["MetricDataResults"]:
            pairs = sorted(
                zip(result["Timestamps"], result["Values"], strict=True),
                key=lambda pair: pair[0].second,
            )
            result["Timestamps"], result["Values"] = (
                [pair[i] for pair in reversed(pairs)] for i in (0, 1)
            )
        return text

    region.answers["cloudwatch", "GetMetricData"] = backwards
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 150


def test_the_first_run_needs_nothing_that_an_earlier_one_left() -> None:
    with Region(MIDDAY) as region:
        region.create_table("orders", 10, 10, {"by-date": (10, 10)})
        region.deploy(TABLES + BY_TAG)
        invocations = record_invocations(region)
        Ec2(region).launch(8, WORKER)
        assert [invocation.error for invocation in invocations] == [None] * 8
        assert units(region)["orders:read"] == 160


@pytest.mark.scene(led, FOLLOWING, read=100, write=100)
def test_zero_instances_go_to_the_floor(region: Region) -> None:
    pass_minutes(region, 20)
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (5, 5)


@pytest.mark.scene(led, FOLLOWING, read=500, write=500)
def test_a_fleet_that_grew_never_lowers_a_table_that_was_bigger(region: Region) -> None:
    pass_minutes(region, 20, {READS: 450.0, WRITES: 450.0})
    Ec2(region).launch(4, WORKER)
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (500, 500)
    wait(region, minutes=2)  # the index was raised
    invoke(region, "sweep")  # 4 instances call for 80 and 20; what is consumed stays
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (450, 450)


@pytest.mark.scene(led, FOLLOWING, read=200, write=200)
def test_one_dimension_that_may_fall_does_not_take_the_other_below_its_need(region: Region) -> None:
    pass_minutes(region, 20, {WRITES: 190.0})
    invoke(region, "sweep")
    assert (units(region)["orders:read"], units(region)["orders:write"]) == (5, 190)


@pytest.mark.parametrize("place", ["us-east-1", "eu-central-1", "cn-north-1"])
def test_it_runs_in_the_region_that_it_is_deployed_to(place: str) -> None:
    with Region(MIDDAY, name=place) as region:
        region.create_table("orders", 10, 10, {"by-date": (10, 10)})
        region.deploy(TABLES + BY_TAG)
        Ec2(region).launch(2, WORKER)
        assert units(region)["orders:read"] == 40


def test_no_region_is_written_into_the_code() -> None:
    for file in ("aws/fleet", "fleet_count", "config/fleet", "core/strategies/fleet_size"):
        nodes = ast.walk(ast.parse((ROOT / "chalicelib" / f"{file}.py").read_text()))
        texts = {
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not {text for text in texts if text.count("-") == 2 and text[-1].isdigit()}


@pytest.mark.parametrize("function", sorted(permissions.SCALING))
def test_no_function_may_do_everything_to_dynamodb_cloudwatch_or_ec2(function: str) -> None:
    allowed = [
        s
        for s in statements(policy_of(function, TABLES + BY_TAG + BY_GROUP))
        if s["Effect"] == "Allow"
    ]
    actions = {action for statement in allowed for action in listed(statement["Action"])}
    assert not {action for action in actions if "*" in action}
    assert {action for action in actions if action.startswith(("ec2:", "autoscaling:"))} == {
        "ec2:DescribeInstances",
        "autoscaling:DescribeAutoScalingGroups",
    }


def test_one_rule_serves_many_tables_each_with_its_own_units(region: Region) -> None:
    Ec2(region).launch(4, WORKER)
    found = units(region)
    assert (found["orders:read"], found["orders:write"], found["orders/by-date:write"]) == (
        80,
        20,
        60,
    )


def test_what_a_fleet_calls_for_is_no_matter_of_the_count_before(region: Region) -> None:
    """No counter is kept: the same count calls for the same, whatever it was before, and after any
    number of events."""
    assert [Scale(linear=20).units(count) for count in (3, 9, 3)] == [60, 180, 60]
    ec2 = Ec2(region)
    ids = ec2.launch(3, WORKER)
    before = len(region.calls)
    for _ in range(3):
        ec2.send_state_changes(ids, "running")
    assert "UpdateTable" not in [made.operation for made in region.calls[before:]]
    assert "PutItem" not in operations(region)
    assert units(region)["orders:read"] == 60
