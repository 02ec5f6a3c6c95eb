"""The hold of a manual increase: a target whose alarm no longer fits.

Headroom rewrites a target's alarm right after each of its own increases. So an alarm that is older
than the last increase, and that fits fewer units, shows an increase by somebody else. An increase
by Headroom whose alarm could not be written looks the same. Then nothing is lowered for some hours,
and the alarm fires too early.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.core import table_alarms
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run

#: Levels that differ by less than this part are the same: they are products and quotients of
#: floats.
FITS = 1e-6


def by_hand(
    run: Run, observations: Mapping[Target, Observation], alarms: Sequence[Alarm]
) -> Iterator[tuple[Target, Hold | None]]:
    """Yield a hold for each target raised by hand within `hold_after_manual_change_hours`."""
    # Headroom's own alarm comes last, so it counts where there are both
    by_target = {
        table_alarms.rewritable(alarm): alarm for alarm in sorted(alarms, key=table_alarms.is_ours)
    }
    for target, observation in observations.items():
        alarm = by_target.get(target)
        yield target, judge(observation, alarm, run.now) if alarm else None


def judge(observation: Observation, alarm: Alarm, now: datetime) -> Hold | None:
    """Return a hold where somebody raised the target by hand.

    alarm: that of the target, preferably Headroom's own. The increase is dated for a table or an
    index, not for its reads or writes: a later one of the other dimension starts the hours again.
    Source: API_ProvisionedThroughputDescription, LastIncreaseDateTime, read 2026-11. The alarm's
    date is that of its last PutMetricAlarm. Source: API_MetricAlarm,
    AlarmConfigurationUpdatedTimestamp, read 2026-11.
    """
    hours = observation.policy.hold_after_manual_change_hours
    raised_at = observation.throughput.last_increase_at
    written_at = alarm.fields.get("AlarmConfigurationUpdatedTimestamp")
    if not hours or raised_at is None or not isinstance(written_at, datetime):
        return None
    until = raised_at + timedelta(hours=hours)
    if written_at >= raised_at or now >= until or _fits(alarm, observation):
        return None
    return Hold(
        Reason.RAISED_BY_HAND,
        f"raised by hand at {raised_at:%Y-%m-%dT%H:%MZ}, until {until:%Y-%m-%dT%H:%MZ}",
        DOWN,
    )


def _fits(alarm: Alarm, observation: Observation) -> bool:
    """Tell whether the alarm fires no earlier than it should at the units that hold now.

    An alarm without a threshold tells nothing.
    """
    if alarm.threshold is None or not alarm.fields.get("Period"):
        return True
    wanted = observation.provisioned * observation.policy.alarm_percent / 100
    return table_alarms.level(alarm.fields) >= wanted * (1 - FITS)
