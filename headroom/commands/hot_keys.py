"""`hot-keys`: the keys of a table that are throttled."""

import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from chalicelib.aws.client import Aws
from chalicelib.config.types import DEFAULT_TOPIC
from headroom import hot_keys as insights
from headroom import pause_tags as times
from headroom.commands.console import app, errors, print_json, print_line
from headroom.commands.options import JsonOption, TableArgument, in_account
from headroom.hot_keys import MILLION_EVENTS, RULE_MONTH, SHOWN, Part

LOOK_BACK = timedelta(hours=3)
PRICE = f"{RULE_MONTH:.2f} USD a rule and month, {MILLION_EVENTS:.2f} USD a million throttled keys"


@app.command("hot-keys", epilog="Example: headroom hot-keys orders --enable --for 30m")
@in_account
def hot_keys(
    table: TableArgument,
    index: Annotated[
        str, typer.Option("--index", metavar="NAME", help="An index of it, instead of it.")
    ] = "",
    enable: Annotated[
        bool, typer.Option("--enable", help="Switch Contributor Insights on for some time.")
    ] = False,
    lasting: Annotated[
        str, typer.Option("--for", metavar="TIME", help="With --enable, for how long: 15m, 2h.")
    ] = "15m",
    as_json: JsonOption = False,
) -> None:
    """Show which keys of a table are throttled.

    CloudWatch Contributor Insights counts them while it is on. With --enable, this command switches
    it on, waits, shows the keys, and switches it off again.
    """
    aws, part, now = Aws(DEFAULT_TOPIC), Part(table, index), datetime.now(UTC)
    if insights.is_on(aws, part):
        _print_keys(aws, part, now - LOOK_BACK, as_json)
    elif enable:
        _watch(aws, part, now, times.after(lasting, now), as_json)
    else:
        problem = f"Contributor Insights is off for {part}. --enable switches it on for some time"
        (errors.print if as_json else print_line)(f"{problem} ({PRICE}).")
        raise typer.Exit(1)


def _watch(aws: Aws, part: Part, start: datetime, end: datetime, as_json: bool) -> None:
    """Show the keys that are throttled until `end`, or until Ctrl-C."""
    errors.print(
        f"Contributor Insights is on for {part} until {end:%H:%M} UTC ({PRICE}); Ctrl-C ends it "
        f"earlier. If this is killed: {part.off_command}",
        highlight=False,
    )
    with insights.switched_on(aws, part):
        with suppress(KeyboardInterrupt):  # what was counted until then is shown
            time.sleep((end - start).total_seconds())
        _print_keys(aws, part, start, as_json)
    errors.print(f"Contributor Insights is off again for {part}.", highlight=False)


def _print_keys(aws: Aws, part: Part, start: datetime, as_json: bool) -> None:
    found = list(insights.keys(aws, part, start, datetime.now(UTC)))
    if as_json:
        place = {**asdict(part), "since": start.isoformat(timespec="seconds")}
        print_json({**place, "keys": [asdict(key) for key in found]})
        return
    for key in found:
        print_line(f"{key.requests:>10,.0f} throttled  {key.kind}: {' | '.join(key.values)}")
    since = f"since {start:%Y-%m-%d %H:%M} UTC"
    print_line(
        f"The {SHOWN} most throttled keys of {part} {since}."
        if found
        else f"No key of {part} was throttled {since}."
    )
