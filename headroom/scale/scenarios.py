"""The scenarios: which function runs on which account, cold and warm."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from chalicelib import handlers
from chalicelib.events import AlarmEvent
from chalicelib.model import Dimension, Target
from headroom.project import memory_mb
from headroom.scale.account import ACCOUNT, REGION, SHAPES
from headroom.scale.fan_out import WITH_WORKERS, Runs, invoker
from headroom.scale.simulation import BEGIN, Conditions, Handler, Invocation, Simulation
from headroom.simulation import pricing

HOURS_A_MONTH = pricing.HOURS_A_MONTH
#: As app.py schedules the functions.
RUNS_A_MONTH = {
    "sweep": 12 * HOURS_A_MONTH,
    "scale_down": HOURS_A_MONTH,
    "follow_up": 60 * HOURS_A_MONTH,
}
#: A target of the table with two indexes, where an account has it.
TWO_INDEXES = Target("six-00000", "", Dimension.WRITE)
COLD, WARM, NEXT_HOUR = "cold", "warm", "next hour"


class Measurement(Invocation, frozen=True, kw_only=True):
    """One run of one scenario, with its workers if it has some.

    run: cold, warm, or the first run of the next hour. dollars: of this run. dollars_a_table: a
    table and month, if every scheduled run were such a one (0 without a schedule).
    """

    scenario: str
    run: str
    tables: int
    targets: int
    alarms: int
    dollars: float
    dollars_a_table: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.scenario, self.run, self.tables

    @property
    def aim(self) -> float | None:
        """Return how many seconds it shall take, None if nothing is set."""
        seconds, most_tables = AIMS.get((self.scenario, self.run), (0.0, 0))
        return seconds if self.tables <= most_tables else None


@dataclass(frozen=True)
class Scenario:
    """A function on an account.

    hot: how many alarms are in ALARM. runs: the state of the container, and when it runs. workers:
    the function hands its tables to them.
    """

    function: str
    handler: Handler
    runs: Sequence[tuple[str, timedelta]]
    hot: int = 0
    first: str = SHAPES[0]
    workers: bool = False


def on_alarm(target: Target) -> Handler:
    """Return the handler of the message that this target's alarm went to ALARM."""
    event = AlarmEvent(f"headroom-{target}", target, REGION, ACCOUNT)
    return lambda run: handlers.on_alarm(run, event)


#: What a run shall take, in seconds of virtual time: the whole run, but of on_alarm until its
#: UpdateTable. By scenario and run, in accounts of up to so many tables.
AIMS = {
    ("sweep", "cold"): (60.0, 1_000),
    (f"sweep, {WITH_WORKERS}", "cold"): (60.0, 10_000),
    ("on_alarm", "cold"): (2.0, 10_000),
    ("on_alarm", "warm"): (0.8, 10_000),
}
NOW, HOUR = timedelta(), timedelta(hours=1)
EVERY_MINUTE = ((COLD, NOW), (WARM, timedelta(minutes=1)))
SCENARIOS: dict[str, Scenario] = {
    "sweep": Scenario(
        "sweep",
        handlers.sweep,
        ((COLD, NOW), (WARM, timedelta(minutes=5)), (NEXT_HOUR, HOUR)),
    ),
    "scale_down": Scenario("scale_down", handlers.scale_down, ((COLD, NOW), (NEXT_HOUR, HOUR))),
    "follow_up": Scenario("follow_up", handlers.follow_up, EVERY_MINUTE),
    "follow_up, 10 hot": Scenario("follow_up", handlers.follow_up, EVERY_MINUTE, hot=10),
    "follow_up, 1000 hot": Scenario("follow_up", handlers.follow_up, EVERY_MINUTE, hot=1_000),
    "on_alarm": Scenario(
        "on_alarm",
        on_alarm(TWO_INDEXES),
        ((COLD, NOW), (WARM, timedelta(minutes=5))),
        hot=1,
        first="six",
    ),
}
#: The same with workers.
FANNED_OUT = ("sweep", "scale_down", "follow_up, 1000 hot")
SCENARIOS |= {
    f"{name}, {WITH_WORKERS}": replace(SCENARIOS[name], workers=True) for name in FANNED_OUT
}


