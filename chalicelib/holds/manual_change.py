"""Which targets somebody has raised by hand a short time ago: the alarm that no longer fits tells
it.

Headroom writes a target's alarm anew right after each of its own increases. An alarm that is older
than the last increase, and still fits fewer units, was left behind by somebody else's. An increase
of Headroom's whose alarm could not be written looks the same: then nothing is lowered for some
hours, and the alarm stays too eager.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.config.policy import Policy
from chalicelib.core import table_alarms
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Report, Shell

FITS = 1e-6
"""Levels that differ by less than this part are the same: they are products and quotients of
floats."""


def by_hand(
    shell: Shell,
    _: Report,
    observed: Mapping[Target, Observation],
    watching: Sequence[Alarm],
    now: datetime,
) -> Iterator[tuple[Target, Hold]]:
    """Yield a hold for each target that was raised by hand within its
    `hold_after_manual_change_hours`."""
    patient = {
        t: policy
        for t in observed
        for policy in [shell.policy(t)]
        if policy.hold_after_manual_change_hours
    }
    own = {alarm.name: alarm for alarm in watching} if patient else {}
    for target, policy in patient.items():
        alarm = own.get(table_alarms.name_of(target))
        found = judge(observed[target], alarm, policy, now) if alarm else None
        if found:
            yield target, found


def judge(seen: Observation, alarm: Alarm, policy: Policy, now: datetime) -> Hold | None:
    """Return a hold where somebody raised the target by hand. alarm: Headroom's own alarm of the
    target.

    The increase is dated for a table or an index, not for its reads or writes: a later one of the
    other dimension begins the hours anew. Source: API_ProvisionedThroughputDescription,
    LastIncreaseDateTime, read 2026-11. The alarm's date is that of its last PutMetricAlarm. Source:
    API_MetricAlarm, AlarmConfigurationUpdatedTimestamp, read 2026-11.
    """
    raised_at, written_at = (
        seen.throughput.last_increase_at,
        alarm.fields.get("AlarmConfigurationUpdatedTimestamp"),
    )
    if raised_at is None or not isinstance(written_at, datetime) or written_at >= raised_at:
        return None
    until = raised_at + timedelta(hours=policy.hold_after_manual_change_hours)
    if now >= until or _fits(alarm, seen.provisioned, policy):
        return None
    return Hold(
        Reason.RAISED_BY_HAND,
        f"raised by hand at {raised_at:%Y-%m-%dT%H:%MZ}, until {until:%Y-%m-%dT%H:%MZ}",
        DOWN,
    )


def _fits(alarm: Alarm, units: int, policy: Policy) -> bool:
    """Tell whether the alarm fires no earlier than it should at so many units; one without a
    threshold tells nothing."""
    if alarm.threshold is None or not alarm.fields.get("Period"):
        return True
    return table_alarms.level(alarm.fields) >= units * policy.alarm_percent / 100 * (1 - FITS)
