"""The benchmark: every figure of its lines by hand, its traces, and its result file."""

import gzip
import json
from pathlib import Path

import pytest

from chalicelib.config.policy import make_policy
from headroom.project import ROOT
from headroom.simulation import benchmark, competitors, pricing
from headroom.simulation.benchmark import (
    AAS,
    AAS_90,
    AAS_BEST,
    AAS_SCHEDULED,
    CEILING,
    CONDITIONS,
    DYNAMIC,
    HEADROOM,
    MORE_CONDITIONS,
    OUTAGES,
    PLAIN,
    POLICIES,
    Measurement,
    Reference,
    Result,
    SummaryRow,
)
from headroom.simulation.compare import effective_cost
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.optimum import optimum
from headroom.simulation.own_costs import metric_reads_month
from headroom.simulation.replay import initial_units, replay

PRICES = pricing.load().headroom
CALM = {
    AAS: (1.6, 0),
    AAS_90: (1.2, 50),
    AAS_BEST: (1.2, 50),
    AAS_SCHEDULED: (1.7, 0),
    CEILING: (3.0, 0),
    DYNAMIC: (1.7, 0),
    PLAIN: (1.6, 0),
    HEADROOM: (1.1, 0),
}
#: Effective cost and throttled ppm of two traces, under one set of conditions.
LIVELY = {
    AAS: (2.5, 900),
    AAS_90: (3.6, 5_000),
    AAS_BEST: (2.0, 700),
    AAS_SCHEDULED: (2.6, 800),
    CEILING: (2.9, 900),
    DYNAMIC: (2.8, 800),
    PLAIN: (2.4, 950),
    HEADROOM: (2.1, 50),
}


#: The others have had no onset, or no capacity.
ONSET_MINUTES = {AAS: 6.0, HEADROOM: 3.0}


def measured(
    name: str,
    kind: str,
    figures: dict[str, tuple[float, float]],
    on_demand: float,
    scale: float,
    floor: float,
) -> Measurement:
    results = {
        policy: Result(cost, ppm, 10 * cost, 0.1, 0.2, cost + 0.1, ONSET_MINUTES.get(policy))
        for policy, (cost, ppm) in figures.items()
    }
    return Measurement(name, kind, "as measured", on_demand, scale, floor, results, 400.0)


TWO = [measured("a", "smooth", CALM, 3.0, 0.9, 0.8), measured("b", "spikes", LIVELY, 2.2, 0.8, 0.5)]


def summary(reference: Reference = benchmark.within_quota) -> dict[str, SummaryRow]:
    return {row.label: row for row in benchmark.summarize(TWO, reference)}


def test_the_summary_has_a_row_for_all_traces_calm_ones_each_class_and_the_wins() -> None:
    assert list(summary()) == [
        "effective cost, all 2",
        "the better of it and on-demand",
        "calm traces (1)",
        "smooth (1)",
        "spikes (1)",
        "beats AAS 70 % in cost and throttling",
        "beats AAS at its best in cost",
        "throttled under 100 ppm",
        "throttles no more than AAS 70 %",
        "cost with its own alarms and reads",
        "its own USD a month and target",
        "changes a day and target, median",
        "changes a day and target, most",
        "increases under 3 % a day, mean",
        "minutes from an onset to capacity",
    ]


@pytest.mark.parametrize(
    ("label", "policy", "figure"),
    [
        pytest.param("effective cost, all 2", AAS, (1.6 * 2.5) ** 0.5, id="geometric mean"),
        pytest.param("effective cost, all 2", HEADROOM, (1.1 * 2.1) ** 0.5, id="ours"),
        pytest.param(
            "the better of it and on-demand",
            AAS,
            (1.6 * 2.2) ** 0.5,
            id="on demand for one of them",
        ),
        pytest.param(
            "the better of it and on-demand", HEADROOM, (1.1 * 2.1) ** 0.5, id="on demand for none"
        ),
        pytest.param(
            "calm traces (1)", AAS_90, 1.2, id="calm is where AAS at 70 throttles less than 100 ppm"
        ),
        pytest.param("smooth (1)", DYNAMIC, 1.7, id="a class"),
        pytest.param("spikes (1)", DYNAMIC, 2.8, id="another class"),
    ],
)
def test_a_mean_by_hand(label: str, policy: str, figure: float) -> None:
    assert summary()[label].figures[policy] == pytest.approx(figure)


