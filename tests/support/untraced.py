"""Coverage pauses where it doubles a cost and shows nothing new: pytest-cov's `no_cover` for
fixtures."""

from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage


@contextmanager
def untraced() -> Iterator[None]:
    """Let coverage not follow what the block runs."""
    current = Coverage.current()
    if current:
        current.stop()
    try:
        yield
    finally:
        if current:
            current.start()
