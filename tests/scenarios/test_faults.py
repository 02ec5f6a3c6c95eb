"""Faults: each AWS call of each handler fails at each step; the others are served, nothing is lost,
the next sweeps repair it."""

from collections.abc import Iterator
from typing import Any

import pytest

from headroom.region.context import Fault, Invocation
from headroom.region.region import Region
from tests.support.builders import INDEX_READS, INDEX_WRITES, READS, TOPIC
from tests.support.scenes import (
    FaultAt,
    alarm_message,
    failures,
    invoke,
    new_run,
    of_table,
    operations,
    orders,
    pass_minutes,
    reasons,
    record_invocations,
    rules,
    send,
    set_index_units,
    skips,
    thresholds,
    units,
    wait,
    writes,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

THROTTLED, DENIED, MISSING = (
    "ThrottlingException",
    "AccessDeniedException",
    "ResourceNotFoundException",
)
CODES = (THROTTLED, DENIED, MISSING)
HANDLERS = ("on_alarm", "follow_up", "scale_down", "sweep")


@pytest.fixture
def region(region: Region) -> Region:
    """A second table: `orders` has the faults, and `orders2` must be scaled nevertheless."""
    region.create_table("orders2", 100, 100)
    invoke(region, "sweep")
    region.calls.clear()
    return region


def hot(region: Region) -> None:
    pass_minutes(
        region,
        65,
        {
            target: 95.0
            for target in region.targets()
            if target.dimension == "read" and not target.index
        },
    )
    for name in ("headroom-orders:read", "headroom-orders2:read"):
        region.cloudwatch.alarms[name].state.value = "ALARM"


def idle(region: Region) -> None:
    pass_minutes(region, 65)


def woken(region: Region, handler: str) -> Invocation:
    """Wake a handler: on_alarm by the message of the table that will have the faults."""
    return send(region, alarm_message(region)) if handler == "on_alarm" else invoke(region, handler)


# one table's calls


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("operation", "after", "doing"),
    [
        pytest.param("DescribeTable", 0, "DescribeTable", id="look"),
        pytest.param("DescribeTable", 1, "SetCapacity", id="last look"),
        pytest.param("UpdateTable", 0, "SetCapacity", id="update"),
        pytest.param("PutMetricAlarm", 0, "RewriteAlarm", id="rewrite"),
    ],
)
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_failing_call_is_raised_with_the_tables_name_and_the_other_table_is_served(
    region: Region, handler: str, operation: str, after: int, doing: str, code: str
) -> None:
    (idle if handler == "scale_down" else hot)(region)
    region.faults.append(Fault(operation, code, after=after, matches=of_table("orders")))
    invocation = woken(region, handler)
    text = (
        f"orders: {doing} failed: An error occurred ({code}) when calling the {operation} "
        f"operation: {code} (injected)"
    )
    if (operation, after, code) == ("DescribeTable", 0, MISSING):
        assert (skips(invocation), invocation.error) == ([("orders", "TableGone")], None)
    else:
        assert failures(invocation) == [text]
        assert str(invocation.error) == "Headroom could not do everything (1 sub-exception)"
    if handler != "on_alarm":
        assert units(region)["orders2:read"] == (1 if handler == "scale_down" else 150)
    raised = operation == "PutMetricAlarm" and handler != "scale_down"
    assert units(region)["orders:read"] == (150 if raised else 100)


def test_two_tables_that_fail_are_both_named(region: Region) -> None:
    hot(region)
    region.faults.append(Fault("UpdateTable", DENIED, times=2))
    assert [line.split(":")[0] for line in failures(invoke(region, "follow_up"))] == [
        "orders",
        "orders2",
    ]
    assert reasons(invoke(region, "sweep"))["orders:read"] == "UtilizationHigh"


def test_a_decision_whose_call_failed_says_so(region: Region) -> None:
    hot(region)
    region.faults.append(Fault("UpdateTable", THROTTLED, matches=of_table("orders")))
    reported = reasons(invoke(region, "follow_up"))
    assert (reported["orders:read"], reported["orders:write"], reported["orders2:read"]) == (
        "CallFailed",
        "AlreadyAtDesiredCapacity",
        "UtilizationHigh",
    )


