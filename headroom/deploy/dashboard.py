"""The CloudWatch dashboard of a stage: its tables and Headroom itself, in CloudWatch's widgets.

`dashboard_body` is pure: `headroom dashboard` sends its document to the API, and `headroom package`
renders it for SAM and Terraform. Source of the format: CloudWatch API Reference, "Dashboard Body
Structure and Syntax", read 2026-11.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib import telemetry
from chalicelib.config.policy import Policy
from chalicelib.config.rules import WILDCARDS, Config, Rule
from chalicelib.core import table_alarms
from chalicelib.metrics import CONSUMED, NAMESPACE, PROVISIONED, THROTTLED, Cause, throttled_by
from chalicelib.model import Dimension, TableState, Target
from headroom.deploy import blueprint
from headroom.deploy.account import AwsSession, Location, delete_if_exists, get_or_none
from headroom.deploy.blueprint import Document
from headroom.deploy.resources import Resource
from headroom.deploy.stage import Stage
from headroom.hot_keys import Part

#: The widgets of a dashboard, and the alarms of one of them. Source: as for the format. The quota
#: of 2,500 metrics is reached later: three widgets of a table have twelve (CloudWatch User Guide,
#: "CloudWatch service quotas", Dashboards, read 2026-11).
MAX_WIDGETS, MAX_ALARMS = 500, 100
#: USD a month for a dashboard. Three of an account are free, if each has no more than 50 metrics.
#: Source: CloudWatch pricing, free tier and paid tier, read 2026-11.
MONTH, FREE_DASHBOARDS, FREE_METRICS = 3.00, 3, 50
#: The grid is 24 wide. Headroom's own rows have three widgets alike. A table's row has two wide
#: ones and a narrow one.
THIRD, WIDE, NARROW = 8, 9, 6
HEAD, HEIGHT = 4, 6
BLUE, GREEN, ORANGE, RED = "#1f77b4", "#2ca02c", "#ff7f0e", "#d62728"
#: What throttles a table with provisioned capacity.
CAUSES = {
    Cause.PROVISIONED: "too few units",
    Cause.KEY_RANGE: "hot partition",
    Cause.ACCOUNT_LIMIT: "account limit",
}


@dataclass(frozen=True)
class Dashboard(Resource):
    """A dashboard by its name; the expected document is its body."""

    SUBJECT = "dashboard {0.name}"

    name: str
    expected: Document

    def actual(self, session: AwsSession) -> Any:
        get = session.client("cloudwatch").get_dashboard
        response = get_or_none(get, DashboardName=self.name)
        return json.loads(response["DashboardBody"]) if response else None

    def compare(self, actual: Any) -> list[str]:
        return [] if actual == self.expected else ["its body differs"]

    def apply(self, session: AwsSession) -> None:
        session.client("cloudwatch").put_dashboard(
            DashboardName=self.name, DashboardBody=json.dumps(self.expected)
        )

    def delete(self, session: AwsSession) -> bool:
        delete = session.client("cloudwatch").delete_dashboards
        return delete_if_exists(delete, DashboardNames=[self.name])


def name_of(stage: Stage, region: str) -> str:
    """Return the name of a stage's dashboard in a Region. Dashboards belong to the whole account.

    Source: API_PutDashboard, read 2026-11.
    """
    return f"{stage.prefix}-{region}"


def parts_of(tables: Iterable[TableState]) -> list[Part]:
    """Return the tables with provisioned capacity, each followed by its indexes."""
    return [
        Part(table.name, index)
        for table in tables
        if not table.on_demand
        for index in sorted(table.throughputs)
    ]


def named_parts(rules: Config) -> list[Part]:
    """Return the tables and indexes that the configuration names without a wildcard."""
    found = (
        Part(table, index)
        for rule in rules.tables
        for table in _exact([rule])
        for index in ("", *_exact(rule.indexes))
    )
    return list(dict.fromkeys(found))


def _exact(rules: Iterable[Rule]) -> list[str]:
    matchers = (rule.matcher for rule in rules)
    return [m.text for m in matchers if not m.is_regex and not WILDCARDS & set(m.text)]


def dashboard_body(
    stage: Stage, rules: Config, location: Location, parts: Sequence[Part]
) -> Document:
    """Return the body of a stage's dashboard.

    parts: the tables and indexes to show, in their order; rules of the configuration manage them.
    Those that do not fit are left out, and a text says how many.
    """
    own = _own_widgets(stage, rules, location)
    shown = parts[: (MAX_WIDGETS - len(own) - 2) // 3]
    text = _text(stage, rules, shown, len(parts) - len(shown))
    head = [
        _widget("text", 0, 0, 2 * THIRD, HEAD, markdown=text),
        _widget("alarm", 2 * THIRD, 0, THIRD, HEAD, **_alarms(stage, rules, location, shown)),
    ]
    tables = [
        widget
        for row, part in enumerate(shown)
        for widget in _part_widgets(rules, location, part, HEAD + (2 + row) * HEIGHT)
    ]
    return {"start": "-P1D", "widgets": [*head, *own, *tables]}


def metric_count(body: Document) -> int:
    """Return the number of metrics of a dashboard, without its expressions."""
    lines = (line for widget in body["widgets"] for line in widget["properties"].get("metrics", []))
    return sum(isinstance(line[0], str) for line in lines)


def price(body: Document) -> str:
    """Return what a dashboard costs, in words."""
    metrics = metric_count(body)
    counted = f"{len(body['widgets'])} widgets, {metrics:,} metrics"
    if metrics > FREE_METRICS:
        return f"{counted}: {MONTH:.2f} USD a month"
    return (
        f"{counted}: free as one of the account's first {FREE_DASHBOARDS} dashboards, "
        f"else {MONTH:.2f} USD a month"
    )


def _widget(kind: str, x: int, y: int, width: int, height: int, **properties: Any) -> Document:
    place = {"x": x, "y": y, "width": width, "height": height}
    return {"type": kind, **place, "properties": properties}


def _graph(
    location: Location, place: tuple[int, int, int], title: str, metrics: list[Any], **more: Any
) -> Document:
    """Return a graph. place: x, y and width."""
    x, y, width = place
    properties = {"region": location.region, "title": title, "metrics": metrics, "period": 60}
    return _widget("metric", x, y, width, HEIGHT, **properties, **more)


def _text(stage: Stage, rules: Config, parts: Sequence[Part], left_out: int) -> str:
    lines = [
        f"# Headroom, stage {stage.name}",
        f"Written by `headroom dashboard --stage {stage.name}`. The next one replaces what is "
        "changed here.",
    ]
    if left_out:
        lines.append(
            f"**{left_out:,} tables and indexes are left out**: a dashboard has at most "
            f"{MAX_WIDGETS} widgets. `--table` chooses others."
        )
    if any(_policy(rules, target).dry_run for part in parts for target in _targets(part)):
        lines.append("Tables in a **dry run** have no alarms, and nothing changes their capacity.")
    return "\n\n".join(lines)


def _targets(part: Part) -> list[Target]:
    return [Target(part.table, part.index, dimension) for dimension in Dimension]


def _policy(rules: Config, target: Target) -> Policy:
    return rules.policy_for(target) or rules.default_policy(target.dimension)


def _alarms(stage: Stage, rules: Config, location: Location, parts: Iterable[Part]) -> Document:
    """Return an alarm widget: the alarms about Headroom, then Headroom's own alarms of tables."""
    names = blueprint.own_alarm_names(stage)
    targets = [target for part in parts for target in _targets(part)]
    names += [table_alarms.name_of(t) for t in targets if not _policy(rules, t).dry_run]
    arns = [location.arn("cloudwatch", f"alarm:{name}") for name in names]
    title = "Alarms" if len(arns) <= MAX_ALARMS else f"The first {MAX_ALARMS} of {len(arns)} alarms"
    return {"title": title, "alarms": arns[:MAX_ALARMS], "sortBy": "stateUpdatedTimestamp"}


