"""Which tables are held because an operator has paused them by a tag, or may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from chalicelib.aws import pause_tags
from chalicelib.core import pause_tag
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Report, Shell, ask


def by_pauses(
    shell: Shell,
    report: Report,
    observed: Mapping[Target, Observation],
    _: Sequence[Alarm],
    now: datetime,
) -> Iterator[tuple[Target, Hold]]:
    """Yield what the tags hold. They are read once an event; what cannot be read holds
    decreases."""
    read = partial(
        ask, shell, report, "the pauses", "GetResources", lambda: pause_tags.tags(shell.aws)
    )
    found = shell.once("pauses", now, read)
    for target in observed:
        if found is None:
            yield (
                target,
                Hold(Reason.PAUSE_UNKNOWN, f"the tags {pause_tag.KEY} cannot be read", DOWN),
            )
        elif target.table in found:
            hold = pause_tag.hold(target.table, found[target.table], now)
            if hold:
                yield target, hold
