"""`demo`: run the app in the embedded region, on a day of demand or on one feature."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from chalicelib.config import loader
from headroom.commands.console import (
    app,
    console,
    progress_bar,
)
from headroom.commands.options import (
    ConfigOption,
    named_file,
)
from headroom.demo import day, terminal
from headroom.demo.scenes import SCENES
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.simulation import traces

#: So long the table of a message has its load before the message comes.
LOAD_MINUTES = 30


@app.command(epilog="Example: headroom demo --scene fleet")
def demo(
    trace: Annotated[
        Path | None,
        typer.Option(help="A CSV file, minute,demand (plain or .gz); else a generated day."),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=31, help="How many days to generate when no trace is given.")
    ] = 1,
    config_file: ConfigOption = None,
    quiet: Annotated[bool, typer.Option(help="Only the summary and the picture.")] = False,
    scene: Annotated[
        str, typer.Option(help=f"Instead of demand, play one feature: {', '.join(SCENES)}.")
    ] = "",
) -> None:
    """Play a day against the real app, in an embedded region."""
    if scene:
        if scene not in SCENES:
            raise typer.BadParameter(f"there is no scene {scene!r}, only {', '.join(SCENES)}")
        SCENES[scene](console)
        return
    demand = traces.read(trace) if trace else traces.generated(days)
    named = named_file(config_file)
    text = named.read_text() if named else day.CONFIG
    if not loader.load(text).manages(day.TABLE):
        raise typer.BadParameter(
            f"the demo uses a table named {day.TABLE}, but no rule of the configuration names it"
        )
    result = _play_day(demand, text, quiet)
    width = min(terminal.WIDTH, console.width - 1)
    console.print(Text.from_ansi(terminal.picture(result.timelines[0], width)))
    console.print(terminal.summary(result))
    for line in terminal.closing_lines(result):
        console.print(line)
    raise typer.Exit(0 if result.ended_well else 1)


def _play_day(demand: Sequence[float], config: str, quiet: bool) -> day.DemoResult:
    console.print(
        f"{len(demand):,} minutes of demand for table [bold]{day.TABLE}[/] "
        f"and its index {day.INDEX}."
    )

    def watch(region: Region, invocation: Invocation) -> None:
        if not quiet:
            terminal.print_changes(console, region, invocation)

    with progress_bar() as progress:
        task = progress.add_task("simulated", total=len(demand))
        return day.play(demand, config, watch, lambda _: progress.advance(task))