def fits(name: str, size: int) -> bool:
    """Tell whether an account of this size can have so many hot alarms, one a table."""
    return SCENARIOS[name].hot <= size


def measure(name: str, size: int, conditions: Conditions) -> list[Measurement]:
    """Run one scenario on an account of so many tables.

    Where tables are hot, each run finds them as the first one did: with too few units.
    """
    scenario = SCENARIOS[name]
    simulation = Simulation(size, conditions, first=scenario.first)
    simulation.account.make_hot(_hot_targets(simulation, scenario.hot))
    simulation.account.make_alarms()
    invoke = invoker(simulation, scenario.function, scenario.workers)
    measured = []
    for run, after in scenario.runs:
        simulation.wait_until(BEGIN + after)
        if scenario.hot:
            simulation.account.begin_anew()
        measured.append(_measurement(name, run, simulation, invoke(scenario.handler)))
    return measured


def _hot_targets(simulation: Simulation, count: int) -> Collection[Target]:
    """Return the writes of the first tables: the one with two indexes comes first, if it is
    there."""
    names = sorted(simulation.account.tables, key=lambda name: (name != TWO_INDEXES.table, name))
    return [Target(name, "", Dimension.WRITE) for name in names[:count]]


def _measurement(name: str, run: str, simulation: Simulation, runs: Runs) -> Measurement:
    size = len(simulation.account.tables)
    dollars = sum(cost(function, invocation) for function, invocation in runs.each)
    return Measurement(
        scenario=name,
        run=run,
        tables=size,
        targets=len(simulation.account.demands),
        alarms=len(simulation.account.alarms),
        dollars=dollars,
        dollars_a_table=dollars * RUNS_A_MONTH.get(SCENARIOS[name].function, 0) / size,
        **msgspec.structs.asdict(runs.whole),
    )


def cost(function: str, invocation: Invocation) -> float:
    """Return USD for one run: its metric reads, and its time in Lambda."""
    prices = pricing.load().headroom
    gb_seconds = invocation.seconds * memory_mb(function) / 1024
    return (
        invocation.metrics * prices.metric_read + prices.invocation + gb_seconds * prices.gb_second
    )


class MonthlyCost(msgspec.Struct, frozen=True):
    """What Headroom costs in a calm account, in USD a table and month."""

    tables: int
    alarms: float
    metrics: float
    lambdas: float

    @property
    def total(self) -> float:
        return self.alarms + self.metrics + self.lambdas


def steady_cost(measured: Sequence[Measurement]) -> MonthlyCost | None:
    """Return the cost of a calm account, from the measurements of one size.

    Eleven of an hour's twelve sweeps are warm, and one is the first of its hour. Returns None if a
    scenario is missing.
    """
    by_run = {(m.scenario, m.run): m for m in measured}
    parts = (
        (("sweep", WARM), 11 * HOURS_A_MONTH),
        (("sweep", NEXT_HOUR), HOURS_A_MONTH),
        (("scale_down", NEXT_HOUR), HOURS_A_MONTH),
        (("follow_up", WARM), 60 * HOURS_A_MONTH),
    )
    if any(key not in by_run for key, _ in parts):
        return None
    prices, size = pricing.load().headroom, measured[0].tables
    metrics = sum(by_run[key].metrics * runs for key, runs in parts) * prices.metric_read
    dollars = sum(by_run[key].dollars * runs for key, runs in parts)
    return MonthlyCost(
        tables=size,
        alarms=by_run["sweep", WARM].alarms * prices.alarm_month / size,
        metrics=metrics / size,
        lambdas=(dollars - metrics) / size,
    )
