"""The decision on one target, and on the targets of one table together. Pure: the time is an
argument.

A strategy recommends a number of units. This module applies the bounds, the switches, the state of
the table and the decrease budget.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from msgspec import structs

from chalicelib.config import schedules, windows
from chalicelib.core import budget as budgets
from chalicelib.core import index_floor, money, outages, throttling, warm
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive, fleet_size, percent
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import UP, Decision, Dimension, Direction, Hold, Number, Reason, Target

#: The reasons for which a recommended decrease is made. With any other reason it is only shown.
LOWERS = frozenset({Reason.UTILIZATION_LOW, Reason.FLEET})
#: With these reasons, not even a capacity above its maximum comes down now.
WAITS = frozenset(
    {
        Reason.NO_DATA,
        Reason.FLEET_UNKNOWN,
        Reason.THROTTLED_RECENTLY,
        Reason.RAISED_RECENTLY,
        Reason.STILL_FALLING,
    }
)
#: With these reasons a dimension is as low as it may be. So it keeps the other one from nothing.
READY = frozenset({Reason.AT_MIN, Reason.FOLLOWS_TABLE, Reason.NOT_WORTH_IT, Reason.GLOBAL_TABLE})
#: The increase where only the alarm is known, and the policy sets none.
ALARM_INCREASE_PERCENT = 50
#: So long an alarm that went to ALARM tells of the present load.
ALARM_IS_NEWS = timedelta(minutes=15)
CHECKED_MINUTES = 60


class Strategy(Protocol):
    """A way to choose the units of a target. Each strategy is a module with these two functions."""

    def scale_up(
        self, observation: Observation, now: datetime, urgent: bool = False
    ) -> Recommendation:
        """Recommend the units after an increase. urgent: whether an alarm called."""

    def scale_down(self, observation: Observation, now: datetime) -> Recommendation:
        """Recommend the units after a decrease."""


STRATEGIES: Mapping[str, Strategy] = {
    "adaptive": adaptive,
    "percent": percent,
    "fleet": fleet_size,
}


def decide_table(
    observations: Collection[Observation],
    now: datetime,
    directions: Collection[Direction],
    explains: bool = True,
) -> list[Decision]:
    """Decide on the targets of one table together.

    The table's writes come first, since the writes of its indexes follow them. explains: whether
    the decisions have all their numbers. A replay needs none.
    """
    make = partial(decide, now=now, directions=directions, explains=explains)
    followers = [o for o in observations if index_floor.follows(o)]
    table = next((o for o in observations if _is_table_writes(o.target)), None)
    if not table or not followers:
        return coordinate_dimensions([make(o) for o in observations])
    known = {o.target: o for o in observations}
    known[table.target] = index_floor.with_throttled_indexes(table, followers, now)
    made = {t: make(o) for t, o in known.items() if not t.index}
    writes = next(d for d in coordinate_dimensions(made.values()) if d.target == table.target)
    known |= {o.target: index_floor.with_floor(o, table, writes) for o in followers}
    holds = index_floor.waits(table, writes, now)
    owners = {o.target.owner for o in followers}
    known |= {
        t: structs.replace(o, holds=(*o.holds, *holds))
        for t, o in known.items()
        if t.owner in owners
    }
    return coordinate_dimensions(made.get(t) or make(o) for t, o in known.items())


def _is_table_writes(target: Target) -> bool:
    return not target.index and target.dimension is Dimension.WRITE


def decide(
    observation: Observation,
    now: datetime,
    directions: Collection[Direction],
    explains: bool = True,
) -> Decision:
    """Decide on one target. A needed increase has priority over any decrease.

    Without `explains`, nothing is computed of an increase that surely is none.
    """
    urgent = Direction.DOWN not in directions
    is_kept = not explains and _surely_keeps(observation, now, urgent)
    if is_kept and urgent:
        return _keep(observation, Reason.AT_DESIRED)
    bounded, holds = _with_floors(observation, now), _holds(observation, now)
    reserved = _reservations(observation, now)
    decision = None
    if Direction.UP in directions and not is_kept:
        decision = _guard(bounded, Direction.UP, holds) or _within_money(
            bounded, now, _scale_up(bounded, now, urgent)
        )
    if Direction.DOWN in directions and (decision is None or not decision.changes):
        lower = _guard(bounded, Direction.DOWN, holds) or _use_decrease(
            bounded, now, reserved, _scale_down(bounded, now)
        )
        is_capped = decision is not None and decision.reason is Reason.MONEY_CAP
        decision = decision if is_capped and not lower.changes else lower
    if decision is None:
        raise ValueError("a decision needs a direction")
    causes = throttling.numbers(observation.metrics, now)
    is_hot = decision.reason is Reason.AT_DESIRED and "hot_key_requests" in causes
    facts = _facts(observation, now, decision) if explains else {}
    return structs.replace(
        decision,
        reason=Reason.HOT_KEY if is_hot else decision.reason,
        numbers={**decision.numbers, **causes, **facts},
        dry_run=observation.policy.dry_run,
        needs_other=observation.policy.decrease_together,
        keeps_alarm=any(hold.reason is Reason.RAISED_BY_HAND for hold in observation.holds),
        reserved=reserved,
    )


def _surely_keeps(observation: Observation, now: datetime, urgent: bool) -> bool:
    """Tell, with less work than a whole decision, whether nothing is raised."""
    policy = observation.policy
    is_plain = policy.strategy == "adaptive" and observation.alarmed_at is None
    return (
        is_plain
        and not policy.windows
        and max(policy.min_units, _given_units(observation)) <= observation.provisioned
        and adaptive.surely_keeps(observation, now, urgent)
    )


def _facts(observation: Observation, now: datetime, decision: Decision) -> dict[str, Number]:
    """Return the numbers behind a decision that do not come from the strategy."""
    budget = budgets.budget(observation.throughput, now)
    return {
        **_fleet_numbers(observation),
        **index_floor.numbers(observation),
        **warm.numbers(observation, decision),
        **money.numbers(observation.spending),
        "decreases_today": budget.used,
        "decreases_left": budget.left,
        "next_decrease_at": budget.next_at.isoformat(timespec="seconds"),
    }


def would_raise(observation: Observation, now: datetime) -> bool:
    """Tell whether a check that only raises would raise the target."""
    return decide(observation, now, UP).changes


def _holds(observation: Observation, now: datetime) -> tuple[Hold, ...]:
    """Return what holds a target: what was observed, and what follows from the policy and time."""
    policy, lowered_at = observation.policy, observation.throughput.last_decrease_at
    if not (policy.windows or policy.lower_at or policy.hold_after_outage_minutes):
        return observation.holds
    return (
        *observation.holds,
        *windows.holds(policy.windows, now),
        *schedules.holds(policy.lower_at, now, lowered_at),
        *outages.holds(observation, now),
    )


def _with_floors(observation: Observation, now: datetime) -> Observation:
    """Return the observation with the highest floor as the policy's minimum.

    The floors are the policy's own minimum, those of the windows, that of the fleet, and what its
    table can send to an index.
    """
    policy = observation.policy
    floor = max(
        windows.floor_units(policy.windows, now),
        warm.coming_floor(observation, now),
        _given_units(observation),
    )
    floor = min(floor, policy.max_units)
    if floor <= policy.min_units:
        return observation
    return structs.replace(observation, policy=structs.replace(policy, min_units=floor))


def _given_units(observation: Observation) -> int:
    """Return the floor that does not come from the policy: of the fleet, or of the table."""
    floor = observation.index_floor
    return max(observation.fleet_units, floor.units if floor else 0)


def _floor_reason(observation: Observation, of_policy: Reason, of_fleet: Reason) -> Reason:
    """Return the reason for which the highest floor holds."""
    least, floor = observation.policy.min_units, observation.index_floor
    if least <= observation.fleet_units:
        return of_fleet
    return Reason.FOLLOWS_TABLE if floor and least <= floor.units and least > 1 else of_policy


def _guard(
    observation: Observation, direction: Direction, holds: Iterable[Hold]
) -> Decision | None:
    """Return the decision to keep the capacity where nothing may change in a direction, else
    None."""
    policy = observation.policy
    if not observation.throughput.active:
        return _keep(observation, Reason.UPDATING)
    if not (policy.scale_up if direction is Direction.UP else policy.scale_down):
        return _keep(observation, Reason.SCALING_OFF)
    for hold in holds:
        if direction in hold.directions:
            return _keep(observation, hold.reason, {"held_by": hold.detail})
    return None


def _scale_up(observation: Observation, now: datetime, urgent: bool) -> Decision:
    policy, units = observation.policy, observation.provisioned
    if observation.alarmed_at is not None:
        advice = _by_the_alarm(observation, observation.alarmed_at, now)
    else:
        advice = _unread(observation) or STRATEGIES[policy.strategy].scale_up(
            observation, now, urgent
        )
    desired = min(max(advice.desired, policy.min_units), max(policy.max_units, units))
    if desired > units:
        floor = _floor_reason(observation, Reason.BELOW_MINIMUM, Reason.FLEET)
        reason = advice.reason if advice.desired > policy.min_units else floor
        minimum = {"min_units": policy.min_units} if reason is floor else {}
        numbers = {**advice.numbers, **minimum}
        return Decision(observation.target, units, desired, reason, numbers)
    wanted = max(advice.desired, _given_units(observation))
    if wanted > units:
        return _keep(observation, Reason.AT_MAX, {**advice.numbers, "wanted_units": wanted})
    return _keep(observation, advice.reason, advice.numbers)


def _within_money(observation: Observation, now: datetime, increase: Decision) -> Decision:
    """Return an increase up to the measured demand, where a spent budget allows no more."""
    most = money.ceiling(observation.spending, observation.metrics, now)
    if most is None or increase.desired <= max(most, increase.current):
        return increase
    return structs.replace(
        increase,
        desired=max(most, increase.current),
        reason=Reason.MONEY_CAP,
        numbers={**increase.numbers, "wanted_units": increase.desired},
    )


def _by_the_alarm(observation: Observation, alarmed_at: datetime, now: datetime) -> Recommendation:
    """Recommend an increase where all that is known is that an alarm went to ALARM.

    One for each time that it did so, and only while that is news: an alarm whose table has become
    idle stays in ALARM.
    """
    units, raised_at = observation.provisioned, observation.throughput.last_increase_at
    if now - alarmed_at > ALARM_IS_NEWS or (raised_at is not None and raised_at >= alarmed_at):
        return Recommendation(units, Reason.NO_DATA)
    percent = observation.policy.increase_percent or ALARM_INCREASE_PERCENT
    return Recommendation(math.ceil(units * (100 + percent) / 100), Reason.ALARM_ONLY)


def _scale_down(observation: Observation, now: datetime) -> Decision:
    """Return the decrease that the strategy recommends, or why there is none."""
    policy, units = observation.policy, observation.provisioned
    if units <= policy.min_units:
        return _keep(observation, _floor_reason(observation, Reason.AT_MIN, Reason.AT_MIN))
    advice = _unread(observation) or STRATEGIES[policy.strategy].scale_down(observation, now)
    desired = min(max(advice.desired, policy.min_units), units)
    numbers = {**advice.numbers, "wanted_units": desired}
    desired = desired if advice.reason in LOWERS else units
    return Decision(observation.target, units, desired, advice.reason, numbers)


def _use_decrease(
    observation: Observation,
    now: datetime,
    reserved: Mapping[str, Number],
    decrease: Decision,
) -> Decision:
    """Return the decrease, or the reason why it does not use one of the day's decreases now."""
    wanted = _within_maximum(observation, _unless_small(observation, decrease))
    if not wanted.changes:
        return wanted
    if not budgets.budget(observation.throughput, now).allows(now):
        return unchanged(wanted, Reason.BUDGET_USED_UP)
    if is_too_soon(observation, now):
        return unchanged(wanted, Reason.LOWERED_RECENTLY)
    return _unless_reserved(wanted, reserved)