def test_an_increase_does_not_wait_for_an_alarm_that_cannot_be_mended(region: Region) -> None:
    """The index's alarm drifted out of reach, and rewriting it is refused: the table's reads are
    raised all the same."""
    region.cloudwatch.alarms["headroom-orders/by-date:read"].fields["Threshold"] = 1e9
    hot(region)
    drifted = "headroom-orders/by-date:read"
    region.faults.append(
        Fault("PutMetricAlarm", DENIED, matches=lambda params: params["AlarmName"] == drifted)
    )
    invocation = woken(region, "on_alarm")
    assert (units(region)["orders:read"], len(failures(invocation))) == (150, 1)


# everybody's calls


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("handler", "operation", "after"),
    [
        pytest.param("on_alarm", "GetMetricData", 0, id="on_alarm metrics"),
        pytest.param("follow_up", "GetMetricData", 0, id="follow_up metrics"),
        pytest.param("scale_down", "ListTables", 0, id="scale_down tables"),
        pytest.param("scale_down", "GetMetricData", 0, id="scale_down metrics"),
        pytest.param("scale_down", "DescribeAlarms", 0, id="scale_down alarms"),
        pytest.param("sweep", "ListTables", 0, id="sweep tables"),
        pytest.param("sweep", "GetMetricData", 0, id="sweep metrics"),
    ],
)
def test_a_failing_call_that_all_tables_need_is_raised_and_the_next_run_does_everything(
    region: Region, handler: str, operation: str, after: int, code: str
) -> None:
    (idle if handler == "scale_down" else hot)(region)
    region.faults.append(Fault(operation, code, after=after))
    invocation = woken(region, handler)
    texts = failures(invocation)
    assert any(f"({code}) when calling the {operation} operation" in text for text in texts)
    assert writes(region) == []
    assert woken(region, handler).error is None
    assert units(region)["orders:read"] == (1 if handler == "scale_down" else 150)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("handler", "after"), [("on_alarm", 0), ("follow_up", 0), ("follow_up", 1), ("sweep", 0)]
)
def test_alarms_that_cannot_be_read_never_stop_an_increase(
    region: Region, handler: str, after: int, code: str
) -> None:
    hot(region)
    region.faults.append(Fault("DescribeAlarms", code, after=after))
    invocation = woken(region, handler)
    assert [
        f"({code}) when calling the DescribeAlarms operation" in text
        for text in failures(invocation)
    ] == [True]
    assert units(region)["orders:read"] == 150
    wait(region, minutes=2)
    assert woken(region, "sweep").error is None
    assert thresholds(region)["headroom-orders:read"] == units(region)["orders:read"] * 60 * 0.8


@pytest.mark.parametrize("code", CODES)
def test_alarms_that_cannot_be_deleted_are_named_and_deleted_by_the_next_sweep(
    region: Region, code: str
) -> None:
    region.client("dynamodb").delete_table(TableName="orders2")
    region.faults.append(Fault("DeleteAlarms", code))
    assert failures(invoke(region, "sweep")) == [
        "headroom-orders2:read, headroom-orders2:write: DeleteAlarms failed: An error "
        f"occurred ({code}) "
        f"when calling the DeleteAlarms operation: {code} (injected)"
    ]
    assert invoke(region, "sweep").error is None
    assert [name for name in thresholds(region) if "orders2" in name] == []


def test_an_identity_that_is_not_known_at_first_is_asked_for_again() -> None:
    with Region() as region:
        region.create_table("orders", 100, 100)
        region.deploy(rules())
        region.faults.append(Fault("GetCallerIdentity", THROTTLED))
        assert ["GetCallerIdentity" in text for text in failures(invoke(region, "sweep"))] == [True]
        assert invoke(region, "sweep").error is None
        region.faults.append(Fault("GetCallerIdentity", "AccessDenied"))
        run = new_run(region)
        assert not run.is_foreign("alarm", "", "210987654321")  # it may be ours
        assert [failure.subject for failure in run.report.failures] == ["the account"]
        assert len(region.cloudwatch.alarms) == 2


def test_lambda_tries_a_failed_alarm_again_until_it_is_done() -> None:
    with orders() as region:
        region.functions.deliver(TOPIC, "{}", "")  # the subscription is there
        region.serve(READS, [10.0] * 3 + [95.0] * 30)
        region.faults.append(Fault("UpdateTable", THROTTLED))
        invocations = record_invocations(region)
        region.run(8)
        assert [
            (i.function, i.error is None)
            for i in invocations
            if i.function == "on_alarm" and reasons(i)
        ] == [
            ("on_alarm", False),
            ("on_alarm", True),
        ]
        assert (units(region)["orders:read"], region.functions.dead_letters) == (150, [])


