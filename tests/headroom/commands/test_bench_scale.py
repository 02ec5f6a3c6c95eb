"""`headroom bench-scale`: its table, its comparison, and its mistakes."""

import json

import pytest
from typer.testing import CliRunner

from headroom.cli import app

SMALL = ("bench-scale", "--tables", "1", "--scenario", "follow_up")


def run(*words: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.slow(traced=True)
def test_it_prints_a_table_saves_it_and_compares_with_it(tmp_path):
    file = tmp_path / "scale.json"
    output = run(*SMALL, "--results", file, "--save")
    assert "1 tables, 2 targets, 2 alarms" in output
    assert "follow_up, warm: DescribeAlarms 1" in output
    assert "differ from" not in output
    kept = json.loads(file.read_text())
    kept["measured"][0]["calls"]["DescribeAlarms"] = 7
    file.write_text(json.dumps(kept))
    output = run(*SMALL, "--results", file)
    assert "follow_up, cold, 1 tables: DescribeAlarms 7 → 1" in output
    assert "1 counts differ from scale.json." in output


@pytest.mark.slow(traced=True)
def test_it_prints_goals_and_json(tmp_path):
    words = ("bench-scale", "--tables", "1", "--scenario", "made", "--results", tmp_path / "none")
    output = run(*words)
    assert "all alarms made" in output
    document = json.loads(run(*words, "--json"))
    assert document["goals"][0]["tables"] == 1


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (("--tables", "ten"), "--tables ten: write whole numbers"),
        (("--tables", "0"), "--tables 0: write whole numbers"),
        (("--scenario", "swep"), "--scenario swep: write one of sweep, "),
    ],
)
def test_a_mistake_is_told_in_a_sentence(words, mistake):
    assert mistake in run("bench-scale", *words, status=2)
