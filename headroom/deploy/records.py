"""Chalice's record of what it deployed for a stage: `.chalice/deployed/STAGE.json`.

Chalice keeps one for each stage and compares the next deployment with it. A stage may be in several
accounts and Regions, so the record of another place waits beside it under its own name.
"""

import json
from pathlib import Path

from headroom.deploy.account import Location
from headroom.deploy.stage import Stage


def choose(stage: Stage, project: Path, location: Location) -> None:
    """Let Chalice find the record of this account and Region, or none."""
    current, own = _file(stage, project), _file(stage, project, _place(location))
    there = _place_of(current)
    if there and there != _place(location):
        current.rename(_file(stage, project, there))
    if own.exists() and not current.exists():
        own.rename(current)


def record_of(stage: Stage, project: Path, location: Location) -> Path:
    """Return the file of the record of this account and Region; it may not exist."""
    current, place = _file(stage, project), _place(location)
    return current if _place_of(current) in ("", place) else _file(stage, project, place)


def _file(stage: Stage, project: Path, place: str = "") -> Path:
    name = f"{stage.name}.{place}" if place else stage.name
    return project / ".chalice" / "deployed" / f"{name}.json"


def _place(location: Location) -> str:
    return f"{location.account}.{location.region}"


def _place_of(file: Path) -> str:
    """Return the account and Region of a record's functions, or "" where it has none."""
    resources = (
        json.loads(file.read_text(encoding="utf-8")).get("resources", []) if file.exists() else []
    )
    arns = [one["lambda_arn"].split(":") for one in resources if "lambda_arn" in one]
    return f"{arns[0][4]}.{arns[0][3]}" if arns else ""
