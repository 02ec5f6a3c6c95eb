"""The time of a run: how long a read may take, and how fast alarms are written."""

import math
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.client import Aws
from chalicelib.config.loader import load
from chalicelib.run import Run
from headroom.simulation.clock import START
from tests.support.scenes import rules


def run_of(seconds_left: Callable[[], float], waited: list[float] | None = None) -> Run:
    sleep = (waited if waited is not None else []).append
    return Run(Aws("headroom-alarms", sleep=sleep), load(rules()), START, seconds_left=seconds_left)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that nobody sets before the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(("seconds", "read_timeout"), [(60, 10.0), (300, 58.0), (3, 0.36)])
def test_a_read_takes_a_part_of_the_time_that_is_not_for_increases(
    seconds: float, read_timeout: float
) -> None:
    assert run_of(lambda: seconds).read_timeout == pytest.approx(read_timeout)


@pytest.mark.slow
@given(st.floats(0.5, 900), st.integers(1, 12))
def test_however_many_services_are_silent_time_is_left_to_act(length: float, silent: int) -> None:
    left = [length]
    run = run_of(lambda: left[0])
    for _ in range(silent):
        left[0] -= max(0.0, run.read_timeout)
    assert left[0] >= min(10.0, 0.4 * length) - 1e-6


def test_a_read_that_never_ends_is_given_up(never: threading.Event) -> None:
    run = run_of(lambda: 1.0)
    assert run.read("the metrics", "GetMetricData", never.wait) is None
    assert [str(failure) for failure in run.report.failures] == [
        "the metrics: GetMetricData failed: no answer within 0.12 s"
    ]


def test_without_time_no_read_is_begun(never: threading.Event) -> None:
    left = [60.0]
    run = run_of(lambda: left[0])
    left[0] = 10.4
    assert run.read("the metrics", "GetMetricData", never.wait) is None
    assert [skip.reason for skip in run.report.skips] == ["NoTimeLeft"]


def test_the_errors_of_a_read_are_its_own() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    run = run_of(lambda: math.inf)
    assert run.read("the metrics", "GetMetricData", fail) is None
    assert [str(failure.error) for failure in run.report.failures] == ["its own"]


def test_alarms_are_written_at_three_a_second() -> None:
    left, waited = [100.0], list[float]()
    run = run_of(lambda: left[0], waited)
    for spent in (0.0, 0.1, 0.5, 0.0):
        left[0] -= spent
        run.pace_alarm_write()
    assert waited == pytest.approx([1 / 3 - 0.1, 1 / 3])


def test_without_a_deadline_every_pause_is_whole() -> None:
    waited: list[float] = []
    run = run_of(lambda: math.inf, waited)
    for _ in range(3):
        run.pace_alarm_write()
    assert waited == pytest.approx([1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("length", "side_by_side", "least"), [(60, 1, 2.0), (120, 10, 8.0), (60, 10, 6.0), (5, 1, 0.5)]
)
def test_runs_that_share_the_limits_keep_more_time_for_calls_that_are_throttled(
    length: float, side_by_side: int, least: float
) -> None:
    left = [length]
    run = run_of(lambda: left[0])
    run.side_by_side = side_by_side
    left[0] = least + 3.1
    assert run.has_time(3.0)
    assert not run.has_time(3.2)
