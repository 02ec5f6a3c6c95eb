"""Goals that take many runs, or an API that is silent: the functions run as they are scheduled."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import msgspec

from chalicelib import handlers
from chalicelib.model import Dimension, Target
from chalicelib.run import ALARM_WRITES_PER_SECOND
from headroom.scale.account import Load
from headroom.scale.fan_out import WITH_WORKERS, invoker
from headroom.scale.scenarios import TWO_INDEXES, on_alarm
from headroom.scale.simulation import BEGIN, Conditions, Container, Handler, Simulation

#: The APIs that are called before an increase, besides those that make it.
SILENT = ("DescribeAlarms", "GetMetricData", "GetCallerIdentity", "GetResources")
#: A goal that is not reached in this time is given up.
RAISING, LOWERING, MAKING = timedelta(hours=2), timedelta(hours=6), timedelta(hours=3)


class Goal(msgspec.Struct, frozen=True):
    """How long it took in virtual time until a goal was reached. seconds: None if it was not.

    runs, killed: the runs until then, and those that Lambda's timeout ended. alarms: how many
    alarms have another threshold, or are new. alarm_writes: how often one was written for it; what
    exceeds `alarms` was redundant.
    """

    goal: str
    tables: int
    seconds: float | None
    runs: int
    killed: int
    throttled: int
    alarms: int = 0
    alarm_writes: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.goal, self.tables


@dataclass(frozen=True)
class Aim:
    """What a goal shall take, and what it takes at least, in seconds of virtual time.

    times: the goal is so many times its floor, where the alarms determine it: CloudWatch takes
    three a second of those that must change. Others are for 1,000 tables.
    """

    seconds: float = 0.0
    times: float | None = None
    floor: float | None = None

    def of(self, goal: Goal) -> tuple[float, float | None]:
        """Return the goal and its floor."""
        if self.times is None:
            return self.seconds, self.floor
        floor = goal.alarms / ALARM_WRITES_PER_SECOND
        return self.times * floor, floor


AIMS: Mapping[str, Aim] = {
    "all hot tables raised": Aim(180.0, floor=15.0),
    "and all their alarms rewritten": Aim(times=1.3),
    "all idle tables lowered": Aim(times=1.6),
    "all alarms made": Aim(times=1.2),
}
#: With an API that is silent.
RAISED_ALL_THE_SAME = Aim(15.0)


def aim_of(goal: Goal) -> Aim:
    """Return what a goal shall take."""
    return AIMS.get(goal.goal.removesuffix(f", {WITH_WORKERS}"), RAISED_ALL_THE_SAME)


@dataclass(frozen=True)
class Schedule:
    """A function, and how often it runs."""

    function: str
    handler: Handler
    every: timedelta


FOLLOW_UP = Schedule("follow_up", handlers.follow_up, timedelta(minutes=1))
SWEEP = Schedule("sweep", handlers.sweep, timedelta(minutes=5))
SCALE_DOWN = Schedule("scale_down", handlers.scale_down, timedelta(hours=1))


def raised(size: int, conditions: Conditions, workers: bool = False) -> list[Goal]:
    """All tables get hot at once: until all are raised, and all alarms are written anew."""
    simulation = Simulation(size, conditions)
    account = simulation.account
    names = list(account.tables)
    account.make_hot([Target(name, "", dimension) for name in names for dimension in Dimension])
    account.make_alarms()
    hot = set(account.in_alarm)
    goals = {
        "all hot tables raised": lambda: _last(t.raised for t in account.tables.values()),
        "and all their alarms rewritten": lambda: _last(map(account.alarms_written.get, hot)),
    }
    return reach(simulation, goals, [FOLLOW_UP], RAISING, workers)


def lowered(size: int, conditions: Conditions, workers: bool = False) -> list[Goal]:
    """All tables are idle: until each has been lowered."""
    simulation = Simulation(size, conditions, Load.IDLE)
    account = simulation.account
    account.make_alarms()
    goals = {"all idle tables lowered": lambda: _last(t.lowered for t in account.tables.values())}
    return reach(simulation, goals, [SCALE_DOWN, SWEEP], LOWERING, workers)


def made(size: int, conditions: Conditions) -> list[Goal]:
    """No table has an alarm: until each managed target has its own."""
    simulation = Simulation(size, conditions)
    account, count = simulation.account, len(simulation.account.managed)
    written = account.alarms_written
    goals = {"all alarms made": lambda: _last(written.values()) if len(written) == count else None}
    return reach(simulation, goals, [SWEEP], MAKING)


def silent(size: int, conditions: Conditions) -> list[Goal]:
    """One API never answers: until the hot table's UpdateTable, in one cold run."""
    goals = []
    for operation in SILENT:
        for function, handler in (
            ("on_alarm", on_alarm(TWO_INDEXES)),
            ("follow_up", handlers.follow_up),
        ):
            simulation = Simulation(size, conditions, silent=[operation], first="six")
            simulation.account.make_hot([TWO_INDEXES])
            simulation.account.make_alarms()
            run = Container(simulation, function).invoke(handler)
            name = f"{function} raises while {operation} is silent"
            throttled = sum(run.throttled.values())
            goals.append(Goal(name, size, run.first_update, 1, int(run.killed), throttled))
    return goals


