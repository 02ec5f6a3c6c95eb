"""docs/policy.md's worked example and defaults are what the code computes."""

import math
import re

import pytest

from chalicelib.config import loader
from chalicelib.config.policy import make_policy as policy
from chalicelib.core.strategies import adaptive, percent
from chalicelib.model import DemandHistory, Dimension, Reason
from headroom import alarm_lengths
from headroom.project import ROOT
from headroom.simulation.dynamodb_rules import Meter
from tests.support.builders import NOON, observation, outcome, series

PAGE = (ROOT / "docs" / "policy.md").read_text()
STEP = adaptive.Load(
    newest=818.0,
    mean5=(818 + 4 * 300) / 5,
    mean15=(818 + 14 * 300) / 15,
    noise=18.0,
    growth=0.0,
    jump=518.0,
    fast=818.0,
    throttled5=0.0,
    lag_minutes=2.0,
    highest=320.0,
)


def test_the_step_of_the_example_runs_short_and_is_raised_to_1086() -> None:
    assert adaptive.runs_short(STEP, policy(), left=1.0, units=300)
    assert math.ceil(adaptive.needed_units(STEP, DemandHistory())) == 1086
    assert "1,086" in PAGE


@pytest.mark.parametrize(("step", "throttled"), [(818, 54), (780, 0)])
def test_the_bucket_carries_what_the_example_says(step: int, throttled: int) -> None:
    meter = Meter(300)
    assert [round(meter.serve(step)[1]) for _ in range(3)] == [0, 0, throttled]


def test_the_decrease_of_the_example_goes_to_817() -> None:
    load = adaptive.Load(760.0, 760.0, 760.0, 20.0, 0.0, 0.0, 760.0, 0.0, 2.0, 818.0)
    assert math.ceil(adaptive.low_units(load, policy(), left=0.5, units=1086)) == 817
    assert "= 817" in PAGE


def test_the_quantile_of_the_page_is_that_of_the_defaults() -> None:
    lost = 60 * (2 + 1)
    share = 1 - 3600 / (policy().throttle_price * (lost + 150))
    assert f"= {share:.3f} by default" in PAGE


STEPS = loader.load(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[-1]).default_policy(
    Dimension.READ
)


@pytest.mark.parametrize(
    ("units", "consumed", "throttled", "desired", "reason"),
    [
        pytest.param(200, 170.0, 0.0, 240, Reason.UTILIZATION_HIGH, id="09:00"),
        pytest.param(
            240, 240.0, 0.0, 360, Reason.UTILIZATION_HIGH, id="09:05, were nothing throttled"
        ),
        pytest.param(240, 240.0, 60.0, 600, Reason.THROTTLED, id="09:05"),
    ],
)
def test_the_steps_up_of_the_example(
    units: int, consumed: float, throttled: float, desired: int, reason: Reason
) -> None:
    assert outcome(
        percent.scale_up(
            observation(provisioned=units, consumed=consumed, throttled=throttled, settings=STEPS),
            NOON,
        )
    ) == (desired, reason)


@pytest.mark.parametrize(
    ("consumed", "desired", "reason", "low"),
    [
        pytest.param([300.0, 150.0, 228.0, 120.0], 600, Reason.TOO_FEW_CHECKS, 2, id="13:00"),
        pytest.param(
            [300.0, 150.0, 228.0, 120.0, 60.0], 480, Reason.UTILIZATION_LOW, 3, id="13:01"
        ),
    ],
)
def test_the_steps_down_of_the_example(
    consumed: list[float], desired: int, reason: Reason, low: int
) -> None:
    advice = percent.scale_down(
        observation(provisioned=600, consumed=series(consumed), settings=STEPS), NOON
    )
    assert (advice.desired, advice.reason, advice.numbers["low_checks"]) == (desired, reason, low)
    assert f"{100 * 228 / 480:.1f} %" in PAGE


def test_the_table_of_longer_alarms_has_the_figures_of_its_command() -> None:
    """Those of `adaptive` may be of an older version of it; `percent` does not change."""
    table = PAGE.partition(alarm_lengths.BEGIN)[2].partition(alarm_lengths.END)[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert [(int(period), int(periods)) for period, periods, *_ in rows] == list(
        alarm_lengths.ALARMS
    )
    for (period, periods), row in zip(alarm_lengths.ALARMS, rows, strict=True):
        assert row[3] == f"{alarm_lengths.throttled('percent', period, periods):,}"
