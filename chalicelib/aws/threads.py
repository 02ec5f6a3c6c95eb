"""Calls side by side, and calls that may not take longer than a given time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

#: Calls of one API at the same time.
PARALLEL = 16


class Threads:
    """Runs calls in threads. A simulation replaces it by one that runs them one by one."""

    def map(self, call: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Return what `call` gives for each item, in the items' order. An exception is raised."""
        waiting = list(items)
        if len(waiting) < 2:
            return [call(item) for item in waiting]
        with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
            return list(pool.map(call, waiting))

    def within(self, seconds: float, call: Callable[[], T]) -> T:
        """Return what `call` gives. Raises TimeoutError where that takes longer.

        A socket's timeout does not limit a call: it begins anew with each part of an answer, and
        with each attempt. The thread of a call that is late ends with its socket.
        """
        answer: Future[T] = Future()
        Thread(target=_answer, args=(answer, call), daemon=True).start()
        try:
            return answer.result(seconds)
        except TimeoutError:
            if answer.done():
                raise  # the call's own
            raise TimeoutError(f"no answer within {seconds:.3g} s") from None


class Answers(Generic[S, T]):
    """What calls side by side have given so far: who waits no longer keeps the answers that came.

    results: by item, with no key for an item without an answer.
    """

    def __init__(self, threads: Threads, call: Callable[[S], T]) -> None:
        """Keep what runs the calls, and the call."""
        self._threads, self._call = threads, call
        self._is_over = False
        self.results: dict[S, T] = {}

    def fetch(self, items: Iterable[S]) -> None:
        """Make the calls for some items."""
        self._threads.map(self._fetch, items)

    def stop(self) -> dict[S, T]:
        """Begin no more calls, and return the results."""
        self._is_over = True
        return dict(self.results)

    def _fetch(self, item: S) -> None:
        if not self._is_over:
            self.results[item] = self._call(item)


def _answer(answer: Future[T], call: Callable[[], T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001  it is raised by who waits
        answer.set_exception(error)
