"""What a number of instances calls for, and what the strategy `fleet` makes of it: tables, and
laws."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib import fleet_count
from chalicelib.config.fleet import Fleet, FleetTable, Scale
from chalicelib.config.loader import ConfigError, load
from chalicelib.core import scaling
from chalicelib.core.prices import is_worth_checking
from chalicelib.model import BOTH, DOWN, UP, Hold, Reason
from tests.support.builders import (
    INDEX_READS,
    NOON,
    READS,
    WRITES,
    decide_with,
    observation,
    outcome,
    policy,
    series,
)
from tests.support.laws import COSTLY

# units for a number of instances


@pytest.mark.parametrize(
    ("scale", "instances", "units"),
    [
        pytest.param(Scale(linear=10), 0, 0, id="linear: none"),
        pytest.param(Scale(linear=10), 7, 70, id="linear: so many each"),
        pytest.param(Scale(linear=0.3), 1, 1, id="linear: a part of a unit is a unit"),
        pytest.param(Scale(linear=0.3), 10, 3, id="linear: whole units stay whole"),
        pytest.param(Scale(ladder=((1, 5), (4, 50))), 0, 0, id="ladder: below the first rung"),
        pytest.param(Scale(ladder=((1, 5), (4, 50))), 1, 5, id="ladder: on a rung"),
        pytest.param(Scale(ladder=((1, 5), (4, 50))), 3, 5, id="ladder: between rungs"),
        pytest.param(Scale(ladder=((1, 5), (4, 50))), 400, 50, id="ladder: above the last"),
        pytest.param(Scale(ladder=((0, 2), (4, 50))), 0, 2, id="ladder: a rung for none"),
    ],
)
def test_a_number_of_instances_calls_for_units(scale: Scale, instances: int, units: int) -> None:
    assert scale.units(instances) == units


@given(st.floats(0.001, 1_000), st.integers(0, 10_000))
def test_linear_is_enough_for_every_instance_and_less_than_a_unit_more(
    each: float, instances: int
) -> None:
    assert each * instances <= Scale(linear=each).units(instances) < each * instances + 1


LADDERS = st.dictionaries(st.integers(0, 100), st.integers(0, 1_000), min_size=1, max_size=8).map(
    lambda rows: tuple(zip(sorted(rows), sorted(rows.values()), strict=True))
)


@pytest.mark.slow
@given(LADDERS, st.integers(0, 120), st.integers(0, 120))
def test_on_a_ladder_whose_units_rise_more_instances_never_call_for_less(
    ladder: Any, one: int, other: int
) -> None:
    scale = Scale(ladder=ladder)
    assert scale.units(min(one, other)) <= scale.units(max(one, other))


@pytest.mark.slow
@given(LADDERS, st.integers(0, 120))
def test_a_ladder_gives_the_units_of_one_of_its_rows_or_none(ladder: Any, instances: int) -> None:
    assert Scale(ladder=ladder).units(instances) in {0, *(units for _, units in ladder)}


# which targets, and the most of several


def fleet(name: str, *rows: FleetTable, **how: Any) -> Fleet:
    return Fleet(name, rows, **(how or {"tags": {"role": name}}))


WORKERS = fleet("workers", FleetTable("orders*", read=Scale(linear=10), write=Scale(linear=2)))
WEB = fleet(
    "web",
    FleetTable("orders", read=Scale(ladder=((1, 50), (8, 400)))),
    FleetTable("orders", "by-*", read=Scale(linear=3)),
)
UNKNOWN = Hold(Reason.FLEET_UNKNOWN, "fleet web cannot be counted", DOWN)


@pytest.mark.parametrize(
    ("target", "counts", "fleet_units", "name", "instances", "holds"),
    [
        pytest.param(READS, {"workers": 7, "web": 2}, 70, "workers", 7, (), id="the most of two"),
        pytest.param(READS, {"workers": 7, "web": 8}, 400, "web", 8, (), id="… of whichever"),
        pytest.param(
            READS, {"workers": 0, "web": 0}, 0, "workers", 0, (), id="none is a count, too"
        ),
        pytest.param(
            WRITES, {"workers": 7, "web": 8}, 14, "workers", 7, (), id="reads and writes apart"
        ),
        pytest.param(
            INDEX_READS, {"workers": 7, "web": 8}, 24, "web", 8, (), id="an index by its own row"
        ),
        pytest.param(
            READS,
            {"workers": 7, "web": UNKNOWN},
            70,
            "workers",
            7,
            (UNKNOWN,),
            id="what is known raises all the same",
        ),
        pytest.param(
            WRITES,
            {"workers": 7, "web": UNKNOWN},
            14,
            "workers",
            7,
            (),
            id="an unknown one holds its own targets only",
        ),
        pytest.param(
            INDEX_READS, {"workers": 7, "web": UNKNOWN}, 0, "web", None, (UNKNOWN,), id="unknown"
        ),
    ],
)
def test_a_target_follows_the_most_that_any_of_its_fleets_calls_for(
    target: Any,
    counts: Mapping[str, Any],
    fleet_units: int,
    name: str,
    instances: int | None,
    holds: tuple[Hold, ...],
) -> None:
    seen = fleet_count.follow([WORKERS, WEB], counts, observation(target))
    assert (seen.fleet_units, seen.fleet, seen.instances, seen.holds) == (
        fleet_units,
        name,
        instances,
        holds,
    )


def test_a_target_that_no_fleet_concerns_is_left_as_it_is() -> None:
    seen = observation(INDEX_READS)
    assert fleet_count.follow([WORKERS], {}, seen) == seen


# the decision: (strategy, what is seen, settings) → (units, reason)

IDLE = {"consumed": 0.0, "throttled": 0.0}
SPENT = {"decreases_today": 4, "last_decrease_at": NOON - timedelta(minutes=5)}


def following(instances: int | None, units: int = 0, **seen: Any) -> dict[str, Any]:
    return {"fleet": "workers", "instances": instances, "fleet_units": units, **seen}


CASES = [
    pytest.param(
        "fleet", UP, following(30, 300), {}, 300, Reason.FLEET, id="up at once, before any traffic"
    ),
    pytest.param(
        "fleet", BOTH, following(4, 40, **IDLE), {}, 40, Reason.FLEET, id="down, the whole capacity"
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(0, 0, **IDLE),
        {"min_units": 7},
        7,
        Reason.FLEET,
        id="no instance: down to min_units",
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(4, 40, consumed=62.5),
        {},
        63,
        Reason.FLEET,
        id="never below what is consumed",
    ),
    pytest.param("fleet", BOTH, following(10, 100, **IDLE), {}, 100, Reason.AT_MIN, id="it fits"),
    pytest.param(
        "fleet",
        BOTH,
        following(4, 40, **IDLE, **SPENT),
        {},
        100,
        Reason.BUDGET_USED_UP,
        id="down through the decrease budget",
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(4, 40),
        {},
        100,
        Reason.NO_DATA,
        id="unknown consumption lowers nothing",
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(4, 40, consumed=series([9.0] * 14 + [None, 9.0])),
        {},
        100,
        Reason.NO_DATA,
        id="nor does consumption with a gap",
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(4, 40, consumed=9.0, throttled=0.1),
        {},
        100,
        Reason.THROTTLED_RECENTLY,
        id="nor while throttled",
    ),
    pytest.param(
        "fleet", UP, following(30, 300), {"max_units": 200}, 200, Reason.FLEET, id="up to max_units"
    ),
    pytest.param(
        "fleet",
        UP,
        following(30, 300),
        {"max_units": 100},
        100,
        Reason.AT_MAX,
        id="at max_units, the reason says so",
    ),
    pytest.param(
        "fleet",
        UP,
        following(10, 100),
        {},
        100,
        Reason.AT_DESIRED,
        id="it fits, looked at for increases",
    ),
    pytest.param(
        "fleet",
        BOTH,
        following(None, **IDLE),
        {},
        100,
        Reason.FLEET_UNKNOWN,
        id="no count, or no fleet: nothing is lowered",
    ),
    pytest.param(
        "fleet",
        UP,
        following(None),
        {},
        100,
        Reason.FLEET_UNKNOWN,
        id="no count and no data: nothing is raised",
    ),
    pytest.param(
        "fleet",
        UP,
        following(None, consumed=130.2),
        {},
        131,
        Reason.UTILIZATION_HIGH,
        id="no count: traffic raises all the same",
    ),
    pytest.param(
        "fleet",
        UP,
        following(None, consumed=90.0, throttled=30.0),
        {},
        120,
        Reason.THROTTLED,
        id="… and throttling does",
    ),
    pytest.param(
        "fleet",
        UP,
        following(None, consumed=series([300.0] * 5, NOON - timedelta(minutes=11))),
        {},
        100,
        Reason.FLEET_UNKNOWN,
        id="… but not old traffic",
    ),
    pytest.param(
        "percent", UP, following(30, 300), {}, 300, Reason.FLEET, id="a floor: up at once"
    ),
    pytest.param(
        "percent",
        UP,
        following(5, 50, consumed=95.0),
        {},
        150,
        Reason.UTILIZATION_HIGH,
        id="a floor: the load raises more",
    ),
    pytest.param(
        "percent",
        BOTH,
        following(5, 50, consumed=26.0),
        {},
        50,
        Reason.UTILIZATION_LOW,
        id="a floor that sank: the strategy lowers",
    ),
    pytest.param(
        "percent",
        BOTH,
        following(10, 100, consumed=26.0),
        {},
        100,
        Reason.AT_MIN,
        id="a floor holds",
    ),
    pytest.param(
        "percent",
        UP,
        following(30, 300, consumed=26.0),
        {"max_units": 100},
        100,
        Reason.AT_MAX,
        id="a floor above max_units",
    ),
    pytest.param(
        "percent",
        UP,
        following(30, 300),
        {"max_units": 200},
        200,
        Reason.FLEET,
        id="a floor above max_units raises to it",
    ),
    pytest.param(
        "percent",
        UP,
        following(2, 20),
        {"min_units": 150},
        150,
        Reason.BELOW_MINIMUM,
        id="min_units are the higher floor",
    ),
]


@pytest.mark.parametrize(("strategy", "directions", "seen", "settings", "units", "reason"), CASES)
def test_the_decision(
    strategy: str,
    directions: Any,
    seen: dict[str, Any],
    settings: dict[str, Any],
    units: int,
    reason: Reason,
) -> None:
    assert outcome(
        decide_with(observation(**seen), policy(strategy=strategy, **settings), NOON, directions)
    ) == (units, reason)


@pytest.mark.parametrize(
    ("seen", "numbers"),
    [
        (following(30, 300), {"fleet": "workers", "instances": 30, "fleet_units": 300}),
        (following(None), {"fleet": "workers", "instances": "unknown", "fleet_units": 0}),
        ({}, {}),
    ],
)
def test_the_decision_reports_the_fleet_where_there_is_one(
    seen: dict[str, Any], numbers: Mapping[str, Any]
) -> None:
    found = decide_with(observation(**seen), policy(), NOON, UP).numbers
    assert {
        key: found[key] for key in ("fleet", "instances", "fleet_units") if key in found
    } == numbers


UNITS = st.integers(0, 5_000)


@given(UNITS, st.integers(1, 5_000), st.floats(0, 5_000), st.sampled_from([UP, DOWN, BOTH]))
def test_the_strategy_keeps_what_the_fleet_and_consumption_need_and_raises_no_further(
    fleet_units: int, provisioned: int, consumed: float, directions: Any
) -> None:
    seen = observation(
        provisioned=provisioned, consumed=consumed, throttled=0.0, **following(1, fleet_units)
    )
    desired = decide_with(seen, policy(strategy="fleet"), NOON, directions).desired
    assert desired >= min(provisioned, max(fleet_units, math.ceil(consumed)))
    assert desired <= max(provisioned, fleet_units)


@pytest.mark.slow
@COSTLY
@given(UNITS, st.integers(1, 5_000), st.floats(0, 5_000))
def test_an_unknown_fleet_never_lowers(fleet_units: int, provisioned: int, consumed: float) -> None:
    for strategy in scaling.STRATEGIES:
        seen = observation(
            provisioned=provisioned,
            consumed=consumed,
            throttled=0.0,
            **following(None),
            holds=(UNKNOWN,),
        )
        assert decide_with(seen, policy(strategy=strategy), NOON, BOTH).desired >= provisioned


# what a sweep looks at


@pytest.mark.parametrize(
    ("strategy", "provisioned", "fleet_units", "looks"),
    [
        pytest.param("fleet", 41, 40, True, id="all that is above the fleet, however little"),
        pytest.param("fleet", 40, 40, False, id="nothing to lower"),
        pytest.param("fleet", 2, 0, True, id="no instance left"),
        pytest.param("adaptive", 500, 40, True, id="a floor that sank far"),
        pytest.param("adaptive", 41, 40, False, id="a floor that sank a little waits for the hour"),
        pytest.param("adaptive", 500, 500, False, id="nothing above the floor"),
    ],
)
def test_a_sweep_looks_where_the_fleet_calls_for_less(
    strategy: str, provisioned: int, fleet_units: int, looks: bool
) -> None:
    assert (
        is_worth_checking(
            structs.replace(
                observation(provisioned=provisioned, **following(1, fleet_units)),
                policy=policy(strategy=strategy),
            ),
            NOON,
        )
        is looks
    )


# mistakes in the configuration

ORDERS = '[[tables]]\nname = "orders"\n'
FLEET = '[[fleet]]\nname = "workers"\ntags = { role = "worker" }\n'
ROW = '[[fleet.tables]]\ntable = "orders"\nread = { linear = 1 }\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ORDERS + FLEET + ROW + FLEET + ROW, "fleet[1].name: there is another fleet 'workers'"),
        (
            ORDERS + FLEET + ROW.replace("orders", "odrers"),
            "fleet[0].tables[0].table: no rule of [[tables]] manages 'odrers'",
        ),
        (
            ORDERS + 'strategy = "fleet"',
            "tables[0].read.strategy: 'fleet', but no [[fleet.tables]] gives its reads units",
        ),
        (
            ORDERS + 'strategy = "fleet"\n' + FLEET + ROW,
            "tables[0].write.strategy: 'fleet', but no [[fleet.tables]] gives its writes units",
        ),
        (
            '[[tables]]\nname = "*"\nread.strategy = "fleet"',
            "tables[0].read.strategy: 'fleet', but no [[fleet.tables]] gives its reads units",
        ),
        (ORDERS + '[[fleet]]\nname = "x"\n' + ROW, "give either tags"),
        (ORDERS + FLEET + 'auto_scaling_group = "web"\n' + ROW, "give either tags"),
        (ORDERS + FLEET + '[[fleet.tables]]\ntable = "orders"\n', "give read, write, or both"),
        (
            ORDERS + FLEET + ROW.replace("linear = 1", "linear = 1, ladder = [[1, 2]]"),
            "give either linear",
        ),
        (ORDERS + FLEET + ROW.replace("linear = 1", "ladder = [[4, 2], [1, 1]]"), "must rise"),
    ],
)
def test_a_mistake_is_reported_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert any(problem in found for found in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        ORDERS + FLEET + ROW.replace("orders", "o*"),
        ORDERS + 'read.strategy = "fleet"\n' + FLEET + ROW,
        '[[tables]]\nregex = "or.*"\nstrategy = "fleet"\n' + FLEET + ROW,
    ],
    ids=["a pattern may meet a rule", "reads alone", "a rule may meet a fleet"],
)
def test_what_can_be_meant_is_no_mistake(text: str) -> None:
    assert load(text).fleets[0].name == "workers"
