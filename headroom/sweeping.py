"""Sweeps without a Lambda function: from any machine that runs, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from chalicelib import handlers
from chalicelib.run import Report, Run


def every(
    minutes: int,
    new_run: Callable[[datetime], Run],
    with_alarms: bool,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[tuple[datetime, Report | Exception]]:
    """Sweep now and every so many minutes, for ever; yield each time with its report, or with what
    ended that sweep.

    A sweep that takes longer than the time between two is followed by the next one at once.
    """
    while True:
        began = clock()
        yield began, once(new_run(began), with_alarms)
        sleep(max(0.0, minutes * 60 - (clock() - began).total_seconds()))


def once(run: Run, with_alarms: bool) -> Report | Exception:
    """Sweep once; return the report, or what ended the sweep: the next one begins anew."""
    try:
        report = handlers.sweep(run, alone=True, with_alarms=with_alarms)
        handlers.notify(run)
        return report
    # whatever ends one sweep is told, and must not end those that come
    except Exception as error:  # noqa: BLE001
        return error
