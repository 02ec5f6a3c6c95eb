"""The strategy `adaptive`: every reason in a table, and the laws as properties."""

from typing import Any

import pytest

from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import Reason
from tests.chalicelib.core.strategies.test_adaptive_levels import (
    FIVE,
    after_calm,
    past,
    policy,
    seen_by,
)
from tests.support.builders import MINUTE, NOON, outcome, series, steady, with_policy

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

# raising


def up(seen: Observation, urgent: bool = False, **settings: Any) -> Recommendation:
    observation = with_policy(seen, policy(**settings))
    advice = adaptive.scale_up(observation, NOON, urgent)
    # a check without numbers may end before scale_up, but never where that raises
    assert not (
        advice.desired > seen.provisioned and adaptive.surely_keeps(observation, NOON, urgent)
    )
    return advice


def down(seen: Observation, **settings: Any) -> Recommendation:
    return adaptive.scale_down(with_policy(seen, policy(**settings)), NOON)


#: A record 220 above the calm: needed are 300 and half of that again.
SPIKE = after_calm(300.0)
#: Until a raise applies it takes 47 percent of the bucket, of which 84 percent are left. 60 percent
#: are trusted on a rise, 75 else.
RISE = [60.0] * 5 + [80.0] * 5 + [100.0] * 4 + [178.0]


@pytest.mark.parametrize("urgent", [False, True], ids=["a sweep", "an alarm"])
@pytest.mark.parametrize(
    ("seen", "desired", "reason"),
    [
        pytest.param(seen_by(None), 100, Reason.NO_DATA, id="no data"),
        pytest.param(
            seen_by(steady(300.0, end=NOON - 11 * MINUTE)), 100, Reason.NO_DATA, id="stale data"
        ),
        pytest.param(seen_by(80.0), 100, Reason.AT_DESIRED, id="room enough"),
        pytest.param(seen_by(after_calm(150.0)), 100, Reason.BURST_CARRIES, id="one hot minute"),
        pytest.param(seen_by(SPIKE), 410, Reason.UTILIZATION_HIGH, id="a record"),
        pytest.param(
            seen_by(series(RISE)), 217, Reason.UTILIZATION_HIGH, id="a rise trusts the bucket less"
        ),
        pytest.param(
            seen_by(after_calm(100.0), series(after_calm(200.0, calm=0.0))),
            410,
            Reason.THROTTLED,
            id="a record, throttled",
        ),
        pytest.param(
            seen_by(80.0, days=past((450.0,))), 200, Reason.PATTERN_AHEAD, id="past days had onsets"
        ),
        pytest.param(
            seen_by(SPIKE, days=past((1350.0,))),
            600,
            Reason.PATTERN_AHEAD,
            id="and higher ones than this",
        ),
        pytest.param(
            seen_by(SPIKE, days=past((450.0,))), 410, Reason.UTILIZATION_HIGH, id="or lower ones"
        ),
        pytest.param(
            seen_by(80.0, days=past((225.0,))), 100, Reason.AT_DESIRED, id="insured already"
        ),
    ],
)
def test_up_to_the_highest_level_that_calls(
    seen: Observation, desired: int, reason: Reason, urgent: bool
) -> None:
    assert outcome(up(seen, urgent)) == (desired, reason)


@pytest.mark.parametrize(
    ("raised_ago", "percent", "desired"),
    [
        pytest.param(None, 0, 112, id="no least step"),
        pytest.param(None, 5, 112, id="a smaller least step"),
        pytest.param(None, 50, 150, id="a larger least step"),
        pytest.param(0.5, 50, 150, id="newer datapoints than the last increase"),
        pytest.param(0, 50, 112, id="an increase answered all of them already"),
    ],
)
def test_the_least_step_is_taken_once_for_the_same_evidence(
    raised_ago: float | None, percent: int, desired: int
) -> None:
    at = None if raised_ago is None else NOON - raised_ago * MINUTE
    assert (
        up(seen_by([100.0] * 15, last_increase_at=at), increase_percent=percent).desired == desired
    )


@pytest.mark.parametrize(
    ("percent", "units", "desired"),
    [
        pytest.param(0, 5, 112, id="fewer than are needed"),
        pytest.param(0, 40, 140, id="more"),
        pytest.param(50, 40, 150, id="fewer than the percentage"),
        pytest.param(50, 60, 160, id="more than the percentage"),
    ],
)
def test_the_least_step_may_be_one_of_units(percent: int, units: int, desired: int) -> None:
    assert (
        up(seen_by([100.0] * 15), increase_percent=percent, increase_units=units).desired,
        up(
            seen_by([100.0] * 15, last_increase_at=NOON),
            increase_percent=percent,
            increase_units=units,
        ).desired,
    ) == (desired, 112)


def test_the_numbers_behind_a_raise() -> None:
    assert up(seen_by(SPIKE, days=past(FIVE))).numbers == {
        "newest_units": 300.0,
        "mean_5_minutes": 124.0,
        "noise_units": 0.0,
        "growth_units": 0.0,
        "rise_units": 0.0,
        "fall_units": 0.0,
        "swing_units": 0.0,
        "throttled_units": 0,
        "burst_left_percent": 60.0,
        "needed_units": 410.0,
        "quiet_units": pytest.approx(1420 / 15 + 0.4 * 300 * 100 / 1800),
        "insured_units": pytest.approx(40.0),
    }


@pytest.mark.parametrize(
    ("newest", "desired"),
    [
        pytest.param([90.0] * 5 + [95.0] * 5, 127, id="a rise: 110, and 16.7 that fill the bucket"),
        pytest.param([100.0] * 10, 110, id="no rise: the demand"),
    ],
)
def test_a_raise_on_a_throttled_rise_fills_the_bucket_again(
    newest: list[float], desired: int
) -> None:
    lost = series([*[None] * 175, *[10.0] * 5])
    seen = seen_by(after_calm(*newest, *[100.0] * 5), throttled=lost)
    assert outcome(up(seen, urgent=True)) == (desired, Reason.THROTTLED)


