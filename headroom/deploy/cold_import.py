"""Measure the import of the package, beside that of an empty Chalice app with boto3.

`make cold-import`. Each import has a new interpreter, which finds the unpacked zip and then what
Lambda has of its own: boto3, compiled. The interpreter's own start is not counted.
"""

import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from headroom.deploy import packaging, stage
from headroom.project import ROOT

ROUNDS = 20
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
#: boto3 and what it requires. Lambda's runtime has all of it.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
EMPTY_APP = """import boto3
from chalice import Chalice

app = Chalice(app_name="empty")


@app.lambda_function()
def handler(event, context):
    return {}
"""
IMPORT = """import sys, time
sys.path[:0] = sys.argv[1:]
start = time.perf_counter()
import app
print((time.perf_counter() - start) * 1_000)
"""


def package_for_this_machine(project: Path, folder: Path, name: str = "dev") -> Path:
    """Package a stage for the processor of this machine, and return the path of the zip."""
    copy = packaging.copy_of(project, folder)
    set_architecture(copy)
    packaging.chalice_package(copy, stage.read(name, copy), "out")
    return copy / "out" / "deployment.zip"


def set_architecture(project: Path) -> None:
    """Let a project's packages be for the processor of this machine."""
    file = project / ".chalice" / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["lambda_architecture"] = ARCHITECTURES[platform.machine().lower()]
    file.write_text(json.dumps(settings))


def package_of_empty_app(folder: Path) -> Path:
    """Package the app that is compared with, as Chalice does it, and return the path of the zip."""
    (folder / ".chalice").mkdir(parents=True)
    settings = {"version": "2.0", "app_name": "empty", "stages": {"dev": {}}}
    (folder / ".chalice" / "config.json").write_text(json.dumps(settings))
    (folder / "app.py").write_text(EMPTY_APP)
    (folder / "requirements.txt").touch()
    chalice = "import sys; from chalice.cli import main; sys.exit(main())"
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", chalice, "package", "--stage", "dev", "out"],
        cwd=folder,
        env={"AWS_DEFAULT_REGION": packaging.ANY_REGION},
        check=True,
        capture_output=True,
    )
    return folder / "out" / "deployment.zip"


def runtime(folder: Path) -> Path:
    """Fill a folder with what Lambda has besides the package, and return it."""
    folder.mkdir()
    for name in RUNTIME:
        file = Path(str(import_module(name).__file__))
        source = file.parent if file.name == "__init__.py" else file
        (folder / source.name).symlink_to(source)
    return folder


def import_milliseconds(*folders: Path) -> float:
    """Return how long a new interpreter needs for `import app` from these folders alone."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT, *map(str, folders)],
        env={"AWS_DEFAULT_REGION": packaging.ANY_REGION},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print the medians of both imports, their ratio, and the size of the package."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packages = {
            "an empty Chalice app with boto3": package_of_empty_app(folder / "empty"),
            "Headroom": package_for_this_machine(ROOT, folder / "headroom"),
        }
        boto3 = runtime(folder / "runtime")
        times: dict[str, list[float]] = {name: [] for name in packages}
        for name, file in packages.items():
            shutil.unpack_archive(file, folder / name)
        for _ in range(ROUNDS):
            for name, measured in times.items():
                measured.append(import_milliseconds(folder / name, boto3))
        size = packages["Headroom"].stat().st_size
    empty, headroom = (statistics.median(measured) for measured in times.values())
    print(f"package: {size / 1_000_000:.2f} MB")  # noqa: T201
    for name, measured in times.items():
        print(f"{name}: {statistics.median(measured):.0f} ms ({min(measured):.0f} at best)")  # noqa: T201
    print(f"ratio of the medians of {ROUNDS}: {headroom / empty:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
