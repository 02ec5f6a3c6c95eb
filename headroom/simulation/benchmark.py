"""The benchmark: every trace, every policy, some sets of conditions, and their summary.

The summary has geometric means and counts of wins. The effective cost is defined in compare.py:
unit-hours plus throttled unit-hours at their price, over the optimum's unit-hours.
"""

import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import pairwise, product
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import TypeVar

import msgspec

from chalicelib.config.policy import Policy, make_policy
from chalicelib.core.strategies import onsets
from headroom.simulation import competitors, pricing, traces
from headroom.simulation.clock import DAY, HOUR
from headroom.simulation.compare import effective_cost, floor_hours
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.own_costs import metric_reads_month
from headroom.simulation.pricing import ON_DEMAND_UNIT_PRICE
from headroom.simulation.replay import initial_units, replay

CONDITIONS = {
    "as measured": Conditions(),
    "half the burst bucket": Conditions(burst_seconds=150),
    "slow": Conditions(metric_delay_minutes=3, update_minutes=3),
}
OUTAGES = "outages of the callers"
#: What `bench --more` measures. Each takes as long as one of the others.
MORE_CONDITIONS = {
    "no burst bucket": Conditions(burst_seconds=0),
    "slow now and then": Conditions(slow_update_every=10, metrics_stop_minutes=10),
    "a hot key": Conditions(hot_key_requests=1.0),
    OUTAGES: Conditions(),
}
AAS_TARGETS = (50, 60, 70, 80, 90)
AAS, AAS_90, AAS_BEST = "AAS 70 %", "AAS 90 %", "AAS at its best"
#: AAS at 70 % with a minimum for each hour; on demand up to the minute that 99 % do not exceed.
AAS_SCHEDULED, CEILING = "AAS scheduled", "ceiling"
CEILING_SHARE = 0.99
HEADROOM, PLAIN, DYNAMIC = "Headroom", "percent", "Dynamic DynamoDB"
POLICIES = (AAS, AAS_90, AAS_BEST, AAS_SCHEDULED, CEILING, DYNAMIC, PLAIN, HEADROOM)
CALM_PPM = 100
#: Alarms of a target. Application Auto Scaling makes eight for a table, read 2026-10.
OWN_ALARMS = {AAS: 4, AAS_90: 4, AAS_BEST: 4, AAS_SCHEDULED: 4, PLAIN: 1, HEADROOM: 1}
DECREASES_A_DAY = 27
S = TypeVar("S")
T = TypeVar("T")
#: An increase to less than so many times the units is hardly worth an UpdateTable.
SMALL_RAISE = 1.03
#: The minutes of the means in which onsets are found.
ONSET_MEAN = 5


class Result(msgspec.Struct, frozen=True):
    """One policy on one trace: effective cost and throttled parts per million.

    changes_a_day: how often the units change. small_raises_a_day: the increases of less than
    SMALL_RAISE. own_month: USD for the policy's own alarms and metric
    reads of the target. with_own: the effective cost with these, as if the units were reads.
    onset_minutes: from an onset until the capacity is as high, on average; None without capacity,
    or without onsets.
    """

    effective: float
    ppm: float
    changes_a_day: float = 0.0
    small_raises_a_day: float = 0.0
    own_month: float = 0.0
    with_own: float = 0.0
    onset_minutes: float | None = None


class Measurement(msgspec.Struct, frozen=True):
    """All policies on one trace under one set of conditions.

    on_demand: the cost on demand over the optimum's. scale: the optimum with 27 decreases a day at
    any minute, over the optimum within the quota. floor: the cost floor over that optimum.
    """

    trace: str
    kind: str
    conditions_name: str = msgspec.field(name="world")
    on_demand: float
    scale: float
    floor: float
    results: Mapping[str, Result]
    metric_reads_a_day: float = msgspec.field(name="looks_a_day")


