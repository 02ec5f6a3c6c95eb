"""The region of these tests."""

from collections.abc import Iterator

import pytest

from headroom.region.region import Region
from tests.support.notifications import scene


@pytest.fixture
def region() -> Iterator[Region]:
    """`orders`, whose configuration asks for every kind of notification."""
    with scene() as region:
        yield region
