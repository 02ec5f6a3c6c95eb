"""The decision on one target, and on the targets of one table together. Pure: the time is an argument.

A strategy says how many units it wants; here bounds, switches, the state of the table and the decrease budget have their say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import ModuleType

from chalicelib import adaptive, percent
from chalicelib.budget import Budget, budget
from chalicelib.config import Policy
from chalicelib.demand import Want
from chalicelib.model import Decision, Direction, Number, Observation, Reason

LOWERS = frozenset({Reason.UTILIZATION_LOW})
"""The reasons for which a strategy's lower level is taken; with any other it is only told."""
STRATEGIES: Mapping[str, ModuleType] = {"adaptive": adaptive, "percent": percent}


def decide(seen: Observation, policy: Policy, now: datetime, directions: Collection[Direction]) -> Decision:
    """Decide on one target. An increase that is called for comes before any thought of a decrease."""
    left = budget(seen.throughput, now)
    decision = None
    if Direction.UP in directions:
        decision = _scale_up(seen, policy, now, urgent=Direction.DOWN not in directions)
    if Direction.DOWN in directions and (decision is None or not decision.changes):
        decision = _scale_down(seen, policy, now, left)
    if decision is None:
        raise ValueError("a decision needs a direction")
    return replace(decision, numbers={**decision.numbers, **_about(left)}, dry_run=policy.dry_run)


def _scale_up(seen: Observation, policy: Policy, now: datetime, urgent: bool) -> Decision:
    if not seen.throughput.active:
        return _keep(seen, Reason.UPDATING)
    if not policy.scale_up:
        return _keep(seen, Reason.SCALING_OFF)
    want: Want = STRATEGIES[policy.strategy].raise_to(seen, policy, now, urgent)
    desired = min(max(want.desired, policy.min_units), max(policy.max_units, seen.provisioned))
    if desired > seen.provisioned:
        reason = want.reason if want.desired > policy.min_units else Reason.BELOW_MINIMUM
        return Decision(seen.target, seen.provisioned, desired, reason, want.numbers)
    if want.desired > seen.provisioned:
        return _keep(seen, Reason.AT_MAX, {**want.numbers, "wanted_units": want.desired})
    return _keep(seen, want.reason, want.numbers)


def _scale_down(seen: Observation, policy: Policy, now: datetime, left: Budget) -> Decision:
    if not seen.throughput.active:
        return _keep(seen, Reason.UPDATING)
    if not policy.scale_down:
        return _keep(seen, Reason.SCALING_OFF)
    if seen.provisioned <= policy.min_units:
        return _keep(seen, Reason.AT_MIN)
    want: Want = STRATEGIES[policy.strategy].lower_to(seen, policy, now)
    desired = min(max(want.desired, policy.min_units), seen.provisioned)
    numbers = {**want.numbers, "wanted_units": desired}
    if desired >= seen.provisioned or want.reason not in LOWERS:
        return _keep(seen, want.reason, numbers)
    if not left.allows(now):
        return _keep(seen, Reason.BUDGET_USED_UP, numbers)
    return Decision(seen.target, seen.provisioned, desired, want.reason, numbers)


def together(decisions: Iterable[Decision]) -> list[Decision]:
    """Settle the decisions of one table among themselves.

    Nothing is lowered while something is raised: a refused decrease must never cost an increase. And where reads are lowered,
    small decreases of the writes come along, and the other way round: both in one call are one decrease.
    """
    found = list(decisions)
    if any(d.desired > d.current and not d.dry_run for d in found):
        return [unchanged(d, Reason.INCREASE_FIRST) if d.desired < d.current else d for d in found]
    lowered = {d.target.owner for d in found if d.desired < d.current and not d.dry_run}
    return [_come_along(d) if d.target.owner in lowered else d for d in found]


def _come_along(decision: Decision) -> Decision:
    wanted = decision.numbers.get("wanted_units")
    if decision.reason is not Reason.NOT_WORTH_IT or not isinstance(wanted, int) or decision.dry_run:
        return decision
    return replace(decision, desired=wanted, reason=Reason.TOGETHER)


def _keep(seen: Observation, reason: Reason, numbers: Mapping[str, Number] | None = None) -> Decision:
    return Decision(seen.target, seen.provisioned, seen.provisioned, reason, numbers or {})


def unchanged(decision: Decision, reason: Reason) -> Decision:
    """Return the decision with its change taken back, and why."""
    return replace(decision, desired=decision.current, reason=reason)


def _about(left: Budget) -> dict[str, Number]:
    return {
        "decreases_today": left.used,
        "decreases_left": left.left,
        "next_decrease_at": left.next_at.isoformat(timespec="seconds"),
    }
