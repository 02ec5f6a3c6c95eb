"""An operator's pause: a tag on the table, read once an event, honoured by every decision, and over
by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.pause_tags import PAGE, tags
from chalicelib.core import pause_tag
from chalicelib.core.pause_tag import DIRECTIONS, KEY, PauseTag
from chalicelib.model import BOTH, DOWN, Reason
from chalicelib.reconcile import GROUP
from headroom.region.context import Fault
from headroom.region.region import Region
from headroom.simulation.dynamodb_rules import Conditions
from tests.support.builders import NOON, READS, WRITES, held
from tests.support.scenes import (
    MIDDAY,
    MONDAY,
    decisions,
    failures,
    invoke,
    invoke_after,
    new_run,
    operations,
    orders,
    pass_minutes,
    reasons,
    rules,
    set_units,
    thresholds,
    units,
    woken_after,
)

#: Reads that are to be raised, writes that are to be lowered.
LOADS = {READS: 95.0, WRITES: 5.0}


def tag(region: Region, value: str, table: str = "orders") -> None:
    """Pause a table by hand, as in the console, where it has another tag besides."""
    dynamodb = region.client("dynamodb")
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    dynamodb.tag_resource(
        ResourceArn=arn, Tags=[{"Key": KEY, "Value": value}, {"Key": "team", "Value": "shop"}]
    )
    region.calls.clear()


def until(region: Region, what: str = "everything", **time: float) -> str:
    return str(PauseTag(region.now + timedelta(**time), what))


# the verdict

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2026-11-20T12:01:00Z everything", (Reason.PAUSED, BOTH), id="everything"),
        pytest.param("2026-11-20T12:01:00Z decreases", (Reason.PAUSED, DOWN), id="decreases"),
        pytest.param(
            "2026-11-20T12:01:00Z decreases moving to v2", (Reason.PAUSED, DOWN), id="with a reason"
        ),
        pytest.param(
            "2026-11-20T14:01:00+02:00 everything", (Reason.PAUSED, BOTH), id="another zone"
        ),
        pytest.param("2026-11-20T12:01Z everything", (Reason.PAUSED, BOTH), id="no seconds"),
        pytest.param(
            "  2026-11-20T12:01Z   everything ", (Reason.PAUSED, BOTH), id="written carelessly"
        ),
        pytest.param("2026-11-20T12:00:00Z everything", None, id="over: the end is no part of it"),
        pytest.param("2026-11-20T13:59:00+02:00 everything", None, id="over in another zone"),
        pytest.param("2026-11-20T12:01:00 everything", (Reason.PAUSE_UNKNOWN, DOWN), id="no zone"),
        pytest.param(
            "2026-11-20T12:01:00Z", (Reason.PAUSE_UNKNOWN, DOWN), id="without what is paused"
        ),
        pytest.param(
            "2026-11-20T12:01:00Z increases", (Reason.PAUSE_UNKNOWN, DOWN), id="neither of the two"
        ),
        pytest.param("06:00 everything", (Reason.PAUSE_UNKNOWN, DOWN), id="no date"),
        pytest.param(
            "2026-11-31T06:00Z everything", (Reason.PAUSE_UNKNOWN, DOWN), id="no such day"
        ),
        pytest.param(
            "9999-12-31T23:59:59-12:00 everything",
            (Reason.PAUSE_UNKNOWN, DOWN),
            id="beyond all time",
        ),
        pytest.param("everything", (Reason.PAUSE_UNKNOWN, DOWN), id="no time"),
        pytest.param("", (Reason.PAUSE_UNKNOWN, DOWN), id="empty"),
        pytest.param(" ", (Reason.PAUSE_UNKNOWN, DOWN), id="blank"),
    ],
)
def test_what_a_tag_holds(value: str, expected: Any) -> None:
    assert held(pause_tag.hold("orders", value, NOON)) == expected


def test_a_tag_that_cannot_be_read_says_what_is_wrong_and_how_to_mend_it() -> None:
    found = pause_tag.hold("orders", "tomorrow", NOON)
    assert found.detail == (
        "its tag headroom-pause cannot be read: 'tomorrow' is no time that can be meant "
        "(Invalid isoformat string: 'tomorrow'); "
        "expected a time with its zone, then everything or decreases, "
        "such as 2026-11-21T06:00:00Z everything; "
        "write it anew by `headroom pause orders`, or remove it by `headroom resume orders`"
    )


@pytest.mark.slow
@given(
    st.datetimes(timezones=st.just(UTC)).filter(lambda end: end.year >= 1000),
    st.sampled_from(sorted(DIRECTIONS)),
)
def test_what_is_written_is_what_is_read(end: datetime, what: str) -> None:
    paused = PauseTag(end.replace(microsecond=0), what, "in words")
    assert pause_tag.parse(str(paused)) == paused


@pytest.mark.slow
@given(st.text(max_size=60), st.sampled_from(["", "2026-11-21T06:00:00Z "]))
def test_whatever_a_tag_says_increases_are_held_only_where_it_says_so(
    text: str, start: str
) -> None:
    found = pause_tag.hold("orders", start + text, NOON)
    if found and found.directions != DOWN:
        assert (found.directions, pause_tag.parse(start + text).what) == (BOTH, "everything")


# every decision honours it


@pytest.mark.parametrize("handler", ["on_alarm", "follow_up", "scale_down", "sweep"])
def test_every_function_leaves_a_paused_table_alone(region: Region, handler: str) -> None:
    tag(region, until(region, hours=2))
    invocation = woken_after(region, handler, 65, LOADS)
    assert (
        set(reasons(invocation).values()),
        units(region)["orders:read"],
        units(region)["orders:write"],
        invocation.error,
    ) == ({"Paused"}, 100, 100, None)


@pytest.mark.parametrize("handler", ["on_alarm", "follow_up", "scale_down", "sweep"])
def test_a_pause_of_decreases_lets_increases_go_on(region: Region, handler: str) -> None:
    tag(region, until(region, "decreases", hours=2))
    woken_after(region, handler, 65, LOADS)
    assert (units(region)["orders:read"] > 100, units(region)["orders:write"]) == (True, 100)


def test_a_decision_reports_until_when_and_why(region: Region) -> None:
    tag(region, "2026-11-02T15:00:00Z everything deployment of v2")
    decided = decisions(invoke(region, "sweep"))[READS]
    assert (
        decided["numbers"]["held_by"]
        == "a pause until 2026-11-02 15:00 UTC: nothing is raised or lowered (deployment of v2)"
    )
    assert (
        "it is paused by an operator (Paused; held by a pause until 2026-11-02"
        in decided["message"]
    )


def test_only_the_table_with_the_tag_is_paused(region: Region) -> None:
    region.create_table("orders-2", 100, 100)
    region.create_table("other", 100, 100)
    tag(region, until(region, hours=2), "orders-2")
    tag(region, until(region, hours=2), "other")
    invoke_after(region, "scale_down", 65)
    assert (units(region)["orders:read"], units(region)["orders-2:read"]) == (1, 100)


def test_another_tag_is_no_pause(region: Region) -> None:
    arn = region.client("dynamodb").describe_table(TableName="orders")["Table"]["TableArn"]
    region.client("dynamodb").tag_resource(
        ResourceArn=arn, Tags=[{"Key": "Headroom-Pause", "Value": until(region, hours=2)}]
    )
    invoke_after(region, "scale_down", 65)
    assert units(region)["orders:read"] == 1


def test_the_alarms_of_a_paused_table_are_mended_all_the_same(region: Region) -> None:
    tag(region, until(region, hours=2))
    region.cloudwatch.alarms["headroom-orders:read"].fields["Threshold"] = 1.0
    invoke(region, "sweep")
    assert thresholds(region)["headroom-orders:read"] == 4800.0


def test_what_would_happen_is_reported_with_the_pause(region: Region) -> None:
    tag(region, until(region, hours=2))
    pass_minutes(region, 65, LOADS)
    assert {
        decision.reason
        for decision in handlers.preview(new_run(region, dry_run=True), "orders").decisions
    } == {Reason.PAUSED}


def test_a_tag_that_cannot_be_read_holds_decreases_and_the_decision_says_how_to_mend_it(
    region: Region,
) -> None:
    tag(region, "until tomorrow")
    invocation = invoke_after(region, "sweep", 65, LOADS)
    assert (reasons(invocation)["orders:read"], reasons(invocation)["orders:write"]) == (
        "UtilizationHigh",
        "PauseUnknown",
    )
    assert "`headroom resume orders`" in decisions(invocation)[WRITES]["numbers"]["held_by"]


# the call


@pytest.mark.parametrize("handler", ["on_alarm", "follow_up", "scale_down", "sweep"])
@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_where_pauses_cannot_be_read_nothing_is_lowered_increases_go_on_and_the_failure_is_raised(
    region: Region, handler: str, code: str
) -> None:
    region.faults.append(Fault("GetResources", code, times=10))
    invocation = woken_after(region, handler, 65, LOADS)
    assert (
        failures(invocation),
        units(region)["orders:read"] > 100,
        units(region)["orders:write"],
    ) == (
        [
            f"the pauses: GetResources failed: An error occurred ({code}) when calling the "
            f"GetResources operation: {code} (injected)"
        ],
        True,
        100,
    )


def test_without_anything_to_raise_the_decision_says_that_the_pauses_are_unknown(
    region: Region,
) -> None:
    pass_minutes(region, 65)
    region.faults.append(Fault("GetResources", "ThrottlingException", times=10))
    assert (set(reasons(invoke(region, "scale_down")).values()), units(region)["orders:read"]) == (
        {"PauseUnknown"},
        100,
    )


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True], ids=["answered", "refused"])
def test_one_call_serves_all_tables_of_an_event_and_the_next_event_asks_anew(fails: bool) -> None:
    with Region(MIDDAY) as region:
        for number in range(2 * GROUP + 1):
            region.create_table(f"orders-{number:03}", 9, 9)
        region.deploy(rules())
        region.faults += [Fault("GetResources", "AccessDeniedException")] if fails else []
        region.calls.clear()
        invocation = invoke(region, "sweep")
        assert (operations(region).count("GetResources"), len(failures(invocation))) == (1, fails)
        invoke(region, "sweep")
        assert operations(region).count("GetResources") == 2


def test_an_event_that_concerns_no_table_asks_for_no_pauses(region: Region) -> None:
    invoke(region, "follow_up")
    assert "GetResources" not in operations(region)


@pytest.mark.slow
def test_more_tables_than_a_page_holds_are_all_found() -> None:
    with Region(MIDDAY) as region:
        for number in range(PAGE + 5):
            region.create_table(f"orders-{number:03}")
            tag(region, f"2026-11-03T06:00:00Z everything {number}", f"orders-{number:03}")
        assert tags(Aws("headroom-alarms")) == {
            f"orders-{n:03}": f"2026-11-03T06:00:00Z everything {n}" for n in range(PAGE + 5)
        }
        assert operations(region).count("GetResources") > 1


# nights


@pytest.mark.slow
def test_a_pause_ends_by_itself_and_what_rose_for_it_comes_down_within_the_budget() -> None:
    """A table is raised by hand for a nightly job and paused until 06:00; at 06:00 Headroom takes
    it back."""
    with orders(start=MONDAY, conditions=Conditions()) as region:
        for target in region.targets():
            region.serve(target, [20.0] * 24 * 60)
        region.run(60)
        set_units(region, "orders", 1000, 1000)
        tag(region, "2026-11-02T06:00:00Z everything nightly job")
        before = region.dynamodb.decreases
        region.run(300 - region.minute + 59)
        assert (
            region.now.hour,
            region.now.minute,
            units(region)["orders:read"],
            units(region)["orders:write"],
        ) == (5, 59, 1000, 1000)
        region.run(10)
        assert units(region)["orders:read"] < 100
        assert units(region)["orders:write"] < 100
        assert (
            region.tables["orders"].provisions[""].decreases <= 4,
            region.dynamodb.decreases - before >= 1,
        ) == (True, True)


def test_a_pause_that_is_renewed_goes_on(region: Region) -> None:
    tag(region, until(region, minutes=30))
    pass_minutes(region, 29)
    tag(region, until(region, hours=1))
    invoke_after(region, "sweep", 40)
    assert units(region)["orders:read"] == 100


def test_a_pause_that_is_removed_is_over_at_the_next_look(region: Region) -> None:
    tag(region, until(region, hours=9))
    invoke_after(region, "sweep", 65)
    assert units(region)["orders:read"] == 100
    dynamodb = region.client("dynamodb")
    dynamodb.untag_resource(
        ResourceArn=dynamodb.describe_table(TableName="orders")["Table"]["TableArn"], TagKeys=[KEY]
    )
    invoke(region, "sweep")
    assert units(region)["orders:read"] == 1