@pytest.mark.parametrize(
    ("reference", "product"),
    [(benchmark.at_any_minute, 0.9 * 0.8), (benchmark.cost_floor, 0.8 * 0.5)],
)
def test_a_reference_divides_every_cost(reference: Reference, product: float) -> None:
    measurements = summary(reference)
    assert measurements["effective cost, all 2"].figures[HEADROOM] == pytest.approx(
        (1.1 * 2.1 / product) ** 0.5
    )
    assert measurements["the better of it and on-demand"].figures[AAS] == pytest.approx(
        (1.6 * 2.2 / product) ** 0.5
    )


def test_wins_and_ties_are_counted_but_no_policy_beats_itself() -> None:
    measurements = summary()
    assert measurements["beats AAS 70 % in cost and throttling"].figures == {
        AAS: 0,
        AAS_90: 0,  # cheaper on the calm one, but it throttles more
        AAS_BEST: 1,
        AAS_SCHEDULED: 0,
        CEILING: 0,
        DYNAMIC: 0,
        PLAIN: 1,  # a tie in both
        HEADROOM: 2,
    }
    assert measurements["beats AAS at its best in cost"].figures == {
        AAS: 0,
        AAS_90: 0,
        AAS_BEST: 0,
        AAS_SCHEDULED: 0,
        CEILING: 0,
        DYNAMIC: 0,
        PLAIN: 0,
        HEADROOM: 1,
    }


def test_who_throttles_no_more_than_aas_is_counted() -> None:
    figures = summary()["throttles no more than AAS 70 %"].figures
    assert (figures[AAS], figures[AAS_90], figures[HEADROOM]) == (2, 0, 2)


@pytest.mark.parametrize(
    ("units", "number"),
    [
        pytest.param([100, 100, 102, 102, 101], 1, id="2 percent"),
        pytest.param([100, 103, 100], 0, id="3 percent"),
        pytest.param([0, 1, 2], 0, id="from on demand, and small units"),
        pytest.param([300, 290, 298, 306], 2, id="after a decrease, and again"),
    ],
)
def test_increases_under_three_percent_are_counted(units: list[int], number: int) -> None:
    assert benchmark.small_raises(units) == number


def test_the_wait_after_an_onset_is_shown_where_there_is_one() -> None:
    figures = summary()["minutes from an onset to capacity"].figures
    assert {key: one for key, one in figures.items() if one is not None} == ONSET_MINUTES


@pytest.mark.parametrize(
    ("units", "minutes"),
    [
        pytest.param([100] * 10 + [400] * 70, 0, id="ready"),
        pytest.param([100] * 13 + [400] * 67, 3, id="three minutes later"),
        pytest.param([100] * 80, 60, id="not within the hour"),
    ],
)
def test_the_minutes_from_an_onset_until_the_units_are_as_high(
    units: list[int], minutes: float
) -> None:
    demand = [100.0] * 10 + [400.0] * 70
    assert benchmark.onset_minutes(units, demand) == minutes
    assert benchmark.onset_minutes(units, [100.0] * 80) is None


@pytest.mark.parametrize(("values", "mean"), [([2.0, 8.0], 4.0), ([1.5], 1.5), ([], 0.0)])
def test_a_geometric_mean(values: list[float], mean: float) -> None:
    assert benchmark.geometric_mean(values) == pytest.approx(mean)


TRACE = [*[100.0] * 60, *[400.0] * 60, *[50.0] * 120]


@pytest.mark.slow
def test_a_trace_is_measured_under_all_conditions_over_the_same_optimum() -> None:
    measurements = benchmark.measure("steps", "step", TRACE, make_policy())
    best = optimum(TRACE)
    assert (
        [m.conditions_name for m in measurements]
        == list(CONDITIONS)
        == ["as measured", "half the burst bucket", "slow"]
    )
    for m in measurements:
        assert (m.trace, m.kind, m.scale) == ("steps", "step", optimum(TRACE, 27) / best)
        assert m.floor == pytest.approx(sum(TRACE) / 60 / best)
        assert m.on_demand == pytest.approx(3.46 * m.floor)
        assert set(m.results) == set(POLICIES)
        ours = replay(TRACE, make_policy(), initial_units(TRACE), CONDITIONS[m.conditions_name])
        result, own = m.results[HEADROOM], 0.1 + metric_reads_month(ours, len(TRACE), PRICES)
        cost = effective_cost(ours, best)
        assert (result.effective, result.ppm) == (cost, ours.throttled_ppm(TRACE))
        assert result.changes_a_day == pytest.approx(ours.changes * 1440 / len(TRACE))
        assert result.own_month == pytest.approx(own)
        optimum_month = best * 730 * 60 / len(TRACE) * 0.00013
        assert result.with_own == pytest.approx(cost + own / optimum_month)
        assert m.metric_reads_a_day == ours.metric_reads * 6


