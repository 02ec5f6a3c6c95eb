"""README's table about tests has the figures that its commands saved."""

import json

from headroom.project import ROOT
from tests import mutants
from tests.fuzz import __main__ as fuzz
from tests.soak import __main__ as soak

README = (ROOT / "README.md").read_text()


def test_the_rows_of_the_soak_are_those_of_its_last_run() -> None:
    rows = soak.readme_rows(json.loads(soak.RESULTS.read_text()))
    assert [row in README for row in rows.values()] == [True, True]


def test_the_row_of_the_broken_input_is_that_of_its_last_run() -> None:
    assert fuzz.readme_row(json.loads(fuzz.RESULTS.read_text())) in README


def test_the_row_of_the_mutants_is_that_of_their_last_run() -> None:
    assert mutants.readme_row(json.loads(mutants.RESULTS.read_text())) in README
