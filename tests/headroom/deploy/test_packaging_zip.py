"""The zip of the functions is small, compiled, always the same, and all that Lambda has to add is
boto3."""

import importlib.util
import json
import marshal
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest

from headroom.deploy import cold_import
from headroom.deploy.lean_zip import LAMBDA_FOLDER, make_lean
from headroom.project import ROOT

#: Chalice and pip make the zip, and pip reads an index of packages.
pytestmark = [pytest.mark.slow, pytest.mark.foreign]

MOST_BYTES = 1_200_000
UNCHECKED_HASH = 0b01
#: Imports the app, decides what a message asks for, and prints every module with its file.
USE = """
import json, sys
sys.path[:0] = sys.argv[1:]
import app
from zoneinfo import ZoneInfo, reset_tzpath
reset_tzpath([])  # as on an image without the rules of time zones
ZoneInfo("America/Argentina/Buenos_Aires")
app.telemetry.logger.warning("a line")
app.telemetry._publish({"Completed": 1}, "service", "function")
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({name: file for name, file in files.items() if file}))
"""


@dataclass(frozen=True)
class Unpacked:
    """A zip for the processor of this machine, and the folder that it was unpacked into."""

    file: Path
    folder: Path

    @property
    def names(self) -> list[str]:
        return zipfile.ZipFile(self.file).namelist()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    folder = tmp_path_factory.mktemp("zip")
    file = cold_import.package_for_this_machine(ROOT, folder / "project")
    shutil.unpack_archive(file, folder / "unpacked")
    return Unpacked(file, folder / "unpacked")


def is_loaded_from(folder: Path, file: str) -> bool:
    return Path(file).is_relative_to(folder)


def test_the_app_works_from_the_zip_with_nothing_but_lambdas_boto3(
    unpacked: Unpacked, tmp_path: Path
) -> None:
    runtime = cold_import.runtime(tmp_path / "runtime")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", USE, str(unpacked.folder), str(runtime)],
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line, metrics, listed = done.stdout.splitlines()
    assert json.loads(line)["message"] == "a line"
    assert json.loads(metrics)["Completed"] == [1.0]
    files = json.loads(listed)
    for package in ("app", "chalicelib", "chalice", "msgspec", "aws_lambda_powertools", "tzdata"):
        assert is_loaded_from(unpacked.folder, files[package])
    assert is_loaded_from(runtime, files["boto3"])


def test_the_zip_stays_small(unpacked: Unpacked) -> None:
    assert unpacked.file.stat().st_size <= MOST_BYTES


def test_what_nothing_imports_is_not_in_the_zip(unpacked: Unpacked) -> None:
    parts = {name.split("/")[1] for name in unpacked.names if name.startswith("aws_lambda")}
    assert not parts & {"event_handler", "middleware_factory"}
    assert not [name for name in unpacked.names if name.endswith((".pyi", "tzdata.zi", "RECORD"))]


def test_licences_and_versions_of_what_is_shipped_are_in_the_zip(unpacked: Unpacked) -> None:
    for package in ("msgspec", "tzdata", "aws_lambda_powertools"):
        held = [name for name in unpacked.names if name.startswith(f"{package}-")]
        (metadata,) = [name for name in held if name.endswith("METADATA")]
        text = (unpacked.folder / metadata).read_text()
        assert ("\nVersion: " in text, "\nLicense" in text, "\n\n" in text) == (True, True, False)
        assert [name for name in held if "LICENSE" in name]


def compiled(source: Path) -> Path:
    """Return where Python looks for a module's compiled file: beside the source of our own."""
    return Path(importlib.util.cache_from_source(str(source)))


def test_every_module_is_compiled_for_this_python_and_used_without_a_look_at_the_source(
    unpacked: Unpacked,
) -> None:
    own = [unpacked.folder / "app.py", *(unpacked.folder / "chalicelib").rglob("*.py")]
    assert len(own) > 40
    sources = list(unpacked.folder.rglob("*.py"))
    assert set(sources) == set(own)  # of other packages only the compiled files are shipped
    files = list(unpacked.folder.rglob("*.pyc"))
    assert {compiled(source) for source in own} <= set(files)
    assert len(files) > len(own) + 60
    for file in files:
        data = file.read_bytes()
        assert data[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(data[4:8], "little") == UNCHECKED_HASH


def test_a_traceback_names_the_files_that_lambda_has(unpacked: Unpacked) -> None:
    for source in (unpacked.folder / "app.py", unpacked.folder / "chalicelib" / "run.py"):
        code = marshal.loads(compiled(source).read_bytes()[16:])
        assert isinstance(code, CodeType)
        assert code.co_filename == f"{LAMBDA_FOLDER}/{source.relative_to(unpacked.folder)}"


def test_the_same_code_always_becomes_the_same_bytes(unpacked: Unpacked, tmp_path: Path) -> None:
    again = cold_import.package_for_this_machine(ROOT, tmp_path / "project")
    assert again.read_bytes() == unpacked.file.read_bytes()
    make_lean(again)  # Chalice takes up a zip that it finds, which is lean already
    assert again.read_bytes() == unpacked.file.read_bytes()