@pytest.mark.slow(traced=True)
def test_more_conditions_have_outages_with_an_optimum_of_their_own() -> None:
    even = [100.0] * 240
    measurements = benchmark.measure("even", "smooth", even, make_policy(), more=True)
    assert [m.conditions_name for m in measurements] == list(MORE_CONDITIONS)
    on_demand = {m.conditions_name: m.on_demand for m in measurements}
    assert on_demand.pop(OUTAGES) < 3.459
    assert [*on_demand.values()] == pytest.approx([3.46] * 3)
    assert {m.results[HEADROOM].ppm for m in measurements[:3]} == {0.0}
    # the ceiling is the usual load, and on demand costs 3.46 times as much as a used unit
    assert measurements[0].results[CEILING].effective == pytest.approx(measurements[0].on_demand)


@pytest.mark.slow(traced=True)
def test_application_auto_scaling_at_its_best_is_the_cheapest_of_ten() -> None:
    [measurements] = [
        m
        for m in benchmark.measure("steps", "step", TRACE, make_policy())
        if m.conditions_name == "slow"
    ]
    begin, best, slow = (
        initial_units(TRACE),
        optimum(TRACE),
        Conditions(metric_delay_minutes=3, update_minutes=3),
    )
    ten = [
        competitors.AutoScaling(target, high)
        for target in (50, 60, 70, 80, 90)
        for high in (False, True)
    ]
    costs = [effective_cost(competitors.run(TRACE, begin, rule, slow), best) for rule in ten]
    assert measurements.results[AAS_BEST].effective == min(costs)
    assert (measurements.results[AAS].effective, measurements.results[AAS_90].effective) == (
        costs[4],
        costs[8],
    )
    assert len(set(costs)) > 2


@pytest.mark.slow
def test_all_traces_are_measured_and_sorted_by_conditions_and_name() -> None:
    done: list[str] = []
    measurements = benchmark.run(
        {"b": ("step", TRACE), "a": ("even", [50.0] * 60)}, make_policy(), done.append
    )
    assert [(m.conditions_name, m.trace) for m in measurements] == [
        (conditions_name, name) for conditions_name in CONDITIONS for name in ("a", "b")
    ]
    assert sorted(done) == ["a", "b"]
    assert measurements[1] == benchmark.measure("b", "step", TRACE, make_policy())[0]


def test_the_index_of_a_folder_gives_the_classes_of_its_traces(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("minute,demand\n0,1\n")
    (tmp_path / "two.csv.gz").write_bytes(gzip.compress(b"minute,demand\n0,2\n"))
    (tmp_path / "INDEX.md").write_text(
        "# Traces\n\n| trace | class | what |\n|---|---|---|\n| one | smooth | a day |\n"
    )
    assert benchmark.read_traces(tmp_path) == {"one": ("smooth", [1.0]), "two": ("unknown", [2.0])}
    (tmp_path / "INDEX.md").unlink()
    assert benchmark.read_traces(tmp_path)["one"] == ("unknown", [1.0])


@pytest.mark.slow
def test_the_generated_traces_have_each_class_and_are_the_same_every_time() -> None:
    measurements = benchmark.generated_traces(days=8)
    assert [kind for kind, _ in measurements.values()] == [
        "smooth",
        "spikes",
        "noisy",
        "batch",
        "zero-weekends",
        "step",
    ]
    assert {len(demand) for _, demand in measurements.values()} == {8 * 1440}
    assert measurements == benchmark.generated_traces(days=8)
    assert set(measurements["generated-zero-weekends"][1][5 * 1440 : 7 * 1440]) == {0.0}
    assert max(measurements["generated-batch"][1]) == 2000.0


def test_a_result_file_keeps_headrooms_costs_for_a_later_run(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.json"
    benchmark.write_results(TWO, file)
    assert benchmark.read_results(file) == {("as measured", "a"): 1.1, ("as measured", "b"): 2.1}
    assert file.read_text().endswith("}\n")


@pytest.mark.parametrize(
    ("name", "conditions"),
    [("results.json", CONDITIONS), ("more_conditions.json", MORE_CONDITIONS)],
)
def test_the_kept_results_have_every_condition_and_policy(
    name: str, conditions: dict[str, Conditions]
) -> None:
    measured = json.loads((ROOT / "benchmarks" / name).read_text())["measured"]
    assert {m["world"] for m in measured} == set(conditions)
    assert {policy for m in measured for policy in m["results"]} == set(POLICIES)
