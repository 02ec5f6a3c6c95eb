"""The fixtures of the migration's tests."""

from tests.support.handover import file, region, scene  # noqa: F401  they are fixtures
