"""A function with its workers: each takes one group of tables after another, and all share the
limits of AWS."""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chalicelib import events, handlers
from chalicelib.config.fan_out import FanOut
from headroom.scale.simulation import QUEUE, Container, Handler, Invocation, Simulation

WORKER = "on_group"
#: Every function hands over, however few tables there are.
FAN_OUT = FanOut(workers=10, above_tables=1)
WITH_WORKERS = f"{FAN_OUT.workers} workers"


@dataclass(frozen=True)
class Runs:
    """What each run came to, with the name of its function, and what all came to together."""

    each: Sequence[tuple[str, Invocation]]
    whole: Invocation


class FannedOut:
    """A scheduled function and its workers, with their containers."""

    def __init__(self, simulation: Simulation, function: str) -> None:
        account = simulation.account
        account.config = replace(account.config, fan_out=FAN_OUT)
        self._simulation = simulation
        self._sender = Container(simulation, function, queue=QUEUE)
        count = FAN_OUT.workers
        self._workers = [Container(simulation, WORKER, count, QUEUE) for _ in range(count)]

    def invoke(self, handler: Handler) -> Runs:
        """Run the function, and then workers until no group is left.

        The workers run one after another here. Each begins when its message is sent and it is free.
        The clock ends with the last run of all. The whole takes until all groups are done: it does
        not wait for what the function itself does meanwhile.
        """
        clock, aws = self._simulation.clock, self._simulation.aws
        begin = clock.seconds
        each = [(self._sender.function, self._sender.invoke(handler))]
        ends, free = [clock.seconds], [(begin, number) for number in range(len(self._workers))]
        for sent_at, text in aws.take_messages():
            free_at, number = heapq.heappop(free)
            clock.seconds = max(free_at, sent_at + aws.latency)
            group = events.from_group(text)
            run = self._workers[number].invoke(partial(handlers.on_group, event=group))
            each.append((WORKER, run))
            ends.append(clock.seconds)
            heapq.heappush(free, (clock.seconds, number))
        clock.seconds = max(ends)
        done = max(ends[1:], default=ends[0]) - begin
        return Runs(each, together([run for _, run in each], done))


def invoker(simulation: Simulation, function: str, workers: bool) -> Callable[[Handler], Runs]:
    """Return what invokes a function in its container, with workers or without."""
    if workers:
        return FannedOut(simulation, function).invoke
    container = Container(simulation, function)

    def invoke(handler: Handler) -> Runs:
        run = container.invoke(handler)
        return Runs([(function, run)], run)

    return invoke


def together(runs: Sequence[Invocation], seconds: float) -> Invocation:
    """Return what several runs came to."""
    return Invocation(
        calls=_sums([run.calls for run in runs]),
        throttled=_sums([run.throttled for run in runs]),
        metrics=sum(run.metrics for run in runs),
        datapoints=sum(run.datapoints for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        memory_mb=sum(run.memory_mb for run in runs),
        seconds=seconds,
        killed=any(run.killed for run in runs),
        reached=sum(run.reached for run in runs),
        failures=sum(run.failures for run in runs),
        error=next((run.error for run in runs if run.error), ""),
        first_update=None,
    )


def _sums(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))
