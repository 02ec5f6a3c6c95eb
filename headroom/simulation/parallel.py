"""Work on many items in parallel, on all processors. Ctrl-C ends it at once."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def parallel_map(
    work: Callable[[T], R], items: Sequence[T], workers: int | None = None
) -> Iterator[R]:
    """Yield the result of the work on each item, in the order of the items.

    workers: how many processes; without it, one for each processor. Work and items go to other
    processes, so they must be picklable. When the caller leaves the iterator early, items that were
    not started are dropped. Raises BrokenProcessPool if a process dies, for example without memory.
    """
    count = min(workers or os.cpu_count() or 1, len(items))
    if count <= 1:
        yield from map(work, items)
        return
    # an executor, because a Pool silently replaces a process that died, again and again
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _end_at_once) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_at_once() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
