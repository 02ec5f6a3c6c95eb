"""What the configuration makes of a role's permissions: no more tables than IAM can express, and
never one too few."""

import json
import re
import warnings
from fnmatch import fnmatchcase
from string import ascii_letters
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from chalicelib.config.loader import load
from chalicelib.config.rules import Config
from headroom.deploy import permissions
from headroom.deploy.permissions import (
    ROLE_CHARACTERS,
    ROOM,
    SHIPPED_CHARACTERS,
    TABLES,
    configured_policy,
    shortening,
    table_patterns,
)
from headroom.deploy.stage import LISTENERS, SCHEDULED
from headroom.project import ROOT
from tests.support.iam import Ask, Location, allowed
from tests.support.scenes import rules

FUNCTIONS = (*SCHEDULED, *LISTENERS.values())
ANYTHING = {"Effect": "Allow", "Action": "dynamodb:UpdateTable", "Resource": "*"}


def by_regex(*texts: str) -> Config:
    return load("".join(f"[[tables]]\nregex = {json.dumps(text)}\n" for text in texts))


def by_name(*texts: str) -> Config:
    return load("".join(f"[[tables]]\nname = {json.dumps(text)}\n" for text in texts))


def may_update(config: Config, table: str) -> bool:
    """Tell whether the configured policy leaves UpdateTable on a table allowed."""
    configured = configured_policy(config, "sweep") or {"Statement": []}
    policy = {"Version": "2012-10-17", "Statement": [ANYTHING, *configured["Statement"]]}
    return allowed(
        policy, Ask("dynamodb:UpdateTable", Location().arn("dynamodb", f"table/{table}"))
    )


def characters(policy: Any) -> int:
    return len(re.sub(r"\s", "", json.dumps(policy)))


# the policy


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_policy_denies_all_tables_but_those_of_the_rules_to_every_function(
    function: str,
) -> None:
    assert configured_policy(by_name("orders", "users-*"), function) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTheTablesOfTheConfiguration",
                "Effect": "Deny",
                "Action": "dynamodb:UpdateTable",
                "NotResource": [
                    "arn:*:dynamodb:*:*:table/orders",
                    "arn:*:dynamodb:*:*:table/users-*",
                ],
            }
        ],
    }


def test_without_a_rule_every_table_is_denied() -> None:
    (deny,) = configured_policy(load(""), "sweep")["Statement"]  # type: ignore[index]
    assert (deny["Effect"], deny["Resource"], "NotResource" in deny) == ("Deny", "*", False)
    assert not may_update(load(""), "orders")


@pytest.mark.parametrize(
    "config", [by_name("*"), by_name("orders", "**"), by_regex(".*"), by_regex("orders|users")]
)
def test_where_any_table_may_be_meant_there_is_nothing_to_deny(config: Config) -> None:
    assert configured_policy(config, "sweep") is None
    assert shortening(config, "sweep") == ""


# names and globs


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        pytest.param(["orders"], ["orders"], id="a name"),
        pytest.param(
            ["Orders_1.eu-x"], ["Orders_1.eu-x"], id="every character that a table may have"
        ),
        pytest.param(["orders-*"], ["orders-*"], id="star"),
        pytest.param(["orders-?"], ["orders-?"], id="question mark"),
        pytest.param(["orders-[ab]"], ["orders-?"], id="one of"),
        pytest.param(["orders-[!ab]-*"], ["orders-?-*"], id="none of"),
        pytest.param(["orders-[]a]x"], ["orders-?x"], id="a bracket in brackets"),
        pytest.param(["orders-[!]a]x"], ["orders-?x"], id="no bracket in brackets"),
        pytest.param(
            ["orders-[ab", "users"],
            ["users"],
            id="a bracket that never closes is itself, and no table has it",
        ),
        pytest.param(["orders-[]", "users"], ["users"], id="brackets around nothing, too"),
        pytest.param(
            ["${aws:username}", "bestellungen-ö", 'a"b', "a b"], [], id="what no table is called"
        ),
        pytest.param(["users", "orders", "users"], ["orders", "users"], id="each once, in order"),
        pytest.param(
            ["orders-eu", "orders-*", "orders-eu-*", "orders-", "orders"],
            ["orders", "orders-*"],
            id="covered",
        ),
        pytest.param(
            ["*-eu", "orders-eu", "a?*", "abc"],
            ["*-eu", "a?*", "abc", "orders-eu"],
            id="covered in part is not covered",
        ),
    ],
)
def test_names_and_globs_in_iams_wildcards(names: list[str], patterns: list[str]) -> None:
    assert table_patterns(by_name(*names)) == patterns


