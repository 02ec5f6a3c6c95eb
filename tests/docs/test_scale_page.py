"""docs/scale.md shows the figures of benchmarks/scale.json."""

from collections.abc import Iterator

import pytest

from headroom.commands.bench_scale import RESULTS
from headroom.project import ROOT
from headroom.scale import results
from headroom.scale.goals import Goal, aim_of
from headroom.scale.scenarios import Measurement, steady_cost

#: Spaces only align the columns.
LINES = {" ".join(line.split()) for line in (ROOT / "docs" / "scale.md").read_text().splitlines()}
SAVED = results.read(RESULTS)
SHOWN = [("sweep", "cold"), ("sweep", "warm"), ("on_alarm", "cold"), ("on_alarm", "warm")]
OF_1000 = [m for m in SAVED.measured if m.tables == 1_000]


def of(scenario: str, run: str, tables: int = 1_000) -> Measurement:
    return next(m for m in SAVED.measured if m.key == (scenario, run, tables))


def counts(m: Measurement) -> str:
    return f"{sum(m.calls.values()):,} {sum(m.throttled.values()):,}"


def row(m: Measurement) -> str:
    first = "–" if m.first_update is None else f"{m.first_update:.1f}"
    aim = "–" if m.aim is None else f"{m.aim:.1f}"
    what = f"{m.scenario} {m.run} {counts(m)} {m.metrics:,} {m.reached:,}"
    return f"{what} {m.seconds:.1f} {first} {aim}"


def goal_rows() -> Iterator[str]:
    for goal in SAVED.goals:
        if goal.tables == 1_000 and " silent" not in goal.goal:
            yield goal_row(goal)


def goal_row(goal: Goal) -> str:
    wanted, floor = aim_of(goal).of(goal)
    times = " ".join(map(time, (goal.seconds, wanted, floor)))
    return f"{goal.goal} {goal.tables:,} {times} {goal.alarms:,} {goal.alarm_writes:,}"


def time(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


OF_10000 = [m for m in SAVED.measured if m.tables == 10_000]


@pytest.mark.parametrize(
    "line", [*(row(of(*key)) for key in SHOWN), *map(row, OF_10000), *goal_rows()]
)
def test_each_row_is_what_was_measured(line: str) -> None:
    assert line in LINES


@pytest.mark.parametrize("goal", [g for g in SAVED.goals if " silent" in g.goal])
def test_with_a_silent_service_the_increase_comes_in_time(goal: Goal) -> None:
    assert goal.seconds is not None
    if goal.tables == 1_000 and "GetMetricData" not in goal.goal and "Describe" in goal.goal:
        assert f"{goal.goal} 1,000 {goal.seconds:.1f} s 15.0 s – – –" in LINES


def test_the_row_of_ten_thousand_tables_is_what_was_measured() -> None:
    m = of("sweep, 10 workers", "cold", 10_000)
    figures = f"cold {counts(m)} {m.datapoints:,} {m.reached:,} {m.seconds:.1f}"
    assert [line for line in LINES if line.startswith(figures)]


def test_the_cost_of_a_calm_account_is_what_was_measured() -> None:
    cost = steady_cost(OF_1000)
    assert cost
    text = f"A calm account of 1,000 tables costs {cost.total:.2f} USD a table and month: alarms "
    text += f"{cost.alarms:.2f}, metrics {cost.metrics:.2f}."
    assert [line for line in LINES if line.startswith(text)]
