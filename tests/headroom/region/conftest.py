"""The region that these tests share."""

from collections.abc import Iterator

import pytest

from headroom.region.region import Region


@pytest.fixture
def region() -> Iterator[Region]:
    """A region with a table and an index, and no app."""
    with Region() as region:
        region.create_table("orders", 100, 100, {"by-date": (20, 20)})
        region.client("sns").create_topic(Name="headroom-alarms")
        yield region
