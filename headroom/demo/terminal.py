"""What the terminal shows: decisions as they come, tables, pictures."""

from collections.abc import Sequence
from typing import Any

import plotext
from rich.console import Console
from rich.table import Table

from chalicelib.metrics import CONSUMED
from headroom.demo.day import Story, Track
from headroom.region.context import Invocation
from headroom.region.region import Region

MARKS = {
    "on_alarm": "[bold red]alarm[/]",
    "follow_up": "[red]follow[/]",
    "scale_down": "[cyan]hourly[/]",
    "sweep": "[blue]sweep[/]",
}
WIDTH = 110


def changes(console: Console, region: Region, invocation: Invocation) -> None:
    """Print what a function changed, and why: one line for each target, with the alarm's new
    threshold."""
    lines = [text for line in invocation.logs if (text := _told(region, line))]
    if invocation.error is not None:
        lines.append(f"failed: {invocation.error!r}")
    for text in lines:
        mark = MARKS.get(invocation.function, invocation.function)
        console.print(f"{region.now:%a %H:%M}  {mark:<24} {text}", highlight=False, soft_wrap=True)


def _told(region: Region, line: dict[str, Any]) -> str:
    """Return what of a log line an onlooker wants to see, or nothing."""
    if line.get("kind") == "decision":
        return _change(region, line) if line["desired"] != line["current"] else ""
    is_news = line.get("kind") in ("skip", "failure") or line.get("action") in (
        "CreateAlarm",
        "DeleteAlarms",
    )
    return str(line["message"]) if is_news else ""


def _change(region: Region, line: dict[str, Any]) -> str:
    owner = f"{line['table']}/{line['index']}" if line["index"] else line["table"]
    name = f"{owner}:{line['dimension']}"
    arrow, colour = ("▲", "red") if line["desired"] > line["current"] else ("▼", "green")
    alarm = region.cloudwatch.alarms.get(f"headroom-{name}")
    threshold = f"{alarm.fields['Threshold']:,.0f}" if alarm else "–"
    return (
        f"{name:<22} [{colour}]{arrow} {line['current']:>6,} → {line['desired']:>6,}[/]  {line['reason']:<16} "
        f"threshold {threshold:>9}  {line['numbers'].get('decreases_left', '–'):>2} decreases left"
    )


def summary(story: Story) -> Table:
    """Return the table at the end of a demo."""
    table = Table(title="What it came to", title_justify="left")
    for heading in (
        "target",
        "peak",
        "unit-hours",
        "fixed at peak",
        "saved",
        "throttled requests",
        "ppm",
        "units now",
    ):
        table.add_column(heading, justify="left" if heading == "target" else "right")
    for track in story.tracks:
        table.add_row(
            str(track.target),
            f"{max(track.demand):,.0f}",
            f"{track.unit_hours:,.0f}",
            f"{track.fixed_unit_hours:,.0f}",
            f"{100 - 100 * track.unit_hours / track.fixed_unit_hours:.0f} %"
            if track.fixed_unit_hours
            else "–",
            f"{track.throttled_requests:,.0f}",
            f"{track.throttled_ppm:,.0f}",
            f"{track.units[-1]:,}",
        )
    return table


def ending(story: Story) -> list[str]:
    """Return the closing sentences of a demo."""
    return [
        f"{story.decreases} decreases used, {story.refused} refused by DynamoDB, {story.dead_letters} events lost, "
        f"{story.calls:,} API calls.",
        f"Alarms stuck: {', '.join(story.stuck)}" if story.stuck else "No alarm is stuck.",
    ]


def picture(track: Track, width: int = WIDTH, height: int = 22) -> str:
    """Return demand, capacity and the alarm's level over time as text; each column shows its
    minutes' highest value."""
    per_column = max(1, len(track.demand) // (width * 2))
    hours = [i / 60 for i in range(0, len(track.demand), per_column)]
    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.theme("clear")
    plotext.plot_size(width, height)
    plotext.title(
        f"{track.target} ({CONSUMED[track.target.dimension]}), units per second over hours"
    )
    for values, label, colour in (
        (track.demand, "demand", "blue"),
        ([level or 0.0 for level in track.alarm_level], "alarm level", "orange"),
        (track.units, "capacity", "green"),
    ):
        plotext.plot(
            hours, _columns(values, per_column), label=label, marker="braille", color=colour
        )
    return str(plotext.build())


def _columns(values: Sequence[float], size: int) -> list[float]:
    return [max(values[i : i + size]) for i in range(0, len(values), size)]
