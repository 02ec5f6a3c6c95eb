"""Prices, read from one data file that names their source and their date."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from chalicelib.model import Dimension
from headroom import data_file
from headroom.simulation.clock import HOUR, MINUTE

FILE = Path(__file__).parent / "prices.toml"
HOURS_A_MONTH = 730
#: The class Standard-IA, as DynamoDB names it.
INFREQUENT_ACCESS = "STANDARD_INFREQUENT_ACCESS"


class UnitPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD for one dimension.

    reserved_hour: with the upfront payment spread over the term. plan: under a Database Savings
    Plan. A price of 0 is unknown, or not offered.
    """

    unit_hour: float
    million_requests: float
    reserved_hour_1_year: float
    reserved_hour_3_years: float = 0.0
    upfront_1_year: float = 0.0
    upfront_3_years: float = 0.0
    plan_unit_hour: float = 0.0
    plan_million_requests: float = 0.0

    @property
    def request_hour(self) -> float:
        """Return USD for a unit a second on demand for an hour."""
        return 3600 * self.million_requests / 1e6

    @property
    def break_even_percent(self) -> float:
        """Return the mean utilisation below which on-demand is the cheapest."""
        return 100 * self.unit_hour / self.request_hour


class ClassPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD in the class Standard-IA. It has no reserved capacity."""

    read_unit_hour: float
    write_unit_hour: float
    read_million_requests: float
    write_million_requests: float
    gb_month: float

    def of(self, dimension: Dimension) -> UnitPrices:
        if dimension is Dimension.READ:
            unit, requests = self.read_unit_hour, self.read_million_requests
        else:
            unit, requests = self.write_unit_hour, self.write_million_requests
        return UnitPrices(unit, requests, reserved_hour_1_year=unit)


class OwnPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD for what Headroom itself uses. log_gb: a GB that is written to CloudWatch Logs."""

    alarm_month: float
    metric_read: float
    invocation: float
    gb_second: float
    log_gb: float = 0.50


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a price file. gb_month: storage in the class Standard, 0 if unknown."""

    region: str
    table_class: str
    read_on: date
    source: str
    read: UnitPrices
    write: UnitPrices
    headroom: OwnPrices
    gb_month: float = 0.0
    infrequent_access: ClassPrices | None = None

    def of(self, dimension: Dimension) -> UnitPrices:
        return self.read if dimension is Dimension.READ else self.write

    def in_class(self, table_class: str, dimension: Dimension) -> UnitPrices:
        """Return the prices in a table's class; those of Standard if those of the class are
        unknown."""
        other = self.infrequent_access if table_class == INFREQUENT_ACCESS else None
        return other.of(dimension) if other else self.of(dimension)


def load(path: Path = FILE) -> Prices:
    """Return the prices of a file. Raises DataFileError, which names the wrong field."""
    return data_file.read(path, Prices)


def month(unit_hours: float, minutes: int, price: float) -> float:
    """Return USD a month for unit-hours that were used in `minutes`."""
    return unit_hours * price * HOURS_A_MONTH * HOUR / minutes


def on_demand_month(demand: Sequence[float], prices: UnitPrices) -> float:
    """Return USD a month for this demand on demand (units per second, a value a minute)."""
    return sum(demand) * MINUTE / 1e6 * prices.million_requests * HOURS_A_MONTH * HOUR / len(demand)


#: An on-demand unit in provisioned units, by the project's own price file, to two decimals.
ON_DEMAND_UNIT_PRICE = round(100 / load().read.break_even_percent, 2)
#: A throttled unit in the effective cost, in provisioned units: ten times its on-demand price.
THROTTLED_UNIT_PRICE = 10 * ON_DEMAND_UNIT_PRICE
