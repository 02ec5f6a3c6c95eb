"""The decision on the billing mode of a table: provisioned, or on demand. Pure: the time is an
argument.

A table has one mode for itself and all its indexes. Who switched it last is known by a tag on the
table, which Headroom writes before each switch of its own.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from chalicelib.config import windows
from chalicelib.config.policy import Policy
from chalicelib.core import mode_costs, throttling
from chalicelib.core.mode_costs import APART_HOURS, HOUR, WEEK_HOURS, Way
from chalicelib.core.observation import Observation
from chalicelib.core.price_list import UnitHours
from chalicelib.model import Direction, Hold, Number, Reason, Series, Target

#: The tag's key. Its value is `on-demand` or `provisioned`, and when Headroom switched to it; or
#: `cheapest`, by which an operator hands a table over.
KEY = "headroom-mode"
ON_DEMAND, PROVISIONED, HANDED_OVER = "on-demand", "provisioned", "cheapest"
#: DescribeTable's time of a switch is so near to the time of Headroom's own call.
SLACK = timedelta(minutes=15)
#: What a note says of a switch that a quota made necessary. The table stays on demand so long: that
#: long it may not go there again.
EMERGENCY, STAYS = "parachute", timedelta(hours=APART_HOURS)
#: The newest minutes whose demand and throttling a parachute compares.
NEWEST = 5
#: The units of the way back leave the highest demand at this much of them: the first minutes after
#: a switch have no burst bucket to rely on.
START_PERCENT = 70
#: Hours before and after now that these units must serve.
START_HOURS = 3
#: The newest minutes that they must serve.
START_MINUTES = 30
MONTH_HOURS = 730
#: A ceiling that differs by less stays as it is, in percent.
CEILING_CHANGE = 10


class ModeTag(Struct, frozen=True):
    """Headroom's note of its own last switch. at: None if an operator handed the table over. why:
    `parachute`, or ""."""

    mode: str
    at: datetime | None = None
    why: str = ""

    def __str__(self) -> str:
        """Return the tag's value."""
        at = f"{self.at:%Y-%m-%dT%H:%M:%SZ}" if self.at else ""
        return " ".join(filter(None, [self.mode, at, self.why]))


def parse(value: str) -> ModeTag | None:
    """Return the note in a tag's value; None if it is none of Headroom's."""
    mode, time, why = (*value.split(maxsplit=2), "", "", "")[:3]
    if mode == HANDED_OVER:
        return ModeTag(mode)
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        return None
    is_known = mode in (ON_DEMAND, PROVISIONED) and at.tzinfo is not None
    return ModeTag(mode, at.astimezone(UTC), why) if is_known else None


class ModeFacts(Struct, frozen=True):
    """What is known of a table whose mode Headroom may choose.

    on_demand_at: when it went on demand last, as DescribeTable shows it. tag: the note of
    Headroom's last switch. days: the five-minute demand of the last days, of every target, to a
    full hour. recent: the demand of the newest minutes; it is needed for the way back. unit_hours,
    request_hours: USD for a unit a second for an hour, provisioned and on demand; None if unknown.
    ceilings: `OnDemandThroughput`, of the targets that have one.
    """

    table: str
    on_demand: bool
    policies: Mapping[Target, Policy]
    days: Mapping[Target, Series]
    recent: Mapping[Target, Series]
    unit_hours: UnitHours | None
    request_hours: UnitHours | None
    on_demand_at: datetime | None = None
    tag: ModeTag | None = None
    holds: tuple[Hold, ...] = ()
    ceilings: Mapping[Target, int] = field(default_factory=dict)


class ModeDecision(Struct, frozen=True):
    """What is decided about the mode of a table.

    on_demand, becomes_on_demand: the mode now, and then. units: what each target gets on the way
    back. ceilings: the ceilings that change.
    """

    table: str
    on_demand: bool
    becomes_on_demand: bool
    reason: Reason
    numbers: Mapping[str, Number] = field(default_factory=dict)
    dry_run: bool = False
    units: Mapping[Target, int] = field(default_factory=dict)
    ceilings: Mapping[Target, int] = field(default_factory=dict)

    @property
    def switches(self) -> bool:
        """Tell whether the mode changes."""
        return self.on_demand != self.becomes_on_demand

    @property
    def changes(self) -> bool:
        """Tell whether anything changes."""
        return self.switches or bool(self.ceilings)


