"""What a table, or the whole stage, costs in this calendar month, against its budget. Pure.

Provisioned units count, with the price of the list. Headroom's own cost, storage, free units and
discounts do not. What is unknown never prevents an increase.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec import structs

from chalicelib.core.throttling import lost_units
from chalicelib.metrics import history_end
from chalicelib.model import Dimension, Metrics, Number, Series, Target

HOUR = timedelta(hours=1)
#: The forecast expects the mean of so many days for the rest of the month.
RECENT_DAYS = timedelta(days=7)
#: The measured demand is the highest minute of so many newest ones. Older data show no demand of
#: now.
MEASURED = timedelta(minutes=10)
#: A budget is notified of at these percentages, each once a month.
LEVELS = (100, 80)


@dataclass(frozen=True, slots=True)
class Spending:
    """What a table with its indexes, or the whole stage, costs this month, in USD.

    of: the table's name, or "" for the stage. limit: `max_usd_month`. holds: whether `money_cap` is
    `hold`. spent: since the month began. forecast: until it ends. Both are None where they are
    unknown, and `unknown` says why.
    """

    of: str
    limit: float
    holds: bool
    spent: float | None = None
    forecast: float | None = None
    unknown: str = ""

    @property
    def percent(self) -> float | None:
        """Return the part of the budget that is spent."""
        return None if self.spent is None else 100 * self.spent / self.limit

    @property
    def caps(self) -> bool:
        """Tell whether nothing may be raised above the measured demand."""
        return self.holds and self.spent is not None and self.spent >= self.limit


def month_begin(now: datetime) -> datetime:
    """Return when the calendar month of `now` began. AWS bills calendar months in UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_end(now: datetime) -> datetime:
    """Return when the calendar month of `now` ends."""
    return month_begin(month_begin(now) + timedelta(days=32))


def first_hour(now: datetime) -> datetime:
    """Return from when on the units must be known: the month, and the days of the forecast."""
    return min(month_begin(now), history_end(now) - RECENT_DAYS)


def hourly_cost(units: Mapping[Target, Series], prices: Mapping[Dimension, float]) -> Series:
    """Return what some targets cost in each hour, in USD; None for an hour without a datapoint.

    units: the mean units of each hour. All series have the same hours. There is at least one.
    """
    first = next(iter(units.values()))
    charged = [prices[target.dimension] for target in units]
    hours = zip(*(series.values for series in units.values()), strict=True)
    return structs.replace(first, values=tuple(_sum(hour, charged) for hour in hours))


def _sum(units: Iterable[float | None], prices: Iterable[float]) -> float | None:
    pairs = zip(units, prices, strict=True)
    known = [count * price for count, price in pairs if count is not None]
    return sum(known) if known else None


def by_mode(units: Series, requests: Series) -> Series:
    """Return what a table that was on demand cost in each hour, in USD.

    units: what its units cost, nothing while it was on demand. requests: what its requests would
    cost on demand. Both have the same hours. From the first known hour on, an hour of which neither
    is known had no request.
    """
    pairs = zip(units.values, requests.values, strict=True)
    costs = [held or requested for held, requested in pairs]
    first = next((i for i, cost in enumerate(costs) if cost is not None), len(costs))
    return structs.replace(units, values=(*costs[:first], *(cost or 0.0 for cost in costs[first:])))


def add_up(costs: Series, hour_now: float, now: datetime) -> tuple[float, float]:
    """Return what was spent since the month began, and the forecast to its end, in USD.

    costs: by the hour, as far as they are known. hour_now: what an hour costs with the units of
    now; these count since the last known hour. An hour without a datapoint counts nothing, since
    the table may not have existed.
    """
    begin = month_begin(now)
    open_hours = max(timedelta(), now - max(begin, costs.end)) / HOUR
    spent = sum(costs.since(begin).known()) + open_hours * hour_now
    recent = costs.since(costs.end - RECENT_DAYS).known()
    rate = sum(recent) / len(recent) if recent else hour_now
    return spent, spent + rate * ((month_end(now) - now) / HOUR)


def ceiling(spending: Iterable[Spending], metrics: Metrics, now: datetime) -> int | None:
    """Return the units of the measured demand where a spent budget allows no more; else None.

    Also None where the demand is unknown.
    """
    if not any(one.caps for one in spending):
        return None
    recent = metrics.consumed.since(now - MEASURED)
    if not recent.known() or recent.end < now - MEASURED:
        return None
    throttled = lost_units(metrics).since(recent.start).known()
    return math.ceil(max(recent.known()) + max(throttled, default=0.0))


def numbers(spending: Iterable[Spending]) -> dict[str, Number]:
    """Return the budgets as a decision's numbers."""
    found: dict[str, Number] = {}
    for one in spending:
        prefix = "" if one.of else "stage_"
        spent = "unknown" if one.spent is None else round(one.spent, 2)
        found |= {f"{prefix}month_usd": spent, f"{prefix}max_usd_month": one.limit}
    return found


def sentence(one: Spending, now: datetime) -> str:
    """Return a budget in words."""
    name, limit = one.of or "the stage", f"max_usd_month {one.limit:,g}"
    if one.spent is None or one.percent is None:
        return f"{name}: what it has cost this month is unknown ({one.unknown}); {limit}"
    forecast = "" if one.forecast is None else f"; forecast to its end {one.forecast:,.2f}"
    return (
        f"{name} has cost {one.spent:,.2f} USD since 1 {month_begin(now):%B}, "
        f"{one.percent:.0f} % of {limit}{forecast}"
    )
