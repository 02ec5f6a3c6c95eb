"""`bench-scale`: what Headroom does in accounts of 10 to 10,000 tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from headroom.commands.console import app, many_numbers, print_line, print_table, progress_bar
from headroom.commands.options import JsonOption, SaveOption, results_option
from headroom.operator_error import OperatorError
from headroom.scale import own_counts
from headroom.scale import results as scale_results
from headroom.scale.goals import GOALS, Goal, aim_of
from headroom.scale.results import RESULTS, Results
from headroom.scale.scenarios import SCENARIOS, Measurement, steady_cost
from headroom.scale.simulation import Conditions

HEADINGS = (
    *("scenario, run", "calls", "throttled", "metrics", "tables reached", "seconds"),
    *("UpdateTable", "goal", "CPU s", "MB more", "USD a table, month"),
)


@app.command("bench-scale", epilog="Example: headroom bench-scale --tables 10,100")
def bench_scale(
    tables: Annotated[
        str, typer.Option(metavar="N,N", help="The sizes of the accounts.")
    ] = "10,100,1000",
    latency_ms: Annotated[float, typer.Option(metavar="MS", help="What each call takes.")] = 50.0,
    cpu_factor: Annotated[
        float, typer.Option(metavar="X", help="CPU time on Lambda over that on this machine.")
    ] = 1.0,
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this scenario or goal; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
    results: Annotated[Path, results_option(RESULTS)] = RESULTS,
    save: SaveOption = False,
) -> None:
    """Measure accounts of 10 to 10,000 tables.

    Against an AWS below botocore, in virtual time.
    """
    if results.exists():
        scale_results.read(results)  # refused before the work
    work = scale_results.jobs(_names(scenario or []), _sizes(tables))
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=len(work))
        measured = scale_results.run(
            work, Conditions(latency_ms / 1_000, cpu_factor), lambda _: progress.advance(task)
        )
    if as_json:
        print_line(scale_results.as_json(measured))
    else:
        _print(measured)
        _compare(measured, results)
    if save:
        scale_results.write(measured, results)
        if results == RESULTS:
            own_counts.main()


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise OperatorError(f"--tables {text}: write whole numbers, such as 10,100,1000")
    return sizes


def _names(names: Sequence[str]) -> Sequence[str]:
    known = [*SCENARIOS, *GOALS]
    for name in names:
        if name not in known:
            raise OperatorError(f"--scenario {name}: write one of {', '.join(known)}")
    return names


def _print(results: Results) -> None:
    for size in sorted({m.tables for m in results.measured}):
        here = [m for m in results.measured if m.tables == size]
        title = f"{size:,} tables, {here[0].targets:,} targets, {here[0].alarms:,} alarms"
        print_table(many_numbers(title, HEADINGS, map(_cells, here)))
        for m in here:
            calls = ", ".join(f"{name} {count:,}" for name, count in m.calls.items())
            print_line(f"{m.scenario}, {m.run}: {calls}")
        calm = steady_cost(here)
        if calm:
            print_line(
                f"A calm account: {calm.total:.2f} USD a table and month (alarms "
                f"{calm.alarms:.2f}, metrics {calm.metrics:.2f}, Lambda {calm.lambdas:.4f})\n"
            )
    if results.goals:
        print_table(_goals(results.goals))


def _cells(m: Measurement) -> tuple[str, ...]:
    return (
        f"{m.scenario}, {m.run}",
        f"{sum(m.calls.values()):,}",
        f"{sum(m.throttled.values()):,}",
        f"{m.metrics:,}",
        f"{m.reached:,}",
        f"{m.seconds:.1f}{_ending(m)}",
        "–" if m.first_update is None else f"{m.first_update:.1f}",
        "–" if m.aim is None else f"{m.aim:.1f}",
        f"{m.cpu_seconds:.1f}",
        f"{m.memory_mb:.0f}",
        f"{m.dollars_a_table:.4f}" if m.dollars_a_table else "–",
    )


def _ending(m: Measurement) -> str:
    if m.killed:
        return " killed"
    return " error" if m.error else ""


def _goals(goals: Iterable[Goal]) -> str:
    headings = (
        *("what", "tables", "reached after", "goal", "floor", "alarms changed", "written"),
        *("runs", "killed", "throttled"),
    )
    return many_numbers("Goals", headings, map(_goal_cells, goals))


def _goal_cells(goal: Goal) -> tuple[str, ...]:
    wanted, floor = aim_of(goal).of(goal)
    return (
        goal.goal,
        f"{goal.tables:,}",
        _time(goal.seconds),
        _time(wanted),
        "–" if floor is None else _time(floor),
        f"{goal.alarms:,}",
        f"{goal.alarm_writes:,}",
        str(goal.runs),
        str(goal.killed),
        f"{goal.throttled:,}",
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _compare(results: Results, file: Path) -> None:
    if not file.exists():
        return
    lines = list(scale_results.differences(results, scale_results.read(file)))
    for line in lines:
        print_line(line)
    print_line(f"{len(lines)} counts differ from {file.name}.")
