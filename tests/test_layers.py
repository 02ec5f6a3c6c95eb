"""The architecture: who may import whom, who may talk to AWS, and who may read the clock and the
environment."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "chalicelib"
MODULES = {
    path.relative_to(ENGINE).with_suffix("").as_posix(): path
    for path in sorted(ENGINE.rglob("*.py"))
    if path.stem != "__init__"
}
SHIPPED = {**MODULES, "app": ROOT / "app.py"}
LADDER = [
    ["model", "metrics"],
    ["config"],
    ["core/observation", "core/budget"],
    ["core/prices"],
    ["core/strategies"],
    ["core"],
    ["aws"],
    ["run"],
    ["events", "fleet_count", "alarm_upkeep", "notify", "holds", "telemetry"],
    ["healing", "reconcile"],
    ["handlers"],
]
"""Folders and files of the engine. Each imports from itself and from the steps above it, never from
a later step."""
FOLDERS = {"config", "core", "core/strategies", "aws", "holds", "healing"}
LIBRARIES = {
    "config": {"msgspec"},
    "core": {"msgspec"},
    "events": {"msgspec"},
    "aws": {"boto3", "botocore", "msgspec"},
    "telemetry": {"aws_lambda_powertools"},
    "app": {"chalice"},
}
"""Everything that is not Python's own. boto3 is in Lambda's runtime; Chalice packs itself."""
OUTSIDE_OF_THE_PACKAGE = {"boto3", "botocore", "chalice"}
FORBIDDEN = {"now", "utcnow", "today", "environ", "getenv", "monotonic", "perf_counter", "time_ns"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """Yield the full names that a module imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["chalicelib" if node.level else "", node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def our_imports(module: str) -> set[str]:
    """Return the modules of the engine that one of them imports."""
    names = (
        name.replace(".", "/").removeprefix("chalicelib/") for name in imported(MODULES[module])
    )
    return {part for name in names for part in (name, name.rpartition("/")[0]) if part in MODULES}


def step(module: str) -> int | None:
    """Return the step of the ladder on which a module stands: that of the longest path that holds
    it."""
    steps = {place: number for number, places in enumerate(LADDER) for place in places}
    is_file = {
        place: (ENGINE / place).with_suffix(".py").exists() and not (ENGINE / place).is_dir()
        for place in steps
    }
    held = [
        p
        for p in steps
        if module.startswith(f"{p}/") or (module == p and is_file[p] and p not in FOLDERS)
    ]
    return steps[max(held, key=len)] if held else None


def libraries(module: str) -> set[str]:
    """Return what a module imports that is neither Python's own nor the engine's."""
    roots = {name.split(".")[0] for name in imported(SHIPPED[module])}
    return roots - set(sys.stdlib_module_names) - {"chalicelib"}


@pytest.mark.parametrize("module", [module for module in MODULES if step(module) is not None])
def test_imports_point_down(module: str) -> None:
    later = {name for name in our_imports(module) if (step(name) or 0) > (step(module) or 0)}
    assert later == set()


def test_the_guard_sees_imports_of_every_form() -> None:
    assert our_imports("handlers")
    assert our_imports("model") == set()


@pytest.mark.parametrize("module", SHIPPED)
def test_a_module_uses_no_library_but_its_own(module: str) -> None:
    place = module.partition("/")[0]
    assert libraries(module) <= LIBRARIES.get(place, {"msgspec"} if place == module else set())


@pytest.mark.parametrize("module", MODULES)
def test_the_engine_knows_neither_the_workbench_nor_the_entry_points(module: str) -> None:
    roots = {name.split(".")[0] for name in imported(MODULES[module])}
    assert roots & {"headroom", "app", "tests"} == set()


def test_the_entry_points_do_not_know_the_workbench() -> None:
    assert not any(name.startswith("headroom") for name in imported(ROOT / "app.py"))


def readings(path: Path) -> list[str]:
    """Return where a module reads the clock or the environment."""
    root = tree(path)
    nodes = [node for node in ast.walk(root) if isinstance(node, ast.Attribute)]
    of_time = (
        n
        for n in nodes
        if isinstance(n.value, ast.Name) and n.value.id == "time" and n.attr != "sleep"
    )
    called = {id(n.func) for n in ast.walk(root) if isinstance(n, ast.Call)}
    # `run.now` is a value; `datetime.now(…)` is a call
    read = (n for n in nodes if n.attr in FORBIDDEN and (n.attr == "environ" or id(n) in called))
    return [f"line {node.lineno}: {node.attr}" for node in [*of_time, *read]]


@pytest.mark.parametrize("module", MODULES)
def test_the_engine_reads_neither_clock_nor_environment(module: str) -> None:
    names = set(imported(MODULES[module]))
    assert readings(MODULES[module]) == []
    assert not any(name == "os" or name.startswith(("os.", "time.")) for name in names)
    assert "time" not in names or module in ("aws", "aws/client")


def test_the_guard_sees_a_clock_where_there_is_one() -> None:
    assert [line.split(": ")[1] for line in readings(ROOT / "app.py")].count("now") == 1
    assert "environ" in " ".join(readings(ROOT / "app.py"))


def test_the_adapters_only_use_of_time_is_the_default_way_to_wait() -> None:
    nodes = [
        n
        for n in ast.walk(tree(MODULES.get("aws/client") or MODULES["aws"]))
        if isinstance(n, ast.Name) and n.id == "time"
    ]
    assert len(nodes) == 1


def requirements(name: str = "requirements.txt") -> dict[str, str]:
    """Return each package's line of a requirements file."""
    lines = [line.strip() for line in (ROOT / name).read_text().splitlines()]
    return {
        re.split(r"[<>=\[ ]", line)[0]: line
        for line in lines
        if line and not line.startswith(("#", "-"))
    }


def test_what_goes_to_lambda_is_what_it_imports_and_its_runtime_lacks() -> None:
    used = set[str]().union(*(libraries(module) for module in SHIPPED)) - OUTSIDE_OF_THE_PACKAGE
    if any("zoneinfo" in name for module in MODULES for name in imported(MODULES[module])):
        used |= {
            "tzdata"
        }  # Python's zoneinfo takes the rules from there, where the system has none
    assert {name.replace("-", "_") for name in requirements()} == used
    assert requirements().keys() & {"boto3", "botocore", "moto", "chalice"} == set()


def test_lambda_gets_the_versions_that_the_tests_ran_with() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(requirements().values()) <= set(declared)
