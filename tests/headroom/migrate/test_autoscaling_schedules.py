"""Scheduled actions become windows with the same bounds at every minute."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import loader, windows
from chalicelib.config.policy import make_policy
from chalicelib.model import Dimension, Target
from headroom.migrate import schedules
from headroom.migrate.application_autoscaling import Autoscaling, subject_of, translate
from headroom.migrate.schedules import InexpressibleError
from tests.support.application_autoscaling import (
    BERLIN,
    MONDAY,
    NOW,
    WEEK,
    action,
    explanation_of,
    named,
    of,
    policy,
    scalable,
    table,
    tracking,
    verdicts,
)

# scheduled actions


@pytest.mark.parametrize(
    ("actions", "expected", "lowest"),
    [
        pytest.param(
            [("cron(0 8 * * ? *)", 100), ("cron(30 20 * * ? *)", 5)],
            [{"between": "08:00-20:30", "min_units": 100}],
            5,
            id="every day",
        ),
        pytest.param(
            [("cron(0 8 ? * MON-FRI *)", 100), ("cron(0 20 ? * 2-6 *)", 5)],
            [{"between": "08:00-20:00", "days": "mon-fri", "min_units": 100}],
            5,
            id="weekdays by name and by number",
        ),
        pytest.param(
            [("cron(0 22 * * ? *)", 50), ("cron(0 6 * * ? *)", 5)],
            [{"between": "22:00-06:00", "min_units": 50}],
            5,
            id="across midnight",
        ),
        pytest.param(
            [("cron(0 8 ? * MON *)", 50), ("cron(0 20 ? * FRI *)", 5)],
            [
                {"between": "08:00-24:00", "days": "mon", "min_units": 50},
                {"between": "00:00-24:00", "days": "tue-thu", "min_units": 50},
                {"between": "00:00-20:00", "days": "fri", "min_units": 50},
            ],
            5,
            id="a whole week",
        ),
        pytest.param(
            [
                ("cron(0 6 * * ? *)", 20),
                ("cron(0 9 * * ? *)", 90),
                ("cron(0 18 * * ? *)", 20),
                ("cron(0 23 * * ? *)", 5),
            ],
            [
                {"between": "06:00-09:00", "min_units": 20},
                {"between": "09:00-18:00", "min_units": 90},
                {"between": "18:00-23:00", "min_units": 20},
            ],
            5,
            id="a chain of four",
        ),
        pytest.param(
            [("cron(0 8 * * ? *)", 60), ("cron(0 12 * * ? *)", 60), ("cron(0 20 * * ? *)", 5)],
            [{"between": "08:00-20:00", "min_units": 60}],
            5,
            id="the same again in between",
        ),
        pytest.param([("cron(0 8 * * ? *)", 40)], [], 40, id="one action sets it for good"),
        pytest.param([("cron(0/15 * * * ? *)", 40)], [], 40, id="again and again the same"),
        pytest.param(
            [("cron(0 8 * * ? *)", 60), ("cron(0 8 * * ? *)", 40), ("cron(0 9 * * ? *)", 5)],
            [{"between": "08:00-09:00", "min_units": 60}],
            5,
            id="two at once: the higher",
        ),
    ],
)
def test_actions_that_come_every_week_become_floors(
    actions: list[tuple[str, int]], expected: list[dict[str, Any]], lowest: int
) -> None:
    entry = [
        action(schedule, low, name=str(i), Timezone=BERLIN)
        for i, (schedule, low) in enumerate(actions)
    ]
    found = of(scalable(low=100), *entry)
    settings = policy(found)
    assert settings.min_units == lowest
    assert list(settings.windows) == [
        windows.Window(rule="floor", time_zone=BERLIN, **window) for window in expected
    ]
    assert {note.verdict for note in found.notes if "scheduled action" in note.subject} == {
        "translated"
    }


@pytest.mark.parametrize(
    ("entry", "verdict", "why"),
    [
        pytest.param(
            action("at(2026-11-27T00:00:00)", 500),
            "refused",
            "it runs once, 2026-11-27 00:00",
            id="once",
        ),
        pytest.param(
            action("at(2026-10-27T00:00:00)", 500), "obsolete", "that is over", id="once, over"
        ),
        pytest.param(action("rate(2 hours)", 500), "refused", "goes by an interval", id="rate"),
        pytest.param(
            action("cron(0 8 1 * ? *)", 500), "refused", "days of the month", id="day of the month"
        ),
        pytest.param(
            action("cron(0 8 L * ? *)", 500), "refused", "days of the month", id="last day"
        ),
        pytest.param(action("cron(0 8 ? DEC * *)", 500), "refused", "some months", id="month"),
        pytest.param(
            action("cron(0 8 ? * MON *)", 500, Timezone="Mars/Phobos"),
            "refused",
            "no time zone",
            id="zone",
        ),
        pytest.param(
            action("cron(0 8 ? * 2#1 *)", 500), "refused", "2#1 in its schedule", id="first Monday"
        ),
        pytest.param(action("cron(0 8 * * ?)", 500), "refused", "cannot be read", id="five fields"),
        pytest.param(
            action("at(tomorrow)", 500), "refused", "cannot be read", id="unreadable time"
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", 500, EndTime=MONDAY),
            "obsolete",
            "it ended at 2026-11-02 00:00",
            id="ended",
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", 500, StartTime="2027-01-01T00:00:00Z"),
            "refused",
            "it begins only at 2027-01-01",
            id="later",
        ),
        pytest.param(
            action("cron(0 8 * * ? *)"), "obsolete", "it changes nothing", id="sets nothing"
        ),
        pytest.param(
            action("cron(0 8 * * ? *)", None, 200),
            "obsolete",
            "it changes nothing",
            id="the maximum that holds anyway",
        ),
    ],
)
def test_what_no_window_says_is_named_and_the_bounds_stay(
    entry: dict[str, Any], verdict: str, why: str
) -> None:
    found = of(scalable(), entry)
    assert verdicts(found, "orders:read scheduled action action") == [verdict]
    assert why in explanation_of(found, "orders:read scheduled action action")
    assert policy(found) == make_policy(min_units=5, max_units=200)


def test_a_begun_action_counts_and_one_that_will_end_is_reported() -> None:
    ends = {"StartTime": MONDAY - timedelta(days=9), "EndTime": MONDAY + timedelta(days=90)}
    found = of(
        scalable(),
        action("cron(0 8 * * ? *)", 50, name="day", **ends),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert len(policy(found).windows) == 1
    assert verdicts(found, "orders:read scheduled action day") == ["translated", "refused"]


def test_different_time_zones_in_a_chain_are_refused_and_the_highest_minimum_holds() -> None:
    found = of(
        scalable(low=5),
        action("cron(0 8 * * ? *)", 50, 300, name="day", Timezone=BERLIN),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert (policy(found).min_units, policy(found).max_units, policy(found).windows) == (
        50,
        300,
        (),
    )
    assert [
        verdicts(found, f"orders:read scheduled action {name}") for name in ("day", "night")
    ] == [["refused"], ["refused"]]


def test_of_different_maximums_the_highest_holds_and_each_is_reported() -> None:
    found = of(
        scalable(high=100),
        action("cron(0 8 * * ? *)", 50, 400, name="day"),
        action("cron(0 20 * * ? *)", 5, 100, name="night"),
    )
    assert (policy(found).min_units, policy(found).max_units) == (5, 400)
    assert verdicts(found, "orders:read scheduled action night") == ["translated", "refused"]


def test_a_floor_lifts_a_maximum_that_is_below_it() -> None:
    found = of(
        scalable(high=100),
        action("cron(0 8 * * ? *)", 150, name="day"),
        action("cron(0 20 * * ? *)", 5, name="night"),
    )
    assert policy(found).max_units == 150


def test_suspended_actions_are_obsolete() -> None:
    found = of(scalable(ScheduledScalingSuspended=True), action("cron(0 8 * * ? *)", 50))
    assert verdicts(found, "orders:read scheduled action action") == ["obsolete"]
    assert policy(found).min_units == 5


# laws

levels = st.dictionaries(st.sampled_from(WEEK), st.integers(1, 99), min_size=1, max_size=6)


@pytest.mark.slow
@given(levels)
def test_the_floors_hold_the_same_minimum_at_every_time_of_the_week(chain: dict[int, int]) -> None:
    """Application Auto Scaling's own minimum is what the last action before has set."""
    made = [windows.Window(**window) for window in schedules.floors(chain, "UTC")]
    edges = {
        (minute + near) % WEEK.stop
        for minute in [*chain, *range(0, WEEK.stop, 1440)]
        for near in (-1, 0, 1)
    }
    for minute in edges:
        last = max((start for start in chain if start <= minute), default=max(chain))
        held = max(
            min(chain.values()), windows.floor_units(made, MONDAY + timedelta(minutes=minute))
        )
        assert held == chain[last]


