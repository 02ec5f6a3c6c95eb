"""The members of the group in the scene `web`."""

import pytest

from headroom.region.region import Region


@pytest.fixture
def ids(region: Region) -> list[str]:
    """Return the instances of the group `web`, as they are before the test."""
    return region.groups.members("web")
