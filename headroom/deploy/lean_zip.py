"""Make the zip of the functions small, and quick to import.

Chalice ships sources only, so that Lambda compiles every module at each cold start: it cannot write
the result beside the code. Here the modules are compiled beforehand, by the Python that Chalice
takes as the functions' runtime. The same content always becomes the same bytes.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

#: What no function reads. The first four lines are parts of Powertools that nothing imports.
UNUSED = re.compile(
    r"aws_lambda_powertools/(event_handler|middleware_factory)/"
    r"|aws_lambda_powertools/(logging/formatters|metrics/provider/datadog)/"
    r"|aws_lambda_powertools/utilities/(?!__init__\.|jmespath_utils/)"
    r"|aws_lambda_powertools/shared/(cookies|dynamodb_deserializer|headers_serializer)\.py"
    # Lambda's Python has it, as a part of boto3
    r"|jmespath/|jmespath-[^/]+\.dist-info/"
    # what describes the time zones for people and other programs
    r"|tzdata/zones$|tzdata/zoneinfo/(\w+\.(tab|zi)|leapseconds)$"
    # what only installers read
    r"|[^/]+\.dist-info/(RECORD|WHEEL|top_level\.txt)$|[^/]+\.data/"
    r"|.*\.pyi$|.*/py\.typed$"
    # compiled for the operator's machine: with times, which a zip does not keep
    r"|(.*/)?__pycache__/"
)
#: What keeps its sources, so that a traceback shows the lines.
OWN = ("app.py", "chalicelib")
#: Where Lambda unpacks the zip: tracebacks name the files there.
LAMBDA_FOLDER = "/var/task"


def make_lean(file: Path) -> None:
    """Replace a zip by a smaller one with compiled modules. Safe to repeat."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(file) as archive:
            used = [name for name in archive.namelist() if not UNUSED.match(name)]
            archive.extractall(folder, used)
        for metadata in folder.glob("*.dist-info/METADATA"):
            _cut_description(metadata)
        own = [folder / name for name in OWN]
        others = sorted(set(folder.iterdir()).difference(own))
        # without docstrings and assert statements, under the name that Python looks for
        _compile(folder, own, "-o", "2")
        for compiled in folder.rglob("*.opt-2.pyc"):
            compiled.rename(compiled.with_name(compiled.name.replace(".opt-2", "")))
        # beside the source, which it can replace
        _compile(folder, others, "-b", "-o", "2")
        for other in others:
            _remove_sources(other)
        new = file.with_suffix(".new")
        _write(folder, new)
        new.replace(file)


def _compile(folder: Path, paths: list[Path], *options: str) -> None:
    """Compile modules, in a process of its own, since the bytes depend on what else is loaded.

    unchecked-hash: Python uses the result without a look at the source. The columns of a traceback
    are left out, its lines stay.
    """
    subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-X", "no_debug_ranges", "-m", "compileall", "-q"),
            *("--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", LAMBDA_FOLDER),
            *options,
            *map(str, paths),
        ],
        env={"PYTHONHASHSEED": "0"},
        # a module that cannot be compiled is shipped as it is
        check=False,
    )


def _cut_description(metadata: Path) -> None:
    """Keep name, version and licence, without the text for the package index after them."""
    headers = metadata.read_bytes().partition(b"\n\n")[0]
    metadata.write_bytes(headers.rstrip() + b"\n")


def _remove_sources(path: Path) -> None:
    for source in [path] if path.is_file() else path.rglob("*.py"):
        if source.suffix == ".py" and source.with_suffix(".pyc").exists():
            source.unlink()


def _write(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.external_attr = 0o644 << 16  # Lambda's user must be able to read it
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
