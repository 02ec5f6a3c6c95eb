"""A stage with everything, and what is packaged of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.config.rules import Config
from headroom.deploy.stage import LISTENERS, Stage

EVERYTHING = {
    "ALARM_SOURCES": ",".join(LISTENERS),
    "ALARM_QUEUE": "headroom-buffer-dev",
    "OPERATIONS_TOPIC": "ops",
}

FLEET = """
[[fleet]]
name = "workers"
tags = { role = "worker" }
tables = [{ table = "orders", read = { linear = 10 } }]
"""
FAN_OUT = "[fan_out]\nworkers = 12\n"
#: tests/headroom/deploy/test_understudy.py looks at its resources. Here they are left out.
UNDERSTUDY = "[understudy]\n"
NOTIFIED = """
[[tables]]
name = "users-123456789012"
notify = ["at_max"]
notify_topic = "arn:aws:sns:us-east-1:210987654321:capacity"
notify_slack = "secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:slack-AbCdEf"
"""
EVERY_SECTION = FLEET + NOTIFIED + FAN_OUT + UNDERSTUDY


def without_understudy(resources: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in resources.items() if "understudy" not in k.lower()}


@dataclass(frozen=True)
class Packages:
    """A stage, its configuration, and what was packaged of it."""

    stage: Stage
    rules: Config
    folder: Path

    @property
    def sam(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "sam" / "sam.json").read_text())[
            "Resources"
        ]
        return without_understudy(found)

    @property
    def stackset(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "sam" / "stackset.json").read_text())
        return {**found, "Resources": without_understudy(found["Resources"])}

    def terraform(self, file: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "terraform" / file).read_text())
        kinds = found["resource"].items()
        return {**found, "resource": {kind: without_understudy(one) for kind, one in kinds}}
