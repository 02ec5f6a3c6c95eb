"""The decision on one target, and on the targets of one table together. Pure: the time is an
argument.

A strategy says how many units it wants; here bounds, switches, the state of the table and the
decrease budget have their say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import ModuleType

from msgspec import structs

from chalicelib.config import windows
from chalicelib.config.policy import Policy
from chalicelib.core import budget as budgets
from chalicelib.core.budget import Budget, budget
from chalicelib.core.observation import Observation
from chalicelib.core.strategies import adaptive, fleet_size, percent
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import Decision, Direction, Hold, Number, Reason

LOWERS = frozenset({Reason.UTILIZATION_LOW, Reason.FLEET})
"""The reasons for which a strategy's lower level is taken; with any other it is only told."""
STRATEGIES: Mapping[str, ModuleType] = {
    "adaptive": adaptive,
    "percent": percent,
    "fleet": fleet_size,
}
CHECKED_MINUTES = 60
"""A target is idle when nothing was consumed in the last hour."""


def decide(seen: Observation, now: datetime, directions: Collection[Direction]) -> Decision:
    """Decide on one target. An increase that is called for comes before any thought of a
    decrease."""
    left, policy = budget(seen.throughput, now), seen.policy
    settings = _with_floors(policy, seen, now)
    holds = (*seen.holds, *windows.holds(policy.windows, now))
    decision = None
    if Direction.UP in directions:
        decision = _scale_up(seen, settings, now, holds, urgent=Direction.DOWN not in directions)
    if Direction.DOWN in directions and (decision is None or not decision.changes):
        decision = _scale_down(seen, settings, now, holds, left)
    if decision is None:
        raise ValueError("a decision needs a direction")
    return replace(
        decision,
        numbers={**decision.numbers, **_following(seen), **_about(left)},
        dry_run=policy.dry_run,
        needs_other=policy.decrease_together,
        keeps_alarm=any(hold.reason is Reason.RAISED_BY_HAND for hold in seen.holds),
        reserved=_booked(seen, policy, now),
    )


def _with_floors(policy: Policy, seen: Observation, now: datetime) -> Policy:
    """Return the settings with the highest of the floors as the minimum: the policy's own, the
    windows', the fleet's."""
    floor = min(max(windows.floor_units(policy.windows, now), seen.fleet_units), policy.max_units)
    return structs.replace(policy, min_units=floor) if floor > policy.min_units else policy


def _scale_up(
    seen: Observation, policy: Policy, now: datetime, holds: Sequence[Hold], urgent: bool
) -> Decision:
    if not seen.throughput.active:
        return _keep(seen, Reason.UPDATING)
    if not policy.scale_up:
        return _keep(seen, Reason.SCALING_OFF)
    hold = _first(holds, Direction.UP)
    if hold:
        return _keep(seen, hold.reason, {"held_by": hold.detail})
    want: Recommendation = STRATEGIES[policy.strategy].scale_up(seen, policy, now, urgent)
    desired = min(max(want.desired, policy.min_units), max(policy.max_units, seen.provisioned))
    if desired > seen.provisioned:
        floor = Reason.FLEET if policy.min_units <= seen.fleet_units else Reason.BELOW_MINIMUM
        numbers = {**want.numbers, "min_units": policy.min_units}
        reason = want.reason if want.desired > policy.min_units else floor
        return Decision(
            seen.target,
            seen.provisioned,
            desired,
            reason,
            numbers if reason is floor else want.numbers,
        )
    wanted = max(want.desired, seen.fleet_units)
    if wanted > seen.provisioned:
        return _keep(seen, Reason.AT_MAX, {**want.numbers, "wanted_units": wanted})
    return _keep(seen, want.reason, want.numbers)


def _scale_down(
    seen: Observation, policy: Policy, now: datetime, holds: Sequence[Hold], left: Budget
) -> Decision:
    if not seen.throughput.active:
        return _keep(seen, Reason.UPDATING)
    if not policy.scale_down:
        return _keep(seen, Reason.SCALING_OFF)
    hold = _first(holds, Direction.DOWN)
    if hold:
        return _keep(seen, hold.reason, {"held_by": hold.detail})
    if seen.provisioned <= policy.min_units:
        return _keep(seen, Reason.AT_MIN)
    want: Recommendation = STRATEGIES[policy.strategy].scale_down(seen, policy, now)
    desired = min(max(want.desired, policy.min_units), seen.provisioned)
    numbers = {**want.numbers, "wanted_units": desired}
    if desired >= seen.provisioned or want.reason not in LOWERS:
        return _keep(seen, want.reason, numbers)
    return _spend(
        seen,
        policy,
        now,
        left,
        Decision(seen.target, seen.provisioned, desired, want.reason, numbers),
    )


