"""Nothing that only holds, counts, tells or heals stands in the way of an increase, or of another
table's decision."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from chalicelib.aws.client import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS
from chalicelib.model import Reason
from chalicelib.run import Report
from chalicelib.telemetry import RunLog
from headroom.region.context import Fault, Invocation
from headroom.region.http import HttpRequest
from headroom.region.region import Region
from tests.support.builders import READS, WRITES, decision
from tests.support.scenes import (
    alarm_message,
    decisions,
    failures,
    invoke,
    log_lines,
    orders,
    pass_minutes,
    reasons,
    rules,
    send,
    skips,
    slow,
    units,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
URL = "https://breaker.example/allow"
JOBS = '\n[[pause]]\nname = "{0}"\njob = "{1}"\nprefix = "{0}-"\ntables = ["orders*"]\n'
FLEET = (
    '\n[[fleet]]\nname = "workers"\ntags = { role = "worker" }\n[[fleet.tables]]\ntable = '
    '"orders*"\nread = { linear = 1 }\n'
)
HEALING = '\n[[healing]]\ngroup = "web"\n'
EVERYTHING = rules(
    notify=["scaled_up", "at_max", "paused", "failing"],
    notify_topic=TOPIC,
    hold_after_manual_change_hours=4,
    circuit_breaker_url=URL,
    circuit_breaker_seconds=0.05,
)
EVERYTHING += (
    JOBS.format("nightly", "emr_cluster") + JOBS.format("weekly", "glue_job") + FLEET + HEALING
)
HANDLERS = ("on_alarm", "follow_up", "sweep")
OTHER_READS = structs.replace(READS, table="orders2")
Answer = Callable[[Mapping[str, Any]], dict[str, Any] | None]


def hot(region: Region) -> None:
    """Reads of `orders` to raise, and its writes to lower."""
    region.http.servers[URL] = 200
    region.client("sns").create_topic(Name="capacity")
    pass_minutes(region, 65, {READS: 95.0})
    alarm = region.cloudwatch.alarms["headroom-orders:read"]
    alarm.state.value, alarm.changed_at = "ALARM", region.now
    region.calls.clear()


def woken(region: Region, handler: str) -> Invocation:
    return send(region, alarm_message(region)) if handler == "on_alarm" else invoke(region, handler)


def of(operation: str, answer: dict[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
    service, _, name = operation.partition(":")
    return (service, name), answer


ODD = [
    of(
        "resourcegroupstaggingapi:GetResources",
        {"ResourceTagMappingList": [{"Tags": [{"Key": "headroom-pause"}]}]},
    ),
    of("emr:ListClusters", {"Clusters": [{}]}),
    of("glue:ListJobs", {}),
    of("ec2:DescribeInstances", {"Reservations": [{}]}),
    of("autoscaling:DescribeAutoScalingGroups", {"AutoScalingGroups": [{}]}),
    of("cloudwatch:ListTagsForResource", {"Tags": [{}]}),
    of("application-autoscaling:DescribeScalableTargets", {"ScalableTargets": [{}]}),
    of("sns:Publish", {"MessageId": None}),
]


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(("where", "answer"), ODD, ids=[":".join(where) for where, _ in ODD])
@pytest.mark.scene(orders, EVERYTHING)
def test_an_answer_that_nobody_has_foreseen_stops_no_increase_and_loses_no_line_of_the_log(
    region: Region, handler: str, where: tuple[str, str], answer: dict[str, Any]
) -> None:
    hot(region)
    region.answers[where] = lambda _: answer
    invocation = woken(region, handler)
    assert units(region)["orders:read"] == 150
    assert reasons(invocation)["orders:read"] == "UtilizationHigh"


@pytest.mark.parametrize(
    ("where", "answer"), ODD[:4], ids=[":".join(where) for where, _ in ODD[:4]]
)
@pytest.mark.scene(orders, EVERYTHING)
def test_nothing_is_lowered_on_it_and_it_is_raised_at_the_end(
    region: Region, where: tuple[str, str], answer: dict[str, Any]
) -> None:
    region.http.servers[URL] = 200
    pass_minutes(region, 65)
    region.answers[where] = lambda _: answer
    invocation = invoke(region, "scale_down")
    assert (units(region)["orders:read"], len(failures(invocation))) == (100, 1)


@pytest.mark.scene(orders, rules(min_units=20))
def test_metrics_that_nobody_has_foreseen_are_no_metrics(region: Region) -> None:
    region.create_table("orders2", 10, 100)
    region.answers["cloudwatch", "GetMetricData"] = lambda _: {"MetricDataResults": [{"Id": "m0"}]}
    invocation = invoke(region, "scale_down")
    assert (units(region)["orders2:read"], units(region)["orders2:write"]) == (20, 100)
    assert len(failures(invocation)) == 1


@pytest.mark.parametrize("handler", ["follow_up", "scale_down", "sweep"])
def test_a_table_that_is_described_oddly_stops_no_other(region: Region, handler: str) -> None:
    region.create_table("orders2", 100, 100)
    invoke(region, "sweep")
    hot(region)
    region.cloudwatch.alarms["headroom-orders2:read"].state.value = "ALARM"
    odd: Answer = lambda request: {"Table": {}} if request["TableName"] == "orders2" else None  # noqa: E731
    region.answers["dynamodb", "DescribeTable"] = odd
    invocation = invoke(region, handler)
    assert decisions(invocation)[READS]["desired"] == 150
    assert [text.split(":")[0] for text in failures(invocation)] == ["orders2"]


def test_a_table_whose_update_is_answered_oddly_stops_no_other(region: Region) -> None:
    region.create_table("orders2", 200, 200)
    invoke(region, "sweep")
    pass_minutes(region, 65, {READS: 95.0, OTHER_READS: 190.0})
    looks: list[str] = []

    def odd(request: Mapping[str, Any]) -> dict[str, Any] | None:
        looks.append(request["TableName"])
        return {} if looks.count("orders2") == 2 and looks[-1] == "orders2" else None

    region.answers["dynamodb", "DescribeTable"] = odd
    reported = reasons(invoke(region, "sweep"))
    assert (reported["orders:read"], reported["orders2:read"]) == (
        "UtilizationHigh",
        "CallFailed",
    )


@pytest.mark.scene(orders, rules(hold_after_manual_change_hours=4))
def test_one_table_whose_increase_is_dated_oddly_holds_no_other(region: Region) -> None:
    region.create_table("orders2", 100, 100)
    invoke(region, "sweep")
    pass_minutes(region, 65)
    region.tables["orders2"].provisions[""].last_increase_at = region.now.replace(tzinfo=None)
    invocation = invoke(region, "scale_down")
    assert decisions(invocation)[READS]["desired"] == 1
    assert {text.split(":")[0] for text in failures(invocation)} == {"orders2"}
    assert units(region)["orders2:read"] == 100


def test_an_alarm_that_breaks_one_tables_plan_stops_no_other(region: Region) -> None:
    region.create_table("orders2", 200, 200)
    invoke(region, "sweep")
    pass_minutes(region, 65, {READS: 95.0, OTHER_READS: 190.0})
    del region.cloudwatch.alarms["headroom-orders2:read"].fields["Period"]
    invocation = invoke(region, "sweep")
    assert decisions(invocation)[READS]["desired"] == 150
    assert [text.split(":")[0] for text in failures(invocation)] == ["orders2"]


# alarms and fleets


@pytest.mark.scene(orders, rules() + FLEET.replace("linear = 1 ", "linear = 30 "))
def test_where_the_alarms_in_alarm_cannot_be_read_what_follows_a_fleet_is_raised_all_the_same(
    region: Region,
) -> None:
    region.client("ec2")
    region.answers["ec2", "DescribeInstances"] = lambda _: {
        "Reservations": [{"Instances": [{}] * 5}]
    }
    region.faults.append(Fault("DescribeAlarms", "ThrottlingException"))
    invocation = invoke(region, "follow_up")
    assert units(region)["orders:read"] == 150
    assert [text.split(":")[0] for text in failures(invocation)] == ["the alarms in ALARM"]


def test_alarms_that_cannot_be_made_lose_no_decision(region: Region) -> None:
    region.create_table("orders2", 100, 100)
    pass_minutes(region, 65, {READS: 95.0})
    region.faults.append(Fault("DescribeAlarms", "ThrottlingException", after=1))
    invocation = invoke(region, "sweep")
    assert (reasons(invocation)["orders:read"], len(failures(invocation))) == ("UtilizationHigh", 1)


# who is slow


SLOW = [
    ("resourcegroupstaggingapi", "GetResources"),
    ("emr", "ListClusters"),
    ("glue", "ListJobs"),
    ("ec2", "DescribeInstances"),
]
ANY = [
    *SLOW,
    ("cloudwatch", "GetMetricData"),
    ("cloudwatch", "DescribeAlarms"),
    ("cloudwatch", "PutMetricAlarm"),
    ("sts", "GetCallerIdentity"),
    ("application-autoscaling", "DescribeScalableTargets"),
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("sns", "Publish"),
]


@pytest.mark.parametrize("handler", ["on_alarm", "follow_up"])
@pytest.mark.scene(orders, EVERYTHING)
def test_services_that_keep_silent_leave_a_run_the_time_for_its_increase(
    region: Region, handler: str
) -> None:
    hot(region)
    began = region.now
    for where in SLOW:
        region.answers[where] = slow(region, 100)
    invocation = woken(region, handler)
    assert units(region)["orders:read"] == 150
    (update,) = [made for made in region.calls if made.operation == "UpdateTable"]
    assert update.at - began < timedelta(seconds=50)
    assert reasons(invocation)["orders:write"] != "UtilizationLow"


@pytest.mark.parametrize("where", ANY, ids=map(":".join, ANY))
@pytest.mark.parametrize("handler", ["on_alarm", "follow_up"])
@pytest.mark.scene(orders, EVERYTHING)
def test_whichever_service_is_silent_the_increase_comes_within_fifteen_seconds(
    region: Region, handler: str, where: tuple[str, str]
) -> None:
    hot(region)
    began = region.now
    region.answers[where] = slow(region, GIVEN_UP)
    invocation = woken(region, handler)
    assert units(region)["orders:read"] == 150
    (update,) = [made for made in region.calls if made.operation == "UpdateTable"]
    assert update.at - began <= timedelta(seconds=15)
    if where[1] in READ_FIRST:
        assert "no answer within" in "".join(failures(invocation))
    assert region.now - began < timedelta(seconds=60)


def alarm_pages(region: Region, *seconds: float) -> Answer:
    """Return pages of alarms, each after so many seconds. The last page has all alarms."""
    waits = list(seconds)

    def answer(_: Mapping[str, Any]) -> dict[str, Any] | None:
        region.travel(region.now + timedelta(seconds=waits.pop(0) if waits else 0))
        return {"MetricAlarms": [], "NextToken": "0"} if waits else None

    return answer


@pytest.mark.parametrize(
    ("pages", "failure", "most_seconds"),
    [
        pytest.param((3, 0), "no answer within 2 s", 2, id="no first page"),
        pytest.param((1.5, 9), "no answer within 4.8", 7, id="no second page"),
        pytest.param((1.5, 4), "", 6, id="slow"),
    ],
)
@pytest.mark.scene(orders, EVERYTHING)
def test_alarms_that_send_no_first_page_are_given_up_before_slow_ones(
    region: Region, pages: tuple[float, ...], failure: str, most_seconds: int
) -> None:
    hot(region)
    began = region.now
    region.answers["cloudwatch", "DescribeAlarms"] = alarm_pages(region, *pages)
    invocation = woken(region, "follow_up")
    (update,) = [made for made in region.calls if made.operation == "UpdateTable"]
    assert update.at - began <= timedelta(seconds=most_seconds)
    (found,) = failures(invocation) or [""]
    assert failure in found


#: Seconds after which botocore gives up a call, with its pauses of one and two seconds.
GIVEN_UP = ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + 3
#: Without these answers an increase is made all the same, and the log says what was unknown.
READ_FIRST = {"DescribeAlarms", "GetMetricData"}


def test_a_breaker_that_answers_drop_by_drop_delays_no_increase() -> None:
    over = threading.Event()

    def drip(_: HttpRequest) -> int:
        over.wait(20)
        return 200

    with orders(EVERYTHING) as region:
        hot(region)
        region.http.servers[URL] = drip
        try:
            invocation = send(region, alarm_message(region))
            assert not over.is_set()
            assert units(region)["orders:read"] == 150
            assert (f"circuit breaker {URL}", "CircuitBreakerUnknown") in skips(invocation)
        finally:
            over.set()


@pytest.mark.scene(
    orders, EVERYTHING.replace("circuit_breaker_seconds = 0.05", "circuit_breaker_seconds = 30")
)
def test_a_breaker_is_not_asked_when_the_wait_would_take_an_increases_time(region: Region) -> None:
    hot(region)
    for where in SLOW:
        region.answers[where] = slow(region, GIVEN_UP)
    send(region, alarm_message(region))
    assert (units(region)["orders:read"], region.http.requests) == (150, [])


# what is logged, and when


class Killed(BaseException):
    """Lambda's end of a run: nothing after it is done."""


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.scene(orders, EVERYTHING)
def test_what_was_decided_is_logged_before_people_are_reported(
    region: Region, handler: str
) -> None:
    hot(region)

    def hang(_: Mapping[str, Any]) -> dict[str, Any]:
        raise Killed

    region.answers["sns", "Publish"] = hang
    with pytest.raises(Killed):
        woken(region, handler)
    reported = [line["message"] for line in region.functions.logs if line.get("kind") == "decision"]
    assert any(line.startswith("orders:read 100 → 150") for line in reported)