GLOBS = st.text("ab-[]!*?", min_size=1, max_size=8)
TABLE_NAMES = st.text("ab-", min_size=1, max_size=6)


@pytest.mark.slow
@given(GLOBS, TABLE_NAMES)
@example("[]ab]*", "bab")
@example("[!]ab]", "-")
@example("a[", "a-")
def test_no_table_that_a_glob_matches_is_denied(glob: str, table: str) -> None:
    assert may_update(by_name(glob), table) or not fnmatchcase(table, glob)


# regular expressions


@pytest.mark.parametrize(
    ("regex", "pattern"),
    [
        ("orders-[0-9]+", "orders-*"),
        ("orders", "orders"),
        ("^orders$", "orders"),
        ("^orders-.*$", "orders-*"),
        (r"orders\.v\d", "orders.v*"),
        (r"orders\-eu\_1", "orders-eu_1"),
        ("orders?", "order*"),
        ("orders*", "order*"),
        ("orders+", "orders*"),
        ("orders{0,2}", "order*"),
        ("orders*?x", "order*"),
        (r"orders\.?", "orders*"),
        ("orders.", "orders*"),
        ("orders(-eu)?", "orders*"),
        ("orders-(eu|us)", "orders-*"),
        ("orders-((eu|us)|asia)", "orders-*"),
        ("orders[|]x", "orders*"),
        (r"orders[\]|]x", "orders*"),
        ("orders[]|]x", "orders*"),
        (r"orders\|x", "orders*"),
        ("orders(?i:x)", "orders*"),
        ("orders(?!-old).*", "orders*"),
        ("orders|users", "*"),
        ("orders(|users", "*"),
        ("(orders|users)-eu", "*"),
        ("(a|b)|c", "*"),
        (r"orders\(|users", "*"),
        ("orders[(]|users", "*"),
        ("orders(?#()|users(?#))", "*"),
        ("orders(?x: # ( |\n)-eu", "*"),
        ("orders(?x:#(\n)|u(?x:#)\n)", "*"),
        ("(?i)orders", "*"),
        ("[a-z]+", "*"),
        ("a?b", "*"),
        ("(?:a)?b", "*"),
        (r"\w+", "*"),
        (r"\Aorders", "*"),
    ],
)
def test_the_sure_beginning_of_a_regular_expression(regex: str, pattern: str) -> None:
    assert permissions._of_regex(regex) == pattern


REGEXES = st.text(r"ab-.|()[]?*+^$\{}1,:#!=", min_size=1, max_size=12)


@pytest.mark.slow
@given(REGEXES, TABLE_NAMES)
def test_no_table_that_a_regular_expression_matches_is_denied(regex: str, table: str) -> None:
    assert is_right(regex, table)


PARTS = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        "a|b",
        "(a|b)",
        "a?",
        "b*",
        "a+",
        "[ab]",
        "[|]",
        r"\-",
        "(?:a)",
        "a{0,1}",
        "|",
        "^",
        "$",
        ".",
    ]
)


