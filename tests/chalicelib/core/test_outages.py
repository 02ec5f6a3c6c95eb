"""An outage of the callers: what is one, and how long it keeps capacity."""

from datetime import timedelta

import pytest
from msgspec import structs

from chalicelib.core import outages
from chalicelib.model import BOTH, DOWN, DemandHistory, Dimension, Reason, Target
from headroom.simulation.replay import initial_units, replay
from tests.support.builders import MINUTE, NOON, decide_with, observation, outcome, policy, series

Values = list[float | None]
BUSY: Values = [100.0] * 120


def until(values: Values, minutes: int = 20, lag: timedelta = MINUTE) -> str:
    """Return until when decreases are held, or ""."""
    seen = observation(
        consumed=series(values, NOON - lag), settings=policy(hold_after_outage_minutes=minutes)
    )
    found = list(outages.holds(seen, NOON))
    assert all((hold.reason, hold.directions) == (Reason.DEMAND_GONE, DOWN) for hold in found)
    return found[0].detail.split("kept until ")[1] if found else ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([*BUSY, 0.0], "12:18 UTC", id="a minute ago"),
        pytest.param([*BUSY, *[0.0] * 15], "12:04 UTC", id="a quarter of an hour ago"),
        pytest.param([*BUSY, *[0.0] * 19], "", id="too long ago"),
        pytest.param([*BUSY, 40.0, 9.0, 0.0], "12:17 UTC", id="in the middle of a minute"),
        pytest.param([*BUSY, 0.0, None, 0.0], "12:16 UTC", id="a gap in it"),
        pytest.param([*BUSY, 9.9], "12:18 UTC", id="less than a tenth is left"),
        pytest.param([*BUSY, 10.0], "", id="a tenth is left"),
        pytest.param([*BUSY, 0.0, 80.0], "", id="the demand is back"),
        pytest.param([*BUSY, 45.0, 30.0, 25.0, 20.0, 15.0, 0.0], "", id="a slope"),
        pytest.param([*[1.0] * 90, *[100.0] * 30, 1.0, 1.0], "", id="a batch ends"),
        pytest.param([*[100.0] * 59, 0.0], "", id="too little is known"),
        pytest.param([*[0.0] * 90, *[9.0] * 30, 0.0], "", id="the batch of an idle table ends"),
        pytest.param([0.0] * 130, "", id="always idle"),
        pytest.param([], "", id="nothing is known"),
    ],
)
def test_what_is_an_outage(values: Values, expected: str) -> None:
    assert until(values) == expected
    assert until(values, minutes=0) == ""


@pytest.mark.parametrize(
    ("quiet", "strategy", "is_held"),
    [
        pytest.param({}, "adaptive", True, id="the past days were busy"),
        pytest.param({2: 9.9}, "adaptive", False, id="a past day was as low at this time"),
        pytest.param({1: 9.9}, "adaptive", False, id="five minutes before it"),
        pytest.param({0: 0.0, 3: 0.0}, "adaptive", True, id="at another time only"),
        pytest.param({2: 10.0}, "adaptive", True, id="it was lower, and not by so much"),
        pytest.param({2: 0.0}, "percent", True, id="a strategy that knows no past days"),
    ],
)
def test_a_fall_that_past_days_had_too_is_none(
    quiet: dict[int, float], strategy: str, is_held: bool
) -> None:
    """The history ends ten minutes ago, so its slot 2 is now."""
    settings = policy(strategy=strategy, hold_after_outage_minutes=20)
    seen = observation(consumed=series([*BUSY, *[0.0] * 8], NOON - MINUTE), settings=settings)
    past = tuple(quiet.get(slot, 100.0) for slot in range(25))
    history = DemandHistory(end=NOON - timedelta(minutes=10), quiet=past)
    seen = seen.with_metrics(structs.replace(seen.metrics, history=history))
    assert bool(list(outages.holds(seen, NOON))) == is_held


