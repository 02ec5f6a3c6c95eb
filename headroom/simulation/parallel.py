"""The same work on many items, on all processors; Ctrl-C ends it at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], items: Sequence[T], workers: int | None = None) -> Iterator[R]:
    """Yield what the work made of each item, in the items' order. workers: processes, else as many
    as there are processors.

    Work and items travel to other processes, so they must be picklable. Leaving the iterator early
    drops what is not begun. Raises BrokenProcessPool where a process dies, for want of memory for
    instance.
    """
    count = min(workers or os.cpu_count() or 1, len(items))
    if count <= 1:
        yield from map(work, items)
        return
    # an executor, and no Pool: a Pool puts a new process in the place of one that died, for ever,
    # and nobody hears of it
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _end_at_once) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_at_once() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
