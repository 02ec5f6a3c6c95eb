"""What the fleets of the configuration call for at the targets that are looked at: each fleet is
counted once an event.

A fleet that cannot be counted raises nothing and lowers nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from chalicelib.aws import fleet as aws_fleet
from chalicelib.aws.fleet import NoSuchGroupError
from chalicelib.config.fleet import Fleet
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Hold, Reason, Skip, Target
from chalicelib.run import Report, Shell, ask

Counts = Mapping[str, int | Hold]
"""By a fleet's name: how many instances it has, or, where that cannot be known, what this holds."""


def count(shell: Shell, report: Report, targets: Collection[Target]) -> Counts:
    """Return the counts of the fleets that concern one of the targets, and ask for no others."""
    concerned = [
        fleet for fleet in shell.config.fleets if any(fleet.concerns(target) for target in targets)
    ]
    return {fleet.name: _count(shell, report, fleet) for fleet in concerned}


def _count(shell: Shell, report: Report, fleet: Fleet) -> int | Hold:
    subject = f"fleet {fleet.name}"
    found = ask(shell, report, subject, "counting its instances", lambda: _counted(shell, fleet))
    if isinstance(found, int):
        return found
    if isinstance(found, NoSuchGroupError):
        report.skips.append(Skip(subject, Reason.FLEET_UNKNOWN, str(found)))
        return Hold(Reason.FLEET_UNKNOWN, f"{subject}: {found}", DOWN)
    return Hold(Reason.FLEET_UNKNOWN, f"{subject} cannot be counted", DOWN)


def _counted(shell: Shell, fleet: Fleet) -> int | NoSuchGroupError:
    try:
        return aws_fleet.instances(shell.aws, fleet)
    except NoSuchGroupError as error:
        return error


def follow(fleets: Sequence[Fleet], counts: Counts, seen: Observation) -> Observation:
    """Return an observation with the most that a fleet calls for at its target, and with what an
    unknown count holds.

    Where several fleets concern it, those that can be counted still raise it.
    """
    concerned = [fleet for fleet in fleets if fleet.concerns(seen.target)]
    holds = [counted for fleet in concerned if isinstance(counted := counts[fleet.name], Hold)]
    found = [
        (fleet.units(seen.target, counted), counted, fleet.name)
        for fleet in concerned
        if isinstance(counted := counts[fleet.name], int)
    ]
    if found:
        units, instances, name = max(found)
        seen = replace(seen, fleet=name, instances=instances, fleet_units=units)
    elif concerned:
        seen = replace(seen, fleet=concerned[0].name)
    return replace(seen, holds=(*seen.holds, *holds))
