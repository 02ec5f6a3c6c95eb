"""What the terminal shows at the end of the demo: a picture, and the same minutes run by others."""

from collections.abc import Sequence

import plotext
from rich import box
from rich.table import Table

from chalicelib.metrics import CONSUMED
from headroom.counted import counted
from headroom.demo.day import DemoResult, Timeline
from headroom.simulation import receipt
from headroom.simulation.pricing import Prices
from headroom.tables import number_table

WIDTH = 79


def comparison(lines: Sequence[receipt.Line], minutes: int) -> Table:
    """Return the table of what each way to run the table costs and throttles."""
    table = number_table(
        "The same minutes, run by others",
        ("", "USD a month", "throttled minutes", "requests"),
        box=box.SIMPLE_HEAD,
    )
    for line in lines:
        table.add_row(
            line.name,
            f"{receipt.a_month(line.usd, minutes):,.0f}",
            f"{line.throttled_minutes:,}",
            f"{line.throttled_requests:,.0f}",
            style="bold green" if line.name == receipt.HEADROOM else None,
        )
    return table


def closing_lines(
    result: DemoResult, lines: Sequence[receipt.Line] = (), prices: Prices | None = None
) -> list[str]:
    """Return the last sentences of a demo."""
    stuck = f"Alarms stuck: {', '.join(result.stuck)}." if result.stuck else "No alarm is stuck."
    source = (
        f"Prices: {prices.region}, read {prices.read_on:%Y-%m}; without Headroom's own cost."
        if prices
        else ""
    )
    sentences = (
        receipt.saving(lines) if lines else "",
        source,
        f"{counted(result.decreases, 'decrease')} used, {result.refused} refused by DynamoDB, "
        f"{result.dead_letters} events lost.",
        f"{result.calls:,} API calls. {stuck}",
    )
    return [sentence for sentence in sentences if sentence]


def picture(timeline: Timeline, width: int = WIDTH, height: int = 16) -> str:
    """Return demand, capacity and the alarm's level over time as text. Each column shows the
    highest value of its minutes."""
    per_column = max(1, len(timeline.demand) // (width * 2))
    hours = [i / 60 for i in range(0, len(timeline.demand), per_column)]
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.theme("clear")
    plotext.plot_size(width, height)
    plotext.title(
        f"{timeline.target} ({CONSUMED[timeline.target.dimension]}), units per second over hours"
    )
    for values, label, colour in (
        (timeline.demand, "demand", "blue"),
        ([level or 0.0 for level in timeline.alarm_level], "alarm level", "orange"),
        (timeline.units, "capacity", "green"),
    ):
        plotext.plot(
            hours, _columns(values, per_column), label=label, marker="braille", color=colour
        )
    return str(plotext.build())


def _columns(values: Sequence[float], size: int) -> list[float]:
    return [max(values[i : i + size]) for i in range(0, len(values), size)]
