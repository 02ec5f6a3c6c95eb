"""Notices, decided in tables: who is notified of what, in which words, and when it is due again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core import messages, notices
from chalicelib.core.modes import ModeDecision
from chalicelib.core.observation import Observation
from chalicelib.model import (
    BOTH,
    DOWN,
    Change,
    Decision,
    Hold,
    Reason,
    SetCapacity,
    SetMode,
    Target,
)
from tests.support.builders import (
    INDEX_READS,
    NOON,
    READS,
    WRITES,
    decision,
    observation,
    series,
    steady,
    with_policy,
)
from tests.support.notices import BY_OPERATOR, SLACK, TOPIC, telling

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


# what was done


def changes(settings: Policy, *decided: Decision) -> list[tuple[str, str]]:
    """Return kind and text of the notices about decisions that were done in one call."""
    action = SetCapacity("orders", tuple(Change(d.target, d.current, d.desired) for d in decided))
    return [
        (line.kind, line.text)
        for line in notices.of_changes(
            [action], {d.target: d for d in decided}, {d.target: settings for d in decided}
        )
    ]


UP = decision(READS, 100, 150, numbers={"consumed_units": 95.5})
BACK = decision(READS, 100, 40)
BY_FLEET = decision(READS, 100, 150, Reason.FLEET)


@pytest.mark.parametrize(
    ("settings", "done", "kinds"),
    [
        pytest.param(telling("scaled_up"), UP, ["scaled_up"], id="raised"),
        pytest.param(telling("scaled_up"), BACK, [], id="lowered, and nobody wants to know"),
        pytest.param(telling("scaled_down", "scaled_up"), BACK, ["scaled_down"], id="lowered"),
        pytest.param(telling("scaled_up", notify_topic=""), UP, [], id="nobody to tell"),
        pytest.param(
            telling("scaled_up", notify_topic="", notify_slack=SLACK),
            UP,
            ["scaled_up"],
            id="only Slack",
        ),
        pytest.param(telling("scaled_up", dry_run=True), UP, [], id="a dry run is silent"),
        pytest.param(telling("fleet"), BY_FLEET, ["fleet"], id="raised by its fleet"),
        pytest.param(telling("scaled_up"), BY_FLEET, ["scaled_up"], id="… is a raise, too"),
        pytest.param(
            telling("scaled_up", "fleet"), BY_FLEET, ["fleet"], id="… and never reported twice"
        ),
        pytest.param(telling("fleet"), UP, [], id="raised by its load is none of the fleet's"),
    ],
)
def test_a_change_is_notified_where_its_kind_is_configured(
    settings: Policy, done: Decision, kinds: list[str]
) -> None:
    assert [kind for kind, _ in changes(settings, done)] == kinds


SWITCH = ModeDecision("orders", False, True, Reason.CHEAPER_ON_DEMAND)


@pytest.mark.parametrize(
    ("settings", "done", "count"),
    [
        pytest.param([telling("mode"), telling("mode")], (False, True), 1, id="once, of two"),
        pytest.param([telling(), telling("mode")], (False, True), 1, id="of the writes alone"),
        pytest.param([telling("mode")], (True, True), 0, id="a ceiling is no switch"),
        pytest.param([telling("scaled_up")], (False, True), 0, id="nobody wants to know"),
    ],
)
def test_a_switch_of_the_mode_is_notified_once(
    settings: list[Policy], done: tuple[bool, bool], count: int
) -> None:
    lines = [*notices.of_switches([SetMode("orders", *done)], [SWITCH], {"orders": settings})]
    assert [(line.kind, line.table) for line in lines] == [("mode", "orders")] * count


def test_a_change_is_notified_with_its_reason_and_numbers() -> None:
    assert changes(telling("scaled_up"), UP) == [
        (
            "scaled_up",
            "orders:read 100 → 150 units: consumption is at or above the alarm's level "
            "(UtilizationHigh; consumed units 95.5)",
        )
    ]


def test_a_change_whose_alarm_could_not_be_rewritten_is_notified_as_done() -> None:
    action = SetCapacity("orders", (Change(READS, 100, 150),))
    (line,) = notices.of_changes(
        [action], {READS: decision(READS, 100, 100, Reason.FAILED)}, {READS: telling("scaled_up")}
    )
    assert line.text.startswith("orders:read 100 → 150 units; afterwards a call to AWS failed")


def test_the_changes_of_one_call_are_one_message_for_each_destination() -> None:
    decided = {t: decision(t, 100, 150) for t in (READS, WRITES, INDEX_READS)}
    action = SetCapacity("orders", tuple(Change(t, 100, 150) for t in decided))
    mine, other = telling("scaled_up"), telling("scaled_up", notify_topic=f"{TOPIC}-2")
    found = messages.notices(
        notices.of_changes([action], decided, {READS: mine, WRITES: mine, INDEX_READS: other})
    )
    assert [(n.subject, n.text.count("→"), n.topic, dict(n.facts)) for n, _ in found] == [
        ("Headroom raised orders", 2, TOPIC, {"kind": ("scaled_up",), "table": ("orders",)}),
        ("Headroom raised orders", 1, f"{TOPIC}-2", {"kind": ("scaled_up",), "table": ("orders",)}),
    ]


# what holds


def holding(seen: Observation, settings: Policy, decided: Decision | None = None) -> list[str]:
    return [
        state.line.kind for state in notices.conditions(with_policy(seen, settings), decided, NOON)
    ]


AT_MAX = telling("at_max", max_units=100)
QUIET, BURST = [None] * 170, [None] * 170 + [None] * 5 + [2.5] + [None] * 2
HELD_BY_JOB = Hold(Reason.JOB_RUNNING, "pause nightly: EMR cluster x is running", BOTH)
UNCOUNTED = Hold(Reason.FLEET_UNKNOWN, "fleet web: cannot be counted", DOWN)
REFUSED = decision(READS, 100, 100, Reason.BUDGET_USED_UP)


@pytest.mark.parametrize(
    ("seen", "settings", "decided", "kinds"),
    [
        pytest.param(
            observation(throttled=2.5), AT_MAX, None, ["at_max"], id="at the maximum and throttled"
        ),
        pytest.param(
            observation(provisioned=120, throttled=2.5),
            AT_MAX,
            None,
            ["at_max"],
            id="above it, set by hand",
        ),
        pytest.param(
            observation(provisioned=99, throttled=2.5), AT_MAX, None, [], id="not at the maximum"
        ),
        pytest.param(
            observation(consumed=100.0),
            AT_MAX,
            None,
            [],
            id="at the maximum, and nothing throttled",
        ),
        pytest.param(
            observation(consumed=100.0, throttled=0.0), AT_MAX, None, [], id="… known by zeros"
        ),
        pytest.param(
            observation(throttled=series([2.5] * 170 + [None] * 11)),
            AT_MAX,
            None,
            [],
            id="throttled 11 minutes ago",
        ),
        pytest.param(
            observation(throttled=2.5),
            telling("scaled_up", max_units=100),
            None,
            [],
            id="nobody wants to know",
        ),
        pytest.param(
            observation(throttled=2.5),
            telling("at_max", max_units=100, dry_run=True),
            None,
            [],
            id="a dry run is silent",
        ),
        pytest.param(
            observation(),
            telling("budget_used_up"),
            REFUSED,
            ["budget_used_up"],
            id="a decrease would be refused",
        ),
        pytest.param(
            observation(), telling("budget_used_up"), decision(), [], id="no decrease wanted"
        ),
        pytest.param(observation(), telling("budget_used_up"), None, [], id="nothing decided"),
        pytest.param(
            observation(holds=(HELD_BY_JOB,)),
            telling("paused"),
            None,
            ["paused"],
            id="a job holds it",
        ),
        pytest.param(
            observation(holds=(BY_OPERATOR,)),
            telling("paused"),
            None,
            ["paused"],
            id="an operator holds it",
        ),
        pytest.param(
            observation(holds=(UNCOUNTED,)),
            telling("paused"),
            None,
            [],
            id="something else holds it",
        ),
        pytest.param(
            observation(holds=(UNCOUNTED,)),
            telling("fleet"),
            None,
            ["fleet"],
            id="its fleet cannot be counted",
        ),
        pytest.param(
            observation(),
            telling("fleet"),
            decision(reason=Reason.FLEET_UNKNOWN),
            ["fleet"],
            id="… as its decision says",
        ),
    ],
)
def test_a_hold_is_notified_where_its_kind_is_configured(
    seen: Observation, settings: Policy, decided: Decision | None, kinds: list[str]
) -> None:
    assert holding(seen, settings, decided) == kinds


BOUNDS = {"notify_above_percent": 90, "notify_below_percent": 10}


@pytest.mark.parametrize(
    ("consumed", "settings", "kinds"),
    [
        pytest.param(90.0, {}, ["high_throughput"], id="at the upper bound"),
        pytest.param(89.9, {}, [], id="below it"),
        pytest.param(10.0, {}, ["low_throughput"], id="at the lower bound"),
        pytest.param(10.1, {}, [], id="above it"),
        pytest.param(0.0, {}, ["low_throughput"], id="idle"),
        pytest.param(
            200.0, {}, ["high_throughput"], id="more than is provisioned, out of the burst bucket"
        ),
        pytest.param(200.0, {"notify_above_percent": 0}, [], id="no upper bound"),
        pytest.param(0.0, {"notify_below_percent": 0}, [], id="no lower bound"),
        pytest.param([95.0] * 179 + [50.0], {}, [], id="only the newest period counts"),
        pytest.param(
            [0.0] * 178 + [100.0, 86.0],
            {"alarm_period_seconds": 120},
            ["high_throughput"],
            id="its mean counts",
        ),
        pytest.param([95.0] * 170 + [None] * 11, {}, [], id="old metrics say nothing"),
        pytest.param(None, {}, [], id="no metrics say nothing"),
    ],
)
def test_high_and_low_throughput_is_the_mean_of_the_newest_period(
    consumed: Any, settings: Any, kinds: list[str]
) -> None:
    seen = observation(consumed=series(consumed) if isinstance(consumed, list) else consumed)
    assert (
        holding(seen, telling("high_throughput", "low_throughput", **{**BOUNDS, **settings}))
        == kinds
    )


def test_the_percentage_is_of_the_units_that_hold_now_where_nothing_has_changed() -> None:
    (state,) = notices.conditions(
        observation(consumed=95.0, settings=telling("high_throughput", **BOUNDS)), None, NOON
    )
    assert state.line.text == "orders:read consumes 95 % of its 100 units, at or above 90 %"


def test_at_the_maximum_is_notified_with_its_numbers() -> None:
    (state,) = notices.conditions(observation(throttled=2.5, settings=AT_MAX), None, NOON)
    assert state.line.text == (
        "orders:read has 100 units, max_units is 100, and requests are throttled: "
        "up to 2.50 a second in the last 10 minutes; "
        "raise max_units if they are meant to be served"
    )


@pytest.mark.parametrize(
    ("target", "call"),
    [
        (READS, "headroom hot-keys orders shows the keys"),
        (INDEX_READS, "headroom hot-keys orders --index by-date shows the keys"),
    ],
    ids=str,
)
def test_a_hot_key_is_notified_with_the_command_that_shows_it(target: Target, call: str) -> None:
    seen = observation(target, settings=telling("hot_key"))
    seen = seen.with_metrics(structs.replace(seen.metrics, hot_keys=steady(2.0)))
    (state,) = notices.conditions(seen, None, NOON)
    assert state.line.text.endswith(f"up to 2.00 a second in the last 10 minutes; {call}")


@pytest.mark.parametrize("target", [READS, WRITES, INDEX_READS], ids=str)
def test_every_target_is_judged_alike(target: Target) -> None:
    (state,) = notices.conditions(observation(target, throttled=1.0, settings=AT_MAX), None, NOON)
    assert (state.target, state.line.table) == (target, "orders")


# since when


def since(seen: Observation, settings: Policy) -> datetime | None:
    (state,) = notices.conditions(with_policy(seen, settings), None, NOON)
    return state.since


@pytest.mark.parametrize(
    ("throttled", "began"),
    [
        pytest.param([None] * 178 + [1.0] * 2, NOON - 2 * MINUTE, id="two minutes ago"),
        pytest.param(
            [None] * 100 + [1.0] + [None] * 59 + [1.0] * 20,
            NOON - 80 * MINUTE,
            id="59 minutes without are no end",
        ),
        pytest.param(
            [None] * 100 + [1.0] + [None] * 60 + [1.0] * 19,
            NOON - 19 * MINUTE,
            id="60 minutes without are",
        ),
        pytest.param([0.0] * 178 + [1.0] * 2, NOON - 2 * MINUTE, id="zero is none"),
        pytest.param([1.0] * 180, NOON - timedelta(days=1), id="older than what is seen: a day"),
        pytest.param(
            [None] * 59 + [1.0] * 121,
            NOON - timedelta(days=1),
            id="perhaps older than what is seen",
        ),
        pytest.param([None] * 60 + [1.0] * 120, NOON - 120 * MINUTE, id="surely not older"),
    ],
)
def test_an_episode_of_throttling_began(throttled: list[float | None], began: datetime) -> None:
    assert since(observation(throttled=series(throttled)), AT_MAX) == began


@pytest.mark.parametrize(
    ("consumed", "period", "began"),
    [
        pytest.param([50.0] * 178 + [95.0] * 2, 60, NOON - 2 * MINUTE, id="two minutes ago"),
        pytest.param(
            [50.0] * 100 + [95.0] * 80, 300, NOON - 80 * MINUTE, id="by periods of five minutes"
        ),
        pytest.param(
            [95.0] + [50.0] * 59 + [95.0] * 120,
            60,
            NOON - timedelta(days=1),
            id="59 minutes are no end",
        ),
        pytest.param([95.0] + [50.0] * 60 + [95.0] * 119, 60, NOON - 119 * MINUTE, id="60 are"),
        pytest.param(
            [95.0] * 50 + [None] * 100 + [95.0] * 30,
            60,
            NOON - timedelta(days=1),
            id="a gap goes on as it began",
        ),
        pytest.param(
            [50.0] * 50 + [None] * 100 + [95.0] * 30,
            60,
            NOON - 30 * MINUTE,
            id="… also where it had not held",
        ),
        pytest.param(
            [50.0] * 60 + [95.0] * 120,
            3_600,
            NOON - 120 * MINUTE,
            id="one period of an hour is the end",
        ),
    ],
)
def test_an_episode_of_high_throughput_began(
    consumed: list[float | None], period: int, began: datetime
) -> None:
    assert (
        since(
            observation(consumed=series(consumed)),
            telling("high_throughput", notify_above_percent=90, alarm_period_seconds=period),
        )
        == began
    )


def test_the_budget_begins_with_the_utc_day() -> None:
    (state,) = notices.conditions(observation(settings=telling("budget_used_up")), REFUSED, NOON)
    assert state.since == NOON.replace(hour=0)
