"""Search the settings of the strategy `adaptive` on a history, and check them on held-out days.

A candidate is replayed once, over the whole history, so that each day has the days before it as its
own history. Costs and throttling are kept by the day. The first day has no day before it: it is
replayed, but never counted. The other days are dealt into folds in turn, so that each fold has days
of every week. One search is made for each fold, without its days, and the result is evaluated on
that fold alone. One more search is made on all days, for the settings that are recommended.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from functools import partial
from itertools import product, zip_longest

from msgspec import structs

from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Target
from headroom.operator_error import OperatorError
from headroom.simulation.clock import DAY, HOUR
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import parts_per_million
from headroom.simulation.parallel import parallel_map
from headroom.simulation.replay import initial_units, replay

#: The values that are searched for each setting, besides the current one.
LADDERS: Mapping[str, Sequence[float]] = {
    "burst_trust_percent": range(0, 101, 10),
    "burst_keep_percent": range(0, 101, 10),
    "throttle_price": (10.0, 15.0, 20.0, 30.0, 45.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0),
    "insurance_percent": range(0, 301, 25),
}
#: The grid that a search starts with; the current value replaces the nearest one.
COARSE: Mapping[str, Sequence[float]] = {
    "burst_trust_percent": (40, 80),
    "burst_keep_percent": (50, 100),
    "throttle_price": (30.0, 150.0),
    "insurance_percent": (0, 100, 200),
}
#: How far each setting is moved along its ladder from the best candidate, in each round.
STEPS = (2, 1)
MOST_CANDIDATES = 60
FOLDS = 3
#: The first day, and two days that are evaluated against each other.
FEWEST_DAYS = 3
#: Among candidates that cost nearly the same, the one nearest to the current settings wins.
CLOSE_ENOUGH = 1.005
#: A smaller gain on held-out days is no reason to change anything.
LEAST_GAIN_PERCENT = 1.0


class TooShortError(OperatorError):
    """The history has too few days: some are searched, others are held out."""


@dataclass(frozen=True)
class Figures:
    """The figures of some days: minutes, unit-hours, and sums of demand and throttled units."""

    minutes: int = 0
    unit_hours: float = 0.0
    demanded: float = 0.0
    throttled: float = 0.0

    @property
    def throttled_ppm(self) -> float:
        return parts_per_million(self.throttled, self.demanded)


def total(figures: Iterable[Figures]) -> Figures:
    """Return the sums."""
    return Figures(*map(sum, zip(*map(astuple, figures), strict=True)))


@dataclass(frozen=True)
class SearchPlan:
    """How thorough a search is."""

    coarse: Mapping[str, Sequence[float]] = field(default_factory=lambda: COARSE)
    steps: Sequence[int] = STEPS
    most: int = MOST_CANDIDATES
    workers: int | None = None


@dataclass(frozen=True)
class Fold:
    """Some days, and the best policy of the search without them.

    searched: its figures on the other days. held_out: its figures on these days. current: the
    current policy's figures on these days.
    """

    days: Sequence[int]
    best: Policy
    searched: Figures
    held_out: Figures
    current: Figures


class TuningVerdict(StrEnum):
    """What the operator should do."""

    KEEP = "keep"
    ADOPT = "adopt"
    CLOSER = "closer"


@dataclass(frozen=True)
class Tuning:
    """The result of a search. current, best: a policy and its figures on all counted days."""

    goal_ppm: float
    current: Policy
    current_figures: Figures
    best: Policy
    best_figures: Figures
    folds: Sequence[Fold]
    candidates: int
    stopped: bool

    @property
    def held_out(self) -> Figures:
        """Return the figures of each fold's best policy on its held-out days."""
        return total(fold.held_out for fold in self.folds)

    @property
    def current_held_out(self) -> Figures:
        return total(fold.current for fold in self.folds)

    @property
    def gain_percent(self) -> float:
        """Return how much cheaper than the current policy it is on held-out days."""
        return 100 * (1 - self.held_out.unit_hours / self.current_held_out.unit_hours)

    @property
    def verdict(self) -> TuningVerdict:
        if self.current.strategy == "adaptive" and not differing(self.best, self.current):
            return TuningVerdict.KEEP
        best_ppm, current_ppm = self.held_out.throttled_ppm, self.current_held_out.throttled_ppm
        misses_goal = current_ppm > self.goal_ppm
        if max(self.best_figures.throttled_ppm, best_ppm) <= self.goal_ppm:
            is_better = misses_goal or self.gain_percent >= LEAST_GAIN_PERCENT
            return TuningVerdict.ADOPT if is_better else TuningVerdict.KEEP
        is_closer = misses_goal and best_ppm < current_ppm
        return TuningVerdict.CLOSER if is_closer else TuningVerdict.KEEP


