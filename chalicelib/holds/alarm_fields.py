"""The hold of a target whose own alarm cannot follow its units.

The alarm has a field that the running botocore does not know, and a rewrite would lose it. With
fewer units, the alarm would fire too late. Increases go on.
"""

from collections.abc import Iterator, Mapping, Sequence

from chalicelib.core import table_alarms
from chalicelib.core.observation import Observation
from chalicelib.model import DOWN, Alarm, Hold, Reason, Target
from chalicelib.run import Run


def by_alarm_fields(
    run: Run, observations: Mapping[Target, Observation], alarms: Sequence[Alarm]
) -> Iterator[tuple[Target, Hold | None]]:
    """Report the alarms that cannot be rewritten, and yield a hold where one is Headroom's own.

    An alarm that somebody else made stays as it is, and Headroom's own fires beside it.
    """
    for alarm in alarms:
        target = table_alarms.rewritable(alarm) if alarm.unsendable else None
        if target and target in observations:
            run.skip(alarm.name, Reason.ALARM_UNKNOWN, alarm.why_not_rewritten)
            if table_alarms.is_ours(alarm):
                yield target, Hold(Reason.ALARM_UNKNOWN, alarm.why_not_rewritten, DOWN)
