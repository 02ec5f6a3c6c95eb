"""The strategy `adaptive`: what the newest minutes say, and each level by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive
from chalicelib.core.strategies.adaptive import Load
from chalicelib.core.strategies.onsets import SLOTS
from chalicelib.model import NO_HISTORY, DemandHistory, Series
from tests.support.builders import MINUTE, NOON, observation, series, steady
from tests.support.builders import policy as any_policy
from tests.support.laws import COSTLY

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced


def policy(**settings: Any) -> Policy:
    """Return a policy whose alarm stands at the units themselves, so that nothing is held to let it
    sleep."""
    return any_policy(**{"strategy": "adaptive", "alarm_percent": 100, **settings})


def past(
    hourly: tuple[float, ...] = (),
    daily: tuple[tuple[float, ...], ...] = (),
    ago: float = 10,
    **fields: Any,
) -> DemandHistory:
    """Return a summary that ends some minutes ago; nothing is known of the slots that are not
    given."""
    return DemandHistory(
        end=NOON - ago * MINUTE,
        hourly=hourly,
        daily=(*daily, *((),) * (SLOTS - len(daily))),
        **fields,
    )


def seen_by(
    consumed: Series | float | list[float | None] | None,
    throttled: Series | float | None = None,
    days: DemandHistory = NO_HISTORY,
    least: list[float | None] | None = None,
    **fields: Any,
) -> Observation:
    """Return an observation of 100 units by default. least: the provisioned units of
    each five minutes."""
    found = observation(
        consumed=series(consumed) if isinstance(consumed, list) else consumed,
        throttled=throttled,
        **fields,
    )
    start = found.metrics.consumed.start
    return structs.replace(
        found,
        metrics=structs.replace(
            found.metrics, history=days, provisioned=Series(start, 300, tuple(least or ()))
        ),
    )


def after_calm(*newest: float | None, calm: float = 80.0) -> list[float | None]:
    """Return three hours of the same load, but for the newest minutes."""
    return [calm] * (180 - len(newest)) + list(newest)


def load(**fields: float) -> Load:
    """Return a load of 100 units per second without noise, growth or throttling, seen one minute
    after it began."""
    still = dict.fromkeys(("noise", "growth", "jump", "throttled5", "highest"), 0.0)
    return Load(
        **{
            **dict.fromkeys(("newest", "mean5", "mean15", "fast"), 100.0),
            **still,
            "lag_minutes": 1.0,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(seen_by(100.0), load(highest=100.0), id="steady"),
        pytest.param(
            seen_by([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]),
            load(newest=60.0, mean5=40.0, mean15=35.0, noise=10.5, growth=10.0, fast=40.0),
            id="rising evenly: growth, and no jump beside that noise",
        ),
        pytest.param(
            seen_by([10.0, 20.0, 50.0]),
            load(newest=50.0, mean5=80 / 3, mean15=80 / 3, noise=31.5, growth=10.0, fast=80 / 3),
            id="growth is the smaller of two steps",
        ),
        pytest.param(
            seen_by([10.0, 20.0, 20.0]),
            load(newest=20.0, mean5=50 / 3, mean15=50 / 3, noise=10.5, fast=50 / 3),
            id="no growth",
        ),
        pytest.param(
            seen_by([*[100.0] * 20, 180.0]),
            load(newest=180.0, mean5=116.0, mean15=1580 / 15, jump=80.0, fast=180.0, highest=100.0),
            id="a jump is answered by its height",
        ),
        pytest.param(seen_by([100.0, None, 100.0]), load(), id="a gap is passed over"),
        pytest.param(
            seen_by([100.0, 60.0], throttled=series([None, 40.0])),
            load(throttled5=40.0),
            id="throttled units are demand",
        ),
        pytest.param(
            seen_by([100.0] * 6, throttled=series([7.0, None, None, None, None, None])),
            load(mean15=607 / 6),
            id="throttled six minutes ago",
        ),
        pytest.param(
            seen_by([200.0, 300.0, *[100.0] * 9]),
            load(mean15=1400 / 11, highest=200.0, swing=42.0),
            id="the highest is looked for before the last ten minutes",
        ),
        pytest.param(
            seen_by([*[100.0] * 5, *[110.0] * 5, *[130.0] * 5]),
            load(
                newest=130.0,
                mean5=130.0,
                mean15=340 / 3,
                fast=130.0,
                highest=100.0,
                swing=21.0,
                rise=2.0,
            ),
            id="a rise in three means",
        ),
        pytest.param(
            seen_by(steady(100.0, minutes=5, end=NOON - 3 * MINUTE)),
            load(lag_minutes=4.0),
            id="seen late",
        ),
    ],
)
def test_a_load_is_read_out_of_the_newest_minutes(seen: Observation, expected: Load) -> None:
    found = adaptive.load_of(seen, NOON)
    assert found is not None
    for name in Load.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name)), name


@pytest.mark.parametrize(
    "consumed",
    [
        pytest.param(None, id="no metrics"),
        pytest.param([None, None], id="gaps alone"),
        pytest.param(steady(90.0, end=NOON - 11 * MINUTE), id="eleven minutes old"),
    ],
)
def test_what_is_unknown_is_no_load(consumed: Any) -> None:
    assert adaptive.load_of(seen_by(consumed), NOON) is None


def test_ten_minutes_old_data_is_a_load() -> None:
    assert adaptive.load_of(seen_by(steady(90.0, end=NOON - 10 * MINUTE)), NOON) is not None


# the burst bucket: 100 units hold 30,000 unit-seconds, and it begins with 15,000


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        pytest.param(seen_by([100.0]), 0.5, id="half to begin with"),
        pytest.param(seen_by(80.0), 1.0, id="full after hours of room"),
        pytest.param(seen_by([40.0]), 0.62, id="60 units spare for a minute are 3,600"),
        pytest.param(seen_by([150.0] * 2), 0.3, id="50 over for two minutes take 6,000"),
        pytest.param(seen_by([150.0] * 5), 0.0, id="just empty"),
        pytest.param(seen_by([150.0] * 9), 0.0, id="never less than empty"),
        pytest.param(seen_by([150.0] * 9 + [40.0]), 0.12, id="what was over is not owed"),
        pytest.param(seen_by([0.0] * 3 + [160.0]), 0.88, id="never more than full"),
        pytest.param(seen_by([None, 150.0, None]), 0.4, id="a gap neither fills nor empties"),
        pytest.param(
            seen_by([100.0, 100.0], series([None, 5.0])), 0.0, id="throttling proves it empty"
        ),
        pytest.param(
            seen_by([100.0, 100.0, 40.0], series([None, 5.0])), 0.12, id="and it fills again"
        ),
        pytest.param(
            seen_by(
                [100.0] * 10,
                provisioned=200,
                least=[100.0, 100.0],
                last_increase_at=NOON - 5 * MINUTE,
            ),
            0.9,
            id="raised five minutes ago, held four",
        ),
        pytest.param(
            seen_by(
                [100.0] * 10, provisioned=200, least=[100.0], last_increase_at=NOON - 5 * MINUTE
            ),
            0.9,
            id="the newest five minutes' capacity is not seen yet",
        ),
        pytest.param(
            seen_by(
                [250.0] * 5 + [100.0] * 5,
                provisioned=200,
                least=[100.0, 100.0],
                last_increase_at=NOON - 5 * MINUTE,
            ),
            0.4,
            id="emptied under the old units",
        ),
        pytest.param(
            seen_by(
                [250.0] * 5 + [100.0] * 5,
                provisioned=200,
                least=[None, 100.0],
                last_increase_at=NOON - 5 * MINUTE,
            ),
            0.65,
            id="unknown capacity was today's",
        ),
        pytest.param(
            seen_by(
                [100.0] * 6 + [50.0] * 3 + [100.0],
                provisioned=50,
                least=[200.0, 200.0],
                last_decrease_at=NOON - 5 * MINUTE,
            ),
            0.8,
            id="what does not fit after a decrease is lost",
        ),
        pytest.param(
            seen_by([50.0], provisioned=200, least=[], last_increase_at=NOON - 5 * MINUTE),
            0.65,
            id="no capacity is known",
        ),
    ],
)
def test_the_bucket_is_reckoned_minute_by_minute(seen: Observation, left: float) -> None:
    assert adaptive.burst_left(seen) == pytest.approx(left)


@pytest.mark.slow
@COSTLY
@given(
    st.lists(st.none() | st.floats(0, 1e5), max_size=40),
    st.lists(st.none() | st.floats(0.1, 1e5), max_size=40),
    st.integers(1, 999),
)
def test_the_bucket_is_never_under_empty_nor_over_full(
    consumed: list[float | None], throttled: list[float | None], units: int
) -> None:
    assert (
        0.0 <= adaptive.burst_left(seen_by(consumed, series(throttled), provisioned=units)) <= 1.0
    )


# the levels


@pytest.mark.parametrize(
    ("seen", "days", "units"),
    [
        pytest.param(load(), NO_HISTORY, 100.0, id="a record without a jump"),
        pytest.param(load(noise=8.0), NO_HISTORY, 104.0, id="half the noise on top"),
        pytest.param(load(growth=10.0), NO_HISTORY, 130.0, id="three minutes of growth"),
        pytest.param(
            load(growth=10.0), past(highest=120.0), 120.0, id="growth up to the highest ever seen"
        ),
        pytest.param(
            load(growth=10.0, highest=120.0), NO_HISTORY, 120.0, id="or seen in the last hours"
        ),
        pytest.param(
            load(newest=180.0, fast=180.0, jump=80.0),
            NO_HISTORY,
            220.0,
            id="a record goes on by half its jump",
        ),
        pytest.param(
            load(newest=180.0, fast=180.0, jump=80.0),
            past(highest=500.0),
            204.0,
            id="a jump goes on by 0.3 of it",
        ),
        pytest.param(
            load(newest=180.0, fast=180.0, jump=80.0),
            past(highest=190.0),
            190.0,
            id="up to the highest",
        ),
        pytest.param(
            load(newest=180.0, fast=180.0, jump=80.0),
            past(highest=500.0, typical_burst=400.0),
            400.0,
            id="an onset goes as high as they usually do",
        ),
        pytest.param(
            load(newest=140.0, fast=140.0, jump=40.0),
            past(highest=500.0, typical_burst=400.0),
            152.0,
            id="a jump by 40 percent is no onset",
        ),
        pytest.param(
            load(),
            past(highest=500.0, typical_burst=400.0),
            100.0,
            id="without a jump there is no onset",
        ),
        pytest.param(load(rise=2.0, lag_minutes=2.0), past(), 100.0, id="a rise, seen in time"),
        pytest.param(
            load(rise=2.0, lag_minutes=4.0),
            past(),
            108.0,
            id="seen two minutes later: four minutes of the rise more",
        ),
    ],
)
def test_what_the_demand_needs(seen: Load, days: DemandHistory, units: float) -> None:
    assert adaptive.needed_units(seen, days) == pytest.approx(units)


@pytest.mark.parametrize(
    ("seen", "settings", "left", "short"),
    [
        pytest.param(
            load(fast=225.0), {}, 1.0, False, id="three minutes at 225 take 22,500 of 22,500"
        ),
        pytest.param(load(fast=225.1), {}, 1.0, True, id="a little more"),
        pytest.param(load(fast=141.6), {}, 0.5, False, id="a quarter is trusted"),
        pytest.param(load(fast=141.7), {}, 0.5, True, id="and no more"),
        pytest.param(load(fast=100.0), {}, 0.25, False, id="nothing is trusted and nothing needed"),
        pytest.param(load(fast=100.1), {}, 0.25, True, id="nothing is trusted and a little needed"),
        pytest.param(load(fast=100.1), {}, 0.0, True, id="empty"),
        pytest.param(
            load(fast=266.6), {"burst_trust_percent": 100}, 1.0, False, id="all of it may be used"
        ),
        pytest.param(
            load(fast=100.1), {"burst_trust_percent": 0}, 1.0, True, id="none of it may be used"
        ),
        pytest.param(load(growth=62.5), {}, 1.0, False, id="growth adds up: 1 + 2 + 3 times"),
        pytest.param(load(growth=62.6), {}, 1.0, True, id="growth that takes more"),
        pytest.param(
            load(fast=175.0, lag_minutes=3.0),
            {},
            1.0,
            False,
            id="metrics three minutes late: five minutes to go",
        ),
        pytest.param(load(fast=175.1, lag_minutes=3.0), {}, 1.0, True, id="late, and more"),
        pytest.param(load(fast=200.0, rise=1.0), {}, 1.0, False, id="a rise uses 60 of 75 %"),
        pytest.param(load(fast=200.1, rise=1.0), {}, 1.0, True, id="and no more of it"),
        pytest.param(
            load(rise=2.0, lag_minutes=4.0), {}, 0.5, False, id="eight units more for six minutes"
        ),
        pytest.param(load(rise=2.0, lag_minutes=4.0), {}, 0.49, True, id="and too few for them"),
    ],
)
def test_a_raise_is_due_when_the_trusted_part_would_be_empty_before_a_later_one_holds(
    seen: Load, settings: dict[str, Any], left: float, short: bool
) -> None:
    assert adaptive.runs_short(seen, policy(**settings), left, 100) is short


@pytest.mark.parametrize(
    ("seen", "settings", "left", "units"),
    [
        pytest.param(load(mean5=50.0, mean15=50.0), {}, 1.0, 50.0, id="the mean"),
        pytest.param(load(mean5=50.0, mean15=50.0, noise=2.0), {}, 1.0, 52.0, id="and the noise"),
        pytest.param(load(mean5=50.0, mean15=40.0), {}, 1.0, 50.0, id="rising"),
        pytest.param(
            load(mean5=50.0, mean15=80.0), {}, 1.0, 50.0, id="fallen for good: no noise explains it"
        ),
        pytest.param(
            load(mean5=50.0, mean15=80.0, noise=5**0.5),
            {},
            1.0,
            52.5 + 5**0.5,
            id="fallen, within the noise",
        ),
        pytest.param(
            load(mean5=50.0, mean15=50.0),
            {},
            0.2,
            55.0,
            id="20 of 100 fill 40 percent of 50: 0.6 x 9,000 / 1,080",
        ),
        pytest.param(
            load(mean5=50.0, mean15=50.0),
            {"burst_keep_percent": 40},
            1.0,
            45.0,
            id="what is too much is used up",
        ),
        pytest.param(load(mean5=0.0, mean15=0.0), {}, 0.0, 0.0, id="idle"),
    ],
)
def test_the_level_to_come_down_to(
    seen: Load, settings: dict[str, Any], left: float, units: float
) -> None:
    assert adaptive.low_units(seen, policy(**settings), left, 100) == pytest.approx(units)


#: Onsets of five hours: at a throttled unit's price of 34.6, a share of 0.615 of them is covered.
FIVE = (0.0, 0.0, 0.0, 90.0, 180.0)


@pytest.mark.parametrize(
    ("days", "settings", "lag", "units"),
    [
        pytest.param(NO_HISTORY, {}, 1, 0.0, id="nothing is known"),
        pytest.param(past(), {}, 1, 0.0, id="no hour is known"),
        pytest.param(past(FIVE), {}, 1, 40.0, id="90 x 120 / 270"),
        pytest.param(past(FIVE), {}, 3, 90 * 240 / 390, id="late metrics: the bucket helps less"),
        pytest.param(past(FIVE), {"insurance_percent": 50}, 1, 20.0, id="half"),
        pytest.param(past(FIVE), {"insurance_percent": 0}, 1, 0.0, id="none"),
        pytest.param(
            past(FIVE), {"throttle_price": 10_000.0}, 1, 80.0, id="dear throttling: all of them"
        ),
        pytest.param(past(FIVE), {"throttle_price": 1.0}, 1, 0.0, id="cheap throttling: none"),
        pytest.param(
            past(FIVE, ((), (27.0, 270.0)), ago=5), {}, 1, 120.0, id="the same minutes of two days"
        ),
        pytest.param(past(FIVE, ((), (270.0,)), ago=5), {}, 1, 40.0, id="one day is none"),
        pytest.param(
            past(FIVE, ((), (27.0, 45.0)), ago=5), {}, 1, 40.0, id="the hours call for more"
        ),
        pytest.param(past(FIVE, ((), (27.0, 270.0)), ago=3), {}, 1, 40.0, id="the slot before"),
        pytest.param(
            past(daily=((0.0, 0.0),) * 14 + ((9.0, 270.0),), ago=73),
            {},
            1,
            120.0,
            id="the last slot",
        ),
        pytest.param(
            past(daily=((0.0, 0.0),) * 14 + ((9.0, 270.0),), ago=74),
            {},
            1,
            0.0,
            id="no slot any more",
        ),
        pytest.param(past(FIVE, weekly=(0.0, 0.0, 90.0), ago=10), {}, 1, 40.0, id="a weekly onset"),
        pytest.param(past(weekly=(0.0,) * 3, ago=10), {}, 1, 0.0, id="no weekly onset"),
    ],
)
def test_insurance_against_onsets(
    days: DemandHistory, settings: dict[str, Any], lag: int, units: float
) -> None:
    assert adaptive.insured_units(days, policy(**settings), lag, NOON) == pytest.approx(units)


@pytest.mark.parametrize(
    ("ago", "today", "percent"),
    [
        pytest.param(
            30,
            1,
            adaptive.LEAST_FREE_SAVING_PERCENT,
            id="one of the free four, soon after the last",
        ),
        pytest.param(30, 3, adaptive.LEAST_FREE_SAVING_PERCENT, id="the last of the free four"),
        pytest.param(30, 4, Policy().min_change_percent, id="the free four are gone"),
        pytest.param(60, 1, Policy().min_change_percent, id="an hour after the last"),
        pytest.param(None, 0, Policy().min_change_percent, id="never lowered"),
    ],
)
def test_free_decreases_are_kept_for_what_is_worth_it(
    ago: int | None, today: int, percent: int
) -> None:
    last = None if ago is None else NOON - ago * MINUTE
    assert (
        adaptive.least_saving_percent(
            seen_by(30.0, last_decrease_at=last, decreases_today=today), NOON
        ),
        Policy().min_change_percent,
        adaptive.LEAST_FREE_SAVING_PERCENT,
    ) == (percent, 8, 20)
