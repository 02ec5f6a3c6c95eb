"""docs/testing.md: each recipe is run. The deployed stage's is run with the runbook of
operations.md."""

import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from headroom.project import ROOT
from tests.support.command_line import RunCommand
from tests.support.real_deploy import BIN

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

TEXT = (ROOT / "docs" / "testing.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
MESSAGES = {file.name for file in (ROOT / "examples" / "messages").iterdir()}


def code(section: str, language: str) -> str:
    """Return the code of a section in one language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL)
    return "\n".join(blocks)


def recipe(section: str) -> Callable[..., Any]:
    """Return the test that a section shows."""
    names: dict[str, Any] = {}
    exec(compile(code(section, "python"), section, "exec"), names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    return test  # type: ignore[no-any-return]


@pytest.mark.slow(traced=True)
def test_the_command_for_one_message_works(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(code("One message", "sh"))
    assert run(*words[1:]).exit_code == 0


def test_every_message_that_is_shipped_is_described() -> None:
    assert set(re.findall(r"^\| `([\w-]+\.json)` \|", TEXT, re.MULTILINE)) == MESSAGES


@pytest.mark.slow
def test_the_recipe_with_chalices_client_and_moto_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    # Chalice's client gives a function three seconds, which a busy machine may need
    with time_machine.travel(datetime.now(UTC), tick=False):
        recipe("The handlers, with Chalice's test client and moto")(tmp_path)


@pytest.mark.slow
def test_the_recipe_with_the_embedded_region_passes() -> None:
    recipe("The embedded region in a test of yours")()


@pytest.mark.slow
def test_the_local_aws_takes_the_commands(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    lines = code("A local AWS", "sh").replace("5000", port)
    lines = lines.replace("examples/", f"{ROOT}/examples/")
    wait = f"until python -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))'"
    first, rest = lines.split("\n", 1)
    script = f"{first}\ntrap 'kill %1' EXIT\n{wait} 2>/dev/null; do sleep 0.2; done\n{rest}"
    done = subprocess.run(
        ["bash", "-e", "-m", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Lowered orders writes 100 → 32 units" in done.stdout
    assert "Alarms: 2 made, 1 rewritten." in done.stdout
    assert "orders:write" in done.stdout