def test_a_run_that_is_killed_among_its_alarms_has_logged_the_tables_before(region: Region) -> None:
    region.create_table("orders2", 200, 200)
    invoke(region, "sweep")
    pass_minutes(region, 65, {READS: 95.0, OTHER_READS: 190.0})
    names: list[str] = []

    def second_table(request: Mapping[str, Any]) -> None:
        names.append(request["AlarmName"])
        if names[0].split(":")[0] != names[-1].split(":")[0]:
            raise Killed

    region.answers["cloudwatch", "PutMetricAlarm"] = second_table
    region.functions.logs.clear()
    with pytest.raises(Killed):
        invoke(region, "sweep")
    logged = [line["alarm"] for line in region.functions.logs if "alarm" in line]
    assert (logged, len(names)) == (names[:-1], 2)


@pytest.mark.scene(orders, EVERYTHING)
def test_each_line_is_logged_once_however_often_something_is_settled(region: Region) -> None:
    hot(region)
    invocation = invoke(region, "sweep")
    assert (len(log_lines(invocation, "decision")), len(log_lines(invocation, "notice"))) == (4, 1)


def test_what_comes_after_it_was_settled_is_logged_too(region: Region) -> None:
    report, log = Report(), RunLog("sweep")
    report.decisions.append(decision(READS, 100, 150))
    log.write(report)
    report.decisions.append(decision(WRITES, 100, 40, Reason.UTILIZATION_LOW))
    assert log.finish(report)["ScaledUp"] == 1
    reported = [
        line["dimension"] for line in region.functions.logs if line.get("kind") == "decision"
    ]
    assert (reported[-2:], len(reported)) == (["read", "write"], 4 + 2)