def measure(
    name: str, kind: str, demand: Sequence[float], policy: Policy, more: bool = False
) -> list[Measurement]:
    """Run every policy on one trace, under the usual conditions or under more of them."""
    if not more:
        return _measured(name, kind, demand, policy, CONDITIONS)
    rest = {key: one for key, one in MORE_CONDITIONS.items() if key != OUTAGES}
    without = traces.with_outages(demand)
    last = {OUTAGES: MORE_CONDITIONS[OUTAGES]}
    return [
        *_measured(name, kind, demand, policy, rest),
        *_measured(name, kind, without, policy, last),
    ]


def _measured(
    name: str,
    kind: str,
    demand: Sequence[float],
    policy: Policy,
    all_conditions: Mapping[str, Conditions],
) -> list[Measurement]:
    # numpy takes long to import, and only a measurement needs it
    from headroom.simulation.optimum import optimum  # noqa: PLC0415

    optimum_hours = optimum(demand)
    scale = optimum(demand, every_minute=DECREASES_A_DAY) / optimum_hours
    on_demand = ON_DEMAND_UNIT_PRICE * sum(demand) / HOUR / optimum_hours
    floor = floor_hours(demand) / optimum_hours
    measurements = []
    for conditions_name, conditions in all_conditions.items():
        outcomes = _outcomes(demand, policy, conditions, optimum_hours)
        results = {
            policy_name: _result(policy_name, outcome, demand, optimum_hours)
            for policy_name, outcome in outcomes.items()
        }
        reads = outcomes[HEADROOM].metric_reads / (len(demand) / DAY)
        measurements.append(
            Measurement(name, kind, conditions_name, on_demand, scale, floor, results, reads)
        )
    return measurements


def _result(name: str, outcome: Outcome, demand: Sequence[float], optimum_hours: float) -> Result:
    prices, minutes = pricing.load(), len(demand)
    own = OWN_ALARMS.get(name, 0) * prices.headroom.alarm_month
    if name in (HEADROOM, PLAIN):
        own += metric_reads_month(outcome, minutes, prices.headroom)
    effective = effective_cost(outcome, optimum_hours)
    effective += outcome.on_demand_hours * ON_DEMAND_UNIT_PRICE / optimum_hours
    return Result(
        effective=effective,
        ppm=outcome.throttled_ppm(demand),
        changes_a_day=outcome.changes / (minutes / DAY),
        small_raises_a_day=small_raises(outcome.units) / (minutes / DAY),
        own_month=own,
        with_own=effective + own / pricing.month(optimum_hours, minutes, prices.read.unit_hour),
        onset_minutes=None if outcome.on_demand_hours else onset_minutes(outcome.units, demand),
    )


def small_raises(units: Sequence[int]) -> int:
    """Return how often the units rise by less than SMALL_RAISE. units: by the minute."""
    return sum(1 for before, after in pairwise(units) if 0 < before < after < before * SMALL_RAISE)


def onset_minutes(units: Sequence[int], demand: Sequence[float]) -> float | None:
    """Return how many minutes pass from an onset until the units are as high, on average; None
    without onsets.

    An onset is a five-minute mean as `onsets` finds it. The mean must be served, from the first of
    its minutes on. A later onset or the demand's fall does not end the wait; an hour does.
    """
    size = ONSET_MEAN
    means = [sum(demand[at : at + size]) / size for at in range(0, len(demand) - size + 1, size)]
    waits = []
    for number, height in enumerate(onsets.onsets(means)):
        if height > 0:
            ahead = units[number * size : number * size + HOUR]
            waits.append(next((i for i, held in enumerate(ahead) if held >= height), len(ahead)))
    return mean(waits) if waits else None


def _outcomes(
    demand: Sequence[float], policy: Policy, conditions: Conditions, optimum_hours: float
) -> dict[str, Outcome]:
    """Return the outcome of each policy under these conditions."""
    units = initial_units(demand)
    tracking = {
        parameters: competitors.run(demand, units, competitors.AutoScaling(*parameters), conditions)
        for parameters in product(AAS_TARGETS, (False, True))
    }
    scheduled = competitors.Scheduled(
        competitors.AutoScaling(70), competitors.usual_minimums(demand, 70)
    )
    ceiling = sorted(demand)[math.ceil(CEILING_SHARE * len(demand)) - 1]
    return {
        AAS: tracking[70, False],
        AAS_90: tracking[90, False],
        AAS_BEST: min(tracking.values(), key=lambda o: effective_cost(o, optimum_hours)),
        AAS_SCHEDULED: competitors.run(demand, units, scheduled, conditions),
        CEILING: competitors.on_demand(demand, ceiling),
        DYNAMIC: competitors.run(demand, units, competitors.dynamic_dynamodb, conditions),
        PLAIN: replay(demand, make_policy(strategy="percent"), units, conditions),
        HEADROOM: replay(demand, policy, units, conditions),
    }


