"""`headroom explain`: a table of what would be decided now."""

import json
from pathlib import Path

import pytest

from headroom.region.region import Region
from tests.support.builders import READS
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import autoscale, orders, pass_minutes, rules


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("taken", [True, False])
def test_explain_says_when_application_auto_scaling_has_the_table(
    run: RunCommand, tmp_path: Path, taken: bool
) -> None:
    with orders() as region:
        pass_minutes(region, 10, {READS: 95.0})
        if taken:
            autoscale(region)
        result = run("explain", "orders", "--config", write_file(tmp_path, rules()))
        assert (
            "Application Auto Scaling manages orders, so Headroom leaves it alone." in result.output
        ) == taken
        assert "Would set orders:read 100 → 150 units" in result.output


@pytest.mark.slow
def test_each_target_is_a_row_and_the_numbers_are_shown_on_demand(
    run: RunCommand, region: Region, tmp_path: Path
) -> None:
    pass_minutes(region, 10, {READS: 95.0})
    file = write_file(tmp_path, rules(dry_run=True))
    result = run("explain", "orders", "--config", file)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["target", "now", "then", "reason"] in rows
    assert ["orders:read", "100", "150", "consumption", "is", "at"] in [row[:6] for row in rows]
    assert "(UtilizationHigh)" in result.output
    assert "DRY RUN: the configuration has dry_run = true for orders." in result.output
    assert "consumed units 95" not in result.output
    assert "consumed units 95" in run("explain", "orders", "--config", file, "-v").output
    data = json.loads(run("explain", "orders", "--config", file, "--json").stdout)
    assert data["decisions"][0]["numbers"]["consumed_units"] == 95


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("*", "oders: passed over: the table does not exist (TableGone); did you mean orders?"),
        ("users", "no rule in the configuration names table oders (NotManaged)"),
    ],
)
def test_what_there_is_not_ends_with_1_and_names_the_nearest(
    config: str, expected: str, run: RunCommand, region: Region, tmp_path: Path
) -> None:
    result = run("explain", "oders", "--config", write_file(tmp_path, rules(config)))
    assert result.exit_code == 1
    assert expected in result.output
