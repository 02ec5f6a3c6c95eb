"""Virtual time: what a Lambda function would take, with its share of a processor.

Waiting and calls advance it by a given duration. Code advances it by the CPU that it
used, divided by the function's share of a processor.
"""

import heapq
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from chalicelib.aws.threads import PARALLEL

S = TypeVar("S")
T = TypeVar("T")

#: With this memory a function has one vCPU. Source: Lambda Developer Guide, "Configure Lambda
#: function memory", read 2026-11.
FULL_PROCESSOR_MB = 1_769


class Killed(BaseException):
    """The function's timeout is over. No code can catch it by accident, as none survives Lambda's
    own kill."""


class TooLateError(BaseException):
    """A call has no more time. botocore must not take it for an answer."""


def share_of_processor(memory_mb: int) -> float:
    """Return which part of one vCPU a function with so much memory has. One thread has no more
    than one."""
    return min(1.0, memory_mb / FULL_PROCESSOR_MB)


class VirtualClock:
    """Virtual seconds since the start, and the CPU seconds of the code under measure.

    cpu_factor: the CPU time that the code would need on Lambda, over that on this machine.
    """

    def __init__(
        self,
        start: datetime,
        cpu_factor: float = 1.0,
        cpu_time: Callable[[], float] = time.process_time,
    ) -> None:
        self._start, self._cpu_factor, self._cpu_time = start, cpu_factor, cpu_time
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self._share = 1.0
        self._deadline: float | None = None
        self._limit = math.inf
        self._mark = cpu_time()

    @property
    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def begin(self, share: float, timeout: float) -> None:
        """Begin one invocation of a function, with its share of a processor and its timeout."""
        self._share, self._deadline = share, self.seconds + timeout
        self.skip_cpu()

    def end(self) -> None:
        """End the invocation. What runs until the next one costs no virtual time."""
        try:
            self.charge_cpu()
        finally:
            self._deadline = None

    def charge_cpu(self) -> None:
        """Advance by the CPU that was used since the last call. Raises Killed."""
        used = max(0.0, self._cpu_time() - self._mark) * self._cpu_factor
        self.skip_cpu()
        self.cpu_seconds += used
        self.advance(used / self._share)

    def skip_cpu(self) -> None:
        """Forget the CPU that was used since the last call: it was the simulation's own."""
        self._mark = self._cpu_time()

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises Killed at the end of the function's timeout."""
        self.seconds += seconds
        if self._deadline is not None and self.seconds > self._deadline:
            self.seconds, self._deadline = self._deadline, None
            raise Killed
        if self.seconds > self._limit:
            self.seconds, self._limit = self._limit, math.inf
            raise TooLateError

    def sleep(self, seconds: float) -> None:
        """Wait, as `time.sleep` does."""
        self.charge_cpu()
        self.advance(seconds)

    def seconds_left(self) -> float:
        """Return how long the function may still run, as Lambda's context tells."""
        self.charge_cpu()
        return 0.0 if self._deadline is None else self._deadline - self.seconds

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        """Make a call that may take so many seconds. Raises TimeoutError where it takes longer."""
        self.charge_cpu()
        self._limit = self.seconds + seconds
        try:
            answer = call()
            self.charge_cpu()
        except TooLateError:
            raise TimeoutError(f"no answer within {seconds:.3g} s") from None
        finally:
            self._limit = math.inf
        return answer

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Make calls as PARALLEL threads would that share one processor.

        The calls run one after another here. Each begins in the lane that is free first. In the
        end no less time has passed than the CPU of all calls takes.
        """
        waiting = list(items)
        if len(waiting) < 2:
            return [call(item) for item in waiting]
        self.charge_cpu()
        begin, cpu_before = self.seconds, self.cpu_seconds
        lanes = [begin] * PARALLEL
        results = []
        for item in waiting:
            self.seconds = heapq.heappop(lanes)
            results.append(call(item))
            self.charge_cpu()
            heapq.heappush(lanes, self.seconds)
        busy = (self.cpu_seconds - cpu_before) / self._share
        self.seconds = begin
        self.advance(max(max(lanes) - begin, busy))
        return results
