"""`bench`: all traces under all policies, and what changed since the last time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from chalicelib.config.policy import Policy
from headroom.commands.console import (
    WHOLE_LINES,
    app,
    console,
    many_numbers,
    print_table,
    progress_bar,
)
from headroom.commands.demand_source import policy_for
from headroom.commands.options import (
    ConfigOption,
    OfStageOption,
    SaveOption,
    configuration_file,
    output_file,
    results_option,
)
from headroom.project import ROOT
from headroom.simulation import benchmark, cases
from headroom.simulation.pricing import ON_DEMAND_UNIT_PRICE
from headroom.simulation.traces import TraceError, generated

RESULTS = ROOT / "benchmarks" / "results.json"
MORE_RESULTS = ROOT / "benchmarks" / "more_conditions.json"
NOTED_CHANGE = 0.005
#: What the costs are over, besides the optimum within the quota.
REFERENCES = {
    "the optimum with 27 decreases a day at any minute": benchmark.at_any_minute,
    f"the cost floor (on demand: {ON_DEMAND_UNIT_PRICE:.2f})": benchmark.cost_floor,
}


@app.command(epilog="Example: headroom bench --traces folder")
def bench(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--traces",
            metavar="FOLDER",
            help="A folder of traces (CSV, plain or .gz); else generated ones.",
        ),
    ] = None,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    each: Annotated[bool, typer.Option("--each", help="Also print every trace.")] = False,
    more: Annotated[
        bool,
        typer.Option(
            "--more",
            help="Other conditions: no bucket, slow now and then, a hot key, outages. "
            "Compares with benchmarks/more_conditions.json.",
        ),
    ] = False,
    results: Annotated[Path, results_option(RESULTS)] = RESULTS,
    save: SaveOption = False,
) -> None:
    """Compare the configuration with others on many traces."""
    if folder is not None and not folder.is_dir():
        raise TraceError(
            f"{folder}: there is no such folder; without --traces the bench generates its own"
        )
    if more and results == RESULTS:
        results = MORE_RESULTS
    if save:
        output_file(results)
    policy = policy_for(configuration_file(config_file, stage))
    traces = benchmark.read_traces(folder) if folder else benchmark.generated_traces()
    if not traces:
        raise TraceError(f"{folder}: there is no trace in it (CSV, plain or .gz)")
    console.print(f"{len(traces)} traces from {folder or 'the generator'}")
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=len(traces))
        measured = benchmark.run(traces, policy, lambda _: progress.advance(task), more)
    for name in benchmark.MORE_CONDITIONS if more else benchmark.CONDITIONS:
        _print_conditions(name, [m for m in measured if m.conditions_name == name], each)
    if folder is None and not more:
        _print_cases(policy)
    _compare(measured, results)
    if save:
        benchmark.write_results(measured, results)
        console.print(f"Wrote {results}")


def _print_conditions(name: str, measured: list[benchmark.Measurement], each: bool) -> None:
    within_quota = f"{name}: over the optimum within DynamoDB's quota"
    print_table(_table(within_quota, benchmark.summarize(measured)))
    for title, reference in REFERENCES.items():
        rows = benchmark.summarize(measured, reference)[:3]
        print_table(_table(f"{name}: over {title}", rows))
    halves = benchmark.halves(measured) if len(measured) > 1 else []
    for number, half in enumerate(halves, start=1):
        print_table(_table(f"{name}: half {number} of the traces", _brief(half)))
    if each:
        print_table(_each(measured))
    reads = sum(m.metric_reads_a_day for m in measured) / len(measured)
    own = sum(m.results[benchmark.HEADROOM].own_month for m in measured) / len(measured)
    console.print(
        f"Headroom reads a target's metrics {reads:,.0f} times a day. A table with two targets "
        f"costs USD {2 * own:.2f} a month for alarms and reads.\n",
        soft_wrap=WHOLE_LINES,
    )


def _print_cases(policy: Policy, days: int = 2) -> None:
    """Print what one trace of one target cannot show, on generated traffic."""
    headings = ("", "unit-hours", "throttled ppm", "throttled minutes", "changes")
    tables = {
        "writes of a table with two indexes": cases.index_rows(
            cases.generated_writes(days), policy
        ),
        "a hot key loses a request a second": cases.hot_key_rows(generated(days, seed=1), policy),
    }
    for title, rows in tables.items():
        cells = [row.cells() for row in rows]
        print_table(many_numbers(f"{title}; generated days: {days}", headings, cells))


def _brief(measured: Sequence[benchmark.Measurement]) -> list[benchmark.SummaryRow]:
    rows = benchmark.summarize(measured)
    return [rows[0], *rows[-8:]]


def _table(title: str, rows: list[benchmark.SummaryRow]) -> str:
    cells = [
        (row.label, *(_figure(row.figures[policy]) for policy in benchmark.POLICIES))
        for row in rows
    ]
    return many_numbers(title, ("", *benchmark.POLICIES), cells)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _each(measured: list[benchmark.Measurement]) -> str:
    headings = ("trace, class", "cost floor", "on demand", *benchmark.POLICIES)
    rows = []
    for m in measured:
        results = [m.results[policy] for policy in benchmark.POLICIES]
        costs = (f"{one.effective:.3f}" for one in results)
        rows.append((f"{m.trace}, {m.kind}", f"{m.floor:.2f}", f"{m.on_demand:.2f}", *costs))
        rows.append(("  ppm", "", "", *(f"{one.ppm:,.0f}" for one in results)))
    return many_numbers("every trace: effective cost, and throttled ppm", headings, rows)


def _compare(measured: list[benchmark.Measurement], file: Path) -> None:
    if not file.exists():
        return
    before = benchmark.read_results(file)
    changed = 0
    for m in measured:
        old = before.get((m.conditions_name, m.trace))
        new = m.results[benchmark.HEADROOM].effective
        if old is not None and abs(new / old - 1) > NOTED_CHANGE:
            changed += 1
            console.print(f"{m.conditions_name}, {m.trace}: {old:.3f} → {new:.3f}")
    console.print(
        f"{changed} of {len(measured)} figures differ by more than {NOTED_CHANGE:.1%} "
        f"from {file.name}."
    )
