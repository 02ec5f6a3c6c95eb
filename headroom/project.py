"""The checkout: where its files are, and what they say. Imports nothing that is slow."""

import json
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Return the version of the installed distribution, as pyproject.toml names it."""
    return metadata.version("dynamodb-headroom")


@cache
def timeout_seconds(function: str) -> int:
    """Return a function's timeout in seconds, as `.chalice/config.json` deploys it."""
    settings = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))[
        "lambda_functions"
    ]
    return int(settings[function]["lambda_timeout"])


@cache
def memory_mb(function: str) -> int:
    """Return a function's memory in megabytes, as `.chalice/config.json` deploys it."""
    settings = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    default = settings["lambda_memory_size"]
    return int(settings["lambda_functions"][function].get("lambda_memory_size", default))
