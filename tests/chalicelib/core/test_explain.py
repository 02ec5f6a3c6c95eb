"""Words: every reason has some, and the sentences stand here as an operator reads them."""

from typing import Any

import pytest

from chalicelib.core.explain import WHY, numbers, sentence
from chalicelib.model import (
    Action,
    Change,
    CreateAlarm,
    Decision,
    DeleteAlarms,
    Heal,
    Reason,
    RewriteAlarm,
    SetCapacity,
    SetMode,
    Skip,
    StandBy,
)
from tests.support.builders import INDEX_WRITES, READS, WRITES, alarm, decision


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert WHY[reason].strip() == WHY[reason] != ""


def test_no_two_reasons_have_the_same_words() -> None:
    assert len(set(WHY.values())) == len(WHY) == len(Reason)


BUDGET = {
    "decreases_today": 1,
    "decreases_left": 14,
    "next_decrease_at": "2026-11-20T12:00:00+00:00",
}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(
            decision(
                READS, 100, 150, numbers={"alarm_level_units": 80.0, "consumed_units": 90.125}
            ),
            "orders:read 100 → 150 units: consumption is at or above the alarm's level "
            "(UtilizationHigh; alarm level units 80, consumed units 90.12)",
            id="raised",
        ),
        pytest.param(
            decision(INDEX_WRITES, 100, 40, numbers=BUDGET),
            "orders/by-date:write 100 → 40 units: the coming hour needs less (UtilizationLow; "
            "decreases today 1, decreases left 14, next decrease at 2026-11-20T12:00:00+00:00)",
            id="lowered",
        ),
        pytest.param(
            decision(READS, 100, 100, Reason.AT_MAX, {"wanted_units": 150}),
            "orders:read stays at 100 units: it is at max_units; "
            "raise max_units if the load is meant to be served "
            "(AlreadyAtMaxCapacity; wanted units 150)",
            id="kept",
        ),
        pytest.param(
            decision(READS, 100, 150, numbers=BUDGET, dry_run=True),
            "dry run: orders:read 100 → 150 units: "
            "consumption is at or above the alarm's level (UtilizationHigh; "
            "decreases today 1, decreases left 14, next decrease at 2026-11-20T12:00:00+00:00)",
            id="dry run",
        ),
        pytest.param(
            decision(READS, numbers={"minutes_known": 2}, reason=Reason.NO_DATA, dry_run=True),
            "orders:read stays at 100 units: there is too little recent data; unknown is not zero "
            "(NoRecentData; minutes known 2)",
            id="a dry run that changes nothing is no news",
        ),
    ],
)
def test_a_decision_in_words(found: Decision, text: str) -> None:
    assert sentence(found) == text


def test_a_skip_in_words() -> None:
    skip = Skip(
        "orders-any",
        Reason.UNSUPPORTED_ALARM,
        "cannot scale by this alarm: it is a composite alarm",
    )
    assert sentence(skip) == (
        "orders-any: passed over: cannot scale by this alarm: it is a composite alarm "
        "(UnsupportedAlarm)"
    )


