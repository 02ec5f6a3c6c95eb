"""What else bears on a decision besides load, policy and fleet: pauses, manual changes, circuit breakers, jobs.

Each source is one function that tells which targets it holds, and why. What cannot be read holds decreases and lets increases
go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.held_by_hand import by_hand
from chalicelib.held_by_jobs import by_jobs
from chalicelib.held_by_pauses import by_pauses
from chalicelib.model import Alarm, Hold, Observation, Target
from chalicelib.shell import Report, Shell

Observed = Mapping[Target, Observation]
Source = Callable[[Shell, Report, Observed, Sequence[Alarm], datetime], Iterator[tuple[Target, Hold]]]
SOURCES: Sequence[Source] = (by_pauses, by_jobs, by_hand)


def gather(
    shell: Shell, report: Report, observed: Observed, watching: Sequence[Alarm], now: datetime
) -> dict[Target, Observation]:
    """Return the observations with all that holds their targets. watching: the alarms that were read for them."""
    held: dict[Target, list[Hold]] = {target: [] for target in observed}
    for source in SOURCES:
        for target, hold in source(shell, report, observed, watching, now):
            held[target].append(hold)
    return {target: replace(seen, holds=(*seen.holds, *held[target])) for target, seen in observed.items()}
