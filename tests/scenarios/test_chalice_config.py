""".chalice/config.json deploys exactly the app, and a package holds only what Lambda needs."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from chalice.config import Config
from packaging.requirements import Requirement

from headroom.project import ROOT
from headroom.region.context import environment_of
from headroom.region.lambda_functions import fresh_app
from tests.support.iam import (
    Policy,
)

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

CHALICE = ROOT / ".chalice"
STAGES = ("dev", "prod", "local")
FUNCTIONS = ("on_alarm", "follow_up", "scale_down", "sweep")
#: The functions that a stage has only where its ALARM_SOURCES says so, and their policies: they do
#: what on_alarm does.
LISTENERS = {
    "on_action": "policy-on_alarm.json",
    "on_event": "policy-on_alarm.json",
    "on_queue": "policy-on_queue.json",
}
EVERY_FUNCTION = (*FUNCTIONS, *LISTENERS)
#: The functions with a policy of their own. tests/scenarios/test_fleet.py judges what on_fleet
#: calls.
SHIPPED = (*FUNCTIONS, "on_fleet")


def policy(function: str) -> Policy:
    """Return a function's policy as it is shipped."""
    found: Policy = json.loads(
        (CHALICE / LISTENERS.get(function, f"policy-{function}.json")).read_text()
    )
    return found


def settings() -> dict[str, Any]:
    """Return .chalice/config.json."""
    found: dict[str, Any] = json.loads((CHALICE / "config.json").read_text())
    return found


class RecordingDict(dict[str, Any]):
    """A level of the configuration that remembers which keys Chalice reads."""

    def __init__(self, **inner: Any) -> None:
        super().__init__(inner)
        self.keys_asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return super().get(key, default)


@cache
def keys_that_chalice_reads() -> Mapping[str, set[str]]:
    """Return, for each level of config.json, the keys that Chalice ever looks for there: all others
    it passes over in silence."""
    in_stage_function, in_function = RecordingDict(), RecordingDict()
    in_stage = RecordingDict(lambda_functions={"f": in_stage_function})
    top = RecordingDict(stages={"s": in_stage}, lambda_functions={"f": in_function})
    config = Config("s", "f", config_from_disk=top)
    for name in (name for name, value in vars(Config).items() if isinstance(value, property)):
        with contextlib.suppress(TypeError):  # chalice_app: there is none here
            getattr(config, name)
    levels = {
        "top": top,
        "stage": in_stage,
        "function": in_function,
        "stage's function": in_stage_function,
    }
    return {name: level.keys_asked for name, level in levels.items()}