GOALS: Mapping[str, Callable[[int, Conditions], list[Goal]]] = {
    "raised": raised,
    "lowered": lowered,
    "made": made,
    "silent": silent,
    f"raised, {WITH_WORKERS}": partial(raised, workers=True),
    f"lowered, {WITH_WORKERS}": partial(lowered, workers=True),
}


def _last(times: Iterable[float | None]) -> float | None:
    """Return the latest of some times; None if one is missing."""
    known = list(times)
    return None if None in known else max((at for at in known if at is not None), default=0.0)


def reach(
    simulation: Simulation,
    goals: Mapping[str, Callable[[], float | None]],
    schedules: list[Schedule],
    longest: timedelta,
    workers: bool = False,
) -> list[Goal]:
    """Run the functions on their schedules until all goals are reached, or `longest` is over.

    goals: each returns when it was reached, in virtual seconds; None if it is not.

    The runs of different functions are made one after another. One that is due while another runs
    begins when that ends. workers: the functions hand their tables to workers.
    """
    functions = [schedule.function for schedule in schedules]
    invoke = {function: invoker(simulation, function, workers) for function in functions}
    size, suffix = len(simulation.account.tables), f", {WITH_WORKERS}" if workers else ""
    reached: dict[str, Goal] = {}
    runs = killed = throttled = 0
    account = simulation.account
    levels = account.levels()

    def goal(name: str, seconds: float | None) -> Goal:
        changed = account.levels().items() - levels.items()
        counts = runs, killed, throttled, len(changed), account.alarm_writes
        return Goal(name + suffix, size, seconds, *counts)

    for at, schedule in _due(schedules, longest):
        simulation.wait_until(at)
        run = invoke[schedule.function](schedule.handler)
        runs, killed = runs + 1, killed + sum(one.killed for _, one in run.each)
        throttled += sum(run.whole.throttled.values())
        for name, reached_at in goals.items():
            seconds = reached_at()
            if name not in reached and seconds is not None:
                reached[name] = goal(name, seconds)
        if len(reached) == len(goals):
            break
    return [reached.get(name) or goal(name, None) for name in goals]


def _due(schedules: list[Schedule], longest: timedelta) -> Iterator[tuple[datetime, Schedule]]:
    """Yield the runs of so long a time in the order of their times."""
    due = []
    for position, schedule in enumerate(schedules):
        at = timedelta()
        while at < longest:
            due.append((at, position))
            at += schedule.every
    for at, position in sorted(due):
        yield BEGIN + at, schedules[position]