def _spend(
    seen: Observation, policy: Policy, now: datetime, left: Budget, wanted: Decision
) -> Decision:
    """Return the decrease that is wanted, or why none of the day's decreases is spent on it now."""
    if not policy.scale_down_at_zero and not any(
        seen.metrics.consumed.last(CHECKED_MINUTES).known()
    ):
        return unchanged(wanted, Reason.IDLE)
    if wanted.current - wanted.desired < policy.min_decrease_units:
        return unchanged(wanted, Reason.NOT_WORTH_IT)
    if not left.allows(now):
        return unchanged(wanted, Reason.BUDGET_USED_UP)
    return _reserved(wanted, _booked(seen, policy, now))


def _booked(seen: Observation, policy: Policy, now: datetime) -> dict[str, Number]:
    """Return the first of the kept decreases that one now would break, as numbers: those reserved,
    and one for a floor's end."""
    kept = [(reserve.next_at(now), reserve.count) for reserve in policy.reserve_decreases]
    kept += [(end, 1) for end in windows.floors_end(policy.windows, now) if policy.scale_down]
    broken = (
        (at, count) for at, count in kept if not budgets.keeps(seen.throughput, now, at, count)
    )
    return next(
        (
            {"kept_for": at.isoformat(timespec="minutes"), "kept_decreases": count}
            for at, count in broken
        ),
        {},
    )


def _reserved(wanted: Decision, booked: Mapping[str, Number]) -> Decision:
    return (
        unchanged(replace(wanted, numbers={**wanted.numbers, **booked}), Reason.RESERVED)
        if booked
        else wanted
    )


def coordinate_dimensions(decisions: Iterable[Decision]) -> list[Decision]:
    """Settle the decisions of one table among themselves.

    Nothing is lowered while something is raised: a refused decrease must never cost an increase.
    And where reads are lowered, small decreases of the writes come along, and the other way round:
    both in one call are one decrease. For the same reason what the one keeps for later is not spent
    by the other.
    """
    found = list(decisions)
    if any(d.desired > d.current and not d.dry_run for d in found):
        return [unchanged(d, Reason.INCREASE_FIRST) if d.desired < d.current else d for d in found]
    found = [
        _reserved(d, _booked_by_other(d, found)) if d.desired < d.current else d for d in found
    ]
    found = [
        unchanged(d, Reason.OTHER_NOT_LOW) if d.desired < d.current and _is_alone(d, found) else d
        for d in found
    ]
    lowered = {d.target.owner for d in found if d.desired < d.current and not d.dry_run}
    return [_come_along(d) if d.target.owner in lowered else d for d in found]


def _fellow(decision: Decision, others: Iterable[Decision]) -> Decision | None:
    """Return the decision on the other dimension of the same table or index."""
    return next(
        (
            d
            for d in others
            if d.target.owner == decision.target.owner and d.target != decision.target
        ),
        None,
    )


def _booked_by_other(decision: Decision, others: Iterable[Decision]) -> Mapping[str, Number]:
    fellow = _fellow(decision, others)
    return fellow.reserved if fellow and not fellow.dry_run else {}


def _is_alone(decision: Decision, others: Iterable[Decision]) -> bool:
    """Tell whether a decrease that may only go together with the other dimension's would go
    alone."""
    fellow = _fellow(decision, others)
    if fellow and fellow.dry_run and not decision.dry_run:
        return False  # it is not Headroom's to lower, so that nothing can go together with it
    goes = (
        fellow is None
        or fellow.desired < fellow.current
        or fellow.reason in (Reason.AT_MIN, Reason.NOT_WORTH_IT)
    )
    return decision.needs_other and not goes


def _first(holds: Iterable[Hold], direction: Direction) -> Hold | None:
    return next((hold for hold in holds if direction in hold.directions), None)


def _come_along(decision: Decision) -> Decision:
    wanted = decision.numbers.get("wanted_units")
    if (
        decision.reason is not Reason.NOT_WORTH_IT
        or not isinstance(wanted, int)
        or decision.dry_run
    ):
        return decision
    return replace(decision, desired=wanted, reason=Reason.TOGETHER)


def _keep(
    seen: Observation, reason: Reason, numbers: Mapping[str, Number] | None = None
) -> Decision:
    return Decision(seen.target, seen.provisioned, seen.provisioned, reason, numbers or {})


def unchanged(decision: Decision, reason: Reason) -> Decision:
    """Return the decision with its change taken back, and why."""
    return replace(decision, desired=decision.current, reason=reason)


def _following(seen: Observation) -> dict[str, Number]:
    if not seen.fleet:
        return {}
    instances = "unknown" if seen.instances is None else seen.instances
    return {"fleet": seen.fleet, "instances": instances, "fleet_units": seen.fleet_units}


def _about(left: Budget) -> dict[str, Number]:
    return {
        "decreases_today": left.used,
        "decreases_left": left.left,
        "next_decrease_at": left.next_at.isoformat(timespec="seconds"),
    }
