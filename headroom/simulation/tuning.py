"""Search the adaptive strategy's few settings on a history, and check every find on days that were
not searched on.

A candidate is replayed once, over the whole history, so that each day has the days before it to
lean on; what it cost and throttled is kept by the day. The first day has none before it: it is
replayed, and never counted. The other days are dealt out into folds, one after the other, so that
each fold has days of every week. Then the same search is made once with each fold left out, and
what it finds is judged on that fold alone; and once on all days, for what is to be pasted.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial, reduce
from itertools import product

from msgspec import structs

from chalicelib.config.policy import Policy, make_policy
from chalicelib.model import Target
from headroom.simulation.compare import first_units
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.parallel import spread
from headroom.simulation.replay import HOUR, replay
from headroom.simulation.traces import DAY

LADDERS: Mapping[str, Sequence[float]] = {
    "burst_trust_percent": range(0, 101, 10),
    "burst_keep_percent": range(0, 101, 10),
    "throttle_price": (10.0, 15.0, 20.0, 30.0, 45.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0),
    "insurance_percent": range(0, 301, 25),
}
"""The values that a setting is searched among, besides today's."""
COARSE: Mapping[str, Sequence[float]] = {
    "burst_trust_percent": (40, 80),
    "burst_keep_percent": (50, 100),
    "throttle_price": (30.0, 150.0),
    "insurance_percent": (0, 100, 200),
}
"""The grid that a search begins with; today's value stands in for the nearest of each."""
STEPS = (2, 1)
"""How far along its ladder each setting is moved from the best, round after round."""
MOST_CANDIDATES = 60
FOLDS = 3
FEWEST_DAYS = 3
"""One to begin with, and two to judge each other."""
CLOSE_ENOUGH = 1.005
"""Of candidates that cost nearly the same, the one nearest to today's settings is taken."""
LEAST_GAIN_PERCENT = 1.0
"""A gain on days not searched on that is smaller than this is no reason to change anything."""


class TooShortError(ValueError):
    """The history has too few days to search on some and judge on others."""


@dataclass(frozen=True)
class Figures:
    """What some days came to: minutes, unit-hours, and sums of demand and throttled units over
    their minutes."""

    minutes: int = 0
    unit_hours: float = 0.0
    demanded: float = 0.0
    throttled: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.minutes + other.minutes,
            self.unit_hours + other.unit_hours,
            self.demanded + other.demanded,
            self.throttled + other.throttled,
        )

    @property
    def throttled_ppm(self) -> float:
        return self.throttled / self.demanded * 1e6 if self.demanded else 0.0


def total(figures: Iterable[Figures]) -> Figures:
    return reduce(Figures.__add__, figures, Figures())


@dataclass(frozen=True)
class Plan:
    """How thorough a search is."""

    coarse: Mapping[str, Sequence[float]] = field(default_factory=lambda: COARSE)
    steps: Sequence[int] = STEPS
    most: int = MOST_CANDIDATES
    workers: int | None = None


@dataclass(frozen=True)
class Fold:
    """Some days, and what was found without looking at them."""

    days: Sequence[int]
    found: Policy
    searched: Figures
    unseen: Figures
    today: Figures


class Verdict(StrEnum):
    """What the operator should do."""

    KEEP = "keep"
    ADOPT = "adopt"
    CLOSER = "closer"


@dataclass(frozen=True)
class Tuning:
    """What the search came to. today, found: a policy and its figures on all counted days."""

    goal_ppm: float
    today: Policy
    today_figures: Figures
    found: Policy
    found_figures: Figures
    folds: Sequence[Fold]
    candidates: int
    stopped: bool

    @property
    def unseen(self) -> Figures:
        """Return what the finds came to on the days that each was not searched on."""
        return total(fold.unseen for fold in self.folds)

    @property
    def today_unseen(self) -> Figures:
        return total(fold.today for fold in self.folds)

    @property
    def gain_percent(self) -> float:
        """Return how much cheaper the finds were than today's configuration, on days not searched
        on."""
        return 100 * (1 - self.unseen.unit_hours / self.today_unseen.unit_hours)

    @property
    def verdict(self) -> Verdict:
        if settings_of(self.found) == settings_of(self.today) and self.today.strategy == "adaptive":
            return Verdict.KEEP
        unseen_ppm, today_ppm = self.unseen.throttled_ppm, self.today_unseen.throttled_ppm
        if max(self.found_figures.throttled_ppm, unseen_ppm) <= self.goal_ppm:
            is_better = today_ppm > self.goal_ppm or self.gain_percent >= LEAST_GAIN_PERCENT
            return Verdict.ADOPT if is_better else Verdict.KEEP
        return Verdict.CLOSER if unseen_ppm < today_ppm > self.goal_ppm else Verdict.KEEP


