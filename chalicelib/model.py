"""The values that all modules share: targets, metrics, decisions and actions.

All are frozen. None uses AWS, a clock or a log. What each decision makes anew is a struct of
msgspec, which is made and changed about ten times faster than a dataclass. Amounts are capacity
units per second unless a name has another unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field, structs

Number = int | float | str | bool | None


class Dimension(StrEnum):
    """The two kinds of throughput that DynamoDB provisions separately."""

    READ = "read"
    WRITE = "write"


class Direction(StrEnum):
    """The two ways to scale."""

    UP = "up"
    DOWN = "down"


class Target(Struct, frozen=True, order=True):
    """One thing that scales: a dimension of a table, or of one of its indexes (`index` is "" for
    the table)."""

    table: str
    index: str
    dimension: Dimension

    def __str__(self) -> str:
        """Return `table:read`, or `table/index:read`: unambiguous, since no name holds a slash or a
        colon."""
        return f"{self.owner}:{self.dimension}"

    @property
    def owner(self) -> str:
        """Return `table`, or `table/index`: what DynamoDB counts decreases for."""
        return f"{self.table}/{self.index}" if self.index else self.table


class Reason(StrEnum):
    """The reason for a decision. Where they fit, the names are those of AWS's NotScaledReason."""

    # capacity changes
    UTILIZATION_HIGH = "UtilizationHigh"
    THROTTLED = "Throttled"
    BELOW_MINIMUM = "BelowMinimum"
    PATTERN_AHEAD = "PatternAhead"
    ALARM_ONLY = "AlarmWithoutMetrics"
    UTILIZATION_LOW = "UtilizationLow"
    TOGETHER = "TogetherWithOther"
    ABOVE_MAXIMUM = "AboveMaximum"
    FLEET = "FleetSize"
    FOLLOWS_TABLE = "FollowsTable"
    AT_QUOTA = "QuotaReached"
    # capacity stays
    AT_DESIRED = "AlreadyAtDesiredCapacity"
    AT_MAX = "AlreadyAtMaxCapacity"
    MONEY_CAP = "MoneyCapReached"
    AT_MIN = "AlreadyAtMinCapacity"
    BURST_CARRIES = "BurstBucketCarries"
    HOT_KEY = "HotKey"
    EVIDENCE_SPENT = "EvidenceSpent"
    NO_DATA = "NoRecentData"
    RAISED_RECENTLY = "RaisedRecently"
    STILL_FALLING = "DemandStillFalling"
    THROTTLED_RECENTLY = "ThrottledRecently"
    BUDGET_USED_UP = "DecreaseBudgetUsedUp"
    LOWERED_RECENTLY = "LoweredRecently"
    NOT_WORTH_IT = "DecreaseNotWorthIt"
    INCREASE_FIRST = "IncreaseFirst"
    SCALING_OFF = "ScalingOff"
    TOO_FEW_CHECKS = "TooFewLowChecks"
    IDLE = "IdleNotLowered"
    OTHER_NOT_LOW = "OtherDimensionNotLow"
    RESERVED = "DecreaseReserved"
    # something other than its own policy holds it
    WINDOW = "HeldByWindow"
    NOT_SCHEDULED = "NotScheduledNow"
    PAUSED = "Paused"
    PAUSE_UNKNOWN = "PauseUnknown"
    HISTORY_UNKNOWN = "HistoryUnknown"
    ALARM_UNKNOWN = "AlarmFieldUnknown"
    CIRCUIT_OPEN = "CircuitBreakerOpen"
    CIRCUIT_UNKNOWN = "CircuitBreakerUnknown"
    RAISED_BY_HAND = "RaisedByHand"
    JOB_RUNNING = "JobRunning"
    GLOBAL_TABLE = "GlobalTable"
    DEMAND_GONE = "DemandGone"
    FLEET_UNKNOWN = "FleetUnknown"
    UPDATING = "TableUpdating"
    # the billing mode of a table
    CHEAPER_ON_DEMAND = "CheaperOnDemand"
    CHEAPER_PROVISIONED = "CheaperProvisioned"
    CHEAPEST_MODE = "CheapestMode"
    PARACHUTE = "Parachute"
    SWITCHED_BY_HAND = "SwitchedByHand"
    PRICE_UNKNOWN = "PriceUnknown"
    # skipped: there is nothing to decide
    ON_DEMAND = "OnDemand"
    GONE = "TableGone"
    NOT_MANAGED = "NotManaged"
    AUTOSCALING_CONFLICT = "ManagedByApplicationAutoScaling"
    NOT_IN_ALARM = "NotInAlarm"
    MALFORMED = "MalformedMessage"
    UNSUPPORTED_ALARM = "UnsupportedAlarm"
    ALARM_OFF = "AlarmActionsOff"
    FOREIGN = "ForeignAccountOrRegion"
    # an action that AWS refused
    CHANGED_MEANWHILE = "ChangedMeanwhile"
    REFUSED = "RefusedByDynamoDB"
    FAILED = "CallFailed"
    NO_TIME_LEFT = "NoTimeLeft"
    # an instance is to be healed, or is left alone
    STATUS_CHECK_FAILED = "StatusCheckFailed"
    NOT_FAILING = "StatusChecksPass"
    BEING_REPLACED = "BeingReplaced"
    NOT_IN_SERVICE = "NotInService"
    PROTECTED = "ProtectedFromScaleIn"
    LAUNCHED_RECENTLY = "LaunchedRecently"
    REBOOTED_RECENTLY = "RebootedRecently"
    NOT_WATCHED = "StatusAlarmMissing"
    PROCESS_SUSPENDED = "ProcessSuspended"
    OUTAGE = "Outage"
    LAST_HEALTHY = "LastHealthyInstances"
    HEALING_BUDGET = "HealingBudgetUsedUp"


