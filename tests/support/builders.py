"""Builders of the engine's values, with good defaults: a test names only what it is about."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from chalicelib.config.loader import ConfigError, load
from chalicelib.config.policy import Policy, make_policy
from chalicelib.config.types import ScalingStep
from chalicelib.core import scaling, table_alarms
from chalicelib.core.money import Spending
from chalicelib.core.observation import Observation
from chalicelib.core.strategies.demand import Recommendation
from chalicelib.model import (
    Alarm,
    Decision,
    Dimension,
    Direction,
    Hold,
    Metrics,
    Reason,
    Series,
    Target,
    Throughput,
)

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:headroom-alarms"
READS = Target("orders", "", Dimension.READ)
WRITES = Target("orders", "", Dimension.WRITE)
INDEX_READS = Target("orders", "by-date", Dimension.READ)
INDEX_WRITES = Target("orders", "by-date", Dimension.WRITE)
#: The name of an alarm that somebody else made.
FOREIGN = "orders-reads-high"


def policy(**settings: Any) -> Policy:
    """Return a policy: the strategy `percent`, and for everything else what the configuration would
    give it by default."""
    return make_policy(**{"strategy": "percent", **settings})


def rows(**steps: Any) -> dict[str, tuple[ScalingStep, ...]]:
    """Return tables of steps: each row is (at, percent) or (at, percent, units)."""
    return {
        f"{name}_steps": tuple(ScalingStep(*row) for row in given) for name, given in steps.items()
    }


def problems(text: str) -> list[str]:
    """Return the problems of a configuration that must be refused."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems


def throughput(read: int = 100, write: int = 100, **fields: Any) -> Throughput:
    """Return the throughput of a quiet, active table; `fields` are Throughput's other members."""
    return Throughput({Dimension.READ: read, Dimension.WRITE: write}, **fields)


def series(values: Sequence[float | None], end: datetime = NOON, step_seconds: int = 60) -> Series:
    """Return a series whose last value closes at `end`."""
    return Series(end - timedelta(seconds=step_seconds * len(values)), step_seconds, tuple(values))


def steady(rate: float | None, minutes: int = 180, end: datetime = NOON) -> Series:
    """Return a series of the same value for some minutes up to `end`."""
    return series([rate] * minutes, end)


def observation(
    target: Target = READS,
    provisioned: int = 100,
    consumed: Series | float | None = None,
    throttled: Series | float | None = None,
    hot: Series | float | None = None,
    seen: Throughput | None = None,
    holds: tuple[Hold, ...] = (),
    fleet_units: int = 0,
    fleet: str = "",
    instances: int | None = None,
    settings: Policy | None = None,
    alarmed_at: datetime | None = None,
    spending: tuple[Spending, ...] = (),
    **fields: Any,
) -> Observation:
    """Return an observation of one target: without `consumed` there are no metrics at all.

    consumed, throttled, hot: a series, or the steady rate of the last three hours up to NOON. seen:
    the throughput; without it, one of `provisioned` units made with `fields`, Throughput's other
    members.
    """
    found = seen or throughput(provisioned, provisioned, **fields)
    metrics = Metrics(_series(consumed), _series(throttled), hot_keys=_series(hot))
    return Observation(
        target,
        provisioned,
        found,
        settings or policy(),
        metrics,
        holds,
        fleet_units,
        fleet,
        instances,
        alarmed_at,
        spending,
    )


def decide_with(
    observation: Observation, settings: Policy, now: datetime, directions: Collection[Direction]
) -> Decision:
    """Decide on an observation whose target has these settings."""
    return scaling.decide(with_policy(observation, settings), now, directions)


def with_policy(observation: Observation, settings: Policy) -> Observation:
    """Return an observation whose target has these settings."""
    return structs.replace(observation, policy=settings)


def _series(given: Series | float | None) -> Series:
    if given is None:
        return Metrics().consumed
    return given if isinstance(given, Series) else steady(given)


def decision(
    target: Target = READS,
    current: int = 100,
    desired: int = 100,
    reason: Reason | None = None,
    numbers: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> Decision:
    """Return a decision, with the plainest reason for its direction where none is given."""
    plain = Reason.AT_DESIRED
    if desired != current:
        plain = Reason.UTILIZATION_HIGH if desired > current else Reason.UTILIZATION_LOW
    return Decision(target, current, desired, reason or plain, numbers or {}, dry_run)


def alarm(
    target: Target = READS,
    units: int = 100,
    name: str | None = None,
    settings: Policy | None = None,
    **fields: Any,
) -> Alarm:
    """Return an alarm that fits `units`, as DescribeAlarms shows it: Headroom's own, or `name`d by
    somebody else.

    fields: members to set besides or instead; a member set to None is left out.
    """
    made = table_alarms.new_fields(target, units, settings or policy(), TOPIC)
    own_name = name or table_alarms.name_of(target)
    shown = {
        **made,
        "AlarmName": own_name,
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{own_name}",
        "StateValue": "OK",
        "OKActions": [],
        "InsufficientDataActions": [],
        **fields,
    }
    return Alarm(
        {key: value for key, value in shown.items() if key != "Tags" and value is not None}
    )


def outcome(found: Decision | Recommendation) -> tuple[int, Reason]:
    """Return the units and the reason of a decision or of a strategy's recommendation."""
    return found.desired, found.reason


def held(found: Hold | None) -> tuple[Reason, Collection[Direction]] | None:
    """Return the reason and the directions of a hold, if there is one."""
    return (found.reason, found.directions) if found else None
