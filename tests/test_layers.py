"""The architecture: who may import whom, who may talk to AWS, and who may read the clock and the
environment."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

#: Coverage finds nothing here that it does not find in other tests.
pytestmark = pytest.mark.untraced

ROOT = Path(__file__).resolve().parent.parent


def modules(package: str) -> dict[str, Path]:
    """Return the modules of a package by their paths in it, as in `core/plan`."""
    folder = ROOT / package
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.py"))
        if path.stem != "__init__"
    }


MODULES = modules("chalicelib")
PACKAGES = {"chalicelib": MODULES, "headroom": modules("headroom")}
SHIPPED = {**MODULES, "app": ROOT / "app.py"}
#: The steps of each package: folders, and files of its root. A module imports from its own step and
#: from the steps above it in this list, never from a later step.
LADDERS = {
    "chalicelib": [
        ["model", "metrics"],
        ["config"],
        ["core/observation", "core/budget", "core/throttling", "core/money", "core/price_list"],
        ["core/prices"],
        ["core/strategies"],
        ["core"],
        ["aws"],
        ["run"],
        [
            "events",
            "fleet_count",
            "owners",
            "alarm_upkeep",
            "notify",
            "holds",
            "telemetry",
            "month_costs",
            "unthrottled",
        ],
        ["observe", "act"],
        ["healing", "reconcile", "fan_out", "modes"],
        ["handlers"],
    ],
    "headroom": [
        ["project", "operator_error", "counted", "data_file", "tables", "chart"],
        ["pause_tags", "hot_keys", "remarks", "simulation", "migrate"],
        ["deploy", "reference", "region", "scale"],
        ["demo"],
        ["commands", "console"],
        ["cli"],
        ["command_reference", "alarm_lengths", "own_cost_reference"],
    ],
}
EVERY_MODULE = [(package, module) for package in PACKAGES for module in PACKAGES[package]]
#: Everything that is not Python's own. boto3 is in Lambda's runtime; Chalice packs itself.
LIBRARIES = {
    "config": {"msgspec"},
    "core": {"msgspec"},
    "events": {"msgspec"},
    "healing": {"msgspec"},
    "holds": {"msgspec"},
    "aws": {"boto3", "botocore", "msgspec"},
    "telemetry": {"aws_lambda_powertools"},
    "app": {"chalice"},
}
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
            assert not node.level, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(package: str, module: str) -> set[str]:
    """Return the other modules of its package that a module imports."""
    names = (
        name.replace(".", "/").removeprefix(f"{package}/")
        for name in imported(PACKAGES[package][module])
    )
    parts = {part for name in names for part in (name, name.rpartition("/")[0])}
    return (parts & PACKAGES[package].keys()) - {module}


def step(package: str, module: str) -> int:
    """Return the step on which a module stands: that of the longest place that holds it."""
    steps = {place: number for number, places in enumerate(LADDERS[package]) for place in places}
    holding = [place for place in steps if f"{module}/".startswith(f"{place}/")]
    return steps[max(holding, key=len)]


def libraries(module: str) -> set[str]:
    """Return what a module imports that is neither Python's own nor the engine's."""
    roots = {name.split(".")[0] for name in imported(SHIPPED[module])}
    return roots - set(sys.stdlib_module_names) - {"chalicelib"}


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize(("package", "module"), EVERY_MODULE)
def test_every_module_stands_on_a_step_and_imports_from_no_later_one(
    package: str, module: str
) -> None:
    own_step = step(package, module)
    assert {m for m in own_imports(package, module) if step(package, m) > own_step} == set()


@pytest.mark.slow(traced=True)
@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    imports = {module: own_imports(package, module) for module in PACKAGES[package]}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_the_guard_sees_imports_of_every_form() -> None:
    assert own_imports("chalicelib", "handlers")
    assert own_imports("chalicelib", "model") == set()


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
        if isinstance(n.value, ast.Name)
        and n.value.id == "time"
        and n.attr not in ("sleep", "fromisoformat")
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
    assert "time" not in names or module == "aws/client"


def test_the_guard_sees_a_clock_where_there_is_one() -> None:
    assert [line.split(": ")[1] for line in readings(ROOT / "app.py")].count("now") == 1
    assert "environ" in " ".join(readings(ROOT / "app.py"))


def test_the_adapters_only_use_of_time_is_the_default_way_to_wait() -> None:
    nodes = [
        n
        for n in ast.walk(tree(MODULES["aws/client"]))
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


@pytest.mark.slow(traced=True)
def test_what_goes_to_lambda_is_what_it_imports_and_its_runtime_lacks() -> None:
    used = set[str]().union(*(libraries(module) for module in SHIPPED)) - OUTSIDE_OF_THE_PACKAGE
    if any("zoneinfo" in name for module in MODULES for name in imported(MODULES[module])):
        used |= {"tzdata"}  # zoneinfo reads the rules from it where the system has none
    assert {name.replace("-", "_") for name in requirements()} == used
    assert requirements().keys() & {"boto3", "botocore", "moto", "chalice"} == set()


def test_lambda_gets_the_versions_that_the_tests_ran_with() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(requirements().values()) <= set(declared)


def test_no_file_of_tests_has_more_lines_than_a_reader_takes_in() -> None:
    long = {
        path.relative_to(ROOT): lines
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (lines := path.read_text().count("\n")) > 500
    }
    assert long == {}, "split them: one duty a file"