class Series(Struct, frozen=True):
    """Evenly spaced means in units per second, oldest first; None where CloudWatch had no
    datapoint.

    start: aware time at which the first value's period begins. step_seconds: the length of a
    period.
    """

    start: datetime
    step_seconds: int
    values: tuple[float | None, ...] = ()

    @property
    def end(self) -> datetime:
        """Return the time at which the last value's period closes."""
        return self.start + timedelta(seconds=self.step_seconds * len(self.values))

    def since(self, at: datetime | None) -> Series:
        """Return the part whose periods begin at `at` or later (all of it for None)."""
        if at is None or at <= self.start:
            return self
        skip = -int((self.start - at).total_seconds() // self.step_seconds)
        skip = min(skip, len(self.values))
        return Series(
            self.start + timedelta(seconds=skip * self.step_seconds),
            self.step_seconds,
            self.values[skip:],
        )

    def last(self, count: int) -> Series:
        """Return the newest `count` values (fewer where there are not as many)."""
        skip = max(0, len(self.values) - count)
        return Series(
            self.start + timedelta(seconds=skip * self.step_seconds),
            self.step_seconds,
            self.values[skip:],
        )

    def starting_at(self, start: datetime) -> Series:
        """Return the series from an earlier or later start on; what it lacks is a gap."""
        missing = max(0, int((self.start - start).total_seconds()) // self.step_seconds)
        part = self.since(start)
        return structs.replace(part, start=start, values=(None,) * missing + part.values)

    def without_trailing_gaps(self) -> Series:
        """Return the series without the gaps at its end: what CloudWatch does not show yet."""
        size = len(self.values)
        while size and self.values[size - 1] is None:
            size -= 1
        return structs.replace(self, values=self.values[:size])

    def known(self) -> list[float]:
        """Return the values without the gaps."""
        return [value for value in self.values if value is not None]


NO_SERIES = Series(datetime.fromisoformat("1970-01-01T00:00:00+00:00"), 60)


class Throughput(Struct, frozen=True):
    """What DescribeTable returns for one table or index: its units and its history of changes.

    decreases_today: accepted decreases in this UTC day. Times are aware.
    Source: API_ProvisionedThroughputDescription (a fresh table has neither of the two times).
    warm: the warm throughput, empty where it is unknown. Source: API_TableWarmThroughputDescription
    and API_GlobalSecondaryIndexWarmThroughputDescription, read 2026-11.
    """

    units: Mapping[Dimension, int]
    active: bool = True
    decreases_today: int = 0
    last_increase_at: datetime | None = None
    last_decrease_at: datetime | None = None
    warm: Mapping[Dimension, int] = field(default_factory=dict)

    @property
    def last_change_at(self) -> datetime | None:
        """Return when the units last changed, None if they never did."""
        raised_at, lowered_at = self.last_increase_at, self.last_decrease_at
        if raised_at is None or lowered_at is None:
            return raised_at or lowered_at
        return max(raised_at, lowered_at)


class TableState(Struct, frozen=True):
    """A table as DescribeTable shows it.

    throughputs: the throughput by index name, "" for the table. replicas: the other Regions of a
    global table, version 2019.11.21. table_class: `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
    size_bytes: of the table and its indexes, as DynamoDB measured it in the last six hours.
    on_demand_at: when it went on demand last. ceilings: its `OnDemandThroughput`, by target.
    Source: API_TableDescription, read 2026-11.
    """

    name: str
    arn: str
    active: bool
    on_demand: bool
    throughputs: Mapping[str, Throughput]
    replicas: tuple[str, ...] = ()
    table_class: str = "STANDARD"
    size_bytes: int = 0
    on_demand_at: datetime | None = None
    ceilings: tuple[tuple[Target, int], ...] = ()

    def replicates(self, target: Target) -> bool:
        """Tell whether a target is the writes of a global table, or of an index of one."""
        return bool(self.replicas) and target.dimension is Dimension.WRITE

    def targets(self) -> list[Target]:
        """Return all that could be scaled: the table first, then its indexes by name; reads, then
        writes."""
        return [
            Target(self.name, index, dimension)
            for index in sorted(self.throughputs)
            for dimension in Dimension
        ]

    def units(self, target: Target) -> int | None:
        """Return the provisioned units of a target, None where its index does not exist."""
        throughput = self.throughputs.get(target.index)
        return throughput.units[target.dimension] if throughput else None


class DemandHistory(Struct, frozen=True):
    """What the last days show about the coming hour (onsets.py makes it). Amounts are units per
    second.

    end: the end of these days. highest: the highest five-minute mean. typical_burst: the median
    peak of the newest onsets (0 if there were fewer than three).

    hourly: the highest onset of each similar hour, sorted; 0 for an hour without one. Similar are
    the last hours and, on past days, the same hour, the one before and the one after.

    daily: the same for each five-minute slot after the end. Each value is the highest onset of the
    15 minutes that begin with this slot on one past day.

    weekly: for each slot the onset that came both a week and two weeks ago: the lower of the two.

    quiet: for each slot the lower mean of a day ago and a week ago; infinite if both are unknown.
    """

    end: datetime | None = None
    highest: float = 0.0
    typical_burst: float = 0.0
    hourly: tuple[float, ...] = ()
    daily: tuple[tuple[float, ...], ...] = ()
    weekly: tuple[float, ...] = ()
    quiet: tuple[float, ...] = ()


NO_HISTORY = DemandHistory()


class RecentFacts(Protocol):
    """What RecentDemand has. A replay makes each of these facts only where it is used."""

    @property
    def known(self) -> Sequence[float]:
        """Return the known minutes, oldest first."""

    @property
    def noise(self) -> float:
        """Return the noise."""

    @property
    def swing(self) -> float:
        """Return the swing."""

    @property
    def highest(self) -> float:
        """Return the highest minute without the last ten."""

    @property
    def burst_left(self) -> float:
        """Return the share of the burst bucket that is left."""


class RecentDemand(Struct, frozen=True):
    """What the series of the last hours show. They alone determine it.

    known: consumed and throttled units together in the known minutes, oldest first. noise: the
    usual difference between one minute and the next. swing: that between one five-minute mean and
    the next. highest: the highest minute without the last ten. burst_left: the share of the burst
    bucket that is left.
    """

    known: Sequence[float]
    noise: float
    swing: float
    highest: float
    burst_left: float


class Metrics(Struct, frozen=True):
    """The metrics of one target in CloudWatch.

    consumed: one-minute means of the last hours. throttled: requests a second that more units would
    have served, those of an unknown cause included. unexplained: those alone. hot_keys: requests a
    second that one partition's own limit refused. provisioned: the minimum of each five minutes in
    the same hours. history: a summary of the last days. recent: what these series show, where
    the caller knows it already; a replay carries it on from minute to minute. request_units: the
    units that a throttled request counts as.
    """

    consumed: Series = NO_SERIES
    throttled: Series = NO_SERIES
    provisioned: Series = NO_SERIES
    history: DemandHistory = NO_HISTORY
    hot_keys: Series = NO_SERIES
    unexplained: Series = NO_SERIES
    recent: RecentFacts | None = None
    request_units: float = 1.0


class Hold(Struct, frozen=True):
    """Something other than the policy that keeps a target's capacity as it is.

    detail: the cause as a text. directions: which changes it forbids.
    """

    reason: Reason
    detail: str
    directions: frozenset[Direction]


UP = frozenset({Direction.UP})
DOWN = frozenset({Direction.DOWN})
BOTH = UP | DOWN


class Decision(Struct, frozen=True):
    """What is decided about one target: from `current` to `desired` units, with reason and numbers.

    needs_other: whether it may be lowered only together with the other dimension. keeps_alarm:
    whether the alarm's threshold must not be raised to the present units: the difference shows that
    somebody else has set them. reserved: the reservation of later decreases that a decrease now
    would break, as numbers. Empty if it breaks none.
    """

    target: Target
    current: int
    desired: int
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)
    dry_run: bool = False
    needs_other: bool = False
    keeps_alarm: bool = False
    reserved: Mapping[str, Number] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Tell whether the decision changes the capacity."""
        return self.desired != self.current


class Skip(Struct, frozen=True):
    """Something that was checked and left as it is: a message, an alarm or a table."""

    subject: str
    reason: Reason
    detail: str


class Change(Struct, frozen=True):
    """One target's part of an UpdateTable call. `current` is what the decision saw, and must still
    be so."""

    target: Target
    current: int
    desired: int


class SetCapacity(Struct, frozen=True):
    """One UpdateTable call: all increases, or all decreases, of one table and its indexes."""

    table: str
    changes: tuple[Change, ...]

    @property
    def is_increase(self) -> bool:
        """Tell which of the two it is."""
        return any(change.desired > change.current for change in self.changes)


class Alarm(Struct, frozen=True):
    """An alarm as DescribeAlarms shows it: all its fields, by AWS's own names.

    unsendable: the fields that PutMetricAlarm could not send back, since the running botocore does
    not know them. An alarm that has one is not rewritten.
    """

    fields: Mapping[str, object]
    unsendable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the alarm's name."""
        return str(self.fields["AlarmName"])

    @property
    def why_not_rewritten(self) -> str:
        """Return why the alarm is not rewritten, and what to do; "" where it may be rewritten."""
        if not self.unsendable:
            return ""
        names = ", ".join(self.unsendable)
        return (
            f"alarm {self.name} has {names}, which this version of boto3 cannot send back; "
            "deploy with a newer boto3, or take that away from the alarm"
        )

    @property
    def is_silenced(self) -> bool:
        """Tell whether somebody has switched the alarm's actions off."""
        return self.fields.get("ActionsEnabled") is False

    @property
    def why_silent(self) -> str:
        """Return why the alarm calls nobody, whatever its metric does; "" where it may call.

        A warm-up keeps an alarm in INSUFFICIENT_DATA after it is created or updated, and no action
        runs meanwhile. Whether a new threshold begins it again is not written. Source: CloudWatch
        User Guide, "Alarm warm-up periods", read 2026-11.
        """
        if self.is_silenced:
            return "its actions are switched off"
        is_waiting = self.fields.get("StateValue") == "INSUFFICIENT_DATA"
        has_warm_up = bool(self.fields.get("WarmUpConfiguration"))
        return "it is in its warm-up" if is_waiting and has_warm_up else ""

    @property
    def threshold(self) -> float | None:
        """Return the threshold (the unit is that of the alarm's statistic), or None where it has
        none."""
        value = self.fields.get("Threshold")
        return float(value) if isinstance(value, int | float) else None


class CreateAlarm(Struct, frozen=True):
    """Make one of Headroom's own alarms, for a target or for what is named. `fields` are
    PutMetricAlarm's parameters."""

    target: Target | str
    fields: Mapping[str, object]

    @property
    def result(self) -> Alarm:
        """Return the alarm as it will be."""
        return Alarm(self.fields)


class RewriteAlarm(Struct, frozen=True):
    """Change some fields of an alarm, the threshold above all, and keep every other one as it
    is."""

    target: Target | str
    alarm: Alarm
    changes: Mapping[str, object]

    @property
    def result(self) -> Alarm:
        """Return the alarm as it will be."""
        return Alarm({**self.alarm.fields, **self.changes}, self.alarm.unsendable)

    @property
    def undone(self) -> RewriteAlarm:
        """Return the rewrite that gives the alarm its old fields back."""
        old = {key: self.alarm.fields[key] for key in self.changes if key in self.alarm.fields}
        return RewriteAlarm(self.target, self.result, old)


class DeleteAlarms(Struct, frozen=True):
    """Remove alarms of Headroom's own whose target is gone."""

    names: tuple[str, ...]


class Heal(Struct, frozen=True):
    """Let a group replace an instance, or reboot it; `how` is `replace` or `reboot`."""

    instance: str
    group: str
    how: str


class StandBy(Struct, frozen=True):
    """Suspend, or (`ends`) resume, Application Auto Scaling. percent: of a policy to put, or 0."""

    target: Target
    min_units: int
    max_units: int
    percent: int
    scales_in: bool
    is_new: bool = False
    ends: bool = False


class SetMode(Struct, frozen=True):
    """Switch the billing mode of a table, or (`was` is the same) change its ceilings on demand.

    was, on_demand: whether it is on demand before and after. units: of each target, where it
    becomes provisioned. ceilings: those that change. note: the tag that is written before.
    """

    table: str
    was: bool
    on_demand: bool
    units: tuple[tuple[Target, int], ...] = ()
    ceilings: tuple[tuple[Target, int], ...] = ()
    note: tuple[str, str] = ("", "")

    @property
    def switches(self) -> bool:
        """Tell whether the mode changes."""
        return self.was != self.on_demand


TableAction = SetCapacity | RewriteAlarm
Action = TableAction | CreateAlarm | DeleteAlarms | Heal | StandBy | SetMode
