"""Which table class is the cheaper one for a table: Standard, or Standard-IA.

Standard-IA stores for less, and its throughput costs more. A table has one class, with its indexes.
It may be changed twice in 30 days. Source: Developer Guide, "DynamoDB table classes", read 2026-11.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.model import TableState, Target
from headroom.simulation.pricing import (
    HOURS_A_MONTH,
    INFREQUENT_ACCESS,
    Prices,
    UnitPrices,
    on_demand_month,
)

BYTES_A_GB = 1 << 30
NAMES = {"STANDARD": "Standard", INFREQUENT_ACCESS: "Standard-IA"}


@dataclass(frozen=True)
class ClassCosts:
    """What a table costs a month in each class, in USD: storage and throughput as it is now."""

    table: str
    table_class: str
    size_gb: float
    standard: float
    infrequent_access: float

    @property
    def now(self) -> float:
        is_standard = self.table_class == NAMES["STANDARD"]
        return self.standard if is_standard else self.infrequent_access

    @property
    def saves(self) -> float:
        """Return what the other class saves a month. It is negative where it costs more."""
        return self.now - (self.standard + self.infrequent_access - self.now)

    @property
    def other(self) -> str:
        return next(name for name in NAMES.values() if name != self.table_class)


def class_costs(
    table: TableState, demand: Mapping[Target, Sequence[float]], prices: Prices
) -> ClassCosts | None:
    """Return what a table costs in each class, None where a price is unknown."""
    other = prices.infrequent_access
    if other is None or not prices.gb_month:
        return None
    size = table.size_bytes / BYTES_A_GB
    standard = _throughput(table, demand, {t: prices.of(t.dimension) for t in demand})
    infrequent = _throughput(table, demand, {t: other.of(t.dimension) for t in demand})
    return ClassCosts(
        table=table.name,
        table_class=NAMES.get(table.table_class, table.table_class),
        size_gb=size,
        standard=standard + size * prices.gb_month,
        infrequent_access=infrequent + size * other.gb_month,
    )


def _throughput(
    table: TableState, demand: Mapping[Target, Sequence[float]], units: Mapping[Target, UnitPrices]
) -> float:
    return sum(_month(table, target, values, units[target]) for target, values in demand.items())


def _month(table: TableState, target: Target, values: Sequence[float], unit: UnitPrices) -> float:
    if table.on_demand:
        return on_demand_month(values, unit)
    return (table.units(target) or 0) * unit.unit_hour * HOURS_A_MONTH


def worth_changing(found: Iterable[ClassCosts], least_percent: float) -> list[ClassCosts]:
    """Return the tables for which the other class saves at least so much, the most first."""
    worth = [one for one in found if one.saves > 0 and one.saves * 100 >= one.now * least_percent]
    return sorted(worth, key=lambda one: -one.saves)
