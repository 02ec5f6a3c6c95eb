"""Capacity that follows a fleet: the number of running instances determines the units.

The two ways to calculate have the names of cluster-proportional-autoscaler: `linear` and `ladder`.
The present number of instances counts. Events only start a new check.
"""

import math
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.model import Dimension, Target

Name = Annotated[str, Meta(min_length=1)]


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many units a number of instances needs.

    Raises ValueError unless exactly one of the two settings is given.
    """

    linear: Annotated[
        float, Meta(ge=0, le=1_000_000, description="Units per second for each instance.")
    ] = 0.0
    ladder: Annotated[
        tuple[tuple[int, int], ...],
        Meta(
            description="Rows of `[instances, units]`: the last row that the number reaches holds."
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Reject both, neither, and a ladder whose rungs do not rise."""
        if bool(self.linear) == bool(self.ladder):
            raise ValueError(
                "give either linear = UNITS_PER_INSTANCE or ladder = [[instances, units], …]"
            )
        rungs = [instances for instances, _ in self.ladder]
        if rungs != sorted(set(rungs)) or any(min(row) < 0 for row in self.ladder):
            raise ValueError(
                "ladder: the numbers of instances must rise from row to row, "
                "and none may be negative"
            )

    def units(self, instances: int) -> int:
        """Return the units for a number of instances: 0 below a ladder's first rung."""
        if self.linear:
            return math.ceil(self.linear * instances)
        return next((units for reached, units in reversed(self.ladder) if instances >= reached), 0)


class FleetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The units that one table, or the tables of one pattern, get for the fleet.

    Raises ValueError if it gives no units.
    """

    table: Annotated[Name, Meta(description="A table's name, or a glob.")]
    index: Annotated[
        str, Meta(description="An index's name, or a glob; without it, the table itself.")
    ] = ""
    read: Annotated[
        Scale | None, Meta(description="What its reads get: `{ linear }` or `{ ladder }`.")
    ] = None
    write: Annotated[Scale | None, Meta(description="What its writes get.")] = None

    def __post_init__(self) -> None:
        """Reject a row that gives no units."""
        if self.read is None and self.write is None:
            raise ValueError("give read, write, or both")

    def scale(self, target: Target) -> Scale | None:
        """Return how a target follows the fleet, or None if it does not."""
        fits = fnmatchcase(target.table, self.table) and fnmatchcase(target.index, self.index)
        scale = self.read if target.dimension is Dimension.READ else self.write
        return scale if fits else None


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instances that are counted, and the tables that follow them.

    Raises ValueError unless it has exactly one way to find the instances.
    """

    name: Annotated[Name, Meta(description="What it is called in decisions and notifications.")]
    tables: Annotated[
        tuple[FleetTable, ...],
        Meta(min_length=1, description="The tables that follow: `[[fleet.tables]]`."),
    ]
    tags: Annotated[
        dict[str, str],
        Meta(
            description="Running instances that carry all these tags are counted; "
            "`*` and `?` in a value are EC2's wildcards."
        ),
    ] = {}
    auto_scaling_group: Annotated[
        str, Meta(description="Instead of tags: the group whose members in service are counted.")
    ] = ""

    def __post_init__(self) -> None:
        """Reject both ways to find instances, and neither."""
        if bool(self.tags) == bool(self.auto_scaling_group):
            raise ValueError("give either tags = { KEY = 'value' } or auto_scaling_group = 'NAME'")

    def units(self, target: Target, instances: int) -> int:
        """Return the units that this fleet needs at a target.

        The row that gives most counts. Without a row for the target it is 0.
        """
        scales = (row.scale(target) for row in self.tables)
        return max((scale.units(instances) for scale in scales if scale), default=0)

    def concerns(self, target: Target) -> bool:
        """Tell whether a target follows this fleet."""
        return any(row.scale(target) for row in self.tables)

    def concerns_table(self, table: str) -> bool:
        """Tell whether a table, or one of its indexes, may follow this fleet."""
        return any(fnmatchcase(table, row.table) for row in self.tables)
