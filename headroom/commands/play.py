"""`demo` and `invoke`: the real app in the embedded region, or one message by hand."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from chalicelib import events, handlers, metrics
from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.model import Dimension, Target
from chalicelib.run import Report, Run
from headroom.commands.console import (
    DEFAULT_TOPIC,
    ConfigOption,
    TopicOption,
    console,
    progress_bar,
    rules_of,
    tell,
)
from headroom.demo import day as demos
from headroom.demo import terminal
from headroom.demo.scenes import PLAYS
from headroom.region.context import Invocation
from headroom.region.region import Region
from headroom.simulation import traces


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(invoke)


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
        str, typer.Option(help=f"Instead of demand, play one feature: {', '.join(PLAYS)}.")
    ] = "",
) -> None:
    """Play demand against the real app in an embedded region: alarms, decisions, capacity,
    thresholds."""
    if scene:
        _play(scene)
        return
    demand = traces.read(trace) if trace else traces.generated(days)
    text = config_file.read_text() if config_file else demos.CONFIG
    if not loader.load(text).manages(demos.TABLE):
        raise typer.BadParameter(
            f"the demo plays with a table named {demos.TABLE}, which no rule of the configuration names"
        )
    console.print(
        f"{len(demand):,} minutes of demand for table [bold]{demos.TABLE}[/] and its index {demos.INDEX}."
    )
    with progress_bar() as progress:
        task = progress.add_task("simulated", total=len(demand))

        def watch(region: Region, invocation: Invocation) -> None:
            if not quiet:
                terminal.changes(console, region, invocation)

        story = demos.play(demand, text, watch, lambda _: progress.advance(task))
    console.print(
        Text.from_ansi(terminal.picture(story.tracks[0], min(terminal.WIDTH, console.width - 1)))
    )
    console.print(terminal.summary(story))
    for line in terminal.ending(story):
        console.print(line)
    raise typer.Exit(0 if story.ended_well else 1)


def _play(scene: str) -> None:
    if scene not in PLAYS:
        raise typer.BadParameter(f"there is no scene {scene!r}, only {', '.join(PLAYS)}")
    PLAYS[scene](console)


def invoke(
    file: Annotated[
        Path,
        typer.Argument(
            help="One message: CloudWatch's JSON, an SNS event, a Lambda action; - for stdin."
        ),
    ],
    account: Annotated[
        bool,
        typer.Option(
            "--account", help="Against the account of your credentials, not the embedded region."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan in words; change nothing.")
    ] = False,
    config_file: ConfigOption = None,
    topic: TopicOption = DEFAULT_TOPIC,
) -> None:
    """Run one alarm message through the handler by hand."""
    text = sys.stdin.read() if str(file) == "-" else file.read_text()
    event = events.from_text(text)
    if account:
        run = Run(Aws(topic), rules_of(config_file), datetime.now(UTC), dry_run)
        tell(_handled(run, event), dry_run)
        return
    rules = loader.load(config_file.read_text() if config_file else '[[tables]]\nname = "*"\n')
    with Region() as region:
        if isinstance(event, events.AlarmEvent):
            _stage(region, event, text)
        tell(_handled(Run(Aws(topic), rules, region.now, dry_run), event), dry_run)


def _handled(run: Run, event: events.Event) -> Report:
    report = handlers.on_alarm(run, event)
    handlers.notify(run)
    return report


def _stage(region: Region, event: events.AlarmEvent, text: str) -> None:
    """Make the table and the alarm that a message speaks of, with load above the alarm's
    threshold."""
    trigger = _trigger(json.loads(text))
    try:
        period, threshold = (
            int(trigger.get("Period") or 60),
            float(trigger.get("Threshold") or 4800.0),
        )
    except (TypeError, ValueError):
        period, threshold = 0, 0.0
    if period <= 0 or not 0 < threshold < math.inf:
        raise typer.BadParameter(
            "the message's Trigger must have a number above 0 for its Period and its Threshold"
        )
    hot = threshold / period
    units = max(1, round(hot * 100 / Policy().alarm_percent))
    index = event.target.index
    region.create_table(
        event.target.table, units, units, {index: (units, units)} if index else None
    )
    region.client("cloudwatch").put_metric_alarm(
        AlarmName=event.alarm_name,
        Namespace=metrics.NAMESPACE,
        MetricName=metrics.CONSUMED[event.target.dimension],
        Dimensions=[{"Name": "TableName", "Value": event.target.table}]
        + ([{"Name": "GlobalSecondaryIndexName", "Value": index}] if index else []),
        Statistic="Sum",
        Period=period,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[Aws(DEFAULT_TOPIC).topic_arn],
    )
    load = [hot * 1.1] * 30
    region.serve(Target(event.target.table, index, event.target.dimension), load)
    region.run(len(load))
    sides = [str(dimension) for dimension in Dimension]
    where = f"{event.target.owner} with {units} units of {' and '.join(sides)}"
    console.print(
        f"Embedded region: {where}, {hot * 1.1:,.1f} units/s of {event.target.dimension}s."
    )


def _trigger(said: Any) -> dict[str, Any]:
    if "Records" in said:
        said = json.loads(said["Records"][0]["Sns"]["Message"])
    found = said.get("Trigger", {})
    return found if isinstance(found, dict) else {}