# Headroom itself


def _own_widgets(stage: Stage, rules: Config, location: Location) -> list[Document]:
    """Return two rows: what Headroom decides and fails at, and how its functions run."""
    changes = ["ScaledUp", "ScaledDown", "WouldScale", *(["Healed"] if rules.healing else [])]
    problems = ["Failed", "NotReached", "Skipped"]
    waits = _lambda(stage, "AsyncEventAge", blueprint.QUEUE_FUNCTIONS)
    graphs = [
        ("Changes", _counts(stage, changes), "Sum"),
        ("Failed, not reached, skipped", _counts(stage, problems), "Sum"),
        ("Errors of the functions", _lambda(stage, "Errors"), "Sum"),
        ("Longest run, in milliseconds", _lambda(stage, "Duration"), "Maximum"),
        ("Longest wait of an event for its function, in milliseconds", waits, "Maximum"),
    ]
    places = [(column * THIRD, HEAD + row * HEIGHT, THIRD) for row in (0, 1) for column in range(3)]
    log = places.pop(2)
    return [
        *(
            _graph(location, place, title, metrics, stat=stat)
            for place, (title, metrics, stat) in zip(places, graphs, strict=True)
        ),
        _widget("log", *log, HEIGHT, **_reasons(stage, location)),
    ]


