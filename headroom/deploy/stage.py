"""One stage of a deployment, as `.chalice/config.json` describes it, and the names of its
resources."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chalicelib.config import loader
from chalicelib.config.mistakes import nearest
from chalicelib.config.rules import Config
from chalicelib.config.types import DEFAULT_TOPIC
from headroom.deploy.account import Location
from headroom.operator_error import OperatorError
from headroom.project import ROOT

TOPIC_SOURCE = "topic"
QUEUE_SOURCE = "queue"
LAMBDA_SOURCE = "lambda"
#: The function for each source of alarms.
LISTENERS = {
    TOPIC_SOURCE: "on_alarm",
    QUEUE_SOURCE: "on_queue",
    LAMBDA_SOURCE: "on_action",
    "eventbridge": "on_event",
}
SCHEDULED = ("follow_up", "scale_down", "sweep")
#: The functions that are deployed only where the configuration has a section for them. app.py tests
#: the same.
CONFIGURED: Mapping[str, Callable[[Config], bool]] = {
    "on_fleet": lambda rules: bool(rules.fleets),
    "on_group": lambda rules: rules.fan_out is not None,
}
#: The function that is deployed beside Chalice's, only with `[understudy]`.
UNDERSTUDY = "understudy"
DEFAULT_LOG_DAYS = 30
#: A role's name has at most 64 characters. Source: IAM User Guide, "IAM and AWS STS quotas",
#: 2026-11.
MAX_ROLE_NAME = 64
#: No name of a Region is longer; ap-southeast-1 has 14. Source: AWS General Reference, "AWS service
#: endpoints", 2026-11.
MAX_REGION = 16
#: What fits before a dash and the Region, and the characters of a digest.
CUT_AT, DIGEST = MAX_ROLE_NAME - MAX_REGION - 1, 8


class StageError(OperatorError):
    """The stage cannot be used. The message says what to do."""


@dataclass(frozen=True)
class Stage:
    """A stage's names and settings.

    `app` and `name` are the prefix of everything that belongs to it. policies: file by function.
    """

    app: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    log_days: int = DEFAULT_LOG_DAYS
    policies: Mapping[str, str] = field(default_factory=dict)
    #: The functions that the configuration needs; `complete` adds them.
    configured: frozenset[str] = frozenset()

    @property
    def prefix(self) -> str:
        return f"{self.app}-{self.name}"

    @property
    def topic(self) -> str:
        """Return the alarm topic's name, or the ARN of a topic that Headroom does not make."""
        return self.environment.get("ALARM_TOPIC", DEFAULT_TOPIC)

    @property
    def config_file(self) -> str:
        """Return the path of the configuration within the project."""
        return self.environment.get("HEADROOM_CONFIG", "chalicelib/headroom.toml")

    @property
    def makes_topic(self) -> bool:
        return not self.topic.startswith("arn:")

    def topic_arn(self, location: Location) -> str:
        return location.arn("sns", self.topic) if self.makes_topic else self.topic

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}-dead-letters"

    @property
    def groups(self) -> str:
        """Return the name of the queue of groups of tables. app.py makes the same name of
        POWERTOOLS_SERVICE_NAME, which is the prefix."""
        return f"{self.prefix}-groups"

    @property
    def operators(self) -> str:
        """Return the name or ARN of the topic for the alarms about Headroom, or ""."""
        return self.environment.get("OPERATIONS_TOPIC", "")

    def operators_arn(self, location: Location) -> str:
        topic = self.operators
        return location.arn("sns", topic) if topic and not topic.startswith("arn:") else topic

    def operator_actions(self, location: Location) -> list[str]:
        """Return the actions of the alarms about Headroom."""
        return [self.operators_arn(location)] if self.operators else []

    @property
    def sources(self) -> frozenset[str]:
        """Return the sources of alarms. app.py knows the same words."""
        return frozenset(self.environment.get("ALARM_SOURCES", TOPIC_SOURCE).split(","))

    @property
    def functions(self) -> tuple[str, ...]:
        """Return the short names of the functions that the stage's deployment has."""
        listening = {name for source, name in LISTENERS.items() if source in self.sources}
        return tuple(sorted({*SCHEDULED, *listening, *self.configured}))

    @property
    def buffer(self) -> str:
        """Return the name of the queue between topic and function."""
        return self.environment.get("ALARM_QUEUE", DEFAULT_TOPIC)

    def function(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def role(self, function: str, region: str) -> str:
        """Return the name of the role of a function (its short name) in a Region.

        Roles belong to the whole account. region: may be a template's expression. A long name is
        cut, so that every Region fits; a digest keeps cut names apart.
        """
        name = self.function(function)
        if len(name) > CUT_AT:
            digest = sha256(name.encode()).hexdigest()[:DIGEST]
            name = f"{name[: CUT_AT - DIGEST - 1]}-{digest}"
        return f"{name}-{region}"

    @property
    def role_pattern(self) -> str:
        """Return a pattern, with `*`, that all roles of the stage match."""
        return f"{self.function('')[: CUT_AT - DIGEST - 1]}*"

    def is_function(self, full_name: str) -> bool:
        """Tell whether a function, or its role without a Region, belongs to this stage.

        `headroom-dev-2-sweep` does not belong to stage `dev`.
        """
        return re.fullmatch(rf"{re.escape(self.prefix)}-[a-z_]+", full_name) is not None

    def is_role(self, name: str, region: str) -> bool:
        """Tell whether a role belongs to this stage in a Region."""
        functions = (*SCHEDULED, *LISTENERS.values(), *CONFIGURED, UNDERSTUDY)
        whole = name.endswith(f"-{region}") and self.is_function(name.removesuffix(f"-{region}"))
        return whole or any(name == self.role(function, region) for function in functions)


def project_folder() -> Path:
    """Return the folder with app.py and .chalice.

    It is the current folder, or else the checkout of this code.
    """
    here = Path.cwd()
    return here if (here / ".chalice" / "config.json").exists() else ROOT


def _settings(project: Path | None = None) -> tuple[Path, dict[str, Any]]:
    """Return the file that describes the project's stages, and what is in it."""
    file = (project or project_folder()) / ".chalice" / "config.json"
    return file, json.loads(file.read_text(encoding="utf-8"))


def stage_names() -> list[str]:
    """Return the names of the project's stages."""
    _, settings = _settings()
    return sorted(settings.get("stages", {}))


def read(name: str, project: Path | None = None) -> Stage:
    """Return a stage of the project. Raises StageError if there is no stage of that name."""
    file, settings = _settings(project)
    stages = settings.get("stages", {})
    if name not in stages:
        names = ", ".join(sorted(stages))
        raise StageError(f"{file} has no stage {name!r}, only {names}{nearest(name, stages)}")
    stage = stages[name]
    environment = {
        **settings.get("environment_variables", {}),
        **stage.get("environment_variables", {}),
    }
    days = {**settings, **stage}.get("log_retention_in_days", DEFAULT_LOG_DAYS)
    policies = {
        short: function["iam_policy_file"]
        for short, function in settings.get("lambda_functions", {}).items()
        if "iam_policy_file" in function
    }
    result = Stage(settings["app_name"], name, environment, days, policies)
    unknown = result.sources - LISTENERS.keys()
    if unknown:
        raise StageError(
            f"{file}, stage {name}: ALARM_SOURCES names {min(unknown)!r}; "
            f"it may name {', '.join(LISTENERS)}"
        )
    return result


def rules(stage: Stage, project: Path) -> Config:
    """Return the stage's configuration, checked.

    Raises ConfigError with every problem, OSError if there is no such file.
    """
    file = project / stage.config_file
    return loader.load(file.read_text(encoding="utf-8"), str(file))


def complete(stage: Stage, rules: Config) -> Stage:
    """Return the stage with the functions that its configuration needs."""
    return replace(
        stage, configured=frozenset(name for name, is_on in CONFIGURED.items() if is_on(rules))
    )
