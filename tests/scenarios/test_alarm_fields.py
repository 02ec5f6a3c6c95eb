"""An alarm with a field that the running botocore does not know: it is not rewritten, its table is
raised, and nothing is lowered while Headroom's own alarm cannot follow."""

from headroom.region.region import Region
from tests.support.builders import FOREIGN, READS
from tests.support.on_alarm import hot, put
from tests.support.scenes import (
    alarm_message,
    invoke,
    pass_minutes,
    reasons,
    send,
    skips,
    thresholds,
    units,
)

OWN = "headroom-orders:read"


def add_a_field(region: Region, name: str) -> None:
    region.cloudwatch.alarms[name].fields["QuietHours"] = {"From": "22:00"}


def test_an_alarm_of_somebody_else_keeps_its_fields_and_the_table_is_raised(region: Region) -> None:
    put(region, FOREIGN)
    add_a_field(region, FOREIGN)
    before = dict(region.cloudwatch.alarms[FOREIGN].fields)
    hot(region)
    invocation = send(region, alarm_message(region, name=FOREIGN))
    assert (units(region)["orders:read"], thresholds(region)[OWN]) == (150, 7200.0)
    assert region.cloudwatch.alarms[FOREIGN].fields == before
    assert (skips(invocation), invocation.error) == ([(FOREIGN, "AlarmFieldUnknown")], None)


def test_a_table_is_raised_and_not_lowered_while_its_own_alarm_cannot_follow(
    region: Region,
) -> None:
    add_a_field(region, OWN)
    before = dict(region.cloudwatch.alarms[OWN].fields)
    hot(region)
    send(region, alarm_message(region))
    assert (units(region)["orders:read"], region.cloudwatch.alarms[OWN].fields) == (150, before)
    pass_minutes(region, 90, {READS: 10.0})
    invocation = invoke(region, "scale_down")
    assert skips(invocation) == [(OWN, "AlarmFieldUnknown")]
    assert reasons(invocation)["orders:read"] == "AlarmFieldUnknown"
    assert units(region)["orders:read"] == 150
