"""What the demo runs: a table with an index, its configuration and its traffic."""

import math
import random

from chalicelib.model import Dimension
from headroom.simulation.clock import DAY

TABLE, INDEX = "orders", "by-date"
CONFIG = '[[tables]]\nname = "orders"\n'
#: The part of the trace that each target serves. Each write to the table is also one to its index.
SHARES = {
    ("", Dimension.READ): 1.0,
    ("", Dimension.WRITE): 0.25,
    (INDEX, Dimension.READ): 0.4,
    (INDEX, Dimension.WRITE): 0.25,
}
#: When the sale of each day starts.
SALE_HOUR = 14.5
#: So long before the sale the demand may be lower, in minutes.
LULL_MINUTES = 20


def traffic(days: int = 1, seed: int = 7, mean: float = 400.0, lull: float = 0.0) -> list[float]:
    """Return the demand of a shop: units per second, a value a minute.

    It is low at night, rises from 07:00 to 09:00, and falls from 19:00 to 22:00. At 14:30 a sale
    starts: the demand jumps within one minute, stays for 20, and then falls. Noise is 4 percent.
    lull: by which part the demand is lower in the minutes before the sale, as people wait for it.
    """
    rng = random.Random(seed)  # noqa: S311  a repeatable shape, not a secret
    demand = []
    for minute in range(days * DAY):
        hour = minute % DAY / 60
        opens, closes = 1 / (1 + math.exp((8 - hour) / 0.55)), 1 / (1 + math.exp((hour - 20) / 0.8))
        since = (hour - SALE_HOUR) * 60
        sale = 2.4 * min(1.0, math.exp((20 - since) / 12)) if since >= 0 else 0.0
        level = 0.25 + 1.25 * opens * closes + sale
        if 0 < SALE_HOUR * 60 - minute % DAY <= LULL_MINUTES:
            level *= 1 - lull
        demand.append(round(max(0.0, mean * level * rng.gauss(1.0, 0.04)), 2))
    return demand
