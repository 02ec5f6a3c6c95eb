"""Any document is a configuration, or its problems are named."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.loader import ConfigError, load
from chalicelib.config.policy import SETTINGS
from chalicelib.config.rules import Config
from tests.support.laws import COSTLY

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
KEYS = st.sampled_from(
    ["defaults", "tables", "indexes", "name", "regex", "read", "write", "odd", *SETTINGS]
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=4,
)


def toml(value: Any) -> str:
    """Return a value as TOML, tables written inline."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {toml(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ", ".join(toml(part) for part in value) + "]"
        case bool():
            return str(value).lower()
        case str():
            return (
                '"'
                + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value)
                + '"'
            )
        case None:
            return "1979-05-27"
        case _:
            return str(value)


@pytest.mark.fuzz
@pytest.mark.slow
@COSTLY
@given(DOCUMENTS)
def test_any_document_is_taken_or_refused_with_problems(document: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {toml(value)}" for key, value in document.items())
    assert tomllib.loads(text).keys() == document.keys()
    assert outcome(text)


def outcome(text: str) -> Config | list[str]:
    """Return the configuration, or the problems."""
    try:
        return load(text)
    except ConfigError as error:
        return error.problems
