"""What the console shows, as JSON: the same data as `status`, `plan` and `history`, and what a
chart needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.aws.alarms import alarms_named
from chalicelib.aws.metrics import read_minutes
from chalicelib.core import table_alarms
from chalicelib.model import Metrics, Target
from chalicelib.run import Report
from headroom.chart import data as chart
from headroom.commands import history, plan
from headroom.deploy import logged
from headroom.deploy.account import AwsSession
from headroom.deploy.logged import LoggedChange, LoggedEvent
from headroom.deploy.stage import Stage
from headroom.simulation import pricing

ONE_MINUTE = timedelta(minutes=1)


@dataclass
class Account:
    """What the console reads: the tables of a pass, and the logs of a stage.

    stage: None where no stage is named; then no decision of the past is known. clock: the time.
    """

    tables: plan.Pass
    stage: Stage | None
    clock: Callable[[], datetime]
    session: AwsSession = field(default_factory=AwsSession)
    prices: pricing.Prices = field(default_factory=pricing.load)

    def overview(self) -> tuple[dict[str, object], Report]:
        """Return every table's status and the plan of the next pass, from one sweep that does
        nothing; and its report."""
        now = self.clock()
        report = self.tables.sweep(now)
        data: dict[str, object] = {
            "status": plan.status_data(self.tables.place(now), report, self.prices),
            "plan": plan.plan_data(report, self.prices),
            "note": "" if report.decisions else self.tables.nothing_found(),
        }
        return data, report

    def target(self, target: Target, start: datetime, span: timedelta) -> dict[str, object]:
        """Return one target since a time: its chart, and what was decided, newest first.

        span: the length of the time axis. Raises IncompleteError where CloudWatch gave only a part.
        """
        end = self.clock().replace(second=0, microsecond=0)
        metrics = read_minutes(self.tables.aws, target, start, end)
        events = self._events(target, start)
        changes = [e for e in events if isinstance(e, LoggedChange) and not e.dry_run]
        return {
            "chart": {
                "start": start.isoformat(),
                "span": max(span, end - start) // ONE_MINUTE,
                "demand": _demand(metrics),
                "series": _series(metrics, self._levels(target, start, end)),
                "changes": [_mark(change, start) for change in changes],
                "reasons": {e.reason: history.why_of(e.reason) for e in changes},
            },
            "events": [history.as_data(event) for event in reversed(events)],
            "has_logs": self.stage is not None,
        }

    def _events(self, target: Target, since: datetime) -> list[LoggedEvent]:
        """Return what was decided about a target, and what failed for its table."""
        if self.stage is None:
            return []
        found = logged.history(self.session, self.stage, target.table, since)
        return [
            event
            for event in logged.without_repeats(found)
            if not isinstance(event, LoggedChange) or event.target == target
        ]

    def _levels(self, target: Target, start: datetime, end: datetime) -> list[float | None]:
        """Return by the minute at how many units a second the alarm fires; None where unknown."""
        name, since = table_alarms.name_of(target), start
        set_at = logged.levels(self.session, self.stage, name, start) if self.stage else []
        if not set_at:
            own = alarms_named(self.tables.aws, [name])
            set_at = [(start, table_alarms.level(alarm.fields)) for alarm in own]
        values: list[float | None] = []
        level: float | None = None
        for at, new in [*set_at, (end, 0.0)]:
            values += [level] * (_minute(at, since) - len(values))
            level = new
        return values


def _minute(at: datetime, start: datetime) -> int:
    return max(0, (at - start) // ONE_MINUTE)


def _demand(metrics: Metrics) -> list[float | None]:
    """Return consumed and throttled units a second together, up to the newest minute that is
    known."""
    known = metrics.consumed.without_trailing_gaps().values
    pairs = zip(known, metrics.throttled.values, strict=False)
    return [None if c is None else chart.rounded(c + (t or 0.0)) for c, t in pairs]


def _series(metrics: Metrics, levels: Sequence[float | None]) -> list[dict[str, object]]:
    """Return what is drawn over the demand: the alarm's level, and the capacity on top."""
    throttled = [rate or 0.0 for rate in metrics.throttled.values]
    units = metrics.provisioned.values
    return [
        chart.steps("alarm level", "alarm", levels, dash=(4, 4)),
        chart.steps("capacity", "headroom", units, throttled, is_ours=True),
    ]


def _mark(change: LoggedChange, start: datetime) -> list[object]:
    """Return a change as the chart marks it."""
    minute = _minute(change.at, start)
    return [minute, change.current, change.desired, change.reason, change.function]
