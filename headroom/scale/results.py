"""Runs the scenarios, each in a process of its own, and keeps what they came to."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

from headroom.operator_error import OperatorError
from headroom.project import ROOT
from headroom.scale.goals import GOALS, Goal
from headroom.scale.scenarios import SCENARIOS, Measurement, fits, measure
from headroom.scale.simulation import Conditions

#: Where the figures are kept that docs/scale.md shows.
RESULTS = ROOT / "benchmarks" / "scale.json"
#: Goals are measured up to this size. Ten thousand tables would take hours, and the time grows as
#: the tables do where an API's rate determines it.
GOAL_TABLES = 1_000


class Results(msgspec.Struct, frozen=True):
    """What one call of the command measured."""

    latency_ms: float
    cpu_factor: float
    measured: list[Measurement] = []
    goals: list[Goal] = []


#: The name of a scenario or of a goal, and the size of the account.
Job = tuple[str, int]


def jobs(names: Collection[str], sizes: Sequence[int]) -> list[Job]:
    """Return what is to be measured, small accounts first. Without names, everything."""
    wanted = names or [*SCENARIOS, *GOALS]
    return [(name, size) for size in sizes for name in wanted if _is_possible(name, size)]


def _is_possible(name: str, size: int) -> bool:
    return fits(name, size) if name in SCENARIOS else size <= GOAL_TABLES


def run(
    work: Sequence[Job], conditions: Conditions, on_done: Callable[[str], None] = lambda _: None
) -> Results:
    """Measure everything in turn: side by side, the CPU times would disturb each other.

    Each job has a fresh process, so that its memory is its own.
    """
    measured: list[Measurement] = []
    goals: list[Goal] = []
    for job in work:
        context = get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            for result in pool.submit(do, job, conditions).result():
                if isinstance(result, Goal):
                    goals.append(result)
                else:
                    measured.append(result)
        on_done(f"{job[0]}, {job[1]:,} tables")
    return Results(conditions.latency * 1_000, conditions.cpu_factor, measured, goals)


def do(job: Job, conditions: Conditions) -> Sequence[Measurement | Goal]:
    """Measure one scenario or goal in this process."""
    name, size = job
    if name in SCENARIOS:
        return measure(name, size, conditions)
    return GOALS[name](size, conditions)


def differences(results: Results, before: Results) -> Iterator[str]:
    """Yield what another call counted otherwise. Times are not compared: machines differ."""
    earlier = {m.key: m for m in before.measured}
    for m in results.measured:
        old = earlier.get(m.key)
        if old is None:
            continue
        for operation in sorted({*old.calls, *m.calls}):
            then, now = _admitted(old, operation), _admitted(m, operation)
            if then != now:
                yield f"{m.scenario}, {m.run}, {m.tables:,} tables: {operation} {then:,} → {now:,}"
        if old.metrics != m.metrics:
            yield (
                f"{m.scenario}, {m.run}, {m.tables:,} tables: metrics read "
                f"{old.metrics:,} → {m.metrics:,}"
            )


def _admitted(m: Measurement, operation: str) -> int:
    """Return the calls that were not throttled. How often a retry is refused depends on chance."""
    return m.calls.get(operation, 0) - m.throttled.get(operation, 0)


def write(results: Results, file: Path) -> None:
    """Write the results to a file. What it has of other scenarios and sizes stays."""
    before = read(file) if file.exists() else Results(results.latency_ms, results.cpu_factor)
    measured = {m.key: m for m in (*before.measured, *results.measured)}
    goals = {g.key: g for g in (*before.goals, *results.goals)}
    kept = msgspec.structs.replace(
        results, measured=list(measured.values()), goals=list(goals.values())
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_json(kept) + "\n")


def as_json(results: Results) -> str:
    """Return the results as JSON."""
    return json.dumps(msgspec.to_builtins(results), indent=1)


def read(file: Path) -> Results:
    """Return the results in a file. Raises OperatorError if it has none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{file}: no results of bench-scale: {error}") from None
