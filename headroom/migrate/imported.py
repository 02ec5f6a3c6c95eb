"""What an import came to: a configuration of ours, and what became of each line of the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What became of a line; a later one outweighs an earlier one."""

    TRANSLATED = "translated"
    #: It switches scaling off. Nobody is to overlook that among what was translated.
    OFF = "switched off"
    OBSOLETE = "obsolete"
    REFUSED = "refused"
    UNKNOWN = "unknown"


#: What the operator has to see to.
LOST = frozenset({Kind.REFUSED, Kind.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the source, and what became of it."""

    number: int
    text: str
    kind: Kind
    explanation: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text} → {self.explanation}"


@dataclass(frozen=True)
class Imported:
    """What a configuration came to. notes: what is kept, or not kept, without a line of the source
    that says so."""

    toml: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> Mapping[Kind, int]:
        """Return how many lines there are of each kind."""
        kinds = [line.kind for line in self.lines]
        return {kind: kinds.count(kind) for kind in Kind}

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing was refused or unknown."""
        return not any(line.kind in LOST for line in self.lines)
