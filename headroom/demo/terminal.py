"""What the terminal shows: decisions line by line, tables and pictures."""

from collections.abc import Sequence
from typing import Any

import plotext
from rich.console import Console
from rich.table import Table

from chalicelib.metrics import CONSUMED
from headroom.demo.day import DemoResult, Timeline
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.tables import number_table

MARKS = {
    "on_alarm": "[bold red]alarm[/]",
    "follow_up": "[red]follow[/]",
    "scale_down": "[cyan]hourly[/]",
    "sweep": "[blue]sweep[/]",
}
WIDTH = 110


def print_changes(console: Console, region: Region, invocation: Invocation) -> None:
    """Print what a function changed, and why: one line for each target, with the alarm's new
    threshold."""
    lines = [_text(region, line) for line in invocation.logs]
    if invocation.error is not None:
        lines.append(f"failed: {invocation.error!r}")
    mark = MARKS.get(invocation.function, invocation.function)
    for text in filter(None, lines):
        console.print(f"{region.now:%a %H:%M}  {mark:<24} {text}", highlight=False, soft_wrap=True)


def _text(region: Region, line: dict[str, Any]) -> str:
    """Return the text of a log line, or nothing if the terminal does not show this line."""
    if line.get("kind") == "decision":
        return _change(region, line) if line["desired"] != line["current"] else ""
    is_shown = line.get("kind") in ("skip", "failure") or line.get("action") in (
        "CreateAlarm",
        "DeleteAlarms",
    )
    return str(line["message"]) if is_shown else ""


def _change(region: Region, line: dict[str, Any]) -> str:
    owner = f"{line['table']}/{line['index']}" if line["index"] else line["table"]
    name = f"{owner}:{line['dimension']}"
    arrow, colour = ("▲", "red") if line["desired"] > line["current"] else ("▼", "green")
    alarm = region.cloudwatch.alarms.get(f"headroom-{name}")
    threshold = f"{alarm.fields['Threshold']:,.0f}" if alarm else "–"
    return (
        f"{name:<22} [{colour}]{arrow} {line['current']:>6,} → {line['desired']:>6,}[/]  "
        f"{line['reason']:<16} threshold {threshold:>9}  "
        f"{line['numbers'].get('decreases_left', '–'):>2} decreases left"
    )


def summary(result: DemoResult) -> Table:
    """Return the table at the end of a demo."""
    headings = (
        "target",
        "peak",
        "unit-hours",
        "fixed at peak",
        "saved",
        "throttled requests",
        "ppm",
        "units now",
    )
    return number_table("Results", headings, map(_cells, result.timelines))


def _cells(timeline: Timeline) -> tuple[str, ...]:
    fixed = timeline.fixed_unit_hours
    return (
        str(timeline.target),
        f"{max(timeline.demand):,.0f}",
        f"{timeline.unit_hours:,.0f}",
        f"{fixed:,.0f}",
        f"{100 - 100 * timeline.unit_hours / fixed:.0f} %" if fixed else "–",
        f"{timeline.throttled_requests:,.0f}",
        f"{timeline.throttled_ppm:,.0f}",
        f"{timeline.units[-1]:,}",
    )


def closing_lines(result: DemoResult) -> list[str]:
    """Return the last sentences of a demo."""
    return [
        f"{result.decreases} decreases used, {result.refused} refused by DynamoDB, "
        f"{result.dead_letters} events lost, {result.calls:,} API calls.",
        f"Alarms stuck: {', '.join(result.stuck)}" if result.stuck else "No alarm is stuck.",
    ]


def picture(timeline: Timeline, width: int = WIDTH, height: int = 22) -> str:
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