def test_noise_and_growth_are_among_the_numbers() -> None:
    assert up(seen_by([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])).numbers == {
        "newest_units": 60.0,
        "mean_5_minutes": 40.0,
        "noise_units": 10.5,
        "growth_units": 10.0,
        "rise_units": 0.0,
        "fall_units": 0.0,
        "swing_units": 0.0,
        "throttled_units": 0,
        "burst_left_percent": 100.0,
        "needed_units": 75.25,  # 40, three minutes of growth, half the noise
        "quiet_units": 35.0,
        "insured_units": 0.0,
    }


# lowering

FREE = {"last_decrease_at": NOON - 30 * MINUTE, "decreases_today": 1}
LOST = series(after_calm(0.1, None, None, None, None, calm=0.0))
HELD = [100.0] * 36


@pytest.mark.parametrize(
    ("seen", "settings", "desired", "reason"),
    [
        pytest.param(seen_by(30.0), {}, 30, Reason.UTILIZATION_LOW, id="needs less"),
        pytest.param(seen_by(30.1), {}, 31, Reason.UTILIZATION_LOW, id="rounded up"),
        pytest.param(
            seen_by(30.0), {"min_units": 60}, 60, Reason.UTILIZATION_LOW, id="down to the minimum"
        ),
        pytest.param(
            seen_by(30.0, days=past((135.0,))),
            {},
            60,
            Reason.UTILIZATION_LOW,
            id="down to what is insured",
        ),
        pytest.param(
            seen_by(30.0, days=past((450.0,))),
            {},
            100,
            Reason.AT_DESIRED,
            id="insured with all of it",
        ),
        pytest.param(seen_by(100.0), {}, 100, Reason.AT_DESIRED, id="needs it all"),
        pytest.param(seen_by(91.0), {}, 91, Reason.UTILIZATION_LOW, id="just worth it"),
        pytest.param(seen_by(92.0), {}, 92, Reason.NOT_WORTH_IT, id="not worth it"),
        pytest.param(
            seen_by(79.0, last_decrease_at=NOON - 30 * MINUTE, decreases_today=1),
            {},
            79,
            Reason.UTILIZATION_LOW,
            id="free, worth it",
        ),
        pytest.param(
            seen_by(80.0, last_decrease_at=NOON - 30 * MINUTE, decreases_today=1),
            {},
            80,
            Reason.NOT_WORTH_IT,
            id="free, not worth it",
        ),
        pytest.param(seen_by(None), {}, 100, Reason.NO_DATA, id="no data"),
        pytest.param(seen_by([30.0] * 44), {}, 100, Reason.NO_DATA, id="44 minutes are known"),
        pytest.param(
            seen_by([30.0] * 45), {}, 30, Reason.UTILIZATION_LOW, id="45 minutes are known"
        ),
        pytest.param(
            seen_by([None] * 15 + [30.0] * 45), {}, 30, Reason.UTILIZATION_LOW, id="old gaps"
        ),
        pytest.param(
            seen_by([30.0] * 165 + [None] + [30.0] * 14),
            {},
            100,
            Reason.NO_DATA,
            id="a gap 15 minutes ago",
        ),
        pytest.param(
            seen_by([30.0] * 164 + [None] + [30.0] * 15),
            {},
            30,
            Reason.UTILIZATION_LOW,
            id="a gap 16 minutes ago",
        ),
        pytest.param(
            seen_by(steady(30.0, end=NOON - 11 * MINUTE)), {}, 100, Reason.NO_DATA, id="stale data"
        ),
        pytest.param(
            seen_by(30.0, series(after_calm(0.1, None, None, None, None, calm=0.0))),
            {},
            100,
            Reason.THROTTLED_RECENTLY,
            id="throttled",
        ),
        pytest.param(
            seen_by(30.0, last_increase_at=NOON - 4.9 * MINUTE),
            {},
            100,
            Reason.RAISED_RECENTLY,
            id="raised just now",
        ),
        pytest.param(
            seen_by(30.0, last_increase_at=NOON - 5 * MINUTE, least=[100.0] * 36),
            {},
            30,
            Reason.UTILIZATION_LOW,
            id="raised before",
        ),
        pytest.param(
            seen_by(after_calm(80.0, 70.0, 60.0, 50.0, 40.0)),
            {},
            100,
            Reason.STILL_FALLING,
            id="falling",
        ),
        pytest.param(
            seen_by(after_calm(60.0, 58.0, 56.0, 54.0, 52.0)),
            {},
            56,
            Reason.UTILIZATION_LOW,
            id="falling slowly",
        ),
    ],
)
def test_down_to_what_the_coming_hour_needs(
    seen: Observation, settings: dict[str, Any], desired: int, reason: Reason
) -> None:
    assert outcome(down(seen, **settings)) == (desired, reason)


def test_the_numbers_behind_a_decrease() -> None:
    assert (
        down(seen_by(30.0, days=past((45.0,)))).numbers,
        down(seen_by([30.0] * 44)).numbers,
    ) == (
        {
            "newest_units": 30.0,
            "mean_5_minutes": 30.0,
            "noise_units": 0.0,
            "growth_units": 0.0,
            "rise_units": 0.0,
            "fall_units": 0.0,
            "swing_units": 0.0,
            "throttled_units": 0,
            "burst_left_percent": 100.0,
            "insured_units": pytest.approx(20.0),
            "low_units": 30,
        },
        {"minutes_known": 44},
    )