# one fault, anywhere


#: Reads to raise, writes and the index to lower.
LOAD = {READS: 97.0, INDEX_READS: 13.0, INDEX_WRITES: 13.0}


def play(region: Region, fault: Fault | None) -> Iterator[None]:
    """Make work for every kind of action, let all handlers run, with the fault; yield; then sweep
    for half an hour without it."""
    set_index_units(region, 200, 200)
    orphan = region.cloudwatch.alarms.pop("headroom-orders:write")
    orphan.fields |= {
        "AlarmName": "headroom-gone:write",
        "Dimensions": [{"Name": "TableName", "Value": "gone"}],
    }
    region.cloudwatch.alarms["headroom-gone:write"] = orphan
    pass_minutes(region, 65, LOAD)
    region.cloudwatch.alarms["headroom-orders:read"].state.value = "ALARM"
    message = alarm_message(region)
    region.calls.clear()
    region.faults += [fault] if fault else []
    send(region, message)
    for handler in ("follow_up", "scale_down", "sweep", "sweep"):
        pass_minutes(region, 2, LOAD)
        invoke(region, handler)
    yield
    region.faults.clear()
    for _ in range(6):
        pass_minutes(region, 5, LOAD)
        invoke(region, "sweep")
    pass_minutes(region, 5, LOAD)


def state(region: Region) -> dict[str, Any]:
    """Return all that should be the same in the end: units, and every alarm whole, with its
    tags."""
    stored = region.cloudwatch.alarms.items()
    return {"units": units(region)} | {name: (alarm.fields, alarm.tags) for name, alarm in stored}


def lazy(region: Region) -> list[str]:
    """Return the alarms whose threshold is above what fits the units that hold."""
    return [
        name
        for name, threshold in thresholds(region).items()
        for target in region.targets()
        if name == f"headroom-{target}" and threshold > region.units(target) * 60 * 0.8
    ]


@pytest.fixture(scope="module")
def faultless() -> tuple[dict[str, Any], list[str]]:
    """Return the end state of the story without any fault, and the operations on which one could
    have struck."""
    with orders() as region:
        story = play(region, None)
        next(story)
        made = operations(region)
        assert list(story) == []
        return state(region), made


#: As many as the story makes, or more.
CALLS = 42


def test_the_story_without_faults_ends_right(faultless: tuple[dict[str, Any], list[str]]) -> None:
    end, made = dict(faultless[0]), faultless[1]
    assert end.pop("units") == {
        "orders:read": 150,
        "orders:write": 1,
        "orders/by-date:read": 20,
        "orders/by-date:write": 20,
    }
    assert {name: fields["Threshold"] for name, (fields, _) in end.items()} == {
        "headroom-orders:read": 7200.0,
        "headroom-orders:write": 48.0,
        "headroom-orders/by-date:read": 960.0,
        "headroom-orders/by-date:write": 960.0,
    }
    assert set(made) == {
        "ListTables",
        "DescribeTable",
        "UpdateTable",
        "DescribeAlarms",
        "PutMetricAlarm",
        "DeleteAlarms",
        "GetMetricData",
        "DescribeScalableTargets",
        "GetResources",
    }
    assert CALLS - 5 <= len(made) <= CALLS


@pytest.mark.parametrize("at", range(CALLS))
def test_after_one_fault_anywhere_the_next_sweeps_bring_everything_to_the_same_end(
    at: int, faultless: tuple[dict[str, Any], list[str]]
) -> None:
    with orders() as region:
        story = play(region, FaultAt(code=CODES[at % len(CODES)], after=at))
        next(story)
        assert lazy(region) == []
        assert list(story) == []
        assert state(region) == faultless[0]


@pytest.mark.parametrize("at", range(0, CALLS, 4))
def test_after_an_outage_from_any_call_on_the_next_sweeps_bring_everything_to_the_same_end(
    at: int, faultless: tuple[dict[str, Any], list[str]]
) -> None:
    with orders() as region:
        story = play(region, FaultAt(after=at, times=10_000))
        next(story)
        assert lazy(region) == []
        assert list(story) == []
        assert state(region) == faultless[0]