def tune(
    demand: Sequence[float],
    today: Policy,
    goal_ppm: float,
    conditions: Conditions | None = None,
    plan: Plan | None = None,
    done: Callable[[int, int], None] = lambda _finished, _expected: None,
) -> Tuning:
    """Search for the cheapest settings that throttle no more than `goal_ppm`.

    done: called after each replay with how many are finished and how many are foreseen. A
    KeyboardInterrupt ends the search with the best so far. Raises TooShortError for less than three
    whole days.
    """
    search = _Search(demand, today, goal_ppm, conditions, plan or Plan(), done)
    stopped = False
    try:
        search.run()
    except KeyboardInterrupt:
        if not search.can_tell:
            raise
        stopped = True
    return search.outcome(stopped)


def counted_days(minutes: int) -> range:
    """Return the days of a history that are counted: whole ones, without the first. Raises
    TooShortError for fewer than two."""
    whole = minutes // DAY
    if whole < FEWEST_DAYS:
        raise TooShortError(
            f"the history has {whole} whole days; tuning needs {FEWEST_DAYS}, to search on some and judge on others"
        )
    return range(1, whole)


def folds_of(days: Sequence[int]) -> list[list[int]]:
    """Deal the days out into folds."""
    count = min(FOLDS, len(days))
    return [list(days[first::count]) for first in range(count)]


