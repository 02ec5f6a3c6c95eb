"""Every option of Dynamic DynamoDB, and a scene in the embedded region in which it changes what
Headroom does.

A row is an option, the lines that it needs beside it, and a load. All rows play at once: in one
region none of the options is set, in the other each is, for a table and an index of its own; so a
row tells what its option changes, and nothing else.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest

from chalicelib.config import loader
from chalicelib.model import Dimension, Target
from headroom.migrate.dynamic_dynamodb import translate
from headroom.migrate.dynamic_options import APART, OPTIONS
from headroom.migrate.imported import Kind
from headroom.project import ROOT
from headroom.region.region import Region
from tests.support.builders import ACCOUNT, READS
from tests.support.command_line import RunCommand, write_file
from tests.support.scenes import MIDDAY, TARGETS, decisions, invoke, orders, pass_minutes, units
from tests.support.untraced import untraced

pytestmark = pytest.mark.slow

UNITS, MINUTES = 1000, 65
#: Units per second, steady or of each minute.
Load = float | Sequence[float]


@dataclass(frozen=True)
class Row:
    """One option with a value, in a section of a table and in one of its index, both under a load.

    before, after: the units of the option's dimension without and with it; or, in words, what was
    notified. other: the load of the other dimension.
    """

    option: str
    value: str
    before: int | str
    after: int | str
    load: Load
    throttled: float = 0.0
    beside: tuple[str, ...] = ()
    other: float = 500.0


def late(load: float, minutes: int, before: float = 500.0) -> list[float]:
    """Return a load that began some minutes ago."""
    return [before] * (MINUTES - minutes) + [load] * minutes


NOTIFIED = (
    "sns-topic-arn: {topic}",
    "sns-message-types: scale-up, high-throughput-alarm, low-throughput-alarm",
)
ROWS = (
    Row("enable-{reads}-autoscaling", "false", 1500, 1000, 950),
    Row("enable-{reads}-up-scaling", "false", 1500, 1000, 950),
    Row("enable-{reads}-down-scaling", "false", 500, 1000, 100),
    Row("{reads}-upper-threshold", "80", 1000, 1500, 850),
    Row("{reads}-lower-threshold", "40", 1000, 500, 350),
    Row("throttled-{reads}-upper-threshold", "100", 1000, 1500, 500, throttled=1),
    Row("increase-{reads}-with", "20", 1500, 1200, 950),
    Row("increase-{reads}-unit", "units", 1700, 1070, 950, beside=("increase-{reads}-with: 70",)),
    Row("decrease-{reads}-with", "20", 500, 800, 100),
    Row("decrease-{reads}-unit", "units", 300, 930, 100, beside=("decrease-{reads}-with: 70",)),
    Row("increase-consumed-{reads}-unit", "units", 1500, 1050, 950),
    Row("increase-consumed-{reads}-with", "30", 1500, 1300, 950),
    Row("increase-consumed-{reads}-scale", "{80: 10, 94: 30, 99: 60}", 1500, 1300, 950),
    Row(
        "increase-throttled-by-provisioned-{reads}-scale",
        "{1: 40, 3: 80}",
        1000,
        1400,
        500,
        throttled=20,
    ),
    Row(
        "increase-throttled-by-provisioned-{reads}-unit",
        "units",
        1400,
        1040,
        500,
        throttled=20,
        beside=("increase-throttled-by-provisioned-{reads}-scale: {1: 40}",),
    ),
    Row(
        "increase-throttled-by-consumed-{reads}-scale",
        "{3: 40, 5: 80}",
        1000,
        1400,
        500,
        throttled=20,
    ),
    Row(
        "increase-throttled-by-consumed-{reads}-unit",
        "units",
        1400,
        1040,
        500,
        throttled=20,
        beside=("increase-throttled-by-consumed-{reads}-scale: {3: 40}",),
    ),
    Row("decrease-consumed-{reads}-unit", "units", 500, 950, 100),
    Row("decrease-consumed-{reads}-with", "30", 500, 700, 100),
    Row("decrease-consumed-{reads}-scale", "{10: 60, 20: 25}", 500, 750, 150),
    Row("min-provisioned-{reads}", "700", 500, 700, 100),
    Row("max-provisioned-{reads}", "1200", 1500, 1200, 950),
    Row("num-{read}-checks-before-scale-down", "3", 500, 1000, late(100, 10)),
    Row(
        "num-{read}-checks-reset-percent",
        "60",
        1000,
        501,
        [*[500] * 45, *[100] * 10, *[450] * 5, *[100] * 5],
        beside=("num-{read}-checks-before-scale-down: 2",),
    ),
    Row("allow-scaling-down-{reads}-on-0-percent", "true", 1000, 500, 0),
    Row("{reads}-upper-alarm-threshold", "60", "", "High throughput", 650, beside=NOTIFIED),
    Row("{reads}-lower-alarm-threshold", "40", "", "Low throughput", 350, beside=NOTIFIED),
)
SHARED_ROWS = (
    Row("always-decrease-rw-together", "true", 500, 1000, 100),
    Row("lookback-window-start", "15", 1500, 1000, late(950, 8)),
    Row("lookback-period", "1", 1000, 1500, late(950, 2)),
    Row("maintenance-windows", "22:00-23:59,00:00-06:00", 500, 1000, 100),
    Row(
        "sns-topic-arn",
        "{topic}",
        "",
        "Headroom raised",
        950,
        beside=("sns-message-types: scale-up",),
    ),
    Row(
        "sns-message-types",
        "scale-up",
        "",
        "Headroom raised",
        950,
        beside=("sns-topic-arn: {topic}",),
    ),
    Row("circuit-breaker-url", "http://gate/shut", 1500, 1000, 950),
    Row(
        "circuit-breaker-timeout",
        "500",
        1000,
        1500,
        950,
        beside=("circuit-breaker-url: http://gate/slow",),
    ),
)


@dataclass(frozen=True)
class Scene:
    """A row of one dimension, and its table."""

    row: Row
    table: str
    dimension: Dimension

    @property
    def topic(self) -> str:
        return f"arn:aws:sns:us-east-1:{ACCOUNT}:{self.table}"

    @property
    def option(self) -> str:
        return self.filled(self.row.option)

    def filled(self, text: str) -> str:
        names = {"{reads}": f"{self.dimension}s", "{read}": self.dimension, "{topic}": self.topic}
        return re.sub(r"\{(reads?|topic)\}", lambda found: names[found[0]], text)

    def lines(self, is_set: bool) -> list[str]:
        own = [f"{self.row.option}: {self.row.value}"] if is_set else []
        return [self.filled(line) for line in (*self.row.beside, *own)]

    def sections(self, is_set: bool) -> Iterator[str]:
        for header in (f"[table: ^{self.table}$]", f"[gsi: ^by-date$ table: ^{self.table}$]"):
            yield from (header, *self.lines(is_set))

    def targets(self) -> tuple[Target, Target]:
        return Target(self.table, "", self.dimension), Target(self.table, "by-date", self.dimension)

    def loads(self, own: Load, other: Load) -> dict[Target, Load]:
        return {
            Target(self.table, index, dimension): own if dimension is self.dimension else other
            for index in ("", "by-date")
            for dimension in Dimension
        }


SCENES = tuple(
    Scene(row, f"t{number}", dimension)
    for number, (row, dimension) in enumerate(
        [(row, dimension) for row in ROWS for dimension in Dimension]
        + [(row, Dimension.READ) for row in SHARED_ROWS]
    )
)


@dataclass
class Played:
    """What a region came to: units by target, and the subjects of notifications by topic."""

    units: dict[str, int]
    notified: dict[str, set[str]] = field(default_factory=dict)

    def of(self, scene: Scene, in_words: bool) -> list[Any]:
        """Return what a row came to, for its table and its index."""
        if in_words:
            return [
                " ".join(
                    sorted(
                        {
                            subject.split(":")[0].split(f" {scene.table}")[0]
                            for subject in self.notified.get(scene.topic, ())
                        }
                    )
                )
            ]
        return [self.units[str(target)] for target in scene.targets()]


def gate(request: Request, seconds: float) -> int:
    """A circuit breaker that is open; one of its addresses takes five seconds to say so."""
    if "slow" in request.full_url and seconds < 5:
        raise TimeoutError("timed out")
    return 503


def play(is_set: bool) -> Played:
    text = "\n".join(line for scene in SCENES for line in scene.sections(is_set))
    found = translate(text)
    assert found.is_whole, [str(line) for line in found.lines if line.kind is not Kind.TRANSLATED]
    with untraced(), Region(MIDDAY) as region:
        for scene in SCENES:
            region.create_table(scene.table, UNITS, UNITS, {"by-date": (UNITS, UNITS)})
            region.client("sns").create_topic(Name=scene.table)
        region.deploy(found.toml).aws().http = gate
        invoke(region, "sweep")
        loads = {
            target: load
            for scene in SCENES
            for target, load in scene.loads(scene.row.load, scene.row.other).items()
        }
        lost = {
            target: scene.row.throttled
            for scene in SCENES
            for target in scene.targets()
            if scene.row.throttled
        }
        pass_minutes(region, MINUTES, loads, lost)
        region.calls.clear()
        swept = invoke(region, "sweep")
        assert swept.error is None
        notified: dict[str, set[str]] = {}
        for made in region.calls:
            if made.operation == "Publish":
                notified.setdefault(made.params["TopicArn"], set()).add(made.params["Subject"])
        return Played(units(region), notified)


@pytest.fixture(scope="module")
def without() -> Played:
    return play(is_set=False)


@pytest.fixture(scope="module")
def with_it() -> Played:
    return play(is_set=True)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.option)
def test_an_option_changes_what_is_done(scene: Scene, without: Played, with_it: Played) -> None:
    row = scene.row
    in_words = isinstance(row.before, str)
    count = 1 if in_words else 2
    assert without.of(scene, in_words) == [row.before] * count
    assert with_it.of(scene, in_words) == [row.after] * count
    assert row.before != row.after


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.option)
def test_among_the_defaults_it_means_the_same(scene: Scene) -> None:
    here = translate("\n".join(["[table: ^orders$]", *scene.lines(True)]))
    there = translate("\n".join(["[default_options]", *scene.lines(True), "[table: ^orders$]"]))
    for dimension in Dimension:
        target = Target("orders", "", dimension)
        assert loader.load(here.toml).policy_for(target) == loader.load(there.toml).policy_for(
            target
        )


def test_every_option_of_a_section_has_its_row() -> None:
    assert sorted(row.option for row in ROWS) == sorted(name for name, *_ in APART)
    assert {scene.option for scene in SCENES} == set(OPTIONS)


# [global] and [logging]

ORDERS = "[table: ^orders$]\n"


def swept(text: str, load: Load = 95.0, **parts: Any) -> int:
    """Return the units of reads of `orders`, which had 100, after a load and a sweep under a
    configuration of theirs."""
    with orders(translate(text).toml, **parts) as region:
        sys.modules["headroom_app"].aws().http = gate
        pass_minutes(region, MINUTES, {READS: load})
        invoke(region, "scale_down")
        return units(region)["orders:read"]


@pytest.mark.parametrize(
    ("option", "beside", "load", "before", "after"),
    [
        pytest.param(
            "circuit-breaker-url: http://gate/shut", "", 95, 150, 100, id="circuit-breaker-url"
        ),
        pytest.param(
            "circuit-breaker-timeout: 500",
            "circuit-breaker-url: http://gate/slow\n",
            95,
            100,
            150,
            id="circuit-breaker-timeout",
        ),
        pytest.param(
            "check-interval: 60", "", late(10, 11, before=50), 100, 50, id="check-interval"
        ),
    ],
)
def test_a_global_option_changes_what_is_done(
    option: str, beside: str, load: Load, before: int, after: int
) -> None:
    table = f"{ORDERS}num-read-checks-before-scale-down: 3"
    assert swept(f"[global]\n{beside}{table}", load) == before
    assert swept(f"[global]\n{beside}{option}\n{table}", load) == after


def test_region_is_where_headroom_is_deployed() -> None:
    found = translate(f"[global]\nregion: eu-west-1\n{ORDERS}")
    assert "AWS_DEFAULT_REGION=eu-west-1 make deploy" in found.lines[1].explanation
    with Region(MIDDAY, name="eu-west-1") as region:
        region.create_table("orders", 100, 100)
        region.deploy(found.toml)
        invoke(region, "sweep")
        actions = {
            action
            for alarm in region.cloudwatch.alarms.values()
            for action in alarm.fields["AlarmActions"]
        }
        assert actions == {f"arn:aws:sns:eu-west-1:{ACCOUNT}:headroom-alarms"}


@pytest.mark.parametrize("option", ["aws-access-key-id", "aws-secret-access-key-id"])
def test_a_key_is_not_needed_and_the_account_says_to_revoke_it(option: str) -> None:
    text = f"[global]\n{option}: a-secret\n{ORDERS}"
    found = translate(text).lines[1]
    assert (found.kind, found.text) == (Kind.OBSOLETE, f"{option}: …")
    assert "Revoke this key" in found.explanation
    assert swept(text) == 150


def log_level(**environment: str) -> str:
    """Return the level of the functions' logger in a process of its own, as in a new container."""
    process = subprocess.run(
        [sys.executable, "-c", "from chalicelib.telemetry import logger; print(logger.log_level)"],
        env={"PYTHONPATH": ".", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout.strip()


def test_log_level_is_a_variable_of_the_functions() -> None:
    found = translate("[logging]\nlog-level: error").lines[1]
    match = re.search(r'"(POWERTOOLS_LOG_LEVEL)": "(\w+)"', found.explanation)
    assert match
    assert log_level() == "20"
    assert log_level(**{match[1]: match[2]}) == "40"


@pytest.mark.parametrize("option", ["log-file", "log-config-file"])
def test_the_log_is_there_without_being_configured(option: str) -> None:
    found = translate(f"[logging]\n{option}: /var/log/x\n{ORDERS}")
    assert "CloudWatch Logs" in found.lines[1].explanation
    with orders(found.toml) as region:
        assert set(decisions(invoke(region, "scale_down"))) == set(TARGETS)


# the command line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_file(tmp_path, translate(ORDERS).toml, "headroom.toml")


def test_dry_run_is_a_setting() -> None:
    live = translate(ORDERS).toml
    for text, found in (
        (live, 150),
        (live.replace("[defaults]", "[defaults]\ndry_run = true"), 100),
    ):
        with orders(text) as region:
            pass_minutes(region, MINUTES, {READS: 95})
            invoke(region, "sweep")
            invoke(region, "scale_down")
            assert units(region)["orders:read"] == found


def test_run_once_is_sweep_once(file: Path, run: RunCommand) -> None:
    for words, found in (((), 150), (("--dry-run",), 100)):
        with orders(file.read_text()) as region:
            pass_minutes(region, MINUTES, {READS: 95})
            assert run("sweep", "--once", *words, "--config", file).exit_code == 0
            assert units(region)["orders:read"] == found


def test_table_name_is_a_rule_and_explain_looks_at_one_table(file: Path, run: RunCommand) -> None:
    with orders(file.read_text()) as region:
        pass_minutes(region, MINUTES, {READS: 95})
        result = run("explain", "orders", "--config", file)
        assert "Would set orders:read 100 → 150 units" in result.output
        assert units(region)["orders:read"] == 100


#: Options of its command line, and what is typed for Headroom, with a part of the answer.
SAYS = {
    "--show-config": (("check", "FILE", "--table", "orders"), "alarm_percent = 90"),
    "--config": (("check", "FILE"), "The configuration is right: 1 rule for tables."),
    "--check-interval": (("sweep", "--help"), "--every"),
    "--version": (("--version",), "0."),
    "--daemon": (("setup", "--help"), "Make what Chalice does not make"),
    "--instance": (("doctor", "--help"), "--stage"),
}


@pytest.mark.parametrize("option", SAYS)
def test_an_option_of_the_command_line_has_its_command(
    option: str, file: Path, run: RunCommand
) -> None:
    words, answer = SAYS[option]
    result = run(*(str(file) if word == "FILE" else word for word in words))
    assert result.exit_code == 0
    assert answer in result.output


#: The others, and where they are tested; functions have no file of their process's number.
ELSEWHERE = {
    "--dry-run": test_dry_run_is_a_setting,
    "--run-once": test_run_once_is_sweep_once,
    "--table-name": test_table_name_is_a_rule_and_explain_looks_at_one_table,
    "--region": test_region_is_where_headroom_is_deployed,
    "--log-level": test_log_level_is_a_variable_of_the_functions,
    "--log-file": test_the_log_is_there_without_being_configured,
    "--log-config-file": test_the_log_is_there_without_being_configured,
    "--aws-access-key-id": test_a_key_is_not_needed_and_the_account_says_to_revoke_it,
    "--aws-secret-access-key": test_a_key_is_not_needed_and_the_account_says_to_revoke_it,
    "--pid-file-dir": None,
}
#: Its command line takes these for the table that it names; they are the options of a section,
#: which have rows above.
OF_A_TABLE = (
    "{reads}-upper-threshold",
    "throttled-{reads}-upper-threshold",
    "{reads}-lower-threshold",
    "increase-{reads}-with",
    "decrease-{reads}-with",
    "increase-{reads}-unit",
    "decrease-{reads}-unit",
    "min-provisioned-{reads}",
    "max-provisioned-{reads}",
    "num-{read}-checks-before-scale-down",
    "num-{read}-checks-reset-percent",
)
COMMAND_LINE = {
    *SAYS,
    *ELSEWHERE,
    *(f"--{name.format(reads=f'{d}s', read=d)}" for name in OF_A_TABLE for d in Dimension),
}