def _counts(stage: Stage, names: Iterable[str]) -> list[Any]:
    return [[telemetry.NAMESPACE, name, "service", stage.prefix] for name in names]


def _reasons(stage: Stage, location: Location) -> Document:
    """Return a table of the decisions by reason. Its query scans the logs whenever it is shown."""
    sources = " | ".join(f"SOURCE '/aws/lambda/{stage.function(n)}'" for n in stage.functions)
    query = (
        f"{sources} | filter kind = 'decision'\n"
        "| stats count(*) as decisions, sum(abs(change)) as units by reason\n"
        "| sort decisions desc"
    )
    return {
        "region": location.region,
        "title": "Decisions by reason, with the units changed",
        "query": query,
        "view": "table",
    }


def _lambda(stage: Stage, metric: str, without: Collection[str] = ()) -> list[Any]:
    """Return a metric of each function.

    AsyncEventAge is how long an event waits in Lambda's queue: the lag between a message and its
    decision. A function that reads a queue of SQS has none. Source: Lambda Developer Guide, "Types
    of metrics for Lambda functions", read 2026-11.
    """
    return [
        ["AWS/Lambda", metric, "FunctionName", stage.function(name), {"label": name}]
        for name in stage.functions
        if name not in without
    ]


# the tables


def _part_widgets(rules: Config, location: Location, part: Part, y: int) -> list[Document]:
    demand = [
        _graph(
            location,
            (x, y, WIDE),
            f"{part}: {target.dimension}s",
            _demand(part, target.dimension, _policy(rules, target).alarm_percent),
            yAxis={"left": {"min": 0, "label": "units a second"}, "right": {"min": 0}},
        )
        for x, target in zip((0, WIDE), _targets(part), strict=True)
    ]
    causes = [
        _metric(part, throttled_by(cause, dimension), stat="Sum", label=f"{dimension}s: {words}")
        for dimension in Dimension
        for cause, words in CAUSES.items()
    ]
    place = (2 * WIDE, y, NARROW)
    return [*demand, _graph(location, place, f"{part}: throttled by", causes, stacked=True)]


def _metric(part: Part, metric: str, **rendering: Any) -> list[Any]:
    pairs = table_alarms.dimensions(_targets(part)[0])
    names = [text for pair in pairs for text in (pair["Name"], pair["Value"])]
    return [NAMESPACE, metric, *names, rendering]


def _demand(part: Part, dimension: Dimension, alarm_percent: float) -> list[Any]:
    """Return demand, capacity, the alarm's level, and throttled requests on the right axis.

    A widget with metrics cannot show an alarm (source: as for the format). The threshold is
    therefore computed from the capacity, as Headroom does: it shows all changes of the past too.
    """
    consumed, units, throttled = (m[dimension] for m in (CONSUMED, PROVISIONED, THROTTLED))
    level = f"alarm at {alarm_percent:g} percent"
    return [
        _metric(part, consumed, id="consumed", stat="Sum", visible=False),
        [_expression("demand", "consumed/PERIOD(consumed)", "consumed", BLUE)],
        _metric(part, units, id="units", stat="Average", label="provisioned", color=GREEN),
        [_expression("level", f"units*{alarm_percent:g}/100", level, ORANGE)],
        _metric(part, throttled, stat="Sum", label="throttled requests", color=RED, yAxis="right"),
    ]


def _expression(name: str, expression: str, label: str, color: str) -> Document:
    return {"id": name, "expression": expression, "label": label, "color": color}


# the packages


def packaged(stage: Stage, rules: Config, location: Location) -> tuple[str, str]:
    """Return name and body for a template, of what the configuration names without a wildcard.

    location: in the template's expressions.
    """
    body = dashboard_body(stage, rules, location, named_parts(rules))
    return name_of(stage, location.region), json.dumps(body)
