"""A self-contained HTML page for a backtest: it opens offline, and its chart zooms.

This module imports plotly, which takes a second: only `--html` imports it.
"""

import html
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from headroom.simulation.clock import DAY
from headroom.simulation.compare import HEADROOM, Comparison, Row, Section
from headroom.simulation.pricing import THROTTLED_UNIT_PRICE

COLOURS = {"demand": "#c5ced8", HEADROOM: "#0a7d33"}
OTHERS = ("#b8860b", "#6a51a3", "#3182bd", "#636363")
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; color: #222 }
body { padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
tr.ours { font-weight: 600; background: #eef7f0 } .note { color: #555 }
"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Headroom: {title}</title><style>{style}</style>
<body>{sections}</body></html>
"""
SECTION = """
<h1>{title}</h1><p>{summary}</p>{table}<p class="note">{note}</p>
<h2>Demand, capacity, throttling</h2>
<p class="note">Drag to zoom, double-click to zoom out; click a name to hide or show it.
</p>{chart}
<h2>The week</h2>
<p class="note">Highest five-minute demand in each hour, units per second.</p>{week}
"""
HEADINGS = (
    "",
    "USD a month",
    "× optimum",
    "effective cost",
    "throttled ppm",
    "throttled minutes",
    "decreases",
    "changes",
)


def write(sections: Sequence[Section], path: Path) -> None:
    """Write the page. The first section contains plotly's library."""
    parts = [_section(section, with_library=number == 0) for number, section in enumerate(sections)]
    path.write_text(
        PAGE.format(title=html.escape(sections[0].title), style=STYLE, sections="".join(parts))
    )


def _section(section: Section, with_library: bool) -> str:
    comparison, start = section.comparison, section.start
    return SECTION.format(
        title=html.escape(section.title),
        summary=html.escape(_summary(comparison)),
        table=_table(comparison.rows),
        note=NOTE,
        chart=_as_html(_chart(comparison, start), with_library),
        week=_as_html(_week(comparison.demand, start), with_library=False),
    )


def _as_html(figure: go.Figure, with_library: bool) -> str:
    return str(
        figure.to_html(
            full_html=False, include_plotlyjs=with_library, config={"displaylogo": False}
        )
    )


NOTE = (
    "The optimum knows the future: the least unit-hours with capacity never under demand, within "
    "DynamoDB's decrease quota. A policy may come out below 1.00, since it may use the burst "
    "bucket for minutes and the optimum may not. Effective cost counts a throttled unit as "
    f"{THROTTLED_UNIT_PRICE} provisioned ones, ten times its on-demand price; on-demand itself is "
    "taken to throttle nothing."
)


def _summary(comparison: Comparison) -> str:
    rows = {row.name: row for row in comparison.rows}
    headroom = rows[HEADROOM]
    text = (
        f"{len(comparison.demand) / DAY:.1f} days of {comparison.dimension}s, "
        f"{max(comparison.demand):,.0f} units per "
        f"second at the peak. Headroom: {headroom.cost_month:,.2f} USD a month, "
        f"{headroom.throttled_ppm:,.0f} ppm throttled."
    )
    tracking = [row for row in comparison.rows if row.name.startswith("Application")]
    for row in tracking[:1]:
        text += f" {row.name}: {row.cost_month:,.2f} USD, {row.throttled_ppm:,.0f} ppm."
    return text + f" On demand: {rows['on demand'].cost_month:,.2f} USD."


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    body = ""
    for row in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells())
        body += f"<tr{' class=ours' if row.name == HEADROOM else ''}>{cells}</tr>"
    return f"<table><tr>{head}</tr>{body}</table>"


def _chart(comparison: Comparison, start: datetime) -> go.Figure:
    times = [start + timedelta(minutes=minute) for minute in range(len(comparison.demand))]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06
    )
    demand = [round(rate, 1) for rate in comparison.demand]
    figure.add_scattergl(
        x=times,
        y=demand,
        name="demand",
        line={"color": COLOURS["demand"], "width": 1},
        row=1,
        col=1,
    )
    other_colours = cycle(OTHERS)
    for name, outcome in comparison.outcomes.items():
        is_headroom = name == HEADROOM
        colour = COLOURS[HEADROOM] if is_headroom else next(other_colours)
        is_visible = is_headroom or name.startswith("Application")
        style = {
            "mode": "lines",
            "line": {"color": colour, "width": 2.0 if is_headroom else 1.2, "shape": "hv"},
            "visible": True if is_visible else "legendonly",
            "legendgroup": name,
            "name": name,
        }
        for row, values in ((1, outcome.units), (2, outcome.throttled)):
            x, y = _corners(times, values)
            figure.add_scatter(x=x, y=y, showlegend=row == 1, row=row, col=1, **style)
    figure.update_yaxes(title_text="units per second", row=1, col=1)
    figure.update_yaxes(title_text="throttled", row=2, col=1)
    figure.update_layout(
        height=640,
        template="plotly_white",
        hovermode="x",
        legend={"orientation": "h"},
        margin={"t": 20},
    )
    return figure


def _corners(
    times: Sequence[datetime], values: Sequence[float]
) -> tuple[list[datetime], list[float]]:
    """Return the points where a step function changes, and its end."""
    last = len(values) - 1
    kept = [i for i in range(len(values)) if i in (0, last) or values[i] != values[i - 1]]
    return [times[i] for i in kept], [round(values[i], 1) for i in kept]


def _week(demand: Sequence[float], start: datetime) -> go.Figure:
    days: dict[str, list[float | None]] = {}
    for first in range(0, len(demand), 5):
        at = start + timedelta(minutes=first)
        mean = sum(demand[first : first + 5]) / len(demand[first : first + 5])
        hours = days.setdefault(f"{at:%a %d %b}", [None] * 24)
        hours[at.hour] = max(hours[at.hour] or 0.0, mean)
    figure = go.Figure(
        go.Heatmap(z=list(days.values()), y=list(days), x=list(range(24)), colorscale="YlGnBu")
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="hour (UTC)", dtick=1)
    figure.update_layout(height=120 + 24 * len(days), template="plotly_white", margin={"t": 10})
    return figure
