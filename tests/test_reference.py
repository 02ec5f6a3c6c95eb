"""docs/configuration.md is generated from the code, and its example is right."""

from __future__ import annotations

import re

import pytest

from chalicelib.config import SETTINGS, description, load
from chalicelib.model import Dimension, Target
from headroom import reference


def test_the_page_is_what_the_code_says() -> None:
    assert reference.FILE.read_text() == reference.markdown(), "run: python -m headroom.reference"


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_a_sentence(setting: str) -> None:
    assert description(setting).endswith("."), setting


def test_the_example_on_the_page_holds_as_it_says() -> None:
    example = re.search(r"```toml\n(.*?)```", reference.markdown(), re.DOTALL)
    assert example is not None
    config = load(example[1])
    policy = config.policy_for(Target("orders-us", "by-date", Dimension.WRITE))
    assert policy is not None
    assert (policy.min_units, policy.max_units) == (5, 500)
    exact = config.policy_for(Target("orders-eu", "", Dimension.WRITE))
    assert exact is not None
    assert (exact.dry_run, exact.min_units, exact.max_units) == (True, 20, 5000)
    assert config.manages("cart-12")
    assert not config.manages("xcart-12")
