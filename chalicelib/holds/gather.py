"""What else bears on a decision besides load, policy and fleet: pauses, manual changes, circuit
breakers, jobs.

Each source is one function that tells which targets it holds, and why. What cannot be read holds
decreases and lets increases go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.core.observation import Observation
from chalicelib.holds.jobs import by_jobs
from chalicelib.holds.manual_change import by_hand
from chalicelib.holds.pauses import by_pauses
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Report, Shell, attempt

Observed = Mapping[Target, Observation]
Source = Callable[
    [Shell, Report, Observed, Sequence[Alarm], datetime], Iterator[tuple[Target, Hold]]
]
SOURCES: Sequence[Source] = (by_pauses, by_jobs, by_hand)


def gather(
    shell: Shell, report: Report, observed: Observed, watching: Sequence[Alarm], now: datetime
) -> dict[Target, Observation]:
    """Return the observations with all that holds their targets. watching: the alarms that were
    read for them."""
    held: dict[Target, list[Hold]] = {target: [] for target in observed}
    for source in SOURCES:
        for target, hold in _told(source, shell, report, observed, watching, now):
            held[target].append(hold)
    return {
        target: replace(seen, holds=(*seen.holds, *held[target]))
        for target, seen in observed.items()
    }


def _told(
    source: Source,
    shell: Shell,
    report: Report,
    observed: Observed,
    watching: Sequence[Alarm],
    now: datetime,
) -> Sequence[tuple[Target, Hold]]:
    """Return what a source holds. Where it breaks, each table is looked at alone; one of which it
    breaks is not lowered."""
    try:
        return list(source(shell, report, observed, watching, now))
    # whose fault it is, and that it is raised at the end, is seen to below
    except Exception:  # noqa: BLE001
        found: list[tuple[Target, Hold]] = []
        for table in sorted({target.table for target in observed}):
            of_table = {target: seen for target, seen in observed.items() if target.table == table}
            told = attempt(
                report,
                table,
                source.__name__,
                lambda: list(source(shell, report, of_table, watching, now)),  # noqa: B023
            )
            unknown = Hold(
                Reason.PAUSE_UNKNOWN, f"what holds it cannot be told ({source.__name__})", DOWN
            )
            found += [(target, unknown) for target in of_table] if told is None else told
        return found
