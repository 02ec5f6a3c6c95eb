"""`demo`: run the app in the embedded region, on a day of demand or on one feature."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from chalicelib.config import loader
from headroom.commands.console import SafeConsole, app
from headroom.commands.demand_source import SumsOption, TraceOption
from headroom.commands.options import ConfigOption, OfStageOption, named_file, text_of
from headroom.demo.scenes import SCENES
from headroom.demo.scenes import play as play_scene
from headroom.demo.shop import CONFIG, TABLE, traffic
from headroom.simulation import pricing, receipt, traces
from headroom.simulation.clock import DAY

if TYPE_CHECKING:
    from headroom.demo.story import Story
    from headroom.region.region import Region

WIDTH = 80
#: So much lower is the demand before the sale: the alarm is OK again, and catches the onset.
LULL = 0.07
LEGEND = (
    "Units are a second's reads or writes. Small changes are summed up (--all: each).",
    "“left”: so many decreases DynamoDB still allows in the day.",
)


def _scenes(incomplete: str) -> list[str]:
    """Return the scenes that begin so: what the shell completes."""
    return [name for name in SCENES if name.startswith(incomplete)]


@app.command(epilog="Example: headroom demo --trace traffic.csv --days 2")
def demo(
    trace: TraceOption = None,
    days: Annotated[
        int, typer.Option(metavar="N", min=1, max=31, help="How many days to play.")
    ] = 1,
    sums: SumsOption = False,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    every_line: Annotated[bool, typer.Option("--all", help="Every change, one a line.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only the picture and the summary.")
    ] = False,
    scene: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Instead of demand, play one feature: {', '.join(SCENES)}.",
            autocompletion=_scenes,
        ),
    ] = "",
) -> None:
    """Play a day against the real app, in an embedded region."""
    console = SafeConsole(emoji=False, highlight=False)
    if scene:
        if scene not in SCENES:
            raise typer.BadParameter(f"there is no scene {scene!r}, only {', '.join(SCENES)}")
        if trace:
            raise typer.BadParameter("give either --trace FILE or --scene NAME")
        play_scene(scene, console)
        return
    console.width = min(WIDTH, console.width)
    demand = traces.load(trace, sums).cut(days).demand if trace else None
    text = _configuration(config_file, stage)
    minutes = len(demand) if demand else days * DAY
    console.print(f"{minutes:,} minutes of table orders and its index by-date, in simulated time.")
    if not quiet:
        for line in LEGEND:
            console.print(line, style="dim")
    raise typer.Exit(_play(console, demand or days, text, None if quiet else every_line))


def _configuration(file: Path | None, stage: str | None) -> str:
    """Return the text of the configuration that counts; it must manage the demo's table."""
    named = named_file(file, stage)
    if named is None:
        return CONFIG
    text = text_of(named)
    if not loader.load(text, str(named)).manages(TABLE):
        raise typer.BadParameter(
            f"the demo uses a table named {TABLE}, but no rule of the configuration names it"
        )
    return text


def _play(
    console: SafeConsole, demand: Sequence[float] | int, config: str, every_line: bool | None
) -> int:
    """Play a trace, or so many generated days. Return the exit status.

    every_line: every change in a line of its own; None prints no change at all.
    """
    # moto takes a second to import, and the first line is printed before
    from headroom.demo import day, story, terminal  # noqa: PLC0415

    trace = traffic(demand, lull=LULL) if isinstance(demand, int) else demand
    day_story = None if every_line is None else story.Story(console, every_line)
    with _progress(console) as progress:
        task = progress.add_task("", total=len(trace))
        result = day.play(
            trace,
            config,
            day_story.watch if day_story else lambda *_: None,
            lambda region: _on_minute(region, day_story, progress, task),
        )
    if day_story:
        day_story.close()
    prices = pricing.load()
    lines = receipt.lines([timeline.held for timeline in result.timelines], prices)
    console.print(Text.from_ansi(terminal.picture(result.timelines[0], console.width - 1)))
    console.print(terminal.comparison(lines, len(trace)))
    for line in terminal.closing_lines(result, lines, prices):
        console.print(line)
    console.print(f"Next, in the browser: {_headroom()} console --open. The rest: docs/start.md")
    return 0 if result.ended_well else 1


def _headroom() -> str:
    """Return how the command is called here: by its name, or as it was called."""
    return "headroom" if shutil.which("headroom") else sys.argv[0]


def _on_minute(region: Region, day_story: Story | None, progress: Progress, task: TaskID) -> None:
    progress.update(task, advance=1, description=f"{region.now:%a %H:%M}")
    if day_story:
        day_story.on_minute(region)


def _progress(console: SafeConsole) -> Progress:
    """Return the bar of simulated time. It is drawn on a terminal only, below the lines."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