@given(
    st.text("cron(at)rae0123456789*?/-,#LWMONFRI :", max_size=40),
    st.sampled_from(["UTC", BERLIN, "", "no/zone"]),
)
def test_any_schedule_is_read_or_refused(schedule: str, zone: str) -> None:
    for text in (schedule, f"cron({schedule})", f"at({schedule})"):
        with contextlib.suppress(InexpressibleError):
            assert schedules.weekly(text, zone) <= set(WEEK)


TARGETS = st.sampled_from(
    [
        Target(name, index, side)
        for name in ("orders", "carts", "gone")
        for index in ("", "by-date")
        for side in Dimension
    ]
)
SCHEDULES = st.sampled_from(
    [
        "cron(0 8 ? * MON-FRI *)",
        "cron(30 20 * * ? *)",
        "cron(0 0 1 * ? *)",
        "rate(1 day)",
        "at(2026-12-01T00:00:00)",
        "at(x)",
        "cron(x)",
    ]
)
SIZES = st.none() | st.integers(1, 2_000)
TIMES = st.none() | st.sampled_from([MONDAY, MONDAY + timedelta(days=30)])


@st.composite
def accounts(draw: st.DrawFn) -> Autoscaling:
    """Any mixture of targets, policies and actions, those without a target among them."""
    targets = draw(st.lists(TARGETS, unique=True, max_size=6))
    owners = st.sampled_from(targets) if targets else TARGETS
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
    flags = st.dictionaries(
        st.sampled_from(
            ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"]
        ),
        st.booleans(),
    )
    scalables = [
        scalable(target, low, low + more, **draw(flags))
        for target in targets
        for low, more in [draw(st.tuples(st.integers(1, 1_000), st.integers(0, 1_000)))]
    ]
    policies = [
        tracking(draw(owners), draw(st.floats(20, 90)), name, DisableScaleIn=draw(st.booleans()))
        for name in draw(st.lists(names, unique=True, max_size=3))
    ]
    actions = [
        {
            **action(
                draw(SCHEDULES),
                draw(SIZES),
                draw(SIZES),
                name,
                StartTime=draw(TIMES),
                EndTime=draw(TIMES),
            ),
            **named(draw(owners)),
            "Timezone": draw(st.sampled_from(["UTC", BERLIN])),
        }
        for name in draw(st.lists(names, unique=True, max_size=4))
    ]
    return Autoscaling(scalables, policies, actions)


