"""The section `[understudy]`: Application Auto Scaling scales while Headroom is down."""

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from msgspec import Meta


class Understudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which tables Application Auto Scaling takes over while no sweep completes.

    Their scalable targets are registered and suspended until then.
    """

    tables: Annotated[
        tuple[str, ...],
        Meta(
            description="The tables that it takes over: names or globs. "
            "With none, the next sweep lets it scale all tables that it had."
        ),
    ] = ("*",)
    utilization_percent: Annotated[
        int,
        Meta(
            ge=20,
            le=90,
            description="The utilization that Application Auto Scaling keeps meanwhile. "
            "Its range for DynamoDB is 20 to 90.",
        ),
    ] = 70
    regions: Annotated[
        tuple[str, ...],
        Meta(
            description="The other Regions in which Headroom runs with an understudy. The writes "
            "of a global table are scaled if all its replicas are there."
        ),
    ] = ()

    def concerns(self, table: str) -> bool:
        """Tell whether a table is among those that it takes over."""
        return any(fnmatchcase(table, pattern) for pattern in self.tables)

    def without(self, replicas: Collection[str]) -> list[str]:
        """Return the Regions of replicas that `regions` does not name."""
        return sorted(set(replicas) - set(self.regions))
