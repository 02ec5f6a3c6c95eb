"""What to commit to, given how Headroom runs the tables: reserved capacity, and a Database Savings
Plan.

Reserved capacity counts for all tables of an account in a Region together, in blocks of 100 units
of the class Standard. It is not for replicated writes, nor on demand. A Database Savings Plan is a
sum of USD an hour for a year, for provisioned units and requests on demand of all Regions. Sources:
"Amazon DynamoDB reserved capacity", read 2026-10; AWS's announcement of Database Savings Plans,
December 2025.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.model import Dimension
from headroom.simulation.pricing import HOURS_A_MONTH, Prices, UnitPrices

#: Reserved capacity is bought in blocks. Source: "Amazon DynamoDB reserved capacity", read 2026-10.
BLOCK_UNITS = 100
#: Free a month: 25 read and 25 write units of the class Standard. Source: AWS Price List API,
#: us-east-1, as answered on 2026-10-08, whose first 18,600 unit-hours cost nothing.
FREE_UNIT_HOURS = 18_600
FREE_UNITS = 25
Hours = Sequence[float]


@dataclass(frozen=True)
class Reservation:
    """Reserved units of one dimension for one term.

    used_percent: how much of the last block is in use, in the mean of all hours.
    break_even_percent: from which use on a block pays. saves: USD a month. upfront: USD, once.
    """

    dimension: Dimension
    years: int
    units: int
    used_percent: float
    break_even_percent: float
    saves: float
    upfront: float


@dataclass(frozen=True)
class SavingsPlan:
    """A Database Savings Plan. commitment: USD an hour. saves: USD a month. break_even_percent:
    from which part of the hours on a committed dollar pays."""

    commitment: float
    saves: float
    break_even_percent: float


def reservations(held: Hours, dimension: Dimension, unit: UnitPrices) -> list[Reservation]:
    """Return what to reserve of one dimension, for each term that has a price.

    held: the units of all tables together, by the hour.
    """
    terms = (
        (1, unit.reserved_hour_1_year, unit.upfront_1_year),
        (3, unit.reserved_hour_3_years, unit.upfront_3_years),
    )
    return [
        _reservation(held, dimension, years, unit.unit_hour, reserved, upfront)
        for years, reserved, upfront in terms
        if 0 < reserved < unit.unit_hour
    ]


def _reservation(
    held: Hours, dimension: Dimension, years: int, price: float, reserved: float, upfront: float
) -> Reservation:
    units, saved, last = 0, 0.0, 0.0
    while True:
        used = sum(min(max(hour - units, 0.0), BLOCK_UNITS) for hour in held) / len(held)
        gain = used * price - BLOCK_UNITS * reserved
        if gain <= 0:
            break
        units, saved, last = units + BLOCK_UNITS, saved + gain, used
    return Reservation(
        dimension=dimension,
        years=years,
        units=units,
        used_percent=100 * last / BLOCK_UNITS,
        break_even_percent=100 * reserved / price,
        saves=saved * HOURS_A_MONTH,
        upfront=units * upfront,
    )


def savings_plan(listed: Hours, planned: Hours) -> SavingsPlan | None:
    """Return the commitment that saves most, None where the plan has no price.

    listed, planned: what each hour costs at the normal price, and under the plan. A dollar of
    commitment pays if it is used in more hours than the plan's price is of the normal one.
    """
    total = sum(listed)
    if not total or not 0 < sum(planned) < total:
        return None
    ratio = sum(planned) / total
    ordered = sorted(planned)
    commitment = ordered[min(len(ordered) - 1, int((1 - ratio) * len(ordered)))]
    covered = sum(min(hour, commitment) for hour in planned) / len(planned)
    saved = covered / ratio - commitment
    return SavingsPlan(commitment, max(0.0, saved) * HOURS_A_MONTH, 100 * ratio)


def free_month(held: Hours, unit: UnitPrices) -> float:
    """Return USD a month of the free units of one dimension, as far as they are in use."""
    mean = sum(held) / len(held) if held else 0.0
    return min(FREE_UNITS, mean) * unit.unit_hour * HOURS_A_MONTH


def added(series: Sequence[Hours]) -> list[float]:
    """Return the sums of some series by the hour, the newest hours together.

    A series that begins later than others has its lowest value before.
    """
    length = max(map(len, series), default=0)
    padded = [[min(one)] * (length - len(one)) + list(one) for one in series if one]
    return [sum(values) for values in zip(*padded, strict=True)]


def by_hour(minutes: Sequence[float]) -> list[float]:
    """Return the mean of each hour of some minutes."""
    hours = (minutes[first : first + 60] for first in range(0, len(minutes), 60))
    return [sum(hour) / len(hour) for hour in hours]


def all_reservations(held: dict[Dimension, Hours], prices: Prices) -> list[Reservation]:
    """Return what to reserve of both dimensions, as far as it saves anything."""
    found = (reservations(hours, d, prices.of(d)) for d, hours in held.items() if hours)
    return [one for of_dimension in found for one in of_dimension if one.units]
