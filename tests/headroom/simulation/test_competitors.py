"""The competitors: the rule of each one, and the rules of DynamoDB that apply to all."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.simulation import competitors
from headroom.simulation.competitors import AutoScaling, dynamic_dynamodb
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome


@pytest.mark.parametrize(
    ("rule", "consumed", "units"),
    [
        pytest.param(
            AutoScaling(), [71.0, 71.0], 102, id="out: two minutes above the target, 71 / 0.7"
        ),
        pytest.param(AutoScaling(), [71.0, 90.0], 129, id="out: to the last of the two"),
        pytest.param(AutoScaling(), [90.0, 71.0], 102, id="out: the first does not matter"),
        pytest.param(AutoScaling(), [70.0, 90.0], None, id="one of two is not above"),
        pytest.param(AutoScaling(), [90.0], None, id="one minute is not two"),
        pytest.param(AutoScaling(90), [90.0, 90.1], None, id="a higher target"),
        pytest.param(AutoScaling(90), [90.1, 99.0], 110, id="out at a higher target"),
        pytest.param(AutoScaling(), [49.9] * 15, 72, id="in: 15 minutes below target - 20 points"),
        pytest.param(AutoScaling(), [49.9] * 14, None, id="14 minutes are not 15"),
        pytest.param(AutoScaling(), [*[10.0] * 14, 50.0], None, id="one of 15 is not below"),
        pytest.param(AutoScaling(), [*[40.0] * 14, 7.0], 10, id="in: to the last of them"),
        pytest.param(
            AutoScaling(from_highest=True), [*[40.0] * 14, 7.0], 58, id="in: to the highest of them"
        ),
        pytest.param(AutoScaling(), [60.0, *[7.0] * 15], 10, id="in: the newest 15 alone"),
        pytest.param(AutoScaling(), [0.0] * 15, 1, id="in: never below one"),
        pytest.param(AutoScaling(20), [0.0] * 15, None, id="nothing is below zero"),
        pytest.param(AutoScaling(), [], None, id="nothing is known"),
    ],
)
def test_application_auto_scaling_of_100_units(
    rule: AutoScaling, consumed: list[float], units: int | None
) -> None:
    assert rule(0, 100, consumed) == units


def window(mean: float) -> list[float]:
    """Return 15 minutes: those from the 14th to the 10th last have this mean, the others would
    mislead."""
    return [999.0, mean - 1, mean, mean, mean, mean + 1, *[999.0] * 9]


@pytest.mark.parametrize(
    ("minute", "consumed", "units"),
    [
        pytest.param(5, window(90.0), 150, id="up by half at 90 percent"),
        pytest.param(5, window(120.0), 180, id="up by half from what was consumed"),
        pytest.param(5, window(89.9), None, id="below 90 percent"),
        pytest.param(5, window(30.0), 50, id="down by half at 30 percent"),
        pytest.param(5, window(30.1), None, id="above 30 percent"),
        pytest.param(5, [0.0] * 15, None, id="nothing consumed is left alone"),
        pytest.param(6, window(90.0), None, id="it looks every five minutes"),
        pytest.param(5, window(90.0)[1:], None, id="less than 15 minutes are known"),
    ],
)
def test_dynamic_dynamodb_of_100_units(
    minute: int, consumed: list[float], units: int | None
) -> None:
    assert dynamic_dynamodb(minute, 100, consumed) == units


@pytest.mark.parametrize(("units", "mean", "lowered"), [(3, 0.5, 2), (1, 0.2, 1), (101, 10.0, 51)])
def test_dynamic_dynamodb_never_lowers_by_more_than_half(
    units: int, mean: float, lowered: int
) -> None:
    assert dynamic_dynamodb(5, units, [mean] * 15) == lowered


@pytest.mark.parametrize(
    ("minute", "units", "wanted"),
    [
        pytest.param(0, 50, 50, id="above the minimum of the hour"),
        pytest.param(49, 50, 50, id="still the first hour"),
        pytest.param(50, 50, 100, id="ten minutes before the second hour"),
        pytest.param(1440 + 50, 50, 100, id="on the next day too"),
    ],
)
def test_scheduled_actions_set_the_minimum_of_the_coming_hour(
    minute: int, units: int, wanted: int
) -> None:
    rule = competitors.Scheduled(AutoScaling(), [10, 100, *[10] * 22])
    assert rule(minute, units, []) == wanted


def test_usual_minimums_are_the_median_of_each_hours_peaks_over_the_target() -> None:
    day = [7.0] * 60 + [14.0] * 59 + [70.0] + [0.0] * 22 * 60
    assert competitors.usual_minimums(day * 2, 70) == [10, 100, *[1] * 22]


def test_on_demand_with_a_ceiling_serves_up_to_it_and_throttles_the_rest() -> None:
    outcome = competitors.on_demand([10.0] * 60 + [50.0] * 60, 30.0)
    assert (outcome.on_demand_hours, outcome.unit_hours) == (40.0, 0.0)
    assert outcome.throttled_unit_hours == 20.0


# the rules of DynamoDB


def one_less(_minute: int, units: int, _consumed: Sequence[float]) -> int:
    return units - 1


def test_a_decrease_over_the_quota_is_refused_and_the_rule_tries_again() -> None:
    outcome = competitors.run([0.0] * 70, 100, one_less)
    assert outcome.units[:10] == [100, 100, 100, 99, 98, 97, 96, 96, 96, 96]
    assert (outcome.units[65], outcome.units[66], outcome.decreases, outcome.changes) == (
        96,
        95,
        5,
        5,
    )


def test_slow_conditions_show_metrics_late_and_change_slowly() -> None:
    outcome = competitors.run(
        [0.0] * 15, 100, one_less, Conditions(metric_delay_minutes=3, update_minutes=3)
    )
    assert outcome.units == [100] * 7 + [99] * 3 + [98] * 3 + [97] * 2


def test_a_rule_reads_the_newest_twenty_visible_minutes() -> None:
    visible: list[list[float]] = []

    def keep(_minute: int, _units: int, consumed: Sequence[float]) -> None:
        visible.append(list(consumed))

    competitors.run([float(minute) for minute in range(30)], 100, keep)
    assert visible[0] == [0.0]
    assert visible[-1] == [float(minute) for minute in range(8, 28)]


def test_what_is_throttled_is_not_consumed() -> None:
    outcome = competitors.fixed([100.0] * 5 + [700.0] * 2, 100, Conditions(burst_seconds=60))
    assert outcome.units == [100] * 7
    assert outcome.throttled == [0.0] * 5 + [500.0, 600.0]
    assert (outcome.throttled_minutes, outcome.throttled_unit_hours) == (2, 1100 / 60)
    assert outcome.throttled_ppm([100.0] * 5 + [700.0] * 2) == pytest.approx(1100 / 1900 * 1e6)


@pytest.mark.parametrize(("demand", "units"), [([1.0, 7.2, 3.0], 8), ([0.0, 0.0], 1), ([], 1)])
def test_fixed_at_peak_has_the_units_of_the_highest_minute(demand: list[float], units: int) -> None:
    outcome = competitors.fixed_at_peak(demand)
    assert outcome == Outcome([units] * len(demand), [0.0] * len(demand))


@pytest.mark.slow
@given(
    st.lists(st.floats(0, 1e4), max_size=120),
    st.integers(1, 5_000),
    st.sampled_from([AutoScaling(50), dynamic_dynamodb]),
)
def test_every_minute_has_units_of_at_least_one(
    demand: list[float], units: int, rule: competitors.Rule
) -> None:
    outcome = competitors.run(demand, units, rule)
    assert len(outcome.units) == len(outcome.throttled) == len(demand)
    assert all(n >= 1 for n in outcome.units)
    assert outcome.decreases <= outcome.changes
