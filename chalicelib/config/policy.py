"""The settings of one target.

`Policy` is the one place where a setting has its type, its range, its default and its description.
The reader, the checks and the reference documentation use it.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from chalicelib.config.money import MoneyCap
from chalicelib.config.schedules import Schedule
from chalicelib.config.types import Goal, NotificationKind, ScalingSteps, TopicArn, Units, Webhook
from chalicelib.config.windows import Reserve, Window, always_forbid
from chalicelib.metrics import RECENT
from chalicelib.model import Direction

#: DynamoDB's default quota per table or index, reads and writes each. Source: "Quotas in Amazon
#: DynamoDB", read 2026-10.
TABLE_QUOTA_UNITS = 40_000
#: CloudWatch: period x evaluation periods is at most a day for periods under an hour. Source:
#: API_PutMetricAlarm, 2026-10.
DAY_SECONDS = 86_400
#: A target that nobody wrote keeps its distance to a lower alarm: 65 of 80.
TARGET_PERCENT = 65
Raw = Mapping[str, Any]
Percent = Annotated[int, Meta(ge=1, le=100)]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one target, resolved."""

    strategy: Annotated[
        Literal["adaptive", "percent", "fleet"],
        Meta(
            description="How far to scale: `adaptive` follows the demand, "
            "`percent` takes the plain percentage step, "
            "`fleet` follows the number of instances alone."
        ),
    ] = "adaptive"
    mode: Annotated[
        Literal["provisioned", "cheapest"],
        Meta(
            description="The billing mode of a table: `provisioned` leaves it as it is; `cheapest` "
            "switches the table to on demand and back, as its past costs less: see docs/modes.md."
        ),
    ] = "provisioned"
    on_demand_ceiling_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description='With `mode = "cheapest"`, on demand: the maximum throughput of a target, '
            "in percent of its highest demand in the last 14 days; 0 sets none.",
        ),
    ] = 0
    min_units: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="The minimum. A table that is below it is raised.",
        ),
    ] = 1
    max_units: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="The maximum. A table that is above it is lowered to it. "
            "The default is DynamoDB's own quota for a table.",
        ),
    ] = TABLE_QUOTA_UNITS
    max_usd_month: Annotated[
        float,
        Meta(
            ge=0,
            le=100_000_000,
            description="What a table with its indexes may cost in a calendar month (UTC), in USD: "
            "see docs/money.md. Of a rule for several tables, each may cost that much; 0 is off.",
        ),
    ] = 0.0
    money_cap: MoneyCap = "warn"
    increase_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="An increase adds at least this much of the provisioned units. "
            "With `percent`, 50.",
        ),
    ] = 0
    increase_units: Annotated[
        Units, Meta(description="An increase adds at least this many units.")
    ] = 0
    increase_steps: Annotated[
        ScalingSteps,
        Meta(
            description="Instead of one step (strategy `percent`): "
            "the row with the highest `at` that consumption, in percent "
            "of the provisioned units, has reached."
        ),
    ] = ()
    throttled_provisioned_steps: Annotated[
        ScalingSteps,
        Meta(
            description="The same by throttled requests a second, "
            "in percent of the provisioned units. The largest wins."
        ),
    ] = ()
    throttled_consumed_steps: Annotated[
        ScalingSteps,
        Meta(
            description="The same by throttled requests a second, "
            "in percent of the consumed units. The largest wins."
        ),
    ] = ()
    throttled_events: Annotated[
        int,
        Meta(
            ge=0,
            description="Also raise when more requests than this were throttled "
            "within the alarm's periods (strategy "
            "`percent`); 0 is off.",
        ),
    ] = 0
    ignore_throttled_events: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="A minute with this many throttled requests, or with fewer, counts as one "
            "without; 0 counts every request.",
        ),
    ] = 0
    throttled_request_units: Annotated[
        float,
        Meta(
            ge=0, le=1_000, description="The units that a throttled request counts as; 0 measures."
        ),
    ] = 1.0
    request_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=20,
            description="Throttled requests are divided by this: the first try and the retries.",
        ),
    ] = 1
    delay_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=60,
            description="Ignore the newest minutes (strategy `percent`), "
            "for metrics that arrive late.",
        ),
    ] = 0
    alarm_percent: Annotated[
        Percent,
        Meta(
            description="The alarm's threshold: consumption at this much of the provisioned units. "
            "With `percent`, 80."
        ),
    ] = 95
    target_percent: Annotated[
        Percent,
        Meta(
            description="A decrease (strategy `percent`) leaves the recent peak at this much of "
            "the new units. Where `alarm_percent` is below 66, the default is 13/16 of it."
        ),
    ] = TARGET_PERCENT
    peak_minutes: Annotated[
        int,
        Meta(
            ge=5,
            le=180,
            description="The recent peak (strategy `percent`) is that of so many minutes, "
            "all of which must be known.",
        ),
    ] = 60
    min_decrease_percent: Annotated[
        Percent,
        Meta(
            description="A smaller decrease (strategy `percent`) is not made: "
            "it would use one of the day's quota."
        ),
    ] = 20
    lower_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=99,
            description="Lower by steps (strategy `percent`) "
            "when consumption is at or below this percentage of the provisioned "
            "units; 0 lowers to `target_percent` instead.",
        ),
    ] = 0
    decrease_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=99,
            description="The step down, where `lower_percent` is set; "
            "never below what was consumed.",
        ),
    ] = 50
    decrease_units: Annotated[
        Units, Meta(description="The step down in units, if that is more.")
    ] = 0
    decrease_steps: Annotated[
        ScalingSteps,
        Meta(
            description="Instead of one step down: the row with the lowest "
            "`at` that consumption does not exceed."
        ),
    ] = ()
    decrease_checks: Annotated[
        int,
        Meta(
            ge=1,
            le=180,
            description="How many of the alarm's periods in a row must be low, "
            "where `lower_percent` is set.",
        ),
    ] = 1
    check_reset_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Consumption at which counting `decrease_checks` begins again; "
            "0 means anything above `lower_percent`.",
        ),
    ] = 0
    scale_down_at_zero: Annotated[
        bool, Meta(description="Whether an idle target, whose consumption is zero, is lowered.")
    ] = True
    decrease_together: Annotated[
        bool,
        Meta(
            description="Lower reads and writes only together. "
            "A dimension at its minimum does not block the other."
        ),
    ] = False
    min_decrease_units: Annotated[
        Units, Meta(description="Never make a decrease of fewer units than this.")
    ] = 0
    decrease_spacing_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_440,
            description="After a decrease of a table or index, none follows for this long; "
            "0 is off.",
        ),
    ] = 0
    index_follows_table: Annotated[
        bool,
        Meta(
            description="Whether the writes of an index are raised with those of its table, and "
            "not lowered below what the table can send it."
        ),
    ] = True
    reserve_decreases: Annotated[
        tuple[Reserve, ...],
        Meta(description="Decreases that are kept for a time of day: `{ at, count, time_zone }`."),
    ] = ()
    lower_at: Annotated[
        tuple[Schedule, ...],
        Meta(
            description="The only times at which capacity is lowered: `{ at, time_zone }`. Each "
            "allows one decrease of a table or index, within 15 minutes. Without any, capacity is "
            "lowered whenever that saves."
        ),
    ] = ()
    hold_after_manual_change_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=24 * 14,
            description="For how long a capacity that was raised by hand is not lowered; 0 is off.",
        ),
    ] = 0
    hold_after_outage_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=60,
            description="For how long capacity is not lowered after demand fell to almost nothing "
            "at once, as in an outage of the callers; 0 is off.",
        ),
    ] = 0
    hold_after_common_outage_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=60,
            description="The same after the demand of many tables fell by half within minutes of "
            "each other; 0 is off.",
        ),
    ] = 0
    burst_trust_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How much of the 300-second burst bucket may "
            "be used up (strategy `adaptive`).",
        ),
    ] = 75
    burst_keep_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="How full the burst bucket is kept in quiet times (strategy `adaptive`).",
        ),
    ] = 100
    throttle_price: Annotated[
        float,
        Meta(
            ge=1,
            le=10_000,
            description="The cost of a throttled unit, in provisioned units (strategy `adaptive`).",
        ),
    ] = 34.6
    goal_throttled_ppm: Goal = 0.0
    insurance_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=300,
            description="How much of the capacity for sudden onsets, as on past days, "
            "is kept ready (strategy `adaptive`).",
        ),
    ] = 100
    min_change_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="In quiet times a smaller change is not made (strategy `adaptive`). "
            "A raise before the bucket is empty is at least half of it.",
        ),
    ] = 8
    windows: Annotated[
        tuple[Window, ...],
        Meta(
            description="Hours in which capacity is not changed, only lowered, "
            "or kept above a floor."
        ),
    ] = ()
    circuit_breaker_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://.+)?$",
            examples=["https://ops.example.com/headroom"],
            description="A URL that is requested by GET before every change. "
            "Any response but 2xx stops all changes.",
        ),
    ] = ""
    circuit_breaker_seconds: Annotated[
        float, Meta(gt=0, le=30, description="How long to wait for the response.")
    ] = 10.0
    notify: Annotated[
        tuple[NotificationKind, ...],
        Meta(
            description="Which notifications go to `notify_topic` and `notify_slack`: "
            "see docs/notifications.md."
        ),
    ] = ()
    notify_topic: TopicArn = ""
    notify_slack: Webhook = ""
    notify_above_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000,
            description="`high_throughput` means consumption at or "
            "above this percentage; 0 is off.",
        ),
    ] = 0
    notify_below_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="`low_throughput` means consumption at or below this percentage; 0 is off.",
        ),
    ] = 0
    notify_failing_sweeps: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            description="`failing` and `not_reached` mean that this many sweeps in a row have "
            "failed for a table, or had no time for it.",
        ),
    ] = 3
    alarm_period_seconds: Annotated[
        int,
        Meta(
            ge=60,
            le=3_600,
            multiple_of=60,
            description="The period of the alarms that Headroom makes.",
        ),
    ] = 60
    alarm_evaluation_periods: Annotated[
        int, Meta(ge=1, le=60, description="How many periods in a row must reach the threshold.")
    ] = 1
    scale_up: Annotated[bool, Meta(description="Whether capacity may be raised.")] = True
    scale_down: Annotated[bool, Meta(description="Whether capacity may be lowered.")] = True
    dry_run: Annotated[
        bool, Meta(description="Decide and log, but change neither the capacity nor an alarm.")
    ] = False

    def problems(self) -> Iterator[str]:
        """Yield what is wrong between the settings. Each sentence begins with the setting to
        change."""
        periods = self.alarm_period_seconds * self.alarm_evaluation_periods
        looked_at = self.decrease_checks * self.alarm_period_seconds + self.delay_minutes * 60
        checks = (
            (
                self.min_units > self.max_units,
                f"min_units: {self.min_units} is above max_units = {self.max_units}",
            ),
            (
                self.lower_percent >= self.alarm_percent,
                f"lower_percent: {self.lower_percent} is not below "
                f"alarm_percent = {self.alarm_percent}",
            ),
            (
                self.strategy == "fleet" and not self.scale_up,
                "scale_up: with false, the strategy fleet cannot follow its fleet",
            ),
            (
                self.mode == "cheapest" and not (self.scale_up and self.scale_down),
                "mode: cheapest changes capacity in both directions, so it needs scale_up and "
                "scale_down",
            ),
            (
                self.mode == "cheapest" and self.strategy == "fleet",
                "mode: cheapest is decided by the demand, not by a fleet",
            ),
            (
                self.mode == "cheapest" and self.max_usd_month > 0,
                "mode: a budget (max_usd_month) holds nothing back while a table is on demand, "
                "so it cannot be used with cheapest",
            ),
            (
                periods > DAY_SECONDS,
                "alarm_evaluation_periods: CloudWatch looks back one day at the most "
                "(period x evaluation periods)",
            ),
            (
                looked_at > RECENT.total_seconds(),
                "decrease_checks: the alarm periods and delay_minutes together must fit into "
                f"{RECENT // timedelta(minutes=1)} minutes",
            ),
            (
                (self.peak_minutes + self.delay_minutes) * 60 > RECENT.total_seconds(),
                "peak_minutes: together with delay_minutes it must fit into "
                f"{RECENT // timedelta(minutes=1)} minutes",
            ),
        )
        yield from (problem for is_wrong, problem in checks if is_wrong)
        yield from self._window_problems()
        if self.strategy == "percent":
            yield from self._step_problems()

    def _window_problems(self) -> Iterator[str]:
        floor = max((window.min_units for window in self.windows), default=0)
        if floor > self.max_units:
            yield f"windows: the floor of {floor} is above max_units = {self.max_units}"
        for direction, way, switch in (
            (Direction.UP, "raised", self.scale_up),
            (Direction.DOWN, "lowered", self.scale_down),
        ):
            if switch and always_forbid(self.windows, direction):
                yield (
                    f"windows: at no time of the week can a target be {way}; "
                    f"if that is meant, write scale_{direction} = false"
                )

    def _step_problems(self) -> Iterator[str]:
        has_plain_increase = self.increase_percent or self.increase_units
        has_decrease = self.decrease_percent or self.decrease_units or self.decrease_steps
        checks = (
            (
                not (has_plain_increase or self.increase_steps),
                "increase_percent: 0 would never raise anything with strategy = percent",
            ),
            (
                self.throttled_events and not has_plain_increase,
                "throttled_events: it raises by increase_percent or increase_units, and both are 0",
            ),
            (
                self.lower_percent and not has_decrease,
                "decrease_percent: 0 would never lower anything with lower_percent",
            ),
            (
                not self.lower_percent and self.target_percent >= self.alarm_percent,
                f"target_percent: {self.target_percent} is not below "
                f"alarm_percent = {self.alarm_percent}, "
                "so every decrease would set off the alarm again",
            ),
        )
        yield from (problem for is_wrong, problem in checks if is_wrong)
        for row in self.increase_steps:
            if row.at <= self.lower_percent and (row.percent or row.units):
                yield (
                    f"increase_steps: the row at {row.at:g} is not above "
                    f"lower_percent = {self.lower_percent}"
                )


#: Where a strategy's default differs from Policy's own.
STRATEGY_DEFAULTS: Mapping[str, Raw] = {"percent": {"increase_percent": 50, "alarm_percent": 80}}
SETTINGS: Mapping[str, Any] = get_type_hints(Policy, include_extras=True)


def make_policy(**settings: Any) -> Policy:
    """Return a policy with its strategy's own defaults under the given settings."""
    preset = STRATEGY_DEFAULTS.get(settings.get("strategy", ""), {})
    settings = {**preset, **settings}
    if settings.get("strategy") == "percent" and settings["alarm_percent"] <= TARGET_PERCENT:
        target = settings["alarm_percent"] * TARGET_PERCENT // preset["alarm_percent"]
        settings.setdefault("target_percent", max(1, target))
    return _policy(tuple(sorted(settings.items())))


@lru_cache(maxsize=1024)
def _policy(settings: tuple[tuple[str, Any], ...]) -> Policy:
    return Policy(**dict(settings))
