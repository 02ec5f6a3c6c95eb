"""Regular expressions that may take for ever on a name are found; what people write is allowed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config.backtracking import FOR_EVER, LONG, TOO_SLOW, slowness


@pytest.mark.parametrize(
    "expression",
    [
        "orders-.*",
        ".*-orders-.*-prod-.*",
        ".*.*.*.*x",  # 0.7 seconds for a name of 252 characters
        "(?:[a-z]+-)*orders",  # a repetition within one, with a separator
        "[a-z]+-[a-z]+-[a-z]+-[a-z]+-[a-z]+-[a-z]+",
        "(?:[a-z]{3})*",
        "[a-z]{3,63}",
        "(?:foo|bar)*x",
        "orders([0-9]+)?",
        "orders(-eu)?(-us)?(-ap)?(-sa)?(-af)?(-me)?",
        "(?!tmp-|test-).*",
        r"(?i)orders_(eu|us)_\d+",
        r"(orders|users)\.[^.]+",
        r"(.)\1.*",
        r"[\w.-]+?(?<!-old)",
        "(?>orders)-[^x]++",
        "(?!)|orders",
        "(" + "|".join(f"tenant-{i}" for i in range(80)) + ")",
    ],
)
def test_what_takes_no_time_is_allowed(expression: str) -> None:
    re.compile(expression)
    assert slowness(expression) == ""


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("(a+)+$", FOR_EVER),
        ("(a*)*b", FOR_EVER),
        ("(a|aa)+$", FOR_EVER),
        ("(?:a?b?)*c", FOR_EVER),
        (r"(\w+\d+)+x", FOR_EVER),
        ("(?:.+-?)+x", FOR_EVER),
        ("(a{1,30}){1,30}", FOR_EVER),
        ("(?i)(A+a)+b", FOR_EVER),
        ("(?!(a+)+b)x.*", FOR_EVER),
        ("([^x]+|-)+x", FOR_EVER),
        (".*.*.*.*.*x", TOO_SLOW),
        ("(?:.*a){12}", TOO_SLOW),
        ("a?" * 30 + "a" * 30, TOO_SLOW),
        (r"(.*)\1\1\1\1", TOO_SLOW),
        ("(?:[a-z]{40}){40}", LONG),
        ("(" + "|".join(f"{i}x" for i in range(150)) + ")*", LONG),
    ],
)
def test_what_may_take_for_ever_is_found(expression: str, why: str) -> None:
    re.compile(expression)
    assert slowness(expression) == why


@pytest.mark.fuzz
@given(st.text("ab-.|()*+?{}[]^$\\dw12,", max_size=12))
def test_every_expression_that_compiles_can_be_checked(expression: str) -> None:
    try:
        re.compile(expression)
    except re.error:
        return
    assert slowness(expression) in ("", FOR_EVER, TOO_SLOW, LONG)