def tune(
    demand: Sequence[float],
    current: Policy,
    goal_ppm: float,
    conditions: Conditions | None = None,
    plan: SearchPlan | None = None,
    on_progress: Callable[[int, int], None] = lambda _finished, _expected: None,
) -> Tuning:
    """Search for the cheapest settings that throttle no more than `goal_ppm`.

    on_progress: called after each replay with the numbers of finished and expected replays. A
    KeyboardInterrupt ends the search with the best so far. Raises TooShortError for less than three
    whole days.
    """
    search = _Search(demand, current, goal_ppm, conditions, plan or SearchPlan(), on_progress)
    try:
        search.run()
    except KeyboardInterrupt:
        if not search.has_result:
            raise
        return search.result(stopped=True)
    return search.result(stopped=False)


def counted_days(minutes: int) -> range:
    """Return the days that are counted: whole ones, without the first.

    Raises TooShortError if they are fewer than two.
    """
    whole = minutes // DAY
    if whole < FEWEST_DAYS:
        raise TooShortError(
            f"the history has {whole} whole days; tuning needs {FEWEST_DAYS}, to search on some "
            "and judge on others"
        )
    return range(1, whole)


def folds_of(days: Sequence[int]) -> list[list[int]]:
    """Deal the days into folds in turn."""
    count = min(FOLDS, len(days))
    return [list(days[first::count]) for first in range(count)]


def measure(
    demand: Sequence[float], conditions: Conditions | None, policy: Policy
) -> list[Figures]:
    """Replay a history; return each whole day's figures."""
    outcome = replay(demand, policy, initial_units(demand), conditions)
    days = [slice(start, start + DAY) for start in range(0, len(demand) - DAY + 1, DAY)]
    return [
        Figures(
            DAY,
            sum(outcome.units[day]) / HOUR,
            sum(demand[day]),
            sum(outcome.throttled[day]),
        )
        for day in days
    ]


