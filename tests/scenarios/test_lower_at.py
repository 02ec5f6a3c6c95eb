"""`lower_at`: capacity is lowered at fixed times only, once each; it is raised at any time."""

from datetime import timedelta

import pytest

from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.scenes import (
    MONDAY,
    alarm_message,
    decisions,
    invoke_after,
    orders,
    pass_minutes,
    reasons,
    rules,
    send,
    units,
)

TIMES = 'lower_at = [{ at = "cron(0 2,10,14 * * ? *)" }]\n'
TEN = MONDAY.replace(hour=10)
#: The hour's load is known five minutes before ten.
BEFORE = TEN - timedelta(minutes=70)


def config(strategy: str) -> str:
    return rules(strategy=strategy) + "\n" + TIMES


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(name, marks=pytest.mark.scene(orders, config(name), BEFORE))
        for name in ("adaptive", "percent")
    ],
)
def test_neither_function_lowers_before_its_time_and_a_sweep_does_then_once(
    region: Region, strategy: str
) -> None:
    for function in ("scale_down", "sweep"):
        held = invoke_after(region, function, 65 if function == "scale_down" else 1, {READS: 20.0})
        assert set(reasons(held).values()) == {"NotScheduledNow"}
        assert decisions(held)[READS]["numbers"]["held_by"] == "cron(0 2,10,14 * * ? *) UTC"
    lowered = invoke_after(region, "sweep", 4, {READS: 20.0})
    assert region.now == TEN
    assert decisions(lowered)[READS]["reason"] == "UtilizationLow"
    assert units(region)["orders:read"] < 100
    again = invoke_after(region, "sweep", 5, {READS: 1.0})
    assert set(reasons(again).values()) == {"NotScheduledNow"}


@pytest.mark.scene(orders, config("percent"), BEFORE)
def test_an_alarm_raises_at_any_time(region: Region) -> None:
    pass_minutes(region, 5, {READS: 95.0})
    send(region, alarm_message(region))
    assert units(region)["orders:read"] == 150
