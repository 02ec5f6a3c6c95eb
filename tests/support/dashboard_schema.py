"""The body of a CloudWatch dashboard, as AWS documents it: widgets, metrics and their properties.

Written from the CloudWatch API Reference, "Dashboard Body Structure and Syntax", and the quotas
from the CloudWatch User Guide, "CloudWatch service quotas", read 2026-11. Variables, explorer
widgets, annotations and tables are left out, since no dashboard of Headroom has them.
"""

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_METRICS, MAX_METRICS_OF_WIDGET = 2_500, 500
Period = Annotated[int, Meta(ge=60, multiple_of=60)]
Stat = Annotated[str, Meta(pattern=r"^(SampleCount|Average|Sum|Minimum|Maximum|p\d+(\.\d+)?)$")]
Colour = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """An object with the documented properties only."""


class Axis(Strict):
    label: str | None = None
    min: float | None = None
    max: float | None = None
    showUnits: bool | None = None  # noqa: N815  as AWS calls it


class Axes(Strict):
    left: Axis | None = None
    right: Axis | None = None


class Rendering(Strict):
    """What follows a metric, or is an expression."""

    id: Annotated[str, Meta(pattern=r"^[a-z]\w*$")] | None = None
    expression: str | None = None
    label: str | None = None
    color: Colour | None = None
    period: Period | None = None
    region: str | None = None
    stat: Stat | None = None
    visible: bool | None = None
    yAxis: Literal["left", "right"] | None = None  # noqa: N815


Line = Annotated[list[str | Rendering], Meta(min_length=1)]


class Graph(Strict):
    region: str
    metrics: Annotated[list[Line], Meta(max_length=MAX_METRICS_OF_WIDGET)]
    title: str | None = None
    period: Period = 300
    stat: Stat | None = None
    stacked: bool | None = None
    view: Literal["timeSeries", "singleValue", "gauge", "bar", "pie", "table"] = "timeSeries"
    yAxis: Axes | None = None  # noqa: N815


class Text(Strict):
    markdown: str
    background: Literal["solid", "transparent"] | None = None


class Log(Strict):
    region: str
    query: Annotated[str, Meta(pattern="^SOURCE '")]
    title: str | None = None
    view: Literal["table", "timeSeries", "bar", "pie"] = "table"


class Alarms(Strict):
    alarms: Annotated[list[str], Meta(min_length=1, max_length=100)]
    title: str | None = None
    sortBy: Literal["default", "stateUpdatedTimestamp", "timestamp"] | None = None  # noqa: N815
    states: list[Literal["ALARM", "INSUFFICIENT_DATA", "OK"]] | None = None


class Widget(Strict):
    type: Literal["metric", "text", "log", "alarm"]
    x: Annotated[int, Meta(ge=0, le=23)]
    y: Annotated[int, Meta(ge=0)]
    width: Annotated[int, Meta(ge=1, le=24)]
    height: Annotated[int, Meta(ge=1, le=1000)]
    properties: msgspec.Raw


class Body(Strict):
    widgets: Annotated[list[Widget], Meta(max_length=500)]
    start: Annotated[str, Meta(pattern=r"^-P(T\d+[MH]|\d+[DWM])$")] | None = None
    periodOverride: Literal["auto", "inherit"] | None = None  # noqa: N815


PROPERTIES = {"metric": Graph, "text": Text, "log": Log, "alarm": Alarms}


def check(body: str) -> list[Graph]:
    """Return the graphs of a body. Raises ValidationError or AssertionError if it is not valid."""
    widgets = msgspec.json.decode(body, type=Body).widgets
    assert not overlapping(widgets)
    graphs = []
    for widget in widgets:
        properties = msgspec.json.decode(widget.properties, type=PROPERTIES[widget.type])
        if isinstance(properties, Graph):
            _check_lines(properties.metrics)
            graphs.append(properties)
    metrics = sum(isinstance(line[0], str) for graph in graphs for line in graph.metrics)
    assert metrics <= MAX_METRICS
    return graphs


def overlapping(widgets: list[Widget]) -> bool:
    """Tell whether two widgets share a place, or one leaves the grid of 24 columns."""
    places = [
        (x, y)
        for w in widgets
        for x in range(w.x, w.x + w.width)
        for y in range(w.y, w.y + w.height)
    ]
    return len(places) != len(set(places)) or max(x for x, _ in places) >= 24


def _check_lines(lines: list[Line]) -> None:
    """A line is a namespace, a metric, pairs of dimensions, and its rendering; or an expression."""
    ids = [part.id for line in lines for part in line if isinstance(part, Rendering) and part.id]
    assert len(ids) == len(set(ids))
    for line in lines:
        *names, last = line
        if not isinstance(last, Rendering):
            names, last = line, Rendering()
        assert all(isinstance(name, str) for name in names), line
        is_metric = len(names) >= 2 and len(names) % 2 == 0
        assert bool(last.expression) != is_metric, json.dumps(names)
