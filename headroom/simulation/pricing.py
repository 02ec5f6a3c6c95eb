"""Prices, read from one data file that says where they come from and when."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec

from chalicelib.model import Dimension

FILE = Path(__file__).parent / "prices.toml"
HOURS_A_MONTH = 730
SECONDS_A_MINUTE = 60


class PriceError(ValueError):
    """A price file is wrong; the text says where."""


class UnitPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD for one dimension."""

    unit_hour: float
    million_requests: float
    reserved_hour_1_year: float

    @property
    def break_even_percent(self) -> float:
        """Return the mean utilisation below which on-demand is cheaper than any provisioned
        capacity."""
        return 100 * self.unit_hour / (3600 * self.million_requests / 1e6)


class OwnPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD for what Headroom itself uses."""

    alarm_month: float
    metric_read: float
    invocation: float
    gb_second: float


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole price file."""

    region: str
    table_class: str
    read_on: date
    source: str
    read: UnitPrices
    write: UnitPrices
    headroom: OwnPrices

    def of(self, dimension: Dimension) -> UnitPrices:
        return self.read if dimension is Dimension.READ else self.write


def load(path: Path = FILE) -> Prices:
    """Return the prices. Raises PriceError with the path of what is wrong."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Prices)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PriceError(f"{path}: {error}") from None


def month(unit_hours: float, minutes: int, price: float) -> float:
    """Return USD a month for unit-hours that were spent in `minutes`."""
    return unit_hours * price * HOURS_A_MONTH * 60 / minutes


def on_demand_month(demand: Sequence[float], prices: UnitPrices) -> float:
    """Return USD a month for serving this demand (units per second, a value a minute) on demand."""
    requests = sum(demand) * SECONDS_A_MINUTE
    return requests / 1e6 * prices.million_requests * HOURS_A_MONTH * 60 / len(demand)
