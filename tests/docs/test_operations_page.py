"""docs/operations.md is followed from top to bottom, as a new user would; what it names exists, and
its sums are right."""

import json
import re
import shlex
from pathlib import Path
from statistics import mean

import pytest

from chalicelib.core.prices import SWEEPS_PER_HOUR
from headroom import own_cost_reference
from headroom.deploy import blueprint
from headroom.deploy.stage import LISTENERS
from headroom.project import ROOT, memory_mb
from headroom.scale import own_counts, results
from headroom.scale.scenarios import RUNS_A_MONTH
from headroom.simulation import own_costs
from tests.support.deployed import dev, inventory, make_table
from tests.support.real_deploy import BIN, Site, site

TEXT = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
TESTING = (ROOT / "docs" / "testing.md").read_text().partition("## A deployed stage")[2]
#: What docs/testing.md shows for a deployed stage. It is run as soon as this page has deployed one.
OF_TESTING = re.findall(r"```sh\n(.*?)\n```", TESTING, re.DOTALL)
TOOLS = ("headroom", "make", "chalice")
INLINE = {
    span for span in re.findall(r"`([^`\n]+)`", TEXT) if span.split()[0] in TOOLS and " " in span
}
#: The exit status of `doctor` while the tables have no alarms yet.
BEFORE_THE_FIRST_SWEEP = 1
HOURS = 730


def follow(there: Site, command: str, status: int = 0) -> str:
    command, _, file = command.partition(" < ")
    answer = (ROOT / file).read_text() if file else "y\n"
    words = shlex.split(command)
    assert words[0] in TOOLS, f"{command} is run by no test"
    if words[0] == "make":
        return there.make(*words[1:])
    return there.run(*words, status=status, answer=answer)


@pytest.mark.foreign
@pytest.mark.slow
def test_every_command_of_the_runbook_works_in_its_order(tmp_path: Path) -> None:
    with site(tmp_path) as there:
        make_table(there.client)
        before = inventory(there.client)
        deployed = COMMANDS.index("headroom doctor --stage dev")
        for command in [*COMMANDS[:deployed], *OF_TESTING, *COMMANDS[deployed:]]:
            output = follow(there, command, BEFORE_THE_FIRST_SWEEP if " doctor " in command else 0)
            if command in OF_TESTING:
                assert json.loads(output)["Kept"] == 2
            if command.endswith("--json"):
                assert {finding["check"] for finding in json.loads(output)["findings"]} == {
                    "alarms"
                }
        assert (inventory(there.client), (tmp_path / "out" / "sam" / "sam.json").exists()) == (
            before,
            True,
        )
        assert "removed" not in there.make("teardown", "STAGE=dev", answer="y\n")


def test_a_command_within_a_sentence_is_one_of_those_that_are_run() -> None:
    elsewhere = {
        "make test",
        "make teardown STAGE=dev",
    }  # this very run, and the end of the test above
    assert INLINE - set(COMMANDS) - elsewhere == set()


def test_every_command_of_a_stages_life_is_in_the_runbook() -> None:
    named = {tuple(shlex.split(command)[:2]) for command in COMMANDS}
    for command in ("setup", "deploy", "doctor", "redrive", "teardown"):
        assert ("headroom", command) in named
    assert ("make", "package") in named
    assert (BIN / "headroom").exists()


@pytest.mark.parametrize(
    "fields", blueprint.own_alarms(dev(), {}, "q", []), ids=lambda fields: fields["AlarmName"]
)
def test_each_alarm_about_headroom_names_the_chapter_that_says_what_to_do(
    fields: dict[str, str],
) -> None:
    chapter = fields["AlarmDescription"].rsplit("docs/operations.md, ", 1)[1].rstrip(".")
    assert f"### {chapter}\n\n`{fields['AlarmName']}`" in TEXT


@pytest.mark.parametrize("file", ["app.py", "headroom/deploy/stage.py"])
def test_every_variable_of_a_stage_is_in_the_table(file: str) -> None:
    read = set(re.findall(r'environ(?:ment)?\.get\("([A-Z_]+)"', (ROOT / file).read_text())) - {
        "HEADROOM_CONFIG"
    }
    assert read
    assert {name for name in read if f"| `{name}` |" not in TEXT} == set()


def test_every_source_of_alarms_is_described() -> None:
    assert {source for source in LISTENERS if f"`{source}`" not in TEXT} == set()


def test_the_table_of_costs_is_what_the_counts_and_prices_come_to() -> None:
    message = "run: python -m headroom.own_cost_reference"
    assert own_cost_reference.markdown(TEXT) == TEXT, message


def test_the_counts_are_those_of_bench_scale() -> None:
    counted = own_counts.text(results.read(results.RESULTS))
    assert own_costs.COUNTS.read_text() == counted, "run: python -m headroom.scale.own_counts"


def test_the_functions_are_those_of_a_stage() -> None:
    assert len(dev().functions) == own_cost_reference.FUNCTIONS
    assert own_costs.FIXED_RUNS_AN_HOUR["sweep"] == SWEEPS_PER_HOUR
    assert {n: memory_mb(n) / 1_024 for n in own_costs.MEMORY_GB} == own_costs.MEMORY_GB
    per_month = {name: runs * HOURS for name, runs in own_costs.FIXED_RUNS_AN_HOUR.items()}
    assert per_month == RUNS_A_MONTH


def test_the_cost_of_a_busy_table_is_that_of_the_benchmark() -> None:
    measured = json.loads((ROOT / "benchmarks" / "results.json").read_text())["measured"]
    of_readme = [m for m in measured if m["world"] == "as measured"]
    reads = mean(m["looks_a_day"] for m in of_readme)
    usd = 2 * mean(m["results"]["Headroom"]["own_month"] for m in of_readme)
    text = " ".join(TEXT.split())
    assert f"({len(of_readme)} traces) all checks together read the metrics of a target " in text
    assert f"of a target {reads:,.0f} times a day" in text
    assert f"costs {usd:.2f} USD a month for its alarms and these reads" in text
