"""The table of docs/policy.md about longer alarms, generated from replays of a step.

The load of 2 units a second becomes 20, in five replays at another minute each.
"""

from collections.abc import Iterator
from statistics import fmean

from chalicelib.config.policy import make_policy
from chalicelib.model import Dimension, Target
from headroom.project import ROOT
from headroom.simulation.replay import TABLE, Replay

FILE = ROOT / "docs" / "policy.md"
BEGIN, END = "<!-- longer alarms: `python -m headroom.alarm_lengths` -->\n", "<!-- end -->\n"
#: alarm_period_seconds and alarm_evaluation_periods.
ALARMS = ((60, 1), (60, 5), (300, 1), (900, 1))
STRATEGIES = ("adaptive", "percent")
BEFORE, AFTER = 61, 90
LOW, HIGH, UNITS = 2.0, 20.0, 5
TARGET = Target(TABLE, "", Dimension.READ)


def throttled(strategy: str, period: int, periods: int) -> int:
    """Return the requests that are throttled after the step, in the mean of the replays."""
    policy = make_policy(
        strategy=strategy, alarm_period_seconds=period, alarm_evaluation_periods=periods
    )
    sums = []
    for phase in range(5):
        demand = {TARGET: [LOW] * (BEFORE + phase) + [HIGH] * AFTER}
        outcome = Replay(demand, {TARGET: policy}, {TARGET: UNITS}).run()[TARGET]
        sums.append(sum(outcome.throttled) * 60)
    return round(fmean(sums))


def lines() -> Iterator[str]:
    """Yield the table, a row for each alarm."""
    yield (
        "| `alarm_period_seconds` | `alarm_evaluation_periods` | "
        + " | ".join(f"throttled, `{strategy}`" for strategy in STRATEGIES)
        + " |"
    )
    yield "|---|---|---|---|"
    for period, periods in ALARMS:
        found = (f"{throttled(strategy, period, periods):,}" for strategy in STRATEGIES)
        yield f"| {period} | {periods} | " + " | ".join(found) + " |"


def page(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}" + "".join(f"{line}\n" for line in lines()) + f"{END}{after}"


if __name__ == "__main__":
    FILE.write_text(page(FILE.read_text()))
