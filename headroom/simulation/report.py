"""A self-contained HTML page for a backtest: it opens offline, and its charts zoom.

headroom/chart/ draws them. docs/decisions/0007-one-chart-of-our-own.md says why no library does.
"""

import html
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle, product
from pathlib import Path

import msgspec

from chalicelib.config.policy import Policy, make_policy
from chalicelib.core.explain import WHY, numbers
from headroom.chart import data as chart
from headroom.counted import counted
from headroom.project import version
from headroom.simulation.clock import DAY, HOUR
from headroom.simulation.compare import CHEAPEST, HEADROOM, ON_DEMAND, Comparison, Row, Section
from headroom.simulation.dynamodb_rules import Conditions
from headroom.simulation.outcome import Outcome
from headroom.simulation.pricing import THROTTLED_UNIT_PRICE, Prices

FOLDER = Path(__file__).parent
#: How the lines of others are drawn: a colour and a dash, no two alike.
COLOURS = tuple(f"other-{number}" for number in range(5))
DASHES = ((), (8, 3), (2, 3), (12, 3, 2, 3))
#: Application Auto Scaling, which most people compare with, is shown from the start.
RIVAL = "Application"
# the policy lets the page load nothing
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headroom: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>{style}</style></head>
<body>{sections}<p class="facts">{facts}</p><script>{script}</script></body></html>
"""
DRAW = """
document.querySelectorAll(".chart").forEach((box) => {
  new Chart(box, JSON.parse(box.querySelector("script").textContent));
});
"""
SECTION = """
<h1>{title}</h1><p class="saving">{saving}</p><p>{summary}</p>
<h2>Demand, capacity, throttling</h2>
<div class="chart"><script type="application/json">{data}</script></div>
<p class="note">Drag to move, pinch or double-click to zoom; or use the keys ← → + − Home, and
n and b for the next change and the one before. A triangle is a change by Headroom: point at it for
its reason. Red stripes are minutes in which requests were throttled under Headroom.</p>
<h2>Costs</h2>
<div class="wide">{table}</div><p class="note">{note}</p>{switches}
<h2>Hour by hour</h2>
<p class="note">Highest five-minute demand in each hour, units per second.</p>
<div class="wide">{days}</div>
<p class="facts">{settings}</p>
"""
HEADINGS = (
    "",
    "USD a month",
    "× optimum",
    "effective cost",
    "× floor",
    "throttled ppm",
    "throttled minutes",
    "decreases",
    "changes",
)
NOTE = (
    "The optimum knows the future: the least unit-hours with capacity never under demand, within "
    "DynamoDB's decrease quota. A policy may come out below 1.00, since it may use the burst "
    "bucket for minutes and the optimum may not. Effective cost counts a throttled unit as "
    f"{THROTTLED_UNIT_PRICE} provisioned ones, ten times its on-demand price; on-demand itself is "
    "taken to throttle nothing. × floor is the effective cost over the cost floor: the demand "
    "itself, all served by units that are used to 100 %."
)


def write(sections: Sequence[Section], path: Path, prices: Prices, conditions: Conditions) -> None:
    """Write the page."""
    page = PAGE.format(
        title=html.escape(sections[0].title),
        style=chart.style() + (FOLDER / "report.css").read_text(encoding="utf-8"),
        script=chart.script() + DRAW,
        sections="".join(map(_section, sections)),
        facts=html.escape(_facts(prices, conditions)),
    )
    path.write_text(page, encoding="utf-8")


def _section(section: Section) -> str:
    comparison = section.comparison
    return SECTION.format(
        title=html.escape(section.title),
        saving=html.escape(" ".join([saving(comparison, section.is_receipt), *section.notes])),
        summary=html.escape(_summary(comparison)),
        data=_data(section),
        table=_table(comparison.rows),
        switches="".join(f"<p>{html.escape(line)}</p>" for line in switches(section)),
        note=NOTE,
        days=_days(comparison.demand, section.start),
        settings=html.escape(_settings(section.policy)),
    )


def _facts(prices: Prices, conditions: Conditions) -> str:
    return (
        f"Headroom {version()}. Prices of {prices.region}, table class {prices.table_class}, read "
        f"on {prices.read_on}: {prices.source}. Simulated: {conditions.burst_seconds} seconds of "
        f"burst capacity, metrics {counted(conditions.metric_delay_minutes, 'minute')} late, an "
        f"update within {counted(conditions.update_minutes, 'minute')}."
    )


def _settings(policy: Policy) -> str:
    """Return the settings that the configuration changes."""
    default = msgspec.structs.asdict(make_policy(strategy=policy.strategy))
    changed = [
        f"{name} = {json.dumps(msgspec.to_builtins(value))}"
        for name, value in msgspec.structs.asdict(policy).items()
        if value != default[name]
    ]
    rest = ", ".join(changed) or "all others as by default"
    return f"Settings: strategy = {policy.strategy}, {rest}."


def saving(comparison: Comparison, is_receipt: bool = False) -> str:
    """Return in one sentence what Headroom saves, or costs more.

    is_receipt: it is what Headroom really held.
    """
    rows = {row.name: row for row in comparison.rows}
    ours, on_demand = rows[HEADROOM], rows[ON_DEMAND]
    rival = next((row for row in comparison.rows if row.name.startswith(RIVAL)), None)
    verb = "held capacity for" if is_receipt else "would cost"
    parts = [f"Headroom {verb} {ours.cost_month:,.2f} USD a month"]
    if rival:
        parts.append(f"{_difference(ours, rival)}, with {_throttled(ours, rival)}")
    return ", ".join([*parts, f"and {_difference(ours, on_demand)}"]) + "."


def switches(section: Section) -> Iterator[str]:
    """Yield a sentence for each switch of the billing mode, if Headroom may choose the mode."""
    outcome = section.comparison.outcomes.get(CHEAPEST)
    if outcome is None:
        return
    count = len(outcome.switches)
    yield f"{CHEAPEST}: {count} switch{'' if count == 1 else 'es'}{':' if count else '.'}"
    for one in outcome.switches:
        day, within = divmod(one.minute, DAY)
        if section.start:
            at = f"{section.start + timedelta(minutes=one.minute):%a %d %b %H:%M}"
        else:
            at = f"day {day + 1} {within // HOUR:02}:{within % HOUR:02}"
        mode = "on demand" if one.on_demand else "provisioned"
        yield f"  {at} to {mode}: {WHY[one.reason]} ({one.reason}; {numbers(one.numbers)})"


def _throttled(ours: Row, rival: Row) -> str:
    """Return such as `1 throttled minute instead of 11`."""
    if not ours.throttled_minutes and not rival.throttled_minutes:
        return "no throttled minute in either"
    throttled = counted(ours.throttled_minutes, "throttled minute")
    return f"{throttled} instead of {rival.throttled_minutes:,}"


def _difference(ours: Row, other: Row) -> str:
    less = other.cost_month - ours.cost_month
    if not round(less, 2):
        return f"the same as {other.name}"
    words = "less" if less >= 0 else "more"
    share = f" ({abs(less) / other.cost_month * 100:.0f} %)" if other.cost_month else ""
    return f"{abs(less):,.2f} USD{share} {words} than {other.name}"


def _summary(comparison: Comparison) -> str:
    peak = max(comparison.demand)
    days = counted(float(f"{len(comparison.demand) / DAY:.1f}"), "day")
    return f"{days} of {comparison.dimension}s, {peak:,.0f} units per second at the peak."


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    body = ""
    for row in rows:
        cells = "".join(
            f'<td data-heading="{heading}">{html.escape(cell)}</td>'
            for heading, cell in zip(HEADINGS, row.cells(), strict=True)
        )
        body += f"<tr{' class=ours' if row.name == HEADROOM else ''}>{cells}</tr>"
    return f'<table class="costs"><tr>{head}</tr>{body}</table>'


# the chart


def _data(section: Section) -> str:
    """Return what the chart draws: Headroom last, so that it is on top."""
    comparison = section.comparison
    styles = cycle(product(DASHES, COLOURS))
    others = {n: o for n, o in comparison.outcomes.items() if n != HEADROOM}
    series = [_steps(name, outcome, *next(styles)) for name, outcome in others.items()]
    changes = comparison.outcomes[HEADROOM].made
    data = {
        "start": section.start.isoformat() if section.start else None,
        "demand": [chart.rounded(rate) for rate in comparison.demand],
        "series": [*series, _steps(HEADROOM, comparison.outcomes[HEADROOM], (), "headroom")],
        "changes": [[made.minute, made.before, made.after, made.reason] for made in changes],
        "reasons": {made.reason: WHY[made.reason] for made in changes},
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _steps(name: str, outcome: Outcome, dash: Sequence[float], colour: str) -> dict[str, object]:
    return chart.steps(
        name,
        colour,
        outcome.units,
        outcome.throttled,
        is_ours=name == HEADROOM,
        is_shown=name == HEADROOM or name.startswith(RIVAL),
        dash=dash,
    )


def _days(demand: Sequence[float], start: datetime | None) -> str:
    """Return a table of days and hours whose cells are darker where the demand is higher."""
    first = (start.hour * HOUR + start.minute) if start else 0
    peaks: dict[int, list[float | None]] = {}
    for minute in range(0, len(demand), 5):
        part = demand[minute : minute + 5]
        day, within = divmod(first + minute, DAY)
        hours = peaks.setdefault(day, [None] * 24)
        hours[within // HOUR] = max(hours[within // HOUR] or 0.0, sum(part) / len(part))
    highest = max(rate or 0.0 for hours in peaks.values() for rate in hours) or 1.0
    head = "".join(f"<th>{hour}</th>" for hour in range(24))
    rows = "".join(
        f"<tr><th>{_day(day, start)}</th>{''.join(_cell(rate, highest) for rate in hours)}</tr>"
        for day, hours in peaks.items()
    )
    return f'<table class="days"><tr><th></th>{head}</tr>{rows}</table>'


def _day(day: int, start: datetime | None) -> str:
    """Return a day's name. A trace has no dates."""
    return f"{start + timedelta(days=day):%a %d %b}" if start else f"day {day + 1}"


def _cell(rate: float | None, highest: float) -> str:
    if rate is None:
        return "<td style='--share:0%'></td>"
    return f"<td style='--share:{rate / highest:.0%}' title='{rate:,.0f}'></td>"
