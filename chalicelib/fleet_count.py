"""The units that fleets of EC2 instances call for. Each fleet is counted once in a run.

A fleet that cannot be counted raises nothing and lowers nothing.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import structs

from chalicelib.aws.fleet import count_instances
from chalicelib.config.fleet import Fleet
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Hold, Reason, Target
from chalicelib.run import Run

#: By a fleet's name: how many instances it has, or, where that is unknown, a hold.
Counts = Mapping[str, int | Hold]


def count(run: Run, targets: Collection[Target]) -> Counts:
    """Return the counts of the fleets that concern one of the targets. Others are not counted."""
    return {
        fleet.name: _count(run, fleet)
        for fleet in run.config.fleets
        if any(fleet.concerns(target) for target in targets)
    }


def _count(run: Run, fleet: Fleet) -> int | Hold:
    subject = f"fleet {fleet.name}"
    answer = run.read(subject, "counting its instances", count_instances, run.aws, fleet)
    match answer:
        case int():
            return answer
        case str():
            run.skip(subject, Reason.FLEET_UNKNOWN, answer)
            return Hold(Reason.FLEET_UNKNOWN, f"{subject}: {answer}", DOWN)
        case None:
            return Hold(Reason.FLEET_UNKNOWN, f"{subject} cannot be counted", DOWN)


def follow(fleets: Sequence[Fleet], counts: Counts, observation: Observation) -> Observation:
    """Return an observation with the most units that a fleet calls for, and with the fleets' holds.

    Where several fleets concern the target, those that can be counted still raise it.
    """
    concerned = [fleet for fleet in fleets if fleet.concerns(observation.target)]
    if not concerned:
        return observation
    holds: list[Hold] = []
    known: list[tuple[int, int, str]] = []
    for fleet in concerned:
        instances = counts[fleet.name]
        if isinstance(instances, Hold):
            holds.append(instances)
        else:
            known.append((fleet.units(observation.target, instances), instances, fleet.name))
    holds = [*observation.holds, *holds]
    if not known:
        return structs.replace(observation, fleet=concerned[0].name, holds=tuple(holds))
    units, count, name = max(known)
    return structs.replace(
        observation, fleet=name, instances=count, fleet_units=units, holds=tuple(holds)
    )
