"""Hypothesis profiles: `ci` where the environment says CI, else `dev`: the same examples every run;
`search` finds new ones.

And the judge, who hears of every invocation of a function in any test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from headroom.region.region import OBSERVERS
from tests.support.judge import judge

settings.register_profile("dev", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("search", max_examples=1_000, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session", autouse=True)
def _every_call_is_permitted() -> Iterator[None]:
    """Judge each invocation's calls by the function's policies; of the whole session, for the
    fixtures of wider scope, too."""
    OBSERVERS.append(judge)
    yield
    OBSERVERS.remove(judge)
