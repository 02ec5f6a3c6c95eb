"""All holds of some targets: pauses, jobs and manual changes. Circuit breakers are asked later.

Each source is one function that yields targets with their holds. What cannot be read holds
decreases, and lets increases go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from chalicelib.core.observation import Observation
from chalicelib.holds.jobs import by_jobs
from chalicelib.holds.manual_change import by_hand
from chalicelib.holds.pauses import by_pauses
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run

Observations = Mapping[Target, Observation]
Source = Callable[[Run, Observations, Sequence[Alarm]], Iterator[tuple[Target, Hold]]]
SOURCES: Sequence[Source] = (by_pauses, by_jobs, by_hand)


def collect(
    run: Run, observations: Observations, alarms: Sequence[Alarm]
) -> dict[Target, Observation]:
    """Return the observations with their holds. alarms: those that were read for the targets."""
    holds: dict[Target, list[Hold]] = {t: list(o.holds) for t, o in observations.items()}
    for source in SOURCES:
        for target, hold in _holds_of(source, run, observations, alarms):
            holds[target].append(hold)
    return {t: replace(o, holds=tuple(holds[t])) for t, o in observations.items()}


def _holds_of(
    source: Source, run: Run, observations: Observations, alarms: Sequence[Alarm]
) -> list[tuple[Target, Hold]]:
    """Return the holds of one source.

    Where it fails, each table is tried alone. A table for which it fails is not lowered.
    """
    try:
        return list(source(run, observations, alarms))
    except Exception:  # noqa: BLE001  the table that causes it is reported below
        holds: list[tuple[Target, Hold]] = []
        for table in sorted({target.table for target in observations}):
            of_table = {t: o for t, o in observations.items() if t.table == table}
            holds += _holds_of_table(source, run, table, of_table, alarms)
        return holds


def _holds_of_table(
    source: Source, run: Run, table: str, observations: Observations, alarms: Sequence[Alarm]
) -> list[tuple[Target, Hold]]:
    name = source.__name__
    holds = run.attempt(table, name, lambda: list(source(run, observations, alarms)))
    if holds is not None:
        return holds
    why = f"its holds are unknown ({name})"
    return [(target, Hold(Reason.PAUSE_UNKNOWN, why, DOWN)) for target in observations]