@dataclass(frozen=True)
class SummaryRow:
    """One row of the summary: a figure for each policy."""

    label: str
    figures: Mapping[str, float | None]


def halves(measurements: Sequence[Measurement]) -> list[Sequence[Measurement]]:
    """Return every other trace, and the rest: constants are chosen on one half, and checked on the
    other."""
    first = sorted({m.trace for m in measurements})[::2]
    return [
        [m for m in measurements if m.trace in first],
        [m for m in measurements if m.trace not in first],
    ]


#: What a measurement's costs are divided by. They are over the optimum within the quota.
Reference = Callable[[Measurement], float]


def within_quota(_: Measurement) -> float:
    """Refer to the optimum within DynamoDB's quota."""
    return 1.0


def at_any_minute(m: Measurement) -> float:
    """Refer to the optimum with 27 decreases a day at any minute."""
    return m.scale


def cost_floor(m: Measurement) -> float:
    """Refer to the cost floor."""
    return m.floor


def summarize(
    measurements: Sequence[Measurement], reference: Reference = within_quota
) -> list[SummaryRow]:
    """Return the summary of one set of conditions, with costs over a reference."""
    calm = [m for m in measurements if m.results[AAS].ppm < CALM_PPM]
    rows = [
        SummaryRow(f"effective cost, all {len(measurements)}", _means(measurements, reference)),
        SummaryRow(
            "the better of it and on-demand", _means(measurements, reference, or_on_demand=True)
        ),
        SummaryRow(f"calm traces ({len(calm)})", _means(calm, reference)),
    ]
    for kind in sorted({m.kind for m in measurements}):
        group = [m for m in measurements if m.kind == kind]
        rows.append(SummaryRow(f"{kind} ({len(group)})", _means(group, reference)))
    return [
        *rows,
        SummaryRow("beats AAS 70 % in cost and throttling", _count(measurements, _beats_aas)),
        SummaryRow("beats AAS at its best in cost", _count(measurements, _beats_best_aas)),
        SummaryRow(f"throttled under {CALM_PPM} ppm", _count(measurements, _is_calm)),
        SummaryRow("throttles no more than AAS 70 %", _count(measurements, _throttles_no_more)),
        SummaryRow("cost with its own alarms and reads", _with_own(measurements)),
        SummaryRow("its own USD a month and target", _figures(measurements, _own_month, mean)),
        SummaryRow("changes a day and target, median", _figures(measurements, _changes, median)),
        SummaryRow("changes a day and target, most", _figures(measurements, _changes, max)),
        SummaryRow("increases under 3 % a day, mean", _figures(measurements, _small_raises, mean)),
        SummaryRow("minutes from an onset to capacity", _figures(measurements, _onset, _median)),
    ]


def _means(
    measurements: Sequence[Measurement], reference: Reference, or_on_demand: bool = False
) -> dict[str, float]:
    def figure(m: Measurement, policy: str) -> float:
        cost = m.results[policy].effective
        return (min(cost, m.on_demand) if or_on_demand else cost) / reference(m)

    return {policy: geometric_mean(figure(m, policy) for m in measurements) for policy in POLICIES}


def _count(
    measurements: Iterable[Measurement], wins: Callable[[Measurement, str], bool]
) -> dict[str, float]:
    return {policy: sum(wins(m, policy) for m in measurements) for policy in POLICIES}


def _figures(
    measurements: Sequence[Measurement],
    figure: Callable[[Result], T],
    summary: Callable[[list[T]], S],
) -> dict[str, S]:
    return {
        policy: summary([figure(m.results[policy]) for m in measurements]) for policy in POLICIES
    }


