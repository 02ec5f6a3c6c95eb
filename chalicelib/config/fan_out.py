"""Large accounts: the section `[fan_out]`. Functions side by side take groups of tables."""

from typing import Annotated

import msgspec
from msgspec import Meta


class FanOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many workers there are, and from which size on they are used."""

    workers: Annotated[
        int,
        Meta(
            ge=2,
            le=1_000,
            description="How many functions take groups of tables side by side. "
            "Lambda's range for a queue is 2 to 1,000.",
        ),
    ]
    above_tables: Annotated[
        int,
        Meta(
            ge=1,
            description="A function that has more tables than this hands them to the workers. "
            "It does fewer by itself.",
        ),
    ] = 500
