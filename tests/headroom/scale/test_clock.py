"""Virtual time: what calls, waiting and CPU cost, and when a function is killed."""

from datetime import UTC, datetime, timedelta

import pytest

from headroom.scale.clock import Killed, VirtualClock, share_of_processor

START = datetime(2026, 11, 2, tzinfo=UTC)


class Cpu:
    """CPU time that a test spends."""

    def __init__(self) -> None:
        self.used = 0.0

    def __call__(self) -> float:
        return self.used


def clock_of(cpu: Cpu, share: float = 1.0, timeout: float = 1_000.0) -> VirtualClock:
    clock = VirtualClock(START, cpu_time=cpu)
    clock.begin(share, timeout)
    return clock


def test_cpu_takes_longer_with_a_smaller_share_of_a_processor():
    cpu = Cpu()
    clock = clock_of(cpu, share=0.5)
    cpu.used += 3.0
    clock.charge_cpu()
    assert clock.seconds == 6.0
    assert clock.cpu_seconds == 3.0
    assert clock.now == START + timedelta(seconds=6)


def test_the_simulations_own_cpu_costs_nothing():
    cpu = Cpu()
    clock = clock_of(cpu)
    cpu.used += 3.0
    clock.skip_cpu()
    clock.charge_cpu()
    assert (clock.seconds, clock.cpu_seconds) == (0.0, 0.0)


def test_a_function_with_1769_mb_or_more_has_one_processor():
    assert share_of_processor(1_769) == share_of_processor(3_008) == 1.0
    assert share_of_processor(512) == pytest.approx(0.2894, abs=1e-4)


@pytest.mark.parametrize(("calls", "seconds"), [(1, 0.5), (16, 0.5), (17, 1.0), (32, 1.0)])
def test_sixteen_lanes_wait_side_by_side(calls: int, seconds: float):
    clock = clock_of(Cpu())
    results = clock.map(lambda i: (clock.sleep(0.5), i)[1], range(calls))
    assert results == list(range(calls))
    assert clock.seconds == pytest.approx(seconds)


def test_the_next_call_begins_in_the_lane_that_is_free_first():
    clock = clock_of(Cpu())
    clock.map(clock.sleep, [4.0, *[1.0] * 15, 2.0])
    assert clock.seconds == pytest.approx(4.0)


def test_the_lanes_share_one_processor():
    cpu = Cpu()
    clock = clock_of(cpu, share=0.5)

    def call(_: int) -> None:
        cpu.used += 1.0
        clock.sleep(0.25)

    clock.map(call, range(8))
    assert clock.seconds == pytest.approx(16.0)


def test_a_run_is_killed_at_its_timeout_and_no_later():
    clock = clock_of(Cpu(), timeout=60.0)
    clock.sleep(59.0)
    assert clock.seconds_left() == pytest.approx(1.0)
    with pytest.raises(Killed):
        clock.sleep(2.0)
    assert clock.seconds == 60.0


def test_no_run_no_deadline():
    clock = clock_of(Cpu(), timeout=60.0)
    clock.end()
    clock.advance(3_600.0)
    assert clock.seconds_left() == 0.0


def test_the_code_under_measure_cannot_catch_a_kill():
    assert not issubclass(Killed, Exception)
