"""What every test has: Hypothesis' profiles, the judge of permissions, and the fixture `region`.

The profile is `ci` where the environment sets CI, else `dev`. Both run the same examples every
time; `search` finds new ones, as `make fuzz` does. Time decides nothing: a busy machine fails none.
"""

import gc
import importlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, is_hypothesis_test, settings

import headroom
from headroom.project import ROOT
from headroom.region.region import OBSERVERS, Region
from tests.fuzz import FUZZ_EXAMPLES
from tests.support.command_line import run
from tests.support.judge import judge
from tests.support.scenes import orders
from tests.support.untraced import pass_over_others, untraced

__all__ = ["run"]

# The collector would search the objects of botocore and moto again and again.
gc.set_threshold(100_000, 50, 100)

#: They run in processes of their own.
RUN_ALONE = ("headroom.deploy.chalice_command", "headroom.deploy.cold_import")

#: They play events through the whole app.
SCENARIOS = ROOT / "tests" / "scenarios"

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", UNTIMED, max_examples=50, derandomize=True)
settings.register_profile("ci", UNTIMED, max_examples=300, derandomize=True)
settings.register_profile("search", UNTIMED, max_examples=1_000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
if FUZZ_EXAMPLES in os.environ:
    settings.register_profile(
        "fuzz", UNTIMED, max_examples=int(os.environ[FUZZ_EXAMPLES]), deadline=5_000
    )
    settings.load_profile("fuzz")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the scenarios where no slow test is wanted."""
    wants_none = config.getoption("markexpr") == "not slow"
    return True if wants_none and collection_path.is_relative_to(SCENARIOS) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the scenarios and the foreign tests as slow, before `-m` chooses.

    Let coverage not follow the properties and the slow tests: it doubles what they cost, and other
    tests reach the same lines.
    """
    for item in items:
        takes_long = item.path.is_relative_to(SCENARIOS) or item.get_closest_marker("foreign")
        if takes_long and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.slow(traced=True))
        if item.get_closest_marker("no_cover"):
            raise pytest.UsageError(f"{item.nodeid}: use the marker untraced instead of no_cover")
        slow = item.get_closest_marker("slow")
        repeats = slow and not slow.kwargs.get("traced")
        if repeats or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("untraced")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import the tests without coverage, which would follow how pytest rewrites their assertions.

    Our own modules are imported before: `pytest_sessionstart`.
    """
    with untraced():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Keep the log of a failed test only: with xdist, each report is sent to another process."""
    report = yield
    if report.passed:
        report.sections.clear()
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test with the marker `untraced`, and the fixtures that it is the first to need."""
    with untraced() if item.get_closest_marker("untraced") else nullcontext():
        return (yield)


def pytest_sessionstart() -> None:
    """Keep coverage to our own code, and import what commands import when they are used: coverage
    may not follow the test that would be the first to do it."""
    if Coverage.current():
        pass_over_others()
        for module in pkgutil.walk_packages(headroom.__path__, "headroom."):
            if module.name not in RUN_ALONE:
                importlib.import_module(module.name)


def pytest_sessionfinish() -> None:
    """Let the process end without a last search for garbage: it takes seconds, for nothing."""
    gc.disable()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _every_call_is_permitted() -> Iterator[None]:
    """Judge each invocation's calls by the function's policies.

    It lasts the whole session, so that it covers the fixtures of wider scope.
    """
    OBSERVERS.append(judge)
    yield
    OBSERVERS.remove(judge)


@pytest.fixture
def region(request: pytest.FixtureRequest) -> Iterator[Region]:
    """The region of the marker `scene(build, *arguments)`, which a test or its module has.

    Without the marker: `orders` with its index and the app, at midday.
    """
    scene = request.node.get_closest_marker("scene") or pytest.mark.scene.with_args(orders).mark
    build, *arguments = scene.args
    with ExitStack() as stack:
        with untraced():
            region = stack.enter_context(build(*arguments, **scene.kwargs))
        yield region
