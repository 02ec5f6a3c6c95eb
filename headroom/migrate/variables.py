"""The environment variables of two older tools → ours.

dynamicDynamoo (github.com/inokappa/dynamicDynamoo) counts EC2 instances and sets so many units for
each. dynamodb-autoscaler-control (github.com/Signiant/dynamodb-autoscaler-control) stops another
autoscaler while an EMR cluster runs. Both read 2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit

from headroom.migrate.dynamic_options import KEYS_GO
from headroom.migrate.imported import Imported, Kind, Line
from headroom.operator_error import OperatorError

#: `NAME=value` of a shell, a file of variables or docker's -e; `NAME: value` of YAML.
VARIABLE = re.compile(
    r"(?:export\s+|-e\s+|--env[ =]|-\s+)?[\"']?([A-Z][A-Z0-9_]*)\s*[=:]\s*(.*?)\s*\\?"
)
SECRET = re.compile("KEY_ID|SECRET|WEBHOOK|TOKEN")
KEYS = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), KEYS_GO)
SERVICE = "Headroom pauses by itself: it has no service that is stopped and started"
SLACK = 'notify = ["scaled_up", "scaled_down"] and notify_slack do the same: docs/notifications.md'


class VariablesError(OperatorError):
    """A variable that nothing can be imported without."""


@dataclass(frozen=True)
class Variables:
    """A file of variables: the value and the line of each, and what became of the lines."""

    values: Mapping[str, tuple[int, str]]
    lines: list[Line]

    def need(self, name: str, line: Callable[[str], str]) -> str:
        """Return a variable's value, and account for its line. Raises VariablesError without."""
        number, value = self.values.get(name, (0, ""))
        if not value:
            raise VariablesError(f"there is no variable {name}, without which nothing is imported")
        self._account(number, name, value, Kind.TRANSLATED, line(value))
        return value

    def number(self, name: str, setting: str) -> float:
        """Return a number above 0, and account for its line. Without the variable it is 1."""
        number, value = self.values.get(name, (0, "1"))
        try:
            found = float(value)
        except ValueError:
            found = 0.0
        kind, words = Kind.TRANSLATED, f"{setting} = {{ linear = {found:g} }}"
        if not 0 < found <= 1_000_000:
            found, kind, words = 1.0, Kind.REFUSED, f"expected a number above 0, got {value!r}; 1"
        if number:
            self._account(number, name, value, kind, words)
        return found

    def rest(self, obsolete: Mapping[str, str]) -> None:
        """Account for all other variables."""
        done = {line.number for line in self.lines}
        for name, (number, value) in self.values.items():
            if number not in done:
                words = next((obsolete[key] for key in obsolete if name.startswith(key)), "")
                kind = Kind.OBSOLETE if words else Kind.UNKNOWN
                words = words.replace("{value}", value) or "it has no such variable"
                self._account(number, name, value, kind, words)

    def _account(self, number: int, name: str, value: str, kind: Kind, words: str) -> None:
        shown = "…" if SECRET.search(name) else value
        self.lines.append(Line(number, f"{name}={shown}", kind, words))

    def imported(self, document: Mapping[str, Any], *notes: str) -> Imported:
        ordered = sorted(self.lines, key=lambda line: line.number)
        return Imported(tomlkit.dumps(document), tuple(ordered), notes)


def read(text: str) -> Variables:
    """Return the variables of a text. A line that is none, a comment or empty is unknown."""
    values: dict[str, tuple[int, str]] = {}
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        found = VARIABLE.fullmatch(stripped)
        if found:
            values[found[1]] = (number, found[2].strip("\"'"))
        elif stripped and not stripped.startswith("#"):
            lines.append(Line(number, stripped, Kind.UNKNOWN, "no variable: write NAME=value"))
    return Variables(values, lines)


def from_dynamoo(text: str) -> Imported:
    """Return our configuration for dynamicDynamoo's variables."""
    variables = read(text)
    key = variables.need("EC2_TAG_KEY", lambda value: f"fleet.tags: the key {value}")
    tag = variables.need("EC2_TAG_VALUE", lambda value: f"fleet.tags: the value {value}")
    names = variables.need("DYNAMODB_TABLES", lambda value: f"a rule and a fleet table of {value}")
    scales = {
        dimension: {
            "linear": variables.number(f"{dimension.upper()}_CAPACITY_PER_INSTANCE", dimension)
        }
        for dimension in ("read", "write")
    }
    variables.rest({"SLACK": SLACK, **KEYS, "AWS_": "the Region of the deployment"})
    tables = [name.strip() for name in names.split(",") if name.strip()]
    document = {
        "tables": [{"name": name, "strategy": "fleet"} for name in tables],
        "fleet": [
            {
                "name": "instances",
                "tags": {key: tag},
                "tables": [{"table": name, **scales} for name in tables],
            }
        ],
    }
    return variables.imported(
        document,
        "It lowered a table only if its reads or writes were above twice what the instances need, "
        "beside what was consumed. Headroom lowers to what they need, within DynamoDB's quota.",
        'strategy = "adaptive" instead of "fleet" also follows the load, and the fleet is then the '
        "minimum.",
    )


def from_emr_control(text: str) -> Imported:
    """Return our configuration for dynamodb-autoscaler-control's variables."""
    variables = read(text)
    prefix = variables.need("EMR_PREFIX", lambda value: f'pause.prefix = "{value}"')
    pause: dict[str, Any] = {"name": "emr", "job": "emr_cluster", "prefix": prefix}
    if "EMR_REGION" in variables.values:
        region = variables.need("EMR_REGION", lambda value: f'pause.regions = ["{value}"]')
        pause["regions"] = [region]
    variables.rest(
        {
            "AUTOSCALER_REGION": "deploy to that Region: AWS_DEFAULT_REGION={value} make deploy",
            "AUTOSCALER_": SERVICE,
            "DEBUG_OUTPUT": "POWERTOOLS_LOG_LEVEL of the stage",
            **KEYS,
        }
    )
    return variables.imported(
        {"pause": [{**pause, "tables": ["*"]}]},
        "It paused every table. Name those that the backup reads in pause.tables, and write "
        "[[tables]] for what Headroom is to scale.",
        'holds = "decreases" lets Headroom raise capacity during the backup.',
    )
