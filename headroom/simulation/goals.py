"""What was really throttled, against the goals of the configuration (`goal_throttled_ppm`).

Nothing that Headroom runs in AWS reads a goal: it only says what `tune` is to find, and what
`status` and `doctor` compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import structs

from chalicelib.config.policy import Policy
from chalicelib.metrics import SETTLED
from chalicelib.model import Target
from headroom.simulation import history, tuning
from headroom.simulation.outcome import parts_per_million
from headroom.simulation.parallel import parallel_map

if TYPE_CHECKING:
    from chalicelib.aws.client import Aws

#: The last whole UTC days that are compared. CloudWatch keeps minutes for 15 days (CloudWatch User
#: Guide, metrics retention, read 2026-11).
DAYS = 14
#: So many targets that miss their goal are replayed: those that miss it by the most. A replay of 14
#: days takes some three seconds.
MOST_REPLAYS = 20
#: The highest throttle_price of the configuration.
HIGHEST_PRICE = 10_000.0
#: What is tried where the price alone is searched: the grid, without moves.
PRICES_ONLY: Mapping[str, Sequence[float]] = {
    "throttle_price": (*tuning.LADDERS["throttle_price"], 1_000.0, 3_000.0, HIGHEST_PRICE)
}
#: The goal where neither a command nor the configuration names one.
DEFAULT_GOAL_PPM = 100.0


@dataclass(frozen=True)
class GoalCheck:
    """A target with its goal, and what was throttled of its demand, in parts per million.

    replayed_ppm: what the same days throttle with the highest throttle_price, by a replay; None
    where the goal is met, or without a replay.
    """

    target: Target
    goal_ppm: float
    throttled_ppm: float
    replayed_ppm: float | None = None

    @property
    def is_met(self) -> bool:
        return self.throttled_ppm <= self.goal_ppm

    @property
    def is_out_of_reach(self) -> bool:
        """Tell whether no throttle_price reaches the goal."""
        return self.replayed_ppm is not None and self.replayed_ppm > self.goal_ppm

    @property
    def problem(self) -> str:
        """Return in a clause by how much the goal is missed."""
        found = (
            f"{self.target} throttled {self.throttled_ppm:,.0f} ppm in the last {DAYS} days, above "
            f"goal_throttled_ppm = {self.goal_ppm:g}"
        )
        if not self.is_out_of_reach:
            return found
        return (
            f"{found}; no throttle_price reaches it: in a replay the highest, {HIGHEST_PRICE:.0f}, "
            f"throttles {self.replayed_ppm:,.0f} ppm"
        )

    @property
    def remedy(self) -> str:
        """Return what to do about a goal that is missed."""
        if self.is_out_of_reach:
            return (
                "Give the target a higher min_units or a floor for these hours, or another goal "
                "(docs/policy.md, A goal)."
            )
        index = f" --index {self.target.index}" if self.target.index else ""
        return (
            f"Find the price that meets it: headroom tune --table {self.target.table}{index} "
            f"--dimension {self.target.dimension} --price-only (docs/policy.md, A goal)."
        )


def goal_ppm(given: float | None, policy: Policy) -> float:
    """Return the goal of a search: that of the command, of the configuration, or 100."""
    return given if given is not None else policy.goal_throttled_ppm or DEFAULT_GOAL_PPM


def check_goals(
    aws: Aws, policies: Mapping[Target, Policy], now: datetime, workers: int | None = None
) -> list[GoalCheck]:
    """Compare the last days with the goal of each target that has one.

    A target of which CloudWatch shows no demand is left out. Reads two metrics of each target with
    a goal, and four more where something was throttled. Of a target that misses its goal it reads
    the same again by the minute. workers: how many processes replay; without it, one for each
    processor.
    """
    goals = {t: policy.goal_throttled_ppm for t, policy in policies.items()}
    goals = {target: goal for target, goal in goals.items() if goal}
    end = (now - SETTLED).replace(hour=0, minute=0, second=0, microsecond=0)
    found = _throttled(aws, goals, end) if goals else []
    missed = sorted((one for one in found if not one.is_met), key=lambda one: -one.throttled_ppm)
    work = _work(aws, missed[:MOST_REPLAYS], policies, end)
    replayed = dict(zip(work, parallel_map(_ppm, list(work.values()), workers), strict=True))
    return [replace(one, replayed_ppm=replayed.get(one.target)) for one in found]


def _throttled(aws: Aws, goals: Mapping[Target, float], end: datetime) -> list[GoalCheck]:
    # boto3 takes long to import, and the other functions of this folder do not need it
    from chalicelib.aws.metrics import read_days  # noqa: PLC0415

    loads = read_days(aws, list(goals), end - timedelta(days=DAYS), end)
    checks = []
    for target, load in sorted(loads.items()):
        throttled = sum(load.throttled.known())
        demand = sum(load.consumed.known()) + throttled
        if demand:
            ppm = parts_per_million(throttled, demand)
            checks.append(GoalCheck(target, goals[target], ppm))
    return checks


def _work(
    aws: Aws, missed: Sequence[GoalCheck], policies: Mapping[Target, Policy], end: datetime
) -> dict[Target, tuple[list[float], Policy]]:
    """Return what is to be replayed of each target: its demand, and its policy with the highest
    price."""
    from chalicelib.aws.metrics import IncompleteError, read_demand  # noqa: PLC0415

    start = end - timedelta(days=DAYS)
    work: dict[Target, tuple[list[float], Policy]] = {}
    for target in (one.target for one in missed):
        with suppress(IncompleteError):  # without a replay, the price is left out
            past = history.of_values(read_demand(aws, target, start, end).values, start)
            if past:
                base = tuning.adaptive(policies[target])
                work[target] = past.demand, structs.replace(base, throttle_price=HIGHEST_PRICE)
    return work


def _ppm(work: tuple[Sequence[float], Policy]) -> float:
    """Return what a policy throttles of a demand. The first day has no day before it to learn from,
    and counts only if there is no other."""
    days = tuning.measure(work[0], None, work[1])
    return tuning.total(days[1:] or days).throttled_ppm