def _with_own(measurements: Sequence[Measurement]) -> dict[str, float]:
    return _figures(measurements, lambda result: result.with_own, geometric_mean)


def _own_month(result: Result) -> float:
    return result.own_month


def _changes(result: Result) -> float:
    return result.changes_a_day


def _small_raises(result: Result) -> float:
    return result.small_raises_a_day


def _onset(result: Result) -> float | None:
    return result.onset_minutes


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _is_calm(m: Measurement, policy: str) -> bool:
    return m.results[policy].ppm < CALM_PPM


def _throttles_no_more(m: Measurement, policy: str) -> bool:
    return m.results[policy].ppm <= m.results[AAS].ppm


def _beats_aas(m: Measurement, policy: str) -> bool:
    own, aas = m.results[policy], m.results[AAS]
    return policy != AAS and own.effective <= aas.effective and own.ppm <= aas.ppm


def _beats_best_aas(m: Measurement, policy: str) -> bool:
    is_aas = policy in (AAS, AAS_90, AAS_BEST)
    return not is_aas and m.results[policy].effective <= m.results[AAS_BEST].effective


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean (0 of nothing)."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else 0.0


#: The class and the demand of each trace, by its name.
Traces = Mapping[str, tuple[str, Sequence[float]]]


def run(
    all_traces: Traces,
    policy: Policy,
    on_done: Callable[[str], None] = lambda _: None,
    more: bool = False,
) -> list[Measurement]:
    """Measure all traces on all processors. on_done: called with the name of each trace.

    more: under MORE_CONDITIONS, not the usual ones.
    """
    measurements: list[Measurement] = []
    # a forked process is unsafe beside threads, and Python is giving up fork as the default
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(measure, name, kind, demand, policy, more): name
            for name, (kind, demand) in all_traces.items()
        }
        for job in as_completed(jobs):
            measurements += job.result()
            on_done(jobs[job])
    order = list(MORE_CONDITIONS if more else CONDITIONS)
    return sorted(measurements, key=lambda m: (order.index(m.conditions_name), m.trace))


def read_traces(folder: Path) -> Traces:
    """Return the traces of a folder with their classes, as its INDEX.md lists them."""
    index = folder / "INDEX.md"
    kinds = dict(_index(index)) if index.exists() else {}
    all_traces = {}
    for file in sorted([*folder.glob("*.csv"), *folder.glob("*.csv.gz")]):
        name = file.name.split(".csv")[0]
        all_traces[name] = (kinds.get(name, "unknown"), traces.read(file))
    return all_traces


def _index(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3:
            yield cells[1], cells[2]


def generated_traces(days: int = 14) -> Traces:
    """Return one generated trace of each class."""
    smooth = traces.generated(days, seed=1)
    half = len(smooth) // 2
    rng = random.Random(2)  # noqa: S311  a repeatable shape, not a secret
    shapes = {
        "smooth": smooth,
        "spikes": [rate * (6.0 if rng.random() < 1 / 900 else 1.0) for rate in smooth],
        "noisy": [300 * rng.lognormvariate(0, 0.35) for _ in smooth],
        "batch": [2000.0 if 120 <= minute % DAY < 150 else 3.0 for minute in range(len(smooth))],
        "zero-weekends": [
            rate if minute // DAY % 7 < 5 else 0.0 for minute, rate in enumerate(smooth)
        ],
        "step": [*smooth[:half], *(rate * 2.5 for rate in smooth[half:])],
    }
    return {f"generated-{kind}": (kind, demand) for kind, demand in shapes.items()}


def write_results(measurements: Sequence[Measurement], file: Path) -> None:
    """Write the result file: every figure by conditions, trace and policy."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"measured": msgspec.to_builtins(measurements)}, indent=1) + "\n")


def read_results(file: Path) -> dict[tuple[str, str], float]:
    """Return Headroom's effective cost in an earlier result file, by conditions and trace."""
    measured = json.loads(file.read_text(encoding="utf-8"))["measured"]
    return {(m["world"], m["trace"]): m["results"][HEADROOM]["effective"] for m in measured}