def decide(facts: ModeFacts, now: datetime) -> ModeDecision:
    """Decide on the mode of one table. What is unknown changes nothing."""
    dry_run = any(policy.dry_run for policy in facts.policies.values())
    if is_by_hand(facts):
        return _stays(facts, Reason.SWITCHED_BY_HAND, dry_run)
    if facts.unit_hours is None or facts.request_hours is None:
        return _stays(facts, Reason.PRICE_UNKNOWN, dry_run)
    if facts.on_demand and _has_parachute(facts.tag, now):
        return _stays(facts, Reason.PARACHUTE, dry_run)
    week = None
    if facts.days.keys() >= facts.policies.keys():
        first = now.replace(minute=0, second=0, microsecond=0)
        week = mode_costs.coming_week(
            facts.days, facts.policies, facts.unit_hours, facts.request_hours, first
        )
    if week is None:
        return _stays(facts, Reason.HISTORY_UNKNOWN, dry_run)
    way = mode_costs.cheapest_way(week, facts.on_demand, _rest(facts, now))
    numbers = _numbers(week, way)
    if not way.switches:
        ceilings = _ceilings(facts, now) if facts.on_demand else {}
        return _stays(facts, Reason.CHEAPEST_MODE, dry_run, numbers, ceilings)
    return _switch(facts, now, dry_run, numbers)


def _has_parachute(tag: ModeTag | None, now: datetime) -> bool:
    return bool(tag and tag.at and tag.why == EMERGENCY and now - tag.at < STAYS)


def parachute(
    facts: ModeFacts, observations: Mapping[Target, Observation], now: datetime
) -> ModeDecision | None:
    """Decide on a table whose increase a quota refused: to on demand, if what is throttled costs
    more than that.

    The quota of an account's provisioned units does not limit tables on demand. Source: Developer
    Guide, "Quotas in Amazon DynamoDB", read 2026-11. Returns None if it stays.
    """
    units, requests = facts.unit_hours, facts.request_hours
    if units is None or requests is None or facts.on_demand or is_by_hand(facts):
        return None
    if _rest(facts, now) or any(Direction.UP in hold.directions for hold in _holds(facts, now)):
        return None
    lost = served = held = 0.0
    for target, seen in observations.items():
        price, throttled = units[target.dimension], _newest(throttling.lost_units(seen.metrics))
        lost += throttled * seen.policy.throttle_price * price
        served += (_newest(seen.metrics.consumed) + throttled) * requests[target.dimension]
        held += seen.provisioned * price
    if lost <= served - held:
        return None
    numbers: dict[str, Number] = {
        "throttled_usd_hour": round(lost, 4),
        "on_demand_usd_hour": round(served, 4),
        "provisioned_usd_hour": round(held, 4),
    }
    dry_run = any(policy.dry_run for policy in facts.policies.values())
    return ModeDecision(facts.table, False, True, Reason.PARACHUTE, numbers, dry_run)


def _newest(series: Series) -> float:
    """Return the mean of the newest minutes; a minute without a datapoint counts as 0."""
    return sum(series.last(NEWEST).known()) / NEWEST


def is_by_hand(facts: ModeFacts) -> bool:
    """Tell whether somebody else has given the table its mode.

    On demand it is Headroom's if Headroom's note is not older than the switch. Provisioned it is
    somebody else's if the note says that Headroom made it on demand, and DescribeTable that this
    was so.
    """
    tag, at = facts.tag, facts.on_demand_at
    if facts.on_demand:
        if tag is None:
            return True
        return tag.at is not None and (at is None or at > tag.at + SLACK)
    if tag is None or tag.at is None or at is None:
        return False
    return tag.mode == ON_DEMAND and at >= tag.at - SLACK


def _rest(facts: ModeFacts, now: datetime) -> int:
    """Return the hours until the table may go on demand again.

    So no 24 hours have more than four switches, although DescribeTable shows the last one only.
    """
    if facts.on_demand_at is None:
        return 0
    return max(0, math.ceil(APART_HOURS - (now - facts.on_demand_at) / HOUR))


