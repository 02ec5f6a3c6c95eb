"""A copy of the project, a server to deploy it to, and the commands of an operator, run as an
operator runs them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headroom.project import ROOT
from tests.support.foreign import client_of, moto_server

REGION = "us-east-1"
ACCOUNT = "123456789012"
BIN = Path(sys.executable).parent
SHIPPED = (
    "app.py",
    "chalicelib",
    "requirements.txt",
    "Makefile",
    "pyproject.toml",
    "requirements-dev.txt",
)
#: The file in a site's folder that gets each action which the operator's commands call.
CALLED = "called.txt"
RECORDER = ROOT / "tests" / "support" / "recorder"
CONFIG = '[[tables]]\nname = "orders"\nstrategy = "percent"\n'


@dataclass(frozen=True)
class Site:
    """A project folder and the account that it is deployed to."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str, status: int = 0, answer: str = "") -> str:
        """Run a command in the project's folder and return what it printed; any other exit status
        is a failure."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=answer,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        response = done.stdout + done.stderr
        assert done.returncode == status, (
            f"{' '.join(command)} ended with {done.returncode}:\n{response}"
        )
        return response

    def make(self, *words: str, status: int = 0, answer: str = "") -> str:
        """Run make as the README says, with the environment that the tests run in instead of one of
        its own."""
        venv = BIN.parent
        return self.run(
            "make", "-o", f"{venv}/.installed", *words, f"VENV={venv}", status=status, answer=answer
        )

    def called(self) -> set[str]:
        """Return the actions that the commands have called, such as `sns:Subscribe`."""
        return set((self.folder / CALLED).read_text().split())

    def client(self, service: str) -> Any:
        return client_of(self.environment["AWS_ENDPOINT_URL"])(service)


def configure(folder: Path, text: str) -> None:
    (folder / "chalicelib" / "headroom.toml").write_text(text)


def copy_project(folder: Path, **environment: str) -> Path:
    """Copy what a checkout has, without what deployments have left; with a table to manage, and
    settings for stage `dev`."""
    folder.mkdir(exist_ok=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, folder / name)
    ignored = shutil.ignore_patterns("deployed", "deployments", "venv")
    shutil.copytree(ROOT / ".chalice", folder / ".chalice", ignore=ignored)
    configure(folder, CONFIG)
    settings = json.loads((folder / ".chalice" / "config.json").read_text())
    settings["stages"]["dev"]["environment_variables"] |= environment
    (folder / ".chalice" / "config.json").write_text(json.dumps(settings))
    return folder


def operator_environment(endpoint: str) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AWS_", "ALARM_", "HEADROOM_", "MAKE"))
    }
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{kept['PATH']}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "COLUMNS": "200",
    }


@contextlib.contextmanager
def site(folder: Path, **environment: str) -> Iterator[Site]:
    """Serve an account for a copy of the project, whose stage `dev` has these settings."""
    copy_project(folder, **environment)
    with moto_server(folder, operator_environment("")) as endpoint:
        recorded = {"PYTHONPATH": str(RECORDER), "CALLED_ACTIONS": str(folder / CALLED)}
        yield Site(folder, {**operator_environment(endpoint), **recorded})