ACTIONS = [
    pytest.param(
        SetCapacity("orders", (Change(READS, 100, 150), Change(WRITES, 5, 8))),
        "Set orders:read 100 → 150, orders:write 5 → 8 units in one UpdateTable call",
        "Would set orders:read 100 → 150, orders:write 5 → 8 units in one UpdateTable call",
        id="capacity",
    ),
    pytest.param(
        RewriteAlarm(READS, alarm(), {"Threshold": 7_200.0}),
        "Rewrite alarm headroom-orders:read: Threshold 4800 → 7200",
        "Would rewrite alarm headroom-orders:read: Threshold 4800 → 7200",
        id="a rewritten threshold",
    ),
    pytest.param(
        RewriteAlarm(
            READS,
            alarm(EvaluationPeriods=None),
            {"Period": 300, "EvaluationPeriods": 2, "Threshold": 59.4},
        ),
        "Rewrite alarm headroom-orders:read: Period 60 → 300, EvaluationPeriods None → "
        "2, Threshold 4800 → 59.4",
        "Would rewrite alarm headroom-orders:read: Period 60 → 300, EvaluationPeriods "
        "None → 2, Threshold 4800 → 59.4",
        id="a rewritten period",
    ),
    pytest.param(
        CreateAlarm(READS, alarm().fields),
        "Make alarm headroom-orders:read with threshold 4800",
        "Would make alarm headroom-orders:read with threshold 4800",
        id="a new alarm",
    ),
    pytest.param(
        DeleteAlarms(("headroom-a:read", "headroom-a:write")),
        "Delete alarms headroom-a:read, headroom-a:write",
        "Would delete alarms headroom-a:read, headroom-a:write",
        id="alarms to delete",
    ),
    pytest.param(
        Heal("i-1", "web", "replace"),
        "Let group web replace instance i-1",
        "Would let group web replace instance i-1",
        id="an instance to replace",
    ),
    pytest.param(
        Heal("i-1", "web", "reboot"),
        "Reboot, for group web, instance i-1",
        "Would reboot, for group web, instance i-1",
        id="an instance to reboot",
    ),
    pytest.param(
        SetMode("orders", True, False, units=((READS, 1_500), (WRITES, 7))),
        "Switch orders to provisioned with orders:read 1,500, orders:write 7",
        "Would switch orders to provisioned with orders:read 1,500, orders:write 7",
        id="back to provisioned",
    ),
    pytest.param(
        SetMode("orders", False, True, ceilings=((READS, 4_000),)),
        "Switch orders to on demand with the maximum throughput orders:read 4,000",
        "Would switch orders to on demand with the maximum throughput orders:read 4,000",
        id="to on demand with a ceiling",
    ),
    pytest.param(
        SetMode("orders", False, True),
        "Switch orders to on demand",
        "Would switch orders to on demand",
        id="to on demand",
    ),
    pytest.param(
        SetMode("orders", True, True, ceilings=((READS, 4_000), (WRITES, 5))),
        "Set the maximum throughput of orders to orders:read 4,000, orders:write 5",
        "Would set the maximum throughput of orders to orders:read 4,000, orders:write 5",
        id="other ceilings",
    ),
    pytest.param(
        StandBy(READS, 5, 4_000, 70, True, is_new=True),
        "Register orders:read with Application Auto Scaling (suspended, 5 to 4,000 units)",
        "Would register orders:read with Application Auto Scaling (suspended, 5 to 4,000 units)",
        id="an understudy to register",
    ),
    pytest.param(
        StandBy(READS, 5, 4_000, 0, True),
        "Suspend orders:read in Application Auto Scaling (5 to 4,000 units)",
        "Would suspend orders:read in Application Auto Scaling (5 to 4,000 units)",
        id="an understudy to suspend",
    ),
    pytest.param(
        StandBy(READS, 5, 4_000, 0, True, ends=True),
        "Let Application Auto Scaling scale orders:read",
        "Would let Application Auto Scaling scale orders:read",
        id="an understudy that ends",
    ),
]


@pytest.mark.parametrize(("action", "done", "planned"), ACTIONS)
def test_an_action_in_words_done_and_only_planned(action: Action, done: str, planned: str) -> None:
    assert (sentence(action), sentence(action, would=True)) == (done, planned)


def test_would_changes_nothing_about_decisions_and_skips() -> None:
    for subject in (
        decision(numbers=BUDGET),
        Skip("orders", Reason.GONE, "the table does not exist"),
    ):
        assert sentence(subject, would=True) == sentence(subject)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (80.0, "80"),
        (90.5, "90.5"),
        (33.333, "33.33"),
        (0.004, "0"),
        (1_200.0, "1200"),
        (100, "100"),
        (None, "None"),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_numbers_are_short(value: Any, text: str) -> None:
    assert numbers({"peak_units": value}) == f"peak units {text}"


@pytest.mark.parametrize(
    ("given", "text"), [({"b_units": 2, "a_units": 1}, "b units 2, a units 1"), ({}, "")]
)
def test_numbers_are_listed_in_their_order(given: dict[str, int], text: str) -> None:
    assert numbers(given) == text
