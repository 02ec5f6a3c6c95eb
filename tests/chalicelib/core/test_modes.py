"""The decision on a table's billing mode: by its past, its prices, and who switched it last."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.config.windows import Window
from chalicelib.core import modes
from chalicelib.core.explain import sentence
from chalicelib.core.modes import ModeDecision, ModeFacts, ModeTag, parse
from chalicelib.model import BOTH, DOWN, Dimension, Hold, Metrics, Reason, Series
from tests.support.builders import NOON, READS, WRITES, observation, policy, steady

UNIT = {Dimension.READ: 0.00013, Dimension.WRITE: 0.00065}
REQUEST = {d: usd * 3.46 for d, usd in UNIT.items()}
HOUR = timedelta(hours=1)
TWO_WEEKS = 14 * 24 * 12


def past(values: list[float]) -> Series:
    """Return two weeks of these five-minute values, repeated."""
    return Series(NOON - 336 * HOUR, 300, tuple((values * TWO_WEEKS)[:TWO_WEEKS]))


#: A short spike each hour: on demand is cheaper. And a steady load: provisioned is.
SPIKES, STEADY = past([2.0] * 11 + [100.0]), past([50.0])


def facts(days: Series = SPIKES, **members: Any) -> ModeFacts:
    settings = members.pop("settings", {})
    known: dict[str, Any] = {
        "table": "orders",
        "on_demand": False,
        "policies": {READS: policy(mode="cheapest", **settings)},
        "days": {READS: days},
        "recent": {READS: Series(NOON - HOUR, 60, (50.0,) * 60)},
        "unit_hours": UNIT,
        "request_hours": REQUEST,
    }
    return ModeFacts(**{**known, **members})


def decide(**members: Any) -> ModeDecision:
    return modes.decide(facts(**members), NOON)


def on_demand(at: datetime = NOON - 48 * HOUR, **members: Any) -> dict[str, Any]:
    """Return a table that Headroom has switched to on demand."""
    return {"on_demand": True, "on_demand_at": at, "tag": ModeTag("on-demand", at), **members}


AT = NOON - 48 * HOUR
STAYS = (False, Reason.CHEAPEST_MODE)
BY_HAND = (False, Reason.SWITCHED_BY_HAND)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, (True, Reason.CHEAPER_ON_DEMAND), id="on demand is cheaper"),
        pytest.param({"days": STEADY}, STAYS, id="provisioned is cheaper"),
        pytest.param(on_demand(), STAYS, id="on demand stays cheaper"),
        pytest.param(
            on_demand(days=STEADY), (True, Reason.CHEAPER_PROVISIONED), id="back to provisioned"
        ),
        pytest.param(
            {"on_demand_at": NOON - 5 * HOUR}, STAYS, id="five hours after the last switch: not yet"
        ),
        pytest.param(
            {"on_demand_at": NOON - 6 * HOUR},
            (True, Reason.CHEAPER_ON_DEMAND),
            id="six hours after the last switch",
        ),
        pytest.param(
            on_demand(NOON - HOUR, days=STEADY), (True, Reason.CHEAPER_PROVISIONED), id="back: soon"
        ),
        pytest.param({"unit_hours": None}, (False, Reason.PRICE_UNKNOWN), id="no price"),
        pytest.param({"request_hours": None}, (False, Reason.PRICE_UNKNOWN), id="no other price"),
        pytest.param({"days": SPIKES.last(1500)}, (False, Reason.HISTORY_UNKNOWN), id="too young"),
        pytest.param(
            {"policies": {READS: policy(), WRITES: policy()}},
            (False, Reason.HISTORY_UNKNOWN),
            id="a target whose past is unknown",
        ),
        pytest.param(
            {"holds": (Hold(Reason.PAUSED, "until 14:00", BOTH),)},
            (False, Reason.PAUSED),
            id="paused",
        ),
        pytest.param(
            {"holds": (Hold(Reason.PAUSE_UNKNOWN, "unreadable", DOWN),)},
            (True, Reason.CHEAPER_ON_DEMAND),
            id="what holds decreases does not hold on demand",
        ),
        pytest.param(
            on_demand(days=STEADY, holds=(Hold(Reason.JOB_RUNNING, "a job", DOWN),)),
            (False, Reason.JOB_RUNNING),
            id="it holds the way back",
        ),
        pytest.param(
            {"settings": {"windows": (Window(rule="hold", between="11:00-13:00"),)}},
            (False, Reason.WINDOW),
            id="a window",
        ),
        pytest.param(
            on_demand(days=STEADY, recent={}), (False, Reason.NO_DATA), id="the load is unknown"
        ),
        # who has switched it?
        pytest.param({"on_demand": True, "on_demand_at": AT}, BY_HAND, id="on demand by somebody"),
        pytest.param(
            on_demand(tag=ModeTag("on-demand", AT - HOUR)), BY_HAND, id="somebody did it later"
        ),
        pytest.param(
            on_demand(tag=ModeTag("provisioned", AT - HOUR)),
            BY_HAND,
            id="somebody did it after the way back",
        ),
        pytest.param(on_demand(on_demand_at=None), BY_HAND, id="the time is unknown"),
        pytest.param(
            on_demand(days=STEADY, tag=ModeTag("cheapest")),
            (True, Reason.CHEAPER_PROVISIONED),
            id="handed over",
        ),
        pytest.param(
            {"tag": ModeTag("on-demand", AT), "on_demand_at": AT + timedelta(seconds=2)},
            BY_HAND,
            id="provisioned by somebody",
        ),
        pytest.param(
            {"tag": ModeTag("on-demand", AT), "on_demand_at": AT - 24 * HOUR},
            (True, Reason.CHEAPER_ON_DEMAND),
            id="a tag of a switch that did not come about",
        ),
        pytest.param(
            {"tag": ModeTag("provisioned", AT), "on_demand_at": AT - 24 * HOUR},
            (True, Reason.CHEAPER_ON_DEMAND),
            id="Headroom made it provisioned",
        ),
        pytest.param(
            {"tag": ModeTag("provisioned", AT), "on_demand_at": AT - timedelta(minutes=9)},
            (True, Reason.CHEAPER_ON_DEMAND),
            id="Headroom made it provisioned minutes later",
        ),
        pytest.param(
            on_demand(days=STEADY, tag=ModeTag("provisioned", NOON - HOUR)),
            (True, Reason.CHEAPER_PROVISIONED),
            id="the way back did not come about",
        ),
    ],
)
def test_what_is_decided(members: dict[str, Any], expected: tuple[bool, Reason]) -> None:
    decision = decide(**members)
    assert (decision.switches, decision.reason) == expected


def test_a_decision_explains_itself() -> None:
    text = sentence(decide(settings={"dry_run": True}))
    assert text.startswith(
        "dry run: orders provisioned → on demand: its past weeks cost less on demand from now on "
        "(CheaperOnDemand; provisioned usd month "
    )
    assert text.endswith("on demand hours week 168)")
    assert sentence(decide(days=STEADY)).startswith("orders stays provisioned: no switch saves")


# the way back


@pytest.mark.parametrize(
    ("days", "minutes", "settings", "units"),
    [
        pytest.param(STEADY, [50.0], {}, 72, id="the last hours at 70 percent"),
        pytest.param(STEADY, [70.0], {}, 100, id="the newest minutes"),
        pytest.param(STEADY, [None, 70.0, None], {}, 100, id="of which some are unknown"),
        pytest.param(STEADY, [50.0], {"min_units": 90}, 90, id="the minimum"),
        pytest.param(STEADY, [50.0], {"max_units": 60}, 60, id="the maximum"),
        pytest.param(
            STEADY,
            [50.0],
            {"windows": (Window(rule="floor", between="11:00-13:00", min_units=95),)},
            95,
            id="a floor",
        ),
        pytest.param(
            past([20.0] * (2 * 12) + [140.0] + [20.0] * (166 * 12 - 1)),
            [20.0],
            {},
            200,
            id="the next hours, as a week ago",
        ),
        pytest.param(
            past([20.0] * (2 * 12) + [140.0] + [20.0] * (TWO_WEEKS - 2 * 12 - 1)),
            [20.0],
            {},
            200,
            id="and as two weeks ago, when the metrics begin",
        ),
        pytest.param(
            past([20.0] * (4 * 12) + [140.0] + [20.0] * (164 * 12 - 1)),
            [20.0],
            {},
            29,
            id="not what comes later",
        ),
    ],
)
def test_the_units_of_the_way_back(
    days: Series, minutes: list[float | None], settings: dict[str, Any], units: int
) -> None:
    recent = {READS: Series(NOON - timedelta(minutes=len(minutes)), 60, tuple(minutes))}
    decision = decide(**on_demand(days=days, recent=recent, settings=settings))
    assert decision.units == {READS: units}


# ceilings


@pytest.mark.parametrize(
    ("current", "settings", "expected"),
    [
        pytest.param({}, {}, {}, id="none by default"),
        pytest.param(
            {}, {"on_demand_ceiling_percent": 300}, {READS: 300}, id="three times the peak"
        ),
        pytest.param(
            {READS: 280}, {"on_demand_ceiling_percent": 300}, {}, id="a small difference stays"
        ),
        pytest.param(
            {READS: 200}, {"on_demand_ceiling_percent": 300}, {READS: 300}, id="the peak has grown"
        ),
        pytest.param(
            {READS: 500}, {"on_demand_ceiling_percent": 300}, {READS: 300}, id="the peak has passed"
        ),
        pytest.param(
            {},
            {"on_demand_ceiling_percent": 300, "min_units": 400},
            {READS: 400},
            id="not below the minimum",
        ),
    ],
)
def test_the_ceilings_are_a_multiple_of_the_peak(
    current: Any, settings: dict[str, Any], expected: Any
) -> None:
    there = decide(**on_demand(settings=settings, ceilings=current))
    assert (there.ceilings, there.changes) == (expected, bool(expected))
    assert decide(settings=settings, ceilings=current).ceilings == expected


def test_a_table_that_becomes_provisioned_gets_units_and_no_ceiling() -> None:
    decision = decide(**on_demand(days=STEADY, settings={"on_demand_ceiling_percent": 300}))
    assert (decision.units, decision.ceilings) == ({READS: 72}, {})


# the parachute


@pytest.mark.parametrize(
    ("members", "throttled", "opens"),
    [
        pytest.param({}, 100.0, True, id="throttling costs more"),
        # 34.6 units for each of 8, and 3.46 for each of 108, less the 100 that are held
        pytest.param({}, 8.0, True, id="more than what on demand costs besides"),
        pytest.param({}, 7.0, False, id="less than that"),
        pytest.param({"unit_hours": None}, 100.0, False, id="no price"),
        pytest.param({"on_demand_at": NOON - HOUR}, 100.0, False, id="too soon"),
        pytest.param({"on_demand": True}, 100.0, False, id="on demand already"),
        pytest.param(
            {"tag": ModeTag("on-demand", AT), "on_demand_at": AT}, 100.0, False, id="by hand"
        ),
        pytest.param({"holds": (Hold(Reason.PAUSED, "a tag", BOTH),)}, 100.0, False, id="paused"),
    ],
)
def test_when_the_parachute_opens(members: dict[str, Any], throttled: float, opens: bool) -> None:
    metrics = Metrics(consumed=steady(100.0), throttled=steady(throttled))
    seen = {READS: observation(settings=policy(mode="cheapest")).with_metrics(metrics)}
    decision = modes.parachute(facts(**members), seen, NOON)
    assert (decision is not None) is opens
    assert decision is None or (decision.reason, decision.becomes_on_demand) == (
        Reason.PARACHUTE,
        True,
    )


def test_a_parachute_counts_both_sides_of_the_table_at_their_own_prices() -> None:
    settings = policy(mode="cheapest", throttle_price=20.0)
    reads = Metrics(consumed=steady(100.0), throttled=steady(20.0))
    writes = Metrics(consumed=steady(10.0), throttled=steady(6.0))
    seen = {
        READS: observation(settings=settings).with_metrics(reads),
        WRITES: observation(WRITES, 10, settings=settings).with_metrics(writes),
    }
    decision = modes.parachute(facts(), seen, NOON)
    assert decision
    assert decision.numbers == {
        "throttled_usd_hour": round(20 * 20 * 0.00013 + 6 * 20 * 0.00065, 4),
        "on_demand_usd_hour": round((120 * 0.00013 + 16 * 0.00065) * 3.46, 4),
        "provisioned_usd_hour": round(100 * 0.00013 + 10 * 0.00065, 4),
    }
    assert (decision.table, decision.dry_run, decision.on_demand) == ("orders", False, False)
    dry = {READS: policy(mode="cheapest"), WRITES: policy(mode="cheapest", dry_run=True)}
    alone = modes.parachute(facts(policies=dry), seen, NOON)
    assert alone
    assert alone.dry_run


@pytest.mark.parametrize(("hours", "reason"), [(5, "Parachute"), (6, "CheaperProvisioned")])
def test_a_parachute_holds_for_six_hours(hours: int, reason: str) -> None:
    at = NOON - hours * HOUR
    tag = ModeTag("on-demand", at, "parachute")
    assert decide(**on_demand(at, days=STEADY, tag=tag)).reason == reason


# the tag


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("on-demand 2026-11-20T12:00:00Z", ModeTag("on-demand", NOON)),
        ("on-demand 2026-11-20T12:00:00Z parachute", ModeTag("on-demand", NOON, "parachute")),
        ("provisioned 2026-11-20T14:00:00+02:00", ModeTag("provisioned", NOON)),
        (" cheapest ", ModeTag("cheapest")),
        ("on-demand", None),
        ("on-demand 2026-11-20T12:00:00", None),
        ("off 2026-11-20T12:00:00Z", None),
        ("", None),
    ],
)
def test_what_a_tag_says(value: str, expected: ModeTag | None) -> None:
    assert parse(value) == expected
    assert expected is None or parse(str(expected)) == expected
