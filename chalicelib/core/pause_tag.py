"""An operator's pause: a tag on a table with the time until which Headroom does not change it.

The tag's key is `headroom-pause`. Its value is a time with its zone, what is paused, and optionally
a reason: `2026-11-21T06:00:00Z decreases deployment`. Pure: the time is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib.model import BOTH, DOWN, Direction, Hold, Reason

KEY = "headroom-pause"
EVERYTHING, DECREASES = "everything", "decreases"
#: What may be paused, and the directions that this means.
DIRECTIONS: Mapping[str, frozenset[Direction]] = {EVERYTHING: BOTH, DECREASES: DOWN}
IN_WORDS = {EVERYTHING: "nothing is raised or lowered", DECREASES: "nothing is lowered"}
FORM = (
    f"a time with its zone, then {EVERYTHING} or {DECREASES}, "
    f"such as 2026-11-21T06:00:00Z {EVERYTHING}"
)


@dataclass(frozen=True, slots=True)
class PauseTag:
    """The content of a tag. until: aware, in UTC. what: a key of DIRECTIONS. why: the operator's
    text, or ""."""

    until: datetime
    what: str = EVERYTHING
    why: str = ""

    def __str__(self) -> str:
        """Return the tag's value."""
        return " ".join(filter(None, [f"{self.until:%Y-%m-%dT%H:%M:%SZ}", self.what, self.why]))

    def holds(self, now: datetime) -> bool:
        """Tell whether it still holds at `now`."""
        return now < self.until


def parse(value: str) -> PauseTag:
    """Return the pause in a tag's value. Raises ValueError with an explanation if it has none."""
    time, what, why = (*value.split(maxsplit=2), "", "", "")[:3]
    try:
        until = datetime.fromisoformat(time)
        if until.tzinfo is None:
            raise ValueError("it has no time zone")
        until = until.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{time!r} is no time that can be meant ({error}); expected {FORM}"
        ) from None
    if what not in DIRECTIONS:
        raise ValueError(f"{what!r} is neither {EVERYTHING} nor {DECREASES}; expected {FORM}")
    return PauseTag(until, what, why)


def hold(table: str, value: str, now: datetime) -> Hold | None:
    """Return the hold of a table's tag at `now`, or None if the pause is over.

    A tag that cannot be read holds decreases.
    """
    try:
        tag = parse(value)
    except ValueError as problem:
        detail = (
            f"its tag {KEY} cannot be read: {problem}; write it anew by `headroom pause {table}`, "
            f"or remove it by `headroom resume {table}`"
        )
        return Hold(Reason.PAUSE_UNKNOWN, detail, DOWN)
    why = f" ({tag.why})" if tag.why else ""
    detail = f"a pause until {tag.until:%Y-%m-%d %H:%M} UTC: {IN_WORDS[tag.what]}{why}"
    return Hold(Reason.PAUSED, detail, DIRECTIONS[tag.what]) if tag.holds(now) else None
