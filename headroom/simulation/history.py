"""The history of a table of the account: read from CloudWatch once, and kept on disk.

Days that are over do not change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.model import Target
from headroom.counted import counted
from headroom.operator_error import OperatorError
from headroom.simulation.clock import DAY

if TYPE_CHECKING:
    from chalicelib.aws.client import Aws


class NoHistoryError(OperatorError):
    """There is nothing to replay."""


@dataclass(frozen=True)
class Cache:
    """The folder that keeps the days that are over. fresh: read all of them anew."""

    folder: Path
    fresh: bool = False


@dataclass(frozen=True)
class TargetHistory:
    """A target's demand in units per second, one value a minute.

    filled_minutes: minutes without a datapoint; each has the value of the minute before.
    """

    demand: list[float]
    filled_minutes: int
    start: datetime


def read(
    aws: Aws,
    target: Target,
    days: int,
    now: datetime,
    cache: Cache,
    on_day: Callable[[], None] = lambda: None,
) -> TargetHistory:
    """Return the last whole UTC days of a target. on_day: called after each day.

    Raises NoHistoryError if CloudWatch has no datapoint of it.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=days)
    values: list[float | None] = []
    for number in range(days):
        values += _day(aws, target, start + timedelta(days=number), cache)
        on_day()
    found = of_values(values, start)
    if found is None:
        raise NoHistoryError(
            f"CloudWatch has no datapoint of {target} in the last {counted(days, 'whole UTC day')}"
        )
    return found


def of_values(values: Sequence[float | None], start: datetime) -> TargetHistory | None:
    """Return the history of a value a minute, from the first day with a value on; None without any.

    start: the midnight of the first value.
    """
    first = next((i for i, value in enumerate(values) if value is not None), None)
    if first is None:
        return None
    first -= first % DAY
    return _filled(values[first:], start + timedelta(minutes=first))


def idle(days: int, now: datetime) -> TargetHistory:
    """Return the history of a target that nothing was consumed of."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return TargetHistory([0.0] * days * DAY, 0, midnight - timedelta(days=days))


def _day(aws: Aws, target: Target, day: datetime, cache: Cache) -> list[float | None]:
    """Return a day by the minute. A day without any datapoint is not kept: it may still come."""
    folder = cache.folder / aws.account / aws.region / target.owner.replace("/", "~")
    file = folder / f"{target.dimension}-{day:%Y-%m-%d}.json"
    if file.exists() and not cache.fresh:
        return list(json.loads(file.read_text(encoding="utf-8")))
    # boto3 takes long to import, and a day that is on disk does not need it
    from chalicelib.aws.metrics import read_demand  # noqa: PLC0415

    values = list(read_demand(aws, target, day, day + timedelta(days=1)).values)
    if any(value is not None for value in values):
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(values))
        part.replace(file)
    return values


def _filled(values: Sequence[float | None], start: datetime) -> TargetHistory:
    demand: list[float] = []
    for value in values:
        demand.append(value if value is not None else demand[-1] if demand else 0.0)
    return TargetHistory(demand, sum(value is None for value in values), start)
