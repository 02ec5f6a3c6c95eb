"""Goals that take many runs, or an API that is silent: the functions run as they are scheduled."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from chalicelib import handlers
from chalicelib.model import Dimension, Target
from headroom.scale.account import Load
from headroom.scale.scenarios import TWO_INDEXES, on_alarm
from headroom.scale.simulation import BEGIN, Conditions, Container, Handler, Simulation

SILENT = ("DescribeAlarms", "GetMetricData", "GetCallerIdentity", "GetResources")
"""The APIs that are asked before an increase, besides those that make it."""
RAISING, LOWERING, MAKING = timedelta(hours=2), timedelta(hours=6), timedelta(hours=3)
"""A goal that is not reached in this time is given up."""


class Goal(msgspec.Struct, frozen=True):
    """How long it took in virtual time until a goal was reached. seconds: None if it was not.

    runs, killed: the runs until then, and those that Lambda's timeout ended.
    """

    goal: str
    tables: int
    seconds: float | None
    runs: int
    killed: int
    throttled: int

    @property
    def key(self) -> tuple[str, int]:
        return self.goal, self.tables


@dataclass(frozen=True)
class Schedule:
    """A function, and how often it runs."""

    function: str
    handler: Handler
    every: timedelta


FOLLOW_UP = Schedule("follow_up", handlers.follow_up, timedelta(minutes=1))
SWEEP = Schedule("sweep", handlers.sweep, timedelta(minutes=5))
SCALE_DOWN = Schedule("scale_down", handlers.scale_down, timedelta(hours=1))
