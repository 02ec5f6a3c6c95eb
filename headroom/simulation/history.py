"""A table's own history, read from CloudWatch once and kept on disk: days that are over do not
change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from chalicelib.aws.client import Aws
from chalicelib.aws.metrics import read_demand
from chalicelib.model import Target

MINUTES_A_DAY = 1440


class NoHistoryError(ValueError):
    """There is nothing to replay."""


@dataclass(frozen=True)
class Past:
    """A target's demand, units per second, a value a minute. unknown: minutes without a datapoint,
    filled with the one before."""

    demand: list[float]
    unknown: int
    start: datetime


def read(
    aws: Aws,
    target: Target,
    days: int,
    now: datetime,
    cache: Path,
    done: Callable[[], None] = lambda: None,
) -> Past:
    """Return the last whole UTC days of a target. done: called after each day.

    Raises NoHistoryError where CloudWatch has no datapoint of it.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=days)
    values: list[float | None] = []
    for number in range(days):
        values += _day(aws, target, start + timedelta(days=number), cache)
        done()
    first = next((i for i, value in enumerate(values) if value is not None), None)
    if first is None:
        raise NoHistoryError(
            f"CloudWatch has no datapoint of {target} in the last {days} whole UTC days"
        )
    first -= first % MINUTES_A_DAY
    return _filled(values[first:], start + timedelta(minutes=first))


def _day(aws: Aws, target: Target, day: datetime, cache: Path) -> list[float | None]:
    owner = target.owner.replace("/", "~")
    file = cache / aws.account / aws.region / owner / f"{target.dimension}-{day:%Y-%m-%d}.json"
    if file.exists():
        kept: list[float | None] = json.loads(file.read_text())
        return kept
    found = list(read_demand(aws, target, day, day + timedelta(days=1)).values)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(file)
    return found


def _filled(values: list[float | None], start: datetime) -> Past:
    demand: list[float] = []
    for value in values:
        demand.append(value if value is not None else demand[-1] if demand else 0.0)
    return Past(demand, sum(value is None for value in values), start)
