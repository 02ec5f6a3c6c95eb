"""One self-contained HTML page for a backtest: it opens offline, and the picture zooms."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from headroom.simulation.compare import HEADROOM, Comparison, Row, Section

COLOURS = {"demand": "#c5ced8", HEADROOM: "#0a7d33"}
OTHERS = ("#b8860b", "#6a51a3", "#3182bd", "#636363")
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; color: #222; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } tr.ours { font-weight: 600; background: #eef7f0 } .note { color: #555 }
"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Headroom: {title}</title><style>{style}</style><body>{sections}</body></html>
"""
SECTION = """
<h1>{title}</h1><p>{finding}</p>{table}<p class="note">{note}</p>
<h2>Demand, capacity, throttling</h2>
<p class="note">Drag to zoom, double-click to come back; click a name to hide or show it.</p>{picture}
<h2>The week</h2><p class="note">Highest five-minute demand in each hour, units per second.</p>{week}
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
    """Write the page; the first section brings the library that draws."""
    parts = [_section(section, with_library=number == 0) for number, section in enumerate(sections)]
    path.write_text(
        PAGE.format(title=html.escape(sections[0].title), style=STYLE, sections="".join(parts))
    )


def _section(section: Section, with_library: bool) -> str:
    found, start = section.comparison, section.start
    picture = _picture(found, start).to_html(
        full_html=False, include_plotlyjs=with_library, config={"displaylogo": False}
    )
    week = _week(found.demand, start).to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False}
    )
    words = {
        "title": html.escape(section.title),
        "finding": html.escape(_finding(found)),
        "note": NOTE,
    }
    return SECTION.format(table=_table(found.rows), picture=picture, week=week, **words)


NOTE = (
    "The optimum knows the future: the least unit-hours with capacity never under demand, within DynamoDB's decrease quota. A "
    "policy may come out below 1.00, since it may lean on the burst bucket for minutes and the optimum may not. "
    "Effective cost counts a throttled unit as 34.6 provisioned ones, ten times its on-demand price; on-demand itself is "
    "taken to throttle nothing."
)


def _finding(comparison: Comparison) -> str:
    rows = {row.name: row for row in comparison.rows}
    ours = rows[HEADROOM]
    rivals = [row for name, row in rows.items() if name.startswith("Application")]
    days = len(comparison.demand) / 1440
    said = (
        f"{days:.1f} days of {comparison.dimension}s, {max(comparison.demand):,.0f} units per second at the peak. Headroom: "
        f"{ours.cost_month:,.2f} USD a month, {ours.throttled_ppm:,.0f} ppm throttled."
    )
    if rivals:
        said += f" {rivals[0].name}: {rivals[0].cost_month:,.2f} USD, {rivals[0].throttled_ppm:,.0f} ppm."
    return said + f" On demand: {rows['on demand'].cost_month:,.2f} USD."


def _table(rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    body = "".join(
        f"<tr{' class=ours' if row.name == HEADROOM else ''}><td>{html.escape(row.name)}</td><td>{row.cost_month:,.2f}</td>"
        f"<td>{row.over_optimum:.2f}</td><td>{row.effective:.2f}</td><td>{row.throttled_ppm:,.0f}</td>"
        f"<td>{row.throttled_minutes:,}</td><td>{row.decreases:,}</td><td>{row.changes:,}</td></tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _picture(comparison: Comparison, start: datetime) -> go.Figure:
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
    others = iter(OTHERS * 3)
    for name, outcome in comparison.outcomes.items():
        colour = COLOURS[HEADROOM] if name == HEADROOM else next(others)
        shown = True if name == HEADROOM or name.startswith("Application") else "legendonly"
        style = {
            "mode": "lines",
            "line": {"color": colour, "width": 2.0 if name == HEADROOM else 1.2, "shape": "hv"},
            "visible": shown,
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
    """Return a step function by the points where it changes, and its end."""
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