def test_nothing_is_lowered_meanwhile_and_raising_goes_on() -> None:
    settings = policy(hold_after_outage_minutes=20)
    seen = observation(consumed=series([*BUSY, 0.0]), provisioned=1_000)
    assert outcome(decide_with(seen, settings, NOON, DOWN)) == (1_000, Reason.DEMAND_GONE)
    assert outcome(decide_with(seen, policy(), NOON, DOWN))[1] is Reason.UTILIZATION_LOW
    below = policy(hold_after_outage_minutes=20, min_units=1_200)
    assert outcome(decide_with(seen, below, NOON, BOTH)) == (1_200, Reason.BELOW_MINIMUM)


@pytest.mark.slow
def test_eight_minutes_without_callers_throttle_nobody() -> None:
    demand = [1_000.0] * 400 + [0.0] * 8 + [1_000.0] * 60
    settings = {"strategy": "adaptive"}
    without = replay(demand, policy(**settings), initial_units(demand))
    kept = replay(demand, policy(**settings, hold_after_outage_minutes=20), initial_units(demand))
    assert (without.throttled_minutes > 0, kept.throttled_minutes) == (True, 0)


# of many tables

HALF: Values = [*BUSY, *[40.0] * 8]
STEADY: Values = [100.0] * 128
RARE: Values = [*[0.9] * 120, *[0.1] * 8]
LATE: Values = [*[100.0] * 124, *[40.0] * 4]


def held(minutes: int | dict[str, int] = 30, **tables: Values) -> dict[str, str]:
    """Return until when each table is held, of those whose reads have these values.

    minutes: the setting, or that of each table.
    """
    by_table = minutes if isinstance(minutes, dict) else dict.fromkeys(tables, minutes)
    seen = {
        Target(name, "", Dimension.READ): observation(
            consumed=series(values, NOON - MINUTE),
            settings=policy(hold_after_common_outage_minutes=by_table[name]),
        )
        for name, values in tables.items()
    }
    found = outages.with_common_outage(seen, NOON)
    details = {t.table: [hold.detail for hold in o.holds] for t, o in found.items()}
    return {name: texts[0].split("kept until ")[1] for name, texts in details.items() if texts}


ALL = {"a": "12:21 UTC", "b": "12:21 UTC", "c": "12:21 UTC"}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        pytest.param({"a": HALF, "b": HALF, "c": HALF}, ALL, id="all of three"),
        pytest.param({"a": HALF, "b": HALF}, {}, id="two are few"),
        pytest.param({"a": HALF, "b": HALF, "c": HALF, "d": STEADY}, ALL, id="three of four"),
        pytest.param(
            {"a": HALF, "b": HALF, "c": HALF, **dict.fromkeys("defg", STEADY)}, {}, id="of seven"
        ),
        pytest.param(
            {"a": HALF, "b": HALF, "c": HALF, **dict.fromkeys("defg", [0.0] * 128)},
            ALL,
            id="idle tables do not count",
        ),
        pytest.param(
            {"a": HALF, "b": HALF, "c": LATE}, {**ALL, "c": "12:25 UTC"}, id="within minutes"
        ),
        pytest.param({"a": HALF, "b": HALF, "c": [*BUSY, *[100.0] * 7, 40.0]}, {}, id="later"),
        pytest.param({"a": HALF, "b": HALF, "c": [*BUSY, *[60.0] * 8]}, {}, id="by less than half"),
        pytest.param({"a": HALF, "b": HALF, "c": [*HALF[:-1], 60.0]}, {}, id="it is back"),
        pytest.param({"a": RARE, "b": RARE, "c": RARE}, {}, id="tables that are hardly used"),
        pytest.param({}, {}, id="no table"),
    ],
)
def test_what_is_an_outage_that_tables_share(
    tables: dict[str, Values], expected: dict[str, str]
) -> None:
    assert held(**tables) == expected
    assert held(minutes=0, **tables) == {}


def test_each_table_is_held_as_long_as_its_own_setting_says() -> None:
    found = held({"a": 30, "b": 20, "c": 0}, a=HALF, b=HALF, c=HALF)
    assert found == {"a": "12:21 UTC", "b": "12:11 UTC"}
