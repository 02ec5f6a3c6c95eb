"""The section `[understudy]`: which tables it names."""

import pytest

from chalicelib.config.loader import ConfigError, load


def test_the_tables_of_an_understudy_are_managed() -> None:
    with pytest.raises(ConfigError) as error:
        load('[understudy]\ntables = ["orders", "users-*"]\n')
    assert error.value.problems == [
        "understudy.tables[0]: no rule of [[tables]] manages 'orders'",
    ]
    found = load('[[tables]]\nname = "orders"\n[understudy]\n').understudy
    assert found is not None
    assert found.concerns("orders")
    with pytest.raises(ConfigError) as error:
        load("[[tables]]\nname = 3\n[understudy]\ntables = ['orders']\n")
    assert not any("manages" in problem for problem in error.value.problems)
