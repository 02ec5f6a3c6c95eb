"""The laws of docs/design.md, as a history must keep them: judged at each call and each minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib.core import table_alarms
from chalicelib.metrics import CONSUMED, NAMESPACE
from chalicelib.model import Dimension, Target
from chalicelib.run import Failure
from headroom.region.cloudwatch import key
from headroom.region.context import Call, Fault, Invocation, Killed
from headroom.region.region import Region
from tests.soak.history import MAX_UNITS, MIN_UNITS, RECOVERY, TABLES, UNMANAGED, History
from tests.support.scenes import metric_dimensions

#: The part of the units at which an alarm fires, by default.
ALARM = {"adaptive": 0.95, "percent": 0.8}
#: Minutes: the longest that a throttled table waits for more units while nothing is wrong.
PATIENCE = 15
#: Minutes: how old the newest datapoint may be for a decrease (`FRESH_TO_LOWER`), and one more.
OLDEST_MINUTES = 6
#: What an update of capacity may name.
THROUGHPUT = {"TableName", "ProvisionedThroughput", "GlobalSecondaryIndexUpdates"}
#: The least time between two switches to on demand.
BETWEEN_SWITCHES = timedelta(hours=6)
#: A decrease keeps this part of what the last minutes consumed.
KEPT = 0.9


class BrokenLawError(AssertionError):
    """A law was broken, and in which minute."""


@dataclass(frozen=True)
class Waiting:
    """For how many minutes a target is throttled without more units, and its units."""

    minutes: int = 0
    units: int = 0


@dataclass
class Laws:
    """Judges a history while it is played.

    disturbed_until: the minute until which something may be wrong with a table, because of what
    was done to it or its calls. bent: the targets whose alarm or units somebody changed, until
    then. silent_from: the minute from which CloudWatch shows nothing new. switched_by_hand: the
    tables whose mode somebody chose.
    """

    history: History
    region: Region
    disturbed_until: dict[str, int] = field(default_factory=dict)
    bent: set[Target] = field(default_factory=set)
    silent_from: int | None = None
    switched_by_hand: set[str] = field(default_factory=set)
    waiting: dict[Target, Waiting] = field(default_factory=dict)
    checks: int = 0

    @property
    def share(self) -> float:
        """Return the part of the units at which an alarm fires."""
        return ALARM[self.history.strategy]

    def fail(self, text: str) -> None:
        raise BrokenLawError(f"{self.region.now:%H:%M}: {text}\n" + "\n".join(self.history.lines()))

    def require(self, holds: bool, text: str) -> None:
        self.checks += 1
        if not holds:
            self.fail(text)

    def managed(self) -> list[Target]:
        """Return the targets that the configuration names."""
        return [target for target in self.region.targets() if target.table in TABLES]

    # at each call

    def judge_call(self, call: Call) -> None:
        """Judge a call that the app makes, before it has its effect."""
        if call.operation == "UpdateTable":
            self._judge_update(call.params)
        if call.operation in ("PutMetricAlarm", "DeleteAlarms"):
            names = call.params.get("AlarmNames") or [call.params.get("AlarmName", "")]
            self.require(
                all(str(name).startswith("headroom-") for name in names),
                f"{call.operation} of an alarm of somebody else: {names}",
            )

    def _judge_update(self, params: Mapping[str, Any]) -> None:
        table = params["TableName"]
        self.require(table in TABLES, f"UpdateTable of {table}, which is not managed")
        if "BillingMode" in params:
            self._judge_switch(table, params)
        others = params.keys() - THROUGHPUT - {"BillingMode"}
        self.require(not others, f"UpdateTable changes {sorted(others)}")
        changes = dict(self._changes(params))
        raises = [t for t, (now, then) in changes.items() if then > now]
        lowers = [t for t, (now, then) in changes.items() if then < now]
        self.require(not (raises and lowers), f"one call raises {raises} and lowers {lowers}")
        for target, (now, then) in changes.items():
            self.require(
                MIN_UNITS <= then <= MAX_UNITS or now == then,
                f"{target} is set to {then} units, outside of its bounds",
            )
        for target in lowers:
            self._judge_decrease(target, *changes[target])

    def _judge_switch(self, table: str, params: Mapping[str, Any]) -> None:
        """Judge a switch of the billing mode. What follows it takes some minutes to be right."""
        mode = self.region.tables[table].mode
        is_chosen = bool(self.history.past) and table == TABLES[0]
        self.require(is_chosen, f"switches the mode of {table}, which is not configured")
        by_hand = table in self.switched_by_hand
        self.require(not by_hand, f"switches the mode of {table}, which somebody switched")
        if params["BillingMode"] == "PAY_PER_REQUEST":
            soon = mode.at is not None and self.region.now - mode.at < BETWEEN_SWITCHES
            self.require(not soon, f"switches {table} to on demand again, after {mode.at}")
        until = self.region.minute + RECOVERY
        self.disturbed_until[table] = max(until, self.disturbed_until.get(table, 0))
        self.bent.update(self.history.tables[0].targets)

    def _changes(self, params: Mapping[str, Any]) -> Any:
        parts = {"": params} if "ProvisionedThroughput" in params else {}
        for change in params.get("GlobalSecondaryIndexUpdates", []):
            parts[change["Update"]["IndexName"]] = change["Update"]
        names = {"read": "ReadCapacityUnits", "write": "WriteCapacityUnits"}
        for target in self.region.targets():
            if target.table == params["TableName"] and target.index in parts:
                then = parts[target.index]["ProvisionedThroughput"][names[target.dimension.value]]
                yield target, (self.region.units(target), then)

    def _judge_decrease(self, target: Target, now: int, then: int) -> None:
        minute, delay = self.region.minute, self.history.conditions.metric_delay_minutes
        oldest = delay + OLDEST_MINUTES
        silent = self.silent_from is not None and minute - self.silent_from > oldest
        self.require(not silent, f"{target} is lowered although no metric is there")
        seen = [self._consumed(target, minute - delay - back) for back in (1, 2, 3)]
        used = [rate for rate in seen if rate is not None]
        if used and now <= MAX_UNITS:
            self.require(
                then >= KEPT * min(used) or then >= MAX_UNITS,
                f"{target} is lowered {now} → {then} units; it used {used}",
            )

    def _consumed(self, target: Target, minute: int) -> float | None:
        named = metric_dimensions(target)
        points = self.region.cloudwatch.sums.get(key(NAMESPACE, CONSUMED[target.dimension], named))
        total = (points or {}).get(minute)
        return None if total is None else total / 60

    # at each run of a function

    def judge_run(self, invocation: Invocation) -> None:
        """Judge what a function left behind."""
        error = invocation.error
        if isinstance(error, ExceptionGroup):
            for failure in error.exceptions:
                self.require(
                    isinstance(failure, Failure) and _is_from_aws(failure.error),
                    f"{invocation.function} failed by its own mistake: {failure!r}",
                )
        elif error is not None:
            self.require(
                isinstance(error, Killed), f"{invocation.function} raised {error!r} by itself"
            )
        for line in invocation.logs:
            if line.get("kind") == "decision":
                self.require(bool(line["reason"]), f"a decision without a reason: {line}")
        for target in self.managed():
            self._judge_alarm(target)

    # at each minute

    def judge_minute(self, region: Region) -> None:
        """Judge the state at the end of a minute."""
        for target in region.targets():
            if target.table == UNMANAGED:
                self.require(region.units(target) == 7, f"{target} was changed")
        for target in self.managed():
            self._judge_alarm(target)
            self._judge_throttling(target)

    def _judge_alarm(self, target: Target) -> None:
        alarm = self.region.cloudwatch.alarms.get(table_alarms.name_of(target))
        if self.region.minute >= self.disturbed_until.get(target.table, 0):
            self.bent.discard(target)
        if alarm is None or target in self.bent:
            return
        provision = self.region.tables[target.table].provisions[target.index]
        pending = (provision.pending or {}).get(target.dimension, 0)
        units = max(self.region.units(target), pending)
        self.require(
            alarm.fields["Threshold"] <= units * 60 * self.share + 1e-6,
            f"the alarm of {target} fires at {alarm.fields['Threshold'] / 60:.1f} units a second; "
            f"the target has {units} units",
        )

    def _judge_throttling(self, target: Target) -> None:
        minute, conditions = self.region.minute, self.history.conditions
        patience = PATIENCE + 3 * (conditions.metric_delay_minutes + conditions.update_minutes)
        is_short = (
            self.region.served[target][1] > 0
            and not self._is_kept_by_an_index(target)
            and self.region.units(target) < MAX_UNITS
            and minute >= self.disturbed_until.get(target.table, 0)
        )
        units, waiting = self.region.units(target), self.waiting.get(target, Waiting())
        is_raised = units > waiting.units
        minutes = waiting.minutes + 1 if is_short and not is_raised else 0
        self.waiting[target] = Waiting(minutes, units)
        self.require(
            minutes <= patience,
            f"{target} was throttled and got no unit for {patience} minutes; nothing was wrong",
        )

    def _is_kept_by_an_index(self, target: Target) -> bool:
        """Tell whether an index is short of writes. It throttles its table; it is judged alone."""
        if target.index or target.dimension is not Dimension.WRITE:
            return False
        indexes = [t for t in self.managed() if t.table == target.table and t.index]
        writes = [t for t in indexes if t.dimension is Dimension.WRITE]
        return any(self.region.served[t][1] > 0 for t in writes)

    def judge_end(self) -> None:
        """Judge the end, after the quiet time: everything is right again."""
        alarms = self.region.cloudwatch.alarms
        wanted = {table_alarms.name_of(target): target for target in self.managed()}
        unsettled = tuple(
            f"headroom-{table}"
            for table, until in self.disturbed_until.items()
            if until > self.region.minute
        )
        ours = {n for n in alarms if n.startswith("headroom-") and not n.startswith(unsettled)}
        wanted = {n: target for n, target in wanted.items() if not n.startswith(unsettled)}
        self.require(ours == wanted.keys(), f"alarms: {sorted(ours)}, targets: {sorted(wanted)}")
        for name, target in wanted.items():
            fields, units = alarms[name].fields, self.region.units(target)
            updating = self.region.tables[target.table].updating
            self.require(
                updating or abs(fields["Threshold"] - units * 60 * self.share) < 1e-6,
                f"the alarm of {target} is at {fields['Threshold']}, with {units} units",
            )
            self.require(bool(fields["AlarmActions"]), f"the alarm of {target} has no action")
            self.require(MIN_UNITS <= units <= MAX_UNITS, f"{target} has {units} units")
        self.require("somebody" in alarms, "the alarm of somebody else is gone")


def _is_from_aws(error: BaseException) -> bool:
    """Tell whether an error is AWS's, or that no answer came in time."""
    return type(error).__module__.startswith("botocore") or isinstance(error, TimeoutError)


@dataclass
class Witness(Fault):
    """No fault: it shows the laws each call that the app makes."""

    operation: str = ""
    code: str = ""
    laws: Laws | None = None

    def applies_to(self, call: Call) -> bool:
        if self.laws:
            self.laws.judge_call(call)
        return False