class _Search:
    """One search for each fold, and one on all days; they share the replays."""

    def __init__(
        self,
        demand: Sequence[float],
        current: Policy,
        goal_ppm: float,
        conditions: Conditions | None,
        plan: SearchPlan,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._measure = partial(measure, demand, conditions)
        self._current, self._goal_ppm, self._plan = current, goal_ppm, plan
        self._on_progress = on_progress
        self._base = adaptive(current)
        self._days = tuple(counted_days(len(demand)))
        self._folds = folds_of(self._days)
        self._measured: dict[Policy, list[Figures]] = {}
        #: The candidates of each search, by the days that it is made on.
        self._candidates: dict[tuple[int, ...], dict[Policy, None]] = {
            days: {} for days in (self._days, *map(self._without, self._folds))
        }

    def _without(self, fold: Sequence[int]) -> tuple[int, ...]:
        return tuple(day for day in self._days if day not in fold)

    @property
    def has_result(self) -> bool:
        return self._current in self._measured and self._base in self._measured

    def run(self) -> None:
        """Replay the grid, then move from each search's best candidate in smaller and smaller
        steps."""
        grid = dict.fromkeys([self._base, *coarse(self._base, self._plan.coarse)])
        for candidates in self._candidates.values():
            candidates.update(grid)
        self._replay([self._current, *grid])
        for step in self._plan.steps:
            for days, candidates in self._candidates.items():
                candidates.update(dict.fromkeys(neighbours(self._best(days), step)))
            self._replay(_in_turn(list(self._candidates.values())))

    def _replay(self, policies: Iterable[Policy]) -> None:
        new = [policy for policy in dict.fromkeys(policies) if policy not in self._measured]
        new = new[: max(0, self._plan.most - len(self._measured))]
        expected = len(self._measured) + len(new)
        measured = parallel_map(self._measure, new, self._plan.workers)
        for policy, days in zip(new, measured, strict=True):
            self._measured[policy] = days
            self._on_progress(len(self._measured), expected)

    def _best(self, days: tuple[int, ...]) -> Policy:
        """Return a search's cheapest candidate that meets the goal, or else the one that throttles
        least."""
        measured = {
            policy: self._figures(policy, days)
            for policy in self._candidates[days]
            if policy in self._measured
        }
        good = {
            policy: figures
            for policy, figures in measured.items()
            if figures.throttled_ppm <= self._goal_ppm
        }
        if not good:
            return min(measured, key=lambda p: (measured[p].throttled_ppm, measured[p].unit_hours))
        limit = CLOSE_ENOUGH * min(figures.unit_hours for figures in good.values())
        near = [policy for policy, figures in good.items() if figures.unit_hours <= limit]
        return min(near, key=lambda p: (len(differing(p, self._base)), good[p].unit_hours))

    def _figures(self, policy: Policy, days: Iterable[int]) -> Figures:
        return total(self._measured[policy][day] for day in days)

    def result(self, stopped: bool) -> Tuning:
        best = self._best(self._days)
        return Tuning(
            goal_ppm=self._goal_ppm,
            current=self._current,
            current_figures=self._figures(self._current, self._days),
            best=best,
            best_figures=self._figures(best, self._days),
            folds=[self._fold(fold) for fold in self._folds],
            candidates=len(self._measured),
            stopped=stopped,
        )

    def _fold(self, fold: Sequence[int]) -> Fold:
        searched = self._without(fold)
        best = self._best(searched)
        return Fold(
            fold,
            best,
            self._figures(best, searched),
            self._figures(best, fold),
            self._figures(self._current, fold),
        )


def adaptive(policy: Policy) -> Policy:
    """Return the policy; if it has another strategy, the adaptive one within the same bounds."""
    if policy.strategy == "adaptive":
        return policy
    kept = (
        "min_units",
        "max_units",
        "alarm_period_seconds",
        "alarm_evaluation_periods",
        "scale_up",
        "scale_down",
    )
    return make_policy(**{setting: getattr(policy, setting) for setting in kept})


def coarse(base: Policy, levels: Mapping[str, Sequence[float]]) -> list[Policy]:
    """Return the grid around a policy.

    Without insurance, the throttle price has no effect, so only one is tried.
    """
    around = [_around(getattr(base, setting), values) for setting, values in levels.items()]
    grid = [
        structs.replace(base, **dict(zip(levels, values, strict=True)))
        for values in product(*around)
    ]
    return [p for p in grid if p.insurance_percent > 0 or p.throttle_price == base.throttle_price]


def _around(own: float, values: Sequence[float]) -> list[float]:
    nearest = min(values, key=lambda value: abs(value - own))
    return [own if value == nearest else value for value in values]


def neighbours(policy: Policy, step: int) -> list[Policy]:
    """Return the policies in which one setting is moved `step` rungs along its ladder."""
    policies = []
    for setting, ladder in LADDERS.items():
        if setting == "throttle_price" and policy.insurance_percent == 0:
            continue
        for value in _moves(getattr(policy, setting), ladder, step):
            policies.append(structs.replace(policy, **{setting: value}))
    return policies


def _moves(value: float, ladder: Sequence[float], step: int) -> list[float]:
    lower = ladder[max(0, bisect_left(ladder, value) - step)]
    upper = ladder[min(len(ladder) - 1, bisect_right(ladder, value) - 1 + step)]
    return ([lower] if lower < value else []) + ([upper] if upper > value else [])


def _in_turn(pools: Sequence[Iterable[Policy]]) -> list[Policy]:
    """Return the policies of all pools, one of each pool in turn: a limit cuts all pools alike."""
    rounds = zip_longest(*pools)
    return [policy for policies in rounds for policy in policies if policy is not None]


def settings_of(policy: Policy) -> dict[str, float]:
    """Return the settings that are searched."""
    return {setting: getattr(policy, setting) for setting in LADDERS}


def differing(policy: Policy, other: Policy) -> list[str]:
    """Return the searched settings in which two policies differ."""
    return [setting for setting in LADDERS if getattr(policy, setting) != getattr(other, setting)]


def changed(tuning: Tuning) -> list[str]:
    """Return the lines of configuration in which the best policy differs from the defaults."""
    names = differing(tuning.best, make_policy())
    lines = [f"{name} = {json.dumps(getattr(tuning.best, name))}" for name in names]
    return lines if tuning.current.strategy == "adaptive" else ['strategy = "adaptive"', *lines]


def toml(tuning: Tuning, target: Target | None) -> str:
    """Return what to paste: the rule of a target's table, or for a trace the defaults.

    It holds only what differs from the defaults.
    """
    return "\n".join([*_heading(target), *changed(tuning)])


def _heading(target: Target | None) -> list[str]:
    if target is None:
        return ["[defaults]"]
    rule = ["[[tables]]", f"name = {json.dumps(target.table)}", ""]
    if not target.index:
        return [*rule, f"[tables.{target.dimension}]"]
    index = ["[[tables.indexes]]", f"name = {json.dumps(target.index)}", ""]
    return [*rule, *index, f"[tables.indexes.{target.dimension}]"]


def to_remove(tuning: Tuning) -> list[str]:
    """Return the settings of the current configuration that are at their defaults in the best."""
    defaults = make_policy()
    kept = differing(tuning.best, defaults)
    return [name for name in differing(tuning.current, defaults) if name not in kept]


def relies_more_on_burst(tuning: Tuning) -> bool:
    """Tell whether the best policy uses more of the burst bucket, or keeps it emptier."""
    best, current = tuning.best, tuning.current
    return (
        best.burst_trust_percent > current.burst_trust_percent
        or best.burst_keep_percent < current.burst_keep_percent
    )


def sentence(tuning: Tuning) -> str:
    """Return a sentence: the result of the search, and what to do."""
    goal = f"{tuning.goal_ppm:,.0f} ppm"
    best = f"{tuning.held_out.throttled_ppm:,.0f} ppm"
    current = f"{tuning.current_held_out.throttled_ppm:,.0f} ppm"
    match tuning.verdict:
        case TuningVerdict.ADOPT if tuning.current_held_out.throttled_ppm > tuning.goal_ppm:
            return (
                f"Today's configuration throttles {current}; what was found throttles {best} on "
                f"days not searched on, and is {_cost(tuning)}."
            )
        case TuningVerdict.ADOPT:
            return (
                f"What was found is {_cost(tuning)} on days not searched on, and throttles {best} "
                "there."
            )
        case TuningVerdict.CLOSER:
            return (
                f"The goal of {goal} is not met on days not searched on: what was found throttles "
                f"{best} there, today's configuration {current}; it is {_cost(tuning)}."
            )
        case _:
            return f"Keep what you have: {_why_keep(tuning)}."


def _cost(tuning: Tuning) -> str:
    gain = tuning.gain_percent
    return f"{gain:.1f} % cheaper" if gain >= 0 else f"{-gain:.1f} % more expensive"


def _why_keep(tuning: Tuning) -> str:
    goal = tuning.goal_ppm
    held_out, searched = tuning.held_out.throttled_ppm, tuning.best_figures.throttled_ppm
    if tuning.current_held_out.throttled_ppm > goal and searched > goal:
        return (
            f"no candidate meets the goal of {goal:,.0f} ppm; the best throttles {searched:,.0f}, "
            f"and {held_out:,.0f} on days not searched on"
        )
    if held_out > goal:
        return (
            f"what was found throttles {held_out:,.0f} ppm on days not searched on, more than the "
            f"goal of {goal:,.0f}"
        )
    if not differing(tuning.best, tuning.current):
        return "no candidate is cheaper and meets the goal"
    return f"on days not searched on, what was found is {_cost(tuning)}"


def as_data(
    tuning: Tuning, target: Target | None, month: Callable[[Figures], float]
) -> dict[str, object]:
    """Return what --json prints. month: USD a month for figures."""

    def data_of(figures: Figures) -> dict[str, float]:
        return {"cost_month": month(figures), "throttled_ppm": figures.throttled_ppm}

    return {
        "goal_ppm": tuning.goal_ppm,
        "candidates": tuning.candidates,
        "stopped": tuning.stopped,
        "verdict": str(tuning.verdict),
        "sentence": sentence(tuning),
        "gain_percent": tuning.gain_percent,
        "today": {
            "strategy": tuning.current.strategy,
            "settings": settings_of(tuning.current),
            **data_of(tuning.current_figures),
        },
        "found": {"settings": settings_of(tuning.best), **data_of(tuning.best_figures)},
        "unseen": data_of(tuning.held_out),
        "today_unseen": data_of(tuning.current_held_out),
        "folds": [
            {
                "days": list(fold.days),
                "settings": settings_of(fold.best),
                "searched": data_of(fold.searched),
                "unseen": data_of(fold.held_out),
                "today": data_of(fold.current),
            }
            for fold in tuning.folds
        ],
        "toml": toml(tuning, target),
    }
