"""The understudy: Application Auto Scaling, ready to scale a table while Headroom is down.

Its scalable targets are registered and suspended, with the bounds of the rule. A suspended target
scales nothing, and passes as auto scaling where AWS asks for it. Source: Application Auto Scaling
User Guide, "StandBy and resume scaling", read 2026-11.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.config.policy import Policy
from chalicelib.config.rules import Config
from chalicelib.model import Dimension, StandBy, TableState, Target


class State(StrEnum):
    """Whether Application Auto Scaling may scale a target."""

    ACTIVE = "active"
    #: Headroom registers a target in this state, until it has its policy: the policies are
    #: suspended, and scheduled actions, of which there are none, are not.
    BEGUN = "begun"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """A target as Application Auto Scaling has it. arn: "" for one that has none, from before
    2023."""

    target: Target
    arn: str
    state: State
    min_units: int
    max_units: int


def managed(config: Config, known: Iterable[ScalableTarget]) -> dict[str, set[Dimension]]:
    """Return the tables that Application Auto Scaling manages, and which dimensions of them or of
    their indexes.

    A suspended target counts only where no understudy is configured for its table.
    """
    tables: dict[str, set[Dimension]] = {}
    for one in known:
        table = one.target.table
        if one.state is not State.SUSPENDED or not config.has_understudy(table):
            tables.setdefault(table, set()).add(one.target.dimension)
    return tables


def left_writes(config: Config, tables: Iterable[TableState]) -> set[Target]:
    """Return the writes of the global tables with a replica in a Region without an understudy.

    Application Auto Scaling scales them: another Region's would change the same units.
    """
    one = config.understudy
    return {
        target
        for table in tables
        for target in table.targets()
        if one and table.replicates(target) and one.without(table.replicas)
    }


def to_suspend(
    config: Config,
    known: Iterable[ScalableTarget],
    own: Iterable[Target],
    left: Collection[Target],
) -> list[StandBy]:
    """Return how the targets come to be suspended that are not.

    own: those that Headroom has registered or taken over. A target of somebody else stays. left:
    the writes of global tables that stay with Application Auto Scaling.
    """
    ours = set(own).difference(left)
    return [
        suspension(config, one.target, policy, begun=one.state is State.BEGUN)
        for one in known
        if one.target in ours and one.state is not State.SUSPENDED
        if (policy := config.policy_for(one.target)) and is_ready(policy)
    ]


def to_resume(
    config: Config,
    known: Iterable[ScalableTarget],
    own: Iterable[Target],
    left: Collection[Target],
) -> list[StandBy]:
    """Return how Application Auto Scaling comes to scale the targets that Headroom leaves.

    own: those that Headroom has registered or taken over. IAM keeps a sweep from a table without
    a rule: `headroom setup` resumes its targets.
    """
    ours = set(own)
    return [
        StandBy(one.target, one.min_units, one.max_units, 0, scales_in=True, ends=True)
        for one in known
        if one.target in ours and config.manages(one.target.table) and is_left(config, one, left)
    ]


def is_left(config: Config, one: ScalableTarget, left: Collection[Target]) -> bool:
    """Tell whether a target is suspended although the configuration leaves it to Application Auto
    Scaling, or to nobody."""
    policy = None if one.target in left else config.policy_for(one.target)
    is_ours = config.has_understudy(one.target.table) and policy is not None and is_ready(policy)
    return one.state is State.SUSPENDED and not is_ours


def to_correct(
    config: Config,
    tables: Iterable[TableState],
    known: Iterable[ScalableTarget],
    left: Collection[Target],
) -> list[StandBy]:
    """Return the targets that are to be registered, and those whose bounds are not the rule's."""
    by_target = {one.target: one for one in known}
    wanted: list[StandBy] = []
    named = [table for table in tables if config.has_understudy(table.name)]
    for target in (t for table in named for t in table.targets()):
        policy, one = config.policy_for(target), by_target.get(target)
        if policy is None or not is_ready(policy) or target in left:
            continue
        bounds = (policy.min_units, policy.max_units)
        if one is None:
            wanted.append(suspension(config, target, policy, new=True))
        elif one.state is State.SUSPENDED and bounds != (one.min_units, one.max_units):
            wanted.append(suspension(config, target, policy))
    return wanted


def is_ready(policy: Policy) -> bool:
    """Tell whether Headroom scales a target. If not, it must not be suspended."""
    return policy.scale_up and not policy.dry_run


def suspension(
    config: Config, target: Target, policy: Policy, new: bool = False, begun: bool = False
) -> StandBy:
    """Return how a target comes to be suspended. new, begun: it gets a policy, too."""
    percent = config.understudy.utilization_percent if config.understudy and (new or begun) else 0
    return StandBy(
        target, policy.min_units, policy.max_units, percent, policy.scale_down, is_new=new
    )


def watched_by(config: Config, known: Iterable[ScalableTarget]) -> Mapping[Target, ScalableTarget]:
    """Return the suspended targets of the tables with an understudy."""
    return {
        one.target: one
        for one in known
        if one.state is State.SUSPENDED and config.has_understudy(one.target.table)
    }
