"""Four tables in the embedded region, for the console, with different days; and the real app that
scales them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat

from chalicelib.model import Dimension, Target
from headroom.demo.shop import traffic
from headroom.region.region import Region
from headroom.simulation.clock import DAY, HOUR

#: Its demand is generated for so many days.
DAYS = 2
#: `reports` is in a dry run: it is shown, and stays as it is. The last rule manages the tables that
#: a message brings.
CONFIG = """\
[[tables]]
name = "reports"
dry_run = true

[[tables]]
name = "*"
"""
READ, WRITE = Dimension.READ, Dimension.WRITE
#: A campaign begins at 09:05 of each day: eight times the load at once, for 50 minutes.
CAMPAIGN, CAMPAIGN_MINUTES, CAMPAIGN_FACTOR = 9 * HOUR + 5, 50, 8
#: The batch reads at night.
BATCH, BATCH_MINUTES = 2 * HOUR, 45


def _in_part(start: int, minutes: int, inside: float, outside: float) -> list[float]:
    """Return a load for a part of each day, and another for the rest."""
    return [
        inside if start <= minute % DAY < start + minutes else outside
        for minute in range(DAYS * DAY)
    ]


def _sessions() -> list[float]:
    factors = _in_part(CAMPAIGN, CAMPAIGN_MINUTES, CAMPAIGN_FACTOR, 1.0)
    calm = [0.4 * rate + 10 for rate in traffic(DAYS, seed=3, mean=60.0)]
    return [rate * factor for rate, factor in zip(calm, factors, strict=True)]


#: The first units of each table, reads and writes, and of its indexes.
TABLES: dict[str, tuple[int, int, dict[str, tuple[int, int]]]] = {
    "orders": (60, 20, {"by-date": (25, 20)}),
    "sessions": (40, 40, {}),
    "reports": (150, 5, {}),
    "archive": (200, 100, {}),
}


def demand() -> dict[Target, Sequence[float]]:
    """Return the load of every target that has one, a value a minute."""
    orders, sessions = [rate / 4 for rate in traffic(DAYS)], _sessions()
    return {
        Target("orders", "", READ): orders,
        Target("orders", "", WRITE): [rate / 4 for rate in orders],
        Target("orders", "by-date", READ): [rate * 0.4 for rate in orders],
        Target("orders", "by-date", WRITE): [rate / 4 for rate in orders],
        Target("sessions", "", READ): sessions,
        Target("sessions", "", WRITE): [rate * 0.7 for rate in sessions],
        Target("reports", "", READ): _in_part(BATCH, BATCH_MINUTES, 130.0, 1.0),
        Target("reports", "", WRITE): [0.5] * (DAYS * DAY),
        Target("archive", "", READ): [2.0] * (DAYS * DAY),
    }


@contextmanager
def open_region(config: str = CONFIG) -> Iterator[Region]:
    """Make the tables at 00:00 of a Monday, and deploy the app with a configuration."""
    with Region() as region:
        for name, (reads, writes, indexes) in TABLES.items():
            region.create_table(name, reads, writes, indexes)
        region.deploy(config)
        for target, rates in demand().items():
            region.serve(target, rates)
        yield region


def raise_load(region: Region, target: Target, factor: float, minutes: int) -> None:
    """Multiply a target's load for some minutes from now on."""
    now, rates = region.minute, list(region.demand.get(target, ()))
    rates += [0.0] * (now + minutes - len(rates))
    factors = chain(repeat(1.0, now), repeat(factor, minutes), repeat(1.0))
    hot = [rate * by for rate, by in zip(rates, factors, strict=False)]
    region.serve(target, hot, region.hot_keys.get(target, ()))
