"""The benchmark: every trace, every policy, three worlds; geometric means, and who beats whom.

`effective` is unit-hours plus 34.6 times the throttled unit-hours, over the optimum's unit-hours
(see compare.py).
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from chalicelib.config.policy import Policy, make_policy
from headroom.simulation import competitors, traces
from headroom.simulation.compare import effective, first_units
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.optimum import optimum
from headroom.simulation.replay import Outcome, replay

WORLDS = {
    "as measured": Conditions(),
    "half the burst bucket": Conditions(burst_seconds=150),
    "slow": Conditions(metric_delay_minutes=3, update_minutes=3),
}
AAS_TARGETS = (50, 60, 70, 80, 90)
AAS, AAS_90, AAS_BEST, OURS, PLAIN, DYNAMIC = (
    "AAS 70 %",
    "AAS 90 %",
    "AAS at its best",
    "Headroom",
    "percent",
    "Dynamic DynamoDB",
)
POLICIES = (AAS, AAS_90, AAS_BEST, DYNAMIC, PLAIN, OURS)
CALM_PPM = 100
DECREASES_A_DAY = 27
ON_DEMAND_PRICE = 3.46
"""An on-demand unit in provisioned units: 0.125 / (0.00013 / 3600 x 1e6), prices of us-east-1, read
2026-08-21."""


@dataclass(frozen=True)
class Result:
    """One policy on one trace: effective cost and throttled parts per million."""

    effective: float
    ppm: float


@dataclass(frozen=True)
class Measured:
    """One trace in one world. scale: the optimum with 27 decreases a day at any minute, over the
    one within the quota."""

    trace: str
    kind: str
    world: str
    on_demand: float
    scale: float
    results: Mapping[str, Result]
    looks_a_day: float


def measure(name: str, kind: str, demand: Sequence[float], policy: Policy) -> list[Measured]:
    """Run every policy on one trace, in every world."""
    best = optimum(demand)
    free = optimum(demand, every_minute=DECREASES_A_DAY)
    on_demand = ON_DEMAND_PRICE * sum(demand) / 60 / best
    return [
        _measure(name, kind, demand, policy, label, world, best, on_demand, free / best)
        for label, world in WORLDS.items()
    ]


def _measure(
    name: str,
    kind: str,
    demand: Sequence[float],
    policy: Policy,
    label: str,
    world: Conditions,
    best: float,
    on_demand: float,
    scale: float,
) -> Measured:
    begin = first_units(demand)

    def result(outcome: Outcome) -> Result:
        return Result(effective(outcome, best), outcome.throttled_ppm(demand))

    tracked = {
        (target, high): result(
            competitors.run(demand, begin, competitors.AutoScaling(target, high), world)
        )
        for target in AAS_TARGETS
        for high in (False, True)
    }
    ours = replay(demand, policy, begin, world)
    results = {
        AAS: tracked[70, False],
        AAS_90: tracked[90, False],
        AAS_BEST: min(tracked.values(), key=lambda found: found.effective),
        DYNAMIC: result(competitors.run(demand, begin, competitors.dynamic_dynamodb, world)),
        PLAIN: result(replay(demand, make_policy(strategy="percent"), begin, world)),
        OURS: result(ours),
    }
    return Measured(
        name, kind, label, on_demand, scale, results, ours.looks / (len(demand) / traces.DAY)
    )


@dataclass(frozen=True)
class Line:
    """One line of the final table: a figure for each policy."""

    label: str
    figures: Mapping[str, float]


def lines(measured: Sequence[Measured], any_minute: bool = False) -> list[Line]:
    """Return the table of one world. any_minute: divide by the optimum with 27 decreases a day at
    any minute."""
    calm = [m for m in measured if m.results[AAS].ppm < CALM_PPM]
    found = [
        Line(f"effective cost, all {len(measured)}", _means(measured, any_minute)),
        Line("the better of it and on-demand", _means(measured, any_minute, or_on_demand=True)),
        Line(f"calm traces ({len(calm)})", _means(calm, any_minute)),
    ]
    for kind in sorted({m.kind for m in measured}):
        group = [m for m in measured if m.kind == kind]
        found.append(Line(f"{kind} ({len(group)})", _means(group, any_minute)))
    found.append(Line("beats AAS 70 % in cost and throttling", _count(measured, _beats_both)))
    found.append(Line("beats AAS at its best in cost", _count(measured, _beats_best)))
    return found


def _means(
    measured: Sequence[Measured], any_minute: bool, or_on_demand: bool = False
) -> dict[str, float]:
    def figure(m: Measured, policy: str) -> float:
        cost = m.results[policy].effective
        return (min(cost, m.on_demand) if or_on_demand else cost) / (m.scale if any_minute else 1.0)

    return {policy: geometric_mean(figure(m, policy) for m in measured) for policy in POLICIES}


def _count(measured: Iterable[Measured], wins: Callable[[Measured, str], bool]) -> dict[str, float]:
    return {policy: sum(wins(m, policy) for m in measured) for policy in POLICIES}


def _beats_both(m: Measured, policy: str) -> bool:
    mine, theirs = m.results[policy], m.results[AAS]
    return policy != AAS and mine.effective <= theirs.effective and mine.ppm <= theirs.ppm


def _beats_best(m: Measured, policy: str) -> bool:
    return (
        policy not in (AAS, AAS_90, AAS_BEST)
        and m.results[policy].effective <= m.results[AAS_BEST].effective
    )


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean (0 of nothing)."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else 0.0


def run(
    found: Mapping[str, tuple[str, Sequence[float]]],
    policy: Policy,
    done: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """Measure all traces, given as name → (class, demand), on all processors."""
    with ProcessPoolExecutor(
        mp_context=get_context("spawn")
    ) as pool:  # fork is unsafe beside threads, and on its way out
        jobs = {
            pool.submit(measure, name, kind, demand, policy): name
            for name, (kind, demand) in found.items()
        }
        measured: list[Measured] = []
        for job in as_completed(jobs):
            measured += job.result()
            done(jobs[job])
    return sorted(measured, key=lambda m: (list(WORLDS).index(m.world), m.trace))


def shared(folder: Path) -> dict[str, tuple[str, list[float]]]:
    """Return the traces of a folder with their classes, as its INDEX.md lists them."""
    kinds = dict(_index(folder / "INDEX.md")) if (folder / "INDEX.md").exists() else {}
    files = sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")])
    return {
        name: (kinds.get(name, "unknown"), traces.read(file))
        for file in files
        for name in [file.name.split(".csv")[0]]
    }


def _index(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3:
            yield cells[1], cells[2]


def generated(days: int = 14) -> dict[str, tuple[str, list[float]]]:
    """Return made-up traces of the classes that matter, for those who have no others."""
    smooth = traces.generated(days, seed=1)
    chance = random.Random(2)  # noqa: S311  a repeatable shape, not a secret
    spikes = [rate * (6.0 if chance.random() < 1 / 900 else 1.0) for rate in smooth]
    noisy = [300 * chance.lognormvariate(0, 0.35) for _ in smooth]
    batch = [
        2000.0 if minute % traces.DAY in range(120, 150) else 3.0 for minute in range(len(smooth))
    ]
    weekdays = [rate if minute // traces.DAY % 7 < 5 else 0.0 for minute, rate in enumerate(smooth)]
    step = [
        rate * (1.0 if minute < len(smooth) // 2 else 2.5) for minute, rate in enumerate(smooth)
    ]
    made = {
        "smooth": smooth,
        "spikes": spikes,
        "noisy": noisy,
        "batch": batch,
        "zero-weekends": weekdays,
        "step": step,
    }
    return {f"generated-{kind}": (kind, demand) for kind, demand in made.items()}


def as_data(measured: Sequence[Measured]) -> dict[str, object]:
    """Return the result file: every figure by world, trace and policy."""
    return {"measured": [asdict(m) for m in measured]}


def write(measured: Sequence[Measured], file: Path) -> None:
    """Write the result file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(as_data(measured), indent=1, default=str) + "\n")


def read(file: Path) -> dict[tuple[str, str], float]:
    """Return an earlier result file's effective cost of Headroom, by world and trace."""
    said = json.loads(file.read_text())
    return {(m["world"], m["trace"]): m["results"][OURS]["effective"] for m in said["measured"]}
