"""Documents with one part replaced by something else."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: Any JSON.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
Spot = tuple[str | int, ...]


def mutated(document: Any) -> st.SearchStrategy[Any]:
    """Return copies of a document with one member, at any depth, replaced by any JSON, or left
    out."""
    spots = st.sampled_from(list(_spots(document)))
    return st.builds(_with, st.just(document), spots, VALUES | st.just(...))


def _spots(value: Any, path: Spot = ()) -> Iterator[Spot]:
    inside = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value) if isinstance(value, list) else inside:
        yield (*path, key)
        yield from _spots(part, (*path, key))


def _with(document: Any, spot: Spot, value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner: Any = changed
    for step in spot[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[spot[-1]]
    else:
        inner[spot[-1]] = value
    return changed
