"""`demo` and `invoke`: run the app in the embedded region, on a day of demand or on one message."""

import json
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from chalicelib import events, handlers, metrics
from chalicelib.aws.client import Aws
from chalicelib.config import loader
from chalicelib.config.policy import Policy
from chalicelib.config.types import DEFAULT_TOPIC
from chalicelib.model import Dimension, Target
from chalicelib.run import Report, Run
from headroom.commands.console import (
    app,
    console,
    print_and_exit,
    progress_bar,
)
from headroom.commands.options import (
    ConfigOption,
    DryRunOption,
    OfStageOption,
    TopicOption,
    in_account,
    named_file,
    rules_of,
    topic_of,
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


@app.command(epilog="Example: headroom invoke examples/messages/sns-event.json --dry-run")
@in_account
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
    dry_run: DryRunOption = False,
    config_file: ConfigOption = None,
    stage: OfStageOption = None,
    topic: TopicOption = None,
) -> None:
    """Pass one alarm message to the handler by hand."""
    text = sys.stdin.read() if str(file) == "-" else file.read_text()
    event = events.from_text(text)
    if account:
        aws = Aws(topic_of(topic, stage))
        run = Run(aws, rules_of(config_file, stage), datetime.now(UTC), dry_run)
        print_and_exit(_handle(run, event), dry_run)
        return
    named = named_file(config_file, stage)
    config = loader.load(named.read_text() if named else '[[tables]]\nname = "*"\n')
    with Region() as region:
        if isinstance(event, events.AlarmEvent):
            _prepare(region, event, text)
        run = Run(Aws(topic_of(topic, stage)), config, region.now, dry_run)
        print_and_exit(_handle(run, event), dry_run)


def _handle(run: Run, event: events.Event) -> Report:
    report = handlers.on_alarm(run, event)
    handlers.notify(run)
    return report


def _prepare(region: Region, event: events.AlarmEvent, text: str) -> None:
    """Create the table and the alarm of a message, with load above the alarm's threshold."""
    trigger = _trigger(json.loads(text))
    try:
        period = int(trigger.get("Period") or 60)
        threshold = float(trigger.get("Threshold") or 4800.0)
    except (TypeError, ValueError):
        period, threshold = 0, 0.0
    if period <= 0 or not 0 < threshold < math.inf:
        raise typer.BadParameter(
            "the message's Trigger must have a number above 0 for its Period and its Threshold"
        )
    alarm_level = threshold / period
    units = max(1, round(alarm_level * 100 / Policy().alarm_percent))
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
    load = alarm_level * 1.1
    region.serve(Target(event.target.table, index, event.target.dimension), [load] * LOAD_MINUTES)
    region.run(LOAD_MINUTES)
    console.print(
        f"Embedded region: {event.target.owner} with {units} units of {' and '.join(Dimension)}, "
        f"{load:,.1f} units/s of {event.target.dimension}s."
    )


def _trigger(message: Any) -> dict[str, Any]:
    if "Records" in message:
        message = json.loads(message["Records"][0]["Sns"]["Message"])
    trigger = message.get("Trigger", {})
    return trigger if isinstance(trigger, dict) else {}
