"""One account, its AWS, its virtual time, and the containers of its functions."""

import resource
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.request import Request

import boto3
import msgspec

from chalicelib import handlers
from chalicelib.aws.client import Aws
from chalicelib.aws.threads import Threads
from chalicelib.run import Run
from headroom.project import memory_mb, timeout_seconds
from headroom.scale import limits
from headroom.scale.account import ACCOUNT, REGION, SHAPES, TOPIC, Account, Load
from headroom.scale.clock import Killed, VirtualClock, share_of_processor
from headroom.scale.fake_aws import FakeAws
from headroom.scale.limits import Limits
from headroom.scale.sessions import default_session, new_session, virtual_pauses
from headroom.simulation.clock import START

S = TypeVar("S")
T = TypeVar("T")

#: Twenty minutes after a full hour: the next sweeps read the same history.
BEGIN = START + timedelta(hours=10, minutes=20)

#: The queue of groups, for the measures with workers.
QUEUE = "headroom-groups"

Handler = Callable[[Run], object]


@dataclass(frozen=True)
class Conditions:
    """What a measure assumes of AWS and of Lambda. latency: seconds a call."""

    latency: float = 0.05
    cpu_factor: float = 1.0
    limits: Limits = field(default_factory=limits.load)


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a function came to.

    calls, throttled: by operation. reached: tables with a decision. error: what it raised.
    first_update: seconds until the first UpdateTable, None where there was none. memory_mb: how
    much the process grew.
    """

    calls: Mapping[str, int]
    throttled: Mapping[str, int]
    metrics: int
    datapoints: int
    cpu_seconds: float
    memory_mb: float
    seconds: float
    killed: bool
    reached: int
    failures: int
    error: str
    first_update: float | None


class Simulation:
    """An account of so many tables in virtual time."""

    def __init__(
        self,
        size: int,
        conditions: Conditions,
        load: Load = Load.STEADY,
        silent: Collection[str] = (),
        first: str = SHAPES[0],
    ) -> None:
        self.clock = VirtualClock(BEGIN, conditions.cpu_factor)
        self.account = Account(size, BEGIN, load, first)
        self.aws = FakeAws(self.account, self.clock, conditions.limits, conditions.latency, silent)

    def wait_until(self, at: datetime) -> None:
        """Let time pass between two runs. A moment that is over changes nothing."""
        self.clock.advance(max(0.0, (at - self.clock.now).total_seconds()))


class Container:
    """A container of one function: cold at first, and again after it was killed."""

    def __init__(
        self, simulation: Simulation, function: str, side_by_side: int = 1, queue: str = ""
    ) -> None:
        """side_by_side: how many containers of the function run at the same time. queue: that of
        the workers, if there are some."""
        self.function = function
        self._simulation, self._side_by_side, self._queue = simulation, side_by_side, queue
        self._aws: Aws | None = None
        self._session: boto3.Session | None = None

    def invoke(self, handler: Handler) -> Invocation:
        """Run the handler as Lambda would, with the function's memory and timeout."""
        clock, aws = self._simulation.clock, self._simulation.aws
        aws.reset_counts()
        begin, cpu_before, memory_before = clock.seconds, clock.cpu_seconds, _peak_memory_mb()
        run: Run | None = None
        killed, error = False, ""
        with virtual_pauses(clock.sleep):
            clock.begin(
                share_of_processor(memory_mb(self.function)), timeout_seconds(self.function)
            )
            try:
                run = self._run()
                error = self._error_of(handler, run)
                clock.end()
            except Killed:
                killed, self._aws = True, None
        first = aws.first_update
        return Invocation(
            calls=dict(sorted(aws.calls.items())),
            throttled=dict(sorted(aws.throttled.items())),
            metrics=aws.metrics,
            datapoints=aws.datapoints,
            cpu_seconds=clock.cpu_seconds - cpu_before,
            memory_mb=max(0.0, _peak_memory_mb() - memory_before),
            seconds=clock.seconds - begin,
            killed=killed,
            reached=len({d.target.table for d in run.report.decisions}) if run else 0,
            failures=len(run.report.failures) if run else 0,
            error=error,
            first_update=None if first is None else first - begin,
        )

    def _error_of(self, handler: Handler, run: Run) -> str:
        """Run the handler and the notifications; return what was raised, in words, or ""."""
        try:
            with default_session(self._session):
                handler(run)
                handlers.notify(run)
        except Exception as raised:  # noqa: BLE001  an error is a result of the measure
            return f"{type(raised).__name__}: {raised}"
        return ""

    def _run(self) -> Run:
        clock = self._simulation.clock
        if self._aws is None:
            self._session = new_session(self._simulation.aws)
            self._aws = Aws(
                TOPIC,
                self._queue,
                sleep=clock.sleep,
                http=_no_server,
                threads=VirtualThreads(clock),
            )
            self._aws.know_identity(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function}")
        config = self._simulation.account.config
        return Run(
            self._aws,
            config,
            clock.now,
            seconds_left=clock.seconds_left,
            side_by_side=self._side_by_side,
        )


class VirtualThreads(Threads):
    """Runs the calls of the engine one by one, and lets virtual time pass as threads would."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> list[T]:
        return self._clock.map(call, items)

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        return self._clock.within(seconds, call)


def _no_server(request: Request, _: float) -> int:
    raise AssertionError(f"the measured account has no server of its own: {request.full_url}")


def _peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