def _unread(observation: Observation) -> Recommendation | None:
    """Return that the units stay, where nobody wanted to read the metrics; else None."""
    reason = observation.unread
    return Recommendation(observation.provisioned, reason) if reason else None


def is_too_soon(observation: Observation, now: datetime) -> bool:
    """Tell whether the policy wants more time between two decreases."""
    last = observation.throughput.last_decrease_at
    spacing = timedelta(minutes=observation.policy.decrease_spacing_minutes)
    return last is not None and now - last < spacing


def _unless_small(observation: Observation, decrease: Decision) -> Decision:
    """Return the decrease, unless the policy does not want it: of an idle target, or so small."""
    if not decrease.changes:
        return decrease
    policy, saving = observation.policy, decrease.current - decrease.desired
    if not policy.scale_down_at_zero and not any(
        observation.metrics.consumed.last(CHECKED_MINUTES).known()
    ):
        return unchanged(decrease, Reason.IDLE)
    if saving < policy.min_decrease_units:
        return unchanged(decrease, Reason.NOT_WORTH_IT)
    return decrease


def _within_maximum(observation: Observation, decision: Decision) -> Decision:
    """Return a decision that lowers the capacity to its maximum, if it would stay above it."""
    most = observation.policy.max_units
    if decision.desired <= most or decision.reason in WAITS:
        return decision
    numbers = {**decision.numbers, "max_units": most}
    return structs.replace(decision, desired=most, reason=Reason.ABOVE_MAXIMUM, numbers=numbers)


