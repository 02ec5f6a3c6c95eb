"""The search for settings: what it tries, what it takes, what it counts, and when it says that
there is nothing to gain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import pytest

from chalicelib.config import loader
from chalicelib.config.policy import make_policy
from chalicelib.model import Target
from headroom.simulation import tuning
from headroom.simulation.compare import initial_units
from headroom.simulation.goals import PRICES_ONLY
from headroom.simulation.parallel import parallel_map
from headroom.simulation.replay import replay
from headroom.simulation.traces import DAY
from headroom.simulation.tuning import (
    Figures,
    Fold,
    SearchPlan,
    TooShortError,
    Tuning,
    TuningVerdict,
)
from tests.support.builders import INDEX_WRITES, READS, policy
from tests.support.tuning import PLAIN, THREE_DAYS, lively, on_counted_days

GRID: Mapping[str, Sequence[float]] = {
    "burst_keep_percent": (50, 100),
    "insurance_percent": (0, 100),
}
SMALL = SearchPlan(coarse=GRID, steps=(), workers=1)


# what is counted


def test_whole_days_are_counted_but_not_the_first() -> None:
    assert tuning.counted_days(4 * DAY + 700) == range(1, 4)


def test_two_days_are_too_few_to_tune_on() -> None:
    with pytest.raises(
        TooShortError,
        match="the history has 2 whole days; tuning needs 3, to search on some and judge on others",
    ):
        tuning.tune(lively(2), PLAIN, 100)


@pytest.mark.parametrize(
    ("days", "folds"),
    [
        (range(1, 14), [[1, 4, 7, 10, 13], [2, 5, 8, 11], [3, 6, 9, 12]]),
        (range(1, 3), [[1], [2]]),
    ],
    ids=["14 days", "3 days"],
)
def test_days_are_dealt_out_into_folds(days: range, folds: list[list[int]]) -> None:
    assert tuning.folds_of(days) == folds


@pytest.mark.slow
def test_the_days_figures_add_up_to_the_replay() -> None:
    outcome = replay(THREE_DAYS, PLAIN, initial_units(THREE_DAYS))
    days = tuning.measure(THREE_DAYS, None, PLAIN)
    together = tuning.total(days)
    assert [day.minutes for day in days] == [DAY] * 3
    assert together.unit_hours == pytest.approx(outcome.unit_hours)
    assert together.throttled_ppm == pytest.approx(outcome.throttled_ppm(THREE_DAYS))
    assert together.throttled > 0


def test_a_day_without_demand_throttles_nothing() -> None:
    assert Figures(minutes=DAY, unit_hours=24.0).throttled_ppm == 0.0


# what is tried


def test_the_grid_has_todays_values_in_place_of_the_nearest() -> None:
    grid = tuning.coarse(make_policy(burst_keep_percent=90, insurance_percent=110), GRID)
    assert [(p.burst_keep_percent, p.insurance_percent) for p in grid] == [
        (50, 0),
        (50, 110),
        (90, 0),
        (90, 110),
    ]


def test_without_insurance_its_price_is_tried_only_once() -> None:
    grid = tuning.coarse(PLAIN, tuning.COARSE)
    assert len(grid) == len(set(grid)) == 20
    assert {p.throttle_price for p in grid if p.insurance_percent == 0} == {34.6}
    assert PLAIN in grid


def test_the_price_alone_may_be_tried() -> None:
    grid = tuning.coarse(PLAIN, PRICES_ONLY)
    assert {tuple(tuning.differing(p, PLAIN)) for p in grid} == {(), ("throttle_price",)}
    assert [p.throttle_price for p in grid][:4] == [10.0, 15.0, 20.0, 34.6]
    assert len(grid) == 14


@pytest.mark.parametrize(
    ("given", "step", "moves"),
    [
        ({"burst_trust_percent": 75}, 1, [70, 80]),
        ({"burst_trust_percent": 75}, 2, [60, 90]),
        ({"burst_trust_percent": 100}, 2, [80]),
        ({"burst_trust_percent": 5}, 2, [0, 20]),
        ({"throttle_price": 34.6}, 1, [30.0, 45.0]),
        ({"throttle_price": 500.0}, 1, [300.0]),
        ({"throttle_price": 30.0, "insurance_percent": 0}, 1, []),
        ({"insurance_percent": 0}, 2, [50]),
    ],
    ids=str,
)
def test_a_move_goes_along_the_ladder_and_stays_on_it(
    given: dict[str, float], step: int, moves: list[float]
) -> None:
    setting = next(iter(given))
    result = [getattr(p, setting) for p in tuning.neighbours(make_policy(**given), step)]
    assert [value for value in result if value != given[setting]] == moves


@pytest.mark.slow
def test_no_more_is_tried_than_allowed_and_each_is_reported() -> None:
    calls: list[tuple[int, int]] = []
    plan = SearchPlan(coarse=GRID, steps=(2, 1), most=6, workers=1)
    result = tuning.tune(
        THREE_DAYS, PLAIN, 100, plan=plan, on_progress=lambda *numbers: calls.append(numbers)
    )
    assert result.candidates == 6
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4), (5, 6), (6, 6)]


# what is taken


@cache
def found(goal: float) -> Tuning:
    return tuning.tune(THREE_DAYS, PLAIN, goal, plan=SMALL)


@pytest.fixture(scope="module")
def measured() -> dict[tuple[float, float], Figures]:
    return {
        (p.burst_keep_percent, p.insurance_percent): on_counted_days(p, THREE_DAYS)
        for p in tuning.coarse(PLAIN, GRID)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("goal", "taken"),
    [(1_000_000, (100, 0)), (40_000, (100, 100)), (0, (100, 100))],
    ids=[
        "the cheapest",
        "the cheapest that meets the goal",
        "the least throttling where none does",
    ],
)
def test_the_cheapest_that_meets_the_goal_is_taken(
    measured: dict[tuple[float, float], Figures], goal: float, taken: tuple[int, int]
) -> None:
    result = found(goal)
    good = {key: figures for key, figures in measured.items() if figures.throttled_ppm <= goal}
    least = min(measured.values(), key=lambda figures: (figures.throttled_ppm, figures.unit_hours))
    # what is insured for the hour is the same however full the bucket is kept
    assert len({figures.unit_hours for figures in measured.values()}) == 3
    assert (result.best.burst_keep_percent, result.best.insurance_percent) == taken
    assert result.best_figures == measured[taken]
    assert measured[taken] == (
        min(good.values(), key=lambda figures: figures.unit_hours) if good else least
    )


@pytest.mark.slow
def test_of_nearly_equal_ones_the_one_nearest_to_today_is_taken() -> None:
    result = tuning.tune([0.0] * (3 * DAY), PLAIN, 100, plan=SMALL)
    assert (result.best, result.verdict) == (PLAIN, TuningVerdict.KEEP)
    assert (
        tuning.sentence(result) == "Keep what you have: no candidate is cheaper and meets the goal."
    )


@pytest.mark.slow
def test_a_fold_is_searched_without_its_own_days() -> None:
    calm = found(1_000_000)
    wild = tuning.tune(lively(3, last=5.0), PLAIN, 1_000_000, plan=SMALL)
    assert (calm.folds[1].days, wild.folds[1].days) == ([2], [2])
    assert calm.folds[1].best == wild.folds[1].best
    assert calm.folds[1].searched == wild.folds[1].searched
    assert calm.folds[1].held_out != wild.folds[1].held_out
    assert calm.folds[0].searched != wild.folds[0].searched


@pytest.mark.slow
def test_a_fold_is_judged_on_its_own_days_beside_todays_configuration() -> None:
    today = make_policy(burst_keep_percent=80)
    result = tuning.tune(THREE_DAYS, today, 1_000_000, plan=SMALL)
    fold = result.folds[0]
    assert fold.held_out == tuning.measure(THREE_DAYS, None, fold.best)[1]
    assert fold.current == tuning.measure(THREE_DAYS, None, today)[1]
    assert result.current_held_out == result.current_figures


@pytest.mark.slow
def test_two_processes_find_what_one_finds() -> None:
    result = tuning.tune(THREE_DAYS, PLAIN, 1_000_000, plan=replace(SMALL, workers=2))
    assert result == found(1_000_000)


@pytest.mark.slow
def test_a_percent_configuration_is_measured_as_it_is_and_beaten_within_its_bounds() -> None:
    result = tuning.tune(THREE_DAYS, policy(min_units=3), 1_000_000, plan=SMALL)
    assert result.current.strategy == "percent"
    assert result.current_figures == on_counted_days(policy(min_units=3), THREE_DAYS)
    assert (result.best.strategy, result.best.min_units, result.best.alarm_percent) == (
        "adaptive",
        3,
        95,
    )
    assert tuning.toml(result, None).splitlines()[:2] == ["[defaults]", 'strategy = "adaptive"']


# stopping


def interrupt_after(count: int) -> Callable[[int, int], None]:
    def done(finished: int, _expected: int) -> None:
        if finished == count:
            raise KeyboardInterrupt

    return done


@pytest.mark.slow(traced=True)
def test_ctrl_c_ends_with_the_best_so_far() -> None:
    result = tuning.tune(THREE_DAYS, PLAIN, 1_000_000, plan=SMALL, on_progress=interrupt_after(2))
    assert (result.stopped, result.candidates) == (True, 2)
    assert result.best in (PLAIN, make_policy(burst_keep_percent=50, insurance_percent=0))


@pytest.mark.slow(traced=True)
def test_ctrl_c_before_today_is_known_ends_it_all() -> None:
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(THREE_DAYS, policy(), 100, plan=SMALL, on_progress=interrupt_after(1))


# the verdict


def figures(unit_hours: float, ppm: float) -> Figures:
    return Figures(DAY, unit_hours, 1e6, ppm)


def tuned(
    result: tuple[float, float],
    unseen: tuple[float, float],
    today: tuple[float, float],
    **settings: float,
) -> Tuning:
    """Return a tuning for a goal of 100 ppm, from unit-hours and ppm."""
    chosen = make_policy(**(settings or {"burst_keep_percent": 60}))
    fold = Fold([1], chosen, figures(*result), figures(*unseen), figures(*today))
    return Tuning(100, PLAIN, figures(*today), chosen, figures(*result), [fold], 5, False)


VERDICTS = [
    (
        tuned((90, 50), (92, 60), (100, 0)),
        TuningVerdict.ADOPT,
        "What was found is 8.0 % cheaper on days not searched on, and throttles 60 ppm there.",
    ),
    (
        tuned((110, 50), (115, 80), (100, 500)),
        TuningVerdict.ADOPT,
        "Today's configuration throttles 500 ppm; what was found throttles 80 ppm on days not "
        "searched on, and is 15.0 % more expensive.",
    ),
    (
        tuned((99.5, 50), (99.5, 60), (100, 0)),
        TuningVerdict.KEEP,
        "Keep what you have: on days not searched on, what was found is 0.5 % cheaper.",
    ),
    (
        tuned((90, 50), (101, 60), (100, 0)),
        TuningVerdict.KEEP,
        "Keep what you have: on days not searched on, what was found is 1.0 % more expensive.",
    ),
    (
        tuned((90, 50), (92, 160), (100, 0)),
        TuningVerdict.KEEP,
        "Keep what you have: what was found throttles 160 ppm on days not searched on, more than "
        "the goal of 100.",
    ),
    (
        tuned((150, 300), (140, 400), (100, 900)),
        TuningVerdict.CLOSER,
        "The goal of 100 ppm is not met on days not searched on: what was found throttles 400 ppm "
        "there, today's configuration "
        "900 ppm; it is 40.0 % more expensive.",
    ),
    (
        tuned((150, 300), (140, 950), (100, 900)),
        TuningVerdict.KEEP,
        "Keep what you have: no candidate meets the goal of 100 ppm; the best throttles 300, and "
        "950 on days not searched on.",
    ),
    (
        tuned((100, 0), (100, 0), (100, 0), burst_keep_percent=100),
        TuningVerdict.KEEP,
        "Keep what you have: no candidate is cheaper and meets the goal.",
    ),
]


@pytest.mark.parametrize(
    ("result", "verdict", "sentence"),
    VERDICTS,
    ids=[
        "cheaper",
        "safer",
        "nil",
        "more expensive",
        "throttles-unseen",
        "closer",
        "out-of-reach",
        "the-same",
    ],
)
def test_the_verdict_and_its_sentence(
    result: Tuning, verdict: TuningVerdict, sentence: str
) -> None:
    assert (result.verdict, tuning.sentence(result)) == (verdict, sentence)


# what to paste


@pytest.mark.parametrize("target", [READS, INDEX_WRITES], ids=str)
def test_what_is_pasted_gives_the_target_what_was_found(target: Target) -> None:
    result = tuned((90, 0), (90, 0), (100, 0), burst_keep_percent=60, throttle_price=70.0)
    pasted = loader.load(tuning.toml(result, target))
    assert pasted.policy_for(target) == result.best
    assert pasted.default_policy(target.dimension) == PLAIN


def test_for_a_trace_the_defaults_are_pasted() -> None:
    result = tuned((90, 0), (90, 0), (100, 0), insurance_percent=150)
    assert tuning.toml(result, None) == "[defaults]\ninsurance_percent = 150"


def test_what_is_a_default_again_is_to_be_removed() -> None:
    result = tuned((90, 0), (90, 0), (100, 0), insurance_percent=150)
    before = replace(result, current=make_policy(burst_keep_percent=60, insurance_percent=50))
    assert tuning.to_remove(before) == ["burst_keep_percent"]


@pytest.mark.parametrize(
    ("settings", "relies"),
    [
        ({"burst_trust_percent": 80}, True),
        ({"burst_keep_percent": 90}, True),
        ({"insurance_percent": 0}, False),
    ],
    ids=str,
)
def test_relying_more_on_the_burst_bucket_is_noticed(
    settings: dict[str, float], relies: bool
) -> None:
    assert tuning.relies_more_on_burst(tuned((90, 0), (90, 0), (100, 0), **settings)) is relies


# the processes


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_work_comes_back_in_the_items_order(workers: int) -> None:
    assert list(parallel_map(square, list(range(20)), workers)) == [
        number * number for number in range(20)
    ]
