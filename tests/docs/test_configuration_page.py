"""docs/configuration.md is generated from the code, and its example is right."""

import re
from typing import get_type_hints

import msgspec
import pytest

from chalicelib.config.loader import load
from chalicelib.config.policy import SETTINGS, Policy
from chalicelib.model import Dimension, Target
from headroom import reference


def test_the_page_is_what_the_code_says() -> None:
    assert reference.FILE.read_text() == reference.markdown(), "run: python -m headroom.reference"


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_a_sentence(setting: str) -> None:
    assert reference.description(SETTINGS[setting]).endswith("."), setting


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_example_of_a_setting_is_right_and_says_something(setting: str) -> None:
    row = next(row for row in rows(reference.markdown()) if row.startswith(f"| `{setting}` |"))
    line = re.findall(r"`([^`]*)` \|$", row)[0]
    policy = load(f'[defaults]\n{line}\n[[tables]]\nname = "orders"').policy_for(
        Target("orders", "", Dimension.READ)
    )
    assert (
        getattr(policy, setting)
        == reference.EXAMPLES[Policy, setting]
        != getattr(Policy(), setting)
    )


def test_every_key_of_every_part_has_an_example_and_no_other() -> None:
    keys = {
        (kind, field.name)
        for kind, _ in reference.PARTS.values()
        for field in msgspec.structs.fields(kind)
    }
    assert reference.EXAMPLES.keys() == keys | {(Policy, setting) for setting in SETTINGS}
    for (kind, key), example in reference.EXAMPLES.items():
        assert (
            msgspec.convert(
                msgspec.to_builtins(example), get_type_hints(kind, include_extras=True)[key]
            )
            == example
        )


def test_every_key_has_a_meaning() -> None:
    assert [row for row in rows(reference.markdown()) if re.search(r"\|\s+\|", row)] == []


def test_the_example_on_the_page_holds_as_it_says() -> None:
    config = load(re.search(r"```toml\n(.*?)```", reference.markdown(), re.DOTALL)[1])
    policy = config.policy_for(Target("orders-us", "by-date", Dimension.WRITE))
    assert (policy.min_units, policy.max_units) == (5, 500)
    exact = config.policy_for(Target("orders-eu", "", Dimension.WRITE))
    assert (
        exact.dry_run,
        exact.min_units,
        exact.max_units,
        config.manages("cart-12"),
        config.manages("xcart-12"),
    ) == (True, 20, 5000, True, False)