def _switch(
    facts: ModeFacts, now: datetime, dry_run: bool, numbers: Mapping[str, Number]
) -> ModeDecision:
    direction = Direction.DOWN if facts.on_demand else Direction.UP
    hold = next((hold for hold in _holds(facts, now) if direction in hold.directions), None)
    if hold:
        held = {**numbers, "held_by": hold.detail}
        return _stays(facts, hold.reason, dry_run, held)
    if not facts.on_demand:
        ceilings = _ceilings(facts, now)
        reason = Reason.CHEAPER_ON_DEMAND
        return ModeDecision(facts.table, False, True, reason, numbers, dry_run, ceilings=ceilings)
    units = {target: start_units(facts, target, now) for target in facts.policies}
    known = {target: count for target, count in units.items() if count is not None}
    if len(known) < len(units):
        return _stays(facts, Reason.NO_DATA, dry_run, numbers)
    reason = Reason.CHEAPER_PROVISIONED
    return ModeDecision(facts.table, True, False, reason, numbers, dry_run, units=known)


def _holds(facts: ModeFacts, now: datetime) -> Iterable[Hold]:
    yield from facts.holds
    for policy in facts.policies.values():
        yield from windows.holds(policy.windows, now)


def _stays(
    facts: ModeFacts,
    reason: Reason,
    dry_run: bool,
    numbers: Mapping[str, Number] | None = None,
    ceilings: Mapping[Target, int] | None = None,
) -> ModeDecision:
    mode = facts.on_demand
    return ModeDecision(
        facts.table, mode, mode, reason, numbers or {}, dry_run, ceilings=ceilings or {}
    )


def _numbers(week: Iterable[mode_costs.HourCost], way: Way) -> dict[str, Number]:
    hours = list(week)
    month = MONTH_HOURS / WEEK_HOURS
    return {
        "provisioned_usd_month": round(month * sum(hour.provisioned for hour in hours), 2),
        "on_demand_usd_month": round(month * sum(hour.on_demand for hour in hours), 2),
        "cheapest_usd_month": round(month * way.cost, 2),
        "on_demand_hours_week": sum(way.on_demand),
    }


def start_units(facts: ModeFacts, target: Target, now: datetime) -> int | None:
    """Return the units with which a target becomes provisioned; None if its load is unknown.

    They serve the newest minutes, the last hours, and the next hours as they were on past weeks.
    """
    policy, days = facts.policies[target], facts.days[target]
    minutes = facts.recent[target].last(START_MINUTES).known() if target in facts.recent else []
    if not minutes:
        return None
    near = timedelta(hours=START_HOURS)
    past = range(WEEK_HOURS, int((now - days.start) / HOUR) + WEEK_HOURS, WEEK_HOURS)
    parts = [days.since(days.end - near)]
    for back in past:
        at = now - back * HOUR
        count = int(near.total_seconds()) // days.step_seconds
        if at >= days.start:
            parts.append(_first(days.since(at), count))
    highest = max([*minutes, *(value for part in parts for value in part.known())])
    floor = windows.floor_units(policy.windows, now)
    units = max(math.ceil(highest * 100 / START_PERCENT), policy.min_units, floor)
    return min(units, policy.max_units)


def _first(series: Series, count: int) -> Series:
    return Series(series.start, series.step_seconds, series.values[:count])


def _ceilings(facts: ModeFacts, now: datetime) -> dict[Target, int]:
    """Return the ceilings on demand that are to change: a multiple of the last weeks' peak."""
    wanted: dict[Target, int] = {}
    for target, policy in facts.policies.items():
        highest = max(facts.days[target].known(), default=0.0)
        ceiling = math.ceil(highest * policy.on_demand_ceiling_percent / 100)
        floor = max(policy.min_units, windows.floor_units(policy.windows, now))
        if policy.on_demand_ceiling_percent:
            wanted[target] = max(ceiling, floor)
    return {t: count for t, count in wanted.items() if _differs(count, facts.ceilings.get(t))}


def _differs(wanted: int, current: int | None) -> bool:
    return current is None or abs(wanted - current) * 100 > CEILING_CHANGE * current
