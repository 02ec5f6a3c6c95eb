"""Money: the section `[money]`, with the budget of the whole stage and prices of one's own."""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MoneyCap = Annotated[
    Literal["warn", "hold"],
    Meta(
        description="What holds when `max_usd_month` is reached: `warn` only notifies; `hold` "
        "raises nothing above the measured demand."
    ),
]


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stage's budget, and what a unit costs."""

    max_usd_month: Annotated[
        float,
        Meta(
            ge=0,
            le=100_000_000,
            description="What all managed tables together may cost in a calendar month (UTC), in "
            "USD; 0 is off.",
        ),
    ] = 0.0
    money_cap: MoneyCap = "warn"
    read_unit_hour: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="USD for one provisioned read unit for an hour, such as your discounted "
            "price; 0 takes AWS's list price of the Region.",
        ),
    ] = 0.0
    write_unit_hour: Annotated[
        float, Meta(ge=0, le=1, description="The same for one write unit.")
    ] = 0.0
    read_million_requests: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="USD for a million read units on demand; 0 takes AWS's list price. Only "
            '`mode = "cheapest"` uses it.',
        ),
    ] = 0.0
    write_million_requests: Annotated[
        float, Meta(ge=0, le=100, description="The same for a million write units.")
    ] = 0.0

    def problems(self) -> Iterator[str]:
        """Yield what is wrong between the settings."""
        if bool(self.read_unit_hour) != bool(self.write_unit_hour):
            missing = "write" if self.read_unit_hour else "read"
            yield f"{missing}_unit_hour: give both prices, or neither"
        if bool(self.read_million_requests) != bool(self.write_million_requests):
            missing = "write" if self.read_million_requests else "read"
            yield f"{missing}_million_requests: give both prices, or neither"
