"""README's tables have the figures that their commands saved."""

import json
import operator

import msgspec

from headroom.project import ROOT
from headroom.simulation import benchmark
from headroom.simulation.benchmark import AAS, AAS_BEST, HEADROOM
from tests import mutants
from tests.fuzz import __main__ as fuzz
from tests.soak import __main__ as soak

README = (ROOT / "README.md").read_text()


def test_the_rows_of_the_soak_are_those_of_its_last_run() -> None:
    rows = soak.readme_rows(json.loads(soak.RESULTS.read_text()))
    assert [row in README for row in rows.values()] == [True, True]


def test_the_row_of_the_broken_input_is_that_of_its_last_run() -> None:
    assert fuzz.readme_row(json.loads(fuzz.RESULTS.read_text())) in README


def test_the_row_of_the_mutants_is_that_of_their_last_run() -> None:
    assert mutants.readme_row(json.loads(mutants.RESULTS.read_text())) in README


def test_the_rows_of_the_benchmark_are_those_of_its_last_run() -> None:
    saved = json.loads((ROOT / "benchmarks" / "results.json").read_text())["measured"]
    every = msgspec.convert(saved, list[benchmark.Measurement])
    measured = [one for one in every if one.conditions_name == "as measured"]
    rows = {row.label: row.figures for row in benchmark.summarize(measured)}
    columns = operator.itemgetter(AAS, AAS_BEST, HEADROOM)
    for name, label in (
        ("all 27 traces", "effective cost, all 27"),
        ("the cheaper of it and on demand", "the better of it and on-demand"),
        ("the 13 calm traces", "calm traces (13)"),
    ):
        aas, best, ours = columns(rows[label])
        assert f"| {name} | {aas:.2f} | {best:.2f} | **{ours:.2f}** |" in README
    cheaper = [
        sum(m.results[HEADROOM].effective <= m.results[other].effective for m in measured)
        for other in (AAS, AAS_BEST)
    ]
    calm = rows["throttles no more than AAS 70 %"][HEADROOM]
    counts = f"costs the same or less | {cheaper[0]} | {cheaper[1]} | |"
    assert counts in README
    assert f"also throttles no more | {calm} | | |" in README
    answer = f"on {calm} of them it\nthrottles no more"
    assert answer in (ROOT / "docs" / "faq.md").read_text()