def levels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every level of .chalice/config.json."""
    yield "top", settings()
    yield from (("function", one) for one in settings()["lambda_functions"].values())
    for stage in settings()["stages"].values():
        yield "stage", stage
        yield from (("stage's function", one) for one in stage.get("lambda_functions", {}).values())


def test_config_json_holds_no_key_that_chalice_would_ignore() -> None:
    assert "iam_policy_file" in keys_that_chalice_reads()["function"]
    assert "environment_variables" not in keys_that_chalice_reads()["function"]
    for level, found in levels():
        assert set(found) <= keys_that_chalice_reads()[level], level


#: A configuration that calls for every function that only a configuration calls for.
LED = """
[[tables]]
name = "orders"
[[fleet]]
name = "workers"
tags = { role = "worker" }
tables = [{ table = "orders", read = { linear = 10 } }]
[fan_out]
workers = 2
"""


def test_config_json_and_the_app_name_the_same_functions(tmp_path: Path) -> None:
    in_app = set(fresh_app().app.handler_map)
    assert in_app == set(FUNCTIONS)
    whole = tmp_path / "headroom.toml"
    whole.write_text(LED)
    with environment_of(
        {"ALARM_SOURCES": "topic,lambda,eventbridge,queue", "HEADROOM_CONFIG": str(whole)}
    ):
        in_app = set(fresh_app().app.handler_map)
    assert (
        in_app
        == {*FUNCTIONS, *LISTENERS, "on_fleet", "on_group"}
        == set(settings()["lambda_functions"])
    )
    for stage in settings()["stages"].values():
        assert set(stage.get("lambda_functions", {})) <= in_app


def test_there_are_three_stages_and_a_policy_for_each_function_and_no_other() -> None:
    assert tuple(settings()["stages"]) == STAGES
    policies = {f"policy-{function}.json" for function in (*SHIPPED, "on_group")}
    policies |= set(LISTENERS.values())
    assert {path.name for path in CHALICE.glob("policy-*.json")} == policies


#: A function's share of a processor grows with its memory. The first two read fourteen days of
#: every table. follow_up must be quick where 1,000 tables are hot, and takes 0.1 seconds else.
MEMORY = {"scale_down": 1024, "sweep": 1024, "follow_up": 1769}
TIMEOUTS = {"on_alarm": 60, "follow_up": 60, "scale_down": 900, "sweep": 300}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_deployed_with_its_policy_on_arm64_with_its_memory(
    stage: str, function: str
) -> None:
    config = Config(
        stage, function, config_from_disk=settings(), default_params={"autogen_policy": True}
    )
    assert config.autogen_policy is False
    assert config.iam_policy_file == f"policy-{function}.json"
    assert (config.lambda_architecture, config.lambda_memory_size) == (
        "arm64",
        MEMORY.get(function, 512),
    )
    assert config.lambda_timeout == TIMEOUTS[function]


def test_no_chalice_is_installed_that_ignores_the_architecture() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (chalice,) = (one for one in map(Requirement, project["dependencies"]) if one.name == "chalice")
    assert (chalice.specifier.contains("1.33.0"), chalice.specifier.contains("1.34.0")) == (
        False,
        True,
    )


@pytest.mark.parametrize(
    ("stage", "topic", "days", "reserved"),
    [
        ("dev", "headroom-alarms-dev", 14, {}),
        ("prod", "headroom-alarms", 90, {"scale_down": 1, "sweep": 1}),
        ("local", "headroom-alarms", 1, {}),
    ],
)
def test_a_stage_has_its_topic_schedule_service_log_retention_and_reserved_concurrency(
    stage: str, topic: str, days: int, reserved: dict[str, int]
) -> None:
    for function in FUNCTIONS:
        config = Config(stage, function, config_from_disk=settings())
        assert config.environment_variables == {
            "ALARM_TOPIC": topic,
            "SCALE_DOWN_SCHEDULE": "rate(1 hour)",
            "POWERTOOLS_SERVICE_NAME": f"headroom-{stage}",
        }
        assert config.log_retention_in_days == days
        assert config.reserved_concurrency == reserved.get(function)


# the package


def packaged(stage: str, folder: Path) -> tuple[dict[str, Any], set[str]]:
    """Package a copy of the app as the Chalice command does; return the template's resources and
    the zip's file names."""
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "deploy*", "venv"),
        )
    for name in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder / name)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "HEADROOM_"))
    }
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from chalice.cli import main; main()",
            "package",
            "--stage",
            stage,
            "out",
        ],
        cwd=folder,
        env=environment | {"AWS_DEFAULT_REGION": "eu-west-1"},
        check=True,
    )
    with zipfile.ZipFile(folder / "out" / "deployment.zip") as archive:
        return json.loads((folder / "out" / "sam.json").read_text())["Resources"], set(
            archive.namelist()
        )


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: found["Properties"] for name, found in resources.items() if found["Type"] == kind}


@pytest.mark.slow
def test_a_chalice_package_has_one_role_a_function_and_only_what_lambda_needs(
    tmp_path: Path,
) -> None:
    resources, files = packaged("prod", tmp_path)
    roles, functions = (
        of_type(resources, "AWS::IAM::Role"),
        of_type(resources, "AWS::Serverless::Function"),
    )
    given = {
        one["Handler"]: [
            inner["PolicyDocument"] for inner in roles[one["Role"]["Fn::GetAtt"][0]]["Policies"]
        ]
        for one in functions.values()
    }
    assert given == {f"app.{function}": [policy(function)] for function in FUNCTIONS}
    assert len(roles) == len(functions) == len(of_type(resources, "AWS::Logs::LogGroup"))
    tops = {name.split("/")[0] for name in files}
    assert {"app.py", "chalicelib", "chalice", "msgspec", "aws_lambda_powertools"} <= tops
    assert "chalicelib/headroom.toml" in files
    assert (
        not {
            "boto3",
            "botocore",
            "moto",
            "pytest",
            "hypothesis",
            "headroom",
            "tests",
            "typer",
            "rich",
        }
        & tops
    )
