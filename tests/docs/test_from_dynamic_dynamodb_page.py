"""docs/from-dynamic-dynamodb.md: every option is tested, and the page says what it becomes."""

import re
from typing import Any

import pytest

from headroom.migrate.dynamic_options import BREAKER, GLOBAL, LOGGING, OPTIONS
from headroom.project import ROOT
from tests.scenarios.test_dynamic_dynamodb_parity import COMMAND_LINE, OF_A_TABLE, ROWS


def test_every_option_is_tested() -> None:
    assert {row.option for row in ROWS} >= set(OF_A_TABLE)
    assert ({*GLOBAL}, {*LOGGING}) == (
        {
            "aws-access-key-id",
            "aws-secret-access-key-id",
            "region",
            "check-interval",
            *(option.name for option in BREAKER),
        },
        {"log-level", "log-file", "log-config-file"},
    )


PAGE = (ROOT / "docs" / "from-dynamic-dynamodb.md").read_text()


def test_the_page_names_every_option() -> None:
    assert set(re.findall(r"`(-{0,2}[a-z][a-z0-9-]+)`", PAGE)) >= {
        *OPTIONS,
        *GLOBAL,
        *LOGGING,
        *COMMAND_LINE,
    }


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_the_page_says_what_an_option_becomes(option: Any) -> None:
    row = next(
        line for line in PAGE.splitlines() if line.startswith("|") and f"`{option.name}`" in line
    )
    assert all(f"`{setting}`" in row for setting in option.settings), row