def measure(
    demand: Sequence[float], conditions: Conditions | None, policy: Policy
) -> list[Figures]:
    """Replay a history; return each whole day's figures."""
    outcome = replay(demand, policy, first_units(demand), conditions)
    return [
        _day(demand, outcome.units, outcome.throttled, day) for day in range(len(demand) // DAY)
    ]


def _day(
    demand: Sequence[float], units: Sequence[int], throttled: Sequence[float], day: int
) -> Figures:
    here = slice(day * DAY, (day + 1) * DAY)
    return Figures(DAY, sum(units[here]) / HOUR, sum(demand[here]), sum(throttled[here]))


class _Search:
    def __init__(
        self,
        demand: Sequence[float],
        today: Policy,
        goal_ppm: float,
        conditions: Conditions | None,
        plan: Plan,
        done: Callable[[int, int], None],
    ) -> None:
        self._measure = partial(measure, demand, conditions)
        self._today, self._goal_ppm, self._plan, self._done = today, goal_ppm, plan, done
        self._base = adaptive(today)
        self._all = tuple(counted_days(len(demand)))
        self._folds = folds_of(self._all)
        self._measured: dict[Policy, list[Figures]] = {}
        searched = [tuple(day for day in self._all if day not in fold) for fold in self._folds]
        self._views: dict[tuple[int, ...], dict[Policy, None]] = {
            days: {} for days in (self._all, *searched)
        }

    @property
    def can_tell(self) -> bool:
        return self._today in self._measured and self._base in self._measured

    def run(self) -> None:
        """Replay the grid, then move from each search's own best, with smaller and smaller
        steps."""
        grid = dict.fromkeys([self._base, *coarse(self._base, self._plan.coarse)])
        for pool in self._views.values():
            pool.update(grid)
        self._replay([self._today, *grid])
        for step in self._plan.steps:
            for days, pool in self._views.items():
                pool.update(dict.fromkeys(neighbours(self._best(days), step)))
            self._replay(_in_turn(list(self._views.values())))

    def _replay(self, wanted: Iterable[Policy]) -> None:
        new = [policy for policy in dict.fromkeys(wanted) if policy not in self._measured]
        new = new[: max(0, self._plan.most - len(self._measured))]
        expected = len(self._measured) + len(new)
        for policy, days in zip(new, spread(self._measure, new, self._plan.workers), strict=True):
            self._measured[policy] = days
            self._done(len(self._measured), expected)

    def _best(self, days: tuple[int, ...]) -> Policy:
        """Return the cheapest of a search's candidates that meets the goal, or else the one that
        throttles least."""
        found = {
            policy: self._on(policy, days)
            for policy in self._views[days]
            if policy in self._measured
        }
        good = {
            policy: figures
            for policy, figures in found.items()
            if figures.throttled_ppm <= self._goal_ppm
        }
        if not good:
            return min(
                found, key=lambda policy: (found[policy].throttled_ppm, found[policy].unit_hours)
            )
        least = min(figures.unit_hours for figures in good.values())
        near = [
            policy for policy, figures in good.items() if figures.unit_hours <= CLOSE_ENOUGH * least
        ]
        return min(
            near, key=lambda policy: (len(differing(policy, self._base)), good[policy].unit_hours)
        )

    def _on(self, policy: Policy, days: Iterable[int]) -> Figures:
        return total(self._measured[policy][day] for day in days)

    def outcome(self, stopped: bool) -> Tuning:
        found = self._best(self._all)
        return Tuning(
            goal_ppm=self._goal_ppm,
            today=self._today,
            today_figures=self._on(self._today, self._all),
            found=found,
            found_figures=self._on(found, self._all),
            folds=[self._fold(fold) for fold in self._folds],
            candidates=len(self._measured),
            stopped=stopped,
        )

    def _fold(self, fold: Sequence[int]) -> Fold:
        searched = tuple(day for day in self._all if day not in fold)
        found = self._best(searched)
        return Fold(
            fold,
            found,
            self._on(found, searched),
            self._on(found, fold),
            self._on(self._today, fold),
        )


def adaptive(today: Policy) -> Policy:
    """Return today's policy, or, where it has another strategy, the adaptive one within the same
    bounds."""
    if today.strategy == "adaptive":
        return today
    kept = (
        "min_units",
        "max_units",
        "alarm_period_seconds",
        "alarm_evaluation_periods",
        "scale_up",
        "scale_down",
    )
    return make_policy(**{setting: getattr(today, setting) for setting in kept})


def coarse(base: Policy, levels: Mapping[str, Sequence[float]]) -> list[Policy]:
    """Return the grid around a policy. Without insurance its price has no meaning, so only one is
    tried."""
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
    """Return the policies one move away: one setting, so many rungs of its ladder up or down."""
    return [
        structs.replace(policy, **{setting: value})
        for setting, ladder in LADDERS.items()
        if setting != "throttle_price" or policy.insurance_percent > 0
        for value in _moves(getattr(policy, setting), ladder, step)
    ]


def _moves(value: float, ladder: Sequence[float], step: int) -> list[float]:
    lower = ladder[max(0, bisect_left(ladder, value) - step)]
    upper = ladder[min(len(ladder) - 1, bisect_right(ladder, value) - 1 + step)]
    return ([lower] if lower < value else []) + ([upper] if upper > value else [])


def _in_turn(pools: Sequence[Iterable[Policy]]) -> list[Policy]:
    """Return all pools' policies, one of each in turn, so that a limit cuts all alike."""
    ranked = sorted(
        (place, number, policy)
        for number, pool in enumerate(pools)
        for place, policy in enumerate(pool)
    )
    return [policy for _, _, policy in ranked]


def settings_of(policy: Policy) -> dict[str, float]:
    """Return the settings that are searched."""
    return {setting: getattr(policy, setting) for setting in LADDERS}


def differing(policy: Policy, other: Policy) -> list[str]:
    """Return the searched settings in which two policies differ."""
    return [setting for setting in LADDERS if getattr(policy, setting) != getattr(other, setting)]


def changed(tuning: Tuning) -> list[str]:
    """Return the lines of configuration in which the find differs from the defaults."""
    lines = [
        f"{name} = {json.dumps(getattr(tuning.found, name))}"
        for name in differing(tuning.found, make_policy())
    ]
    return lines if tuning.today.strategy == "adaptive" else ['strategy = "adaptive"', *lines]


def toml(tuning: Tuning, target: Target | None) -> str:
    """Return what to paste: for a target its table's rule, for a trace the defaults; only what
    differs from the defaults."""
    return "\n".join([*_heading(target), *changed(tuning)])


def _heading(target: Target | None) -> list[str]:
    if target is None:
        return ["[defaults]"]
    lines = ["[[tables]]", f"name = {json.dumps(target.table)}", ""]
    if target.index:
        return [
            *lines,
            "[[tables.indexes]]",
            f"name = {json.dumps(target.index)}",
            "",
            f"[tables.indexes.{target.dimension}]",
        ]
    return [*lines, f"[tables.{target.dimension}]"]


def to_remove(tuning: Tuning) -> list[str]:
    """Return the settings that today's configuration gives and the find leaves at their
    defaults."""
    plain = make_policy()
    return [
        name
        for name in differing(tuning.today, plain)
        if name not in differing(tuning.found, plain)
    ]


def leans_more_on_burst(tuning: Tuning) -> bool:
    """Tell whether the find trusts the burst bucket more, or keeps it emptier, than today's
    settings."""
    found, today = tuning.found, tuning.today
    return (
        found.burst_trust_percent > today.burst_trust_percent
        or found.burst_keep_percent < today.burst_keep_percent
    )


def sentence(tuning: Tuning) -> str:
    """Say what the search came to, and what to do."""
    goal, unseen, today = (
        f"{ppm:,.0f} ppm"
        for ppm in (tuning.goal_ppm, tuning.unseen.throttled_ppm, tuning.today_unseen.throttled_ppm)
    )
    match tuning.verdict:
        case Verdict.ADOPT if tuning.today_unseen.throttled_ppm > tuning.goal_ppm:
            return (
                f"Today's configuration throttles {today}; what was found throttles {unseen} on days not searched on, "
                f"and is {_cost(tuning)}."
            )
        case Verdict.ADOPT:
            return f"What was found is {tuning.gain_percent:.1f} % cheaper on days not searched on, and throttles {unseen} there."
        case Verdict.CLOSER:
            return (
                f"The goal of {goal} is not met on days not searched on: what was found throttles {unseen} there, "
                f"today's configuration {today}; it is {_cost(tuning)}."
            )
        case _:
            return f"Keep what you have: {_why_keep(tuning)}."


def _cost(tuning: Tuning) -> str:
    gain = tuning.gain_percent
    return f"{gain:.1f} % cheaper" if gain >= 0 else f"{-gain:.1f} % dearer"


def _why_keep(tuning: Tuning) -> str:
    goal, unseen, least = (
        tuning.goal_ppm,
        tuning.unseen.throttled_ppm,
        tuning.found_figures.throttled_ppm,
    )
    if tuning.today_unseen.throttled_ppm > goal and least > goal:
        return (
            f"no candidate meets the goal of {goal:,.0f} ppm; the best throttles {least:,.0f}, "
            f"and {unseen:,.0f} on days not searched on"
        )
    if unseen > goal:
        return f"what was found throttles {unseen:,.0f} ppm on days not searched on, more than the goal of {goal:,.0f}"
    if not differing(tuning.found, tuning.today):
        return "no candidate is cheaper and meets the goal"
    return f"on days not searched on, what was found is {_cost(tuning)}"


def as_data(
    tuning: Tuning, target: Target | None, month: Callable[[Figures], float]
) -> dict[str, object]:
    """Return what --json prints. month: USD a month for figures."""

    def shown(figures: Figures) -> dict[str, float]:
        return {"cost_month": month(figures), "throttled_ppm": figures.throttled_ppm}

    return {
        "goal_ppm": tuning.goal_ppm,
        "candidates": tuning.candidates,
        "stopped": tuning.stopped,
        "verdict": str(tuning.verdict),
        "sentence": sentence(tuning),
        "gain_percent": tuning.gain_percent,
        "today": {
            "strategy": tuning.today.strategy,
            "settings": settings_of(tuning.today),
            **shown(tuning.today_figures),
        },
        "found": {"settings": settings_of(tuning.found), **shown(tuning.found_figures)},
        "unseen": shown(tuning.unseen),
        "today_unseen": shown(tuning.today_unseen),
        "folds": [
            {
                "days": list(fold.days),
                "settings": settings_of(fold.found),
                "searched": shown(fold.searched),
                "unseen": shown(fold.unseen),
                "today": shown(fold.today),
            }
            for fold in tuning.folds
        ],
        "toml": toml(tuning, target),
    }
