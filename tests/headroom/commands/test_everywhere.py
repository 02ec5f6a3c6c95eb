"""`--regions`, `--profiles` and `--role-arn`: one table over several accounts and Regions."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headroom.deploy.account import AwsSession
from tests.support.command_line import RunCommand, write_file
from tests.support.deployed import account, make_table
from tests.support.scenes import rules

REGIONS = ("--regions", "us-east-1,eu-west-1")
READER = "arn:aws:iam::210987654321:role/reader"


@pytest.fixture
def session() -> Iterator[AwsSession]:
    """An account with a table in two Regions, of other units in each."""
    with account() as made:
        make_table(made.client, "orders", 100)
        make_table(made.in_region("eu-west-1").client, "orders", 40)
        yield made


@pytest.fixture
def config(session: AwsSession, tmp_path: Path) -> Path:
    return write_file(tmp_path, rules())


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.slow(traced=True)
def test_explain_is_one_table_over_all_places(run: RunCommand, config: Path) -> None:
    result = run("explain", "orders", "--config", config, *REGIONS)
    found = [row[:4] for row in rows(result.stdout)]
    assert ["place", "target", "now", "then"] in found
    assert ["us-east-1", "orders:read", "100", "100"] in found
    assert ["eu-west-1", "orders:read", "40", "40"] in found
    assert result.exit_code == 0


@pytest.mark.slow(traced=True)
def test_a_place_that_refuses_is_a_row_and_ends_with_1(run: RunCommand, config: Path) -> None:
    options = ("--regions", "eu-west-1", "--profiles", "nobody", "--config", config)
    result = run("explain", "orders", *options)
    assert "nobody eu-west-1" in result.output
    assert "no answer: The config profile (nobody) could not be found" in result.output
    assert result.exit_code == 1
    (place,) = json.loads(run("explain", "orders", "--json", *options).stdout)
    assert (place["place"], "nobody" in place["problem"]) == ("nobody eu-west-1", True)


@pytest.mark.slow(traced=True)
def test_an_account_is_reached_by_a_role(run: RunCommand, config: Path) -> None:
    options = ("--role-arn", READER, "--external-id", "shop-7", "--regions", "us-east-1")
    result = run("explain", "orders", "--config", config, "--json", *options)
    (place,) = json.loads(result.stdout)
    assert (place["place"], place["account"]) == ("210987654321 us-east-1", "210987654321")
    assert place["skipped"][0]["reason"] == "TableGone"


@pytest.mark.slow(traced=True)
def test_status_is_one_table_over_all_places(run: RunCommand, config: Path) -> None:
    result = run("status", "--config", config, *REGIONS)
    found = [row[:3] for row in rows(result.stdout)]
    assert ["us-east-1", "orders:read", "100"] in found
    assert ["eu-west-1", "orders:write", "40"] in found


@pytest.mark.slow(traced=True)
def test_cost_adds_up_all_places(
    run: RunCommand, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto has no metrics of tables: nothing was consumed, so they cost what they hold."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = run("cost", "--days", "1", "--config", config, *REGIONS)
    assert "eu-west-1: The prices are those of us-east-1" in result.errors
    assert "us-east-1 orders:read 100 0 % " in result.output
    assert "eu-west-1 orders:read 40 0 % " in result.output
    assert result.exit_code == 0


@pytest.mark.slow(traced=True)
def test_the_doctor_shows_the_findings_of_all_places(run: RunCommand, session: AwsSession) -> None:
    result = run("doctor", "--stage", "dev", "--json", "--regions", "us-east-1,", "--profiles", ",")
    assert result.exit_code == 1
    places = json.loads(result.stdout)["places"]
    assert [place["place"] for place in places] == ["us-east-1"]
    problems = [finding["problem"] for finding in places[0]["findings"]]
    assert "headroom-dev-sweep does not exist" in problems
    shown = run("doctor", "--stage", "dev", "--regions", "us-east-1", "--profiles", "nobody")
    assert "nobody us-east-1" in shown.output
    assert "no answer" not in shown.output
    assert "credentials" in shown.output
