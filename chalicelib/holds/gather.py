"""All holds of some targets: pauses, jobs, manual changes, and alarms that cannot follow. Circuit
breakers come later.

Each source is one function. It yields targets with a hold, or with None where it holds nothing.
What cannot be read holds decreases, and lets increases go on.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import structs

from chalicelib.core.observation import Observation
from chalicelib.holds.alarm_fields import by_alarm_fields
from chalicelib.holds.jobs import by_jobs
from chalicelib.holds.manual_change import by_hand
from chalicelib.holds.pauses import by_pauses
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run

Observations = Mapping[Target, Observation]
Holds = list[tuple[Target, Hold]]
Source = Callable[[Run, Observations, Sequence[Alarm]], Iterator[tuple[Target, Hold | None]]]
SOURCES: Sequence[Source] = (by_pauses, by_jobs, by_hand, by_alarm_fields)


def collect(
    run: Run, observations: Observations, alarms: Sequence[Alarm]
) -> dict[Target, Observation]:
    """Return the observations with their holds. alarms: those that were read for the targets."""
    holds: dict[Target, list[Hold]] = {t: list(o.holds) for t, o in observations.items()}
    for source in SOURCES:
        for target, hold in _holds_of(source, run, observations, alarms):
            holds[target].append(hold)
    return {t: structs.replace(o, holds=tuple(holds[t])) for t, o in observations.items()}


def _holds_of(
    source: Source, run: Run, observations: Observations, alarms: Sequence[Alarm]
) -> Holds:
    """Return the holds of one source.

    Where it fails, each table is tried alone. A table for which it fails is not lowered.
    """
    with contextlib.suppress(Exception):  # the table that causes it is reported below
        return _read(source, run, observations, alarms)
    holds: Holds = []
    for table in sorted({target.table for target in observations}):
        of_table = {t: o for t, o in observations.items() if t.table == table}
        known = run.attempt(table, source.__name__, _read, source, run, of_table, alarms)
        unknown = Hold(Reason.PAUSE_UNKNOWN, f"its holds are unknown ({source.__name__})", DOWN)
        holds += [(target, unknown) for target in of_table] if known is None else known
    return holds


def _read(source: Source, run: Run, observations: Observations, alarms: Sequence[Alarm]) -> Holds:
    return [(target, hold) for target, hold in source(run, observations, alarms) if hold]