@pytest.mark.slow
@given(accounts(), st.sampled_from(["adaptive", "percent"]))
def test_every_target_policy_and_action_is_accounted_for_and_what_is_printed_loads(
    found: Autoscaling, strategy: Any
) -> None:
    tables = {"orders": table("by-date"), "carts": table("by-date", name="carts"), "gone": None}
    made = translate(found, tables, NOW, strategy)
    assert {subject_of(entry) for entry in found.everything()} <= {
        note.subject for note in made.notes
    }
    assert all(note.text for note in made.notes)
    rules = loader.load(made.text)
    for entry in found.targets:
        target = Target(
            entry["ResourceId"].split("/")[1],
            "by-date" if "/index/" in entry["ResourceId"] else "",
            _side(entry),
        )
        settings = rules.policy_for(target)
        if target.table == "gone":
            assert settings is None
            continue
        assert settings is not None
        own = [a for a in found.actions if named(target).items() <= a.items()]
        low = {entry["MinCapacity"], *(a["ScalableTargetAction"].get("MinCapacity") for a in own)}
        assert settings.min_units in low
        assert settings.max_units >= entry["MaxCapacity"]
        if not own:
            assert (settings.min_units, settings.max_units) == (
                entry["MinCapacity"],
                entry["MaxCapacity"],
            )


def _side(entry: Mapping[str, Any]) -> Dimension:
    return Dimension.READ if "Read" in entry["ScalableDimension"] else Dimension.WRITE