def _reservations(observation: Observation, now: datetime) -> Mapping[str, Number]:
    """Return the first reservation that a decrease now would break, as numbers; nothing where it
    breaks none.

    The policy reserves decreases for a time of day. Each floor that ends needs one at its end.
    """
    policy = observation.policy
    kept = [(reserve.next_at(now), reserve.count) for reserve in policy.reserve_decreases]
    if policy.scale_down:
        kept += [(end, 1) for end in windows.floors_end(policy.windows, now)]
    if not kept:
        return {}
    broken: Iterator[Mapping[str, Number]] = (
        {"kept_for": at.isoformat(timespec="minutes"), "kept_decreases": count}
        for at, count in kept
        if not budgets.keeps(observation.throughput, now, at, count)
    )
    return next(broken, {})


def _unless_reserved(decrease: Decision, reserved: Mapping[str, Number]) -> Decision:
    kept = structs.replace(decrease, numbers={**decrease.numbers, **reserved})
    return unchanged(kept, Reason.RESERVED) if reserved else decrease


def coordinate_dimensions(decisions: Iterable[Decision]) -> list[Decision]:
    """Make the decisions of one table fit each other.

    Nothing is lowered while something is raised: a refused decrease must never cost an increase.
    Where reads are lowered, a small decrease of the writes joins them, and the other way round:
    both in one call are one decrease. For the same reason, one dimension does not use a decrease
    that the other one reserves.
    """
    results = list(decisions)
    if all(d.desired == d.current for d in results):
        return results
    if any(d.desired > d.current and not d.dry_run for d in results):
        return [
            unchanged(d, Reason.INCREASE_FIRST) if d.desired < d.current else d for d in results
        ]
    results = [_unless_other_reserves(d, results) if d.desired < d.current else d for d in results]
    results = [
        unchanged(d, Reason.OTHER_NOT_LOW) if d.desired < d.current and _is_alone(d, results) else d
        for d in results
    ]
    lowered = {d.target.owner for d in results if d.desired < d.current and not d.dry_run}
    return [_join_decrease(d) if d.target.owner in lowered else d for d in results]