@pytest.mark.slow
@given(st.lists(PARTS, min_size=1, max_size=5).map("".join), TABLE_NAMES)
@example("a|b", "b")
@example("ab?", "a")
@example("ab*", "a")
@example("ab{0,1}", "a")
def test_nor_one_that_a_plausible_one_matches(regex: str, table: str) -> None:
    assert is_right(regex, table)


def is_right(regex: str, table: str) -> bool:
    """Tell whether a table stays allowed, or is not meant at all; what is no regular expression is
    passed over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python wonders about sets in sets
        try:
            is_meant = re.fullmatch(regex, table) is not None
        except re.error:
            assume(False)
        return not is_meant or may_update(by_regex(regex), table)


# the quota


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".chalice").glob("policy-*.json")), ids=lambda file: file.stem
)
def test_the_shipped_policy_leaves_the_room_that_is_reckoned_with(file: Any) -> None:
    assert characters(json.loads(file.read_text())) <= SHIPPED_CHARACTERS
    assert ROOM + SHIPPED_CHARACTERS == ROLE_CHARACTERS


def test_as_many_names_as_fit_are_told_whole() -> None:
    config = by_name(*(f"orders-{number:03}" for number in range(150)))
    (deny,) = configured_policy(config, "sweep")["Statement"]  # type: ignore[index]
    assert len(deny["NotResource"]) == 150
    assert shortening(config, "sweep") == ""


def many(count: int) -> list[str]:
    return [f"{team}-{number:04}" for team in ("orders", "users") for number in range(count // 2)]


@pytest.mark.slow
def test_names_that_do_not_fit_are_told_by_their_common_beginnings_and_it_is_said() -> None:
    names = many(1_000)
    config = by_name(*names)
    assert 0 < characters(configured_policy(config, "sweep")) <= ROOM
    assert all(may_update(config, name) for name in names[::50])
    # No more than must be is cut away.
    assert not any(may_update(config, name) for name in ("billing-0001", "orders-9999"))
    assert shortening(config, "sweep") == (
        "1,000 names of tables do not fit into the 10,240 characters of a role's policies; "
        "common prefixes replace them"
    )


def test_where_beginnings_do_not_fit_either_nothing_is_denied_and_it_is_said() -> None:
    config = by_name(
        *("?" * 200 + letter for letter in ascii_letters)
    )  # wildcards at the beginning leave none
    assert configured_policy(config, "sweep") is None
    assert shortening(config, "sweep").endswith("; UpdateTable stays allowed on every table")


NAMES = st.text("abcdefgh*?", min_size=3, max_size=60)


@pytest.mark.slow
@given(st.lists(NAMES, min_size=1, max_size=400), st.data())
def test_whatever_the_rules_the_policy_fits_and_no_managed_table_is_denied(
    names: list[str], data: st.DataObject
) -> None:
    config = by_name(*names)
    policy = configured_policy(config, "sweep")
    assert policy is None or characters(policy) <= ROOM
    one = data.draw(st.sampled_from(names)).replace("*", "xyz").replace("?", "z")
    assert may_update(config, one)


@pytest.mark.slow
def test_a_rule_for_all_of_them_takes_the_place_of_the_names_that_it_covers() -> None:
    config = by_name(*many(1_000), "orders-*", "users-*")
    assert table_patterns(config) == ["orders-*", "users-*"]
    assert shortening(config, "sweep") == ""


def test_every_pattern_is_a_table_of_any_partition_region_and_account() -> None:
    (deny,) = configured_policy(load(rules("orders-*")), "sweep")["Statement"]  # type: ignore[index]
    assert deny["NotResource"] == [f"{TABLES}orders-*"]
    for location in (
        Location(),
        Location("aws-cn", "cn-north-1", "210987654321"),
        Location("aws-us-gov", "us-gov-west-1"),
    ):
        assert allowed(
            {"Version": "2012-10-17", "Statement": [ANYTHING, deny]},
            Ask("dynamodb:UpdateTable", location.arn("dynamodb", "table/orders-1")),
        )
