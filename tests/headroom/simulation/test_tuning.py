"""The search for settings: what it tries, what it takes, what it counts, and when it says that
there is nothing to gain."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.config import loader
from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Target
from headroom.cli import app
from headroom.region.region import Region
from headroom.simulation import tuning
from headroom.simulation.compare import initial_units
from headroom.simulation.goals import PRICES_ONLY, goal_ppm
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
from tests.support.scenes import pass_minutes, wait

PLAIN = make_policy()
GRID: Mapping[str, Sequence[float]] = {
    "burst_keep_percent": (50, 100),
    "insurance_percent": (0, 100),
}
SMALL = SearchPlan(coarse=GRID, steps=(), workers=1)


def lively(days: int, last: float = 1.0) -> list[float]:
    """Return days of next to nothing, with an uneven hour at 10:00 and short bursts at any time.
    last: times the last day."""
    chance = random.Random(3)
    demand = []
    for minute in range(days * DAY):
        luck = chance.random()
        rate = 20 + 10 * luck if minute % DAY in range(600, 660) else 12.0 if luck < 0.004 else 0.2
        demand.append(rate * (last if minute >= (days - 1) * DAY else 1.0))
    return demand


THREE_DAYS = lively(3)


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


def on_counted_days(settings: Policy, demand: Sequence[float]) -> Figures:
    return tuning.total(tuning.measure(demand, None, settings)[1:])


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


# the command


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace.csv"
    file.write_text(
        "minute,demand\n"
        + "".join(f"{minute},{demand}\n" for minute, demand in enumerate(THREE_DAYS))
    )
    return file


@pytest.fixture
def no_rules(tmp_path: Path) -> Path:
    file = tmp_path / "headroom.toml"
    file.write_text("")
    return file


@pytest.mark.slow(traced=True)
def test_the_command_prints_each_fold_and_the_verdict(trace: Path, no_rules: Path) -> None:
    no_rules.write_text("[defaults]\ngoal_throttled_ppm = 200\n")
    options = ["--price-only", "--candidates", "2"]
    done = CliRunner().invoke(
        app, ["tune", "--trace", str(trace), "--config", str(no_rules), *options]
    )
    assert done.exit_code == 0, done.output
    plan = SearchPlan(coarse=PRICES_ONLY, steps=(), most=2)
    result = tuning.tune(THREE_DAYS, PLAIN, 200, plan=plan)
    rows = [
        line.split()[:2]
        for line in done.output.splitlines()
        if line.startswith(("  fold", "  all", "  today"))
    ]
    assert "trace.csv: 2 candidates, throttling at most 200 ppm" in done.output
    assert rows == [["fold", "1"], ["fold", "2"], ["all", "days"], ["today", "75"]]
    assert tuning.sentence(result) in done.output


@pytest.mark.slow(traced=True)
def test_the_command_prints_json_with_what_to_paste(trace: Path, no_rules: Path) -> None:
    options = ["--throttled-ppm", "1000000", "--candidates", "2", "--json"]
    done = CliRunner().invoke(
        app, ["tune", "--trace", str(trace), "--config", str(no_rules), *options]
    )
    data = json.loads(done.stdout)
    result = tuning.tune(THREE_DAYS, PLAIN, 1_000_000, plan=SearchPlan(most=2))
    assert (data["candidates"], data["goal_ppm"], data["stopped"]) == (2, 1_000_000, False)
    assert data["found"]["settings"] == tuning.settings_of(result.best)
    assert data["found"]["cost_month"] == pytest.approx(
        result.best_figures.unit_hours / 48 * 730 * 0.00013
    )
    assert data["toml"] == tuning.toml(result, None)
    assert [fold["days"] for fold in data["folds"]] == [[1], [2]]


@pytest.mark.slow(traced=True)
def test_the_command_reads_a_table_of_the_account(no_rules: Path, tmp_path: Path) -> None:
    with Region() as region:
        region.create_table("orders", 5, 5)
        pass_minutes(region, len(THREE_DAYS), {READS: THREE_DAYS})
        wait(region, minutes=20)
        options = [
            "--table",
            "orders",
            "--days",
            "3",
            "--config",
            str(no_rules),
            "--candidates",
            "2",
            "--json",
        ]
        done = CliRunner().invoke(app, ["tune", *options], env={"XDG_CACHE_HOME": str(tmp_path)})
    data = json.loads(done.stdout)
    kept = sorted(path.name for path in tmp_path.rglob("read-*.json"))
    assert data["today"]["throttled_ppm"] == pytest.approx(
        on_counted_days(PLAIN, THREE_DAYS).throttled_ppm
    )
    assert data["toml"].startswith('[[tables]]\nname = "orders"\n\n[tables.read]')
    assert kept == ["read-2026-11-02.json", "read-2026-11-03.json", "read-2026-11-04.json"]


@pytest.mark.parametrize(
    "given", [[], ["--trace", "x.csv", "--table", "orders"]], ids=["neither", "both"]
)
def test_the_command_wants_a_trace_or_a_table(given: list[str]) -> None:
    done = CliRunner().invoke(app, ["tune", *given])
    assert done.exit_code == 2
    assert "give either --trace FILE or --table NAME" in done.output


@pytest.mark.parametrize(
    ("given", "configured", "goal"),
    [(None, 50.0, 50.0), (0.0, 50.0, 0.0), (None, 0.0, 100.0)],
    ids=["of the configuration", "of the command", "of neither"],
)
def test_the_goal_is_that_of_the_command_or_of_the_configuration(
    given: float | None, configured: float, goal: float
) -> None:
    assert goal_ppm(given, make_policy(goal_throttled_ppm=configured)) == goal


@pytest.mark.slow(traced=True)
def test_a_history_too_short_is_reported_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "short.csv"
    file.write_text("minute,demand\n0,1\n")
    done = subprocess.run(
        [sys.executable, "-m", "headroom.cli", "tune", "--trace", str(file)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert " ".join(done.stderr.split()) == (
        "headroom: the history has 0 whole days; tuning needs 3, "
        "to search on some and judge on others"
    )
