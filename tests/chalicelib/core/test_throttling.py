"""Throttled requests by cause: what more units would have served, and what they would not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.core import scaling, throttling
from chalicelib.core.throttling import by_cause, causes_start, numbers, without_noise
from chalicelib.metrics import Cause
from chalicelib.model import UP, Metrics
from tests.support.builders import MINUTE, NOON, observation, policy, series

UNITS, HOT, ACCOUNT = Cause.PROVISIONED, Cause.KEY_RANGE, Cause.ACCOUNT_LIMIT
Values = list[float | None]


def divided(throttled: Values, causes: dict[Cause, Values]) -> tuple[Values, Values, Values]:
    """Return the values by minute: for want of units, on a hot key, unexplained."""
    found = by_cause(
        Metrics(throttled=series(throttled)),
        {cause: series(values) for cause, values in causes.items()},
    )
    parts = (found.throttled, found.hot_keys, found.unexplained)
    assert {part.end for part in parts} == {NOON}
    units, hot, unexplained = (list(part.values) for part in parts)
    return units, hot, unexplained


@pytest.mark.parametrize(
    ("throttled", "causes", "units", "hot", "unexplained"),
    [
        pytest.param([None, 0.0], {HOT: [2.0, 1.0]}, [None] * 2, [None] * 2, [None] * 2, id="none"),
        pytest.param([3.0], {UNITS: [3.0], HOT: [None]}, [3.0], [None], [None], id="units"),
        pytest.param([3.0], {UNITS: [None], HOT: [3.0]}, [None], [3.0], [None], id="a hot key"),
        pytest.param([3.0], {UNITS: [2.0], HOT: [1.0]}, [2.0], [1.0], [None], id="both"),
        pytest.param([3.0], {UNITS: [3.0], HOT: [3.0]}, [3.0], [3.0], [None], id="two reasons"),
        pytest.param([3.0], {ACCOUNT: [3.0]}, [None], [None], [None], id="a limit on demand"),
        pytest.param([3.0], {UNITS: [1.0], HOT: [1.5]}, [1.5], [1.5], [0.5], id="a part unknown"),
        pytest.param(
            [0.3], {HOT: [0.1], ACCOUNT: [0.2 - 1e-16]}, [None], [0.1], [None], id="sums of floats"
        ),
        pytest.param([3.0, 4.0], {}, [3.0, 4.0], [None] * 2, [3.0, 4.0], id="no such metrics"),
        pytest.param(
            [3.0, 6.0], {UNITS: [1.0], HOT: [2.0]}, [1.0, 2.0], [2.0, 4.0], [None] * 2, id="late"
        ),
        pytest.param(
            [None, 1.0],
            {UNITS: [None], HOT: [2.3e-313]},
            [None, None],
            [None, 1.0],
            [None, None],
            id="a total too small to divide by",
        ),
        pytest.param(
            [1.0, *[None] * 5, 2.0],
            {HOT: [1.0]},
            [*[None] * 6, 2.0],
            [1.0, *[None] * 6],
            [*[None] * 6, 2.0],
            id="too late",
        ),
    ],
)
def test_a_minute_is_divided_by_its_causes(
    throttled: Values, causes: dict[Cause, Values], units: Values, hot: Values, unexplained: Values
) -> None:
    assert divided(throttled, causes) == (units, hot, unexplained)


RATES = st.lists(st.one_of(st.none(), st.floats(0, 1e5)), min_size=4, max_size=4)


@pytest.mark.slow
@given(RATES, st.dictionaries(st.sampled_from(Cause), RATES))
def test_no_more_than_what_was_throttled_and_nothing_unknown_is_lost(
    throttled: Values, causes: dict[Cause, Values]
) -> None:
    units, _, _ = divided(throttled, causes)
    shown = [sum(values[i] or 0.0 for values in causes.values()) for i in range(4)]
    for i, (events, rate) in enumerate(zip(throttled, units, strict=True)):
        assert 0.0 <= (rate or 0.0) <= (events or 0.0)
        if not any(shown[: i + 1]):
            assert rate == (events or None)


def test_so_many_requests_a_minute_are_noise() -> None:
    found = structs.replace(
        Metrics(throttled=series([1.0, 1.1, None])), hot_keys=series([None, 0.5, 2.0])
    )
    calm = without_noise(found, 60)
    assert (calm.throttled.values, calm.hot_keys.values) == ((None, 1.1, None), (None, None, 2.0))
    assert without_noise(found, 0) is found
    quiet = observation(settings=policy(ignore_throttled_events=60)).with_metrics(found)
    assert quiet.metrics == calm


def test_the_numbers_count_the_requests_of_ten_minutes() -> None:
    found = structs.replace(
        Metrics(), hot_keys=series([1.0] * 30), unexplained=series([0.5], NOON - 10 * MINUTE)
    )
    assert numbers(found, NOON) == {"hot_key_requests": 600}
    assert numbers(Metrics(), NOON) == {}


@pytest.mark.parametrize(
    ("before", "minutes"), [(0, 0), (4, 0), (9, 0), (10, 5), (14, 5), (15, 10), (100, 95)]
)
def test_causes_matter_from_five_minutes_before_the_first_throttled_request(
    before: int, minutes: int
) -> None:
    throttled = series([None] * before + [3.0, None, 1.0])
    assert causes_start(throttled) == throttled.start + minutes * MINUTE


def test_a_series_that_begins_later_has_gaps_before_and_one_that_begins_earlier_is_cut() -> None:
    throttled = series([1.0, 2.0, 3.0])
    longer = throttled.starting_at(throttled.start - 2 * MINUTE)
    assert (longer.values, longer.end) == ((None, None, 1.0, 2.0, 3.0), throttled.end)
    shorter = longer.starting_at(throttled.start + MINUTE)
    assert (shorter.values, shorter.end) == ((2.0, 3.0), throttled.end)


@pytest.mark.parametrize(
    ("consumed", "requests", "expected"),
    [
        pytest.param([100.0] * 3, [600.0] * 3, 10.0, id="ten units each"),
        pytest.param([100.0] * 3, [600.0], 10.0, id="of the newest minute"),
        pytest.param([None, 100.0, 50.0], [None, 600.0, None], 10.0, id="of the common minutes"),
        pytest.param([50.0, 100.0], [6_000.0, 12_000.0], 0.5, id="reads that may be old"),
        pytest.param([100.0], [], 1.0, id="unknown"),
        pytest.param([0.0], [0.0], 1.0, id="nothing was served"),
    ],
)
def test_the_units_of_a_request_are_those_of_the_requests_that_were_served(
    consumed: list[float | None], requests: list[float | None], expected: float
) -> None:
    assert throttling.measured_units(series(consumed), series(requests)) == expected


@pytest.mark.parametrize(
    ("settings", "measured", "expected"),
    [
        pytest.param({}, 10.0, 1.0, id="a request is a unit"),
        pytest.param({"throttled_request_units": 0}, 10.0, 10.0, id="measured"),
        pytest.param({"throttled_request_units": 4}, 10.0, 4.0, id="written"),
        pytest.param(
            {"throttled_request_units": 0, "request_attempts": 4}, 10.0, 2.5, id="with retries"
        ),
    ],
)
def test_throttled_requests_and_their_retries_are_told_from_units(
    settings: dict[str, Any], measured: float, expected: float
) -> None:
    metrics = structs.replace(
        observation(consumed=100.0, throttled=5.0).metrics, request_units=measured
    )
    found = observation(settings=policy(**settings)).with_metrics(metrics)
    assert throttling.lost_units(found.metrics).known()[-1] == 5 * expected
    assert found.metrics.throttled.known()[-1] == 5.0
    shown = throttling.numbers(found.metrics, NOON).get("request_units", 1.0)
    assert shown == expected


@pytest.mark.parametrize("strategy", ["adaptive", "percent", "fleet"])
def test_every_strategy_counts_the_units_of_throttled_requests(strategy: str) -> None:
    settings = {"strategy": strategy, "throttled_request_units": 10}
    seen = observation(consumed=100.0, throttled=5.0, settings=policy(**settings))
    found = scaling.decide(seen.with_metrics(seen.metrics), NOON, UP)
    alone = scaling.decide(structs.replace(seen, policy=policy(strategy=strategy)), NOON, UP)
    assert found.desired - alone.desired >= 45