def _other_dimension(decision: Decision, decisions: Iterable[Decision]) -> Decision | None:
    """Return the decision on the other dimension of the same table or index."""
    target = decision.target
    others = (d for d in decisions if d.target.owner == target.owner and d.target != target)
    return next(others, None)


def _unless_other_reserves(decrease: Decision, decisions: Iterable[Decision]) -> Decision:
    other = _other_dimension(decrease, decisions)
    return _unless_reserved(decrease, other.reserved if other and not other.dry_run else {})


def _is_alone(decision: Decision, decisions: Sequence[Decision]) -> bool:
    """Tell whether a decrease that needs the other dimension's would be made without it."""
    other = _other_dimension(decision, decisions)
    if decision.reason is Reason.ABOVE_MAXIMUM:
        return False
    if not decision.needs_other or other is None or (other.dry_run and not decision.dry_run):
        return False  # with a dry run, the other one is never lowered
    if other.reason is Reason.FOLLOWS_TABLE:  # it is as low as its table's writes let it be
        writes = structs.replace(other.target, index="")
        other = next((d for d in decisions if d.target == writes), other)
    is_ready = other.reason in READY
    return other.desired >= other.current and not is_ready


def _join_decrease(decision: Decision) -> Decision:
    """Return a small decrease as made, since it is free together with the other dimension's."""
    wanted = decision.numbers.get("wanted_units")
    is_small = decision.reason is Reason.NOT_WORTH_IT and not decision.dry_run
    if is_small and isinstance(wanted, int):
        return structs.replace(decision, desired=wanted, reason=Reason.TOGETHER)
    return decision


def _keep(
    observation: Observation, reason: Reason, numbers: Mapping[str, Number] | None = None
) -> Decision:
    units = observation.provisioned
    return Decision(observation.target, units, units, reason, numbers or {})


def unchanged(decision: Decision, reason: Reason) -> Decision:
    """Return the decision without its change, and with the reason for that."""
    return structs.replace(decision, desired=decision.current, reason=reason)


def halved(increase: Decision) -> Decision:
    """Return half of an increase, for a limit of DynamoDB that does not take the whole.

    Half of a half keeps what was wanted at first.
    """
    is_half = increase.reason is Reason.AT_QUOTA
    wanted = increase.numbers["wanted_units"] if is_half else increase.desired
    return structs.replace(
        increase,
        desired=increase.current + (increase.desired - increase.current) // 2,
        reason=Reason.AT_QUOTA,
        numbers={**increase.numbers, "wanted_units": wanted},
    )


def _fleet_numbers(observation: Observation) -> dict[str, Number]:
    if not observation.fleet:
        return {}
    count = observation.instances
    return {
        "fleet": observation.fleet,
        "instances": "unknown" if count is None else count,
        "fleet_units": observation.fleet_units,
    }
