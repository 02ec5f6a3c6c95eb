"""Hypothesis profiles: `ci` where the environment says CI, else `dev`: the same examples every run; `search` finds new ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True)
settings.register_profile("search", max_examples=1_000, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
