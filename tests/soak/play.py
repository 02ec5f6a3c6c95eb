"""Plays a history in the embedded region, through the real handlers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.metrics import CONSUMED, HISTORY, NAMESPACE
from chalicelib.model import Dimension, Target
from headroom.region import context
from headroom.region.context import Call, Fault, Invocation
from headroom.region.events import scheduled_event
from headroom.region.region import Region
from tests.soak import history as events
from tests.soak.history import INDEX, RECOVERY, UNMANAGED, Event, History
from tests.soak.laws import Laws, Witness
from tests.support.scenes import metric_dimensions, of_table

#: Minutes for which a table that somebody switches stays on demand.
ON_DEMAND = 20


@dataclass
class FailingShare(Fault):
    """A share of the calls fails until a minute."""

    region: Region | None = None
    until: int = 0
    percent: int = 100
    rng: random.Random = field(default_factory=random.Random)

    def applies_to(self, call: Call) -> bool:
        assert self.region is not None
        return (
            self.region.minute < self.until
            and self.operation in ("", call.operation)
            and self.matches(call.params)
            and self.rng.random() * 100 < self.percent
        )


@dataclass
class KillAt(Fault):
    """The function that makes this call ends there."""

    struck: bool = False

    def applies_to(self, call: Call) -> bool:
        self.after -= self.operation in ("", call.operation)
        if self.after == -1 and not self.struck:
            self.struck = True
            raise context.Killed(call.operation)
        return False


@dataclass
class BetweenCalls(Fault):
    """Another function runs before this call."""

    player: "Player | None" = None
    function: str = ""
    struck: bool = False

    def applies_to(self, call: Call) -> bool:
        self.after -= self.operation in ("", call.operation)
        if self.after == -1 and self.player and not self.struck:
            self.struck = True
            self.player.run_between(self.function)
        return False


class Player:
    """Plays one history: `run` raises BrokenLawError if a law is broken."""

    def __init__(self, history: History, region: Region) -> None:
        self.history, self.region = history, region
        self.rng = random.Random(history.seed)
        self.laws = Laws(history, region)
        self.late: list[tuple[int, tuple[str, str, str]]] = []
        self.later: list[tuple[int, Any]] = []
        self.messages: events.Messages | None = None
        self.cold: list[KillAt] = []
        self.nested = False

    def run(self) -> Laws:
        self._prepare()
        due: dict[int, list[Event]] = {}
        for event in self.history.events:
            due.setdefault(event.at, []).append(event)
        for minute in range(self.history.minutes):
            for at, act in [pair for pair in self.later if pair[0] <= minute]:
                self.later.remove((at, act))
                act()
            for event in due.get(minute, []):
                self._begin(event)
            self._deliver_late(minute)
            self.region.run(1)
            for kill in [kill for kill in self.cold if kill.struck]:
                self.cold.remove(kill)
                self.region.functions.restart()
        self.laws.judge_end()
        return self.laws

    def _prepare(self) -> None:
        region, history = self.region, self.history
        for table in history.tables:
            self._create(table.name, 40)
            for target, load in zip(table.targets, table.loads, strict=True):
                region.serve(target, load.rates(history.minutes, self.rng))
        if history.past:
            self._publish_past()
        region.create_table(UNMANAGED, 7, 7)
        region.client("cloudwatch").put_metric_alarm(
            AlarmName="somebody",
            Namespace="AWS/DynamoDB",
            MetricName="ConsumedReadCapacityUnits",
            Dimensions=[{"Name": "TableName", "Value": "alpha"}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        region.deploy(history.config, environment={"POWERTOOLS_SERVICE_NAME": "headroom-dev"})
        region.cloudwatch.deliver = self._deliver
        region.faults.append(Witness(laws=self.laws))
        region.on_minute.append(self.laws.judge_minute)
        region.functions.watchers.append(self._watch)
        for table in history.tables:
            self.laws.disturbed_until[table.name] = RECOVERY
            self.laws.bent.update(table.targets)

    def _publish_past(self) -> None:
        """Publish what the first table consumed in the weeks before."""
        slots = range(-int(HISTORY.total_seconds()) // 60, 0, 5)
        for target, minute in product(self.history.tables[0].targets, slots):
            named, name = metric_dimensions(target), CONSUMED[target.dimension]
            rate = self.history.past_rate(self.region.start + timedelta(minutes=minute))
            self.region.cloudwatch.publish(NAMESPACE, name, named, minute, rate * 300)

    def _create(self, name: str, units: int) -> None:
        table = next(table for table in self.history.tables if table.name == name)
        index = {INDEX: (units, units)} if len(table.loads) == 4 else None
        self.region.create_table(name, units, units, index)

    # what goes wrong

    def _begin(self, event: Event) -> None:
        match event:
            case events.Failing() | events.Killed() | events.Between():
                self.region.faults.append(self._fault(event))
            case events.NoMetrics(at, minutes, in_part):
                self._disturb("", at + minutes)
                if in_part:  # also where nothing was shown before
                    self.laws.silent_from = None
                    self.region.answers["cloudwatch", "GetMetricData"] = self._half_of_the_metrics
                else:
                    self._hide_metrics(at)
                self.later.append((at + minutes, self._show_metrics))
            case events.Messages(at, minutes):
                self.messages = event
                self.later.append((at + minutes, self._heal_messages))
            case events.ClockOff(at, minutes, seconds):
                self._disturb("", at + minutes)
                self._set_clock(seconds)
                self.later.append((at + minutes, lambda: self._set_clock(0)))
            case events.TableChange():
                self._change_table(event)
            case events.AlarmChange():
                self._change_alarm(event)

    def _fault(self, event: events.Failing | events.Killed | events.Between) -> Fault:
        """Return what an event does to calls."""
        match event:
            case events.Killed(operation=operation, call=call):
                kill = KillAt(operation, "", after=call)
                self.cold += [kill] if event.is_cold else []
                return kill
            case events.Between(operation=operation, call=call, function=function):
                return BetweenCalls(operation, "", after=call, player=self, function=function)
        until = event.at + event.minutes
        self._disturb(event.table, until)
        return FailingShare(
            event.operation,
            event.code,
            matches=of_table(event.table) if event.table else lambda _: True,
            has_effect=event.has_effect,
            region=self.region,
            until=until,
            percent=event.percent,
            rng=self.rng,
        )

    def _disturb(self, table: str, until: int) -> None:
        """Let something be wrong with a table ("" for all) until a minute."""
        for name in [table] if table else events.TABLES:
            before = self.laws.disturbed_until.get(name, 0)
            self.laws.disturbed_until[name] = max(before, until + RECOVERY)

    def _hide_metrics(self, since: int) -> None:
        start = self.region.start + timedelta(minutes=since)
        self.laws.silent_from = since

        def answer(params: Any) -> dict[str, Any]:
            response = self.region.cloudwatch.answer("GetMetricData", params)
            for result in response["MetricDataResults"]:
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                kept = [pair for pair in pairs if pair[0] < start]
                result["Timestamps"] = [at for at, _ in kept]
                result["Values"] = [value for _, value in kept]
            return response

        self.region.answers["cloudwatch", "GetMetricData"] = answer

    def _half_of_the_metrics(self, params: Any) -> dict[str, Any]:
        response = self.region.cloudwatch.answer("GetMetricData", params)
        for result in response["MetricDataResults"]:
            if self.rng.random() < 0.5:
                result.update(Timestamps=[], Values=[], StatusCode="InternalError")
        return response

    def _show_metrics(self) -> None:
        self.laws.silent_from = None
        self.region.answers.clear()

    def _set_clock(self, seconds: int) -> None:
        self.region.clock_off = timedelta(seconds=seconds)
        self.region.travel(self.region.now)

    # messages

    def _deliver(self, topic: str, message: str, subject: str) -> None:
        post, kind = (topic, message, subject), self.messages
        times = {"dropped": 0, "late": 0, "doubled": 2}.get(kind.how if kind else "", 1)
        if kind and kind.how == "late":
            self.late.append((self.region.minute + kind.late, post))
        for _ in range(times):
            self.region.functions.deliver(*post)

    def _deliver_late(self, minute: int) -> None:
        for due, post in [pair for pair in self.late if pair[0] <= minute]:
            self.late.remove((due, post))
            self.region.functions.deliver(*post)

    def _heal_messages(self) -> None:
        self.messages = None

    # what people do

    @contextmanager
    def _as_operator(self) -> Iterator[Region]:
        """Let calls be an operator's: they do not fail, and DynamoDB may refuse them."""
        kept, self.region.faults = self.region.faults, []
        try:
            yield self.region
        except ClientError:
            pass
        finally:
            self.region.faults = kept

    def _change_table(self, event: events.TableChange) -> None:
        if event.table not in self.region.tables:
            return
        targets = next(t for t in self.history.tables if t.name == event.table).targets
        last = event.at + (ON_DEMAND if event.how == "switched" else 0)
        self._disturb(event.table, last)
        self.laws.bent.update(targets)
        with self._as_operator() as region:
            client = region.client("dynamodb")
            match event.how:
                case "deleted" | "made anew":
                    client.delete_table(TableName=event.table)
                    self.laws.switched_by_hand.discard(event.table)
                    if event.how == "made anew":
                        self._create(event.table, event.units)
                case "switched":
                    was_on_demand = region.tables[event.table].on_demand
                    client.update_table(TableName=event.table, BillingMode="PAY_PER_REQUEST")
                    self.later.append((last, lambda: self._switch_back(event)))
                    if not was_on_demand:
                        self.laws.switched_by_hand.add(event.table)
                case "by hand":
                    target = Target(event.table, "", Dimension.WRITE)
                    client.update_table(
                        TableName=event.table,
                        ProvisionedThroughput={
                            "ReadCapacityUnits": event.units,
                            "WriteCapacityUnits": region.units(target),
                        },
                    )

    def _switch_back(self, event: events.TableChange) -> None:
        with self._as_operator() as region:
            if event.table in region.tables:
                units = {"ReadCapacityUnits": event.units, "WriteCapacityUnits": event.units}
                client, was_on_demand = (
                    region.client("dynamodb"),
                    region.tables[event.table].on_demand,
                )
                indexes = [name for name in region.tables[event.table].provisions if name]
                updates = [
                    {"Update": {"IndexName": name, "ProvisionedThroughput": units}}
                    for name in indexes
                ]
                client.update_table(
                    TableName=event.table,
                    BillingMode="PROVISIONED",
                    ProvisionedThroughput=units,
                    **({"GlobalSecondaryIndexUpdates": updates} if updates else {}),
                )
                if was_on_demand:  # a switch of Headroom's that somebody undoes is a switch by hand
                    self.laws.switched_by_hand ^= {event.table}

    def _change_alarm(self, event: events.AlarmChange) -> None:
        target = Target(event.table, "", Dimension.READ)
        name = f"headroom-{target}"
        alarm = self.region.cloudwatch.alarms.get(name)
        if alarm is None:
            return
        self._disturb(event.table, event.at)
        self.laws.bent.add(target)
        match event.how:
            case "deleted":
                del self.region.cloudwatch.alarms[name]
            case "bent":
                alarm.fields["Threshold"] *= 10
            case "disabled":
                alarm.fields["ActionsEnabled"] = False
            case "emptied":
                alarm.fields["AlarmActions"] = []

    # runs

    def run_between(self, function: str) -> None:
        """Let another function run while one runs. Its calls and logs are not the first one's."""
        if self.nested:
            return
        region, self.nested = self.region, True
        calls, logs = len(region.calls), list(region.functions.logs)
        try:
            region.functions.invoke(function, scheduled_event(region, function))
        finally:
            del region.calls[calls:]
            region.functions.logs[:] = logs
            self.nested = False

    def _watch(self, invocation: Invocation) -> None:
        if not self.nested:  # two runs at once are right when the last one ends
            self.laws.judge_run(invocation)


def play(history: History) -> Laws:
    """Play a history from beginning to end. Raises BrokenLawError."""
    with Region(history.start, history.conditions) as region:
        return Player(history, region).run()
