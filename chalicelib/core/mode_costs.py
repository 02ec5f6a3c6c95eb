"""What a table costs in each hour of its week, provisioned and on demand, and the cheapest way
through the coming week. Pure.

Capacity that Headroom would hold is estimated, since a replay by the minute takes seconds of a
processor for each target. Over the 27 traces of the benchmark the estimate is 0.79 to 1.08 times
the replay, 0.98 in the geometric mean (docs/decisions/0008-modes-by-an-estimate.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

from msgspec import Struct

from chalicelib.config import windows
from chalicelib.config.policy import Policy
from chalicelib.core.price_list import UnitHours
from chalicelib.model import Series, Target

HOUR, WEEK_HOURS = timedelta(hours=1), 168
#: Five-minute means in an hour.
BINS = 12
#: In so many hours a table goes on demand once. DynamoDB takes four such switches in any 24 hours;
#: the way back is free at any time. Source: Developer Guide, "Considerations when switching
#: capacity modes in DynamoDB", read 2026-11.
APART_HOURS = 6
#: A switch takes "several minutes" (the same page). For so much of an hour both modes are paid.
TRANSITION_HOURS = 0.25
#: The other mode counts for so much more than it costs: only then is a switch worth it.
MARGIN = 1.1
#: Each switch must save this share of what an average day costs, a stay in the other mode twice as
#: much. Without it, what is noise in two weeks made one trace of the benchmark switch 25 times, for
#: 1 % more; with it 4 times, for 0.1 % more.
LEAST_SHARE = 0.05
#: Of the hours of a week, so many must be known.
FEWEST_HOURS = 160


class HourCost(Struct, frozen=True):
    """What a table with its indexes costs in an hour, in USD, in each mode."""

    provisioned: float
    on_demand: float


class Way(Struct, frozen=True):
    """The cheapest way through a week.

    switches: whether it begins with a switch. on_demand: whether each hour is on demand. cost:
    USD of these hours and of the switches, without the margin.
    """

    switches: bool
    on_demand: Sequence[bool]
    cost: float


def coming_week(
    days: Mapping[Target, Series],
    policies: Mapping[Target, Policy],
    unit_hours: UnitHours,
    request_hours: UnitHours,
    first: datetime,
) -> list[HourCost] | None:
    """Return the costs of the 168 hours from `first` on, as in the same hours of past weeks.

    days: the five-minute demand of every target of the table, for the same time, to a full hour.
    first: a full hour. unit_hours, request_hours: USD for a unit a second for an hour, provisioned
    and on demand. None if too few hours of the week are known.
    """
    past = list(_past_hours(days, policies, unit_hours, request_hours))
    start = next(iter(days.values())).start
    offset = int((first - start) / HOUR)
    week: list[HourCost | None] = [
        _mean([past[i] for i in range((offset + k) % WEEK_HOURS, len(past), WEEK_HOURS)])
        for k in range(WEEK_HOURS)
    ]
    usual = _mean(week)
    if usual is None or sum(hour is not None for hour in week) < FEWEST_HOURS:
        return None
    return [hour or usual for hour in week]


def _past_hours(
    days: Mapping[Target, Series],
    policies: Mapping[Target, Policy],
    unit_hours: UnitHours,
    request_hours: UnitHours,
) -> Iterator[HourCost | None]:
    """Yield the cost of each past hour; None where the demand of a target is unknown."""
    used = {target: list(_hourly(series)) for target, series in days.items()}
    start = next(iter(days.values())).start
    for i in range(min(map(len, used.values()))):
        at, provisioned, on_demand = start + i * HOUR, 0.0, 0.0
        known = {target: hours[i] for target, hours in used.items()}
        for target, hour in known.items():
            mean, held = hour or (0.0, 0.0)
            units = _within(policies[target], held, at)
            provisioned += units * unit_hours[target.dimension]
            on_demand += mean * request_hours[target.dimension]
        yield HourCost(provisioned, on_demand) if all(known.values()) else None


def _hourly(series: Series) -> Iterator[tuple[float, float] | None]:
    """Yield the mean demand of each hour, and the units that Headroom would hold for it.

    That is halfway between the mean and the highest five minutes of this hour and the last one.
    """
    before = 0.0
    for i in range(0, len(series.values) - BINS + 1, BINS):
        known = [value for value in series.values[i : i + BINS] if value is not None]
        if not known:
            yield None
            continue
        mean, highest = sum(known) / len(known), max(known)
        yield mean, (mean + max(highest, before)) / 2
        before = highest


def _within(policy: Policy, units: float, at: datetime) -> float:
    """Return units within the bounds of a policy."""
    floor = windows.floor_units(policy.windows, at)
    return min(max(units, floor, policy.min_units), policy.max_units)


def _mean(hours: Sequence[HourCost | None]) -> HourCost | None:
    known = [hour for hour in hours if hour]
    if not known:
        return None
    return HourCost(
        sum(hour.provisioned for hour in known) / len(known),
        sum(hour.on_demand for hour in known) / len(known),
    )


def cheapest_way(week: Sequence[HourCost], on_demand: bool, rest: int) -> Way:
    """Return the cheapest way through the hours.

    on_demand: the mode now. rest: hours until the table may go on demand again.
    """
    return _Ways(week, on_demand).way(on_demand, rest)


class _Ways:
    """The cheapest ways from each hour, mode and rest: dynamic programming from the end."""

    def __init__(self, week: Sequence[HourCost], now_on_demand: bool) -> None:
        self._week, self._now = week, now_on_demand
        modes = [sum(h.provisioned for h in week), sum(h.on_demand for h in week)]
        self._least = LEAST_SHARE * min(modes) * 24 / len(week)
        self._cost = cache(self._best)
        for k in range(len(week) - 1, -1, -1):  # from the end, so that nothing recurses deeply
            for mode in (False, True):
                for rest in range(APART_HOURS + 1):
                    self._cost(k, mode, rest)

    def way(self, on_demand: bool, rest: int) -> Way:
        modes, cost, begins = [], 0.0, False
        for k, hour in enumerate(self._week):
            switches = self._switch(k, on_demand, rest) < self._stay(k, on_demand, rest)
            begins = begins or (k == 0 and switches)
            if switches:
                cost += _transition(hour)
                on_demand, rest = not on_demand, _rest(not on_demand, rest)
            cost += hour.on_demand if on_demand else hour.provisioned
            rest = max(0, rest - 1)
            modes.append(on_demand)
        return Way(begins, modes, cost)

    def _best(self, k: int, on_demand: bool, rest: int) -> float:
        """Return the cost from hour k on, with the margin."""
        if k == len(self._week):
            return 0.0
        return min(self._stay(k, on_demand, rest), self._switch(k, on_demand, rest))

    def _stay(self, k: int, on_demand: bool, rest: int) -> float:
        hour = self._week[k]
        cost = hour.on_demand if on_demand else hour.provisioned
        factor = 1.0 if on_demand == self._now else MARGIN
        return cost * factor + self._cost(k + 1, on_demand, max(0, rest - 1))

    def _switch(self, k: int, on_demand: bool, rest: int) -> float:
        if not on_demand and rest:
            return float("inf")
        there = _rest(not on_demand, rest)
        cost = self._least + _transition(self._week[k])
        return cost + self._stay(k, not on_demand, there)


def _rest(to_on_demand: bool, rest: int) -> int:
    return APART_HOURS if to_on_demand else rest


def _transition(hour: HourCost) -> float:
    return TRANSITION_HOURS * (hour.provisioned + hour.on_demand)
